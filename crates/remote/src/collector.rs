//! The server of the compatible mode: receives datagrams, opens them, and appends what is in them to the
//! files of their clients.
//!
//! ```text
//! receiver  takes datagrams from the socket, and sorts them by the key of their sensor
//! workers   open, inflate and look through them, and append; a sensor is always the same worker's,
//!           so its records stay in the order in which they came
//! keeper    each second has all that waits written and put onto the disk
//! ```
//!
//! Guarantees: no datagram ends the server. What is taken up is bounded, whatever comes: octets that
//! wait for workers and for the disk, keys that are remembered, clients. What is not kept is counted by
//! its reason. [`Collector::stop`] returns when all that was received is on the disk.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use netcap_record::Schema;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};

use crate::Error;
use crate::archive::{Archive, lock};
use crate::client_name::ClientName;
use crate::kernel_drops::kernel_drops;
use crate::keys::{PrivateKey, PublicKey};
use crate::members::inflate;
use crate::plaintext::{LONGEST_MESSAGE, Received, decode};
use crate::refusal::Refusal;
use crate::sealed::Opener;

/// Octets of the largest datagram, and room.
const ROOM: usize = 65_535;
/// Octets of the socket's receive buffer that are asked for; the system gives what it allows.
const RECEIVE_BUFFER: usize = 16 << 20;
/// Octets of datagrams that are handed to a worker together, when they come fast.
const LOAD: usize = 256 << 10;
/// Loads that wait for a worker.
const QUEUE: usize = 32;
/// Datagrams after which all workers get what there is for them, though more are coming.
const HAND_OUT: u32 = 256;
/// How long a socket without datagrams is waited for before looking whether to stop, in milliseconds.
const PATIENCE: u16 = 100;
/// How long datagrams are still taken from the socket after the stop: those that had arrived.
const LAST: Duration = Duration::from_secs(1);
/// How often all is written and put onto the disk.
const PERIOD: Duration = Duration::from_secs(1);
/// Octets of records that may wait to be written, of all clients together.
const WAITING: usize = 32 << 20;
/// Announcements of payloads that a worker remembers.
const ANNOUNCED: usize = 16 << 10;

/// How a server collects.
#[derive(Clone, Debug)]
pub struct CollectorOptions {
    /// Threads that open datagrams; at least 1.
    pub workers: usize,
    /// Clients that are taken from one start to the next stop. A client is whoever gives a name, so
    /// without a limit anybody could fill the disk with folders.
    pub clients: usize,
    /// Keys of sensors that are remembered, of all workers together: 40 KiB each at most.
    pub sensors: usize,
}

impl Default for CollectorOptions {
    fn default() -> CollectorOptions {
        CollectorOptions {
            workers: 2,
            clients: 1024,
            sensors: 4096,
        }
    }
}

/// What became of datagrams since the start. What was kept of each client the archive
/// [counts](Archive::counts).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorCounts {
    /// Datagrams that were received; each was taken, refused, or dropped.
    pub datagrams: u64,
    /// Datagrams that were taken, those that hold only a header too.
    pub taken: u64,
    /// Who sent those.
    pub clients: BTreeSet<ClientName>,
    /// How many datagrams were refused, for every reason but repetition.
    pub refusals: BTreeMap<Refusal, u64>,
    /// Datagrams that had come before.
    pub duplicates: u64,
    /// Datagrams that were dropped because workers were late.
    pub queue_drops: u64,
    /// Datagrams that the system dropped because the socket's buffer was full, as of the last second;
    /// none where it does not say.
    pub kernel_drops: Option<u64>,
    /// Times that the system refused to receive.
    pub receive_errors: u64,
    /// Octets of the socket's receive buffer, as the system counts them.
    pub receive_buffer: usize,
}

/// A server that collects until it is stopped.
pub struct Collector {
    shared: Arc<Shared>,
    receiver: Option<JoinHandle<()>>,
    workers: Mutex<Vec<JoinHandle<()>>>,
    /// Closed, it ends the keeper.
    keeper: Option<(Sender<()>, JoinHandle<()>)>,
}

/// What the threads share.
struct Shared {
    archive: Arc<Archive>,
    schemas: Vec<&'static Schema>,
    most_clients: usize,
    stopping: AtomicBool,
    datagrams: AtomicU64,
    taken: AtomicU64,
    clients: Mutex<BTreeSet<ClientName>>,
    refusals: [AtomicU64; Refusal::ALL.len()],
    queue_drops: AtomicU64,
    receive_errors: AtomicU64,
    receive_buffer: usize,
    kernel: Mutex<KernelDrops>,
    /// Octets that were appended since all was written last.
    waiting: AtomicUsize,
    /// The disk refuses, so nothing is appended until it takes again what waits.
    refuses: AtomicBool,
    trouble: Mutex<Option<Error>>,
}

/// The system counts modulo 2^32.
#[derive(Default)]
struct KernelDrops {
    last: Option<u32>,
    total: u64,
}

/// Datagrams for a worker, one after the other.
#[derive(Default)]
struct Load {
    octets: Vec<u8>,
    ends: Vec<usize>,
}

impl Load {
    fn push(&mut self, datagram: &[u8]) {
        self.octets.extend_from_slice(datagram);
        self.ends.push(self.octets.len());
    }

    fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| &self.octets[start..*end])
    }

    fn clear(&mut self) {
        self.octets.clear();
        self.ends.clear();
    }
}

impl Collector {
    /// Collects what comes to a bound socket, sealed for `secret`.
    ///
    /// # Errors
    /// Where the socket or a thread cannot be had.
    pub fn start(
        socket: UdpSocket,
        secret: &PrivateKey,
        archive: Arc<Archive>,
        options: &CollectorOptions,
    ) -> Result<Collector, Error> {
        let address = match socket.local_addr() {
            Ok(address) => address.to_string(),
            Err(_) => "UDP socket".to_owned(),
        };
        let trouble = |source: io::Error| Error::io(Path::new(&address))(source);
        socket.set_nonblocking(true).map_err(trouble)?;
        // The first may exceed what the system allows to everybody, and takes privileges.
        let forced = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER);
        let options_of = socket2::SockRef::from(&socket);
        if forced.is_err() {
            options_of
                .set_recv_buffer_size(RECEIVE_BUFFER)
                .map_err(trouble)?;
        }
        let workers = options.workers.max(1);
        let shared = Arc::new(Shared {
            archive,
            schemas: netcap_pipeline::schemas(),
            most_clients: options.clients,
            stopping: AtomicBool::new(false),
            datagrams: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            clients: Mutex::default(),
            refusals: Default::default(),
            queue_drops: AtomicU64::new(0),
            receive_errors: AtomicU64::new(0),
            receive_buffer: options_of.recv_buffer_size().map_err(trouble)?,
            kernel: Mutex::default(),
            waiting: AtomicUsize::new(0),
            refuses: AtomicBool::new(false),
            trouble: Mutex::default(),
        });
        let mut collector = Collector {
            shared: Arc::clone(&shared),
            receiver: None,
            workers: Mutex::default(),
            keeper: None,
        };
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
            thread.map_err(trouble)
        };

        // From here on a failure drops the collector, which ends the threads that there are.
        let (back, free) = unbounded();
        let mut queues = Vec::new();
        for _ in 0..workers {
            let (queue, loads) = bounded(QUEUE);
            queues.push(queue);
            let mut worker = Worker {
                shared: Arc::clone(&shared),
                opener: Opener::new(secret.clone(), options.sensors / workers),
                message: Vec::new(),
                announced: HashSet::new(),
            };
            let back = back.clone();
            let thread = spawn("opener", Box::new(move || worker.run(&loads, &back)))?;
            lock(&collector.workers).push(thread);
        }
        let watched = socket.try_clone().map_err(trouble)?;
        let (stop, stopped) = bounded(0);
        let keeper = Arc::clone(&shared);
        let keeper = Box::new(move || keep(&keeper, &watched, &stopped));
        collector.keeper = Some((stop, spawn("keeper", keeper)?));
        let mut reception = Reception {
            shared,
            socket,
            open: queues.iter().map(|_| Load::default()).collect(),
            queues,
            free,
            hasher: RandomState::new(),
        };
        collector.receiver = Some(spawn("receiver", Box::new(move || reception.run()))?);
        Ok(collector)
    }

    /// The counts of this moment.
    pub fn counts(&self) -> CollectorCounts {
        self.shared.counts()
    }

    /// What the disk, or a file in the way, has refused since this was last asked. The collector goes on,
    /// and refuses datagrams as long as the disk does; whoever asks may end it.
    ///
    /// # Panics
    /// Where a thread of the collector has panicked, which is a bug.
    pub fn trouble(&self) -> Option<Error> {
        let mut workers = lock(&self.workers);
        if let Some(place) = workers.iter().position(JoinHandle::is_finished) {
            join(workers.swap_remove(place));
        }
        lock(&self.shared.trouble).take()
    }

    /// Stops receiving, works up what was received, and has it put onto the disk.
    ///
    /// # Errors
    /// Where the disk refuses, or has refused since [`Collector::trouble`] was last asked.
    pub fn stop(mut self) -> Result<CollectorCounts, Error> {
        self.end();
        match lock(&self.shared.trouble).take() {
            Some(trouble) => Err(trouble),
            None => Ok(self.shared.counts()),
        }
    }

    fn end(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        // In this order: each ends those after it.
        if let Some(receiver) = self.receiver.take() {
            join(receiver);
        }
        for worker in lock(&self.workers).drain(..) {
            join(worker);
        }
        if let Some((stop, keeper)) = self.keeper.take() {
            drop(stop);
            join(keeper);
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.end();
        }
    }
}

/// Waits for a thread; its bug is one here.
fn join(thread: JoinHandle<()>) {
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

impl Shared {
    fn counts(&self) -> CollectorCounts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let count = |refusal: Refusal| get(&self.refusals[refusal as usize]);
        let kernel = lock(&self.kernel);
        CollectorCounts {
            datagrams: get(&self.datagrams),
            taken: get(&self.taken),
            clients: lock(&self.clients).clone(),
            refusals: Refusal::ALL
                .into_iter()
                .filter(|refusal| *refusal != Refusal::Duplicate)
                .map(|refusal| (refusal, count(refusal)))
                .collect(),
            duplicates: count(Refusal::Duplicate),
            queue_drops: get(&self.queue_drops),
            kernel_drops: kernel.last.map(|_| kernel.total),
            receive_errors: get(&self.receive_errors),
            receive_buffer: self.receive_buffer,
        }
    }

    /// Appends records to the file of their client.
    fn append(&self, received: &Received<'_>, payloads: bool) -> Result<(), Refusal> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(Refusal::NotStored);
        }
        let name = ClientName::new(received.client);
        {
            let mut clients = lock(&self.clients);
            if !clients.contains(&name) {
                if clients.len() >= self.most_clients {
                    return Err(Refusal::ClientLimit);
                }
                clients.insert(name.clone());
            }
        }
        // A header alone makes no file.
        if received.count > 0 {
            let appended = self.archive.client(&name).and_then(|client| {
                lock(&client).append_frames(
                    received.schema,
                    payloads,
                    received.frames,
                    received.count,
                )
            });
            if let Err(error) = appended {
                self.refused_by_disk(error);
                return Err(Refusal::NotStored);
            }
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        let more = received.frames.len();
        if self.waiting.fetch_add(more, Ordering::Relaxed) + more > WAITING {
            self.waiting.store(0, Ordering::Relaxed);
            if let Err(error) = self.archive.flush() {
                self.refused_by_disk(error);
            }
        }
        Ok(())
    }

    /// A file that is in the way concerns its client only; all else may concern everybody, and what is
    /// appended would wait in memory without end.
    fn refused_by_disk(&self, error: Error) {
        if !matches!(error, Error::Foreign { .. }) {
            self.refuses.store(true, Ordering::Relaxed);
        }
        lock(&self.trouble).get_or_insert(error);
    }

    /// Has all that waits written and put onto the disk.
    fn write(&self) {
        self.waiting.store(0, Ordering::Relaxed);
        match self.archive.flush().and_then(|()| self.archive.commit()) {
            Ok(()) => self.refuses.store(false, Ordering::Relaxed),
            Err(error) => self.refused_by_disk(error),
        }
    }
}

/// The thread that receives.
struct Reception {
    shared: Arc<Shared>,
    socket: UdpSocket,
    queues: Vec<Sender<Load>>,
    /// For each worker what it gets next.
    open: Vec<Load>,
    /// Loads that workers are done with.
    free: Receiver<Load>,
    hasher: RandomState,
}

impl Reception {
    fn run(&mut self) {
        let mut room = vec![0; ROOM];
        let mut since = 0;
        let mut last = None;
        loop {
            if last.is_none() && self.shared.stopping.load(Ordering::Relaxed) {
                last = Some(Instant::now() + LAST);
            }
            if last.is_some_and(|last| Instant::now() > last) {
                break;
            }
            match self.socket.recv(&mut room) {
                Ok(length) => {
                    self.shared.datagrams.fetch_add(1, Ordering::Relaxed);
                    self.sort(&room[..length]);
                    since += 1;
                    if since >= HAND_OUT {
                        since = 0;
                        self.hand_out();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    since = 0;
                    self.hand_out();
                    if last.is_some() {
                        break;
                    }
                    self.wait();
                }
                Err(_) => {
                    self.shared.receive_errors.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(10));
                }
            }
        }
        for (queue, load) in self.queues.drain(..).zip(self.open.drain(..)) {
            // The worker is there, unless it has panicked.
            let _ = queue.send(load);
        }
    }

    /// Waits for a datagram, or until it is time to look around.
    fn wait(&self) {
        let is_waiting = self.open.iter().any(|load| !load.ends.is_empty());
        let patience = if is_waiting { 1 } else { PATIENCE };
        let mut sockets = [PollFd::new(
            std::os::fd::AsFd::as_fd(&self.socket),
            PollFlags::POLLIN,
        )];
        if poll(&mut sockets, PollTimeout::from(patience)).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Puts a datagram with those for the worker of its sensor.
    fn sort(&mut self, datagram: &[u8]) {
        let key = datagram.get(..32).unwrap_or(datagram);
        let place = (self.hasher.hash_one(key) % self.open.len() as u64) as usize;
        if self.open[place].octets.len() >= LOAD && !self.hand_to(place) {
            self.shared.queue_drops.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.open[place].push(datagram);
    }

    fn hand_out(&mut self) {
        for place in 0..self.open.len() {
            if !self.open[place].ends.is_empty() {
                self.hand_to(place);
            }
        }
    }

    /// Hands a worker what there is for it; false where its queue is full, and it gets that later.
    fn hand_to(&mut self, place: usize) -> bool {
        if self.queues[place].is_full() {
            return false;
        }
        let empty = self.free.try_recv().unwrap_or_default();
        let load = std::mem::replace(&mut self.open[place], empty);
        // Nobody else fills the queue, so there is room; a worker that has panicked takes nothing.
        self.queues[place].try_send(load).is_ok()
    }
}

/// A thread that opens datagrams.
struct Worker {
    shared: Arc<Shared>,
    opener: Opener,
    message: Vec<u8>,
    /// Sensors and types whose header said that records hold payloads.
    announced: HashSet<(PublicKey, &'static str)>,
}

impl Worker {
    fn run(&mut self, loads: &Receiver<Load>, back: &Sender<Load>) {
        for mut load in loads {
            for datagram in load.datagrams() {
                if let Err(refusal) = self.take(datagram) {
                    self.shared.refusals[refusal as usize].fetch_add(1, Ordering::Relaxed);
                }
            }
            load.clear();
            // When nobody receives any more, it is only dropped.
            let _ = back.send(load);
        }
    }

    fn take(&mut self, datagram: &[u8]) -> Result<(), Refusal> {
        let sealed = self.opener.open(datagram)?;
        if inflate(&sealed.plaintext, LONGEST_MESSAGE, &mut self.message).is_err() {
            return Err(if self.message.len() > LONGEST_MESSAGE {
                Refusal::TooLong
            } else {
                Refusal::NotGzip
            });
        }
        let received = decode(&self.shared.schemas, &self.message)?;
        let announcement = (sealed.sensor, received.schema.name);
        let payloads = received.payloads || self.announced.contains(&announcement);
        if received.payloads {
            if self.announced.len() >= ANNOUNCED {
                self.announced.clear();
            }
            self.announced.insert(announcement);
        }
        self.shared.append(&received, payloads)
    }
}

/// Writes each second, until the channel is closed.
fn keep(shared: &Shared, socket: &UdpSocket, stopped: &Receiver<()>) {
    loop {
        let is_last = stopped.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout);
        if let Some(drops) = kernel_drops(socket) {
            let mut kernel = lock(&shared.kernel);
            let more = drops.wrapping_sub(kernel.last.unwrap_or_default());
            kernel.total += u64::from(more);
            kernel.last = Some(drops);
        }
        shared.write();
        if is_last {
            return;
        }
    }
}
