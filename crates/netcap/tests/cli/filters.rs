//! `-bpf`: what it keeps, what becomes of the rest, and what is said of a filter that is wrong.
//!
//! Skipped where there is no libpcap.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use netcap::capture::libpcap;

use crate::run::{capture, files_in, netcap, records_of};

fn is_here() -> bool {
    let version = libpcap::version();
    if let Err(error) = &version {
        eprintln!("skipped: {error}");
    }
    version.is_ok()
}

/// Exit code, output and errors of a run with a filter, and the files it left.
struct Run {
    code: Option<i32>,
    output: String,
    errors: String,
    files: Vec<(String, Vec<u8>)>,
}

/// Runs the program on captures, with a filter and with flags that hold no spaces.
fn filtered(captures: &[PathBuf], filter: &str, flags: &str) -> Run {
    filtered_from(captures, filter, flags, Stdio::null())
}

fn filtered_from(captures: &[PathBuf], filter: &str, flags: &str, input: Stdio) -> Run {
    let out = tempfile::tempdir().expect("a directory");
    let mut command = netcap(["-bpf", filter, "-source", "fixed", "-created", "1.000000"]);
    command.args(flags.split_whitespace()).args(captures);
    let output = command.arg("-out").arg(out.path()).stdin(input).output();
    let output = output.expect("netcap runs");
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    Run {
        code: output.status.code(),
        output: text(&output.stdout),
        errors: text(&output.stderr),
        files: files_in(out.path()),
    }
}

/// The packets with that fate in the table of a summary.
fn with_fate(output: &str, fate: &str) -> Option<u64> {
    let rows = output.lines().map(|line| line.split('|').map(str::trim));
    let mut row = rows.map(|mut cells| (cells.nth(1), cells.next()));
    let (_, packets) = row.find(|(name, _)| *name == Some(fate))?;
    packets?.parse().ok()
}

#[test]
fn what_is_left_out_is_counted_and_nothing_else() {
    if !is_here() {
        return;
    }
    let run = filtered(&[capture("mixed.pcap")], "udp", "");
    assert_eq!((run.code, run.errors.as_str()), (Some(0), ""));
    let fates = ["decoded", "filtered", "all packets"].map(|fate| with_fate(&run.output, fate));
    assert_eq!(fates, [Some(2), Some(7), Some(9)], "{}", run.output);
    let names: Vec<&str> = run.files.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"UDP.ncap.gz") && !names.contains(&"TCP.ncap.gz"));
    assert!(!names.contains(&"unknown.pcap"), "{names:?}");

    let all = filtered(&[capture("mixed.pcap")], "", "");
    assert_eq!(with_fate(&all.output, "filtered"), None);
    assert_eq!(with_fate(&all.output, "all packets"), Some(9));
}

/// Filtered by tcpdump first, a capture gives the same files.
#[test]
fn the_same_as_a_capture_that_was_filtered_before() {
    if !is_here() {
        return;
    }
    if Command::new("tcpdump").arg("--version").output().is_err() {
        eprintln!("skipped: tcpdump is not installed");
        return;
    }
    for (name, filter) in [
        ("example.pcap", "tcp port 443 or udp port 53"),
        (
            "flows.pcap",
            "host 192.0.2.1 and not tcp[tcpflags] & tcp-fin != 0",
        ),
        ("ipv4_fragments.pcap", "ip[8] > 1"),
        ("ipv6_fragments.pcap", "ip6"),
        ("dns_malformed.pcap", "len > 70"),
        ("tcp_streams.pcap", "tcp"),
        ("unknown.pcap", "not ip"),
        ("http.pcap", "tcp[2:2] = 80 or len > 100"),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let before = directory.path().join("before.pcap");
        let status = Command::new("tcpdump")
            .args(["--nano", "-r"])
            .arg(capture(name))
            .arg("-w")
            .arg(&before)
            .arg(filter)
            .stderr(Stdio::null())
            .status();
        assert!(status.expect("tcpdump runs").success(), "{filter}");
        let expected = filtered(&[before], "", "-quiet");
        assert_eq!(expected.code, Some(0), "{}", expected.errors);
        for flags in [
            "-quiet -workers 1",
            "-quiet -workers 3 -batch 1",
            "-quiet -workers 2 -batch 7",
        ] {
            let found = filtered(&[capture(name)], filter, flags);
            assert!(found.files == expected.files, "{name} {filter} {flags}");
        }
    }
}

#[test]
fn each_link_type_by_itself() {
    if !is_here() {
        return;
    }
    let ip = filtered(&[capture("raw.pcap"), capture("sll2.pcap")], "ip", "");
    assert_eq!((ip.code, ip.errors.as_str()), (Some(0), ""));
    let parts = ["raw.pcap", "sll2.pcap"].map(|name| {
        let part = filtered(&[capture(name)], "ip", "");
        ["filtered", "all packets"].map(|fate| with_fate(&part.output, fate).unwrap_or_default())
    });
    let [filtered_out, all] = [0, 1].map(|fate| parts[0][fate] + parts[1][fate]);
    assert!(0 < filtered_out && filtered_out < all);
    assert_eq!(with_fate(&ip.output, "filtered"), Some(filtered_out));
    // One that libpcap has no filters for.
    let none = filtered(&[capture("link_types.pcapng")], "greater 1", "");
    assert_eq!(none.code, Some(1));
    let start = "netcap: -bpf: the filter does not fit packets of link type AX25: ";
    assert!(none.errors.starts_with(start), "{}", none.errors);
}

#[test]
fn from_standard_input_and_under_another_link_type() {
    if !is_here() {
        return;
    }
    let file = File::open(capture("mixed.pcapng")).expect("a capture");
    let run = filtered_from(&[], "udp", "-r -", file.into());
    assert_eq!((run.code, run.errors.as_str()), (Some(0), ""));
    assert_eq!(with_fate(&run.output, "filtered"), Some(7));
    let expected = filtered(&[capture("mixed.pcapng")], "udp", "");
    assert!(run.files == expected.files);
    // As the walk does, the filter takes the packets for what -base says.
    let run = filtered(
        &[capture("unknown_link.pcap")],
        "wlan type mgt",
        "-base ieee802_11",
    );
    assert_eq!((run.code, run.errors.as_str()), (Some(0), ""));
}

#[test]
fn a_wrong_filter_is_shown_with_its_place() {
    if !is_here() {
        return;
    }
    let run = filtered(&[capture("mixed.pcap")], "tcp prot 80", "");
    assert_eq!(run.code, Some(1));
    let lines: Vec<&str> = run.errors.lines().collect();
    let [message, expression, caret] = lines[..] else {
        panic!("{}", run.errors);
    };
    assert!(
        message.starts_with("netcap: -bpf: the filter is wrong: "),
        "{message}"
    );
    assert!(message.contains("syntax error"), "{message}");
    assert_eq!([expression, caret], ["  tcp prot 80", "      ^"]);
    assert!(run.output.is_empty() && run.files.is_empty());
}

#[test]
fn a_link_type_without_sense_ends_the_run() {
    if !is_here() {
        return;
    }
    let captures = [capture("mixed.pcap"), capture("raw.pcap")];
    for flags in ["-workers 1", "-workers 3 -batch 1"] {
        let run = filtered(&captures, "ether host 02:00:00:00:00:01", flags);
        assert_eq!(run.code, Some(1), "{}", run.errors);
        let lines: Vec<&str> = run.errors.lines().collect();
        assert_eq!(lines.len(), 3, "{}", run.errors);
        let start = "netcap: -bpf: the filter does not fit packets of link type RAW: ";
        assert!(lines[0].starts_with(start), "{}", lines[0]);
        assert_eq!(lines[1..], ["  ether host 02:00:00:00:00:01", "  ^"]);
        assert!(run.output.is_empty() && run.files.is_empty());
    }
}

#[test]
fn record_files_are_not_filtered() {
    let records = records_of("mixed.pcap");
    let file: &Path = &records.path().join("UDP.ncap.gz");
    let run = filtered(&[file.to_owned()], "udp", "");
    assert_eq!(run.code, Some(1));
    assert_eq!(run.errors.lines().count(), 1);
    assert!(
        run.errors.contains("filter when it is made"),
        "{}",
        run.errors
    );
}
