//! PCAP-over-IP the other way round: packets become a stream, or go back onto a wire.
//!
//! [`serve`] gives a capture to any number of peers, [`pump`] feeds it from whatever yields packets,
//! [`FileSupply`] from files, to each peer from the start, and [`replay`] sends packets out of an
//! interface.
//!
//! Guarantees: a peer that is slow loses its own packets, counted, and nobody else's; what is
//! written is little-endian, holds no record without octets, and names for each packet the link
//! type that it has; memory stays below what [`Limits::ceiling`] says.

mod allow;
mod arrivals;
mod client;
mod fanout;
mod feedback;
mod file_supply;
mod greeting;
mod halt;
mod inlet;
pub mod live;
mod own_traffic;
mod pace;
mod path;
mod pump;
mod queue;
pub mod replay;
mod server;
mod shape;
pub mod stdin;
mod stream;

pub use allow::Cidr;
pub use client::{ClientTotals, Farewell, Feed, Next};
pub use fanout::{Audience, Fanout};
pub use file_supply::{FileSupply, Playback, Survey, survey};
pub use halt::Halt;
pub use inlet::{Files, Inlet};
pub use own_traffic::OwnTraffic;
pub use pace::{Clock, Pace};
pub use path::Path;
pub use pump::{Drainage, PumpError, PumpTotals, pump};
pub use queue::{QueueCounts, QueueLimits, Slow};
pub use server::{Event, Limits, Outlets, Supply, serve};
pub use shape::{Counts, Feeder, Shaping};
pub use stream::{Chunk, Form, Interface, Preamble};
