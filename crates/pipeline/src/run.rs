//! One run: the threads, and what they share.
//!
//! The [reader](crate::reader) fills batches, any number of workers do whatever is to be done, each batch
//! through the [stages](crate::stages) in its turn, and the calling thread, the
//! [sequencer](crate::sequencer), delivers what comes of them in order.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use crossbeam_channel::bounded;
use netcap_capture::Source;
use netcap_dissect::Registry;

use crate::bodies::BodySink;
use crate::job::{Done, Job, Parcel, work};
use crate::outlet::{Outlet, Workers};
use crate::queue::Queue;
use crate::reader::{Reader, Supply};
use crate::sequencer::{Sequencer, State, Stopped};
use crate::stages::Stages;
use crate::worker::Worker;
use crate::{Config, Error, Report, Watch};

/// Octets of a batch: what stays in a core's second-level cache together with its output.
pub(crate) const BATCH_OCTETS: usize = 512 << 10;

/// Reads the source to its end, or until `stop` is set, and gives what comes of it to the outlet.
///
/// Trouble with the input is part of the report: what came before it is processed. `watch` is
/// called from this thread a few times a second, and once more where the run fails.
///
/// # Errors
/// Where the outlet fails, or a packet comes that the filter makes no sense for; the outlet's last
/// period is not closed then.
pub fn run(
    source: Box<dyn Source>,
    registry: &Registry,
    config: &Config,
    outlet: &mut dyn Outlet,
    stop: &Arc<AtomicBool>,
    watch: &mut dyn FnMut(Watch<'_>),
) -> Result<Report, Error> {
    let bodies = config.bodies.clone().map(BodySink::new).transpose()?;
    let workers = config.workers.max(1);
    let pool = pool(workers);
    let queue = Arc::new(Queue::new());
    // The sequencer always comes back to it, and nobody sends while holding what it needs.
    let (done_in, done_out) = bounded::<Done>(2 * pool);
    let (is_live, may_wait) = (source.is_live(), source.may_wait());
    let reader = Reader::new(source, config.limits, stop);
    let supply = Supply::new(reader, pool, &queue, &done_in).map_err(Error::Thread)?;
    for _ in 0..pool {
        let parcel = Parcel::new(registry, BATCH_OCTETS, config.batch_packets);
        supply.give(Box::new(parcel));
    }
    let (encoding, wants_sides) = (outlet.encoding(), outlet.wants_sides());
    let stages = Stages::new(registry, config, &queue, done_in.clone());
    let result = thread::scope(|scope| {
        let _closing = Closing(&queue);
        let (queue, supply, stages) = (&*queue, &supply, &stages);
        for number in 0..workers {
            let done = done_in.clone();
            let worker = Worker::new(registry, config, Arc::clone(&encoding), wants_sides);
            thread::Builder::new()
                .name(format!("worker {number}"))
                .spawn_scoped(scope, move || work(worker, queue, supply, stages, &done))
                .map_err(Error::Thread)?;
        }
        let sequencer = Sequencer {
            registry,
            outlet,
            stages,
            workers: Workers::new(queue, pool),
            done: done_out,
            supply,
            bodies,
            is_live,
            may_wait,
            state: State::default(),
        };
        sequencer.run(stop, watch)
    });
    let (report, reader_ended) = match result {
        Ok((report, reader_ended)) => (Some(report), reader_ended),
        Err(Stopped::Failed(error)) => return Err(error),
        Err(Stopped::Panicked) => (None, true),
    };
    // A reader that still waits for a silent pipe is left to end with the program.
    if reader_ended {
        supply.join();
    }
    match report {
        Some(report) => Ok(report),
        None => unreachable!("the panic of a thread goes on in the one that waits for it"),
    }
}

/// Batches that are under way at most: each worker has one, and one waits for its turn.
pub(crate) fn pool(workers: usize) -> usize {
    2 * workers.max(1)
}

/// Sends the workers away in the end, whatever that is.
struct Closing<'a>(&'a Queue<Job>);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
