//! Ways for a live capture to end: the files are complete after each.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::lab::{Lab, files_in, rows};

/// Sees that the files are complete and hold so many datagrams.
fn are_complete(out: &Path, datagrams: u64) {
    for file in files_in(out) {
        rows(&file, "Timestamp");
    }
    let udp = rows(&out.join("UDP.ncap.gz"), "SrcPort").len();
    assert_eq!(udp as u64, datagrams);
}

#[test]
fn signals_end_it_within_a_second() {
    let Some(lab) = Lab::open() else { return };
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        for interfaces in ["left", "left,right"] {
            let out = tempfile::tempdir().expect("a directory");
            let live = out.path().join("live");
            let args = format!("-iface {interfaces} -include UDP,Ethernet");
            let capture = lab.capture(&args, &live);
            let sent = lab.send(1000, 100);
            let started = Instant::now();
            capture.signal(signal);
            let (code, _, errors) = capture.end();
            assert_eq!((code, errors.as_str()), (0, ""));
            // On a machine that is busy with other tests.
            assert!(started.elapsed() < Duration::from_secs(5));
            let copies = interfaces.split(',').count() as u64;
            are_complete(&live, copies * sent);
        }
    }
}

#[test]
fn a_duration_ends_it() {
    let Some(lab) = Lab::open() else { return };
    let out = tempfile::tempdir().expect("a directory");
    let live = out.path().join("live");
    let capture = lab.capture("-iface left -duration 500ms -include UDP", &live);
    let sent = lab.send(10, 100);
    let (code, _, errors) = capture.end();
    assert_eq!((code, errors.as_str()), (0, ""));
    are_complete(&live, sent);
}

#[test]
fn an_interface_that_goes_away_is_told() {
    let Some(lab) = Lab::open() else { return };
    let out = tempfile::tempdir().expect("a directory");
    let live = out.path().join("live");
    let capture = lab.capture("-iface left -include UDP", &live);
    let sent = lab.send(100, 100);
    assert!(lab.shell("ip link delete left"));
    let (code, _, errors) = capture.end();
    assert_eq!((code, errors.lines().count()), (2, 1), "{errors}");
    assert!(
        errors.contains("left: ") && errors.contains("100 packets"),
        "{errors}"
    );
    are_complete(&live, sent);
}

#[test]
fn the_others_go_on_without_it() {
    let Some(lab) = Lab::open() else { return };
    assert!(lab.shell("ip link add other type veth peer name its && ip link set other up"));
    let out = tempfile::tempdir().expect("a directory");
    let live = out.path().join("live");
    let capture = lab.capture("-iface other,left -include UDP", &live);
    let mut sent = lab.send(10, 100);
    assert!(lab.shell("ip link delete other"));
    // Long enough to be noticed, and told.
    thread::sleep(Duration::from_millis(1500));
    sent += lab.send(10, 100);
    capture.signal(Signal::SIGINT);
    let (code, output, errors) = capture.end();
    assert_eq!(code, 2, "{errors}");
    let lines: Vec<&str> = errors.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].contains("other gives no more packets; the others go on: "),
        "{errors}"
    );
    assert!(lines[1].contains("other: "), "{errors}");
    assert!(
        output.contains("\nother: 0 packets, 0 B, 0 dropped; ended early: "),
        "{output}"
    );
    are_complete(&live, sent);
}

#[test]
fn what_cannot_be_opened_is_told() {
    let Some(lab) = Lab::open() else { return };
    assert!(lab.shell("ip link set left down"));
    for (interface, words) in [
        ("left", "ip link set left up"),
        ("centre", "no such interface"),
    ] {
        let out = tempfile::tempdir().expect("a directory");
        let output = lab
            .command(env!("CARGO_BIN_EXE_netcap"))
            .args(["-iface", interface, "-out"])
            .arg(out.path())
            .output()
            .expect("netcap runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(
            errors.contains(words) && errors.lines().count() == 1,
            "{errors}"
        );
    }
}
