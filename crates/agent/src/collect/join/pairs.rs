//! All pairs, found by their flow and agents.
//!
//! Guarantees: bounded, and fair: where there is no more room, those go of the two agents that have most, which have
//! been without packets for longest.

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::pair::{Fate, Pair, SECOND, Second};
use super::sighting::Flow;

/// Seconds of all pairs that wait for being told at most: some 30 MB. Each sender has its share of them, which is
/// enough for some hundred flows.
const MOST_SECONDS: usize = 1 << 18;
const LEAST_SHARE: usize = 1 << 12;

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
    /// Seconds that wait, by sender.
    seconds: Vec<usize>,
    /// Pairs that had to go.
    pub(super) crowded_out: u64,
}

impl Pairs {
    /// So many at most, of so many agents, which are counted by seconds too, or not.
    pub(super) fn new(most: usize, agents: usize, by_second: bool) -> Pairs {
        Pairs {
            flows: HashMap::default(),
            pairs: Vec::new(),
            most: most.max(1),
            clock: 0,
            by_second,
            seconds: vec![0; agents],
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
        let pair = Pair::new(*flow, (sender, receiver), since, self.clock);
        self.pairs.push(pair);
        let place = self.pairs.len() - 1;
        self.link(place);
        place
    }

    /// The receiver of a pair has sent on what it received.
    pub(super) fn passes_on(&mut self, place: usize) {
        self.pairs[place].passes_on = true;
    }

    /// A packet that came from an agent was sent on by its receiver.
    pub(super) fn relayed(&mut self, flow: &Flow, sender: u16, receiver: u16) {
        if let Some(place) = self.find(flow, sender, receiver) {
            self.passes_on(place);
        }
    }

    /// A packet of a pair that was sent at this time was received, and nothing can change that any more. Its delay is
    /// none if it could be another's.
    pub(super) fn settled(&mut self, place: usize, time: i64, delay: Option<i64>) {
        self.pairs[place].settled += 1;
        if let Some(delay) = delay {
            self.pairs[place].delays.add(delay);
            if let Some(second) = self.second(place, time) {
                second.delay(delay);
            }
        }
    }

    /// A packet of a pair that was not received had yet to be cut.
    pub(super) fn uncut(&mut self, place: usize) {
        self.pairs[place].is_uncut = true;
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
        let pair = &mut self.pairs[place];
        pair.touched = self.clock;
        pair.counts.count(fate);
        if let Some(second) = self.second(place, time) {
            second.counts.count(fate);
        }
    }

    /// The second of a pair in which this time is, if it counts by seconds.
    fn second(&mut self, place: usize, time: i64) -> Option<&mut Second> {
        if !self.by_second {
            return None;
        }
        let pair = &mut self.pairs[place];
        let share = (MOST_SECONDS / self.seconds.len().max(1)).max(LEAST_SHARE);
        let waiting = self.seconds.get_mut(usize::from(pair.sender))?;
        let (second, is_new) = pair.second(time.div_euclid(SECOND), *waiting < share);
        *waiting += usize::from(is_new);
        Some(second)
    }

    /// Takes the seconds of a pair that are settled: those before this time. So many of its losses are doubtful.
    pub(super) fn take_seconds(&mut self, place: usize, limit: i64, explained: u64) -> Vec<Second> {
        let pair = &mut self.pairs[place];
        let taken = pair.take_seconds(limit.div_euclid(SECOND), explained);
        self.seconds[usize::from(pair.sender)] -= taken.len();
        taken
    }

    /// Removes an eighth, so that this costs little for each. Those go which have most pairs of the same agents with
    /// packets after theirs.
    fn make_room(&mut self) {
        self.pairs
            .sort_unstable_by_key(|pair| std::cmp::Reverse(pair.touched));
        let mut ranks: HashMap<(u16, u16), usize, RandomState> = HashMap::default();
        let rank = |pair: &Pair| {
            let rank = ranks.entry((pair.sender, pair.receiver)).or_default();
            *rank += 1;
            *rank
        };
        let mut order: Vec<(usize, usize)> = self.pairs.iter().map(rank).zip(0..).collect();
        order.sort_unstable();
        let count = (self.pairs.len() / 8).max(1);
        let mut leaving = vec![false; self.pairs.len()];
        for (_, place) in order.into_iter().rev().take(count) {
            leaving[place] = true;
        }
        let mut leaving = leaving.into_iter();
        let seconds = &mut self.seconds;
        self.pairs.retain(|pair| {
            let leaves = leaving.next().unwrap_or(false);
            if leaves {
                seconds[usize::from(pair.sender)] -= pair.seconds();
            }
            !leaves
        });
        self.crowded_out += count as u64;
        self.flows.clear();
        (0..self.pairs.len()).for_each(|place| self.link(place));
    }
}

#[cfg(test)]
mod tests {
    use super::super::sighting::Label;
    use super::*;

    fn flow(port: u16) -> Flow {
        Flow {
            source: [10, 0, 0, 1].into(),
            destination: [10, 0, 0, 2].into(),
            protocol: 17,
            label: Label {
                ports: Some((port, 5000)),
                flow_id: None,
            },
        }
    }

    #[test]
    fn who_has_most_pairs_makes_room() {
        let mut pairs = Pairs::new(64, 3, true);
        let count = |pairs: &mut Pairs, flow: &Flow, ends: (u16, u16)| {
            let place = pairs.open(flow, ends.0, ends.1, 0);
            pairs.count(place, 0, Fate::Received);
        };
        // An honest pair, and one that begins a thousand flows.
        count(&mut pairs, &flow(1), (0, 1));
        (2..1000).for_each(|port| count(&mut pairs, &flow(port), (2, 1)));
        assert!(pairs.all().len() <= 64);
        assert!(pairs.find(&flow(1), 0, 1).is_some());
        assert!(pairs.find(&flow(2), 2, 1).is_none());
        assert!(pairs.find(&flow(999), 2, 1).is_some());
        let seconds: usize = pairs.all().iter().map(Pair::seconds).sum();
        assert_eq!(seconds, pairs.seconds.iter().sum());
        for place in 0..pairs.all().len() {
            assert_eq!(pairs.take_seconds(place, i64::MAX, 0).len(), 1);
        }
        assert_eq!(pairs.seconds, [0, 0, 0]);
    }

    #[test]
    fn seconds_are_bounded_and_those_of_others_stay() {
        let mut pairs = Pairs::new(64, 3, true);
        let far = pairs.open(&flow(1), 2, 1, 0);
        let near = pairs.open(&flow(2), 0, 1, 0);
        for number in (0..100_000).rev() {
            pairs.count(far, number * SECOND, Fate::Received);
        }
        for number in 0..50 {
            pairs.count(near, number * SECOND, Fate::Lost);
        }
        let far = pairs.take_seconds(far, i64::MAX, 0);
        assert!(far.len() <= 1024);
        let received: u64 = far.iter().map(|second| second.counts.received).sum();
        assert_eq!(received, 100_000);
        // Of these losses 20 may be none, and are told of those that come last.
        let near = pairs.take_seconds(near, i64::MAX, 20);
        let lost: Vec<u64> = near.iter().map(|second| second.counts.lost).collect();
        assert_eq!(lost, [[1; 30].as_slice(), &[0; 20]].concat());
        assert!(
            near.iter()
                .zip(0..)
                .all(|(second, number)| second.second == number)
        );
    }
}
