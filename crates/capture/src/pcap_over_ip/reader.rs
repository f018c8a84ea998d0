//! Packets from PCAP-over-IP peers, as a live source: any number of addresses, connected to or waited
//! for, each connection read by a thread of its own and all of them put into one order.
//!
//! Guarantees: a peer's mistake ends its own connection and is counted, and what came before it is
//! delivered; nothing is dropped, a peer that sends too fast is held up by TCP; memory stays below
//! [`Reader::ceiling`]. Only when every address has come to its end, which without reconnecting is
//! the end of its stream, the worst error of all is given, once.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::address::{Address, Role};
use super::connection::{ConnectError, Listener};
use super::endpoint::{Endpoint, Voice};
use super::options::{InterfaceInfo, ReaderOptions};
use super::shared::{Account, EXPECTED, Shared, State, Thread, wait};
use super::tls::{ClientTls, ServerTls};
use super::window::{Order, Window};
use crate::{Batch, Error, LIVE_TICK, Origin, Progress, Source, Timestamp};

/// What a connection holds beside two records: the blocks above and the chunk it fills.
const CONNECTION_OCTETS: usize = 256 << 10;
/// What a zstd or gzip decoder may hold: a zstd window of 128 MiB, the most its library grants.
const DECOMPRESSOR_OCTETS: usize = 128 << 20;
/// After so long a silence packet time goes on with the clock on the wall.
const SILENCE: Duration = Duration::from_secs(1);
/// How long dropping a reader waits for its threads; one that is connecting ends by itself later.
const PATIENCE: Duration = Duration::from_secs(1);

/// Packets from PCAP-over-IP peers.
pub struct Reader {
    name: String,
    shared: Arc<Shared>,
    threads: Vec<thread::JoinHandle<()>>,
    listening: Vec<std::net::SocketAddr>,
    inputs: usize,
    packets: u64,
    sequence: u64,
    /// The smallest time of the packets that were handed on last, and when that was.
    latest: Option<(Timestamp, Instant)>,
    /// Somebody wants no more.
    stopped: bool,
    ended: bool,
}

impl Reader {
    /// Begins to listen and to connect. Reading begins at once, up to what the window holds.
    ///
    /// # Errors
    /// TLS that cannot be set up, and addresses that cannot be listened on. Peers that cannot be
    /// reached are tried again, or are an error of [`Source::fill`].
    pub fn new(
        addresses: Vec<Address>,
        options: ReaderOptions,
        order: Order,
    ) -> Result<Reader, Error> {
        let setup = |error| Error::from(ConnectError::Tls(error));
        let uses_tls = |role| addresses.iter().any(|all| all.tls && all.role == role);
        let client = match uses_tls(Role::Connect) {
            true => Some(ClientTls::new(&options.tls).map_err(setup)?),
            false => None,
        };
        let server = match uses_tls(Role::Listen) {
            true => Some(ServerTls::new(&options.tls).map_err(setup)?),
            false => None,
        };
        let names: Vec<String> = addresses.iter().map(Address::to_string).collect();
        let window = Window::new(order, options.window, options.window_octets);
        let shared = Arc::new(Shared::new(window, options));
        let mut reader = Reader {
            name: names.join(", "),
            inputs: 0,
            threads: Vec::new(),
            listening: Vec::new(),
            packets: 0,
            sequence: 0,
            latest: None,
            stopped: false,
            ended: false,
            shared: Arc::clone(&shared),
        };
        let listens = addresses.iter().any(|all| all.role == Role::Listen);
        let connects = addresses.iter().filter(|all| all.role == Role::Connect);
        reader.inputs = connects.count();
        if listens {
            reader.inputs += shared.options.max_connections;
        }
        // All addresses to listen on are taken before the first peer is spoken to.
        let mut jobs: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        for (index, address) in addresses.into_iter().enumerate() {
            let source = Endpoint {
                account: shared.account(&address.to_string()),
                shared: Arc::clone(&shared),
                index,
                offset: address.offset,
            };
            let voice = Voice::new(shared.options.notify.clone());
            match address.role {
                Role::Connect => {
                    // What comes from others waits for the first of this one, as the window allows.
                    let lane = (index, EXPECTED);
                    shared.state().window.open(lane, source.account);
                    let tls = client.clone();
                    jobs.push(Box::new(move || {
                        source.keep_connected(&address, tls, voice)
                    }));
                }
                Role::Listen => {
                    let listener = Listener::bind(&address, server.clone())?;
                    reader.listening.push(listener.local_addr());
                    jobs.push(Box::new(move || source.keep_listening(&listener, voice)));
                }
            }
        }
        for job in jobs {
            let thread = Thread::new(&shared);
            let spawned = thread::Builder::new().spawn(move || {
                let _thread = thread;
                job();
            });
            reader.threads.push(spawned.map_err(|source| Error::Io {
                name: reader.name.clone(),
                source,
            })?);
        }
        Ok(reader)
    }

    /// All interfaces so far, by number; more may come with every call of [`Source::fill`], but a
    /// packet's is always there.
    pub fn interfaces(&self) -> Vec<InterfaceInfo> {
        self.shared.state().interfaces.clone()
    }

    /// Where it listens, in the order of the addresses that say so.
    pub fn listening(&self) -> &[std::net::SocketAddr] {
        &self.listening
    }

    /// The most octets that it holds, whatever peers do: for each input two records and 256 KiB, the
    /// window twice (its buffers grow by doubling), and decompressors if they are allowed.
    pub fn ceiling(&self) -> usize {
        let options = &self.shared.options;
        let decompressor = usize::from(options.decompress) * DECOMPRESSOR_OCTETS;
        let input = (2 * options.max_record).saturating_add(CONNECTION_OCTETS + decompressor);
        self.inputs
            .saturating_mul(input)
            .saturating_add(2 * options.window_octets)
    }

    /// Ends all connections. What has come is still given by [`Source::fill`], then the end, which is
    /// no error then.
    pub fn stop(&mut self) {
        self.shared.stop();
        self.stopped = true;
    }

    /// How late it is where the packets come from, once they have been silent for a while.
    fn clock(&self, now: Instant) -> Option<Timestamp> {
        let (time, when) = self.latest?;
        let silence = now.duration_since(when).checked_sub(SILENCE)?;
        let nanos = u64::from(time.nanos) + u64::from(silence.subsec_nanos());
        let seconds = time.seconds.saturating_add(silence.as_secs() as i64);
        Some(Timestamp::new(seconds, nanos))
    }
}

impl Source for Reader {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        batch.clear();
        batch.sequence = self.sequence;
        batch.first_index = self.packets;
        if self.ended {
            return Ok(false);
        }
        let end = Instant::now() + LIVE_TICK;
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        loop {
            let now = Instant::now();
            let State {
                window, accounts, ..
            } = &mut *state;
            // Of several packets one with an impossible time does not say how late it is.
            let mut earliest: Option<Timestamp> = None;
            window.take(batch, now, &mut |leaving| {
                let time = leaving.packet.timestamp;
                earliest = Some(earliest.map_or(time, |earliest| earliest.min(time)));
                if let Some(account) = accounts.get_mut(leaving.origin) {
                    account.add(&leaving);
                }
            });
            if !batch.is_empty() {
                shared.room.notify_all();
                self.latest = earliest.map(|time| (time, now));
                self.packets += batch.len() as u64;
                self.sequence += 1;
                return Ok(true);
            }
            if state.panicked {
                drop(state);
                panic!("a thread that reads from a peer has panicked");
            }
            if state.threads == 0 && state.window.is_empty() {
                self.ended = true;
                let trouble = state.trouble.take().filter(|_| !self.stopped);
                return trouble.map_or(Ok(false), Err);
            }
            if now >= end {
                batch.clock = self.clock(now);
                self.sequence += 1;
                return Ok(true);
            }
            let until = state.window.deadline().map_or(end, |time| time.min(end));
            state = wait(&shared.news, state, until.saturating_duration_since(now));
        }
    }

    fn progress(&self) -> Progress {
        Progress {
            done: self.shared.octets(),
            total: None,
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn is_live(&self) -> bool {
        true
    }

    fn origins(&mut self) -> Vec<Origin> {
        let state = self.shared.state();
        state.accounts.iter().map(Account::origin).collect()
    }

    fn stop(&mut self) {
        Reader::stop(self);
    }

    fn ceiling(&self) -> u64 {
        Reader::ceiling(self) as u64
    }
}

/// Stops the threads.
impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.stop();
        let end = Instant::now() + PATIENCE;
        let mut state = self.shared.state();
        while state.threads > 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = wait(&self.shared.news, state, left);
        }
        drop(state);
        for thread in self.threads.drain(..) {
            // Its panic has been told by `fill`, or nobody reads any longer.
            let _ = thread.join();
        }
    }
}
