//! What could not be written, as the disk was full or refused for another reason.

use std::path::Path;

use netcap_store::disk_room;

use crate::Error;

/// Octets that must be free for files to begin again where the disk was full, or a tenth of a smaller disk.
const ENOUGH: u64 = 1 << 20;

/// The account of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unwritten {
    /// Packets that came while nothing could be written.
    pub packets: u64,
    /// Records that are in no file.
    pub records: u64,
    /// What the system said first, if it refused at all.
    pub why: Option<String>,
}

impl Unwritten {
    /// Remembers why nothing can be written.
    pub(super) fn because(&mut self, error: &Error) {
        self.why.get_or_insert_with(|| error.to_string());
    }

    /// Adds what some packets gave.
    pub(super) fn add(&mut self, packets: u64, records: u64) {
        self.packets += packets;
        self.records += records;
    }
}

/// Whether there is room for new files in a directory.
pub(super) fn has_room(directory: &Path) -> bool {
    disk_room(directory).is_ok_and(|room| room.free >= ENOUGH.min(room.all / 10).max(1))
}
