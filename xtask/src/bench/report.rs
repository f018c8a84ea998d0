//! The measurements as Markdown, printed or put between two markers of a document.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::tools::{LIBDEFLATE, NETCAP_GZIP, NETCAP_PLAIN};
use super::{Row, Table};

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";
/// What a document that does not exist yet starts with.
const NEW_DOCUMENT: &str = "# Benchmarks\n\nWritten by `cargo xtask bench --out <this file>`.\n\n<!-- bench:begin -->\n<!-- bench:end -->\n";

const LEGEND: &str = "CPU: user and system seconds of the whole process per million packets, median of the rounds \
    (smallest to largest). MB/s: octets of the capture per second on the wall. Peak: resident memory in MB. \
    The last two columns divide a median by netcap's. Captures are synthetic and in the page cache; slow tools \
    get the first part of them, as their packets show.";

/// The whole report.
pub(super) fn markdown(machine: &str, tables: &[Table], memory: &[Row]) -> String {
    let mut out = format!("{machine}\n\n{LEGEND}\n");
    for table in tables {
        write_table(&mut out, table);
    }
    if !memory.is_empty() {
        write_memory(&mut out, memory);
    }
    out
}

fn write_table(out: &mut String, table: &Table) {
    let plain = median_of(table, NETCAP_PLAIN);
    let gzip = median_of(table, NETCAP_GZIP);
    line(out, format_args!("\n### {}\n", table.title));
    line(
        out,
        format_args!("| tool | packets | CPU | MB/s | peak | / netcap | / netcap gzip |"),
    );
    line(out, format_args!("|---|--:|--:|--:|--:|--:|--:|"));
    for row in table.rows.iter().filter(|row| !row.costs.is_empty()) {
        let cpu = Spread::of(row.cpu_per_million());
        line(
            out,
            format_args!(
                "| {} | {} | {:.3} ({:.3} to {:.3}) | {:.0} | {} | {} | {} |",
                row.title,
                row.capture.written.packets,
                cpu.median,
                cpu.min,
                cpu.max,
                Spread::of(row.megabytes_per_second()).median,
                row.peak(),
                ratio(cpu.median, plain),
                ratio(cpu.median, gzip),
            ),
        );
    }
    for row in &table.rows {
        if let Some(failure) = &row.failure {
            line(out, format_args!("\n{}: {failure}", row.title));
        }
        if row.title == LIBDEFLATE
            && let Some(sentence) = compression(row)
        {
            line(out, format_args!("\n{sentence}"));
        }
    }
}

fn write_memory(out: &mut String, rows: &[Row]) {
    line(
        out,
        format_args!("\n### Memory of netcap, one worker, gzip\n"),
    );
    line(
        out,
        format_args!("| capture | packets | CPU | peak |\n|---|--:|--:|--:|"),
    );
    for row in rows {
        let cpu = match &row.failure {
            Some(failure) => failure.clone(),
            None => format!("{:.3}", Spread::of(row.cpu_per_million()).median),
        };
        line(
            out,
            format_args!(
                "| {} | {} | {cpu} | {} |",
                row.title,
                row.capture.written.packets,
                row.peak()
            ),
        );
    }
}

/// Appends a line; a `String` takes all.
fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{text}");
}

impl Row {
    fn cpu_per_million(&self) -> impl Iterator<Item = f64> {
        let millions = self.capture.written.packets as f64 / 1e6;
        self.costs
            .iter()
            .map(move |cost| cost.cpu.as_secs_f64() / millions)
    }

    fn megabytes_per_second(&self) -> impl Iterator<Item = f64> {
        self.costs
            .iter()
            .map(|cost| self.capture.written.octets as f64 / 1e6 / cost.wall.as_secs_f64())
    }

    /// The highest peak of all rounds, in megabytes.
    fn peak(&self) -> String {
        match self.costs.iter().map(|cost| cost.peak).max() {
            None | Some(0) => "-".to_owned(),
            Some(octets) => format!("{:.1}", octets as f64 / 1e6),
        }
    }
}

/// What libdeflate did with the records, from what the `compress` child printed.
fn compression(row: &Row) -> Option<String> {
    let last = row.costs.last()?;
    let value = |name: &str| -> Option<f64> {
        last.output
            .split_whitespace()
            .find_map(|word| word.strip_prefix(name)?.parse().ok())
    };
    let (before, after) = (value("before=")?, value("after=")?);
    let speed = before / 1e6 / last.cpu.as_secs_f64();
    Some(format!(
        "{LIBDEFLATE}: {:.1} MB of records become {:.1} MB, ratio {:.2}, {speed:.0} MB per CPU second.",
        before / 1e6,
        after / 1e6,
        before / after,
    ))
}

fn median_of(table: &Table, tool: &str) -> Option<f64> {
    let row = table
        .rows
        .iter()
        .find(|row| row.title == tool && !row.costs.is_empty())?;
    Some(Spread::of(row.cpu_per_million()).median)
}

fn ratio(median: f64, reference: Option<f64>) -> String {
    reference.map_or_else(
        || "-".to_owned(),
        |reference| format!("{:.2}", median / reference),
    )
}

/// The middle and the ends of some numbers.
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    /// The spread of at least one value.
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Self {
            min: sorted[0],
            median: (low + high) / 2.0,
            max: sorted[sorted.len() - 1],
        }
    }
}

/// Fails before anything is measured if the report could not be put into `path`.
pub(super) fn check(path: &Path) -> Result<()> {
    replaced(&read(path)?, "")
        .map(drop)
        .with_context(|| path.display().to_string())
}

/// Puts `text` between the markers of the document at `path`.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let document = replaced(&read(path)?, text)?;
    fs::write(path, document).with_context(|| format!("writing {}", path.display()))
}

fn read(path: &Path) -> Result<String> {
    if path.exists() {
        fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
    } else {
        Ok(NEW_DOCUMENT.to_owned())
    }
}

fn replaced(document: &str, text: &str) -> Result<String> {
    let missing = || format!("no {BEGIN} before {END}");
    let (before, rest) = document.split_once(BEGIN).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    Ok(format!(
        "{before}{BEGIN}\n\n{}\n\n{END}{after}",
        text.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let first = replaced(NEW_DOCUMENT, "one\n").expect("has markers");
        let second = replaced(&first, "two").expect("has markers");
        assert!(
            first.contains("\n\none\n\n")
                && second.contains("\n\ntwo\n\n")
                && !second.contains("one")
        );
        assert!(second.starts_with("# Benchmarks") && second.ends_with("<!-- bench:end -->\n"));
        assert!(replaced("no markers", "x").is_err());
    }

    #[test]
    fn spreads() {
        let spread = Spread::of([3.0, 1.0, 2.0, 10.0].into_iter());
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.5, 10.0));
    }
}
