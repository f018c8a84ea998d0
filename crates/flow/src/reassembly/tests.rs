//! A direction against a model of it that goes octet by octet, with no thought of cost.

use proptest::prelude::*;

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
    fn data(&mut self, octets: &[u8], packet: PacketInfo) {
        self.told.push(Told::Data(octets.to_vec(), packet.index));
    }

    fn gap(&mut self, octets: u64, packet: PacketInfo) {
        self.told.push(Told::Gap(octets, packet.index));
    }

    fn ledger(&mut self) -> &mut StreamLedger {
        &mut self.ledger
    }
}

/// An octet that waits, or the place of one that the capture cut off.
#[derive(Clone)]
struct Cell {
    octet: Option<u8>,
    packet: PacketInfo,
    /// Neighbours with the same number are one piece.
    piece: usize,
}

struct Model {
    start: u32,
    acknowledged: u32,
    next: Position,
    end: Position,
    cells: BTreeMap<Position, Cell>,
    since: Moment,
    /// The latest first.
    gaps: Vec<Range<Position>>,
    pieces: usize,
}

impl Model {
    fn new() -> Model {
        Model {
            start: 0,
            acknowledged: 0,
            next: 0,
            end: OPEN,
            cells: BTreeMap::new(),
            since: Moment::default(),
            gaps: Vec::new(),
            pieces: 0,
        }
    }

    fn start(&mut self, sequence: u32) {
        self.start = sequence;
        self.acknowledged = sequence;
        self.next = WRAP | Position::from(sequence);
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

    fn take(&mut self, arrival: &Arrival<'_>, limits: &StreamLimits, notes: &mut Notes) {
        let payload = arrival.payload;
        let length = payload.len() as u64 + u64::from(arrival.missing);
        if length == 0 && !arrival.fin {
            let is_probe = self.next != 0 && self.position(arrival.sequence) + 1 == self.next;
            notes.ledger.keep_alives += u64::from(is_probe && self.next != self.end);
            return;
        }
        if self.next == 0 {
            self.start(arrival.sequence);
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
        if arrival.fin && self.end == OPEN && at + length >= self.next {
            self.end = at + length;
            let beyond = self.cells.split_off(&self.end);
            let beyond = beyond.values().filter(|cell| cell.octet.is_some());
            notes.ledger.after_end_octets += beyond.count() as u64;
        }
        let (before, waited) = (self.next, !self.cells.is_empty());
        self.bring(arrival, at, limits.policy, notes);
        self.drain(notes);
        self.measure(before, waited, arrival.now);
        while self.cost() > limits.octets_per_direction {
            notes.ledger.gaps_for_room += 1;
            notes.ledger.evicted_octets += self.give_up(arrival.packet, arrival.now, notes);
        }
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
            } else if at >= self.end {
                notes.ledger.after_end_octets += 1;
            } else {
                new.insert(at, *octet);
            }
        }
        notes.ledger.retransmitted_octets += repeated;
        notes.ledger.retransmitted_segments += u64::from(repeated > 0);
        if let Some((&start, _)) = new.first_key_value() {
            self.add(start, new, arrival.packet, policy, notes);
        }
        let cut = at + arrival.payload.len() as u64;
        let range = cut.max(self.next)..(cut + u64::from(arrival.missing)).min(self.end);
        if range.is_empty() {
        } else if range.start == self.next && self.cells.is_empty() {
            self.skip(range.end, arrival.packet, notes);
        } else {
            self.pieces += 1;
            let cell = Cell {
                octet: None,
                packet: arrival.packet,
                piece: self.pieces,
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
        packet: PacketInfo,
        policy: OverlapPolicy,
        notes: &mut Notes,
    ) {
        if start > self.next {
            notes.ledger.out_of_order_segments += 1;
            notes.ledger.out_of_order_octets += new.len() as u64;
        } else if self.cells.is_empty() {
            self.pass(new.into_values().collect(), packet, notes);
            return;
        }
        self.pieces += 1;
        let pieces = self.extents();
        let end = new.last_key_value().map_or(start, |(at, _)| at + 1);
        let mut overlapping = 0;
        for (at, octet) in new {
            let there = self.cells.get(&at).and_then(|cell| cell.octet);
            if let Some(there) = there {
                overlapping += 1;
                notes.ledger.conflicting_octets += u64::from(there != octet);
                let there = pieces.iter().find(|piece| piece.contains(&at));
                if !policy.newcomer_wins(&(start..end), there.unwrap()) {
                    continue;
                }
            }
            let cell = Cell {
                octet: Some(octet),
                packet,
                piece: self.pieces,
            };
            self.cells.insert(at, cell);
        }
        notes.ledger.overlapping_octets += overlapping;
        notes.ledger.overlapping_segments += u64::from(overlapping > 0);
    }

    fn pass(&mut self, octets: Vec<u8>, packet: PacketInfo, notes: &mut Notes) {
        self.next += octets.len() as u64;
        notes.ledger.octets += octets.len() as u64;
        notes.data(&octets, packet);
    }

    fn skip(&mut self, end: Position, packet: PacketInfo, notes: &mut Notes) {
        let gap = self.next..end;
        notes.ledger.gaps += 1;
        notes.ledger.gap_octets += gap.end - gap.start;
        notes.gap(gap.end - gap.start, packet);
        self.gaps.insert(0, gap);
        self.gaps.truncate(GAPS);
        self.next = end;
    }

    fn drain(&mut self, notes: &mut Notes) -> u64 {
        let mut handed_on = 0;
        while let Some(first) = self.cells.get(&self.next).cloned() {
            let mut octets = Vec::new();
            let mut end = self.next;
            while let Some(cell) = self.cells.get(&end)
                && cell.piece == first.piece
            {
                octets.extend(cell.octet);
                self.cells.remove(&end);
                end += 1;
            }
            handed_on += octets.len() as u64;
            if octets.is_empty() {
                self.skip(end, first.packet, notes);
            } else {
                self.pass(octets, first.packet, notes);
            }
        }
        handed_on
    }

    fn measure(&mut self, before: Position, waited: bool, now: Moment) {
        if !waited || self.next != before {
            self.since = now;
        }
    }

    fn hole_end(&self) -> Option<Position> {
        let first = self.cells.first_key_value().map(|(at, _)| *at);
        first.or((self.end != OPEN && self.end > self.next).then_some(self.end))
    }

    fn give_up(&mut self, packet: PacketInfo, now: Moment, notes: &mut Notes) -> u64 {
        let Some(end) = self.hole_end() else {
            return 0;
        };
        let behind = self.cells.get(&end).map_or(packet, |cell| cell.packet);
        self.skip(end, behind, notes);
        self.since = now;
        self.drain(notes)
    }

    fn acknowledged(
        &mut self,
        acknowledgment: u32,
        packet: PacketInfo,
        now: Moment,
        notes: &mut Notes,
    ) {
        if self.next != 0 {
            self.acknowledged = acknowledgment;
        }
        while let Some(end) = self.hole_end()
            && end <= self.position(acknowledgment)
        {
            self.give_up(packet, now, notes);
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
    },
    Acknowledgment(i32),
    GiveUp,
}

fn steps(span: i32) -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![4 => 0..4usize, 1 => 0..span as usize / 3];
    let missing = prop_oneof![4 => Just(0), 2 => 0..4u32, 3 => 0..span as u32];
    let segment = (-4..span, length, missing, proptest::bool::weighted(0.01));
    let spoilt = prop_oneof![4 => Just(0u8), 1 => 1..3u8];
    let segment =
        (segment, spoilt).prop_map(|((at, length, missing, fin), spoilt)| Step::Segment {
            at,
            length,
            missing,
            fin,
            spoilt,
        });
    let step = prop_oneof![
        60 => segment,
        1 => (0..span).prop_map(Step::Acknowledgment),
        1 => Just(Step::GiveUp),
    ];
    proptest::collection::vec(step, 1..120)
}

fn same(steps: &[Step], start: Option<u32>, limits: &StreamLimits) {
    let (mut half, mut model) = (Half::default(), Model::new());
    let (mut notes, mut expected) = (Notes::default(), Notes::default());
    if let Some(start) = start {
        half.start(start);
        model.start(start);
    }
    let number = |at: &i32| start.unwrap_or(7).wrapping_add_signed(*at);
    for (i, step) in steps.iter().enumerate() {
        let packet = PacketInfo {
            time: Time::new(i as i64, 0),
            link_type: 1,
            original_len: 0,
            index: i as u32,
            number: 0,
        };
        let now = Moment {
            time: packet.time,
            number: i as u64,
        };
        match step {
            Step::Segment {
                at,
                length,
                missing,
                fin,
                spoilt,
            } => {
                let mut payload: Vec<u8> = (*at..).map(|at| at as u8).take(*length).collect();
                if let Some(octet) = payload.get_mut(length / 2) {
                    *octet ^= spoilt;
                }
                let arrival = Arrival {
                    packet,
                    now,
                    sequence: number(at),
                    payload: &payload,
                    missing: *missing,
                    fin: *fin,
                };
                half.take(&arrival, limits, &mut notes);
                model.take(&arrival, limits, &mut expected);
            }
            Step::Acknowledgment(at) => {
                half.acknowledged(number(at), packet, now, &mut notes);
                model.acknowledged(number(at), packet, now, &mut expected);
            }
            Step::GiveUp => {
                let octets = half.give_up(packet, now, &mut notes);
                assert_eq!(octets, model.give_up(packet, now, &mut expected));
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
    let packet = PacketInfo {
        time: Time::new(0, 0),
        link_type: 1,
        original_len: 0,
        index: u32::MAX,
        number: 0,
    };
    half.finish(packet, Moment::default(), &mut notes);
    while model.hole_end().is_some() {
        model.give_up(packet, Moment::default(), &mut expected);
    }
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
        octets_per_direction in prop_oneof![Just(700usize), Just(3000), Just(1 << 20)],
    ) {
        let limits = StreamLimits { policy, octets_per_direction, ..StreamLimits::default() };
        same(&steps, start, &limits);
    }
}

/// Thousands of pieces wait with room between them, and segments that were cut lie over all.
#[test]
fn cut_segments_over_thousands_of_pieces() {
    let (mut half, mut notes) = (Half::default(), Notes::default());
    half.start(0);
    let limits = StreamLimits::default();
    let mut take = |sequence: u32, payload: &[u8], missing: u32, index: u32| {
        let arrival = Arrival {
            packet: PacketInfo {
                time: Time::new(0, 0),
                link_type: 1,
                original_len: 0,
                index,
                number: 0,
            },
            now: Moment::default(),
            sequence,
            payload,
            missing,
            fin: false,
        };
        half.take(&arrival, &limits, &mut notes);
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
