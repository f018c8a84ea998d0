//! The five flow models, fed with the packets of a capture in order.
//!
//! A tracker has the tables of some shards of one model. The clock of the run is the same for all: an
//! entry closes at the same packet however many trackers share the shards. So each notes when what it
//! emits came to be, and their records are put into one order by that.

use netcap_dissect::{Output, Registry, Turn};
use netcap_record::{Record, Schema, Time};

use crate::clock::NEVER;
use crate::connection::Connection;
use crate::counts::Counts;
use crate::flow::Flow;
use crate::link_flow::LinkFlow;
use crate::model::{EntryOf, Model};
use crate::network_flow::NetworkFlow;
use crate::notes::Notes;
use crate::shard::{Least, Share};
use crate::table::{FlowTable, Packets, TableLimits};
use crate::transport_flow::TransportFlow;

/// Record types of the flow models.
pub const SCHEMAS: &[&Schema] = &[
    Connection::SCHEMA,
    Flow::SCHEMA,
    LinkFlow::SCHEMA,
    NetworkFlow::SCHEMA,
    TransportFlow::SCHEMA,
];

/// How many flow models there are.
pub(crate) const MODELS: usize = SCHEMAS.len();

/// How the trackers are bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowLimits {
    /// Seconds of packet time after which an idle flow of one direction, or of one layer, closes;
    /// 0 is never.
    pub flow_timeout: u32,
    /// The same for connections.
    pub connection_timeout: u32,
    /// Entries of each table at most. A table with room for 8192 is divided into [`SHARDS`](crate::SHARDS) parts by
    /// what it is keyed by, each with its part of this.
    pub entries: usize,
}

impl Default for FlowLimits {
    fn default() -> FlowLimits {
        FlowLimits {
            flow_timeout: 30,
            connection_timeout: 60,
            entries: 250_000,
        }
    }
}

/// The trackers of a lane, one for each model that is asked for.
pub(crate) type Trackers = [Option<Box<dyn Track>>; MODELS];

/// The trackers of a lane, whose number is the first of these, of so many.
pub(crate) fn trackers(
    registry: &Registry,
    limits: FlowLimits,
    least: Least,
    (lane, lanes): (usize, usize),
) -> Trackers {
    let shards = least.shards_of(limits.entries);
    let share = Share::new(shards, lane, lanes);
    let table = |timeout| TableLimits {
        timeout,
        entries: limits.entries / shards,
    };
    let (connection, flow) = (table(limits.connection_timeout), table(limits.flow_timeout));
    [
        Tracker::<Connection<'_>>::wanted(registry, connection, share),
        Tracker::<Flow<'_>>::wanted(registry, flow, share),
        Tracker::<LinkFlow<'_>>::wanted(registry, flow, share),
        Tracker::<NetworkFlow<'_>>::wanted(registry, flow, share),
        Tracker::<TransportFlow<'_>>::wanted(registry, flow, share),
    ]
}

/// What can be done with flows of any kind.
pub(crate) trait Track: Send {
    /// Takes the next batch of the capture.
    fn take(&mut self, notes: &Notes, registry: &Registry, output: &mut Output);

    /// Closes the flows that are idle for too long at `clock`, behind all packets so far.
    fn expire(&mut self, clock: Time, registry: &Registry, output: &mut Output);

    /// Flows that are open.
    fn open(&self) -> usize;

    /// The number of a packet such that at most so many of the flows that are open began at or before
    /// it; `u64::MAX` if that is all. There are no more packets.
    fn closes_up_to(&mut self, most: usize) -> u64;

    /// Closes the flows that began up to a packet, in the order in which they did. Says whether some
    /// are left.
    fn close(&mut self, up_to: u64, registry: &Registry, output: &mut Output) -> bool;

    /// Flows evicted to make room.
    fn evicted(&self) -> u64;
}

/// What happens at a packet, in this order.
#[derive(Clone, Copy)]
enum Step {
    /// The clock closes what is idle for too long.
    Expired,
    /// Its own flow takes the place of another: of one that was idle for too long, or of one that
    /// makes room.
    Replaced,
}

/// Flows of one kind, in some of the shards.
struct Tracker<M: Model> {
    limits: TableLimits,
    share: Share,
    /// Those of the shards that it owns.
    tables: Vec<FlowTable<M::Key, M::Shown, M::Ways>>,
    /// No entry has been idle since before then. Absent where there is none, or no time-out.
    idle_since: Option<Time>,
    /// The clock when it was last ahead of a packet that opened an entry. Such entries are idle only
    /// by the clock, not by their own times, and are gone when it has passed the time-out.
    ahead: Option<Time>,
    /// Flows that closed and are not emitted yet.
    closed: Vec<EntryOf<M>>,
    /// When they closed, and their places.
    order: Vec<(Turn, usize)>,
    /// What is yet to be closed at the end, the earliest last: number of the first packet, place and
    /// table.
    closing: Option<Vec<(u64, u32, u8)>>,
}

impl<M: Model> Tracker<M> {
    /// A tracker, if records of its kind are asked for.
    fn wanted(registry: &Registry, limits: TableLimits, share: Share) -> Option<Box<dyn Track>>
    where
        M: 'static,
    {
        registry.selects(M::SCHEMA).then(|| {
            Box::new(Tracker::<M> {
                limits,
                share,
                tables: (0..share.len()).map(|_| FlowTable::new(limits)).collect(),
                idle_since: None,
                ahead: None,
                closed: Vec::new(),
                order: Vec::new(),
                closing: None,
            }) as Box<dyn Track>
        })
    }

    /// Whether the order of a batch's packets makes no difference but to the order of closing: no
    /// flow can end and begin again within it, none is closed by the clock before a packet that is
    /// its own by its time, and none must make room for another.
    fn may_take_groups(&self, notes: &Notes) -> bool {
        let (groups, timeout) = (&notes.groups, self.limits.timeout);
        let has_room =
            |table: &FlowTable<_, _, _>| table.len() + groups.len() <= self.limits.entries;
        let is_in_order =
            timeout == 0 || (!notes.ticks.has_late() && !self.is_ahead(notes.ticks.at(0)));
        is_in_order && groups.are_within(timeout) && self.tables.iter().all(has_room)
    }

    /// Whether there may be entries whose times the clock was ahead of when they were opened.
    fn is_ahead(&self, clock: Time) -> bool {
        let latest = clock.before(self.limits.timeout);
        self.ahead.is_some_and(|ahead| ahead >= latest)
    }

    /// Group by group.
    fn take_groups(&mut self, notes: &Notes) {
        let (groups, ticks, timeout) = (&notes.groups, &notes.ticks, self.limits.timeout);
        let at_clock = |entry: &EntryOf<M>| {
            let from = ticks.first_after(entry.last(), timeout)?;
            groups.first_from(from)
        };
        for (group, shards) in groups.iter() {
            if let Some(table) = self.share.place(M::shard(shards))
                && let Some(reading) = M::read(&group.summary)
            {
                let (place, time) = groups.opening(group);
                let packets = Packets {
                    counts: group.counts,
                    time,
                    clock: NEVER,
                    leapt: NEVER,
                    serial: notes.first_number + u64::from(place),
                };
                let (key, way, shown) = (reading.key, reading.way, reading.shown);
                let since = self.tables[table].count(key, way, &packets, shown, &mut self.closed);
                self.began(since);
                // The clock may have closed it before that packet came.
                self.note_closed(|entry| match at_clock(entry) {
                    Some(earlier) if earlier <= place => (Step::Expired, earlier),
                    _ => (Step::Replaced, place),
                });
            }
        }
        self.began(Some(groups.earliest()));
        self.expire_all(groups.last().map_or(NEVER, |last| ticks.at(last)));
        self.note_closed(|entry| (Step::Expired, at_clock(entry).unwrap_or(Turn::BEHIND)));
    }

    /// Packet by packet.
    fn take_packets(&mut self, notes: &Notes) {
        let groups = &notes.groups;
        for step in groups.steps() {
            let clock = notes.ticks.at(step.place);
            self.expire_all(clock);
            self.note_closed(|_| (Step::Expired, step.place));
            let Some(table) = self.share.place(M::shard(groups.shards(step))) else {
                continue;
            };
            let packet = groups.packet(step);
            if let Some(reading) = M::read(&packet) {
                let packets = Packets {
                    counts: Counts::packet(&packet),
                    time: step.time,
                    clock,
                    leapt: notes.ticks.leapt(step.place),
                    serial: notes.first_number + u64::from(step.place),
                };
                let (key, way, shown) = (reading.key, reading.way, reading.shown);
                let since = self.tables[table].count(key, way, &packets, shown, &mut self.closed);
                self.began(since);
                self.began(Some(step.time));
                if step.time < clock {
                    self.ahead = Some(clock);
                }
                self.note_closed(|_| (Step::Replaced, step.place));
            }
        }
    }

    /// Entries may be open that are idle since this time.
    #[inline]
    fn began(&mut self, time: Option<Time>) {
        if self.limits.timeout > 0
            && let Some(time) = time
        {
            self.idle_since = Some(self.idle_since.map_or(time, |since| since.min(time)));
        }
    }

    /// Closes what is idle for too long in any shard. Most often nothing is, and that is known
    /// without a look at the tables.
    #[inline]
    fn expire_all(&mut self, now: Time) {
        if self.limits.timeout == 0 {
            return;
        }
        let latest = now.before(self.limits.timeout);
        if self.idle_since.is_some_and(|since| since <= latest) {
            for table in &mut self.tables {
                table.expire(now, &mut self.closed);
            }
            self.idle_since = self.tables.iter().filter_map(FlowTable::idle_since).min();
        }
    }

    /// Notes when the flows closed of which that is not noted yet.
    #[inline]
    fn note_closed(&mut self, when: impl Fn(&EntryOf<M>) -> (Step, u32)) {
        let closed = self.closed.iter().enumerate().skip(self.order.len());
        self.order.extend(closed.map(|(at, entry)| {
            let (step, place) = when(entry);
            let turn = Turn {
                place,
                step: step as u32,
                serial: entry.serial,
                ..Turn::default()
            };
            (turn, at)
        }));
    }

    /// Gives the records of the flows that closed, in order.
    fn emit_closed(&mut self, registry: &Registry, output: &mut Output) {
        self.order.sort_unstable();
        for (turn, at) in self.order.drain(..) {
            emit::<M>(turn, &self.closed[at], registry, output);
        }
        self.closed.clear();
    }

    /// What is yet to be closed at the end.
    fn closing(&mut self) -> &mut Vec<(u64, u32, u8)> {
        let tables = &mut self.tables;
        self.closing.get_or_insert_with(|| {
            let mut open = Vec::with_capacity(tables.iter().map(FlowTable::len).sum());
            for (table, number) in tables.iter_mut().zip(0..) {
                open.extend(table.close().map(|(serial, place)| (serial, place, number)));
            }
            // Each table is nearly in order, which this sort makes use of.
            open.sort();
            open.reverse();
            open
        })
    }
}

/// Writes the record of an entry that closes.
fn emit<M: Model>(turn: Turn, entry: &EntryOf<M>, registry: &Registry, output: &mut Output) {
    output.turn = Some(turn);
    output.packet = entry.serial;
    M::emit(entry, registry, output);
}

impl<M: Model> Track for Tracker<M> {
    fn take(&mut self, notes: &Notes, registry: &Registry, output: &mut Output) {
        if self.tables.is_empty() || notes.groups.is_empty() {
            return;
        }
        if self.may_take_groups(notes) {
            self.take_groups(notes);
        } else {
            self.take_packets(notes);
        }
        self.emit_closed(registry, output);
    }

    fn expire(&mut self, clock: Time, registry: &Registry, output: &mut Output) {
        self.expire_all(clock);
        self.note_closed(|_| (Step::Expired, Turn::BEHIND));
        self.emit_closed(registry, output);
    }

    fn open(&self) -> usize {
        self.tables.iter().map(FlowTable::len).sum()
    }

    fn closes_up_to(&mut self, most: usize) -> u64 {
        let closing = self.closing();
        match closing.len().checked_sub(most.max(1)) {
            None | Some(0) => u64::MAX,
            Some(at) => closing.get(at).map_or(0, |(serial, _, _)| *serial),
        }
    }

    fn close(&mut self, up_to: u64, registry: &Registry, output: &mut Output) -> bool {
        while let Some((serial, place, table)) =
            self.closing().pop_if(|(serial, _, _)| *serial <= up_to)
        {
            let turn = Turn {
                serial,
                ..Turn::default()
            };
            if let Some(entry) = self.tables[usize::from(table)].take(place) {
                emit::<M>(turn, &entry, registry, output);
            }
        }
        !self.closing().is_empty()
    }

    fn evicted(&self) -> u64 {
        self.tables.iter().map(FlowTable::evicted).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_flow_is_small() {
        let sizes = [
            size_of::<Option<EntryOf<Connection<'_>>>>(),
            size_of::<Option<EntryOf<Flow<'_>>>>(),
            size_of::<Option<EntryOf<LinkFlow<'_>>>>(),
            size_of::<Option<EntryOf<NetworkFlow<'_>>>>(),
            size_of::<Option<EntryOf<TransportFlow<'_>>>>(),
        ];
        let most = [224, 168, 152, 176, 128];
        let are_small = sizes.iter().zip(most).all(|(size, most)| *size <= most);
        assert!(are_small, "{sizes:?} octets");
    }
}
