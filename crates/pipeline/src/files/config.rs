//! How files are written, and what is told of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use netcap_record::{Columns, Schema, Timestamp};
use netcap_store::{Encoding, Frames, Rotation};

use super::folder::COMPRESSED;

/// How files of records are written.
#[derive(Clone, Debug)]
pub struct FileConfig {
    /// Where they go; made if missing.
    pub directory: PathBuf,
    /// When files are closed and others begun, in folders of `directory`; by default never.
    pub rotation: Option<Rotation>,
    /// What they look like.
    pub encoding: Arc<dyn Encoding>,
    /// Whether to compress records with gzip.
    pub compress: bool,
    /// Whether output waits for whole blocks. Without, it is written as each batch ends.
    pub buffered: bool,
    /// How long output waits at most, where blocks are not full by then: for packets that nobody can have
    /// again, so that a run that is killed leaves what came until then. Where blocks end follows the
    /// clock then. By default as long as it takes.
    pub patience: Option<Duration>,
    /// Whether files that are in the way when a run begins are replaced.
    pub overwrite: bool,
    /// `InputSource` of the headers.
    pub source: String,
    /// `Version` of the headers.
    pub version: String,
    /// `Created` of the headers; with `rotation` that is when the period began.
    pub created: Timestamp,
}

impl FileConfig {
    /// Audit record files, compressed, with no name and no time in the headers.
    pub fn new(directory: impl Into<PathBuf>) -> FileConfig {
        FileConfig {
            directory: directory.into(),
            rotation: None,
            encoding: Arc::new(Frames),
            compress: true,
            buffered: true,
            patience: None,
            overwrite: false,
            source: String::new(),
            version: String::new(),
            created: Timestamp::new(0, 0),
        }
    }

    /// The name of a type's file.
    pub(super) fn name(&self, schema: &Schema) -> String {
        let compressed = if self.compress { COMPRESSED } else { "" };
        let extension = self.encoding.extension();
        format!("{}.{extension}{compressed}", schema.stem)
    }
}

/// One file written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Its name in the directory.
    pub name: String,
    /// Record type, by its name for users; empty for logs and pcaps.
    pub record_type: &'static str,
    /// Records in it; 0 for logs and pcaps.
    pub records: u64,
    /// Octets on disk.
    pub octets: u64,
}

/// What there are files of.
pub(super) struct Kinds {
    pub(super) schemas: Vec<&'static Schema>,
    pub(super) columns: Columns,
}
