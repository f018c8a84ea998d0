//! The reliable mode: who is let in, and what was delivered is delivered once.

use nix::sys::signal::Signal;

use crate::captures::write_long;
use crate::lab::{Lab, PCAP_OVER_IP, SENSOR, SERVER, capture, wait_for};

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
    for _ in 0..2 {
        let said = lab.send(&args);
        assert!(said.contains(" records delivered"), "{said}");
        lab.assert_received("alice", &expected);
    }
    let said = server.stop();
    assert!(said.contains("1 sensor, "), "{said}");
    // Not after a restart of the server either.
    let (server, _) = lab.serve_at(&address, "-reliable");
    let said = lab.send(&args);
    assert!(said.contains("0 records delivered"), "{said}");
    let said = server.stop();
    assert!(said.contains("1 sensor, 0 records in 0 batches"), "{said}");
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
    sensor.line_with("is this sensor's key enrolled there?");
    // The server refuses it again.
    server.line_with("refused");
    lab.enrol("alice", &ours);
    sensor.line_with("connected");
    let (code, said) = sensor.end();
    assert_eq!(code, 0, "{said}");
    assert_eq!(said.matches("enrolled there?").count(), 1, "{said}");
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
    assert_eq!(code, 2, "{said}");
    assert!(said.ends_with(&line), "{said}");
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
    assert!(said.contains("0 records delivered"), "{said}");
    lab.assert_received("alice", &lab.expected(&capture("example.pcap")));
    let (code, _, errors) = lab.run(SERVER, &format!("-revoke -pin {first}"));
    assert_eq!(code, 0, "{errors}");
    let mut shut_out = lab.start(SENSOR, &args("alice", "tls.pcap"));
    shut_out.line_with("is this sensor's key enrolled there?");
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
        assert_eq!(code, 0, "{said}");
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
