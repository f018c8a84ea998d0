//! Sensors, a broker and servers: all records once, whatever ends when.

#![allow(clippy::print_stdout)]

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use netcap_nats::{Connection, Full, NatsSender, Refusal};
use netcap_remote::{Archive, Batch, Sender};
use netcap_store::Gzip;
use support::*;

const ACK_WAIT: Duration = Duration::from_secs(2);

fn folders(parent: &tempfile::TempDir, count: usize) -> Vec<PathBuf> {
    (0..count)
        .map(|number| parent.path().join(number.to_string()))
        .collect()
}

/// A batch of ten records of `alpha`.
fn ten(first: u64) -> Batch {
    Batch {
        schema: schema("TCP"),
        first,
        count: 10,
        payloads: false,
        frames: frames("alpha", "TCP", first..first + 10),
    }
}

#[test]
fn servers_share_what_sensors_send() {
    let Some(broker) = Broker::start(&[]) else {
        return;
    };
    let parent = tempfile::tempdir().expect("a folder");
    let folders = folders(&parent, 2);
    let archives: Vec<_> = folders
        .iter()
        .map(|folder| Arc::new(Archive::open(folder, "test").expect("an archive")))
        .collect();
    let servers: Vec<_> = archives
        .iter()
        .map(|archive| serve_in(broker.connection(), Arc::clone(archive), ACK_WAIT))
        .collect();
    let sensors = ["alpha", "be.ta/x", ".gamma"];
    let sending: Vec<_> = sensors
        .into_iter()
        .map(|sensor| {
            let mut options = options(broker.connection(), sensor);
            // One of them is live.
            options.is_repeatable = sensor != "alpha";
            thread::spawn(move || send(options, sensor, 3000, Duration::ZERO))
        })
        .collect();
    for sending in sending {
        let sent = sending.join().expect("sent");
        assert_eq!(sent.records, 9000);
        assert_eq!((sent.dropped, sent.too_long), (0, 0));
    }
    until_kept(&broker, &folders, &expected(&sensors, 3000));
    let mut records = 0;
    for (server, archive) in servers.into_iter().zip(archives) {
        assert_eq!(server.trouble(), None);
        let counts = server.stop();
        println!("{counts:?}");
        assert!(counts.refused.is_empty());
        let counted = archive.counts();
        let kept = counted.values().flat_map(|types| types.values());
        records += kept.map(|kept| kept.records).sum::<u64>();
    }
    assert_eq!(records, 27000);

    // The same input again: nothing is new.
    let server = serve(broker.connection(), &folders[0], ACK_WAIT);
    let sent = send(
        options(broker.connection(), "be.ta/x"),
        "be.ta/x",
        3000,
        ACK_WAIT,
    );
    assert_eq!(sent.records, 0);
    drop(server);
    until_kept(&broker, &folders, &expected(&sensors, 3000));
}

#[test]
fn the_broker_is_killed_and_comes_back() {
    let Some(mut broker) = Broker::start(&[]) else {
        return;
    };
    let parent = tempfile::tempdir().expect("a folder");
    let folders = folders(&parent, 2);
    let servers: Vec<_> = folders
        .iter()
        .map(|folder| serve(broker.connection(), folder, ACK_WAIT))
        .collect();
    let sensors = ["alpha", "beta"];
    let sending: Vec<_> = sensors
        .into_iter()
        .map(|sensor| {
            let mut options = options(broker.connection(), sensor);
            options.is_repeatable = sensor == "alpha";
            thread::spawn(move || send(options, sensor, 6000, Duration::from_millis(20)))
        })
        .collect();
    let mut random = Random::new();
    for _ in 0..6 {
        thread::sleep(Duration::from_millis(200 + random.below(600)));
        broker.kill();
        thread::sleep(Duration::from_millis(random.below(500)));
        broker.again();
    }
    for sending in sending {
        assert_eq!(sending.join().expect("sent").records, 18000);
    }
    until_kept(&broker, &folders, &expected(&sensors, 6000));
    for server in servers {
        assert_eq!(server.trouble(), None);
        println!("{:?}", server.stop());
    }
}

#[test]
fn what_the_index_of_the_broker_hides_is_found() {
    hide_a_batch("");
}

/// It counts the batch, never gives it, and answers nothing.
#[test]
fn what_a_consumer_of_an_earlier_version_hides_is_found() {
    hide_a_batch("netcap.records.>");
}

/// Has the broker not find one by its subject: nats-server 2.9 does not note which message of a subject is
/// the last one when that is taken away.
fn hide_a_batch(filter: &str) {
    let Some(broker) = Broker::start(&[]) else {
        return;
    };
    let parent = tempfile::tempdir().expect("a folder");
    let folders = folders(&parent, 1);
    let mut options = options(broker.connection(), "alpha");
    options.is_repeatable = false;
    let mut sender = NatsSender::start(options).expect("a sender");
    for first in [0, 10, 20] {
        sender.send(ten(first)).expect("taken");
        until("it is at the broker", || {
            sender.sent().records == first + 10
        });
    }
    runtime().block_on(async {
        let client = async_nats::connect(broker.url()).await.expect("a client");
        let context = async_nats::jetstream::new(client);
        let stream = context.get_stream("NETCAP").await.expect("a stream");
        for sequence in [3, 1] {
            assert!(stream.delete_message(sequence).await.expect("an answer"));
        }
        let config = async_nats::jetstream::consumer::pull::Config {
            durable_name: Some("servers".to_owned()),
            ack_wait: ACK_WAIT,
            filter_subject: filter.to_owned(),
            ..Default::default()
        };
        stream.create_consumer(config).await.expect("a consumer");
    });
    let server = serve(broker.connection(), &folders[0], ACK_WAIT);
    let left: Vec<String> = (10..20)
        .map(|number| text("alpha", "TCP", number))
        .collect();
    until_kept(&broker, &folders, &left);
    assert_eq!(server.trouble(), None);
    assert!(server.counts().connected);
    assert!(!server.stop().connected);
}

#[test]
fn what_anybody_publishes_is_refused() {
    let Some(broker) = Broker::start(&[]) else {
        return;
    };
    let parent = tempfile::tempdir().expect("a folder");
    let folders = folders(&parent, 1);
    let server = serve(broker.connection(), &folders[0], ACK_WAIT);
    until("the streams are made", || {
        broker.messages("NETCAP_COMMITS").is_some()
    });
    let number = schema("TCP").number.expect("a number");
    let stream = "5a".repeat(16);
    let subject = format!("netcap.records.evil.{stream}.{number}");
    let headers = |first: &str, count: &str, flags: &str| {
        format!(
            "NATS/1.0\r\nNetcap-First: {first}\r\nNetcap-Count: {count}\r\nNetcap-Flags: {flags}\r\n\r\n"
        )
    };
    let good = headers("0", "3", "0");
    let records = frames("evil", "TCP", 0..3);
    let member = Gzip::default().member(&records);
    let mut flagged = member.clone();
    flagged[3] = 4;
    let bomb = Gzip::default().member(&vec![0; 64 << 20]);
    let junk = Gzip::default().member(&[5, 0xff, 0xff, 0xff, 0xff, 0xff].repeat(3));
    let status = good.replace("NATS/1.0", "NATS/1.0 404 No Messages");
    let far = u64::MAX.to_string();
    let cases: &[(&str, Option<&str>, &[u8], Refusal)] = &[
        ("netcap.records.x", Some(&good), &member, Refusal::Subject),
        (
            "netcap.records.a/b.5a.1.2.3",
            Some(&good),
            &member,
            Refusal::Subject,
        ),
        (
            &subject.replace(&format!(".{number}"), ".65535"),
            Some(&good),
            &member,
            Refusal::Subject,
        ),
        (&subject, None, &member, Refusal::Headers),
        (
            &subject,
            Some("NATS/1.0\r\n\r\n"),
            &member,
            Refusal::Headers,
        ),
        (&subject, Some(&status), &member, Refusal::Headers),
        (
            &subject,
            Some(&headers("x", "3", "0")),
            &member,
            Refusal::Headers,
        ),
        (
            &subject,
            Some(&headers("0", "0", "0")),
            &member,
            Refusal::Headers,
        ),
        (
            &subject,
            Some(&headers(&far, "3", "0")),
            &member,
            Refusal::Headers,
        ),
        (
            &subject,
            Some(&headers("0", "3", "8")),
            &member,
            Refusal::Headers,
        ),
        (&subject, Some(&good), b"", Refusal::Compression),
        (&subject, Some(&good), b"junk", Refusal::Compression),
        (&subject, Some(&good), &flagged, Refusal::Compression),
        (&subject, Some(&good), &bomb, Refusal::Compression),
        (
            &subject,
            Some(&good),
            &member[..member.len() - 1],
            Refusal::Compression,
        ),
        (
            &subject,
            Some(&good),
            &[&member[..], &member[..]].concat(),
            Refusal::Compression,
        ),
        (
            &subject,
            Some(&headers("0", "4", "0")),
            &member,
            Refusal::Frames,
        ),
        (&subject, Some(&good), &junk, Refusal::Record),
    ];
    let mut refused = std::collections::BTreeMap::new();
    for (subject, headers, payload, refusal) in cases {
        broker.publish(subject, *headers, payload);
        *refused.entry(*refusal).or_default() += 1;
    }
    // Between them there is something good.
    let sent = send(
        options(broker.connection(), "good"),
        "good",
        500,
        Duration::ZERO,
    );
    assert_eq!(sent.records, 1500);
    until_kept(&broker, &folders, &expected(&["good"], 500));
    assert_eq!(server.trouble(), None);
    assert_eq!(server.stop().refused, refused);
    assert!(!folders[0].join("evil").exists());
}

#[test]
fn a_full_broker_holds_sensors_up() {
    let Some(broker) = Broker::start(&[]) else {
        return;
    };
    let parent = tempfile::tempdir().expect("a folder");
    let folders = folders(&parent, 1);
    let (said, notify) = listen();
    let mut options = options(broker.connection(), "alpha");
    options.limits.max_messages = 100;
    options.queue_octets = 16 << 10;
    options.notify = notify;
    let sending = thread::spawn(move || send(options, "alpha", 4000, Duration::ZERO));
    let is_full = "the broker has all that it may keep: waiting for servers to take some";
    let times = || {
        let said = said.lock().expect("a lock");
        said.iter().filter(|text| *text == is_full).count()
    };
    until("the stream is full", || times() > 0);
    thread::sleep(Duration::from_secs(1));
    assert!(!sending.is_finished());
    let server = serve(broker.connection(), &folders[0], ACK_WAIT);
    assert_eq!(sending.join().expect("sent").records, 12000);
    until_kept(&broker, &folders, &expected(&["alpha"], 4000));
    assert_eq!(server.trouble(), None);
    println!("said {} times", times());
}

#[test]
fn a_live_sensor_drops_and_counts() {
    let Some(mut broker) = Broker::start(&[]) else {
        return;
    };
    let mut options = options(broker.connection(), "alpha");
    options.is_repeatable = false;
    options.full = Full::Drop;
    options.queue_octets = 4 << 10;
    broker.kill();
    let mut sender = NatsSender::start(options).expect("a sender, without a broker");
    for number in 0..30 {
        sender.send(ten(10 * number)).expect("taken or dropped");
    }
    let sent = sender.sent();
    let dropped = sent.dropped;
    assert!(dropped > 0 && dropped < 300, "{dropped}");
    assert_eq!(sent.waiting_records + dropped, 300);
    assert!(!sent.connected);
    broker.again();
    sender.finish(true).expect("sent");
    let sent = sender.sent();
    assert!(sent.connected);
    assert_eq!(sent.waiting_records, 0);
    assert_eq!(sent.records + sent.dropped, 300);
    assert_eq!(broker.messages("NETCAP"), Some(sent.batches));
}

#[test]
fn a_stop_ends_the_wait_for_a_broker() {
    let Some(mut broker) = Broker::start(&[]) else {
        return;
    };
    broker.kill();
    let options = options(broker.connection(), "alpha");
    let stop = std::sync::Arc::clone(&options.stop);
    let starting = thread::spawn(move || NatsSender::start(options).err().map(|e| e.to_string()));
    thread::sleep(Duration::from_millis(500));
    assert!(!starting.is_finished());
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let error = starting.join().expect("ended").expect("an error");
    assert!(error.contains("stopped"), "{error}");
}

#[test]
fn a_stop_tells_what_was_not_delivered() {
    let Some(mut broker) = Broker::start(&[]) else {
        return;
    };
    let mut options = options(broker.connection(), "alpha");
    options.is_repeatable = false;
    options.patience = Duration::from_millis(200);
    let stop = Arc::clone(&options.stop);
    broker.kill();
    let mut sender = NatsSender::start(options).expect("a sender, without a broker");
    for first in [0, 10] {
        sender.send(ten(first)).expect("taken");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let error = sender.finish(false).expect_err("nobody takes them");
    let error = error.to_string();
    assert!(error.contains("20 records in 2 batches"), "{error}");
    assert_eq!(sender.sent().waiting_records, 20);
}

#[test]
fn streams_of_another_kind_are_refused() {
    let Some(broker) = Broker::start(&[]) else {
        return;
    };
    runtime().block_on(async {
        let client = async_nats::connect(broker.url()).await.expect("a client");
        let context = async_nats::jetstream::new(client);
        let config = async_nats::jetstream::stream::Config {
            name: "NETCAP".to_owned(),
            subjects: vec!["netcap.records.>".to_owned()],
            ..Default::default()
        };
        context.create_stream(config).await.expect("a stream");
    });
    let error = NatsSender::start(options(broker.connection(), "alpha")).err();
    let error = error.expect("an error").to_string();
    assert!(error.contains("other settings"), "{error}");
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(broker.connection(), folder.path(), ACK_WAIT);
    until("the server says so", || server.trouble().is_some());
}

#[test]
fn certificates_and_passwords_are_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = ["127.0.0.1".to_owned()];
    let parameters = rcgen::CertificateParams::new(names).expect("parameters");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("cert.pem"), certificate.pem()).expect("written");
    std::fs::write(path("key.pem"), key.serialize_pem()).expect("written");
    let text = |path: PathBuf| path.to_str().expect("UTF-8").to_owned();
    let (cert_file, key_file) = (text(path("cert.pem")), text(path("key.pem")));
    let arguments = ["--tls", "--tlscert", &cert_file, "--tlskey", &key_file];
    let login = ["--user", "sensor", "--pass", "secret"];
    let Some(broker) = Broker::start(&[&arguments[..], &login[..]].concat()) else {
        return;
    };
    let connection = |login: &str, ca: Option<&str>| {
        let mut connection = Connection::new(&format!("tls://{login}127.0.0.1:{}", broker.port));
        connection.ca = ca.map(path);
        connection
    };
    let good = connection("sensor:secret@", Some("cert.pem"));
    for (bad, is_told) in [
        (connection("sensor:secret@", None), "the broker"),
        (connection("sensor:wrong@", Some("cert.pem")), "the broker"),
        (connection("", Some("cert.pem")), "the broker"),
    ] {
        let (said, notify) = listen();
        let mut options = options(bad, "alpha");
        options.notify = notify;
        let stop = std::sync::Arc::clone(&options.stop);
        let starting = thread::spawn(move || NatsSender::start(options).is_err());
        until("it is told", || {
            let said = said.lock().expect("a lock");
            said.iter().any(|text| text.starts_with(is_told))
        });
        assert!(!starting.is_finished());
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(starting.join().expect("ended"));
    }
    let error = NatsSender::start(options(connection("", Some("none.pem")), "alpha")).err();
    let error = error.expect("no file").to_string();
    assert!(error.contains("none.pem"), "{error}");

    let folders = folders(&folder, 1);
    let server = serve(good.clone(), &folders[0], ACK_WAIT);
    let sent = send(options(good, "alpha"), "alpha", 100, Duration::ZERO);
    assert_eq!(sent.records, 300);
    until("all is kept", || {
        kept(&folders) == Some(expected(&["alpha"], 100))
    });
    assert_eq!(server.trouble(), None);
}
