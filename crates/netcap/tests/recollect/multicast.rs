//! The extended stream to a multicast group, from a real agent to several collectors, over the loopback
//! interface.

use std::fs;
use std::net::UdpSocket;
use std::process::{Command, Stdio};

use crate::lab::{Collector, RULES};

/// A capture of so many datagrams from 10.0.0.1:4000 to 10.0.0.2:2000, each of 28 octets, a microsecond apart.
fn capture(count: u32) -> Vec<u8> {
    let mut file = Vec::new();
    // Microseconds, version 2.4, Ethernet.
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1_u32] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for number in 0..count {
        for word in [1_700_000_000, number, 42, 42] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&[2; 12]);
        file.extend_from_slice(&[8, 0, 0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0]);
        file.extend_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        file.extend_from_slice(&[0x0f, 0xa0, 0x07, 0xd0, 0, 8, 0, 0]);
    }
    file
}

/// A port that nothing has now.
fn port() -> u16 {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.local_addr().expect("an address").port()
}

#[test]
fn one_stream_reaches_all_collectors() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.pcap");
    fs::write(&path, capture(100)).expect("written");
    let port = port();
    let config = format!("{RULES}lab:127.0.0.1:{port} multicast=239.255.70.73\n");
    let mut collectors = [&[][..], &["--json"]].map(|args| Collector::start(&config, args));
    for collector in &collectors {
        collector.told("1 agent");
    }
    // They join at once, but not before they say so. The agent says who it is with each status.
    let mut agent = Command::new(env!("CARGO_BIN_EXE_pcapper"))
        .args(["-m", "none", "--listen", "127.0.0.1:0", "--pace", "max"])
        .args(["--multicast", &format!("239.255.70.73:{port}%lo")])
        // A collector of either stream lets it begin; until then it says each second who it is.
        .args(["--collectors", "2", "--extended", "127.0.0.1:0", "--read"])
        .arg(&path)
        .current_dir(&folder)
        .stderr(Stdio::piped())
        .spawn()
        .expect("an agent");
    for collector in &collectors {
        collector.told("connected to 127.0.0.1 by way of 239.255.70.73");
    }
    let place = place_of_extended(&mut agent);
    let mut late = Collector::start(&format!("{RULES}late:{place} extended\n"), &["--quiet"]);
    for number in 0..100 {
        assert_eq!(
            collectors[0].line(),
            format!("1700000000.{number:06}:lab:1:224:0")
        );
        let json = collectors[1].line();
        assert!(json.contains(&format!("\"number\":{number},")), "{json}");
        assert_eq!(late.line(), format!("1700000000.{number:06}:late:1:224:0"));
    }
    for collector in &mut collectors {
        collector.told("the agent has ended");
        assert_eq!(collector.interrupt(), Some(0));
    }
    assert_eq!(late.interrupt(), Some(0));
    assert!(agent.wait().expect("an end").success());
}

/// Where the agent says that it serves the extended stream.
fn place_of_extended(agent: &mut std::process::Child) -> String {
    use std::io::{BufRead, BufReader};
    let errors = agent.stderr.take().expect("errors");
    let mut lines = BufReader::new(errors).lines().map_while(Result::ok);
    let line = lines.find_map(|line| {
        let place = line.strip_prefix("pcapper: extended stream at ")?;
        Some(place.to_owned())
    });
    // What it says later must find a reader.
    std::thread::spawn(move || lines.for_each(drop));
    line.expect("a place")
}
