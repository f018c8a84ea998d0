//! What waits in one direction of a stream: pieces of octets behind a hole or before what they
//! acknowledge, the latest gaps, and the other numbers that the first octet may have.

use std::collections::BTreeMap;
use std::ops::Range;

use netcap_dissect::Carrier;

use super::{Moment, PIECE, Position, Rival};
use crate::absences::Absences;
use crate::stream_limits::OverlapPolicy;

/// Gaps that are remembered, to tell late octets from repeated ones.
pub(super) const GAPS: usize = 4;
/// Numbers that are remembered beside that of the first octet.
pub(super) const RIVALS: usize = 4;

/// What few directions need.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Disjoint, by where they begin.
    pub(super) pieces: BTreeMap<Position, Piece>,
    /// What was said of absent octets and is not written to the pieces yet.
    pub(super) absences: Absences,
    /// What the pieces cost.
    pub(super) cost: usize,
    /// Since when the first of them has been held up.
    pub(super) since: Moment,
    /// Where the stream stood then.
    pub(super) stood: Position,
    /// Segments of this direction that have come, counted while anything is kept here.
    pub(super) came: u32,
    /// How many had come before the FIN that came early.
    pub(super) fin: u32,
    /// When the receiver spoke last while something waited: the number of its segment.
    pub(super) spoke: u64,
    /// The latest gaps.
    pub(super) gaps: [Range<Position>; GAPS],
    /// What other SYNs said, the latest last.
    pub(super) rivals: Vec<Rival>,
}

/// What the capture tells of whether the receiver took octets, the best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Octets on a SYN, which a receiver may refuse (RFC 7413), or zeros that may be padding of the
    /// frame: they are octets of the stream once they are acknowledged or others follow them.
    Suspect,
    /// They came beyond the receiver's window: they are octets of the stream once they are
    /// acknowledged (RFC 9293 section 3.10.7.4).
    Beyond,
    /// They acknowledge what had not been sent as far as the capture had shown: a receiver drops such,
    /// and captures reorder.
    Unproved,
    /// Nothing speaks against it.
    Sound,
}

/// Octets that wait.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) length: u64,
    /// Where they lie. Absent where the capture cut them off: a gap that no other segment needs to
    /// prove.
    pub(super) room: Option<Box<[u8]>>,
    /// Where in the room they begin.
    from: usize,
    /// Where the segment began that brought them, whatever another has taken of its front; if that
    /// followed right on another that waited, where that one began. So Linux has them in its queue,
    /// which joins such segments where their buffers let it: small ones and those that drivers put in
    /// pages, but not all.
    began: Position,
    pub(super) origin: Origin,
}

/// Where a piece comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// What brought it; of absent octets see [`Held::carrier`].
    pub(super) carrier: Carrier,
    /// Number of the segment.
    pub(super) number: u64,
    /// How many of its direction had come before: see [`Held::came`].
    pub(super) nth: u32,
    /// The number that it acknowledges, if it does.
    pub(super) acknowledgment: Option<u32>,
    /// The number up to which the other direction must have been handed on before.
    pub(super) need: Option<u32>,
    pub(super) standing: Standing,
}

/// Octets for which there were two, of one segment.
#[derive(Debug, Default)]
pub(super) struct Overlaps {
    pub(super) octets: u64,
    pub(super) conflicts: u64,
}

impl Held {
    /// Whether there is nothing that is worth keeping.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.rivals.is_empty() && self.gaps.iter().all(Range::is_empty)
    }

    pub(super) fn insert(
        &mut self,
        new: Range<Position>,
        octets: Option<&[u8]>,
        origin: Origin,
        policy: OverlapPolicy,
        counts: &mut Overlaps,
    ) {
        let began = self.joined(new.start);
        let part = |range: Range<Position>| Piece {
            length: range.end - range.start,
            room: octets.map(|octets| slice(octets, &new, &range).into()),
            from: 0,
            began,
            origin,
        };
        // How far that reaches which began where the newcomer begins.
        let equal = self
            .touching(&new)
            .filter(|(_, _, there)| !there.is_absent() && there.began == new.start);
        let reach = equal.map(|(start, _, there)| start + there.length).max();
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
                    match origin.standing.cmp(&there.origin.standing) {
                        std::cmp::Ordering::Less => false,
                        std::cmp::Ordering::Equal => {
                            let waits = start..start + there.length;
                            let whole = there.began..reach.map_or(waits.end, |r| r.max(waits.end));
                            policy.newcomer_wins(&new, &waits, &whole)
                        }
                        std::cmp::Ordering::Greater => true,
                    }
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
    pub(super) fn lack(&mut self, new: Range<Position>, origin: Origin) {
        for part in self.absences.note(&new, origin.carrier) {
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
                self.insert(start..end, None, origin, policy, &mut none);
            }
        }
    }

    /// What brought the piece that begins here.
    pub(super) fn carrier(&self, start: Position) -> Option<Carrier> {
        let piece = self.pieces.get(&start)?;
        let latest = self.absences.carrier(start).filter(|_| piece.is_absent());
        Some(latest.unwrap_or(piece.origin.carrier))
    }

    /// Writes to the pieces what was noted of absences, when those are many beside the pieces. So
    /// memory follows the pieces, and going through them is paid by the segments that were noted.
    pub(super) fn settle(&mut self) {
        if self.absences.len() > self.pieces.len() / 2 {
            self.settle_all();
        }
    }

    fn settle_all(&mut self) {
        for (start, piece) in &mut self.pieces {
            if piece.is_absent()
                && let Some(carrier) = self.absences.carrier(*start)
            {
                piece.origin.carrier = carrier;
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

    /// Where those begin that a newcomer follows right on; the place itself if there are none.
    ///
    /// Where a third lies over the place Linux joins them or not by which its search finds first, the
    /// one before or the third, which the shape of its tree decides: here they are not joined. Of random
    /// sets of some nine segments that overlap, one in thirty is read differently for that.
    fn joined(&self, start: Position) -> Position {
        let before = self.pieces.range(..start).next_back();
        let before = before.filter(|(at, piece)| *at + piece.length == start && !piece.is_absent());
        match self.pieces.contains_key(&start) {
            true => start,
            false => before.map_or(start, |(_, piece)| piece.began),
        }
    }

    /// Whether octets that count wait for this place.
    pub(super) fn covers(&self, place: Position) -> bool {
        let range = place..place + 1;
        let mut there = self.touching(&range);
        there.any(|(_, _, piece)| piece.origin.standing > Standing::Beyond)
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

    /// Takes a piece out.
    pub(super) fn remove(&mut self, start: Position) -> Option<Piece> {
        let piece = self.pieces.remove(&start)?;
        self.cost -= piece.cost();
        Some(piece)
    }

    /// Forgets what lies in a range; gives the number of octets.
    pub(super) fn forget(&mut self, range: Range<Position>) -> u64 {
        let there = self.touching(&range);
        let there = there.map(|(start, both, piece)| (start, both, piece.is_absent()));
        let there: Vec<_> = there.collect();
        let mut forgotten = 0;
        for (start, both, is_absent) in there {
            forgotten += u64::from(!is_absent) * (both.end - both.start);
            self.make_way(start, &both);
        }
        forgotten
    }

    /// Forgets the suspects in front as far as they lie at `from` and behind; gives the number of
    /// octets.
    pub(super) fn refuse(&mut self, from: Position) -> u64 {
        let mut refused = 0;
        while let Some((&start, piece)) = self.pieces.first_key_value()
            && piece.origin.standing == Standing::Suspect
            && start + piece.length > from
        {
            refused += self.forget(start.max(from)..start + piece.length);
        }
        refused
    }

    /// Forgets what the pieces in front have beyond `edge`, though the receiver has spoken since they
    /// came; gives the number of octets.
    pub(super) fn drop_beyond(&mut self, edge: Position) -> u64 {
        let mut dropped = 0;
        while let Some((&start, piece)) = self.pieces.first_key_value()
            && start + piece.length > edge
            && piece.origin.number < self.spoke
        {
            dropped += self.forget(start.max(edge)..start + piece.length);
        }
        dropped
    }

    /// Gives every piece another place.
    pub(super) fn move_to(&mut self, place: impl Fn(Position) -> Position) {
        self.settle_all();
        let pieces = std::mem::take(&mut self.pieces).into_iter();
        let moved = |(at, piece): (Position, Piece)| {
            let began = place(piece.began);
            (place(at), Piece { began, ..piece })
        };
        self.pieces = pieces.map(moved).collect();
        // Of two that meet in one place one is left.
        self.cost = self.pieces.values().map(Piece::cost).sum();
    }
}

impl Piece {
    pub(super) fn is_absent(&self) -> bool {
        self.room.is_none()
    }

    pub(super) fn octets(&self) -> Option<&[u8]> {
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
            began: self.began,
            origin: self.origin,
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
pub(super) fn overlap(a: &Range<Position>, b: &Range<Position>) -> Option<Range<Position>> {
    let both = a.start.max(b.start)..a.end.min(b.end);
    (!both.is_empty()).then_some(both)
}

/// The octets of `part`, where `octets` are those of `whole` and `part` lies in it.
fn slice<'o>(octets: &'o [u8], whole: &Range<Position>, part: &Range<Position>) -> &'o [u8] {
    let (from, to) = (part.start - whole.start, part.end - whole.start);
    octets.get(from as usize..to as usize).unwrap_or_default()
}
