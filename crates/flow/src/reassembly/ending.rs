//! Where a direction ends: FINs and resets (RFC 9293 sections 3.6 and 3.10.7.4), as far as a capture
//! proves them.
//!
//! Everybody can send a FIN: it is where it stands when the other end acknowledges it. Before it is
//! reached, octets that cover its place displace it. Then octets behind it wait. It was none if an
//! acknowledgment goes beyond it, or if nobody acknowledges it and octets stand in its very place.

use super::{Half, OPEN, Position, Scale};
use crate::stream_ledger::StreamLedger;

impl Half {
    /// Whether a reset with this number is one that its receiver obeys, as far as the capture tells:
    /// it stands next, behind the FIN, or behind all that waits (RFC 9293 section 3.10.7.4).
    pub(crate) fn obeys(&self, sequence: u32) -> bool {
        let at = self.position(sequence);
        let is_behind_all = at == self.last() || at == self.end.wrapping_add(1);
        !self.is_started() || at == self.next || is_behind_all
    }

    /// Whether everything before a FIN has been handed on.
    pub(crate) fn has_ended(&self) -> bool {
        self.next == self.end
    }

    /// Whether the other end has acknowledged the FIN, too.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether octets of this number may be of this direction, which has ended: retransmitted, or
    /// behind an end that may be none.
    pub(crate) fn may_have(&self, sequence: u32, length: usize) -> bool {
        /// What may have been sent before the place where a stream was picked up.
        const EARLIER: u64 = 1 << 20;
        /// What may be on its way when a reset or FIN is sent, where the window is not known.
        const AHEAD: u64 = 1 << 16;
        if !self.is_started() {
            return true;
        }
        let at = self.position(sequence);
        let earlier = match self.scale {
            Scale::Unknown => EARLIER,
            _ => 0,
        };
        let ahead = match self.is_closed {
            true => 1,
            false => self.edge.saturating_sub(self.next).max(AHEAD),
        };
        at + length as u64 + earlier >= self.first() && at <= self.next + ahead
    }

    /// Judges a FIN that has been reached, by what is acknowledged and what stands behind it. Says
    /// whether that lets octets go on.
    pub(crate) fn judge_end(&mut self, ledger: &mut StreamLedger) -> bool {
        if !self.has_ended() || self.is_closed {
            return false;
        }
        let beyond = self.position(self.acknowledged).saturating_sub(self.end);
        if beyond == 1 && !self.has_octet_at_end() {
            self.close(ledger);
        }
        let is_none = beyond > 1 && self.waits();
        if is_none {
            self.end = OPEN;
        }
        is_none
    }

    /// Whether a single octet waits in the place of the FIN, so that an acknowledgment may be of either.
    fn has_octet_at_end(&self) -> bool {
        let piece = self.held.as_ref().and_then(|h| h.pieces.get(&self.end));
        piece.is_some_and(|piece| piece.length == 1)
    }

    /// Judges a FIN that has been reached and that nobody has acknowledged, where octets behind it wait
    /// no longer: those in its place prove that it was none, for no sender goes on there.
    pub(crate) fn settle_end(&mut self, ledger: &mut StreamLedger) {
        match self.held.as_ref().is_some_and(|held| held.covers(self.end)) {
            true => self.end = OPEN,
            false => self.close(ledger),
        }
    }

    /// Believes a FIN that has been reached: what stands behind it is no part of the stream.
    fn close(&mut self, ledger: &mut StreamLedger) {
        self.is_closed = true;
        if let Some(held) = &mut self.held {
            ledger.after_end_octets += held.forget(self.end..OPEN);
        }
    }

    /// Notes where a FIN stands: the first of several, unless octets wait for its place.
    pub(super) fn note_end(&mut self, place: Position) {
        let is_covered = || self.held.as_ref().is_some_and(|held| held.covers(place));
        if place >= self.next && place < self.end && !self.is_closed && !is_covered() {
            self.end = place;
            if place > self.next {
                let held = self.held.get_or_insert_default();
                held.fin = held.came;
            }
        }
    }
}
