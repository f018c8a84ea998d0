//! The calling thread of a run: gives what every batch became to the outlet, in order, and the batch
//! back to the reader. It dissects nothing, keeps no table and writes nothing itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use netcap_capture::Progress;
use netcap_dissect::{Chunk, Output, Registry};
use netcap_flow::FragmentLedger;

use crate::bodies::BodySink;
use crate::job::{Done, End, Parcel};
use crate::lanes::LaneWork;
use crate::merge::merge;
use crate::outlet::{Delivery, Outlet, Upkeep, Workers};
use crate::reader::Supply;
use crate::side::Side;
use crate::stages::Stages;
use crate::{Error, Ledger, Report, Watch};

/// How often the caller hears of progress, and an idle run looks whether it should stop.
const TICK: Duration = Duration::from_millis(100);
/// How long a source may go on reading once the run should stop.
const PATIENCE: Duration = Duration::from_millis(500);

/// Why the sequencer cannot go on.
pub(crate) enum Stopped {
    Failed(Error),
    /// A thread is about to end the program.
    Panicked,
}

impl<E: Into<Error>> From<E> for Stopped {
    fn from(error: E) -> Stopped {
        Stopped::Failed(error.into())
    }
}

/// See the module.
pub(crate) struct Sequencer<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) outlet: &'a mut dyn Outlet,
    pub(crate) stages: &'a Stages<'a>,
    pub(crate) workers: Workers<'a>,
    pub(crate) done: Receiver<Done>,
    pub(crate) supply: &'a Supply,
    pub(crate) bodies: Option<BodySink>,
    pub(crate) is_live: bool,
    /// Whether the packets come from what may wait, and can be had but once.
    pub(crate) may_wait: bool,
    pub(crate) state: State,
}

/// How far the run has come.
#[derive(Default)]
pub(crate) struct State {
    ledger: Ledger,
    /// Records by the place of their type.
    records: Vec<u64>,
    /// Batches that are finished and wait for their turn to be delivered, by number, and what lanes
    /// gave for them.
    finished: BTreeMap<u64, (Box<Parcel>, Vec<Output>)>,
    /// Batches delivered.
    delivered: u64,
    /// Whether the last period has ended, or was to.
    is_closed: bool,
    progress: Progress,
    /// How the reader came to its end, once it has.
    end: Option<End>,
    /// The errors that the logs of closed periods have told of.
    told: BTreeMap<String, u64>,
    /// What lanes answered at the end.
    answers: Vec<(LaneWork, Output)>,
}

impl Sequencer<'_> {
    /// Takes what the threads have done until all is done. Says whether the reader has ended.
    pub(crate) fn run(
        mut self,
        stop: &AtomicBool,
        watch: &mut dyn FnMut(Watch<'_>),
    ) -> Result<(Report, bool), Stopped> {
        let abandoned = match self.take_all(stop, watch) {
            Ok(abandoned) => abandoned,
            Err(stopped) => {
                // What was done until then is known, whatever came after.
                watch(self.watch(Upkeep::default()));
                if let Some(bodies) = &mut self.bodies {
                    bodies.close();
                }
                if self.may_wait && matches!(stopped, Stopped::Failed(_)) {
                    // Nobody can have those packets again, so what there is of them is kept.
                    drop(self.close_period(false));
                }
                return Err(stopped);
            }
        };
        let ledger = &mut self.state.ledger;
        let (fragments, streams, evicted) = self.stages.ledgers();
        ledger.fragments = FragmentLedger {
            cut: ledger.fragments.cut,
            ..fragments
        };
        (ledger.streams, ledger.flows_evicted) = (streams, evicted);
        let report = Report {
            ledger: self.state.ledger,
            trouble: self.state.end.and_then(|end| end.trouble),
            interrupted: stop.load(Ordering::Relaxed),
        };
        Ok((report, !abandoned))
    }

    /// Says whether a reader that still waits is left to itself.
    fn take_all(
        &mut self,
        stop: &AtomicBool,
        watch: &mut dyn FnMut(Watch<'_>),
    ) -> Result<bool, Stopped> {
        let mut watched = Instant::now();
        let mut quiet_since = Instant::now();
        let mut abandoned = false;
        while !self.is_done() {
            match self.done.recv_timeout(TICK) {
                Ok(done) => {
                    self.receive(done)?;
                    quiet_since = Instant::now();
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let over = stop.load(Ordering::Relaxed) && self.state.end.is_none();
                    if over && self.stages.are_empty() && quiet_since.elapsed() > PATIENCE {
                        abandoned = true;
                        break;
                    }
                }
            }
            while !self.workers.are_busy()
                && let Some((parcel, outputs)) = self.state.finished.remove(&self.state.delivered)
            {
                self.deliver(parcel, outputs)?;
            }
            if self.outlet.is_over(SystemTime::now()) {
                self.close_period(true)?;
            }
            if watched.elapsed() >= TICK {
                watched = Instant::now();
                let upkeep = self.outlet.tidy(&mut self.workers);
                watch(self.watch(upkeep));
            }
        }
        if let Some(end) = &mut self.state.end {
            // Only now: batches that were delivered after the end was known told an older account.
            self.state.ledger.origins = std::mem::take(&mut end.origins);
        }
        self.close_lanes()?;
        // Once with all packets, before the outlet closes: a sensor tells the server of them.
        let upkeep = self.outlet.tidy(&mut self.workers);
        watch(self.watch(upkeep));
        self.close_period(false)?;
        Ok(abandoned)
    }

    fn is_done(&self) -> bool {
        let end = self.state.end.as_ref();
        end.is_some_and(|end| end.batches == self.state.delivered)
    }

    fn watch(&self, upkeep: Upkeep) -> Watch<'_> {
        Watch {
            ledger: &self.state.ledger,
            records: &self.state.records,
            progress: self.state.progress,
            is_live: self.is_live,
            flows: self.stages.open(),
            upkeep,
        }
    }

    /// Takes what a thread has done.
    fn receive(&mut self, done: Done) -> Result<(), Stopped> {
        match done {
            Done::Finished(parcel, outputs) => {
                let number = parcel.batch.sequence;
                self.state.finished.insert(number, (parcel, outputs));
            }
            Done::Answer(work, output) => self.state.answers.push((work, output)),
            Done::Task => {
                self.workers.task_ended();
                self.outlet.task_ended(&mut self.workers)?;
            }
            Done::End(end) => self.state.end = Some(end),
            Done::Panicked => return Err(Stopped::Panicked),
        }
        Ok(())
    }

    /// Gives what a batch became to the outlet, and the batch back to the reader.
    fn deliver(&mut self, mut parcel: Box<Parcel>, outputs: Vec<Output>) -> Result<(), Stopped> {
        if let Some(trouble) = parcel.walked.rest.trouble.take() {
            return Err(trouble.into());
        }
        let first = parcel.batch.first_index + 1;
        self.merge(&mut parcel.walked.output.chunks, first, outputs)?;
        let (state, walked) = (&mut self.state, &mut parcel.walked);
        state.ledger.add(&walked.rest.ledger);
        state.ledger.fragments.cut += walked.rest.fragmented.iter().map(|f| f.cut).sum::<u64>();
        if let Some(origins) = parcel.origins.take() {
            state.ledger.origins = origins;
        }
        state.progress = parcel.progress;
        state.delivered += 1;
        let delivery = Delivery {
            registry: self.registry,
            first,
            packets: walked.rest.ledger.packets,
            chunks: &mut walked.output.chunks,
            sides: &mut walked.rest.sides.0,
        };
        self.give(delivery)?;
        self.supply.give(parcel);
        Ok(())
    }

    /// Adds what lanes gave to what packets gave.
    fn merge(
        &mut self,
        chunks: &mut [Chunk],
        first: u64,
        outputs: Vec<Output>,
    ) -> Result<(), Stopped> {
        let mut outputs = outputs.into_iter();
        let Some(mut all) = outputs.next() else {
            return Ok(());
        };
        for mut output in outputs {
            all.append(&mut output);
            self.stages.reuse(output);
        }
        all.sort_by_turn();
        merge(chunks, first, &mut all);
        if let (Some(sink), Some(bodies)) = (&mut self.bodies, &mut all.bodies) {
            sink.take(bodies.events.drain(..).map(|(_, event)| event));
            self.state.ledger.bodies.clone_from(sink.ledger());
        }
        self.stages.reuse(all);
        Ok(())
    }

    fn give(&mut self, mut delivery: Delivery<'_>) -> Result<(), Stopped> {
        let State {
            ledger, records, ..
        } = &mut self.state;
        records.resize(records.len().max(delivery.chunks.len()), 0);
        for (records, chunk) in records.iter_mut().zip(delivery.chunks.iter()) {
            *records += chunk.records();
        }
        ledger.records += delivery.records();
        Ok(self.outlet.take(&mut delivery, &mut self.workers)?)
    }

    /// Closes all flows and streams, piece by piece in the order in which they began.
    fn close_lanes(&mut self) -> Result<(), Stopped> {
        let mut up_to = 0;
        while up_to != u64::MAX {
            let answers = self.ask_lanes(|| LaneWork::Measure(0))?;
            let least = answers.iter().map(|(work, _)| match work {
                LaneWork::Measure(up_to) => *up_to,
                _ => u64::MAX,
            });
            up_to = least.min().unwrap_or(u64::MAX);
            let answers = self.ask_lanes(|| LaneWork::Close(up_to))?;
            let outputs = answers.into_iter().map(|(_, output)| output).collect();
            let mut chunks = vec![Chunk::default(); self.registry.selected().len()];
            self.merge(&mut chunks, 0, outputs)?;
            self.give(Delivery {
                registry: self.registry,
                first: 0,
                packets: 0,
                chunks: &mut chunks,
                sides: &mut [],
            })?;
            while self.workers.are_busy() {
                self.wait()?;
            }
        }
        Ok(())
    }

    /// Has all lanes, which have nothing else to do, answer something.
    fn ask_lanes(
        &mut self,
        work: impl Fn() -> LaneWork,
    ) -> Result<Vec<(LaneWork, Output)>, Stopped> {
        let asked = self.stages.ask_lanes(work);
        while self.state.answers.len() < asked {
            self.wait()?;
        }
        Ok(std::mem::take(&mut self.state.answers))
    }

    /// Ends a period, and begins another one if it `goes_on`. The last one ends once, whatever comes of it.
    fn close_period(&mut self, goes_on: bool) -> Result<(), Stopped> {
        if !goes_on && std::mem::replace(&mut self.state.is_closed, true) {
            return Ok(());
        }
        let mut log = Chunk::default();
        let State { ledger, told, .. } = &mut self.state;
        ledger.write_news(told, &mut log.octets);
        if !log.octets.is_empty() && self.outlet.wants_sides() {
            self.give(Delivery {
                registry: self.registry,
                first: 0,
                packets: 0,
                chunks: &mut [],
                sides: &mut [(Side::Log, log)],
            })?;
        }
        self.outlet.end_period(&mut self.workers)?;
        while self.workers.under_way() > 0 {
            self.wait()?;
        }
        Ok(self.outlet.close_period(goes_on)?)
    }

    /// Waits for a thread to have done something.
    fn wait(&mut self) -> Result<(), Stopped> {
        match self.done.recv() {
            Ok(done) => self.receive(done),
            Err(_) => Err(Stopped::Panicked),
        }
    }
}
