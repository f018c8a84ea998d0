//! Every record type that there is, whoever writes it.

use netcap_dissect::{Registry, Selection, UnknownEncoder};
use netcap_protocols::PROTOCOLS;
use netcap_record::Schema;

/// Every record type, each once: those of protocols first, then those of state across packets.
pub fn schemas() -> Vec<&'static Schema> {
    let mut schemas: Vec<&'static Schema> = Vec::new();
    let protocols = PROTOCOLS.iter().flat_map(|protocol| protocol.schemas);
    for schema in protocols.chain(netcap_flow::SCHEMAS) {
        if !schemas.contains(schema) {
            schemas.push(schema);
        }
    }
    schemas
}

/// The table of protocols for what the user selected.
///
/// # Errors
/// A name in the selection that no record type has.
pub fn registry(selection: &Selection) -> Result<Registry, UnknownEncoder> {
    Registry::new(PROTOCOLS, netcap_flow::SCHEMAS, selection)
}
