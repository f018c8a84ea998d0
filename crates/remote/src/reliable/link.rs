//! The thread of a sensor that connects, sends and listens, and begins again when a connection ends.
//!
//! Guarantees: it waits for no peer longer than the time-outs say, and ends when nobody waits for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::{Backoff, Connection, connect};

use super::client::{Shared, State};
use super::fault::{Fault, odd, refused};
use super::inbox::{Inbox, write_all};
use super::options::ReliableOptions;
use super::queue::Next;
use super::status;
use super::wire::{LONGEST_PROGRAM, LONGEST_SOURCE, Message, REPEATABLE, VERSION};
use crate::batch::StreamId;

/// How often the status is sent.
const STATUS: Duration = Duration::from_secs(1);
/// After so much silence of the server, which acknowledges every status, or so long without taking
/// anything, the connection is taken for lost.
const SILENCE: Duration = Duration::from_secs(30);
/// How long one look for answers waits, and one write before it looks whether to give up.
const TICK: Duration = Duration::from_millis(20);
/// How long a wait for batches is.
const IDLE: Duration = Duration::from_millis(100);

pub(crate) struct Link {
    options: ReliableOptions,
    stream: StreamId,
    shared: Arc<Shared>,
    /// What was told last.
    told: Option<String>,
}

impl Link {
    pub(crate) fn new(options: ReliableOptions, stream: StreamId, shared: Arc<Shared>) -> Link {
        Link {
            options,
            stream,
            shared,
            told: None,
        }
    }

    pub(crate) fn run(&mut self) {
        let (first, longest) = self.options.waits;
        let mut backoff = Backoff::between(first, longest);
        while !self.is_over() {
            let Err(fault) = self.connect(&mut backoff) else {
                break;
            };
            let wait = match fault.is_lasting {
                true => backoff.longest(),
                false => backoff.next(),
            };
            self.tell(fault.reason);
            let end = Instant::now() + wait;
            let mut state = self.shared.lock();
            state.counts.is_connected = false;
            while !over(&state, &self.shared) {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                state = self.shared.wait(state, left.min(IDLE));
            }
        }
        let mut state = self.shared.lock();
        state.counts.is_connected = false;
        state.is_done = state.finishing.is_some() && state.queue.is_empty();
        self.shared.changed.notify_all();
    }

    fn is_over(&self) -> bool {
        over(&self.shared.lock(), &self.shared)
    }

    /// Says what is wrong, unless it was said already.
    fn tell(&mut self, reason: String) {
        let mut state = self.shared.lock();
        if over(&state, &self.shared) {
            return;
        }
        state.trouble = Some(reason.clone());
        drop(state);
        let text = match reason.starts_with(&self.options.address.to_string()) {
            true => reason,
            false => format!("{}: {reason}", self.options.address),
        };
        if self.told.as_ref() != Some(&text) {
            (self.options.notify)(&text);
            self.told = Some(text);
        }
    }

    /// Connects, and stays until the run has ended and the server has everything.
    fn connect(&mut self, backoff: &mut Backoff) -> Result<(), Fault> {
        let options = &self.options;
        let connected = connect(&options.address, Some(&options.tls), options.timeout);
        let mut connection = connected.map_err(|error| Fault {
            is_lasting: error.is_permanent(),
            reason: error.to_string(),
        })?;
        let mut inbox = Inbox::default();
        let positions = self.greet(&mut connection, &mut inbox)?;
        backoff.reset();
        let is_first = {
            let mut state = self.shared.lock();
            let is_first = state.positions.is_none();
            state.queue.begin(&positions);
            state.trouble = None;
            state.counts.is_connected = true;
            state.counts.reconnects += u64::from(!is_first);
            state
                .positions
                .get_or_insert_with(|| positions.into_iter().collect());
            is_first
        };
        self.shared.changed.notify_all();
        if self.told.take().is_some() || !is_first {
            (self.options.notify)(&format!("{}: connected", self.options.address));
        }
        self.deliver(&mut connection, &mut inbox)?;
        let _ = connection.close();
        Ok(())
    }

    /// Says who we are, and learns what the server has.
    fn greet(
        &self,
        connection: &mut Connection,
        inbox: &mut Inbox,
    ) -> Result<Vec<(u16, u64)>, Fault> {
        connection.set_write_timeout(Some(TICK))?;
        let source = self.options.source.as_bytes();
        let program = self.options.program.as_bytes();
        let hello = Message::Hello {
            version: VERSION,
            stream: self.stream,
            flags: if self.options.is_repeatable {
                REPEATABLE
            } else {
                0
            },
            source: source.get(..LONGEST_SOURCE).unwrap_or(source),
            program: program.get(..LONGEST_PROGRAM).unwrap_or(program),
        };
        self.say(connection, inbox, &hello)?;
        let end = Instant::now() + SILENCE;
        loop {
            match inbox.next()? {
                Some(Message::Welcome(positions)) => return Ok(positions),
                Some(Message::Refused(reason)) => return Err(refused(reason)),
                Some(_) => return Err(odd("its first message is not Welcome")),
                None => {}
            }
            if Instant::now() > end || self.is_over() {
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            inbox.fill(connection, Some(TICK))?;
        }
    }

    /// Sends a message. Where that fails, the server may have said why before it went.
    fn say(
        &self,
        connection: &mut Connection,
        inbox: &mut Inbox,
        message: &Message<'_>,
    ) -> Result<(), Fault> {
        let mut out = Vec::new();
        message.put(&mut out);
        let Err(error) = write_all(connection, &out, SILENCE, || self.is_over()) else {
            return Ok(());
        };
        while inbox.fill(connection, None)? {}
        while let Some(message) = inbox.next()? {
            if let Message::Refused(reason) = message {
                return Err(refused(reason));
            }
        }
        Err(error.into())
    }

    fn deliver(&self, connection: &mut Connection, inbox: &mut Inbox) -> Result<(), Fault> {
        let mut heard = Instant::now();
        let mut told: Option<Instant> = None;
        let mut has_ended = false;
        loop {
            self.listen(inbox)?;
            if inbox.fill(connection, None)? {
                heard = Instant::now();
                continue;
            }
            if heard.elapsed() > SILENCE {
                let silent = io::Error::new(io::ErrorKind::TimedOut, "the server is silent");
                return Err(silent.into());
            }
            let is_due = told.is_none_or(|told| told.elapsed() >= STATUS);
            if is_due && !has_ended {
                told = Some(Instant::now());
                let values = self.status();
                self.say(connection, inbox, &Message::Status(values))?;
            }
            let mut state = self.shared.lock();
            if over(&state, &self.shared) {
                return Ok(());
            }
            let State { queue, counts, .. } = &mut *state;
            let before = queue.octets();
            let mut next = queue.next(&mut counts.acknowledged);
            if next.is_none() && (is_due || state.finishing.is_some()) {
                next = state.queue.trailing();
            }
            if state.queue.octets() < before {
                self.shared.changed.notify_all();
            }
            match (next, state.finishing) {
                (Some(Next::Batch(entry)), _) => {
                    state.counts.resent += u64::from(entry.was_sent);
                    drop(state);
                    self.say(connection, inbox, &entry.message())?;
                }
                (
                    Some(Next::Lost {
                        number,
                        first,
                        count,
                    }),
                    _,
                ) => {
                    drop(state);
                    let lost = Message::Lost {
                        number,
                        first,
                        count,
                    };
                    self.say(connection, inbox, &lost)?;
                }
                (None, Some(is_complete)) if !has_ended => {
                    has_ended = true;
                    state.queue.note(false);
                    drop(state);
                    let values = self.status();
                    self.say(connection, inbox, &Message::Status(values))?;
                    self.say(connection, inbox, &Message::End { is_complete })?;
                }
                (None, _) if has_ended && state.queue.is_acknowledged() => return Ok(()),
                (None, _) if state.queue.is_acknowledged() => {
                    drop(self.shared.wait(state, IDLE));
                }
                (None, _) => {
                    drop(state);
                    if inbox.fill(connection, Some(TICK))? {
                        heard = Instant::now();
                    }
                }
            }
        }
    }

    /// Takes what the server has said.
    fn listen(&self, inbox: &mut Inbox) -> Result<(), Fault> {
        while let Some(message) = inbox.next()? {
            match message {
                Message::Ack(messages) => {
                    let mut state = self.shared.lock();
                    let records = state.queue.acknowledge(messages);
                    state.counts.acknowledged +=
                        records.ok_or_else(|| odd("it has more than was sent"))?;
                    state.last_ack = Some(Instant::now());
                    self.shared.changed.notify_all();
                }
                Message::Refused(reason) => return Err(refused(reason)),
                _ => return Err(odd("a message that a server does not send now")),
            }
        }
        Ok(())
    }

    /// The values of a status, which is noted to be sent.
    fn status(&self) -> Vec<(u16, u64)> {
        let mut state = self.shared.lock();
        state.queue.note(false);
        let gauges = &self.shared.gauges;
        let age = state.queue.age().as_millis();
        vec![
            (status::PACKETS, gauges.packets.load(Ordering::Relaxed)),
            (status::OCTETS, gauges.octets.load(Ordering::Relaxed)),
            (
                status::PACKETS_DROPPED,
                gauges.packets_dropped.load(Ordering::Relaxed),
            ),
            (status::QUEUE_OCTETS, state.queue.octets() as u64),
            (status::SPOOL_OCTETS, 0),
            (status::OLDEST_AGE, u64::try_from(age).unwrap_or(u64::MAX)),
            (status::RECORDS_LOST, state.counts.lost),
        ]
    }
}

/// Whether nobody waits for the rest.
fn over(state: &State, shared: &Shared) -> bool {
    state.is_abandoned || shared.gives_up()
}
