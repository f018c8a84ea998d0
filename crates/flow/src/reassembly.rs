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
//! A hole is given up, which is told as a gap, when the other end acknowledges all of it, when too
//! much waits behind it, or when its owner says so. Memory follows the octets received, never a
//! sequence number somebody claimed.
//!
//! A FIN is where it stands until the other end acknowledges it. Before it is reached, octets that
//! cover its place displace it; then octets behind it wait, and an acknowledgment of those proves that
//! it was none.

mod held;

use std::ops::Range;

use netcap_dissect::Carrier;
use netcap_record::Time;

use crate::stream_ledger::StreamLedger;
use crate::stream_limits::OverlapPolicy;
use held::{Held, Origin, Overlaps, RIVALS, Standing, overlap};

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

/// When a segment came: packet time, and among those of one time the order in the capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) time: Time,
    pub(crate) number: u64,
}

/// Who is given the octets of a direction.
pub(crate) trait Reader {
    /// The next octets, and what brought them.
    fn data(&mut self, octets: &[u8], carrier: Carrier);
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
    /// Whether its octets may be none of the stream: see [`Standing::Suspect`].
    pub(crate) is_suspect: bool,
}

/// One direction of a stream.
#[derive(Debug)]
pub(crate) struct Half {
    /// Number of the first octet.
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
    /// Whether the capture has shown a segment of this direction.
    pub(crate) is_seen: bool,
    /// The window scale that this end's SYN offers.
    pub(crate) scale: Scale,
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
    /// It may be none of the stream.
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
            is_seen: false,
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

    /// Whether an octet of this number is the very next.
    pub(crate) fn expects(&self, sequence: u32) -> bool {
        self.is_started() && !self.has_ended() && self.position(sequence) == self.next
    }

    /// Whether a reset with this number is one that its receiver obeys, as far as the capture tells:
    /// it stands next, behind the FIN, or behind all that waits (RFC 9293 section 3.10.7.4).
    pub(crate) fn obeys(&self, sequence: u32) -> bool {
        let at = self.position(sequence);
        let last = self.held.as_ref().and_then(|held| {
            let (at, piece) = held.pieces.last_key_value()?;
            Some(at + piece.length)
        });
        !self.is_started() || at == self.next || Some(at) == last || at == self.end.wrapping_add(1)
    }

    /// Whether there has been no octet and no end yet.
    pub(crate) fn is_fresh(&self) -> bool {
        !self.has_begun() && self.end == OPEN && !self.waits()
    }

    /// Whether everything before a FIN has been handed on.
    pub(crate) fn has_ended(&self) -> bool {
        self.next == self.end
    }

    /// Whether the other end has acknowledged the FIN, too.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether octets of this number may be of this direction, which has ended: sent again, or just
    /// behind the end.
    pub(crate) fn may_have(&self, sequence: u32, length: usize) -> bool {
        /// What may have been sent before the place where a stream was picked up.
        const EARLIER: u64 = 1 << 20;
        /// What may be on its way when a reset is sent.
        const AHEAD: u64 = 1 << 16;
        if !self.is_started() {
            return true;
        }
        let at = self.position(sequence);
        let earlier = match self.scale {
            Scale::Unknown => EARLIER,
            _ => 0,
        };
        let ahead = if self.has_ended() { 1 } else { AHEAD };
        at + length as u64 + earlier >= self.first() && at <= self.next + ahead
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

    /// Judges a FIN that has been reached, by what is acknowledged and what stands behind it. Says
    /// whether that lets octets go on.
    pub(crate) fn judge_end(&mut self, ledger: &mut StreamLedger) -> bool {
        if !self.has_ended() || self.is_closed {
            return false;
        }
        let beyond = self.position(self.acknowledged).saturating_sub(self.end);
        if beyond == 1 {
            self.close(ledger);
        }
        let is_none = beyond > 1 && self.waits();
        if is_none {
            self.end = OPEN;
        }
        is_none
    }

    /// Believes a FIN that has been reached: what stands behind it is no part of the stream.
    pub(crate) fn close(&mut self, ledger: &mut StreamLedger) {
        self.is_closed = true;
        if let Some(held) = &mut self.held {
            ledger.after_end_octets += held.forget(self.end..OPEN);
        }
    }

    /// Whether all has been handed on that a segment of the other direction acknowledges, as far as
    /// the capture shows this direction at all. A FIN counts as one octet. What no window allows is
    /// not waited for.
    pub(crate) fn has_shown(&self, acknowledgment: u32) -> bool {
        let next = self.next + u64::from(self.has_ended());
        let ahead = self.position(acknowledgment).saturating_sub(next);
        !self.is_seen || !self.is_started() || ahead == 0 || ahead > WINDOW
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
        let is_suspect = piece.origin.standing == Standing::Suspect;
        let is_followed = || {
            let follower = held.pieces.get(&end);
            self.end == end || follower.is_some_and(|p| p.origin.standing > Standing::Suspect)
        };
        let is_doubtful = is_suspect && !self.is_acknowledged(end) && !is_followed();
        is_doubtful.then_some(Obstacle::Doubt)
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
        self.pass(self.next + piece.length, octets, carrier, reader);
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
    pub(crate) fn go_to(&mut self, number: u32, carrier: Carrier, reader: &mut impl Reader) {
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
        let ahead = sequence.wrapping_sub(self.next as u32) as i32;
        self.next.wrapping_add_signed(i64::from(ahead))
    }

    fn first(&self) -> Position {
        WRAP | Position::from(self.start)
    }

    fn waits(&self) -> bool {
        self.waits_since().is_some()
    }

    /// Notes where a FIN stands: the first of several, unless octets wait for its place.
    fn note_end(&mut self, place: Position) {
        let is_covered = || self.held.as_ref().is_some_and(|held| held.covers(place));
        if place >= self.next && place < self.end && !self.is_closed && !is_covered() {
            self.end = place;
        }
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
        } else if arrival.is_due && !self.is_beyond_window(start + new.len() as u64) {
            Standing::Sound
        } else {
            Standing::Unproved
        };
        let origin = Origin {
            carrier: arrival.carrier,
            number: arrival.now.number,
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

    /// Whether a place is beyond the window that the receiver has shown, which is not the case where
    /// all before it has been handed on: then the capture lacks what the receiver has said since.
    fn is_beyond_window(&self, place: Position) -> bool {
        self.edge >= self.next && place > self.edge
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
        let is_doubtful = origin.standing == Standing::Suspect;
        if is_next && origin.need.is_none() && !is_doubtful && !self.waits() {
            self.pass(range.end, octets, origin.carrier, reader);
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
        carrier: Carrier,
        reader: &mut impl Reader,
    ) {
        match octets {
            Some(octets) => {
                self.next = end;
                reader.ledger().octets += octets.len() as u64;
                reader.data(octets, carrier);
            }
            None => self.skip(end, carrier, reader),
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
            if held.is_empty() {
                self.held = None;
            }
        } else if held.stood != self.next {
            (held.since, held.stood) = (now, self.next);
        }
    }
}

/// Which number the first octet has, where several SYNs say so differently.
impl Half {
    /// Whether that is open.
    fn is_undecided(&self) -> bool {
        !self.is_settled && !self.rivals().is_empty()
    }

    fn rivals(&self) -> &[u32] {
        self.held.as_ref().map_or(&[], |held| &held.rivals)
    }

    /// Whether the number of the first octet is beyond doubt.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Whether another SYN gave this number to the first octet.
    pub(crate) fn has_rival(&self, number: u32) -> bool {
        self.rivals().contains(&number)
    }

    /// The number among those of other SYNs that a segment fits which does not fit this stream: one
    /// not farther from it than any window reaches.
    pub(crate) fn fits_rival(&self, number: u32) -> Option<u32> {
        /// Octets that a segment may be ahead, where the capture lacks those before.
        const AHEAD: u32 = 1 << 20;
        let fits_own = || self.position(number).abs_diff(self.next) <= WINDOW;
        if self.is_started() && (self.is_undecided() || fits_own()) {
            return None;
        }
        let mut rivals = self.rivals().iter().copied();
        rivals.find(|rival| number.wrapping_sub(*rival) < AHEAD)
    }

    /// Remembers the number that another SYN gives the first octet.
    pub(crate) fn add_rival(&mut self, number: u32) {
        if self.starts_at(number) || self.has_rival(number) {
            return;
        }
        let rivals = &mut self.held.get_or_insert_default().rivals;
        if rivals.len() == RIVALS {
            rivals.remove(0);
        }
        rivals.push(number);
    }

    /// Decides among the numbers by what the other end acknowledges: the one closest before it. Where
    /// none is close the client's acknowledgment of an answer tells a number of its own.
    pub(crate) fn decide(
        &mut self,
        acknowledgment: u32,
        is_answer: bool,
        ledger: &mut StreamLedger,
    ) {
        if self.is_settled || !self.is_started() {
            return;
        }
        let numbers = self.rivals().iter().copied().chain([self.start]);
        let before = |number: &u32| acknowledgment.wrapping_sub(*number);
        let closest = numbers.min_by_key(before).unwrap_or(self.start);
        match u64::from(before(&closest)) > WINDOW {
            true if is_answer => self.settle_on(acknowledgment, ledger),
            true => {}
            false => self.settle_on(closest, ledger),
        }
    }

    /// Whether a SYN that answers the one of this direction may acknowledge this number: that of the
    /// first octet, of one that came with the SYN, or one that another SYN told.
    pub(crate) fn accepts_answer(&mut self, number: u32, ledger: &mut StreamLedger) -> bool {
        if !self.is_settled && self.scale == Scale::Unknown {
            // The SYN was not captured: another answer has told the number.
            self.add_rival(number);
            return true;
        }
        if !self.is_settled && self.has_rival(number) {
            self.settle_on(number, ledger);
        }
        let last = self.held.as_ref().and_then(|held| {
            let (at, piece) = held.pieces.last_key_value()?;
            Some(at + piece.length)
        });
        let there = self.first()..=self.next.max(last.unwrap_or(0));
        let is_sound = there.contains(&self.position(number));
        if is_sound && !self.is_settled {
            self.settle_on(self.start, ledger);
        }
        is_sound || self.scale == Scale::Unknown
    }

    /// Settles on the number that octets of this direction have, if it is one that a SYN told.
    pub(crate) fn use_number(&mut self, number: u32, ledger: &mut StreamLedger) {
        if !self.is_settled && self.is_started() && self.has_rival(number) {
            self.settle_on(number, ledger);
        }
    }

    /// Settles on a number, as nobody has acknowledged one: on that which what waits fits best.
    pub(crate) fn settle(&mut self, ledger: &mut StreamLedger) {
        let last = self.held.as_ref().and_then(|held| {
            let (at, _) = held.pieces.last_key_value()?;
            Some(*at as u32)
        });
        if self.is_undecided() {
            self.decide(last.unwrap_or(self.start), true, ledger);
        }
    }

    /// Settles on a number of the first octet.
    fn settle_on(&mut self, number: u32, ledger: &mut StreamLedger) {
        self.is_settled = true;
        let is_other = self.start != number && !self.has_begun();
        if is_other {
            let end = self.end as u32;
            self.start(number);
            self.edge = 0;
            if self.end != OPEN {
                self.end = self.position(end).max(self.next);
            }
        }
        let Some(mut held) = self.held.take() else {
            return;
        };
        held.rivals.clear();
        if is_other {
            held.move_to(|at| self.position(at as u32));
        }
        ledger.late_octets += held.forget(0..self.next);
        self.held = Some(held);
    }

    /// Drops octets on a SYN that the answer does not acknowledge (RFC 7413 section 3).
    pub(crate) fn refuse(&mut self, acknowledgment: u32, ledger: &mut StreamLedger) {
        let from = self.position(acknowledgment);
        if let Some(held) = &mut self.held {
            ledger.refused_octets += held.refuse(from);
        }
    }
}

#[cfg(test)]
mod tests;
