//! Which number the first octet of a direction has, where several SYNs say so differently (RFC 9293
//! section 3.4): that of the SYN which the other end acknowledges.

use super::held::RIVALS;
use super::{Half, OPEN, Scale, WINDOW};
use crate::stream_ledger::StreamLedger;

impl Half {
    /// Whether that is open.
    pub(super) fn is_undecided(&self) -> bool {
        !self.is_settled && !self.rivals().is_empty()
    }

    fn rivals(&self) -> &[u32] {
        self.held.as_ref().map_or(&[], |held| &held.rivals)
    }

    /// Whether the number of the first octet is beyond doubt.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Whether another SYN gave this number to the first octet.
    pub(crate) fn has_rival(&self, number: u32) -> bool {
        self.rivals().contains(&number)
    }

    /// The number among those of other SYNs that a segment fits which does not fit this stream: one
    /// not farther from it than any window reaches.
    pub(crate) fn fits_rival(&self, number: u32) -> Option<u32> {
        /// Octets that a segment may be ahead, where the capture lacks those before.
        const AHEAD: u32 = 1 << 20;
        let fits_own = || self.position(number).abs_diff(self.next) <= WINDOW;
        if self.is_started() && (self.is_undecided() || fits_own()) {
            return None;
        }
        let mut rivals = self.rivals().iter().copied();
        rivals.find(|rival| number.wrapping_sub(*rival) < AHEAD)
    }

    /// Remembers the number that another SYN gives the first octet.
    pub(crate) fn add_rival(&mut self, number: u32) {
        if self.starts_at(number) || self.has_rival(number) {
            return;
        }
        let rivals = &mut self.held.get_or_insert_default().rivals;
        if rivals.len() == RIVALS {
            rivals.remove(0);
        }
        rivals.push(number);
    }

    /// Decides among the numbers by what the other end acknowledges: the one closest before it. Where
    /// none is close the client's acknowledgment of an answer tells a number of its own.
    pub(crate) fn decide(
        &mut self,
        acknowledgment: u32,
        is_answer: bool,
        ledger: &mut StreamLedger,
    ) {
        if self.is_settled || !self.is_started() {
            return;
        }
        let numbers = self.rivals().iter().copied().chain([self.start]);
        let before = |number: &u32| acknowledgment.wrapping_sub(*number);
        let closest = numbers.min_by_key(before).unwrap_or(self.start);
        match u64::from(before(&closest)) > WINDOW {
            true if is_answer => self.settle_on(acknowledgment, ledger),
            true => {}
            false => self.settle_on(closest, ledger),
        }
    }

    /// Whether a SYN that answers the one of this direction may acknowledge this number: that of the
    /// first octet, of one that came with the SYN, or one that another SYN told.
    pub(crate) fn accepts_answer(&mut self, number: u32, ledger: &mut StreamLedger) -> bool {
        if !self.is_settled && self.scale == Scale::Unknown {
            // The SYN was not captured: another answer has told the number.
            self.add_rival(number);
            return true;
        }
        if !self.is_settled && self.has_rival(number) {
            self.settle_on(number, ledger);
        }
        let is_sound = self.has_sent(number);
        if is_sound && !self.is_settled {
            self.settle_on(self.start, ledger);
        }
        is_sound || self.scale == Scale::Unknown
    }

    /// Settles on the number that octets of this direction have, if it is one that a SYN told.
    pub(crate) fn use_number(&mut self, number: u32, ledger: &mut StreamLedger) {
        if !self.is_settled && self.is_started() && self.has_rival(number) {
            self.settle_on(number, ledger);
        }
    }

    /// Settles on a number, as nobody has acknowledged one: on that which what waits fits best.
    pub(crate) fn settle(&mut self, ledger: &mut StreamLedger) {
        let last = self.held.as_ref().and_then(|held| {
            let (at, _) = held.pieces.last_key_value()?;
            Some(*at as u32)
        });
        if self.is_undecided() {
            self.decide(last.unwrap_or(self.start), true, ledger);
        }
    }

    /// Settles on a number of the first octet.
    fn settle_on(&mut self, number: u32, ledger: &mut StreamLedger) {
        self.is_settled = true;
        let is_other = self.start != number && !self.has_begun();
        if is_other {
            let end = self.end as u32;
            self.start(number);
            self.edge = 0;
            if self.end != OPEN {
                self.end = self.position(end).max(self.next);
            }
        }
        let Some(mut held) = self.held.take() else {
            return;
        };
        held.rivals.clear();
        if is_other {
            held.move_to(|at| self.position(at as u32));
        }
        ledger.late_octets += held.forget(0..self.next);
        self.held = Some(held);
    }

    /// Drops octets on a SYN that the answer does not acknowledge (RFC 7413 section 3).
    pub(crate) fn refuse(&mut self, acknowledgment: u32, ledger: &mut StreamLedger) {
        let from = self.position(acknowledgment);
        if let Some(held) = &mut self.held {
            ledger.refused_octets += held.refuse(from);
        }
    }
}
