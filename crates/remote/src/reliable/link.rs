//! The thread of a sensor: connects, delivers, and begins again when a connection ends.
//!
//! Guarantees: it waits for no peer longer than the time-outs say, and ends when nobody waits for it.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::{Address, Backoff, Connection, connect};

use super::fault::{Fault, odd, refused};
use super::inbox::Inbox;
use super::options::ReliableOptions;
use super::shared::{Shared, State, Trouble};
use super::wire::{LONGEST_PROGRAM, LONGEST_SOURCE, Message, REPEATABLE, VERSION};
use crate::batch::StreamId;

/// After so much silence of the server, which acknowledges every status, or so long without taking
/// anything, the connection is taken for lost.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);
/// How long one look for answers waits, and one write before it looks whether to give up.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// How long a wait for batches is.
pub(crate) const IDLE: Duration = Duration::from_millis(100);

pub(crate) struct Link {
    options: ReliableOptions,
    stream: StreamId,
    pub(crate) shared: Arc<Shared>,
    /// What was told last.
    told: Option<String>,
    /// There was a connection, and it has not ended as it should.
    is_broken: bool,
}

impl Link {
    pub(crate) fn new(options: ReliableOptions, stream: StreamId, shared: Arc<Shared>) -> Link {
        Link {
            options,
            stream,
            shared,
            told: None,
            is_broken: false,
        }
    }

    pub(crate) fn run(&mut self) {
        let (first, longest) = self.options.waits;
        let mut backoff = Backoff::between(first, longest);
        while !self.is_over() {
            let fault = match self.connect(&mut backoff) {
                // An older stream is delivered.
                Ok(true) => continue,
                Ok(false) => break,
                Err(fault) => fault,
            };
            let wait = match fault.is_lasting {
                true => backoff.longest(),
                false => backoff.next(),
            };
            self.tell(fault);
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

    pub(crate) fn is_over(&self) -> bool {
        over(&self.shared.lock(), &self.shared)
    }

    /// Says what is wrong, unless it was said already.
    fn tell(&mut self, fault: Fault) {
        let mut state = self.shared.lock();
        if over(&state, &self.shared) {
            return;
        }
        let Fault {
            reason,
            is_untrusted,
            ..
        } = fault;
        state.trouble = Some(Trouble {
            reason: reason.clone(),
            is_untrusted,
        });
        drop(state);
        if self.told.as_ref() != Some(&reason) {
            self.note(&reason);
            self.told = Some(reason);
        }
    }

    /// Tells the person something about the server.
    pub(crate) fn note(&self, text: &str) {
        if let Some(notify) = &self.options.notify {
            notify(&format!("{}: {text}", server(&self.options.address)));
        }
    }

    /// What an error of the connection means.
    pub(crate) fn ended(&self, error: &io::Error) -> Fault {
        Fault::ended(error, self.options.tls.pin())
    }

    /// Takes what has come, waiting for it or not.
    pub(crate) fn fill(
        &self,
        connection: &mut Connection,
        inbox: &mut Inbox,
        wait: Option<Duration>,
    ) -> Result<bool, Fault> {
        let filled = inbox.fill(connection, wait);
        filled.map_err(|error| self.ended(&error))
    }

    /// Connects, and stays until the stream has ended and the server has everything. Gives whether
    /// it was one of an earlier run, so that others wait.
    fn connect(&mut self, backoff: &mut Backoff) -> Result<bool, Fault> {
        let options = &self.options;
        let connected = connect(&options.address, Some(&options.tls), options.timeout);
        let mut connection = connected.map_err(Fault::unconnected)?;
        let mut inbox = Inbox::default();
        let older = self.shared.lock().older.front().map(|(older, _)| *older);
        let stream = older.unwrap_or(self.stream);
        let positions = self.greet(&mut connection, &mut inbox, stream)?;
        backoff.reset();
        {
            let mut state = self.shared.lock();
            state.current().0.begin(&positions);
            state.trouble = None;
            state.counts.is_connected = true;
            state.counts.reconnects += u64::from(self.is_broken);
            if older.is_none() {
                let positions = positions.into_iter().collect();
                state.positions.get_or_insert(positions);
            }
        }
        let was_broken = std::mem::replace(&mut self.is_broken, true);
        self.shared.changed.notify_all();
        let was_told = self.told.take().is_some();
        if was_told || was_broken {
            self.note("connected");
        }
        self.deliver(&mut connection, &mut inbox)?;
        self.is_broken = false;
        let _ = connection.close();
        let mut state = self.shared.lock();
        if older.is_some() && !over(&state, &self.shared) {
            state.older.pop_front();
        }
        Ok(older.is_some())
    }

    /// Says who we are, and learns what the server has.
    fn greet(
        &self,
        connection: &mut Connection,
        inbox: &mut Inbox,
        stream: StreamId,
    ) -> Result<Vec<(u16, u64)>, Fault> {
        let set = connection.set_write_timeout(Some(TICK));
        set.map_err(|error| self.ended(&error))?;
        let source = self.options.source.as_bytes();
        let program = self.options.program.as_bytes();
        let hello = Message::Hello {
            version: VERSION,
            stream,
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
                return Err(self.ended(&ErrorKind::TimedOut.into()));
            }
            self.fill(connection, inbox, Some(TICK))?;
        }
    }
}

/// Whether nobody waits for the rest.
pub(crate) fn over(state: &State, shared: &Shared) -> bool {
    state.is_abandoned || shared.gives_up()
}

/// The server as the user has written it, without what says that it is TLS.
pub(crate) fn server(address: &Address) -> String {
    let text = address.to_string();
    text.strip_prefix("tls://").unwrap_or(&text).to_owned()
}
