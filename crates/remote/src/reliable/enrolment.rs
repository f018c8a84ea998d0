//! Which sensors the server knows, and by which keys: a text file with a line `NAME PIN` for each key.
//! Everything behind `#` is a comment. A name may have several keys, so that a new one is enrolled before
//! the old one is removed; a key has one name.
//!
//! Guarantees: the file is read again when it has changed, and one that is gone, cannot be read or has a
//! mistake changes nothing ([`Enrolment::trouble`] says so); an empty one is taken at its word. It is
//! written as a new file that takes the place of the old one when it is on the disk, with its mode and
//! owner, by one program at a time. A link stays, and leads to the new file. Nothing here waits for ever,
//! whatever stands in the place of the file.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::Pin;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use crate::Error;

/// Octets of a name at most.
const LONGEST_NAME: usize = 64;
/// Mode of a new file: it holds no secret.
const MODE: u32 = 0o644;
/// Octets of the file at most: tens of thousands of keys.
const LONGEST_FILE: u64 = 4 << 20;
/// How long another program may be at work on the file.
const PATIENCE: Duration = Duration::from_secs(5);

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

    /// Names and keys, sorted: a line for each key.
    pub fn list(&self) -> Vec<(String, Pin)> {
        let known = self.fresh();
        let mut all: Vec<_> = known
            .names
            .iter()
            .map(|(pin, name)| (name.clone(), *pin))
            .collect();
        all.sort_by_cached_key(|(name, pin)| (name.clone(), pin.to_string()));
        all
    }

    /// Why the file as it is now is not in use; what it said before is.
    pub fn trouble(&self) -> Option<String> {
        self.fresh().trouble.clone()
    }

    /// Whether a key can be enrolled under this name: letters, digits, `-`, `_` and dots that are not first,
    /// so that the sensor's folder has the very name. (A person may write others into the file; the
    /// folder is what [`ClientName`](crate::ClientName) makes of them.)
    pub fn is_plain(name: &str) -> bool {
        let is_good = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
        is_name(name) && !name.starts_with('.') && name.bytes().all(is_good)
    }

    /// Enrols a key. Nothing changes where it is enrolled under this name already.
    ///
    /// # Errors
    /// Where the name is none, the key has another name, or the file cannot be written.
    pub fn add(&self, name: &str, pin: Pin) -> Result<(), Error> {
        if !Enrolment::is_plain(name) {
            return Err(self.wrong(format!("'{}' is no plain name", name.escape_debug())));
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
        Ok(self.remove_those(|_, key| key == pin)? > 0)
    }

    /// Removes all keys of a name; gives how many there were.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn remove_name(&self, name: &str) -> Result<usize, Error> {
        self.remove_those(|known, _| known == name)
    }

    fn remove_those(&self, are_meant: impl Fn(&str, &Pin) -> bool) -> Result<usize, Error> {
        let mut removed = 0;
        self.change(|names, text| {
            removed = names
                .iter()
                .filter(|(pin, name)| are_meant(name, pin))
                .count();
            let others = text.split_inclusive('\n').filter(
                |line| !matches!(entry(line), Ok(Some((name, pin))) if are_meant(name, &pin)),
            );
            Ok(others.collect())
        })?;
        Ok(removed)
    }

    /// What the file says now.
    fn fresh(&self) -> MutexGuard<'_, Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match state(&self.path) {
            // Back as it was, or never gone.
            Ok(now) if now == known.state => known.trouble = None,
            Ok(None) => known.trouble = Some(self.wrong("the file is gone".to_owned()).to_string()),
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
        let path = target(&self.path)?;
        let _held = lock(&beside(&path, ".lock"))?;
        let before = read(&path)?;
        let after = edit(&parse(&path, &before)?, before.clone())?;
        if after != before {
            replace(&path, &after)?;
        }
        Ok(())
    }
}

/// The file itself, where the path is a link.
fn target(path: &Path) -> Result<PathBuf, Error> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => fs::canonicalize(path).map_err(refused(path)),
        _ => Ok(path.to_owned()),
    }
}

/// Waits until no other program changes the file.
fn lock(path: &Path) -> Result<Flock<File>, Error> {
    const TICK: Duration = Duration::from_millis(50);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        // Who may open it can hold up all others.
        .mode(0o600)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)
        .map_err(refused(path))?;
    if file
        .metadata()
        .is_ok_and(|metadata| metadata.mode() & 0o077 != 0)
    {
        // One of an earlier version. Whose it is not may go on without.
        let _ = file.set_permissions(fs::Permissions::from_mode(0o600));
    }
    let until = Instant::now() + PATIENCE;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => return Ok(held),
            Err((again, Errno::EWOULDBLOCK)) if Instant::now() < until => file = again,
            Err((_, Errno::EWOULDBLOCK)) => {
                return Err(Error::Foreign {
                    path: path.to_owned(),
                    reason: "another program holds it; see which one with `fuser`, end it, and try again"
                        .to_owned(),
                });
            }
            Err((_, errno)) => return Err(Error::io(path)(errno.into())),
        }
        thread::sleep(TICK);
    }
}

fn replace(path: &Path, text: &str) -> Result<(), Error> {
    let new = beside(path, ".new");
    // One that a killed program has left.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(refused(&new)(error)),
        _ => {}
    }
    let old = fs::metadata(path).ok();
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&new)
        .and_then(|mut file| {
            let ours = file.metadata()?;
            if let Some(old) = &old
                && (old.uid(), old.gid()) != (ours.uid(), ours.gid())
            {
                fchown(&file, Some(old.uid()), Some(old.gid()))?;
            }
            // Whatever the umask is; the mode after the owner, whose change may take bits off.
            let mode = old.as_ref().map_or(MODE, |old| old.mode() & 0o777);
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&new, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&new);
        refused(path)(error)
    })?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(Error::io(folder))
}

/// What the system says, with what to do where it is about rights.
fn refused(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| match error.kind() {
        ErrorKind::PermissionDenied => Error::Foreign {
            path,
            reason: "permission denied; run as the owner of the file and its folder, or as root"
                .to_owned(),
        },
        _ => Error::io(&path)(error),
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
    let wrong = |reason: &str| Error::Foreign {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    // A pipe would wait for a writer otherwise.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Err(wrong(
                "this user may not read it; `chmod 644` lets everybody, as pins are no secret",
            ));
        }
        Err(error) => return Err(Error::io(path)(error)),
    };
    if !file.metadata().map_err(Error::io(path))?.is_file() {
        return Err(wrong("is no file; name the list of sensors with -sensors"));
    }
    let mut text = Vec::new();
    let read = file.take(LONGEST_FILE + 1).read_to_end(&mut text);
    read.map_err(Error::io(path))?;
    if text.len() as u64 > LONGEST_FILE {
        return Err(wrong("is longer than 4 MiB, and no list of sensors"));
    }
    String::from_utf8(text)
        .map_err(|_| wrong("is not a text file; name the list of sensors with -sensors"))
}

fn parse(path: &Path, text: &str) -> Result<HashMap<Pin, String>, Error> {
    let mut names: HashMap<Pin, String> = HashMap::new();
    // Editors of Windows put a mark there.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (place, line) in text.lines().enumerate() {
        let wrong = |reason: String| Error::Line {
            path: path.to_owned(),
            line: place + 1,
            reason,
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
    /// Characters of a line that are repeated to whoever made a mistake in it.
    const SHOWN: usize = 80;
    let text = line.split('#').next().unwrap_or_default();
    let mut words = text.split_whitespace();
    let pin = match (words.next(), words.next(), words.next()) {
        (None, ..) => return Ok(None),
        (Some(name), Some(pin), None) if is_name(name) => pin.parse().ok().map(|pin| (name, pin)),
        _ => None,
    };
    pin.map(Some).ok_or_else(|| {
        let found: String = line.trim().chars().take(SHOWN).collect();
        format!("expected NAME PIN, found {found:?}")
    })
}

fn is_name(name: &str) -> bool {
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '#';
    (1..=LONGEST_NAME).contains(&name.len()) && !name.contains(is_odd)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn pin(n: u8) -> Pin {
        format!("{n:02x}").repeat(32).parse().expect("a pin")
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("a file").mode() & 0o777
    }

    #[test]
    fn modes_and_links_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let [file, link] = ["list", "sensors"].map(|name| folder.path().join(name));
        fs::write(&file, "").expect("written");
        symlink("list", &link).expect("a link");
        let enrolment = Enrolment::open(&link).expect("empty");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o660)).expect("a mode");
        enrolment.add("alice", pin(1)).expect("added");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(mode(&file), 0o660);
        assert_eq!(mode(&folder.path().join("list.lock")), 0o600);
        assert_eq!(enrolment.list(), [("alice".to_owned(), pin(1))]);
        fs::remove_file(&link).expect("removed");
        enrolment.add("bob", pin(2)).expect("added");
        assert_eq!(mode(&link), 0o644);
    }

    #[test]
    fn a_file_that_is_gone_is_a_mistake_and_an_empty_one_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sensors");
        let enrolment = Enrolment::open(&path).expect("none yet");
        assert_eq!(enrolment.trouble(), None);
        enrolment.add("alice", pin(1)).expect("added");
        assert_eq!(enrolment.keys(), 1);
        let away = folder.path().join("away");
        fs::rename(&path, &away).expect("moved");
        assert_eq!(enrolment.keys(), 1);
        let trouble = enrolment.trouble().expect("told");
        assert!(trouble.contains("the file is gone"), "{trouble}");
        fs::rename(&away, &path).expect("moved back");
        assert_eq!((enrolment.keys(), enrolment.trouble()), (1, None));
        fs::write(&path, "").expect("emptied");
        assert_eq!((enrolment.keys(), enrolment.trouble()), (0, None));
    }

    #[test]
    fn what_is_no_list_is_told_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sensors");
        let told = |words: &str| {
            let error = Enrolment::open(&path).err().expect("refused").to_string();
            assert!(error.contains(words), "{error}");
        };
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).expect("a pipe");
        told("is no file");
        fs::remove_file(&path).expect("removed");
        fs::create_dir(&path).expect("a folder");
        told("is no file");
        fs::remove_dir(&path).expect("removed");
        File::create(&path)
            .and_then(|file| file.set_len(1 << 40))
            .expect("huge");
        told("longer than 4 MiB");
        fs::write(&path, b"a \xff").expect("written");
        told("is not a text file");
        fs::write(&path, "\nalice not-a-pin # x\n").expect("written");
        told("sensors, line 2: expected NAME PIN, found \"alice not-a-pin # x\"");
    }

    #[test]
    fn a_lock_that_another_holds_is_not_waited_for_for_ever() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sensors");
        let enrolment = Enrolment::open(&path).expect("none yet");
        let _held = lock(&folder.path().join("sensors.lock")).expect("free");
        let error = enrolment
            .add("alice", pin(1))
            .expect_err("held")
            .to_string();
        assert!(error.contains("another program holds it"), "{error}");
    }

    #[test]
    fn all_keys_of_a_name_are_removed_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sensors");
        fs::write(
            &path,
            format!("# ours\nalice {}\nbob {}\nalice {}", pin(1), pin(2), pin(3)),
        )
        .expect("written");
        let enrolment = Enrolment::open(&path).expect("good");
        assert_eq!(enrolment.remove_name("alice").expect("removed"), 2);
        assert_eq!(enrolment.remove_name("alice").expect("nothing"), 0);
        let left = fs::read_to_string(&path).expect("text");
        assert_eq!(left, format!("# ours\nbob {}\n", pin(2)));
    }

    #[test]
    fn names_are_plain() {
        for good in ["lab-7", "a", "A_b.example.org", "7"] {
            assert!(Enrolment::is_plain(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "../x",
            "a/b",
            "a b",
            "M\u{fc}ller",
            "a%",
            "a#",
        ] {
            assert!(!Enrolment::is_plain(bad), "{bad}");
        }
    }
}
