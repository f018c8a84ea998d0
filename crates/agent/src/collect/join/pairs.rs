//! All pairs, found by their flow and agents.
//!
//! Guarantees: bounded; where there is no more room, those go that have been without packets for longest.

use std::collections::VecDeque;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::delays::Delays;
use super::pair::{Counts, Fate, Pair, SECOND, Second};
use super::sighting::Flow;

/// Seconds of all pairs that wait for being told at most: some 25 MB.
const MOST_SECONDS: usize = 1 << 18;

/// Which pair of a flow this is, and where.
#[derive(Clone, Copy, Debug)]
struct Link {
    sender: u16,
    receiver: u16,
    place: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Pairs {
    flows: HashMap<Flow, Vec<Link>, RandomState>,
    pairs: Vec<Pair>,
    most: usize,
    /// Counts what happens.
    clock: u64,
    by_second: bool,
    seconds: usize,
    /// Pairs that had to go.
    pub(super) crowded_out: u64,
}

impl Pairs {
    /// So many at most, which are counted by seconds too, or not.
    pub(super) fn new(most: usize, by_second: bool) -> Pairs {
        Pairs {
            flows: HashMap::default(),
            pairs: Vec::new(),
            most: most.max(1),
            clock: 0,
            by_second,
            seconds: 0,
            crowded_out: 0,
        }
    }

    /// All of them, in no order.
    pub(super) fn all(&self) -> &[Pair] {
        &self.pairs
    }

    /// The receivers of a flow that an agent sends, and the places of their pairs.
    pub(super) fn of(&self, flow: &Flow, sender: u16) -> impl Iterator<Item = (u16, usize)> {
        let links = self.flows.get(flow).map_or(&[][..], Vec::as_slice);
        let links = &links[links.partition_point(|link| link.sender < sender)..];
        let links = links.iter().take_while(move |link| link.sender == sender);
        links.map(|link| (link.receiver, link.place))
    }

    /// The place of the pair of a flow and two agents, which is open from this time on if not earlier.
    pub(super) fn open(&mut self, flow: &Flow, sender: u16, receiver: u16, since: i64) -> usize {
        if let Some(place) = self.find(flow, sender, receiver) {
            let pair = &mut self.pairs[place];
            pair.since = pair.since.min(since);
            return place;
        }
        if self.pairs.len() >= self.most {
            self.make_room();
        }
        self.clock += 1;
        self.pairs.push(Pair {
            flow: *flow,
            sender,
            receiver,
            since,
            counts: Counts::default(),
            strange: 0,
            delays: Delays::default(),
            opened: self.clock,
            touched: self.clock,
            seconds: VecDeque::new(),
        });
        let place = self.pairs.len() - 1;
        self.link(place);
        place
    }

    fn find(&self, flow: &Flow, sender: u16, receiver: u16) -> Option<usize> {
        let links = self.flows.get(flow)?;
        let key = |link: &Link| (link.sender, link.receiver);
        let place = links.binary_search_by_key(&(sender, receiver), key).ok()?;
        Some(links[place].place)
    }

    fn link(&mut self, place: usize) {
        let pair = &self.pairs[place];
        let (sender, receiver) = (pair.sender, pair.receiver);
        let links = self.flows.entry(pair.flow).or_default();
        let key = |link: &Link| (link.sender, link.receiver);
        let behind = links.partition_point(|link| key(link) < (sender, receiver));
        let link = Link {
            sender,
            receiver,
            place,
        };
        links.insert(behind, link);
    }

    /// Counts the fate of a packet of a pair that was sent at this time.
    pub(super) fn count(&mut self, place: usize, time: i64, fate: Fate) {
        self.clock += 1;
        let has_room = self.seconds < MOST_SECONDS;
        let pair = &mut self.pairs[place];
        pair.touched = self.clock;
        pair.count(fate);
        if self.by_second {
            let (second, is_new) = pair.second(time.div_euclid(SECOND), has_room);
            second.count(fate);
            self.seconds += usize::from(is_new);
        }
    }

    /// Counts packets of a flow that an agent received, and nobody is known to have sent.
    pub(super) fn strange(&mut self, flow: &Flow, receiver: u16, count: u64) {
        if count == 0 {
            return;
        }
        let links = self.flows.get(flow).into_iter().flatten();
        for link in links.filter(|link| link.receiver == receiver) {
            self.pairs[link.place].strange += count;
        }
    }

    /// Takes the seconds of a pair that are settled: those before this time.
    pub(super) fn take_seconds(
        &mut self,
        place: usize,
        limit: i64,
    ) -> impl Iterator<Item = Second> {
        let pair = &mut self.pairs[place];
        let behind = pair
            .seconds
            .partition_point(|second| second.second < limit.div_euclid(SECOND));
        self.seconds -= behind;
        pair.seconds.drain(..behind)
    }

    /// Removes the eighth that was without packets for longest, so that this costs little for each.
    fn make_room(&mut self) {
        let count = (self.pairs.len() / 8).max(1);
        self.pairs.sort_unstable_by_key(|pair| pair.touched);
        for pair in self.pairs.drain(..count) {
            self.seconds -= pair.seconds.len();
        }
        self.crowded_out += count as u64;
        self.flows.clear();
        (0..self.pairs.len()).for_each(|place| self.link(place));
    }
}
