//! Trouble with the environment. What peers do wrong is counted, and no error.

use std::io;
use std::path::{Path, PathBuf};

use netcap_capture::pcap_over_ip::ConnectError;

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
    #[error("{server}: {}{reason}", not_delivered(*records))]
    Undelivered {
        /// The address as given.
        server: String,
        /// How many records it has not acknowledged.
        records: u64,
        /// What keeps it.
        reason: String,
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

fn not_delivered(records: u64) -> String {
    match records {
        0 => String::new(),
        1 => "1 record was not delivered: ".to_owned(),
        records => format!("{records} records were not delivered: "),
    }
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
