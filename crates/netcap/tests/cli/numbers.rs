//! `-packet-numbers`: which packet a record is of, in files and in what is printed of them.

use std::fs;

use netcap::capture::libpcap;

use crate::run::{capture, run};

/// Runs with flags and captures, and gives the file of that name.
fn collected(flags: &str, captures: &[&str], file: &str) -> String {
    let out = tempfile::tempdir().expect("a directory");
    let inputs = captures
        .iter()
        .map(|name| format!("-r {}", capture(name).display()));
    let inputs = Vec::from_iter(inputs).join(" ");
    let path = out.path().display();
    let (code, _, errors) = run(&format!("{inputs} -out {path} -csv -comp=false {flags}"));
    assert_eq!(code, 0, "{flags}: {errors}");
    fs::read_to_string(out.path().join(file)).expect(file)
}

/// The last cells of all lines.
fn last(text: &str) -> Vec<&str> {
    let cells = text.lines().filter_map(|line| line.rsplit(',').next());
    cells.collect()
}

#[test]
fn csv_files_have_a_last_column_more() {
    let plain = collected("", &["example.pcap"], "ARP.csv");
    let numbered = collected("-packet-numbers", &["example.pcap"], "ARP.csv");
    assert_eq!(last(&numbered)[0], "PacketNumber");
    for (plain, numbered) in plain.lines().zip(numbered.lines()) {
        let rest = numbered.strip_prefix(plain).expect("the same columns");
        assert!(rest.starts_with(',') && rest.matches(',').count() == 1);
    }
    assert_eq!(plain.lines().count(), numbered.lines().count());
}

#[test]
fn record_files_show_it_on_request() {
    let out = tempfile::tempdir().expect("a directory");
    let (input, path) = (capture("example.pcap"), out.path().display());
    let (code, ..) = run(&format!(
        "-r {} -out {path} -packet-numbers",
        input.display()
    ));
    assert_eq!(code, 0);
    let print = |flags: &str| {
        let file = out.path().join("ARP.ncap.gz");
        let (code, text, errors) = run(&format!("-r {} {flags}", file.display()));
        assert_eq!(code, 0, "{flags}: {errors}");
        text
    };
    assert!(!print("").contains("PacketNumber"));
    let numbers = collected("-packet-numbers", &["example.pcap"], "ARP.csv");
    assert_eq!(print("-packet-numbers"), numbers);
    assert_eq!(last(&print("-fields -packet-numbers"))[0], "PacketNumber");
    let selected = print("-select PacketNumber,Timestamp");
    let (first, second) = (selected.lines().next(), selected.lines().nth(1));
    assert_eq!(first, Some("PacketNumber,Timestamp"));
    assert!(second.is_some_and(|line| line.starts_with(&format!("{},", last(&numbers)[1]))));
    let both = print("-select Timestamp -packet-numbers");
    assert_eq!(both.lines().next(), Some("Timestamp,PacketNumber"));
    let again = print("-select PacketNumber -packet-numbers");
    assert_eq!(again.lines().next(), Some("PacketNumber"));
    let number = last(&numbers)[1];
    assert!(print("-json").contains(&format!(",\"PacketNumber\":{number}}}\n")));
    assert!(print("-struc").contains(&format!("\nPacketNumber: {number}\n")));
}

#[test]
fn records_without_it_say_nothing_of_it() {
    let records = crate::run::records_of("example.pcap");
    let file = records.path().join("ARP.ncap.gz");
    let print = |flags: &str| run(&format!("-r {} {flags}", file.display())).1;
    assert!(!print("-json").contains("PacketNumber"));
    assert!(!print("-struc").contains("PacketNumber"));
    assert_eq!(
        last(&print("-packet-numbers")),
        ["PacketNumber", "0", "0", "0"]
    );
}

#[test]
fn a_filter_changes_no_number() {
    if let Err(error) = libpcap::version() {
        eprintln!("skipped: {error}");
        return;
    }
    let numbers = |flags: &str| collected(flags, &["example.pcap"], "DNS.csv");
    let filtered = numbers("-packet-numbers -bpf udp");
    assert_eq!(filtered, numbers("-packet-numbers"));
    assert!(last(&filtered)[1] != "1", "packets stand before the first");
}

#[test]
fn several_captures_are_counted_as_they_are_merged() {
    let alone = collected("-packet-numbers", &["arp.pcap"], "ARP.csv");
    let merged = collected("-packet-numbers", &["arp.pcap", "arp.pcap"], "ARP.csv");
    let [alone, merged] = [&alone, &merged].map(|text| last(text)[1..].to_vec());
    assert_eq!(
        alone,
        Vec::from_iter((1..=alone.len()).map(|n| n.to_string()))
    );
    assert_eq!(
        merged,
        Vec::from_iter((1..=merged.len()).map(|n| n.to_string()))
    );
    assert_eq!(merged.len(), 2 * alone.len());
}
