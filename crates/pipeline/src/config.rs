//! What a run is asked for, what it tells meanwhile, and what it tells at the end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use netcap_capture::{Filter, FilterError, Progress};
use netcap_flow::{FlowLimits, Limits, StreamLimits};

use crate::outlet::Upkeep;
use crate::{BodyConfig, Ledger};

/// How a run is done.
#[derive(Clone, Debug)]
pub struct Config {
    /// When the run ends, if not with its input.
    pub limits: RunLimits,
    /// Worker threads, at least 1.
    pub workers: usize,
    /// Parts of the state across packets that different workers may have in hand at a time; 0 is as
    /// many as there are workers.
    pub lanes: usize,
    /// Packets of a batch at most.
    pub batch_packets: usize,
    /// What packets must match; others are counted, and nothing else.
    pub filter: Option<Arc<Filter>>,
    /// LINKTYPE that overrides the capture's own.
    pub base: Option<u32>,
    /// When flows close, and how many may be open.
    pub flows: FlowLimits,
    /// Whether VLANs tell no flows and streams apart: for mirror ports that tag one direction only.
    pub ignore_vlans: bool,
    /// How much may wait to be put together from fragments.
    pub fragments: Limits,
    /// How TCP streams are put together, and how much may wait for that.
    pub streams: StreamLimits,
    /// Where bodies of responses go; by default nowhere. They come of streams, so somebody must want
    /// records of these.
    pub bodies: Option<BodyConfig>,
    /// Whether to leave out packets that nobody could dissect.
    pub ignore_unknown: bool,
}

impl Default for Config {
    /// One worker and the default limits.
    fn default() -> Config {
        Config {
            limits: RunLimits::default(),
            workers: 1,
            lanes: 0,
            batch_packets: 1024,
            filter: None,
            base: None,
            flows: FlowLimits::default(),
            ignore_vlans: false,
            fragments: Limits::default(),
            streams: StreamLimits::default(),
            bodies: None,
            ignore_unknown: false,
        }
    }
}

/// When a run ends before its input does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunLimits {
    /// After so many packets.
    pub packets: Option<u64>,
    /// After so long, by the wall clock.
    pub time: Option<Duration>,
}

/// How far a run has come.
#[derive(Clone, Debug)]
pub struct Watch<'a> {
    /// The outcomes of the packets that are done, and of bodies; of fragments, streams and evicted flows
    /// nothing is told before the end.
    pub ledger: &'a Ledger,
    /// Records so far, by the place of the type in [`Registry::selected`](crate::Registry::selected).
    pub records: &'a [u64],
    /// How far the input has been read.
    pub progress: Progress,
    /// Whether the packets come as they happen.
    pub is_live: bool,
    /// Flows open, of the model that has most.
    pub flows: usize,
    /// What the outlet tells of itself.
    pub upkeep: Upkeep,
}

/// What a run gave, beside what its outlet has.
#[derive(Debug)]
pub struct Report {
    /// The outcomes of the packets.
    pub ledger: Ledger,
    /// Why the input ended before its end, if it did.
    pub trouble: Option<netcap_capture::Error>,
    /// Whether the run was asked to stop before the input ended.
    pub interrupted: bool,
}

impl Report {
    /// What is known of a run that goes on, or has failed.
    pub fn so_far(ledger: &Ledger) -> Report {
        Report {
            ledger: ledger.clone(),
            trouble: None,
            interrupted: false,
        }
    }
}

/// Why a run failed. Where the packets came from what may wait ([`Source::may_wait`]), the files have their
/// names, with what was written until then. Of captures on disk no file of records was given its name; bodies
/// have theirs.
///
/// [`Source::may_wait`]: netcap_capture::Source::may_wait
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory cannot be made.
    #[error("cannot make the directory {}: {source}", path.display())]
    Directory {
        /// Its name.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Store(#[from] netcap_store::Error),
    /// Records cannot be handed on.
    #[error("cannot hand records on: {0}")]
    Output(#[from] std::io::Error),
    /// What an outlet of another crate cannot do.
    #[error(transparent)]
    Outlet(Box<dyn std::error::Error + Send + Sync>),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}; fewer -workers may help")]
    Thread(std::io::Error),
    /// The filter makes no sense for a packet.
    #[error(transparent)]
    Filter(#[from] FilterError),
}
