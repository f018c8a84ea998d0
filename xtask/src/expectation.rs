//! What a capture of `tests/captures` becomes, as text: its records as CSV and its ledger.
//!
//! `cargo xtask bless` writes these texts beside the captures; the golden test of `netcap` includes
//! this file and compares.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use netcap_dissect::Selection;
use netcap_pipeline::{Config, Csv, FileConfig, Files, FragmentLedger, Ledger, StreamLedger, run};

/// Every capture of a directory, by name.
pub(crate) fn captures(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut captures = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = name_of(&path);
        if name.contains(".pcap") && !name.ends_with(".expect") {
            captures.push(path);
        }
    }
    captures.sort();
    Ok(captures)
}

/// Where the expectation of a capture is kept. The captures `mixed.*` hold the same packets in
/// different formats and share one, but for the one whose frames are longer by a checksum.
pub(crate) fn place(capture: &Path) -> PathBuf {
    let name = name_of(capture);
    let shared = match name.as_str() {
        "mixed.fcs.pcap" => "mixed.fcs.pcap",
        name if name.starts_with("mixed.") => "mixed.pcap",
        name => name,
    };
    capture.with_file_name(format!("{shared}.expect"))
}

/// The last part of a path.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The files that a directory holds.
pub(crate) fn files(directory: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        files.insert(name_of(&path), fs::read(&path)?);
    }
    Ok(files)
}

/// What a capture becomes: `<Type>.csv` for each record type in it, and `ledger.txt`.
pub(crate) fn render(capture: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let source = match netcap_capture::open(capture) {
        Ok(source) => source,
        Err(error) => {
            let text = format!("trouble: {}\n", without_directory(&error, capture));
            return Ok(BTreeMap::from([(
                "ledger.txt".to_owned(),
                text.into_bytes(),
            )]));
        }
    };
    let registry = netcap_pipeline::registry(&Selection::default()).map_err(io::Error::other)?;
    let directory = tempfile::tempdir()?;
    let config = FileConfig {
        encoding: Arc::new(Csv::default()),
        compress: false,
        ..FileConfig::new(directory.path())
    };
    let mut outlet = Files::new(config, &registry).map_err(io::Error::other)?;
    let (config, stop) = (Config::default(), Arc::default());
    let report = run(source, &registry, &config, &mut outlet, &stop, &mut |_| {})
        .map_err(io::Error::other)?;
    let mut ledger = ledger_text(&report.ledger);
    if let Some(error) = report.trouble {
        ledger.push_str(&format!(
            "trouble: {}\n",
            without_directory(&error, capture)
        ));
    }
    let mut files = files(directory.path())?;
    files.retain(|name, _| name.ends_with(".csv"));
    files.insert("ledger.txt".to_owned(), ledger.into_bytes());
    Ok(files)
}

/// An error about a capture, the same wherever the project lies.
fn without_directory(error: &netcap_capture::Error, capture: &Path) -> String {
    let path = capture.display().to_string();
    error.to_string().replace(&path, &name_of(capture))
}

/// The ledger: the packets, then a line for each other count that is not zero.
fn ledger_text(ledger: &Ledger) -> String {
    let mut text = format!("packets: {}\n", ledger.packets);
    let mut line = |name: &str, count: u64| {
        if count > 0 {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}: {count}");
        }
    };
    line("decoded", ledger.decoded);
    for (selector, count) in &ledger.unknown {
        line(&format!("unknown {selector}"), *count);
    }
    for ((protocol, reason), count) in &ledger.malformed {
        line(&format!("malformed {protocol}, {}", reason.name()), *count);
    }
    for ((protocol, reason), count) in &ledger.cut_short {
        line(&format!("cut short {protocol}, {}", reason.name()), *count);
    }
    for (number, count) in &ledger.unsupported_link {
        line(&format!("unsupported link type {number}"), *count);
    }
    line("filtered", ledger.filtered);
    line("records", ledger.records);
    let FragmentLedger {
        fragments,
        completed,
        duplicates,
        conflicts,
        refused,
        discarded,
        expired,
        evicted,
        incomplete,
        cut,
    } = ledger.fragments;
    line("fragments", fragments);
    line("fragments: datagrams completed", completed);
    line("fragments: duplicates", duplicates);
    line("fragments: conflicts", conflicts);
    line("fragments: refused", refused);
    line("fragments: datagrams discarded", discarded);
    line("fragments: datagrams expired", expired);
    line("fragments: datagrams evicted", evicted);
    line("fragments: datagrams incomplete", incomplete);
    line("fragments: cut by the capture", cut);
    stream_lines(&ledger.streams, &mut line);
    if !ledger.balances() {
        text.push_str("THE LEDGER DOES NOT BALANCE\n");
    }
    text
}

/// What became of the TCP segments, where there are streams.
fn stream_lines(ledger: &StreamLedger, line: &mut impl FnMut(&str, u64)) {
    let counts = [
        ("", ledger.streams),
        (": without a SYN", ledger.picked_up),
        (": octets", ledger.octets),
        (": segments out of order", ledger.out_of_order_segments),
        (": octets retransmitted", ledger.retransmitted_octets),
        (": octets overlapping", ledger.overlapping_octets),
        (": octets in conflict", ledger.conflicting_octets),
        (": gaps", ledger.gaps),
        (": octets missing", ledger.gap_octets),
        (": gaps for want of room", ledger.gaps_for_room),
        (": gaps after the time-out", ledger.gaps_for_time),
        (": octets late", ledger.late_octets),
        (": octets after the end", ledger.after_end_octets),
        (": octets outside the window", ledger.outside_octets),
        (": keep-alives", ledger.keep_alives),
        (": resets", ledger.resets),
        (": octets in resets", ledger.reset_octets),
        (": octets without ACK", ledger.without_ack_octets),
        (": evicted", ledger.evicted_streams),
    ];
    for (name, count) in counts {
        line(&format!("streams{name}"), count);
    }
    for (protocol, count) in &ledger.recognised {
        line(&format!("streams of {protocol}"), *count);
    }
    for ((protocol, reason), count) in &ledger.troubles {
        let reason = reason.name();
        line(
            &format!("malformed in streams: {protocol}, {reason}"),
            *count,
        );
    }
}
