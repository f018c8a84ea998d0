//! Fiber Distributed Data Interface (ANSI INCITS 239-1994, ISO 9314-2): one record per frame.
//!
//! The captures begin with the frame control; preamble and starting delimiter are not in them. FDDI
//! sends the bits of an address in the other order than Ethernet, and the captures keep the octets
//! as sent: they are turned round, so that a station has the address that it has on Ethernet.
//! Frames with 16-bit addresses, which no network ever had, are not told apart. Frames of LLC,
//! synchronous or not, lead on to LLC; tokens, MAC frames and station management end here.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};
use netcap_record::{Mac, Record, Timestamp};

use crate::llc;

pub(crate) static PROTOCOL: Protocol = Protocol::new("FDDI", dissect)
    .reached_by(&[Selector::LinkType(LINKTYPE as u32)])
    .emits(&[Fddi::SCHEMA]);

/// LINKTYPE of frames.
const LINKTYPE: u16 = 10;

/// One FDDI frame (ISO 9314-2).
#[derive(Record)]
#[record("FDDI", 78)]
pub(crate) struct Fddi {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Frame control without its three lowest bits, a multiple of 8, 0 to 248 (ISO 9314-2 clause
    /// 7.3): 80 is an asynchronous LLC frame, 208 a synchronous one, 64 station management, 192
    /// a MAC frame, 128 a token.
    #[field(2, "FrameControl")]
    frame_control: u8,
    /// The three lowest bits of the frame control, 0 to 7: in asynchronous LLC frames the
    /// priority, in others part of the kind of frame.
    #[field(3, "Priority")]
    priority: u8,
    /// Address of the sender, `aa:bb:cc:dd:ee:ff`, its bits in the order that Ethernet uses.
    #[field(4, "SrcMAC")]
    source: Mac,
    /// Address of the receiver, or of a group, `aa:bb:cc:dd:ee:ff`, its bits in the order that
    /// Ethernet uses.
    #[field(5, "DstMAC")]
    destination: Mac,
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [control, d @ ..] = *input.array::<7>()?;
    let s = *input.array::<6>()?;
    let (d, s) = (d.map(u8::reverse_bits), s.map(u8::reverse_bits));
    let [d0, d1, d2, d3, d4, d5] = d;
    let [s0, s1, s2, s3, s4, s5] = s;
    context.link(LINKTYPE, &[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5]);
    context.emit(&Fddi {
        timestamp: context.timestamp(),
        frame_control: control & 0xf8,
        priority: control & 0x07,
        source: Mac(s),
        destination: Mac(d),
    });
    // ISO 9314-2 clause 7.3: class, address length and format; format 01 is LLC.
    Ok(match control & 0x70 {
        0x50 => Next::Layer(llc::SELECTOR, input.take_rest()),
        _ => Next::End,
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{encoded, every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &llc::PROTOCOL];
    const SAMPLE: &[u8] = b"\x54\x40\x00\x7a\x00\x00\xd0\x40\x00\x7a\x00\x00\x50\x42\x42\x03bpdu";

    fn sample() -> Fddi {
        Fddi {
            timestamp: Timestamp::new(1, 2000),
            frame_control: 0x50,
            priority: 4,
            source: Mac([2, 0, 0x5e, 0, 0, 0x0a]),
            destination: Mac([2, 0, 0x5e, 0, 0, 0x0b]),
        }
    }

    #[test]
    fn every_field() {
        let walked = walk_packet(PROTOCOLS, 10, SAMPLE);
        assert_eq!(walked.of("FDDI"), [encoded(&sample())]);
        assert_eq!(walked.of("LLC").len(), 1);
        assert_eq!(walked.fate, Fate::Unknown(Selector::LlcSap(0x42)));
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 10, SAMPLE);
        let walked = walk_packet(PROTOCOLS, 10, SAMPLE.split_at(12).0);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        assert!(walked.records.is_empty());
    }

    #[test]
    fn kinds_of_frames() {
        // Asynchronous and synchronous LLC; station management, MAC, token, implementer.
        for (control, is_llc) in [
            (0x50, true),
            (0x57, true),
            (0xd0, true),
            (0x41, false),
            (0x4f, false),
            (0xc3, false),
            (0x80, false),
            (0x60, false),
        ] {
            let mut frame = SAMPLE.to_vec();
            frame.splice(..1, [control]);
            let walked = walk_packet(PROTOCOLS, 10, &frame);
            assert_eq!(walked.of("FDDI").len(), 1);
            assert_eq!(
                walked.of("LLC").len(),
                usize::from(is_llc),
                "{control:#04x}"
            );
        }
    }
}
