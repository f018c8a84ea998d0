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
    let mut found = records(
        open(path.as_ref())?,
        registry(&selection)?,
        Config::default(),
    )?;
    for record in &mut found {
        let record = record?;
        let [source, server] = ["SrcIP", "SNI"].map(|field| record.text(field).unwrap_or_default());
        println!("packet {}: {source} asked for {server}", record.packet());
    }
    // Whether the capture was cut short, for instance.
    match found.report().and_then(|report| report.trouble.as_ref()) {
        Some(trouble) => Err(trouble.to_string().into()),
        None => Ok(()),
    }
}
