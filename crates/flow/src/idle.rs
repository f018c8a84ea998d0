//! Which entry of a table has been idle longest.
//!
//! Every entry has an item here, with a time since which it has been idle at most. Packets do not
//! touch the items: an item is looked at when its time has come, and renewed if its entry has been
//! busy since. Items wait in one bucket for each second of packet time; only those of the seconds
//! that have come are kept in exact order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::summary::Time;

/// The item of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Idler {
    /// No packet of the entry came between this time and the latest one that it had when the item
    /// was last looked at.
    pub(crate) since: Time,
    /// Number of the packet that opened the entry.
    pub(crate) serial: u64,
    /// Place of the entry in the table.
    pub(crate) place: u32,
}

/// The items of all entries.
#[derive(Debug)]
pub(crate) struct Idle {
    /// Items of seconds up to `come`, in order.
    due: BinaryHeap<Reverse<Idler>>,
    come: i64,
    /// Items of later seconds.
    waiting: BTreeMap<i64, Vec<Idler>>,
}

impl Default for Idle {
    fn default() -> Idle {
        Idle {
            due: BinaryHeap::new(),
            come: i64::MIN,
            waiting: BTreeMap::new(),
        }
    }
}

impl Idle {
    #[inline]
    pub(crate) fn push(&mut self, idler: Idler) {
        if idler.since.seconds <= self.come {
            self.due.push(Reverse(idler));
        } else {
            let second = self.waiting.entry(idler.since.seconds).or_default();
            second.push(idler);
        }
    }

    /// Takes out the item of the entry that has been idle longest; with `before`, only if it has
    /// been since before then. `last` tells the time of the latest packet of an item's entry, or
    /// that the entry is gone.
    #[inline]
    pub(crate) fn pop(
        &mut self,
        before: Option<Time>,
        last: impl Fn(&Idler) -> Option<Time>,
    ) -> Option<u32> {
        loop {
            if let Some(Reverse(first)) = self.due.peek() {
                if before.is_some_and(|before| first.since >= before) {
                    return None;
                }
            } else {
                let (second, _) = self.waiting.first_key_value()?;
                if before.is_some_and(|before| *second > before.seconds) {
                    return None;
                }
            }
            if let Some(place) = self.advance(&last) {
                return Some(place);
            }
        }
    }

    /// Looks at the first item, or at all of the next second. Items whose entry is gone go too.
    fn advance(&mut self, last: &impl Fn(&Idler) -> Option<Time>) -> Option<u32> {
        if let Some(Reverse(idler)) = self.due.pop() {
            let since = last(&idler)?.max(idler.since);
            if since == idler.since {
                return Some(idler.place);
            }
            self.push(Idler { since, ..idler });
        } else if let Some((second, idlers)) = self.waiting.pop_first() {
            self.come = second;
            for idler in idlers {
                if let Some(last) = last(&idler) {
                    let since = last.max(idler.since);
                    self.push(Idler { since, ..idler });
                }
            }
        }
        None
    }
}
