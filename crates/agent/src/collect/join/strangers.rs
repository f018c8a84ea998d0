//! Packets that an agent received and nobody is known to have sent: some of those that are missing, maybe, changed on
//! the way, by an interface that cuts packets or puts them together, or by a clock that was set.
//!
//! Guarantees: bounded; where there is no more room, those go of which nothing came for longest.

use std::net::IpAddr;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::sighting::Flow;

/// Kinds that are kept of an agent, some 130 KB.
const MOST: usize = 2048;

/// Where such packets go, and where they come from, unless that may be changed, too (address translation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    source: Option<IpAddr>,
    destination: IpAddr,
    protocol: u8,
    port: Option<u16>,
}

/// How many there were.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    count: u64,
    is_uncut: bool,
    touched: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    seen: HashMap<Kind, Seen, RandomState>,
    clock: u64,
}

impl Strangers {
    /// Counts packets with the ends of this flow. What an interface has put together may be many.
    pub(super) fn add(&mut self, flow: &Flow, count: u64, is_uncut: bool) {
        for source in [Some(flow.source), None] {
            if self.seen.len() >= MOST {
                self.make_room();
            }
            self.clock += 1;
            let seen = self.seen.entry(Kind::of(flow, source)).or_default();
            seen.count += count;
            seen.is_uncut |= is_uncut;
            seen.touched = self.clock;
        }
    }

    /// How many packets of a flow may be among them, and whether an interface has changed some. If none of it was
    /// recognized, its source may be another behind an address translation.
    pub(super) fn like(&self, flow: &Flow, is_recognized: bool) -> (u64, bool) {
        let (mut count, mut is_uncut) = (0, false);
        let source = is_recognized.then_some(flow.source);
        let kind = Kind::of(flow, source);
        // Of later fragments the port may be unknown.
        let kinds = [Some(kind), kind.port.map(|_| Kind { port: None, ..kind })];
        for seen in kinds
            .iter()
            .flatten()
            .filter_map(|kind| self.seen.get(kind))
        {
            count += seen.count;
            is_uncut |= seen.is_uncut;
        }
        (count, is_uncut)
    }

    /// Removes half.
    fn make_room(&mut self) {
        let mut times: Vec<u64> = self.seen.values().map(|seen| seen.touched).collect();
        let half = times.len() / 2;
        let (_, limit, _) = times.select_nth_unstable(half);
        let limit = *limit;
        self.seen.retain(|_, seen| seen.touched > limit);
    }
}

impl Kind {
    fn of(flow: &Flow, source: Option<IpAddr>) -> Kind {
        Kind {
            source,
            destination: flow.destination,
            protocol: flow.protocol,
            port: flow.label.ports.map(|(_, port)| port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sighting::Label;
    use super::*;

    fn flow(source: u8, port: u16) -> Flow {
        Flow {
            source: [10, 0, 0, source].into(),
            destination: [10, 0, 9, 9].into(),
            protocol: 17,
            label: Label {
                ports: Some((4000, port)),
                flow_id: None,
            },
        }
    }

    #[test]
    fn they_are_bounded_and_the_newest_stay() {
        let mut strangers = Strangers::default();
        for port in 0..20_000 {
            strangers.add(&flow(1, port), 2, port % 2 == 1);
            assert!(strangers.seen.len() <= MOST);
        }
        assert_eq!(strangers.like(&flow(1, 19_999), true), (2, true));
        assert_eq!(strangers.like(&flow(1, 19_998), true), (2, false));
        assert_eq!(strangers.like(&flow(1, 0), true), (0, false));
        // Another source counts where nothing of the flow was recognized.
        assert_eq!(strangers.like(&flow(2, 19_999), true), (0, false));
        assert_eq!(strangers.like(&flow(2, 19_999), false), (2, true));
        // What has no port may be of any.
        let mut bare = flow(1, 0);
        bare.label.ports = None;
        strangers.add(&bare, 5, false);
        assert_eq!(strangers.like(&flow(1, 19_999), true), (7, true));
        assert_eq!(strangers.like(&bare, true), (5, false));
    }
}
