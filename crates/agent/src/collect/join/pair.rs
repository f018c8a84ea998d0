//! The outcome of the packets of a flow from one agent to another.

use std::collections::BTreeMap;

use super::delays::Delays;
use super::sighting::Flow;
use crate::collect::views::{FlowSecond, FlowView};

/// Seconds of a pair that wait for being told at most: those of the longest window, and a little more.
const MOST_SECONDS: usize = 1024;
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
    /// Packets received that were sent before everything is known: what losses are in proportion to.
    pub(super) settled: u64,
    /// The receiver was seen to send on packets of the flow.
    pub(super) passes_on: bool,
    /// Packets that were not received had yet to be cut by an interface.
    pub(super) is_uncut: bool,
    /// Losses that were told by second.
    told: u64,
    pub(super) delays: Delays,
    /// When it was opened, and when something happened to it last, among all pairs.
    pub(super) opened: u64,
    pub(super) touched: u64,
    /// What of each second is not told yet.
    seconds: BTreeMap<i64, Second>,
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
    /// It was received.
    Received,
    /// It was not.
    Lost,
    /// It was not, as far as is known; but what the receiver saw then is not.
    Unknown,
    /// It was received once more.
    Duplicated,
}

impl Pair {
    /// One that is opened as number `opened` of all, without packets.
    pub(super) fn new(flow: Flow, ends: (u16, u16), since: i64, opened: u64) -> Pair {
        Pair {
            flow,
            sender: ends.0,
            receiver: ends.1,
            since,
            counts: Counts::default(),
            settled: 0,
            passes_on: false,
            is_uncut: false,
            told: 0,
            delays: Delays::default(),
            opened,
            touched: opened,
            seconds: BTreeMap::new(),
        }
    }

    /// Its counts, as they are told: so many of the packets that were not received may have been, changed on the
    /// way or by a clock.
    pub(super) fn told(&self, explained: u64) -> Counts {
        let doubtful = self.counts.lost.min(explained);
        Counts {
            lost: self.counts.lost - doubtful,
            unknown: self.counts.unknown + doubtful,
            ..self.counts
        }
    }

    /// The second in which something was sent, and whether it is new. Without room for one it is another, before it
    /// if there is one.
    pub(super) fn second(&mut self, second: i64, has_room: bool) -> (&mut Second, bool) {
        let has_room = has_room && self.seconds.len() < MOST_SECONDS || self.seconds.is_empty();
        let is_known = self.seconds.contains_key(&second);
        let place = match is_known || has_room {
            true => Some(second),
            false => {
                let before = self.seconds.range(..second).next_back();
                let other = before.or_else(|| self.seconds.first_key_value());
                other.map(|(second, _)| *second)
            }
        };
        let place = place.unwrap_or(second);
        let new = || Second {
            second: place,
            ..Second::default()
        };
        let is_new = !is_known && has_room;
        (self.seconds.entry(place).or_insert_with(new), is_new)
    }

    /// Takes the seconds before this one. No more losses are told than there are in all.
    pub(super) fn take_seconds(&mut self, limit: i64, explained: u64) -> Vec<Second> {
        let later = self.seconds.split_off(&limit);
        let mut taken: Vec<Second> = std::mem::replace(&mut self.seconds, later)
            .into_values()
            .collect();
        let lost = self.told(explained).lost;
        for second in &mut taken {
            let told = second.counts.lost.min(lost.saturating_sub(self.told));
            self.told += told;
            second.counts.unknown += second.counts.lost - told;
            second.counts.lost = told;
        }
        taken
    }

    /// How many seconds wait.
    pub(super) fn seconds(&self) -> usize {
        self.seconds.len()
    }
}

impl Counts {
    /// Counts the fate of a packet.
    pub(super) fn count(&mut self, fate: Fate) {
        let count = match fate {
            Fate::Received => &mut self.received,
            Fate::Lost => &mut self.lost,
            Fate::Unknown => &mut self.unknown,
            Fate::Duplicated => &mut self.duplicated,
        };
        *count += 1;
    }
}

impl Second {
    /// Counts a delay.
    pub(super) fn delay(&mut self, delay: i64) {
        if self.delayed == 0 {
            (self.least, self.most) = (delay, delay);
        }
        self.least = self.least.min(delay);
        self.most = self.most.max(delay);
        self.sum += i128::from(delay);
        self.delayed += 1;
    }

    /// What views see of it.
    pub(super) fn view(self, flow: FlowView) -> FlowSecond {
        let Counts {
            received,
            lost,
            unknown,
            duplicated,
        } = self.counts;
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
