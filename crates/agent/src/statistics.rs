//! Load and memory of the machine: as records, as agents of 2025 send them once a second, and in full for the
//! extended stream.
//!
//! Guarantee: the octets of the records are those of such an agent on a little-endian machine, where the address
//! 1 is 1.0.0.0. Both lengths have 16 bits: of memory they wrap at 16 GiB.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::extended::Machine;
use crate::record::Record;

/// What the records have in place of a protocol: `any host internal protocol` (IANA).
const PROTOCOL: u8 = 61;
/// KiB that are one in the record of memory.
const UNIT: u64 = 256;

/// The machine, watched.
#[derive(Debug)]
pub struct Statistics {
    /// What the processors had worked when they were last looked at, as records have it, and in full.
    busy: u64,
    ticks: Ticks,
}

/// Ticks of all processors (proc(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks {
    all: u64,
    /// Those in which there was nothing to do, or only to wait for devices.
    idle: u64,
}

impl Statistics {
    /// Begins to watch.
    ///
    /// # Errors
    ///
    /// The system does not tell, or not as Linux does (proc(5)).
    pub fn new() -> io::Result<Statistics> {
        Ok(Statistics {
            busy: busy_now()?,
            ticks: read("/proc/stat", ticks)?,
        })
    }

    /// How it is now: of the load since the last time, and of memory, as records and for the extended stream.
    ///
    /// # Errors
    ///
    /// As [`Statistics::new`].
    pub fn sample(&mut self) -> io::Result<([Record; 2], Machine)> {
        let (before, now) = (self.busy, busy_now()?);
        self.busy = now;
        let memory = read("/proc/meminfo", used)?;
        let load = now.saturating_sub(before);
        let records = [
            record(1, u32::MAX, load),
            record(2, u32::MAX - 1, memory / UNIT),
        ];
        let in_all = read("/proc/stat", ticks)?;
        let machine = Machine {
            busy: percent(self.ticks, in_all),
            memory: read("/proc/meminfo", unavailable)?,
        };
        self.ticks = in_all;
        Ok((records, machine))
    }
}

/// A record as others recognise it: by its number, twice, and its flow.
fn record(number: u8, flow_id: u32, length: u64) -> Record {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    let address = Ipv4Addr::new(number, 0, 0, 0);
    Record {
        seconds: now.as_secs() as u32,
        microseconds: now.subsec_micros(),
        source: address,
        destination: address,
        source_port: number.into(),
        destination_port: number.into(),
        length: length as u16,
        flow_id,
        protocol: PROTOCOL,
        flags: 0,
    }
}

fn busy_now() -> io::Result<u64> {
    read("/proc/stat", busy)
}

fn read<T>(path: &str, parse: impl Fn(&str) -> Option<T>) -> io::Result<T> {
    let text = fs::read_to_string(path)?;
    parse(&text).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, format!("{path} is odd")))
}

/// Ticks that a processor has worked, on average: each kind divided before they are added up.
fn busy(text: &str) -> Option<u64> {
    let is_one = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
    let processors = text.lines().filter(is_one).count() as u64;
    let all = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let kinds = all
        .split_whitespace()
        .map(|ticks| ticks.parse::<u64>().ok());
    let kinds: Vec<u64> = kinds.collect::<Option<_>>()?;
    // In this order: user, nice, system, idle, iowait, irq, softirq.
    let worked = [0, 1, 2, 4, 5, 6].map(|kind| kinds.get(kind));
    worked
        .into_iter()
        .try_fold(0, |sum, ticks| Some(sum + ticks?.checked_div(processors)?))
}

/// Ticks of all processors: user, nice, system, idle, iowait, irq, softirq, steal; what guests take is in the
/// first two.
fn ticks(text: &str) -> Option<Ticks> {
    let all = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let kinds = all.split_whitespace().take(8).map(str::parse::<u64>);
    let kinds: Vec<u64> = kinds.collect::<Result<_, _>>().ok()?;
    Some(Ticks {
        all: kinds
            .iter()
            .fold(0, |sum: u64, ticks| sum.saturating_add(*ticks)),
        idle: kinds.get(3)?.saturating_add(*kinds.get(4)?),
    })
}

/// How much of the time between was worked, in percent of all processors.
fn percent(before: Ticks, now: Ticks) -> u16 {
    let all = now.all.saturating_sub(before.all);
    // The kernel's count of waiting may go back.
    let idle = now.idle.saturating_sub(before.idle).min(all);
    let busy = u128::from(all - idle) * 100;
    busy.checked_div(all.into()).unwrap_or_default() as u16
}

/// Octets of memory that nothing else could have: caches do not count.
fn unavailable(text: &str) -> Option<u64> {
    let of = |name: &str| {
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    let used = of("MemTotal")?.saturating_sub(of("MemAvailable")?);
    Some(used.saturating_mul(1024))
}

/// KiB of memory in use. Buffers and caches count as free where they stand right behind what is free;
/// Linux has had a line between since 3.14.
fn used(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    let mut next = |name: &str| {
        let value = lines.next()?.strip_prefix(name)?.strip_prefix(':')?;
        value.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    let mut used = next("MemTotal")?.saturating_sub(next("MemFree")?);
    for name in ["Buffers", "Cached", "SwapCached"] {
        let Some(cached) = next(name) else { break };
        used = used.saturating_sub(cached);
    }
    Some(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_those_of_others() {
        let octets = record(1, u32::MAX, 0x1_0064).encode();
        let expected = [
            1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0x64, 255, 255, 255, 255, 61, 0,
        ];
        assert_eq!(octets[8..], expected);
        let octets = record(2, u32::MAX - 1, 5).encode();
        let expected = [
            2, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 2, 0, 5, 255, 255, 255, 254, 61, 0,
        ];
        assert_eq!(octets[8..], expected);
    }

    #[test]
    fn kinds_of_work_are_divided_one_by_one() {
        let text = "cpu  5 3 7 100 9 1 1 50 0 0\ncpu0 1 2\ncpu1 3 4\nintr 1\n";
        assert_eq!(busy(text), Some(2 + 1 + 3 + 4));
        for wrong in [
            "",
            "cpu 1 2 3\ncpu0 1",
            "cpu 1 2 3 4 5 6 7",
            "cpu a\ncpu0 1",
        ] {
            assert_eq!(busy(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn load_is_a_part_of_all_processors() {
        let text = "cpu  5 3 7 100 9 1 1 4 5 5\ncpu0 1 2\n";
        let now = Ticks {
            all: 130,
            idle: 109,
        };
        assert_eq!(ticks(text), Some(now));
        assert_eq!(ticks("cpu 1 2 3 4\n"), None);
        assert_eq!(ticks("cpu 1 2 3 4 x\n"), None);
        let before = Ticks { all: 30, idle: 39 };
        assert_eq!(percent(before, now), 30);
        assert_eq!((percent(now, now), percent(now, before)), (0, 0));
        let back = Ticks { all: 40, idle: 38 };
        assert_eq!(percent(before, back), 100);
    }

    #[test]
    fn memory_without_caches_is_not_cut() {
        let text = "MemTotal:  67108864 kB\nMemFree: 1 kB\nMemAvailable:  33554432 kB\n";
        assert_eq!(unavailable(text), Some(32 << 30));
        assert_eq!(unavailable("MemTotal: 1000 kB\n"), None);
    }

    #[test]
    fn caches_count_as_old_and_new_systems_have_them() {
        let old = "MemTotal: 1000 kB\nMemFree: 300 kB\nBuffers: 50 kB\nCached: 100 kB\nSwapCached: 1 kB\n";
        assert_eq!(used(old), Some(549));
        let new = "MemTotal: 1000 kB\nMemFree: 300 kB\nMemAvailable: 400 kB\nBuffers: 50 kB\n";
        assert_eq!(used(new), Some(700));
        assert_eq!(used("MemTotal: 1000 kB\n"), None);
    }
}
