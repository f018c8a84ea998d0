//! Trouble with the environment. What peers do wrong is counted, and no error.

use std::io;
use std::path::{Path, PathBuf};

/// Why records cannot be kept or sent; the message is one line and names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder of the server's, or the network, refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is in the way that is none of ours.
    #[error("{}: {reason}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// Another server has the folder.
    #[error("{}: another netcap-server writes here; give this one another folder with -out", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// What is between sensor and server refuses; all of it in one line.
    #[error("{0}")]
    Transport(String),
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    }
}

impl From<Error> for netcap_pipeline::Error {
    fn from(error: Error) -> netcap_pipeline::Error {
        netcap_pipeline::Error::Outlet(Box::new(error))
    }
}
