//! Reassembly of IPv4 datagrams (RFC 791 section 3.2, RFC 815) and IPv6 packets (RFC 8200 section
//! 4.5) from their fragments.
//!
//! The rule for overlaps: in IPv4 the octets that came first stay, and a later piece only fills
//! what is still missing; a piece that contradicts octets already there is counted as a conflict.
//! In IPv6 a repeated piece is ignored and any other overlap discards the whole packet (RFC 5722,
//! RFC 8200), so that no reader can be shown other octets than the receiver.
//!
//! A datagram is given up when a fragment of its own comes later than the time limit after its first,
//! and begins another; or before, when the clock of the run ([`RunClock`](crate::RunClock)) says that
//! none in time can come any more.
//!
//! Bounded by [`Limits`]: over a limit the datagram whose first fragment is oldest is given up,
//! counted. Memory follows the octets received, never an offset somebody claimed, and so does time:
//! however small the pieces and whatever their order, a fragment costs what its octets cost and a
//! search among the pieces.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;

use netcap_dissect::{Completed, Fragment, FragmentKey};
use netcap_record::Time;

/// The largest payload of an IP packet without the jumbo option.
const LARGEST: u32 = 65_535;
/// What a piece costs beside its octets.
const PIECE: usize = 64;
/// What a datagram costs beside its pieces: its place in the table and in the order.
const DATAGRAM: usize = 256;

/// Stale entries of the order that are not worth a sweep.
const STALE: usize = 1024;

/// What the defragmenter may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Octets of all pieces, with their bookkeeping.
    pub octets: usize,
    /// Seconds of packet time that a datagram may take (RFC 8200 section 4.5: 60).
    pub seconds: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            octets: 16 << 20,
            seconds: 60,
        }
    }
}

/// The outcomes of fragments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentLedger {
    /// Fragments seen.
    pub fragments: u64,
    /// Datagrams reassembled.
    pub completed: u64,
    /// Pieces that brought nothing new.
    pub duplicates: u64,
    /// Pieces that contradicted octets already there.
    pub conflicts: u64,
    /// Fragments that no datagram can contain: past its end, beyond 65,535 octets, a middle piece
    /// that is no multiple of eight octets, or of a packet that was discarded.
    pub refused: u64,
    /// IPv6 packets discarded for overlapping pieces.
    pub discarded: u64,
    /// Datagrams given up after the time limit.
    pub expired: u64,
    /// Datagrams evicted, as there was no room for them.
    pub evicted: u64,
    /// Datagrams still incomplete at the end of the capture.
    pub incomplete: u64,
    /// Fragments whose octets the capture did not keep.
    pub cut: u64,
}

/// Puts datagrams together, in capture order.
pub struct Defragmenter {
    limits: Limits,
    table: HashMap<FragmentKey, Datagram>,
    /// Datagrams by the arrival of their first fragment; entries whose datagram is gone are stale.
    order: VecDeque<Begun>,
    serial: u64,
    octets: usize,
    ledger: FragmentLedger,
}

/// The beginning of a datagram, by its number.
struct Begun {
    key: FragmentKey,
    serial: u64,
    /// The time of its first fragment, or of the clock where that was ahead of it.
    since: Time,
}

struct Datagram {
    serial: u64,
    /// Octets of the key that say which network it is of.
    around: usize,
    /// When its first fragment was captured.
    since: Time,
    /// Protocol of the fragment at offset 0.
    protocol: Option<u8>,
    total: Option<u32>,
    /// Disjoint, by offset. In IPv6 each is as it came.
    pieces: BTreeMap<u32, Box<[u8]>>,
    /// Octets of these.
    held: u32,
    /// Runs of octets that were new when they came. Each costs a piece, also when it has become a
    /// part of one.
    brought: u32,
    discarded: bool,
}

impl Defragmenter {
    /// An empty table.
    pub fn new(limits: Limits) -> Defragmenter {
        Defragmenter {
            limits,
            table: HashMap::new(),
            order: VecDeque::new(),
            serial: 0,
            octets: 0,
            ledger: FragmentLedger::default(),
        }
    }

    /// The outcomes of the fragments so far; datagrams under way count as incomplete.
    pub fn ledger(&self) -> FragmentLedger {
        let incomplete = self.table.values().filter(|d| !d.discarded).count() as u64;
        FragmentLedger {
            incomplete,
            ..self.ledger
        }
    }

    /// Octets held now, with what their bookkeeping is taken to cost.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Takes a fragment that was captured at `time`, when the clock of the run said `clock`. Gives
    /// the datagram that it completes.
    pub fn insert(&mut self, fragment: &Fragment, time: Time, clock: Time) -> Option<Completed> {
        self.ledger.fragments += 1;
        self.expire(clock);
        self.give_up_before(fragment, time);
        let end = fragment.offset.saturating_add(fragment.data.len() as u32);
        let odd = fragment.more && !fragment.data.len().is_multiple_of(8);
        if end > LARGEST || odd || (fragment.more && fragment.data.is_empty()) {
            self.ledger.refused += 1;
            return None;
        }
        let before = self.table.get(&fragment.key).map_or(0, Datagram::cost);
        let around = fragment.key.around.len();
        let serial = &mut self.serial;
        let order = &mut self.order;
        let datagram = self.table.entry(fragment.key.clone()).or_insert_with(|| {
            *serial += 1;
            order.push_back(Begun {
                key: fragment.key.clone(),
                serial: *serial,
                since: time.max(clock),
            });
            Datagram {
                serial: *serial,
                around,
                since: time,
                protocol: None,
                total: None,
                pieces: BTreeMap::new(),
                held: 0,
                brought: 0,
                discarded: false,
            }
        });
        datagram.insert(fragment, end, &mut self.ledger);
        self.octets = self.octets + datagram.cost() - before;
        let completed = match (datagram.total, datagram.protocol) {
            (Some(total), Some(protocol)) if datagram.held == total => Some(protocol),
            _ => None,
        };
        let Some(protocol) = completed else {
            self.make_room();
            return None;
        };
        let datagram = self.table.remove(&fragment.key)?;
        self.octets -= datagram.cost();
        self.ledger.completed += 1;
        let mut data = Vec::with_capacity(datagram.held as usize);
        for piece in datagram.pieces.values() {
            data.extend_from_slice(piece);
        }
        Some(Completed {
            packet: fragment.packet,
            ordinal: fragment.ordinal,
            protocol,
            data,
        })
    }

    /// Gives up what no fragment in time can complete any more.
    fn expire(&mut self, clock: Time) {
        let latest = clock.before(self.limits.seconds);
        while let Some(begun) = self.order.front() {
            let is_there = self.is_there(begun);
            if is_there && begun.since >= latest {
                return;
            }
            if let Some(begun) = self.order.pop_front().filter(|_| is_there) {
                self.give_up(&begun.key);
            }
        }
    }

    /// Gives up the datagram of a fragment for which that fragment is too late.
    fn give_up_before(&mut self, fragment: &Fragment, time: Time) {
        let latest = time.before(self.limits.seconds);
        let datagram = self.table.get(&fragment.key);
        if datagram.is_some_and(|datagram| datagram.since < latest) {
            self.give_up(&fragment.key);
        }
    }

    fn give_up(&mut self, key: &FragmentKey) {
        let datagram = self.table.get(key);
        self.ledger.expired += u64::from(datagram.is_some_and(|d| !d.discarded));
        self.forget(key);
    }

    fn is_there(&self, begun: &Begun) -> bool {
        let datagram = self.table.get(&begun.key);
        datagram.is_some_and(|datagram| datagram.serial == begun.serial)
    }

    fn make_room(&mut self) {
        while self.octets > self.limits.octets {
            let Some(begun) = self.order.pop_front() else {
                return;
            };
            let datagram = self.table.get(&begun.key);
            if let Some(d) = datagram.filter(|d| d.serial == begun.serial) {
                self.ledger.evicted += u64::from(!d.discarded);
                self.forget(&begun.key);
            }
        }
        // Stale entries are swept before they outnumber the living.
        if self.order.len() > 2 * self.table.len() + STALE {
            let table = &self.table;
            self.order.retain(|begun| {
                let datagram = table.get(&begun.key);
                datagram.is_some_and(|datagram| datagram.serial == begun.serial)
            });
        }
    }

    fn forget(&mut self, key: &FragmentKey) {
        if let Some(datagram) = self.table.remove(key) {
            self.octets -= datagram.cost();
        }
    }
}

impl Datagram {
    fn cost(&self) -> usize {
        DATAGRAM + 2 * self.around + self.held as usize + PIECE * self.brought as usize
    }

    fn insert(&mut self, fragment: &Fragment, end: u32, ledger: &mut FragmentLedger) {
        if self.discarded {
            ledger.refused += 1;
            return;
        }
        let last = self.pieces.last_key_value();
        let last = last.map_or(0, |(at, piece)| at + piece.len() as u32);
        let past_end = match (self.total, fragment.more) {
            (Some(total), true) => end > total,
            (Some(total), false) => end != total,
            (None, true) => false,
            (None, false) => end < last,
        };
        if past_end {
            ledger.refused += 1;
            return;
        }
        let overlaps = self.touching(fragment.offset..end).next().is_some();
        if fragment.key.version == 6 && overlaps {
            if self.pieces.get(&fragment.offset) == Some(&fragment.data) {
                ledger.duplicates += 1;
            } else {
                ledger.discarded += 1;
                self.discarded = true;
                self.pieces = BTreeMap::new();
                self.held = 0;
                self.brought = 0;
            }
            return;
        }
        if fragment.offset == 0 && self.protocol.is_none() {
            self.protocol = Some(fragment.protocol);
        }
        if !fragment.more {
            self.total = Some(end);
        }
        if !self.fill(fragment, end, ledger) && !fragment.data.is_empty() {
            ledger.duplicates += 1;
        }
    }

    /// The pieces with octets in a range, the last first.
    fn touching(&self, range: Range<u32>) -> impl Iterator<Item = (Range<u32>, &[u8])> {
        let before_end = self.pieces.range(..range.end).rev();
        before_end
            .map(|(at, piece)| (*at..at + piece.len() as u32, &piece[..]))
            .take_while(move |(place, _)| place.end > range.start)
    }

    /// Keeps what the fragment brings that is not there yet; whether that was anything.
    ///
    /// The fragment and the pieces that lie within it become one piece, so that nobody has them
    /// gone through again by repeating a wide fragment over many small ones.
    fn fill(&mut self, fragment: &Fragment, end: u32, ledger: &mut FragmentLedger) -> bool {
        let offset = fragment.offset;
        let part =
            |range: &Range<u32>| (range.start - offset) as usize..(range.end - offset) as usize;
        let mut octets = Cow::from(&fragment.data[..]);
        let mut joined = offset..end;
        let mut within = Vec::new();
        let mut conflict = false;
        let (mut octets_missing, mut runs_missing) = (0, 0);
        let mut miss = |range: Range<u32>| {
            octets_missing += range.len() as u32;
            runs_missing += u32::from(!range.is_empty());
        };
        // From here on it is known what is missing.
        let mut known = end;
        for (place, piece) in self.touching(offset..end) {
            let both = place.start.max(offset)..place.end.min(end);
            let there = (both.start - place.start) as usize..(both.end - place.start) as usize;
            let there = piece.get(there).unwrap_or_default();
            if octets.get(part(&both)) != Some(there) {
                conflict = true;
                let came = octets.to_mut().get_mut(part(&both)).unwrap_or_default();
                came.copy_from_slice(there);
            }
            miss(both.end..known);
            known = both.start;
            if place.start < offset {
                joined.start = place.end;
            } else if place.end > end {
                joined.end = place.start;
            } else {
                within.push(place.start);
            }
        }
        miss(offset..known);
        ledger.conflicts += u64::from(conflict);
        self.held += octets_missing;
        self.brought += runs_missing;
        if octets_missing > 0 || within.len() > 1 {
            for start in within {
                self.pieces.remove(&start);
            }
            let joined_octets = octets.get(part(&joined)).unwrap_or_default();
            self.pieces.insert(joined.start, joined_octets.into());
        }
        octets_missing > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When fragments come.
    const AT: Time = Time {
        seconds: 0,
        nanos: 0,
    };
    /// After the time limit.
    const LATER: Time = Time {
        seconds: 60,
        nanos: 1,
    };

    fn key(version: u8, id: u32) -> FragmentKey {
        FragmentKey {
            version,
            protocol: 17,
            source: [1; 16],
            destination: [2; 16],
            id,
            around: Box::default(),
        }
    }

    fn piece(key: FragmentKey, offset: u32, more: bool, data: &[u8]) -> Fragment {
        Fragment {
            packet: 0,
            ordinal: 0,
            key,
            offset,
            more,
            protocol: 17,
            data: data.into(),
        }
    }

    #[test]
    fn any_order_gives_the_datagram() {
        let pieces = [(0, true, [1; 8]), (8, true, [2; 8]), (16, false, [3; 8])];
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let mut table = Defragmenter::new(Limits::default());
            let mut whole = None;
            for (i, n) in order.into_iter().enumerate() {
                let (offset, more, data) = pieces[n];
                whole = table.insert(&piece(key(4, 7), offset, more, &data), AT, AT);
                assert_eq!(whole.is_some(), i == 2);
            }
            let whole = whole.unwrap();
            assert_eq!(whole.data, [[1; 8], [2; 8], [3; 8]].concat());
            assert_eq!(
                (whole.protocol, table.octets, table.ledger().incomplete),
                (17, 0, 0)
            );
        }
    }

    #[test]
    fn ipv4_keeps_what_came_first() {
        let mut table = Defragmenter::new(Limits::default());
        assert!(
            table
                .insert(&piece(key(4, 1), 8, true, &[2; 8]), AT, AT)
                .is_none()
        );
        assert!(
            table
                .insert(&piece(key(4, 1), 0, true, &[1; 16]), AT, AT)
                .is_none()
        );
        assert!(
            table
                .insert(&piece(key(4, 1), 0, true, &[9; 8]), AT, AT)
                .is_none()
        );
        let whole = table
            .insert(&piece(key(4, 1), 16, false, &[3; 3]), AT, AT)
            .unwrap();
        assert_eq!(whole.data, [&[1; 8][..], &[2; 8], &[3; 3]].concat());
        let ledger = table.ledger();
        assert_eq!((ledger.conflicts, ledger.duplicates), (2, 1));
    }

    #[test]
    fn ipv6_discards_overlaps_and_forgives_repeats() {
        let mut table = Defragmenter::new(Limits::default());
        assert!(
            table
                .insert(&piece(key(6, 1), 0, true, &[1; 16]), AT, AT)
                .is_none()
        );
        assert!(
            table
                .insert(&piece(key(6, 1), 0, true, &[1; 16]), AT, AT)
                .is_none()
        );
        assert!(
            table
                .insert(&piece(key(6, 1), 8, true, &[1; 16]), AT, AT)
                .is_none()
        );
        assert!(
            table
                .insert(&piece(key(6, 1), 16, false, &[3; 3]), AT, AT)
                .is_none()
        );
        let ledger = table.ledger();
        assert_eq!(
            (ledger.duplicates, ledger.discarded, ledger.refused),
            (1, 1, 1)
        );
        assert_eq!((ledger.completed, ledger.incomplete), (0, 0));
    }

    #[test]
    fn impossible_pieces_are_refused() {
        let mut table = Defragmenter::new(Limits::default());
        for fragment in [
            piece(key(4, 1), 65_528, false, &[0; 8]),
            piece(key(4, 1), u32::MAX, true, &[0; 8]),
            piece(key(4, 1), 0, true, &[0; 7]),
            piece(key(4, 1), 8, true, &[]),
        ] {
            assert!(table.insert(&fragment, AT, AT).is_none());
        }
        assert!(
            table
                .insert(&piece(key(4, 1), 8, false, &[0; 8]), AT, AT)
                .is_none()
        );
        assert!(
            table
                .insert(&piece(key(4, 1), 16, true, &[0; 8]), AT, AT)
                .is_none()
        );
        assert!(
            table
                .insert(&piece(key(4, 1), 0, false, &[0; 8]), AT, AT)
                .is_none()
        );
        assert_eq!(table.ledger().refused, 6);
        assert!(
            table
                .insert(&piece(key(4, 1), 0, true, &[0; 8]), AT, AT)
                .is_some()
        );
    }

    /// Whether the second half of a datagram completes it.
    fn completes(since: Time, time: Time, clock: Time) -> (bool, u64) {
        let mut table = Defragmenter::new(Limits::default());
        table.insert(&piece(key(4, 1), 0, true, &[0; 8]), since, since);
        // Of others, whatever their times.
        for (id, time) in [(2, LATER), (3, Time::new(i64::MAX, 0)), (4, AT)] {
            table.insert(&piece(key(4, id), 0, true, &[0; 8]), time, since);
        }
        let whole = table.insert(&piece(key(4, 1), 8, false, &[0; 8]), time, clock);
        (whole.is_some(), table.ledger().expired)
    }

    #[test]
    fn a_datagram_ends_by_its_own_times() {
        let limit = Time::new(60, 0);
        assert_eq!(completes(AT, limit, AT), (true, 0));
        assert_eq!(completes(AT, LATER, AT), (false, 1));
        // By the clock, where that is ahead.
        assert_eq!(completes(AT, limit, limit), (true, 0));
        assert_eq!(completes(AT, limit, LATER), (false, 1));
        // A clock that has stepped back.
        assert_eq!(completes(Time::new(3600, 0), AT, AT), (true, 0));
    }

    #[test]
    fn time_and_room_are_limited() {
        let limits = Limits {
            octets: 1 << 16,
            seconds: 60,
        };
        let mut table = Defragmenter::new(limits);
        assert!(
            table
                .insert(&piece(key(4, 0), 0, true, &[0; 8]), AT, AT)
                .is_none()
        );
        assert!(
            table
                .insert(&piece(key(4, 1), 0, true, &[0; 8]), LATER, LATER)
                .is_none()
        );
        assert_eq!(table.ledger().expired, 1);
        for id in 2..100_000 {
            assert!(
                table
                    .insert(&piece(key(4, id), 0, true, &[0; 1024]), LATER, LATER)
                    .is_none()
            );
            assert!(table.octets <= limits.octets && table.table.len() < limits.octets / 1024);
            assert!(table.order.len() <= 2 * table.table.len() + STALE);
        }
        let ledger = table.ledger();
        assert_eq!(ledger.expired + ledger.evicted + ledger.incomplete, 100_000);
    }
}
