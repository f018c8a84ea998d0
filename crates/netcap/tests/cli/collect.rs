//! Captures into files of records.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::run::{capture, files_in, netcap, records_of, run, run_with_input};

#[test]
fn a_capture_becomes_records() {
    let records = records_of("example.pcap");
    let names: Vec<String> = files_in(records.path())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for name in [
        "ARP",
        "DHCPv4",
        "DNS",
        "Ethernet",
        "ICMPv6Echo",
        "IPv4",
        "IPv6",
        "TCP",
        "UDP",
    ] {
        assert!(names.contains(&format!("{name}.ncap.gz")), "{names:?}");
    }
    assert!(
        names.iter().all(|name| name.ends_with(".ncap.gz")),
        "{names:?}"
    );
}

#[test]
fn the_summary_tells_what_became_of_the_packets() {
    let out = tempfile::tempdir().expect("a directory");
    let (file, out) = (capture("unknown.pcap"), out.path().display());
    let (code, summary, errors) = run(&format!("-r {} -out {out}", file.display()));
    assert_eq!((code, errors.as_str()), (0, ""));
    for words in [
        "Ethernet.ncap.gz",
        "unknown protocol",
        "EtherType 0x88b5",
        "all packets",
        "packets/s",
    ] {
        assert!(summary.contains(words), "{words}: {summary}");
    }
    assert!(!summary.contains('\x1b'), "colours are for terminals");
    let (_, summary, errors) = run(&format!(
        "-r {} -out {out} -overwrite -quiet",
        file.display()
    ));
    assert_eq!((summary.as_str(), errors.as_str()), ("", ""));
}

#[test]
fn directories_are_made_with_their_parents() {
    let out = tempfile::tempdir().expect("a directory");
    let deep = out.path().join("a/b");
    let (code, _, _) = run(&format!(
        "-r {} -out {}",
        capture("arp.pcap").display(),
        deep.display()
    ));
    assert_eq!(code, 0);
    assert!(deep.join("ARP.ncap.gz").is_file());
}

#[test]
fn files_in_the_way_are_kept_unless_told_otherwise() {
    let records = records_of("arp.pcap");
    let before = files_in(records.path());
    let args = format!(
        "-r {} -out {}",
        capture("arp.pcap").display(),
        records.path().display()
    );
    let (code, _, errors) = run(&args);
    assert_eq!((code, errors.lines().count()), (2, 1), "{errors}");
    assert!(errors.contains("-overwrite"), "{errors}");
    assert_eq!(files_in(records.path()), before);
    assert_eq!(run(&format!("{args} -overwrite")).0, 0);
}

#[test]
fn what_cannot_be_read_leaves_nothing_behind() {
    let out = tempfile::tempdir().expect("a directory");
    let directory = out.path().join("records");
    let text = capture("README.md");
    for (file, expected, words) in [
        (out.path().join("none.pcap"), 2, "No such file"),
        (out.path().to_owned(), 2, "is a directory"),
        (capture("empty.pcap"), 3, "it is empty"),
        (text, 3, "not a capture"),
    ] {
        let (code, _, errors) = run(&format!(
            "-r {} -out {}",
            file.display(),
            directory.display()
        ));
        assert_eq!((code, errors.lines().count()), (expected, 1), "{errors}");
        assert!(errors.contains(words), "{errors}");
        assert!(!directory.exists());
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let out = tempfile::tempdir().expect("a directory");
    let file = out.path().join("file");
    fs::write(&file, "in the way").expect("written");
    let (code, _, errors) = run(&format!(
        "-r {} -out {}",
        capture("arp.pcap").display(),
        file.display()
    ));
    assert_eq!((code, errors.lines().count()), (2, 1), "{errors}");
    assert!(errors.contains(&file.display().to_string()), "{errors}");

    let locked = out.path().join("locked");
    fs::create_dir(&locked).expect("a directory");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).expect("permissions");
    // The superuser may write everywhere.
    if fs::write(locked.join("probe"), "").is_err() {
        let (code, _, errors) = run(&format!(
            "-r {} -out {}",
            capture("arp.pcap").display(),
            locked.display()
        ));
        assert_eq!((code, errors.lines().count()), (2, 1), "{errors}");
    }
}

#[test]
fn a_capture_cut_short_is_processed_to_its_last_whole_packet() {
    for name in [
        "truncated.pcap",
        "truncated.pcapng",
        "truncated_header.pcap",
    ] {
        let out = tempfile::tempdir().expect("a directory");
        let (file, path) = (capture(name), out.path().display());
        let (code, summary, errors) = run(&format!("-r {} -out {path}", file.display()));
        assert_eq!((code, errors.lines().count()), (3, 1), "{name}: {errors}");
        assert!(errors.contains("8 whole packets"), "{name}: {errors}");
        assert!(summary.contains("all packets"), "{name}: {summary}");
        let ethernet = out.path().join("Ethernet.ncap.gz");
        assert_eq!(run(&format!("-r {}", ethernet.display())).0, 0);
    }
}

#[test]
fn several_captures_are_one_run() {
    let out = tempfile::tempdir().expect("a directory");
    let (arp, tcp, path) = (
        capture("arp.pcap"),
        capture("tcp.pcap"),
        out.path().display(),
    );
    let args = format!("-r {} {} -out {path}", arp.display(), tcp.display());
    assert_eq!(run(&args).0, 0);
    assert!(out.path().join("ARP.ncap.gz").exists() && out.path().join("TCP.ncap.gz").exists());
}

#[test]
fn switches_choose_the_files() {
    let file = capture("mixed.pcap");
    for (flags, name, is_csv) in [
        ("-comp false -buf false", "ARP.ncap", false),
        ("-csv", "ARP.csv.gz", false),
        ("-csv -comp=false", "ARP.csv", true),
        ("-csv -comp false -sep \\t -utc", "ARP.csv", true),
    ] {
        let out = tempfile::tempdir().expect("a directory");
        let (code, _, errors) = run(&format!(
            "-r {} -out {} {flags}",
            file.display(),
            out.path().display()
        ));
        assert_eq!(code, 0, "{flags}: {errors}");
        let content = fs::read(out.path().join(name)).expect(flags);
        assert_eq!(content.starts_with(b"Timestamp"), is_csv, "{flags}");
        assert!(out.path().join("unknown.pcap").exists(), "{flags}");
    }
}

#[test]
fn selections_are_honoured() {
    let out = tempfile::tempdir().expect("a directory");
    let args = format!(
        "-r {} -out {}",
        capture("mixed.pcap").display(),
        out.path().display()
    );
    assert_eq!(
        run(&format!("{args} -include TCP,DNS -ignore-unknown")).0,
        0
    );
    let names: Vec<String> = files_in(out.path())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let records: Vec<&String> = names.iter().filter(|name| name.contains(".ncap")).collect();
    assert_eq!(records, ["DNS.ncap.gz", "TCP.ncap.gz"]);
    assert!(!names.contains(&"unknown.pcap".to_owned()), "{names:?}");
}

#[test]
fn standard_input_is_a_capture_or_records() {
    let out = tempfile::tempdir().expect("a directory");
    let args = format!("-r - -out {}", out.path().display());
    assert_eq!(run_with_input(&args, &capture("mixed.pcap.gz")).0, 0);
    let (code, text, _) = run_with_input("-r - -table", &out.path().join("ARP.ncap.gz"));
    assert_eq!(code, 0);
    assert!(text.contains("SrcHwAddress"), "{text}");
}

#[test]
fn ctrl_c_finishes_what_was_read() {
    let out = tempfile::tempdir().expect("a directory");
    let records = out.path().join("records");
    let mut command = netcap(["-r", "-", "-out"]);
    let mut child = command
        .arg(&records)
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("netcap runs");
    let mut input = child.stdin.take().expect("a pipe");
    let capture = fs::read(capture("mixed.pcap")).expect("a capture");
    std::io::Write::write_all(&mut input, &capture).expect("written");
    // The directory appears when the signal is already waited for.
    let patience = std::time::Instant::now();
    while !records.is_dir() && patience.elapsed().as_secs() < 20 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    let killed = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.expect("kill runs").success());
    let output = child.wait_with_output().expect("it ends");
    drop(input);
    let (summary, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(errors.contains("interrupted"), "{errors}");
    assert!(summary.contains("all packets"), "{summary}");
    assert!(records.join("ARP.ncap.gz").is_file());
}
