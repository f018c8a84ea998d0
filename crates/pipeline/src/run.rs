//! One run: the threads, and what they share.
//!
//! The reader fills batches, any number of workers do whatever is to be done, each batch through the
//! [stages](crate::stages) in its turn, and the calling thread, the [sequencer](crate::sequencer),
//! delivers what comes of them in order.

use std::panic;
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
use crate::reader::read;
use crate::sequencer::{Sequencer, State, Stopped};
use crate::stages::Stages;
use crate::worker::Worker;
use crate::{Config, Error, Report, Watch};

/// Octets of a batch: what stays in a core's second-level cache together with its output.
pub(crate) const BATCH_OCTETS: usize = 512 << 10;

/// Reads the source to its end, or until `stop` is set, and gives what comes of it to the outlet.
///
/// Trouble with the input is part of the report: what came before it is processed. `watch` is
/// called from this thread a few times a second.
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
    watch: &mut dyn FnMut(Watch),
) -> Result<Report, Error> {
    let bodies = config.bodies.clone().map(BodySink::new).transpose()?;
    let workers = config.workers.max(1);
    let pool = pool(workers);
    let queue = Arc::new(Queue::new());
    let (free_in, free_out) = bounded(pool);
    // The sequencer always comes back to it, and nobody sends while holding what it needs.
    let (done_in, done_out) = bounded::<Done>(2 * pool);
    for _ in 0..pool {
        let parcel = Parcel::new(registry, BATCH_OCTETS, config.batch_packets);
        let _ = free_in.send(Box::new(parcel));
    }
    let is_live = source.is_live();
    let reader = {
        let (queue, done, stop) = (Arc::clone(&queue), done_in.clone(), Arc::clone(stop));
        let limits = config.limits;
        let read = move || read(source, limits, &free_out, &queue, &done, &stop);
        named("reader").spawn(read).map_err(Error::Thread)?
    };
    let (encoding, wants_sides) = (outlet.encoding(), outlet.wants_sides());
    let stages = Stages::new(registry, config, &queue, done_in.clone());
    let result = thread::scope(|scope| {
        let _closing = Closing(&queue);
        let (queue, stages) = (&*queue, &stages);
        for number in 0..workers {
            let done = done_in.clone();
            let worker = Worker::new(registry, config, Arc::clone(&encoding), wants_sides);
            named(&format!("worker {number}"))
                .spawn_scoped(scope, move || work(worker, queue, stages, &done))
                .map_err(Error::Thread)?;
        }
        let sequencer = Sequencer {
            registry,
            outlet,
            stages,
            workers: Workers::new(queue, pool),
            done: done_out,
            free: free_in,
            bodies,
            is_live,
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
    if reader_ended && let Err(panic) = reader.join() {
        panic::resume_unwind(panic);
    }
    match report {
        Some(report) => Ok(report),
        None => unreachable!("the panic of a thread goes on in the one that waits for it"),
    }
}

/// Batches that are under way at most: each worker has one, one waits for it, and one is being filled.
pub(crate) fn pool(workers: usize) -> usize {
    2 * workers.max(1) + 1
}

/// A thread by its name, which tools that list threads show.
fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.to_owned())
}

/// Sends the workers away in the end, whatever that is.
struct Closing<'a>(&'a Queue<Job>);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
