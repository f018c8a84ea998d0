//! How fast packets of a recording are handed on.

use std::str::FromStr;
use std::time::{Duration, Instant};

use netcap_capture::Timestamp;

/// A pace. `recorded` and `xN` follow the packets' times; the others count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As fast as it goes, or as they come.
    Max,
    /// So many times as fast as recorded.
    Recorded(f64),
    /// Packets a second.
    Packets(f64),
    /// Octets a second.
    Octets(f64),
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Pace, String> {
        let number = |digits: &str| {
            let number = digits.parse::<f64>().ok();
            number
                .filter(|number| number.is_finite() && *number > 0.0)
                .ok_or_else(|| "a number above 0 belongs there, as in x10".to_owned())
        };
        match text {
            "max" | "arrival" => Ok(Pace::Max),
            "recorded" => Ok(Pace::Recorded(1.0)),
            _ if text.starts_with('x') => number(&text[1..]).map(Pace::Recorded),
            _ if text.starts_with("pps=") => number(&text[4..]).map(Pace::Packets),
            _ if text.starts_with("mbps=") => {
                number(&text[5..]).map(|mbps| Pace::Octets(mbps * 125_000.0))
            }
            _ => Err("not a pace; paces are recorded, max, xN, pps=N and mbps=N".to_owned()),
        }
    }
}

/// Says of each packet when it is due.
#[derive(Debug)]
pub struct Clock {
    pace: Pace,
    /// Gaps in the recording longer than that are shortened to that.
    max_gap: Option<Duration>,
    /// When the last packet was due, and the time it has.
    last: Option<(Instant, Timestamp)>,
}

/// As long as a wait can be, so that no time of a recording overflows the clock.
const LONGEST_GAP: Duration = Duration::from_secs(1 << 32);

impl Clock {
    /// One of that pace. Gaps in the recording are shortened to `max_gap`.
    pub fn new(pace: Pace, max_gap: Option<Duration>) -> Clock {
        Clock {
            pace,
            max_gap,
            last: None,
        }
    }

    /// When a packet of that time and length is due. Who is behind is not made to run: what was late
    /// moves all that follows for counting paces, and is caught up with for recorded ones.
    pub fn due(&mut self, timestamp: Timestamp, octets: usize, now: Instant) -> Instant {
        let Some((last, time)) = self.last else {
            self.last = Some((now, timestamp));
            return now;
        };
        let due = match self.pace {
            Pace::Max => now,
            Pace::Recorded(speed) => {
                let gap = between(time, timestamp);
                let gap = self.max_gap.map_or(gap, |most| gap.min(most));
                let gap = Duration::try_from_secs_f64(gap.as_secs_f64() / speed);
                last + gap.unwrap_or(LONGEST_GAP).min(LONGEST_GAP)
            }
            Pace::Packets(rate) => {
                last + Duration::try_from_secs_f64(1.0 / rate).unwrap_or(LONGEST_GAP)
            }
            Pace::Octets(rate) => {
                let gap = Duration::try_from_secs_f64(octets as f64 / rate);
                last + gap.unwrap_or(LONGEST_GAP).min(LONGEST_GAP)
            }
        };
        // A step back in time costs no wait, and the next step forward counts from there.
        self.last = Some((due, timestamp));
        due
    }
}

/// The time from one to the other, zero if it goes back.
fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    let nanos = |time: Timestamp| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
    let gap = u64::try_from((nanos(later) - nanos(earlier)).max(0)).unwrap_or(u64::MAX);
    Duration::from_nanos(gap).min(LONGEST_GAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::new(
            milliseconds / 1000,
            (milliseconds % 1000) as u64 * 1_000_000,
        )
    }

    fn dues(pace: &str, max_gap: Option<u64>, times: &[i64]) -> Vec<u128> {
        let start = Instant::now();
        let pace = pace.parse().expect("a pace");
        let mut clock = Clock::new(pace, max_gap.map(Duration::from_millis));
        times
            .iter()
            .map(|time| (clock.due(at(*time), 1000, start) - start).as_millis())
            .collect()
    }

    #[test]
    fn recorded_and_faster() {
        assert_eq!(
            dues("recorded", None, &[5000, 5100, 5000, 6000]),
            [0, 100, 100, 1100]
        );
        assert_eq!(dues("x10", None, &[5000, 5100, 6100]), [0, 10, 110]);
        assert_eq!(dues("recorded", Some(50), &[0, 20, 9_000_000]), [0, 20, 70]);
        assert_eq!(dues("max", None, &[0, 1000]), [0, 0]);
    }

    #[test]
    fn counted() {
        assert_eq!(dues("pps=100", None, &[0, 0, 0]), [0, 10, 20]);
        assert_eq!(dues("mbps=8", None, &[0, 0, 0]), [0, 1, 2]);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "x", "x0", "x-1", "xinf", "pps=", "fast", "mbps=nan"] {
            assert!(text.parse::<Pace>().is_err(), "{text}");
        }
    }

    #[test]
    fn absurd_times_do_not_overflow() {
        let start = Instant::now();
        let mut clock = Clock::new(Pace::Recorded(1e-300), None);
        for seconds in [i64::MIN, i64::MAX] {
            clock.due(Timestamp { seconds, nanos: 0 }, 1, start);
        }
    }
}
