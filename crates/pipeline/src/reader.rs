//! Batches from the source, until its end or that of the run.
//!
//! A file is read by the workers: one after the other reads the next batch, lets another one go on,
//! and walks what it has read, which its core has in its cache. A source that may have to wait for
//! somebody has a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, panic, thread};

use crossbeam_channel::{Receiver, Sender, bounded};
use netcap_capture::{LAST_WORDS, LIVE_TICK, Source};

use crate::RunLimits;
use crate::job::{Alarm, Done, End, Job, Parcel};
use crate::queue::Queue;

/// How long a live source may go on giving packets once the run should stop: its last words, and
/// what it waits before it finds that there are none.
const LIVE_PATIENCE: Duration = LAST_WORDS.saturating_add(LIVE_TICK.saturating_mul(2));
/// How often a source is asked where its packets come from.
const ACCOUNT: Duration = Duration::from_millis(500);

/// A source and how far it has been read.
pub(crate) struct Reader {
    source: Box<dyn Source>,
    limits: RunLimits,
    stop: Arc<AtomicBool>,
    batches: u64,
    packets: u64,
    trouble: Option<netcap_capture::Error>,
    started: Instant,
    asked: Instant,
    stopped: Option<Instant>,
    is_last: bool,
}

impl Reader {
    pub(crate) fn new(
        source: Box<dyn Source>,
        limits: RunLimits,
        stop: &Arc<AtomicBool>,
    ) -> Reader {
        Reader {
            source,
            limits,
            stop: Arc::clone(stop),
            batches: 0,
            packets: 0,
            trouble: None,
            started: Instant::now(),
            asked: Instant::now(),
            stopped: None,
            is_last: false,
        }
    }

    /// Fills a batch with the next packets; `false` at the end.
    fn fill(&mut self, parcel: &mut Parcel) -> bool {
        if self.is_last || self.limits.packets.is_some_and(|most| self.packets >= most) {
            return false;
        }
        let is_time = |most| self.started.elapsed() >= most;
        let is_over = self.limits.time.is_some_and(is_time) || self.stop.load(Ordering::Relaxed);
        if is_over && self.stopped.is_none() {
            if !self.source.is_live() {
                return false;
            }
            // What was captured before is waited for.
            self.source.stop();
            self.stopped = Some(Instant::now());
        }
        // Only then: in this call a source that keeps its promise counts what is left behind.
        self.is_last = self
            .stopped
            .is_some_and(|since| since.elapsed() >= LIVE_PATIENCE);
        match self.source.fill(&mut parcel.batch) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) => {
                self.trouble = Some(error);
                return false;
            }
        }
        if let Some(most) = self.limits.packets {
            let left = usize::try_from(most - self.packets).unwrap_or(usize::MAX);
            parcel.batch.truncate(left);
        }
        parcel.batch.sequence = self.batches;
        parcel.batch.first_index = self.packets;
        parcel.progress = self.source.progress();
        if self.asked.elapsed() >= ACCOUNT {
            self.asked = Instant::now();
            parcel.origins = Some(self.source.origins());
        }
        self.batches += 1;
        self.packets += parcel.batch.len() as u64;
        true
    }

    /// How it came to its end.
    fn end(mut self) -> End {
        End {
            batches: self.batches,
            origins: self.source.origins(),
            trouble: self.trouble,
        }
    }

    /// What the thread of a source that may wait does: fills free batches and has them walked.
    fn run(mut self, free: &Receiver<Box<Parcel>>, jobs: &Queue<Job>, done: &Sender<Done>) {
        let _alarm = Alarm(done.clone());
        while let Ok(mut parcel) = free.recv() {
            if !self.fill(&mut parcel) {
                break;
            }
            jobs.push(Job::Walk(parcel));
        }
        let _ = done.send(Done::End(self.end()));
    }
}

/// Free batches, and who fills them.
pub(crate) struct Supply {
    jobs: Arc<Queue<Job>>,
    filler: Filler,
}

enum Filler {
    Workers(Mutex<Desk>),
    Thread(Sender<Box<Parcel>>, JoinHandle<()>),
}

/// What workers find to read with.
struct Desk {
    /// Away while a worker reads.
    reader: Option<Box<Reader>>,
    #[expect(
        clippy::vec_box,
        reason = "a batch stays in its box as it goes from thread to thread"
    )]
    free: Vec<Box<Parcel>>,
}

impl Supply {
    /// Reads once batches are [given](Supply::give); at most `pool` of them.
    pub(crate) fn new(
        reader: Reader,
        pool: usize,
        jobs: &Arc<Queue<Job>>,
        done: &Sender<Done>,
    ) -> io::Result<Supply> {
        let filler = if reader.source.may_wait() {
            let (free_in, free) = bounded(pool);
            let (jobs, done) = (Arc::clone(jobs), done.clone());
            let thread = thread::Builder::new().name("reader".to_owned());
            let thread = thread.spawn(move || reader.run(&free, &jobs, &done))?;
            Filler::Thread(free_in, thread)
        } else {
            Filler::Workers(Mutex::new(Desk {
                reader: Some(Box::new(reader)),
                free: Vec::with_capacity(pool),
            }))
        };
        let jobs = Arc::clone(jobs);
        Ok(Supply { jobs, filler })
    }

    /// Takes a batch that is free.
    pub(crate) fn give(&self, parcel: Box<Parcel>) {
        match &self.filler {
            Filler::Workers(desk) => {
                let mut desk = lock(desk);
                match desk.reader.take() {
                    Some(reader) => self.jobs.push(Job::Read(reader, parcel)),
                    None => desk.free.push(parcel),
                }
            }
            Filler::Thread(free, _) => {
                let _ = free.try_send(parcel);
            }
        }
    }

    /// Fills a batch, and has another worker fill the next one. None at the end.
    pub(crate) fn read(
        &self,
        mut reader: Box<Reader>,
        mut parcel: Box<Parcel>,
        done: &Sender<Done>,
    ) -> Option<Box<Parcel>> {
        if !reader.fill(&mut parcel) {
            let _ = done.send(Done::End(reader.end()));
            return None;
        }
        if let Filler::Workers(desk) = &self.filler {
            let mut desk = lock(desk);
            match desk.free.pop() {
                Some(next) => self.jobs.push(Job::Read(reader, next)),
                None => desk.reader = Some(reader),
            }
        }
        Some(parcel)
    }

    /// Waits for the thread, if there is one, and goes on with its panic.
    pub(crate) fn join(self) {
        if let Filler::Thread(free, thread) = self.filler {
            drop(free);
            if let Err(panic) = thread.join() {
                panic::resume_unwind(panic);
            }
        }
    }
}

/// Nobody panics while holding the lock but by lack of memory.
fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}
