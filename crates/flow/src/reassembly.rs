//! One direction of a TCP stream (RFC 9293 section 3.4): segments in any order become octets in
//! order, and gaps where the capture lacks some.
//!
//! Octets are handed on as soon as all before them are known, as a receiver does, so what a reader
//! was given never changes. Segments that came early wait, and so do those that acknowledge octets of
//! the other direction that the capture has not shown yet: the two directions of a capture may be out
//! of step. Where two of them claim the same place, or a segment that fills a hole claims that of one
//! which waits, the one counts that its receiver rather took ([`held::Standing`]), and else an
//! [`OverlapPolicy`] decides. Octets that come for a place already handed on are counted and dropped;
//! whether they contradict it is not known any more.
//!
//! A hole is given up, which is told as a gap, when the other end has acknowledged all of it and its
//! direction has gone on for [`LATE`] segments, because captures reorder, or is more than [`WIDE`]
//! ahead; when too much waits behind it, or when its owner says so. Memory follows the octets received,
//! never a sequence number somebody claimed.

mod ending;
mod held;
mod numbers;

use std::ops::Range;

use netcap_dissect::Carrier;
use netcap_record::Time;

use crate::stream_ledger::StreamLedger;
use crate::stream_limits::OverlapPolicy;
use held::{Held, Origin, Overlaps, Standing, overlap};
pub(crate) use numbers::{Rival, Told};

/// A place in a stream: the sequence number in the low 32 bits, and above them how often the
/// numbers have wrapped, counted from one.
pub(crate) type Position = u64;

/// Where sequence numbers wrap, and the position of a first octet numbered 0.
const WRAP: Position = 1 << 32;
/// The end of a stream whose FIN has not been seen.
const OPEN: Position = Position::MAX;
/// No receiver offers a larger window (RFC 7323 section 2.3), so what claims a place beyond belongs
/// to another connection, or is forged.
const WINDOW: u64 = 1 << 30;
/// What a piece that waits costs beside its octets.
pub(crate) const PIECE: usize = 192;

/// Segments of a direction after which a hole that the other end has acknowledged is given up: so far
/// behind others of its direction, and behind its acknowledgment, a capture may bring a segment.
const LATE: u32 = 32;
/// Octets that no segments so late bring, if the other end has acknowledged as many ahead of them.
const WIDE: u64 = LATE as u64 * u16::MAX as u64;

/// When a segment came: packet time, and among those of one time the order in the capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) time: Time,
    pub(crate) number: u64,
}

/// The position of a sequence number that is the first.
pub(crate) fn beginning(sequence: u32) -> Position {
    WRAP | Position::from(sequence)
}

/// The position of a sequence number that is nearest to another position.
pub(crate) fn nearest(position: Position, sequence: u32) -> Position {
    let ahead = sequence.wrapping_sub(position as u32) as i32;
    position.wrapping_add_signed(i64::from(ahead))
}

/// Who is given the octets of a direction.
pub(crate) trait Reader {
    /// The next octets, where they stand, what their sender acknowledges, and what brought them.
    fn data(
        &mut self,
        octets: &[u8],
        position: Position,
        acknowledgment: Option<u32>,
        carrier: Carrier,
    );
    /// So many octets that the capture lacks, and what brought those behind them.
    fn gap(&mut self, octets: u64, carrier: Carrier);
    /// Where everything is counted.
    fn ledger(&mut self) -> &mut StreamLedger;
}

/// What a segment brings to its direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) carrier: Carrier,
    pub(crate) now: Moment,
    /// Number of the first octet.
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
    /// Octets behind the payload that the wire had and the capture has not.
    pub(crate) missing: u32,
    /// Whether the direction ends behind all that.
    pub(crate) fin: bool,
    /// The number that it acknowledges, if it does.
    pub(crate) need: Option<u32>,
    /// Whether the other direction has been handed on up to there.
    pub(crate) is_due: bool,
    /// Whether the capture has shown nothing of the other direction yet, so that it tells nothing of
    /// what may be acknowledged.
    pub(crate) is_blind: bool,
    /// Whether its octets may be none of the stream: see [`Standing::Suspect`].
    pub(crate) is_suspect: bool,
}

/// One direction of a stream.
#[derive(Debug)]
pub(crate) struct Half {
    /// Number of the first octet; while that is not known, the one up to which empty segments have
    /// shown the direction.
    start: u32,
    /// The number that the other end acknowledged last; `start` where it has not.
    acknowledged: u32,
    /// Where the next octet belongs; 0 until the number of the first is known.
    next: Position,
    /// Where FIN stands.
    end: Position,
    /// Where the receiver's window has reached; 0 where that is not known.
    edge: Position,
    held: Option<Box<Held>>,
    /// Whether the other end has acknowledged the FIN.
    is_closed: bool,
    /// Whether the number of the first octet is beyond doubt: acknowledged, or that of octets.
    is_settled: bool,
    /// Whether that number is the one of the octets that were captured first.
    is_picked_up: bool,
    /// Whether the capture shows this direction.
    sight: Sight,
    /// The window scale that this end's SYN offers.
    pub(crate) scale: Scale,
}

/// Whether the capture shows a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// Nothing yet: what acknowledges some of it waits.
    Awaited,
    /// Nothing for so long that nobody waits for it any more.
    Missed,
    /// It does.
    Seen,
}

/// What a SYN says of how the windows of its sender are scaled: RFC 7323 section 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scale {
    /// No SYN was seen.
    #[default]
    Unknown,
    /// It has no such option, so nobody's windows are scaled.
    None,
    /// By so many bits, where both SYNs have the option.
    By(u8),
}

/// Why what waits first does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Other SYNs have given the first octet other numbers.
    Numbers,
    /// The octets before this place, or before the FIN there, are missing.
    Hole(Position),
    /// It stands behind the FIN.
    Fin,
    /// It may be none of the stream, and is not acknowledged.
    Doubt,
}

/// What may go on, as far as its own direction is concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// Number of the segment that brought it.
    pub(crate) number: u64,
    /// The number up to which the other direction must have been handed on.
    pub(crate) need: Option<u32>,
}

impl Default for Half {
    fn default() -> Half {
        Half {
            start: 0,
            acknowledged: 0,
            next: 0,
            end: OPEN,
            edge: 0,
            held: None,
            is_closed: false,
            is_settled: false,
            is_picked_up: false,
            sight: Sight::Awaited,
            scale: Scale::Unknown,
        }
    }
}

impl Half {
    /// Says which number the first octet has.
    pub(crate) fn start(&mut self, sequence: u32) {
        self.start = sequence;
        self.acknowledged = sequence;
        self.next = self.first();
    }

    /// Whether the number of the first octet is known.
    pub(crate) fn is_started(&self) -> bool {
        self.next != 0
    }

    /// Whether the number of the first octet is known to be this one.
    pub(crate) fn starts_at(&self, sequence: u32) -> bool {
        self.is_started() && self.start == sequence
    }

    /// Whether anything has been handed on, or is known to be missing.
    pub(crate) fn has_begun(&self) -> bool {
        self.is_started() && self.next > self.first()
    }

    /// Whether the capture has shown octets up to this number, or at least where they begin.
    pub(crate) fn has_sent(&self, number: u32) -> bool {
        let at = self.position(number);
        self.is_started() && self.first() <= at && at <= self.next.max(self.last())
    }

    /// Where the octets end that wait; 0 where none do.
    fn last(&self) -> Position {
        let held = self.held.as_ref();
        let last = held.and_then(|held| held.pieces.last_key_value());
        last.map_or(0, |(at, piece)| at + piece.length)
    }

    /// Whether there has been no octet and no end yet.
    pub(crate) fn is_fresh(&self) -> bool {
        !self.has_begun() && self.end == OPEN && !self.waits()
    }

    /// What waits here costs so many octets.
    pub(crate) fn cost(&self) -> usize {
        self.held
            .as_ref()
            .map_or(0, |held| held.cost + held.rivals.len().min(1) * PIECE)
    }

    /// Since when octets have waited, if some do.
    pub(crate) fn waits_since(&self) -> Option<Moment> {
        let held = self.held.as_ref().filter(|held| !held.pieces.is_empty())?;
        Some(held.since)
    }

    /// Takes what a segment brings: hands it on, or has it wait.
    pub(crate) fn take(
        &mut self,
        arrival: &Arrival<'_>,
        policy: OverlapPolicy,
        reader: &mut impl Reader,
    ) {
        let length = arrival.payload.len() as u64 + u64::from(arrival.missing);
        if length == 0 && !arrival.fin && !self.is_started() {
            // The number of an empty segment may be that of a keep-alive.
            return;
        }
        if !self.is_started() {
            self.start(arrival.sequence);
            self.is_settled = true;
            self.is_picked_up = true;
        }
        if self.begins_before(self.position(arrival.sequence), length) {
            self.begin_again(arrival.sequence);
        }
        let at = self.position(arrival.sequence);
        if length <= 1 && !arrival.fin && at + 1 == self.next && !self.has_ended() {
            // RFC 9293 section 3.8.4: one octet or none before the next expected.
            reader.ledger().keep_alives += 1;
            reader.ledger().retransmitted_octets += arrival.payload.len() as u64;
            return;
        }
        if length == 0 && !arrival.fin {
            return;
        }
        // Where the capture lost more than a window, the other end has acknowledged what it lost.
        let expected = self.next.max(self.position(self.acknowledged));
        let is_outside = at.saturating_sub(expected) > WINDOW && !self.is_undecided();
        if is_outside || u64::from(arrival.missing) > WINDOW {
            reader.ledger().outside_octets += arrival.payload.len() as u64;
            return;
        }
        let is_overtaken = at <= self.end && self.end < at + length;
        if is_overtaken && self.next < self.end && !arrival.is_suspect {
            self.end = OPEN;
        }
        if arrival.fin {
            self.note_end(at + length);
        }
        self.bring(arrival, at, policy, reader);
    }

    /// Notes how much waits, if that is more than ever.
    pub(crate) fn note_most(&self, ledger: &mut StreamLedger) {
        if let Some(held) = &self.held {
            let (segments, cost) = (held.pieces.len() as u64, held.cost as u64);
            ledger.most_waiting_segments = ledger.most_waiting_segments.max(segments);
            ledger.most_waiting_octets = ledger.most_waiting_octets.max(cost);
        }
    }

    /// Learns what the other end acknowledges: everything before this number; and how far its window
    /// reaches from there, where that is known.
    pub(crate) fn note_acknowledgment(&mut self, number: u32, window: Option<u32>, now: Moment) {
        if !self.is_started() {
            return;
        }
        self.acknowledged = number;
        if let Some(window) = window {
            self.edge = self.edge.max(self.position(number) + u64::from(window));
        }
        if let Some(held) = &mut self.held {
            held.spoke = now.number;
        }
    }

    /// Whether the other end has acknowledged everything before this place.
    pub(crate) fn is_acknowledged(&self, place: Position) -> bool {
        place <= self.position(self.acknowledged)
    }

    /// Notes that the capture shows a segment of this direction whose octets begin with this number.
    pub(crate) fn show(&mut self, number: u32) {
        let is_ahead = self.sight != Sight::Seen || number.wrapping_sub(self.start) <= 1 << 31;
        if !self.is_started() && is_ahead {
            self.start = number;
        }
        self.sight = Sight::Seen;
    }

    /// Whether the capture has not shown this direction yet, and it is waited for.
    pub(crate) fn is_awaited(&self) -> bool {
        self.sight == Sight::Awaited
    }

    /// Whether all has been handed on that a segment of the other direction acknowledges; of one that
    /// was picked up and has brought no octets yet, whether it has been shown up to there. A FIN counts
    /// as one octet. What no window allows is not waited for.
    pub(crate) fn has_shown(&self, acknowledgment: u32) -> bool {
        let next = self.next + u64::from(self.has_ended());
        let ahead = match self.sight {
            Sight::Missed => return true,
            _ if self.is_started() => self.position(acknowledgment).saturating_sub(next),
            Sight::Awaited => return false,
            Sight::Seen => match acknowledgment.wrapping_sub(self.start) {
                behind if behind > 1 << 31 => 0,
                ahead => ahead.into(),
            },
        };
        ahead == 0 || ahead > WINDOW
    }

    /// Goes on without what the other direction acknowledges. Of a direction that the capture does not
    /// show nothing is told, and nobody waits for it again before it does.
    pub(crate) fn do_without(
        &mut self,
        acknowledgment: u32,
        carrier: Carrier,
        reader: &mut impl Reader,
    ) {
        if self.is_awaited() {
            self.sight = Sight::Missed;
        } else if self.is_started() {
            self.settle(reader.ledger());
            self.go_to(acknowledgment, carrier, reader);
        } else {
            self.start = acknowledgment;
        }
    }

    /// Why what waits first, or the FIN, has not its turn; none where it has, as far as this direction
    /// tells, and where nothing waits.
    pub(crate) fn obstacle(&self) -> Option<Obstacle> {
        let early_fin = self.end != OPEN && self.end > self.next;
        let hole_before_fin = || early_fin.then_some(Obstacle::Hole(self.end));
        let Some(held) = &self.held else {
            return hole_before_fin();
        };
        let Some((&at, piece)) = held.pieces.first_key_value() else {
            return hole_before_fin();
        };
        if self.is_undecided() {
            return Some(Obstacle::Numbers);
        }
        if self.has_ended() {
            return Some(Obstacle::Fin);
        }
        if at > self.next {
            return Some(Obstacle::Hole(at.min(self.end)));
        }
        let end = at + piece.length;
        let is_proved = match piece.origin.standing {
            Standing::Suspect => {
                let follower = held.pieces.get(&end);
                self.end == end || follower.is_some_and(|p| p.origin.standing > Standing::Beyond)
            }
            Standing::Beyond => false,
            Standing::Unproved | Standing::Sound => true,
        };
        (!is_proved && !self.is_acknowledged(end)).then_some(Obstacle::Doubt)
    }

    /// Counts a segment of this direction.
    pub(crate) fn count_segment(&mut self) {
        if let Some(held) = &mut self.held {
            held.came = held.came.wrapping_add(1);
        }
    }

    /// Where the hole in front ends, if the capture lacks what is missing: the other end has
    /// acknowledged it, and [`LATE`] segments have come since those behind it did.
    pub(crate) fn lost(&self) -> Option<Position> {
        let held = self.held.as_ref()?;
        let Some(Obstacle::Hole(end)) = self.obstacle() else {
            return None;
        };
        let behind = held
            .pieces
            .get(&end)
            .map_or(held.fin, |piece| piece.origin.nth);
        let acknowledged = self.position(self.acknowledged);
        let is_late =
            held.came.wrapping_sub(behind) >= LATE || acknowledged.saturating_sub(self.next) > WIDE;
        (end <= acknowledged && is_late).then_some(end)
    }

    /// What has its turn as far as this direction tells.
    pub(crate) fn head(&self) -> Option<Head> {
        let (_, piece) = self.held.as_ref()?.pieces.first_key_value()?;
        self.obstacle().is_none().then_some(Head {
            number: piece.origin.number,
            need: piece.origin.need,
        })
    }

    /// Hands on the piece that has its turn; gives the number of octets.
    pub(crate) fn pass_first(&mut self, reader: &mut impl Reader) -> u64 {
        let Some(held) = &mut self.held else {
            return 0;
        };
        let Some(carrier) = held.carrier(self.next) else {
            return 0;
        };
        let Some(piece) = held.remove(self.next) else {
            return 0;
        };
        let octets = piece.octets();
        let origin = Origin {
            carrier,
            ..piece.origin
        };
        self.pass(self.next + piece.length, octets, origin, reader);
        octets.map_or(0, |octets| octets.len() as u64)
    }

    /// Has what waits first go on, whatever it waits for of the other direction.
    pub(crate) fn need_nothing(&mut self) {
        self.change_first(|origin| origin.need = None);
    }

    /// Has what waits first go on, though it may be none of the stream.
    pub(crate) fn trust(&mut self) {
        self.change_first(|origin| origin.standing = Standing::Sound);
    }

    fn change_first(&mut self, change: impl Fn(&mut Origin)) {
        let first = self
            .held
            .as_mut()
            .and_then(|held| held.pieces.first_entry());
        if let Some(mut first) = first {
            change(&mut first.get_mut().origin);
        }
    }

    /// Drops what waits in front and is beyond what the receiver's window allows, where the receiver
    /// has spoken since.
    pub(crate) fn drop_beyond_window(&mut self, ledger: &mut StreamLedger) {
        if let Some(held) = &mut self.held
            && self.edge >= self.next
        {
            ledger.outside_octets += held.drop_beyond(self.edge);
        }
    }

    /// Gives up the hole up to `end`. `carrier` tells a gap behind which nothing waits.
    pub(crate) fn give_up_hole(
        &mut self,
        end: Position,
        carrier: Carrier,
        reader: &mut impl Reader,
    ) {
        let behind = self.held.as_ref().and_then(|held| held.carrier(end));
        self.skip(end, behind.unwrap_or(carrier), reader);
    }

    /// Goes on up to a number, over holes too, or up to the FIN.
    fn go_to(&mut self, number: u32, carrier: Carrier, reader: &mut impl Reader) {
        let to = self.position(number).min(self.end);
        while self.next < to {
            let first = self.held.as_ref().and_then(|held| {
                let (at, _) = held.pieces.first_key_value()?;
                Some(*at)
            });
            match first {
                Some(at) if at == self.next => {
                    self.pass_first(reader);
                }
                first => self.give_up_hole(first.map_or(to, |at| at.min(to)), carrier, reader),
            }
        }
    }

    /// The position of a sequence number: the one nearest to what is expected.
    pub(crate) fn position(&self, sequence: u32) -> Position {
        nearest(self.next, sequence)
    }

    /// The least that an acknowledgment tells of what has been received, and where the next octet
    /// belongs. Where a SYN has told the beginning, one of nothing behind it tells nothing: whoever
    /// answers has received something, unless he does not care for numbers.
    pub(crate) fn told_from(&self) -> Range<Position> {
        self.first() + u64::from(!self.is_picked_up)..self.next
    }

    fn first(&self) -> Position {
        beginning(self.start)
    }

    fn waits(&self) -> bool {
        self.waits_since().is_some()
    }

    /// Sorts the octets of a segment: repeated, late, new, beyond the end.
    fn bring(
        &mut self,
        arrival: &Arrival<'_>,
        at: Position,
        policy: OverlapPolicy,
        reader: &mut impl Reader,
    ) {
        let payload = arrival.payload;
        let mut old = self.next.saturating_sub(at).min(payload.len() as u64);
        if self.is_undecided() {
            old = 0;
        }
        let (_, rest) = payload.split_at_checked(old as usize).unwrap_or_default();
        self.count_old(at..at + old, reader.ledger());

        let start = at + old;
        let end = if self.is_closed { self.end } else { OPEN };
        let before_end = end.saturating_sub(start).min(rest.len() as u64);
        let (new, beyond) = rest
            .split_at_checked(before_end as usize)
            .unwrap_or_default();
        reader.ledger().after_end_octets += beyond.len() as u64;

        let standing = if arrival.is_suspect {
            Standing::Suspect
        } else if self.is_beyond_window(start..start + new.len() as u64) {
            Standing::Beyond
        } else if arrival.is_due || arrival.is_blind {
            Standing::Sound
        } else {
            Standing::Unproved
        };
        let origin = Origin {
            carrier: arrival.carrier,
            number: arrival.now.number,
            nth: self.held.as_ref().map_or(0, |held| held.came),
            acknowledgment: arrival.need,
            need: arrival.need.filter(|_| !arrival.is_due),
            standing,
        };
        let mut counts = Overlaps::default();
        if !new.is_empty() {
            if start > self.next {
                reader.ledger().out_of_order_segments += 1;
                reader.ledger().out_of_order_octets += new.len() as u64;
            }
            let range = start..start + new.len() as u64;
            self.add(range, Some(new), origin, policy, &mut counts, reader);
        }
        let cut = at + payload.len() as u64;
        let range = cut.max(self.next)..(cut + u64::from(arrival.missing)).min(end);
        if !range.is_empty() {
            self.add(range, None, origin, policy, &mut counts, reader);
        }
        let ledger = reader.ledger();
        ledger.overlapping_segments += u64::from(counts.octets > 0);
        ledger.overlapping_octets += counts.octets;
        ledger.conflicting_octets += counts.conflicts;
    }

    /// Whether octets reach beyond the window that the receiver has shown, unless more than that has
    /// been handed on: then the capture lacks what the receiver has said since. One octet behind a
    /// closed window is a probe (RFC 9293 section 3.8.6.1).
    fn is_beyond_window(&self, octets: Range<Position>) -> bool {
        let is_probe = octets == (self.edge..self.edge.saturating_add(1));
        self.edge >= self.next && octets.end > self.edge && !is_probe
    }

    /// Counts octets of a place that has been passed.
    fn count_old(&self, old: Range<Position>, ledger: &mut StreamLedger) {
        if old.is_empty() {
            return;
        }
        let before = 0..self.first();
        let gaps = self.held.iter().flat_map(|held| &held.gaps);
        let late: u64 = gaps
            .chain([&before])
            .map(|gap| overlap(gap, &old).map_or(0, |range| range.end - range.start))
            .sum();
        let repeated = (old.end - old.start).saturating_sub(late);
        ledger.late_octets += late;
        ledger.retransmitted_octets += repeated;
        ledger.retransmitted_segments += u64::from(repeated > 0);
    }

    /// Hands octets on if it is their turn and nothing waits, else has them wait.
    fn add(
        &mut self,
        range: Range<Position>,
        octets: Option<&[u8]>,
        origin: Origin,
        policy: OverlapPolicy,
        counts: &mut Overlaps,
        reader: &mut impl Reader,
    ) {
        let is_next = range.start == self.next && !self.has_ended() && !self.is_undecided();
        let is_doubtful = origin.standing <= Standing::Beyond;
        if is_next && origin.need.is_none() && !is_doubtful && !self.waits() {
            self.pass(range.end, octets, origin, reader);
            return;
        }
        let held = self.held.get_or_insert_default();
        match octets {
            Some(_) => held.insert(range, octets, origin, policy, counts),
            None => held.lack(range, origin),
        }
    }

    /// Hands on what is next.
    fn pass(
        &mut self,
        end: Position,
        octets: Option<&[u8]>,
        origin: Origin,
        reader: &mut impl Reader,
    ) {
        match octets {
            Some(octets) => {
                let position = std::mem::replace(&mut self.next, end);
                reader.ledger().octets += octets.len() as u64;
                reader.data(octets, position, origin.acknowledgment, origin.carrier);
            }
            None => self.skip(end, origin.carrier, reader),
        }
        if self.end < self.next {
            self.end = OPEN;
        }
    }

    /// Tells a gap up to `end`.
    fn skip(&mut self, end: Position, carrier: Carrier, reader: &mut impl Reader) {
        let gap = self.next..end;
        let octets = gap.end - gap.start;
        let gaps = &mut self.held.get_or_insert_default().gaps;
        gaps.rotate_right(1);
        gaps[0] = gap;
        self.next = end;
        reader.ledger().gaps += 1;
        reader.ledger().gap_octets += octets;
        reader.gap(octets, carrier);
    }

    /// Notes since when the first of what waits now has done so.
    pub(crate) fn measure(&mut self, now: Moment) {
        let Some(held) = &mut self.held else {
            return;
        };
        held.settle();
        if held.pieces.is_empty() {
            held.stood = OPEN;
            let has_early_fin = self.end != OPEN && self.end > self.next;
            if held.is_empty() && !has_early_fin {
                self.held = None;
            }
        } else if held.stood != self.next {
            (held.since, held.stood) = (now, self.next);
        }
    }
}

#[cfg(test)]
mod tests;
