//! What views see of the join.

use std::net::SocketAddr;

use super::pair::Pair;
use super::sighting::Flow;
use super::{Join, LATE, MemberCounts};
use crate::collect::views::{FlowSecond, FlowView};

impl Join {
    /// How many of a pair's losses may be packets that the receiver got and that were not recognized, and whether an
    /// interface has changed some of these.
    fn explained(&self, pair: &Pair) -> (u64, bool) {
        let receiver = &self.members[usize::from(pair.receiver)];
        receiver
            .strangers
            .like(&pair.flow, pair.counts.received > 0)
    }

    /// What is known of all pairs, in the order in which they were first.
    /// No more than the first so many, and how many there are.
    pub(crate) fn flows(&self, most: usize) -> (Vec<FlowView>, usize) {
        let mut pairs: Vec<&Pair> = self.pairs.all().iter().collect();
        pairs.sort_unstable_by_key(|pair| pair.opened);
        let count = pairs.len();
        pairs.truncate(most);
        (
            pairs.into_iter().map(|pair| self.view(pair)).collect(),
            count,
        )
    }

    fn view(&self, pair: &Pair) -> FlowView {
        let Flow {
            source,
            destination,
            protocol,
            label,
        } = pair.flow;
        let (from, to) = label.ports.unwrap_or_default();
        let [sender, receiver] = [pair.sender, pair.receiver].map(usize::from);
        let (explained, is_uncut) = self.explained(pair);
        let counts = pair.told(explained);
        FlowView {
            sender,
            receiver,
            source: SocketAddr::new(source, from),
            destination: SocketAddr::new(destination, to),
            protocol,
            flow_id: label.flow_id,
            sent: counts.received + counts.lost,
            received: counts.received,
            settled: pair.settled,
            lost: counts.lost,
            unknown: counts.unknown,
            duplicated: counts.duplicated,
            is_uncut: pair.is_uncut || is_uncut,
            delay: pair.delays.view(),
        }
    }

    /// The outcome of packets by second: of the seconds that are settled, or, at the end, of all.
    pub(crate) fn take_seconds(&mut self, is_end: bool) -> Vec<FlowSecond> {
        let limit = match is_end {
            true => i64::MAX,
            false => self.settled.saturating_sub(LATE),
        };
        let mut seconds = Vec::new();
        for place in 0..self.pairs.all().len() {
            let (explained, _) = self.explained(&self.pairs.all()[place]);
            let taken = self.pairs.take_seconds(place, limit, explained);
            if !taken.is_empty() {
                let view = self.view(&self.pairs.all()[place]);
                seconds.extend(taken.into_iter().map(|second| second.view(view.clone())));
            }
        }
        seconds.sort_by_key(|second| second.second);
        seconds
    }

    /// Packets of an agent that are in no pair.
    pub(crate) fn counts(&self, agent: usize) -> MemberCounts {
        let member = self.members.get(agent);
        member.map(|member| member.counts).unwrap_or_default()
    }

    /// Pairs that had to go for lack of room.
    pub(crate) fn pairs_crowded_out(&self) -> u64 {
        self.pairs.crowded_out
    }
}
