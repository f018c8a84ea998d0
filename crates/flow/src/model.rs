//! What a flow model is to its tracker.

use std::hash::Hash;

use netcap_dissect::{Output, Registry};
use netcap_record::Record;

use crate::summary::PacketSummary;
use crate::table::Entry;

/// A kind of flow: its key, and its record.
pub(crate) trait Model: Record {
    /// What packets of one flow have in common.
    type Key: Eq + Hash;
    /// What else the record shows of the first packet.
    type Shown;

    /// Key and more of a packet, if it belongs to a flow of this kind.
    fn read(summary: &PacketSummary) -> Option<(Self::Key, Self::Shown)>;

    /// Writes the record of an entry that is closed.
    fn emit(entry: &Entry<Self::Key, Self::Shown>, registry: &Registry, output: &mut Output);
}
