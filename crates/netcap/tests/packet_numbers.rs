//! `PacketNumber` and the time of a record name the same packet, in every capture of
//! `tests/captures`; and the field is all that it changes.

#![allow(clippy::unwrap_used)]

#[path = "../../../xtask/src/expectation.rs"]
#[allow(dead_code)]
mod expectation;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use netcap_capture::Batch;
use netcap_dissect::Selection;
use netcap_pipeline::{Config, FileConfig, Files, run};
use netcap_record::{Message, PACKET_NUMBER, Scalar, Schema, Timestamp, put};
use netcap_store::Reader;

/// The time of a packet or a record.
type Time = (i64, u32);

/// Encoded records of each type.
type Records = BTreeMap<&'static str, (&'static Schema, Vec<Vec<u8>>)>;

fn capture(name: &str) -> PathBuf {
    let captures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/captures");
    Path::new(captures).join(name)
}

/// The captures that can be opened.
fn captures() -> Vec<PathBuf> {
    let mut captures = expectation::captures(&capture("")).unwrap();
    captures.retain(|path| netcap_capture::open(path).is_ok());
    captures
}

/// The times of all packets of a capture, in order.
fn times(capture: &Path) -> Vec<Time> {
    let mut source = netcap_capture::open(capture).unwrap();
    let (mut batch, mut times) = (Batch::new(1 << 20, 1000), Vec::new());
    // A damaged capture gives packets up to the damage.
    while source.fill(&mut batch).unwrap_or(false) {
        let packets = batch.packets().iter();
        times.extend(packets.map(|packet| (packet.timestamp.seconds, packet.timestamp.nanos)));
    }
    times
}

/// What a capture becomes.
fn records(capture: &Path, packet_numbers: bool, workers: usize, batch_packets: usize) -> Records {
    let directory = tempfile::tempdir().unwrap();
    let selection = Selection {
        packet_numbers,
        ..Selection::default()
    };
    let registry = netcap_pipeline::registry(&selection).unwrap();
    let config = Config {
        workers,
        batch_packets,
        ..Config::default()
    };
    let files = FileConfig {
        compress: false,
        ..FileConfig::new(directory.path())
    };
    let mut files = Files::new(files, &registry).unwrap();
    let source = netcap_capture::open(capture).unwrap();
    let stop = Arc::default();
    run(source, &registry, &config, &mut files, &stop, &mut |_| {}).unwrap();
    let mut records = Records::new();
    for schema in netcap_pipeline::schemas() {
        let path = directory.path().join(format!("{}.ncap", schema.stem));
        if fs::exists(&path).unwrap() {
            let (mut reader, mut all) = (Reader::open(&path).unwrap(), Vec::new());
            while let Some(record) = reader.next_record().unwrap() {
                all.push(record.to_vec());
            }
            records.insert(schema.stem, (schema, all));
        }
    }
    records
}

fn number(message: &Message<'_>) -> u64 {
    match message.value(&PACKET_NUMBER) {
        Some(Scalar::Uint(number)) => number,
        other => panic!("{other:?} is no number"),
    }
}

#[test]
fn the_number_and_the_time_are_of_one_packet() {
    let (mut seen, mut flows, mut disordered) = (0, 0, 0);
    for capture in captures() {
        let name = expectation::name_of(&capture);
        let times = times(&capture);
        for (stem, (schema, records)) in records(&capture, true, 2, 7) {
            for record in records {
                let message = Message::parse(schema, &record).unwrap();
                let number = number(&message);
                let place = usize::try_from(number).unwrap().checked_sub(1);
                let packet = place.and_then(|place| times.get(place)).copied();
                if let Some(field) = schema.field("TimestampFirst") {
                    // The earliest packet of a flow is mostly, and never after, the first one.
                    let Some(Scalar::Timestamp(text)) = message.value(field) else {
                        panic!("{name} {stem}: no time");
                    };
                    let earliest = Timestamp::parse(text).map(|t| (t.seconds(), t.nanos()));
                    let first = packet.map(|(seconds, nanos)| (seconds, nanos / 1000 * 1000));
                    assert!(
                        first >= earliest && first.is_some(),
                        "{name} {stem}: {number}"
                    );
                    flows += 1;
                    disordered += usize::from(first != earliest);
                    continue;
                }
                let time = message.timestamp().map(|t| (t.seconds(), t.nanos()));
                assert!(
                    time.is_some() && time == packet,
                    "{name} {stem}: {number}, {time:?}"
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 5000, "{seen} records");
    assert!(
        flows > 1000 && disordered < flows / 50,
        "{disordered} of {flows}"
    );
}

#[test]
fn records_are_the_same_but_for_the_number() {
    for name in [
        "example.pcap",
        "flows.pcap",
        "http.pcap",
        "tls.pcap",
        "ipv4_fragments.pcap",
    ] {
        let plain = records(&capture(name), false, 1, 1000);
        let numbered = records(&capture(name), true, 1, 1000);
        assert_eq!(records(&capture(name), true, 3, 2), numbered, "{name}");
        assert!(plain.keys().eq(numbered.keys()), "{name}");
        for (stem, (schema, plain)) in plain {
            let (_, numbered) = &numbered[stem];
            assert_eq!(plain.len(), numbered.len(), "{name} {stem}");
            for (mut plain, numbered) in plain.into_iter().zip(numbered) {
                let message = Message::parse(schema, &plain).unwrap();
                assert_eq!(number(&message), 0, "{name} {stem}");
                let number = number(&Message::parse(schema, numbered).unwrap());
                if number > 0 {
                    put::key(&mut plain, PACKET_NUMBER.number, PACKET_NUMBER.ty);
                    put::varint(&mut plain, number);
                }
                assert_eq!(&plain, numbered, "{name} {stem}");
            }
        }
    }
}

/// Number and time of each frame that tshark shows with a filter; nothing where there is no tshark.
fn frames(capture: &Path, filter: &str) -> Option<Vec<(u64, String)>> {
    let mut tshark = Command::new("tshark");
    tshark.args(["-n", "-Y", filter, "-T", "fields", "-e", "frame.number"]);
    tshark.args(["-e", "frame.time_epoch", "-r"]).arg(capture);
    let output = match tshark.output() {
        Ok(output) => String::from_utf8(output.stdout).unwrap(),
        Err(error) => {
            eprintln!("skipped: tshark cannot be run: {error}");
            return None;
        }
    };
    let lines = output.lines().map(|line| {
        let (number, time) = line.split_once('\t').unwrap();
        (number.parse().unwrap(), time.to_owned())
    });
    Some(lines.collect())
}

#[test]
fn numbers_are_those_of_tshark() {
    for name in [
        "example.pcap",
        "dns_tcp.pcap",
        "http.pcap",
        "mixed.pcapng",
        "tls.pcap",
    ] {
        let times = times(&capture(name)).into_iter();
        let times = times.map(|(seconds, nanos)| format!("{seconds}.{nanos:09}"));
        let expected: Vec<(u64, String)> = (1..).zip(times).collect();
        let found = frames(&capture(name), "frame");
        assert!(found.is_none_or(|found| found == expected), "{name}");
    }
    for (name, filter, stem) in [
        ("dns.pcap", "dns or mdns or llmnr", "DNS"),
        ("example.pcap", "http.request", "HTTP"),
        ("example.pcap", "tcp", "TCP"),
        ("ipv4_fragments.pcap", "udp", "UDP"),
    ] {
        let Some(frames) = frames(&capture(name), filter) else {
            return;
        };
        let (schema, records) = &records(&capture(name), true, 2, 7)[stem];
        let numbers = records.iter();
        let numbers = numbers.map(|record| number(&Message::parse(schema, record).unwrap()));
        // What a stream brings comes when all before it is known.
        let mut numbers: Vec<u64> = numbers.collect();
        numbers.sort_unstable();
        let expected: Vec<u64> = frames.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, expected, "{name} {filter}");
    }
}
