//! Traffic metadata, packet by packet, from many hosts: what an agent makes of packets (`pcapper`), and
//! what a collector makes of that (`recollect`).
//!
//! Guarantees: an agent accounts for every packet; a collector never invents a record or loses one
//! that reached it; nothing that comes from a wire or a peer is read beyond its end.

pub mod classic;
pub mod classify;
pub mod collect;
pub mod config;
mod distil;
pub mod extended;
mod log;
pub mod mgen;
mod mode;
mod observation;
mod outlet;
#[cfg(test)]
mod pieces;
mod plain;
mod record;
mod statistics;
mod watch;

pub use distil::{Counts, Distiller, Made};
pub use log::{Log, LogCounts};
pub use mode::{Addresses, Mac, Missing, Mode};
pub use observation::{Numbered, Observation};
pub use outlet::{Outlet, OutletOptions};
pub use plain::is_plain;
pub use record::{LENGTH, Record};
pub use statistics::Statistics;
pub use watch::{WatchError, watch};
