//! The files of one type of a client's records: the one that is appended to, and how far each stream has
//! come in all of them.
//!
//! Guarantees: a file begins with how far each stream had come before it, so the newest tells it alone; it
//! is begun when what it tells of is on the disk. One whose beginning was cut off is known by its header,
//! which says how much belongs to the beginning.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use netcap_record::{FileHeader, Schema, Timestamp};
use netcap_store::{About, Encoding, Frames, Period};

use super::on_disk::{FileId, OpenFile, foreign, open};
use super::streams::Streams;
use super::{Place, Shared, unordered};
use crate::Error;
use crate::batch::StreamId;
use crate::members::{Mark, Member, Walked, beginning, marked, walk};

/// Octets of a file's beginning that are looked at: its header holds two short names.
const HEADER: u64 = 64 << 10;

/// A type, as far as it has been written.
#[derive(Default)]
pub(super) struct TypeFile {
    /// The newest file, if there is one.
    pub(super) newest: Option<OpenFile>,
    /// That one is not where it was. It may be put back before another is begun.
    pub(super) is_away: bool,
    pub(super) streams: Streams,
    /// Whether the newest file says that its records may hold payloads.
    pub(super) payloads: bool,
    /// The number of its latest change.
    pub(super) change: u64,
    /// Records without numbers that wait to be compressed.
    pub(super) block: Vec<u8>,
    pub(super) waiting: u32,
}

impl TypeFile {
    /// The newest file, if it is where it should be.
    pub(super) fn there(&self) -> Option<&OpenFile> {
        self.newest.as_ref().filter(|_| !self.is_away)
    }

    /// Whether the file of this period is the newest.
    pub(super) fn is_in(&self, period: Option<Period>) -> bool {
        self.there().is_some_and(|newest| newest.period == period)
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
        let (_, there) = open(&path, OpenOptions::new().append(true).create(true))?;
        // What is there may be of a time when the disk was full, as this was tried before.
        if there.len() > 0 && look(&path, about.schema, |_| ())?.octets > 0 {
            let reason = "was put there meanwhile; start the server again, or move it away";
            return Err(foreign(&path, reason));
        }
        let mut newest = OpenFile {
            path,
            period,
            octets: 0,
            id: FileId::of(&there),
        };
        newest.append(&self.first_members(about, shared))?;
        shared.commits.note(folder.into());
        self.change = shared.note(&newest, newest.octets);
        self.newest = Some(newest);
        self.is_away = false;
        self.payloads = about.payloads;
        Ok(())
    }

    /// The header, and how far each stream has come.
    fn first_members(&self, about: &About<'_>, shared: &Shared) -> Vec<u8> {
        let mut head = Vec::new();
        Frames.head(about, &mut head);
        let marks = self.streams.iter().map(|(stream, first)| Mark {
            stream,
            first,
            count: 0,
        });
        let header = Mark {
            first: self.streams.len() as u64,
            ..Mark::default()
        };
        let header = marked(&shared.compress(&head), &header);
        let nothing = shared.compress(&[]);
        let marked = marks.map(|mark| marked(&nothing, &mark));
        // Members of ours can be marked.
        std::iter::once(header)
            .chain(marked)
            .flatten()
            .flatten()
            .collect()
    }

    /// Appends a member to the newest file. Gives where it lies.
    pub(super) fn append(&mut self, member: &[u8], shared: &Shared) -> Result<Place, Error> {
        let Some(newest) = &mut self.newest else {
            unreachable!("a file was begun");
        };
        let place = Place {
            period: newest.period,
            offset: newest.octets,
            octets: member.len() as u64,
            file: newest.id,
        };
        newest.append(member)?;
        self.change = shared.note(newest, place.octets);
        shared.receive(newest);
        Ok(place)
    }

    /// Takes over the records that wait in another.
    pub(super) fn take_waiting(&mut self, before: &mut TypeFile) {
        self.block = std::mem::take(&mut before.block);
        self.waiting = std::mem::take(&mut before.waiting);
    }

    /// Compresses and writes what waits. It is of the time of the newest file.
    pub(super) fn flush(&mut self, shared: &Shared) -> Result<(), Error> {
        if self.waiting == 0 {
            return Ok(());
        }
        let mark = Mark {
            count: self.waiting,
            ..Mark::default()
        };
        if let Some(member) = marked(&shared.compress(&self.block), &mark) {
            self.append(&member, shared)?;
        }
        // The room goes too: many clients with many types would keep much of it for nothing.
        self.block = Vec::new();
        self.waiting = 0;
        Ok(())
    }
}

/// What a file holds that was there.
pub(super) struct Found {
    pub(super) id: FileId,
    /// Octets of whole members; none where not even the header is whole.
    pub(super) octets: u64,
    /// Octets that were cut off behind them.
    pub(super) cut: u64,
    /// Members that were being taken back, and are now.
    pub(super) voids: usize,
    /// Whether it tells how far all streams have come.
    pub(super) is_complete: bool,
    pub(super) payloads: bool,
    pub(super) streams: Streams,
    /// What must be on the disk before anybody builds on it.
    pub(super) change: u64,
}

/// Looks through a file that is there. What was left unfinished is finished, or cut off; what is damaged is
/// left as it is.
pub(super) fn look(
    path: &Path,
    schema: &Schema,
    mut each: impl FnMut(&Member),
) -> Result<Found, Error> {
    let (file, metadata) = open(path, OpenOptions::new().read(true).append(true))?;
    let trouble = || Error::of_client(path);
    let mut streams = Streams::default();
    let mut unfinished = Vec::new();
    let (mut members, mut of_beginning) = (0, 0);
    let walked = walk(&file, |member| {
        if let Some(mark) = member.mark {
            streams.note(mark.stream, mark.end());
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
    let Walked { end, is_damaged } = walked.map_err(trouble())?;
    let id = FileId::of(&metadata);
    let length = metadata.len();
    if end == 0 && length > 0 && !is_beginning(&file).map_err(trouble())? {
        return Err(not_of_type(path));
    }
    if is_damaged {
        let reason = format!("damaged at octet {end}, and there is more behind; move it away");
        return Err(foreign(path, reason));
    }
    let mut payloads = false;
    if end > 0 {
        payloads = header(&file, schema, path)?.contains_payloads;
    }
    for (offset, octets) in &unfinished {
        unordered::make_void(path, id, *offset, *octets)?;
    }
    if end < length {
        file.set_len(end).map_err(trouble())?;
    }
    Ok(Found {
        id,
        octets: end,
        cut: length.saturating_sub(end),
        voids: unfinished.len(),
        is_complete: members > of_beginning,
        payloads,
        streams,
        change: 0,
    })
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

/// The header of a file, which must hold records of the type.
fn header(file: &File, schema: &Schema, path: &Path) -> Result<FileHeader, Error> {
    let octets = beginning(file, HEADER).map_err(Error::of_client(path))?;
    netcap_record::split_frame(&octets)
        .and_then(|(header, _)| FileHeader::parse(header).ok())
        .filter(|header| Some(header.record_type) == schema.number)
        .ok_or_else(|| not_of_type(path))
}

/// Whether what there is may be the beginning of a gzip member, or of zeros that were never written.
fn is_beginning(file: &File) -> io::Result<bool> {
    let mut start = [0; 2];
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(2).min(2);
    std::os::unix::fs::FileExt::read_exact_at(file, &mut start[..length], 0)?;
    Ok([0x1f, 0x8b].starts_with(&start[..length]) || start == [0, 0])
}

fn not_of_type(path: &Path) -> Error {
    foreign(
        path,
        "does not hold the records that would be appended; move it away",
    )
}
