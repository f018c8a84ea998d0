//! Where records go. A run gives what it produces to an [`Outlet`], in capture order, and knows
//! nothing of files: these are one outlet, standard output is another, and a program may bring its
//! own.

use std::sync::Arc;
use std::time::SystemTime;

use netcap_dissect::{Chunk, Registry, Turn};
use netcap_store::{Encoding, Gzip};

use crate::Error;
use crate::job::Job;
use crate::queue::Queue;
use crate::side::Side;

/// Receives what a run produces. Everything is called from the thread that called
/// [`run`](crate::run()).
pub trait Outlet {
    /// How records are to come; the workers encode them.
    fn encoding(&self) -> Arc<dyn Encoding>;

    /// Whether packets that were not understood are wanted too.
    fn wants_sides(&self) -> bool {
        false
    }

    /// Takes what some packets gave. What takes time is for `workers`.
    ///
    /// # Errors
    /// What ends the run.
    fn take(&mut self, delivery: &mut Delivery<'_>, workers: &mut Workers<'_>)
    -> Result<(), Error>;

    /// Learns that a task which it gave to the workers has ended.
    ///
    /// # Errors
    /// What ends the run.
    fn task_ended(&mut self, _workers: &mut Workers<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Whether the period that is open should end now.
    fn is_over(&self, _now: SystemTime) -> bool {
        false
    }

    /// Learns that everything of the period was given. What is left of it goes to the workers.
    ///
    /// # Errors
    /// What ends the run.
    fn end_period(&mut self, _workers: &mut Workers<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Ends the period, all tasks having ended; `goes_on` where another one begins.
    ///
    /// # Errors
    /// What ends the run.
    fn close_period(&mut self, _goes_on: bool) -> Result<(), Error> {
        Ok(())
    }

    /// Is called a few times a second.
    fn tidy(&mut self, _workers: &mut Workers<'_>) -> Upkeep {
        Upkeep::default()
    }
}

/// What an outlet tells of a run that goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Closed periods that were removed so far.
    pub removed: u64,
    /// Packets so far whose records could not be written.
    pub unwritten: u64,
    /// What has happened since this was told last that a person should know, a line each.
    pub news: Vec<String>,
}

/// What some packets, one after the other in the capture, gave.
pub struct Delivery<'a> {
    /// Which record types are asked for.
    pub registry: &'a Registry,
    /// Number of the first packet, from 1; 0 at the end of the run, where flows and streams close.
    pub first: u64,
    /// How many there are.
    pub packets: u64,
    /// Their records, encoded, by the place of the type in [`Registry::selected`]. Each type is in
    /// capture order, over all deliveries; its marks say of which packets, and where records did
    /// not come to be at their own packets, its turns say when.
    ///
    /// The outlet may take the octets away, and leave others that are of no more use in their place:
    /// their memory is used again.
    pub chunks: &'a mut [Chunk],
    /// Packets that were not understood, as records of a pcap file, and a log of them. They may be
    /// taken away too.
    pub sides: &'a mut [(Side, Chunk)],
}

impl Delivery<'_> {
    /// Records in all chunks.
    pub fn records(&self) -> u64 {
        self.chunks.iter().map(Chunk::records).sum()
    }

    /// The records of all types in the order in which they came to be, of one moment by type: the
    /// place of the type, the number of the packet, the octets.
    pub fn in_order(&self) -> impl Iterator<Item = (usize, u64, &[u8])> {
        let mut order = Vec::new();
        for (place, chunk) in self.chunks.iter().enumerate() {
            let marks = chunk.marks.iter().enumerate();
            order.extend(marks.map(|(record, mark)| {
                let own = Turn {
                    place: mark.packet.saturating_sub(self.first) as u32,
                    ..Turn::default()
                };
                let turn = chunk.turns.get(record).copied().unwrap_or(own);
                (turn, place, record)
            }));
        }
        order.sort_unstable();
        order.into_iter().filter_map(|(_, place, record)| {
            let (mark, octets) = self.chunks.get(place)?.get(record)?;
            Some((place, mark.packet, octets))
        })
    }
}

/// Work that an outlet has done on another thread. What comes of it, it sends to the outlet itself.
pub type Task = Box<dyn FnOnce(&mut Tools) + Send>;

/// What a worker has at hand for tasks.
#[derive(Default)]
pub struct Tools {
    /// Compresses.
    pub gzip: Gzip,
    /// Room to put octets together in.
    pub room: Vec<u8>,
}

/// The worker threads, as an outlet sees them.
pub struct Workers<'a> {
    queue: &'a Queue<Job>,
    under_way: usize,
    most: usize,
}

impl<'a> Workers<'a> {
    pub(crate) fn new(queue: &'a Queue<Job>, most: usize) -> Workers<'a> {
        Workers {
            queue,
            under_way: 0,
            most,
        }
    }

    /// Has a task done soon; [`Outlet::task_ended`] tells when. While many are under way the run
    /// takes no more packets, so who gives a task or two for a delivery needs no limit of its own.
    pub fn give(&mut self, task: Task) {
        self.under_way += 1;
        self.queue.push_urgent(Job::Task(task));
    }

    /// Tasks given that have not ended.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    pub(crate) fn are_busy(&self) -> bool {
        self.under_way >= self.most
    }

    pub(crate) fn task_ended(&mut self) {
        self.under_way -= 1;
    }
}
