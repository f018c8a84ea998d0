//! Every packet that was sent is in the records or counted as dropped.

use nix::sys::signal::Signal;

use crate::lab::{Lab, number_before, rows};

/// Packets read and dropped, as the summary has them.
fn account(output: &str) -> (u64, u64) {
    let line = output.lines().find(|line| line.contains(" dropped"));
    let line = line.unwrap_or_else(|| panic!("no account in {output}"));
    (
        number_before(line, "packets"),
        number_before(line, "dropped"),
    )
}

#[test]
fn at_the_highest_rate() {
    let Some(lab) = Lab::open() else { return };
    for ring in [1, 16] {
        let out = tempfile::tempdir().expect("a directory");
        let live = out.path().join("live");
        let capture = lab.capture(&format!("-iface left -include UDP -ring {ring}"), &live);
        let sent = lab.send(100_000, 1000);
        let output = capture.stop();
        let (read, dropped) = account(&output);
        assert_eq!(read + dropped, sent, "{output}");
        let records = rows(&live.join("UDP.ncap.gz"), "SrcPort").len() as u64;
        assert_eq!(records, read);
    }
}

#[test]
fn while_nobody_reads() {
    let Some(lab) = Lab::open() else { return };
    for interfaces in ["left", "left,right"] {
        let out = tempfile::tempdir().expect("a directory");
        let live = out.path().join("live");
        let args = format!("-iface {interfaces} -include UDP -ring 1");
        let capture = lab.capture(&args, &live);
        capture.signal(Signal::SIGSTOP);
        let sent = lab.send(20_000, 1000);
        capture.signal(Signal::SIGCONT);
        let output = capture.stop();
        for line in output.lines().filter(|line| line.contains(" dropped")) {
            let (read, dropped) = account(line);
            assert!(read > 0 && dropped > 0, "{line}");
            assert_eq!(number_before(line, "by the kernel"), dropped);
            assert_eq!(read + dropped, sent, "{line}");
        }
    }
}
