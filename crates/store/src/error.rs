//! What can go wrong with a file of records.

use std::path::PathBuf;

use netcap_capture::{DecompressError, after_whole, good_so_far};

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
    #[error("{} is cut short {}{}; what followed is lost", path.display(), after_whole(*records, "record"), good_so_far(*records, "record"))]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Whole records before the end, the header not counted.
        records: u64,
    },
    /// The compressed data or the framing contradicts itself.
    #[error("{} is damaged {}: {why}{}", path.display(), after_whole(*records, "record"), good_so_far(*records, "record"))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Whole records before the damage, the header not counted.
        records: u64,
        /// What is wrong.
        why: String,
    },
    /// The compressed data is sound as far as it was read, but there is something else.
    #[error("{}: {why}, {}{}{}", path.display(), after_whole(*records, "record"), good_so_far(*records, "record"), why.remedy())]
    Compressed {
        /// The file.
        path: PathBuf,
        /// Whole records before, the headers not counted.
        records: u64,
        /// What there is.
        why: DecompressError,
    },
    /// Behind a file of one type there is one of another.
    #[error(
        "{}: at octet {octet} of its content, {}, a file of another type begins; split it there, only files \
         of one type can be joined", path.display(), after_whole(*records, "record")
    )]
    AnotherType {
        /// The file.
        path: PathBuf,
        /// Records before, the headers not counted.
        records: u64,
        /// Where the other file begins, in (decompressed) octets.
        octet: u64,
        /// The numbers of both types, in this order.
        types: (u16, u16),
    },
    /// Behind a file that is not compressed there is one that is.
    #[error(
        "{}: at octet {octet} of its content, {}, {format} begins; split it there, only files that are all \
         compressed, or all not, can be joined", path.display(), after_whole(*records, "record")
    )]
    Mixed {
        /// The file.
        path: PathBuf,
        /// Records before, the headers not counted.
        records: u64,
        /// Where the compressed file begins.
        octet: u64,
        /// How it is compressed, as in `gzip`.
        format: &'static str,
    },
    /// Among the records, or behind them, there are zeros.
    #[error(
        "{}: zeros among or behind its records were passed over, {zeros} in all; the records are good",
        path.display()
    )]
    Zeros {
        /// The file.
        path: PathBuf,
        /// How many zeros.
        zeros: u64,
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
