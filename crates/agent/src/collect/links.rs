//! Connections to agents: a thread for each, which looks its name up, connects, reads, and begins again.
//!
//! Guarantees: all agents are connected to at once, and none delays another; a connection that is lost is
//! made again at once, unless it was short, then after 0.1 to 10 seconds; an agent that is gone without a
//! word is noticed within a minute (TCP keep-alive; agents of the extended stream speak each second); what
//! has come before an end or an error is received.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::{Backoff, Connection, TlsError, TlsOptions, tls_fault};

use crate::collect::reach::{Unreachable, Way, ways};
use crate::collect::reader::Records;
use crate::collect::voice::Voice;
use crate::config::Agent;
use crate::extended::{Message, StreamError};
use crate::record::Record;

/// Agents at a time, as each has a thread.
pub const MOST_AGENTS: usize = 1024;

/// The shortest and the longest wait before the next attempt.
const WAITS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];
/// A connection that held so long is made again without waiting.
const LONG: Duration = Duration::from_secs(1);
/// How often a thread looks whether it should end.
const TICK: Duration = Duration::from_millis(500);
/// How long an agent of the extended stream may take to answer the greeting.
const ANSWER: Duration = Duration::from_secs(10);
/// A thread reads into memory that is not on its stack, but looking up names and TLS take some.
const STACK: usize = 512 << 10;

/// Who gets what agents send. Agents are numbered as they were given.
pub trait Receiver: Send + Sync {
    /// Records of an agent, and how many octets have come for them; `false` ends the connection for good.
    fn received(&self, agent: usize, records: &[Record], octets: usize) -> bool;

    /// The same of an agent of the extended stream.
    fn heard(&self, agent: usize, messages: &[Message], octets: usize) -> bool;

    /// What happens to the connection to an agent.
    fn news(&self, agent: usize, news: &News);
}

/// What happens to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is there: at an address, or a log.
    Connected {
        /// Which.
        to: String,
    },
    /// It cannot be made; it will be tried again.
    Unreachable {
        /// Why.
        why: String,
        /// The same was told before.
        is_known: bool,
    },
    /// It has ended.
    Lost {
        /// Why.
        why: String,
        /// Octets of a record that never came in full.
        partial: usize,
    },
    /// Records that the agent made have not reached us.
    Missed {
        /// How many, since this was told last.
        records: u64,
    },
    /// Nothing more will come: a log has ended.
    Ended,
}

/// Why connections cannot be begun.
#[derive(Debug, thiserror::Error)]
pub enum LinksError {
    /// What was asked of TLS cannot be.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There are no more threads.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// The connections to all agents, until dropped.
#[derive(Debug)]
pub struct Links {
    stop: Arc<AtomicBool>,
}

impl Links {
    /// Begins to connect; to agents with TLS with these options.
    ///
    /// # Errors
    /// The options cannot be used, or there are no more threads.
    pub fn start(
        agents: &[Agent],
        tls: &TlsOptions,
        receiver: &Arc<dyn Receiver>,
    ) -> Result<Links, LinksError> {
        let links = Links {
            stop: Arc::default(),
        };
        let ways = ways(&agents[..agents.len().min(MOST_AGENTS)], tls)?;
        for (number, way) in ways.into_iter().enumerate() {
            let mut link = Link {
                number,
                way,
                receiver: Arc::clone(receiver),
                stop: Arc::clone(&links.stop),
                known: None,
            };
            thread::Builder::new()
                .name(format!("agent {number}"))
                .stack_size(STACK)
                .spawn(move || link.run())?;
        }
        Ok(links)
    }
}

impl Drop for Links {
    /// Threads end by themselves, within half a second unless they wait for a name server or an agent's
    /// answer.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Link {
    number: usize,
    way: Way,
    receiver: Arc<dyn Receiver>,
    stop: Arc<AtomicBool>,
    /// Why it could not be connected to last time.
    known: Option<String>,
}

/// How a connection has ended.
enum End {
    /// It was there.
    Lost { why: String, partial: usize },
    /// It never was.
    Unreachable(Unreachable),
    /// For good.
    Over,
}

impl Link {
    fn run(&mut self) {
        let mut backoff = Backoff::between(WAITS[0], WAITS[1]);
        while !self.is_over() {
            let begun = Instant::now();
            let end = match self.way.is_extended {
                true => self.way.listen(TICK).map(|voice| self.converse(voice)),
                false => self.way.connect().map(|stream| self.attend(stream)),
            };
            let end = end.unwrap_or_else(End::Unreachable);
            let wait = match end {
                End::Over => return,
                End::Lost { why, partial } => {
                    self.known = None;
                    self.tell(&News::Lost { why, partial });
                    if begun.elapsed() >= LONG {
                        backoff.reset();
                        continue;
                    }
                    backoff.next()
                }
                End::Unreachable(Unreachable { why, is_lasting }) => {
                    let is_known = self.known.as_ref() == Some(&why);
                    self.known = Some(why.clone());
                    self.tell(&News::Unreachable { why, is_known });
                    match is_lasting {
                        true => backoff.longest(),
                        false => backoff.next(),
                    }
                }
            };
            self.sleep(wait);
        }
    }

    /// Receives records until the connection ends.
    fn attend(&mut self, connection: Connection) -> End {
        if let Err(error) = connection.set_read_timeout(Some(TICK)) {
            return End::Unreachable(Unreachable::for_now(error));
        }
        self.connected(connection.peer().to_owned());
        let (mut reader, mut records) = (Records::new(connection), Vec::new());
        let mut is_silent = true;
        let why = loop {
            match reader.read(&mut records) {
                Ok(0) if is_silent => break MUTE.to_owned(),
                Ok(0) => break CLOSED.to_owned(),
                Ok(octets) => {
                    is_silent = false;
                    if !self.receiver.received(self.number, &records, octets) {
                        return End::Over;
                    }
                }
                Err(error) if is_pause(&error) => {}
                Err(error) => break error.to_string(),
            }
            if self.is_over() {
                return End::Over;
            }
        };
        let partial = reader.partial();
        End::Lost { why, partial }
    }

    /// Receives messages until the connection ends.
    fn converse(&mut self, mut voice: Voice) -> End {
        let mut messages = Vec::new();
        let (mut is_known, mut heard) = (false, Instant::now());
        let (why, is_lasting) = loop {
            let result = voice.read(&mut messages);
            if !messages.is_empty() {
                heard = Instant::now();
                if !is_known {
                    is_known = true;
                    self.connected(voice.place());
                }
            }
            let octets = result.as_ref().copied().unwrap_or_default();
            if (octets > 0 || !messages.is_empty())
                && !self.receiver.heard(self.number, &messages, octets)
            {
                return End::Over;
            }
            if messages.last() == Some(&Message::End) {
                break ("the agent has ended".to_owned(), false);
            }
            match result {
                Ok(0) => break (CLOSED.to_owned(), false),
                Err(StreamError::Io(error)) if !is_pause(&error) => {
                    let why = tls_fault(&error);
                    let is_lasting = why.is_some();
                    break (why.unwrap_or_else(|| error.to_string()), is_lasting);
                }
                Err(error @ StreamError::Foreign(_)) => break (error.to_string(), true),
                Ok(_) | Err(StreamError::Io(_)) => {}
            }
            if self.is_over() {
                return End::Over;
            }
            if !is_known && heard.elapsed() >= ANSWER {
                break (voice.unanswered().to_owned(), true);
            }
            if heard.elapsed() >= voice.patience() {
                let seconds = voice.patience().as_secs();
                break (
                    format!("the agent has been silent for {seconds} seconds"),
                    false,
                );
            }
        };
        let partial = voice.partial();
        match is_known {
            true => End::Lost { why, partial },
            false => End::Unreachable(Unreachable { why, is_lasting }),
        }
    }

    fn connected(&mut self, to: String) {
        self.known = None;
        self.tell(&News::Connected { to });
    }

    fn tell(&self, news: &News) {
        self.receiver.news(self.number, news);
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn sleep(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_over() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(TICK));
        }
    }
}

const CLOSED: &str = "the agent has closed it";
const MUTE: &str = "the agent has closed it without a record (is that its port for the extended stream? \
                    then put `extended` behind the address)";
/// Whether nothing has come for a while.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
