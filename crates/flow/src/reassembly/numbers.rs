//! Which number the first octet of a direction has, where several SYNs say so differently (RFC 9293
//! section 3.4): that of the SYN which the other end acknowledges.
//!
//! A SYN on a live connection, and one that answers it, change nothing, for everybody can send both:
//! what follows decides. A segment that fits the connection belongs to it, whatever else it fits.

use super::held::RIVALS;
use super::{Half, OPEN, Position, Scale, WINDOW};
use crate::stream_ledger::StreamLedger;

/// What a SYN tells of the end that sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The number of the first octet.
    pub(crate) first: u32,
    pub(crate) scale: Scale,
}

/// What another SYN than that of the connection tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rival {
    pub(crate) opening: Told,
    /// What the SYN tells that answers it, if one does.
    pub(crate) answer: Option<Told>,
}

impl Half {
    /// A direction of which a SYN is known.
    pub(crate) fn opened(told: Told, is_settled: bool) -> Half {
        let mut half = Half::default();
        half.start(told.first);
        half.show(told.first);
        half.scale = told.scale;
        half.is_settled = is_settled;
        half
    }

    /// Whether that is open.
    pub(crate) fn is_undecided(&self) -> bool {
        !self.is_settled && !self.rivals().is_empty()
    }

    fn rivals(&self) -> &[Rival] {
        self.held.as_ref().map_or(&[], |held| &held.rivals)
    }

    /// Whether the number of the first octet is beyond doubt.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Whether another SYN gave this number to the first octet.
    pub(crate) fn has_rival(&self, number: u32) -> bool {
        self.rivals()
            .iter()
            .any(|rival| rival.opening.first == number)
    }

    /// The other SYN that a segment with these numbers uses: it fits that and not the connection.
    /// Where that SYN was answered both numbers tell, else what is farther from the connection than
    /// any window reaches, unless that is over.
    pub(crate) fn used_rival(
        &self,
        number: u32,
        acknowledgment: Option<u32>,
        other: &Half,
        is_over: bool,
    ) -> Option<Rival> {
        /// Octets that a segment may be ahead, where the capture lacks those before.
        const AHEAD: u32 = 1 << 20;
        if self.is_undecided() {
            return None;
        }
        let is_behind = |number: u32, first: u32| number.wrapping_sub(first) < AHEAD;
        let fits_both = || self.is_near(number) && acknowledgment.is_none_or(|n| other.is_near(n));
        let is_possible =
            || self.is_started() && self.position(number).abs_diff(self.next) <= WINDOW;
        let is_of_this = || (self.first()..=self.next).contains(&self.position(number));
        let is_used = |rival: &&Rival| {
            let is_used = match rival.answer {
                // The end of its handshake, with the very numbers of both.
                Some(told)
                    if (number, acknowledgment) == (rival.opening.first, Some(told.first)) =>
                {
                    !is_of_this()
                }
                Some(told) => {
                    acknowledgment.is_some_and(|n| is_behind(n, told.first))
                        && (is_over || !fits_both())
                }
                None => !is_possible() || is_over && !self.is_near(number),
            };
            is_used && is_behind(number, rival.opening.first)
        };
        self.rivals().iter().rfind(is_used).copied()
    }

    /// Whether a number is one that the connection may be at: within the window, as far as it is known.
    fn is_near(&self, number: u32) -> bool {
        const NEAR: u64 = 1 << 16;
        let reach = self.edge.saturating_sub(self.next).max(NEAR);
        self.is_started() && self.position(number).abs_diff(self.next) <= reach
    }

    /// Remembers what another SYN tells.
    pub(crate) fn add_rival(&mut self, opening: Told) {
        if !self.starts_at(opening.first) && !self.has_rival(opening.first) {
            let answer = None;
            self.remember(Rival { opening, answer });
        }
    }

    /// Remembers what a SYN tells that answers another one than that of the connection.
    pub(crate) fn answer_rival(&mut self, number: u32, answer: Told) {
        let rivals = self.rivals().iter();
        let mut answered = rivals.filter(|rival| rival.opening.first == number);
        let Some(rival) = answered.clone().next().copied() else {
            return;
        };
        if !answered.any(|rival| rival.answer == Some(answer)) {
            let answer = Some(answer);
            self.remember(Rival { answer, ..rival });
        }
    }

    fn remember(&mut self, rival: Rival) {
        let rivals = &mut self.held.get_or_insert_default().rivals;
        // An answer is more than none.
        let is_less = |there: &Rival| there.opening == rival.opening && there.answer.is_none();
        rivals.retain(|there| !is_less(there));
        if rivals.len() == RIVALS {
            rivals.remove(0);
        }
        rivals.push(rival);
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
        let rivals = self.rivals().iter().map(|rival| rival.opening.first);
        let numbers = rivals.chain([self.start]);
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
            self.add_rival(Told {
                first: number,
                scale: Scale::Unknown,
            });
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

    /// Whether octets stand before those that were captured first, of which none has been handed on yet.
    pub(super) fn begins_before(&self, at: Position, length: u64) -> bool {
        /// So far from each other a capture may have exchanged two.
        const EARLIER: u64 = 1 << 20;
        let is_open = self.is_picked_up && !self.has_begun() && self.end == OPEN;
        let is_before = at < self.next && self.next - at <= EARLIER;
        // A single octet may be a keep-alive.
        is_open && is_before && length > 1
    }

    /// Moves the beginning to an earlier number.
    pub(super) fn begin_again(&mut self, number: u32) {
        let (acknowledged, held) = (self.acknowledged, self.held.take());
        self.start(number);
        self.acknowledged = acknowledged;
        self.edge = 0;
        if let Some(mut held) = held {
            held.move_to(|at| self.position(at as u32));
            self.held = Some(held);
        }
    }

    /// Drops octets on a SYN that the answer does not acknowledge (RFC 7413 section 3).
    pub(crate) fn refuse(&mut self, acknowledgment: u32, ledger: &mut StreamLedger) {
        let from = self.position(acknowledgment);
        if let Some(held) = &mut self.held {
            ledger.refused_octets += held.refuse(from);
        }
    }
}
