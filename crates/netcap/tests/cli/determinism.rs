//! The same packets and options give the same files, to the octet.

use std::path::Path;

use crate::run::{capture, files_in, run, run_with_input};

/// What fixes the two things that differ from run to run.
const FIXED: &str = "-created 1600000000.000000 -source fixed -quiet -overwrite";

fn files_of(file: &Path, flags: &str) -> Vec<(String, Vec<u8>)> {
    let out = tempfile::tempdir().expect("a directory");
    let args = format!(
        "-r {} -out {} {FIXED} {flags}",
        file.display(),
        out.path().display()
    );
    let (code, _, errors) = run(&args);
    assert_eq!(code, 0, "{args}: {errors}");
    files_in(out.path())
}

#[test]
fn workers_and_batches_change_nothing() {
    for name in ["example.pcap", "ipv4_fragments.pcap", "dns_malformed.pcap"] {
        for format in ["", "-csv -comp=false -payload"] {
            let expected = files_of(&capture(name), &format!("{format} -workers 1"));
            assert!(expected.len() > 3);
            for workers in [1, 2, 3, 8] {
                for batch in [1, 7, 1024] {
                    let flags = format!("{format} -workers {workers} -batch {batch}");
                    assert!(
                        files_of(&capture(name), &flags) == expected,
                        "{name} {flags}"
                    );
                }
            }
        }
    }
}

#[test]
fn buffering_changes_no_record() {
    let [buffered, not] = ["-buf", "-buf false"]
        .map(|flags| files_of(&capture("example.pcap"), &format!("-comp=false {flags}")));
    assert!(buffered == not);
}

#[test]
fn the_form_of_the_capture_changes_nothing() {
    let expected = files_of(&capture("mixed.pcap"), "");
    for name in [
        "mixed.be.pcap",
        "mixed.pcapng",
        "mixed.be.pcapng",
        "mixed.pcap.gz",
        "mixed.members.pcap.gz",
        "mixed.pcap.zst",
        "mixed.pcap.lz4",
        "mixed.pcap.xz",
        "mixed.pcap.bz2",
        "mixed.modified.pcap",
        "mixed.snaplen0.pcap",
        "mixed.v2.3.pcap",
        "mixed.ns.pcap",
    ] {
        let mut files = files_of(&capture(name), "");
        let mut expected = expected.clone();
        // Side files keep the nanoseconds; those of these captures may have some.
        if name.contains(".ns.") {
            files.retain(|(name, _)| name.contains(".ncap"));
            expected.retain(|(name, _)| name.contains(".ncap"));
        }
        assert!(files == expected, "{name}");
    }
    let out = tempfile::tempdir().expect("a directory");
    let args = format!("-r - -out {} {FIXED}", out.path().display());
    assert_eq!(run_with_input(&args, &capture("mixed.pcap")).0, 0);
    assert!(files_in(out.path()) == expected, "standard input");
}
