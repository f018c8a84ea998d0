//! What came of a collection, for the user to read.

use std::path::Path;
use std::time::Duration;

use crate::figures::{counted, grouped, size};
use netcap_capture::{LinkType, Origin};
use netcap_pipeline::{
    BodyLedger, FileReport, Files, FragmentLedger, Ledger, PeriodLedger, Report, StreamLedger,
    Unwritten,
};
use netcap_record::table::{Colour, Table, visible};

/// Origins that are listed; the rest are added up.
const MOST_ORIGINS: usize = 20;

/// Kinds of trouble that are listed for each fate; the rest are added up.
const MOST_CAUSES: usize = 10;

/// Where records went.
#[derive(Clone, Copy)]
pub enum Destination<'a> {
    /// Files in a directory.
    Files(&'a Files, &'a Path),
    /// Elsewhere, in words: `written to standard output`.
    Elsewhere(&'a str),
}

/// Records of each type, where there are files of them, the ledger, what was written, and how long it
/// took.
pub fn summary(
    report: &Report,
    destination: Destination<'_>,
    elapsed: Duration,
    colours: bool,
) -> String {
    let ledger = &report.ledger;
    let outlet = match destination {
        Destination::Files(files, _) => Some(files),
        Destination::Elsewhere(_) => None,
    };
    let written = outlet.map(Files::reports).unwrap_or_default();
    let periods = outlet.map(Files::periods).unwrap_or_default();
    let mut text = String::new();
    if !written.is_empty() {
        text.push_str(&file_table(&written));
    }
    text.push_str(&fates(ledger, colours));
    text.push('\n');

    let octets = written.iter().map(|file| file.octets).sum();
    let seconds = elapsed.as_secs_f64();
    let per_second = |n: u64| (n as f64 / seconds.max(1e-6)) as u64;
    if ledger.fragments != FragmentLedger::default() {
        text.push_str(&fragments(&ledger.fragments));
    }
    if ledger.flows_evicted > 0 {
        text.push_str(&format!(
            "{} ended early for want of room (-max-flows)\n",
            counted(ledger.flows_evicted, "flows")
        ));
    }
    if ledger.streams.streams > 0 {
        text.push_str(&streams(&ledger.streams));
    }
    if ledger.bodies != BodyLedger::default() {
        text.push_str(&bodies(&ledger.bodies));
    }
    text.push_str(&origins(&ledger.origins));
    let names = written.len();
    let files = match periods.periods {
        0 => counted(names as u64, "files"),
        n => format!(
            "{} of up to {}",
            counted(n, "periods"),
            counted(names as u64, "files")
        ),
    };
    let records = counted(ledger.records, "records");
    text.push_str(&match destination {
        Destination::Files(_, directory) => format!(
            "{records}, {} in {files}, written to {}\n",
            size(octets),
            directory.display()
        ),
        Destination::Elsewhere(place) => format!("{records}, {place}\n"),
    });
    text.push_str(&removed(&periods));
    if let Some(unwritten) = outlet.map(Files::unwritten) {
        text.push_str(&lost(unwritten));
    }
    text.push_str(&format!(
        "{}, {}, in {seconds:.2} s: {} packets/s, {}/s\n",
        counted(ledger.packets, "packets"),
        size(ledger.octets),
        grouped(per_second(ledger.packets)),
        size(per_second(ledger.octets))
    ));
    text
}

/// Where the packets came from, and what was lost there: a line for each.
fn origins(origins: &[Origin]) -> String {
    let mut text = String::new();
    let mut line = |name: &str, packets, octets, lost, events: &[(&str, u64)], trouble| {
        text.push_str(&format!(
            "{}: {}, {}, {} dropped",
            visible(name.as_bytes()),
            counted(packets, "packets"),
            size(octets),
            grouped(lost)
        ));
        for (event, count) in events {
            text.push_str(&format!(", {}", counted(*count, event)));
        }
        if let Some(trouble) = trouble {
            text.push_str(&format!("; ended early: {trouble}"));
        }
        text.push('\n');
    };
    for origin in origins.iter().take(MOST_ORIGINS) {
        let (packets, octets) = (origin.packets, origin.octets);
        let (lost, trouble) = (origin.lost, origin.trouble.as_ref());
        line(&origin.name, packets, octets, lost, &origin.events, trouble);
    }
    let others = origins.get(MOST_ORIGINS..).unwrap_or_default();
    if !others.is_empty() {
        let sum = |count: fn(&Origin) -> u64| others.iter().map(count).sum();
        let name = counted(others.len() as u64, "others");
        let octets = sum(|origin| origin.octets);
        line(
            &name,
            sum(|o| o.packets),
            octets,
            sum(|o| o.lost),
            &[],
            None,
        );
    }
    text
}

/// What the limit on the disk has cost.
fn removed(ledger: &PeriodLedger) -> String {
    let mut text = String::new();
    if ledger.removed > 0 {
        text.push_str(&format!(
            "the oldest {}, {}, removed (-disk-limit)\n",
            counted(ledger.removed, "periods"),
            size(ledger.removed_octets)
        ));
    }
    if ledger.stuck > 0 {
        text.push_str(&format!(
            "{} of the oldest could not be removed; see who may write there\n",
            counted(ledger.stuck, "periods")
        ));
    }
    text
}

/// What could not be written.
fn lost(unwritten: &Unwritten) -> String {
    match &unwritten.why {
        None => String::new(),
        Some(why) => {
            let records = counted(unwritten.records, "records");
            let packets = match unwritten.packets {
                0 => String::new(),
                packets => format!(
                    "; {} came while nothing could be written",
                    counted(packets, "packets")
                ),
            };
            format!("{records} are in no file: {why}{packets}\n")
        }
    }
}

/// The files with the records in them.
fn file_table(written: &[FileReport]) -> String {
    let rows = written.iter().map(|file| {
        let is_records = !file.record_type.is_empty();
        let count = if is_records {
            grouped(file.records)
        } else {
            String::new()
        };
        let row = [file.name.clone(), count, size(file.octets)];
        (None, row)
    });
    right_aligned(["File", "Records", "Size"], rows.collect())
}

/// What became of the packets: they all are in this table, each once.
fn fates(ledger: &Ledger, colours: bool) -> String {
    let unknown = causes(ledger.unknown.iter(), |selector| selector.to_string());
    let links = causes(ledger.unsupported_link.iter(), |number| {
        format!("link type {}", LinkType(*number))
    });
    let malformed = causes(ledger.malformed.iter(), |(protocol, reason)| {
        format!("{protocol}: {}", reason.name())
    });
    let cut = causes(ledger.cut_short.iter(), |(protocol, reason)| {
        format!("{protocol}: {}", reason.name())
    });
    let fates = [
        ("decoded", None, ledger.decoded, Vec::new()),
        ("filtered", None, ledger.filtered, Vec::new()),
        (
            "unknown protocol",
            Some(Colour::Yellow),
            ledger.unknown.values().sum(),
            unknown,
        ),
        (
            "unknown link type",
            Some(Colour::Yellow),
            ledger.unsupported_link.values().sum(),
            links,
        ),
        (
            "malformed",
            Some(Colour::Red),
            ledger.malformed.values().sum(),
            malformed,
        ),
        (
            "cut by the capture",
            Some(Colour::Yellow),
            ledger.cut_short.values().sum(),
            cut,
        ),
    ];
    let row = |name: String, packets: u64| {
        let share = 100.0 * packets as f64 / ledger.packets.max(1) as f64;
        [name, grouped(packets), format!("{share:.2}%")]
    };
    let mut rows = Vec::new();
    for (name, colour, packets, causes) in fates {
        if packets > 0 {
            rows.push((colour.filter(|_| colours), row(name.to_owned(), packets)));
        }
        for (cause, packets) in causes {
            rows.push((None, row(format!("  {cause}"), packets)));
        }
    }
    rows.push((None, row("all packets".to_owned(), ledger.packets)));
    right_aligned(["Fate", "Packets", "Share"], rows)
}

/// The causes of a fate, the most frequent first.
fn causes<'a, K: 'a>(
    counts: impl Iterator<Item = (&'a K, &'a u64)>,
    name: impl Fn(&K) -> String,
) -> Vec<(String, u64)> {
    let mut causes: Vec<_> = counts.map(|(key, count)| (name(key), *count)).collect();
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if causes.len() > MOST_CAUSES {
        let rest = causes.split_off(MOST_CAUSES - 1);
        let total = rest.iter().map(|(_, count)| count).sum();
        causes.push((counted(rest.len() as u64, "others"), total));
    }
    causes
}

/// What became of the fragments, in one line.
fn fragments(ledger: &FragmentLedger) -> String {
    let others = [
        (ledger.duplicates, "duplicates"),
        (ledger.conflicts, "contradicting others"),
        (ledger.refused, "impossible"),
        (ledger.cut, "cut by the capture"),
        (ledger.discarded, "datagrams discarded for overlaps"),
        (ledger.expired, "datagrams too late"),
        (ledger.evicted, "datagrams without room"),
        (ledger.incomplete, "datagrams incomplete"),
    ];
    let mut line = format!(
        "{}: {} made whole",
        counted(ledger.fragments, "fragments"),
        counted(ledger.completed, "datagrams")
    );
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        line.push_str(&format!(", {}", counted(count, what)));
    }
    line.push('\n');
    line
}

/// What became of the TCP segments: one line, and those counts of trouble that are not zero.
fn streams(ledger: &StreamLedger) -> String {
    let others = [
        (ledger.picked_up, "picked up mid-way"),
        (ledger.gaps, "gaps"),
        (ledger.gap_octets, "octets missing"),
        (ledger.retransmitted_segments, "segments sent again"),
        (ledger.out_of_order_segments, "segments early"),
        (ledger.conflicting_octets, "octets contradicting others"),
        (ledger.late_octets, "octets late"),
        (ledger.after_end_octets, "octets after the end of a stream"),
        (
            ledger.outside_octets,
            "octets outside of what a receiver accepts",
        ),
        (ledger.reset_octets, "octets in resets"),
        (ledger.without_ack_octets, "octets in segments without ACK"),
        (ledger.refused_octets, "octets on SYNs that were refused"),
        (ledger.resets, "resets"),
        (
            ledger.evicted_streams,
            "streams ended early for want of room (-max-streams)",
        ),
        (
            ledger.evicted_octets,
            "octets given up for want of room (-stream-memory)",
        ),
    ];
    let mut line = format!(
        "{} TCP stream{}: {} put together of {}",
        grouped(ledger.streams),
        if ledger.streams == 1 { "" } else { "s" },
        size(ledger.octets),
        counted(ledger.segments, "segments")
    );
    for (name, count) in &ledger.recognised {
        line.push_str(&format!(", {} {name}", grouped(*count)));
    }
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        line.push_str(&format!(", {}", counted(count, what)));
    }
    line.push('\n');
    let troubles = causes(ledger.troubles.iter(), |(protocol, reason)| {
        format!("{protocol}: {}", reason.name())
    });
    for (trouble, count) in troubles {
        line.push_str(&format!("  {trouble} in {}\n", counted(count, "messages")));
    }
    line
}

/// What became of the bodies of responses, in one line.
fn bodies(ledger: &BodyLedger) -> String {
    let others = [
        (ledger.partial, "of them partial"),
        (ledger.encoded, "in a coding that was not taken off"),
        (ledger.undecodable, "contradicting their coding"),
        (ledger.too_long, "cut at the size of a file (-files-size)"),
        (
            ledger.no_room,
            "cut or left out for want of room (-files-total)",
        ),
        (ledger.too_many, "left out for their number (-files-count)"),
        (ledger.crowded_out, "cut because too many came at a time"),
        (
            ledger.unwritten,
            "cut or left out as they could not be written",
        ),
    ];
    let mut line = format!(
        "{} kept, {}",
        match ledger.files {
            1 => "1 body".to_owned(),
            n => format!("{} bodies", grouped(n)),
        },
        size(ledger.octets)
    );
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        line.push_str(&format!(", {}", counted(count, what)));
    }
    if let Some(why) = &ledger.why {
        line.push_str(&format!(" ({why})"));
    }
    line.push('\n');
    line
}

/// A table with all columns but the first aligned on the right.
fn right_aligned<const N: usize>(
    header: [&str; N],
    rows: Vec<(Option<Colour>, [String; N])>,
) -> String {
    let mut widths = header.map(str::len);
    for (_, row) in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut table = Table::new(header);
    for (colour, mut row) in rows {
        for (cell, width) in row.iter_mut().zip(widths).skip(1) {
            *cell = format!("{cell:>width$}");
        }
        match colour {
            Some(colour) => table.coloured_row(colour, row),
            None => table.row(row),
        }
    }
    table.render()
}
