//! The files of one client, and what becomes of its batches.
//!
//! Guarantees: what is in the way of one client is [`Error::Foreign`], and so of no other. Files may be moved
//! away at any moment: a new one begins with what is known of all streams. One that another program has cut
//! or replaced is looked through again before anything is appended, so nothing is believed to be there that
//! is not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use netcap_record::Schema;
use netcap_store::{About, Period};

use super::on_disk::make_folder;
use super::periods::Periods;
use super::type_file::{TypeFile, now};
use super::{Appended, BLOCK, Place, Shared};
use crate::Error;
use crate::batch::StreamId;
use crate::client_name::ClientName;
use crate::members::{Mark, marked};

/// The files of one client.
pub struct Client {
    pub(super) name: ClientName,
    pub(super) path: PathBuf,
    pub(super) shared: Arc<Shared>,
    pub(super) files: HashMap<&'static str, TypeFile>,
    /// The types that earlier runs have in folders of periods, with the newest; none where nobody has
    /// looked yet.
    pub(super) earlier: Option<BTreeMap<&'static str, Period>>,
    /// What is in the way of records that wait, as it was told.
    told: BTreeSet<String>,
}

impl Client {
    pub(super) fn new(name: ClientName, path: PathBuf, shared: Arc<Shared>) -> Client {
        Client {
            name,
            path,
            shared,
            files: HashMap::new(),
            earlier: None,
            told: BTreeSet::new(),
        }
    }

    /// Appends a batch that came as a plain gzip member, which was looked through.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn append(
        &mut self,
        schema: &'static Schema,
        payloads: bool,
        member: &[u8],
        mark: &Mark,
    ) -> Result<Appended, Error> {
        let next = self.next(schema, &mark.stream)?;
        if mark.end() <= next {
            return Ok(Appended::Known);
        }
        if mark.first < next {
            return Ok(Appended::Overlaps);
        }
        let Some(member) = marked(member, mark) else {
            return Ok(Appended::Overlaps);
        };
        self.put(schema, payloads, &member, mark)?;
        self.shared
            .counts
            .add_member(&self.name, schema, &member, mark);
        Ok(match mark.first - next {
            0 => Appended::InTurn,
            missing => Appended::After(missing),
        })
    }

    /// Appends a member with its mark. Gives where it lies.
    pub(super) fn put(
        &mut self,
        schema: &'static Schema,
        payloads: bool,
        member: &[u8],
        mark: &Mark,
    ) -> Result<Place, Error> {
        let (file, shared) = self.file(schema, payloads)?;
        let place = file.append(member, shared)?;
        file.streams.note(mark.stream, mark.end());
        Ok(place)
    }

    /// Appends records without numbers, each with its length before it. They are written with others,
    /// or when the archive is [flushed](Archive::flush).
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn append_frames(
        &mut self,
        schema: &'static Schema,
        payloads: bool,
        frames: &[u8],
        count: u32,
    ) -> Result<(), Error> {
        let (file, _) = self.file(schema, payloads)?;
        let before = file.block.len();
        file.block.extend_from_slice(frames);
        file.waiting += count;
        let is_full = file.block.len() >= BLOCK;
        if is_full && let Err(error) = self.write_waiting(schema) {
            // So these are refused, and what waits does not grow.
            if let Some(file) = self.files.get_mut(schema.name) {
                file.block.truncate(before);
                file.waiting -= count;
            }
            return Err(error);
        }
        let octets = frames.len() as u64;
        self.shared.counts.add(&self.name, schema, count, octets);
        Ok(())
    }

    /// The number of the next record of a stream.
    ///
    /// # Errors
    /// Where a file cannot be opened.
    pub fn next(&mut self, schema: &'static Schema, stream: &StreamId) -> Result<u64, Error> {
        Ok(self.known(schema)?.streams.next(stream))
    }

    /// What there is of a stream: the next number of each type that has a file.
    ///
    /// # Errors
    /// Where a file cannot be opened.
    pub fn positions(
        &mut self,
        types: &[&'static Schema],
        stream: &StreamId,
    ) -> Result<Vec<(&'static Schema, u64)>, Error> {
        let mut positions = Vec::new();
        for schema in types {
            match self.next(schema, stream)? {
                0 => {}
                next => positions.push((*schema, next)),
            }
        }
        Ok(positions)
    }

    /// Octets of the newest file of each type that was asked for.
    pub fn octets(&self) -> u64 {
        let newest = self.files.values().filter_map(|file| file.newest.as_ref());
        newest.map(|file| file.octets).sum()
    }

    /// Compresses and writes what waits in blocks. What is in the way of it is told, and the records wait on.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let mut told = BTreeSet::new();
        for schema in &shared.types {
            match self.write_waiting(schema) {
                Ok(()) => {}
                Err(error @ Error::Foreign { .. }) => {
                    let error = error.to_string();
                    if !self.told.contains(&error) {
                        shared.news.tell(error.clone());
                    }
                    told.insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        self.told = told;
        Ok(())
    }

    /// The same for one type.
    fn write_waiting(&mut self, schema: &'static Schema) -> Result<(), Error> {
        let waits = |file: &&mut TypeFile| file.waiting > 0;
        let Some(file) = self.files.get_mut(schema.name).filter(waits) else {
            return Ok(());
        };
        let payloads = file.payloads;
        if self.known(schema)?.there().is_none() {
            self.file(schema, payloads)?;
        }
        match self.files.get_mut(schema.name) {
            Some(file) => file.flush(&self.shared),
            None => unreachable!("the file was put there"),
        }
    }

    /// The file of a type that is open now, begun if need be.
    pub(super) fn file(
        &mut self,
        schema: &'static Schema,
        payloads: bool,
    ) -> Result<(&mut TypeFile, &Shared), Error> {
        // First, as the open period must be newer than what is there.
        self.known(schema)?;
        let shared = &*self.shared;
        let Some(file) = self.files.get_mut(schema.name) else {
            unreachable!("the file was put there");
        };
        let period = shared.periods.as_ref().map(Periods::current);
        if !file.is_in(period) {
            if file.there().is_some() {
                file.flush(shared)?;
            }
            shared.make_folder(&self.path)?;
            let folder = match period {
                None => self.path.clone(),
                Some(period) => self.path.join(period.to_string()),
            };
            if period.is_some() && make_folder(&folder)? {
                shared.commits.note(self.path.as_path().into());
            }
            let about = About {
                schema,
                columns: &[],
                payloads,
                created: now(),
                source: self.name.folder(),
                version: &shared.version,
            };
            file.begin(&folder, period, &about, shared)?;
        }
        Ok((file, shared))
    }
}
