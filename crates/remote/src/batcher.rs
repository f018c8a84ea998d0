//! The outlet of a sensor: what a run gives becomes batches, of one type each.
//!
//! A batch leaves when it is full, when its first record has waited for a second, or at the end: nothing
//! is left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netcap_dissect::Registry;
use netcap_pipeline::{Delivery, Encoding, Frames, Outlet, Upkeep, Workers};
use netcap_record::Schema;

use crate::batch::{Batch, Sender};

/// How long a record waits for others.
const PATIENCE: Duration = Duration::from_secs(1);

/// See the module.
pub struct Batcher<S> {
    sender: S,
    types: Vec<OneType>,
    /// Octets of a batch of more than one record.
    most: usize,
    payloads: bool,
    stop: Arc<AtomicBool>,
    /// Whether a run that is interrupted will be repeated: then flows that only the interruption
    /// closes give no records, which the repetition would not give.
    is_repeatable: bool,
    trouble: Option<crate::Error>,
}

/// The batch of a type that is open.
struct OneType {
    schema: &'static Schema,
    frames: Vec<u8>,
    /// Number of the first record, and how many there are.
    first: u64,
    count: u32,
    /// Number of the next record of the run.
    next: u64,
    /// Records that the server has.
    known: u64,
    since: Option<Instant>,
}

impl<S: Sender> Batcher<S> {
    /// Makes batches of at most so many octets. `stop` interrupts the run; `is_repeatable` says that
    /// it will be begun again then.
    pub fn new(
        sender: S,
        registry: &Registry,
        most: usize,
        stop: &Arc<AtomicBool>,
        is_repeatable: bool,
    ) -> Batcher<S> {
        let types = registry.selected().iter().map(|schema| OneType {
            schema,
            frames: Vec::new(),
            first: 0,
            count: 0,
            next: 0,
            known: sender.position(schema),
            since: None,
        });
        Batcher {
            types: types.collect(),
            sender,
            most,
            payloads: registry.payloads(),
            stop: Arc::clone(stop),
            is_repeatable,
            trouble: None,
        }
    }

    /// What takes the batches.
    pub fn sender(&self) -> &S {
        &self.sender
    }

    /// Sends what waits: all, or what has waited long enough.
    fn flush(&mut self, all: bool) -> Result<(), crate::Error> {
        let Batcher { sender, types, .. } = self;
        for one in types {
            if one
                .since
                .is_some_and(|since| all || since.elapsed() >= PATIENCE)
            {
                one.send(sender, self.payloads)?;
            }
        }
        Ok(())
    }
}

impl OneType {
    fn add(
        &mut self,
        record: &[u8],
        most: usize,
        sender: &mut impl Sender,
        payloads: bool,
    ) -> Result<(), crate::Error> {
        let number = self.next;
        self.next += 1;
        if number < self.known {
            return Ok(());
        }
        if self.count > 0 && self.frames.len() + record.len() > most {
            self.send(sender, payloads)?;
        }
        if self.count == 0 {
            self.first = number;
            self.since = Some(Instant::now());
        }
        self.frames.extend_from_slice(record);
        self.count += 1;
        Ok(())
    }

    fn send(&mut self, sender: &mut impl Sender, payloads: bool) -> Result<(), crate::Error> {
        self.since = None;
        sender.send(Batch {
            schema: self.schema,
            first: self.first,
            count: std::mem::take(&mut self.count),
            payloads,
            frames: std::mem::take(&mut self.frames),
        })
    }
}

impl<S: Sender> Outlet for Batcher<S> {
    fn encoding(&self) -> Arc<dyn Encoding> {
        Arc::new(Frames)
    }

    fn take(
        &mut self,
        delivery: &mut Delivery<'_>,
        _workers: &mut Workers<'_>,
    ) -> Result<(), netcap_pipeline::Error> {
        if let Some(trouble) = self.trouble.take() {
            return Err(trouble.into());
        }
        let is_end = delivery.first == 0;
        if is_end && self.is_repeatable && self.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Batcher {
            sender,
            types,
            most,
            payloads,
            ..
        } = self;
        for (one, chunk) in types.iter_mut().zip(delivery.chunks.iter()) {
            for record in 0..chunk.marks.len() {
                if let Some((_, octets)) = chunk.get(record) {
                    one.add(octets, *most, sender, *payloads)?;
                }
            }
        }
        Ok(())
    }

    fn end_period(&mut self, _workers: &mut Workers<'_>) -> Result<(), netcap_pipeline::Error> {
        Ok(self.flush(true)?)
    }

    fn close_period(&mut self, goes_on: bool) -> Result<(), netcap_pipeline::Error> {
        if let Some(trouble) = self.trouble.take() {
            return Err(trouble.into());
        }
        if goes_on {
            return Ok(());
        }
        let passed = self.types.iter().map(|one| one.next.min(one.known)).sum();
        self.sender.pass_over(passed);
        Ok(self.sender.finish(!self.stop.load(Ordering::Relaxed))?)
    }

    fn tidy(&mut self, _workers: &mut Workers<'_>) -> Upkeep {
        let done = self.flush(false).and_then(|()| self.sender.tick());
        if let Err(trouble) = done {
            self.trouble.get_or_insert(trouble);
        }
        Upkeep::default()
    }
}
