//! Packets that were seen somewhere, and wait for being seen elsewhere.
//!
//! Guarantees: bounded, and fair: where there is no more room, those go that wait for longest of the agent that
//! has most; packets are compared by all that identifies them, never by a hash.

use std::collections::VecDeque;

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::sighting::{Key, Label, Sighting};

/// What an entry weighs: about as much as so many ends.
const WEIGHT: usize = 8;
/// How often an agent may have sent, or received, equal packets that wait.
const MOST_REPEATS: usize = 256;
/// A packet that passes several interfaces of a host does so within this time: a queue between them may hold it.
const PASSAGE: u64 = 1_000_000_000;

/// A packet, seen by an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    pub(super) time: i64,
    pub(super) agent: u16,
    pub(super) is_sent: bool,
    /// Its outcome is counted.
    pub(super) is_settled: bool,
    /// More equal ones came behind it than are looked at.
    pub(super) is_full: bool,
    pub(super) hops_left: u8,
    /// The first interface that has shown it.
    pub(super) interface: u16,
}

impl End {
    fn of(agent: u16, sighting: &Sighting) -> End {
        End {
            time: sighting.time,
            agent,
            is_sent: sighting.is_sent,
            is_settled: false,
            is_full: false,
            hops_left: sighting.hops_left,
            interface: sighting.interface,
        }
    }

    /// Whether another is the same packet, which the agent's host has passed on from one interface to another.
    fn is_passed_on(&self, other: &End) -> bool {
        self.interface != other.interface && self.time.abs_diff(other.time) <= PASSAGE
    }
}

/// What is known of a packet that has been added.
#[derive(Debug)]
pub(super) enum Added<'a> {
    /// What it is equal to.
    New(&'a Entry),
    /// The agent has seen it before, on another of its interfaces.
    Known,
    /// There are too many equal ones.
    TooMany,
}

/// Equal packets, wherever they were seen.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) label: Label,
    hash: u64,
    /// Those received first, and of each kind by agent; those of an agent as they came.
    pub(super) ends: SmallVec<[End; 2]>,
    /// An interface has yet to cut it, or has put several together.
    pub(super) is_uncut: bool,
}

impl Entry {
    /// Those that agents received, and those that they sent.
    pub(super) fn sides(&self) -> (&[End], &[End]) {
        self.ends
            .split_at(self.ends.partition_point(|end| !end.is_sent))
    }

    fn weight(&self) -> usize {
        // Two ends are in the entry, others beside it.
        WEIGHT + self.ends.len().saturating_sub(2)
    }

    /// The time of the latest.
    pub(super) fn newest(&self) -> i64 {
        self.ends
            .iter()
            .map(|end| end.time)
            .max()
            .unwrap_or(i64::MIN)
    }
}

/// One side by agents.
pub(super) fn by_agent(side: &[End]) -> impl Iterator<Item = (u16, &[End])> {
    side.chunk_by(|one, other| one.agent == other.agent)
        .map(|ends| (ends[0].agent, ends))
}

/// Those of an agent on one side.
pub(super) fn of_agent(side: &[End], agent: u16) -> &[End] {
    let first = side.partition_point(|end| end.agent < agent);
    let behind = side.partition_point(|end| end.agent <= agent);
    &side[first..behind]
}

/// When an entry is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    place: u32,
    /// Once everybody has come to this time.
    pub(super) due: i64,
    /// When it came here, by our clock.
    pub(super) arrived: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Waiting {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    table: HashTable<u32>,
    /// By the agent that saw it first.
    queues: Vec<VecDeque<Turn>>,
    /// What all entries weigh.
    weight: usize,
}

impl Waiting {
    pub(super) fn new(agents: usize) -> Waiting {
        Waiting {
            entries: Vec::new(),
            free: Vec::new(),
            table: HashTable::new(),
            queues: vec![VecDeque::new(); agents],
            weight: 0,
        }
    }

    /// How many packets wait; those that were seen more than twice count as so many that take as much memory.
    pub(super) fn len(&self) -> usize {
        self.weight / WEIGHT
    }

    /// Adds a packet that an agent has seen.
    pub(super) fn add(&mut self, agent: u16, sighting: &Sighting, now: u32) -> Added<'_> {
        let place = match self.find(sighting) {
            Some(place) => place,
            None => self.insert(agent, sighting, now),
        };
        let Some(entry) = self.entries[place as usize].as_mut() else {
            return Added::TooMany;
        };
        let end = End::of(agent, sighting);
        let key = |end: &End| (end.is_sent, end.agent);
        let behind = entry.ends.partition_point(|other| key(other) <= key(&end));
        let first = entry.ends.partition_point(|other| key(other) < key(&end));
        let before = &mut entry.ends[first..behind];
        if before.iter().any(|known| known.is_passed_on(&end)) {
            return Added::Known;
        }
        if before.len() >= MOST_REPEATS {
            before[MOST_REPEATS - 1].is_full = true;
            return Added::TooMany;
        }
        let weight = entry.weight();
        entry.ends.insert(behind, end);
        entry.label = entry.label.max(sighting.label);
        entry.is_uncut |= sighting.is_uncut;
        self.weight += entry.weight() - weight;
        Added::New(entry)
    }

    fn find(&self, sighting: &Sighting) -> Option<u32> {
        let is_it = |place: &u32| {
            let entry = self.entries[*place as usize].as_ref();
            entry.is_some_and(|entry| entry.key == sighting.key)
        };
        self.table.find(sighting.hash, is_it).copied()
    }

    fn insert(&mut self, agent: u16, sighting: &Sighting, now: u32) -> u32 {
        let entry = Entry {
            key: sighting.key,
            label: sighting.label,
            hash: sighting.hash,
            ends: SmallVec::new(),
            is_uncut: sighting.is_uncut,
        };
        self.put(usize::from(agent), sighting.time, entry, now)
    }

    fn put(&mut self, agent: usize, due: i64, entry: Entry, arrived: u32) -> u32 {
        let hash = entry.hash;
        self.weight += entry.weight();
        // There are never that many.
        let place = self.free.pop().unwrap_or(self.entries.len() as u32);
        match self.entries.get_mut(place as usize) {
            Some(free) => *free = Some(entry),
            None => self.entries.push(Some(entry)),
        }
        let entries = &self.entries;
        let hash_of = |place: &u32| {
            let entry = entries[*place as usize].as_ref();
            entry.map_or(0, |entry| entry.hash)
        };
        self.table.insert_unique(hash, place, hash_of);
        let turn = Turn {
            place,
            due,
            arrived,
        };
        self.queues[agent].push_back(turn);
        place
    }

    /// The next packet to be looked at of those that an agent saw first.
    pub(super) fn next(&self, agent: usize) -> Option<&Turn> {
        self.queues[agent].front()
    }

    /// Takes that out.
    pub(super) fn take(&mut self, agent: usize) -> Option<Entry> {
        let turn = self.queues[agent].pop_front()?;
        let entry = self.entries[turn.place as usize].take()?;
        if let Ok(found) = self
            .table
            .find_entry(entry.hash, |place| *place == turn.place)
        {
            found.remove();
        }
        self.free.push(turn.place);
        self.weight -= entry.weight();
        Some(entry)
    }

    /// Puts back what was taken, to be looked at again after its newest.
    pub(super) fn put_back(&mut self, agent: usize, entry: Entry, now: u32) {
        self.put(agent, entry.newest(), entry, now);
    }

    /// The agent that has most.
    pub(super) fn fullest(&self) -> usize {
        let agents = 0..self.queues.len();
        agents
            .max_by_key(|agent| self.queues[*agent].len())
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`super::super::MOST_WAITING`] says of memory stands on that.
    #[test]
    fn sizes_are_known() {
        assert!(size_of::<Option<Entry>>() <= 152);
        assert_eq!(size_of::<Turn>(), 16);
        // Half of what a vector of them has may be unused.
        assert!(2 * size_of::<End>() * WEIGHT >= 152 + 16);
    }
}
