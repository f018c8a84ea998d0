//! The account of the segments of TCP streams: the outcome of each.

use std::collections::BTreeMap;

use netcap_dissect::Reason;

/// The outcomes of the segments. Each captured octet of payload is counted in exactly one of
/// `octets`, `retransmitted_octets`, `overlapping_octets`, `late_octets`, `after_end_octets`,
/// `outside_octets`, `refused_octets`, `reset_octets` and `without_ack_octets`, or waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamLedger {
    /// Streams opened.
    pub streams: u64,
    /// Streams of these whose SYN was not seen.
    pub picked_up: u64,
    /// Segments of streams.
    pub segments: u64,
    /// Captured octets of payload in these.
    pub payload_octets: u64,
    /// Octets handed on in order.
    pub octets: u64,
    /// Segments that came before others that belong before them.
    pub out_of_order_segments: u64,
    /// Octets of these.
    pub out_of_order_octets: u64,
    /// Segments with octets that had been handed on already.
    pub retransmitted_segments: u64,
    /// These octets, and those of keep-alives.
    pub retransmitted_octets: u64,
    /// Segments that overlap others that came early and wait.
    pub overlapping_segments: u64,
    /// Octets for which there were two: one of them was dropped.
    pub overlapping_octets: u64,
    /// Octets of these that were not the same.
    pub conflicting_octets: u64,
    /// Gaps: runs of octets that the capture lacks.
    pub gaps: u64,
    /// Octets that the capture lacks.
    pub gap_octets: u64,
    /// Gaps of holes that were given up because too much waited behind them.
    pub gaps_for_room: u64,
    /// Octets that had waited behind these and were handed on.
    pub evicted_octets: u64,
    /// Gaps of holes that were given up after the time-out.
    pub gaps_for_time: u64,
    /// Octets for a gap that was already told (of the latest four of a direction), or from before
    /// the place where a stream was picked up.
    pub late_octets: u64,
    /// Octets beyond a FIN.
    pub after_end_octets: u64,
    /// Octets more than 2^30 ahead of what is expected and of what the other end acknowledged last,
    /// which no window allows (RFC 7323 section 2.3), beyond the window of a receiver that never reached
    /// them, or in a segment with SYN that contradicts the stream.
    pub outside_octets: u64,
    /// Octets on a SYN that its answer did not acknowledge (RFC 7413 section 3).
    pub refused_octets: u64,
    /// Segments that only ask whether the other end is there (RFC 9293 section 3.8.4).
    pub keep_alives: u64,
    /// Segments with RST.
    pub resets: u64,
    /// Octets in these, which no receiver reads (RFC 9293 section 3.10.7.4).
    pub reset_octets: u64,
    /// Octets in segments that have neither ACK nor SYN nor RST, which every receiver drops (RFC 9293
    /// section 3.10.7.4).
    pub without_ack_octets: u64,
    /// Streams evicted to make room.
    pub evicted_streams: u64,
    /// Most segments that waited in one direction.
    pub most_waiting_segments: u64,
    /// Most octets that waited in one direction, with their bookkeeping.
    pub most_waiting_octets: u64,
    /// Streams by the protocol that claimed them; one that was left and claimed again counts again.
    pub recognised: BTreeMap<&'static str, u64>,
    /// Messages that contradict their protocol, by protocol and reason.
    pub troubles: BTreeMap<(&'static str, Reason), u64>,
}

impl StreamLedger {
    /// Adds the account of other streams.
    pub fn add(&mut self, other: &StreamLedger) {
        for (mine, other) in [
            (&mut self.streams, other.streams),
            (&mut self.picked_up, other.picked_up),
            (&mut self.segments, other.segments),
            (&mut self.payload_octets, other.payload_octets),
            (&mut self.octets, other.octets),
            (&mut self.out_of_order_segments, other.out_of_order_segments),
            (&mut self.out_of_order_octets, other.out_of_order_octets),
            (
                &mut self.retransmitted_segments,
                other.retransmitted_segments,
            ),
            (&mut self.retransmitted_octets, other.retransmitted_octets),
            (&mut self.overlapping_segments, other.overlapping_segments),
            (&mut self.overlapping_octets, other.overlapping_octets),
            (&mut self.conflicting_octets, other.conflicting_octets),
            (&mut self.gaps, other.gaps),
            (&mut self.gap_octets, other.gap_octets),
            (&mut self.gaps_for_room, other.gaps_for_room),
            (&mut self.evicted_octets, other.evicted_octets),
            (&mut self.gaps_for_time, other.gaps_for_time),
            (&mut self.late_octets, other.late_octets),
            (&mut self.after_end_octets, other.after_end_octets),
            (&mut self.outside_octets, other.outside_octets),
            (&mut self.refused_octets, other.refused_octets),
            (&mut self.keep_alives, other.keep_alives),
            (&mut self.resets, other.resets),
            (&mut self.reset_octets, other.reset_octets),
            (&mut self.without_ack_octets, other.without_ack_octets),
            (&mut self.evicted_streams, other.evicted_streams),
        ] {
            *mine += other;
        }
        self.most_waiting_segments = self.most_waiting_segments.max(other.most_waiting_segments);
        self.most_waiting_octets = self.most_waiting_octets.max(other.most_waiting_octets);
        for (name, n) in &other.recognised {
            *self.recognised.entry(name).or_default() += n;
        }
        for (trouble, n) in &other.troubles {
            *self.troubles.entry(*trouble).or_default() += n;
        }
    }
}
