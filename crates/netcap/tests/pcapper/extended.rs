//! The extended stream: captures in, messages out, for collectors that greet.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use netcap_agent::extended::{
    Agent, Counters, Direction, GREETING, Message, Messages, PacketNote, Status,
};
use netcap_capture::pcap_over_ip::{ClientTls, Connection, TlsOptions, connect};
use netcap_shell::certificate::Identity;

use crate::lab::{
    HERE, Lab, MAC, PATIENCE, Running, THERE, collected, datagrams, number_before, udp,
};
use crate::live::{labs, start};
use crate::namespace::wait_for;

/// All that an agent says: who it is, packets with their numbers, how far it was each time, and whether it has
/// ended.
#[derive(Debug, Default)]
struct Told {
    agent: Option<Agent>,
    packets: Vec<(u64, PacketNote)>,
    statuses: Vec<Status>,
    is_complete: bool,
}

impl Told {
    /// Reads to the end of a stream.
    fn by(stream: impl Read) -> Told {
        let (mut told, mut next, mut messages) = (Told::default(), None, Vec::new());
        let mut reader = Messages::new(stream);
        while reader.read(&mut messages).unwrap() > 0 {
            for message in messages.drain(..) {
                assert!(!told.is_complete, "there is something behind the end");
                match message {
                    Message::Agent(agent) => told.agent = Some(agent),
                    Message::Number(number) => next = Some(number),
                    Message::Packet(note) => {
                        let number: u64 = next.unwrap();
                        next = Some(number + 1);
                        told.packets.push((number, note));
                    }
                    Message::Status(status) => told.statuses.push(status),
                    Message::End => told.is_complete = true,
                    Message::Origin(_) => panic!("an origin outside of a datagram"),
                }
            }
        }
        assert_eq!(reader.partial(), 0);
        told
    }

    fn numbers(&self) -> Vec<u64> {
        self.packets.iter().map(|(number, _)| *number).collect()
    }

    fn counters(&self) -> Counters {
        let last = self.statuses.last().unwrap();
        assert_eq!(last.interfaces.len(), 1);
        assert!(last.interfaces[0].is_balanced(), "{last:?}");
        assert_eq!(last.next, last.interfaces[0].recorded);
        last.interfaces[0]
    }
}

/// A collector that greets.
fn collector(agent: &mut Running) -> TcpStream {
    let mut stream = TcpStream::connect(agent.extended_address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(GREETING).unwrap();
    stream
}

const EXTENDED: &str = "--extended 127.0.0.1:0 -m none";

/// The datagram in a VLAN.
fn tagged(mut frame: Vec<u8>, tag: u16) -> Vec<u8> {
    frame.splice(12..12, [[0x81, 0], tag.to_be_bytes()].concat());
    frame
}

/// A datagram of IPv6 from one of its hosts to another, from a port that is the number.
fn udp_over_ipv6(number: u16) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0, 0, 10, 17, 64]);
    frame.extend_from_slice(&[[0xfd; 16], [0xfe; 16]].concat());
    frame.extend_from_slice(&number.to_be_bytes());
    frame.extend_from_slice(&[0, 9, 0, 10, 0, 0, 1, 2]);
    frame
}

/// A datagram in two fragments.
fn fragments(number: u16) -> [Vec<u8>; 2] {
    let mut first = udp(MAC, HERE, number);
    first[17] = 36;
    first[20] = 0x20;
    first.extend_from_slice(&[5, 6, 7, 8]);
    let mut later = first.clone();
    (later[17], later[20], later[21]) = (24, 0, 2);
    later.truncate(14 + 24);
    [first, later]
}

#[test]
fn everything_is_told() {
    let lab = Lab::new();
    let [first, later] = fragments(5);
    let mut arp = udp(MAC, HERE, 6);
    arp[13] = 6;
    let mut icmp = udp(MAC, HERE, 7);
    icmp[23] = 1;
    let frames = [
        udp(MAC, HERE, 1),
        udp([2; 6], THERE, 2),
        tagged(udp(MAC, HERE, 3), 0x2005),
        udp_over_ipv6(4),
        first,
        later,
        arp,
        icmp,
        udp(MAC, HERE, 8)[..30].to_vec(),
    ];
    let frames: Vec<_> = (0..).zip(frames).collect();
    lab.capture("a.pcap", &frames);
    let flags = "--read a.pcap --mac 0a:00:00:00:00:01 --ip 10.9.0.1 --collectors 2";
    let mut agent = lab.start(&format!("{flags} {EXTENDED}"));
    let notes = collector(&mut agent);
    let records = collected(agent.collector());
    let told = Told::by(notes);
    let (code, said) = agent.end();
    assert_eq!(code, Some(0), "{said:?}");

    let who = told.agent.as_ref().unwrap();
    assert_eq!((&who.mode[..], who.interfaces.len()), ("none", 1));
    let interface = &who.interfaces[0];
    assert_eq!((&interface.name[..], interface.mtu), ("a.pcap", 0));
    assert_eq!(interface.mac.map(|mac| mac.0), Some(MAC));
    assert_eq!(interface.addresses, [std::net::IpAddr::from(HERE)]);
    assert!(told.is_complete);
    assert_eq!(told.numbers(), (0..7).collect::<Vec<_>>());
    let expected = Counters {
        packets: 9,
        recorded: 7,
        not_ip: 1,
        malformed: 1,
        ..Counters::default()
    };
    assert_eq!(told.counters(), expected);
    let notes: Vec<_> = told.packets.iter().map(|(_, note)| note).collect();
    let ports: Vec<_> = notes
        .iter()
        .map(|note| note.ports.map(|(port, _)| port))
        .collect();
    assert_eq!(
        ports,
        [Some(1), Some(2), Some(3), Some(4), Some(5), Some(5), None]
    );
    let sent = notes.iter().map(|note| note.direction == Direction::Sent);
    assert_eq!(
        sent.collect::<Vec<_>>(),
        [true, false, true, false, true, true, true]
    );
    assert_eq!(
        (notes[2].vlans.as_slice(), notes[2].wire_length),
        (&[0x2005][..], 50)
    );
    // As without the tag.
    let plain = lab_digest(&lab, udp(MAC, HERE, 3));
    assert!(plain.is_some() && notes[2].digest == plain);
    assert!(notes[3].source.is_ipv6());
    let part = notes[5].fragment.unwrap();
    assert_eq!(
        (part.offset, part.is_followed, part.has_ports_of_first),
        (16, false, true)
    );
    assert_eq!((notes[4].length, notes[5].length), (36, 24));
    let times = notes
        .iter()
        .map(|note| note.time / 1_000_000 - 1_700_000_000_000);
    assert_eq!(times.collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 7]);
    // The classic stream is what it is without the other.
    let plain = Lab::new();
    plain.capture("a.pcap", &frames);
    let mut alone = plain.start("--read a.pcap -m none");
    assert_eq!(collected(alone.collector()), records);
    let line = "pcapper: extended stream: a.pcap: 9 packets, 7 recorded, 1 not ip, 1 malformed";
    assert!(said.iter().any(|said| said == line), "{said:?}");
    let line = "pcapper: extended stream: 1 collector: 7 records sent, 0 not taken in time; 0 while nobody \
                was there";
    assert!(said.iter().any(|said| said == line), "{said:?}");
}

/// The digest of a frame that is alone in its capture.
fn lab_digest(lab: &Lab, frame: Vec<u8>) -> Option<u64> {
    lab.capture("one.pcap", &[(0, frame)]);
    let mut agent = lab.start(&format!("--read one.pcap {EXTENDED}"));
    Told::by(collector(&mut agent)).packets[0].1.digest
}

#[test]
fn what_nobody_hears_is_counted() {
    let lab = Lab::new();
    lab.capture("a.pcap", &datagrams(5));
    let mut agent = lab.start(&format!("--read a.pcap {EXTENDED}"));
    // The collector of records is enough for it to begin.
    assert_eq!(collected(agent.collector()).len(), 140);
    let (_, said) = agent.end();
    let line = "pcapper: extended stream: a.pcap: 5 packets, 0 recorded, 5 unheard";
    assert!(said.iter().any(|said| said == line), "{said:?}");
    // Who comes late begins where the others are.
    let frames: Vec<_> = (0..20)
        .map(|number| (number * 100, udp(MAC, HERE, 1)))
        .collect();
    lab.capture("a.pcap", &frames);
    let mut agent = lab.start(&format!("--read a.pcap --pace recorded {EXTENDED}"));
    let first = collector(&mut agent);
    let mut reader = Messages::new(&first);
    let mut messages = Vec::new();
    while !messages
        .iter()
        .any(|message| matches!(message, Message::Packet(_)))
    {
        reader.read(&mut messages).unwrap();
    }
    let late = Told::by(collector(&mut agent));
    let numbers = late.numbers();
    assert!(numbers[0] > 0 && late.packets.len() < 20, "{numbers:?}");
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
    assert_eq!((numbers.last(), late.counters().recorded), (Some(&19), 20));
    assert!(late.statuses.len() > 1);
}

#[test]
fn who_does_not_greet_gets_nothing() {
    let lab = Lab::new();
    lab.capture("a.pcap", &datagrams(5));
    let flags = format!("--read a.pcap {EXTENDED} --collectors 2");
    // A collector of 2019 waits.
    let mut agent = lab.start(&flags);
    let silent = TcpStream::connect(agent.extended_address()).unwrap();
    assert_eq!(collected(silent).len(), 0);
    agent.line_with("turned away: no greeting within 10 s");
    drop(agent);
    let mut agent = lab.start(&flags);
    let address = agent.extended_address();
    let mut browser = TcpStream::connect(address).unwrap();
    browser.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // Its end may be a reset, as what it says is not read.
    drop(browser.read_to_end(&mut answer));
    assert!(answer.is_empty());
    agent.line_with("turned away: it does not greet");
    // The greeting may come in pieces, and in time.
    let mut slow = TcpStream::connect(address).unwrap();
    for piece in GREETING.chunks(7) {
        slow.write_all(piece).unwrap();
        thread::sleep(Duration::from_millis(50));
    }
    let other = Told::by(collector(&mut agent));
    assert_eq!((other.packets.len(), Told::by(slow).packets.len()), (5, 5));
    agent.end();
}

#[test]
fn a_slow_collector_sees_what_it_has_lost() {
    let lab = Lab::new();
    let count = 400_000;
    lab.capture("a.pcap", &datagrams(count));
    let flags = "--read a.pcap --pace pps=100000 --queue 4096 --collectors 2";
    let mut agent = lab.start(&format!("{flags} {EXTENDED}"));
    let idle = collector(&mut agent);
    let busy = Told::by(collector(&mut agent));
    let late = Told::by(idle);
    assert!(busy.is_complete && late.is_complete);
    assert_eq!(late.counters().recorded, count);
    for told in [&busy, &late] {
        let numbers = told.numbers();
        assert!(numbers.is_sorted_by(|before, next| before < next));
        assert_eq!(numbers.last(), Some(&(count - 1)));
        // A packet is its number, whatever was lost before it.
        for (number, note) in &told.packets {
            assert_eq!(
                note.time,
                1_700_000_000_000_000_000 + number.cast_signed() * 1_000_000
            );
        }
    }
    let (code, mut said) = agent.end();
    assert_eq!(code, Some(0), "{said:?}");
    said.retain(|line| line.contains("extended stream: 2 collectors: "));
    let lost = number_before(&said, "not taken in time");
    let missing = 2 * count - (busy.packets.len() + late.packets.len()) as u64;
    assert!(lost > 0, "{said:?}");
    assert_eq!(lost, missing, "{said:?}");
}

/// A connection with TLS that greets, and all that comes.
fn over_tls(agent: &mut Running, options: &TlsOptions) -> std::io::Result<Told> {
    let address = format!("tls://{}", agent.extended_address());
    let tls = ClientTls::new(options).unwrap();
    let failed = |error| std::io::Error::other(format!("{error}"));
    let mut stream: Connection =
        connect(&address.parse().unwrap(), Some(&tls), PATIENCE).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(GREETING)?;
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets)?;
    assert!(!stream.is_unclean());
    Ok(Told::by(&octets[..]))
}

#[test]
fn tls_protects_it() {
    let lab = Lab::new();
    lab.capture("a.pcap", &datagrams(5));
    let make = |name: &str| {
        let names = [name.to_owned(), "127.0.0.1".to_owned()];
        Identity::make(&names, &lab.path(""), name, 30, false).unwrap()
    };
    let (ours, known, stranger) = (make("agent"), make("known"), make("stranger"));
    let with = |identity: Option<&Identity>| TlsOptions {
        pins: vec![ours.pin],
        cert: identity.map(|identity| identity.certificate.clone()),
        key: identity.map(|identity| identity.key.clone()),
        ..TlsOptions::default()
    };
    let tls = format!("--read a.pcap {EXTENDED} --cert agent.pem --key agent.key");
    let mut agent = lab.start(&tls);
    // Without TLS nobody is let in.
    let mut plain = collector(&mut agent);
    let mut answer = [0; 1000];
    let count = plain.read(&mut answer).unwrap_or(0);
    assert!(!answer[..count].starts_with(&[0]), "{:?}", &answer[..count]);
    let told = over_tls(&mut agent, &with(None)).unwrap();
    assert_eq!((told.packets.len(), told.is_complete), (5, true));
    assert_eq!(agent.end().0, Some(0));

    // Who is silent does not hold up the end until it has run out of time.
    let mut agent = lab.start(&tls);
    let silent = TcpStream::connect(agent.extended_address()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let said = agent.stop();
    let turned_away = |line: &&String| line.contains("no TLS handshake");
    let line = said.iter().find(turned_away);
    assert!(
        !line.is_some_and(|line| line.contains("timed out")),
        "{said:?}"
    );
    drop(silent);

    let mut agent = lab.start(&format!("{tls} --client-ca known.pem"));
    for identity in [None, Some(&stranger)] {
        let refused = over_tls(&mut agent, &with(identity));
        assert!(refused.is_err(), "{refused:?}");
    }
    let told = over_tls(&mut agent, &with(Some(&known))).unwrap();
    assert_eq!((told.packets.len(), told.is_complete), (5, true));
    let said = agent.end().1;
    assert!(
        said.iter().any(|line| line.contains("known: connected")),
        "{said:?}"
    );
}

#[test]
fn what_makes_no_sense_is_said() {
    let lab = Lab::new();
    lab.capture("a.pcap", &datagrams(1));
    let read = "--read a.pcap --log-always";
    for (line, code, expected) in [
        ("--cert a.pem --key a.key", 12, "give --extended, too"),
        (
            "--extended 127.0.0.1:0 --cert no.pem --key no.key",
            2,
            "no.pem",
        ),
        ("--extended 192.0.2.1", 2, "192.0.2.1:7075: cannot listen"),
    ] {
        let (found, said) = lab.start(&format!("{read} -m none {line}")).end();
        assert_eq!(found, Some(code), "{said:?}");
        assert!(said.iter().any(|said| said.contains(expected)), "{said:?}");
    }
    let (_, said) = lab
        .start(&format!("{read} -m none --extended 0.0.0.0:0"))
        .end();
    for warning in [
        "warning: 0.0.0.0:0: anyone who can reach it",
        "warning: --read without --mac or --ip: which way packets went is unknown",
    ] {
        assert!(said.iter().any(|said| said.contains(warning)), "{said:?}");
    }
    let (_, said) = lab
        .start(&format!(
            "{read} -m none --extended 127.0.0.1:0 --ip 10.9.0.1"
        ))
        .end();
    assert!(
        !said.iter().any(|said| said.contains("unknown")),
        "{said:?}"
    );
}

#[test]
fn it_may_be_the_only_stream() {
    let lab = Lab::new();
    lab.capture("a.pcap", &datagrams(3));
    let mut command = std::process::Command::new(crate::lab::PROGRAM);
    command.args(["--read", "a.pcap", "-m", "none", "--listen", "none"]);
    let mut agent = lab.run({
        command.args(["--extended", "127.0.0.1:0"]);
        command
    });
    let told = Told::by(collector(&mut agent));
    assert_eq!((told.packets.len(), told.is_complete), (3, true));
    assert_eq!(told.agent.map(|agent| agent.ports.len()), Some(1));
    let (code, said) = agent.end();
    assert_eq!(code, Some(0), "{said:?}");
    assert!(
        !said.iter().any(|line| line.contains("records at")),
        "{said:?}"
    );
}

#[test]
fn interfaces_see_fragments_as_they_are_sent() {
    let Some((lab, folder)) = labs() else { return };
    let flags = "-i left -i right -i lo -m none --statistics --log-always --listen 127.0.0.1";
    let mut agent = start(&lab, &folder, &format!("{flags} --extended 127.0.0.1"));
    let address = agent.extended_address();
    assert_eq!(address.port(), 7075);
    let stream = lab.inside(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(GREETING).unwrap();
        stream
    });
    agent.line_with("connected");
    // Three fragments each; and as many records of the first ones, on either side, beside statistics.
    assert_eq!(lab.send(50, 4000), 50);
    let first = |line: &&str| line.contains(":4444:10.9.0.2:5555:1500:");
    wait_for(|| folder.text("pcapper.log").lines().filter(first).count() == 100);
    // The machine is told of by the second.
    thread::sleep(Duration::from_millis(1500));
    let said = agent.stop();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = Told::by(stream);
    assert!(told.is_complete, "{said:?}");
    let who = told.agent.unwrap();
    let [left, right, _] = &who.interfaces[..] else {
        panic!("{who:?}");
    };
    assert_eq!(
        (&left.name[..], left.mtu, &right.name[..]),
        ("left", 1500, "right")
    );
    assert_eq!(left.addresses, [std::net::IpAddr::from([10, 9, 0, 1])]);
    assert!(left.mac.is_some() && left.mac != right.mac);
    assert!(!who.host.is_empty());
    let of = |number: u16| {
        let notes = told.packets.iter().map(|(_, note)| note);
        let notes = notes.filter(move |note| note.interface == number);
        notes.collect::<Vec<_>>()
    };
    let (left, right) = (of(0), of(1));
    assert_eq!(
        (left.len(), right.len(), of(2).len()),
        (150, 150, 0),
        "{said:?}"
    );
    for (sent, received) in left.iter().zip(&right) {
        assert_eq!(
            (sent.direction, received.direction),
            (Direction::Sent, Direction::Received)
        );
        assert_eq!(
            (sent.fragment, sent.identification),
            (received.fragment, received.identification)
        );
        assert!(sent.digest.is_some() && sent.digest == received.digest);
        assert_eq!(sent.ports, Some((4444, 5555)));
        assert!(!sent.is_uncut);
    }
    for (number, note) in left.iter().enumerate() {
        let (offset, length) = [(0, 1500), (1480, 1500), (2960, 1068)][number % 3];
        let part = note.fragment.unwrap();
        assert_eq!((part.offset, note.length), (offset, length));
        assert_eq!(part.has_ports_of_first, offset > 0);
    }
    let last = told.statuses.last().unwrap();
    assert_eq!(last.next, 300);
    assert!(
        last.interfaces.iter().all(Counters::is_balanced),
        "{last:?}"
    );
    let memory = last.machine.map(|machine| machine.memory);
    assert!(memory.is_some_and(|memory| memory > 1 << 20), "{last:?}");
}
