//! The sensor of the compatible mode: each batch is one UDP datagram, compressed and sealed, as the
//! server of 2019 reads it.
//!
//! The first datagram of each type holds a `Header` and nothing else: the server of 2019 throws the
//! first batch of a file away, so no record is lost by that.
//!
//! Guarantees: a datagram is never longer than the option says, and holds no more than a server takes from
//! one of its length; what is too long for one is split between records, and only a single record that does not fit is left out, and counted by its type. A
//! server that is not there, or a network that refuses, is counted and ends nothing. What was taken is
//! sent before [`Sender::finish`] returns. Whether it arrives nobody can tell: nothing is acknowledged.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, TrySendError, bounded};
use netcap_record::{Header, RecordType, Schema, Text, Timestamp, frame, split_frame};
use netcap_store::Gzip;

use crate::Error;
use crate::archive::lock;
use crate::batch::{Batch, Sender};
use crate::keys::PublicKey;
use crate::plaintext::{encode, longest};
use crate::sealed::{OVERHEAD, Sealer};

/// Octets that a UDP datagram over IPv4 can hold.
pub const LONGEST_DATAGRAM: usize = 65_507;
/// Octets that the server of 2019 reads of a datagram; what is longer it cannot open.
const READ_IN_2019: usize = 10_240;
/// Batches that wait to be sent.
const QUEUE: usize = 256;
/// With a rate: datagrams that were late go out together, up to as many as are due in this time.
const CATCH_UP: Duration = Duration::from_millis(10);
/// How often a datagram is tried for which the system has no room.
const ATTEMPTS: u32 = 20;

/// How a sensor sends.
#[derive(Clone, Debug)]
pub struct SenderOptions {
    /// Name of the client: `ClientID`. Any octets; the server makes a folder's name of them.
    pub client: Vec<u8>,
    /// What is read, for headers: an interface or a file. Not empty.
    pub source: Vec<u8>,
    /// Program and version, for headers. Not empty.
    pub version: String,
    /// Octets of records in a batch at most, as the batches are made. A sealed datagram has no more
    /// either, but 10,240 always, and never more than [`LONGEST_DATAGRAM`].
    pub max: usize,
    /// Where batches come faster than they go: whether to wait (for a file), or to drop them and count
    /// them (in live capture).
    pub waits: bool,
    /// Datagrams in a second at most; 0 for as many as there are. A server's receive buffer is small.
    pub rate: u32,
}

/// Sends batches as datagrams, on a thread of its own.
pub struct UdpSender {
    queue: Option<crossbeam_channel::Sender<Batch>>,
    thread: Option<JoinHandle<Result<(), Error>>>,
    waits: bool,
    counters: Arc<SenderCounters>,
}

impl UdpSender {
    /// Sends to a server, sealed for its key. Nothing is sent yet.
    ///
    /// # Errors
    /// Where there is no socket to be had, or the key protects nothing.
    pub fn start(
        server: SocketAddr,
        key: &PublicKey,
        options: SenderOptions,
    ) -> Result<UdpSender, Error> {
        let address = server.to_string();
        let local: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(local)
            .and_then(|socket| socket.connect(server).map(|()| socket))
            .map_err(Error::io(Path::new(&address)))?;
        let (queue, batches) = bounded(QUEUE);
        let counters = Arc::new(SenderCounters::default());
        let waits = options.waits;
        let mut sending = Sending {
            socket,
            sealer: Sealer::new(key)?,
            gzip: Gzip::default(),
            longest: options.max.clamp(READ_IN_2019, LONGEST_DATAGRAM),
            pace: Pace::new(options.rate),
            options,
            announced: Vec::new(),
            message: Vec::new(),
            counters: Arc::clone(&counters),
        };
        let thread = thread::Builder::new()
            .name("sender".to_owned())
            .spawn(move || sending.run(&batches))
            .map_err(Error::io(Path::new(&address)))?;
        Ok(UdpSender {
            queue: Some(queue),
            thread: Some(thread),
            waits,
            counters,
        })
    }

    /// What is counted, to be read at any time and by any thread.
    pub fn counters(&self) -> Arc<SenderCounters> {
        Arc::clone(&self.counters)
    }

    /// Waits for the thread, which ends when the queue is empty and closed.
    fn join(&mut self) -> Result<(), Error> {
        self.queue = None;
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(ended)) => ended,
            // A bug there is one here.
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

impl Sender for UdpSender {
    fn send(&mut self, batch: Batch) -> Result<(), Error> {
        let Some(queue) = &self.queue else {
            return Ok(());
        };
        let is_closed = if self.waits {
            queue.send(batch).is_err()
        } else {
            match queue.try_send(batch) {
                Err(TrySendError::Full(batch)) => {
                    add(&self.counters.dropped, u64::from(batch.count));
                    false
                }
                sent => sent.is_err(),
            }
        };
        // The thread has ended before its time, and tells why.
        if is_closed { self.join() } else { Ok(()) }
    }

    fn finish(&mut self, _is_complete: bool) -> Result<(), Error> {
        self.join()
    }
}

/// What a sensor has sent, while it sends.
#[derive(Debug, Default)]
pub struct SenderCounters {
    batches: AtomicU64,
    records: AtomicU64,
    octets: AtomicU64,
    datagrams: AtomicU64,
    dropped: AtomicU64,
    send_errors: AtomicU64,
    rare: Mutex<Rare>,
}

#[derive(Debug, Default)]
struct Rare {
    too_large: BTreeMap<&'static str, u64>,
    last_error: Option<String>,
}

/// What a sensor has sent, at some moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SenderCounts {
    /// Batches that were worked on.
    pub batches: u64,
    /// Records in datagrams that were handed to the system.
    pub records: u64,
    /// Octets of these datagrams.
    pub octets: u64,
    /// Datagrams that were handed to the system, those with headers too.
    pub datagrams: u64,
    /// Records that were left out because one alone is too long for a datagram, or for a server to take
    /// from so short a one, by the names of their types.
    pub too_large: BTreeMap<&'static str, u64>,
    /// Records that were dropped because the queue was full.
    pub dropped: u64,
    /// Times that the system refused: nobody listens there, no route. A datagram that it refuses is
    /// tried again at once where the refusal was about an earlier one.
    pub send_errors: u64,
    /// What the system said last, for a line of a log now and then.
    pub last_error: Option<String>,
}

impl SenderCounters {
    /// The counts of this moment.
    pub fn snapshot(&self) -> SenderCounts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let rare = lock(&self.rare);
        SenderCounts {
            batches: get(&self.batches),
            records: get(&self.records),
            octets: get(&self.octets),
            datagrams: get(&self.datagrams),
            too_large: rare.too_large.clone(),
            dropped: get(&self.dropped),
            send_errors: get(&self.send_errors),
            last_error: rare.last_error.clone(),
        }
    }

    fn refused(&self, error: &io::Error) {
        add(&self.send_errors, 1);
        lock(&self.rare).last_error = Some(error.to_string());
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

/// The thread that sends.
struct Sending {
    socket: UdpSocket,
    sealer: Sealer,
    gzip: Gzip,
    /// Octets of a datagram at most.
    longest: usize,
    pace: Pace,
    options: SenderOptions,
    /// Types whose header was sent.
    announced: Vec<&'static str>,
    message: Vec<u8>,
    counters: Arc<SenderCounters>,
}

impl Sending {
    fn run(&mut self, batches: &Receiver<Batch>) -> Result<(), Error> {
        for batch in batches {
            let schema = batch.schema;
            if !self.announced.contains(&schema.name) {
                self.announced.push(schema.name);
                let header = self.header(schema, batch.payloads);
                let datagram = self.datagram(schema, &header)?;
                // A source whose name is longer than a datagram is not announced.
                if datagram.len() <= self.longest {
                    self.transmit(&datagram);
                }
            }
            let mut frames = Vec::new();
            let mut rest = &batch.frames[..];
            while let Some((_, behind)) = split_frame(rest) {
                frames.push(&rest[..rest.len() - behind.len()]);
                rest = behind;
            }
            self.send(schema, &batch.frames, &frames)?;
            add(&self.counters.batches, 1);
        }
        Ok(())
    }

    /// Sends records, in as many datagrams as it takes. `octets` are those of all `frames`.
    fn send(
        &mut self,
        schema: &'static Schema,
        octets: &[u8],
        frames: &[&[u8]],
    ) -> Result<(), Error> {
        if frames.is_empty() {
            return Ok(());
        }
        let datagram = self.datagram(schema, octets)?;
        let compressed = datagram.len() - OVERHEAD;
        if datagram.len() <= self.longest && self.message.len() <= longest(compressed) {
            if self.transmit(&datagram) {
                add(&self.counters.records, frames.len() as u64);
            }
        } else if frames.len() == 1 {
            *lock(&self.counters.rare)
                .too_large
                .entry(schema.name)
                .or_default() += 1;
        } else {
            let (head, tail) = frames.split_at(frames.len() / 2);
            let place = head.iter().map(|frame| frame.len()).sum();
            let (front, back) = octets.split_at(place);
            self.send(schema, front, head)?;
            self.send(schema, back, tail)?;
        }
        Ok(())
    }

    fn datagram(&mut self, schema: &Schema, frames: &[u8]) -> Result<Vec<u8>, Error> {
        self.message.clear();
        encode(&self.options.client, schema, frames, &mut self.message);
        self.sealer.seal(&self.gzip.member(&self.message))
    }

    fn header(&self, schema: &Schema, payloads: bool) -> Vec<u8> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let header = Header {
            created: Timestamp::new(now.as_secs().cast_signed(), now.subsec_nanos()),
            input_source: Text(&self.options.source),
            record_type: RecordType(schema.number.unwrap_or_default()),
            version: Text(self.options.version.as_bytes()),
            contains_payloads: payloads,
        };
        let mut frames = Vec::new();
        frame(&header, &mut frames);
        frames
    }

    /// Hands a datagram to the system; false where it refuses.
    fn transmit(&mut self, datagram: &[u8]) -> bool {
        self.pace.wait();
        for _ in 0..ATTEMPTS {
            match self.socket.send(datagram) {
                Ok(_) => {
                    add(&self.counters.datagrams, 1);
                    add(&self.counters.octets, datagram.len() as u64);
                    return true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What ICMP said of an earlier datagram; this one was not sent yet.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    self.counters.refused(&error);
                }
                Err(error) if is_no_room(&error) => {
                    self.counters.refused(&error);
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => {
                    self.counters.refused(&error);
                    return false;
                }
            }
        }
        false
    }
}

/// Whether the system has no room for the datagram at the moment.
fn is_no_room(error: &io::Error) -> bool {
    let no_room = [nix::errno::Errno::ENOBUFS, nix::errno::Errno::EAGAIN];
    let number = error.raw_os_error();
    no_room.iter().any(|errno| number == Some(*errno as i32))
}

/// When the next datagram may go.
struct Pace {
    /// Time between two; none where there is no limit.
    step: Option<Duration>,
    next: Instant,
}

impl Pace {
    fn new(rate: u32) -> Pace {
        Pace {
            step: (rate > 0).then(|| Duration::from_secs(1) / rate),
            next: Instant::now(),
        }
    }

    fn wait(&mut self) {
        let Some(step) = self.step else {
            return;
        };
        let now = Instant::now();
        match self.next.checked_duration_since(now) {
            Some(early) => thread::sleep(early),
            None => {
                let since = now.checked_sub(CATCH_UP).unwrap_or(now);
                self.next = self.next.max(since);
            }
        }
        self.next += step;
    }
}
