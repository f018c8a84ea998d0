//! What was kept since the start, by client and type: the one place where that is counted, whichever way
//! records come.
//!
//! Guarantee: counts never go back. What may be taken back is counted when it is known to stay.

use std::collections::BTreeMap;
use std::sync::Mutex;

use netcap_record::Schema;

use super::lock;
use crate::ClientName;
use crate::members::Mark;

/// What was kept of a type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Batches with records.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Octets of these records, each with its length, not compressed.
    pub octets: u64,
}

/// What was kept of each type, by its name.
pub type KeptTypes = BTreeMap<&'static str, Kept>;

/// See the module.
#[derive(Default)]
pub(super) struct Counts(Mutex<BTreeMap<ClientName, KeptTypes>>);

impl Counts {
    /// Counts a batch.
    pub(super) fn add(&self, name: &ClientName, schema: &Schema, count: u32, octets: u64) {
        let mut clients = lock(&self.0);
        if !clients.contains_key(name) {
            clients.insert(name.clone(), KeptTypes::new());
        }
        if let Some(types) = clients.get_mut(name) {
            let kept = types.entry(schema.name).or_default();
            kept.batches += 1;
            kept.records += u64::from(count);
            kept.octets += octets;
        }
    }

    /// Counts a batch that came as a gzip member, which was looked through.
    pub(super) fn add_member(
        &self,
        name: &ClientName,
        schema: &Schema,
        member: &[u8],
        mark: &Mark,
    ) {
        // Its last field, ISIZE, is the length of what it holds (RFC 1952 section 2.3.1).
        let octets = member.last_chunk().copied().map_or(0, u32::from_le_bytes);
        self.add(name, schema, mark.count, octets.into());
    }

    pub(super) fn snapshot(&self) -> BTreeMap<ClientName, KeptTypes> {
        lock(&self.0).clone()
    }
}
