//! The sensor's side: takes batches, and has a thread of its own that brings them to the server.
//!
//! Guarantees: memory is bounded by the queue; what the server has not acknowledged is kept and sent
//! again; what was dropped at the bound is counted here and told the server.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::Builder;
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::Address;
use netcap_record::Schema;
use netcap_store::Gzip;

use super::checks::{longest, place_of};
use super::entry::Entry;
use super::link::{Link, server};
use super::options::{Gauges, OnFull, ReliableOptions, SenderCounts};
use super::queue::Queue;
use super::shared::{Shared, State};
use super::spool::{Folder, Opened};
use super::wire::LONGEST_MESSAGE;
use crate::Error;
use crate::batch::{Batch, Sender, StreamId};

/// How often who waits looks whether to give up.
const TICK: Duration = Duration::from_millis(100);

/// What a sender counts.
#[derive(Clone)]
pub struct SenderCounters(Arc<Shared>);

impl SenderCounters {
    /// What happened since the start.
    pub fn snapshot(&self) -> SenderCounts {
        let state = self.0.lock();
        SenderCounts {
            queue: state.queue.octets(),
            spool: state.queue.spooled(),
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
    on_full: OnFull,
    finish_deadline: Option<Duration>,
    is_repeatable: bool,
    /// What keeps records from the server is told when it happens.
    is_told: bool,
}

impl ReliableSender {
    /// Begins to connect, and waits for the server as the options say. The stream must be another one
    /// than zeros.
    ///
    /// # Errors
    /// Where the server was waited for in vain.
    pub fn connect(options: ReliableOptions, stream: StreamId) -> Result<ReliableSender, Error> {
        let mut state = State::default();
        let spool = match &options.spool {
            Some((folder, most)) => {
                let Opened { older, own, odd } = Folder::open(folder, *most, stream)?;
                if let Some(notify) = &options.notify {
                    odd.iter().for_each(|odd| notify(odd));
                }
                let queue = |(stream, spool)| (stream, Queue::new(options.queue, Some(spool)));
                state.older = older.into_iter().map(queue).collect();
                Some(own)
            }
            None => None,
        };
        state.queue = Queue::new(options.queue, spool);
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            gauges: Arc::default(),
            give_up: Arc::clone(&options.give_up),
        });
        let mut sender = ReliableSender {
            shared: Arc::clone(&shared),
            address: options.address.clone(),
            positions: HashMap::new(),
            gzip: Gzip::default(),
            on_full: options.on_full,
            finish_deadline: options.finish_deadline,
            is_repeatable: options.is_repeatable,
            is_told: options.notify.is_some(),
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
                return Err(sender.undelivered(0, &state, "the server does not answer"));
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

    /// Why records were not delivered: what keeps them, or something else.
    fn undelivered(&self, records: u64, state: &State, otherwise: &str) -> Error {
        let trouble = state.trouble.as_ref();
        Error::Undelivered {
            server: server(&self.address),
            records,
            reason: match trouble {
                Some(_) if self.is_told => String::new(),
                Some(trouble) => trouble.reason.clone(),
                None => otherwise.to_owned(),
            },
            is_untrusted: self.on_full == OnFull::Wait
                && trouble.is_some_and(|trouble| trouble.is_untrusted),
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
            is_earlier: false,
            segment: None,
        };
        // A few octets of the message are not the member's.
        let mut is_sendable =
            frames.len() <= longest(batch.count) && entry.member.len() < LONGEST_MESSAGE - 64;
        let is_long = !is_sendable;
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        let count = u64::from(batch.count);
        let (octets, compressed) = (frames.len() as u64, entry.member.len() as u64);
        let mut waiting = is_sendable.then_some(entry);
        while let Some(entry) = waiting.take() {
            match state.queue.push(entry) {
                Ok(()) => break,
                Err(entry) if self.on_full == OnFull::Wait => waiting = Some(entry),
                Err(_) => {
                    is_sendable = false;
                    break;
                }
            }
            if shared.gives_up() {
                let records = state.records() + count;
                return Err(self.undelivered(records, &state, "it was given up"));
            }
            state = shared.wait(state, TICK);
        }
        if !is_sendable {
            state.counts.lost += count;
            state.counts.too_long += if is_long { count } else { 0 };
            state.queue.give(number, batch.first.saturating_add(count));
            return Ok(());
        }
        state.counts.batches += 1;
        state.counts.records += count;
        state.counts.octets += octets;
        state.counts.compressed += compressed;
        shared.changed.notify_all();
        Ok(())
    }
}

impl Sender for ReliableSender {
    fn send(&mut self, mut batch: Batch) -> Result<(), Error> {
        let frames = std::mem::take(&mut batch.frames);
        let Some(number) = batch.schema.number else {
            let reason = format!("{} has no number", batch.schema.name);
            let state = self.shared.lock();
            return Err(self.undelivered(u64::from(batch.count), &state, &reason));
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

    fn pass_over(&mut self, records: u64) {
        self.shared.lock().counts.known += records;
    }

    fn finish(&mut self, is_complete: bool) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let end = self.finish_deadline.map(|most| Instant::now() + most);
        let mut state = shared.lock();
        state.finishing = Some(is_complete);
        shared.changed.notify_all();
        loop {
            if state.is_done {
                return match state.counts.unknown_type {
                    0 => Ok(()),
                    records => Err(self.undelivered(
                        records,
                        &state,
                        "the server does not know their types; bring it up to date",
                    )),
                };
            }
            let is_late = end.is_some_and(|end| Instant::now() >= end);
            // Interrupted before there was anything to say, and nobody there to hear it.
            let has_nothing = !is_complete
                && !state.counts.is_connected
                && (state.records(), state.counts.lost) == (0, 0);
            if is_late || has_nothing || shared.gives_up() {
                state.is_abandoned = true;
                shared.changed.notify_all();
                return self.save(&mut state);
            }
            state = shared.wait(state, TICK);
        }
    }
}

impl ReliableSender {
    /// Leaves what was not delivered to the next run, as far as there are files for it; what has no room
    /// there is missing. It is lost, unless the input can be read again.
    fn save(&self, state: &mut State) -> Result<(), Error> {
        let before = state.queue.records();
        let saved = state.queue.save(!self.is_repeatable);
        let missing = before.saturating_sub(saved);
        let (has_spool, older) = (state.queue.has_spool(), state.older_records());
        state.counts.waiting = older + saved;
        if has_spool && !self.is_repeatable {
            state.counts.lost += missing;
        }
        let missing = match has_spool && !self.is_repeatable {
            true => state.counts.lost,
            false => missing + state.counts.lost,
        };
        match missing {
            0 => Ok(()),
            missing => Err(self.undelivered(missing, state, "the server is too slow")),
        }
    }
}

impl Drop for ReliableSender {
    fn drop(&mut self) {
        self.shared.lock().is_abandoned = true;
        self.shared.changed.notify_all();
    }
}
