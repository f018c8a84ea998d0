//! Captures: what becomes of their packets, and how the program ends.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::lab::{HERE, Lab, MAC, THERE, collected, cut_short, datagrams, log_of, record, udp};

const OTHER: [u8; 6] = [10, 0, 0, 0, 0, 2];

#[test]
fn modes_say_which_packets() {
    let lab = Lab::new();
    let frames = [
        (MAC, HERE),
        (OTHER, THERE),
        (OTHER, HERE),
        (MAC, THERE),
        (MAC, HERE),
    ];
    let numbered = || (0..).zip(frames);
    let capture: Vec<_> = numbered()
        .map(|(number, (mac, source))| (number * 700, udp(mac, source, number as u16)))
        .collect();
    lab.capture("a.pcap", &capture);
    for (mode, expected) in [
        ("src", &[0, 3, 4][..]),
        ("dst", &[1, 2]),
        ("spoof", &[2]),
        ("none", &[0, 1, 2, 3, 4]),
        ("udp[0:2]<2", &[0, 1]),
    ] {
        let addresses = "--mac 0a:00:00:00:00:01 --ip 10.9.0.1";
        let mut agent = lab.start(&format!("--read a.pcap {addresses} -f a.log -m {mode}"));
        let octets = collected(agent.collector());
        let (code, said) = agent.end();
        assert_eq!(code, Some(0), "{said:?}");
        let records: Vec<u8> = numbered()
            .filter(|(number, _)| expected.contains(number))
            .flat_map(|(number, (_, source))| record(number * 700, source, number as u16))
            .collect();
        assert_eq!(octets, records, "{mode}");
        assert_eq!(lab.text("a.log"), log_of(&records), "{mode}");
        std::fs::remove_file(lab.path("a.log")).unwrap();
    }
}

#[test]
fn signals_that_come_together_are_one() {
    let lab = Lab::new();
    lab.capture("a.pcap", &datagrams(3));
    let mut agent = lab.start("--read a.pcap -m none");
    agent.line_with("waiting for 1 collector");
    agent.signal(Signal::SIGINT);
    agent.signal(Signal::SIGTERM);
    let (code, said) = agent.end();
    assert_eq!(code, Some(0), "{said:?}");
    assert!(
        said.iter().any(|line| line.contains("0 collectors: ")),
        "{said:?}"
    );
}

#[test]
fn what_makes_no_record_is_counted() {
    let lab = Lab::new();
    let frame = udp(MAC, HERE, 1);
    let mut tiny = frame.clone();
    tiny[14] = 0x44;
    let mut arp = frame.clone();
    arp[13] = 6;
    let mut icmp = frame.clone();
    icmp[23] = 1;
    let mut fragment = frame.clone();
    fragment[21] = 1;
    let frames = [
        frame.clone(),
        tiny,
        arp,
        icmp,
        fragment,
        frame[..30].to_vec(),
    ];
    let frames: Vec<_> = (0..).zip(frames).collect();
    lab.capture("a.pcap", &frames);
    let agent = lab.start("--read a.pcap -m none --log-always");
    let (code, said) = agent.end();
    assert_eq!(code, Some(0), "{said:?}");
    let line = "pcapper: a.pcap: 6 packets, 1 recorded, 1 not ipv4, 1 later fragment, 1 other protocol, \
                2 malformed";
    assert!(said.iter().any(|said| said == line), "{said:?}");
    assert_eq!(lab.text("pcapper.log"), log_of(&record(0, HERE, 1)));
}

#[test]
fn a_capture_that_is_cut_short_gives_its_good_part() {
    let lab = Lab::new();
    lab.capture("a.pcap", &datagrams(3));
    cut_short(&lab.path("a.pcap"));
    let (code, said) = lab.start("--read a.pcap -m none --log-always").end();
    assert_eq!(code, Some(30), "{said:?}");
    assert_eq!(lab.text("pcapper.log").lines().count(), 2);
    for (line, expected) in [
        ("--read nothing.pcap -m none", 30),
        ("--read a.pcap", 22),
        ("--read a.pcap -m spoof --mac 1:2:3:4:5:6", 16),
        ("--read a.pcap -m noloop-1", 6),
        ("-i no-such-one --wait 0", 16),
        ("-i lo -r no-such-one --wait 0", 22),
        ("-i lo --listen 192.0.2.1:1", 2),
    ] {
        assert_eq!(lab.start(line).end().0, Some(expected), "{line}");
    }
}

#[test]
fn a_recording_takes_its_time() {
    let lab = Lab::new();
    lab.capture(
        "a.pcap",
        &[(0, udp(MAC, HERE, 1)), (3000, udp(MAC, HERE, 2))],
    );
    let started = Instant::now();
    let mut agent = lab.start("--read a.pcap -m none --pace x2");
    agent.line_with("a.pcap: waiting for 1 collector; --collectors");
    assert_eq!(collected(agent.collector()).len(), 56);
    assert!(started.elapsed() >= Duration::from_millis(1500));
    assert_eq!(agent.end().0, Some(0));
}

#[test]
fn mgen_is_recognised_as_asked() {
    let lab = Lab::new();
    // A message of MGEN of flow 7 to port 9, with a version that there is not.
    let mut payload = vec![0, 28, 99, 8, 0, 0, 0, 7];
    payload.resize(20, 0);
    payload.extend_from_slice(&[0, 9, 1, 4]);
    payload.extend_from_slice(&THERE);
    let mut frame = udp(MAC, HERE, 1);
    frame.truncate(42);
    frame[17] = 56;
    frame[39] = 36;
    frame.extend_from_slice(&payload);
    lab.capture("a.pcap", &[(0, frame)]);
    for (check, flow) in [("classic", 7), ("strict", 0)] {
        let mut agent = lab.start(&format!("--read a.pcap -m none --mgen {check}"));
        let octets = collected(agent.collector());
        assert_eq!(octets[22..26], [0, 0, 0, flow], "{check}");
        agent.end();
    }
}
