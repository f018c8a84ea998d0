//! Netcap turns packets into audit records: one typed, documented record for each layer of each
//! packet, in files that other programs can read.
//!
//! This crate is the front door: it gathers the crates that do the work, and holds the programs
//! `netcap` and `pcap-over-ip`. A run of the former is a few lines of it:
//!
//! ```
//! use std::sync::Arc;
//!
//! use netcap::capture::{self, LinkType, Timestamp, pcap_writer};
//! use netcap::dissect;
//! use netcap::pipeline::{Config, FileConfig, Files, registry, run};
//!
//! // A capture of one packet: an ARP request in an Ethernet frame.
//! let mut packet = [0xff; 6].to_vec();
//! packet.extend(b"\x02\0\0\0\0\x01\x08\x06\0\x01\x08\0\x06\x04\0\x01");
//! packet.extend(b"\x02\0\0\0\0\x01\xc0\x00\x02\x01\0\0\0\0\0\0\xc0\x00\x02\x02");
//! let mut file = pcap_writer::file_header(LinkType::ETHERNET, 65535).to_vec();
//! pcap_writer::append_record(&mut file, Timestamp::default(), 42, &packet);
//!
//! let source = capture::from_reader("example", Box::new(std::io::Cursor::new(file)), None)?;
//! let registry = registry(&dissect::Selection::default())?;
//! let directory = tempfile::tempdir()?;
//! let mut files = Files::new(FileConfig::new(directory.path()), &registry)?;
//! let config = Config {
//!     workers: 2,
//!     ..Config::default()
//! };
//! let report = run(source, &registry, &config, &mut files, &Arc::default(), &mut |_| {})?;
//! assert!(report.ledger.balances());
//! let names: Vec<String> = files.reports().into_iter().map(|file| file.name).collect();
//! assert_eq!(names[..2], ["ARP.ncap.gz", "Connection.ncap.gz"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use netcap_capture as capture;
pub use netcap_dissect as dissect;
pub use netcap_pipeline as pipeline;
pub use netcap_protocols as protocols;
pub use netcap_record as record;
pub use netcap_relay as relay;
pub use netcap_store as store;
