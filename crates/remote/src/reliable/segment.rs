//! One file of a spool: a chain of Batch messages as they are sent.
//!
//! Guarantees: what a sensor that was killed left unfinished at the end is cut off.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::wire::LONGEST_MESSAGE;

/// Octets of a batch's message before its member.
const HEAD: usize = 4 + 1 + 15;
/// See the module.
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    /// Octets of whole batches, and how many of these were read.
    pub(crate) octets: u64,
    pub(crate) read: u64,
    /// Records that were not read.
    pub(crate) records: u64,
    /// Batches that were read and the server may not have.
    pub(crate) outstanding: u64,
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .append(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits());
    options
}

impl Segment {
    /// Looks how far there are whole batches, and cuts the rest off.
    pub(crate) fn open(number: u64, path: &Path) -> io::Result<Segment> {
        let file = options().open(path)?;
        let length = file.metadata()?.len();
        let (mut octets, mut records) = (0, 0);
        let mut head = [0; HEAD];
        while octets + HEAD as u64 <= length {
            file.read_exact_at(&mut head, octets)?;
            let message = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
            let end = octets + 4 + message;
            let is_one = (HEAD as u64 - 4..=LONGEST_MESSAGE as u64).contains(&message);
            if head[4] != 3 || !is_one || end > length {
                break;
            }
            records += u64::from(u32::from_be_bytes([head[15], head[16], head[17], head[18]]));
            octets = end;
        }
        if octets < length {
            file.set_len(octets)?;
        }
        Ok(Segment {
            octets,
            records,
            ..Segment::new(number, path.to_owned(), file)
        })
    }

    /// Begins a file.
    pub(crate) fn create(number: u64, path: PathBuf) -> io::Result<Segment> {
        let file = options().create_new(true).open(&path)?;
        Ok(Segment::new(number, path, file))
    }

    fn new(number: u64, path: PathBuf, file: File) -> Segment {
        Segment {
            number,
            path,
            file,
            octets: 0,
            read: 0,
            records: 0,
            outstanding: 0,
        }
    }

    /// Appends the message of a batch, as a whole or not at all.
    pub(crate) fn append(&mut self, message: &[u8], records: u32) -> io::Result<()> {
        self.file.write_all(message).inspect_err(|_| {
            let _ = self.file.set_len(self.octets);
        })?;
        self.octets += message.len() as u64;
        self.records += u64::from(records);
        Ok(())
    }

    /// The octets of the next message; none where the disk refuses, or they are damaged.
    pub(crate) fn message(&self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.file.read_exact_at(&mut length, self.read).ok()?;
        let length = u32::from_be_bytes(length) as usize + 4;
        let is_there = (length as u64) <= self.octets - self.read;
        if !is_there || length > LONGEST_MESSAGE + 4 {
            return None;
        }
        let mut octets = vec![0; length];
        self.file.read_exact_at(&mut octets, self.read).ok()?;
        Some(octets)
    }
}
