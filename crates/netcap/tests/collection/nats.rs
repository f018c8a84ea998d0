//! Both programs with a broker between them: any number of servers, and every record once.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use netcap_store::Reader;

use crate::captures::write_long;
use crate::chance::Chance;
use crate::lab::{
    Lab, Rows, Running, SENSOR, SERVER, assert_same, capture, files_in, is_columns, metrics_with,
    wait_for,
};
use broker::Broker;

#[path = "../../../nats/tests/support/broker.rs"]
#[allow(dead_code, unreachable_pub, clippy::print_stdout)]
mod broker;

/// How long after the last kill all records may need: what a server had when it was killed the broker gives
/// again after half a minute, and what a broker has forgotten that it gave is looked for a minute later.
const SETTLED: Duration = Duration::from_secs(300);

/// Starts a server with a folder of its own.
fn serve(lab: &Lab, broker: &Broker, folder: &str, more: &str) -> Running {
    let args = format!("-nats {} -out {folder} {more}", broker.url());
    let mut server = lab.start(SERVER, &args);
    server.line_with("waiting for batches\" address=\"nats://127.0.0.1:");
    server
}

/// Waits until the metrics say that these records of a sensor are kept.
fn kept(metrics: &str, sensor: &str, expected: &Rows) {
    let lines = expected.iter().map(|(name, rows)| {
        // One is that of the columns.
        let count = rows.len() - 1;
        format!("netcap_server_records_total{{sensor=\"{sensor}\",type=\"{name}\"}} {count}")
    });
    let lines: Vec<String> = lines.collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    metrics_with(metrics, &lines);
}

#[test]
fn a_capture_goes_through_a_broker_once() {
    let Some(broker) = Broker::start(&[]) else {
        return;
    };
    let lab = Lab::new();
    let file = capture("example.pcap");
    let expected = lab.expected(&file);
    let mut server = serve(&lab, &broker, "records", "-metrics 127.0.0.1:0");
    let metrics = server.metrics();
    // The same capture by two sensors is two streams, and by one of them again none.
    for sensor in ["alice", "bob", "alice"] {
        let said = lab.send(&format!(
            "-nats {} -client {sensor} -r {}",
            broker.url(),
            file.display()
        ));
        assert!(
            said.contains("for the broker at nats://127.0.0.1:"),
            "{said}"
        );
        assert!(said.contains(" records delivered to the broker"), "{said}");
        kept(&metrics, sensor, &expected);
    }
    metrics_with(
        &metrics,
        &[
            "netcap_server_duplicate_batches_total 0",
            "netcap_server_voided_batches_total 0",
        ],
    );
    let said = server.stop();
    assert!(
        said.contains("sensors=\"2\"") && said.contains("refused=\"0\""),
        "{said}"
    );
    for sensor in ["alice", "bob"] {
        lab.assert_received(sensor, &expected);
    }
}

#[test]
fn two_servers_have_every_record_once_whatever_is_killed() {
    let Some(mut broker) = Broker::start(&[]) else {
        return;
    };
    let mut chance = Chance::new();
    let lab = Lab::new();
    let file = lab.path("long.pcap");
    write_long(&file, 100);
    let expected = lab.expected(&file);
    let folders = ["east", "west"];
    let mut servers = folders.map(|folder| serve(&lab, &broker, folder, ""));
    let names = ["alice", "bob", "carol"];
    let args = names.map(|name| {
        let read = file.display();
        format!("-nats {} -client {name} -r {read}", broker.url())
    });
    let mut sensors = args.each_ref().map(|args| lab.start(SENSOR, args));
    for _ in 0..12 {
        thread::sleep(Duration::from_millis(50 + chance.below(700)));
        let number = chance.below(3) as usize;
        match chance.below(3) {
            0 => {
                let number = number % 2;
                servers[number].kill_now();
                thread::sleep(Duration::from_millis(chance.below(500)));
                servers[number] = serve(&lab, &broker, folders[number], "");
            }
            1 => {
                sensors[number].kill_now();
                sensors[number] = lab.start(SENSOR, &args[number]);
            }
            _ => {
                broker.kill();
                thread::sleep(Duration::from_millis(chance.below(500)));
                broker.again();
            }
        }
    }
    for mut sensor in sensors {
        wait_for(|| sensor.has_ended());
        let (code, said) = sensor.end();
        assert_eq!(code, 0, "{chance}: {said}");
    }
    let wanted = 3 * expected.values().map(|rows| rows.len() - 1).sum::<usize>();
    let since = Instant::now();
    while records(&lab, &folders) != Some(wanted) && since.elapsed() < SETTLED {
        thread::sleep(Duration::from_millis(200));
    }
    for server in servers {
        server.stop();
    }
    for name in names {
        // A server may have had nothing of a sensor.
        let folders = folders.iter();
        let there = folders.filter(|folder| lab.path(folder).join(name).exists());
        let parts: Vec<_> = there.map(|folder| lab.received_in(folder, name)).collect();
        assert_same(&format!("{chance}: {name}"), &merged(&parts), &expected);
    }
}

/// How many records there are in all folders; none while a file is being written.
fn records(lab: &Lab, folders: &[&str]) -> Option<usize> {
    let mut count = 0;
    for folder in folders {
        let sensors = files_in(&lab.path(folder));
        for sensor in sensors.iter().filter(|path| path.is_dir()) {
            for file in files_in(sensor) {
                let mut reader = Reader::open(&file).ok()?;
                while reader.next_record().ok()?.is_some() {
                    count += 1;
                }
            }
        }
    }
    Some(count)
}

/// The rows of several folders, with the line of the columns once.
fn merged(parts: &[Rows]) -> Rows {
    let mut all = Rows::new();
    for (name, rows) in parts.iter().flatten() {
        let lines: &mut Vec<String> = all.entry(name.clone()).or_default();
        let is_known = |line: &String| is_columns(line) && lines.contains(line);
        let new: Vec<_> = rows
            .iter()
            .filter(|line| !is_known(line))
            .cloned()
            .collect();
        lines.extend(new);
        lines.sort();
    }
    all
}

#[test]
fn flags_that_do_not_fit() {
    let lab = Lab::with_keys();
    let file = capture("example.pcap");
    let read = format!("-r {}", file.display());
    let one_line = |program, args: &str, expected: i32, words: &str| {
        let (code, output, errors) = lab.run(program, args);
        assert_eq!((code, output.as_str()), (expected, ""), "{args}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains(words), "{errors}");
        assert!(!errors.contains("secret"), "{errors}");
    };
    let url = "nats://user:secret@127.0.0.1:9";
    for more in ["-pubkey pub.key", "-reliable", "-addr 127.0.0.1:9"] {
        one_line(SENSOR, &format!("-nats {url} {more} {read}"), 1, "-nats");
    }
    for more in ["-privkey priv.key", "-reliable", "-addr 127.0.0.1:9"] {
        one_line(SERVER, &format!("-nats {url} {more}"), 1, "-nats");
    }
    for (program, more) in [(SENSOR, read.as_str()), (SERVER, "-out records")] {
        one_line(program, &format!("-nats-ca ca.pem {more}"), 1, "-nats");
        let wrong = format!("-nats nats://user:secret@host:port {more}");
        one_line(program, &wrong, 1, "-nats: the URL");
        let missing = format!("-nats {url} -nats-creds none.creds {more}");
        one_line(program, &missing, 2, "none.creds");
        let missing = format!("-nats {url} -nats-ca none.pem {more}");
        one_line(program, &missing, 2, "none.pem");
    }
    one_line(
        SENSOR,
        &format!("-nats {url} -stream x -iface lo"),
        1,
        "-stream",
    );
    assert_eq!(
        files_in(&lab.path("")),
        [PathBuf::from("priv.key"), PathBuf::from("pub.key")].map(|name| lab.path("").join(name))
    );
}

#[test]
fn who_is_not_let_in_says_so_and_ends_at_ctrl_c() {
    let Some(broker) = Broker::start(&["--user", "sensor", "--pass", "secret"]) else {
        return;
    };
    let lab = Lab::new();
    let file = capture("example.pcap");
    let place = format!("127.0.0.1:{}", broker.port);
    let read = format!("-client alice -r {}", file.display());
    let wrong = format!("-nats nats://sensor:wrong-one@{place}");
    let mut sensor = lab.start(SENSOR, &format!("{wrong} {read}"));
    sensor.line_with("the broker at nats://127.0.0.1:");
    sensor.signal(nix::sys::signal::Signal::SIGINT);
    let (code, said) = sensor.end();
    assert_eq!(code, 2, "{said}");
    assert!(!said.contains("wrong-one"), "{said}");
    let mut server = lab.start(SERVER, &format!("{wrong} -out records"));
    server.line_with("the broker at nats://127.0.0.1:");
    let said = server.stop();
    assert!(!said.contains("wrong-one"), "{said}");

    let right = format!("-nats nats://sensor:secret@{place}");
    let expected = lab.expected(&file);
    let mut server = lab.start(
        SERVER,
        &format!("{right} -out records -metrics 127.0.0.1:0"),
    );
    let metrics = server.metrics();
    let said = lab.send(&format!("{right} {read}"));
    assert!(!said.contains("secret"), "{said}");
    kept(&metrics, "alice", &expected);
    let said = server.stop();
    assert!(!said.contains("secret"), "{said}");
    lab.assert_received("alice", &expected);
}

#[test]
fn what_a_server_cannot_keep_stays_at_the_broker() {
    let Some(broker) = Broker::start(&[]) else {
        return;
    };
    let lab = Lab::new();
    // A file in the way: its disk refuses.
    let mut server = serve(&lab, &broker, "records", "");
    std::fs::write(lab.path("records/alice"), "notes").expect("written");
    let file = capture("example.pcap");
    let read = format!("-client alice -r {}", file.display());
    lab.send(&format!("-nats {} {read}", broker.url()));
    wait_for(|| server.has_ended());
    let (code, said) = server.end();
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("records/alice"), "{said}");
    // Nothing is lost by it.
    std::fs::remove_file(lab.path("records/alice")).expect("removed");
    let mut server = serve(&lab, &broker, "records", "-metrics 127.0.0.1:0");
    let expected = lab.expected(&file);
    kept(&server.metrics(), "alice", &expected);
    server.stop();
    lab.assert_received("alice", &expected);
}
