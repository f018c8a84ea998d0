//! Batches in any order, as servers that share the work of a broker get them: each of them has some of a
//! stream's batches, and what was appended too much can be taken back.
//!
//! Guarantees: a batch that is taken back leaves a void of the same length, which other readers pass over;
//! an interruption at any moment leaves the batch or the void, for a void that is unfinished is finished
//! when its file is opened again.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use netcap_record::Schema;
use netcap_store::Period;

use super::on_disk::{FileId, open};
use super::{Archive, Client};
use crate::members::{BEHIND_MARK, FLAGS_AT, Mark, VOID, finished_void, marked};
use crate::{ClientName, Error};

/// Where a batch lies. What it is written as, no other batch of its type and client that was committed ever
/// has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of the file, if it has one.
    pub(super) period: Option<Period>,
    pub(super) offset: u64,
    pub(super) octets: u64,
    /// The file, which may be elsewhere by now.
    pub(super) file: FileId,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.period {
            None => write!(f, "{}", self.offset),
            Some(period) => write!(f, "{period}/{}", self.offset),
        }
    }
}

impl Archive {
    /// The names of all clients that have a folder, whether they were asked for or not.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub fn names(&self) -> Result<Vec<ClientName>, Error> {
        let path = &self.directory;
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(Error::io(path))? {
            let entry = entry.map_err(Error::io(path))?;
            if entry.file_type().map_err(Error::io(path))?.is_dir() {
                names.extend(entry.file_name().to_str().and_then(ClientName::from_folder));
            }
        }
        names.sort();
        Ok(names)
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Client {
    /// Appends a batch that came as a plain gzip member, which was looked through, whatever was there of
    /// its stream. None where the member's header is not plain; nothing is appended then. It is counted
    /// when it is [to stay](Client::count).
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn append_unordered(
        &mut self,
        schema: &'static Schema,
        payloads: bool,
        member: &[u8],
        mark: &Mark,
    ) -> Result<Option<Place>, Error> {
        let Some(member) = marked(member, mark) else {
            return Ok(None);
        };
        Ok(Some(self.put(schema, payloads, &member, mark)?))
    }

    /// Counts a batch that was appended in any order and is to stay; `member` is what came.
    pub fn count(&self, schema: &'static Schema, member: &[u8], mark: &Mark) {
        self.shared
            .counts
            .add_member(&self.name, schema, member, mark);
    }

    /// Takes a batch back that [`Client::append_unordered`] or [`Client::last_members`] gave the place of.
    /// That is on the disk when this returns. Its file may have been removed with its period, or moved away.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn void(&mut self, schema: &'static Schema, place: Place) -> Result<(), Error> {
        let path = self.path_of(schema, place.period);
        make_void(&path, place.file, place.offset, place.octets)
    }

    /// The last so many members of a type's files that are not void, those without numbers left out; of
    /// files in periods as many as of the one without.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn last_members(
        &mut self,
        schema: &'static Schema,
        most: usize,
    ) -> Result<Vec<(Mark, Place)>, Error> {
        self.look_for_periods()?;
        let mut members = self.batches(schema, None)?;
        members.drain(..members.len().saturating_sub(most));
        // The newest first.
        let mut of_periods = Vec::new();
        for period in self.periods_with(schema)? {
            if of_periods.len() >= most {
                break;
            }
            of_periods.extend(self.batches(schema, Some(period))?.into_iter().rev());
        }
        of_periods.truncate(most);
        members.extend(of_periods.into_iter().rev());
        let last = members.into_iter().filter_map(|(mark, place)| {
            let mark = mark.filter(|mark| mark.stream != [0; 16])?;
            Some((mark, place))
        });
        Ok(last.collect())
    }

    /// The members of a file behind its beginning, voids too. What was left unfinished is cut off first.
    fn batches(
        &mut self,
        schema: &'static Schema,
        period: Option<Period>,
    ) -> Result<Vec<(Option<Mark>, Place)>, Error> {
        let mut members = Vec::new();
        let found = self.look(schema, period, |member| {
            let is_beginning = |mark: Mark| mark.count == 0 && mark.stream != [0; 16];
            if member.place > 0 && !member.mark.is_some_and(is_beginning) {
                members.push((member.mark, member.place, member.octets));
            }
        })?;
        let Some(found) = found else {
            return Ok(Vec::new());
        };
        let with_place = members.into_iter().map(|(mark, offset, octets)| {
            let file = found.id;
            let place = Place {
                period,
                offset,
                octets,
                file,
            };
            (mark, place)
        });
        Ok(with_place.collect())
    }
}

/// Makes a member of this file a void, if it is still there. One octet decides, and is on the disk before the
/// rest is touched.
pub(super) fn make_void(path: &Path, file: FileId, offset: u64, octets: u64) -> Result<(), Error> {
    let (opened, found) = match open(path, OpenOptions::new().write(true)) {
        Err(Error::Foreign { .. }) if fs::symlink_metadata(path).is_err() => return Ok(()),
        opened => opened?,
    };
    if FileId::of(&found) != file {
        return Ok(());
    }
    let made = finished_void(octets)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
        .and_then(|rest| {
            opened.write_all_at(&[VOID], offset + FLAGS_AT)?;
            opened.sync_data()?;
            opened.write_all_at(&rest, offset + BEHIND_MARK)?;
            opened.sync_data()
        });
    made.map_err(Error::of_client(path))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use netcap_store::{Gzip, Reader};

    use super::*;

    const STREAM: [u8; 16] = [5; 16];

    fn schema() -> &'static Schema {
        let schemas = netcap_pipeline::schemas();
        let found = schemas.into_iter().find(|schema| schema.encoder == "TCP");
        found.expect("a type")
    }

    fn client(archive: &Archive) -> Arc<std::sync::Mutex<Client>> {
        archive.client(&ClientName::new(b"a")).expect("a client")
    }

    fn append(archive: &Archive, first: u64, count: u32) -> Place {
        let frames: Vec<u8> = (0..count)
            .flat_map(|n| [3, 0x0a, 1, b'0' + ((first as u32 + n) % 10) as u8])
            .collect();
        let mark = Mark {
            stream: STREAM,
            first,
            count,
        };
        let member = Gzip::default().member(&frames);
        let client = client(archive);
        let mut client = super::super::lock(&client);
        let place = client.append_unordered(schema(), false, &member, &mark);
        let place = place.expect("appended").expect("a plain member");
        client.count(schema(), &member, &mark);
        place
    }

    fn firsts(archive: &Archive, most: usize) -> Vec<u64> {
        let client = client(archive);
        let mut client = super::super::lock(&client);
        let members = client.last_members(schema(), most).expect("members");
        members.iter().map(|(mark, _)| mark.first).collect()
    }

    /// The records by this program's reader, which must be as many by another.
    fn records(path: &Path) -> u64 {
        let mut all = Vec::new();
        let file = fs::File::open(path).expect("a file");
        let mut decoder = flate2::read::MultiGzDecoder::new(file);
        decoder.read_to_end(&mut all).expect("gzip");
        let mut reader = Reader::open(path).expect("readable");
        while reader.next_record().expect("readable").is_some() {}
        let frames = crate::count_frames(&all).expect("whole records");
        assert_eq!(u64::from(frames), reader.records() + 1, "and the header");
        reader.records()
    }

    #[test]
    fn batches_in_any_order_are_taken_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/TCP.ncap.gz");
        let archive = Archive::open(folder.path(), "test").expect("an archive");
        assert!(firsts(&archive, 9).is_empty());
        let batches = [(7, 3), (0, 1), (3, 4), (1, 2)];
        let places = batches.map(|(first, count)| append(&archive, first, count));
        assert_eq!(records(&path), 10);
        let kept = archive.counts()[&ClientName::new(b"a")]["TCP"];
        assert_eq!((kept.batches, kept.records, kept.octets), (4, 10, 40));
        assert_eq!(firsts(&archive, 9), [7, 0, 3, 1]);
        assert_eq!(firsts(&archive, 2), [3, 1]);
        let length = fs::metadata(&path).expect("a file").len();
        let client = client(&archive);
        for place in [places[1], places[2], places[2]] {
            let mut client = super::super::lock(&client);
            client.void(schema(), place).expect("taken back");
        }
        assert_eq!(records(&path), 5);
        assert_eq!(firsts(&archive, 9), [7, 1]);
        assert_eq!(firsts(&archive, 2), [1]);
        assert_eq!(fs::metadata(&path).expect("a file").len(), length);
        drop((archive, client));

        let archive = Archive::open(folder.path(), "test").expect("an archive");
        assert_eq!(archive.names().expect("names"), [ClientName::new(b"a")]);
        assert_eq!(firsts(&archive, 9), [7, 1]);
        append(&archive, 3, 4);
        assert_eq!(records(&path), 9);
    }

    #[test]
    fn an_interrupted_void_is_finished() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/TCP.ncap.gz");
        let archive = Archive::open(folder.path(), "test").expect("an archive");
        append(&archive, 0, 2);
        let place = append(&archive, 2, 50);
        append(&archive, 52, 3);
        drop(archive);
        let before = fs::read(&path).expect("a file");
        let rest = finished_void(place.octets).expect("long enough");
        for written in 0..=rest.len() {
            let mut octets = before.clone();
            octets[(place.offset + FLAGS_AT) as usize] = VOID;
            let behind = (place.offset + BEHIND_MARK) as usize;
            octets[behind..behind + written].copy_from_slice(&rest[..written]);
            fs::write(&path, octets).expect("written");
            let archive = Archive::open(folder.path(), "test").expect("an archive");
            assert_eq!(firsts(&archive, 9), [0, 52], "{written}");
            assert_eq!(records(&path), 5, "{written}");
        }
    }

    #[test]
    fn the_shortest_member_can_be_a_void() {
        let member = Gzip::default().member(&[0]);
        let member = marked(&member, &Mark::default()).expect("a plain member");
        assert!(finished_void(member.len() as u64).is_some());
        assert!(finished_void(58).is_none());
    }
}
