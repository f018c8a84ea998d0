//! A file that appears under its name only when it is complete.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::Error;

/// A file being written beside its final name. Dropped before [`OutputFile::finish`], it leaves
/// nothing behind.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    partial: PathBuf,
    file: Option<File>,
    octets: u64,
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
            file: Some(file),
            octets: 0,
        })
    }

    /// Appends octets.
    pub fn write(&mut self, octets: &[u8]) -> Result<(), Error> {
        if let Some(file) = &mut self.file {
            file.write_all(octets).map_err(|source| Error::Io {
                path: self.path.clone(),
                source,
            })?;
            self.octets += octets.len() as u64;
        }
        Ok(())
    }

    /// Octets written so far.
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
