//! A long capture, made of short ones.

use std::fs;
use std::path::Path;

use crate::lab::capture;

/// Octets of the header of a pcap file, and of that of a packet.
const FILE: usize = 24;
const PACKET: usize = 16;

/// Captures with Ethernet and microseconds.
const SHORT: [&str; 5] = [
    "example.pcap",
    "http.pcap",
    "tls.pcap",
    "sip.pcap",
    "dns_tcp.pcap",
];

fn number(octets: &[u8]) -> u32 {
    u32::from_le_bytes(*octets.first_chunk().expect("four octets"))
}

/// Writes a capture that repeats the short ones, an hour later each time.
pub(crate) fn write_long(path: &Path, repetitions: u32) {
    let short = SHORT.map(|name| fs::read(capture(name)).expect("a capture"));
    let mut long = short[0][..FILE].to_vec();
    for repetition in 0..repetitions {
        for file in &short {
            assert_eq!(number(file), 0xa1b2_c3d4, "microseconds, little-endian");
            assert_eq!(number(&file[20..]), 1, "Ethernet");
            let start = number(&file[FILE..]);
            let mut rest = &file[FILE..];
            while !rest.is_empty() {
                let length = PACKET + number(&rest[8..]) as usize;
                let (packet, others) = rest.split_at(length);
                let time = 1_700_000_000 + 3600 * repetition + (number(packet) - start);
                long.extend(time.to_le_bytes());
                long.extend(&packet[4..]);
                rest = others;
            }
        }
    }
    fs::write(path, long).expect("written");
}
