//! A server: takes batches from the broker in groups, and keeps those that nobody else has.
//!
//! Guarantees: a message is acknowledged when a claim on its batch is at the broker, and a claim is made when
//! the batch is on the disk. No group is taken before all of the one before is settled, so of a server that
//! was killed only the last [`GROUP`] members of each file can be open; when it starts again it settles
//! those first. For that no other than NATS servers may write to its archive.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_nats::Client;
use netcap_remote::{Archive, Error};
use tokio::runtime::Builder;

use crate::address::Connection;
use crate::connection::{Limits, Notify, is_connected};
use crate::message::Refusal;
use crate::server_name::server_name;

mod groups;
mod incoming;

/// Messages of a group at most. Another version may have less, never more.
const GROUP: usize = 64;

/// How a server takes batches.
#[derive(Clone)]
pub struct ServerOptions {
    /// The broker.
    pub connection: Connection,
    /// What the server calls itself, which no other may: letters, digits, `-`, `_`. Without it a random name
    /// is kept in the archive.
    pub name: Option<String>,
    /// After which time the broker gives a batch to another server. The first server that comes to a broker
    /// decides.
    pub ack_wait: Duration,
    /// What there may be at the broker, if it is this server that makes its streams.
    pub limits: Limits,
    /// Is told what a person may want to know.
    pub notify: Notify,
}

impl ServerOptions {
    /// A random name, 30 seconds, and nobody is told anything.
    pub fn new(connection: Connection) -> ServerOptions {
        ServerOptions {
            connection,
            name: None,
            ack_wait: Duration::from_secs(30),
            limits: Limits::default(),
            notify: Arc::new(|_| ()),
        }
    }
}

/// What has become of messages since the start that were not kept. What was the archive
/// [counts](Archive::counts).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages of batches that were claimed when they came.
    pub duplicates: u64,
    /// Batches that were taken back, because another copy was claimed first.
    pub voided: u64,
    /// Messages that were refused, by reason.
    pub refused: BTreeMap<Refusal, u64>,
    /// Whether the broker is there at this moment.
    pub connected: bool,
}

/// A server that runs. See the module.
pub struct NatsServer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What both threads know.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    counts: Mutex<Counts>,
    /// While the thread has one.
    client: Mutex<Option<Client>>,
    trouble: Mutex<Option<String>>,
}

impl NatsServer {
    /// Begins to take batches, as soon as the broker is there.
    ///
    /// # Errors
    /// Where the server has no name, or no thread can be started.
    pub fn start(options: ServerOptions, archive: Arc<Archive>) -> Result<NatsServer, Error> {
        let name = server_name(archive.directory(), options.name.as_deref())?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime
            .map_err(|error| Error::Transport(format!("no connections can be made: {error}")))?;
        let shared = Arc::new(Shared::default());
        let told = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("nats".to_owned())
            .spawn(move || {
                let run = groups::run(&options, &archive, &name, &told);
                if let Err(error) = runtime.block_on(run) {
                    lock(&told.trouble).get_or_insert(error.to_string());
                }
                lock(&told.client).take();
            })
            .map_err(|error| Error::Transport(format!("no thread can be started: {error}")))?;
        Ok(NatsServer {
            shared,
            thread: Some(thread),
        })
    }

    /// What has become of messages so far.
    pub fn counts(&self) -> Counts {
        let connected = lock(&self.shared.client).as_ref().is_some_and(is_connected);
        Counts {
            connected,
            ..lock(&self.shared.counts).clone()
        }
    }

    /// Why the server has ended, if it has: its disk refuses, or the broker's streams are of other kinds.
    /// A broker that is away is none.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.shared.trouble).clone()
    }

    /// Ends the server: what it has taken from the broker is settled, if the broker is there, and otherwise
    /// when it starts again.
    pub fn stop(mut self) -> Counts {
        self.end();
        self.counts()
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A bug in the thread is a bug of the program.
            if let Err(panic) = thread.join()
                && !thread::panicking()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.end();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
