//! The extended stream: what an agent tells beyond the records of 28 octets, at a port of its own.
//!
//! The collector begins, with [`GREETING`]; then only the agent speaks, in [`Message`]s. Agents of 2019 read
//! nothing, so who greets one by mistake notices by what comes back.
//!
//! Guarantees: each packet that the agent has made a record of has a number, and numbers have no gaps, so
//! whoever misses some knows how many; what later versions add, this one skips.

mod datagram;
mod digest;
mod fragments;
mod frame;
mod host;
mod internet;
mod link;
mod maker;
mod message;
mod multicast;
mod outlet;
mod protocol;
mod reader;
mod wire;

pub use datagram::MOST_OCTETS;
pub(crate) use datagram::opened;
pub use frame::{Frame, NoNote, SNAPLEN, note};
pub use host::{addresses, host_name, instance};
pub use maker::Maker;
pub use message::{
    Agent, Counters, Direction, Fragment, Interface, MOST_INTERFACES, Machine, Message, MgenNote,
    PacketNote, Status,
};
pub(crate) use multicast::join;
pub use multicast::{Group, Multicast, MulticastCounts};
pub use outlet::{NoteAccount, NoteOutlet};
pub use reader::{Messages, StreamError};

/// What a collector sends first, and nothing after that. A later version of the protocol has another.
pub const GREETING: &[u8; 19] = b"PCAPPER-EXTENDED 1\n";
