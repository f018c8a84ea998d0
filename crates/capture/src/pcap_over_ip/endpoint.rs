//! An address at work: connecting again and again, or letting peers in, and reading what comes.
//!
//! Guarantees: a peer that cannot be reached, or is not to be believed, is not hammered; a listener
//! has a bounded number of connections, in all and from one address, each in a thread of its own.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::address::Address;
use super::backoff::Backoff;
use super::connection::{Connection, Listener, Pending, connect};
use super::flow::Flow;
use super::options::Notify;
use super::shared::{Shared, Thread};
use super::stream::{self, Fault, Rules, StreamError};
use super::tls::ClientTls;
use crate::Error;

/// A stream that has lasted so long was healthy, packets or not.
const HEALTHY: Duration = Duration::from_secs(10);
/// An address says no more than so many lines in such a time.
const LINES: (u32, Duration) = (10, Duration::from_secs(10));

/// An address at work.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) shared: Arc<Shared>,
    /// Its place among the addresses.
    pub(crate) index: usize,
    /// Its account, for what happens outside streams.
    pub(crate) account: usize,
    /// Nanoseconds added to its times.
    pub(crate) offset: i64,
}

/// How a stream ended.
struct Ended {
    /// Whether it began with a file header.
    began: bool,
    packets: u64,
    trouble: Option<StreamError>,
}

impl Endpoint {
    /// Connects, reads the stream to its end, and again.
    pub(crate) fn keep_connected(
        &self,
        address: &Address,
        tls: Option<Arc<ClientTls>>,
        mut voice: Voice,
    ) {
        let shared = &self.shared;
        let options = &shared.options;
        let name = address.to_string();
        let mut backoff = Backoff::new();
        let mut failures = 0;
        let mut lost: Option<Instant> = None;
        while !shared.stopped() {
            let begun = Instant::now();
            let error: Option<Error> = match connect(address, tls.as_ref(), options.connect_timeout)
            {
                Ok(connection) => {
                    shared.count(self.account, "connections");
                    if options.tls.insecure && address.tls {
                        voice.say(format!(
                            "{name}: the peer is believed without proof (insecure)"
                        ));
                    }
                    if let Some(lost) = lost {
                        voice.say(format!(
                            "{name}: connected again after {:.1} s; what was sent meanwhile is lost",
                            lost.elapsed().as_secs_f32()
                        ));
                    }
                    let ended = self.read(connection, &name, self.account);
                    lost = Some(Instant::now());
                    if ended.packets > 0 || begun.elapsed() >= HEALTHY {
                        backoff.reset();
                        failures = 0;
                    }
                    if !options.reconnect {
                        ended
                            .trouble
                            .into_iter()
                            .for_each(|error| shared.blame(error.into()));
                        return;
                    }
                    ended.trouble.map(Error::from)
                }
                Err(error) => {
                    shared.count(self.account, "failed to connect");
                    failures += 1;
                    let hopeless = error.is_permanent() && !options.reconnect;
                    let most = options.retries.unwrap_or(match options.reconnect {
                        true => u32::MAX,
                        false => 0,
                    });
                    if hopeless || failures > most {
                        shared.blame(error.into());
                        return;
                    }
                    Some(error.into())
                }
            };
            shared.give_up_expected(self.index);
            if shared.stopped() {
                return;
            }
            let pause = match &error {
                Some(error) if is_lasting(error) => backoff.longest(),
                _ => backoff.next(),
            };
            match error {
                Some(error) => {
                    // Without the time, so that the same error is said once.
                    voice.say(format!("{error}; trying again"));
                    if options.fail_fast || matches!(error, Error::Stream(_)) {
                        shared.blame(error);
                    }
                }
                None => voice.say(format!("{name}: ended; connecting again")),
            }
            shared.sleep(pause);
        }
    }

    /// Lets peers in, each with a thread of its own.
    pub(crate) fn keep_listening(&self, listener: &Listener, voice: Voice) {
        let shared = &self.shared;
        let voice = Arc::new(Mutex::new(voice));
        // Without reconnecting: whether a peer has come with a file header.
        let served = Arc::new(AtomicBool::new(false));
        let mut peers: Vec<thread::JoinHandle<()>> = Vec::new();
        while !shared.stopped() && !served.load(Ordering::Relaxed) {
            peers.retain(|peer| !peer.is_finished());
            let pending = match listener.accept(stream::TICK) {
                Ok(Some(pending)) => pending,
                Ok(None) => continue,
                Err(error) => {
                    shared.count(self.account, "failed to accept");
                    say(
                        &voice,
                        format!("cannot let peers in: {error}; trying again"),
                    );
                    shared.sleep(stream::TICK);
                    continue;
                }
            };
            let Some(seat) = Seat::take(shared, pending.peer().ip()) else {
                shared.count(self.account, "turned away");
                say(
                    &voice,
                    format!("{}: turned away, too many connections", pending.peer()),
                );
                continue;
            };
            let (source, voice, served) = (self.clone(), Arc::clone(&voice), Arc::clone(&served));
            let thread = Thread::new(shared);
            let spawned = thread::Builder::new().spawn(move || {
                let (_thread, _seat) = (thread, seat);
                source.serve(pending, &voice, &served);
            });
            match spawned {
                Ok(handle) => peers.push(handle),
                Err(_) => shared.count(self.account, "turned away"),
            }
        }
        for peer in peers {
            // What a panic was about is known to `Thread`.
            let _ = peer.join();
        }
    }

    /// Reads what one peer that has connected to us sends.
    fn serve(&self, pending: Pending, voice: &Mutex<Voice>, served: &AtomicBool) {
        let shared = &self.shared;
        let ip = pending.peer().ip().to_string();
        let address = pending.peer().to_string();
        let connection = match pending.handshake(shared.options.connect_timeout) {
            Ok(connection) => connection,
            Err(error) => {
                shared.count(self.account, "failed handshakes");
                return say(voice, error.to_string());
            }
        };
        // By the name in its certificate, else by address without the port, which is another each
        // time a sensor connects.
        let peer = connection.peer().to_owned();
        let known = if peer == address { ip } else { peer };
        let name = SourceName::take(shared, &known);
        let account = shared.account(&name.1);
        shared.count(account, "connections");
        say(voice, format!("{address}: connected, called {}", name.1));
        let ended = self.read(connection, &name.1, account);
        let last_words = match &ended.trouble {
            Some(error) => error.to_string(),
            None => format!("{}: ended after {} packets", name.1, ended.packets),
        };
        say(voice, last_words);
        if ended.began && !shared.options.reconnect {
            served.store(true, Ordering::Relaxed);
            ended
                .trouble
                .into_iter()
                .for_each(|error| shared.blame(error.into()));
        }
    }

    /// Reads a stream to its end.
    fn read(&self, connection: Connection, name: &str, account: usize) -> Ended {
        let shared = &self.shared;
        let options = &shared.options;
        let connection = Arc::new(Mutex::new(connection));
        let rules = Rules {
            header_timeout: options.header_timeout,
            max_record: options.max_record,
            decompress: options.decompress,
        };
        let mut ended = Ended {
            began: false,
            packets: 0,
            trouble: None,
        };
        match stream::open(name, &connection, rules, &shared.stop) {
            Ok(Some(source)) => {
                ended.began = true;
                shared.begin(account);
                let mut flow = Flow::new(self, name, account, source);
                let result = flow.run();
                ended.packets = flow.packets;
                ended.trouble = result.err();
            }
            Ok(None) => {}
            Err(error) => ended.trouble = Some(error),
        }
        let mut connection = stream::lock(&connection);
        if ended.trouble.is_none() && connection.is_unclean() {
            shared.count(account, "ends without close_notify");
            if options.tls.strict {
                ended.trouble = Some(StreamError {
                    peer: name.to_owned(),
                    fault: Fault::Truncated,
                    offset: 0,
                    packets: ended.packets,
                    reason: "TLS ended without close_notify, and strictness is asked for".into(),
                });
            }
        }
        match &ended.trouble {
            Some(error) => shared.count(account, error.fault.name()),
            None if shared.stopped() => {}
            // The peer has ended, so this does not wait for it.
            None => drop(connection.close()),
        }
        ended
    }
}

/// Whether only a person can mend it: who is believed, and what is spoken.
fn is_lasting(error: &Error) -> bool {
    match error {
        Error::Connect(error) => error.is_permanent(),
        Error::Stream(error) => !matches!(
            error.fault,
            Fault::Lost | Fault::Truncated | Fault::TimedOut
        ),
        _ => false,
    }
}

fn say(voice: &Mutex<Voice>, line: String) {
    voice
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .say(line);
}

/// One of the connections that listeners may have.
struct Seat(Arc<Shared>, IpAddr);

impl Seat {
    fn take(shared: &Arc<Shared>, peer: IpAddr) -> Option<Seat> {
        let mut state = shared.state();
        let all: usize = state.peers.values().sum();
        let own = state.peers.get(&peer).copied().unwrap_or(0);
        if all >= shared.options.max_connections || own >= shared.options.max_per_address {
            return None;
        }
        state.peers.insert(peer, own + 1);
        Some(Seat(Arc::clone(shared), peer))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if let Some(count) = state.peers.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                state.peers.remove(&self.1);
            }
        }
    }
}

/// The name of a source that has connected to us: who it is, and a number if it is connected more
/// than once. So it has the same name when it comes again, and there are not more names than sources.
struct SourceName(Arc<Shared>, String);

impl SourceName {
    fn take(shared: &Arc<Shared>, known: &str) -> SourceName {
        let mut state = shared.state();
        let mut name = known.to_owned();
        let mut number = 1;
        while !state.names.insert(name.clone()) {
            number += 1;
            name = format!("{known}#{number}");
        }
        SourceName(Arc::clone(shared), name)
    }
}

impl Drop for SourceName {
    fn drop(&mut self) {
        self.0.state().names.remove(&self.1);
    }
}

/// What an address tells the user, not too often: hostile peers can make a lot happen.
pub(crate) struct Voice {
    notify: Option<Notify>,
    last: String,
    since: Instant,
    lines: u32,
}

impl Voice {
    pub(crate) fn new(notify: Option<Notify>) -> Voice {
        Voice {
            notify,
            last: String::new(),
            since: Instant::now(),
            lines: 0,
        }
    }

    /// Says a line, unless it is the same as the last, or one too many.
    fn say(&mut self, line: String) {
        let Some(notify) = &self.notify else {
            return;
        };
        let (most, time) = LINES;
        if self.since.elapsed() >= time {
            (self.since, self.lines) = (Instant::now(), 0);
        }
        if line == self.last || self.lines >= most {
            return;
        }
        notify(&line);
        self.lines += 1;
        self.last = line;
    }
}
