//! What the threads of a collector share: counts, who may send, and the way to the files.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use netcap_record::Schema;

use super::{CollectorCounts, CollectorOptions};
use crate::Error;
use crate::archive::{Archive, lock};
use crate::client_name::ClientName;
use crate::plaintext::Received;
use crate::refusal::Refusal;
use crate::reliable::Enrolment;

/// Octets of records that may wait to be written, of all clients together.
const WAITING: usize = 32 << 20;

/// See the module.
pub(super) struct Shared {
    archive: Arc<Archive>,
    pub(super) schemas: Vec<&'static Schema>,
    /// New folders that are made at most.
    most_clients: usize,
    enrolment: Option<Arc<Enrolment>>,
    /// Names that are enrolled, as of the last second.
    enrolled: RwLock<HashSet<ClientName>>,
    /// Set by the stop: when workers leave what waits.
    end: OnceLock<Instant>,
    pub(super) datagrams: AtomicU64,
    taken: AtomicU64,
    clients: Mutex<Clients>,
    pub(super) refusals: [AtomicU64; Refusal::ALL.len()],
    pub(super) queue_drops: AtomicU64,
    pub(super) receive_errors: AtomicU64,
    receive_buffer: usize,
    pub(super) kernel: Mutex<KernelDrops>,
    /// Octets that were appended since all was written last.
    waiting: AtomicUsize,
    /// The disk refuses, so nothing is appended until it takes again what waits.
    refuses: AtomicBool,
    pub(super) trouble: Mutex<Option<Error>>,
}

/// Whose datagrams were taken.
#[derive(Default)]
struct Clients {
    names: BTreeSet<ClientName>,
    /// Those of them that had no folder.
    new: usize,
}

/// The system counts modulo 2^32.
#[derive(Default)]
pub(super) struct KernelDrops {
    pub(super) last: Option<u32>,
    pub(super) total: u64,
}

impl Shared {
    pub(super) fn new(
        archive: Arc<Archive>,
        options: &CollectorOptions,
        receive_buffer: usize,
    ) -> Shared {
        let shared = Shared {
            archive,
            schemas: netcap_pipeline::schemas(),
            most_clients: options.clients,
            enrolment: options.enrolment.clone(),
            enrolled: RwLock::default(),
            end: OnceLock::new(),
            datagrams: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            clients: Mutex::default(),
            refusals: Default::default(),
            queue_drops: AtomicU64::new(0),
            receive_errors: AtomicU64::new(0),
            receive_buffer,
            kernel: Mutex::default(),
            waiting: AtomicUsize::new(0),
            refuses: AtomicBool::new(false),
            trouble: Mutex::default(),
        };
        shared.look_who_is_enrolled();
        shared
    }

    /// Has all threads end; workers go on with what waits for them for so long.
    pub(super) fn stop(&self, left: Duration) {
        self.end.get_or_init(|| Instant::now() + left);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.end.get().is_some()
    }

    /// Whether the time for what waits is over.
    pub(super) fn is_over(&self) -> bool {
        self.end.get().is_some_and(|end| Instant::now() >= *end)
    }

    /// Reads the names of the enrolled again, where their file has changed.
    pub(super) fn look_who_is_enrolled(&self) {
        let Some(enrolment) = &self.enrolment else {
            return;
        };
        let names = enrolment.names();
        let folders = names.iter().map(|name| ClientName::new(name.as_bytes()));
        let folders = folders.collect();
        *self
            .enrolled
            .write()
            .unwrap_or_else(PoisonError::into_inner) = folders;
    }

    pub(super) fn counts(&self) -> CollectorCounts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let count = |refusal: Refusal| get(&self.refusals[refusal as usize]);
        let kernel = lock(&self.kernel);
        CollectorCounts {
            datagrams: get(&self.datagrams),
            taken: get(&self.taken),
            clients: lock(&self.clients).names.clone(),
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

    /// Lets a client in, or not. Who has a folder is let in always: only new folders are something that
    /// liars could make without end.
    fn let_in(&self, name: &ClientName) -> Result<(), Refusal> {
        let enrolled = self.enrolled.read().unwrap_or_else(PoisonError::into_inner);
        if enrolled.contains(name) {
            return Err(Refusal::EnrolledName);
        }
        let mut clients = lock(&self.clients);
        if clients.names.contains(name) {
            return Ok(());
        }
        let folder = self.archive.directory().join(name.folder());
        if !folder.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            if clients.new >= self.most_clients {
                return Err(Refusal::ClientLimit);
            }
            clients.new += 1;
        }
        clients.names.insert(name.clone());
        Ok(())
    }

    /// Appends records to the file of their client.
    pub(super) fn append(&self, received: &Received<'_>, payloads: bool) -> Result<(), Refusal> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(Refusal::NotStored);
        }
        let name = ClientName::new(received.client);
        self.let_in(&name)?;
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
    pub(super) fn write(&self) {
        self.waiting.store(0, Ordering::Relaxed);
        match self.archive.flush().and_then(|()| self.archive.commit()) {
            Ok(()) => self.refuses.store(false, Ordering::Relaxed),
            Err(error) => self.refused_by_disk(error),
        }
    }
}
