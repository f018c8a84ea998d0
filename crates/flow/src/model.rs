//! What a flow model is to its tracker.

use std::hash::Hash;

use netcap_dissect::{Output, Registry};
use netcap_record::Record;

use crate::counts::Ways;
use crate::shard::FlowShards;
use crate::summary::PacketSummary;
use crate::table::Entry;

/// A kind of flow: its key, and its record.
pub(crate) trait Model: Record {
    /// What packets of one flow have in common.
    type Key: Eq + Hash + Send;
    /// What else the record shows of the first packet.
    type Shown: Learn;
    /// The directions that are counted apart.
    type Ways: Ways;

    /// The shard of a packet's flow: both of what belongs to one flow are in the same.
    fn shard(shards: &FlowShards) -> u8;

    /// What a packet says of its flow, if it belongs to one of this kind.
    fn read(summary: &PacketSummary) -> Option<Reading<Self>>;

    /// Writes the record of an entry that is closed.
    fn emit(entry: &EntryOf<Self>, registry: &Registry, output: &mut Output);
}

/// What a record shows of the first packet, and may learn from those that follow.
pub(crate) trait Learn: Send {
    /// Learns from what later packets say.
    fn learn(&mut self, _later: &Self) {}
}

/// Whether the first packet went from the second address of the key to the first.
impl Learn for bool {}

/// What a packet says of its flow.
pub(crate) struct Reading<M: Model + ?Sized> {
    pub(crate) key: M::Key,
    /// The direction that it goes, among those that are counted apart.
    pub(crate) way: usize,
    pub(crate) shown: M::Shown,
}

/// An entry of the table of a kind of flow.
pub(crate) type EntryOf<M> = Entry<<M as Model>::Key, <M as Model>::Shown, <M as Model>::Ways>;
