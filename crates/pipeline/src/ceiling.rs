//! The most memory that a run takes, by its limits.
//!
//! What an entry of a table costs is counted with the room that tables and buffers leave free while
//! they grow, and with the record that it becomes when all close at once.

use netcap_dissect::Registry;

use crate::Config;
use crate::files::BLOCK;
use crate::registry::stream_ports;
use crate::run::{BATCH_OCTETS, pool};

/// The program, its tables of protocols, the threads' stacks, what compression works with.
const PROGRAM: u64 = 32 << 20;
/// A batch on its way, by the octets of its packets: records of all types come to some times these.
const BATCH: u64 = 8 * BATCH_OCTETS as u64;
/// An open flow of one kind.
const FLOW: u64 = 1 << 10;
/// An open stream, without what waits in it.
const STREAM: u64 = 3 << 9;
/// Open bodies with their decoders.
const BODIES: u64 = 64 << 20;

/// Octets that a run with this configuration takes at most. Longer packets than a batch has octets,
/// which only files have, and the kernel's rings come on top.
pub fn memory_ceiling(config: &Config, registry: &Registry) -> u64 {
    let selected = registry.selected().len() as u64;
    let flows = netcap_flow::SCHEMAS
        .iter()
        .filter(|schema| registry.selects(schema));
    let flows = flows.count() as u64 * config.flows.entries as u64 * FLOW;
    let streams = match stream_ports(registry) {
        Some(_) => config.streams.streams as u64 * STREAM + 2 * config.streams.octets as u64,
        None => 0,
    };
    let bodies = config.bodies.as_ref().map_or(0, |_| BODIES);
    PROGRAM
        + pool(config.workers) as u64 * BATCH
        + selected * 2 * BLOCK as u64
        + flows
        + streams
        + 2 * config.fragments.octets as u64
        + bodies
}
