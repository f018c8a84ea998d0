//! Any octets as a file of records: read to its end, every record that decodes renders in every
//! format.
#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use netcap_fuzz::render;
use netcap_protocols::PROTOCOLS;
use netcap_record::{Message, Schema, find_schema};
use netcap_store::Reader;

/// What decompression bombs are stopped at.
const MOST_OCTETS: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let input = Cursor::new(input.to_vec());
    let Ok(mut reader) = Reader::new(Path::new("input"), input) else {
        return;
    };
    let schemas: Vec<&'static Schema> = PROTOCOLS
        .iter()
        .flat_map(|protocol| protocol.schemas)
        .copied()
        .collect();
    let schema = find_schema(&schemas, reader.header().record_type);
    let mut octets = 0;
    loop {
        let record = match reader.next_record() {
            Ok(Some(record)) => record,
            Ok(None) => break,
            Err(_) => {
                assert!(
                    matches!(reader.next_record(), Ok(None)),
                    "the error was the end"
                );
                break;
            }
        };
        octets += record.len();
        if octets > MOST_OCTETS {
            break;
        }
        // A record of a type that nobody knows is held against all of them.
        let candidates = schema.as_slice();
        let candidates = if candidates.is_empty() {
            &schemas
        } else {
            candidates
        };
        for schema in candidates {
            if let Ok(message) = Message::parse(schema, record) {
                render(schema, &message);
            }
        }
    }
});
