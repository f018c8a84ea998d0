//! Batches in files, where memory is not enough: they outlive a sensor that is killed (what was written
//! last may be missing after a loss of power, as nothing waits for the disk here), and go to the server
//! first when it begins again, under the stream they were made for.
//!
//! A file is a chain of messages as they are sent ([`wire`](super::wire)), of one stream, named
//! `STREAM-NUMBER.spool`; it is removed when the server has all of it. What has such a name and is
//! something else is told, left alone, and in nobody's way.
//!
//! Guarantees: all files together are bounded; a batch whose end is missing, or that is not what it says,
//! is passed over, and the server is told which records are missing.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use netcap_record::Schema;
use nix::fcntl::{Flock, FlockArg, OFlag};

use super::checks::check;
use super::entry::Entry;
use super::segment::Segment;
use super::wire::{END_OF_NUMBERS, Message, PAYLOADS, split};
use crate::Error;
use crate::batch::StreamId;

/// Octets after which the next file begins.
const SEGMENT: u64 = 8 << 20;
/// Number of a stream's first file: what memory holds at the end goes before it.
const FIRST: u64 = 1 << 32;
/// Numbers of files that are ours, with room below and above for others.
const NUMBERS: std::ops::Range<u64> = 1 << 16..1 << 62;

/// A folder of such files, and all of its streams.
pub(crate) struct Folder {
    directory: PathBuf,
    most: u64,
    octets: AtomicU64,
    types: Vec<&'static Schema>,
    /// Held as long as the sensor runs.
    _lock: Flock<File>,
}

/// What there is in a folder.
pub(crate) struct Opened {
    /// The spools of streams that are left there, the oldest first.
    pub(crate) older: Vec<(StreamId, Spool)>,
    /// The one of this run's stream.
    pub(crate) own: Spool,
    /// What has the name of a file of ours and is none, with the reason.
    pub(crate) odd: Vec<String>,
}

/// What a spool gives.
pub(crate) enum Spooled {
    Batch(Entry),
    /// There were records of a type up to a number.
    Given(u16, u64),
}

/// The files of one stream, the oldest first.
pub(crate) struct Spool {
    folder: Arc<Folder>,
    stream: StreamId,
    segments: VecDeque<Segment>,
    /// Number of the next file.
    next: u64,
    frames: Vec<u8>,
}

impl Folder {
    /// Opens a folder, or makes it, for files of so many octets.
    pub(crate) fn open(directory: &Path, most: u64, stream: StreamId) -> Result<Opened, Error> {
        fs::create_dir_all(directory).map_err(Error::io(directory))?;
        let path = directory.join(".lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            // Nor is waited for who reads, where it is a pipe.
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(&path)
            .map_err(Error::io(&path))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
            let reason = "another sensor keeps records here; give this one another folder";
            Error::Foreign {
                path: directory.to_owned(),
                reason: reason.to_owned(),
            }
        })?;
        let folder = Arc::new(Folder {
            directory: directory.to_owned(),
            most,
            octets: AtomicU64::new(0),
            types: netcap_pipeline::schemas(),
            _lock: lock,
        });
        let mut streams: BTreeMap<StreamId, Vec<Segment>> = BTreeMap::new();
        let mut odd = Vec::new();
        for found in fs::read_dir(directory).map_err(Error::io(directory))? {
            let path = found.map_err(Error::io(directory))?.path();
            let Some((stream, number)) = name_of(&path) else {
                continue;
            };
            let opened = match NUMBERS.contains(&number) && stream != StreamId::default() {
                true => Segment::open(number, &path),
                false => Err("no sensor gives such a name".to_owned()),
            };
            match opened {
                Ok(segment) => streams.entry(stream).or_default().push(segment),
                Err(reason) => odd.push(format!("{}: left alone: {reason}", path.display())),
            }
        }
        let own = folder.spool(stream, streams.remove(&stream).unwrap_or_default());
        let mut older = Vec::new();
        for (stream, segments) in streams {
            let spool = folder.spool(stream, segments);
            if !spool.segments.is_empty() {
                older.push((stream, spool));
            }
        }
        older.sort_by_key(|(_, spool)| spool.modified());
        Ok(Opened { older, own, odd })
    }

    fn spool(self: &Arc<Folder>, stream: StreamId, mut segments: Vec<Segment>) -> Spool {
        segments.sort_by_key(|segment| segment.number);
        let octets = segments.iter().map(|segment| segment.octets).sum();
        self.octets.fetch_add(octets, Ordering::Relaxed);
        let next = segments.last().map_or(FIRST, |last| last.number + 1);
        let mut spool = Spool {
            folder: Arc::clone(self),
            stream,
            segments: segments.into(),
            next: next.max(FIRST),
            frames: Vec::new(),
        };
        spool.remove_done();
        spool
    }
}

impl Folder {
    /// Appends a batch to a file, if all files together have room for it.
    fn put(&self, segment: &mut Segment, entry: &Entry) -> io::Result<()> {
        let mut octets = Vec::new();
        entry.message().put(&mut octets);
        let length = octets.len() as u64;
        if self.octets.load(Ordering::Relaxed) + length > self.most {
            return Err(io::ErrorKind::StorageFull.into());
        }
        segment.append(&octets, entry.count)?;
        self.octets.fetch_add(length, Ordering::Relaxed);
        Ok(())
    }
}

/// The stream and the number that a file's name says.
fn name_of(path: &Path) -> Option<(StreamId, u64)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".spool")?;
    let (stream, number) = name.split_once('-')?;
    let is_hex = stream.len() == 32 && stream.bytes().all(|octet| octet.is_ascii_hexdigit());
    let stream = u128::from_str_radix(stream, 16).ok()?.to_be_bytes();
    Some((stream, number.parse().ok()?)).filter(|_| is_hex)
}

impl Spool {
    /// Octets of the files of all streams.
    pub(crate) fn octets(&self) -> u64 {
        self.folder.octets.load(Ordering::Relaxed)
    }

    /// Records that were not read.
    pub(crate) fn records(&self) -> u64 {
        self.segments.iter().map(|segment| segment.records).sum()
    }

    /// Whether all was read, so that what comes now may stay in memory.
    pub(crate) fn is_read(&self) -> bool {
        self.segments
            .iter()
            .all(|segment| segment.read >= segment.octets)
    }

    fn modified(&self) -> Option<std::time::SystemTime> {
        let segment = self.segments.back()?;
        segment.file.metadata().ok()?.modified().ok()
    }

    /// Writes a batch behind all others; fails where there is no room, or the disk refuses.
    pub(crate) fn write(&mut self, entry: &Entry) -> io::Result<()> {
        let folder = Arc::clone(&self.folder);
        folder.put(self.last()?, entry)
    }

    /// Notes how many records there were of some types. That takes a few octets, and always has room.
    pub(crate) fn write_given(&mut self, given: impl Iterator<Item = (u16, u64)>) {
        let mut octets = Vec::new();
        for (number, count) in given {
            let first = 0;
            Message::Lost {
                number,
                first,
                count,
            }
            .put(&mut octets);
        }
        if octets.is_empty() {
            return;
        }
        let written = self.last().and_then(|last| last.append(&octets, 0));
        if written.is_ok() {
            let length = octets.len() as u64;
            self.folder.octets.fetch_add(length, Ordering::Relaxed);
        }
    }

    /// The file that is written to.
    fn last(&mut self) -> io::Result<&mut Segment> {
        let is_full = |last: &Segment| last.octets >= SEGMENT;
        if self.segments.back().is_none_or(is_full) {
            let segment = self.create(self.next)?;
            self.next += 1;
            self.segments.push_back(segment);
        }
        let last = self.segments.back_mut();
        last.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Writes batches that come before all others; gives how many records are in files then.
    pub(crate) fn write_before<'e>(&mut self, entries: impl Iterator<Item = &'e Entry>) -> u64 {
        let number = self.segments.front().map_or(FIRST, |first| first.number) - 1;
        let mut segment = self.create(number).ok();
        let mut records = 0;
        let mut has_room = true;
        for entry in entries {
            has_room = has_room
                && segment
                    .as_mut()
                    .is_some_and(|segment| self.folder.put(segment, entry).is_ok());
            // Some are in another file already.
            if has_room || entry.segment.is_some() {
                records += u64::from(entry.count);
            }
        }
        if let Some(segment) = segment {
            self.segments.push_front(segment);
        }
        self.remove_done();
        records
    }

    fn create(&self, number: u64) -> io::Result<Segment> {
        let stream = u128::from_be_bytes(self.stream);
        let name = format!("{stream:032x}-{number:020}.spool");
        let path = self.folder.directory.join(name);
        Segment::create(number, path)
    }

    /// The next batch that was not read; one that is damaged is passed over.
    pub(crate) fn read(&mut self) -> Option<Spooled> {
        let Spool {
            folder,
            segments,
            frames,
            ..
        } = self;
        for segment in segments {
            while segment.read < segment.octets {
                let Some(octets) = segment.message() else {
                    segment.read = segment.octets;
                    segment.records = 0;
                    break;
                };
                segment.read += octets.len() as u64;
                let Ok(Some((message, _))) = split(&octets) else {
                    continue;
                };
                let (number, first, count, flags, member) = match message {
                    Message::Batch {
                        number,
                        first,
                        count,
                        flags,
                        member,
                    } => (number, first, count, flags, member),
                    Message::Lost { number, count, .. } if count <= END_OF_NUMBERS => {
                        return Some(Spooled::Given(number, count));
                    }
                    _ => continue,
                };
                segment.records = segment.records.saturating_sub(u64::from(count));
                let is_large = first.saturating_add(u64::from(count)) > END_OF_NUMBERS;
                if is_large || check(&folder.types, (number, first, count), member, frames).is_err()
                {
                    continue;
                }
                segment.outstanding += 1;
                return Some(Spooled::Batch(Entry {
                    number,
                    first,
                    count,
                    payloads: flags & PAYLOADS != 0,
                    member: member.into(),
                    since: Instant::now(),
                    was_sent: false,
                    is_earlier: segment.is_earlier,
                    segment: Some(segment.number),
                }));
            }
        }
        self.remove_done();
        None
    }

    /// The server has a batch of this file.
    pub(crate) fn release(&mut self, number: u64) {
        let mut segments = self.segments.iter_mut();
        if let Some(segment) = segments.find(|segment| segment.number == number) {
            segment.outstanding = segment.outstanding.saturating_sub(1);
        }
        self.remove_done();
    }

    /// Removes files of which the server has all.
    fn remove_done(&mut self) {
        let folder = &self.folder;
        self.segments.retain(|segment| {
            let is_done = segment.read >= segment.octets && segment.outstanding == 0;
            if is_done {
                folder.octets.fetch_sub(segment.octets, Ordering::Relaxed);
                let _ = fs::remove_file(&segment.path);
            }
            !is_done
        });
    }
}
