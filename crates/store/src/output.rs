//! A file that appears under its name only when it is complete.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::uio::pwritev;

use crate::Error;

/// A file being written beside its final name. Dropped before [`OutputFile::finish`], it leaves
/// nothing behind.
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
        let partial = directory.join(format!(".{name}.{}.partial", std::process::id()));
        let file = File::create_new(&partial).map_err(|source| Error::Io {
            path: partial.clone(),
            source,
        })?;
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
            let written = file.write_all_at(octets, self.octets);
            written.map_err(|source| Error::Io {
                path: self.path.clone(),
                source,
            })?;
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

    /// Octets written so far, or with room kept for them.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// The final name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file another name than its own, in a directory of the same file system, unless
    /// something has that name already: `false` then. Nothing is replaced, no link is followed.
    pub fn finish_as(&mut self, path: &Path) -> Result<bool, Error> {
        let trouble = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        // An empty file of our own takes the name, as only one can, and is then replaced.
        match File::create_new(path) {
            Ok(_) => self.file = None,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(trouble(error)),
        }
        if let Err(error) = fs::rename(&self.partial, path) {
            let _ = fs::remove_file(path);
            return Err(trouble(error));
        }
        Ok(true)
    }

    /// Gives the file its name. One that has the name already is replaced only if told so.
    pub fn finish(mut self, overwrite: bool) -> Result<(), Error> {
        self.file = None;
        if !overwrite && self.path.exists() {
            return Err(Error::Exists {
                path: self.path.clone(),
            });
        }
        fs::rename(&self.partial, &self.path).map_err(|source| Error::Io {
            path: self.path.clone(),
            source,
        })
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        // After `finish` there is nothing by this name; otherwise there is nobody to tell.
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
        file.finish(false).expect("a name");
        let octets = fs::read(folder.path().join("x")).expect("the file");
        assert_eq!(octets, b"abcdefg");
    }
}
