//! TCP streams (RFC 9293): segments in capture order become octets in order for stream dissectors.
//!
//! The table is keyed by addresses and ports, both directions together, and the network that they are
//! of ([`Scope`]). A stream begins with a SYN,
//! or mid-way with the first octets that are seen, and ends when both directions have had FIN and
//! all before it is handed on, when it was idle for too long, when another connection takes its ports
//! ([`conversation`]), or with the capture. A reset ends nothing here, because everybody can forge one.
//!
//! Bounded by [`StreamLimits`]: over the number of streams the one that has been idle longest ends
//! early; over the octets that wait, the stream whose hole has held octets up longest gives that
//! hole up. Both are counted.
//!
//! Everything goes by packet time and the order of packets. A stream was idle for too long, and a hole
//! held octets up for too long, if the next segment of the same stream, or direction, is so much
//! later; the clock of the run ([`RunClock`](crate::RunClock)) ends them before where no such segment
//! can come any more.
//!
//! A capture's streams may be in one table, or in several, each with those of a shard. Then each of
//! them must be told the clock at every segment.

mod conversation;

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use netcap_dissect::{
    Carrier, Direction, Ending, Endpoint, Entropy, Output, Place, Registry, StreamEnds,
    StreamProtocol, Turn,
};
use netcap_record::{Ip, Time};

use crate::claim::{Claim, Desk};
use crate::idle::{Idle, Idler, Leaver, Look, leaver};
use crate::reassembly::{Half, Moment, Position, Reader, Told, beginning, nearest};
use crate::scope::Scope;
use crate::segment::{Segment, flag};
use crate::slab::Slab;
use crate::stream_ledger::StreamLedger;
use crate::stream_limits::StreamLimits;
use conversation::Opening;

/// Streams: all of a capture, or those of a shard.
pub struct Streams {
    protocols: Vec<&'static StreamProtocol>,
    limits: StreamLimits,
    hasher: RandomState,
    index: HashTable<u32>,
    streams: Slab<Stream>,
    /// What is yet to be ended at the end, the earliest last: number of the stream, and place.
    closing: Option<Vec<(u64, u32)>>,
    due: Due,
    idle: Idle,
    /// Directions in which octets wait.
    waiting: BTreeSet<Waiting>,
    /// What all octets that wait or are kept cost.
    held: usize,
    /// Segments seen, where their numbers are not told.
    seen: u64,
    /// Number of the next body.
    next_body: u64,
    entropy: Entropy,
    ledger: StreamLedger,
}

/// A direction in which octets wait, ordered by how long the hole has held them up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    since: Moment,
    /// Number of the stream.
    serial: u64,
    to_client: bool,
    place: u32,
}

/// Since when streams have been idle, and octets have waited, at most: nothing happens for the time
/// alone before the time-outs have passed since then.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Due {
    idle_since: Option<Time>,
    waiting_since: Option<Time>,
}

impl Due {
    /// Whether anything may happen for the time alone.
    #[inline]
    pub(crate) fn has_come(&self, now: Time, limits: &StreamLimits) -> bool {
        let over = |since: Option<Time>, timeout: u32| {
            timeout > 0 && since.is_some_and(|since| since <= now.before(timeout))
        };
        over(self.idle_since, limits.close_timeout) || over(self.waiting_since, limits.data_timeout)
    }

    /// What is due of two tables.
    #[inline]
    pub(crate) fn earlier(self, other: Due) -> Due {
        Due {
            idle_since: earlier(self.idle_since, other.idle_since),
            waiting_since: earlier(self.waiting_since, other.waiting_since),
        }
    }
}

#[inline]
fn earlier(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// When something happens: a moment, and its place in the order of all that happens in a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    /// What the clock of the run says.
    pub(crate) clock: Time,
    /// The same with all leaps.
    pub(crate) leapt: Time,
    /// The time of the segment, or of the clock where that is ahead of it.
    pub(crate) now: Moment,
    pub(crate) place: u32,
    /// Which of the packet's segments is at hand.
    pub(crate) within: u16,
}

/// What happens at a segment, in this order.
#[derive(Clone, Copy)]
enum Step {
    /// The clock ends idle streams, by their numbers.
    Idle,
    /// The clock gives up holes, by how long octets have waited.
    Waiting,
    /// It brings something, and what does not fit any more is given up.
    Segment,
    /// How many steps there are.
    All,
}

impl When {
    fn turn(self, step: Step) -> Turn {
        Turn {
            place: self.place,
            step: u32::from(self.within) * Step::All as u32 + step as u32,
            ..Turn::default()
        }
    }
}

struct Stream {
    ends: StreamEnds,
    scope: Scope,
    link_type: u32,
    last: Time,
    /// Number of the packet that had this time, in the run.
    last_number: u64,
    /// Number of the segment that opened it, in the run.
    serial: u64,
    to_server: Half,
    to_client: Half,
    claim: Claim,
    reset: bool,
}

/// A direction of a stream on its way to the dissector.
struct Reading<'a, 'd> {
    direction: Direction,
    /// From where on acknowledgments of the other one tell something, and how far it has come, if that is
    /// known.
    other: Option<Range<Position>>,
    claim: &'a mut Claim,
    ends: &'a StreamEnds,
    desk: &'a mut Desk<'d>,
}

impl Reader for Reading<'_, '_> {
    fn data(
        &mut self,
        octets: &[u8],
        position: Position,
        acknowledgment: Option<u32>,
        carrier: Carrier,
    ) {
        // What has brought no octets yet begins near what is acknowledged of it.
        let acknowledged = acknowledgment.and_then(|number| match &self.other {
            Some(other) => Some(nearest(other.end, number)).filter(|at| *at >= other.start),
            None => Some(beginning(number)),
        });
        let place = Place {
            position,
            acknowledged,
        };
        let carrier = Carrier { place, ..carrier };
        self.claim
            .data(self.direction, octets, carrier, self.ends, self.desk);
    }

    fn gap(&mut self, octets: u64, carrier: Carrier) {
        self.claim
            .gap(self.direction, octets, carrier, self.ends, self.desk);
    }

    fn ledger(&mut self) -> &mut StreamLedger {
        self.desk.ledger
    }
}

impl Streams {
    /// An empty table for those of the protocols of which a record type is selected, and those that lead
    /// on to them.
    pub fn new(
        registry: &Registry,
        protocols: &'static [&'static StreamProtocol],
        limits: StreamLimits,
    ) -> Streams {
        let is_wanted = |protocol: &&StreamProtocol| {
            let mut schemas = protocol.schemas.iter();
            schemas.any(|schema| registry.selects(schema))
        };
        let mut protocols = protocols.to_vec();
        match protocols.iter().any(is_wanted) {
            true => protocols.retain(|protocol| is_wanted(protocol) || protocol.schemas.is_empty()),
            false => protocols.clear(),
        }
        Streams {
            protocols,
            limits,
            hasher: RandomState::default(),
            index: HashTable::new(),
            streams: Slab::default(),
            closing: None,
            due: Due::default(),
            idle: Idle::default(),
            waiting: BTreeSet::new(),
            held: 0,
            seen: 0,
            next_body: 0,
            entropy: Entropy::default(),
            ledger: StreamLedger::default(),
        }
    }

    /// The outcomes of the segments so far.
    pub fn ledger(&self) -> StreamLedger {
        self.ledger.clone()
    }

    /// Octets that wait now, with what their bookkeeping is taken to cost.
    pub fn octets(&self) -> usize {
        self.held
    }

    /// Streams that are open now.
    pub fn open(&self) -> usize {
        self.index.len()
    }

    /// Numbers bodies from here on.
    pub(crate) fn number_bodies(&mut self, from: u64) {
        self.next_body = from;
    }

    /// Takes the next segment of a capture whose times are in order: each is the clock for all.
    /// Records go to `output`. Does nothing where no protocol on streams is wanted.
    pub fn take(&mut self, segment: &Segment<'_>, registry: &Registry, output: &mut Output) {
        self.seen += 1;
        let when = When {
            clock: segment.packet.time,
            leapt: segment.packet.time,
            now: Moment {
                time: segment.packet.time,
                number: self.seen,
            },
            place: segment.packet.index,
            within: 0,
        };
        self.expire(when, registry, output);
        self.add(segment, when, registry, output);
    }

    /// Ends the streams that are idle for too long at `clock`, and gives up the holes that have held
    /// octets up for too long, as a segment of that time would.
    pub fn expire_at(&mut self, clock: Time, registry: &Registry, output: &mut Output) {
        let when = When {
            clock,
            leapt: clock,
            now: Moment {
                time: clock,
                number: self.seen,
            },
            place: Turn::BEHIND,
            within: 0,
        };
        self.expire(when, registry, output);
    }

    /// Ends streams at the end of the capture, in order of their first segments, at most so many.
    /// Says whether some are left.
    pub fn close(&mut self, registry: &Registry, output: &mut Output, most: usize) -> bool {
        let up_to = self.closes_up_to(most);
        self.close_up_to(up_to, registry, output)
    }

    /// The number of a segment such that at most so many of the streams that are open began at or
    /// before it; `u64::MAX` if that is all. There are no more segments.
    pub(crate) fn closes_up_to(&mut self, most: usize) -> u64 {
        let closing = self.closing();
        match closing.len().checked_sub(most.max(1)) {
            None | Some(0) => u64::MAX,
            Some(at) => closing.get(at).map_or(0, |(serial, _)| *serial),
        }
    }

    /// Ends the streams that began up to a segment. Says whether some are left.
    pub(crate) fn close_up_to(
        &mut self,
        up_to: u64,
        registry: &Registry,
        output: &mut Output,
    ) -> bool {
        while let Some((serial, place)) = self.closing().pop_if(|(serial, _)| *serial <= up_to) {
            output.turn = Some(Turn {
                serial,
                ..Turn::default()
            });
            self.remove(place, Ending::Capture, registry, output);
        }
        !self.closing().is_empty()
    }

    /// What is yet to be ended at the end.
    fn closing(&mut self) -> &mut Vec<(u64, u32)> {
        self.closing.get_or_insert_with(|| {
            let streams = self.streams.iter();
            let mut open: Vec<(u64, u32)> = streams
                .map(|(place, stream)| (stream.serial, place))
                .collect();
            open.sort_unstable_by(|one, other| other.cmp(one));
            self.idle = Idle::default();
            open
        })
    }

    /// The same for both directions.
    fn hash(hasher: &RandomState, scope: Scope, one: &Endpoint, other: &Endpoint) -> u64 {
        let (one, other) = (number(one), number(other));
        hasher.hash_one((scope, one.min(other), one.max(other)))
    }

    fn find(&self, segment: &Segment<'_>) -> Option<u32> {
        let (source, destination) = (&segment.source, &segment.destination);
        let hash = Streams::hash(&self.hasher, segment.scope, source, destination);
        let found = self.index.find(hash, |place| {
            let stream = self.streams.get(*place);
            stream.is_some_and(|stream| stream.direction(segment).is_some())
        });
        found.copied()
    }

    /// What is due for the time alone.
    pub(crate) fn due(&self) -> Due {
        self.due
    }

    /// Ends the streams that are idle for too long, and gives up the holes that have held octets up
    /// for too long.
    pub(crate) fn expire(&mut self, when: When, registry: &Registry, output: &mut Output) {
        let now = when.now;
        if !self.due.has_come(when.clock, &self.limits) {
            return;
        }
        if self.limits.close_timeout > 0 {
            let latest = when.clock.before(self.limits.close_timeout);
            let mut places = Vec::new();
            while let Some(place) = self.idlest(Some(latest)) {
                let stream = self.streams.get(place);
                places.push((stream.map_or(0, |stream| stream.serial), place));
            }
            places.sort_unstable();
            for (serial, place) in places {
                output.turn = Some(Turn {
                    serial,
                    ..when.turn(Step::Idle)
                });
                self.remove(place, Ending::TimedOut, registry, output);
            }
        }
        if self.limits.data_timeout > 0 {
            let latest = when.clock.before(self.limits.data_timeout);
            while let Some(oldest) = self.waiting.first()
                && oldest.since.time < latest
            {
                let (place, direction) = (oldest.place, oldest.direction());
                output.turn = Some(Turn {
                    time: oldest.since.time,
                    serial: oldest.since.number,
                    tie: oldest.serial,
                    ..when.turn(Step::Waiting)
                });
                self.with(place, registry, output, |stream, desk| {
                    stream.give_up_for_time(direction, now, desk);
                });
            }
        }
        self.due = Due {
            idle_since: self.idle.earliest(),
            waiting_since: self.waiting.first().map(|waiting| waiting.since.time),
        };
    }

    /// Takes a segment whose clock has been told. Does nothing where no protocol on streams is wanted.
    pub(crate) fn add(
        &mut self,
        segment: &Segment<'_>,
        when: When,
        registry: &Registry,
        output: &mut Output,
    ) {
        if self.protocols.is_empty() {
            return;
        }
        if !segment.is_acceptable() {
            self.ledger.segments += 1;
            self.ledger.payload_octets += segment.payload.len() as u64;
            self.ledger.without_ack_octets += segment.payload.len() as u64;
            return;
        }
        let now = when.now;
        output.turn = Some(when.turn(Step::Segment));
        let found = self.find(segment);
        let idle = found.filter(|place| self.was_idle(*place, segment));
        if let Some(place) = idle {
            self.remove(place, Ending::TimedOut, registry, output);
        }
        let place = match found.filter(|_| idle.is_none()) {
            Some(place) => {
                self.renew(place, segment, now, registry, output);
                place
            }
            None if segment.opens() => self.put(segment, when, registry, output),
            None => return,
        };
        self.ledger.segments += 1;
        self.ledger.payload_octets += segment.payload.len() as u64;
        let limits = self.limits;
        self.with(place, registry, output, |stream, desk| {
            stream.take(segment, now, &limits, desk);
        });
        self.make_room(segment.carrier(), now, registry, output);
    }

    /// Whether a stream had been idle for too long when this segment of its own came.
    fn was_idle(&self, place: u32, segment: &Segment<'_>) -> bool {
        let timeout = self.limits.close_timeout;
        let latest = segment.packet.time.before(timeout);
        let stream = self.streams.get(place);
        timeout > 0
            && stream.is_some_and(|stream| stream.last < latest && !stream.is_answered_by(segment))
    }

    /// Gives holes up while too much waits or is kept, and then streams.
    fn make_room(
        &mut self,
        carrier: Carrier,
        now: Moment,
        registry: &Registry,
        output: &mut Output,
    ) {
        while self.held > self.limits.octets {
            let Some(oldest) = self.waiting.first() else {
                let Some(place) = self.idlest(None) else {
                    return;
                };
                self.ledger.evicted_streams += 1;
                self.remove(place, Ending::Evicted, registry, output);
                continue;
            };
            let (place, direction) = (oldest.place, oldest.direction());
            self.with(place, registry, output, |stream, desk| {
                stream.give_up_for_room(direction, carrier, now, desk);
            });
        }
    }

    /// Puts a new stream in place of the one found, where the segment opens one.
    fn renew(
        &mut self,
        place: u32,
        segment: &Segment<'_>,
        now: Moment,
        registry: &Registry,
        output: &mut Output,
    ) {
        let stream = self.streams.get(place);
        let Some(opening) = stream.and_then(|stream| stream.opening(segment)) else {
            return;
        };
        self.with(place, registry, output, |stream, desk| {
            stream.finish(Ending::Replaced, desk);
        });
        let stream = self.begin(segment, opening, now);
        // The item of the old stream among the idle ones serves the new one.
        if let Some(slot) = self.streams.get_mut(place) {
            self.held -= std::mem::replace(slot, stream).cost();
        }
    }

    /// Makes a stream of its own for a segment, and room for it.
    fn put(
        &mut self,
        segment: &Segment<'_>,
        when: When,
        registry: &Registry,
        output: &mut Output,
    ) -> u32 {
        if self.index.len() >= self.limits.streams.max(1) {
            self.make_place(when, registry, output);
        }
        let (ends, told, now) = (segment.ends(), None, when.now);
        let stream = self.begin(segment, Opening { ends, told }, now);
        let serial = stream.serial;
        let place = self.streams.insert(stream);
        self.idle.push(Idler {
            since: now.time,
            serial,
            place,
        });
        self.due.idle_since = earlier(self.due.idle_since, Some(now.time));
        let (streams, hasher) = (&self.streams, &self.hasher);
        let (source, destination) = (&segment.source, &segment.destination);
        let hash = Streams::hash(hasher, segment.scope, source, destination);
        self.index.insert_unique(hash, place, |at| {
            let stream = streams.get(*at);
            stream.map_or(0, |stream| stream.hash(hasher))
        });
        place
    }

    /// Ends a stream that has been idle for too long, or else evicts one.
    fn make_place(&mut self, when: When, registry: &Registry, output: &mut Output) {
        let timeout = self.limits.close_timeout;
        match leaver(when.leapt, timeout, |before| self.idlest(before)) {
            Some(Leaver::Idle(place)) => self.remove(place, Ending::TimedOut, registry, output),
            Some(Leaver::Evicted(place)) => {
                self.ledger.evicted_streams += 1;
                self.remove(place, Ending::Evicted, registry, output);
            }
            None => {}
        }
    }

    fn begin(&mut self, segment: &Segment<'_>, opening: Opening, now: Moment) -> Stream {
        self.ledger.streams += 1;
        let is_opened = segment.has(flag::SYN) || opening.told.is_some();
        self.ledger.picked_up += u64::from(!is_opened);
        let answer = opening.told.and_then(|rival| rival.answer);
        let half = |told: Option<Told>| {
            told.map_or_else(Half::default, |told| Half::opened(told, answer.is_some()))
        };
        let to_server = half(opening.told.map(|rival| rival.opening));
        let to_client = half(answer);
        Stream {
            ends: opening.ends,
            scope: segment.scope,
            link_type: segment.packet.link_type,
            last: segment.packet.time,
            last_number: segment.packet.number,
            serial: now.number,
            to_server,
            to_client,
            claim: Claim::default(),
            reset: false,
        }
    }

    /// Ends a stream and forgets it.
    fn remove(&mut self, place: u32, ending: Ending, registry: &Registry, output: &mut Output) {
        self.with(place, registry, output, |stream, desk| {
            stream.finish(ending, desk)
        });
        let Some(stream) = self.streams.remove(place) else {
            return;
        };
        self.held -= stream.cost();
        let hash = stream.hash(&self.hasher);
        if let Ok(found) = self.index.find_entry(hash, |at| *at == place) {
            found.remove();
        }
    }

    /// Has something done to a stream, and keeps account of what waits in it.
    fn with(
        &mut self,
        place: u32,
        registry: &Registry,
        output: &mut Output,
        act: impl FnOnce(&mut Stream, &mut Desk<'_>),
    ) {
        let Some(stream) = self.streams.get_mut(place) else {
            return;
        };
        if let Some(bodies) = &mut output.bodies {
            bodies.next = self.next_body;
        }
        let mut desk = Desk {
            protocols: &self.protocols,
            registry,
            output,
            entropy: &mut self.entropy,
            ledger: &mut self.ledger,
        };
        let (before, cost) = (stream.waiting(place), stream.cost());
        act(stream, &mut desk);
        if let Some(bodies) = &desk.output.bodies {
            self.next_body = bodies.next;
        }
        let (after, new_cost) = (stream.waiting(place), stream.cost());
        self.held = self.held + new_cost - cost;
        for (before, after) in before.into_iter().zip(after) {
            if before != after {
                before.map(|waiting| self.waiting.remove(&waiting));
                if let Some(waiting) = after {
                    let since = Some(waiting.since.time);
                    self.due.waiting_since = earlier(self.due.waiting_since, since);
                    self.waiting.insert(waiting);
                }
            }
        }
    }

    /// A stream that has been idle since before then; without `before`, the one that makes room.
    fn idlest(&mut self, before: Option<Time>) -> Option<u32> {
        let streams = &self.streams;
        let look = |idler: &Idler| {
            let stream = streams.get(idler.place)?;
            Some(Look {
                last: stream.last,
                is_proved: stream.is_proved(),
            })
        };
        self.idle.pop(before, look)
    }
}

impl Waiting {
    fn direction(&self) -> Direction {
        if self.to_client {
            Direction::ToClient
        } else {
            Direction::ToServer
        }
    }
}

impl Stream {
    fn hash(&self, hasher: &RandomState) -> u64 {
        let StreamEnds { client, server } = &self.ends;
        Streams::hash(hasher, self.scope, client, server)
    }

    /// Which way a segment goes, if it belongs to these ends.
    fn direction(&self, segment: &Segment<'_>) -> Option<Direction> {
        if self.scope != segment.scope {
            return None;
        }
        let same = |a: &Endpoint, b: &Endpoint| a.port == b.port && a.ip == b.ip;
        [Direction::ToServer, Direction::ToClient]
            .into_iter()
            .find(|direction| {
                let (source, destination) = self.ends.of(*direction);
                same(source, &segment.source) && same(destination, &segment.destination)
            })
    }

    /// Whether a segment is the first of its direction and acknowledges what came the other way, or is
    /// the SYN that has been acknowledged there.
    /// It belongs to the stream even where the clocks of the two directions disagree.
    fn is_answered_by(&self, segment: &Segment<'_>) -> bool {
        self.direction(segment).is_some_and(|direction| {
            let (half, other) = (self.half(direction), self.half(direction.other()));
            let is_answer = match segment.has(flag::ACK) {
                true => other.has_sent(segment.acknowledgment),
                false => segment.has(flag::SYN) && half.starts_at(segment.first()),
            };
            is_answer && half.is_fresh()
        })
    }

    /// Whether there has been more than an attempt to open it.
    fn is_proved(&self) -> bool {
        !self.to_server.is_fresh() || !self.to_client.is_fresh()
    }

    /// What waits here, and what the claim keeps.
    fn cost(&self) -> usize {
        self.to_server.cost() + self.to_client.cost() + self.claim.held()
    }

    fn waiting(&self, place: u32) -> [Option<Waiting>; 2] {
        [Direction::ToServer, Direction::ToClient].map(|direction| {
            Some(Waiting {
                since: self.half(direction).waits_since()?,
                serial: self.serial,
                to_client: direction == Direction::ToClient,
                place,
            })
        })
    }
}

/// An end of a connection as a number; version 4 and 6 never give the same.
fn number(end: &Endpoint) -> (u128, u32) {
    let (address, version) = match end.ip {
        Ip::V4(octets) => (u128::from(u32::from_be_bytes(octets)), 4),
        Ip::V6(octets) => (u128::from_be_bytes(octets), 6),
        Ip::Absent => (0, 0),
    };
    (address, version << 16 | u32::from(end.port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_stream_is_small() {
        let size = size_of::<Option<Stream>>();
        assert!(size <= 240, "{size} octets");
    }
}
