//! Output of long runs, cut into periods: one folder for each, named by when it began (UTC), as in
//! `2026-11-21T19-00-00Z`; of several that begin within a second, the second is `...Z-2`.
//!
//! A period ends where the wall clock passes a multiple of the interval, counted from midnight UTC
//! for those that divide a day; or when its files have so many octets on disk.
//!
//! Only files whose name is ours, in folders that have the name of a period, are ever listed or
//! removed; what else lies there stays, and the folder with it. No link is followed.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use netcap_record::Timestamp;

use crate::Error;

/// When output is cut into periods. Without any of these, never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Where the wall clock passes a multiple of this; below a second is a second.
    pub interval: Option<Duration>,
    /// When the files of the period have so many octets on disk.
    pub octets: Option<u64>,
    /// Octets on disk of all periods: beyond, the oldest that are closed are removed.
    pub disk_limit: Option<u64>,
}

impl Rotation {
    /// When a period that begins now is over by the clock, if it ever is.
    pub fn end(&self, now: SystemTime) -> Option<SystemTime> {
        let interval = self.interval?.as_secs().max(1);
        let end = (seconds(now) / interval + 1).saturating_mul(interval);
        UNIX_EPOCH.checked_add(Duration::from_secs(end))
    }

    /// Whether a period is over that ends then by the clock, and whose files have so many octets. It is
    /// as well where the clock was put right, and would not come there for long.
    pub fn is_over(&self, end: Option<SystemTime>, now: SystemTime, octets: u64) -> bool {
        let is_far = |end| self.end(now).and_then(|soon| self.end(soon)) < Some(end);
        self.octets.is_some_and(|most| octets >= most)
            || end.is_some_and(|end| now >= end || is_far(end))
    }
}

/// The name of a period. They are ordered as the periods are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    /// `2026-11-21T19-00-00Z`.
    time: [u8; TIME.len()],
    /// Among those that begin within one second, from 1.
    number: u32,
}

const TIME: &[u8] = b"0000-00-00T00-00-00Z";

impl Period {
    /// The first period that begins within that second.
    pub fn at(time: SystemTime) -> Period {
        Period::of(Timestamp::new(seconds(time).cast_signed(), 0))
    }

    /// The same, of a time as records have it.
    pub fn of(time: Timestamp) -> Period {
        let mut text = Vec::new();
        time.write_utc(&mut text);
        let mut name = [b'0'; TIME.len()];
        // `2026-11-21 19:00:00 +0000 UTC`, or what stands behind the seconds, is as long up to there.
        for ((octet, text), pattern) in name.iter_mut().zip(&text).zip(TIME) {
            *octet = match (pattern, text) {
                // Of years that have not four digits nothing is true, but the name is one.
                (b'0', text) if text.is_ascii_digit() => *text,
                (pattern, _) => *pattern,
            };
        }
        Period {
            time: name,
            number: 1,
        }
    }

    /// The next that begins within the same second.
    #[must_use]
    pub fn next(self) -> Period {
        Period {
            number: self.number.saturating_add(1),
            ..self
        }
    }

    /// Makes the folder of the first period from this one on, within its second, that has none in a directory.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn make_in(mut self, directory: &Path) -> Result<(Period, PathBuf), Error> {
        loop {
            let path = directory.join(self.to_string());
            match fs::create_dir(&path) {
                Ok(()) => return Ok((self, path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && self.next() != self => {
                    self = self.next();
                }
                Err(source) => return Err(Error::Io { path, source }),
            }
        }
    }

    /// The period that has this name, if it is one.
    pub fn parse(name: &str) -> Option<Period> {
        let (time, number) = name.as_bytes().split_first_chunk()?;
        let fits = |(octet, pattern): (&u8, &u8)| match pattern {
            b'0' => octet.is_ascii_digit(),
            _ => octet == pattern,
        };
        if !time.iter().zip(TIME).all(fits) {
            return None;
        }
        let number = match number {
            [] => 1,
            [b'-', digits @ ..] => {
                let digits = std::str::from_utf8(digits).ok()?;
                let number: u32 = digits.parse().ok()?;
                (number > 1 && number.to_string() == digits).then_some(number)?
            }
            _ => return None,
        };
        Some(Period {
            time: *time,
            number,
        })
    }

    /// Those that have a folder in a directory, the oldest first.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub fn all_in(directory: &Path) -> io::Result<Vec<Period>> {
        let mut periods = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // What is a link says so here.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                periods.extend(entry.file_name().to_str().and_then(Period::parse));
            }
        }
        periods.sort_unstable();
        Ok(periods)
    }
}

/// The files in the folder of a period whose names are ours, with their octets.
pub fn period_files(
    folder: &Path,
    is_ours: impl Fn(&str) -> bool,
) -> impl Iterator<Item = (PathBuf, u64)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(move |entry| {
        // Of a link, not of where it leads.
        let metadata = entry.metadata().ok()?;
        let is_file = metadata.is_file() && entry.file_name().to_str().is_some_and(&is_ours);
        is_file.then(|| (entry.path(), metadata.len()))
    })
}

/// Removes these files, and the folder if nothing else is there. Whether no file of ours is left.
pub fn remove_period(folder: &Path, is_ours: impl Fn(&str) -> bool) -> bool {
    let files: Vec<_> = period_files(folder, is_ours).collect();
    let removed = files.iter().map(|(path, _)| fs::remove_file(path));
    let is_gone = removed.filter(Result::is_ok).count() == files.len();
    // With files of others it stays.
    drop(fs::remove_dir(folder));
    is_gone
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.time))?;
        match self.number {
            1 => Ok(()),
            number => write!(f, "-{number}"),
        }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn names_are_times() {
        let name = |seconds| Period::at(at(seconds)).to_string();
        assert_eq!(name(1_795_287_600), "2026-11-21T19-00-00Z");
        assert_eq!(name(0), "1970-01-01T00-00-00Z");
        let second = Period::at(at(0)).next();
        assert_eq!(second.to_string(), "1970-01-01T00-00-00Z-2");
    }

    #[test]
    fn names_tell_the_order() {
        let order = |name: &str| {
            let period = Period::parse(name).expect("a period");
            assert_eq!(period.to_string(), name);
            period
        };
        let first = order("2026-11-21T19-00-00Z");
        let (second, tenth) = (
            order("2026-11-21T19-00-00Z-2"),
            order("2026-11-21T19-00-00Z-10"),
        );
        assert!(first < second && second < tenth && tenth < order("2026-11-21T19-00-01Z"));
        let others = [
            "",
            "2026-11-21T19-00-00",
            "2026-11-21T19-00-00Z-1",
            "2026-11-21T19-00-00Z-02",
            "2026-11-21T19-00-00Z.bak",
            "2026-11-21 19-00-00Z",
            "records",
            "２026-11-21T19-00-0",
        ];
        for name in others {
            assert_eq!(Period::parse(name), None, "{name}");
        }
    }

    #[test]
    fn periods_end_by_time_and_by_size() {
        let rotation = Rotation {
            interval: Some(Duration::from_secs(3600)),
            octets: Some(100),
            disk_limit: None,
        };
        let end = rotation.end(at(3601));
        assert_eq!(end, Some(at(7200)));
        assert_eq!(rotation.end(at(7200)), Some(at(10_800)));
        assert!(!rotation.is_over(end, at(7199), 99));
        assert!(rotation.is_over(end, at(7199), 100));
        assert!(rotation.is_over(end, at(7200), 0));
        // The clock has gone back a bit, or a day.
        assert!(!rotation.is_over(end, at(3599), 0));
        assert!(rotation.is_over(Some(at(90_000)), at(3600), 0));
        let never = Rotation::default();
        assert_eq!(never.end(at(0)), None);
        assert!(!never.is_over(None, at(u64::MAX >> 1), u64::MAX));
    }
}
