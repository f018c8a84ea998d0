//! One file of a spool: a chain of Batch and Lost messages as they are sent.
//!
//! A Lost message counts from 0: so many records of its type there were, and what of them is in no batch is
//! lost.
//!
//! Guarantees: what a sensor that was killed left unfinished at the end is cut off; what is no such file
//! is left as it is.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::wire::LONGEST_MESSAGE;

/// Octets of a batch's message before its member.
const HEAD: usize = 4 + 1 + 15;
/// Octets of a Lost message after its length field.
const LOST: u64 = 1 + 18;

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
    /// It was there before this run.
    pub(crate) is_earlier: bool,
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
    /// Looks how far there are whole messages, and cuts the rest off. An error is why it is none of ours.
    pub(crate) fn open(number: u64, path: &Path) -> Result<Segment, String> {
        let failed = |error: io::Error| error.to_string();
        // Not followed, and not waited for, as opening a pipe would.
        if !path.symlink_metadata().map_err(failed)?.is_file() {
            return Err("it is no regular file".to_owned());
        }
        let file = options().open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let (mut octets, mut records) = (0, 0);
        let mut head = [0; HEAD];
        while octets + HEAD as u64 <= length {
            file.read_exact_at(&mut head, octets).map_err(failed)?;
            let message = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
            let is_one = match head[4] {
                3 => (HEAD as u64 - 4..=LONGEST_MESSAGE as u64).contains(&message),
                4 => message == LOST,
                _ => false,
            };
            if !is_one && octets == 0 {
                return Err("it holds no records".to_owned());
            }
            let end = octets + 4 + message;
            if !is_one || end > length {
                break;
            }
            if head[4] == 3 {
                records += u64::from(u32::from_be_bytes([head[15], head[16], head[17], head[18]]));
            }
            octets = end;
        }
        if octets < length {
            file.set_len(octets).map_err(failed)?;
        }
        Ok(Segment {
            octets,
            records,
            is_earlier: true,
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
            is_earlier: false,
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
