//! `cargo xtask corpus`: netcap on every capture of a folder, one process each.
//!
//! A capture fails if the program ends in a panic or by a signal, takes more than 10 s or 200 MB,
//! if the fates of its ledger do not add up, or if it counts other packets than the folder's
//! `INDEX.tsv` or, without one, `capinfos`. Input that is malformed or unknown is no failure: the
//! program says so and exits with 2 or 3.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{self, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::Command;
use crate::arguments::Arguments;
use crate::bench::{read_peak, repository};

pub(crate) const COMMAND: Command = Command {
    name: "corpus",
    usage: "DIR [--jobs 2] [--netcap target/release/netcap]",
    help: "Run netcap on every capture below DIR and print what fails.",
    run,
};

const MOST_TIME: Duration = Duration::from_secs(10);
const MOST_MEMORY: u64 = 200_000_000;
/// When a run is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a child is looked at; the kernel keeps its peak, so only the last interval is missed.
const INTERVAL: Duration = Duration::from_micros(500);
/// Exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

/// First octets of captures and of the compressed data they come in.
const MAGIC: [&[u8]; 12] = [
    b"\xa1\xb2\xc3\xd4",
    b"\xd4\xc3\xb2\xa1",
    b"\xa1\xb2\x3c\x4d",
    b"\x4d\x3c\xb2\xa1",
    b"\xa1\xb2\xcd\x34",
    b"\x34\xcd\xb2\xa1",
    b"\x0a\x0d\x0d\x0a",
    b"\x1f\x8b",
    b"\x28\xb5\x2f\xfd",
    b"\xfd7zXZ",
    b"BZh",
    b"\x04\x22\x4d\x18",
];

/// A capture and how many packets others find in it.
struct Capture {
    path: PathBuf,
    packets: Option<u64>,
}

/// What one run showed.
struct Outcome {
    status: ExitStatus,
    gave_up: bool,
    wall: Duration,
    peak: u64,
    ledger: Option<Ledger>,
    /// Last line of standard error.
    last_word: String,
}

/// The account that the program printed.
struct Ledger {
    packets: u64,
    fates: u64,
}

fn run(mut arguments: Arguments) -> Result<()> {
    let jobs = arguments
        .option("--jobs")?
        .unwrap_or_else(|| "2".to_owned());
    let jobs: usize = jobs.parse().with_context(|| format!("--jobs {jobs}"))?;
    ensure!(jobs > 0, "--jobs must be at least 1");
    let netcap = arguments.option("--netcap")?.map(PathBuf::from);
    let netcap = netcap.unwrap_or_else(|| repository().join("target/release/netcap"));
    let folder = PathBuf::from(arguments.positional("the folder of captures")?);
    arguments.finish()?;
    ensure!(
        netcap.is_file(),
        "{} is missing: cargo build --release --package netcap",
        netcap.display()
    );
    let captures = find(&folder)?;
    ensure!(!captures.is_empty(), "no captures in {}", folder.display());

    let next = AtomicUsize::new(0);
    let (sender, outcomes) = mpsc::channel();
    thread::scope(|scope| {
        for job in 0..jobs {
            let (netcap, captures, next, sender) = (&netcap, &captures, &next, sender.clone());
            scope.spawn(move || {
                let scratch = std::env::temp_dir().join(format!("corpus.{}.{job}", process::id()));
                while let Some(capture) = captures.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = observe(netcap, &capture.path, &scratch);
                    let _ = sender.send((capture, outcome));
                }
                let _ = fs::remove_dir_all(&scratch);
            });
        }
        drop(sender);
        report(outcomes)
    })
}

/// The captures below a folder: those of its index, or those that look like one.
fn find(folder: &Path) -> Result<Vec<Capture>> {
    let index = folder.join("INDEX.tsv");
    if index.is_file() {
        return read_index(&index);
    }
    let mut captures = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if looks_like_a_capture(&path) {
                let packets = capinfos(&path);
                captures.push(Capture { path, packets });
            }
        }
    }
    captures.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(captures)
}

/// Reads the columns `file`, relative to the folder above the index's, and `packets`.
fn read_index(index: &Path) -> Result<Vec<Capture>> {
    let root = index
        .parent()
        .and_then(Path::parent)
        .context("the index has no folder above")?;
    let text = fs::read_to_string(index)?;
    let mut lines = text
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let header = lines.next().unwrap_or_default();
    let column = |name: &str| {
        let place = header.iter().position(|column| *column == name);
        place.with_context(|| format!("{} has no column {name}", index.display()))
    };
    let (file, packets) = (column("file")?, column("packets")?);
    let rows = lines.filter_map(|cells| {
        let path = root.join(cells.get(file)?);
        let packets = cells.get(packets).and_then(|cell| cell.parse().ok());
        Some(Capture {
            packets: packets.or_else(|| capinfos(&path)),
            path,
        })
    });
    Ok(rows.collect())
}

fn looks_like_a_capture(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(8).read_to_end(&mut head));
    read.is_ok() && MAGIC.iter().any(|magic| head.starts_with(magic))
}

/// What `capinfos` counts, if it is installed and reads the file to its end.
fn capinfos(path: &Path) -> Option<u64> {
    let output = process::Command::new("capinfos")
        .args(["-c", "-M", "-T", "-r", "-b"])
        .arg(path)
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    line.trim_end().rsplit('\t').next()?.parse().ok()
}

/// Runs the program on one capture. What it writes goes to a scratch folder.
fn observe(netcap: &Path, capture: &Path, scratch: &Path) -> Result<Outcome> {
    if scratch.exists() {
        fs::remove_dir_all(scratch)?;
    }
    fs::create_dir_all(scratch)?;
    let (stdout, stderr) = (scratch.join("stdout"), scratch.join("stderr"));
    let started = Instant::now();
    let mut child = process::Command::new(netcap)
        .arg("-r")
        .arg(capture)
        .arg("-out")
        .arg(scratch.join("records"))
        .args(["-workers", "1"])
        .stdin(Stdio::null())
        .stdout(File::create(&stdout)?)
        .stderr(File::create(&stderr)?)
        .spawn()
        .with_context(|| netcap.display().to_string())?;
    let (mut peak, mut gave_up) = (0, false);
    let status = loop {
        peak = read_peak(child.id()).unwrap_or(peak);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > PATIENCE && !gave_up {
            gave_up = true;
            child.kill()?;
        }
        thread::sleep(INTERVAL);
    };
    let wall = started.elapsed();
    let said = String::from_utf8_lossy(&fs::read(&stderr)?).into_owned();
    Ok(Outcome {
        status,
        gave_up,
        wall,
        peak,
        ledger: Ledger::parse(&String::from_utf8_lossy(&fs::read(&stdout)?)),
        last_word: said
            .trim_end()
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned(),
    })
}

impl Ledger {
    /// Reads the table of fates in what the program printed.
    fn parse(text: &str) -> Option<Ledger> {
        let mut rows = text.lines().skip_while(|line| !line.contains(" Fate "));
        rows.next()?;
        let mut fates = 0;
        for row in rows {
            let mut cells = row.split('|').skip(1);
            let (Some(name), Some(number)) = (cells.next(), cells.next()) else {
                continue;
            };
            let number: u64 = number.trim().replace(',', "").parse().ok()?;
            // The causes of a fate stand below it, indented.
            match name.strip_prefix(' ')? {
                name if name.starts_with("all packets") => {
                    return Some(Ledger {
                        packets: number,
                        fates,
                    });
                }
                name if name.starts_with(' ') => {}
                _ => fates += number,
            }
        }
        None
    }
}

impl Outcome {
    /// What is wrong with it.
    fn failures(&self, expected: Option<u64>) -> Vec<String> {
        let mut failures = Vec::new();
        let mut fail = |is_so: bool, what: String| {
            if is_so {
                failures.push(what);
            }
        };
        fail(
            self.status.code() == Some(PANICKED),
            format!("panic: {}", self.last_word),
        );
        if self.gave_up {
            fail(true, format!("did not end within {} s", PATIENCE.as_secs()));
        } else if let Some(signal) = self.status.signal() {
            fail(true, format!("signal {signal}"));
        }
        fail(
            self.wall > MOST_TIME,
            format!("{:.1} s", self.wall.as_secs_f64()),
        );
        fail(
            self.peak > MOST_MEMORY,
            format!("{:.0} MB", self.peak as f64 / 1e6),
        );
        match (&self.ledger, expected) {
            (Some(Ledger { packets, fates }), expected) => {
                fail(
                    packets != fates,
                    format!("{packets} packets have {fates} fates"),
                );
                let differs = expected.filter(|expected| expected != packets);
                let expected = differs.unwrap_or_default();
                fail(
                    differs.is_some(),
                    format!("{packets} packets, others find {expected}"),
                );
            }
            (None, Some(expected)) => {
                fail(
                    expected > 0,
                    format!("no ledger, others find {expected} packets"),
                );
            }
            (None, None) => {}
        }
        failures
    }
}

fn report(outcomes: mpsc::Receiver<(&Capture, Result<Outcome>)>) -> Result<()> {
    let (mut captures, mut failed, mut packets) = (0u64, 0u64, 0);
    let mut exits: BTreeMap<i32, u64> = BTreeMap::new();
    let mut slowest = (Duration::ZERO, PathBuf::new());
    let mut largest = (0, PathBuf::new());
    for (capture, outcome) in outcomes {
        let path = &capture.path;
        let outcome = outcome.with_context(|| path.display().to_string())?;
        captures += 1;
        packets += outcome.ledger.as_ref().map_or(0, |ledger| ledger.packets);
        *exits
            .entry(outcome.status.code().unwrap_or(-1))
            .or_default() += 1;
        slowest = slowest.max((outcome.wall, path.clone()));
        largest = largest.max((outcome.peak, path.clone()));
        let failures = outcome.failures(capture.packets);
        if !failures.is_empty() {
            failed += 1;
            let exit = outcome.status.code().unwrap_or(-1);
            println!(
                "{}: {} [exit {exit}] {}",
                path.display(),
                failures.join("; "),
                outcome.last_word
            );
        }
    }
    let exits: Vec<_> = exits
        .iter()
        .map(|(code, n)| format!("{n} with {code}"))
        .collect();
    println!(
        "{captures} captures with {packets} packets; exits: {}",
        exits.join(", ")
    );
    println!(
        "slowest: {:.2} s, {}",
        slowest.0.as_secs_f64(),
        slowest.1.display()
    );
    println!(
        "largest: {:.1} MB, {}",
        largest.0 as f64 / 1e6,
        largest.1.display()
    );
    if failed > 0 {
        bail!("{failed} of {captures} captures fail");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
        |  File  | Records |  Size  |\n\
        | ARP.ncap.gz | 6 | 457 B |\n\
        \n\
        +-------------------+----------+----------+\n\
        |       Fate        | Packets  |  Share   |\n\
        +-------------------+----------+----------+\n\
        | decoded           |   1,132  |  97.06%  |\n\
        | unknown protocol  |       4  |   2.94%  |\n\
        |   LLC SAP 0x42    |       4  |   2.94%  |\n\
        | all packets       |   1,137  | 100.00%  |\n\
        +-------------------+----------+----------+\n";

    #[test]
    fn the_table_of_fates_is_read() {
        let ledger = Ledger::parse(TABLE).expect("a ledger");
        assert_eq!((ledger.packets, ledger.fates), (1137, 1136));
        assert!(Ledger::parse("nothing of the kind").is_none());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let outcome = Outcome {
            status: ExitStatus::from_raw(PANICKED << 8),
            gave_up: false,
            wall: Duration::from_secs(11),
            peak: MOST_MEMORY + 1,
            ledger: Ledger::parse(TABLE),
            last_word: "ouch".to_owned(),
        };
        let expected = [
            "panic: ouch",
            "11.0 s",
            "200 MB",
            "1137 packets have 1136 fates",
            "1137 packets, others find 1138",
        ];
        assert_eq!(outcome.failures(Some(1138)), expected);
    }
}
