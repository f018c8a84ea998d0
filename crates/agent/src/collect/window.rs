//! Sums of an agent's records by second, type and level, for the last minutes. What a record adds for a further
//! rule has sums of its own, so that views can count each record once.
//!
//! Guarantees: a record counts in the second that it says, if that is in the window, and else as out of it,
//! whatever it says; memory is bounded, and what finds no room in it is counted.

use crate::classify::{Finding, Kind};

/// Seconds that a record may be ahead of our clock.
const AHEAD: i64 = 60;

/// What one agent's records of one second, type and level come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The second, since 1970.
    pub second: i64,
    /// The agent's number.
    pub agent: usize,
    /// The type.
    pub kind: Kind,
    /// Whether it is of level 1: relayed, or matched once more.
    pub is_secondary: bool,
    /// Whether all of it is in another sum, too: of records that a further rule holds.
    pub is_repeated: bool,
    /// How many there were.
    pub records: u32,
    /// Sum of their values: bits of traffic; percent or octets of a host, mostly of one record.
    pub value: u64,
}

impl Sum {
    /// What tells it from all others, in the order in which they are given.
    pub fn key(&self) -> (i64, usize, Kind, bool, bool) {
        let level = (self.is_secondary, self.is_repeated);
        (self.second, self.agent, self.kind, level.0, level.1)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Window {
    /// By second modulo its length; empty before the first record.
    ring: Vec<Second>,
    /// Seconds before now that are kept.
    past: i64,
    /// Sums that there are, and may be.
    sums: usize,
    most: usize,
    /// Records whose time is not in the window.
    pub(crate) outside: u64,
    /// Findings that found no room.
    pub(crate) crowded_out: u64,
}

#[derive(Clone, Debug, Default)]
struct Second {
    second: i64,
    /// When it changed last.
    version: u64,
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    kind: Kind,
    is_secondary: bool,
    is_repeated: bool,
    records: u32,
    value: u64,
}

impl Window {
    /// A window of so many seconds, with so many sums at most.
    pub(crate) fn new(past: u32, most: usize) -> Window {
        Window {
            ring: Vec::new(),
            past: past.into(),
            sums: 0,
            most,
            outside: 0,
            crowded_out: 0,
        }
    }

    fn is_inside(&self, second: i64, now: i64) -> bool {
        (now - self.past < second) && second <= now + AHEAD
    }

    /// Adds what a record of this second is of.
    pub(crate) fn add(&mut self, second: i64, now: i64, version: u64, findings: &[Finding<'_>]) {
        if !self.is_inside(second, now) {
            self.outside += 1;
            return;
        }
        let length = self.past + AHEAD;
        if self.ring.is_empty() {
            self.ring = vec![Second::default(); length as usize];
        }
        let Some(place) = self.ring.get_mut(second.rem_euclid(length) as usize) else {
            return;
        };
        if place.second != second {
            self.sums -= place.cells.len();
            *place = Second {
                second,
                ..Second::default()
            };
        }
        place.version = version;
        for finding in findings {
            let key = (finding.kind, finding.is_secondary, finding.is_repeated);
            let is_it = |cell: &&mut Cell| (cell.kind, cell.is_secondary, cell.is_repeated) == key;
            if let Some(cell) = place.cells.iter_mut().find(is_it) {
                cell.records = cell.records.saturating_add(1);
                cell.value = cell.value.saturating_add(finding.value);
            } else if self.sums < self.most {
                self.sums += 1;
                // There are few in a second, and many seconds.
                place.cells.reserve_exact(1);
                place.cells.push(Cell {
                    kind: finding.kind,
                    is_secondary: finding.is_secondary,
                    is_repeated: finding.is_repeated,
                    records: 1,
                    value: finding.value,
                });
            } else {
                self.crowded_out += 1;
            }
        }
    }

    /// Appends the sums of seconds that have changed since a version.
    pub(crate) fn changed(&self, agent: usize, since: u64, now: i64, out: &mut Vec<Sum>) {
        let changed = self.ring.iter().filter(|place| place.version > since);
        for place in changed.filter(|place| self.is_inside(place.second, now)) {
            out.extend(place.cells.iter().map(|cell| Sum {
                second: place.second,
                agent,
                kind: cell.kind,
                is_secondary: cell.is_secondary,
                is_repeated: cell.is_repeated,
                records: cell.records,
                value: cell.value,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn finding(kind: Kind, value: u64) -> Finding<'static> {
        Finding {
            kind,
            value,
            is_secondary: false,
            is_repeated: false,
            rule: None,
        }
    }

    #[test]
    fn the_window_moves_and_old_seconds_make_room() {
        let mut window = Window::new(10, 100);
        for step in 0..1000 {
            window.add(NOW + step, NOW + step, 1, &[finding(Kind::Unknown, 8)]);
        }
        let mut sums = Vec::new();
        window.changed(0, 0, NOW + 999, &mut sums);
        assert_eq!(sums.len(), 10);
        assert!(window.sums <= 70);
        assert_eq!((window.outside, window.crowded_out), (0, 0));
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut window = Window::new(10, 3);
        for id in 1..=5 {
            window.add(NOW, NOW, 1, &[finding(Kind::Type(id), 1)]);
        }
        // Those that are there go on.
        window.add(NOW, NOW, 1, &[finding(Kind::Type(1), 1)]);
        assert_eq!((window.sums, window.crowded_out), (3, 2));
    }

    #[test]
    fn what_is_repeated_is_told_apart() {
        let mut window = Window::new(10, 100);
        let relayed = Finding {
            is_secondary: true,
            ..finding(Kind::Type(1), 8)
        };
        let repeated = Finding {
            is_repeated: true,
            ..relayed
        };
        window.add(NOW, NOW, 1, &[relayed, repeated, repeated]);
        let mut sums = Vec::new();
        window.changed(0, 0, NOW, &mut sums);
        let found: Vec<(bool, u64)> = sums
            .iter()
            .map(|sum| (sum.is_repeated, sum.value))
            .collect();
        assert_eq!(found, [(false, 8), (true, 16)]);
    }

    proptest! {
        /// Against sums in a map that forgets nothing.
        #[test]
        fn sums_are_right(
            records in prop::collection::vec((any::<u32>(), -30_i64..100, 0_i64..40, 1_u16..4), 0..200),
        ) {
            let mut window = Window::new(20, usize::MAX);
            let (mut now, mut outside) = (NOW, 0);
            let mut expected: BTreeMap<(i64, u16), u64> = BTreeMap::new();
            for (version, (any, offset, passed, id)) in (1_u64..).zip(records) {
                now += passed / 10;
                // Mostly about now, sometimes any time there is.
                let second = match any % 8 {
                    0 => i64::from(any),
                    _ => now + offset,
                };
                window.add(second, now, version, &[finding(Kind::Type(id), 8)]);
                match now - 20 < second && second <= now + 60 {
                    true => *expected.entry((second, id)).or_default() += 8,
                    false => outside += 1,
                }
            }
            let mut sums = Vec::new();
            window.changed(0, 0, now, &mut sums);
            let found: BTreeMap<(i64, u16), u64> = sums
                .iter()
                .map(|sum| {
                    let Kind::Type(id) = sum.kind else { unreachable!() };
                    ((sum.second, id), sum.value)
                })
                .collect();
            expected.retain(|(second, _), _| now - 20 < *second && *second <= now + 60);
            prop_assert_eq!(found, expected);
            prop_assert_eq!(window.outside, outside);
        }
    }
}
