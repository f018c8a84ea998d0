//! `cargo xtask bench`: what netcap costs beside other tools, on captures made for it.
//!
//! Seconds depend on the machine and on what else it does, so every tool runs once per round and
//! ratios within one run are what to compare. Costs are CPU seconds of whole processes.

mod machine;
mod measure;
mod report;
pub(crate) mod threads;
mod tools;

use std::path::PathBuf;
use std::process::{self, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::arguments::{Arguments, Size};
use crate::capture_file::{self, Written};
use crate::traffic::{DEFAULT_SEED, Profile};
use crate::{Command, slice_headers};

pub(crate) use machine::repository;
use measure::Cost;
pub(crate) use measure::read_peak;
use tools::{Places, Tool};

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    usage: "[--size 100MB] [--rounds 5] [--profiles mixed,small,large] [--memory] [--out FILE]",
    help: "Measure netcap and its peers; --memory adds peak memory up to 1GB, \
           --out writes the tables between the markers in FILE.",
    run,
};

/// The captures of the memory series.
const MEMORY_SERIES: [(Profile, Size); 4] = [
    (Profile::Mixed, Size(100_000_000)),
    (Profile::Mixed, Size(300_000_000)),
    (Profile::Mixed, Size(1_000_000_000)),
    (Profile::ManyFlows, Size(300_000_000)),
];

/// What the command line asks for.
struct Options {
    size: Size,
    rounds: usize,
    profiles: Vec<Profile>,
    memory: bool,
    out: Option<PathBuf>,
}

impl Options {
    fn read(mut arguments: Arguments) -> Result<Self> {
        let rounds = arguments
            .option("--rounds")?
            .unwrap_or_else(|| "5".to_owned());
        let profiles = arguments
            .option("--profiles")?
            .unwrap_or_else(|| "mixed,small,large".to_owned());
        let options = Self {
            size: arguments.parsed("--size", Size(100_000_000))?,
            rounds: rounds
                .parse()
                .with_context(|| format!("--rounds {rounds}"))?,
            profiles: profiles.split(',').map(str::parse).collect::<Result<_>>()?,
            memory: arguments.flag("--memory"),
            out: arguments.option("--out")?.map(PathBuf::from),
        };
        arguments.finish()?;
        ensure!(options.rounds > 0, "--rounds must be at least 1");
        Ok(options)
    }
}

/// A capture to measure with.
#[derive(Clone)]
struct Capture {
    path: PathBuf,
    written: Written,
}

/// What one tool did on one capture.
struct Row {
    title: String,
    capture: Capture,
    costs: Vec<Cost>,
    /// Why there are no costs, or fewer.
    failure: Option<String>,
}

impl Row {
    fn new(title: &str, capture: Capture) -> Self {
        Self {
            title: title.to_owned(),
            capture,
            costs: Vec::new(),
            failure: None,
        }
    }

    /// Runs `tool` once more.
    fn add(&mut self, tool: &Tool) {
        match tool.run(&self.capture.path) {
            Ok(cost) => self.costs.push(cost),
            Err(error) => self.failure = Some(format!("{error:#}")),
        }
    }
}

/// All rows of one profile.
struct Table {
    title: String,
    rows: Vec<Row>,
}

fn run(arguments: Arguments) -> Result<()> {
    let options = Options::read(arguments)?;
    if cfg!(debug_assertions) {
        bail!(
            "measuring needs `cargo run --release --package xtask`, which `cargo xtask` is short for"
        );
    }
    if let Some(out) = &options.out {
        report::check(out)?;
    }
    let places = Places::find(build_netcap())?;

    let mut tables = Vec::new();
    for &profile in &options.profiles {
        tables.push(measure_profile(&places, profile, &options)?);
    }
    let memory = if options.memory {
        measure_memory(&places)?
    } else {
        Vec::new()
    };

    let text = report::markdown(&machine::describe(options.rounds), &tables, &memory);
    println!("{text}");
    match &options.out {
        Some(out) => report::write(out, &text),
        None => Ok(()),
    }
}

/// Brings `netcap` up to date, and says whether that worked: an old one is not measured.
fn build_netcap() -> bool {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = process::Command::new(cargo)
        .args(["build", "--release", "--quiet", "--package", "netcap"])
        .stdin(Stdio::null())
        .current_dir(machine::repository())
        .status();
    build.is_ok_and(|status| status.success())
}

/// Runs all tools in turn, as often as there are rounds.
fn measure_profile(places: &Places, profile: Profile, options: &Options) -> Result<Table> {
    let whole = capture(places, profile, options.size)?;
    let tools = tools::all(places);
    let mut rows = Vec::new();
    for tool in &tools {
        let limit = tool.limit.map(|limit| limit.size(&whole.written));
        let capture = match limit {
            Some(limit) if limit < options.size => capture(places, profile, limit)?,
            _ => whole.clone(),
        };
        rows.push(Row::new(&tool.name, capture));
    }
    for round in 0..options.rounds {
        for (tool, row) in tools.iter().zip(&mut rows) {
            if round < tool.rounds && row.failure.is_none() {
                eprintln!("{} round {}: {}", profile.name(), round + 1, tool.name);
                row.add(tool);
            }
        }
    }
    let Written { packets, .. } = whole.written;
    let title = format!(
        "{}: {}, {packets} packets, mean {:.0} octets",
        profile.name(),
        options.size,
        whole.written.mean()
    );
    Ok(Table { title, rows })
}

/// Runs netcap, compressing, once on captures of growing size.
fn measure_memory(places: &Places) -> Result<Vec<Row>> {
    let netcap = tools::netcap(places, tools::NETCAP_GZIP, tools::Compression::Gzip, &[]);
    let mut rows = Vec::new();
    for (profile, size) in MEMORY_SERIES {
        eprintln!("memory: {} {size}", profile.name());
        let capture = capture(places, profile, size)?;
        let mut row = Row::new(&format!("{}, {size}", profile.name()), capture);
        row.add(&netcap);
        rows.push(row);
    }
    Ok(rows)
}

/// The kept capture with its number of packets; counting them also brings it into the page cache.
fn capture(places: &Places, profile: Profile, size: Size) -> Result<Capture> {
    let path = capture_file::kept(&places.captures, profile, size, DEFAULT_SEED)?;
    let file = std::fs::File::open(&path).with_context(|| path.display().to_string())?;
    let sum = slice_headers::slice_all(file).with_context(|| path.display().to_string())?;
    Ok(Capture {
        path,
        written: Written {
            packets: sum.packets,
            octets: sum.octets,
        },
    })
}
