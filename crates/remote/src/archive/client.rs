//! The files of one client, and what becomes of its batches.
//!
//! Guarantees: what is in the way of one client is [`Error::Foreign`], and so of no other. Files may be moved
//! away at any moment: a new one begins with what is known of all streams. One that another program has cut
//! or replaced is looked through again before anything is appended, so nothing is believed to be there that
//! is not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use netcap_record::Schema;
use netcap_store::{About, Period};

use super::on_disk::{Change, OpenFile, make_folder};
use super::periods::Periods;
use super::type_file::{Found, TypeFile, file_name, look, now};
use super::{Appended, BLOCK, Place, Shared};
use crate::Error;
use crate::batch::StreamId;
use crate::client_name::ClientName;
use crate::members::{Mark, Member, marked};

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
        if self.known(schema)?.newest.is_none() {
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
            if file.newest.is_some() {
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

    /// What is known of a type: by its files, if it was not asked for before, or if another program has
    /// changed the newest since.
    pub(super) fn known(&mut self, schema: &'static Schema) -> Result<&mut TypeFile, Error> {
        let change = match self.files.get(schema.name) {
            None => None,
            Some(TypeFile { newest: None, .. }) => Some(Change::None),
            Some(TypeFile {
                newest: Some(newest),
                ..
            }) => Some(newest.change()?),
        };
        if !matches!(change, Some(Change::None | Change::Away)) {
            // What was known stays so until this has gone well.
            let mut file = self.load(schema)?;
            if let Some(before) = self.files.get_mut(schema.name) {
                self.shared.tell_of(
                    before,
                    "another program has changed it; it was looked through again",
                );
                file.take_waiting(before);
            }
            self.files.insert(schema.name, file);
        }
        let Some(file) = self.files.get_mut(schema.name) else {
            unreachable!("the file was put there");
        };
        if change == Some(Change::Away) {
            self.shared
                .tell_of(file, "it was moved away; the next records begin a new one");
            file.newest = None;
        }
        Ok(file)
    }

    /// Looks through the file without a period, and the newest of those with one whose beginning is whole: of
    /// each stream the largest number counts.
    fn load(&mut self, schema: &'static Schema) -> Result<TypeFile, Error> {
        self.shared.make_folder(&self.path)?;
        self.look_for_periods()?;
        let mut file = TypeFile::default();
        if let Some(found) = self.look(schema, None, |_| ())? {
            self.take_up(&mut file, schema, None, &found);
        }
        let mut periods = self.periods_with(schema)?;
        let mut cut_off = Vec::new();
        for period in periods.by_ref() {
            let Some(found) = self.look(schema, Some(period), |_| ())? else {
                continue;
            };
            if found.is_complete {
                self.take_up(&mut file, schema, Some(period), &found);
                break;
            }
            cut_off.push(found);
        }
        for found in cut_off.iter().rev() {
            file.streams.note_all(&found.streams);
            file.change = file.change.max(found.change);
        }
        if file.streams.is_empty()
            && let Some(period) = periods.next()
        {
            // Nobody waited for the disk before the next was begun: its end may have to be cut off. If it
            // is damaged, nothing depends on it.
            match self.look(schema, Some(period), |_| ()) {
                Err(error @ Error::Foreign { .. }) => self.shared.news.tell(error.to_string()),
                looked => drop(looked?),
            }
        }
        Ok(file)
    }

    /// A file becomes the newest of its type.
    fn take_up(
        &self,
        file: &mut TypeFile,
        schema: &'static Schema,
        period: Option<Period>,
        found: &Found,
    ) {
        file.streams.note_all(&found.streams);
        file.change = file.change.max(found.change);
        file.payloads = found.payloads;
        let is_rotating = self.shared.periods.is_some();
        // Without rotation files of periods are not appended to: the other is the newest.
        if period.is_none() || is_rotating {
            file.newest = Some(OpenFile {
                path: self.path_of(schema, period).into(),
                period,
                octets: found.octets,
                id: found.id,
            });
        }
    }

    /// Looks through a file, if it is there and anything of it is whole.
    pub(super) fn look(
        &self,
        schema: &'static Schema,
        period: Option<Period>,
        each: impl FnMut(&Member),
    ) -> Result<Option<Found>, Error> {
        let path = self.path_of(schema, period);
        if path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let mut found = look(&path, schema, each)?;
        self.shared.tell_found(&path, &found);
        if found.octets == 0 {
            if let (Some(_), Some(folder)) = (period, path.parent()) {
                fs::remove_file(&path).map_err(Error::of_client(&path))?;
                // With other files it stays.
                drop(fs::remove_dir(folder));
            }
            return Ok(None);
        }
        // Who wrote it may have been killed before it was on the disk.
        if let (Some(_), Some(folder)) = (period, path.parent()) {
            self.shared.commits.note(self.path.as_path().into());
            self.shared.commits.note(folder.into());
        }
        found.change = self.shared.commits.note(path.into());
        Ok(Some(found))
    }

    pub(super) fn path_of(&self, schema: &'static Schema, period: Option<Period>) -> PathBuf {
        match period {
            None => self.path.join(file_name(schema)),
            Some(period) => self.path.join(period.to_string()).join(file_name(schema)),
        }
    }
}
