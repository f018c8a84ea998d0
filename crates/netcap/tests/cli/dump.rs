//! Files of records into text.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use netcap_record::{Header, RecordType, Text, Timestamp, frame, frame_octets};

use crate::run::{capture, netcap, records_of, run};

/// Runs with the ARP records of the example, and gives what is printed.
fn arp(flags: &str) -> String {
    let records = records_of("example.pcap");
    let file = records.path().join("ARP.ncap.gz");
    let (code, output, errors) = run(&format!("-r {} {flags}", file.display()));
    assert_eq!(code, 0, "{flags}: {errors}");
    output
}

#[test]
fn csv_has_a_header_and_a_trailer_elsewhere() {
    let records = records_of("example.pcap");
    let file = records.path().join("ARP.ncap.gz");
    let (code, output, errors) = run(&format!("-r {}", file.display()));
    assert_eq!((code, errors.as_str()), (0, "3 records.\n"));
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("Timestamp,AddrType,Protocol,"));
    assert!(lines.iter().all(|line| line.split(',').count() == 10));
    assert_eq!(run(&format!("-r {} -quiet", file.display())).2, "");
}

#[test]
fn columns_separators_and_dates() {
    let selected = arp("-select Operation,Timestamp,Operation");
    assert_eq!(
        selected.lines().next(),
        Some("Operation,Timestamp,Operation")
    );
    assert_eq!(selected.lines().nth(1), Some("1,1600000000.046461,1"));
    assert!(arp("-tsv").starts_with("Timestamp\tAddrType\t"));
    assert_eq!(arp("-tsv"), arp(r"-sep \t"));
    assert!(arp("-sep ;;").starts_with("Timestamp;;AddrType;;"));
    let dates = arp("-utc -select Timestamp");
    assert_eq!(dates.lines().nth(1), Some("2020-09-13T12:26:40.046461Z"));
    assert!(arp("-utc -json").starts_with("{\"Timestamp\":\"2020-09-13T12:26:40.046461Z\","));
    assert_eq!(
        arp("-fields -select Timestamp,Protocol -sep ;"),
        "Timestamp;Protocol\n"
    );
}

#[test]
fn delimiters_of_nested_values() {
    let records = records_of("example.pcap");
    let file = records.path().join("TCP.ncap.gz");
    let flags = "-select Options -begin < -end > -struct-sep /";
    let (_, output, _) = run(&format!("-r {} {flags}", file.display()));
    assert!(output.contains("<2/4/05b4>"), "{output}");
}

#[test]
fn other_layouts() {
    let header = arp("-header");
    for words in [
        "Created",
        "example.pcap",
        "netcap v",
        "NC_ARP",
        "ContainsPayloads",
        "false",
    ] {
        assert!(header.contains(words), "{header}");
    }
    let json = arp("-json");
    assert_eq!(json.lines().count(), 3);
    assert!(
        json.lines()
            .all(|line| line.starts_with("{\"Timestamp\":") && line.ends_with('}'))
    );
    assert!(arp("-struc").starts_with("NC_ARP\nTimestamp: \"1600000000.046461\"\n"));
    let table = arp("-table -select Timestamp,Operation");
    assert_eq!(table.lines().count(), 1 + 3 + 3 + 1);
    assert_eq!(arp("-check"), "");
}

#[test]
fn tables_end_where_the_records_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let records = records_of("example.pcap");
    // A file of exactly one hundred records: the header, then the first record again and again.
    let file = records.path().join("ARP.ncap.gz");
    let plain = directory.path().join("plain");
    let (code, _, _) = run(&format!(
        "-r {} -out {} -comp=false",
        crate::run::capture("example.pcap").display(),
        plain.display()
    ));
    assert_eq!((code, file.exists()), (0, true));
    let octets = fs::read(plain.join("ARP.ncap")).expect("records");
    // Both lengths are below 128, one octet.
    let header = 1 + usize::from(octets[0]);
    let record = &octets[header..=header + usize::from(octets[header])];
    let hundred = [&octets[..header], &record.repeat(100)].concat();
    let file = directory.path().join("ARP.ncap");
    fs::write(&file, hundred).expect("written");
    let (_, output, errors) = run(&format!("-r {} -table", file.display()));
    assert_eq!(errors, "100 records.\n");
    assert_eq!(
        output
            .lines()
            .filter(|line| line.contains("AddrType"))
            .count(),
        1
    );
}

#[test]
fn separators_are_checked() {
    let records = records_of("example.pcap");
    let file = records.path().join("TCP.ncap.gz");
    let (code, output, errors) = run(&format!("-r {} -check -sep -", file.display()));
    assert_eq!(code, 0);
    assert!(output.starts_with("row 1: Options: "), "{output}");
    assert!(!output.contains('\x1b'), "colours are for terminals");
    assert_eq!(errors, "21 of 21 rows need quotes, 21 read back\n");
    let (code, _, errors) = run(&format!("-r {} -check -sep - -no-quote", file.display()));
    assert_eq!(code, 1);
    assert!(
        errors.contains("21 rows do not read back; choose another -sep"),
        "{errors}"
    );
}

#[test]
fn unknown_fields_and_layouts_that_exclude_each_other() {
    let records = records_of("example.pcap");
    let file = records.path().join("TCP.ncap.gz");
    for (flags, words) in [
        ("-select Timestamp,SrcPrt", "did you mean SrcPort?"),
        ("-select Frobnicate", "available fields: Timestamp,SrcPort,"),
        ("-table -json", "-table and -json"),
        ("-tsv -sep ;", "-tsv"),
        ("-table -tsv", "-tsv has no effect with -table"),
        ("-json -begin [", "-begin"),
        ("-struc -utc", "-utc"),
        ("-struc -select Timestamp", "-select"),
        ("-fields -count 1", "-count"),
        ("-workers 2", "-workers is for captures"),
        ("-include TCP", "-include"),
        ("-comp=false", "-comp"),
        ("-overlap linux", "-overlap"),
        ("-out folder", "-out"),
        ("-table -sep ;", "-sep"),
        ("-json -no-quote", "-no-quote"),
        ("-header -tsv", "-tsv"),
    ] {
        let (code, output, errors) = run(&format!("-r {} {flags}", file.display()));
        assert_eq!(
            (code, output.as_str(), errors.lines().count()),
            (1, "", 1),
            "{flags}"
        );
        assert!(errors.contains(words), "{errors}");
    }
}

#[test]
fn files_of_one_type_follow_each_other() {
    let records = records_of("example.pcap");
    let path = |name: &str| records.path().join(name).display().to_string();
    let (arp, tcp) = (path("ARP.ncap.gz"), path("TCP.ncap.gz"));
    let (code, output, errors) = run(&format!("-r {arp} -r {arp}"));
    assert_eq!(
        (code, output.lines().count(), errors.as_str()),
        (0, 7, "6 records.\n")
    );
    assert_eq!(run(&format!("-r {arp} -r {tcp}")).0, 1);
    let capture = crate::run::capture("arp.pcap");
    assert_eq!(run(&format!("-r {arp} -r {}", capture.display())).0, 1);
}

/// A file of DNS records: its header with a source of so many octets, and one record that is given.
pub(crate) fn dns_file(source: usize, record: &[u8]) -> tempfile::TempDir {
    let mut octets = Vec::new();
    let header = Header {
        created: Timestamp::new(1_600_000_000, 0),
        input_source: Text(&vec![b'x'; source]),
        record_type: RecordType(41),
        version: Text(b"netcap"),
        contains_payloads: false,
    };
    frame(&header, &mut octets);
    frame_octets(record, &mut octets);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("DNS.ncap"), octets).expect("written");
    folder
}

#[test]
fn long_cells_have_room_in_every_layout() {
    // A question (field 15) with a long name (field 1).
    let question = [&[0x0a, 0xc0, 0xa9, 0x07][..], &vec![b'y'; 120_000]].concat();
    let record = [&[0x7a, 0xc4, 0xa9, 0x07][..], &question].concat();
    let folder = dns_file(70_000, &record);
    let file = folder.path().join("DNS.ncap");
    let shown = |flags: &str| {
        let (code, output, errors) = run(&format!("-r {} {flags}", file.display()));
        assert_eq!(code, 0, "{flags}: {errors}");
        output
    };
    let table = shown("-table");
    assert!(table.contains('…') && table.contains(&"y".repeat(4000)));
    assert!(!table.contains(&"y".repeat(5000)));
    assert!(shown("-header").contains(&"x".repeat(70_000)));
    for flags in ["", "-tsv", "-json", "-struc"] {
        assert!(shown(flags).contains(&"y".repeat(120_000)), "{flags}");
    }
}

#[test]
fn files_joined_are_one() {
    let records = records_of("example.pcap");
    let file = records.path().join("ARP.ncap.gz");
    let joined = records.path().join("joined");
    let octets = fs::read(&file).expect("a file");
    fs::write(&joined, [&octets[..], &octets, &[0; 512]].concat()).expect("written");
    let (code, once, _) = run(&format!("-r {}", file.display()));
    assert_eq!(code, 0);
    let (code, twice, errors) = run(&format!("-r {}", joined.display()));
    assert_eq!((code, errors.as_str()), (0, "6 records.\n"));
    let (header, rows) = once.split_once('\n').expect("lines");
    assert_eq!(twice, format!("{header}\n{rows}{rows}"));
    // Of two types.
    let other = fs::read(records.path().join("UDP.ncap.gz")).expect("a file");
    fs::write(&joined, [octets, other].concat()).expect("written");
    let (code, output, errors) = run(&format!("-r {}", joined.display()));
    assert_eq!((code, output), (3, once));
    for words in [
        "after 3 whole records, a file of another type begins",
        "(before it are ARP records, behind it UDP records)",
    ] {
        assert!(errors.contains(words), "{errors}");
    }
}

#[test]
fn files_without_a_source_are_joined_too() {
    let (folder, input) = (
        tempfile::tempdir().expect("a directory"),
        capture("example.pcap"),
    );
    let args = [
        "-r",
        &input.display().to_string(),
        "-source",
        "",
        "-quiet",
        "-comp=false",
        "-out",
    ];
    let made = netcap(args)
        .arg(folder.path())
        .status()
        .expect("netcap runs");
    assert!(made.success());
    let file = |name: &str| fs::read(folder.path().join(name)).expect("a file");
    let joined = folder.path().join("joined");
    fs::write(&joined, [file("ARP.ncap"), file("ARP.ncap")].concat()).expect("written");
    let (code, text, errors) = run(&format!("-r {}", joined.display()));
    assert_eq!(
        (code, text.lines().count(), errors.as_str()),
        (0, 7, "6 records.\n")
    );
    fs::write(&joined, [file("ARP.ncap"), file("UDP.ncap")].concat()).expect("written");
    assert_eq!(run(&format!("-r {}", joined.display())).0, 3);
}

#[test]
fn zeros_behind_records_are_told_once() {
    let records = records_of("example.pcap");
    let file = records.path().join("ARP.ncap.gz");
    let (_, expected, _) = run(&format!("-r {}", file.display()));
    let mut octets = Vec::new();
    let gzip = fs::File::open(&file).expect("a file");
    flate2::read::MultiGzDecoder::new(gzip)
        .read_to_end(&mut octets)
        .expect("gzip");
    octets.resize(octets.len() + 100_000, 0);
    fs::write(&file, octets).expect("written");
    let (code, text, errors) = run(&format!("-r {}", file.display()));
    assert_eq!((code, text), (3, expected));
    assert!(
        errors.contains("were passed over, 100000 in all"),
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 2, "{errors}");
}

#[test]
fn content_counts_and_not_the_name() {
    let records = records_of("example.pcap");
    let odd = records.path().join("capture.pcap");
    fs::copy(records.path().join("ARP.ncap.gz"), &odd).expect("copied");
    assert_eq!(run(&format!("-r {}", odd.display())).2, "3 records.\n");
}

#[test]
fn a_file_cut_short_is_printed_as_far_as_it_goes() {
    let records = records_of("example.pcap");
    let file = records.path().join("TCP.ncap.gz");
    let octets = fs::read(&file).expect("records");
    fs::write(&file, &octets[..octets.len() / 2]).expect("written");
    let (code, output, errors) = run(&format!("-r {}", file.display()));
    assert_eq!((code, errors.lines().count()), (3, 2), "{errors}");
    assert!(errors.contains("is cut short"), "{errors}");
    assert!(output.lines().count() > 1, "{output}");

    fs::write(&file, "").expect("written");
    let (code, output, errors) = run(&format!("-r {}", file.display()));
    assert_eq!(
        (code, output.as_str(), errors.lines().count()),
        (3, "", 1),
        "{errors}"
    );
}

#[test]
fn types_of_other_versions_are_refused_but_their_header_is_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("New.ncap");
    // Created "1.000001", Type 9999.
    fs::write(&file, b"\x0d\x0a\x081.000001\x18\x8f\x4e").expect("written");
    let (code, output, errors) = run(&format!("-r {}", file.display()));
    assert_eq!(
        (code, output.as_str(), errors.lines().count()),
        (2, "", 1),
        "{errors}"
    );
    assert!(errors.contains("type 9999"), "{errors}");
    let (code, output, _) = run(&format!("-r {} -header", file.display()));
    assert_eq!(code, 0);
    assert!(
        output.contains("1970-01-01 00:00:01.000001 +0000 UTC"),
        "{output}"
    );
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let directory = tempfile::tempdir().expect("a directory");
    // More than a pipe holds: the records again and again.
    let (code, _, _) = run(&format!(
        "-r {} -out {} -comp=false",
        crate::run::capture("example.pcap").display(),
        directory.path().display()
    ));
    assert_eq!(code, 0);
    let file = directory.path().join("ARP.ncap");
    let octets = fs::read(&file).expect("records");
    let header = 1 + usize::from(octets[0]);
    fs::write(
        &file,
        [&octets[..header], &octets[header..].repeat(5000)].concat(),
    )
    .expect("written");

    let mut child = netcap(["-r".as_ref(), file.as_os_str()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("netcap runs");
    let mut line = String::new();
    let mut output = BufReader::with_capacity(64, child.stdout.take().expect("a pipe"));
    output.read_line(&mut line).expect("a line");
    drop(output);
    let output = child.wait_with_output().expect("it ends");
    assert!(line.starts_with("Timestamp,"));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_full_disk_is_reported() {
    let records = records_of("example.pcap");
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        return;
    };
    let file = records.path().join("ARP.ncap.gz");
    let output = netcap(["-r".as_ref(), file.as_os_str()])
        .stdout(full)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"));
}
