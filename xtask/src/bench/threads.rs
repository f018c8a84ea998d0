//! `cargo xtask threads`: how the CPU time of netcap divides among its threads.
//!
//! No thread may have so large a share that more cores are of no use: there is one sequencer, and as
//! many workers as asked for, who also read the file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::tools::Places;
use super::{build_netcap, capture};
use crate::Command;
use crate::arguments::{Arguments, Size};
use crate::traffic::Profile;

pub(crate) const COMMAND: Command = Command {
    name: "threads",
    usage: "[--size 300MB] [--profiles mixed,small] [--workers 2,16]",
    help: "Measure the CPU time of netcap by thread, with gzip and without.",
    run,
};

/// How often threads are looked at; what they do after the last look is missed.
const INTERVAL: Duration = Duration::from_millis(2);

/// Nanoseconds on a processor, by the name of the thread: `netcap`, `worker 0`.
type Times = BTreeMap<String, u64>;

fn run(mut arguments: Arguments) -> Result<()> {
    let size = arguments.parsed("--size", Size(300_000_000))?;
    let list = |option: Option<String>, default: &str| option.unwrap_or_else(|| default.to_owned());
    let profiles = list(arguments.option("--profiles")?, "mixed,small");
    let workers = list(arguments.option("--workers")?, "2,16");
    arguments.finish()?;
    let places = Places::find(build_netcap())?;
    let netcap = places.netcap.as_ref().context("netcap cannot be built")?;
    println!("| capture | output | workers | CPU s | sequencer | largest worker |");
    println!("|---|---|--:|--:|--:|--:|");
    for profile in profiles.split(',') {
        let kind: Profile = profile.parse()?;
        let capture = capture(&places, kind, size)?;
        for is_compressed in [true, false] {
            for workers in workers.split(',') {
                let workers: u16 = workers
                    .parse()
                    .with_context(|| format!("--workers {workers}"))?;
                let times = measure(netcap, &capture.path, workers, is_compressed)?;
                let output = if is_compressed {
                    "gzip"
                } else {
                    "uncompressed"
                };
                println!("| {profile} | {output} | {workers} | {}", shares(&times)?);
            }
        }
    }
    Ok(())
}

/// The times of all threads together, and the shares of some.
fn shares(times: &Times) -> Result<String> {
    let all: u64 = times.values().sum();
    ensure!(all > 0, "no thread was seen; the capture may be too small");
    let share = |nanos: u64| format!("{:.1} %", 100.0 * nanos as f64 / all as f64);
    let of = |name: &str| times.get(name).copied().unwrap_or_default();
    let workers = times.iter().filter(|(name, _)| name.starts_with("worker"));
    let largest = workers.map(|(_, nanos)| *nanos).max().unwrap_or_default();
    Ok(format!(
        "{:.2} | {} | {} |",
        all as f64 / 1e9,
        share(of("netcap")),
        share(largest)
    ))
}

/// Runs netcap with all record types, and watches its threads.
fn measure(netcap: &Path, capture: &Path, workers: u16, is_compressed: bool) -> Result<Times> {
    let out = tempfile::tempdir()?;
    let mut child = Process::new(netcap)
        .arg("-r")
        .arg(capture)
        .arg("-out")
        .arg(out.path())
        .args(["-quiet", "-workers", &workers.to_string()])
        .arg(format!("-comp={is_compressed}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| netcap.display().to_string())?;
    // By number, as several may have one name.
    let mut seen: BTreeMap<String, (String, u64)> = BTreeMap::new();
    let status = loop {
        look(child.id(), &mut seen);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(INTERVAL);
    };
    if !status.success() {
        bail!("{}: {status}", netcap.display());
    }
    Ok(seen.into_values().collect())
}

/// Notes what each thread of a process has used so far.
fn look(process: u32, seen: &mut BTreeMap<String, (String, u64)>) {
    let tasks = fs::read_dir(format!("/proc/{process}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        let read = |name: &str| fs::read_to_string(task.path().join(name));
        // Time on a processor, time waiting for one, and how often.
        let (Ok(name), Ok(times)) = (read("comm"), read("schedstat")) else {
            continue;
        };
        let nanos = times.split(' ').next().and_then(|nanos| nanos.parse().ok());
        if let Some(nanos) = nanos {
            let number = task.file_name().to_string_lossy().into_owned();
            seen.insert(number, (name.trim_end().to_owned(), nanos));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        let times = [("netcap", 5), ("worker 0", 65), ("worker 1", 30)];
        let times = times.map(|(name, nanos)| (name.to_owned(), nanos * 100_000_000));
        let text = shares(&Times::from(times)).expect("shares");
        assert_eq!(text, "10.00 | 5.0 % | 65.0 % |");
        assert!(shares(&Times::new()).is_err());
    }
}
