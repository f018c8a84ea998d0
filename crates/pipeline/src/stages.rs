//! What happens to a batch between its walk and its delivery, in its turn: fragments, where it has any,
//! then the lanes.
//!
//! Workers hand in what they have done and get the next jobs into the queue themselves. So what a batch
//! needs next is mostly done by the worker that has it in its cache, and the sequencer hears of a batch
//! once, when it is finished.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::Sender;
use netcap_dissect::{Output, Registry};
use netcap_flow::{FragmentLedger, RunClock, StreamLedger};

use crate::Config;
use crate::fragments::Fragments;
use crate::job::{Done, Job, Parcel};
use crate::lanes::{LaneWork, Lanes, Seat};
use crate::queue::Queue;

/// The batches on their way, for all threads.
pub(crate) struct Stages<'a> {
    registry: &'a Registry,
    queue: &'a Queue<Job>,
    done: Sender<Done>,
    state: Mutex<State>,
}

struct State {
    /// Batches that came before their turn.
    early: BTreeMap<u64, Box<Parcel>>,
    /// Number of the batch whose turn it is.
    next: u64,
    clock: RunClock,
    /// Away while a worker has them.
    fragments: Option<Box<Fragments>>,
    lanes: Lanes,
}

impl<'a> Stages<'a> {
    /// Batches that are finished go to `done`.
    pub(crate) fn new(
        registry: &'a Registry,
        config: &Config,
        queue: &'a Queue<Job>,
        done: Sender<Done>,
    ) -> Stages<'a> {
        Stages {
            registry,
            queue,
            done,
            state: Mutex::new(State {
                early: BTreeMap::new(),
                next: 0,
                clock: RunClock::default(),
                fragments: Some(Box::new(Fragments::new(registry, config.fragments))),
                lanes: Lanes::new(registry, config),
            }),
        }
    }

    /// Nobody panics while holding the lock but by a bug, which ends the program.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a batch that was walked.
    pub(crate) fn walked(&self, parcel: Box<Parcel>) {
        let mut state = self.lock();
        state.early.insert(parcel.batch.sequence, parcel);
        self.advance(&mut state);
    }

    /// Takes the fragments back, and the batch that they were put together of.
    pub(crate) fn put_together(&self, fragments: Box<Fragments>, parcel: Box<Parcel>) {
        let mut state = self.lock();
        state.fragments = Some(fragments);
        state.lanes.enter(parcel, self.registry, self.queue);
        self.advance(&mut state);
    }

    /// Takes a lane back, and what it gave for a batch or as an answer.
    ///
    /// What comes of it is sent without the lock, which whoever empties the channel needs too; so
    /// batches may be sent out of their order.
    pub(crate) fn left_lane(&self, seat: Box<Seat>, work: LaneWork, output: Output) {
        if let LaneWork::Batch(parcel) = work {
            // The lanes keep the one that the batch comes back from.
            drop(parcel);
            let mut finished = Vec::new();
            {
                let mut state = self.lock();
                state.lanes.leave(seat, output, self.registry, self.queue);
                finished.extend(std::iter::from_fn(|| state.lanes.finished()));
            }
            for (parcel, outputs) in finished {
                let _ = self.done.send(Done::Finished(Box::new(parcel), outputs));
            }
        } else {
            self.lock().lanes.sit(seat);
            let _ = self.done.send(Done::Answer(work, output));
        }
    }

    /// Has all batches go on whose turn it is.
    fn advance(&self, state: &mut State) {
        while let Some(fragments) = state.fragments.take() {
            let Some(mut parcel) = state.early.remove(&state.next) else {
                state.fragments = Some(fragments);
                return;
            };
            state.next += 1;
            state.clock.complete(&mut parcel.walked.rest.notes);
            if Fragments::are_in(&parcel.walked) {
                self.queue.push_urgent(Job::Fragments(fragments, parcel));
            } else {
                state.fragments = Some(fragments);
                state.lanes.enter(parcel, self.registry, self.queue);
            }
        }
    }

    /// Asks all lanes, which have nothing else to do, for something. Gives the number of answers to
    /// wait for.
    pub(crate) fn ask_lanes(&self, work: impl Fn() -> LaneWork) -> usize {
        self.lock().lanes.ask(work, self.registry, self.queue)
    }

    /// Takes an output for further use.
    pub(crate) fn reuse(&self, output: Output) {
        self.lock().lanes.reuse(output);
    }

    /// Whether no batch is on its way here.
    pub(crate) fn are_empty(&self) -> bool {
        let state = self.lock();
        state.lanes.are_empty() && state.early.is_empty() && state.fragments.is_some()
    }

    /// Flows that are open, of the model that has most.
    pub(crate) fn open(&self) -> usize {
        self.lock().lanes.open()
    }

    /// What became of fragments and streams, and how many flows were evicted: when nothing is on its
    /// way.
    pub(crate) fn ledgers(&self) -> (FragmentLedger, StreamLedger, u64) {
        let state = self.lock();
        let fragments = state.fragments.as_ref().map(|fragments| fragments.ledger());
        let (streams, evicted) = state.lanes.ledgers();
        (fragments.unwrap_or_default(), streams, evicted)
    }
}
