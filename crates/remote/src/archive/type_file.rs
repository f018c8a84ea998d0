//! The files of one type of a client's records: the one that is appended to, and how far each stream has
//! come in all of them.
//!
//! Guarantees: a file begins with how far each stream had come before it, so the newest tells it alone; it
//! is begun when what it tells of is on the disk. One whose beginning was cut off is known by its header,
//! which says how much belongs to the beginning.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use netcap_record::{FileHeader, Schema, Timestamp};
use netcap_store::{About, Encoding, Frames, Gzip, Period};
use nix::fcntl::OFlag;

use super::{Shared, unordered};
use crate::Error;
use crate::batch::StreamId;
use crate::members::{Mark, Member, beginning, marked, walk};

/// Streams whose place is remembered for a file, the latest: a sensor has one at a time.
const STREAMS: usize = 64;
/// Octets of a file's beginning that are looked at: its header holds two short names.
const HEADER: u64 = 64 << 10;

/// The next number of each stream, the latest last.
#[derive(Default)]
pub(super) struct Streams(Vec<(StreamId, u64)>);

impl Streams {
    /// Remembers how far a stream has come.
    pub(super) fn note(&mut self, stream: StreamId, end: u64) {
        if stream == StreamId::default() {
            return;
        }
        let known = self.0.iter_mut().rev().find(|(known, _)| *known == stream);
        match known {
            Some((_, next)) => *next = (*next).max(end),
            None => {
                if self.0.len() >= STREAMS {
                    self.0.remove(0);
                }
                self.0.push((stream, end));
            }
        }
    }

    /// Those that follow on these.
    pub(super) fn note_all(&mut self, later: &Streams) {
        for (stream, next) in &later.0 {
            self.note(*stream, *next);
        }
    }

    pub(super) fn next(&self, stream: &StreamId) -> u64 {
        let known = self.0.iter().find(|(known, _)| known == stream);
        known.map_or(0, |(_, next)| *next)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A type, as far as it has been written.
#[derive(Default)]
pub(super) struct TypeFile {
    /// The newest file, if there is one.
    pub(super) newest: Option<OpenFile>,
    pub(super) streams: Streams,
    /// Whether the newest file says that its records may hold payloads.
    pub(super) payloads: bool,
    /// The number of its latest change.
    pub(super) change: u64,
    /// Records without numbers that wait to be compressed.
    pub(super) block: Vec<u8>,
    pub(super) waiting: u32,
}

/// A file that can be appended to.
pub(super) struct OpenFile {
    pub(super) path: Arc<Path>,
    pub(super) period: Option<Period>,
    pub(super) octets: u64,
}

impl TypeFile {
    /// Whether the file of this period is the newest.
    pub(super) fn is_in(&self, period: Option<Period>) -> bool {
        self.newest
            .as_ref()
            .is_some_and(|newest| newest.period == period)
    }

    /// Begins a file, which is the newest from now on.
    pub(super) fn begin(
        &mut self,
        folder: &Path,
        period: Option<Period>,
        about: &About<'_>,
        shared: &Shared,
    ) -> Result<(), Error> {
        if !self.streams.is_empty() {
            // What it says of the files before must be true whatever the machine loses.
            shared.commits.wait_for(self.change)?;
        }
        let path: Arc<Path> = folder.join(file_name(about.schema)).into();
        let file = open_no_link(&path).map_err(Error::io(&path))?;
        if file.metadata().map_err(Error::io(&path))?.len() > 0 {
            if !is_beginning(&file).map_err(Error::io(&path))? {
                return Err(foreign(&path));
            }
            // That the disk was full, as this was tried before.
            file.set_len(0).map_err(Error::io(&path))?;
        }
        let mut newest = OpenFile {
            path,
            period,
            octets: 0,
        };
        newest.append(&self.first_members(about))?;
        shared.commits.note(folder.into());
        self.change = shared.note(&newest, newest.octets);
        self.newest = Some(newest);
        self.payloads = about.payloads;
        Ok(())
    }

    /// The header, and how far each stream has come.
    fn first_members(&self, about: &About<'_>) -> Vec<u8> {
        let mut gzip = Gzip::default();
        let mut head = Vec::new();
        Frames.head(about, &mut head);
        let streams = self.streams.0.iter();
        let marks = streams.map(|(stream, first)| Mark {
            stream: *stream,
            first: *first,
            count: 0,
        });
        let header = Mark {
            first: self.streams.0.len() as u64,
            ..Mark::default()
        };
        let header = marked(&gzip.member(&head), &header);
        let nothing = gzip.member(&[]);
        let marked = marks.map(|mark| marked(&nothing, &mark));
        // Members of ours can be marked.
        std::iter::once(header)
            .chain(marked)
            .flatten()
            .flatten()
            .collect()
    }

    /// Appends a member to the newest file.
    pub(super) fn append(&mut self, member: &[u8], shared: &Shared) -> Result<(), Error> {
        let Some(newest) = &mut self.newest else {
            unreachable!("a file was begun");
        };
        newest.append(member)?;
        self.change = shared.note(newest, member.len() as u64);
        Ok(())
    }

    /// Compresses and writes what waits. It is of the time of the newest file.
    pub(super) fn flush(&mut self, gzip: &mut Gzip, shared: &Shared) -> Result<(), Error> {
        if self.waiting == 0 {
            return Ok(());
        }
        let mark = Mark {
            count: self.waiting,
            ..Mark::default()
        };
        if let Some(member) = marked(&gzip.member(&self.block), &mark) {
            self.append(&member, shared)?;
        }
        // The room goes too: many clients with many types would keep much of it for nothing.
        self.block = Vec::new();
        self.waiting = 0;
        Ok(())
    }
}

impl OpenFile {
    /// Appends in one call of the system, so that who reads meanwhile mostly sees all of it or nothing.
    fn append(&mut self, octets: &[u8]) -> Result<(), Error> {
        let file = OpenOptions::new()
            .append(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&self.path);
        let written = file.and_then(|mut file| {
            file.write_all(octets).inspect_err(|_| {
                // Half a member would make the next one unreadable.
                let _ = file.set_len(self.octets);
            })
        });
        written.map_err(Error::io(&self.path))?;
        self.octets += octets.len() as u64;
        Ok(())
    }
}

/// What a file holds that was there.
#[derive(Default)]
pub(super) struct Found {
    /// Octets of whole members; none where not even the header is whole.
    pub(super) octets: u64,
    /// Octets that were cut off behind them.
    pub(super) cut: u64,
    /// Whether it tells how far all streams have come.
    pub(super) is_complete: bool,
    pub(super) payloads: bool,
    pub(super) streams: Streams,
    /// What must be on the disk before anybody builds on it.
    pub(super) change: u64,
}

/// Looks through a file that is there. What was left unfinished is finished, or cut off.
pub(super) fn look(
    path: &Path,
    schema: &Schema,
    mut each: impl FnMut(&Member),
) -> Result<Found, Error> {
    let file = open_no_link(path).map_err(Error::io(path))?;
    let length = file.metadata().map_err(Error::io(path))?.len();
    let mut found = Found::default();
    let mut unfinished = Vec::new();
    let (mut members, mut of_beginning) = (0, 0);
    let end = walk(&file, |member| {
        if let Some(mark) = member.mark {
            found.streams.note(mark.stream, mark.end());
            if members == 0 && mark.stream == StreamId::default() {
                of_beginning = mark.first;
            }
        }
        members += 1;
        if member.is_unfinished {
            unfinished.push((member.place, member.octets));
        }
        each(&member);
    });
    found.octets = end.map_err(Error::io(path))?;
    found.is_complete = members > of_beginning;
    for (offset, octets) in unfinished {
        unordered::make_void(path, offset, octets).map_err(Error::io(path))?;
    }
    if found.octets > 0 {
        found.payloads = header(&file, schema, path)?.contains_payloads;
    } else if length > 0 && !is_beginning(&file).map_err(Error::io(path))? {
        return Err(foreign(path));
    }
    if found.octets < length {
        found.cut = length - found.octets;
        file.set_len(found.octets).map_err(Error::io(path))?;
    }
    Ok(found)
}

/// The time for a header.
pub(super) fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    Timestamp::new(now.as_secs().cast_signed(), now.subsec_nanos())
}

/// What the names of files end in.
const EXTENSION: &str = ".ncap.gz";

/// The name of a type's file.
pub(super) fn file_name(schema: &Schema) -> String {
    format!("{}{EXTENSION}", schema.name)
}

/// Which of the types a file is of by its name.
pub(super) fn type_of(types: &[&'static Schema], name: &str) -> Option<&'static Schema> {
    let name = name.strip_suffix(EXTENSION)?;
    types.iter().copied().find(|schema| schema.name == name)
}

/// Makes a folder, unless it is there; a link is none. Whether it was made.
pub(super) fn make_folder(path: &Path) -> Result<bool, Error> {
    let is_new = match fs::create_dir(path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(Error::io(path)(error)),
    };
    let metadata = fs::symlink_metadata(path).map_err(Error::io(path))?;
    if !metadata.is_dir() {
        return Err(Error::Foreign {
            path: path.to_owned(),
            reason: "is no folder, so a client's records cannot go there; move it away".to_owned(),
        });
    }
    Ok(is_new)
}

/// Opens a file to look through it and to append, or makes it. Links are not followed.
fn open_no_link(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
}

/// The header of a file, which must hold records of the type.
fn header(file: &File, schema: &Schema, path: &Path) -> Result<FileHeader, Error> {
    let octets = beginning(file, HEADER).map_err(Error::io(path))?;
    netcap_record::split_frame(&octets)
        .and_then(|(header, _)| FileHeader::parse(header).ok())
        .filter(|header| Some(header.record_type) == schema.number)
        .ok_or_else(|| foreign(path))
}

/// Whether what there is may be the beginning of a gzip member, or of zeros that were never written.
fn is_beginning(file: &File) -> io::Result<bool> {
    let mut start = [0; 2];
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(2).min(2);
    std::os::unix::fs::FileExt::read_exact_at(file, &mut start[..length], 0)?;
    Ok([0x1f, 0x8b].starts_with(&start[..length]) || start == [0, 0])
}

fn foreign(path: &Path) -> Error {
    Error::Foreign {
        path: path.to_owned(),
        reason: "does not hold the records that would be appended; move it away".to_owned(),
    }
}
