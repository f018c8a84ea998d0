//! How much room a disk has.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;

/// Octets of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskRoom {
    /// All of them.
    pub all: u64,
    /// Those that are free for users who are not root.
    pub free: u64,
}

/// The room of the file system on which something is.
///
/// # Errors
/// Where there is nothing by that name.
#[allow(clippy::useless_conversion, reason = "some systems count in 32 bits")]
pub fn disk_room(path: &Path) -> io::Result<DiskRoom> {
    let room = statvfs(path)?;
    let block = u64::from(room.fragment_size());
    Ok(DiskRoom {
        all: block.saturating_mul(u64::from(room.blocks())),
        free: block.saturating_mul(u64::from(room.blocks_available())),
    })
}
