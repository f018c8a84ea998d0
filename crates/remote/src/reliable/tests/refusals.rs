//! Who is not to be believed is not, and is told so.

use netcap_capture::pcap_over_ip::{ClientTls, connect};

use super::*;

#[test]
fn a_sensor_is_enrolled_while_it_tries() {
    let world = World::new();
    let sensor = world.stranger("alice");
    let running = world.start(0, ServerOptions::default());
    let mut waiting = options(&sensor, running.port());
    waiting.connect_deadline = None;
    let told = notes(&mut waiting);
    let mut sender = ReliableSender::connect(waiting, [1; 16]).expect("begun");
    sender.send(batch(schema("TCP"), 0..10)).expect("sent");
    until("refused", || {
        running.server.counts().refusals.unknown_key > 1
    });
    assert!(running.server.counts().sensors.is_empty());
    assert_eq!(running.server.counts().refusals.handshake, 0);
    until("told", || !told.lock().expect("a lock").is_empty());
    // By another program.
    let path = world.folder.path().join("sensors");
    let other = Enrolment::open(&path).expect("opened");
    other.add("alice", pin(&sensor)).expect("enrolled");
    sender.finish(true).expect("delivered");
    assert_eq!(running.kept("alice").records, 10);
    let told = told.lock().expect("a lock").clone();
    let remedy = format!("-enroll NAME -pin {}", pin(&sensor));
    assert!(told[0].contains(&remedy), "{told:?}");
    assert!(!told[0].contains("tls://"), "{told:?}");
    assert!(told.last().expect("a note").ends_with("connected"));
    let mut once = told.clone();
    once.dedup();
    assert_eq!(told, once);
}

#[test]
fn a_key_that_is_removed_ends_its_connection() {
    let world = World::new();
    let sensor = world.sensor("alice");
    let running = world.start(0, ServerOptions::default());
    let sender =
        ReliableSender::connect(options(&sensor, running.port()), [1; 16]).expect("connected");
    assert!(world.enrolment.remove(&pin(&sensor)).expect("removed"));
    until("ended", || !sender.counters().snapshot().is_connected);
    until("counted", || {
        running.server.counts().refusals.unknown_key > 0
    });
}

#[test]
fn a_server_with_another_key_gets_nothing() {
    let world = World::new();
    let mut sensor = world.sensor("alice");
    let running = world.start(0, ServerOptions::default());
    let other = pin(&identity(world.folder.path(), "other"));
    sensor.pins = vec![other];
    let mut refused = options(&sensor, running.port());
    refused.connect_deadline = Some(Duration::from_millis(500));
    let error = ReliableSender::connect(refused, [1; 16]);
    let error = error.err().expect("refused").to_string();
    assert!(error.contains("another pin"), "{error}");
    assert!(running.server.counts().sensors.is_empty());
    // While the server's key is replaced, both are known.
    sensor.pins.push(pin(&world.server));
    let mut sender =
        ReliableSender::connect(options(&sensor, running.port()), [1; 16]).expect("connected");
    sender.finish(true).expect("delivered");
}

#[test]
fn an_expired_certificate_is_known_by_its_pin() {
    let world = World::new();
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(vec!["old".to_owned()]).expect("a name");
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let certificate = params.self_signed(&key).expect("signed").pem();
    let folder = world.folder.path();
    let sensor = TlsOptions {
        pins: vec![pin(&world.server)],
        ..write_identity(folder, "old", &certificate, &key.serialize_pem())
    };
    world.enrolment.add("old", pin(&sensor)).expect("enrolled");
    let running = world.start(0, ServerOptions::default());
    let mut sender =
        ReliableSender::connect(options(&sensor, running.port()), [1; 16]).expect("connected");
    sender.finish(true).expect("delivered");
}

#[test]
fn who_has_no_key_is_refused() {
    let world = World::new();
    let limits = ServerOptions {
        handshake: Duration::from_millis(300),
        ..ServerOptions::default()
    };
    let running = world.start(0, limits);
    let address = format!("tls://127.0.0.1:{}", running.port());
    let address = address.parse().expect("an address");
    // Without a certificate: TLS 1.3 tells it after the handshake, at the first read.
    let bare = TlsOptions {
        pins: vec![pin(&world.server)],
        ..TlsOptions::default()
    };
    let tls = ClientTls::new(&bare).expect("TLS");
    if let Ok(mut connection) = connect(&address, Some(&tls), LONG) {
        assert!(connection.read(&mut [0; 10]).is_err());
    }
    // The certificate of a sensor, and another key.
    let sensor = world.sensor("alice");
    let thief = TlsOptions {
        key: identity(world.folder.path(), "thief").key,
        ..sensor.clone()
    };
    assert!(ClientTls::only_tls13(&thief).is_err());
    until("counted", || {
        running.server.counts().refusals.handshake == 1
    });
    // No TLS, and silence.
    let mut plain = TcpStream::connect(running.server.local_addr()).expect("connected");
    plain.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("written");
    let silent = TcpStream::connect(running.server.local_addr()).expect("connected");
    until("counted", || {
        running.server.counts().refusals.handshake == 3
    });
    drop(silent);
    until("ended", || running.server.counts().connections == 0);
}

#[test]
fn sensors_are_limited() {
    let world = World::new();
    let (alice, bob) = (world.sensor("alice"), world.sensor("bob"));
    let limits = ServerOptions {
        connections: 1,
        ..ServerOptions::default()
    };
    let running = world.start(0, limits);
    let mut sender =
        ReliableSender::connect(options(&alice, running.port()), [1; 16]).expect("connected");
    let mut one_too_many = options(&bob, running.port());
    one_too_many.connect_deadline = None;
    let told = notes(&mut one_too_many);
    let mut other = ReliableSender::connect(one_too_many, [1; 16]).expect("begun");
    until("told", || {
        let told = told.lock().expect("a lock");
        told.iter().any(|line| line.contains("-max-clients"))
    });
    assert!(running.server.counts().refusals.too_many > 0);
    sender.send(batch(schema("TCP"), 0..3)).expect("sent");
    sender.finish(true).expect("delivered");
    // There is room now.
    other.finish(true).expect("delivered");
}

#[test]
fn newcomers_make_room_for_each_other_and_take_no_sensors_place() {
    let world = World::new();
    let (alice, bob) = (world.sensor("alice"), world.sensor("bob"));
    let limits = ServerOptions {
        newcomers: 4,
        ..ServerOptions::default()
    };
    let running = world.start(0, limits);
    let mut sender =
        ReliableSender::connect(options(&alice, running.port()), [1; 16]).expect("connected");
    let idle: Vec<_> = (0..40)
        .map(|_| TcpStream::connect(running.server.local_addr()).expect("connected"))
        .collect();
    until("displaced", || {
        running.server.counts().refusals.displaced >= 30
    });
    // A sensor that comes now gets in.
    let mut late =
        ReliableSender::connect(options(&bob, running.port()), [1; 16]).expect("connected");
    for sender in [&mut sender, &mut late] {
        sender.send(batch(schema("TCP"), 0..3)).expect("sent");
        sender.finish(true).expect("delivered");
        assert_eq!(sender.counters().snapshot().reconnects, 0);
    }
    drop(idle);
}

#[test]
fn a_stop_waits_for_no_silent_connection() {
    let world = World::new();
    let limits = ServerOptions {
        handshake: 10 * LONG,
        ..ServerOptions::default()
    };
    let mut running = world.start(0, limits);
    let silent = TcpStream::connect(running.server.local_addr()).expect("connected");
    until("accepted", || running.server.counts().connections == 1);
    let (done, ended) = std::sync::mpsc::channel();
    thread::spawn(move || {
        running.server.stop();
        let _ = done.send(());
    });
    ended.recv_timeout(LONG).expect("it stops");
    drop(silent);
}

#[test]
fn what_happens_to_connections_is_told_in_order() {
    let world = World::new();
    let alice = world.sensor("alice");
    let stranger = world.stranger("stranger");
    let running = world.start(0, ServerOptions::default());
    let mut taken = Vec::new();
    for _ in 0..2 {
        let mut sender =
            ReliableSender::connect(options(&alice, running.port()), [1; 16]).expect("connected");
        sender.finish(true).expect("delivered");
    }
    let mut refused = options(&stranger, running.port());
    refused.connect_deadline = Some(Duration::from_millis(1));
    let _ = ReliableSender::connect(refused, [1; 16]);
    let end = Instant::now() + LONG;
    while taken.len() < 5 {
        assert!(Instant::now() < end, "{taken:?}");
        taken.extend(running.server.events());
        thread::sleep(Duration::from_millis(5));
    }
    let is_refused = |event: &Event| {
        matches!(event, Event::Refused { reason, pin: shown, .. }
        if *reason == "unknown_key" && *shown == Some(pin(&stranger)))
    };
    assert!(taken.iter().any(is_refused), "{taken:?}");
    let names: Vec<_> = taken
        .iter()
        .filter_map(|event| match event {
            Event::Connected { sensor, .. } => Some((sensor.as_str(), "connected")),
            Event::Gone { sensor, reason, .. } => Some((sensor.as_str(), *reason)),
            _ => None,
        })
        .collect();
    for event in [("alice", "connected"), ("alice", "closed")] {
        assert_eq!(
            names.iter().filter(|name| **name == event).count(),
            2,
            "{taken:?}"
        );
    }
}

#[test]
fn giving_up_says_what_is_missing() {
    let world = World::new();
    let sensor = world.stranger("alice");
    let running = world.start(0, ServerOptions::default());
    let mut waiting = options(&sensor, running.port());
    waiting.connect_deadline = None;
    waiting.queue = 1;
    let give_up = Arc::clone(&waiting.give_up);
    let mut sender = ReliableSender::connect(waiting, [1; 16]).expect("begun");
    sender.send(batch(schema("TCP"), 0..10)).expect("sent");
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        give_up.store(true, Ordering::Relaxed);
    });
    let error = sender.send(batch(schema("TCP"), 10..20));
    assert!(
        error
            .expect_err("no room")
            .to_string()
            .contains("20 records")
    );
    let error = sender.finish(true).expect_err("not delivered").to_string();
    assert!(error.contains("10 records were not delivered"), "{error}");
}
