//! Files and folders below that of a client, as they are on the disk: other programs, and people, may put
//! something else there at any moment.
//!
//! Guarantees: only plain files are read and written; links are not followed, and nothing that is in the
//! way is waited for. What is in the way is [`Error::Foreign`], and so of this client only. A file is
//! appended to only if it is the one that is known, and as long as is known. The owner may write, the group
//! may read, if the umask lets it.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use netcap_store::Period;
use nix::fcntl::OFlag;

use crate::Error;

/// Of files and folders of records: analysts may be of the group.
const FILE_MODE: u32 = 0o640;
const FOLDER_MODE: u32 = 0o750;

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> FileId {
        FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// A file that can be appended to.
pub(super) struct OpenFile {
    pub(super) path: Arc<Path>,
    pub(super) period: Option<Period>,
    pub(super) octets: u64,
    pub(super) id: FileId,
}

/// What happened to a file meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// It is elsewhere, or removed, maybe with an empty one in its place.
    Away,
    /// Another program has cut it, or put another file in its place.
    Other,
}

impl OpenFile {
    /// What other programs have made of it since it was last written to.
    pub(super) fn change(&self) -> Result<Change, Error> {
        use io::ErrorKind::{NotADirectory, NotFound};
        let found = match fs::symlink_metadata(&self.path) {
            Ok(found) => found,
            Err(error) if [NotFound, NotADirectory].contains(&error.kind()) => {
                return Ok(Change::Away);
            }
            Err(error) => return Err(Error::of_client(&self.path)(error)),
        };
        if !found.is_file() {
            return Err(no_file(&self.path));
        }
        Ok(match (FileId::of(&found) == self.id, found.len()) {
            (true, octets) if octets == self.octets => Change::None,
            (false, 0) => Change::Away,
            _ => Change::Other,
        })
    }

    /// Appends in one call of the system, so that who reads meanwhile mostly sees all of it or nothing.
    pub(super) fn append(&mut self, octets: &[u8]) -> Result<(), Error> {
        let (mut file, found) = open(&self.path, OpenOptions::new().append(true))?;
        if (FileId::of(&found), found.len()) != (self.id, self.octets) {
            let reason = "another program has changed it just now; it is looked through again";
            return Err(foreign(&self.path, reason));
        }
        let written = file.write_all(octets).inspect_err(|_| {
            // Half a member would make the next one unreadable.
            let _ = file.set_len(self.octets);
        });
        written.map_err(Error::of_client(&self.path))?;
        self.octets += octets.len() as u64;
        Ok(())
    }
}

/// Opens a plain file, and says what it is.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> Result<(File, Metadata), Error> {
    // A FIFO would be waited for without the second.
    let file = options
        .mode(FILE_MODE)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)
        .map_err(Error::of_client(path))?;
    let found = file.metadata().map_err(Error::of_client(path))?;
    match found.is_file() {
        true => Ok((file, found)),
        false => Err(no_file(path)),
    }
}

/// Makes a folder, unless it is there; a link is none. Whether it was made.
pub(super) fn make_folder(path: &Path) -> Result<bool, Error> {
    let is_new = match DirBuilder::new().mode(FOLDER_MODE).create(path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let gone = "the folder of all records is gone; put it back, or start the server again";
            return Err(Error::io(path)(io::Error::new(error.kind(), gone)));
        }
        Err(error) => return Err(Error::io(path)(error)),
    };
    let metadata = fs::symlink_metadata(path).map_err(Error::of_client(path))?;
    if !metadata.is_dir() {
        let reason = "is no folder, so a client's records cannot go there; move it away";
        return Err(foreign(path, reason));
    }
    Ok(is_new)
}

/// Makes a folder that all others are in, and what leads there.
pub(super) fn make_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path)
}

fn no_file(path: &Path) -> Error {
    foreign(
        path,
        "is no plain file, so records cannot go there; move it away",
    )
}

pub(super) fn foreign(path: &Path, reason: impl Into<String>) -> Error {
    Error::Foreign {
        path: path.to_owned(),
        reason: reason.into(),
    }
}
