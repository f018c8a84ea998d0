//! Any octets as a frame that an agent of the extended stream notes.
//!
//! Laws: lengths are those of the frame; what is noted is read as it was written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netcap_agent::extended::{Agent, Frame, Interface, Message, Messages, note};
use netcap_capture::{LinkType, Timestamp};

fuzz_target!(|input: (u16, u8, &[u8])| {
    let (link_type, missing, octets) = input;
    let frame = Frame {
        link_type: LinkType(link_type.into()),
        time: Timestamp::new(1, 2),
        octets,
        // What the capture may have cut off.
        wire_length: octets.len() as u32 + 8 * u32::from(missing),
    };
    let Ok(note) = note(&frame, 0, &Interface::default()) else {
        return;
    };
    assert!(note.length <= note.wire_length && note.wire_length == frame.wire_length);
    assert_eq!(note.source.is_ipv6(), note.destination.is_ipv6());
    let messages = [Message::Agent(Agent::default()), Message::Packet(note)];
    let mut stream = Vec::new();
    messages
        .iter()
        .for_each(|message| message.write(&mut stream));
    let mut read = Vec::new();
    Messages::new(&stream[..])
        .read(&mut read)
        .expect("it is ours");
    assert_eq!(read, messages);
});
