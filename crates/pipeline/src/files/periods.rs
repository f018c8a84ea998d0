//! Output of long runs, cut into periods: one folder for each, named by when it began (UTC), as in
//! `2026-11-21T19-00-00Z`. Without [`Rotation`] there is one period, and its folder is the directory
//! itself.
//!
//! A period ends where the wall clock passes a multiple of the interval, counted from midnight UTC
//! for those that divide a day; or when its files have so many octets on disk. Its files are complete
//! then. A period without files leaves no folder.
//!
//! With a limit on the disk the oldest closed periods go, those of earlier runs too. Only files that
//! have a name which this program gives, in folders that have the name of a period, are ever counted
//! or removed; what else lies there stays, and the folder with it.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use netcap_record::Timestamp;

use super::folder::{Folder, is_ours};
use super::{FileConfig, FileReport, Kinds};
use crate::Error;

/// Periods that begin within one second, at most: more than a disk can write.
const MOST_IN_A_SECOND: u32 = 10_000;

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

/// What became of the periods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeriodLedger {
    /// Periods that have files.
    pub periods: u64,
    /// Closed periods that were removed, also of earlier runs.
    pub removed: u64,
    /// Octets of these.
    pub removed_octets: u64,
    /// Closed periods that should have been removed, and could not be.
    pub stuck: u64,
}

/// A period that is closed.
struct Closed {
    folder: PathBuf,
    octets: u64,
}

/// The periods of a run, one after the other.
pub(crate) struct Periods {
    directory: PathBuf,
    rotation: Option<Rotation>,
    /// The folder of the period that is open.
    folder: PathBuf,
    /// Seconds since the epoch after which that ends.
    ends: Option<u64>,
    /// The oldest first.
    closed: VecDeque<Closed>,
    /// Octets of these.
    octets: u64,
    reports: BTreeMap<String, FileReport>,
    ledger: PeriodLedger,
}

impl Periods {
    /// Makes the directory, and looks what earlier runs left there.
    pub(crate) fn new(directory: PathBuf, rotation: Option<Rotation>) -> Result<Periods, Error> {
        let trouble = |source| Error::Directory {
            path: directory.clone(),
            source,
        };
        fs::create_dir_all(&directory).map_err(trouble)?;
        let mut closed = Vec::new();
        if rotation.is_some_and(|r| r.disk_limit.is_some()) {
            for entry in fs::read_dir(&directory).map_err(trouble)? {
                let entry = entry.map_err(trouble)?;
                let name = entry.file_name().to_str().and_then(period);
                // What is a link says so here.
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if let Some(name) = name.filter(|_| is_folder) {
                    let folder = entry.path();
                    let octets = files_of(&folder).map(|(_, octets)| octets).sum();
                    closed.push((name, Closed { folder, octets }));
                }
            }
        }
        closed.sort_by(|(a, _), (b, _)| a.cmp(b));
        let closed: VecDeque<Closed> = closed.into_iter().map(|(_, closed)| closed).collect();
        Ok(Periods {
            directory,
            rotation,
            folder: PathBuf::new(),
            ends: None,
            octets: closed.iter().map(|closed| closed.octets).sum(),
            closed,
            reports: BTreeMap::new(),
            ledger: PeriodLedger::default(),
        })
    }

    /// Begins a period now.
    pub(crate) fn begin(&mut self, config: &FileConfig, kinds: &Kinds) -> Result<Folder, Error> {
        let directory = &self.directory;
        let Some(rotation) = self.rotation else {
            return Folder::new(directory.clone(), config.created, config, kinds);
        };
        let now = since_epoch(SystemTime::now());
        let created = Timestamp::new(now.as_secs().cast_signed(), now.subsec_nanos());
        let name = name(now.as_secs());
        let mut path = directory.join(&name);
        let mut number = 1;
        while let Err(source) = fs::create_dir(&path) {
            if source.kind() != ErrorKind::AlreadyExists || number == MOST_IN_A_SECOND {
                return Err(Error::Directory { path, source });
            }
            number += 1;
            path = directory.join(format!("{name}-{number}"));
        }
        self.folder.clone_from(&path);
        self.ends = rotation.interval.map(|interval| {
            let seconds = interval.as_secs().max(1);
            (now.as_secs() / seconds + 1).saturating_mul(seconds)
        });
        Folder::new(path, created, config, kinds)
    }

    /// Whether the period that is open should end, its files having so many octets.
    pub(crate) fn is_over(&self, now: SystemTime, octets: u64) -> bool {
        let most = self.rotation.and_then(|rotation| rotation.octets);
        most.is_some_and(|most| octets >= most)
            || self
                .ends
                .is_some_and(|ends| since_epoch(now).as_secs() >= ends)
    }

    /// Gives the files of a period their names.
    pub(crate) fn close(&mut self, files: Folder, overwrite: bool) -> Result<(), Error> {
        let folder = files.path().to_owned();
        let reports = files.finish(overwrite)?;
        if self.rotation.is_some() {
            if reports.is_empty() {
                // Something else may have got there.
                drop(fs::remove_dir(&folder));
            } else {
                self.ledger.periods += 1;
                let octets = reports.iter().map(|report| report.octets).sum();
                self.octets += octets;
                self.closed.push_back(Closed { folder, octets });
            }
        }
        for report in reports {
            match self.reports.get_mut(&report.name) {
                Some(all) => {
                    all.records += report.records;
                    all.octets += report.octets;
                }
                None => drop(self.reports.insert(report.name.clone(), report)),
            }
        }
        self.make_room(0);
        Ok(())
    }

    /// Removes the oldest closed periods while all of them, and the open one with so many octets,
    /// exceed the limit.
    pub(crate) fn make_room(&mut self, open: u64) {
        let limit = self.rotation.and_then(|rotation| rotation.disk_limit);
        while let Some(limit) = limit
            && self.octets.saturating_add(open) > limit
            && let Some(oldest) = self.closed.pop_front()
        {
            self.octets -= oldest.octets;
            if remove(&oldest.folder) {
                self.ledger.removed += 1;
                self.ledger.removed_octets += oldest.octets;
            } else {
                self.ledger.stuck += 1;
            }
        }
    }

    /// Closed periods that were removed.
    pub(crate) fn removed(&self) -> u64 {
        self.ledger.removed
    }

    /// The files of all periods, and what became of these.
    pub(crate) fn report(&self) -> (Vec<FileReport>, PeriodLedger) {
        (self.reports.values().cloned().collect(), self.ledger)
    }
}

impl Drop for Periods {
    fn drop(&mut self) {
        if self.rotation.is_some() {
            // After a failure the files of the open period are gone, and it is empty.
            drop(fs::remove_dir(&self.folder));
        }
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The name of a period that begins then, in seconds since the epoch.
fn name(seconds: u64) -> String {
    let mut text = Vec::new();
    Timestamp::new(seconds.cast_signed(), 0).write_utc(&mut text);
    let text = String::from_utf8_lossy(&text);
    let mut parts = text.split(' ');
    let (date, time) = (parts.next(), parts.next());
    format!(
        "{}T{}Z",
        date.unwrap_or_default(),
        time.unwrap_or_default().replace(':', "-")
    )
}

/// What periods are ordered by, if that is the name of one: the time, and the number among those of
/// one second.
fn period(name: &str) -> Option<(String, u32)> {
    const PATTERN: &[u8] = b"0000-00-00T00-00-00Z";
    let (time, number) = name.split_at_checked(PATTERN.len())?;
    let fits = |(octet, pattern): (&u8, &u8)| match pattern {
        b'0' => octet.is_ascii_digit(),
        _ => octet == pattern,
    };
    if !time.as_bytes().iter().zip(PATTERN).all(fits) {
        return None;
    }
    let number = match number.strip_prefix('-') {
        Some(digits) => {
            let number: u32 = digits.parse().ok()?;
            (number > 1 && number.to_string() == digits).then_some(number)?
        }
        None if number.is_empty() => 1,
        None => return None,
    };
    Some((time.to_owned(), number))
}

/// The files of ours in the folder of a period, with their octets. No link is one.
fn files_of(folder: &Path) -> impl Iterator<Item = (PathBuf, u64)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        let is_file = metadata.is_file() && entry.file_name().to_str().is_some_and(is_ours);
        is_file.then(|| (entry.path(), metadata.len()))
    })
}

/// Removes our files of a period, and its folder if nothing else is there. Whether no file of ours
/// is left.
fn remove(folder: &Path) -> bool {
    let files: Vec<_> = files_of(folder).collect();
    let removed = files.iter().map(|(path, _)| fs::remove_file(path));
    let is_gone = removed.filter(Result::is_ok).count() == files.len();
    // With files of others it stays.
    drop(fs::remove_dir(folder));
    is_gone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(directory: &Path, rotation: Rotation) -> FileConfig {
        FileConfig {
            rotation: Some(rotation),
            ..FileConfig::new(directory)
        }
    }

    fn periods(config: &FileConfig) -> Periods {
        Periods::new(config.directory.clone(), config.rotation).expect("a directory")
    }

    /// A folder with files of so many octets.
    fn folder(path: &Path, files: &[(&str, usize)]) {
        fs::create_dir(path).expect("a folder");
        for (name, octets) in files {
            fs::write(path.join(name), vec![0; *octets]).expect("a file");
        }
    }

    fn names_in(path: &Path) -> Vec<String> {
        let entries = fs::read_dir(path).expect("a folder");
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_periods_make_room() {
        let root = tempfile::tempdir().expect("a directory");
        let at = |name: &str| root.path().join(name);
        folder(&at("2020-01-01T00-00-00Z"), &[("TCP.ncap", 100)]);
        folder(
            &at("2020-01-01T00-00-00Z-2"),
            &[("TCP.ncap", 50), ("mine.txt", 9)],
        );
        folder(
            &at("2020-01-01T00-00-01Z"),
            &[(".UDP.csv.gz.7.partial", 60)],
        );
        folder(&at("2020-01-02T00-00-00Z"), &[("errors.log", 70)]);
        folder(&at("2020"), &[("TCP.ncap", 1000)]);
        fs::write(at("TCP.ncap"), [0; 1000]).expect("a file");
        #[cfg(unix)]
        std::os::unix::fs::symlink(at("2020"), at("2020-01-03T00-00-00Z")).expect("a link");
        let before = names_in(root.path());

        let rotation = Rotation {
            disk_limit: Some(200),
            ..Rotation::default()
        };
        let config = config(root.path(), rotation);
        let mut periods = periods(&config);
        assert_eq!(periods.octets, 280);
        periods.make_room(0);
        let left = names_in(root.path());
        assert_eq!(left.len() + 1, before.len());
        assert!(!left.contains(&"2020-01-01T00-00-00Z".to_owned()));
        periods.make_room(80);
        assert_eq!(names_in(&at("2020-01-01T00-00-00Z-2")), ["mine.txt"]);
        periods.make_room(1000);
        let left = names_in(root.path());
        assert!(!left.contains(&"2020-01-01T00-00-01Z".to_owned()));
        assert!(!left.contains(&"2020-01-02T00-00-00Z".to_owned()));
        assert_eq!(names_in(&at("2020")), ["TCP.ncap"]);
        assert!(at("TCP.ncap").exists());
        let (_, ledger) = periods.report();
        assert_eq!((ledger.removed, ledger.removed_octets), (4, 280));
        assert_eq!(ledger.stuck, 0);
    }

    #[test]
    fn periods_end_by_time_and_by_size() {
        let root = tempfile::tempdir().expect("a directory");
        let rotation = Rotation {
            interval: Some(Duration::from_secs(3600)),
            octets: Some(100),
            disk_limit: None,
        };
        let config = config(root.path(), rotation);
        let kinds = Kinds {
            schemas: crate::schemas(),
            columns: netcap_record::Columns::default(),
        };
        let mut periods = periods(&config);
        let now = SystemTime::now();
        let files = periods.begin(&config, &kinds).expect("a period");
        assert!(!periods.is_over(UNIX_EPOCH, 99) && periods.is_over(UNIX_EPOCH, 100));
        assert!(periods.is_over(now + Duration::from_secs(3600), 0));
        let ends = UNIX_EPOCH + Duration::from_secs(periods.ends.expect("an end"));
        assert!(ends > now && since_epoch(ends).as_secs().is_multiple_of(3600));
        assert_eq!(names_in(root.path()).len(), 1);
        // The next begins in the same second, or not.
        let next = periods.begin(&config, &kinds).expect("another");
        periods.close(files, false).expect("closed");
        assert_eq!(
            names_in(root.path()).len(),
            1,
            "an empty period leaves nothing"
        );
        drop(next);
        drop(periods);
        assert!(names_in(root.path()).is_empty());
    }

    #[test]
    fn names_are_times() {
        assert_eq!(name(1_795_287_600), "2026-11-21T19-00-00Z");
        assert_eq!(name(0), "1970-01-01T00-00-00Z");
    }

    #[test]
    fn names_tell_the_order() {
        let order = |name| period(name).expect("a period");
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
            assert_eq!(period(name), None, "{name}");
        }
    }
}
