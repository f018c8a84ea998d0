//! Datagrams in fragments: put together in capture order, by one owner, on whatever worker takes the
//! job. Only batches with fragments come here.
//!
//! A packet in which a datagram becomes whole is walked once more, with the datagram, and what the
//! first walk gave of it is replaced. A datagram may hold fragments itself (tunnels); these are
//! followed too, [`NESTED`] times.

use std::collections::HashSet;

use netcap_capture::Batch;
use netcap_dissect::{Chunk, Completed, Fragment, Registry};
use netcap_flow::{Defragmenter, FragmentLedger, FragmentPorts, Limits};
use netcap_record::Time;

use crate::job::Parcel;
use crate::worker::{Rest, Walked, Worker};

/// Fragments inside datagrams inside fragments that are followed for one packet.
const NESTED: usize = 8;

/// What is kept of fragments from one batch to the next.
pub(crate) struct Fragments {
    defragmenter: Defragmenter,
    ports: FragmentPorts,
    /// One packet, walked again.
    again: Walked,
    /// All packets of a batch that were walked again.
    amended: Walked,
}

impl Fragments {
    pub(crate) fn new(registry: &Registry, limits: Limits) -> Fragments {
        Fragments {
            defragmenter: Defragmenter::new(limits),
            ports: FragmentPorts::default(),
            again: Walked::new(registry),
            amended: Walked::new(registry),
        }
    }

    /// Whether a batch has anything for it: fragments, or packets that say they are some and cannot be
    /// put together.
    pub(crate) fn are_in(walked: &Walked) -> bool {
        !walked.rest.fragmented.is_empty() || walked.rest.notes.have_pieces()
    }

    pub(crate) fn ledger(&self) -> FragmentLedger {
        self.defragmenter.ledger()
    }

    /// Takes the fragments of a batch, and replaces what its packets gave in which datagrams became
    /// whole.
    pub(crate) fn take(&mut self, parcel: &mut Parcel, worker: &mut Worker<'_>) {
        let Parcel { batch, walked, .. } = parcel;
        self.amended.clear();
        let mut places = Vec::new();
        let mut pending = std::mem::take(&mut walked.output.fragments)
            .into_iter()
            .peekable();
        while let Some(first) = pending.next() {
            let place = first.packet;
            let mut fragments = vec![first];
            while let Some(fragment) = pending.next_if(|f| f.packet == place) {
                fragments.push(fragment);
            }
            let clock = walked.rest.notes.ticks.at(place);
            if self.complete(batch, place, clock, fragments, worker) {
                self.amended.append(&mut self.again);
                places.push(place);
            }
        }
        if !places.is_empty() {
            worker.encode(&mut self.amended.output);
            walked.amend(&mut self.amended, &places, batch);
        }
        self.ports.complete(&mut walked.rest.notes);
    }

    /// Takes the fragments of one packet, and those inside the datagrams that they complete. Whether
    /// there was such a datagram: then the packet has been walked again with all of them.
    fn complete(
        &mut self,
        batch: &Batch,
        place: u32,
        clock: Time,
        mut fragments: Vec<Fragment>,
        worker: &mut Worker<'_>,
    ) -> bool {
        let Some(packet) = batch.packets().get(place as usize) else {
            return false;
        };
        let time = Time::new(packet.timestamp.seconds, packet.timestamp.nanos);
        let mut completed: Vec<Completed> = Vec::new();
        let mut seen = HashSet::new();
        for _ in 0..NESTED {
            let before = completed.len();
            for fragment in fragments.drain(..) {
                if seen.insert(fragment.ordinal) {
                    completed.extend(self.defragmenter.insert(&fragment, time, clock));
                }
            }
            if completed.len() == before {
                break;
            }
            worker.walk_with(batch, place, &completed, &mut self.again);
            fragments = std::mem::take(&mut self.again.output.fragments);
        }
        !completed.is_empty()
    }
}

impl Walked {
    /// Takes what other packets became, which come behind.
    fn append(&mut self, other: &mut Walked) {
        for (chunk, more) in self.output.chunks.iter_mut().zip(&other.output.chunks) {
            chunk.append(more);
        }
        let (rest, more) = (&mut self.rest, &mut other.rest);
        for (side, chunk) in &more.sides.0 {
            rest.sides.at(*side).append(chunk);
        }
        rest.notes.append(&mut more.notes);
        rest.ledger.add(&more.ledger);
        rest.fragmented.append(&mut more.fragmented);
    }

    /// Puts what the packets at these places became in the place of what they were.
    fn amend(&mut self, amended: &mut Walked, places: &[u32], batch: &Batch) {
        let numbers: Vec<u64> = places
            .iter()
            .map(|place| batch.first_index + u64::from(*place) + 1)
            .collect();
        let chunks = self.output.chunks.iter_mut();
        for (chunk, other) in chunks.zip(&amended.output.chunks) {
            chunk.replace(&numbers, other);
        }
        let Rest {
            sides,
            notes,
            ledger,
            fragmented,
            ..
        } = &mut self.rest;
        for (side, chunk) in &mut sides.0 {
            let other = amended.rest.sides.find(*side);
            chunk.replace(&numbers, other.unwrap_or(&Chunk::default()));
        }
        for (side, chunk) in &amended.rest.sides.0 {
            if sides.find(*side).is_none() {
                sides.at(*side).append(chunk);
            }
        }
        notes.amend(&mut amended.rest.notes, places);
        fragmented.retain(|was| {
            let is_replaced = places.binary_search(&was.place).is_ok();
            if is_replaced && let Some(packet) = batch.packets().get(was.place as usize) {
                ledger.uncount(batch.data(packet).len(), &was.fate);
            }
            !is_replaced
        });
        ledger.add(&amended.rest.ledger);
        fragmented.append(&mut amended.rest.fragmented);
    }
}
