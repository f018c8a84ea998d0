//! What one packet and one record cost: `cargo bench --package netcap`.
//!
//! Packets are walked as in a worker, many with one context. `no_records` is the walk alone; what
//! `tcp_records` adds to it is the entropy, the encoding and the framing of one TCP record.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use netcap_dissect::{Context, Entropy, Fate, Output, PacketInfo, Registry, Selection, walk};
use netcap_protocols::PROTOCOLS;
use netcap_record::csv::{self, CsvStyle};
use netcap_record::{Columns, Message, Schema, Time, json};

/// Packets of a batch.
const PACKETS: usize = 256;
const ETHERNET: u32 = 1;

fn main() {
    divan::main();
}

/// An Ethernet frame with an IPv4 header and the protocol that this names around `payload`.
fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16 + 20).to_be_bytes();
    let mut packet = b"\x02\0\0\0\0\x0b\x02\0\0\0\0\x0a\x08\0\x45\0".to_vec();
    packet.extend(length);
    packet.extend([
        0x12, 0x34, 0x40, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
    ]);
    packet.extend(payload);
    packet
}

/// 644 octets: a segment with a timestamp option and 578 octets that look like text.
fn tcp() -> Vec<u8> {
    let mut segment = b"\x9c\x40\0\x50\0\0\0\x01\0\0\0\x02\x80\x18\x01\xf6\0\0\0\0".to_vec();
    segment.extend(b"\x01\x01\x08\x0a\0\0\0\x03\0\0\0\x04");
    segment.extend((0..578u32).map(|n| b'a' + (n * n % 26) as u8));
    ipv4(6, &segment)
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = port.to_be_bytes().to_vec();
    datagram.extend(40_000u16.to_be_bytes());
    datagram.extend((payload.len() as u16 + 8).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    ipv4(17, &datagram)
}

/// A response: an alias and two addresses, names compressed.
fn dns() -> Vec<u8> {
    let message = b"\x12\x34\x81\x80\0\x01\0\x03\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01\
        \xc0\x0c\0\x05\0\x01\0\0\x0e\x10\0\x07\x04edge\xc0\x10\
        \xc0\x2d\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07\
        \xc0\x2d\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x08";
    udp(53, message)
}

fn registry(include: &[&str]) -> Registry {
    let selection = Selection {
        include: include.iter().map(|name| (*name).to_owned()).collect(),
        ..Selection::default()
    };
    Registry::new(PROTOCOLS, &[], &selection).expect("names of encoders")
}

/// Walks one packet as often as a batch has packets.
fn walk_all(registry: &Registry, entropy: &mut Entropy, output: &mut Output, packet: &[u8]) {
    output.clear();
    let mut context = Context::new(registry, output, entropy, &[]);
    for index in 0..PACKETS as u32 {
        let info = PacketInfo {
            time: Time::new(1_300_475_167, 96_535_000),
            link_type: ETHERNET,
            original_len: packet.len() as u32,
            index,
            number: 0,
        };
        let fate = walk(&mut context, info, black_box(packet));
        assert_eq!(fate, Fate::Decoded);
    }
}

fn bench_walk(bencher: Bencher<'_, '_>, include: &[&str], packet: &[u8]) {
    let registry = registry(include);
    let (mut entropy, mut output) = (Entropy::default(), Output::new(&registry));
    bencher
        .counter(ItemsCount::new(PACKETS))
        .bench_local(|| walk_all(&registry, &mut entropy, &mut output, packet));
}

mod walk_packets {
    use super::*;

    #[divan::bench]
    fn tcp_644(bencher: Bencher<'_, '_>) {
        bench_walk(bencher, &[], &tcp());
    }

    #[divan::bench]
    fn tcp_644_tcp_records(bencher: Bencher<'_, '_>) {
        bench_walk(bencher, &["TCP"], &tcp());
    }

    #[divan::bench]
    fn tcp_644_no_records(bencher: Bencher<'_, '_>) {
        bench_walk(bencher, &["ARP"], &tcp());
    }

    #[divan::bench]
    fn udp_60(bencher: Bencher<'_, '_>) {
        bench_walk(bencher, &[], &udp(9999, b"eighteen octets ok"));
    }

    #[divan::bench]
    fn dns_response(bencher: Bencher<'_, '_>) {
        bench_walk(bencher, &[], &dns());
    }
}

#[divan::bench]
fn entropy_644(bencher: Bencher<'_, '_>) {
    let packet = tcp();
    assert_eq!(packet.len(), 644);
    let mut entropy = Entropy::default();
    bencher
        .counter(BytesCount::new(packet.len()))
        .bench_local(|| entropy.of(black_box(&packet), &[]));
}

/// The definition of a type and the first of its records that a packet yields.
fn record(name: &str, packet: &[u8]) -> (&'static Schema, Vec<u8>) {
    let registry = registry(&[name]);
    let mut output = Output::new(&registry);
    walk_all(&registry, &mut Entropy::default(), &mut output, packet);
    let chunk = output.chunks.first();
    let frame = &chunk.expect("the chunk of the only type").octets;
    let len = usize::from(frame[0] & 0x7f) | usize::from(frame[1]) << 7;
    let two = frame[0] & 0x80 != 0;
    let record = if two {
        &frame[2..2 + len]
    } else {
        &frame[1..=usize::from(frame[0])]
    };
    (registry.selected()[0], record.to_vec())
}

mod render_records {
    use super::*;

    #[divan::bench(args = ["TCP", "DNS"])]
    fn parse(bencher: Bencher<'_, '_>, name: &str) {
        let (schema, octets) = sample(name);
        bencher.bench_local(|| Message::parse(schema, black_box(&octets)).map(drop));
    }

    #[divan::bench(args = ["TCP", "DNS"])]
    fn csv_row(bencher: Bencher<'_, '_>, name: &str) {
        let (schema, octets) = sample(name);
        let (style, columns) = (
            CsvStyle::default(),
            schema.columns(Columns::default()).collect::<Vec<_>>(),
        );
        let mut out = Vec::new();
        bencher.bench_local(|| {
            out.clear();
            let message = Message::parse(schema, black_box(&octets)).expect("our own record");
            csv::row(&message, &columns, &style, &mut out);
        });
    }

    #[divan::bench(args = ["TCP", "DNS"])]
    fn json_line(bencher: Bencher<'_, '_>, name: &str) {
        let (schema, octets) = sample(name);
        let mut out = Vec::new();
        bencher.bench_local(|| {
            out.clear();
            let message = Message::parse(schema, black_box(&octets)).expect("our own record");
            json::line(&message, &Default::default(), &mut out);
        });
    }

    fn sample(name: &str) -> (&'static Schema, Vec<u8>) {
        record(name, &if name == "TCP" { tcp() } else { dns() })
    }
}
