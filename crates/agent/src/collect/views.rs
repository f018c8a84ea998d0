//! What views are given: copies of what is known at some time.

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
    /// By type and level, in their order.
    pub totals: Vec<Total>,
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
    /// By second, agent, type and level.
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
