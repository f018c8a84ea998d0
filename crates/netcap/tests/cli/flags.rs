//! Spellings of flags, help, and what is said to a command line that is wrong.

use crate::run::{capture, records_of, run};

/// A wrong command line ends in exit code 1 and one line that holds these words.
fn is_refused(args: &str, words: &[&str]) {
    let (code, output, errors) = run(args);
    assert_eq!(
        (code, output.as_str(), errors.lines().count()),
        (1, "", 1),
        "{args}: {errors}"
    );
    for word in words {
        assert!(errors.contains(word), "{args}: {errors}");
    }
}

#[test]
fn help_is_short_and_long() {
    let (short, long) = (run("-h"), run("-help"));
    assert_eq!((short.0, short.2.as_str()), (0, ""));
    assert_eq!(long, run("--help"));
    assert_eq!(long, run("help"));
    assert!(short.1.contains("--select") && !short.1.contains("Examples:"));
    assert!(long.1.contains("Examples:") && long.1.contains("Exit codes:"));
}

#[test]
fn version() {
    let version = concat!("v", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run("-version"), (0, version.to_owned(), String::new()));
    assert_eq!(run("--version").1, version);
    assert_eq!(run("-V").1, version);
}

#[test]
fn lists_of_encoders() {
    let (code, list, _) = run("-encoders");
    assert_eq!(code, 0);
    assert!(list.starts_with("custom:\n+ TLS\n+ LinkFlow\n"), "{list}");
    assert!(list.contains("layer:\n+ TCP\n+ UDP\n+ IPv4\n"), "{list}");
    assert_eq!(
        list.lines().count(),
        60,
        "58 encoders and two titles: {list}"
    );
    let (_, overview, _) = run("-overview");
    let arp = "ARP                            10 Timestamp,AddrType,Protocol,";
    assert!(
        overview.lines().any(|line| line.starts_with(arp)),
        "{overview}"
    );
}

#[test]
fn times_become_dates() {
    for (time, date) in [
        ("1499255023.848884", "2017-07-05T11:43:43.848884Z"),
        ("1499255023.848884007", "2017-07-05T11:43:43.848884007Z"),
        ("1499255023.5", "2017-07-05T11:43:43.500000Z"),
        ("1499255023", "2017-07-05T11:43:43.000000Z"),
        ("-0.5", "1969-12-31T23:59:59.500000Z"),
        ("-62167219200", "0000-01-01T00:00:00.000000Z"),
        ("253402300799.9", "9999-12-31T23:59:59.900000Z"),
    ] {
        let expected = (0, format!("{date}\n"), String::new());
        assert_eq!(run(&format!("-ts2utc {time}")), expected);
    }
    is_refused("-ts2utc 1.0000000001", &["nine decimals"]);
    is_refused("-ts2utc soon", &["nine decimals"]);
    is_refused("-ts2utc 253402300800", &["years of four digits"]);
    is_refused("-ts2utc -62167219200.1", &["years of four digits"]);
}

#[test]
fn go_and_gnu_spellings_are_equal() {
    let records = records_of("example.pcap");
    let file = records.path().join("DNS.ncap.gz");
    let file = file.display();
    let expected = run(&format!("-r {file} -select Timestamp,ID -sep ; -utc"));
    assert_eq!(expected.0, 0);
    for args in [
        format!("--read {file} --select Timestamp,ID --sep ; --utc"),
        format!("-r={file} -select=Timestamp,ID -sep=; -utc=true"),
        format!("--r={file} --select=Timestamp,ID --sep=; -utc true"),
        format!("-utc 1 -sep ; -select Timestamp,ID {file}"),
        format!("-utc=false -sep , -select ID -utc -sep ; -select Timestamp,ID -- {file}"),
    ] {
        assert_eq!(run(&args), expected, "{args}");
    }
}

#[test]
fn wrong_command_lines_are_answered_in_one_line() {
    is_refused("", &["nothing to do", "-r traffic.pcap"]);
    is_refused("-selct x", &["-selct", "did you mean -select?"]);
    is_refused("-frobnicate", &["-frobnicate", "-h"]);
    is_refused("-x", &["-x"]);
    is_refused("-workers 0 -r x", &["-workers", "1 to 4096"]);
    is_refused("-workers 4097 -r x", &["-workers", "1 to 4096"]);
    is_refused("-opts eager -r x", &["lazy, default, nocopy"]);
    is_refused("-base carrier-pigeon -r x", &["ethernet", "usb"]);
    is_refused("-buf=maybe -r x", &["-buf", "true or false"]);
    is_refused("-sep", &["-sep"]);
    is_refused("-sep \" -r x", &["-sep"]);
    is_refused("-iface eth0 -r x", &["eth0", "x", "in one run"]);
    is_refused("-iface eth0 -table", &["-table", "netcap -iface eth0 -out"]);
    is_refused("-iface eth0 -ring 0", &["-ring", "1 to 2047"]);
    is_refused("-iface eth0 -rotate soon", &["-rotate", "1h", "1GB"]);
    is_refused("-iface eth0 -duration 10", &["-duration", "10s"]);
    is_refused("-iface eth0 -disk-limit 10GB", &["-rotate 1h"]);
    let file = capture("tcp.pcap");
    let file = file.display();
    is_refused(&format!("-r {file} -rotate 1h"), &["-rotate", "live"]);
    is_refused(&format!("-r {file} -duration 1h"), &["-duration", "live"]);
    is_refused(&format!("-r {file} -user nobody"), &["-user", "live"]);
    is_refused("-flow-timeout soon -r x", &["-flow-timeout"]);
    is_refused("-overlap any -r x", &["first, last, bsd, linux"]);
    is_refused("-files-size 0 -r x", &["-files-size"]);
}

#[test]
fn flags_that_contradict_each_other_or_have_no_effect_are_refused() {
    let (file, out) = (
        capture("tcp.pcap"),
        tempfile::tempdir().expect("a directory"),
    );
    let (file, out) = (file.display(), out.path().join("out"));
    for (flags, words) in [
        ("-include TCP -exclude tcp", "-include TCP and -exclude tcp"),
        ("-include TCP,HTTP -nohttp", "-include HTTP and -nohttp"),
        ("-csv -tsv", "'-csv' cannot be used with '-tsv'"),
        ("-tsv", "-tsv prints audit record files"),
        ("-ring 16", "needs -iface"),
        ("-files-size 1", "-files-size limits what -files keeps"),
        ("-files-total 1", "-files a directory"),
        ("-files-count 1", "-files a directory"),
    ] {
        is_refused(
            &format!("-r {file} -out {} {flags}", out.display()),
            &[words],
        );
    }
    for flags in [
        "-overwrite",
        "-comp=false",
        "-buf=false",
        "-leftovers adopt",
        "-ignore-unknown",
        "-rotate 1h",
        "-rotate 1h -disk-limit 1GB",
    ] {
        let flag = flags.split([' ', '=']).next().unwrap_or_default();
        let args = format!("-r {file} -out - -json {flags}");
        is_refused(&args, &[flag, "is for files, and -out - has none"]);
    }
    assert!(!out.exists(), "nothing was made");
}

#[test]
fn what_is_no_directory_is_named_with_its_flag() {
    let folder = tempfile::tempdir().expect("a directory");
    let input = folder.path().join("copy.pcap");
    std::fs::copy(capture("tcp.pcap"), &input).expect("a copy");
    let input = input.display();
    for (flag, out) in [
        ("-out", format!("-out {input}")),
        (
            "-files",
            format!("-out {}/o -files {input}", folder.path().display()),
        ),
    ] {
        let (code, _, errors) = run(&format!("-r {input} {out}"));
        let expected = format!("netcap: {flag} {input}: it is no directory; name a directory");
        assert!(
            code == 2 && errors.starts_with(&expected),
            "{code} {errors}"
        );
    }
}

#[test]
fn unknown_encoders_are_named() {
    let file = capture("tcp.pcap");
    let file = file.display();
    is_refused(
        &format!("-r {file} -include TPC"),
        &["\"TPC\"", "did you mean TCP?"],
    );
    is_refused(
        &format!("-r {file} -exclude Frobnicate"),
        &["\"Frobnicate\"", "-encoders"],
    );
}

#[test]
fn flags_for_printing_are_not_for_captures() {
    let file = capture("tcp.pcap");
    let file = file.display();
    is_refused(
        &format!("-r {file} -table"),
        &["-table", "is a capture", "-out DIR"],
    );
    is_refused(&format!("-r {file} -sep ;"), &["-sep"]);
}

#[test]
fn old_flags_are_accepted() {
    let out = tempfile::tempdir().expect("a directory");
    let (file, out) = (capture("arp.pcap"), out.path().display());
    let old = "-pbuf 100 -opts nocopy -promisc false -snaplen 1024";
    let (code, _, errors) = run(&format!("-r {} -out {out} {old}", file.display()));
    assert_eq!(code, 0, "{errors}");
    assert_eq!(errors.lines().count(), 2, "{errors}");
    assert!(errors.contains("-snaplen has no effect"), "{errors}");
}

#[test]
fn a_count_ends_the_run() {
    let file = capture("tcp.pcap");
    for count in [0, 1, 3] {
        let out = tempfile::tempdir().expect("a directory");
        let out = out.path().display();
        let (code, output, errors) =
            run(&format!("-r {} -out {out} -count {count}", file.display()));
        assert_eq!((code, errors.as_str()), (0, ""));
        let packets = if count == 1 { "packet" } else { "packets" };
        assert!(
            output.contains(&format!("\n{count} {packets},")),
            "{output}"
        );
    }
}
