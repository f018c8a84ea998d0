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
//! its reason. No sensor keeps others out by sending more, as long as it has one key. [`Collector::stop`]
//! returns when what was received is on the disk, or after a few seconds counted as dropped.

mod keeper;
mod load;
mod reception;
mod shared;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use nix::sys::socket::{setsockopt, sockopt};

use crate::Error;
use crate::archive::{Archive, lock};
use crate::client_name::ClientName;
use crate::keys::PrivateKey;
use crate::refusal::Refusal;
use crate::reliable::Enrolment;

use keeper::keep;
use load::Sorter;
use reception::Reception;
use shared::Shared;
use worker::Worker;

/// Octets of the socket's receive buffer that are asked for; the system gives what it allows.
const RECEIVE_BUFFER: usize = 16 << 20;
/// How long workers go on after the stop with what waits for them.
const LAST_WORK: Duration = Duration::from_secs(5);

/// How a server collects.
#[derive(Clone)]
pub struct CollectorOptions {
    /// Threads that open datagrams; at least 1.
    pub workers: usize,
    /// Clients without a folder that are taken from one start to the next stop. A client is whoever gives a
    /// name, so without a limit anybody could fill the disk with folders. Who has one is always taken.
    pub clients: usize,
    /// Sensors that have keys of their own, where they are received too: datagrams under their names are
    /// refused.
    pub enrolment: Option<Arc<Enrolment>>,
    /// Keys of sensors that are remembered, of all workers together: 40 KiB each at most.
    pub sensors: usize,
}

impl Default for CollectorOptions {
    fn default() -> CollectorOptions {
        CollectorOptions {
            workers: 2,
            clients: 1024,
            enrolment: None,
            sensors: 4096,
        }
    }
}

/// The outcomes of datagrams since the start. What was kept of each client the archive
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
    /// Datagrams that were dropped because workers were late, or had not come to them when the server ended.
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
        let receive_buffer = options_of.recv_buffer_size().map_err(trouble)?;
        let shared = Arc::new(Shared::new(archive, options, receive_buffer));
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
        let (sorter, loads) = Sorter::new(workers);
        for loads in loads {
            let sensors = options.sensors / workers;
            let mut worker = Worker::new(Arc::clone(&shared), secret.clone(), sensors);
            let thread = spawn("opener", Box::new(move || worker.run(&loads)))?;
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
            sorter,
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

    /// Stops receiving, works up what was received, for five seconds at most, and has it put onto the disk.
    /// Tells why the disk refuses, or has refused since [`Collector::trouble`] was last asked.
    pub fn stop(mut self) -> (CollectorCounts, Option<Error>) {
        self.end();
        let trouble = lock(&self.shared.trouble).take();
        (self.shared.counts(), trouble)
    }

    fn end(&mut self) {
        self.shared.stop(LAST_WORK);
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
