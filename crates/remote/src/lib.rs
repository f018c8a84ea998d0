//! Records from sensors to a collection server.
//!
//! A sensor is an outlet of the pipeline: [`Batcher`] makes [`Batch`]es of what a run gives, and a
//! [`Sender`] takes them to the server, which keeps them in an [`Archive`]: a folder for each client,
//! a file for each type of record.
//!
//! Guarantees: nothing that comes from the network names a path, ends the server, or makes it allocate
//! more than was received; what is refused is counted by reason.

mod archive;
mod batch;
mod batcher;
mod client_name;
mod error;
mod members;

pub use archive::{Appended, Archive, Client, Place};
pub use batch::{Batch, LONGEST_BATCH, Sender, StreamId, count_frames};
pub use batcher::Batcher;
pub use client_name::ClientName;
pub use error::Error;
pub use members::{Mark, inflate};
