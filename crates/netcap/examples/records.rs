//! Records of a capture without files: who spoke TLS to which server.
//!
//!     cargo run --example records -- traffic.pcap

#![expect(clippy::print_stdout, reason = "examples print")]

use netcap::capture::open;
use netcap::dissect::Selection;
use netcap::pipeline::{Config, records, registry};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("name a capture")?;
    let mut selection = Selection::default();
    selection.include.push("TLS".to_owned());
    for record in records(
        open(path.as_ref())?,
        registry(&selection)?,
        Config::default(),
    )? {
        let record = record?;
        let [source, server] = ["SrcIP", "SNI"].map(|field| record.text(field).unwrap_or_default());
        println!("packet {}: {source} asked for {server}", record.packet());
    }
    Ok(())
}
