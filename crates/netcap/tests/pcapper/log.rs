//! The log: when it is written, and what may happen to its file.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::lab::{HERE, Lab, MAC, collected, datagrams, log_of, udp};
use crate::namespace::wait_for;

/// A capture of a second, a datagram each 20 ms.
fn capture(lab: &Lab, seconds: u64) {
    let frames: Vec<_> = (0..50 * seconds)
        .map(|number| (number * 20, udp(MAC, HERE, number as u16)))
        .collect();
    lab.capture("a.pcap", &frames);
}

#[test]
fn it_is_written_while_somebody_listens() {
    let lab = Lab::new();
    capture(&lab, 3);
    let mut agent = lab.start("--read a.pcap -m none --pace recorded --collectors 0 -f a.log");
    let listened = collected(agent.collector());
    let (code, said) = agent.end();
    assert_eq!(code, Some(0), "{said:?}");
    let log = lab.text("a.log");
    // Whatever the collector got, and what came in the moment before it was noticed that it was there.
    assert!(log.ends_with(&log_of(&listened)), "{said:?}");
    let (lines, records) = (log.lines().count(), listened.len() / 28);
    assert!(lines <= records + 2, "{lines} {records}");

    lab.capture("b.pcap", &datagrams(100));
    let (code, said) = lab
        .start("--read b.pcap -m none --collectors 0 -f b.log")
        .end();
    assert_eq!(code, Some(0), "{said:?}");
    assert!(!lab.path("b.log").exists());
}

#[test]
fn it_is_opened_anew_when_it_was_renamed() {
    let lab = Lab::new();
    capture(&lab, 6);
    fs::write(lab.path("a.log"), "what was there\n").unwrap();
    let agent = lab.start("--read a.pcap -m none --pace recorded --log-always -f a.log");
    wait_for(|| lab.text("a.log").lines().count() > 10);
    fs::rename(lab.path("a.log"), lab.path("a.log.1")).unwrap();
    wait_for(|| lab.text("a.log").lines().count() > 10);
    fs::remove_file(lab.path("a.log.1")).unwrap();
    fs::rename(lab.path("a.log"), lab.path("a.log.2")).unwrap();
    agent.signal(Signal::SIGHUP);
    let (code, said) = agent.end();
    assert_eq!(code, Some(0), "{said:?}");
    let (second, third) = (lab.text("a.log.2"), lab.text("a.log"));
    let all = format!("{second}{third}");
    assert!(all.lines().count() < 300 && third.lines().count() > 10);
    let lines: Vec<_> = all.lines().collect();
    assert!(lines.is_sorted());
    assert!(
        lines
            .last()
            .is_some_and(|line| line.starts_with("1700000005.980000:"))
    );
}

#[test]
fn what_cannot_be_written_is_told_once() {
    let lab = Lab::new();
    capture(&lab, 3);
    let made = Command::new("mkfifo").arg(lab.path("pipe")).status();
    assert!(made.is_ok_and(|status| status.success()));
    for (log, count) in [
        ("pipe", 150),
        ("no/such/folder.log", 150),
        ("/dev/full", 150),
    ] {
        let mut agent = lab.start(&format!(
            "--read a.pcap -m none --pace recorded --log-always --collectors 1 -f {log}"
        ));
        assert_eq!(collected(agent.collector()).len(), count * 28);
        let (code, said) = agent.end();
        assert_eq!(code, Some(0), "{said:?}");
        let told = said
            .iter()
            .filter(|line| line.contains("cannot write the log"));
        assert_eq!(told.count(), 1, "{said:?}");
        let sum = format!("pcapper: log: 0 lines written, {count} lost");
        assert!(said.contains(&sum), "{said:?}");
    }
}
