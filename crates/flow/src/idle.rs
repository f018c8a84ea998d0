//! Which entry of a table has been idle longest.
//!
//! Every entry has an item here, with a time since which it has been idle at most. Packets do not
//! touch the items: an item is looked at when its time has come, and renewed if its entry has been
//! busy since. Items wait in one bucket for each second of packet time; only those of the seconds
//! that have come are kept in exact order.
//!
//! Entries that have proved themselves wait apart from those that have not, so that who must make
//! room is found among the strangers of a flood first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use netcap_record::Time;

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

/// What an item's entry says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Time of its latest packet.
    pub(crate) last: Time,
    /// Whether it is more than a first packet that nothing followed; once so, always so.
    pub(crate) is_proved: bool,
}

/// The items of all entries.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    /// Those whose entries had not proved themselves when they were last looked at.
    strange: Queue,
    proved: Queue,
}

impl Idle {
    /// Takes the item of a new entry.
    #[inline]
    pub(crate) fn push(&mut self, idler: Idler) {
        self.strange.push(idler);
    }

    /// No entry has been idle since before then.
    pub(crate) fn earliest(&self) -> Option<Time> {
        let queues = [&self.strange, &self.proved];
        queues.into_iter().filter_map(Queue::earliest).min()
    }

    /// Takes out the item of an entry that has been idle since before then; or, without `before`, of
    /// the one that makes room: the idlest of those that have not proved themselves, and of all
    /// others only where there are none. `look` says nothing of an entry that is gone.
    #[inline]
    pub(crate) fn pop(
        &mut self,
        before: Option<Time>,
        look: impl Fn(&Idler) -> Option<Look>,
    ) -> Option<u32> {
        while let Some((idler, found)) = self.strange.next(before, &look) {
            let renewed = idler.renewed(found);
            if found.is_proved {
                self.proved.push(renewed);
            } else if renewed == idler {
                return Some(idler.place);
            } else {
                self.strange.push(renewed);
            }
        }
        while let Some((idler, found)) = self.proved.next(before, &look) {
            let renewed = idler.renewed(found);
            if renewed == idler {
                return Some(idler.place);
            }
            self.proved.push(renewed);
        }
        None
    }
}

/// Who makes room for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaver {
    /// An entry that has been idle for too long.
    Idle(u32),
    /// One that has not.
    Evicted(u32),
}

/// Who makes room where it most likely is `now`, of entries that `idlest` takes out as [`Idle::pop`]
/// does: one that has been idle for longer than the time-out, of which 0 is none, and else whoever has to.
pub(crate) fn leaver(
    now: Time,
    timeout: u32,
    mut idlest: impl FnMut(Option<Time>) -> Option<u32>,
) -> Option<Leaver> {
    let idle = match timeout {
        0 => None,
        _ => idlest(Some(now.before(timeout))),
    };
    match idle {
        Some(place) => Some(Leaver::Idle(place)),
        None => idlest(None).map(Leaver::Evicted),
    }
}

impl Idler {
    fn renewed(self, found: Look) -> Idler {
        Idler {
            since: found.last.max(self.since),
            ..self
        }
    }
}

/// Items in order of time.
#[derive(Debug)]
struct Queue {
    /// Items of seconds up to `come`, in order.
    due: BinaryHeap<Reverse<Idler>>,
    come: i64,
    /// Items of later seconds.
    waiting: BTreeMap<i64, Vec<Later>>,
}

/// An item of a second that has not come: half as large as [`Idler`], of which there may be one for
/// every entry of every table.
#[derive(Clone, Copy, Debug)]
struct Later {
    /// Nanoseconds of [`Idler::since`].
    nanos: u32,
    place: u32,
    serial: u64,
}

impl Default for Queue {
    fn default() -> Queue {
        Queue {
            due: BinaryHeap::new(),
            come: i64::MIN,
            waiting: BTreeMap::new(),
        }
    }
}

impl Queue {
    #[inline]
    fn push(&mut self, idler: Idler) {
        if idler.since.seconds <= self.come {
            self.due.push(Reverse(idler));
        } else {
            let second = self.waiting.entry(idler.since.seconds).or_default();
            second.push(Later {
                nanos: idler.since.nanos,
                place: idler.place,
                serial: idler.serial,
            });
        }
    }

    /// A time that no item is before; of items that are not in order only the second is known.
    fn earliest(&self) -> Option<Time> {
        match self.due.peek() {
            Some(Reverse(first)) => Some(first.since),
            None => {
                let (second, _) = self.waiting.first_key_value()?;
                Some(Time::new(*second, 0))
            }
        }
    }

    /// Takes out the earliest item; with `before`, only if it is of a time before then. Items whose
    /// entry is gone go too.
    #[inline]
    fn next(
        &mut self,
        before: Option<Time>,
        look: &impl Fn(&Idler) -> Option<Look>,
    ) -> Option<(Idler, Look)> {
        loop {
            if let Some(Reverse(first)) = self.due.peek() {
                if before.is_some_and(|before| first.since >= before) {
                    return None;
                }
                if let Some(Reverse(idler)) = self.due.pop()
                    && let Some(found) = look(&idler)
                {
                    return Some((idler, found));
                }
            } else {
                let (second, _) = self.waiting.first_key_value()?;
                if before.is_some_and(|before| *second > before.seconds) {
                    return None;
                }
                self.open(look);
            }
        }
    }

    /// Brings the items of the next second in order, each with the time that its entry has now.
    fn open(&mut self, look: &impl Fn(&Idler) -> Option<Look>) {
        if let Some((second, laters)) = self.waiting.pop_first() {
            self.come = second;
            for later in laters {
                let idler = Idler {
                    since: Time::new(second, later.nanos),
                    serial: later.serial,
                    place: later.place,
                };
                if let Some(found) = look(&idler) {
                    self.push(idler.renewed(found));
                }
            }
        }
    }
}
