//! State across packets.
//!
//! Everything here is driven in capture order and by the times of packets alone ([`RunClock`]), has a
//! cap on every table, and counts what a cap costs. Flows and streams are in [`Lane`]s, any number of which give the same.

mod absences;
mod claim;
mod clock;
mod community_id;
mod connection;
mod counts;
mod defrag;
mod flow;
mod fragment_ports;
mod groups;
mod idle;
mod lane;
mod link_flow;
mod model;
mod network_flow;
mod notes;
mod reassembly;
mod scope;
mod segment;
mod segment_note;
mod shard;
mod slab;
mod stream_ledger;
mod stream_limits;
mod stream_shards;
mod streams;
mod summary;
mod table;
mod tracker;
mod transport_flow;
mod uid;

pub use clock::{RunClock, Ticks};
pub use defrag::{Defragmenter, FragmentLedger, Limits};
pub use fragment_ports::FragmentPorts;
pub use groups::Groups;
pub use lane::Lane;
pub use notes::{Notes, Segments};
pub use scope::Scope;
pub use segment::Segment;
pub use segment_note::{SegmentNote, note_segments};
pub use shard::SHARDS;
pub use stream_ledger::StreamLedger;
pub use stream_limits::{OverlapPolicy, StreamLimits};
pub use streams::Streams;
pub use summary::{Datagram, Layers, PacketSummary, Piece};
pub use tracker::{FlowLimits, SCHEMAS};
