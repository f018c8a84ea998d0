//! What a child process costs: CPU time, time on the wall, memory at its peak.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// How often the peak is read: seldom in the long run, so that reading costs nothing, and often at
/// first, as some children live for milliseconds. The kernel keeps the peak, so only the last
/// interval can be missed.
const FIRST_INTERVAL: Duration = Duration::from_micros(200);
const LAST_INTERVAL: Duration = Duration::from_millis(5);

/// The cost of one run.
pub(super) struct Cost {
    /// User and system time of the process, and of those that it waited for.
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
    /// Octets; 0 where the system does not tell, or nobody watched.
    pub(super) peak: u64,
    /// What it wrote to standard output, unless that was sent elsewhere.
    pub(super) output: String,
}

/// What is measured of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Measured {
    /// Time, by the system's own count when the process has ended.
    Time,
    /// Time, and the peak of memory, for which the process must be watched; that disturbs it.
    TimeAndPeak,
}

/// Runs `command` to its end. No other child may run at the same time.
pub(super) fn run(command: &mut Command, measured: Measured) -> Result<Cost> {
    let program = command.get_program().to_string_lossy().into_owned();
    let before = children_cpu()?;
    let start = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| anyhow!("{program}: {error}"))?;
    let id = child.id();
    let watch = (measured == Measured::TimeAndPeak).then(|| thread::spawn(move || watch_peak(id)));
    let output = child.wait_with_output()?;
    let wall = start.elapsed();
    let cpu = children_cpu()?.saturating_sub(before);
    let peak = match watch.map(thread::JoinHandle::join) {
        Some(peak) => peak.map_err(|_| anyhow!("reading the peak of {program} failed"))?,
        None => 0,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{}: {}",
            output.status,
            said.trim_end().lines().last().unwrap_or("no message")
        );
    }
    Ok(Cost {
        cpu,
        wall,
        peak,
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
    })
}

/// CPU time of all children that have been waited for.
fn children_cpu() -> Result<Duration> {
    let usage: Usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.unsigned_abs()))
}

/// Reads the high-water mark until the process ends, when the kernel drops it.
fn watch_peak(id: u32) -> u64 {
    let (mut peak, mut interval) = (0, FIRST_INTERVAL);
    while let Some(octets) = read_peak(id) {
        peak = octets;
        thread::sleep(interval);
        interval = LAST_INTERVAL.min(interval * 5 / 4);
    }
    peak
}

/// Octets at the high-water mark of a process that runs.
pub(crate) fn read_peak(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_costs_what_it_burns() {
        let mut busy = Command::new("sh");
        busy.args([
            "-c",
            "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done",
        ])
        .stdout(Stdio::piped());
        let cost = run(&mut busy, Measured::TimeAndPeak).expect("sh runs");
        assert_eq!(cost.output, "done\n");
        assert!(cost.cpu > Duration::from_millis(10), "{:?}", cost.cpu);
        assert!(
            !cfg!(target_os = "linux") || cost.peak > 100_000,
            "{}",
            cost.peak
        );
    }

    #[test]
    fn a_failure_keeps_the_last_word() {
        let mut fails = Command::new("sh");
        fails.args(["-c", "echo first >&2; echo why >&2; exit 3"]);
        let error = run(&mut fails, Measured::Time)
            .map(|cost| cost.cpu)
            .expect_err("it exits with 3")
            .to_string();
        assert!(error.contains('3') && error.ends_with("why"), "{error}");
    }
}
