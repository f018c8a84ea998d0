//! Reader, workers, sequencer, sinks: packets in, files of records out.
//!
//! One thread reads batches from the source. Any number of workers turn a batch into encoded
//! records; a worker has no state, so a batch's output depends on nothing but the batch. The
//! calling thread puts the outputs back into capture order, feeds the fragments to the one
//! defragmenter, and appends to the files. Gzip members are cut by the octets of each file's
//! stream, not by batches, and compressed by the workers too.
//!
//! So the octets of every file depend on the packets and the options alone: neither the number of
//! workers nor the size of batches nor the compression of the input changes one of them.
//!
//! Live sources bring the wall clock in, at two places: batches without packets say how late it is,
//! so that flows and streams end while nothing happens; and output may be cut into periods.
//!
//! Memory is bounded: batches come from a fixed pool, which is the only back-pressure; every
//! channel has room for the whole pool, so nobody waits for anybody but the reader for a free
//! batch.

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
mod stream;
mod worker;

pub use bodies::{BodyConfig, BodyLedger, BodyLimits};
pub use ceiling::memory_ceiling;
pub use config::{Config, Error, Report, RunLimits, Watch};
pub use files::{FileConfig, FileReport, Files, PeriodLedger, Rotation};
pub use ledger::Ledger;
pub use netcap_dissect::Registry;
pub use netcap_flow::{
    FlowLimits, FragmentLedger, Limits as FragmentLimits, OverlapPolicy, StreamLedger, StreamLimits,
};
pub use netcap_store::{About, Csv, Encoding, Frames, Json};
pub use outlet::{Delivery, Outlet, Task, Tools, Workers};
pub use records::{AuditRecord, Records, records};
pub use registry::{registry, schemas};
pub use run::run;
pub use side::Side;
pub use stream::Stream;
