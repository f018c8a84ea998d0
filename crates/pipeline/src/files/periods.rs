//! Output of long runs, cut into periods, each with a folder ([`Period`]). Without [`Rotation`] there is
//! one period, and its folder is the directory itself.
//!
//! The files of a period are complete when it ends. A period without files leaves no folder.
//!
//! With a limit on the disk the oldest closed periods go, those of earlier runs too; never the newest
//! that has files. Names never go back, whatever the clock does, so that they tell the order.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use netcap_record::Timestamp;
use netcap_store::{Period, Rotation, period_files, remove_period};

use super::folder::{Finished, Folder, is_ours};
use super::{FileConfig, FileReport, Kinds};
use crate::Error;

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
    /// When it is over by the clock.
    end: Option<SystemTime>,
    /// The newest there is, by name.
    newest: Option<Period>,
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
        let mut closed = VecDeque::new();
        let earlier = match rotation {
            Some(_) => Period::all_in(&directory).map_err(trouble)?,
            None => Vec::new(),
        };
        let newest = earlier.last().copied();
        if rotation.is_some_and(|r| r.disk_limit.is_some()) {
            for period in earlier {
                let folder = directory.join(period.to_string());
                let files = period_files(&folder, is_ours);
                let octets = files.map(|(_, octets)| octets).sum();
                closed.push_back(Closed { folder, octets });
            }
        }
        Ok(Periods {
            directory,
            rotation,
            folder: PathBuf::new(),
            end: None,
            newest,
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
        let now = SystemTime::now();
        let mut period = Period::at(now);
        if let Some(newest) = self.newest
            && newest >= period
        {
            period = newest.next();
        }
        let (period, path) = period.make_in(directory)?;
        self.newest = Some(period);
        self.folder.clone_from(&path);
        self.end = rotation.end(now);
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let created = Timestamp::new(now.as_secs().cast_signed(), now.subsec_nanos());
        Folder::new(path, created, config, kinds)
    }

    /// Whether the period that is open should end, its files having so many octets.
    pub(crate) fn is_over(&self, now: SystemTime, octets: u64) -> bool {
        self.rotation
            .is_some_and(|rotation| rotation.is_over(self.end, now, octets))
    }

    /// Gives the files of a period their names, once they are cut if they must be. Says how many records
    /// that has cost, and what was in the way.
    pub(crate) fn close(&mut self, files: Folder, are_cut: bool) -> (u64, Option<String>) {
        let begun = files.path().to_owned();
        let Finished {
            reports,
            folder,
            lost,
            in_the_way,
        } = files.finish(&self.directory, are_cut);
        if self.rotation.is_some() {
            if reports.is_empty() || folder != begun {
                // Something else may have got there.
                drop(fs::remove_dir(&begun));
            }
            if !reports.is_empty() {
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
        (lost, in_the_way)
    }

    /// Removes the oldest closed periods while all of them, and the open one with so many octets,
    /// exceed the limit. The newest that has files stays, whatever its size.
    pub(crate) fn make_room(&mut self, open: u64) {
        let limit = self.rotation.and_then(|rotation| rotation.disk_limit);
        while let Some(limit) = limit
            && self.octets.saturating_add(open) > limit
            && (open > 0 || self.closed.len() > 1)
            && let Some(oldest) = self.closed.pop_front()
        {
            self.octets -= oldest.octets;
            if remove_period(&oldest.folder, is_ours) {
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
            // After a failure the period that is open may be empty.
            drop(fs::remove_dir(&self.folder));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

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
    fn the_newest_period_stays() {
        let root = tempfile::tempdir().expect("a directory");
        let at = |name: &str| root.path().join(name);
        folder(&at("2020-01-01T00-00-00Z"), &[("TCP.ncap", 100)]);
        folder(&at("2020-01-02T00-00-00Z"), &[("TCP.ncap", 1000)]);
        let rotation = Rotation {
            disk_limit: Some(10),
            ..Rotation::default()
        };
        let config = config(root.path(), rotation);
        let mut periods = periods(&config);
        periods.make_room(0);
        assert_eq!(names_in(root.path()), ["2020-01-02T00-00-00Z"]);
        // Once there is a newer one it may go.
        periods.make_room(1);
        assert!(names_in(root.path()).is_empty());
    }

    #[test]
    fn names_go_on_where_the_clock_was_put_back() {
        let root = tempfile::tempdir().expect("a directory");
        // Of a run whose clock was far ahead.
        folder(
            &root.path().join("2999-01-01T00-00-00Z-2"),
            &[("TCP.ncap", 1)],
        );
        let rotation = Rotation {
            interval: Some(Duration::from_secs(3600)),
            ..Rotation::default()
        };
        let config = config(root.path(), rotation);
        let kinds = Kinds {
            schemas: crate::schemas(),
            columns: netcap_record::Columns::default(),
        };
        let mut periods = periods(&config);
        for name in ["2999-01-01T00-00-00Z-3", "2999-01-01T00-00-00Z-4"] {
            let open = periods.begin(&config, &kinds).expect("a period");
            assert!(open.path().ends_with(name), "{:?}", open.path());
        }
        // It ends by the clock as it is.
        assert!(periods.is_over(SystemTime::now() + Duration::from_secs(3600), 0));
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
        assert!(!periods.is_over(now, 99) && periods.is_over(now, 100));
        assert!(periods.is_over(now + Duration::from_secs(3600), 0));
        // The clock was put right.
        assert!(periods.is_over(now - Duration::from_secs(7201), 0));
        assert_eq!(names_in(root.path()).len(), 1);
        // The next begins in the same second, or not.
        let next = periods.begin(&config, &kinds).expect("another");
        periods.close(files, false);
        assert_eq!(
            names_in(root.path()).len(),
            1,
            "an empty period leaves nothing"
        );
        drop(next);
        drop(periods);
        assert!(names_in(root.path()).is_empty());
    }
}
