//! Agents that behave, and agents that do not.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::lab::{Collector, RULES, accepted, agent, command, folder, line, record, send};

#[test]
fn records_may_be_cut_anywhere() {
    let (listener, place) = agent("lab");
    let collector = Collector::start(&format!("{RULES}{place}"), &[]);
    let mut stream = accepted(&listener);
    for cut in 0..=56 {
        let octets = [record(2 * cut), record(2 * cut + 1)].map(|record| record.encode());
        let (first, rest) = octets.as_flattened().split_at(cut as usize);
        stream.write_all(first).unwrap();
        // Long enough to leave, mostly.
        thread::sleep(Duration::from_millis(1));
        stream.write_all(rest).unwrap();
        for number in [2 * cut, 2 * cut + 1] {
            assert_eq!(collector.line(), line("lab", number));
        }
    }
    for (number, octet) in record(1000).encode().into_iter().enumerate() {
        thread::sleep(Duration::from_millis((number % 3) as u64));
        stream.write_all(&[octet]).unwrap();
    }
    assert_eq!(collector.line(), line("lab", 1000));
}

#[test]
fn a_reset_loses_nothing_but_a_record_that_was_cut() {
    let (listener, place) = agent("lab");
    let mut collector = Collector::start(&format!("{RULES}{place}"), &[]);
    let mut stream = accepted(&listener);
    send(&stream, 1);
    stream.write_all(&record(2).encode()[..13]).unwrap();
    assert_eq!(collector.line(), line("lab", 1));
    // In case the 13 come later.
    thread::sleep(Duration::from_millis(200));
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(stream);
    let lost = collector.told("connection lost");
    assert!(
        lost.contains("lab: ") && lost.contains("13 octets of an unfinished"),
        "{lost}"
    );
    let stream = accepted(&listener);
    send(&stream, 3);
    assert_eq!(collector.line(), line("lab", 3));
    // A clean end is told as such, and followed by the next connection too.
    drop(stream);
    let lost = collector.told("connection lost");
    assert!(lost.contains("closed it; connecting again"), "{lost}");
    let stream = accepted(&listener);
    send(&stream, 4);
    assert_eq!(collector.line(), line("lab", 4));
    assert_eq!(collector.interrupt(), Some(0));
}

#[test]
fn an_agent_may_come_later() {
    let (listener, place) = agent("lab");
    let address = listener.local_addr().unwrap();
    drop(listener);
    let collector = Collector::start(&format!("{RULES}{place}"), &[]);
    let told = collector.told("cannot connect");
    assert!(told.starts_with("recollect: lab: "), "{told}");
    let listener = std::net::TcpListener::bind(address).unwrap();
    send(&accepted(&listener), 1);
    assert_eq!(collector.line(), line("lab", 1));
    // The attempts in between are the same news.
    assert!(collector.told("lab: ").contains("connected to 127.0.0.1"));
}

#[test]
fn no_agent_delays_another() {
    const AGENTS: usize = 64;
    const RECORDS: u32 = 200;
    // One cannot be reached, one has no address, one never says a word, and one never ends.
    let (silent, silent_place) = agent("silent");
    let (garbage, garbage_place) = agent("garbage");
    let mut config =
        format!("{RULES}far:192.0.2.1:7073\nnone:no.invalid:7073\n{silent_place}{garbage_place}");
    let mut agents = Vec::new();
    for number in 0..AGENTS {
        let (listener, place) = agent(&format!("a{number}"));
        config += &place;
        agents.push(thread::spawn(move || {
            let stream = accepted(&listener);
            for number in 0..RECORDS {
                send(&stream, number);
            }
            stream
        }));
    }
    thread::spawn(move || {
        let mut stream = accepted(&garbage);
        let mut state = 1_u64;
        let mut octets = vec![0; 10_007];
        while stream.write_all(&octets).is_ok() {
            for octet in &mut octets {
                // Constants of Knuth's MMIX.
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *octet = (state >> 56) as u8;
            }
        }
    });
    let mut collector = Collector::start(&config, &[]);
    let silent = accepted(&silent);
    let mut found: BTreeMap<String, u32> = BTreeMap::new();
    let mut records = 0;
    while records < AGENTS as u32 * RECORDS {
        let text = collector.line();
        let fields: Vec<&str> = text.split(':').collect();
        assert_eq!(fields.len(), 5, "{text}");
        if fields[1] != "garbage" {
            let number = found.entry(fields[1].to_owned()).or_default();
            assert_eq!(text, line(fields[1], *number));
            *number += 1;
            records += 1;
        }
    }
    assert_eq!(found.len(), AGENTS);
    drop((agents, silent));
    assert_eq!(collector.interrupt(), Some(0));
}

#[test]
fn nobody_reads_the_output() {
    let (listener, place) = agent("lab");
    let folder = folder(&format!("{RULES}{place}"));
    let mut child = command(folder.path(), &["--quiet"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    send(&accepted(&listener), 1);
    let mut errors = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(errors, "");
}

#[test]
fn json_has_everything_by_name() {
    let (listener, place) = agent("a \"lab\"");
    let collector = Collector::start(&format!("{RULES}{place}"), &["--json", "--statistics"]);
    let mut stream = accepted(&listener);
    let one = netcap_agent::Record {
        flow_id: 1000,
        flags: 1,
        ..record(7)
    };
    let unknown = netcap_agent::Record {
        destination_port: 9,
        seconds: u32::MAX,
        microseconds: u32::MAX,
        ..record(0)
    };
    let memory = netcap_agent::Record {
        source: [2, 0, 0, 0].into(),
        destination: [2, 0, 0, 0].into(),
        source_port: 2,
        destination_port: 2,
        flow_id: 0xffff_fffe,
        protocol: 61,
        ..record(8)
    };
    for record in [one, unknown, memory] {
        stream.write_all(&record.encode()).unwrap();
    }
    let next = || serde_json::from_str::<serde_json::Value>(&collector.line()).unwrap();
    let first = serde_json::json!({
        "time_us": 1_700_000_000_000_007_u64, "agent": "a \"lab\"", "kind": "traffic",
        "type": 1, "name": "Video", "rule": "1=2000", "bits": 800, "octets": 100,
        "secondary": true, "repeated": false, "source": "10.0.0.1", "source_port": 4000,
        "destination": "10.0.0.2", "destination_port": 2000, "protocol": 17, "flow_id": 1000,
    });
    assert_eq!(next(), first);
    let second = next();
    assert_eq!(
        (&second["type"], &second["rule"]),
        (&2.into(), &"2=M1000".into())
    );
    assert_eq!(
        (&second["name"], &second["repeated"]),
        (&"\"Voice\"".into(), &true.into())
    );
    let third = next();
    for name in ["type", "name", "rule", "flow_id"] {
        assert!(third[name].is_null(), "{name}");
    }
    assert_eq!(third["time_us"], 1_000_001 * u64::from(u32::MAX));
    let statistic = serde_json::json!({
        "time_us": 1_700_000_000_000_008_u64, "agent": "a \"lab\"", "kind": "memory",
        "octets": 26_214_400,
    });
    assert_eq!(next(), statistic);
}

#[test]
fn prometheus_is_told() {
    let (listener, place) = agent("lab");
    let args = ["--metrics", "127.0.0.1:0", "--web", "127.0.0.1:0"];
    let collector = Collector::start(&format!("{RULES}{place}"), &args);
    let told = collector.told("metrics at http://");
    let stream = accepted(&listener);
    send(&stream, 1);
    collector.line();
    let page = collector.metrics(
        &told,
        &[
            "recollect_browsers 0\n",
            "recollect_records_received_total{agent=\"lab\"} 1\n",
            "recollect_browsers 0\n",
            "recollect_connected{agent=\"lab\"} 1\n",
            "recollect_octets_received_total{agent=\"lab\"} 28\n",
            "recollect_records_total{agent=\"lab\",type=\"1\",name=\"Video\",level=\"0\"} 1\n",
            "recollect_bits_total{agent=\"lab\",type=\"1\",name=\"Video\",level=\"0\"} 800\n",
            "recollect_records_outside_total{agent=\"lab\"} 1\n",
            "recollect_lag_seconds{agent=\"lab\"} ",
        ],
    );
    // All of them are documented.
    let document = include_str!("../../../../docs/recollect.md");
    let names = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for name in names.filter_map(|rest| rest.split(' ').next()) {
        assert!(document.contains(&format!("| `{name}` |")), "{name}");
    }
}
