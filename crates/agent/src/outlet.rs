//! Where records go: to the collectors, and into the log while there is one, or always.
//!
//! Guarantees: live capture is held up by nobody; what finds no room is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use netcap_relay::{Chunk, Fanout, Form, Preamble, QueueLimits, Slow};

use crate::log::LogCounts;
use crate::record::LENGTH;

/// Chunks that wait for the log.
const CHUNKS: usize = 256;

/// Where the records of all interfaces go.
#[derive(Debug)]
pub struct Outlet {
    fanout: Fanout,
    log: SyncSender<Arc<Chunk>>,
    log_counts: Arc<LogCounts>,
    options: OutletOptions,
    unheard: AtomicU64,
}

/// How they go there.
#[derive(Clone, Copy, Debug)]
pub struct OutletOptions {
    /// Records that wait for a collector at most; the oldest make room.
    pub queue: usize,
    /// Whether the log has what no collector gets.
    pub logs_always: bool,
    /// Whether records come as they happen, so that none may wait for the log.
    pub is_live: bool,
}

impl Outlet {
    /// An outlet, and what it gives to the log, whose losses are counted there.
    pub fn new(options: OutletOptions, log: Arc<LogCounts>) -> (Outlet, Receiver<Arc<Chunk>>) {
        let preamble = Arc::new(Preamble::new(Form::Records(LENGTH)));
        let limits = QueueLimits {
            octets: options.queue.saturating_mul(LENGTH),
            packets: options.queue as u64,
            slow: Slow::DropOldest,
        };
        let (sender, chunks) = sync_channel(CHUNKS);
        let outlet = Outlet {
            fanout: Fanout::new(preamble, limits),
            log: sender,
            log_counts: log,
            options,
            unheard: AtomicU64::new(0),
        };
        (outlet, chunks)
    }

    /// What collectors are served from.
    pub fn fanout(&self) -> &Fanout {
        &self.fanout
    }

    /// How many collectors are there.
    pub fn collectors(&self) -> usize {
        self.fanout.audience().0
    }

    /// Records that came while no collector was there.
    pub fn unheard(&self) -> u64 {
        self.unheard.load(Ordering::Relaxed)
    }

    /// Gives away what is in the chunk, which is empty then.
    pub fn publish(&self, chunk: &mut Chunk) {
        if chunk.packets == 0 {
            return;
        }
        let chunk = Arc::new(std::mem::take(chunk));
        let is_heard = self.fanout.publish(&chunk) > 0;
        if !is_heard {
            self.unheard.fetch_add(chunk.packets, Ordering::Relaxed);
        }
        if !is_heard && !self.options.logs_always {
            return;
        }
        let refused = if self.options.is_live {
            self.log.try_send(chunk).err()
        } else {
            let sent = self.log.send(chunk);
            sent.err().map(|error| TrySendError::Disconnected(error.0))
        };
        if let Some(TrySendError::Full(chunk) | TrySendError::Disconnected(chunk)) = refused {
            let lost = &self.log_counts.lost;
            lost.fetch_add(chunk.packets, Ordering::Relaxed);
        }
    }

    /// Says that nothing more comes. The log ends when this is dropped.
    pub fn end(&self) {
        self.fanout.end();
    }
}
