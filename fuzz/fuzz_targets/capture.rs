//! Any octets as a capture file: the packets and the trouble at the end are the same, whatever the
//! size of batches.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use netcap_capture::{Batch, from_reader};

fuzz_target!(|input: &[u8]| {
    let expected = read(input, 1 << 20, 1000);
    assert_eq!(read(input, 1 << 20, 1), expected);
    assert_eq!(read(input, 100, 7), expected);
});

/// Every packet as text, then how the capture ended.
fn read(input: &[u8], block: usize, packets: usize) -> (Vec<String>, String) {
    let mut seen = Vec::new();
    let mut source = match from_reader("input", Box::new(Cursor::new(input.to_vec())), None) {
        Ok(source) => source,
        Err(error) => return (seen, format!("{error:?}")),
    };
    let mut batch = Batch::new(block, packets);
    loop {
        match source.fill(&mut batch) {
            Ok(true) => {
                assert!(!batch.is_empty() && batch.len() <= packets);
                for (packet, octets) in batch.iter() {
                    assert_eq!(packet.captured_len() as usize, octets.len());
                    seen.push(format!(
                        "{:?} {} {:?} {} {octets:x?} {:x?}",
                        packet.timestamp,
                        packet.original_len,
                        packet.link_type,
                        packet.interface,
                        batch.comment(packet)
                    ));
                }
            }
            Ok(false) => break,
            Err(error) => {
                assert!(
                    matches!(source.fill(&mut batch), Ok(false)),
                    "the error was the end"
                );
                return (seen, format!("{error:?}"));
            }
        }
    }
    (seen, String::new())
}
