//! Bodies on their way out of a stream: what a message carries, handed on octet by octet, for
//! whoever keeps it in files.
//!
//! A stream dissector begins a body, hands its octets on in order, and ends it, through its
//! [`StreamContext`](crate::StreamContext). Nothing is copied unless somebody asks for bodies.

use crate::Turn;

/// Number of a body, different from those of all others in the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyId(u64);

/// What happens to a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyEvent {
    /// It begins.
    Begin {
        /// Which one.
        id: BodyId,
        /// What was asked for, as the request has it: a URL or the end of one. Empty where the
        /// request is unknown. Whoever sends the traffic chooses it.
        target: Box<[u8]>,
        /// Content codings that were applied to it (RFC 9110 section 8.4), as the message names
        /// them; empty for none.
        encoding: Box<[u8]>,
    },
    /// Its next octets.
    Octets(BodyId, Vec<u8>),
    /// It ends: whole, or because octets are missing.
    End {
        /// Which one.
        id: BodyId,
        /// Whether all of its octets were handed on.
        is_whole: bool,
    },
}

/// What has happened to bodies, in order.
#[derive(Debug, Default)]
pub struct Bodies {
    /// Number of the next body. Each of several owners of streams counts in a range of its own.
    pub next: u64,
    /// What has happened since the owner last took it, and when.
    pub events: Vec<(Turn, BodyEvent)>,
}

impl Bodies {
    /// Begins a body: [`BodyEvent::Begin`].
    pub fn begin(&mut self, turn: Turn, target: &[u8], encoding: &[u8]) -> BodyId {
        let id = BodyId(self.next);
        self.next += 1;
        let event = BodyEvent::Begin {
            id,
            target: target.into(),
            encoding: encoding.into(),
        };
        self.events.push((turn, event));
        id
    }
}
