//! Where records go: to the collectors, and into the log while there is one, or always.
//!
//! Guarantees: live capture is held up by nobody; what finds no room is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netcap_relay::{Chunk, Fanout, Form, Preamble, QueueLimits, Slow};

use crate::distil::{Distiller, Made};
use crate::extended::NoteOutlet;
use crate::log::LogCounts;
use crate::record::LENGTH;

/// Chunks that wait for the log.
const CHUNKS: usize = 256;

/// Where the records of all interfaces go.
#[derive(Debug)]
pub struct Outlet {
    fanout: Fanout,
    log: Mutex<Option<SyncSender<Arc<Chunk>>>>,
    log_counts: Arc<LogCounts>,
    options: OutletOptions,
    unheard: AtomicU64,
    extended: Option<NoteOutlet>,
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
    /// An outlet, with the extended stream if there is one, and what it gives to the log, whose losses are
    /// counted there.
    pub fn new(
        options: OutletOptions,
        log: Arc<LogCounts>,
        extended: Option<NoteOutlet>,
    ) -> (Outlet, Receiver<Arc<Chunk>>) {
        let preamble = Arc::new(Preamble::new(Form::Records(LENGTH)));
        let limits = QueueLimits {
            octets: options.queue.saturating_mul(LENGTH),
            packets: options.queue as u64,
            slow: Slow::DropOldest,
        };
        let (sender, chunks) = sync_channel(CHUNKS);
        let outlet = Outlet {
            fanout: Fanout::new(preamble, limits),
            log: Mutex::new(Some(sender)),
            log_counts: log,
            options,
            unheard: AtomicU64::new(0),
            extended,
        };
        (outlet, chunks)
    }

    /// What collectors are served from.
    pub fn fanout(&self) -> &Fanout {
        &self.fanout
    }

    /// The extended stream, if there is one.
    pub fn extended(&self) -> Option<&NoteOutlet> {
        self.extended.as_ref()
    }

    /// How many collectors are there, of either stream.
    pub fn collectors(&self) -> usize {
        let notes = self.extended.as_ref();
        self.fanout.audience().peers + notes.map_or(0, NoteOutlet::collectors)
    }

    /// Records that came while no collector was there.
    pub fn unheard(&self) -> u64 {
        self.unheard.load(Ordering::Relaxed)
    }

    /// Where the records of some packets go, and their notes if there is anybody to hear them.
    pub(crate) fn begin(&self) -> Made {
        let is_heard = self
            .extended
            .as_ref()
            .is_some_and(|notes| notes.collectors() > 0);
        Made {
            records: Chunk::default(),
            notes: is_heard.then(Chunk::default),
        }
    }

    /// Gives away what was made, which is empty then.
    pub(crate) fn give(&self, made: &mut Made, distiller: &Distiller) {
        self.publish(&mut made.records);
        if let (Some(extended), Some(maker)) = (&self.extended, &distiller.maker)
            && let Some(counters) = distiller.counters()
        {
            let nothing = &mut Chunk::default();
            let notes = made.notes.as_mut().unwrap_or(nothing);
            extended.publish(maker.number(), notes, counters, maker.forgotten());
            extended.passed(maker.latest());
        }
    }

    /// Gives away what is in the chunk of records, which is empty then.
    pub fn publish(&self, chunk: &mut Chunk) {
        if chunk.packets == 0 {
            return;
        }
        let chunk = Arc::new(std::mem::take(chunk));
        let is_heard = self.fanout.publish(&chunk) > 0;
        if !is_heard {
            self.unheard.fetch_add(chunk.packets, Ordering::Relaxed);
        }
        if is_heard || self.options.logs_always {
            self.log(chunk);
        }
    }

    fn log(&self, chunk: Arc<Chunk>) {
        let records = chunk.packets;
        let is_taken = match &*self.sender() {
            Some(log) if self.options.is_live => log.try_send(chunk).is_ok(),
            Some(log) => log.send(chunk).is_ok(),
            None => false,
        };
        if !is_taken {
            self.log_counts.lost.fetch_add(records, Ordering::Relaxed);
        }
    }

    /// Says that nothing more comes, to collectors and to the log.
    pub fn end(&self) {
        self.fanout.end();
        if let Some(extended) = &self.extended {
            extended.end();
        }
        *self.sender() = None;
    }

    /// The same where it comes to no good end.
    pub fn abandon(&self) {
        if let Some(extended) = &self.extended {
            extended.abandon();
        }
        self.end();
    }

    /// Nobody panics while holding it.
    fn sender(&self) -> MutexGuard<'_, Option<SyncSender<Arc<Chunk>>>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use netcap_relay::Supply;

    use super::*;

    fn chunk(records: u64) -> Chunk {
        Chunk {
            octets: vec![0; LENGTH * records as usize],
            packets: records,
            ..Chunk::default()
        }
    }

    fn outlet(logs_always: bool) -> (Outlet, Receiver<Arc<Chunk>>) {
        let options = OutletOptions {
            queue: 10,
            logs_always,
            is_live: true,
        };
        Outlet::new(options, Arc::default(), None)
    }

    #[test]
    fn the_log_has_what_collectors_get() {
        let (outlet, log) = outlet(false);
        outlet.publish(&mut chunk(3));
        assert_eq!((outlet.unheard(), outlet.collectors()), (3, 0));
        assert!(log.try_recv().is_err());
        let mut collector = outlet.fanout().join();
        assert_eq!(outlet.collectors(), 1);
        outlet.publish(&mut chunk(4));
        assert_eq!(log.try_recv().map(|chunk| chunk.packets), Ok(4));
        collector.leave();
        assert_eq!(outlet.collectors(), 0);
        outlet.publish(&mut chunk(5));
        assert!(log.try_recv().is_err());
        assert_eq!(outlet.unheard(), 8);
    }

    #[test]
    fn nobody_waits_for_the_log() {
        let (outlet, log) = outlet(true);
        for _ in 0..CHUNKS + 2 {
            outlet.publish(&mut chunk(2));
        }
        assert_eq!(outlet.log_counts.lost.load(Ordering::Relaxed), 4);
        outlet.end();
        assert_eq!(log.iter().count(), CHUNKS);
        outlet.publish(&mut chunk(1));
        assert_eq!(outlet.log_counts.lost.load(Ordering::Relaxed), 5);
    }
}
