//! The sensor's side: takes batches, and has a thread of its own that brings them to the server.
//!
//! Guarantees: memory is bounded by the queue; what the server has not acknowledged is kept and sent
//! again; what was dropped at the bound is counted here and told the server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::Address;
use netcap_record::Schema;
use netcap_store::Gzip;

use super::checks::{longest, place_of};
use super::link::Link;
use super::options::{Gauges, OnFull, ReliableOptions, SenderCounts};
use super::queue::{Entry, Queue};
use super::wire::LONGEST_MESSAGE;
use crate::Error;
use crate::batch::{Batch, Sender, StreamId};

/// How often who waits looks whether to give up.
const TICK: Duration = Duration::from_millis(100);

/// What the thread and the run share.
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) changed: Condvar,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) give_up: Arc<AtomicBool>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) queue: Queue,
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
    pub(crate) trouble: Option<String>,
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

/// What a sender counts.
#[derive(Clone)]
pub struct SenderCounters(Arc<Shared>);

impl SenderCounters {
    /// What happened since the start.
    pub fn snapshot(&self) -> SenderCounts {
        let state = self.0.lock();
        SenderCounts {
            queue: state.queue.octets(),
            oldest: state.queue.age(),
            last_ack: state.last_ack.map(|last| last.elapsed()),
            ..state.counts
        }
    }
}

/// See the module.
pub struct ReliableSender {
    shared: Arc<Shared>,
    address: Address,
    positions: HashMap<u16, u64>,
    gzip: Gzip,
    most: usize,
    on_full: OnFull,
    finish_deadline: Option<Duration>,
}

impl ReliableSender {
    /// Begins to connect, and waits for the server as the options say. The stream must be another one
    /// than zeros.
    ///
    /// # Errors
    /// Where the server was waited for in vain.
    pub fn connect(options: ReliableOptions, stream: StreamId) -> Result<ReliableSender, Error> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            gauges: Arc::default(),
            give_up: Arc::clone(&options.give_up),
        });
        let mut sender = ReliableSender {
            shared: Arc::clone(&shared),
            address: options.address.clone(),
            positions: HashMap::new(),
            gzip: Gzip::default(),
            most: options.queue,
            on_full: options.on_full,
            finish_deadline: options.finish_deadline,
        };
        let deadline = options.connect_deadline;
        let mut link = Link::new(options, stream, Arc::clone(&shared));
        Builder::new()
            .name("reliable sender".to_owned())
            .spawn(move || link.run())
            .map_err(Error::io("a thread".as_ref()))?;
        let Some(deadline) = deadline else {
            return Ok(sender);
        };
        let end = Instant::now() + deadline;
        let mut state = shared.lock();
        loop {
            if let Some(positions) = &state.positions {
                sender.positions.clone_from(positions);
                return Ok(sender);
            }
            if Instant::now() >= end || shared.gives_up() {
                let reason = state.trouble.clone();
                let reason = reason.unwrap_or_else(|| "the server does not answer".to_owned());
                return Err(sender.undelivered(0, reason));
            }
            state = shared.wait(state, TICK);
        }
    }

    /// What is counted, to be read at any time and by any thread.
    pub fn counters(&self) -> SenderCounters {
        SenderCounters(Arc::clone(&self.shared))
    }

    /// Where the run says how it goes.
    pub fn gauges(&self) -> Arc<Gauges> {
        Arc::clone(&self.shared.gauges)
    }

    fn undelivered(&self, records: u64, reason: String) -> Error {
        let server = self.address.to_string();
        // Some reasons name the server already.
        let reason = match reason.strip_prefix(&format!("{server}: ")) {
            Some(rest) => rest.to_owned(),
            None => reason,
        };
        Error::Undelivered {
            server,
            records,
            reason,
        }
    }

    /// Puts records into the queue, or drops them.
    fn put(&mut self, number: u16, batch: &Batch, frames: &[u8]) -> Result<(), Error> {
        let entry = Entry {
            number,
            first: batch.first,
            count: batch.count,
            payloads: batch.payloads,
            member: self.gzip.member(frames).into(),
            since: Instant::now(),
            was_sent: false,
        };
        // A few octets of the message are not the member's.
        let is_sendable =
            frames.len() <= longest(batch.count) && entry.member.len() < LONGEST_MESSAGE - 64;
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        while is_sendable && !state.queue.has_room(entry.octets(), self.most) {
            if self.on_full == OnFull::Drop {
                break;
            }
            if shared.gives_up() {
                let records = state.queue.records() + u64::from(batch.count);
                return Err(self.undelivered(records, "it was given up".to_owned()));
            }
            state = shared.wait(state, TICK);
        }
        let count = u64::from(batch.count);
        if !is_sendable || !state.queue.has_room(entry.octets(), self.most) {
            state.counts.lost += count;
            state.queue.give(number, batch.first.saturating_add(count));
            return Ok(());
        }
        state.counts.batches += 1;
        state.counts.records += count;
        state.counts.octets += frames.len() as u64;
        state.counts.compressed += entry.member.len() as u64;
        state.queue.push(entry);
        shared.changed.notify_all();
        Ok(())
    }
}

impl Sender for ReliableSender {
    fn send(&mut self, mut batch: Batch) -> Result<(), Error> {
        let frames = std::mem::take(&mut batch.frames);
        let Some(number) = batch.schema.number else {
            let reason = format!("{} has no number", batch.schema.name);
            return Err(self.undelivered(u64::from(batch.count), reason));
        };
        let mut rest = frames.as_slice();
        while batch.count > 0 {
            // Halves of what is too long for one message, down to single records.
            let mut part = batch.count;
            let mut end = rest.len();
            while end > longest(part) && part > 1 {
                part = part.div_ceil(2);
                end = place_of(rest, part).unwrap_or(rest.len());
            }
            let (now, later) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            let left = batch.count - part;
            batch.count = part;
            self.put(number, &batch, now)?;
            batch.first = batch.first.saturating_add(u64::from(part));
            batch.count = left;
            rest = later;
        }
        Ok(())
    }

    fn position(&self, schema: &'static Schema) -> u64 {
        let number = schema.number.unwrap_or_default();
        self.positions.get(&number).copied().unwrap_or_default()
    }

    fn finish(&mut self, is_complete: bool) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let end = self.finish_deadline.map(|most| Instant::now() + most);
        let mut state = shared.lock();
        state.finishing = Some(is_complete);
        shared.changed.notify_all();
        loop {
            if state.is_done {
                return Ok(());
            }
            let is_late = end.is_some_and(|end| Instant::now() >= end);
            if is_late || shared.gives_up() {
                state.is_abandoned = true;
                shared.changed.notify_all();
                let records = state.queue.records();
                if records == 0 {
                    return Ok(());
                }
                let reason = state.trouble.clone();
                let reason = reason.unwrap_or_else(|| "the server is too slow".to_owned());
                return Err(self.undelivered(records, reason));
            }
            state = shared.wait(state, TICK);
        }
    }
}

impl Drop for ReliableSender {
    fn drop(&mut self) {
        self.shared.lock().is_abandoned = true;
        self.shared.changed.notify_all();
    }
}
