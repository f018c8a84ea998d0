//! A sensor's way to the broker.
//!
//! Guarantees: memory is bounded ([`SenderOptions::queue_octets`]); what was taken is published until the
//! broker acknowledges it; and where the input is repeatable, a sensor that was killed and begins again with
//! the same stream loses nothing and doubles nothing. For that there are three rules:
//!
//! - Its batches are the same in every run: they are cut here, by their octets alone, and not by the time
//!   that the records took. Each run begins where one of the batches does. So whatever of a run that was
//!   killed is still under way and arrives late is one of the batches that this run sends too, and its
//!   claim (see the crate) is the same.
//! - A type's batch is published when the one before is acknowledged, so the broker never has a batch and not
//!   the one before it, and the end of the last one is where to go on. Types do not wait for each other.
//! - What is left at the end of a run that was interrupted is not sent: it is no whole batch, and the
//!   repetition sends it.
//!
//! `Nats-Expected-Last-Subject-Sequence` would not do this: batches leave the stream as servers take them, in
//! any order, so the last sequence of a subject goes back, to 0 in the end, and a late batch that expects
//! that is let in. `Nats-Msg-Id` spares most repetitions the way through the servers, but the broker
//! forgets it, with the message when it is started again, so nothing depends on it.
//!
//! Batches of a source that cannot be repeated go as they come, many at a time; nobody asks for their
//! positions.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_nats::Client;
use netcap_record::Schema;
use netcap_remote::{Batch, Error, LONGEST_BATCH, Sender, StreamId};
use tokio::sync::{mpsc as queue, oneshot};

use crate::connection::is_connected;
use crate::names::number;
use cut::Cutter;

mod cut;
mod lanes;
mod options;

pub use options::{Full, SenderOptions, Sent};

/// How often a wait looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// Sends batches through a broker. See the module.
pub struct NatsSender {
    options: SenderOptions,
    shared: Arc<Shared>,
    positions: HashMap<u16, u64>,
    /// Where the batches of each type go; under 0 those of all.
    lanes: HashMap<u16, queue::UnboundedSender<Batch>>,
    /// Batches that are not full, of a repeatable input.
    cutter: Cutter,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What both threads know.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Octets of records taken, and not acknowledged.
    waiting: usize,
    batches: usize,
    records: u64,
    sent: Sent,
    /// While the thread has one.
    client: Option<Client>,
    trouble: Option<String>,
}

/// Tells what has become of batches.
#[derive(Clone)]
pub struct SenderCounters(Arc<Shared>);

impl SenderCounters {
    /// At this moment.
    pub fn snapshot(&self) -> Sent {
        let state = self.0.lock();
        Sent {
            waiting: state.waiting,
            waiting_records: state.records,
            connected: state.client.as_ref().is_some_and(is_connected),
            ..state.sent
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: &Error) {
        self.lock().trouble.get_or_insert(error.to_string());
        self.changed.notify_all();
    }
}

impl NatsSender {
    /// Begins to connect. Where the input is repeatable this waits for the broker, which knows the
    /// positions.
    ///
    /// # Errors
    /// Where the connection's files cannot be read, the broker has streams of other kinds, or the run is
    /// stopped.
    pub fn start(options: SenderOptions) -> Result<NatsSender, Error> {
        if options.stream == StreamId::default() {
            return Err(Error::Transport("a stream of zeros is none".to_owned()));
        }
        let types = netcap_pipeline::schemas();
        let shared = Arc::new(Shared::default());
        let (end, ended) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let (mut lanes, mut receivers) = (HashMap::new(), Vec::new());
        let keys: Vec<u16> = match options.is_repeatable {
            true => types.iter().map(|schema| number(schema)).collect(),
            false => vec![0],
        };
        for key in keys {
            let (sender, receiver) = queue::unbounded_channel();
            lanes.insert(key, sender);
            receivers.push(receiver);
        }
        let run = lanes::Run {
            options: options.clone(),
            shared: Arc::clone(&shared),
            types,
            lanes: receivers,
            tell,
        };
        let thread = thread::Builder::new()
            .name("nats".to_owned())
            .spawn(move || run.run(ended))
            .map_err(|error| Error::Transport(format!("no thread can be started: {error}")))?;
        let mut sender = NatsSender {
            options,
            shared,
            positions: HashMap::new(),
            lanes,
            cutter: Cutter::default(),
            end: Some(end),
            thread: Some(thread),
        };
        sender.positions = sender.wait_for_start(&told)?;
        Ok(sender)
    }

    /// What has become of batches so far.
    pub fn sent(&self) -> Sent {
        self.counters().snapshot()
    }

    /// What tells the same when the sender is elsewhere.
    pub fn counters(&self) -> SenderCounters {
        SenderCounters(Arc::clone(&self.shared))
    }

    fn wait_for_start(
        &self,
        told: &mpsc::Receiver<Result<HashMap<u16, u64>, Error>>,
    ) -> Result<HashMap<u16, u64>, Error> {
        loop {
            match told.recv_timeout(LOOK) {
                Ok(positions) => return positions,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(Error::Transport(
                        "the thread that sends has ended".to_owned(),
                    ));
                }
            }
            // Nothing was taken yet that could be delivered.
            if self.options.stop.load(Ordering::Relaxed) {
                return Err(Error::Transport(
                    "stopped before the broker had told where to begin".to_owned(),
                ));
            }
        }
    }

    /// Whether a wait has gone on for too long after a stop. What waits are so many batches and records.
    fn check_patience(
        &self,
        stopped: &mut Option<Instant>,
        (batches, records): (usize, u64),
    ) -> Result<(), Error> {
        if !self.options.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        match stopped {
            None => *stopped = Some(Instant::now()),
            Some(since) if since.elapsed() < self.options.patience => {}
            Some(_) => {
                return Err(Error::Transport(format!(
                    "stopped, and the broker does not answer or takes nothing: {records} records in {batches} \
                     batches were not delivered"
                )));
            }
        }
        Ok(())
    }

    /// Waits until a batch may be taken; whether it may.
    fn make_room(&self, batch: &Batch, full: Full) -> Result<bool, Error> {
        let octets = batch.frames.len();
        let mut stopped = None;
        let mut state = self.shared.lock();
        loop {
            if let Some(trouble) = &state.trouble {
                return Err(Error::Transport(trouble.clone()));
            }
            // One that is larger than all of the queue goes alone.
            if state.waiting == 0 || state.waiting + octets <= self.options.queue_octets {
                return Ok(true);
            }
            if full == Full::Drop {
                return Ok(false);
            }
            let before = state.batches;
            let waited = self.shared.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.batches < before {
                stopped = None;
            }
            let waits = (state.batches + 1, state.records + u64::from(batch.count));
            self.check_patience(&mut stopped, waits)?;
        }
    }

    /// Hands a batch to the thread.
    fn pass(&mut self, batch: Batch) -> Result<(), Error> {
        let octets = batch.frames.len();
        if octets > LONGEST_BATCH {
            self.shared.lock().sent.too_long += u64::from(batch.count);
            return Ok(());
        }
        if !self.make_room(&batch, self.options.full())? {
            self.shared.lock().sent.dropped += u64::from(batch.count);
            return Ok(());
        }
        let key = match self.options.is_repeatable {
            true => number(batch.schema),
            false => 0,
        };
        {
            let mut state = self.shared.lock();
            state.waiting += octets;
            state.batches += 1;
            state.records += u64::from(batch.count);
        }
        match self.lanes.get(&key).map(|lane| lane.send(batch)) {
            Some(Ok(())) => Ok(()),
            _ => Err(Error::Transport(
                "the thread that sends has ended".to_owned(),
            )),
        }
    }
}

impl Sender for NatsSender {
    fn send(&mut self, batch: Batch) -> Result<(), Error> {
        match self.options.is_repeatable {
            true => {
                let most = self.options.batch_octets;
                let full = self.cutter.cut(&batch, most);
                full.into_iter().try_for_each(|batch| self.pass(batch))
            }
            false => self.pass(batch),
        }
    }

    fn tick(&mut self) -> Result<(), Error> {
        match &self.shared.lock().trouble {
            Some(trouble) => Err(Error::Transport(trouble.clone())),
            None => Ok(()),
        }
    }

    fn position(&self, schema: &'static Schema) -> u64 {
        let position = self.positions.get(&number(schema));
        position.copied().unwrap_or_default()
    }

    fn finish(&mut self, is_complete: bool) -> Result<(), Error> {
        if is_complete {
            let rest = self.cutter.rest();
            rest.into_iter().try_for_each(|batch| self.pass(batch))?;
        }
        let mut stopped = None;
        let mut before = usize::MAX;
        loop {
            let state = self.shared.lock();
            if let Some(trouble) = &state.trouble {
                return Err(Error::Transport(trouble.clone()));
            }
            if state.batches == 0 {
                return Ok(());
            }
            if state.batches < before {
                stopped = None;
                before = state.batches;
            }
            let waits = (state.batches, state.records);
            drop(self.shared.changed.wait_timeout(state, LOOK));
            self.check_patience(&mut stopped, waits)?;
        }
    }
}

impl Drop for NatsSender {
    /// Does not wait for the broker: what it has not acknowledged is not sent.
    fn drop(&mut self) {
        drop(self.end.take());
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
