//! What a segment does to its connection (RFC 9293 section 3.10.7), as far as a capture tells.
//!
//! A capture shows what was sent, and a connection is what was received. So the numbers of a stream
//! are those that the other end acknowledges, where several SYNs name several; a SYN on a live
//! connection, answered or not, changes nothing unless what follows uses its number; and a SYN that answers
//! has to acknowledge the one that it answers. The two directions go on in step: octets wait until those of
//! the other direction have been handed on that they acknowledge, so that no answer is told before its
//! question, however the capture has mixed them.

use netcap_dissect::{Carrier, Direction, Ending, PacketInfo, Place, StreamEnds};

use super::{Reading, Stream};
use crate::claim::Desk;
use crate::reassembly::{Arrival, Half, Moment, Obstacle, Rival, Scale, Told};
use crate::segment::{Segment, flag};
use crate::stream_ledger::StreamLedger;
use crate::stream_limits::StreamLimits;

const BOTH: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

/// How a stream begins that takes the place of another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) ends: StreamEnds,
    /// What SYNs have told before, if they have.
    pub(super) told: Option<Rival>,
}

impl Stream {
    pub(super) fn half(&self, direction: Direction) -> &Half {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    fn half_mut(&mut self, direction: Direction) -> &mut Half {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    /// A direction, and what is to be given its octets.
    fn reading<'s, 'd>(
        &'s mut self,
        direction: Direction,
        desk: &'s mut Desk<'d>,
    ) -> (&'s mut Half, Reading<'s, 'd>) {
        let (half, other) = match direction {
            Direction::ToServer => (&mut self.to_server, &self.to_client),
            Direction::ToClient => (&mut self.to_client, &self.to_server),
        };
        let reading = Reading {
            direction,
            other: other.is_started().then(|| other.told_from()),
            claim: &mut self.claim,
            ends: &self.ends,
            desk,
        };
        (half, reading)
    }

    /// Whether the connection is over, as far as its ends say.
    fn is_over(&self) -> bool {
        self.reset || self.is_closed()
    }

    /// Whether both ends have closed it. Two FINs that nobody acknowledges prove nothing.
    fn is_closed(&self) -> bool {
        let mut halves = BOTH.iter().map(|direction| self.half(*direction));
        halves.clone().any(Half::is_closed) && halves.all(Half::has_ended)
    }

    /// Whether more is known of it than that somebody wants to open it.
    fn is_live(&self) -> bool {
        let mut halves = BOTH.iter().map(|direction| self.half(*direction));
        halves.any(|half| half.is_settled() || half.has_begun())
    }

    /// Whether a segment opens another stream between the same ends, and how: a SYN after the end; a
    /// segment that fits the number of a SYN, and that of its answer, and not this stream; and after the
    /// end octets that were no part of it.
    pub(super) fn opening(&self, segment: &Segment<'_>) -> Option<Opening> {
        if segment.has(flag::RST) {
            return None;
        }
        let direction = self.direction(segment)?;
        let (half, other) = (self.half(direction), self.half(direction.other()));
        if segment.has(flag::SYN) {
            let is_again = half.starts_at(segment.first());
            // A reset may be forged like a SYN: what uses the numbers of both proves them.
            let is_end = match segment.has(flag::ACK) {
                true => self.is_over() && !other.has_rival(segment.acknowledgment),
                false => self.is_closed() || self.reset && !self.is_live(),
            };
            let is_reused = half.is_started() && !is_again && is_end;
            return is_reused.then(|| Opening {
                ends: segment.ends(),
                told: None,
            });
        }
        let acknowledgment = segment.has(flag::ACK).then_some(segment.acknowledgment);
        let used = half.used_rival(segment.sequence, acknowledgment, other, self.is_over());
        if used.is_some() && self.is_live() {
            let ends = StreamEnds {
                client: segment.source,
                server: segment.destination,
            };
            return Some(Opening { ends, told: used });
        }
        let is_reused = self.is_over()
            && !segment.payload.is_empty()
            && !half.may_have(segment.sequence, segment.octets());
        is_reused.then_some(Opening {
            ends: self.ends,
            told: None,
        })
    }

    /// Takes a segment that belongs here.
    pub(super) fn take(
        &mut self,
        segment: &Segment<'_>,
        now: Moment,
        limits: &StreamLimits,
        desk: &mut Desk<'_>,
    ) {
        let Some(direction) = self.direction(segment) else {
            return;
        };
        let carrier = segment.carrier();
        let time = segment.packet.time;
        let waits_since = self.half(direction).waits_since();
        let latest = time.before(limits.data_timeout);
        if limits.data_timeout > 0 && waits_since.is_some_and(|since| since.time < latest) {
            self.give_up_for_time(direction, now, desk);
        }
        if time >= self.last {
            (self.last, self.last_number) = (time, segment.packet.number);
        }
        let syn = segment.has(flag::SYN);
        if segment.has(flag::RST) {
            desk.ledger.resets += 1;
            // RFC 9293 section 3.10.7.4: a reset is processed before any text, which nobody reads.
            desk.ledger.reset_octets += segment.payload.len() as u64;
            self.reset |= self.half(direction).obeys(segment.first());
            return;
        }
        let ledger = &mut *desk.ledger;
        if syn && !self.synchronise(segment, direction, now, ledger) {
            ledger.outside_octets += segment.payload.len() as u64;
            return;
        }
        if !syn && direction == Direction::ToServer {
            self.half_mut(direction)
                .use_number(segment.sequence, ledger);
        }
        self.half_mut(direction).show(segment.first());
        if segment.has(flag::ACK) {
            self.acknowledge(segment, direction.other(), now, desk);
        }
        let fin = segment.has(flag::FIN);
        if syn && !fin && segment.octets() == 0 {
            return;
        }
        let missing = segment.octets() - segment.payload.len();
        let need = segment.has(flag::ACK).then_some(segment.acknowledgment);
        let other = self.half(direction.other());
        let arrival = Arrival {
            carrier,
            now,
            sequence: segment.first(),
            payload: segment.payload,
            missing: u32::try_from(missing).unwrap_or(u32::MAX),
            fin,
            need,
            is_due: need.is_none_or(|number| other.has_shown(number)),
            is_blind: other.is_awaited(),
            is_suspect: segment.may_be_refused(),
        };
        let before = desk.ledger.octets;
        let (half, mut reading) = self.reading(direction, desk);
        half.take(&arrival, limits.policy, &mut reading);
        half.count_segment();
        self.go_on(carrier, now, desk);
        if desk.ledger.octets > before {
            self.reset = false;
        }
        while self.half(direction).cost() > limits.octets_per_direction {
            self.give_up_for_room(direction, carrier, now, desk);
        }
        self.half(direction).note_most(desk.ledger);
    }

    /// Learns the numbers that a SYN tells: its own, and the one that it acknowledges. Says whether it
    /// may be of this stream.
    fn synchronise(
        &mut self,
        segment: &Segment<'_>,
        direction: Direction,
        now: Moment,
        ledger: &mut StreamLedger,
    ) -> bool {
        let first = segment.first();
        let scale = segment.scale.map_or(Scale::None, Scale::By);
        let told = Told { first, scale };
        let is_live = self.is_live();
        let (half, other) = match direction {
            Direction::ToServer => (&mut self.to_server, &mut self.to_client),
            Direction::ToClient => (&mut self.to_client, &mut self.to_server),
        };
        if segment.has(flag::ACK) {
            let number = segment.acknowledgment;
            if is_live && !other.is_undecided() && other.has_rival(number) {
                other.answer_rival(number, told);
                return false;
            }
            if !other.is_started() {
                other.start(number);
            } else if !other.accepts_answer(number, ledger) {
                // RFC 9293 section 3.10.7.3.
                return false;
            }
            other.refuse(number, ledger);
            // The window of a SYN is never scaled (RFC 7323 section 2.2).
            other.note_acknowledgment(number, Some(segment.window.into()), now);
        }
        let is_live = half.is_settled() || half.has_begun() || other.has_begun();
        let is_first = !half.is_started() && (segment.has(flag::ACK) || !is_live);
        if is_first {
            half.start(first);
        } else if !half.starts_at(first) {
            if !segment.has(flag::ACK) || !is_live {
                half.add_rival(told);
            }
            return false;
        }
        half.scale = scale;
        true
    }

    /// Learns what a segment acknowledges of a direction.
    fn acknowledge(
        &mut self,
        segment: &Segment<'_>,
        direction: Direction,
        now: Moment,
        desk: &mut Desk<'_>,
    ) {
        let number = segment.acknowledgment;
        let window = self.window(segment, direction);
        let half = self.half_mut(direction);
        if !segment.has(flag::SYN) {
            half.decide(number, direction == Direction::ToClient, desk.ledger);
            half.note_acknowledgment(number, window, now);
        }
        self.go_on(segment.carrier(), now, desk);
    }

    /// The window that a segment offers the sender of a direction, where the SYNs have told how it is
    /// scaled: not at all, unless both have the option (RFC 7323 section 2.2).
    fn window(&self, segment: &Segment<'_>, direction: Direction) -> Option<u32> {
        let (own, other) = (self.half(direction.other()), self.half(direction));
        match (own.scale, other.scale) {
            (Scale::None, _) | (_, Scale::None) => Some(segment.window.into()),
            // RFC 7323 section 2.3: more than 14 bits count as 14.
            (Scale::By(bits), Scale::By(_)) => Some(u32::from(segment.window) << bits.min(14)),
            _ => None,
        }
    }

    /// The direction in which something has its turn: of two what came first. Where both wait for each
    /// other that goes on which came last: it was retransmitted, with a newer acknowledgment.
    fn turn(&self) -> Option<Direction> {
        let heads = BOTH.iter().filter_map(|direction| {
            let head = self.half(*direction).head()?;
            let other = self.half(direction.other());
            let is_due = head.need.is_none_or(|number| other.has_shown(number));
            Some((is_due, head.number, *direction))
        });
        let due = heads.clone().filter(|(is_due, ..)| *is_due);
        if let Some((_, _, direction)) = due.min_by_key(|(_, number, _)| *number) {
            return Some(direction);
        }
        let last = heads.clone().max_by_key(|(_, number, _)| *number)?;
        (heads.count() == BOTH.len()).then_some(last.2)
    }

    /// Hands on whatever has its turn in both directions, tells what the capture lacks, and the ends that
    /// have been reached.
    fn go_on(&mut self, carrier: Carrier, now: Moment, desk: &mut Desk<'_>) {
        loop {
            if let Some(direction) = self.turn() {
                let (half, mut reading) = self.reading(direction, desk);
                half.pass_first(&mut reading);
                continue;
            }
            let ledger = &mut *desk.ledger;
            let (one, other) = (&mut self.to_server, &mut self.to_client);
            if one.judge_end(ledger) || other.judge_end(ledger) {
                continue;
            }
            let lost = |direction: &Direction| Some((*direction, self.half(*direction).lost()?));
            let Some((direction, end)) = BOTH.iter().find_map(lost) else {
                break;
            };
            let (half, mut reading) = self.reading(direction, desk);
            half.give_up_hole(end, carrier, &mut reading);
        }
        self.to_server.measure(now);
        self.to_client.measure(now);
        for direction in BOTH {
            if self.half(direction).is_closed() {
                self.claim
                    .end(direction, Ending::Closed, carrier, &self.ends, desk);
            }
        }
    }

    /// Gives up what the octets that wait first in a direction wait for. Says whether there was
    /// anything.
    pub(super) fn give_up(
        &mut self,
        direction: Direction,
        carrier: Carrier,
        now: Moment,
        desk: &mut Desk<'_>,
    ) -> bool {
        let half = self.half_mut(direction);
        half.drop_beyond_window(desk.ledger);
        let (obstacle, head) = (half.obstacle(), half.head());
        match (obstacle, head) {
            (Some(Obstacle::Numbers), _) => half.settle(desk.ledger),
            (Some(Obstacle::Fin), _) => half.settle_end(desk.ledger),
            (Some(Obstacle::Doubt), _) => half.trust(),
            (Some(Obstacle::Hole(end)), _) => {
                let (half, mut reading) = self.reading(direction, desk);
                half.give_up_hole(end, carrier, &mut reading);
            }
            (None, Some(head)) => {
                half.need_nothing();
                if let Some(number) = head.need {
                    let (other, mut reading) = self.reading(direction.other(), desk);
                    other.do_without(number, carrier, &mut reading);
                }
            }
            (None, None) => return false,
        }
        self.go_on(carrier, now, desk);
        true
    }

    /// The same, because octets have waited for too long.
    pub(super) fn give_up_for_time(
        &mut self,
        direction: Direction,
        now: Moment,
        desk: &mut Desk<'_>,
    ) {
        desk.ledger.gaps_for_time += u64::from(!self.is_blind(direction));
        self.give_up(direction, self.last_carrier(), now, desk);
    }

    /// The same, because too much waits.
    pub(super) fn give_up_for_room(
        &mut self,
        direction: Direction,
        carrier: Carrier,
        now: Moment,
        desk: &mut Desk<'_>,
    ) {
        let (before, is_blind) = (desk.ledger.octets, self.is_blind(direction));
        self.give_up(direction, carrier, now, desk);
        if !is_blind {
            desk.ledger.gaps_for_room += 1;
            desk.ledger.evicted_octets += desk.ledger.octets - before;
        }
    }

    /// Whether a direction waits for nothing but the other one, of which the capture has shown nothing.
    fn is_blind(&self, direction: Direction) -> bool {
        self.half(direction.other()).is_awaited() && self.half(direction).head().is_some()
    }

    /// Hands on all that waits, and ends both directions: by this, where nothing of their own has.
    pub(super) fn finish(&mut self, ending: Ending, desk: &mut Desk<'_>) {
        let carrier = self.last_carrier();
        let last = Moment {
            time: self.last,
            number: 0,
        };
        for direction in BOTH {
            while self.give_up(direction, carrier, last, desk) {}
        }
        for direction in BOTH {
            let ending = match self.half(direction).has_ended() {
                true => Ending::Closed,
                false if self.reset => Ending::Reset,
                false => ending,
            };
            self.claim.end(direction, ending, carrier, &self.ends, desk);
        }
    }

    /// Stands for the latest packet, where no packet is at hand.
    pub(super) fn last_carrier(&self) -> Carrier {
        let packet = PacketInfo {
            time: self.last,
            link_type: self.link_type,
            original_len: 0,
            index: 0,
            number: self.last_number,
        };
        Carrier {
            packet,
            macs: None,
            place: Place::default(),
        }
    }
}
