//! State across packets, on lanes: each owns some shards of all tables and takes the batches in their
//! order, one at a time, on whatever worker is free. What the lanes give for a batch is put into one
//! order again, so their number changes nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use netcap_capture::Timestamp;
use netcap_dissect::{Bodies, Output, Registry};
use netcap_flow::{Lane, SCHEMAS, StreamLedger};
use netcap_protocols::STREAMS;
use netcap_record::Time;

use crate::Config;
use crate::job::{Job, Parcel};
use crate::queue::Queue;
use crate::worker::Worker;

/// Flows and streams of each table of a lane that are closed at once at the end of a capture: their
/// records wait in memory.
const CLOSED_AT_ONCE: usize = 1024;

/// What a lane is asked for.
pub(crate) enum LaneWork {
    /// To take the next batch.
    Batch(Arc<Parcel>),
    /// To say up to which first packet it can close at once.
    Measure(u64),
    /// To close what began up to this packet.
    Close(u64),
}

/// A lane, and its place among them.
pub(crate) struct Seat {
    place: usize,
    lane: Lane,
}

impl Seat {
    /// Does what is asked for; the answer to a question takes its place in `work`.
    pub(crate) fn work(
        &mut self,
        work: &mut LaneWork,
        worker: &mut Worker<'_>,
        output: &mut Output,
    ) {
        let registry = worker.registry;
        match work {
            LaneWork::Batch(parcel) => {
                let batch = &parcel.batch;
                let octets = |place: u32| {
                    let packet = batch.packets().get(place as usize);
                    packet.map_or(&[][..], |packet| batch.data(packet))
                };
                let notes = &parcel.walked.rest.notes;
                self.lane.take(notes, octets, registry, output);
                if let Some(clock) = batch.clock {
                    self.lane.expire(time(clock), registry, output);
                }
            }
            LaneWork::Measure(up_to) => *up_to = self.lane.closes_up_to(CLOSED_AT_ONCE),
            LaneWork::Close(up_to) => {
                self.lane.close(*up_to, registry, output);
            }
        }
        worker.encode(output);
    }
}

fn time(clock: Timestamp) -> Time {
    Time::new(clock.seconds, clock.nanos)
}

/// A batch in the lanes.
struct Inside {
    parcel: Arc<Parcel>,
    /// Lanes that have not given theirs.
    left: usize,
    outputs: Vec<Output>,
}

/// All lanes, and the batches in them.
pub(crate) struct Lanes {
    /// Those that have nothing to do, by place.
    seats: Vec<Option<Box<Seat>>>,
    /// Number of the next batch of each.
    next: Vec<u64>,
    inside: VecDeque<Inside>,
    /// Number of the first of these.
    first: u64,
    spare: Vec<Output>,
    /// Flows open when each lane was last seen, by model.
    open: Vec<[usize; SCHEMAS.len()]>,
    keeps_bodies: bool,
}

impl Lanes {
    pub(crate) fn new(registry: &Registry, config: &Config) -> Lanes {
        let lanes = match config.lanes {
            0 => config.workers.max(1),
            lanes => lanes,
        };
        let lanes = Lane::all(registry, STREAMS, config.flows, config.streams, lanes);
        let seats = lanes.into_iter().enumerate();
        let seats: Vec<_> = seats
            .map(|(place, lane)| Some(Box::new(Seat { place, lane })))
            .collect();
        Lanes {
            next: vec![0; seats.len()],
            open: vec![[0; SCHEMAS.len()]; seats.len()],
            seats,
            inside: VecDeque::new(),
            first: 0,
            spare: Vec::new(),
            keeps_bodies: config.bodies.is_some(),
        }
    }

    /// Takes the next batch.
    pub(crate) fn enter(&mut self, parcel: Box<Parcel>, registry: &Registry, queue: &Queue<Job>) {
        let outputs = Vec::with_capacity(self.seats.len());
        self.inside.push_back(Inside {
            parcel: Arc::from(parcel),
            left: self.seats.len(),
            outputs,
        });
        for place in 0..self.seats.len() {
            self.start(place, registry, queue);
        }
    }

    /// Has a lane that has nothing to do take its next batch, if there is one.
    fn start(&mut self, place: usize, registry: &Registry, queue: &Queue<Job>) {
        let next = (self.next[place] - self.first) as usize;
        if let Some(inside) = self.inside.get(next)
            && let Some(seat) = self.seats[place].take()
        {
            let work = LaneWork::Batch(Arc::clone(&inside.parcel));
            let output = self.output(registry);
            queue.push_urgent(Job::Lane(seat, work, output));
        }
    }

    fn output(&mut self, registry: &Registry) -> Output {
        self.spare.pop().unwrap_or_else(|| Output {
            bodies: self.keeps_bodies.then(Bodies::default),
            ..Output::new(registry)
        })
    }

    /// Takes a lane back that has done its work on a batch.
    pub(crate) fn leave(
        &mut self,
        seat: Box<Seat>,
        output: Output,
        registry: &Registry,
        queue: &Queue<Job>,
    ) {
        let place = seat.place;
        let number = (self.next[place] - self.first) as usize;
        if let Some(inside) = self.inside.get_mut(number) {
            inside.left -= 1;
            inside.outputs.push(output);
        }
        self.next[place] += 1;
        self.open[place] = seat.lane.open();
        self.seats[place] = Some(seat);
        self.start(place, registry, queue);
    }

    /// The first batch, if all lanes are done with it, and what they gave.
    pub(crate) fn finished(&mut self) -> Option<(Parcel, Vec<Output>)> {
        self.inside.front().filter(|inside| inside.left == 0)?;
        let inside = self.inside.pop_front()?;
        self.first += 1;
        match Arc::into_inner(inside.parcel) {
            Some(parcel) => Some((parcel, inside.outputs)),
            None => unreachable!("every lane has given the batch back"),
        }
    }

    /// Whether no batch is in the lanes.
    pub(crate) fn are_empty(&self) -> bool {
        self.inside.is_empty()
    }

    /// Asks all lanes, which have nothing else to do, for something. Gives their number.
    pub(crate) fn ask(
        &mut self,
        work: impl Fn() -> LaneWork,
        registry: &Registry,
        queue: &Queue<Job>,
    ) -> usize {
        for place in 0..self.seats.len() {
            if let Some(seat) = self.seats[place].take() {
                let output = self.output(registry);
                queue.push_urgent(Job::Lane(seat, work(), output));
            }
        }
        self.seats.len()
    }

    /// Takes a lane back that has answered.
    pub(crate) fn sit(&mut self, seat: Box<Seat>) {
        let place = seat.place;
        self.seats[place] = Some(seat);
    }

    /// What became of the streams, and the flows that were evicted.
    pub(crate) fn ledgers(&self) -> (StreamLedger, u64) {
        let mut streams = StreamLedger::default();
        let mut evicted = 0;
        for seat in self.seats.iter().flatten() {
            streams.add(&seat.lane.stream_ledger());
            evicted += seat.lane.evicted();
        }
        (streams, evicted)
    }

    /// Takes an output for further use.
    pub(crate) fn reuse(&mut self, mut output: Output) {
        output.clear();
        self.spare.push(output);
    }

    /// Flows that are open, of the model that has most.
    pub(crate) fn open(&self) -> usize {
        let of_model = |model: usize| self.open.iter().map(|open| open[model]).sum();
        (0..SCHEMAS.len()).map(of_model).max().unwrap_or_default()
    }
}
