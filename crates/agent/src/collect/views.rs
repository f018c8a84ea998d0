//! What views are given: copies of what is known at some time.

use std::net::SocketAddr;
use std::time::SystemTime;

use crate::classify::Kind;
use crate::collect::window::Sum;

/// How the connection to an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It has not been there yet.
    Connecting,
    /// It is there.
    Connected {
        /// Since when.
        since: SystemTime,
    },
    /// It is not there, and tried again.
    Lost {
        /// Since when.
        since: SystemTime,
        /// Why it ended, or cannot be made.
        why: String,
    },
    /// Nothing more will come.
    Ended,
}

/// What has come of an agent's traffic of one type and level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// The type.
    pub kind: Kind,
    /// Whether it is of level 1.
    pub is_secondary: bool,
    /// How many records there were.
    pub records: u64,
    /// The sum of their values: bits of traffic; of statistics it means little.
    pub value: u64,
    /// The value of the last one: what matters of statistics.
    pub last: u64,
}

/// What is known of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentView {
    /// What its lines are called by.
    pub label: String,
    /// Where it is, as configured; or the log that is replayed.
    pub place: String,
    /// How the connection is.
    pub status: Status,
    /// How often it was made.
    pub connections: u64,
    /// Records that have come.
    pub records: u64,
    /// Octets that have come, those of records that never came in full too.
    pub octets: u64,
    /// Packets that it has told of.
    pub packets: u64,
    /// Their bits, each packet counted once.
    pub bits: u64,
    /// Octets of records that never came in full.
    pub partial_octets: u64,
    /// The time of its last record, in microseconds since 1970.
    pub last_time: Option<i64>,
    /// How much our clock was ahead of that when it came, in microseconds; negative where the agent's clock is
    /// ahead of ours.
    pub lag: Option<i64>,
    /// Records whose time was too far from ours for the sums.
    pub outside: u64,
    /// Findings for whose sums there was no room.
    pub crowded_out: u64,
    /// What was lost of its packets, where it tells (the extended stream).
    pub losses: Option<Losses>,
    /// By type and level, in their order.
    pub totals: Vec<Total>,
}

/// What was lost of an agent's packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Packets that its kernel or interfaces dropped, so that it never saw them.
    pub dropped: u64,
    /// Records that it made and that did not reach us, as we were too slow.
    pub missing: u64,
}

/// A flow of packets that one agent sent and another received, joined packet by packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowView {
    /// Number of the agent that sent it.
    pub sender: usize,
    /// Number of the agent that received it, or should have.
    pub receiver: usize,
    /// Address and port (0 where the protocol has none) that it comes from.
    pub source: SocketAddr,
    /// Address and port that it goes to.
    pub destination: SocketAddr,
    /// IP protocol number (IANA).
    pub protocol: u8,
    /// Flow of MGEN, if it is one.
    pub flow_id: Option<u32>,
    /// Packets sent whose fate is known.
    pub sent: u64,
    /// Those of them that were received.
    pub received: u64,
    /// Those of them that were sent so long ago that losses are known, too; the share of losses is
    /// `lost / (settled + lost)`.
    pub settled: u64,
    /// Those that were not received in time.
    pub lost: u64,
    /// Packets sent that were not received as far as is known, while it is not known what the receiver saw.
    pub unknown: u64,
    /// Packets received more often than sent.
    pub duplicated: u64,
    /// Whether one of the two sees packets of this protocol that cannot be found again, so that those not received count
    /// as unknown: they are not as they are on the wire (segmentation or receive offload), or too little of them was
    /// captured.
    pub is_uncut: bool,
    /// One-way delay by the two agents' clocks; none before the first packet received.
    pub delay: Option<Delay>,
}

/// The outcome of the packets of a flow that were sent in a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowSecond {
    /// Which second, since 1970, by the sender's clock.
    pub second: i64,
    /// The flow, with everything so far.
    pub flow: FlowView,
    /// Of the packets sent in that second, those that were received.
    pub received: u64,
    /// Those that were not received in time.
    pub lost: u64,
    /// Those of which that is not known.
    pub unknown: u64,
    /// Packets received more often than sent.
    pub duplicated: u64,
    /// The least, the mean and the most delay of those received, in nanoseconds.
    pub delay: Option<[i64; 3]>,
}

/// One-way delays in nanoseconds; negative where the receiver's clock is behind by more than the delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// The shortest.
    pub least: i64,
    /// Half of them are no longer, within 2 %.
    pub median: i64,
    /// Of a hundred 99 are no longer, within 2 %.
    pub p99: i64,
    /// The longest.
    pub most: i64,
    /// That of the packet received last.
    pub last: i64,
}

/// All agents at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Everything up to here is in it.
    pub version: u64,
    /// In the order of the configuration.
    pub agents: Vec<AgentView>,
}

/// Sums of the seconds that have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Everything up to here is in it.
    pub version: u64,
    /// By second, agent, type, level, and whether it is repeated.
    pub sums: Vec<Sum>,
}

impl AgentView {
    /// It is lost, or still is, for this reason.
    pub(crate) fn lost(&mut self, now: SystemTime, reason: &str) {
        match &mut self.status {
            Status::Lost { why, .. } => reason.clone_into(why),
            status => {
                *status = Status::Lost {
                    since: now,
                    why: reason.to_owned(),
                };
            }
        }
    }
}
