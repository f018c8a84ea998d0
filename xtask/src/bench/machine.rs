//! Where and of what a measurement was taken.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

/// The root of the repository that this program was built from.
pub(crate) fn repository() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// One line: processor, cores, system, commit, date, rounds.
pub(super) fn describe(rounds: usize) -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let system = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{model}, {cores} cores, {} {}; commit {}; {}; rounds: {rounds}",
        std::env::consts::OS,
        system.trim(),
        commit(),
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
    )
}

fn commit() -> String {
    let describe = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(repository())
        .output();
    match describe {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}
