//! Every record type that there is, whoever writes it.

use netcap_dissect::{Registry, Selection, UnknownEncoder};
use netcap_protocols::{PROTOCOLS, SIGNATURES, STREAMS};
use netcap_record::Schema;

/// Every record type, each once: those of protocols first, then those of state across packets.
pub fn schemas() -> Vec<&'static Schema> {
    let mut schemas: Vec<&'static Schema> = Vec::new();
    let protocols = PROTOCOLS.iter().flat_map(|protocol| protocol.schemas);
    for schema in protocols.copied().chain(others()) {
        if !schemas.contains(&schema) {
            schemas.push(schema);
        }
    }
    schemas
}

/// The record types that come of more than one packet.
fn others() -> Vec<&'static Schema> {
    let streams = STREAMS.iter().flat_map(|protocol| protocol.schemas);
    netcap_flow::SCHEMAS
        .iter()
        .chain(streams)
        .copied()
        .collect()
}

/// The ports of the TCP streams of which records are asked for: an empty list is any port, no list no
/// streams at all.
pub(crate) fn stream_ports(registry: &Registry) -> Option<Vec<u16>> {
    let selects = |schema: &&'static Schema| registry.selects(schema);
    let wanted: Vec<_> = STREAMS
        .iter()
        .filter(|protocol| protocol.schemas.iter().any(selects))
        .collect();
    if wanted.iter().any(|protocol| protocol.ports.is_empty()) {
        return Some(Vec::new());
    }
    let ports = wanted.iter().flat_map(|protocol| protocol.ports);
    (!wanted.is_empty()).then(|| ports.copied().collect())
}

/// The table of protocols for what the user selected.
///
/// # Errors
/// A name in the selection that no record type has.
pub fn registry(selection: &Selection) -> Result<Registry, UnknownEncoder> {
    let registry = Registry::new(PROTOCOLS, &others(), selection)?;
    Ok(registry.with_signatures(SIGNATURES))
}
