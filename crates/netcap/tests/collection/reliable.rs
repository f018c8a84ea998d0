//! The reliable mode: who is let in, and what was delivered is delivered once.

use std::io::Write;
use std::net::TcpStream;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::captures::write_long;
use crate::lab::{
    Lab, PCAP_OVER_IP, Running, SENSOR, SERVER, address_in, capture, metrics_with, wait_for,
};

#[test]
fn a_capture_is_delivered_once() {
    let (lab, pin) = Lab::with_identity();
    lab.enrolled("alice");
    let file = capture("example.pcap");
    let expected = lab.expected(&file);
    let (server, address) = lab.serve("-reliable");
    let args = format!(
        "-reliable -identity alice -server-pin {pin} -addr {address} -r {}",
        file.display()
    );
    for words in [
        " records delivered, ",
        " records: all were on the server already",
    ] {
        let said = lab.send(&args);
        assert!(said.contains(words), "{said}");
        lab.assert_received("alice", &expected);
    }
    let said = server.stop();
    // However short the runs were.
    for event in ["sensor connected", "sensor gone"] {
        let event = format!("event=\"{event}\" sensor=\"alice\" peer=\"");
        assert_eq!(said.matches(&event).count(), 2, "{said}");
    }
    assert!(!said.contains("new sensor"), "{said}");
    assert!(
        said.contains("event=\"ended\" connected=\"0\" sensors=\"1\" "),
        "{said}"
    );
    assert!(said.lines().all(|line| line.starts_with("time=")), "{said}");
    // Not after a restart of the server either.
    let (server, _) = lab.serve_at(&address, "-reliable");
    let said = lab.send(&args);
    assert!(said.contains("all were on the server already"), "{said}");
    let said = server.stop();
    assert!(said.contains(" records=\"0\" batches=\"0\""), "{said}");
    lab.assert_received("alice", &expected);
}

#[test]
fn who_is_not_enrolled_says_so_once_and_waits() {
    let (lab, pin) = Lab::with_identity();
    let ours = lab.identity("alice");
    let file = capture("example.pcap");
    let (mut server, address) = lab.serve("-reliable");
    server.line_with("no sensor is enrolled yet");
    let mut sensor = lab.start(
        SENSOR,
        &format!(
            "-reliable -identity alice -server-pin {pin} -addr {address} -r {}",
            file.display()
        ),
    );
    let line = sensor.line_with("does not know this sensor's key");
    assert!(
        line.ends_with(&format!("netcap-server -enroll NAME -pin {ours}")),
        "{line}"
    );
    // The server refuses it again, and says so once.
    let line = server.line_with("event=\"refused\"");
    for field in [
        "level=warning",
        "reason=\"unknown_key\"",
        &format!("pin=\"{ours}\""),
    ] {
        assert!(line.contains(field), "{line}");
    }
    lab.enrol("alice", &ours);
    sensor.line_with("connected");
    let (code, said) = sensor.end();
    assert_eq!(code, 0, "{said}");
    assert_eq!(said.matches("does not know").count(), 1, "{said}");
    server.stop();
    lab.assert_received("alice", &lab.expected(&file));
}

#[test]
fn wrong_pins_and_missing_keys() {
    let (lab, _) = Lab::with_identity();
    let ours = lab.enrolled("alice");
    let file = capture("example.pcap");
    let (server, address) = lab.serve("-reliable");
    // Our own pin is not the server's; Ctrl-C ends a sensor that waits for another.
    let args = format!("-addr {address} -r {}", file.display());
    let mut sensor = lab.start(
        SENSOR,
        &format!("-reliable -identity alice -server-pin {ours} {args}"),
    );
    let line = sensor.line_with("pin");
    assert!(line.contains(&address), "{line}");
    sensor.signal(Signal::SIGINT);
    let (code, said) = sensor.end();
    assert_eq!(code, 4, "{said}");
    assert_eq!(said.matches(&line).count(), 1, "{said}");
    assert!(
        said.ends_with("nothing was sent") && !said.contains("tls://"),
        "{said}"
    );
    let one_line = |args: &str, expected: i32, words: &str| {
        let (code, output, errors) = lab.run(SENSOR, args);
        assert_eq!((code, output.as_str()), (expected, ""), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains(words), "{errors}");
    };
    one_line(
        &format!("-reliable -identity alice {args}"),
        1,
        "-server-pin",
    );
    let missing = format!("-reliable -identity bob -server-pin {ours} {args}");
    one_line(&missing, 2, "netcap-sensor -gen-keypair");
    // The key of another certificate.
    lab.identity("mm");
    std::fs::copy(lab.path("alice.key"), lab.path("mm.key")).expect("copied");
    let other = format!("-reliable -identity mm -server-pin {ours} {args}");
    one_line(&other, 2, "mm.key does not belong to mm.pem");
    // What cannot come again from its beginning is no stream that goes on.
    let named = format!("-reliable -identity alice -server-pin {ours} -stream x -addr {address}");
    one_line(&format!("{named} -r tcp://127.0.0.1:9"), 1, "add -once");
    one_line(&format!("{named} -iface lo"), 1, "-stream");
    let (code, _, errors) = lab.run(SERVER, "-reliable -identity none -addr 127.0.0.1:0");
    assert_eq!(code, 2, "{errors}");
    assert!(errors.contains("-reliable -gen-keypair"), "{errors}");
    let (code, _, errors) = lab.run(SENSOR, "-gen-keypair -identity alice");
    assert_eq!(code, 2, "{errors}");
    server.stop();
}

#[test]
fn keys_change_and_are_revoked() {
    let (lab, pin) = Lab::with_identity();
    let first = lab.enrolled("alice");
    let second = lab.identity("second");
    lab.enrol("alice", &second);
    let (server, address) = lab.serve("-reliable");
    let args = |identity: &str, file: &str| {
        format!(
            "-reliable -identity {identity} -server-pin {pin} -addr {address} -r {}",
            capture(file).display()
        )
    };
    lab.send(&args("alice", "example.pcap"));
    // The same sensor with its new key, and both enrolled.
    let said = lab.send(&args("second", "example.pcap"));
    assert!(said.contains("all were on the server already"), "{said}");
    lab.assert_received("alice", &lab.expected(&capture("example.pcap")));
    let (code, _, errors) = lab.run(SERVER, &format!("-revoke -pin {first}"));
    assert_eq!(code, 0, "{errors}");
    let mut shut_out = lab.start(SENSOR, &args("alice", "tls.pcap"));
    shut_out.line_with("does not know this sensor's key");
    shut_out.kill();
    lab.send(&args("second", "example.pcap"));
    let (code, _, errors) = lab.run(SERVER, &format!("-revoke -pin {first}"));
    assert_eq!(code, 1, "{errors}");
    server.stop();
    lab.assert_received("alice", &lab.expected(&capture("example.pcap")));
}

#[test]
fn an_interrupted_capture_goes_on_where_it_was() {
    let (lab, pin) = Lab::with_identity();
    lab.enrolled("alice");
    let file = lab.path("long.pcap");
    write_long(&file, 100);
    let expected = lab.expected(&file);
    let (server, address) = lab.serve("-reliable");
    let args = format!(
        "-reliable -identity alice -server-pin {pin} -addr {address} -r {}",
        file.display()
    );
    let folder = lab.path("records/alice");
    // Twice in the middle, when more has come.
    for _ in 0..2 {
        let before = octets_in(&folder);
        let mut sensor = lab.start(SENSOR, &args);
        let mut has_ended = false;
        wait_for(|| {
            has_ended = sensor.has_ended();
            has_ended || octets_in(&folder) > before
        });
        if !has_ended {
            sensor.signal(Signal::SIGINT);
        }
        let (code, said) = sensor.end();
        let is_whole = !said.contains("the rest was not read");
        assert_eq!(code, if is_whole { 0 } else { 130 }, "{said}");
    }
    lab.send(&args);
    server.stop();
    lab.assert_received("alice", &expected);
}

fn octets_in(folder: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()));
    sizes.sum()
}

#[test]
fn a_named_stream_that_comes_again_is_delivered_once() {
    let (lab, pin) = Lab::with_identity();
    lab.enrolled("alice");
    let file = capture("example.pcap");
    let (server, address) = lab.serve("-reliable");
    for _ in 0..2 {
        let args = format!("serve -listen 127.0.0.1:0 {}", file.display());
        let mut peer = lab.start(PCAP_OVER_IP, &args);
        let line = peer.line_with(" at 127.0.0.1:");
        let from = line.rsplit(' ').next().expect("an address");
        lab.send(&format!(
            "-reliable -identity alice -server-pin {pin} -addr {address} -stream monday -once \
             -r tcp://{from}"
        ));
        peer.kill();
        lab.assert_received("alice", &lab.expected(&file));
    }
    server.stop();
}

/// Starts a sensor that reads its standard input, with a spool of so many octets.
fn spooling(lab: &Lab, pin: &str, address: &str, size: &str) -> Running {
    let args = format!(
        "-reliable -identity alice -server-pin {pin} -addr {address} -spool spz -spool-size {size} \
         -metrics 127.0.0.1:0 -r -"
    );
    lab.start_with(SENSOR, &args, Stdio::piped())
}

#[test]
fn what_waits_and_what_is_lost_are_told_apart() {
    let (lab, pin) = Lab::with_identity();
    lab.enrolled("alice");
    let address = lab.serve("-reliable").1;
    let packets = std::fs::read(capture("example.pcap")).expect("a capture");
    let run = |size: &str| {
        let mut sensor = spooling(&lab, &pin, &address, size);
        let mut input = sensor.input();
        input.write_all(&packets).expect("written");
        metrics_with(&sensor.metrics(), &["netcap_packets_total 57"]);
        drop(input);
        sensor.line_with("cannot connect");
        sensor.signal(Signal::SIGTERM);
        sensor.end()
    };
    let (code, said) = run("3kB");
    assert_eq!(code, 2, "{said}");
    let number = |said: &str, words: &str| {
        let line = said.lines().find(|line| line.contains(words));
        let number = line.and_then(|line| line.split(' ').next()?.parse::<u64>().ok());
        number.unwrap_or_else(|| panic!("no '{words}': {said}"))
    };
    let waiting = number(&said, " in spz for the next run");
    let lost = number(&said, " lost: spz is full (-spool-size 3.0 kB)");
    assert!(!said.contains("delivered, "), "{said}");
    assert!(
        said.ends_with(&format!("{lost} records were not delivered")),
        "{said}"
    );
    // All of the second run has room.
    std::fs::remove_dir_all(lab.path("spz")).expect("removed");
    let (code, said) = run("10MB");
    assert_eq!(code, 0, "{said}");
    assert_eq!(number(&said, " in spz for the next run"), waiting + lost);
    // And is there in the third, which has none of its own.
    let (server, _) = lab.serve_at(&address, "-reliable");
    let mut sensor = spooling(&lab, &pin, &address, "10MB");
    let mut input = sensor.input();
    input.write_all(&packets).expect("written");
    drop(input);
    let (code, said) = sensor.end();
    assert_eq!(code, 0, "{said}");
    let words = " of earlier runs delivered from spz";
    assert_eq!(number(&said, words), waiting + lost);
    assert_eq!(number(&said, " delivered, "), waiting + lost);
    server.stop();
}

#[test]
fn the_server_is_told_of_the_packets_of_a_file() {
    let (lab, pin) = Lab::with_identity();
    lab.enrolled("alice");
    let (mut server, address) = lab.serve("-reliable -metrics 127.0.0.1:0");
    let file = capture("example.pcap");
    lab.send(&format!(
        "-reliable -identity alice -server-pin {pin} -addr {address} -r {}",
        file.display()
    ));
    let line = "netcap_server_sensor_packets_total{sensor=\"alice\"} 57";
    metrics_with(&server.metrics(), &[line]);
    server.stop();
}

#[test]
fn a_stop_right_after_the_start_is_in_good_order() {
    let (lab, _) = Lab::with_identity();
    for _ in 0..5 {
        let (server, _) = lab.serve("-reliable");
        server.stop();
    }
}

/// The arguments of a shell that starts a server which may have so many files open.
fn limited(lab: &Lab, limit: &str) -> String {
    let script = format!("ulimit {limit};exec \"$0\" \"$@\"").replace(' ', "${IFS}");
    let address = lab.free_address();
    format!("-c {script} {SERVER} -reliable -addr {address} -out records")
}

#[test]
fn a_soft_limit_of_files_is_raised() {
    let (lab, _) = Lab::with_identity();
    let mut server = lab.start("/bin/sh", &limited(&lab, "-S -n 256"));
    server.line_with("waiting for ");
    let said = server.stop();
    assert!(!said.contains("files may be open"), "{said}");
}

#[test]
fn silent_connections_end_no_server_and_keep_no_sensor_out() {
    let (lab, pin) = Lab::with_identity();
    lab.enrolled("alice");
    let mut server = lab.start("/bin/sh", &limited(&lab, "-n 256"));
    let line = server.line_with("256 files may be open");
    assert!(
        line.contains("room for 96 sensors") && line.contains("-max-clients"),
        "{line}"
    );
    let line = server.line_with("waiting for ");
    let address = address_in(&line);
    let silent: Vec<_> = (0..300)
        .filter_map(|_| TcpStream::connect(&address).ok())
        .collect();
    let said = lab.send(&format!(
        "-reliable -identity alice -server-pin {pin} -addr {address} -r {}",
        capture("example.pcap").display()
    ));
    assert!(said.contains(" records delivered, "), "{said}");
    drop(silent);
    let said = server.stop();
    assert!(said.contains("reason=\"displaced\""), "{said}");
    assert!(!said.contains("records are refused"), "{said}");
}
