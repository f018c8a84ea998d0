//! What waits for one peer: chunks of records, bounded, with a rule for what happens when full.
//!
//! Guarantees: putting something in never waits; what is dropped is whole records, counted, and
//! nobody's but this peer's.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::stream::{Chunk, count};

/// What happens when more packets come than a peer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Slow {
    /// The oldest that wait make room.
    #[default]
    DropOldest,
    /// The new ones are not taken.
    DropNewest,
    /// The peer is let go.
    Disconnect,
}

/// How much may wait for one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Octets of records.
    pub octets: usize,
    /// Packets.
    pub packets: u64,
    /// What happens beyond.
    pub slow: Slow,
}

impl Default for QueueLimits {
    fn default() -> QueueLimits {
        QueueLimits {
            octets: 16 << 20,
            packets: 65_536,
            slow: Slow::default(),
        }
    }
}

/// What a queue has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Packets dropped.
    pub dropped_packets: u64,
    /// Octets of their records.
    pub dropped_octets: u64,
    /// Of those, packets that waited when the peer was gone: it need not have been slow.
    pub waiting_packets: u64,
    /// How often dropping began; it ends when half of the room is free again.
    pub episodes: u64,
    /// The most octets that ever waited.
    pub high_water: usize,
    /// Packets dropped, by interface of the stream.
    pub dropped_by_interface: Vec<(u32, u64)>,
}

/// The queue of one peer.
#[derive(Debug)]
pub(crate) struct Queue {
    limits: QueueLimits,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Arc<Chunk>>,
    octets: usize,
    packets: u64,
    is_dropping: bool,
    /// Packets that the peer has been given in full, and those that it is being given.
    given: u64,
    under_way: u64,
    end: Option<End>,
    counts: QueueCounts,
}

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// There is no more.
    Done,
    /// The peer was too slow, and is to be let go.
    TooSlow,
    /// The peer has gone.
    Gone,
}

/// What a queue gives.
#[derive(Debug)]
pub(crate) enum Taken {
    Chunk(Arc<Chunk>),
    /// Nothing came in time.
    Nothing,
    Ended(End),
}

impl Queue {
    pub(crate) fn new(limits: QueueLimits) -> Queue {
        Queue {
            limits,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Puts a chunk in, or drops what the rule says. `false`: nobody takes any more.
    pub(crate) fn put(&self, chunk: &Arc<Chunk>) -> bool {
        let mut state = self.lock();
        if state.end.is_some() {
            return false;
        }
        let fits = |state: &State| {
            state.chunks.is_empty()
                || state.octets + chunk.octets.len() <= self.limits.octets
                    && state.packets + chunk.packets <= self.limits.packets
        };
        if !fits(&state) {
            if !state.is_dropping {
                state.is_dropping = true;
                state.counts.episodes += 1;
            }
            match self.limits.slow {
                Slow::DropOldest => {
                    while !fits(&state) {
                        let Some(oldest) = state.remove() else { break };
                        state.dropped(&oldest);
                    }
                }
                Slow::DropNewest => {
                    state.dropped(chunk);
                    return true;
                }
                Slow::Disconnect => {
                    while let Some(waiting) = state.remove() {
                        state.dropped(&waiting);
                    }
                    state.dropped(chunk);
                    state.end = Some(End::TooSlow);
                    self.changed.notify_all();
                    return false;
                }
            }
        }
        state.octets += chunk.octets.len();
        state.packets += chunk.packets;
        state.counts.high_water = state.counts.high_water.max(state.octets);
        state.chunks.push_back(Arc::clone(chunk));
        self.changed.notify_all();
        true
    }

    /// Takes the oldest chunk, waiting for one that long.
    pub(crate) fn take(&self, wait: Duration) -> Taken {
        let mut state = self.lock();
        if state.chunks.is_empty() && state.end.is_none() {
            let waited = self.changed.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let removed = state.remove();
        // Whoever comes for more is done with the last.
        let taken = removed.as_ref().map_or(0, |chunk| chunk.packets);
        state.given += std::mem::replace(&mut state.under_way, taken);
        // An episode is over when the peer has caught up by half, not at the first gap.
        if state.octets <= self.limits.octets / 2 && state.packets <= self.limits.packets / 2 {
            state.is_dropping = false;
        }
        match (removed, state.end) {
            (Some(chunk), _) => Taken::Chunk(chunk),
            (None, Some(end)) => Taken::Ended(end),
            (None, None) => Taken::Nothing,
        }
    }

    /// Says that nothing more comes. What waits may still be taken, unless the peer has gone.
    pub(crate) fn end(&self, end: End) {
        let mut state = self.lock();
        if end == End::Gone {
            while let Some(waiting) = state.remove() {
                state.counts.waiting_packets += waiting.packets;
                state.dropped(&waiting);
            }
        }
        state.end.get_or_insert(end);
        self.changed.notify_all();
    }

    /// Packets that the peer got and lost so far; none if it has gone.
    pub(crate) fn fates(&self) -> Option<(u64, u64)> {
        let state = self.lock();
        let fates = (state.given, state.counts.dropped_packets);
        state.end.is_none().then_some(fates)
    }

    pub(crate) fn counts(&self) -> QueueCounts {
        self.lock().counts.clone()
    }

    /// A panic while it was locked is one of ours, and ends the program in its own thread.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self) -> Option<Arc<Chunk>> {
        let chunk = self.chunks.pop_front()?;
        self.octets -= chunk.octets.len();
        self.packets -= chunk.packets;
        Some(chunk)
    }

    fn dropped(&mut self, chunk: &Chunk) {
        self.counts.dropped_packets += chunk.packets;
        self.counts.dropped_octets += chunk.octets.len() as u64;
        for (interface, packets) in &chunk.by_interface {
            count(&mut self.counts.dropped_by_interface, *interface, *packets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(number: u8) -> Arc<Chunk> {
        Arc::new(Chunk {
            octets: vec![number; 10],
            packets: 1,
            pieces: 0,
            by_interface: vec![(0, 1)],
        })
    }

    fn filled(slow: Slow, limits: (usize, u64)) -> (Queue, Vec<u8>) {
        let queue = Queue::new(QueueLimits {
            octets: limits.0,
            packets: limits.1,
            slow,
        });
        for number in 0..10 {
            queue.put(&chunk(number));
        }
        let mut taken = Vec::new();
        while let Taken::Chunk(chunk) = queue.take(Duration::ZERO) {
            taken.push(chunk.octets[0]);
        }
        (queue, taken)
    }

    #[test]
    fn the_oldest_or_the_newest_go() {
        for limits in [(35, 100), (1000, 3)] {
            let (queue, taken) = filled(Slow::DropOldest, limits);
            assert_eq!(taken, [7, 8, 9]);
            let counts = queue.counts();
            assert_eq!((counts.dropped_packets, counts.dropped_octets), (7, 70));
            assert_eq!((counts.episodes, counts.high_water), (1, 30));
            assert_eq!(counts.dropped_by_interface, [(0, 7)]);
            let (queue, taken) = filled(Slow::DropNewest, limits);
            assert_eq!(taken, [0, 1, 2]);
            assert_eq!(queue.counts().dropped_packets, 7);
        }
    }

    #[test]
    fn or_the_peer_goes() {
        let (queue, taken) = filled(Slow::Disconnect, (35, 100));
        assert!(taken.is_empty());
        assert!(matches!(
            queue.take(Duration::ZERO),
            Taken::Ended(End::TooSlow)
        ));
        assert_eq!(queue.counts().dropped_packets, 4);
    }

    #[test]
    fn a_chunk_larger_than_the_queue_passes_alone() {
        let (queue, taken) = filled(Slow::DropOldest, (5, 100));
        assert_eq!(taken, [9]);
        assert_eq!(queue.counts().dropped_packets, 9);
    }

    #[test]
    fn the_end_comes_after_what_waits() {
        let queue = Queue::new(QueueLimits::default());
        queue.put(&chunk(1));
        queue.end(End::Done);
        assert!(!queue.put(&chunk(2)));
        assert!(matches!(queue.take(Duration::ZERO), Taken::Chunk(_)));
        assert!(matches!(
            queue.take(Duration::ZERO),
            Taken::Ended(End::Done)
        ));
    }

    #[test]
    fn what_is_being_given_is_not_given_yet() {
        let queue = Queue::new(QueueLimits::default());
        (0..3).for_each(|number| assert!(queue.put(&chunk(number))));
        let wait = Duration::from_millis(1);
        for given in 0..=3 {
            assert_eq!(queue.fates(), Some((given.max(1) - 1, 0)));
            queue.take(wait);
        }
        assert_eq!(queue.fates(), Some((3, 0)));
        queue.put(&chunk(3));
        queue.end(End::Gone);
        assert_eq!(queue.fates(), None);
        let counts = queue.counts();
        assert_eq!((counts.dropped_packets, counts.waiting_packets), (1, 1));
    }
}
