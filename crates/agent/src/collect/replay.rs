//! Logs of agents, as if they came now: merged in order of time, with the gaps that they have.
//!
//! Guarantees: of each log one line is held, whatever its length; lines of a log keep their order, also
//! where their times do not; of equal times the log that was given first comes first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::collect::links::{News, Receiver};
use crate::collect::logs::{Account, Lines, Log, LogError};
use crate::record::{LENGTH, Record};

/// Records that are given together at most.
const BATCH: usize = 1024;
/// How often a sleeper looks whether it should end.
const TICK: Duration = Duration::from_millis(50);

/// How fast it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast as it was.
    Times(f64),
    /// Without any waiting.
    Most,
}

/// Where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// At a time, in microseconds since 1970.
    To(i64),
    /// So long after the first record.
    By(Duration),
}

/// How logs are replayed.
#[derive(Clone, Copy, Debug)]
pub struct Playback {
    /// How fast it goes.
    pub speed: Speed,
    /// Where it begins.
    pub seek: Seek,
    /// What a gap lasts at most.
    pub max_gap: Duration,
    /// Records keep the times they have, and do not get those at which they are given.
    pub has_old_times: bool,
}

/// Gives the records of logs to a receiver. The agent of each is the number beside it.
///
/// # Errors
/// A log cannot be opened.
pub fn replay(
    logs: &[(usize, Log)],
    playback: &Playback,
    receiver: &dyn Receiver,
    stop: &AtomicBool,
) -> Result<Vec<Account>, LogError> {
    let open = |(_, log): &(usize, Log)| Lines::open(log);
    let mut lines: Vec<Lines> = logs.iter().map(open).collect::<Result<_, _>>()?;
    for (agent, log) in logs {
        let to = log.path.display().to_string();
        receiver.news(*agent, &News::Connected { to });
    }
    let mut batch = Batch {
        receiver,
        agent: 0,
        records: Vec::new(),
    };
    let mut pace = Pace::new(playback);
    for (log, mut record) in Merged::new(&mut lines) {
        let time = record.time();
        if pace.is_before(time) {
            continue;
        }
        let due = pace.due(time);
        if due.is_some_and(|due| due > Instant::now()) && !batch.flush() {
            break;
        }
        sleep_until(due, stop);
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if !playback.has_old_times {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let now = now.unwrap_or_default();
            record.seconds = now.as_secs() as u32;
            record.microseconds = now.subsec_micros();
        }
        if !batch.push(logs[log].0, record) {
            break;
        }
    }
    batch.flush();
    for (agent, _) in logs {
        receiver.news(*agent, &News::Ended);
    }
    Ok(lines.into_iter().map(|lines| lines.account).collect())
}

/// Until it is due or to be stopped; for ever where time has no word for it.
fn sleep_until(due: Option<Instant>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let left = due.map_or(TICK, |due| due.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(TICK));
    }
}

/// All lines in order of time.
struct Merged<'a> {
    lines: &'a mut [Lines],
    next: BinaryHeap<Reverse<(i64, usize)>>,
    heads: Vec<Option<Record>>,
}

impl<'a> Merged<'a> {
    fn new(lines: &'a mut [Lines]) -> Merged<'a> {
        let mut merged = Merged {
            heads: vec![None; lines.len()],
            next: BinaryHeap::new(),
            lines,
        };
        (0..merged.lines.len()).for_each(|log| merged.advance(log));
        merged
    }

    fn advance(&mut self, log: usize) {
        self.heads[log] = self.lines[log].next();
        self.next
            .extend(self.heads[log].map(|record| Reverse((record.time(), log))));
    }
}

impl Iterator for Merged<'_> {
    type Item = (usize, Record);

    fn next(&mut self) -> Option<(usize, Record)> {
        let Reverse((_, log)) = self.next.pop()?;
        let record = self.heads[log].take()?;
        self.advance(log);
        Some((log, record))
    }
}

/// When records are due.
struct Pace<'a> {
    playback: &'a Playback,
    /// Time before which nothing is given, once the first record is known.
    begin: Option<i64>,
    /// The latest time so far, and when it was due.
    last: Option<(i64, Option<Instant>)>,
}

impl Pace<'_> {
    fn new(playback: &Playback) -> Pace<'_> {
        Pace {
            playback,
            begin: None,
            last: None,
        }
    }

    fn is_before(&mut self, time: i64) -> bool {
        time < *self.begin.get_or_insert(match self.playback.seek {
            Seek::To(begin) => begin,
            Seek::By(after) => {
                time.saturating_add(i64::try_from(after.as_micros()).unwrap_or(i64::MAX))
            }
        })
    }

    fn due(&mut self, time: i64) -> Option<Instant> {
        let Some((latest, due)) = self.last else {
            let now = Some(Instant::now());
            self.last = Some((time, now));
            return now;
        };
        let gap = Duration::from_micros(time.saturating_sub(latest).max(0).cast_unsigned());
        let wait = match self.playback.speed {
            Speed::Times(times) => Duration::try_from_secs_f64(gap.as_secs_f64() / times)
                .unwrap_or(Duration::MAX)
                .min(self.playback.max_gap),
            Speed::Most => Duration::ZERO,
        };
        let due = due.and_then(|due| due.checked_add(wait));
        self.last = Some((latest.max(time), due));
        due
    }
}

/// Records of one agent that are due.
struct Batch<'a> {
    receiver: &'a dyn Receiver,
    agent: usize,
    records: Vec<Record>,
}

impl Batch<'_> {
    /// Adds a record; `false` if there is no use in more.
    fn push(&mut self, agent: usize, record: Record) -> bool {
        let is_full = self.records.len() == BATCH || self.agent != agent;
        let goes_on = !is_full || self.flush();
        self.agent = agent;
        self.records.push(record);
        goes_on
    }

    fn flush(&mut self) -> bool {
        if self.records.is_empty() {
            return true;
        }
        let octets = self.records.len() * LENGTH;
        let goes_on = self.receiver.received(self.agent, &self.records, octets);
        self.records.clear();
        goes_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_become_shorter() {
        let playback = |speed| Playback {
            speed,
            seek: Seek::To(0),
            max_gap: Duration::from_secs(60),
            has_old_times: false,
        };
        let waits = |speed| {
            let playback = playback(speed);
            let mut pace = Pace::new(&playback);
            let times = [5_000_000, 15_000_000, 14_000_000, 15_000_000, i64::MAX];
            let dues = times.map(|time| pace.due(time).expect("a time"));
            dues.windows(2)
                .map(|pair| pair[1] - pair[0])
                .collect::<Vec<_>>()
        };
        let seconds = |list: [u64; 4]| list.map(Duration::from_secs).to_vec();
        assert_eq!(waits(Speed::Times(1.0)), seconds([10, 0, 0, 60]));
        assert_eq!(waits(Speed::Times(10.0)), seconds([1, 0, 0, 60]));
        assert_eq!(waits(Speed::Times(0.5)), seconds([20, 0, 0, 60]));
        assert_eq!(waits(Speed::Most), seconds([0, 0, 0, 0]));
    }
}
