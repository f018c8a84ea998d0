//! Packets in, records out: reader, workers, lanes, sequencer, outlets.
//!
//! One thread reads batches from the source. Any number of workers turn a batch into encoded records;
//! that needs no state, so a batch's output depends on nothing but the batch. State across packets is
//! kept by lanes, which take the batches in their order, one at a time, on whatever worker is free. The
//! calling thread sees to the order, and gives what comes of it to an [`Outlet`]: [`Files`], a
//! [`Stream`], [`records`] one by one, or one that the program brings. Outlets have workers compress and
//! write. Gzip members are cut by the octets of each file's stream, not by batches.
//!
//! So the output depends on the packets and the options alone: neither the number of workers or lanes
//! nor the size of batches nor the compression of the input changes an octet of it.
//!
//! Live sources bring the wall clock in, at two places: batches without packets say how late it is,
//! so that flows and streams end while nothing happens; and output may be cut into periods.
//!
//! Memory is bounded: batches come from a fixed pool, which is the only back-pressure.

mod bodies;
mod ceiling;
mod config;
mod files;
mod fragments;
mod job;
mod lanes;
mod ledger;
mod merge;
mod outlet;
mod queue;
mod reader;
mod records;
mod registry;
mod run;
mod sequencer;
mod side;
mod stages;
mod stream;
mod worker;

pub use bodies::{BodyConfig, BodyLedger, BodyLimits};
pub use ceiling::memory_ceiling;
pub use config::{Config, Error, Report, RunLimits, Watch};
pub use files::{FileConfig, FileReport, Files, PeriodLedger, Unwritten, leftovers};
pub use ledger::Ledger;
pub use netcap_dissect::Registry;
pub use netcap_flow::{
    FlowLimits, FragmentLedger, Limits as FragmentLimits, OverlapPolicy, StreamLedger, StreamLimits,
};
pub use netcap_store::{About, Csv, Encoding, Frames, Json, Rotation};
pub use outlet::{Delivery, Outlet, Task, Tools, Upkeep, Workers};
pub use records::{AuditRecord, Records, records};
pub use registry::{registry, schemas};
pub use run::run;
pub use side::Side;
pub use stream::Stream;
