//! The defragmenter against a model of it that is slow and easy to check.

use netcap_dissect::{Completed, Fragment, FragmentKey};
use netcap_flow::{Defragmenter, FragmentLedger, Limits};
use netcap_record::Time;
use proptest::prelude::*;

const AT: Time = Time {
    seconds: 0,
    nanos: 0,
};

/// What the rules say, with no thought of cost: every fragment is held against every piece.
struct Model {
    limits: Limits,
    /// In order of their first fragments.
    datagrams: Vec<Datagram>,
    ledger: FragmentLedger,
}

struct Datagram {
    key: FragmentKey,
    since: i64,
    /// What the clock said then.
    clock: i64,
    protocol: Option<u8>,
    total: Option<u32>,
    /// Disjoint and in order of offset; each is a run of octets that were new when they came.
    pieces: Vec<(u32, Vec<u8>)>,
    discarded: bool,
}

impl Model {
    fn ledger(&self) -> FragmentLedger {
        let incomplete = self.datagrams.iter().filter(|d| !d.discarded).count() as u64;
        FragmentLedger {
            incomplete,
            ..self.ledger
        }
    }

    fn octets(&self) -> usize {
        let pieces = |d: &Datagram| -> usize { d.pieces.iter().map(|(_, p)| 64 + p.len()).sum() };
        self.datagrams.iter().map(|d| 256 + pieces(d)).sum()
    }

    fn give_up(&mut self, place: usize) {
        let datagram = self.datagrams.remove(place);
        self.ledger.expired += u64::from(!datagram.discarded);
    }

    fn insert(&mut self, fragment: &Fragment, seconds: i64, clock: i64) -> Option<Completed> {
        self.ledger.fragments += 1;
        let limit = i64::from(self.limits.seconds);
        while let Some(first) = self.datagrams.first()
            && clock - first.since.max(first.clock) > limit
        {
            self.give_up(0);
        }
        let own = self.datagrams.iter().position(|d| d.key == fragment.key);
        if let Some(own) = own.filter(|own| seconds - self.datagrams[*own].since > limit) {
            self.give_up(own);
        }
        let end = fragment.offset + fragment.data.len() as u32;
        let odd = fragment.more && !fragment.data.len().is_multiple_of(8);
        if end > 65_535 || odd || (fragment.more && fragment.data.is_empty()) {
            self.ledger.refused += 1;
            return None;
        }
        let found = self.datagrams.iter().position(|d| d.key == fragment.key);
        let at = found.unwrap_or_else(|| {
            self.datagrams.push(Datagram {
                key: fragment.key.clone(),
                since: seconds,
                clock,
                protocol: None,
                total: None,
                pieces: Vec::new(),
                discarded: false,
            });
            self.datagrams.len() - 1
        });
        let datagram = &mut self.datagrams[at];
        datagram.insert(fragment, end, &mut self.ledger);
        let held: usize = datagram.pieces.iter().map(|(_, piece)| piece.len()).sum();
        if let (Some(total), Some(protocol)) = (datagram.total, datagram.protocol)
            && held == total as usize
        {
            self.ledger.completed += 1;
            let whole = self.datagrams.remove(at);
            let pieces: Vec<Vec<u8>> = whole.pieces.into_iter().map(|(_, piece)| piece).collect();
            return Some(Completed {
                packet: fragment.packet,
                ordinal: fragment.ordinal,
                protocol,
                data: pieces.concat(),
            });
        }
        while self.octets() > self.limits.octets {
            let oldest = self.datagrams.remove(0);
            self.ledger.evicted += u64::from(!oldest.discarded);
        }
        None
    }
}

impl Datagram {
    fn insert(&mut self, fragment: &Fragment, end: u32, ledger: &mut FragmentLedger) {
        let stop = |(at, piece): &(u32, Vec<u8>)| at + piece.len() as u32;
        let last = self.pieces.last().map_or(0, stop);
        let past_end = match (self.total, fragment.more) {
            (Some(total), true) => end > total,
            (Some(total), false) => end != total,
            (None, true) => false,
            (None, false) => end < last,
        };
        if self.discarded || past_end {
            ledger.refused += 1;
            return;
        }
        let overlaps = |piece: &&(u32, Vec<u8>)| piece.0 < end && fragment.offset < stop(piece);
        if fragment.key.version == 6 && self.pieces.iter().any(|piece| overlaps(&piece)) {
            let repeated = (fragment.offset, fragment.data.to_vec());
            if self.pieces.contains(&repeated) {
                ledger.duplicates += 1;
            } else {
                ledger.discarded += 1;
                self.discarded = true;
                self.pieces.clear();
            }
            return;
        }
        if fragment.offset == 0 && self.protocol.is_none() {
            self.protocol = Some(fragment.protocol);
        }
        if !fragment.more {
            self.total = Some(end);
        }
        // Octet by octet: what is there stays, and what is new makes runs.
        let mut runs: Vec<(u32, Vec<u8>)> = Vec::new();
        let mut conflict = false;
        for (at, octet) in (fragment.offset..end).zip(&fragment.data) {
            let there = self.pieces.iter().find(|p| (p.0..stop(p)).contains(&at));
            match (there, runs.last_mut()) {
                (Some((start, piece)), _) => conflict |= piece[(at - start) as usize] != *octet,
                (None, Some(run)) if stop(run) == at => run.1.push(*octet),
                (None, _) => runs.push((at, vec![*octet])),
            }
        }
        ledger.conflicts += u64::from(conflict);
        ledger.duplicates += u64::from(runs.is_empty() && !fragment.data.is_empty());
        self.pieces.extend(runs);
        self.pieces.sort();
    }
}

/// A fragment of datagram `id` with units of eight octets from `offset` on, and `odd` octets more.
fn fragment(version: u8, id: u32, offset: u32, data: Vec<u8>, more: bool) -> Fragment {
    Fragment {
        packet: offset,
        ordinal: id as u8,
        key: FragmentKey {
            version,
            protocol: 17,
            source: [1; 16],
            destination: [2; 16],
            id,
            around: Box::default(),
        },
        offset,
        more,
        protocol: data.len() as u8,
        data: data.into(),
    }
}

/// Octets as they stand in datagram `id`, all but some places, where `spoilt` is not 0.
fn octets(id: u32, offset: u32, length: u32, spoilt: u8) -> Vec<u8> {
    let octet = |at: u32| (at as u8).wrapping_mul(31) ^ (at >> 8) as u8 ^ id as u8;
    let mut octets: Vec<u8> = (offset..offset + length).map(octet).collect();
    let middle = octets.len() / 2;
    if let Some(octet) = octets.get_mut(middle) {
        *octet ^= spoilt;
    }
    octets
}

fn same(fragments: &[(Fragment, i64)], limits: Limits) -> FragmentLedger {
    let mut table = Defragmenter::new(limits);
    let mut model = Model {
        limits,
        datagrams: Vec::new(),
        ledger: FragmentLedger::default(),
    };
    let mut clock = i64::MIN / 2;
    for (fragment, seconds) in fragments {
        clock = clock.max(*seconds - 2);
        let given = table.insert(fragment, Time::new(*seconds, 0), Time::new(clock, 0));
        let expected = model.insert(fragment, *seconds, clock);
        let all = |c: Completed| (c.packet, c.ordinal, c.protocol, c.data);
        assert_eq!(given.map(all), expected.map(all));
        assert_eq!(table.ledger(), model.ledger());
        assert_eq!(table.octets(), model.octets());
    }
    table.ledger()
}

/// Any fragments of a few datagrams of up to so many units of eight octets.
fn fragments(units: u32, most: usize) -> impl Strategy<Value = Vec<(Fragment, i64)>> {
    let one = (
        prop_oneof![Just(4u8), Just(6)],
        0..3u32,
        0..units,
        prop_oneof![4 => 1..3u32, 2 => 1..units, 1 => Just(0)],
        prop_oneof![8 => Just(0u32), 1 => 0..8u32],
        prop_oneof![9 => Just(0u8), 1 => 1..3u8],
        proptest::bool::weighted(0.9),
        prop_oneof![9 => Just(0i64), 1 => -3..5i64],
    );
    proptest::collection::vec(one, 1..most).prop_map(|steps| {
        let mut now = 0;
        let step = |(version, id, offset, length, odd, spoilt, more, passed)| {
            now += passed;
            let (offset, length) = (8 * offset, 8 * length + odd);
            let data = octets(id, offset, length, spoilt);
            (fragment(version, id, offset, data, more), now)
        };
        steps.into_iter().map(step).collect()
    })
}

/// All pieces of a datagram, in some order, some of them twice.
fn whole() -> impl Strategy<Value = Vec<(Fragment, i64)>> {
    let sizes = proptest::collection::vec(1..4u32, 1..60);
    let seen = (
        any::<bool>(),
        sizes,
        proptest::collection::vec(any::<u32>(), 0..4),
    );
    let pieces = seen.prop_map(|(v6, sizes, again)| {
        let version = if v6 { 6 } else { 4 };
        let (mut offset, count) = (0, sizes.len());
        let mut pieces = Vec::new();
        for (i, size) in sizes.into_iter().enumerate() {
            let data = octets(7, offset, 8 * size, 0);
            pieces.push((fragment(version, 7, offset, data, i + 1 < count), 0));
            offset += 8 * size;
        }
        for i in again {
            pieces.push(pieces[i as usize % count].clone());
        }
        pieces
    });
    pieces.prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_fragments(fragments in fragments(24, 80), octets in 500..6000usize) {
        same(&fragments, Limits { octets, seconds: 5 });
    }

    #[test]
    fn datagrams_that_become_whole(fragments in whole()) {
        let ledger = same(&fragments, Limits::default());
        prop_assert!(ledger.completed > 0);
    }
}

/// 8,192 pieces are the most that a datagram can have.
#[test]
fn the_smallest_pieces_in_any_order() {
    const COUNT: u32 = 8192;
    let orders: [fn(u32) -> u32; 5] = [
        |i| i,
        |i| COUNT - 1 - i,
        // Odd ones first, then even ones.
        |i| {
            if i < COUNT / 2 {
                2 * i + 1
            } else {
                2 * i - COUNT
            }
        },
        |i| i.wrapping_mul(2_654_435_761) % COUNT,
        |i| i.reverse_bits() >> 19,
    ];
    for version in [4, 6] {
        for (number, order) in orders.into_iter().enumerate() {
            let mut table = Defragmenter::new(Limits::default());
            let mut given = Vec::new();
            for i in 0..COUNT {
                let place = order(i);
                // The largest payload has an octet less than 8,192 times eight.
                let (length, more) = if place == COUNT - 1 {
                    (7, false)
                } else {
                    (8, true)
                };
                let data = octets(1, 8 * place, length, 0);
                let piece = fragment(version, 1, 8 * place, data, more);
                given.extend(table.insert(&piece, AT, AT));
            }
            assert_eq!(given.len(), 1, "order {number}");
            assert_eq!(given[0].data, octets(1, 0, 65_535, 0));
            assert_eq!(table.octets(), 0);
        }
    }
}

/// A wide fragment over thousands of pieces, again and again, and what is left out of it.
#[test]
fn wide_pieces_over_small_ones() {
    let mut table = Defragmenter::new(Limits::default());
    for place in (1..8000).step_by(2) {
        let piece = fragment(4, 1, 8 * place, octets(1, 8 * place, 8, 0), true);
        assert!(table.insert(&piece, AT, AT).is_none());
    }
    assert_eq!(table.octets(), 256 + 4000 * (8 + 64));
    let wide = fragment(4, 1, 0, octets(1, 0, 63_992, 1), true);
    for _ in 0..5000 {
        assert!(table.insert(&wide, AT, AT).is_none());
    }
    let ledger = table.ledger();
    assert_eq!((ledger.conflicts, ledger.duplicates), (5000, 4999));
    assert_eq!(table.octets(), 256 + 8000 * (8 + 64));
}
