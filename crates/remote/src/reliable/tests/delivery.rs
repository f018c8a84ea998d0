//! Nothing is lost and nothing is there twice, whatever ends when.

use super::*;

#[test]
fn all_records_arrive_once_and_in_order() {
    let world = World::new();
    let sensor = world.sensor("alice");
    let running = world.start(0, ServerOptions::default());
    let types = [schema("TCP"), schema("UDP"), schema("DNS")];
    let mut sender =
        ReliableSender::connect(options(&sensor, running.port()), [1; 16]).expect("connected");
    for part in 0..20 {
        for schema in types {
            assert_eq!(sender.position(schema), 0);
            let batch = batch(schema, part * 10..part * 10 + 10);
            sender.send(batch).expect("sent");
        }
    }
    sender.gauges().packets.store(77, Ordering::Relaxed);
    sender.finish(true).expect("delivered");
    let counts = sender.counters().snapshot();
    assert_eq!((counts.batches, counts.records), (60, 600));
    assert_eq!((counts.acknowledged, counts.queue), (600, 0));
    assert!(counts.last_ack.is_some());
    for schema in types {
        assert_eq!(world.records("alice", schema), (0..200).collect::<Vec<_>>());
    }
    let kept = running.kept("alice");
    assert_eq!((kept.batches, kept.records), (60, 600));
    let counts = running.sensor("alice");
    assert_eq!((counts.gaps, counts.duplicates), (0, 0));
    assert_eq!(counts.ended, Some(true));
    assert_eq!(counts.source, "test");
    assert_eq!(counts.pin, Some(pin(&sensor)));
    assert!(counts.status.contains(&(status::PACKETS, 77)));
    until("the end", || !running.sensor("alice").is_connected);
}

#[test]
fn a_sensor_that_begins_again_goes_on_where_it_was() {
    let world = World::new();
    let sensor = world.sensor("alice");
    let running = world.start(0, ServerOptions::default());
    let tcp = schema("TCP");
    let mut sender =
        ReliableSender::connect(options(&sensor, running.port()), [1; 16]).expect("connected");
    sender.send(batch(tcp, 0..10)).expect("sent");
    sender.send(batch(tcp, 10..20)).expect("sent");
    until("acknowledged", || {
        sender.counters().snapshot().acknowledged == 20
    });
    // As if it were killed.
    drop(sender);
    let mut sender =
        ReliableSender::connect(options(&sensor, running.port()), [1; 16]).expect("connected");
    assert_eq!(sender.position(tcp), 20);
    assert_eq!(sender.position(schema("UDP")), 0);
    // One that does not ask has its batches cut.
    sender.send(batch(tcp, 5..15)).expect("sent");
    sender.send(batch(tcp, 15..25)).expect("sent");
    sender.finish(true).expect("delivered");
    assert_eq!(sender.counters().snapshot().acknowledged, 20);
    assert_eq!(world.records("alice", tcp), (0..25).collect::<Vec<_>>());
    assert_eq!(running.kept("alice").records, 25);
    // Another stream has its own numbers.
    let mut sender =
        ReliableSender::connect(options(&sensor, running.port()), [2; 16]).expect("connected");
    assert_eq!(sender.position(tcp), 0);
    sender.send(batch(tcp, 0..3)).expect("sent");
    sender.finish(false).expect("delivered");
    assert_eq!(running.sensor("alice").ended, Some(false));
    assert_eq!(world.records("alice", tcp).len(), 28);
}

#[test]
fn cut_connections_and_restarts_lose_and_double_nothing() {
    let world = World::new();
    let sensor = world.sensor("alice");
    let mut running = world.start(0, ServerOptions::default());
    let port = running.port();
    let proxy = Proxy::start(port, 40_000);
    let types = [schema("TCP"), schema("UDP")];
    let mut options = options(&sensor, proxy.local.port());
    options.queue = 64 << 10;
    let mut sender = ReliableSender::connect(options, [1; 16]).expect("connected");
    for part in 0..300 {
        for schema in types {
            let batch = batch(schema, part * 50..part * 50 + 50);
            sender.send(batch).expect("sent");
        }
        if part % 100 == 50 {
            drop(running);
            thread::sleep(Duration::from_millis(50));
            running = world.start(port, ServerOptions::default());
        }
        assert!(sender.counters().snapshot().queue <= 64 << 10);
    }
    proxy.is_tame.store(true, Ordering::Relaxed);
    sender.finish(true).expect("delivered");
    let counts = sender.counters().snapshot();
    assert_eq!((counts.lost, counts.acknowledged), (0, 30_000));
    assert!(counts.reconnects > 10, "{counts:?}");
    assert!(proxy.cuts.load(Ordering::Relaxed) > 10);
    for schema in types {
        let records = world.records("alice", schema);
        assert_eq!(records, (0..15_000).collect::<Vec<_>>());
    }
    let refusals = running.server.counts().refusals;
    assert_eq!((refusals.bad_batch, refusals.overlap), (0, 0));
    assert_eq!(running.sensor("alice").gaps, 0);
    assert!(running.server.trouble().is_none());
}

#[test]
fn what_is_dropped_at_the_bound_is_counted_on_both_sides() {
    let world = World::new();
    let sensor = world.sensor("alice");
    let (tcp, udp) = (schema("TCP"), schema("UDP"));
    // Nobody listens yet.
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let mut options = options(&sensor, port);
    options.on_full = OnFull::Drop;
    options.connect_deadline = None;
    options.queue = 8 << 10;
    let mut sender = ReliableSender::connect(options, [1; 16]).expect("begun");
    for part in 0..20 {
        sender
            .send(batch(tcp, part * 50..part * 50 + 50))
            .expect("sent");
        sender
            .send(batch(udp, part * 50..part * 50 + 50))
            .expect("sent");
    }
    let lost = sender.counters().snapshot().lost;
    assert!(lost > 0 && sender.counters().snapshot().queue <= 8 << 10);
    let running = world.start(port, ServerOptions::default());
    until("room", || sender.counters().snapshot().queue == 0);
    sender.send(batch(tcp, 1000..1001)).expect("sent");
    sender.finish(true).expect("delivered");
    let counts = running.sensor("alice");
    assert_eq!(counts.gaps, lost);
    assert_eq!(running.kept("alice").records, 2001 - lost);
    assert!(counts.status.contains(&(status::RECORDS_LOST, lost)));
    let records = world.records("alice", tcp);
    assert_eq!(records.last(), Some(&1000));
    assert!(records.len() < 1001 && records.is_sorted());
    assert_eq!(
        (records.len() + world.records("alice", udp).len()) as u64,
        2001 - lost
    );
}

#[test]
fn the_newer_of_two_connections_wins() {
    let world = World::new();
    let sensor = world.sensor("alice");
    let running = world.start(0, ServerOptions::default());
    let tcp = schema("TCP");
    let mut slow = options(&sensor, running.port());
    slow.waits = (LONG, LONG);
    let told = notes(&mut slow);
    let mut older = ReliableSender::connect(slow, [1; 16]).expect("connected");
    older.send(batch(tcp, 0..10)).expect("sent");
    until("acknowledged", || {
        older.counters().snapshot().acknowledged == 10
    });
    let mut newer =
        ReliableSender::connect(options(&sensor, running.port()), [1; 16]).expect("connected");
    assert_eq!(newer.position(tcp), 10);
    older.send(batch(tcp, 10..20)).expect("sent");
    until("refused", || !older.counters().snapshot().is_connected);
    newer.send(batch(tcp, 10..15)).expect("sent");
    newer.finish(true).expect("delivered");
    assert_eq!(world.records("alice", tcp), (0..15).collect::<Vec<_>>());
    assert_eq!(running.server.counts().refusals.superseded, 1);
    until("told", || !told.lock().expect("a lock").is_empty());
    let told = told.lock().expect("a lock").join("\n");
    assert!(told.contains("another connection"), "{told}");
}

#[test]
fn records_that_are_too_long_are_split_or_dropped() {
    let world = World::new();
    let sensor = world.sensor("alice");
    let running = world.start(0, ServerOptions::default());
    let tcp = schema("TCP");
    let long = |first, octets: usize, count: u32| {
        let mut record = vec![0x0a];
        put_varint(&mut record, octets);
        record.resize(record.len() + octets, b'1');
        let mut frames = Vec::new();
        for _ in 0..count {
            netcap_record::frame_octets(&record, &mut frames);
        }
        Batch {
            schema: tcp,
            first,
            count,
            payloads: true,
            frames,
        }
    };
    let mut sender =
        ReliableSender::connect(options(&sensor, running.port()), [1; 16]).expect("connected");
    sender.send(long(0, 700_000, 4)).expect("sent");
    sender.send(long(4, 1_900_000, 1)).expect("sent");
    sender.send(long(5, 2_100_000, 1)).expect("sent");
    sender.send(long(6, 10, 2)).expect("sent");
    sender.finish(true).expect("delivered");
    let counts = sender.counters().snapshot();
    assert_eq!((counts.lost, counts.records, counts.batches), (1, 7, 6));
    assert_eq!(running.kept("alice").records, 7);
    assert_eq!(running.sensor("alice").gaps, 1);
}

fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
