//! Records of captures on standard output.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use crate::run::{capture, netcap, run};

/// What a run writes to standard output, which ends well.
fn output(args: &str) -> String {
    let (code, output, errors) = run(args);
    assert_eq!(code, 0, "{args}: {errors}");
    output
}

#[test]
fn standard_output_equals_the_files() {
    for name in ["example.pcap", "http.pcap", "dns_tcp.pcap", "flows.pcap"] {
        let capture = capture(name);
        let capture = capture.display();
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().display();
        let fixed = "-quiet -created 1.5 -source x";
        output(&format!("-r {capture} -out {out} -csv -comp=false {fixed}"));
        output(&format!(
            "-r {capture} -out {out} -comp=false -overwrite {fixed}"
        ));
        let mut types = 0;
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let (Some(stem), Some("csv")) =
                (path.file_stem(), path.extension().and_then(|e| e.to_str()))
            else {
                continue;
            };
            let stem = stem.to_str().unwrap();
            types += 1;
            let of = |flags: &str| {
                let args = format!("-r {capture} -include {stem} -out - {fixed} {flags}");
                let done = netcap(args.split_whitespace()).output().unwrap();
                assert!(done.status.success(), "{args}");
                done.stdout
            };
            assert!(of("-csv") == fs::read(&path).unwrap(), "{name} {stem}");
            let records = path.with_extension("ncap");
            assert!(of("") == fs::read(&records).unwrap(), "{name} {stem}");
            let records = records.display();
            let printed = output(&format!("-r {records} -json -quiet"));
            assert!(of("-json") == printed.into_bytes(), "{name} {stem}");
            if !stem.ends_with("Flow") && stem != "Connection" {
                let flags = "-tsv -utc -select Timestamp";
                let printed = output(&format!("-r {records} {flags} -quiet"));
                assert!(of(flags) == printed.into_bytes(), "{name} {stem}");
            }
        }
        assert!(types > 5, "{name}");
    }
}

#[test]
fn several_types_are_told_apart_and_in_order() {
    let capture = capture("http.pcap");
    let args = format!("-r {} -json -out - -quiet", capture.display());
    let all = output(&args);
    assert_eq!(all, output(&format!("{args} -workers 3 -batch 7")));
    let types = |text: &str| -> Vec<String> {
        let name = |line: &str| line.split('"').nth(3).unwrap_or_default().to_owned();
        text.lines().map(name).collect()
    };
    let names = types(&all);
    assert!(
        all.lines()
            .all(|line| line.starts_with("{\"RecordType\":\""))
    );
    // The layers of the first packet come before anything of the second.
    assert_eq!(names[..3], ["Ethernet", "IPv4", "TCP"]);
    assert!(names.contains(&"HTTP".to_owned()) && names.contains(&"Connection".to_owned()));
    let some = output(&format!("{args} -include HTTP,TCP"));
    let chosen = names
        .iter()
        .filter(|name| ["HTTP", "TCP"].contains(&name.as_str()));
    assert!(types(&some).iter().eq(chosen));
}

#[test]
fn the_account_goes_to_standard_error() {
    let capture = capture("example.pcap");
    let (code, output, errors) = run(&format!(
        "-r {} -include ARP -csv -out -",
        capture.display()
    ));
    assert_eq!(code, 0);
    assert!(output.starts_with("Timestamp,"), "{output}");
    assert!(errors.contains("written to standard output"), "{errors}");
    assert!(errors.contains("all packets"), "{errors}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let capture = capture("example.pcap");
    for (flags, message) in [
        ("-csv", "choose one with -include"),
        ("", "choose one with -include"),
        ("-include DNS,TCP -json -select ID", "one type"),
        ("-include DNS -json -csv", "-csv has no effect with -json"),
        ("-include HTTP -nohttp -json", "-nohttp"),
        ("-include DNS -csv -select Nothing", "Nothing"),
        ("-include DNS -table", "-table"),
        ("-include DNS -csv -rotate 1h", "-rotate"),
    ] {
        let (code, output, errors) = run(&format!("-r {} -out - {flags}", capture.display()));
        assert_eq!((code, output.as_str()), (1, ""), "{flags}");
        assert!(
            errors.contains(message) && errors.lines().count() == 1,
            "{errors}"
        );
    }
}

#[test]
fn who_reads_no_further_is_no_trouble() {
    let capture = fs::read(capture("example.pcap")).unwrap();
    let mut child = netcap("-r - -include TCP -csv -out -".split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        // The same packets again and again, until nobody takes them.
        let _ = stdin.write_all(&capture);
        while stdin.write_all(&capture[24..]).is_ok() {}
    });
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with("Timestamp,SrcPort"), "{line}");
    drop(stdout);
    let status = child.wait().unwrap();
    let mut errors = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
    feeder.join().unwrap();
}

/// Packets that come one by one are written as they come.
#[test]
fn records_come_as_packets_do() {
    let capture = fs::read(capture("example.pcap")).unwrap();
    let mut child = netcap("-r - -include Ethernet -json -out - -quiet".split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&capture).unwrap();
    stdin.flush().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    // Standard input is still open.
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"Timestamp\""), "{line}");
    drop(stdin);
    assert!(child.wait().unwrap().success());
}
