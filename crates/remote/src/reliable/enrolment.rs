//! Which sensors the server knows, and by which keys: a text file with a line `NAME PIN` for each key.
//! Everything behind `#` is a comment. A name may have several keys, so that a new one is enrolled before
//! the old one is removed; a key has one name.
//!
//! Guarantees: the file is read again when it has changed, and a file that cannot be read or has a mistake
//! changes nothing ([`Enrolment::trouble`] says so). It is written as a new file that takes the place of
//! the old one when it is on the disk, by one program at a time.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use netcap_capture::pcap_over_ip::Pin;
use nix::fcntl::{Flock, FlockArg, OFlag};

use crate::Error;

/// Octets of a name at most.
const LONGEST_NAME: usize = 64;
/// Mode of a new file: it holds no secret.
const MODE: u32 = 0o644;

/// See the module.
pub struct Enrolment {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    names: HashMap<Pin, String>,
    /// Of the file when it was read last; none where there is none.
    state: Option<State>,
    trouble: Option<String>,
}

/// By what a change of the file is noticed: inode, length, seconds and nanoseconds of its modification.
type State = (u64, u64, i64, i64);

impl Enrolment {
    /// Reads the file. None is there yet before the first sensor is enrolled.
    ///
    /// # Errors
    /// Where it cannot be read, or has a mistake: the message names the line.
    pub fn open(path: &Path) -> Result<Enrolment, Error> {
        let state = state(path)?;
        let known = Known {
            names: parse(path, &read(path)?)?,
            state,
            trouble: None,
        };
        Ok(Enrolment {
            path: path.to_owned(),
            known: Mutex::new(known),
        })
    }

    /// The name of the sensor with this key, if it is enrolled.
    pub fn name_of(&self, pin: &Pin) -> Option<String> {
        self.fresh().names.get(pin).cloned()
    }

    /// The names under which keys are enrolled, one for each key.
    pub fn names(&self) -> Vec<String> {
        self.fresh().names.values().cloned().collect()
    }

    /// How many keys are enrolled.
    pub fn keys(&self) -> usize {
        self.fresh().names.len()
    }

    /// Why the file as it is now is not in use; what it said before is.
    pub fn trouble(&self) -> Option<String> {
        self.fresh().trouble.clone()
    }

    /// Enrols a key. Nothing changes where it is enrolled under this name already.
    ///
    /// # Errors
    /// Where the name is none, the key has another name, or the file cannot be written.
    pub fn add(&self, name: &str, pin: Pin) -> Result<(), Error> {
        if !is_name(name) {
            return Err(self.wrong(format!(
                "'{}' cannot be a sensor's name; use at most {LONGEST_NAME} octets without blanks, \
                 control characters and #",
                name.escape_debug()
            )));
        }
        self.change(|names, mut text| match names.get(&pin) {
            Some(known) if known == name => Ok(text),
            Some(known) => Err(self.wrong(format!(
                "{pin} is enrolled as {known} already; remove it first"
            ))),
            None => {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push('\n');
                }
                text.push_str(&format!("{name} {pin}\n"));
                Ok(text)
            }
        })
    }

    /// Removes a key; gives whether it was enrolled. A server ends the sensor's connection within
    /// a few seconds.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn remove(&self, pin: &Pin) -> Result<bool, Error> {
        let mut was_there = false;
        self.change(|names, text| {
            was_there = names.contains_key(pin);
            let others = text
                .split_inclusive('\n')
                .filter(|line| !matches!(entry(line), Ok(Some((_, of))) if of == *pin));
            Ok(others.collect())
        })?;
        Ok(was_there)
    }

    /// What the file says now.
    fn fresh(&self) -> MutexGuard<'_, Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match state(&self.path) {
            Ok(now) if now == known.state => {}
            Ok(now) => match read(&self.path).and_then(|text| parse(&self.path, &text)) {
                Ok(names) => {
                    *known = Known {
                        names,
                        state: now,
                        trouble: None,
                    }
                }
                Err(error) => known.trouble = Some(error.to_string()),
            },
            Err(error) => known.trouble = Some(error.to_string()),
        }
        known
    }

    fn wrong(&self, reason: String) -> Error {
        Error::Foreign {
            path: self.path.clone(),
            reason,
        }
    }

    /// Replaces the file by what becomes of its text.
    fn change(
        &self,
        edit: impl FnOnce(&HashMap<Pin, String>, String) -> Result<String, Error>,
    ) -> Result<(), Error> {
        let lock = beside(&self.path, ".lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&lock)
            .map_err(Error::io(&lock))?;
        let _held = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| Error::io(&lock)(errno.into()))?;
        let before = read(&self.path)?;
        let after = edit(&parse(&self.path, &before)?, before.clone())?;
        if after != before {
            self.replace(&after)?;
        }
        Ok(())
    }

    fn replace(&self, text: &str) -> Result<(), Error> {
        let new = beside(&self.path, ".new");
        // One that a killed program has left.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io(&new)(error));
            }
            _ => {}
        }
        let mode = fs::metadata(&self.path).map_or(MODE, |metadata| metadata.mode() & 0o777);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&new)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&new, &self.path));
        written.map_err(Error::io(&new))?;
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(Error::io(folder))
    }
}

/// The path with an ending more.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn state(path: &Path) -> Result<Option<State>, Error> {
    match fs::metadata(path) {
        Ok(file) => Ok(Some((
            file.ino(),
            file.len(),
            file.mtime(),
            file.mtime_nsec(),
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path)(error)),
    }
}

/// The text of the file; none where there is no file.
fn read(path: &Path) -> Result<String, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Error::io(path)(error)),
    }
}

fn parse(path: &Path, text: &str) -> Result<HashMap<Pin, String>, Error> {
    let mut names: HashMap<Pin, String> = HashMap::new();
    for (place, line) in text.lines().enumerate() {
        let wrong = |reason: String| Error::Foreign {
            path: path.to_owned(),
            reason: format!("line {}: {reason}", place + 1),
        };
        if let Some((name, pin)) = entry(line).map_err(wrong)? {
            match names.get(&pin) {
                Some(other) if other != name => {
                    return Err(wrong(format!("{pin} has the name {other} already")));
                }
                _ => names.insert(pin, name.to_owned()),
            };
        }
    }
    Ok(names)
}

/// The name and the key of a line, if it has any.
fn entry(line: &str) -> Result<Option<(&str, Pin)>, String> {
    let line = line.split('#').next().unwrap_or_default();
    let mut words = line.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Ok(None),
        (Some(name), Some(pin), None) if is_name(name) => {
            let pin = pin
                .parse()
                .map_err(|error: netcap_capture::pcap_over_ip::TlsError| error.to_string())?;
            Ok(Some((name, pin)))
        }
        _ => Err("is not NAME PIN".to_owned()),
    }
}

fn is_name(name: &str) -> bool {
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '#';
    (1..=LONGEST_NAME).contains(&name.len()) && !name.contains(is_odd)
}
