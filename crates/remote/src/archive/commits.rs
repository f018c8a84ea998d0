//! Files and folders that are not known to be on the disk, and who waits for that. Whoever comes first while
//! nobody is at it has the disk write for all who wait.
//!
//! Guarantee: only the disk makes this fail. A file that cannot be opened, as it was moved away meanwhile,
//! or as too many are open, is written with all of the file system.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use nix::fcntl::OFlag;

use super::lock;
use crate::Error;

/// Files whose data is asked onto the disk one by one; of more, all of the file system is.
const ONE_BY_ONE: usize = 8;

/// See the module.
pub(super) struct Commits {
    directory: PathBuf,
    /// The same, open: it must be had when nothing else can be opened.
    opened: File,
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
    pub(super) fn new(directory: &Path) -> Result<Commits, Error> {
        Ok(Commits {
            directory: directory.to_owned(),
            opened: File::open(directory).map_err(Error::io(directory))?,
            state: Mutex::default(),
            ended: Condvar::new(),
        })
    }

    /// The folder that all is in.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
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
            return self.sync_all();
        }
        for path in dirty {
            match open(path) {
                Some((file, is_folder)) => match is_folder {
                    true => file.sync_all(),
                    false => file.sync_data(),
                }
                .map_err(Error::io(path))?,
                None => return self.sync_all(),
            }
        }
        Ok(())
    }

    /// Has all of the file system written.
    fn sync_all(&self) -> Result<(), Error> {
        let synced = nix::unistd::syncfs(&self.opened).map_err(io::Error::from);
        synced.map_err(Error::io(&self.directory))
    }
}

/// A file or folder, if that is what is there, and whether it is a folder.
fn open(path: &Path) -> Option<(File, bool)> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)
        .ok()?;
    let metadata = file.metadata().ok()?;
    let is_either = metadata.is_file() || metadata.is_dir();
    is_either.then(|| (file, metadata.is_dir()))
}
