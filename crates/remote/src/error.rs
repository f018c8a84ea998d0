//! Trouble with the environment. What peers do wrong is counted, and no error.

use std::io;
use std::path::{Path, PathBuf};

use netcap_capture::pcap_over_ip::ConnectError;
use nix::errno::Errno;

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
    /// A line of a text file is wrong.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What is expected, and what is there.
        reason: String,
    },
    /// The server cannot be reached, or has not taken everything.
    #[error("{server}: {}", not_delivered(*records, reason))]
    Undelivered {
        /// The address as given.
        server: String,
        /// How many records it does not have.
        records: u64,
        /// What keeps it; empty where that was told.
        reason: String,
        /// What keeps it is that one side does not believe the other, and the input can wait.
        is_untrusted: bool,
    },
    /// An address cannot be listened on, or TLS is not set up for it.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Another server has the folder.
    #[error("{}: another netcap-server writes here; give this one another folder with -out", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A file with a key cannot be used, or is not replaced.
    #[error("{}: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do, without the key.
        reason: String,
    },
    /// The system gives no random numbers, so nothing can be sealed.
    #[error("the system gives no random numbers (getrandom); nothing can be sealed without")]
    NoRandomNumbers,
    /// What is between sensor and server refuses; all of it in one line.
    #[error("{0}")]
    Transport(String),
}

fn not_delivered(records: u64, reason: &str) -> String {
    let what = match records {
        0 => "nothing was sent".to_owned(),
        1 => "1 record was not delivered".to_owned(),
        records => format!("{records} records were not delivered"),
    };
    match reason {
        "" => what,
        reason => format!("{what}: {reason}"),
    }
}

impl Error {
    /// Whether one side does not believe the other, so that it is of no use to try again.
    pub fn is_untrusted(&self) -> bool {
        matches!(
            self,
            Error::Undelivered {
                is_untrusted: true,
                ..
            }
        )
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    }

    /// Of a file or folder below that of one client: what is there instead, or that it is not there or not
    /// for the server, concerns this client only; all else is the disk's.
    pub(crate) fn of_client(path: &Path) -> impl FnOnce(io::Error) -> Error {
        use Errno::{EACCES, EISDIR, ELOOP, ENOENT, ENOTDIR, ENXIO, EPERM};
        let path = path.to_owned();
        move |source| match source.raw_os_error().map(Errno::from_raw) {
            Some(ELOOP) => Error::Foreign {
                path,
                reason: "is a link, so records cannot go there; move it away".to_owned(),
            },
            Some(EACCES | EISDIR | ENOENT | ENOTDIR | ENXIO | EPERM) => Error::Foreign {
                path,
                reason: format!(
                    "{source}; move away what is in the way, and let the server write there"
                ),
            },
            _ => Error::Io { path, source },
        }
    }

    /// Whether it concerns everybody, so that a server that cannot get over it had better end. What is in
    /// the way of one client does not, and neither do files or connections that are too many for now.
    pub fn is_of_all(&self) -> bool {
        match self {
            Error::Foreign { .. } => false,
            Error::Io { source, .. } => !matches!(
                source.raw_os_error().map(Errno::from_raw),
                Some(Errno::EMFILE | Errno::ENFILE)
            ),
            _ => true,
        }
    }
}

impl From<Error> for netcap_pipeline::Error {
    fn from(error: Error) -> netcap_pipeline::Error {
        netcap_pipeline::Error::Outlet(Box::new(error))
    }
}
