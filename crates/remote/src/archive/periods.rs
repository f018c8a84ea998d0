//! The periods of an archive whose files are rotated: one name for the folders of all clients, and a limit
//! on the disk.
//!
//! Guarantees: a period is newer than all that there were in the folder of any client that has files in it,
//! whatever the clock says. A period is removed, the oldest first, when how far each stream has come is
//! on the disk elsewhere; so a reliable sensor goes on, and what it repeats is known. The newest
//! that has records stays, whatever its size. What is none of the server's is neither counted nor removed,
//! and neither are files without a period.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Mutex;
use std::time::SystemTime;

use netcap_record::Schema;
use netcap_store::{Period, Reader, Rotation, period_files, remove_period};

use super::type_file::{file_name, type_of};
use super::{Archive, Client, lock};
use crate::Error;

/// Tells the time.
pub(super) type Clock = Box<dyn Fn() -> SystemTime + Send + Sync>;

/// The octets of all periods, and how many were removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounts {
    /// Octets of all periods there are.
    pub octets: u64,
    /// Periods that were removed.
    pub removed: u64,
    /// Octets of these.
    pub removed_octets: u64,
    /// Periods that should have been removed, and could not be.
    pub stuck: u64,
}

/// See the module.
pub(super) struct Periods {
    rotation: Rotation,
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    open: Period,
    /// When it is over by the clock.
    end: Option<SystemTime>,
    /// Octets of its files.
    octets: u64,
    /// Those before, with their octets, the oldest first; only where there is a limit.
    closed: VecDeque<(Period, u64)>,
    /// The newest that has records; files may also tell no more than how far streams have come.
    newest: Option<Period>,
    counts: DiskCounts,
}

impl Periods {
    pub(super) fn new(rotation: Rotation, clock: Clock) -> Periods {
        let now = clock();
        Periods {
            state: Mutex::new(State {
                open: Period::at(now),
                end: rotation.end(now),
                octets: 0,
                closed: VecDeque::new(),
                newest: None,
                counts: DiskCounts::default(),
            }),
            rotation,
            clock,
        }
    }

    /// The period that is open now.
    pub(super) fn current(&self) -> Period {
        let mut state = lock(&self.state);
        let now = (self.clock)();
        if self.rotation.is_over(state.end, now, state.octets) {
            let before = state.open;
            self.begin(&mut state, before, now);
        }
        state.open
    }

    /// The open period is newer than this one from now on.
    pub(super) fn follow(&self, period: Period) {
        let mut state = lock(&self.state);
        if period >= state.open {
            self.begin(&mut state, period, (self.clock)());
        }
    }

    fn begin(&self, state: &mut State, before: Period, now: SystemTime) {
        if state.octets > 0 && self.rotation.disk_limit.is_some() {
            let closed = (state.open, state.octets);
            state.closed.push_back(closed);
        }
        // The clock may have gone back.
        state.open = Period::at(now).max(before.next());
        state.end = self.rotation.end(now);
        state.octets = 0;
    }

    /// Records came into a file of the period.
    pub(super) fn receive(&self, period: Period) {
        let mut state = lock(&self.state);
        state.newest = state.newest.max(Some(period));
    }

    /// A file of the period has grown.
    pub(super) fn add(&self, period: Period, octets: u64) {
        let mut state = lock(&self.state);
        let is_open = state.open == period;
        if is_open {
            state.octets += octets;
        }
        if self.rotation.disk_limit.is_none() {
            return;
        }
        state.counts.octets += octets;
        if is_open {
            return;
        }
        // It ended meanwhile, maybe before it had a file.
        let closed = &mut state.closed;
        let place = closed.partition_point(|(name, _)| *name < period);
        match closed.get_mut(place) {
            Some((name, of_period)) if *name == period => *of_period += octets,
            _ => closed.insert(place, (period, octets)),
        }
    }

    /// The oldest period, where all exceed the limit, and newer records are there than its own.
    fn surplus(&self) -> Option<Period> {
        let state = lock(&self.state);
        let (oldest, _) = state.closed.front()?;
        let is_surplus = state.counts.octets > self.rotation.disk_limit?
            && state.newest.is_some_and(|newest| *oldest < newest);
        is_surplus.then_some(*oldest)
    }

    /// The oldest period was removed, or could not be.
    fn forget(&self, oldest: Period, is_gone: bool) {
        let mut state = lock(&self.state);
        let Some((_, octets)) = state.closed.pop_front().filter(|(name, _)| *name == oldest) else {
            return;
        };
        let counts = &mut state.counts;
        counts.octets -= octets;
        if is_gone {
            counts.removed += 1;
            counts.removed_octets += octets;
        } else {
            counts.stuck += 1;
        }
    }
}

impl Archive {
    /// Looks what there is of earlier runs, of all clients.
    pub(super) fn list_periods(&self) -> Result<(), Error> {
        let Some(periods) = &self.shared.periods else {
            return Ok(());
        };
        if periods.rotation.disk_limit.is_none() {
            return Ok(());
        }
        let mut closed = BTreeMap::<Period, u64>::new();
        for name in self.names()? {
            let directory = self.directory.join(name.folder());
            let all = match Period::all_in(&directory).map_err(Error::of_client(&directory)) {
                Err(error @ Error::Foreign { .. }) => {
                    self.shared.news.tell(error.to_string());
                    continue;
                }
                all => all?,
            };
            for period in all {
                let folder = directory.join(period.to_string());
                let files = period_files(&folder, |name| self.shared.is_ours(name));
                let octets: u64 = files.map(|(_, octets)| octets).sum();
                *closed.entry(period).or_default() += octets;
            }
        }
        if let Some((newest, _)) = closed.last_key_value() {
            periods.follow(*newest);
        }
        closed.retain(|_, octets| *octets > 0);
        let names = self.names()?;
        let has_records = |period: &&Period| {
            names.iter().any(|name| {
                let folder = self.directory.join(name.folder()).join(period.to_string());
                period_files(&folder, |name| self.shared.is_ours(name))
                    .any(|(path, _)| holds_records(&path))
            })
        };
        let newest = closed.keys().rev().find(has_records).copied();
        let mut state = lock(&periods.state);
        state.counts.octets = closed.values().sum();
        state.closed = closed.into_iter().collect();
        state.newest = newest;
        Ok(())
    }

    /// Ends the period that is open, if it is over, and removes the oldest ones while all exceed the limit
    /// on the disk. Whoever has an archive with periods calls it about once a second.
    ///
    /// # Errors
    /// Where the disk refuses to take what must be kept of a period; the period stays then.
    pub fn tidy(&self) -> Result<(), Error> {
        let Some(periods) = &self.shared.periods else {
            return Ok(());
        };
        periods.current();
        while let Some(oldest) = periods.surplus() {
            let mut is_gone = true;
            let mut refusal = None;
            for name in self.names()? {
                let folder = self.directory.join(name.folder()).join(oldest.to_string());
                if !folder.symlink_metadata().is_ok_and(|found| found.is_dir()) {
                    continue;
                }
                let client = self.client(&name);
                match client.and_then(|client| lock(&client).remove(oldest)) {
                    Ok(removed) => is_gone &= removed,
                    // It is in the way of this client only.
                    Err(Error::Foreign { .. }) => is_gone = false,
                    // What others have there makes room for it, maybe.
                    Err(error) => refusal = Some(error),
                }
            }
            if let Some(refusal) = refusal {
                return Err(refusal);
            }
            periods.forget(oldest, is_gone);
        }
        Ok(())
    }

    /// The octets of all periods, and how many were removed, where there is a limit on the disk.
    pub fn disk(&self) -> Option<DiskCounts> {
        let periods = self.shared.periods.as_ref()?;
        periods.rotation.disk_limit?;
        Some(lock(&periods.state).counts)
    }
}

/// Whether a file has more than its header; what cannot be read has not.
fn holds_records(path: &Path) -> bool {
    let first = Reader::open(path).and_then(|mut reader| Ok(reader.next_record()?.is_some()));
    first.unwrap_or_default()
}

impl Client {
    /// Removes the files of a closed period. Whether none of ours is left.
    fn remove(&mut self, period: Period) -> Result<bool, Error> {
        // Nothing must be appended there any more.
        self.flush()?;
        let folder = self.path.join(period.to_string());
        let files = period_files(&folder, |name| self.shared.is_ours(name));
        let names = files.filter_map(|(path, _)| Some(path.file_name()?.to_str()?.to_owned()));
        let types: Vec<&'static Schema> = names
            .filter_map(|name| type_of(&self.shared.types, &name))
            .collect();
        // Those first that something newer is there of: this takes no room, and what must be carried over
        // may need some.
        let mut change = 0;
        let (mut carried, mut others) = (BTreeSet::new(), Vec::new());
        for schema in types {
            let file = self.known(schema)?;
            change = change.max(file.change);
            let newest = file.there().and_then(|newest| newest.period);
            match newest > Some(period) {
                true => drop(carried.insert(file_name(schema))),
                false => others.push(schema),
            }
        }
        if !carried.is_empty() {
            self.shared.commits.wait_for(change)?;
            remove_period(&folder, |name| carried.contains(name));
        }
        for schema in others {
            let file = self.known(schema)?;
            if file.streams.is_empty() {
                file.newest = None;
            } else {
                // It begins with how far all streams have come.
                let payloads = file.payloads;
                let (file, _) = self.file(schema, payloads)?;
                change = change.max(file.change);
            }
        }
        self.shared.commits.wait_for(change)?;
        Ok(remove_period(&folder, |name| self.shared.is_ours(name)))
    }

    /// The types that have files in periods of earlier runs. The open period is newer than all of these
    /// afterwards.
    pub(super) fn look_for_periods(&mut self) -> Result<(), Error> {
        if self.earlier.is_some() {
            return Ok(());
        }
        let mut earlier = BTreeMap::new();
        let all = Period::all_in(&self.path).map_err(Error::of_client(&self.path))?;
        for period in &all {
            let folder = self.path.join(period.to_string());
            for (path, _) in period_files(&folder, |name| self.shared.is_ours(name)) {
                let name = path.file_name().and_then(|name| name.to_str());
                if let Some(schema) = name.and_then(|name| type_of(&self.shared.types, name)) {
                    earlier.insert(schema.name, *period);
                }
            }
        }
        if let (Some(periods), Some(newest)) = (&self.shared.periods, all.last()) {
            periods.follow(*newest);
        }
        self.earlier = Some(earlier);
        Ok(())
    }

    /// Periods in which there is a file of a type, the newest first.
    pub(super) fn periods_with(
        &self,
        schema: &'static Schema,
    ) -> Result<impl Iterator<Item = Period> + use<>, Error> {
        let is_known = |earlier: &BTreeMap<_, _>| earlier.contains_key(schema.name);
        let mut all = Vec::new();
        if self.earlier.as_ref().is_some_and(is_known) || self.files.contains_key(schema.name) {
            all = Period::all_in(&self.path).map_err(Error::of_client(&self.path))?;
        }
        let (path, name) = (self.path.clone(), file_name(schema));
        Ok(all.into_iter().rev().filter(move |period| {
            let file = path.join(period.to_string()).join(&name);
            file.symlink_metadata().is_ok_and(|found| found.is_file())
        }))
    }
}

#[cfg(test)]
mod tests;
