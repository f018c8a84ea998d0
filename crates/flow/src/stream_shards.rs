//! Streams of a lane: the tables of some shards, each of which sees the clock at every segment.

use netcap_dissect::{Output, Registry, StreamProtocol, Turn};
use netcap_record::Time;

use crate::notes::Notes;
use crate::reassembly::Moment;
use crate::shard::{Least, Share};
use crate::stream_ledger::StreamLedger;
use crate::stream_limits::StreamLimits;
use crate::streams::{Due, Streams, When};

/// Bits of a segment's number that tell it from others in its packet; the packet's number is above.
const WITHIN: u32 = 16;
/// Numbers of bodies that are a shard's own.
const BODIES: u64 = u64::MAX / 256;

/// The streams of some shards.
pub(crate) struct StreamShards {
    /// Those of each.
    limits: StreamLimits,
    share: Share,
    tables: Vec<Streams>,
    /// What is due in any of the tables.
    due: Due,
    /// Number of the latest segment.
    latest: u64,
}

impl StreamShards {
    /// Those of a lane, whose number is the first of these, of so many.
    pub(crate) fn new(
        registry: &Registry,
        protocols: &'static [&'static StreamProtocol],
        limits: StreamLimits,
        least: Least,
        (lane, lanes): (usize, usize),
    ) -> StreamShards {
        let (shards, limits) = least.divide(limits);
        let share = Share::new(shards, lane, lanes);
        let tables = (lane..shards).step_by(lanes).map(|shard| {
            let mut table = Streams::new(registry, protocols, limits);
            table.number_bodies(shard as u64 * BODIES);
            table
        });
        StreamShards {
            limits,
            share,
            tables: tables.collect(),
            due: Due::default(),
            latest: 0,
        }
    }

    /// Takes the segments of a batch; `octets` gives those of a packet by its place.
    pub(crate) fn take<'p>(
        &mut self,
        notes: &Notes,
        octets: impl Fn(u32) -> &'p [u8],
        registry: &Registry,
        output: &mut Output,
    ) {
        if self.tables.is_empty() {
            return;
        }
        for (step, note) in notes.segments.iter() {
            self.latest =
                (notes.first_number + u64::from(step.place)) << WITHIN | u64::from(step.within);
            let clock = notes.ticks.at(step.place);
            let when = When {
                clock,
                leapt: notes.ticks.leapt(step.place),
                now: Moment {
                    time: note.time().max(clock),
                    number: self.latest,
                },
                place: step.place,
                within: step.within,
            };
            self.expire(when, registry, output);
            if let Some(place) = self.share.place(step.shard) {
                let table = &mut self.tables[place];
                table.add(&note.segment(octets(step.place)), when, registry, output);
                self.due = self.due.earlier(table.due());
            }
        }
    }

    /// Does what is due by this clock, behind all packets of a batch.
    pub(crate) fn expire_at(&mut self, clock: Time, registry: &Registry, output: &mut Output) {
        let when = When {
            clock,
            leapt: clock,
            now: Moment {
                time: clock,
                number: self.latest,
            },
            place: Turn::BEHIND,
            within: 0,
        };
        self.expire(when, registry, output);
    }

    /// Does in all shards what is due by the clock.
    #[inline]
    fn expire(&mut self, when: When, registry: &Registry, output: &mut Output) {
        if !self.due.has_come(when.clock, &self.limits) {
            return;
        }
        self.due = Due::default();
        for table in &mut self.tables {
            table.expire(when, registry, output);
            self.due = self.due.earlier(table.due());
        }
    }

    /// The number of a packet such that at most so many of the streams that are open began at or
    /// before it, and others of that packet; `u64::MAX` if that is all. There are no more segments.
    pub(crate) fn closes_up_to(&mut self, most: usize) -> u64 {
        let each = most / self.tables.len().max(1);
        let tables = self.tables.iter_mut();
        let up_to = tables.map(|table| table.closes_up_to(each)).min();
        match up_to {
            None | Some(u64::MAX) => u64::MAX,
            Some(segment) => segment >> WITHIN,
        }
    }

    /// Ends the streams that began up to a packet. Says whether some are left.
    pub(crate) fn close(&mut self, up_to: u64, registry: &Registry, output: &mut Output) -> bool {
        let up_to = up_to
            .checked_add(1)
            .map_or(u64::MAX, |next| (next << WITHIN) - 1);
        let tables = self.tables.iter_mut();
        tables
            .map(|table| table.close_up_to(up_to, registry, output))
            .fold(false, |one, other| one | other)
    }

    /// The outcomes of the segments so far.
    pub(crate) fn ledger(&self) -> StreamLedger {
        let mut ledger = StreamLedger::default();
        self.tables
            .iter()
            .for_each(|table| ledger.add(&table.ledger()));
        ledger
    }
}
