//! One stream to many peers: whoever joins gets the beginning, and what comes from then on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::client::{Feed, Next};
use crate::queue::{End, Queue, QueueCounts, QueueLimits, Taken};
use crate::server::Supply;
use crate::stream::{Chunk, Preamble};

/// A stream that is written once and read by many, each at its own speed.
#[derive(Debug)]
pub struct Fanout {
    preamble: Arc<Preamble>,
    limits: QueueLimits,
    queues: Mutex<Vec<Arc<Queue>>>,
    is_ended: AtomicBool,
}

/// Those who are there, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// How many they are.
    pub peers: usize,
    /// Packets written to them so far, by peer.
    pub sent: u64,
    /// Packets that they have lost so far.
    pub lost: u64,
}

impl Fanout {
    /// One with that beginning, and those limits for each peer.
    pub fn new(preamble: Arc<Preamble>, limits: QueueLimits) -> Fanout {
        Fanout {
            preamble,
            limits,
            queues: Mutex::default(),
            is_ended: AtomicBool::new(false),
        }
    }

    /// Gives a chunk to all who are there. Gives how many those are.
    pub fn publish(&self, chunk: &Arc<Chunk>) -> usize {
        let mut queues = self.queues();
        queues.retain(|queue| queue.put(chunk));
        queues.len()
    }

    /// Who is there.
    pub fn audience(&self) -> Audience {
        let queues = self.queues();
        let fates = queues.iter().filter_map(|queue| queue.fates());
        fates.fold(Audience::default(), |audience, (sent, lost)| Audience {
            peers: audience.peers + 1,
            sent: audience.sent + sent,
            lost: audience.lost + lost,
        })
    }

    /// Says that nothing more comes. Those who are there get what still waits for them.
    pub fn end(&self) {
        let queues = self.queues();
        self.is_ended.store(true, Ordering::Relaxed);
        for queue in queues.iter() {
            queue.end(End::Done);
        }
    }

    fn queues(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Queue>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supply for Fanout {
    fn preamble(&self) -> Arc<Preamble> {
        Arc::clone(&self.preamble)
    }

    fn join(&self) -> Box<dyn Feed + '_> {
        let queue = Arc::new(Queue::new(self.limits));
        let mut queues = self.queues();
        if self.is_ended() {
            queue.end(End::Done);
        } else {
            queues.push(Arc::clone(&queue));
        }
        Box::new(Membership(queue))
    }

    fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Relaxed)
    }

    fn is_live(&self) -> bool {
        true
    }

    fn audience(&self) -> Option<Audience> {
        Some(Fanout::audience(self))
    }
}

/// One peer's place.
struct Membership(Arc<Queue>);

impl Feed for Membership {
    fn next(&mut self, wait: Duration) -> Next {
        match self.0.take(wait) {
            Taken::Chunk(chunk) => Next::Chunk(chunk),
            Taken::Nothing => Next::Nothing,
            Taken::Ended(End::TooSlow) => Next::TooSlow,
            Taken::Ended(End::Done | End::Gone) => Next::End,
        }
    }

    fn leave(&mut self) -> QueueCounts {
        self.0.end(End::Gone);
        self.0.counts()
    }

    fn losses(&self) -> QueueCounts {
        self.0.counts()
    }
}
