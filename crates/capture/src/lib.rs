//! Where packets come from: pcap and pcapng files, plain or compressed, from disk, a pipe or any
//! other reader; and interfaces.
//!
//! A [`Source`] yields packets in capture order into a [`Batch`]; [`open`] finds out by content what
//! a file is, [`open_interfaces`] captures live, [`merge`] makes one source of several,
//! [`pcap_writer`] writes. Peers that send captures over the network are read by
//! [`pcap_over_ip::Reader`].
//!
//! Guarantees: no claim of the input is believed before the octets are there, so memory follows
//! what was received; the packets before any trouble are delivered before the error is; the same
//! octets give the same packets however they arrive and however the batches are sized.
//!
//! ```
//! use netcap_capture::{Batch, LinkType, Timestamp, from_reader, pcap_writer};
//!
//! let mut file = pcap_writer::file_header(LinkType::ETHERNET, 65535).to_vec();
//! pcap_writer::append_record(&mut file, Timestamp::default(), 4, b"ping");
//!
//! let mut source = from_reader("example", Box::new(std::io::Cursor::new(file)), None)?;
//! let mut batch = Batch::new(1 << 20, 1024);
//! while source.fill(&mut batch)? {
//!     for (packet, octets) in batch.iter() {
//!         assert_eq!((packet.link_type, octets), (LinkType::ETHERNET, &b"ping"[..]));
//!     }
//! }
//! # Ok::<(), netcap_capture::Error>(())
//! ```

mod batch;
pub mod bpf;
mod compression;
mod error;
mod file;
mod filter;
mod filter_place;
mod format;
mod input;
pub mod libpcap;
mod link_type;
mod live;
mod live_merge;
mod merge;
mod open;
mod pcap;
pub mod pcap_over_ip;
pub mod pcap_writer;
mod pcapng;
pub mod pcapng_writer;
mod private_file;
mod source;
mod timestamp;

pub use batch::{Batch, Packet};
pub use compression::{DecompressError, compression_of, decompressed};
pub use error::{Error, after_whole, good_so_far};
pub use filter::{Filter, FilterError};
pub use filter_place::Place as FilterPlace;
pub use link_type::LinkType;
pub use live::{LiveSource, open_interfaces};
pub use live_merge::{MERGE_WINDOW, merge_live};
pub use merge::merge;
pub use open::{from_reader, open};
pub use private_file::access_of_others;
pub use source::{LAST_WORDS, LIVE_TICK, Origin, Progress, Source};
pub use timestamp::Timestamp;

#[cfg(test)]
mod testing;
