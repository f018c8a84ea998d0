//! Datagrams on their way from the thread that receives to the workers.
//!
//! Guarantees: what waits is bounded, in octets and in datagrams. A sensor is always the same worker's, so
//! its datagrams stay in the order in which they came. Where a worker is late, no sensor keeps the others
//! out: in the load that is open, it may have as much as it leaves free. One that floods fills half of
//! each load, n of them leave one part of n + 1, and whoever sends less than that has it all taken up.
//!
//! A sensor is its key here, which is all that is known before a datagram is opened. Keys cost nothing, so
//! this is no defence against somebody who takes a new one for each datagram: then all are equal.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};

/// Octets of datagrams that are handed to a worker together, when they come fast.
const LOAD: usize = 256 << 10;
/// Loads that wait for a worker.
const QUEUE: usize = 32;
/// What a datagram takes besides its octets: its end, and at worst its key and their sum.
const ROW: usize = 64;

/// The key that a datagram says it is of; what is shorter than one is all the same.
type Key = [u8; 32];

/// Datagrams for a worker, one after the other.
#[derive(Default)]
pub(super) struct Load {
    octets: Vec<u8>,
    ends: Vec<usize>,
    /// What is taken of [`LOAD`], of it by each sensor.
    taken: usize,
    by_sensor: HashMap<Key, usize>,
}

impl Load {
    /// Takes up a datagram, unless its sensor would have more than is free.
    fn push(&mut self, key: Key, datagram: &[u8]) -> bool {
        let before = self.by_sensor.get(&key).copied().unwrap_or_default();
        let own = before + datagram.len() + ROW;
        if own > LOAD - self.taken {
            return false;
        }
        self.by_sensor.insert(key, own);
        self.taken += own - before;
        if self.octets.capacity() < LOAD {
            // At once, and no more: a vector that grows by itself ends up with twice as much.
            self.octets.reserve_exact(LOAD - self.octets.len());
        }
        self.octets.extend_from_slice(datagram);
        self.ends.push(self.octets.len());
        true
    }

    pub(super) fn datagrams(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.ends.len()).map(|place| {
            let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
            &self.octets[start..self.ends[place]]
        })
    }

    fn clear(&mut self) {
        self.octets.clear();
        self.ends.clear();
        self.taken = 0;
        self.by_sensor.clear();
    }
}

/// Gives workers their datagrams.
pub(super) struct Sorter {
    queues: Vec<Sender<Load>>,
    /// For each worker what it gets next.
    open: Vec<Load>,
    /// Loads that workers are done with.
    free: Receiver<Load>,
    hasher: RandomState,
}

/// What a worker gets.
pub(super) struct Loads {
    queue: Receiver<Load>,
    back: Sender<Load>,
}

impl Loads {
    /// The next load, until there will be none any more.
    pub(super) fn next(&self) -> Option<Load> {
        self.queue.recv().ok()
    }

    /// Gives a load back to be filled again.
    pub(super) fn done(&self, mut load: Load) {
        load.clear();
        // When nobody receives any more, it is only dropped.
        let _ = self.back.send(load);
    }
}

impl Sorter {
    /// For so many workers, with what each of them gets.
    pub(super) fn new(workers: usize) -> (Sorter, Vec<Loads>) {
        let (back, free) = unbounded();
        let (queues, loads): (Vec<_>, _) = (0..workers)
            .map(|_| {
                let (queue, loads) = bounded(QUEUE);
                let back = back.clone();
                (queue, Loads { queue: loads, back })
            })
            .unzip();
        let sorter = Sorter {
            open: queues.iter().map(|_| Load::default()).collect(),
            queues,
            free,
            hasher: RandomState::new(),
        };
        (sorter, loads)
    }

    /// Puts a datagram with those for the worker of its sensor; false where it has no room there.
    pub(super) fn sort(&mut self, datagram: &[u8]) -> bool {
        let mut key = Key::default();
        if let Some(whole) = datagram.first_chunk() {
            key = *whole;
        }
        let place = (self.hasher.hash_one(key) % self.open.len() as u64) as usize;
        self.open[place].push(key, datagram)
            || self.hand_to(place) && self.open[place].push(key, datagram)
    }

    /// Gives all workers what there is for them.
    pub(super) fn hand_out(&mut self) {
        for place in 0..self.open.len() {
            if !self.open[place].ends.is_empty() {
                self.hand_to(place);
            }
        }
    }

    /// Whether there is something that no worker has yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.open.iter().any(|load| !load.ends.is_empty())
    }

    /// Hands a worker what there is for it; false where its queue is full, and it gets that later.
    fn hand_to(&mut self, place: usize) -> bool {
        let load = std::mem::take(&mut self.open[place]);
        match self.queues[place].try_send(load) {
            Ok(()) => {
                self.open[place] = self.free.try_recv().unwrap_or_default();
                true
            }
            // A worker that has panicked takes nothing.
            Err(TrySendError::Full(load) | TrySendError::Disconnected(load)) => {
                self.open[place] = load;
                false
            }
        }
    }

    /// Hands out all that is left, and waits for workers to have room.
    pub(super) fn finish(&mut self) {
        for (queue, load) in self.queues.drain(..).zip(self.open.drain(..)) {
            // The worker is there, unless it has panicked.
            let _ = queue.send(load);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sensor: u8, number: u32, length: usize) -> Vec<u8> {
        let mut datagram = vec![0; length];
        datagram[..32].fill(sensor);
        datagram[32..36].copy_from_slice(&number.to_le_bytes());
        datagram
    }

    /// Sends more than a worker that does nothing has room for; gives how many had it.
    fn flood(sorter: &mut Sorter, sensor: u8) -> usize {
        (0..20_000)
            .filter(|number| sorter.sort(&of(sensor, *number, 1100)))
            .count()
    }

    /// What a worker gets in the end of one sensor, and how much of it all.
    fn got(mut sorter: Sorter, loads: &Loads, sensor: u8) -> (Vec<u32>, usize) {
        let mut numbers = Vec::new();
        let mut octets = 0;
        while let Ok(load) = loads.queue.try_recv() {
            let all = load.datagrams().filter(|datagram| datagram[0] == sensor);
            numbers.extend(all.map(|datagram| {
                u32::from_le_bytes(*datagram[32..].first_chunk().expect("a number"))
            }));
            octets += load.octets.len();
            loads.done(load);
            sorter.hand_out();
        }
        (numbers, octets)
    }

    #[test]
    fn who_floods_keeps_nobody_out() {
        for flooding in 1..=4 {
            let (mut sorter, loads) = Sorter::new(1);
            for sensor in 1..=flooding {
                let taken = flood(&mut sorter, sensor);
                assert!(taken < 20_000, "{taken}");
            }
            let honest = 100 + flooding;
            for number in 0..20 {
                assert!(sorter.sort(&of(honest, number, 200)), "{flooding} {number}");
                // The flood goes on.
                sorter.sort(&of(1, number, 1100));
            }
            let (numbers, octets) = got(sorter, &loads[0], honest);
            assert_eq!(numbers, (0..20).collect::<Vec<_>>());
            assert!(octets <= (QUEUE + 1) * LOAD);
        }
    }

    #[test]
    fn one_sensor_has_half_of_what_may_wait() {
        let (mut sorter, loads) = Sorter::new(1);
        let taken = flood(&mut sorter, 1);
        let (numbers, _) = got(sorter, &loads[0], 1);
        assert_eq!(numbers, (0..taken as u32).collect::<Vec<_>>());
        let octets = taken * (1100 + ROW);
        assert!(octets > QUEUE * LOAD / 2 - QUEUE * 2048, "{octets}");
    }

    #[test]
    fn datagrams_without_octets_take_room_too() {
        let (mut sorter, loads) = Sorter::new(1);
        let taken = (0..1_000_000).filter(|_| sorter.sort(b"")).count();
        assert!(taken <= (QUEUE + 1) * LOAD / ROW, "{taken}");
        drop(loads);
    }
}
