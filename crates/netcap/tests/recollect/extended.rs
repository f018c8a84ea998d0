//! Agents of the extended stream.

use std::io::Write;
use std::net::Ipv6Addr;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use netcap_agent::extended::{Direction, Fragment, Machine, Message, PacketNote, Status};
use netcap_capture::pcap_over_ip::TlsOptions;

use crate::lab::{Collector, RULES, accepted, agent, command, folder, line, send};
use crate::speaker::{BEGIN, Certificates, Waiting, note, status, who};

const LAB: [u8; 4] = [10, 0, 0, 1];

fn ipv6() -> PacketNote {
    PacketNote {
        source: Ipv6Addr::LOCALHOST.into(),
        destination: Ipv6Addr::UNSPECIFIED.into(),
        protocol: 58,
        ports: None,
        mgen: None,
        digest: None,
        direction: Direction::Unknown,
        vlans: vec![0x2005, 6],
        ..note(411)
    }
}

fn machine() -> Message {
    Message::Status(Status {
        time: BEGIN + 2000,
        machine: Some(Machine {
            busy: 17,
            memory: 1 << 40,
        }),
        ..Status::default()
    })
}

#[test]
fn lines_are_those_of_2019() {
    let waiting = Waiting::new("lab");
    let config = format!("{RULES}4=M7\n{}", waiting.line());
    let mut collector = Collector::start(&config, &["--statistics"]);
    let mut speaker = waiting.known(&who(1, "src", LAB));
    let later = PacketNote {
        fragment: Some(Fragment {
            offset: 1480,
            is_followed: false,
            has_ports_of_first: true,
        }),
        mgen: None,
        ..note(2)
    };
    let uncertain = PacketNote {
        ports: Some((4000, 9)),
        time: -1,
        ..note(0)
    };
    let large = PacketNote {
        length: 65_000,
        time: i64::MAX,
        ..ipv6()
    };
    speaker.say([note(1), later, uncertain, large, ipv6()].map(Message::Packet));
    speaker.say([machine()]);
    for expected in [
        "1700000000.000001:lab:1:800:0",
        "1700000000.000001:lab:4:800:1",
        "1700000000.000002:lab:1:800:0",
        "-1.999999:lab:4:800:0",
        "9223372036.854775:lab:X:520000:0",
        "1700000000.000411:lab:X:800:0",
        "1700000000.000002:lab:C:17:0",
        "1700000000.000002:lab:M:1099511627776:0",
    ] {
        assert_eq!(collector.line(), expected);
    }
    speaker.say([Message::End]);
    assert!(
        collector
            .told("lost")
            .contains("the agent has ended; connecting")
    );
    assert_eq!(collector.interrupt(), Some(0));
}

#[test]
fn json_has_what_only_this_stream_tells() {
    let waiting = Waiting::new("lab");
    let collector = Collector::start(&format!("{RULES}{}", waiting.line()), &["--json"]);
    let mut speaker = waiting.known(&who(1, "src", LAB));
    // Reports of machines are not asked for.
    speaker.say([machine(), Message::Number(1 << 40)]);
    speaker.say([note(1), ipv6()].map(Message::Packet));
    let next = || serde_json::from_str::<serde_json::Value>(&collector.line()).unwrap();
    let first = serde_json::json!({
        "time_us": 1_700_000_000_000_001_u64, "agent": "lab", "kind": "traffic", "type": 1,
        "name": "Video", "rule": "1=2000", "bits": 800, "octets": 100, "secondary": false,
        "repeated": false, "source": "10.0.0.1", "source_port": 4000, "destination": "10.0.0.2",
        "destination_port": 2000, "protocol": 17, "flow_id": 7,
        "time": "1700000000.000001000", "number": 1_u64 << 40, "interface": "eth\u{fffd}0",
        "direction": "sent", "wire_octets": 114, "uncut": false, "hops_left": 64,
        "traffic_class": 0, "identification": 1, "fragment_offset": 0, "more_fragments": false,
        "vlans": [], "digest": "0000000000000001", "mgen_sequence": 1, "mgen_certain": true,
    });
    assert_eq!(next(), first);
    let second = next();
    for name in [
        "type",
        "source_port",
        "flow_id",
        "direction",
        "digest",
        "mgen_sequence",
    ] {
        assert!(second[name].is_null(), "{name}");
    }
    assert_eq!(second["number"], (1_u64 << 40) + 1);
    assert_eq!(
        (&second["source"], &second["destination"]),
        (&"::1".into(), &"::".into())
    );
    assert_eq!(second["vlans"], serde_json::json!([5, 6]));
    // All names are documented.
    let document = include_str!("../../../../docs/recollect.md");
    for name in second.as_object().unwrap().keys() {
        let quoted = [format!("`{name}`"), format!("\"{name}\"")];
        assert!(quoted.iter().any(|name| document.contains(name)), "{name}");
    }
}

#[test]
fn what_is_missing_is_told_and_counted() {
    let waiting = Waiting::new("lab");
    let args = ["--metrics", "127.0.0.1:0"];
    let collector = Collector::start(&format!("{RULES}{}", waiting.line()), &args);
    let told = collector.told("metrics at http://");
    let mut speaker = waiting.known(&who(1, "src", LAB));
    speaker.say([
        Message::Number(5),
        Message::Packet(note(1)),
        status(BEGIN, 6, 0),
    ]);
    speaker.say([
        Message::Number(1006),
        Message::Packet(note(2)),
        status(BEGIN, 1007, 3),
    ]);
    let missed = collector.told("missed");
    assert!(
        missed.starts_with("recollect: lab: 1,000 records missed: "),
        "{missed}"
    );
    drop(speaker);
    collector.told("connection lost");
    let mut speaker = waiting.known(&who(1, "src", LAB));
    speaker.say([Message::Number(2241), Message::Packet(note(3))]);
    let missed = collector.told("missed");
    assert!(
        missed.starts_with("recollect: lab: 1,234 records missed: "),
        "{missed}"
    );
    drop(speaker);
    // It was started anew.
    let mut speaker = waiting.known(&who(2, "src", LAB));
    speaker.say([
        Message::Number(9),
        Message::Packet(note(4)),
        status(BEGIN, 10, 2),
    ]);
    for number in 1..=4 {
        assert_eq!(
            collector.line(),
            format!("1700000000.{number:06}:lab:1:800:0")
        );
    }
    collector.metrics(
        &told,
        &[
            "recollect_missed_records_total{agent=\"lab\"} 2234\n",
            "recollect_dropped_packets_total{agent=\"lab\"} 5\n",
            "recollect_records_received_total{agent=\"lab\"} 4\n",
        ],
    );
}

#[test]
fn who_speaks_another_stream_is_told_the_remedy() {
    // A classic agent where an extended one is expected, with records and without.
    let (listener, place) = agent("lab");
    let (silent, silent_place) = agent("silent");
    let extended = Waiting::new("west");
    let config = format!(
        "{RULES}{} extended\n{} extended\n{}\n",
        place.trim_end(),
        silent_place.trim_end(),
        extended.line_with("")
    );
    let collector = Collector::start(&config, &[]);
    let stream = accepted(&listener);
    send(&stream, 1);
    let told = collector.told("lab: ");
    assert!(
        told.contains("cannot connect: what comes is not the extended stream"),
        "{told}"
    );
    assert!(told.contains("is that its port"), "{told}");
    // An extended one waits for a greeting, until it gives up.
    drop(extended.connection().unwrap());
    let told = collector.told("without a record");
    assert!(
        told.starts_with("recollect: west: ") && told.contains("`extended`"),
        "{told}"
    );
    let _silent = accepted(&silent);
    let told = collector.told("does not answer");
    assert!(
        told.starts_with("recollect: silent: ") && told.contains("--extended"),
        "{told}"
    );
}

#[test]
fn tls_believes_by_authority_or_pin() {
    let certificates = Certificates::new();
    let options = TlsOptions {
        client_ca: Some(certificates.path("ca.pem")),
        allow: vec!["collector".to_owned()],
        ..certificates.agent()
    };
    let west = Waiting::with_tls("west", &certificates.agent());
    let pinned = Waiting::with_tls("pinned", &certificates.agent());
    let demanding = Waiting::with_tls("demanding", &options);
    let [ca, cert, key] =
        ["ca.pem", "collector.pem", "collector.key"].map(|name| certificates.text(name));
    let pin = certificates.pin("agent.pem");
    let config = format!(
        "{RULES}{}{}\n{}",
        west.line(),
        pinned.line_with(&format!(" pin={pin}")),
        demanding.line()
    );
    let args = ["--ca", &ca, "--cert", &cert, "--key", &key];
    let collector = Collector::start(&config, &args);
    for (number, waiting) in [west, pinned, demanding].into_iter().enumerate() {
        let mut speaker = waiting.known(&who(1, "src", LAB));
        speaker.say([Message::Packet(note(number as u32))]);
        let line = collector.line();
        assert!(
            line.starts_with(&format!("1700000000.00000{number}:")),
            "{line}"
        );
    }
}

#[test]
fn tls_does_not_believe_others() {
    let certificates = Certificates::new();
    let options = TlsOptions {
        client_ca: Some(certificates.path("ca.pem")),
        ..certificates.agent()
    };
    let agents = ["west", "pinned", "demanding", "plain"];
    let [west, pinned, demanding, plain] = agents.map(|label| match label {
        "demanding" => Waiting::with_tls(label, &options),
        "plain" => Waiting::new(label),
        _ => Waiting::with_tls(label, &certificates.agent()),
    });
    let (right, wrong) = (certificates.pin("agent.pem"), certificates.pin("ca.pem"));
    let config = format!(
        "{}{}\n{}\n{}\n",
        west.line(),
        pinned.line_with(&format!(" pin={wrong}")),
        demanding.line_with(&format!(" pin={right}")),
        plain.line_with(" tls"),
    );
    let collector = Collector::start(&config, &[]);
    let waiting = [west, pinned, demanding, plain].map(|waiting| {
        thread::spawn(move || {
            // The handshake fails, or the collector goes.
            let _ = waiting
                .connection()
                .map(|mut connection| connection.close());
        })
    });
    let mut told: Vec<String> = agents
        .iter()
        .map(|_| collector.told("cannot connect"))
        .collect();
    told.sort();
    for (line, (label, remedy)) in told.iter().zip([
        ("demanding", "certificate"),
        ("pinned", "pin"),
        ("plain", "does the agent speak TLS there?"),
        ("west", "ca"),
    ]) {
        assert!(line.starts_with(&format!("recollect: {label}: ")), "{line}");
        assert!(line.contains(remedy), "{line}");
    }
    for thread in waiting {
        thread.join().unwrap();
    }
}

#[test]
fn flags_for_tls_that_protect_nothing_are_refused() {
    let run = |config: &str, args: &[&str]| {
        let folder = folder(config);
        let done = command(folder.path(), args).output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    let (code, told) = run("lab:127.0.0.1:7075 extended\n", &["--insecure"]);
    assert_eq!(code, Some(1));
    assert!(told.contains("put `tls` behind the address"), "{told}");
    let (code, told) = run("lab:127.0.0.1:7075 tls\n", &["--ca", "none.pem"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("none.pem: cannot read"), "{told}");
}

#[test]
fn hostile_agents_hold_up_nobody() {
    let names = ["garbage", "text", "drip", "lists", "times", "short"];
    let waiting = names.map(Waiting::new);
    let (classic, place) = agent("good");
    let extended = Waiting::new("fine");
    let lines: String = waiting.iter().map(Waiting::line).collect();
    let config = format!("{RULES}{lines}{place}{}", extended.line());
    let mut collector = Collector::start(&config, &["--quiet"]);
    let (begun, all) = channel();
    for (name, waiting) in names.into_iter().zip(waiting) {
        let begun = begun.clone();
        thread::spawn(move || {
            loop {
                let mut speaker = waiting.greeted();
                // Nobody may wait for it any more.
                let _ = begun.send(());
                let octets = hostile(name);
                // Those of the times make lines, which all are read here.
                let pause = Duration::from_millis(match name {
                    "drip" | "times" => 20,
                    _ => 0,
                });
                let size = if name == "drip" { 1 } else { octets.len() };
                for piece in octets.chunks(size).cycle() {
                    thread::sleep(pause);
                    if speaker.0.write_all(piece).is_err() {
                        break;
                    }
                }
            }
        });
    }
    names.iter().for_each(|_| all.recv().unwrap());
    let stream = accepted(&classic);
    let mut speaker = extended.known(&who(1, "src", LAB));
    let next = |label: &str| loop {
        let line = collector.line();
        if line.contains(label) {
            break line;
        }
    };
    for number in 0..200 {
        send(&stream, number);
        speaker.say([Message::Packet(note(number))]);
        assert_eq!(next(":good:"), line("good", number));
    }
    // Its lines so far may all have come among those.
    speaker.say([Message::Packet(note(200))]);
    let _ = next(":fine:");
    assert_eq!(collector.interrupt(), Some(0));
}

/// What an agent of that name says, again and again.
fn hostile(name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let who = who(1, "src", LAB);
    let mut say = |message: Message| message.write(&mut octets);
    match name {
        "garbage" => octets.extend((0..10_007_u32).map(|number| ((number * number) >> 3) as u8)),
        "text" => octets.extend(b"HTTP/1.1 400 Bad Request\r\n".repeat(100)),
        "short" => {
            say(Message::Agent(who));
            octets.extend([0, 1, 3]);
        }
        "lists" => {
            let mut who = who;
            let interface = &mut who.interfaces[0];
            interface.name = "\u{9b}x".repeat(300);
            interface.addresses = vec![LAB.into(); 255];
            who.interfaces = vec![who.interfaces[0].clone(); 255];
            say(Message::Agent(who));
            say(Message::Status(Status {
                interfaces: vec![netcap_agent::extended::Counters::default(); 255],
                ..Status::default()
            }));
        }
        "times" => {
            say(Message::Agent(who));
            for time in [i64::MIN, i64::MAX, 0, -1, BEGIN] {
                say(status(time, u64::MAX, u64::MAX));
                say(Message::Number(time.cast_unsigned()));
                say(Message::Packet(PacketNote { time, ..note(1) }));
            }
        }
        _ => say(Message::Agent(who)),
    }
    octets
}
