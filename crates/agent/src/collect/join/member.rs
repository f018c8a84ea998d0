//! An agent, as the join knows it.

use std::net::IpAddr;

use super::event::Scope;
use super::strangers::Strangers;
use super::timeline::{Presence, Timeline};

/// What the join knows of an agent.
#[derive(Debug, Default)]
pub(super) struct Member {
    /// Whether its packets can be joined.
    pub(super) is_joined: bool,
    pub(super) timeline: Timeline,
    /// It is behind others, and not waited for.
    pub(super) is_late: bool,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) scope: Scope,
    /// Ports of TCP at which it speaks, which it leaves out.
    pub(super) own_ports: Vec<u16>,
    /// What it received, and nobody is known to have sent.
    pub(super) strangers: Strangers,
    pub(super) counts: MemberCounts,
}

impl Member {
    /// Whether more is to be expected of it.
    pub(super) fn is_present(&self) -> bool {
        self.is_joined && self.timeline.presence != Presence::Away
    }
}

/// Packets of an agent that are in no pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberCounts {
    /// Their direction or what they carry is not known.
    pub unfit: u64,
    /// They were received, and nobody is known to have sent them.
    pub unsent: u64,
    /// There were too many equal ones.
    pub repeated: u64,
    /// They were forgotten before their fate was known, for lack of room.
    pub crowded_out: u64,
}
