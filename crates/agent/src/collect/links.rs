//! Connections to agents: a thread for each, which looks its name up, connects, reads, and begins again.
//!
//! Guarantees: all agents are connected to at once, and none delays another; a connection that is lost is
//! made again at once, unless it was short, then after 0.1 to 10 seconds; an agent that is gone without a
//! word is noticed within a minute (TCP keep-alive); what has come before an end or an error is received.

use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::Backoff;
use socket2::{SockRef, TcpKeepalive};

use crate::collect::reader::Records;
use crate::config::Agent;
use crate::record::Record;

/// Agents at a time, as each has a thread.
pub const MOST_AGENTS: usize = 1024;

/// The shortest and the longest wait before the next attempt.
const WAITS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];
/// A connection that held so long is made again without waiting.
const LONG: Duration = Duration::from_secs(1);
/// How long one address may take to answer, and how many of a name are tried.
const PATIENCE: Duration = Duration::from_secs(5);
const MOST_ADDRESSES: usize = 16;
/// How often a thread looks whether it should end.
const TICK: Duration = Duration::from_millis(500);
/// Silence after which an agent's machine is asked whether it is there, how often, and how many times.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(20), Duration::from_secs(10), 3);
/// A thread reads into memory that is not on its stack, but looking up names takes some.
const STACK: usize = 256 << 10;

/// Who gets what agents send. Agents are numbered as they were given.
pub trait Receiver: Send + Sync {
    /// Records of an agent, and how many octets have come for them; `false` ends the connection for good.
    fn received(&self, agent: usize, records: &[Record], octets: usize) -> bool;

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
    /// Nothing more will come: a log has ended.
    Ended,
}

/// The connections to all agents, until dropped.
#[derive(Debug)]
pub struct Links {
    stop: Arc<AtomicBool>,
}

impl Links {
    /// Begins to connect.
    ///
    /// # Errors
    /// There are no more threads.
    pub fn start(agents: &[Agent], receiver: &Arc<dyn Receiver>) -> io::Result<Links> {
        let links = Links {
            stop: Arc::default(),
        };
        for (number, agent) in agents.iter().take(MOST_AGENTS).enumerate() {
            let mut link = Link {
                number,
                agent: agent.clone(),
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
    agent: Agent,
    receiver: Arc<dyn Receiver>,
    stop: Arc<AtomicBool>,
    /// Why it could not be connected to last time.
    known: Option<String>,
}

impl Link {
    fn run(&mut self) {
        let mut backoff = Backoff::between(WAITS[0], WAITS[1]);
        let mut records = Vec::new();
        while !self.is_over() {
            let begun = Instant::now();
            match self.connect() {
                Ok(stream) => {
                    self.known = None;
                    if !self.attend(stream, &mut records) {
                        return;
                    }
                    if begun.elapsed() >= LONG {
                        backoff.reset();
                        continue;
                    }
                }
                Err(error) => {
                    let why = error.to_string();
                    let is_known = self.known.as_ref() == Some(&why);
                    self.known = Some(why.clone());
                    self.tell(&News::Unreachable { why, is_known });
                }
            }
            self.sleep(backoff.next());
        }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
        let addresses = (self.agent.host.as_str(), self.agent.port).to_socket_addrs()?;
        for address in addresses.take(MOST_ADDRESSES) {
            if self.is_over() {
                break;
            }
            match TcpStream::connect_timeout(&address, PATIENCE) {
                // To a port of this machine where nobody listens TCP may connect us to ourselves.
                Ok(stream) if stream.local_addr()? == address => {
                    last = ErrorKind::ConnectionRefused.into();
                }
                Ok(stream) => {
                    let (idle, interval, retries) = KEEPALIVE;
                    let keepalive = TcpKeepalive::new().with_time(idle);
                    let keepalive = keepalive.with_interval(interval).with_retries(retries);
                    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
                    stream.set_read_timeout(Some(TICK))?;
                    let to = address.to_string();
                    self.tell(&News::Connected { to });
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Receives until the connection ends; `false` if that is for good.
    fn attend(&self, stream: TcpStream, records: &mut Vec<Record>) -> bool {
        let mut reader = Records::new(stream);
        let why = loop {
            match reader.read(records) {
                Ok(0) => break "the agent has closed it".to_owned(),
                Ok(octets) => {
                    if !self.receiver.received(self.number, records, octets) {
                        return false;
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => {}
                Err(error) => break error.to_string(),
            }
            if self.is_over() {
                return false;
            }
        };
        let partial = reader.partial();
        self.tell(&News::Lost { why, partial });
        true
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
