//! A file that appears under its name only when it is complete.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::uio::pwritev;

use crate::{Error, Mended, mend};

/// Unfinished files of one name that dead runs may have left before there is no name for another.
const MOST_LEFT: u32 = 1000;

/// The name of a file while it is written.
pub(crate) fn partial_name(name: &str, number: u32) -> String {
    format!(".{name}.{number}.partial")
}

/// The name that an unfinished file is to have, if it is one.
pub fn unfinished(partial: &str) -> Option<&str> {
    let hidden = partial.strip_prefix('.')?.strip_suffix(".partial")?;
    let (name, number) = hidden.rsplit_once('.')?;
    number.parse::<u32>().is_ok().then_some(name)
}

/// A file being written beside its final name. Dropped before it has one, it stays as it is, and is found
/// like what a run that died has left: nobody may have these packets again.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    partial: PathBuf,
    file: Option<Arc<File>>,
    octets: u64,
}

/// Writes octets to their place in an [`OutputFile`], from any thread and in any order.
#[derive(Clone, Debug)]
pub struct Placer {
    file: Arc<File>,
    path: Arc<Path>,
}

impl Placer {
    /// Writes octets at a place that [`OutputFile::reserve`] gave.
    ///
    /// # Errors
    /// Where the system refuses, as on a full disk.
    pub fn write(&self, octets: &[u8], place: u64) -> Result<(), Error> {
        self.write_pieces(&[octets], place)
    }

    /// Writes pieces one behind the other, in as few calls of the system as it allows.
    ///
    /// # Errors
    /// As for [`Placer::write`].
    pub fn write_pieces(&self, pieces: &[&[u8]], mut place: u64) -> Result<(), Error> {
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = slices.as_mut_slice();
        // Of nothing but empty pieces the system would write nothing.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let at =
                i64::try_from(place).map_err(|_| self.trouble(ErrorKind::FileTooLarge.into()))?;
            match pwritev(&self.file, rest, at) {
                Ok(0) => return Err(self.trouble(ErrorKind::WriteZero.into())),
                Ok(written) => {
                    place += written as u64;
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(self.trouble(errno.into())),
            }
        }
        Ok(())
    }

    fn trouble(&self, source: io::Error) -> Error {
        let path = self.path.to_path_buf();
        Error::Io { path, source }
    }
}

impl OutputFile {
    /// Starts a file that will be `directory/name`.
    pub fn create(directory: &Path, name: &str) -> Result<OutputFile, Error> {
        let path = directory.join(name);
        let mut number = std::process::id();
        let (partial, file) = loop {
            let partial = directory.join(partial_name(name, number));
            match File::create_new(&partial) {
                Ok(file) => break (partial, file),
                // Of a dead run that had the number of this one, as in a container.
                Err(source)
                    if source.kind() == ErrorKind::AlreadyExists
                        && number.wrapping_sub(std::process::id()) < MOST_LEFT =>
                {
                    number = number.wrapping_add(1);
                }
                Err(source) => {
                    return Err(Error::Io {
                        path: partial,
                        source,
                    });
                }
            }
        };
        // It tells others that somebody writes here; where the file system has no locks, nobody is told.
        drop(file.try_lock());
        Ok(OutputFile {
            path,
            partial,
            file: Some(Arc::new(file)),
            octets: 0,
        })
    }

    /// Appends octets.
    pub fn write(&mut self, octets: &[u8]) -> Result<(), Error> {
        if let Some(file) = &self.file {
            if let Err(source) = file.write_all_at(octets, self.octets) {
                // Some of them may be there.
                self.octets = file.metadata().map_or(self.octets, |file| file.len());
                let path = self.path.clone();
                return Err(Error::Io { path, source });
            }
            self.octets += octets.len() as u64;
        }
        Ok(())
    }

    /// Keeps room for so many octets behind all others, and says where. They must be there before
    /// the file is finished.
    pub fn reserve(&mut self, octets: usize) -> u64 {
        let place = self.octets;
        self.octets += octets as u64;
        place
    }

    /// Who writes to the room that was kept; none once the file is finished.
    pub fn placer(&self) -> Option<Placer> {
        let file = Arc::clone(self.file.as_ref()?);
        let path = self.path.as_path().into();
        Some(Placer { file, path })
    }

    /// Cuts the file behind the last record that is whole, in so many octets from its beginning: beyond
    /// them something could not be written.
    ///
    /// # Errors
    /// Those of [`mend`].
    pub fn cut(&mut self, octets: u64) -> Result<Mended, Error> {
        if let Some(file) = &self.file
            && octets < self.octets
        {
            file.set_len(octets).map_err(|source| Error::Io {
                path: self.partial.clone(),
                source,
            })?;
        }
        let name = self.path.file_name().unwrap_or_default();
        let mended = mend(&self.partial, &name.to_string_lossy())?;
        self.octets = mended.octets;
        Ok(mended)
    }

    /// Octets written so far, or with room kept for them.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// The final name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name until then.
    pub fn partial(&self) -> &Path {
        &self.partial
    }

    /// Gives the file a name in a directory of the same file system, unless something has that name already:
    /// `false` then. Nothing is replaced, no link is followed.
    ///
    /// # Errors
    /// Where the system refuses; the file stays as it is then.
    pub fn finish_as(&mut self, path: &Path) -> Result<bool, Error> {
        // An empty file of our own takes the name, as only one can, and is then replaced. A disk that has no
        // room for it may still change a name.
        let taken = File::create_new(path).is_ok();
        if !taken && path.symlink_metadata().is_ok() {
            return Ok(false);
        }
        if let Err(source) = fs::rename(&self.partial, path) {
            if taken {
                let _ = fs::remove_file(path);
            }
            let path = path.to_owned();
            return Err(Error::Io { path, source });
        }
        // Only now: until it has its name, nobody else may take it for one that was left.
        self.file = None;
        Ok(true)
    }

    /// Removes the file, of which nothing is wanted.
    pub fn discard(self) {
        // Where that fails, it is found as one that was left.
        let _ = fs::remove_file(&self.partial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stand_one_behind_the_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut file = OutputFile::create(folder.path(), "x").expect("a file");
        let placer = file.placer().expect("an open file");
        let (first, second) = (file.reserve(3), file.reserve(4));
        placer
            .write_pieces(&[b"", b"de", b"", b"fg", b""], second)
            .expect("written");
        placer.write(b"abc", first).expect("written");
        placer.write(b"", first).expect("nothing to write");
        placer.write_pieces(&[b"", b""], first).expect("nothing");
        let path = folder.path().join("x");
        assert!(file.finish_as(&path).expect("a name"));
        assert_eq!(fs::read(path).expect("the file"), b"abcdefg");
    }

    #[test]
    fn nothing_is_replaced_and_nothing_removed_unasked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x");
        let begin = || {
            let mut file = OutputFile::create(folder.path(), "x").expect("a file");
            file.write(b"ours").expect("written");
            file
        };
        let mut file = begin();
        fs::write(&path, b"others").expect("a file");
        assert!(!file.finish_as(&path).expect("no trouble"));
        assert!(file.finish_as(&folder.path().join("none/x")).is_err());
        let partial = file.partial().to_owned();
        drop(file);
        assert_eq!(fs::read(partial).expect("it stays"), b"ours");
        let file = begin();
        let partial = file.partial().to_owned();
        file.discard();
        assert!(!partial.exists());
        assert_eq!(fs::read(path).expect("a file"), b"others");
    }
}
