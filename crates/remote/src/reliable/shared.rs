//! What a sensor's run and the thread that delivers have in common.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::options::{Gauges, SenderCounts};
use super::queue::Queue;
use crate::batch::StreamId;

/// What the thread and the run share.
pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    pub(crate) changed: Condvar,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) give_up: Arc<AtomicBool>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) queue: Queue,
    /// Streams of earlier runs of which something is left, the oldest first.
    pub(crate) older: VecDeque<(StreamId, Queue)>,
    pub(crate) counts: SenderCounts,
    pub(crate) last_ack: Option<Instant>,
    /// Of the first connection.
    pub(crate) positions: Option<HashMap<u16, u64>>,
    /// The run has ended: whether the input was read to its end.
    pub(crate) finishing: Option<bool>,
    /// Nobody waits for what is left.
    pub(crate) is_abandoned: bool,
    /// The thread has ended.
    pub(crate) is_done: bool,
    /// What keeps records from the server.
    pub(crate) trouble: Option<Trouble>,
}

/// See [`State::trouble`].
#[derive(Clone)]
pub(crate) struct Trouble {
    pub(crate) reason: String,
    /// One side does not believe the other.
    pub(crate) is_untrusted: bool,
}

impl State {
    /// What is delivered now: what is left of an earlier stream goes first. With it, whether there will be
    /// no more of it.
    pub(crate) fn current(&mut self) -> (&mut Queue, &mut SenderCounts, Option<bool>) {
        match self.older.front_mut() {
            Some((_, queue)) => (queue, &mut self.counts, Some(false)),
            None => (&mut self.queue, &mut self.counts, self.finishing),
        }
    }

    /// Records of earlier runs that wait, in files.
    pub(crate) fn older_records(&self) -> u64 {
        self.older.iter().map(|(_, queue)| queue.records()).sum()
    }

    /// Records that wait.
    pub(crate) fn records(&self) -> u64 {
        self.older_records() + self.queue.records()
    }
}

impl Shared {
    /// Nobody panics while holding the lock but by a bug, which ends the program.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something changes, but not for long.
    pub(crate) fn wait<'s>(
        &self,
        state: MutexGuard<'s, State>,
        most: Duration,
    ) -> MutexGuard<'s, State> {
        let woken = self.changed.wait_timeout(state, most);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    pub(crate) fn gives_up(&self) -> bool {
        self.give_up.load(Ordering::Relaxed)
    }
}
