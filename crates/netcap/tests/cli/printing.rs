//! What is shown of records: on terminals, to programs, of the fields that are asked for.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use nix::pty::{Winsize, openpty};

use crate::dump::dns_file;
use crate::run::{capture, netcap, records_of, run, run_with_input};

/// A DNS record with a question (field 15) for this name (field 1), and this class (field 3).
fn dns_with(name: &[u8]) -> tempfile::TempDir {
    let question = [&[0x0a, name.len() as u8], name, &[0x18, 1]].concat();
    dns_file(1, &[&[0x7a, question.len() as u8], &question[..]].concat())
}

/// What the program shows on a terminal of so many columns.
fn shown(args: &str, columns: u16) -> String {
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let ends = openpty(&size, None).expect("a terminal");
    let mut child = netcap(args.split_whitespace())
        .stdout(Stdio::from(ends.slave))
        .stderr(Stdio::null())
        .spawn()
        .expect("netcap runs");
    let mut shown = Vec::new();
    // Ends with an error, as the other end is closed.
    let _ = fs::File::from(ends.master).read_to_end(&mut shown);
    assert!(child.wait().expect("it ends").success(), "{args}");
    String::from_utf8(shown).expect("text")
}

#[test]
fn no_name_acts_on_a_terminal() {
    let name = "\x1b]0;owned\x07\u{9b}2J\u{202e}\u{7f}\r\nx";
    let folder = dns_with(name.as_bytes());
    let file = folder.path().join("DNS.ncap");
    for flags in [
        "",
        "-tsv",
        "-no-quote",
        "-table",
        "-json",
        "-struc",
        "-check",
    ] {
        let text = shown(&format!("-r {} {flags}", file.display()), 4000);
        let is_harmless = |c: char| {
            matches!(c, '\r' | '\n' | '\t')
                || !c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c)
        };
        assert!(text.chars().all(is_harmless), "{flags}: {text:?}");
        assert!(
            flags == "-check" || text.contains("]0;owned"),
            "{flags}: {text}"
        );
    }
    // A program gets the octets.
    let (_, text, _) = run(&format!("-r {}", file.display()));
    assert!(text.contains(name), "{text:?}");
}

#[test]
fn no_message_acts_on_a_terminal() {
    let output = netcap(["-r", "\x1b]0;owned\x07\u{202e}.pcap"])
        .output()
        .expect("it runs");
    let errors = String::from_utf8(output.stderr).expect("text");
    assert!(
        errors.contains(r"\x1b]0;owned\x07\u{202e}.pcap"),
        "{errors:?}"
    );
}

#[test]
fn csv_is_utf_8_and_its_values_are_told_apart() {
    let folder = dns_with(b"a-b\xff(\\");
    let (code, text, _) = run(&format!(
        "-r {} -select Questions -quiet",
        folder.path().join("DNS.ncap").display()
    ));
    assert_eq!(
        (code, text.as_str()),
        (0, "Questions\n('a-b\\xff(\\\\'-0-1)\n")
    );
}

#[test]
fn tables_are_as_wide_as_the_terminal() {
    let records = records_of("example.pcap");
    let file = records.path().join("ARP.ncap.gz");
    let text = shown(&format!("-r {} -table", file.display()), 40);
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 7);
    for line in lines {
        assert!(line.chars().count() == 40 && line.ends_with('…'), "{line}");
    }
    let whole = shown(&format!("-r {} -table", file.display()), 1000);
    assert!(!whole.contains('…'), "{whole}");
}

#[test]
fn fields_are_chosen_in_every_case_and_layout() {
    let records = records_of("example.pcap");
    let file = records.path().join("ARP.ncap.gz");
    let printed = |flags: &str| run(&format!("-r {} -quiet {flags}", file.display())).1;
    let json = printed("-json -select operation,TIMESTAMP,Operation");
    assert_eq!(
        json.lines().next(),
        Some("{\"Operation\":1,\"Timestamp\":\"1600000000.046461\"}")
    );
    assert_eq!(printed("-count 1 -json").lines().count(), 1);
    assert_eq!(printed("-count 0").lines().count(), 1);
    let of_capture = format!(
        "-r {} -include arp -out - -quiet",
        capture("example.pcap").display()
    );
    let selected = format!("{of_capture} -json -select operation,timestamp");
    assert_eq!(run(&selected).1, json);
    let (code, _, errors) = run(&format!("{of_capture} -json -select frobnicate"));
    assert!(code == 1 && errors.contains("available fields"), "{errors}");
    // What is no column unless it is selected stands in a line of its own.
    let fields = printed("-fields");
    let lines: Vec<&str> = fields.lines().collect();
    assert_eq!(lines.len(), 2, "{fields}");
    assert!(lines[0].starts_with("Timestamp,AddrType,"));
    assert!(
        lines[1].split(',').all(|name| name.starts_with('+')),
        "{fields}"
    );
    let names = lines[1].replace('+', "");
    assert!(printed(&format!("-select {names}")).starts_with(&names));
}

#[test]
fn records_come_by_standard_input_too() {
    let records = records_of("example.pcap");
    for file in ["ARP.ncap.gz", "TCP.ncap.gz"] {
        let file = records.path().join(file);
        let expected = run(&format!("-r {}", file.display()));
        assert_eq!(run_with_input("-r -", &file), expected);
    }
    let out = tempfile::tempdir().expect("a directory");
    let args = format!("-r - -out {}", out.path().display());
    // Where a flag says that a capture comes, the cause and the remedy are named.
    let (code, _, errors) = run_with_input(&args, &records.path().join("ARP.ncap.gz"));
    assert!(
        code == 3 && errors.contains("-: audit records, no packets; to print them"),
        "{code} {errors}"
    );
    assert_eq!(run_with_input(&args, &capture("example.pcap")).0, 0);
    assert!(Path::new(&out.path().join("ARP.ncap.gz")).exists());
}
