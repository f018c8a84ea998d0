//! `-metrics`, while a run goes on.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::run::{capture, netcap};

/// Asks until the answer has a line.
fn ask(address: &str, wanted: &str) -> String {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let mut answer = String::new();
        let mut stream = TcpStream::connect(address).expect("connected");
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\n\r\n")
            .expect("asked");
        stream.read_to_string(&mut answer).expect("answered");
        if answer.lines().any(|line| line == wanted) || Instant::now() > until {
            return answer;
        }
    }
}

#[test]
fn what_has_come_so_far() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_str().expect("a path");
    let mut child = netcap(["-r", "-", "-out", out, "-metrics", "127.0.0.1:0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("netcap runs");
    let mut errors = BufReader::new(child.stderr.take().expect("errors"));
    let mut line = String::new();
    errors.read_line(&mut line).expect("a line");
    let (_, rest) = line.split_once("http://").expect("an address");
    let (address, _) = rest.split_once('/').expect("a path");
    let mut input = child.stdin.take().expect("an input");
    let packets = std::fs::read(capture("example.pcap")).expect("a capture");
    input.write_all(&packets).expect("written");
    let answer = ask(address, "netcap_packets_total 57");
    for line in [
        "netcap_packets_total 57",
        "netcap_packet_fates_total{fate=\"decoded\"} 57",
        "netcap_records_total{type=\"TCP\"} 21",
    ] {
        assert!(
            answer.lines().any(|found| found == line),
            "{line}: {answer}"
        );
    }
    drop(input);
    assert!(child.wait().expect("it ends").success());
}
