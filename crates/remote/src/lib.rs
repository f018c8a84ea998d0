//! Records from sensors to a collection server.
//!
//! A sensor is an outlet of the pipeline: [`Batcher`] makes [`Batch`]es of what a run gives, and a
//! [`Sender`] takes them to the server, which keeps them in an [`Archive`]: a folder for each client,
//! a file for each type of record.
//!
//! In the *compatible mode*, that of the sensors and servers of 2019, a batch is one UDP datagram:
//! [`UdpSender`] seals it, [`Collector`] opens it. What the network loses is lost.
//!
//! Guarantees: nothing that comes from the network names a path, ends the server, or makes it allocate
//! more than was received; what is refused is counted by reason.

mod archive;
mod batch;
mod batcher;
mod client_name;
mod collector;
mod datagrams;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod kernel_drops;
mod keys;
mod members;
mod plaintext;
mod records;
mod refusal;
pub mod reliable;
mod sealed;

pub use archive::{Appended, Archive, Client, DiskCounts, Kept, KeptTypes, Place};
pub use batch::{Batch, LONGEST_BATCH, Sender, StreamId, count_frames, stream_id};
pub use batcher::Batcher;
pub use client_name::ClientName;
pub use collector::{Collector, CollectorCounts, CollectorOptions};
pub use datagrams::{LONGEST_DATAGRAM, SenderCounters, SenderCounts, SenderOptions, UdpSender};
pub use error::Error;
pub use keys::{
    PRIVATE_KEY_FILE, PUBLIC_KEY_FILE, PrivateKey, PublicKey, read_private, read_public,
    write_key_pair,
};
pub use members::{Mark, inflate};
pub use records::{NotRecords, inflate_records};
pub use refusal::Refusal;
pub use sealed::{OVERHEAD, Opener, Sealed, Sealer};
