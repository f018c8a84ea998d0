//! Entries by full key, closed when they have been idle for too long in packet time.
//!
//! An entry ends when the next of its own packets is captured more than the time-out after its
//! latest, and that packet opens another. It closes earlier, and makes room, when the clock of the
//! run says that no such packet can come any more: more than the time-out after its latest packet,
//! and after the clock at its first. Entries that the clock closes at once come in order of their
//! first packets, and so do those that the end of the capture closes.
//!
//! Where an entry has two directions their clocks may differ. So what comes first of the other
//! direction, and is too late, is set aside: it belongs to the entry if that goes on in time, by its
//! own direction, and begins another if that ends. The table holds at most so
//! many entries: a new one takes the place of one that has most likely been idle for too long, and
//! where there is none, of the one that has been idle longest, counted; but while there are entries of
//! a single packet, one of these goes, so that a flood displaces itself.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};
use netcap_record::Time;

use crate::counts::{Counts, Ways};
use crate::idle::{Idle, Idler, Leaver, Look, leaver};
use crate::model::Learn;
use crate::slab::Slab;

/// How a table is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableLimits {
    /// Seconds of packet time after which an idle entry closes; 0 is never.
    pub(crate) timeout: u32,
    /// Entries at most.
    pub(crate) entries: usize,
}

/// A flow: its key, what it counts, and what else its record shows.
#[derive(Clone, Debug)]
pub(crate) struct Entry<K, S, W> {
    pub(crate) key: K,
    pub(crate) shown: S,
    /// By direction, those that are told apart.
    pub(crate) ways: W,
    /// Number of the packet that opened it, in the run.
    pub(crate) serial: u64,
}

impl<K, S: Learn, W: Ways> Entry<K, S, W> {
    fn new(key: K, way: usize, packets: &Packets, shown: S) -> Entry<K, S, W> {
        let mut ways = W::default();
        ways.as_mut()[way] = packets.counts;
        Entry {
            key,
            shown,
            ways,
            serial: packets.serial,
        }
    }

    /// Takes what later packets counted elsewhere.
    fn merge(&mut self, later: &Entry<K, S, W>) {
        for (way, later) in self.ways.as_mut().iter_mut().zip(later.ways.as_ref()) {
            way.merge(later);
        }
        self.shown.learn(&later.shown);
    }
    /// What is counted of all directions together.
    #[inline]
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.ways.as_ref().iter().for_each(|way| counts.merge(way));
        counts
    }

    /// Time of the latest packet.
    #[inline]
    pub(crate) fn last(&self) -> Time {
        let last = self.ways.as_ref().iter().map(Counts::last).max();
        last.unwrap_or_default()
    }
}

/// The entries that are open.
pub(crate) struct FlowTable<K, S, W> {
    limits: TableLimits,
    hasher: RandomState,
    index: HashTable<u32>,
    entries: Slab<Entry<K, S, W>>,
    idle: Idle,
    /// What is set aside, by the place of the entry that it may belong to.
    aside: HashMap<u32, Aside<K, S, W>, RandomState>,
    evicted: u64,
}

/// Packets of the direction that an entry has none of, which are too late for it.
struct Aside<K, S, W> {
    entry: Entry<K, S, W>,
    /// Since when they are idle, at most.
    since: Time,
}

/// Seconds by which the clocks of two directions may differ.
const HOUR: u32 = 3600;

impl<K: Eq + Hash, S: Learn, W: Ways> FlowTable<K, S, W> {
    pub(crate) fn new(limits: TableLimits) -> FlowTable<K, S, W> {
        FlowTable {
            limits,
            hasher: RandomState::default(),
            index: HashTable::new(),
            entries: Slab::default(),
            idle: Idle::default(),
            aside: HashMap::default(),
            evicted: 0,
        }
    }

    /// Entries evicted to make room.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Appends the entries that are idle for too long when the clock of the run says `now`, in no
    /// order.
    #[inline]
    pub(crate) fn expire(&mut self, now: Time, closed: &mut Vec<Entry<K, S, W>>) {
        if self.limits.timeout == 0 {
            return;
        }
        let latest = now.before(self.limits.timeout);
        while let Some(place) = self.idlest(Some(latest)) {
            closed.extend(self.end(place));
        }
    }

    /// Nothing closes while `now` is not so many seconds as the time-out after this.
    pub(crate) fn idle_since(&self) -> Option<Time> {
        self.idle.earliest()
    }

    /// An entry that has been idle since before then; without `before`, the one that makes room.
    #[inline]
    fn idlest(&mut self, before: Option<Time>) -> Option<u32> {
        let entries = &self.entries;
        let look = |idler: &Idler| {
            let entry = entries.get(idler.place)?;
            (entry.serial == idler.serial).then_some(Look {
                last: entry.last(),
                is_proved: entry
                    .ways
                    .as_ref()
                    .iter()
                    .map(|way| way.packets)
                    .sum::<u64>()
                    > 1,
            })
        };
        self.idle.pop(before, look)
    }

    /// The entry that makes room when it most likely is `now`: one that has been idle for too long, or else one that is
    /// evicted.
    fn making_room(&mut self, now: Time) -> Option<u32> {
        let leaver = leaver(now, self.limits.timeout, |before| self.idlest(before))?;
        self.evicted += u64::from(matches!(leaver, Leaver::Evicted(_)));
        let (Leaver::Idle(place) | Leaver::Evicted(place)) = leaver;
        Some(place)
    }

    /// Takes out an entry. What is set aside for it takes its place.
    fn end(&mut self, place: u32) -> Option<Entry<K, S, W>> {
        let entry = self.entries.remove(place)?;
        let hash = self.hasher.hash_one(&entry.key);
        if let Ok(found) = self.index.find_entry(hash, |at| *at == place) {
            found.remove();
        }
        if !self.aside.is_empty()
            && let Some(Aside { entry, since }) = self.aside.remove(&place)
        {
            self.insert(entry, since, hash);
        }
        Some(entry)
    }

    /// Entries that are open, and those that are set aside.
    pub(crate) fn len(&self) -> usize {
        self.index.len() + self.aside.len()
    }

    /// Counts packets that go one `way`: in the entry of `key`, if that had not been idle for too
    /// long, or in a new one, which shows `shown`. Gives the earliest time since when entries may be
    /// idle that are open now and were not before.
    #[inline]
    pub(crate) fn count(
        &mut self,
        key: K,
        way: usize,
        packets: &Packets,
        shown: S,
        closed: &mut Vec<Entry<K, S, W>>,
    ) -> Option<Time> {
        let hash = self.hasher.hash_one(&key);
        let timeout = self.limits.timeout;
        let latest = packets.time.before(timeout);
        let goes_on =
            |ways: &W| timeout == 0 || ways.as_ref().iter().any(|way| way.last() >= latest);
        let mut since: Option<Time> = None;
        loop {
            let entries = &mut self.entries;
            let found = self.index.find(
                hash,
                |place| matches!(entries.get(*place), Some(entry) if entry.key == key),
            );
            let Some(place) = found.copied() else {
                break;
            };
            let Some(entry) = entries.get_mut(place) else {
                break;
            };
            if goes_on(&entry.ways) {
                entry.ways.as_mut()[way].merge(&packets.counts);
                entry.shown.learn(&shown);
                if !self.aside.is_empty()
                    && let Some(aside) = self.aside.remove(&place)
                {
                    entry.merge(&aside.entry);
                }
                return since;
            }
            if entry.ways.as_ref()[way].packets == 0 && entry.last() >= packets.time.before(HOUR) {
                if let Some(aside) = self.aside.get_mut(&place) {
                    if goes_on(&aside.entry.ways) {
                        aside.entry.ways.as_mut()[way].merge(&packets.counts);
                        aside.entry.shown.learn(&shown);
                        return since;
                    }
                } else if self.len() < self.limits.entries {
                    let aside = Aside {
                        entry: Entry::new(key, way, packets, shown),
                        since: packets.since(),
                    };
                    self.aside.insert(place, aside);
                    return since;
                }
            }
            // Its item among the idle finds the place empty, or another entry there. What was set aside
            // is looked at now.
            if let Some(aside) = self.aside.get(&place) {
                since = Some(since.map_or(aside.since, |since| since.min(aside.since)));
            }
            closed.extend(self.end(place));
        }
        self.open(key, hash, way, packets, shown, closed);
        since
    }

    fn open(
        &mut self,
        key: K,
        hash: u64,
        way: usize,
        packets: &Packets,
        shown: S,
        closed: &mut Vec<Entry<K, S, W>>,
    ) {
        if self.len() >= self.limits.entries.max(1)
            && let Some(place) = self.making_room(packets.leapt)
        {
            closed.extend(self.end(place));
        }
        let entry = Entry::new(key, way, packets, shown);
        self.insert(entry, packets.since(), hash);
    }

    fn insert(&mut self, entry: Entry<K, S, W>, since: Time, hash: u64) {
        let serial = entry.serial;
        let place = self.entries.insert(entry);
        self.idle.push(Idler {
            since,
            serial,
            place,
        });
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.index.insert_unique(hash, place, |at| {
            let entry = entries.get(*at);
            entry.map_or(0, |entry| hasher.hash_one(&entry.key))
        });
    }

    /// Number of the first packet and place of every entry that is open, in no order. There are no
    /// more packets: entries are only taken out.
    pub(crate) fn close(&mut self) -> impl Iterator<Item = (u64, u32)> {
        self.index = HashTable::new();
        self.idle = Idle::default();
        for (_, aside) in std::mem::take(&mut self.aside) {
            self.entries.insert(aside.entry);
        }
        let entries = self.entries.iter();
        entries.map(|(place, entry)| (entry.serial, place))
    }

    /// Takes out an entry after [`FlowTable::close`].
    pub(crate) fn take(&mut self, place: u32) -> Option<Entry<K, S, W>> {
        self.entries.remove(place)
    }
}

/// What an entry counts: a packet, or several of one flow in one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packets {
    pub(crate) counts: Counts,
    /// Time of the first of these.
    pub(crate) time: Time,
    /// What the clock of the run says then.
    pub(crate) clock: Time,
    /// The same with all leaps.
    pub(crate) leapt: Time,
    /// Number of the first in the run.
    pub(crate) serial: u64,
}

impl Packets {
    /// Since when an entry is idle that they open, at most.
    fn since(&self) -> Time {
        self.counts.first().max(self.clock)
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Application;

    use super::*;
    use crate::clock::NEVER;
    use crate::counts::{BothWays, OneWay};
    use crate::summary::{Layers, PacketSummary};

    impl Learn for () {}

    type Table = FlowTable<u32, (), OneWay>;

    fn table(timeout: u32, entries: usize) -> Table {
        FlowTable::new(TableLimits { timeout, entries })
    }

    fn packet(seconds: i64, serial: usize) -> Packets {
        let time = Time { seconds, nanos: 0 };
        Packets {
            time,
            counts: Counts::packet(&PacketSummary {
                time,
                octets: 1,
                captured: 1,
                layers: Layers::default(),
                link: None,
                ports: None,
                application: Application::NONE,
                application_octets: 0,
                piece: None,
            }),
            clock: time,
            leapt: time,
            serial: serial as u64,
        }
    }

    /// Keys of the entries that each packet closes, and of those left at the end.
    fn run(table: &mut Table, packets: &[(i64, u32)]) -> Vec<Vec<u32>> {
        let mut steps = Vec::new();
        for (serial, (seconds, key)) in packets.iter().enumerate() {
            let mut closed = Vec::new();
            let packet = packet(*seconds, serial);
            table.expire(packet.clock, &mut closed);
            closed.sort_by_key(|entry| entry.serial);
            table.count(*key, 0, &packet, (), &mut closed);
            steps.push(closed.iter().map(|entry| entry.key).collect());
        }
        let mut left: Vec<(u64, u32)> = table.close().collect();
        left.sort_unstable();
        let left = left.iter().filter_map(|(_, place)| table.take(*place));
        steps.push(left.map(|entry| entry.key).collect());
        steps
    }

    #[test]
    fn an_entry_closes_when_it_was_idle_for_longer() {
        let steps = run(&mut table(30, 10), &[(0, 1), (30, 2), (60, 1), (61, 3)]);
        // Thirty seconds after its packet 1 is still open, sixty after it is not; 2 is at 61.
        assert_eq!(steps, [vec![], vec![], vec![1], vec![2], vec![1, 3]]);
    }

    #[test]
    fn entries_close_together_in_order_of_their_first_packets() {
        let packets = [(0, 7), (1, 5), (2, 6), (3, 5), (4, 7), (100, 1)];
        let steps = run(&mut table(30, 10), &packets);
        assert_eq!(steps[5], [7, 5, 6]);
    }

    #[test]
    fn no_time_out_is_never() {
        let steps = run(&mut table(0, 10), &[(0, 1), (1_000_000, 1), (0, 2)]);
        assert_eq!(steps, [vec![], vec![], vec![], vec![1, 2]]);
    }

    #[test]
    fn the_idlest_of_a_single_packet_makes_room() {
        let mut table = table(0, 2);
        let steps = run(&mut table, &[(0, 1), (1, 2), (2, 1), (3, 3), (4, 2)]);
        assert_eq!(
            steps,
            [vec![], vec![], vec![], vec![2], vec![3], vec![1, 2]]
        );
        assert_eq!(table.evicted(), 2);
    }

    #[test]
    fn what_is_idle_for_too_long_makes_room_uncounted() {
        let mut table = table(30, 2);
        let mut closed = Vec::new();
        // The clock of the run stands still.
        for (serial, (seconds, key)) in [(0, 1), (1, 1), (20, 2), (32, 3), (33, 4)]
            .iter()
            .enumerate()
        {
            let packet = Packets {
                clock: Time::default(),
                ..packet(*seconds, serial)
            };
            table.count(*key, 0, &packet, (), &mut closed);
        }
        let keys: Vec<u32> = closed.iter().map(|entry| entry.key).collect();
        assert_eq!((keys, table.evicted()), (vec![1, 2], 1));
    }

    #[test]
    fn time_that_runs_backwards() {
        let mut table = table(30, 10);
        let mut closed = Vec::new();
        for (serial, seconds) in [100, 90, 110].into_iter().enumerate() {
            let packet = packet(seconds, serial);
            table.expire(packet.clock, &mut closed);
            table.count(1, 0, &packet, (), &mut closed);
        }
        assert!(closed.is_empty());
        let (_, place) = table.close().next().expect("it is open");
        let counts = table.take(place).expect("it is open").counts();
        assert_eq!((counts.first().seconds, counts.last().seconds), (90, 110));
        assert_eq!((counts.packets, counts.octets), (3, 3));
    }

    /// Packets of each way in the records that become of packets of one connection: seconds and way.
    fn connections(packets: &[(i64, usize)]) -> Vec<[u64; 2]> {
        let limits = TableLimits {
            timeout: 60,
            entries: 10,
        };
        let mut table: FlowTable<u32, (), BothWays> = FlowTable::new(limits);
        let mut closed = Vec::new();
        for (serial, (seconds, way)) in packets.iter().enumerate() {
            let packet = Packets {
                clock: NEVER,
                ..packet(*seconds, serial)
            };
            table.count(1, *way, &packet, (), &mut closed);
        }
        let mut left: Vec<(u64, u32)> = table.close().collect();
        left.sort_unstable();
        closed.extend(left.iter().filter_map(|(_, place)| table.take(*place)));
        let counts = |entry: &Entry<u32, (), BothWays>| entry.ways.map(|way| way.packets);
        closed.iter().map(counts).collect()
    }

    #[test]
    fn directions_whose_clocks_differ() {
        for ahead in [-3600, -61, -37, 0, 37, 61, 300, 3600] {
            let packets: Vec<(i64, usize)> = (0..10)
                .map(|packet| (packet / 2 + packet % 2 * ahead, packet as usize % 2))
                .collect();
            assert_eq!(connections(&packets), [[5, 5]], "{ahead}");
        }
        // Several of one direction before the other goes on.
        let packets = [(0, 0), (300, 1), (310, 1), (320, 1), (20, 0), (330, 1)];
        assert_eq!(connections(&packets), [[2, 4]]);
    }

    #[test]
    fn directions_that_are_idle() {
        // An answer that is late.
        assert_eq!(connections(&[(0, 0), (61, 1)]), [[1, 0], [0, 1]]);
        assert_eq!(connections(&[(0, 0), (61, 1), (62, 0)]), [[1, 0], [1, 1]]);
        assert_eq!(connections(&[(0, 0), (60, 1), (61, 0)]), [[2, 1]]);
        // Later than clocks differ.
        assert_eq!(connections(&[(0, 0), (3601, 1), (1, 0)]), [[1, 0], [1, 1]]);
        // Two that are late.
        let packets = [(0, 0), (100, 1), (200, 1), (201, 0)];
        assert_eq!(connections(&packets), [[1, 0], [0, 1], [1, 1]]);
        let packets = [(0, 0), (100, 1), (200, 0), (300, 1)];
        assert_eq!(connections(&packets), [[1, 0], [0, 1], [1, 0], [0, 1]]);
    }

    /// The table against the rule said plainly, on traffic with jumps in time.
    #[test]
    fn the_rule_said_plainly() {
        let mut state = 1u64;
        let mut next = |range: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % range
        };
        for _ in 0..200 {
            let mut now = 0i64;
            let packets: Vec<(i64, u32)> = (0..60)
                .map(|_| {
                    now += next(12) as i64 - 2;
                    (now, next(9) as u32)
                })
                .collect();
            let mut open: Vec<(u32, i64)> = Vec::new();
            let mut expected: Vec<Vec<u32>> = Vec::new();
            for (now, key) in &packets {
                let (stay, closed): (Vec<_>, Vec<_>) =
                    open.iter().partition(|(_, last)| now - last <= 10);
                open = stay;
                expected.push(closed.iter().map(|(key, _)| *key).collect());
                match open.iter_mut().find(|(other, _)| other == key) {
                    Some((_, last)) => *last = (*last).max(*now),
                    None => open.push((*key, *now)),
                }
            }
            expected.push(open.iter().map(|(key, _)| *key).collect());
            assert_eq!(run(&mut table(10, 100), &packets), expected);
        }
    }
}
