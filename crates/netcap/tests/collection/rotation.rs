//! A server that begins new files, and removes old ones: the records of all periods together are those that
//! were sent.

use std::collections::{BTreeMap, HashMap};
use std::thread;
use std::time::Duration;

use crate::captures::write_long;
use crate::chance::Chance;
use crate::lab::{
    Lab, NETCAP, Rows, SENSOR, SERVER, assert_same, capture, files_in, metrics_with, times,
    wait_for,
};

/// The rows of a sensor's periods together, and how many periods there are.
fn received(lab: &Lab, name: &str) -> (Rows, usize) {
    let periods = files_in(&lab.path("records").join(name));
    let mut files = BTreeMap::<String, String>::new();
    for path in periods.iter().flat_map(|period| files_in(period)) {
        let name = path.file_name().expect("a name").to_string_lossy();
        let record = name.strip_suffix(".ncap.gz").expect("a file of records");
        let args = files.entry(record.to_owned()).or_default();
        args.push_str(&format!("-r {} ", path.display()));
    }
    let rows = files.into_iter().map(|(record, args)| {
        let (code, output, errors) = lab.run(NETCAP, &format!("{args} -quiet"));
        assert_eq!((code, errors.as_str()), (0, ""), "{record}");
        let mut lines: Vec<_> = output.lines().map(str::to_owned).collect();
        lines.sort();
        (record, lines)
    });
    (rows.collect(), periods.len())
}

/// Octets of all files in all periods.
fn octets(lab: &Lab) -> u64 {
    let sensors = files_in(&lab.path("records"));
    let periods = sensors.iter().filter(|path| path.is_dir());
    let files = periods.flat_map(|path| files_in(path));
    let files = files.flat_map(|path| files_in(&path));
    files
        .map(|path| path.metadata().expect("a length").len())
        .sum()
}

/// Has two sensors send a long capture, while they and the server are killed again and again; gives what
/// was sent of each.
fn send_and_kill(lab: &Lab, pin: &str, server_args: &str, kills: u32) -> Rows {
    let mut chance = Chance::new();
    let file = lab.path("long.pcap");
    write_long(&file, 40);
    let (mut server, address) = lab.serve(server_args);
    let args = ["alice", "bob"].map(|name| {
        lab.enrolled(name);
        format!(
            "-reliable -identity {name} -server-pin {pin} -addr {address} -r {}",
            file.display()
        )
    });
    let mut sensors = args.each_ref().map(|args| Some(lab.start(SENSOR, args)));
    for _ in 0..kills {
        thread::sleep(Duration::from_millis(100 + chance.below(700)));
        let which = chance.below(4) as usize;
        match sensors.get_mut(which) {
            Some(sensor) => {
                if let Some(killed) = sensor.take() {
                    killed.kill();
                }
                *sensor = Some(lab.start(SENSOR, &args[which]));
            }
            None => {
                server.kill();
                (server, _) = lab.serve_at(&address, server_args);
            }
        }
    }
    for mut sensor in sensors.into_iter().flatten() {
        wait_for(|| sensor.has_ended());
        let (code, said) = sensor.end();
        assert_eq!(code, 0, "{chance}: {said}");
    }
    // All of it again, which is known.
    thread::sleep(Duration::from_millis(1_100));
    for args in &args {
        lab.send(args);
    }
    let said = server.stop();
    for refused in ["overlap", "bad_batch", "bad_message"] {
        assert!(!said.contains(refused), "{chance}: {said}");
    }
    lab.expected(&file)
}

#[test]
fn nothing_is_lost_and_nothing_doubled() {
    let (lab, pin) = Lab::with_identity();
    let expected = send_and_kill(&lab, &pin, "-reliable -rotate 1s", 10);
    for name in ["alice", "bob"] {
        let (found, periods) = received(&lab, name);
        assert_same(name, &found, &expected);
        assert!(periods > 2, "{periods}");
    }
}

#[test]
fn the_disk_is_limited_and_nothing_doubled() {
    let (lab, pin) = Lab::with_identity();
    const LIMIT: u64 = 400_000;
    let args = format!("-reliable -rotate 1s,100kB -disk-limit {}kB", LIMIT / 1000);
    let expected = send_and_kill(&lab, &pin, &args, 10);
    assert!(octets(&lab) <= LIMIT, "{}", octets(&lab));
    for name in ["alice", "bob"] {
        let (found, _) = received(&lab, name);
        let mut kept = 0;
        for (record, lines) in &found {
            let mut left = HashMap::<&str, usize>::new();
            for line in &expected[record] {
                *left.entry(line).or_default() += 1;
            }
            for line in lines {
                let left = left.get_mut(line.as_str()).expect("it was sent");
                *left = left.checked_sub(1).expect("it is there once");
            }
            kept += lines.len();
        }
        let sent = expected.values().map(Vec::len).sum::<usize>();
        assert!(kept < sent, "{kept} of {sent}");
    }
}

#[test]
fn datagrams_go_into_periods() {
    let lab = Lab::with_keys();
    let file = capture("example.pcap");
    let args = "-privkey priv.key -rotate 1s -disk-limit 1GB -metrics 127.0.0.1:0";
    let (mut server, address) = lab.serve(args);
    for _ in 0..2 {
        let args = format!("-pubkey pub.key -addr {address} -client alice");
        lab.send(&format!("{args} -r {}", file.display()));
        thread::sleep(Duration::from_millis(1_200));
    }
    let disk = format!("netcap_server_disk_bytes {}", octets(&lab));
    let none_removed = "netcap_server_removed_periods_total 0";
    metrics_with(&server.metrics(), &[&disk, none_removed]);
    server.stop();
    let (found, periods) = received(&lab, "alice");
    assert_same("alice", &found, &times(&lab.expected(&file), 2));
    assert!(periods >= 2, "{periods}");
}

#[test]
fn a_limit_needs_periods() {
    let lab = Lab::with_keys();
    let (code, _, errors) = lab.run(SERVER, "-addr 127.0.0.1:0 -disk-limit 10GB");
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("-rotate 1h -disk-limit 10GB"), "{errors}");
}
