//! What a sensor keeps until the server has it.
//!
//! Guarantees: a batch stays until a server has acknowledged it, or had it when a connection began. Batches
//! of a type leave in the order of their numbers, and where numbers are missing before one, a message that
//! says so comes first; so what was dropped needs no place in the queue.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netcap_store::Gzip;

use super::checks::{longest, place_of};
use super::wire::{Message, PAYLOADS};
use crate::members::inflate;

/// A batch in the queue.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) number: u16,
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) payloads: bool,
    /// A plain gzip member.
    pub(crate) member: Arc<[u8]>,
    pub(crate) since: Instant,
    pub(crate) was_sent: bool,
}

impl Entry {
    fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count))
    }

    /// Octets of memory.
    pub(crate) fn octets(&self) -> usize {
        self.member.len() + size_of::<Entry>()
    }

    pub(crate) fn message(&self) -> Message<'_> {
        Message::Batch {
            number: self.number,
            first: self.first,
            count: self.count,
            flags: if self.payloads { PAYLOADS } else { 0 },
            member: &self.member,
        }
    }

    /// The batch without its records before a number.
    fn without(&self, before: u64) -> Option<Entry> {
        let known = u32::try_from(before.checked_sub(self.first)?).ok()?;
        let mut frames = Vec::new();
        inflate(&self.member, longest(self.count), &mut frames).ok()?;
        let rest = frames.get(place_of(&frames, known)?..)?;
        Some(Entry {
            first: before,
            count: self.count.checked_sub(known)?,
            member: Gzip::default().member(rest).into(),
            ..self.clone()
        })
    }
}

/// What is to be sent next.
pub(crate) enum Next {
    Batch(Entry),
    Lost { number: u16, first: u64, count: u64 },
}

/// See the module.
#[derive(Default)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    /// So many from the front were sent on this connection.
    sent: usize,
    octets: usize,
    /// The messages of this connection that are not acknowledged: which ones are batches.
    unacknowledged: VecDeque<bool>,
    acknowledged: u64,
    types: HashMap<u16, Numbers>,
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
    /// Octets of memory.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// Records that wait.
    pub(crate) fn records(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| u64::from(entry.count))
            .sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How long the oldest batch has waited.
    pub(crate) fn age(&self) -> Duration {
        let oldest = self.entries.front();
        oldest.map_or(Duration::ZERO, |entry| entry.since.elapsed())
    }

    /// Whether there is room beside what waits. The only batch may be as long as it is.
    pub(crate) fn has_room(&self, octets: usize, most: usize) -> bool {
        self.entries.is_empty() || self.octets + octets <= most
    }

    /// Takes a batch.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.give(entry.number, entry.end());
        self.octets += entry.octets();
        self.entries.push_back(entry);
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
        for (number, next) in positions {
            self.types.entry(*number).or_default().expected = *next;
        }
    }

    /// What is to be sent now, and is taken for sent. Adds records that the server has to `known`.
    pub(crate) fn next(&mut self, known: &mut u64) -> Option<Next> {
        loop {
            let entry = self.entries.get_mut(self.sent)?;
            let numbers = self.types.entry(entry.number).or_default();
            if entry.end() <= numbers.expected {
                *known += u64::from(entry.count);
                self.octets -= entry.octets();
                self.entries.remove(self.sent);
                continue;
            }
            if entry.first < numbers.expected
                && let Some(rest) = entry.without(numbers.expected)
            {
                *known += u64::from(entry.count - rest.count);
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
        if self.sent < self.entries.len() {
            return None;
        }
        let (number, numbers) = self
            .types
            .iter_mut()
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

    /// A message was sent that must be acknowledged.
    pub(crate) fn note(&mut self, is_batch: bool) {
        self.unacknowledged.push_back(is_batch);
    }

    /// Whether all messages are acknowledged.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// The server has so many messages of this connection. Gives how many records that are; none if there
    /// were not as many messages.
    pub(crate) fn acknowledge(&mut self, messages: u64) -> Option<u64> {
        let mut records = 0;
        while self.acknowledged < messages {
            self.acknowledged += 1;
            if self.unacknowledged.pop_front()? {
                let entry = self.entries.pop_front()?;
                self.sent -= 1;
                self.octets -= entry.octets();
                records += u64::from(entry.count);
            }
        }
        Some(records)
    }
}
