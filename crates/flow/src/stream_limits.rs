//! What TCP streams may hold, how long, and which octets count where two contradict each other.

use std::cmp::Ordering;
use std::ops::Range;

/// What the table of streams may hold, and how long.
///
/// Where there is room for 8192 streams, for 32 MiB, and for all that 32 directions may hold, the
/// table is divided into [`SHARDS`](crate::SHARDS) parts by the ends of streams, each with its part of
/// `streams` and `octets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Streams at a time.
    pub streams: usize,
    /// Octets that wait in one direction of a stream, with their bookkeeping.
    pub octets_per_direction: usize,
    /// Octets that wait in all streams, with their bookkeeping, and those that dissectors keep.
    pub octets: usize,
    /// Seconds of packet time after which an idle stream ends; 0 is never.
    pub close_timeout: u32,
    /// Seconds of packet time after which a hole that holds octets up is given up; 0 is never.
    pub data_timeout: u32,
    /// Which octets count where early segments overlap.
    pub policy: OverlapPolicy,
}

impl Default for StreamLimits {
    fn default() -> StreamLimits {
        StreamLimits {
            streams: 65_536,
            octets_per_direction: 1 << 20,
            octets: 64 << 20,
            close_timeout: 180,
            data_timeout: 120,
            policy: OverlapPolicy::default(),
        }
    }
}

/// Which octets count where an early segment overlaps one that came before it and waits, as
/// receivers differ (Novak and Sturges, "Target-based TCP stream reassembly", 2007).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverlapPolicy {
    /// What is there stays.
    First,
    /// The newcomer wins.
    Last,
    /// What is there stays, unless the newcomer begins before it: the default of Suricata and Snort.
    #[default]
    Bsd,
    /// What begins first stays, by the segments as they came; of two that begin together that which came
    /// first, unless the newcomer is longer (`tcp_data_queue_ofo`). Segments that follow right on each
    /// other are one.
    Linux,
}

impl OverlapPolicy {
    /// Whether the octets of a newcomer displace those that wait where both claim a place: `there` is
    /// what waits, `whole` the segment that brought it.
    pub(crate) fn newcomer_wins(
        self,
        newcomer: &Range<u64>,
        there: &Range<u64>,
        whole: &Range<u64>,
    ) -> bool {
        match self {
            OverlapPolicy::First => false,
            OverlapPolicy::Last => true,
            OverlapPolicy::Bsd => newcomer.start < there.start,
            OverlapPolicy::Linux => match newcomer.start.cmp(&whole.start) {
                Ordering::Less => true,
                Ordering::Equal => newcomer.end > whole.end,
                Ordering::Greater => false,
            },
        }
    }
}
