//! A batch that waits to be delivered.

use std::sync::Arc;
use std::time::Instant;

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
    /// It comes from a file of an earlier run.
    pub(crate) is_earlier: bool,
    /// The file of the spool that holds it too.
    pub(crate) segment: Option<u64>,
}

impl Entry {
    /// The number after the last.
    pub(crate) fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count))
    }

    /// Octets of memory.
    pub(crate) fn octets(&self) -> usize {
        self.member.len() + size_of::<Entry>()
    }

    /// The message that brings it.
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
    pub(crate) fn without(&self, before: u64) -> Option<Entry> {
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
