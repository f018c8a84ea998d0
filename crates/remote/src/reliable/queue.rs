//! What a sensor keeps until the server has it.
//!
//! Guarantees: a batch stays until a server has acknowledged it, or had it when a connection began. Batches
//! of a type leave in the order of their numbers, and where numbers are missing before one, a message that
//! says so comes first; so what was dropped needs no place in the queue.
//! Where there is a spool, what has no room in memory goes to files, and comes from there in turn.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::entry::Entry;
use super::options::SenderCounts;
use super::spool::{Spool, Spooled};

/// What is to be sent next.
pub(crate) enum Next {
    Batch(Entry),
    Lost { number: u16, first: u64, count: u64 },
}

/// See the module.
#[derive(Default)]
pub(crate) struct Queue {
    /// Octets of memory at most, a single batch aside.
    most: usize,
    /// Where batches go that have no room in memory.
    spool: Option<Spool>,
    entries: VecDeque<Entry>,
    /// So many from the front were sent on this connection.
    sent: usize,
    octets: usize,
    /// The messages of this connection that are not acknowledged: which ones are batches.
    unacknowledged: VecDeque<bool>,
    acknowledged: u64,
    types: HashMap<u16, Numbers>,
    /// The types that the server has named; none where it has named none.
    named: HashSet<u16>,
    /// Types that it does not know, of which batches were left out.
    pub(crate) unknown: BTreeSet<u16>,
}

/// Numbers of records of a type.
#[derive(Clone, Copy, Default)]
struct Numbers {
    /// The next one that the server expects, if all arrives that was sent.
    expected: u64,
    /// The one after the last that the run gave, dropped or not.
    given: u64,
}

impl Queue {
    /// Keeps so many octets in memory, and more in files where there is a spool.
    pub(crate) fn new(most: usize, spool: Option<Spool>) -> Queue {
        Queue {
            most,
            spool,
            ..Queue::default()
        }
    }

    /// Octets of memory.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// Whether there are files.
    pub(crate) fn has_spool(&self) -> bool {
        self.spool.is_some()
    }

    /// Octets in files, those of other streams included.
    pub(crate) fn spooled(&self) -> u64 {
        self.spool.as_ref().map_or(0, Spool::octets)
    }

    /// Records that wait.
    pub(crate) fn records(&self) -> u64 {
        let memory: u64 = self
            .entries
            .iter()
            .map(|entry| u64::from(entry.count))
            .sum();
        memory + self.spool.as_ref().map_or(0, Spool::records)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.spool.as_ref().is_none_or(Spool::is_read)
    }

    /// How long the oldest batch has waited.
    pub(crate) fn age(&self) -> Duration {
        let oldest = self.entries.front();
        oldest.map_or(Duration::ZERO, |entry| entry.since.elapsed())
    }

    /// Takes a batch into memory, or into files where there is no room or others are there already. Gives it
    /// back where there is no room at all. The only batch may be as long as it is.
    pub(crate) fn push(&mut self, entry: Entry) -> Result<(), Entry> {
        let must_wait = self.spool.as_ref().is_some_and(|spool| !spool.is_read());
        if !must_wait && self.has_room(&entry) {
            self.give(entry.number, entry.end());
            self.keep(entry);
            return Ok(());
        }
        match self.spool.as_mut().map(|spool| spool.write(&entry)) {
            Some(Ok(())) => {
                self.give(entry.number, entry.end());
                Ok(())
            }
            Some(Err(_)) | None => Err(entry),
        }
    }

    fn has_room(&self, entry: &Entry) -> bool {
        self.entries.is_empty() || self.octets + entry.octets() <= self.most
    }

    fn keep(&mut self, entry: Entry) {
        self.octets += entry.octets();
        self.entries.push_back(entry);
    }

    /// Removes a batch that the server has.
    fn remove(&mut self, place: usize) -> Option<Entry> {
        let entry = self.entries.remove(place)?;
        self.octets -= entry.octets();
        if let (Some(number), Some(spool)) = (entry.segment, &mut self.spool) {
            spool.release(number);
        }
        Some(entry)
    }

    /// Takes a batch out of the files, if there is room. One may be more than the bound, as its length
    /// is known only then.
    fn load(&mut self) -> Option<()> {
        if !self.entries.is_empty() && self.octets >= self.most {
            return None;
        }
        loop {
            match self.spool.as_mut()?.read()? {
                Spooled::Batch(entry) => {
                    self.keep(entry);
                    return Some(());
                }
                Spooled::Given(number, end) => self.give(number, end),
            }
        }
    }

    /// Writes what is in memory into files, for another run to send; gives how many records are in files
    /// then. `are_lost` says that what has no room is lost: the other run will tell the server.
    pub(crate) fn save(&mut self, are_lost: bool) -> u64 {
        let Some(spool) = &mut self.spool else {
            return 0;
        };
        let unread = spool.records();
        let saved = match self.entries.is_empty() {
            true => 0,
            false => spool.write_before(self.entries.iter()),
        };
        if are_lost {
            let types = self.types.iter();
            let given = types.map(|(number, numbers)| (*number, numbers.given));
            spool.write_given(given.filter(|(_, given)| *given > 0));
        }
        unread + saved
    }

    /// Records up to a number were given, and those that are not in the queue are dropped.
    pub(crate) fn give(&mut self, number: u16, end: u64) {
        let numbers = self.types.entry(number).or_default();
        numbers.given = numbers.given.max(end);
    }

    /// A connection begins; the server has what is before these numbers.
    pub(crate) fn begin(&mut self, positions: &[(u16, u64)]) {
        self.sent = 0;
        self.unacknowledged.clear();
        self.acknowledged = 0;
        for numbers in self.types.values_mut() {
            numbers.expected = 0;
        }
        self.named = positions.iter().map(|(number, _)| *number).collect();
        for (number, next) in positions {
            self.types.entry(*number).or_default().expected = *next;
        }
    }

    /// Whether the server takes a type; one that has named no types takes all.
    fn is_taken(&self, number: u16) -> bool {
        self.named.is_empty() || self.named.contains(&number)
    }

    /// What is to be sent now, and is taken for sent. Counts records that the server has, or has no use
    /// for.
    pub(crate) fn next(&mut self, counts: &mut SenderCounts) -> Option<Next> {
        loop {
            if self.sent == self.entries.len() {
                self.load()?;
            }
            let number = self.entries.get(self.sent)?.number;
            if !self.is_taken(number) {
                let entry = self.remove(self.sent)?;
                counts.unknown_type += u64::from(entry.count);
                self.unknown.insert(number);
                continue;
            }
            let entry = self.entries.get_mut(self.sent)?;
            let numbers = self.types.entry(entry.number).or_default();
            if entry.end() <= numbers.expected {
                counts.know(u64::from(entry.count));
                self.remove(self.sent);
                continue;
            }
            if entry.first < numbers.expected
                && let Some(rest) = entry.without(numbers.expected)
            {
                counts.know(u64::from(entry.count - rest.count));
                self.octets = self.octets - entry.octets() + rest.octets();
                *entry = rest;
            }
            if entry.first > numbers.expected {
                let first = std::mem::replace(&mut numbers.expected, entry.first);
                let next = Next::Lost {
                    number: entry.number,
                    first,
                    count: entry.first - first,
                };
                self.note(false);
                return Some(next);
            }
            numbers.expected = entry.end();
            let next = entry.clone();
            entry.was_sent = true;
            self.sent += 1;
            self.note(true);
            return Some(Next::Batch(next));
        }
    }

    /// Records at the end of a type that were dropped, if no batch waits to be sent.
    pub(crate) fn trailing(&mut self) -> Option<Next> {
        if !self.is_sent() {
            return None;
        }
        let (number, numbers) = self
            .types
            .iter_mut()
            .filter(|(number, _)| self.named.is_empty() || self.named.contains(number))
            .find(|(_, numbers)| numbers.given > numbers.expected)?;
        let first = std::mem::replace(&mut numbers.expected, numbers.given);
        let next = Next::Lost {
            number: *number,
            first,
            count: numbers.given - first,
        };
        self.note(false);
        Some(next)
    }

    /// Whether all batches were sent on this connection.
    pub(crate) fn is_sent(&self) -> bool {
        self.sent == self.entries.len() && self.spool.as_ref().is_none_or(Spool::is_read)
    }

    /// A message was sent that must be acknowledged.
    pub(crate) fn note(&mut self, is_batch: bool) {
        self.unacknowledged.push_back(is_batch);
    }

    /// Whether all messages are acknowledged.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// The server has so many messages of this connection. None, and nothing changes, if there were not as
    /// many.
    pub(crate) fn acknowledge(&mut self, messages: u64, counts: &mut SenderCounts) -> Option<()> {
        let sent = self.acknowledged + self.unacknowledged.len() as u64;
        if messages > sent {
            return None;
        }
        while self.acknowledged < messages {
            self.acknowledged += 1;
            if self.unacknowledged.pop_front()? {
                let entry = self.remove(0)?;
                self.sent -= 1;
                counts.acknowledge(&entry);
            }
        }
        Some(())
    }
}

impl SenderCounts {
    /// The server had records when the connection began.
    fn know(&mut self, records: u64) {
        self.acknowledged += records;
        self.known += records;
    }

    fn acknowledge(&mut self, entry: &Entry) {
        let records = u64::from(entry.count);
        self.acknowledged += records;
        if entry.is_earlier {
            self.earlier += records;
        } else {
            self.delivered += records;
            self.delivered_octets += entry.member.len() as u64;
        }
    }
}
