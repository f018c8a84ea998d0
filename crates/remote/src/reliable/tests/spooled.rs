//! What has no room in memory waits in files.

use super::super::queue::{Next, Queue};
use super::super::spool::Folder;
use super::killed::{Process, free_port, given, known};
use super::parts::{acknowledge, entry};
use super::*;

/// A live sensor with little memory, and so many octets of files.
fn live(sensor: &TlsOptions, port: u16, folder: &Path, octets: u64) -> ReliableOptions {
    ReliableOptions {
        on_full: OnFull::Drop,
        connect_deadline: None,
        queue: 8 << 10,
        spool: Some((folder.join("spool"), octets)),
        ..options(sensor, port)
    }
}

/// The files of the spool.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(folder.join("spool")) else {
        return Vec::new();
    };
    let paths = found.map(|file| file.expect("a file").path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "spool"))
        .collect();
    files.sort();
    files
}

fn send(sender: &mut ReliableSender, parts: std::ops::Range<u64>) {
    for part in parts {
        for schema in [schema("TCP"), schema("UDP")] {
            let batch = batch(schema, part * 50..part * 50 + 50);
            sender.send(batch).expect("sent");
        }
    }
}

/// Opens a spool that the thread of an earlier sender may still hold for a moment.
fn connect(make: impl Fn() -> ReliableOptions, stream: StreamId) -> ReliableSender {
    let end = Instant::now() + LONG;
    loop {
        match ReliableSender::connect(make(), stream) {
            Ok(sender) => return sender,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_waited_in_files_comes_in_turn() {
    let world = World::new();
    let sensor = world.sensor("alice");
    let port = free_port();
    let folder = world.folder.path();
    let mut sender = connect(|| live(&sensor, port, folder, 64 << 20), [1; 16]);
    send(&mut sender, 0..100);
    let counts = sender.counters().snapshot();
    assert!(counts.queue <= 8 << 10 && counts.spool > 100_000 && counts.lost == 0);
    assert_eq!(files(folder).len(), 1);
    let running = world.start(port, ServerOptions::default());
    send(&mut sender, 100..200);
    until("delivered", || {
        sender.counters().snapshot().acknowledged == 20_000
    });
    assert_eq!(
        (sender.counters().snapshot().spool, files(folder).len()),
        (0, 0)
    );
    send(&mut sender, 200..201);
    sender.finish(true).expect("delivered");
    for schema in [schema("TCP"), schema("UDP")] {
        let records = world.records("alice", schema);
        assert_eq!(records, (0..10_050).collect::<Vec<_>>());
    }
    assert_eq!(running.sensor("alice").gaps, 0);
    assert!(files(folder).is_empty());
}

#[test]
fn what_is_left_at_the_end_is_sent_by_the_next_run() {
    let world = World::new();
    let sensor = world.sensor("alice");
    let port = free_port();
    let folder = world.folder.path();
    let mut hurried = live(&sensor, port, folder, 64 << 20);
    hurried.finish_deadline = Some(Duration::from_millis(100));
    let mut sender = ReliableSender::connect(hurried, [1; 16]).expect("begun");
    send(&mut sender, 0..50);
    // All is safe.
    sender.finish(true).expect("in files");
    assert_eq!(sender.counters().snapshot().waiting, 5000);
    drop(sender);
    let _running = world.start(port, ServerOptions::default());
    let mut sender = connect(|| live(&sensor, port, folder, 64 << 20), [2; 16]);
    send(&mut sender, 0..1);
    sender.finish(true).expect("delivered");
    assert!(files(folder).is_empty());
    let counts = sender.counters().snapshot();
    assert_eq!((counts.earlier, counts.delivered), (5000, 100));
    let records = world.records("alice", schema("TCP"));
    let expected: Vec<u64> = (0..2500).chain(0..50).collect();
    assert_eq!(records, expected);
}

#[test]
fn what_had_no_room_is_told_by_the_next_run() {
    let world = World::new();
    let sensor = world.sensor("alice");
    let port = free_port();
    let folder = world.folder.path();
    let mut hurried = live(&sensor, port, folder, 20_000);
    hurried.finish_deadline = Some(Duration::from_millis(100));
    let mut sender = ReliableSender::connect(hurried, [1; 16]).expect("begun");
    send(&mut sender, 0..50);
    let error = sender.finish(true).expect_err("no room").to_string();
    let counts = sender.counters().snapshot();
    assert!(counts.lost > 0 && counts.waiting > 0);
    assert_eq!(counts.lost + counts.waiting, 5000);
    let said = format!("{} records were not delivered", counts.lost);
    assert!(error.contains(&said), "{error}");
    drop(sender);
    let running = world.start(port, ServerOptions::default());
    let mut sender = connect(|| live(&sensor, port, folder, 20_000), [2; 16]);
    sender.finish(true).expect("delivered");
    assert_eq!(running.kept("alice").records, counts.waiting);
    assert_eq!(running.sensor("alice").gaps, counts.lost);
    assert!(files(folder).is_empty());
}

#[test]
fn a_pipe_in_the_place_of_the_lock_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let lock = folder.path().join(".lock");
    let made = std::process::Command::new("mkfifo").arg(&lock).status();
    assert!(made.expect("mkfifo runs").success());
    assert!(Folder::open(folder.path(), 1 << 20, [1; 16]).is_err());
}

#[test]
fn what_is_no_file_of_a_spool_is_told_and_left_alone() {
    let world = World::new();
    let sensor = world.sensor("alice");
    let folder = world.folder.path();
    let spool = folder.join("spool");
    std::fs::create_dir(&spool).expect("made");
    let name = |stream: &str, number: u64| spool.join(format!("{stream}-{number:020}.spool"));
    let victim = folder.join("victim");
    std::fs::write(&victim, b"precious").expect("written");
    let stream = "ab".repeat(16);
    let odd = [
        name(&stream, 1 << 32),
        name(&stream, (1 << 32) + 1),
        name(&stream, (1 << 32) + 2),
        name(&stream, u64::MAX),
        name(&"00".repeat(16), 1 << 32),
    ];
    std::os::unix::fs::symlink(&victim, &odd[0]).expect("a link");
    std::fs::create_dir(&odd[1]).expect("a folder");
    std::fs::write(&odd[2], vec![0; 5000]).expect("written");
    let mut good = Vec::new();
    entry(schema("TCP").number.expect("a number"), 0..5)
        .message()
        .put(&mut good);
    for path in &odd[3..] {
        std::fs::write(path, &good).expect("written");
    }
    let running = world.start(0, ServerOptions::default());
    let mut live = live(&sensor, running.port(), folder, 100_000);
    let told = notes(&mut live);
    let mut sender = ReliableSender::connect(live, [1; 16]).expect("begun");
    sender.finish(true).expect("delivered");
    assert_eq!(running.kept("alice").records, 0);
    let told = told.lock().expect("a lock");
    for path in &odd {
        let path = path.display().to_string();
        let lines = told.iter().filter(|line| line.contains(&path));
        assert_eq!(lines.count(), 1, "{path}: {told:?}");
    }
    assert_eq!(files(folder).len(), odd.len());
    assert_eq!(std::fs::read(&victim).expect("a file"), b"precious");
}

#[test]
fn files_are_bounded_and_damage_is_told_as_a_gap() {
    let world = World::new();
    let sensor = world.sensor("alice");
    let port = free_port();
    let folder = world.folder.path();
    let mut sender = connect(|| live(&sensor, port, folder, 100_000), [1; 16]);
    send(&mut sender, 0..100);
    let lost = sender.counters().snapshot().lost;
    assert!(lost > 0 && sender.counters().snapshot().spool <= 100_000);
    // As if it were killed: what was in memory is gone.
    drop(sender);
    let spooled = files(folder);
    assert_eq!(spooled.len(), 1);
    let mut octets = std::fs::read(&spooled[0]).expect("a file");
    let length = octets.len();
    octets[length / 2] ^= 1;
    octets.extend_from_slice(&[0, 0, 9, 0, 3, 1]);
    std::fs::write(&spooled[0], &octets).expect("written");
    let running = world.start(port, ServerOptions::default());
    let mut sender = connect(|| live(&sensor, port, folder, 100_000), [2; 16]);
    assert!(sender.counters().snapshot().spool <= 100_000);
    sender.finish(true).expect("delivered");
    assert!(files(folder).is_empty());
    let counts = running.sensor("alice");
    let records = running.kept("alice").records;
    assert!(records > 0 && records.is_multiple_of(50));
    assert!(
        counts.gaps >= 100,
        "memory, and the damaged one: {counts:?}"
    );
    for schema in [schema("TCP"), schema("UDP")] {
        let records = world.records("alice", schema);
        assert!(records.is_sorted_by(|one, other| one < other));
    }
}

#[test]
fn a_file_stays_until_the_server_has_all_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().join("spool");
    let stream = [0xab; 16];
    let tcp = schema("TCP").number.expect("a number");
    let spool = Folder::open(&directory, 1 << 20, stream)
        .expect("opened")
        .own;
    assert!(Folder::open(&directory, 1 << 20, stream).is_err(), "in use");
    let mut queue = Queue::new(1, Some(spool));
    for part in 0..3 {
        assert!(queue.push(entry(tcp, part * 5..part * 5 + 5)).is_ok());
    }
    // The first is in memory only.
    assert_eq!((queue.records(), files(folder.path()).len()), (15, 1));
    queue.begin(&[]);
    let mut counts = SenderCounts::default();
    for part in 1..=3 {
        assert!(queue.next(&mut counts).is_some() && queue.next(&mut counts).is_none());
        assert_eq!(files(folder.path()).len(), 1, "before {part}");
        assert_eq!(acknowledge(&mut queue, part), Some(5));
    }
    assert!(queue.is_empty() && files(folder.path()).is_empty());
    // What goes before others at the end comes first.
    for part in 3..6 {
        assert!(queue.push(entry(tcp, part * 5..part * 5 + 5)).is_ok());
    }
    assert_eq!(queue.save(false), 15);
    drop(queue);
    let opened = Folder::open(&directory, 1 << 20, stream).expect("opened");
    assert!(opened.older.is_empty());
    let mut queue = Queue::new(1 << 20, Some(opened.own));
    queue.begin(&[(tcp, 15)]);
    for first in [15, 20, 25] {
        let next = queue.next(&mut counts);
        assert!(matches!(next, Some(Next::Batch(entry)) if entry.first == first));
    }
    assert!(queue.is_sent() && queue.next(&mut counts).is_none());
    assert_eq!(acknowledge(&mut queue, 2), Some(10));
    assert_eq!(files(folder.path()).len(), 1);
    assert_eq!(acknowledge(&mut queue, 3), Some(5));
    assert!(files(folder.path()).is_empty());
}

#[test]
#[ignore = "a process of the other tests"]
fn a_live_sensor() {
    let Some((folder, port)) = given() else {
        return;
    };
    let sensor = TlsOptions {
        pins: vec![pin(&known(&folder, "server"))],
        ..known(&folder, "alice")
    };
    let options = live(&sensor, port, &folder, 64 << 20);
    let mut sender = ReliableSender::connect(options, [1; 16]).expect("begun");
    let end = Instant::now() + LONG;
    let mut part = 0;
    while Instant::now() < end {
        send(&mut sender, part..part + 1);
        part += 1;
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn files_outlive_a_sensor_that_is_killed() {
    let world = World::new();
    let sensor = world.sensor("alice");
    let port = free_port();
    let folder = world.folder.path();
    let process = Process::start("spooled::a_live_sensor", &world, port);
    let octets = || -> u64 {
        let lengths = files(folder).into_iter().map(std::fs::metadata);
        lengths.map(|file| file.map_or(0, |file| file.len())).sum()
    };
    until("files", || octets() > 200_000);
    drop(process);
    let running = world.start(port, ServerOptions::default());
    let mut sender = connect(|| live(&sensor, port, folder, 64 << 20), [2; 16]);
    sender.finish(true).expect("delivered");
    assert!(files(folder).is_empty());
    let records = world.records("alice", schema("TCP"));
    let (first, last) = (records[0], records[records.len() - 1]);
    assert!(first > 0 && records.len() > 1000);
    assert_eq!(records, (first..=last).collect::<Vec<_>>());
    // What was in memory is known to be missing.
    let counts = running.sensor("alice");
    assert_eq!(
        counts.gaps,
        first + world.records("alice", schema("UDP"))[0]
    );
}
