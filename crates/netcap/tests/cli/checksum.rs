//! `-checksum`: what has a wrong one is left out, and counted.

use std::fs;

use netcap_capture::{LinkType, Timestamp, pcap_writer};

use crate::run::run;

/// A datagram over raw IPv4 with its checksums: a word of it sums up to what it would be without.
fn datagram(payload: [u8; 2], spoilt: u8) -> Vec<u8> {
    let sum = |octets: &[u8]| {
        let words = octets
            .chunks(2)
            .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]));
        let sum: u32 = words.sum();
        (!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes()
    };
    let addresses = [192, 0, 2, 1, 192, 0, 2, 2];
    let mut header = vec![0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17, 0, 0];
    header.extend(addresses);
    let checksum = sum(&header);
    header[10..12].copy_from_slice(&checksum);
    let mut inside = vec![0x9c, 0x40, 0x9c, 0x41, 0, 10, 0, 0];
    inside.extend(payload);
    let checksum = sum(&[&addresses[..], &[0, 17, 0, 10], &inside].concat());
    inside[6..8].copy_from_slice(&checksum);
    inside[9] ^= spoilt;
    [header, inside].concat()
}

#[test]
fn wrong_checksums_are_left_out_where_that_is_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("datagrams.pcap");
    let mut file = pcap_writer::file_header(LinkType(101), 65_535).to_vec();
    for packet in [
        datagram(*b"ab", 0),
        datagram(*b"cd", 1),
        datagram(*b"ef", 0),
    ] {
        let time = Timestamp {
            seconds: 1_600_000_000,
            nanos: 0,
        };
        pcap_writer::append_record(&mut file, time, packet.len() as u32, &packet);
    }
    fs::write(&path, file).expect("a file");
    for (flags, records, counted) in [("", 3, false), ("-checksum", 2, true)] {
        let out = directory.path().join(format!("records{flags}"));
        let (path, out) = (path.display(), out.display());
        let args = format!("-r {path} -out {out} -include UDP {flags}");
        let (code, summary, errors) = run(&args);
        assert_eq!((code, errors.as_str()), (0, ""), "{args}");
        let (_, _, told) = run(&format!("-r {out}/UDP.ncap.gz -csv"));
        assert!(told.contains(&format!("{records} records")), "{told}");
        let is_counted = summary.contains("UDP: wrong checksum");
        assert_eq!(is_counted, counted, "{summary}");
    }
}
