//! What the files of a client say when they are looked through: when a type is first asked for, and again when
//! another program has changed its newest file.
//!
//! Guarantee: what was known before stays until a file was looked through to its end, so what is in the way for
//! a while costs nothing.

use std::fs;
use std::path::PathBuf;

use netcap_record::Schema;
use netcap_store::Period;

use super::Client;
use super::on_disk::{Change, OpenFile};
use super::type_file::{Found, TypeFile, file_name, look};
use crate::Error;
use crate::members::Member;

impl Client {
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
        let is_away = change == Some(Change::Away);
        if is_away && !file.is_away {
            self.shared
                .tell_of(file, "it was moved away; the next records begin a new one");
        }
        file.is_away = is_away;
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
