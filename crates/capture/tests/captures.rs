//! Every capture of the shared collection gives the packets and link types its index says.
//!
//! The collection is not part of the project; without it this test has nothing to do.

use std::collections::BTreeSet;
use std::path::Path;

use netcap_capture::{Batch, Error, open};

/// What reading a file to its end has shown.
struct Read {
    packets: u64,
    /// Sum of the lengths on the wire, which is what the index has.
    octets: u64,
    link_types: BTreeSet<u32>,
    trouble: Option<Error>,
}

fn read(path: &Path) -> Read {
    let mut read = Read {
        packets: 0,
        octets: 0,
        link_types: BTreeSet::new(),
        trouble: None,
    };
    let mut source = match open(path) {
        Ok(source) => source,
        Err(error) => {
            return Read {
                trouble: Some(error),
                ..read
            };
        }
    };
    let mut batch = Batch::new(1 << 20, 1024);
    loop {
        match source.fill(&mut batch) {
            Ok(true) => {}
            Ok(false) => return read,
            Err(error) => {
                return Read {
                    trouble: Some(error),
                    ..read
                };
            }
        }
        for packet in batch.packets() {
            read.packets += 1;
            read.octets += u64::from(packet.original_len);
            read.link_types.insert(packet.link_type.0);
        }
    }
}

#[test]
fn the_collection_reads_as_indexed() {
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let Ok(index) = std::fs::read_to_string(shared.join("captures/INDEX.tsv")) else {
        eprintln!("skipped: no collection of captures at {}", shared.display());
        return;
    };
    let mut files = 0;
    let mut differences = Vec::new();
    for line in index.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, _, _, _, _, dlt, link_type, packets, octets, ..] = columns[..] else {
            panic!("a line of the index has {} columns: {line}", columns.len());
        };
        files += 1;
        let read = read(&shared.join(file));
        let mut differs = |what: String| differences.push(format!("{file}: {what}"));

        // Its second section says version 2, on purpose.
        let futuristic = file.ends_with("/test901.pcapng");
        match &read.trouble {
            None if futuristic => differs("a section of version 2 was read".to_owned()),
            Some(Error::Unsupported { .. }) if futuristic && read.packets == 1 => {}
            Some(error) => differs(error.to_string()),
            None => {}
        }

        // The program that made the index does not read all link types that exist.
        if packets != "n/a" {
            if packets.parse() != Ok(read.packets) {
                differs(format!(
                    "{} packets, the index says {packets}",
                    read.packets
                ));
            }
            // It does not count the four octets that begin a SunATM packet.
            let uncounted = if dlt == "123" { 4 * read.packets } else { 0 };
            if octets.parse() != Ok(read.octets - uncounted) {
                differs(format!("{} octets, the index says {octets}", read.octets));
            }
        }
        let expected: BTreeSet<u32> = dlt.split(',').filter_map(|dlt| dlt.parse().ok()).collect();
        let as_expected = match link_type {
            // The index has the link types of all interfaces, used or not.
            _ if read.packets == 0 => true,
            "per-packet" => read.link_types.is_subset(&expected),
            _ => read.link_types == expected,
        };
        if !as_expected {
            differs(format!(
                "link types {:?}, the index says {dlt}",
                read.link_types
            ));
        }
    }
    assert!(
        differences.is_empty(),
        "{files} files:\n{}",
        differences.join("\n")
    );
}
