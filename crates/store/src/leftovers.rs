//! Unfinished files of runs that died (`kill -9`, a crash, a power cut): found, and finished or removed.
//!
//! Whoever writes a file holds a lock on it, so what a run that is alive writes is never taken.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{Error, Mended, Period, Reader, mend, unfinished};

/// An unfinished file that nobody writes any more.
#[derive(Debug)]
pub struct Leftover {
    /// Where it lies.
    pub path: PathBuf,
    /// The name it is to have.
    pub name: String,
    /// What tells the files of one run from those of others: the number in the name.
    run: String,
    /// When its run began, or its period, as far as its files tell.
    begun: Period,
    /// Kept so that no other run takes it.
    _lock: File,
}

/// The unfinished files in a directory of output and in the folders of its periods. `is_ours` tells
/// whether a run gives that name to files.
///
/// # Errors
/// Where the directory cannot be read. One that is missing has none.
pub fn leftovers(directory: &Path, is_ours: impl Fn(&str) -> bool) -> io::Result<Vec<Leftover>> {
    let periods = match Period::all_in(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        periods => periods?,
    };
    let folders = periods
        .iter()
        .map(|period| directory.join(period.to_string()));
    let mut found = Vec::new();
    for folder in [directory.to_owned()].into_iter().chain(folders) {
        for entry in fs::read_dir(folder)?.flatten() {
            let partial = entry.file_name();
            let name = partial
                .to_str()
                .and_then(unfinished)
                .filter(|name| is_ours(name));
            if let Some(name) = name
                && entry.file_type().is_ok_and(|kind| kind.is_file())
                && let Ok(lock) = OpenOptions::new().read(true).open(entry.path())
                && lock.try_lock().is_ok()
            {
                let path = entry.path();
                let run = path.to_string_lossy();
                let run = run
                    .strip_suffix(".partial")
                    .and_then(|run| run.rsplit_once('.'));
                found.push(Leftover {
                    run: run.map_or(String::new(), |(_, number)| number.to_owned()),
                    begun: begun(&path),
                    path,
                    name: name.to_owned(),
                    _lock: lock,
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    // A file begins with its first record; the run may be much older, and some file may know.
    let mut runs = BTreeMap::new();
    for leftover in &found {
        let folder = leftover.path.parent().map(Path::to_owned);
        let run = (folder, leftover.run.clone());
        let first = runs.entry(run).or_insert(leftover.begun);
        *first = leftover.begun.min(*first);
    }
    for leftover in &mut found {
        let folder = leftover.path.parent().map(Path::to_owned);
        let first = runs.get(&(folder, leftover.run.clone()));
        leftover.begun = first.copied().unwrap_or(leftover.begun);
    }
    Ok(found)
}

/// When a file was begun: as it says itself, or else as the system knows.
fn begun(path: &Path) -> Period {
    let file = Reader::open(path);
    if let Some(created) = file.ok().and_then(|file| file.header().created) {
        return Period::of(created);
    }
    let known = fs::metadata(path).and_then(|file| file.created().or_else(|_| file.modified()));
    Period::at(known.unwrap_or_else(|_| SystemTime::now()))
}

impl Leftover {
    /// Removes the file.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn remove(self) -> Result<(), Error> {
        fs::remove_file(&self.path).map_err(|source| self.trouble(source))
    }

    /// Cuts the file behind its last whole record and gives it its name: in the folder of its period, or
    /// else in one that is made for what its run has left, named by when that began. `folders` are those
    /// made so far, by run. One without a record is removed: nothing then.
    ///
    /// # Errors
    /// Where the system refuses; the file stays as it is then.
    pub fn adopt(
        self,
        directory: &Path,
        folders: &mut BTreeMap<String, PathBuf>,
    ) -> Result<Option<(PathBuf, Mended)>, Error> {
        let mended = mend(&self.path, &self.name)?;
        if mended.records == 0 {
            return self.remove().map(|()| None);
        }
        let own = self.path.parent().filter(|folder| *folder != directory);
        let beside = own.map(|folder| folder.join(&self.name));
        let path = match beside.filter(|path| path.symlink_metadata().is_err()) {
            Some(path) => path,
            None => self.folder(directory, folders)?.join(&self.name),
        };
        fs::rename(&self.path, &path).map_err(|source| self.trouble(source))?;
        Ok(Some((path, mended)))
    }

    /// A folder in which nothing has the name.
    fn folder(
        &self,
        directory: &Path,
        folders: &mut BTreeMap<String, PathBuf>,
    ) -> Result<PathBuf, Error> {
        if let Some(folder) = folders.get(&self.run)
            && folder.join(&self.name).symlink_metadata().is_err()
        {
            return Ok(folder.clone());
        }
        let (_, folder) = self.begun.make_in(directory)?;
        folders.insert(self.run.clone(), folder.clone());
        Ok(folder)
    }

    fn trouble(&self, source: io::Error) -> Error {
        let path = self.path.clone();
        Error::Io { path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OutputFile;

    #[test]
    fn what_a_dead_run_left_is_found_and_adopted() {
        let root = tempfile::tempdir().expect("a directory");
        let period = root.path().join("2020-01-01T00-00-00Z");
        fs::create_dir(&period).expect("a folder");
        let log = "errors.log";
        for path in [root.path(), &period] {
            fs::write(path.join(".errors.log.1.partial"), b"whole\ncut").expect("a file");
        }
        fs::write(root.path().join(".errors.log.2.partial"), b"cut").expect("a file");
        fs::write(root.path().join(".notes.1.partial"), b"mine").expect("a file");
        let alive = OutputFile::create(root.path(), log).expect("a file");

        let found = leftovers(root.path(), |name| name == log).expect("a directory");
        assert_eq!(found.len(), 3);
        let (mut folders, mut adopted) = (BTreeMap::new(), Vec::new());
        for leftover in found {
            adopted.extend(leftover.adopt(root.path(), &mut folders).expect("adopted"));
        }
        assert_eq!(adopted.len(), 2, "one had no record");
        assert_eq!(folders.len(), 1);
        for (path, mended) in &adopted {
            assert_eq!(mended.records, 1);
            assert_eq!(fs::read(path).expect("a file"), b"whole\n");
        }
        assert!(period.join(log).exists());
        assert!(root.path().join(".notes.1.partial").exists());
        let mut alive = alive;
        let named = alive.finish_as(&root.path().join(log));
        assert!(named.expect("the run that is alive has its file"));
        assert!(
            leftovers(&root.path().join("none"), |_| true)
                .expect("none")
                .is_empty()
        );
    }

    #[test]
    fn a_run_with_the_number_of_a_dead_one_begins_all_the_same() {
        let root = tempfile::tempdir().expect("a directory");
        let name = format!(".x.{}.partial", std::process::id());
        fs::write(root.path().join(&name), b"dead").expect("a file");
        let mut file = OutputFile::create(root.path(), "x").expect("another");
        let named = file.finish_as(&root.path().join("x"));
        assert!(named.expect("a name"));
        assert_eq!(fs::read(root.path().join(name)).expect("a file"), b"dead");
    }
}
