//! Files and folders that are not known to be on the disk, and who waits for that. Whoever comes first while
//! nobody is at it has the disk write for all who wait.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::lock;
use crate::Error;

/// Files whose data is asked onto the disk one by one; of more, all of the file system is.
const ONE_BY_ONE: usize = 8;

/// See the module.
pub(super) struct Commits {
    directory: PathBuf,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    dirty: BTreeSet<Arc<Path>>,
    /// Changes so far, and how many of them are on the disk.
    changes: u64,
    durable: u64,
    is_syncing: bool,
    /// The disk refused once: what it has is not known any more.
    has_failed: bool,
}

impl Commits {
    pub(super) fn new(directory: &Path) -> Commits {
        Commits {
            directory: directory.to_owned(),
            state: Mutex::default(),
            ended: Condvar::new(),
        }
    }

    /// A file or a folder has changed. Gives the number of the change.
    pub(super) fn note(&self, path: Arc<Path>) -> u64 {
        let mut state = lock(&self.state);
        state.changes += 1;
        state.dirty.insert(path);
        state.changes
    }

    /// Waits until all changes so far are on the disk.
    pub(super) fn wait(&self) -> Result<(), Error> {
        let changes = lock(&self.state).changes;
        self.wait_for(changes)
    }

    /// Waits until the change of this number, and all before it, are on the disk.
    pub(super) fn wait_for(&self, change: u64) -> Result<(), Error> {
        let mut state = lock(&self.state);
        loop {
            if state.has_failed {
                let source = io::Error::other("the disk refused before; start the server again");
                return Err(Error::io(&self.directory)(source));
            }
            if state.durable >= change {
                return Ok(());
            }
            if state.is_syncing {
                let woken = self.ended.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.is_syncing = true;
            let (dirty, upto) = (std::mem::take(&mut state.dirty), state.changes);
            drop(state);
            let synced = self.sync(&dirty);
            state = lock(&self.state);
            state.is_syncing = false;
            state.durable = upto;
            state.has_failed = synced.is_err();
            self.ended.notify_all();
            synced?;
        }
    }

    fn sync(&self, dirty: &BTreeSet<Arc<Path>>) -> Result<(), Error> {
        if dirty.len() > ONE_BY_ONE {
            return sync_all(&self.directory).map_err(Error::io(&self.directory));
        }
        for path in dirty {
            match sync_one(path) {
                // Its period was removed: nothing of it is needed any more.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                synced => synced.map_err(Error::io(path))?,
            }
        }
        Ok(())
    }
}

/// Has the octets of a file written, or the names in a folder.
fn sync_one(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    match file.metadata()?.is_dir() {
        true => file.sync_all(),
        false => file.sync_data(),
    }
}

/// Has all of the file system written.
fn sync_all(directory: &Path) -> io::Result<()> {
    nix::unistd::syncfs(File::open(directory)?).map_err(io::Error::from)
}
