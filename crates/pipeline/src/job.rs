//! What travels between the threads, and what a worker does with it.

use std::thread;

use crossbeam_channel::Sender;
use netcap_capture::{Batch, Origin, Progress};
use netcap_dissect::{Output, Registry};

use crate::fragments::Fragments;
use crate::lanes::{LaneWork, Seat};
use crate::outlet::{Task, Tools};
use crate::queue::Queue;
use crate::reader::{Reader, Supply};
use crate::stages::Stages;
use crate::worker::{Walked, Worker};

/// A batch and what became of it: used again and again.
pub(crate) struct Parcel {
    pub(crate) batch: Batch,
    pub(crate) walked: Walked,
    pub(crate) progress: Progress,
    /// What the source says of its origins, from time to time.
    pub(crate) origins: Option<Vec<Origin>>,
}

impl Parcel {
    pub(crate) fn new(registry: &Registry, octets: usize, packets: usize) -> Parcel {
        Parcel {
            batch: Batch::new(octets, packets.max(1)),
            walked: Walked::new(registry),
            progress: Progress::default(),
            origins: None,
        }
    }
}

/// What a worker is asked for.
pub(crate) enum Job {
    /// Fill a batch, and dissect it.
    Read(Box<Reader>, Box<Parcel>),
    /// Dissect a batch.
    Walk(Box<Parcel>),
    /// Put its fragments together.
    Fragments(Box<Fragments>, Box<Parcel>),
    /// Bring state across packets up to date.
    Lane(Box<Seat>, LaneWork, Output),
    /// Something for the outlet.
    Task(Task),
}

/// What the sequencer hears.
pub(crate) enum Done {
    /// A batch is through all stages, with what lanes gave for it.
    Finished(Box<Parcel>, Vec<Output>),
    /// What a lane was asked for at the end.
    Answer(LaneWork, Output),
    Task,
    /// The reader is at its end.
    End(End),
    /// A thread is about to end the program.
    Panicked,
}

/// How the reader came to its end.
pub(crate) struct End {
    pub(crate) batches: u64,
    pub(crate) trouble: Option<netcap_capture::Error>,
    pub(crate) origins: Vec<Origin>,
}

/// Tells the sequencer that its thread panics, so that nobody waits for it.
pub(crate) struct Alarm(pub(crate) Sender<Done>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.send(Done::Panicked);
        }
    }
}

/// A worker's thread. It has no state but buffers, so any worker may do any job.
pub(crate) fn work(
    mut worker: Worker<'_>,
    jobs: &Queue<Job>,
    supply: &Supply,
    stages: &Stages<'_>,
    done: &Sender<Done>,
) {
    let _alarm = Alarm(done.clone());
    let mut tools = Tools::default();
    while let Some(job) = jobs.pop() {
        match job {
            Job::Read(reader, parcel) => {
                if let Some(parcel) = supply.read(reader, parcel, done) {
                    stages.walked(worker.walk(parcel));
                }
            }
            Job::Walk(parcel) => stages.walked(worker.walk(parcel)),
            Job::Fragments(mut fragments, mut parcel) => {
                fragments.take(&mut parcel, &mut worker);
                stages.put_together(fragments, parcel);
            }
            Job::Lane(mut seat, mut work, mut output) => {
                seat.work(&mut work, &mut worker, &mut output);
                stages.left_lane(seat, work, output);
            }
            Job::Task(task) => {
                task(&mut tools);
                let _ = done.send(Done::Task);
            }
        }
    }
}
