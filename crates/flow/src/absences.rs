//! Of which places of a direction it is known that the capture cut their octets off, and which
//! packet says so last.
//!
//! A segment that was cut may lack 64 KiB and cost its sender a header, and thousands of pieces may
//! wait under what it lacks. Nothing of what waits is gone through for it twice: a range is noted
//! here, and the pieces are asked only where nothing had been noted.

use std::collections::BTreeMap;
use std::ops::Range;

use netcap_dissect::Carrier;

use crate::reassembly::Position;

/// Ranges whose octets are there or absent, but not awaited.
#[derive(Debug, Default)]
pub(crate) struct Absences {
    /// Disjoint, by where they begin.
    noted: BTreeMap<Position, Absence>,
}

#[derive(Clone, Copy, Debug)]
struct Absence {
    end: Position,
    carrier: Carrier,
}

impl Absences {
    /// Ranges that are noted.
    pub(crate) fn len(&self) -> usize {
        self.noted.len()
    }

    /// What said last that the octet here is absent, as far as that is noted.
    pub(crate) fn carrier(&self, at: Position) -> Option<Carrier> {
        let (_, absence) = self.noted.range(..=at).next_back()?;
        (at < absence.end).then_some(absence.carrier)
    }

    /// Notes a range over all that was noted of it. Gives the parts of it of which nothing was, the
    /// last first, at least one for each bound of what was noted: empty ones where bounds meet.
    pub(crate) fn note(
        &mut self,
        range: &Range<Position>,
        carrier: Carrier,
    ) -> Vec<Range<Position>> {
        let mut parts = Vec::new();
        let mut rest = range.clone();
        while let Some((&start, &there)) = self.noted.range(..range.end).next_back()
            && there.end > range.start
        {
            self.noted.remove(&start);
            if there.end > range.end {
                self.noted.insert(range.end, there);
            }
            if start < range.start {
                let end = range.start;
                self.noted.insert(start, Absence { end, ..there });
            }
            parts.push(there.end.min(rest.end)..rest.end);
            rest.end = start.max(range.start);
        }
        parts.push(rest);
        let end = range.end;
        self.noted.insert(range.start, Absence { end, carrier });
        parts
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.noted.clear();
    }
}
