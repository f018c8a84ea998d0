//! A sensor that is enrolled, and says what it likes.

use netcap_capture::pcap_over_ip::{ClientTls, Connection, connect};
use netcap_store::Gzip;

use super::super::wire::{Message, VERSION, split};
use super::*;

const HELLO: Message<'static> = Message::Hello {
    version: VERSION,
    stream: [1; 16],
    flags: 0,
    source: b"odd\x1b[2J",
    program: b"",
};

fn dial(running: &Running, tls: &Arc<ClientTls>) -> Connection {
    let address = format!("tls://127.0.0.1:{}", running.port());
    connect(&address.parse().expect("an address"), Some(tls), LONG).expect("connected")
}

/// Says something, and gives what the server says until it closes.
fn say(running: &Running, tls: &Arc<ClientTls>, octets: &[u8]) -> Vec<u8> {
    let mut connection = dial(running, tls);
    connection.write_all(octets).expect("written");
    connection.flush().expect("written");
    let mut answer = Vec::new();
    connection.set_read_timeout(Some(LONG)).expect("set");
    let _ = connection.read_to_end(&mut answer);
    answer
}

fn encoded(messages: &[Message<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        message.put(&mut out);
    }
    out
}

fn refusal(mut answer: &[u8]) -> String {
    while let Ok(Some((message, length))) = split(answer) {
        if let Message::Refused(reason) = message {
            return String::from_utf8_lossy(reason).into_owned();
        }
        answer = &answer[length..];
    }
    String::new()
}

#[test]
fn malformed_messages_end_the_connection_and_nothing_else() {
    let world = World::new();
    let tls = sensor_tls(&world.sensor("mallory")).expect("TLS");
    let running = world.start(0, ServerOptions::default());
    let mut whole = dial(&running, &tls);
    let after_hello = |octets: &[u8]| [encoded(&[HELLO]), octets.to_vec()].concat();
    let lost = |number, first, count| {
        after_hello(&encoded(&[Message::Lost {
            number,
            first,
            count,
        }]))
    };
    let other_version = Message::Hello {
        version: 2,
        stream: [1; 16],
        flags: 0,
        source: b"",
        program: b"",
    };
    let no_stream = Message::Hello {
        version: VERSION,
        stream: [0; 16],
        flags: 0,
        source: b"",
        program: b"",
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![0, 0, 0, 0]),
        ("long", vec![0, 0x20, 0, 1]),
        ("longest", vec![0xff; 4]),
        ("unknown kind", vec![0, 0, 0, 9, 99]),
        ("no Hello", encoded(&[Message::End { is_complete: true }])),
        ("version", encoded(&[other_version])),
        ("stream", encoded(&[no_stream])),
        ("Hello too short", vec![0, 0, 0, 3, 1, 1, 1]),
        ("Hello twice", encoded(&[HELLO, HELLO])),
        (
            "Welcome",
            after_hello(&encoded(&[Message::Welcome(vec![])])),
        ),
        ("Ack", after_hello(&encoded(&[Message::Ack(1)]))),
        ("Refused", after_hello(&encoded(&[Message::Refused(b"no")]))),
        ("End of 2", after_hello(&[0, 0, 0, 2, 6, 2])),
        ("Status in part", after_hello(&[0, 0, 0, 4, 5, 0, 0, 1])),
        ("Batch in part", after_hello(&[0, 0, 0, 4, 3, 0, 0, 1])),
        ("Lost of no type", lost(u16::MAX, 0, 1)),
        (
            "Lost near the end",
            lost(schema("TCP").number.expect("a number"), 1 << 62, 1),
        ),
        (
            "Lost without end",
            lost(schema("TCP").number.expect("a number"), u64::MAX, 1),
        ),
    ];
    let count = cases.len() as u64;
    for (what, octets) in cases {
        let reason = refusal(&say(&running, &tls, &octets));
        assert!(!reason.is_empty(), "{what}");
    }
    assert_eq!(running.server.counts().refusals.bad_message, count);
    assert_eq!(running.sensor("mallory").source, "odd\\u{1b}[2J");
    // The one that was there before is served.
    whole.write_all(&encoded(&[HELLO])).expect("written");
    assert!(whole.read(&mut [0; 100]).expect("an answer") > 0);
}

#[test]
fn batches_that_are_not_what_they_say_are_refused_whole() {
    let world = World::new();
    let tls = sensor_tls(&world.sensor("mallory")).expect("TLS");
    let running = world.start(0, ServerOptions::default());
    let tcp = schema("TCP").number.expect("a number");
    let member = |frames: &[u8]| Gzip::default().member(frames);
    let frame = [3, 0x0a, 1, b'0'];
    let good = member(&frame);
    let cases = [
        ("type", u16::MAX, 0, 1, good.clone()),
        ("no records", tcp, 0, 0, member(b"")),
        ("numbers", tcp, u64::MAX, 1, good.clone()),
        ("too few", tcp, 0, 2, good.clone()),
        ("too many", tcp, 0, 1, member(&frame.repeat(2))),
        ("gap", tcp, 1, 1, good.clone()),
        ("no gzip", tcp, 0, 1, b"gzip".to_vec()),
        ("nothing", tcp, 0, 1, Vec::new()),
        ("cut", tcp, 0, 1, good[..good.len() - 1].to_vec()),
        (
            "two members",
            tcp,
            0,
            2,
            [good.clone(), good.clone()].concat(),
        ),
        ("not whole", tcp, 0, 1, member(&[4, 0x0a, 1, b'0'])),
        ("no record", tcp, 0, 1, member(&[3, 0x0a, 2, b'0'])),
        ("a bomb", tcp, 0, 1, member(&vec![0; 64 << 20])),
        ("long", tcp, 0, 300_000, member(&frame.repeat(300_000))),
    ];
    let count = cases.len() as u64;
    for (what, number, first, count, member) in cases {
        let batch = Message::Batch {
            number,
            first,
            count,
            flags: 0,
            member: &member,
        };
        let reason = refusal(&say(&running, &tls, &encoded(&[HELLO, batch])));
        assert!(
            reason.starts_with("a batch was refused"),
            "{what}: {reason}"
        );
    }
    assert_eq!(running.server.counts().refusals.bad_batch, count);
    assert_eq!(running.kept("mallory").records, 0);
    // Some of it is there; of the members only those with a plain header are taken.
    let batch = |first, count, member| Message::Batch {
        number: tcp,
        first,
        count,
        flags: 0,
        member,
    };
    let two = member(&frame.repeat(2));
    let messages = [
        HELLO,
        batch(0, 1, &good),
        batch(0, 1, &good),
        batch(0, 2, &two),
    ];
    let reason = refusal(&say(&running, &tls, &encoded(&messages)));
    assert!(reason.contains("there already"), "{reason}");
    assert_eq!(running.server.counts().refusals.overlap, 1);
    assert_eq!(running.kept("mallory").records, 1);
    assert_eq!(running.sensor("mallory").duplicates, 1);
    assert_eq!(world.records("mallory", schema("TCP")), [0]);
}

#[test]
fn silence_ends_a_connection() {
    let world = World::new();
    let tls = sensor_tls(&world.sensor("mallory")).expect("TLS");
    let limits = ServerOptions {
        handshake: Duration::from_secs(5),
        silence: Duration::from_millis(300),
        ..ServerOptions::default()
    };
    let running = world.start(0, limits);
    let answer = say(&running, &tls, &encoded(&[HELLO]));
    assert!(refusal(&answer).contains("nothing came"));
    assert_eq!(running.server.counts().refusals.silent, 1);
}

#[test]
fn a_key_that_says_no_hello_keeps_few_connections() {
    let world = World::new();
    let tls = sensor_tls(&world.sensor("mallory")).expect("TLS");
    let running = world.start(0, ServerOptions::default());
    let silent: Vec<_> = (0..12).map(|_| dial(&running, &tls)).collect();
    until("displaced", || {
        running.server.counts().refusals.displaced == 8
    });
    until("ended", || running.server.counts().connections == 4);
    drop(silent);
}

#[test]
fn before_hello_there_is_no_room_for_anything_else() {
    let world = World::new();
    let tls = sensor_tls(&world.sensor("mallory")).expect("TLS");
    let running = world.start(0, ServerOptions::default());
    // The beginning of a long message is enough to be refused: nothing waits for the rest.
    for beginning in [[0, 0x20, 0, 0, 3], [0, 0, 0x10, 0, 1], [0, 0, 0, 9, 5]] {
        let reason = refusal(&say(&running, &tls, &beginning));
        assert!(reason.contains("not Hello"), "{reason}");
    }
}

#[test]
fn who_was_superseded_goes_even_if_it_talks_on() {
    let world = World::new();
    let tls = sensor_tls(&world.sensor("mallory")).expect("TLS");
    let running = world.start(0, ServerOptions::default());
    let mut older = dial(&running, &tls);
    older.write_all(&encoded(&[HELLO])).expect("written");
    until("connected", || running.server.counts().sensors.len() == 1);
    let mut newer = dial(&running, &tls);
    newer.write_all(&encoded(&[HELLO])).expect("written");
    let status = encoded(&[Message::Status(vec![(1, u64::MAX)])]);
    let end = Instant::now() + LONG;
    // It takes nothing of what is said to it.
    while running.server.counts().refusals.superseded == 0 {
        assert!(Instant::now() < end, "it stays");
        let _ = older.write_all(&status);
        thread::sleep(Duration::from_millis(1));
    }
    let mut answer = Vec::new();
    older.set_read_timeout(Some(LONG)).expect("set");
    let _ = older.read_to_end(&mut answer);
    assert!(refusal(&answer).contains("do two sensors run as one?"));
}
