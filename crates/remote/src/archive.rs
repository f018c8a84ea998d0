//! What the server keeps: a folder for each client, a file for each type of record, as `netcap -r` reads
//! it. Files are appended to, after a restart too, and never replaced. With [`Rotation`] the files are in
//! folders of the client's, one for each period.
//!
//! Guarantees: whole members only are behind what [`Archive::commit`] has reported, so a file can be read at
//! any moment up to there; what a server that was killed left unfinished at the end of a file is cut
//! off when the file is opened again, counted and told. A file that is damaged otherwise is left as it is. What is in the
//! way of one client is [`Error::Foreign`] for this client, and nothing for the others.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use netcap_record::Schema;
use netcap_store::{Gzip, Rotation};
use nix::fcntl::{Flock, FlockArg};

use crate::Error;
use crate::client_name::ClientName;

mod client;
mod commits;
mod kept;
mod known;
mod news;
mod on_disk;
mod periods;
mod streams;
mod type_file;
mod unordered;

pub use client::Client;
use commits::Commits;
use kept::Counts;
pub use kept::{Kept, KeptTypes};
use news::News;
use on_disk::{OpenFile, make_folder, make_folders, open};
pub use periods::DiskCounts;
use periods::{Clock, Periods};
use type_file::{Found, TypeFile, type_of};
pub use unordered::Place;

/// Octets of records without numbers that are compressed together.
const BLOCK: usize = 64 << 10;

/// See the module.
pub struct Archive {
    directory: PathBuf,
    /// Held as long as the server runs.
    _lock: Flock<File>,
    clients: Mutex<HashMap<ClientName, Arc<Mutex<Client>>>>,
    shared: Arc<Shared>,
}

/// What all clients share.
struct Shared {
    version: String,
    types: Vec<&'static Schema>,
    commits: Commits,
    counts: Counts,
    news: News,
    periods: Option<Periods>,
    /// Compressors that nobody uses now: one takes 150 kB, so there are as many as threads have used at
    /// once, and not one for each client.
    free: Mutex<Vec<Gzip>>,
}

impl Shared {
    /// A gzip member that holds this.
    fn compress(&self, block: &[u8]) -> Vec<u8> {
        let free = lock(&self.free).pop();
        let mut gzip = free.unwrap_or_default();
        let member = gzip.member(block);
        lock(&self.free).push(gzip);
        member
    }

    /// Makes the folder of a client, unless it is there.
    fn make_folder(&self, path: &Path) -> Result<(), Error> {
        if make_folder(path)? {
            self.commits.note(self.commits.directory().into());
        }
        Ok(())
    }

    /// Tells what happened to the newest file of a type.
    fn tell_of(&self, file: &TypeFile, what: &str) {
        if let Some(newest) = &file.newest {
            self.news.tell(format!("{}: {what}", newest.path.display()));
        }
    }

    /// Tells what was done to a file that was looked through.
    fn tell_found(&self, path: &Path, found: &Found) {
        let path = path.display();
        if found.cut > 0 {
            self.news.count_cut(found.cut);
            let (cut, octets) = (found.cut, found.octets);
            self.news.tell(format!(
                "{path}: {cut} octets behind octet {octets} were unfinished, and are cut off"
            ));
        }
        if found.voids > 0 {
            let voids = found.voids;
            self.news.tell(format!(
                "{path}: {voids} batches that were being taken back are void now"
            ));
        }
    }

    /// A file has grown. Gives the number of the change.
    fn note(&self, file: &OpenFile, octets: u64) -> u64 {
        if let (Some(periods), Some(period)) = (&self.periods, file.period) {
            periods.add(period, octets);
        }
        self.commits.note(Arc::clone(&file.path))
    }

    /// Records came into a file.
    fn receive(&self, file: &OpenFile) {
        if let (Some(periods), Some(period)) = (&self.periods, file.period) {
            periods.receive(period);
        }
    }

    /// Whether a file in the folder of a period has the name of one of ours.
    fn is_ours(&self, name: &str) -> bool {
        type_of(&self.types, name).is_some()
    }
}

impl Archive {
    /// Opens a directory, or makes it. `version` is what headers of new files say.
    ///
    /// # Errors
    /// Where it cannot be made or written to, or another server has it.
    pub fn open(directory: &Path, version: &str) -> Result<Archive, Error> {
        Archive::open_rotating(directory, version, None)
    }

    /// The same, with files that are rotated. [`Archive::tidy`] must be called then.
    ///
    /// # Errors
    /// Where it cannot be made or written to, or another server has it; and with a limit on the disk,
    /// where it cannot be read.
    pub fn open_rotating(
        directory: &Path,
        version: &str,
        rotation: Option<Rotation>,
    ) -> Result<Archive, Error> {
        Archive::with_clock(directory, version, rotation, Box::new(SystemTime::now))
    }

    fn with_clock(
        directory: &Path,
        version: &str,
        rotation: Option<Rotation>,
        clock: Clock,
    ) -> Result<Archive, Error> {
        make_folders(directory).map_err(Error::io(directory))?;
        let path = directory.join(".lock");
        let (file, _) = open(&path, OpenOptions::new().write(true).create(true))?;
        // Whoever can open it can hold it. One that was made by somebody else stays as it is.
        drop(file.set_permissions(Permissions::from_mode(0o600)));
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
            let path = directory.to_owned();
            match errno {
                nix::errno::Errno::EWOULDBLOCK => Error::InUse { path },
                errno => Error::io(&path)(errno.into()),
            }
        })?;
        let archive = Archive {
            directory: directory.to_owned(),
            _lock: lock,
            clients: Mutex::default(),
            shared: Arc::new(Shared {
                version: version.to_owned(),
                types: netcap_pipeline::schemas(),
                commits: Commits::new(directory)?,
                counts: Counts::default(),
                news: News::default(),
                periods: rotation.map(|rotation| Periods::new(rotation, clock)),
                free: Mutex::default(),
            }),
        };
        archive.list_periods()?;
        Ok(archive)
    }

    /// The folder of a client. Its files are looked through when it is first asked for.
    ///
    /// # Errors
    /// Where it cannot be made or read.
    pub fn client(&self, name: &ClientName) -> Result<Arc<Mutex<Client>>, Error> {
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(name) {
            return Ok(Arc::clone(client));
        }
        let path = self.directory.join(name.folder());
        self.shared.make_folder(&path)?;
        let client = Client::new(name.clone(), path, Arc::clone(&self.shared));
        let client = Arc::new(Mutex::new(client));
        clients.insert(name.clone(), Arc::clone(&client));
        Ok(client)
    }

    /// Clients seen since the start.
    pub fn clients(&self) -> usize {
        lock(&self.clients).len()
    }

    /// What was kept since the start, by client and type. No file is waited for.
    pub fn counts(&self) -> BTreeMap<ClientName, KeptTypes> {
        self.shared.counts.snapshot()
    }

    /// What happened to files since this was last asked, a line each: what was cut off their ends, what
    /// other programs have changed, and what is in the way.
    pub fn news(&self) -> Vec<String> {
        self.shared.news.take()
    }

    /// Octets that were cut off the ends of files since the start, as they were unfinished.
    pub fn cut(&self) -> u64 {
        self.shared.news.cut()
    }

    /// Compresses and writes what waits in blocks. What is in the way of one client is [told](Archive::news),
    /// and its records wait.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn flush(&self) -> Result<(), Error> {
        let clients: Vec<_> = lock(&self.clients).values().map(Arc::clone).collect();
        clients.iter().try_for_each(|client| lock(client).flush())
    }

    /// Waits until all that was appended before is on the disk.
    ///
    /// # Errors
    /// Where the disk refuses. Nothing that was not committed before may be believed then.
    pub fn commit(&self) -> Result<(), Error> {
        self.shared.commits.wait()
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in its file, right behind what was there of its stream.
    InTurn,
    /// It is in its file; so many records are missing before it.
    After(u64),
    /// All of it was there already.
    Known,
    /// Some of it was there already; nothing was appended.
    Overlaps,
}

/// Nobody panics while holding a lock but by a bug, which ends the program.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
