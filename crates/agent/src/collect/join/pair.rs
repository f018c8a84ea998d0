//! The outcome of the packets of a flow from one agent to another.

use std::collections::VecDeque;

use super::delays::Delays;
use super::sighting::Flow;
use crate::collect::views::{FlowSecond, FlowView};

/// Nanoseconds of a second.
pub(super) const SECOND: i64 = 1_000_000_000;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) flow: Flow,
    pub(super) sender: u16,
    pub(super) receiver: u16,
    /// Since when packets that do not arrive are lost, by the sender's clock.
    pub(super) since: i64,
    pub(super) counts: Counts,
    /// Packets of the flow that the receiver received, and nobody is known to have sent.
    pub(super) strange: u64,
    pub(super) delays: Delays,
    /// When it was opened, and when something happened to it last, among all pairs.
    pub(super) opened: u64,
    pub(super) touched: u64,
    /// What of each second is not told yet.
    pub(super) seconds: VecDeque<Second>,
}

/// How many packets were received, and so on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) unknown: u64,
    pub(super) duplicated: u64,
}

/// The outcome of the packets that were sent in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Second {
    /// Since 1970, by the sender's clock.
    pub(super) second: i64,
    pub(super) counts: Counts,
    /// Delays: the least, the most, their sum and number.
    least: i64,
    most: i64,
    sum: i128,
    delayed: u64,
}

/// The outcome of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was received, after this delay in nanoseconds, unless that could be another packet's.
    Received(Option<i64>),
    /// It was not.
    Lost,
    /// It was not, as far as is known; but what the receiver saw then is not.
    Unknown,
    /// It was received once more.
    Duplicated,
}

impl Pair {
    /// Counts the fate of a packet.
    pub(super) fn count(&mut self, fate: Fate) {
        self.counts.count(fate);
        if let Fate::Received(Some(delay)) = fate {
            self.delays.add(delay);
        }
    }

    /// Its counts, or those of a second, as they are told: while none has arrived, and some have that nobody
    /// sent by the clocks, these can be the same.
    pub(super) fn told(&self, counts: Counts) -> Counts {
        match self.counts.received == 0 && self.strange > 0 {
            true => Counts {
                lost: 0,
                unknown: counts.unknown + counts.lost,
                ..counts
            },
            false => counts,
        }
    }

    /// The second in which something was sent, mostly one of the last, and whether it is new. Without room for
    /// one it is the one before.
    pub(super) fn second(&mut self, second: i64, has_room: bool) -> (&mut Second, bool) {
        let behind = self
            .seconds
            .iter()
            .rposition(|known| known.second <= second);
        let behind = behind.map_or(0, |place| place + 1);
        let known = behind
            .checked_sub(1)
            .map(|place| self.seconds[place].second);
        let is_new = known != Some(second) && (has_room || self.seconds.is_empty());
        if is_new {
            let new = Second {
                second,
                ..Second::default()
            };
            self.seconds.insert(behind, new);
        }
        let place = if is_new {
            behind
        } else {
            behind.saturating_sub(1)
        };
        (&mut self.seconds[place], is_new)
    }
}

impl Counts {
    fn count(&mut self, fate: Fate) {
        let count = match fate {
            Fate::Received(_) => &mut self.received,
            Fate::Lost => &mut self.lost,
            Fate::Unknown => &mut self.unknown,
            Fate::Duplicated => &mut self.duplicated,
        };
        *count += 1;
    }
}

impl Second {
    /// Counts the fate of a packet.
    pub(super) fn count(&mut self, fate: Fate) {
        if let Fate::Received(Some(delay)) = fate {
            if self.delayed == 0 {
                (self.least, self.most) = (delay, delay);
            }
            self.least = self.least.min(delay);
            self.most = self.most.max(delay);
            self.sum += i128::from(delay);
            self.delayed += 1;
        }
        self.counts.count(fate);
    }

    /// What views see of it.
    pub(super) fn view(self, flow: FlowView, counts: Counts) -> FlowSecond {
        let Counts {
            received,
            lost,
            unknown,
            duplicated,
        } = counts;
        let mean = || (self.sum / i128::from(self.delayed)) as i64;
        FlowSecond {
            second: self.second,
            flow,
            received,
            lost,
            unknown,
            duplicated,
            delay: (self.delayed > 0).then(|| [self.least, mean(), self.most]),
        }
    }
}
