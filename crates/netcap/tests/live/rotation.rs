//! Long runs: periods that are complete by themselves, and a limit on what they take.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::lab::{Lab, files_in, number_before, rows, wait_for};

#[test]
fn periods_by_time() {
    let Some(lab) = Lab::open() else { return };
    let out = tempfile::tempdir().expect("a directory");
    let live = out.path().join("live");
    let capture = lab.capture("-iface left -include UDP,Flow -rotate 1s", &live);
    let mut sent = 0;
    for _ in 0..3 {
        sent += lab.send(100, 100);
        thread::sleep(Duration::from_millis(1100));
    }
    let output = capture.stop();
    let folders = files_in(&live);
    assert!((3..=5).contains(&folders.len()), "{folders:?}");
    let mut datagrams = 0;
    let mut flows = Vec::new();
    for folder in &folders {
        for file in files_in(folder) {
            match file.file_name().is_some_and(|name| name == "UDP.ncap.gz") {
                true => datagrams += rows(&file, "SrcPort").len() as u64,
                false => flows.extend(rows(&file, "NumPackets")),
            }
        }
    }
    assert_eq!(datagrams, sent);
    assert_eq!(flows, ["300"], "one flow, in the last period");
    let periods = number_before(&output, "periods of up to 2 files");
    assert_eq!(periods, folders.len() as u64, "{output}");
}

#[test]
fn a_limit_removes_the_oldest_periods_and_nothing_else() {
    let Some(lab) = Lab::open() else { return };
    let out = tempfile::tempdir().expect("a directory");
    let live = out.path().join("live");
    let earlier = live.join("2001-02-03T04-05-06Z");
    fs::create_dir_all(&earlier).expect("a folder");
    fs::write(earlier.join("TCP.ncap.gz"), [0; 1000]).expect("a file");
    fs::write(live.join("notes.txt"), [0; 1000]).expect("a file");
    let args = "-iface left -include UDP -comp=false -rotate 200kB -disk-limit 1MB";
    let capture = lab.capture(args, &live);
    // The directory is there already; the first period shows that it captures.
    wait_for(|| files_of(&live) >= 3);
    let mut sent = 0;
    for _ in 0..10 {
        sent += lab.send(10_000, 100);
        thread::sleep(Duration::from_millis(200));
    }
    let (code, output, errors) = {
        capture.signal(nix::sys::signal::Signal::SIGINT);
        capture.end()
    };
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("oldest periods removed so far"), "{errors}");
    assert!(!earlier.exists() && live.join("notes.txt").exists());
    let removed = number_before(&output, "periods, ");
    assert!(removed > 2, "{output}");
    let mut octets = 0;
    let mut datagrams = 0;
    for folder in files_in(&live).iter().filter(|path| path.is_dir()) {
        for file in files_in(folder) {
            octets += file.metadata().expect("a file").len();
            datagrams += rows(&file, "SrcPort").len() as u64;
        }
    }
    assert!(octets <= 1_000_000 && datagrams < sent, "{octets}");
}

/// Entries of a directory.
fn files_of(directory: &std::path::Path) -> usize {
    fs::read_dir(directory).expect("a directory").count()
}
