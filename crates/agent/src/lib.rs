//! Traffic metadata, packet by packet, from many hosts: what an agent makes of packets (`pcapper`), and
//! what a collector makes of that (`recollect`).
//!
//! Guarantees: an agent accounts for every packet; a collector never invents a record or loses one
//! that reached it; nothing that comes from a wire or a peer is read beyond its end.

pub mod classic;
pub mod classify;
pub mod collect;
pub mod config;
pub mod mgen;
mod record;

pub use record::{LENGTH, Record};
