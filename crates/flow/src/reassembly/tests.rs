//! A direction against a model of it that goes octet by octet, with no thought of cost.

use std::collections::BTreeMap;

use netcap_dissect::{PacketInfo, Place};
use proptest::prelude::*;

use super::held::GAPS;
use super::*;

/// What a reader is told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Data(Vec<u8>, u32),
    Gap(u64, u32),
}

/// Notes what it is told, with the numbers of the packets.
#[derive(Debug, Default, PartialEq, Eq)]
struct Notes {
    told: Vec<Told>,
    ledger: StreamLedger,
}

impl Reader for Notes {
    fn data(&mut self, octets: &[u8], _: Position, _: Option<u32>, carrier: Carrier) {
        let index = carrier.packet.index;
        self.told.push(Told::Data(octets.to_vec(), index));
    }

    fn gap(&mut self, octets: u64, carrier: Carrier) {
        self.told.push(Told::Gap(octets, carrier.packet.index));
    }

    fn ledger(&mut self) -> &mut StreamLedger {
        &mut self.ledger
    }
}

/// An octet that waits, or the place of one that the capture cut off.
#[derive(Clone)]
struct Cell {
    octet: Option<u8>,
    began: Position,
    carrier: Carrier,
    /// Neighbours with the same number are one piece.
    piece: usize,
    standing: Standing,
}

struct Model {
    start: u32,
    acknowledged: u32,
    next: Position,
    end: Position,
    is_closed: bool,
    stood: Position,
    cells: BTreeMap<Position, Cell>,
    since: Moment,
    /// The latest first.
    gaps: Vec<Range<Position>>,
    pieces: usize,
    /// Whether the first octets told where it begins.
    is_picked_up: bool,
}

impl Model {
    fn new() -> Model {
        Model {
            start: 0,
            acknowledged: 0,
            next: 0,
            end: OPEN,
            is_closed: false,
            stood: 0,
            cells: BTreeMap::new(),
            since: Moment::default(),
            gaps: Vec::new(),
            pieces: 0,
            is_picked_up: false,
        }
    }

    fn start(&mut self, sequence: u32) {
        self.start = sequence;
        self.acknowledged = sequence;
        self.next = WRAP | Position::from(sequence);
    }

    /// Moves the beginning to an earlier number, and what waits with it.
    fn begin_again(&mut self, sequence: u32) {
        let acknowledged = self.acknowledged;
        self.start(sequence);
        self.acknowledged = acknowledged;
        let cells = std::mem::take(&mut self.cells).into_iter();
        let cells = cells.map(|(at, cell)| {
            let began = self.position(cell.began as u32);
            (self.position(at as u32), Cell { began, ..cell })
        });
        self.cells = cells.collect();
    }

    fn position(&self, sequence: u32) -> Position {
        let ahead = sequence.wrapping_sub(self.next as u32) as i32;
        self.next.wrapping_add_signed(i64::from(ahead))
    }

    /// Where each piece begins, and how many octets of it are there.
    fn pieces(&self) -> Vec<(Position, usize)> {
        let mut pieces: Vec<(Position, usize)> = Vec::new();
        let mut before = None;
        for (at, cell) in &self.cells {
            if before != Some((*at, cell.piece)) {
                pieces.push((*at, 0));
            }
            pieces.last_mut().unwrap().1 += usize::from(cell.octet.is_some());
            before = Some((at + 1, cell.piece));
        }
        pieces
    }

    /// From where to where each piece lies.
    fn extents(&self) -> Vec<Range<Position>> {
        let mut extents: Vec<Range<Position>> = Vec::new();
        let mut before = None;
        for (at, cell) in &self.cells {
            match extents.last_mut() {
                Some(extent) if before == Some((*at, cell.piece)) => extent.end = at + 1,
                _ => extents.push(*at..at + 1),
            }
            before = Some((at + 1, cell.piece));
        }
        extents
    }

    fn cost(&self) -> usize {
        let pieces = self.pieces();
        pieces.iter().map(|(_, octets)| PIECE + octets).sum()
    }

    fn waits_since(&self) -> Option<Moment> {
        (!self.cells.is_empty()).then_some(self.since)
    }

    fn take(&mut self, arrival: &Arrival<'_>, policy: OverlapPolicy, notes: &mut Notes) {
        let payload = arrival.payload;
        let length = payload.len() as u64 + u64::from(arrival.missing);
        if length == 0 && !arrival.fin {
            let is_probe = self.next != 0 && self.position(arrival.sequence) + 1 == self.next;
            notes.ledger.keep_alives += u64::from(is_probe && self.next != self.end);
            return;
        }
        if self.next == 0 {
            self.start(arrival.sequence);
            self.is_picked_up = true;
        }
        let at = self.position(arrival.sequence);
        let is_open = self.next == WRAP | Position::from(self.start) && self.end == OPEN;
        let is_before = at < self.next && self.next - at <= 1 << 20;
        if self.is_picked_up && is_open && is_before && length > 1 {
            self.begin_again(arrival.sequence);
        }
        let at = self.position(arrival.sequence);
        if length == 1 && !arrival.fin && at + 1 == self.next && self.next != self.end {
            notes.ledger.keep_alives += 1;
            notes.ledger.retransmitted_octets += payload.len() as u64;
            return;
        }
        let expected = self.next.max(self.position(self.acknowledged));
        if at > expected + WINDOW {
            notes.ledger.outside_octets += payload.len() as u64;
            return;
        }
        if self.next < self.end && at <= self.end && self.end < at + length {
            self.end = OPEN;
        }
        let place = at + length;
        let counts = place >= self.next && place < self.end && !self.is_closed;
        if arrival.fin && counts && !self.cells.contains_key(&place) {
            self.end = place;
        }
        self.bring(arrival, at, policy, notes);
    }

    fn note_most(&self, notes: &mut Notes) {
        let (pieces, cost) = (self.pieces().len() as u64, self.cost() as u64);
        let ledger = &mut notes.ledger;
        ledger.most_waiting_segments = ledger.most_waiting_segments.max(pieces);
        ledger.most_waiting_octets = ledger.most_waiting_octets.max(cost);
    }

    fn bring(
        &mut self,
        arrival: &Arrival<'_>,
        at: Position,
        policy: OverlapPolicy,
        notes: &mut Notes,
    ) {
        let first = WRAP | Position::from(self.start);
        let (mut new, mut repeated) = (BTreeMap::new(), 0);
        for (at, octet) in (at..).zip(arrival.payload) {
            let is_late = at < first || self.gaps.iter().any(|gap| gap.contains(&at));
            if at < self.next {
                notes.ledger.late_octets += u64::from(is_late);
                repeated += u64::from(!is_late);
            } else if self.is_closed && at >= self.end {
                notes.ledger.after_end_octets += 1;
            } else {
                new.insert(at, *octet);
            }
        }
        notes.ledger.retransmitted_octets += repeated;
        notes.ledger.retransmitted_segments += u64::from(repeated > 0);
        if let Some((&start, _)) = new.first_key_value() {
            self.add(start, new, arrival, policy, notes);
        }
        let end = if self.is_closed { self.end } else { OPEN };
        let cut = at + arrival.payload.len() as u64;
        let range = cut.max(self.next)..(cut + u64::from(arrival.missing)).min(end);
        if range.is_empty() {
        } else if range.start == self.next && self.next != self.end && self.cells.is_empty() {
            self.skip(range.end, arrival.carrier, notes);
        } else {
            self.pieces += 1;
            let cell = Cell {
                octet: None,
                began: 0,
                carrier: arrival.carrier,
                piece: self.pieces,
                standing: standing(arrival),
            };
            for at in range {
                let there = self.cells.get(&at);
                if there.is_none_or(|cell| cell.octet.is_none()) {
                    self.cells.insert(at, cell.clone());
                }
            }
        }
    }

    fn add(
        &mut self,
        start: Position,
        new: BTreeMap<Position, u8>,
        arrival: &Arrival<'_>,
        policy: OverlapPolicy,
        notes: &mut Notes,
    ) {
        if start > self.next {
            notes.ledger.out_of_order_segments += 1;
            notes.ledger.out_of_order_octets += new.len() as u64;
        } else if self.cells.is_empty() && self.next != self.end {
            self.pass(new.into_values().collect(), arrival.carrier, notes);
            return;
        }
        self.pieces += 1;
        let pieces = self.extents();
        let end = new.last_key_value().map_or(start, |(at, _)| at + 1);
        let before = pieces.iter().find(|piece| piece.end == start);
        let before = before.filter(|_| !self.cells.contains_key(&start));
        let before = before.and_then(|piece| self.cells.get(&piece.start));
        let before = before.filter(|cell| cell.octet.is_some());
        let began = before.map_or(start, |cell| cell.began);
        // The segments that brought what waits; those that begin with the newcomer reach as far as they
        // do together.
        let there = pieces.iter().filter(|p| p.end > start && p.start < end);
        let there: Vec<_> = there.map(|p| (p, self.cells[&p.start].began)).collect();
        let equal = there.iter().filter(|(_, began)| *began == start);
        let reach = equal.map(|(piece, _)| piece.end).max().unwrap_or_default();
        let wholes: BTreeMap<Position, Range<Position>> = there
            .iter()
            .flat_map(|(piece, began)| {
                let whole = *began..piece.end.max(reach);
                (piece.start..piece.end).map(move |at| (at, whole.clone()))
            })
            .collect();
        let mut overlapping = 0;
        for (at, octet) in new {
            let there = self.cells.get(&at);
            if let Some((there, known)) = there.and_then(|cell| Some((cell.octet?, cell.standing)))
            {
                overlapping += 1;
                notes.ledger.conflicting_octets += u64::from(there != octet);
                let there = pieces.iter().find(|piece| piece.contains(&at));
                let newcomer_wins = match standing(arrival) == known {
                    true => policy.newcomer_wins(&(start..end), there.unwrap(), &wholes[&at]),
                    false => standing(arrival) > known,
                };
                if !newcomer_wins {
                    continue;
                }
            }
            let cell = Cell {
                octet: Some(octet),
                began,
                carrier: arrival.carrier,
                piece: self.pieces,
                standing: standing(arrival),
            };
            self.cells.insert(at, cell);
        }
        notes.ledger.overlapping_octets += overlapping;
        notes.ledger.overlapping_segments += u64::from(overlapping > 0);
    }

    fn pass(&mut self, octets: Vec<u8>, carrier: Carrier, notes: &mut Notes) {
        self.next += octets.len() as u64;
        notes.ledger.octets += octets.len() as u64;
        notes.data(&octets, 0, None, carrier);
        if self.end < self.next {
            self.end = OPEN;
        }
    }

    fn skip(&mut self, end: Position, carrier: Carrier, notes: &mut Notes) {
        let gap = self.next..end;
        notes.ledger.gaps += 1;
        notes.ledger.gap_octets += gap.end - gap.start;
        notes.gap(gap.end - gap.start, carrier);
        self.gaps.insert(0, gap);
        self.gaps.truncate(GAPS);
        self.next = end;
    }

    /// Hands on what has its turn, and judges the FIN.
    fn go_on(&mut self, now: Moment, notes: &mut Notes) {
        loop {
            while self.next != self.end
                && let Some(first) = self.cells.get(&self.next).cloned()
            {
                self.pass_first(&first, notes);
            }
            let beyond = self.position(self.acknowledged).saturating_sub(self.end);
            if self.next != self.end || self.is_closed || beyond == 0 {
                break;
            }
            if beyond == 1 && !self.has_octet_at_end() {
                self.close(notes);
                break;
            }
            if beyond == 1 || self.cells.is_empty() {
                break;
            }
            self.end = OPEN;
        }
        if self.cells.is_empty() {
            self.stood = OPEN;
        } else if self.stood != self.next {
            (self.stood, self.since) = (self.next, now);
        }
    }

    fn pass_first(&mut self, first: &Cell, notes: &mut Notes) {
        let mut octets = Vec::new();
        let mut end = self.next;
        while let Some(cell) = self.cells.get(&end)
            && cell.piece == first.piece
        {
            octets.extend(cell.octet);
            self.cells.remove(&end);
            end += 1;
        }
        if octets.is_empty() {
            self.skip(end, first.carrier, notes);
        } else {
            self.pass(octets, first.carrier, notes);
        }
    }

    fn has_octet_at_end(&self) -> bool {
        let mut pieces = self.extents().into_iter();
        pieces.any(|piece| piece == (self.end..self.end + 1))
    }

    fn close(&mut self, notes: &mut Notes) {
        self.is_closed = true;
        let beyond = self.cells.split_off(&self.end);
        let beyond = beyond.values().filter(|cell| cell.octet.is_some());
        notes.ledger.after_end_octets += beyond.count() as u64;
    }

    fn hole_end(&self) -> Option<Position> {
        let first = self.cells.first_key_value().map(|(at, _)| *at);
        let end = first.unwrap_or(OPEN).min(self.end);
        (end != OPEN && end > self.next).then_some(end)
    }

    fn give_up(&mut self, carrier: Carrier, now: Moment, notes: &mut Notes) -> bool {
        if let Some(end) = self.hole_end() {
            let behind = self.cells.get(&end).map_or(carrier, |cell| cell.carrier);
            self.skip(end, behind, notes);
        } else if self.next == self.end && self.cells.contains_key(&self.end) {
            self.end = OPEN;
        } else if self.next == self.end && !self.cells.is_empty() {
            self.close(notes);
        } else {
            return false;
        }
        self.go_on(now, notes);
        true
    }

    fn acknowledged(
        &mut self,
        acknowledgment: u32,
        carrier: Carrier,
        now: Moment,
        notes: &mut Notes,
    ) {
        if self.next != 0 {
            self.acknowledged = acknowledgment;
        }
        self.go_on(now, notes);
        while let Some(end) = self.hole_end()
            && end <= self.position(acknowledgment)
        {
            self.give_up(carrier, now, notes);
        }
    }
}

fn standing(arrival: &Arrival<'_>) -> Standing {
    match arrival.is_due {
        true => Standing::Sound,
        false => Standing::Unproved,
    }
}

/// What the owner of a direction does with it.
impl Half {
    fn go_on(&mut self, now: Moment, notes: &mut Notes) {
        loop {
            while self.head().is_some() {
                self.pass_first(notes);
            }
            if !self.judge_end(&mut notes.ledger) {
                break;
            }
        }
        self.measure(now);
    }

    fn give_up(&mut self, carrier: Carrier, now: Moment, notes: &mut Notes) -> bool {
        match self.obstacle() {
            Some(Obstacle::Hole(end)) => self.give_up_hole(end, carrier, notes),
            Some(Obstacle::Fin) => self.settle_end(&mut notes.ledger),
            Some(other) => panic!("{other:?}"),
            None => return false,
        }
        self.go_on(now, notes);
        true
    }

    fn acknowledged(
        &mut self,
        acknowledgment: u32,
        carrier: Carrier,
        now: Moment,
        notes: &mut Notes,
    ) {
        self.note_acknowledgment(acknowledgment, None, now);
        self.go_on(now, notes);
        while let Some(Obstacle::Hole(end)) = self.obstacle()
            && self.is_acknowledged(end)
        {
            self.give_up(carrier, now, notes);
        }
    }
}

/// What comes, at a place relative to where the stream begins.
#[derive(Clone, Debug)]
enum Step {
    Segment {
        at: i32,
        length: usize,
        missing: u32,
        fin: bool,
        spoilt: u8,
        is_due: bool,
    },
    Acknowledgment(i32),
    GiveUp,
}

fn steps(span: i32) -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![4 => 0..4usize, 1 => 0..span as usize / 3];
    let missing = prop_oneof![4 => Just(0), 2 => 0..4u32, 3 => 0..span as u32];
    let segment = (-4..span, length, missing, proptest::bool::weighted(0.02));
    let spoilt = prop_oneof![4 => Just(0u8), 1 => 1..3u8];
    let is_due = proptest::bool::weighted(0.9);
    let segment =
        (segment, spoilt, is_due).prop_map(|((at, length, missing, fin), spoilt, is_due)| {
            Step::Segment {
                at,
                length,
                missing,
                fin,
                spoilt,
                is_due,
            }
        });
    let step = prop_oneof![
        60 => segment,
        2 => (0..span).prop_map(Step::Acknowledgment),
        1 => Just(Step::GiveUp),
    ];
    proptest::collection::vec(step, 1..120)
}

/// Octets that a segment without any flags brings, as nothing speaks against them.
fn arrival(index: u32, sequence: u32, payload: &[u8]) -> Arrival<'_> {
    Arrival {
        carrier: carrier(index),
        now: Moment::default(),
        sequence,
        payload,
        missing: 0,
        fin: false,
        need: None,
        is_due: true,
        is_blind: false,
        is_suspect: false,
    }
}

fn carrier(index: u32) -> Carrier {
    let packet = PacketInfo {
        time: Time::new(0, 0),
        link_type: 1,
        original_len: 0,
        index,
        number: 0,
    };
    Carrier {
        packet,
        macs: None,
        place: Place::default(),
    }
}

fn same(steps: &[Step], start: Option<u32>, policy: OverlapPolicy) {
    let (mut half, mut model) = (Half::default(), Model::new());
    let (mut notes, mut expected) = (Notes::default(), Notes::default());
    if let Some(start) = start {
        half.start(start);
        model.start(start);
    }
    let number = |at: &i32| start.unwrap_or(7).wrapping_add_signed(*at);
    for (i, step) in steps.iter().enumerate() {
        let carrier = carrier(i as u32);
        let now = Moment {
            time: Time::new(i as i64, 0),
            number: i as u64,
        };
        match step {
            Step::Segment {
                at,
                length,
                missing,
                fin,
                spoilt,
                is_due,
            } => {
                let mut payload: Vec<u8> = (*at..).map(|at| at as u8).take(*length).collect();
                if let Some(octet) = payload.get_mut(length / 2) {
                    *octet ^= spoilt;
                }
                let arrival = Arrival {
                    carrier,
                    now,
                    sequence: number(at),
                    payload: &payload,
                    missing: *missing,
                    fin: *fin,
                    need: None,
                    is_due: *is_due,
                    is_blind: false,
                    is_suspect: false,
                };
                half.take(&arrival, policy, &mut notes);
                model.take(&arrival, policy, &mut expected);
                half.go_on(now, &mut notes);
                model.go_on(now, &mut expected);
                half.note_most(&mut notes.ledger);
                model.note_most(&mut expected);
            }
            Step::Acknowledgment(at) => {
                half.acknowledged(number(at), carrier, now, &mut notes);
                model.acknowledged(number(at), carrier, now, &mut expected);
            }
            Step::GiveUp => {
                let was_held_up = half.give_up(carrier, now, &mut notes);
                assert_eq!(was_held_up, model.give_up(carrier, now, &mut expected));
            }
        }
        assert_eq!(notes, expected, "after {i}");
        assert_eq!(
            (half.cost(), half.waits_since()),
            (model.cost(), model.waits_since())
        );
        assert_eq!(half.has_ended(), model.next == model.end);
        if let Some(held) = &half.held {
            assert!(held.absences.len() <= held.pieces.len() / 2);
            let rooms = held.pieces.values().filter_map(|piece| piece.room.as_ref());
            assert!(rooms.map(|room| room.len()).sum::<usize>() <= 2 * held.cost);
        }
    }
    let (carrier, now) = (carrier(u32::MAX), Moment::default());
    while half.give_up(carrier, now, &mut notes) {}
    while model.give_up(carrier, now, &mut expected) {}
    assert_eq!(notes, expected);
    assert_eq!(half.cost(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn as_the_model_says(
        steps in prop_oneof![steps(30), steps(100), steps(300)],
        start in proptest::option::of(prop_oneof![Just(1000u32), Just(u32::MAX - 20)]),
        policy in prop_oneof![
            Just(OverlapPolicy::First),
            Just(OverlapPolicy::Last),
            Just(OverlapPolicy::Bsd),
            Just(OverlapPolicy::Linux),
        ],
    ) {
        same(&steps, start, policy);
    }
}

/// Thousands of pieces wait with room between them, and segments that were cut lie over all.
#[test]
fn cut_segments_over_thousands_of_pieces() {
    let (mut half, mut notes) = (Half::default(), Notes::default());
    half.start(0);
    let policy = OverlapPolicy::default();
    let mut take = |sequence: u32, payload: &[u8], missing: u32, index: u32| {
        let arrival = Arrival {
            missing,
            ..arrival(index, sequence, payload)
        };
        half.take(&arrival, policy, &mut notes);
        half.go_on(Moment::default(), &mut notes);
        half.note_most(&mut notes.ledger);
    };
    for i in 1..=3900 {
        take(2 * i, b"x", 0, 0);
    }
    for i in 0..=20_400 {
        take(1 + i % 1000, b"", 7800 - i % 1000, i);
    }
    take(0, b"x", 0, 0);
    assert_eq!(notes.ledger.gaps, 3900);
    assert_eq!(notes.ledger.most_waiting_segments, 7800);
    // Of what the last did not reach, the one before it tells.
    let gaps = notes.told.iter().filter_map(|told| match told {
        Told::Gap(_, packet) => Some(*packet),
        Told::Data(..) => None,
    });
    assert!(gaps.eq((0..3900).map(|i| (20_000 + 2 * i).min(20_400))));
}

/// What a socket of Linux 6.18 reads of such segments, which came by a TUN device: where each begins,
/// and its octets; the last fills what is missing.
#[test]
fn as_linux_reads() {
    for (segments, read) in [
        // A front that was taken counts: the third begins behind the first's beginning.
        (
            &[(5, "aaaaa"), (2, "bbbbb"), (6, "ccccccc")][..],
            "..bbbbbaaaccc",
        ),
        // One that follows right on another is one with it.
        (
            &[(5, "aaaaa"), (10, "bbbbb"), (7, "ccccc")],
            ".....aaaaabbbbb",
        ),
        (
            &[(5, "aaaaa"), (10, "bbbbb"), (10, "cccccccccc")],
            ".....aaaaabbbbbccccc",
        ),
        // Not if it overlaps.
        (
            &[(5, "aaaaaaa"), (10, "bbbbb"), (11, "ccccccccc")],
            ".....aaaaaaabbbccccc",
        ),
        // Of two with one beginning the longer one, and all that it covers goes.
        (
            &[(5, "aaa"), (7, "bb"), (5, "cccccc"), (5, "dddddd")],
            ".....cccccc",
        ),
    ] {
        let (mut half, mut notes) = (Half::default(), Notes::default());
        half.start(0);
        let filler = [(0, "...............")];
        for (i, (at, octets)) in (0..).zip(segments.iter().chain(&filler)) {
            let first = segments.iter().map(|(at, _)| *at as usize).min();
            let octets = if *at == 0 {
                &octets[..first.unwrap_or_default()]
            } else {
                octets
            };
            let arrival = arrival(i, *at, octets.as_bytes());
            half.take(&arrival, OverlapPolicy::Linux, &mut notes);
            half.go_on(Moment::default(), &mut notes);
        }
        let told = notes.told.iter().flat_map(|told| match told {
            Told::Data(octets, _) => octets.clone(),
            Told::Gap(..) => b"?".to_vec(),
        });
        let told = String::from_utf8(told.collect()).unwrap();
        assert_eq!(told, read, "{segments:?}");
    }
}

#[test]
fn an_acknowledgment_of_nothing_tells_nothing_where_the_beginning_is_known() {
    let mut opened = Half::default();
    opened.start(100);
    let told = opened.told_from();
    assert_eq!((told.start, told.end), (WRAP + 101, WRAP + 100));
    // Where it was picked up, the octets before may have been acknowledged.
    let (mut half, mut notes) = (Half::default(), Notes::default());
    let arrival = arrival(0, 100, b"ab");
    half.take(&arrival, OverlapPolicy::First, &mut notes);
    assert_eq!(half.told_from(), WRAP + 100..WRAP + 102);
}
