//! Collectors: slow ones, those that vanish, many of them, and those who may not.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use netcap_agent::LENGTH;

use crate::lab::{HERE, Lab, MAC, PROGRAM, collected, datagrams, number_before, record, udp};
use crate::namespace::wait_for;

/// A capture of datagrams that are so many seconds apart.
fn slow_capture(lab: &Lab, count: u64, milliseconds: u64) {
    let frames: Vec<_> = (0..count)
        .map(|number| (number * milliseconds, udp(MAC, HERE, number as u16)))
        .collect();
    lab.capture("a.pcap", &frames);
}

#[test]
fn a_collector_that_never_reads_harms_itself_only() {
    let lab = Lab::new();
    let count = 400_000;
    lab.capture("a.pcap", &datagrams(count));
    let mut agent =
        lab.start("--read a.pcap -m none --pace pps=100000 --queue 4096 --collectors 2");
    let idle = agent.collector();
    let octets = collected(agent.collector());
    // Whole records only, in order.
    assert!(octets.len().is_multiple_of(LENGTH));
    let times: Vec<_> = octets.chunks(LENGTH).map(|record| &record[..8]).collect();
    assert!(times.is_sorted());
    let mut said = agent.stop();
    said.retain(|line| line.contains("2 collectors: "));
    let sent = number_before(&said, "records sent, ");
    let lost = number_before(&said, "not taken in time");
    assert!(lost > 0, "{said:?}");
    assert_eq!(sent + lost, 2 * count, "{said:?}");
    // What the system holds for it comes when it reads at last, and was counted.
    let late = collected(idle);
    let received = (octets.len() / LENGTH + late.len() / LENGTH) as u64;
    assert_eq!(received, sent, "{said:?}");
}

#[test]
fn collectors_come_and_go_as_they_like() {
    let lab = Lab::new();
    slow_capture(&lab, 30, 100);
    let mut agent = lab.start("--read a.pcap -m none --pace recorded --log-always");
    let address = agent.address();
    let mut half = agent.collector();
    half.shutdown(Shutdown::Write).unwrap();
    let mut first = [0; LENGTH];
    half.read_exact(&mut first).unwrap();
    for _ in 0..20 {
        let stream = TcpStream::connect(address).unwrap();
        let socket = socket2::SockRef::from(&stream);
        // Closing is a reset then.
        socket.set_linger(Some(Duration::ZERO)).unwrap();
        thread::sleep(Duration::from_millis(50));
    }
    // Who comes late gets what comes from then on.
    let late = agent.collector();
    let rest = collected(half);
    let late = collected(late);
    assert!(rest.ends_with(&late), "{} {}", rest.len(), late.len());
    assert!(rest.ends_with(&record(2900, HERE, 29)));
    let (code, said) = agent.end();
    assert_eq!(code, Some(0), "{said:?}");
    assert_eq!(lab.text("pcapper.log").lines().count(), 30);
}

#[test]
fn two_hundred_may_wait() {
    let lab = Lab::new();
    lab.capture("a.pcap", &datagrams(5));
    let flags = "--max-clients 200 --collectors 200 --metrics 127.0.0.1:0";
    let mut agent = lab.start(&format!("--read a.pcap -m none {flags}"));
    let address = agent.address();
    let line = agent.line_with("metrics at http://");
    let metrics = line.split('/').nth(2).unwrap().to_owned();
    let mut idle: Vec<_> = (0..199)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    wait_for(|| page(&metrics).contains("\npcapper_collectors 199\n"));
    idle.push(TcpStream::connect(address).unwrap());
    for stream in idle {
        assert_eq!(collected(stream).len(), 5 * LENGTH);
    }
    let (code, said) = agent.end();
    assert_eq!(code, Some(0), "{said:?}");
    assert_eq!(number_before(&said, "collectors:"), 200, "{said:?}");
}

/// The page of metrics.
fn page(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

#[test]
fn only_some_may_connect() {
    let lab = Lab::new();
    lab.capture("a.pcap", &datagrams(5));
    let mut agent = lab.start("--read a.pcap -m none --allow 10.0.0.0/8 --allow 127.0.0.2");
    assert_eq!(collected(agent.collector()).len(), 0);
    agent.line_with("turned away: it is in none of the networks of --allow");
    agent.stop();
    let mut agent = lab.start("--read a.pcap -m none --max-clients 1 --collectors 2");
    let first = agent.collector();
    agent.line_with("connected");
    assert_eq!(collected(agent.collector()).len(), 0);
    agent.line_with("--max-clients");
    drop(first);
    agent.stop();
}

#[test]
fn without_descriptors_it_waits_for_some() {
    let lab = Lab::new();
    lab.capture("a.pcap", &datagrams(5));
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 40; exec \"$0\" \"$@\"", PROGRAM]);
    command.args("--listen 127.0.0.1:0 --read a.pcap -m none --collectors 60".split(' '));
    let mut agent = lab.run(command);
    let address = agent.address();
    let idle: Vec<_> = (0..60)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    agent.line_with("no collector can be let in");
    drop(idle);
    let said = agent.stop();
    let told = said.iter().filter(|line| line.contains("can be let in"));
    assert_eq!(told.count(), 1, "{said:?}");
}
