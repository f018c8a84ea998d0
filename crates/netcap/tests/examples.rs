//! The examples, run as their documentation says.

#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use netcap_record::split_frame;

/// An example, which `cargo test` builds beside the tests.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    Command::new(profile.join("examples").join(name))
}

fn capture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/captures")).join(name)
}

#[test]
fn records_come_one_by_one() {
    let done = example("records")
        .arg(capture("tls.pcap"))
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(text.lines().count() > 1, "{text}");
    let asked = |line: &str| line.starts_with("packet ") && line.contains(" asked for ");
    assert!(text.lines().all(asked), "{text}");

    let broken = example("records").arg("/nowhere.pcap").output().unwrap();
    assert!(!broken.status.success());
}

#[test]
fn records_are_sent_over_a_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let receiver = thread::spawn(move || {
        let mut octets = Vec::new();
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_to_end(&mut octets).unwrap();
        octets
    });
    let mut send = example("send");
    let done = send.arg(capture("example.pcap")).arg(address).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{done:?}");
    let octets = receiver.join().unwrap();

    let (mut rest, mut records, mut blocks) = (octets.as_slice(), 0, 0);
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let [kind, length] = [&head[..4], &head[4..]]
            .map(|number| u32::from_be_bytes(number.try_into().unwrap()) as usize);
        let known = netcap_pipeline::schemas();
        let schema = netcap_record::find_schema(&known, kind as u16).unwrap();
        let (block, after) = after.split_at(length);
        let mut plain = Vec::new();
        let mut gzip = flate2::read::GzDecoder::new(block);
        gzip.read_to_end(&mut plain).unwrap();
        let mut frames = plain.as_slice();
        while let Some((record, after)) = split_frame(frames) {
            netcap_record::Message::parse(schema, record).unwrap();
            records += 1;
            frames = after;
        }
        assert!(frames.is_empty());
        (rest, blocks) = (after, blocks + 1);
    }
    let said = String::from_utf8(done.stdout).unwrap();
    assert_eq!(said, format!("{records} records in {blocks} blocks\n"));
    assert!(records > 10);
}
