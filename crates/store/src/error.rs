//! What can go wrong with a file of records.

use std::path::PathBuf;

use netcap_capture::DecompressError;

/// Trouble with a file of records; one line that names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something else than a file of records.
    #[error("{} is not a file of audit records: {why}", path.display())]
    NotRecords {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        why: String,
    },
    /// The file ends inside a record or its compressed data ends early.
    #[error("{} is cut short after {records} whole records; they are complete, what followed is lost", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Whole records before the end, the header not counted.
        records: u64,
    },
    /// The compressed data or the framing contradicts itself.
    #[error("{} is damaged after {records} whole records: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Whole records before the damage, the header not counted.
        records: u64,
        /// What is wrong.
        why: String,
    },
    /// The compressed data is sound as far as it was read, but there is something else.
    #[error("{}: {why}, after {records} whole records; they are good", path.display())]
    Compressed {
        /// The file.
        path: PathBuf,
        /// Whole records before, the headers not counted.
        records: u64,
        /// What there is.
        why: DecompressError,
    },
    /// Behind a file of one type there is one of another.
    #[error("{}: behind {records} records begins a file of another type; split it there", path.display())]
    AnotherType {
        /// The file.
        path: PathBuf,
        /// Records before, the headers not counted.
        records: u64,
    },
    /// A file stands where a new one would go.
    #[error("{} exists already: choose another directory with -out, or replace it with -overwrite", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

impl Error {
    /// Whether the input is at fault, not the system.
    pub fn is_input_fault(&self) -> bool {
        !matches!(self, Error::Io { .. } | Error::Exists { .. })
    }
}
