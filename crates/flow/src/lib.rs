//! State across packets.
//!
//! Everything here is driven in capture order by one owner and by packet time alone, has a cap on
//! every table, and counts what a cap costs.

mod claim;
mod connection;
mod defrag;
mod flow;
mod groups;
mod idle;
mod link_flow;
mod model;
mod network_flow;
mod reassembly;
mod segment;
mod segment_note;
mod stream_ledger;
mod stream_limits;
mod streams;
mod summary;
mod table;
mod tracker;
mod transport_flow;
mod uid;

pub use defrag::{Defragmenter, FragmentLedger, Limits};
pub use groups::Groups;
pub use segment::Segment;
pub use segment_note::{SegmentNote, note_segments};
pub use stream_ledger::StreamLedger;
pub use stream_limits::{OverlapPolicy, StreamLimits};
pub use streams::Streams;
pub use summary::{Datagram, Layers, PacketSummary, Piece};
pub use tracker::{FlowLimits, SCHEMAS, Trackers};
