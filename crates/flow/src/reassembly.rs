//! One direction of a TCP stream (RFC 9293 section 3.4): segments in any order become octets in
//! order, and gaps where the capture lacks some.
//!
//! Octets are handed on as soon as all before them are known, as a receiver does, so what a reader
//! was given never changes. Segments that came early wait. Where two of them claim the same place,
//! or a segment that fills a hole claims that of one which waits, an [`OverlapPolicy`] decides.
//! Octets that come for a place already handed on are counted and dropped; whether they contradict
//! it is not known any more.
//!
//! A hole is given up, which is told as a gap, when the other end acknowledges all of it, when too
//! much waits behind it, or when its owner says so. Memory follows the octets received, never a
//! sequence number somebody claimed.

use std::collections::BTreeMap;
use std::ops::Range;

use netcap_dissect::PacketInfo;
use netcap_record::Time;

use crate::absences::Absences;
use crate::stream_ledger::StreamLedger;
use crate::stream_limits::{OverlapPolicy, StreamLimits};

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
pub(crate) const PIECE: usize = 128;
/// Gaps that are remembered, to tell late octets from repeated ones.
const GAPS: usize = 4;

/// When a segment came: packet time, and among those of one time the order in the capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) time: Time,
    pub(crate) number: u64,
}

/// Who is given the octets of a direction.
pub(crate) trait Reader {
    /// The next octets, and the packet that brought them.
    fn data(&mut self, octets: &[u8], packet: PacketInfo);
    /// So many octets that the capture lacks, and the packet that brought what is behind them.
    fn gap(&mut self, octets: u64, packet: PacketInfo);
    /// Where everything is counted.
    fn ledger(&mut self) -> &mut StreamLedger;
}

/// What a segment brings to its direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) packet: PacketInfo,
    pub(crate) now: Moment,
    /// Number of the first octet.
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
    /// Octets behind the payload that the wire had and the capture has not.
    pub(crate) missing: u32,
    /// Whether the direction ends behind all that.
    pub(crate) fin: bool,
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
    held: Option<Box<Held>>,
}

/// What few directions need: the octets that wait, and gaps.
#[derive(Debug, Default)]
struct Held {
    /// Disjoint, by where they begin, all behind a hole.
    pieces: BTreeMap<Position, Piece>,
    /// What was said of absent octets and is not written to the pieces yet.
    absences: Absences,
    /// What the pieces cost.
    cost: usize,
    /// Since when the first hole has held them up.
    since: Moment,
    /// The latest gaps.
    gaps: [Range<Position>; GAPS],
}

/// Octets that wait.
#[derive(Debug)]
struct Piece {
    length: u64,
    /// Where they lie. Absent where the capture cut them off: a gap that no other segment needs to
    /// prove.
    room: Option<Box<[u8]>>,
    /// Where in the room they begin.
    from: usize,
    /// That which brought them; of absent ones see [`Held::packet`].
    packet: PacketInfo,
}

impl Default for Half {
    fn default() -> Half {
        Half {
            start: 0,
            acknowledged: 0,
            next: 0,
            end: OPEN,
            held: None,
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

    /// Whether an octet of this number is the very next.
    pub(crate) fn expects(&self, sequence: u32) -> bool {
        self.is_started() && !self.has_ended() && self.position(sequence) == self.next
    }

    /// Whether there has been no octet and no end yet.
    pub(crate) fn is_fresh(&self) -> bool {
        let nowhere = self.next == 0 || self.next == self.first();
        nowhere && self.end == OPEN && self.held.is_none()
    }

    /// Whether everything before a FIN has been handed on.
    pub(crate) fn has_ended(&self) -> bool {
        self.next == self.end
    }

    /// What waits here costs so many octets.
    pub(crate) fn cost(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.cost)
    }

    /// Since when octets have waited behind the first hole, if some do.
    pub(crate) fn waits_since(&self) -> Option<Moment> {
        let held = self.held.as_ref().filter(|held| !held.pieces.is_empty())?;
        Some(held.since)
    }

    /// Takes what a segment brings.
    pub(crate) fn take(
        &mut self,
        arrival: &Arrival<'_>,
        limits: &StreamLimits,
        reader: &mut impl Reader,
    ) {
        let length = arrival.payload.len() as u64 + u64::from(arrival.missing);
        if length == 0 && !arrival.fin && !self.is_started() {
            // The number of an empty segment may be that of a keep-alive.
            return;
        }
        if !self.is_started() {
            self.start(arrival.sequence);
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
        if at.saturating_sub(expected) > WINDOW || u64::from(arrival.missing) > WINDOW {
            reader.ledger().outside_octets += arrival.payload.len() as u64;
            return;
        }
        if arrival.fin && self.end == OPEN && at + length >= self.next {
            self.end = at + length;
            reader.ledger().after_end_octets += self.cut();
        }

        let (before, waited) = (self.next, self.waits());
        self.bring(arrival, at, limits.policy, reader);
        self.drain(reader);
        self.measure(before, waited, arrival.now);
        while self.cost() > limits.octets_per_direction {
            self.give_up_for_room(arrival.packet, arrival.now, reader);
        }
        if let Some(held) = &self.held {
            let (segments, cost) = (held.pieces.len() as u64, held.cost as u64);
            let ledger = reader.ledger();
            ledger.most_waiting_segments = ledger.most_waiting_segments.max(segments);
            ledger.most_waiting_octets = ledger.most_waiting_octets.max(cost);
        }
    }

    /// Learns that the other end acknowledges everything before this number: it has received what
    /// lies in the holes before it, so the capture lacks that.
    pub(crate) fn acknowledged(
        &mut self,
        acknowledgment: u32,
        packet: PacketInfo,
        now: Moment,
        reader: &mut impl Reader,
    ) {
        if self.is_started() {
            self.acknowledged = acknowledgment;
        }
        while let Some(end) = self.hole_end()
            && end <= self.position(acknowledgment)
        {
            self.give_up(packet, now, reader);
        }
    }

    /// Gives the first hole up. `packet` tells a gap behind which nothing waits. Gives the number
    /// of octets that were handed on.
    pub(crate) fn give_up(
        &mut self,
        packet: PacketInfo,
        now: Moment,
        reader: &mut impl Reader,
    ) -> u64 {
        let Some(end) = self.hole_end() else {
            return 0;
        };
        let before = self.next;
        let behind = self.held.as_ref().and_then(|held| held.packet(end));
        self.skip(end, behind.unwrap_or(packet), reader);
        let handed_on = self.drain(reader);
        self.measure(before, true, now);
        handed_on
    }

    /// The same, because too much waits.
    pub(crate) fn give_up_for_room(
        &mut self,
        packet: PacketInfo,
        now: Moment,
        reader: &mut impl Reader,
    ) {
        let octets = self.give_up(packet, now, reader);
        reader.ledger().gaps_for_room += 1;
        reader.ledger().evicted_octets += octets;
    }

    /// Gives all holes up.
    pub(crate) fn finish(&mut self, packet: PacketInfo, now: Moment, reader: &mut impl Reader) {
        while self.hole_end().is_some() {
            self.give_up(packet, now, reader);
        }
    }

    /// The position of a sequence number: the one nearest to what is expected.
    fn position(&self, sequence: u32) -> Position {
        let ahead = sequence.wrapping_sub(self.next as u32) as i32;
        self.next.wrapping_add_signed(i64::from(ahead))
    }

    fn first(&self) -> Position {
        WRAP | Position::from(self.start)
    }

    fn waits(&self) -> bool {
        self.waits_since().is_some()
    }

    /// Where the first hole ends: at octets that wait, or at a FIN.
    fn hole_end(&self) -> Option<Position> {
        let first = self.held.as_ref().and_then(|held| {
            let (at, _) = held.pieces.first_key_value()?;
            Some(*at)
        });
        first.or((self.end != OPEN && self.end > self.next).then_some(self.end))
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
        let old = self.next.saturating_sub(at).min(payload.len() as u64);
        let (_, rest) = payload.split_at_checked(old as usize).unwrap_or_default();
        self.count_old(at..at + old, reader.ledger());

        let start = at + old;
        let before_end = self.end.saturating_sub(start).min(rest.len() as u64);
        let (new, beyond) = rest
            .split_at_checked(before_end as usize)
            .unwrap_or_default();
        reader.ledger().after_end_octets += beyond.len() as u64;

        let mut counts = Overlaps::default();
        if !new.is_empty() {
            if start > self.next {
                reader.ledger().out_of_order_segments += 1;
                reader.ledger().out_of_order_octets += new.len() as u64;
            }
            let range = start..start + new.len() as u64;
            self.add(
                range,
                Some(new),
                arrival.packet,
                policy,
                &mut counts,
                reader,
            );
        }
        let cut = at + payload.len() as u64;
        let range = cut.max(self.next)..(cut + u64::from(arrival.missing)).min(self.end);
        if !range.is_empty() {
            self.add(range, None, arrival.packet, policy, &mut counts, reader);
        }
        let ledger = reader.ledger();
        ledger.overlapping_segments += u64::from(counts.octets > 0);
        ledger.overlapping_octets += counts.octets;
        ledger.conflicting_octets += counts.conflicts;
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
        packet: PacketInfo,
        policy: OverlapPolicy,
        counts: &mut Overlaps,
        reader: &mut impl Reader,
    ) {
        if range.start == self.next && !self.waits() {
            self.pass(range.end, octets, packet, reader);
            return;
        }
        let held = self.held.get_or_insert_default();
        match octets {
            Some(_) => held.insert(range, octets, packet, policy, counts),
            None => held.lack(range, packet),
        }
    }

    /// Hands on what is next.
    fn pass(
        &mut self,
        end: Position,
        octets: Option<&[u8]>,
        packet: PacketInfo,
        reader: &mut impl Reader,
    ) {
        match octets {
            Some(octets) => {
                self.next = end;
                reader.ledger().octets += octets.len() as u64;
                reader.data(octets, packet);
            }
            None => self.skip(end, packet, reader),
        }
    }

    /// Tells a gap up to `end`.
    fn skip(&mut self, end: Position, packet: PacketInfo, reader: &mut impl Reader) {
        let gap = self.next..end;
        let octets = gap.end - gap.start;
        let gaps = &mut self.held.get_or_insert_default().gaps;
        gaps.rotate_right(1);
        gaps[0] = gap;
        self.next = end;
        reader.ledger().gaps += 1;
        reader.ledger().gap_octets += octets;
        reader.gap(octets, packet);
    }

    /// Hands on what waited for its turn; gives the number of octets.
    fn drain(&mut self, reader: &mut impl Reader) -> u64 {
        let mut handed_on = 0;
        while let Some(held) = &mut self.held
            && let Some(packet) = held.packet(self.next)
            && let Some(piece) = held.pieces.remove(&self.next)
        {
            held.cost -= piece.cost();
            handed_on += piece.octets().map_or(0, |octets| octets.len() as u64);
            let end = self.next + piece.length;
            self.pass(end, piece.octets(), packet, reader);
        }
        handed_on
    }

    /// Notes what waits now, after the stream stood at `before`.
    fn measure(&mut self, before: Position, waited: bool, now: Moment) {
        let Some(held) = &mut self.held else {
            return;
        };
        held.settle();
        if held.pieces.is_empty() {
            if held.gaps.iter().all(Range::is_empty) {
                self.held = None;
            }
            return;
        }
        if !waited || self.next != before {
            held.since = now;
        }
    }

    /// Forgets what waits beyond the end; gives the number of octets.
    fn cut(&mut self) -> u64 {
        let Some(held) = &mut self.held else {
            return 0;
        };
        held.keep_before(self.end)
    }
}

/// Octets for which there were two, of one segment.
#[derive(Debug, Default)]
struct Overlaps {
    octets: u64,
    conflicts: u64,
}

impl Held {
    fn insert(
        &mut self,
        new: Range<Position>,
        octets: Option<&[u8]>,
        packet: PacketInfo,
        policy: OverlapPolicy,
        counts: &mut Overlaps,
    ) {
        let part = |range: Range<Position>| Piece {
            length: range.end - range.start,
            room: octets.map(|octets| slice(octets, &new, &range).into()),
            from: 0,
            packet,
        };
        // Where the part of the newcomer begins whose place is not settled yet.
        let mut from = new.start;
        let (mut parts, mut taken) = (Vec::new(), Vec::new());
        for (start, both, there) in self.touching(&new) {
            let newcomer_wins = match (there.octets(), octets) {
                (Some(old), Some(octets)) => {
                    let old = slice(old, &(start..start + there.length), &both);
                    let octets = slice(octets, &new, &both);
                    counts.octets += old.len() as u64;
                    let differ = old.iter().zip(octets).filter(|(a, b)| a != b);
                    counts.conflicts += differ.count() as u64;
                    policy.newcomer_wins(&new, &(start..start + there.length))
                }
                (there, _) => there.is_none(),
            };
            if newcomer_wins {
                taken.push((start, both));
            } else {
                if from < both.start {
                    parts.push(from..both.start);
                }
                from = both.end;
            }
        }
        for (start, both) in taken {
            self.make_way(start, &both);
        }
        for range in parts {
            self.put(range.start, part(range));
        }
        if from < new.end {
            self.put(from, part(from..new.end));
        }
    }

    /// Takes what the capture cut off of a segment. Where octets wait they stay, what is absent
    /// already has the new packet from now on, and what was awaited is absent.
    fn lack(&mut self, new: Range<Position>, packet: PacketInfo) {
        for part in self.absences.note(&new, packet) {
            // With the absent pieces that it divides or meets, which become one with it.
            let absent = |(at, piece): (&Position, &Piece)| {
                piece.is_absent().then_some(*at..*at + piece.length)
            };
            let before = self.pieces.range(..part.start).next_back();
            let before = before.and_then(absent).filter(|p| p.end >= part.start);
            let behind = self.pieces.range(..=part.end).next_back();
            let behind = behind.and_then(absent).filter(|p| p.end > part.end);
            if part.is_empty() && (before.is_none() || behind.is_none()) {
                continue;
            }
            let start = before.map_or(part.start, |p| p.start.max(new.start));
            let end = behind.map_or(part.end, |p| p.end.min(new.end));
            if start < end {
                let (policy, mut none) = (OverlapPolicy::First, Overlaps::default());
                self.insert(start..end, None, packet, policy, &mut none);
            }
        }
    }

    /// The packet of the piece that begins here.
    fn packet(&self, start: Position) -> Option<PacketInfo> {
        let piece = self.pieces.get(&start)?;
        let latest = self.absences.packet(start).filter(|_| piece.is_absent());
        Some(latest.unwrap_or(piece.packet))
    }

    /// Writes to the pieces what was noted of absences, when those are many beside the pieces. So
    /// memory follows the pieces, and going through them is paid by the segments that were noted.
    fn settle(&mut self) {
        if self.absences.len() <= self.pieces.len() / 2 {
            return;
        }
        for (start, piece) in &mut self.pieces {
            if piece.is_absent()
                && let Some(packet) = self.absences.packet(*start)
            {
                piece.packet = packet;
            }
        }
        self.absences.clear();
    }

    /// The pieces that a range overlaps: where each begins, and what it has of the range.
    fn touching(
        &self,
        range: &Range<Position>,
    ) -> impl Iterator<Item = (Position, Range<Position>, &Piece)> {
        let before = self.pieces.range(..range.start).next_back();
        let inside = self.pieces.range(range.clone());
        before.into_iter().chain(inside).filter_map(|(at, piece)| {
            let both = overlap(&(*at..*at + piece.length), range)?;
            Some((*at, both, piece))
        })
    }

    /// Leaves of a piece only what lies outside of `taken`.
    fn make_way(&mut self, start: Position, taken: &Range<Position>) {
        let Some(piece) = self.pieces.remove(&start) else {
            return;
        };
        self.cost -= piece.cost();
        let before = 0..taken.start - start;
        let behind = (taken.end - start).min(piece.length)..piece.length;
        let (shorter, longer) = if before.end < behind.end - behind.start {
            (before, behind)
        } else {
            (behind, before)
        };
        if !shorter.is_empty() {
            self.put(start + shorter.start, piece.copy(&shorter));
        }
        if !longer.is_empty() {
            self.put(start + longer.start, piece.reduced_to(&longer));
        }
    }

    fn put(&mut self, start: Position, piece: Piece) {
        self.cost += piece.cost();
        self.pieces.insert(start, piece);
    }

    /// Forgets what lies at `end` and behind; gives the number of octets.
    fn keep_before(&mut self, end: Position) -> u64 {
        let range = end..OPEN;
        let beyond = self.touching(&range);
        let beyond = beyond.map(|(start, beyond, piece)| (start, beyond, piece.is_absent()));
        let beyond: Vec<_> = beyond.collect();
        let mut forgotten = 0;
        for (start, beyond, is_absent) in beyond {
            forgotten += u64::from(!is_absent) * (beyond.end - beyond.start);
            self.make_way(start, &beyond);
        }
        forgotten
    }
}

impl Piece {
    fn is_absent(&self) -> bool {
        self.room.is_none()
    }

    fn octets(&self) -> Option<&[u8]> {
        let room = self.room.as_ref()?;
        room.get(self.from..self.from + self.length as usize)
    }

    /// A part of it, counted from where it begins.
    fn copy(&self, part: &Range<u64>) -> Piece {
        let octets = self.octets();
        Piece {
            length: part.end - part.start,
            room: octets.map(|octets| slice(octets, &(0..self.length), part).into()),
            from: 0,
            packet: self.packet,
        }
    }

    /// The same, in the old room while that is not half empty: so octets that are taken off one by
    /// one do not have all others moved each time.
    fn reduced_to(self, part: &Range<u64>) -> Piece {
        let length = part.end - part.start;
        match &self.room {
            Some(room) if room.len() as u64 > 2 * length => self.copy(part),
            _ => Piece {
                length,
                from: self.from + part.start as usize,
                ..self
            },
        }
    }

    fn cost(&self) -> usize {
        PIECE + self.octets().map_or(0, <[u8]>::len)
    }
}

/// What two ranges have in common, if anything.
fn overlap(a: &Range<Position>, b: &Range<Position>) -> Option<Range<Position>> {
    let both = a.start.max(b.start)..a.end.min(b.end);
    (!both.is_empty()).then_some(both)
}

/// The octets of `part`, where `octets` are those of `whole` and `part` lies in it.
fn slice<'o>(octets: &'o [u8], whole: &Range<Position>, part: &Range<Position>) -> &'o [u8] {
    let (from, to) = (part.start - whole.start, part.end - whole.start);
    octets.get(from as usize..to as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests;
