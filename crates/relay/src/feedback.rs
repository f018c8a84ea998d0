//! A stream that is fed with itself, told by what comes.
//!
//! Two ways lead to that. Somebody passes our stream on over the interface that it is captured from: then
//! captured segments hold records that we have just written. Or two hubs read each other: then a packet
//! comes again and again, with the time it had. What grows without end is left out, and it is said who
//! does it. Not told: what is passed on encrypted or compressed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use netcap_capture::Packet;

/// Records that are looked for, and the octets of each: its header, and some of its packet.
const PROBES: usize = 4;
const PROBE: usize = 48;
/// Packets of which each is searched at first; then every one in so many. What feeds itself goes on
/// holding what it held.
const SEARCHED: u64 = 4096;
const EVERY: u64 = 16;
/// Records from one that is looked for to the next.
const APART: u64 = 512;

/// Packets that are remembered.
const REMEMBERED: usize = 4096;
/// Times that a packet may come with the same time: one that many ports of a bridge show does.
const MOST_COPIES: u8 = 16;
/// Octets of a packet that are compared.
const COMPARED: usize = 256;

/// Who feeds a stream with itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feeder {
    /// The connection with these ends carries what we send.
    Connection(SocketAddr, SocketAddr),
    /// The packets of this interface of the stream have come before.
    Interface(u32),
}

/// Looks for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Feedback {
    probes: Vec<Vec<u8>>,
    written: u64,
    searched: u64,
    /// What was seen, and how often.
    copies: Vec<(u64, u8)>,
}

impl Feedback {
    /// Takes note of a record that is sent.
    pub(crate) fn wrote(&mut self, record: &[u8]) {
        self.written += 1;
        let Some(probe) = record.get(..PROBE) else {
            return;
        };
        let number = if self.probes.len() < PROBES {
            self.probes.len()
        } else if self.written.is_multiple_of(APART) {
            (self.written / APART) as usize % PROBES
        } else {
            return;
        };
        self.probes
            .resize(self.probes.len().max(number + 1), Vec::new());
        self.probes[number] = probe.to_vec();
    }

    /// Whether a captured packet holds what we have sent.
    pub(crate) fn holds(&mut self, octets: &[u8]) -> bool {
        self.searched += 1;
        if self.searched > SEARCHED && !self.searched.is_multiple_of(EVERY) {
            return false;
        }
        // A packet that is a copy of another begins with what that begins with: no record does.
        octets.windows(PROBE).any(|window| {
            let mut probes = self.probes.iter();
            probes.any(|probe| probe[..8] == window[..8] && probe == window)
        })
    }

    /// Whether a packet has come too often.
    pub(crate) fn comes_again(&mut self, packet: &Packet, octets: &[u8]) -> bool {
        let mut hasher = DefaultHasher::new();
        let (seconds, nanoseconds) = (packet.timestamp.seconds, packet.timestamp.nanos);
        (seconds, nanoseconds, packet.original_len).hash(&mut hasher);
        octets.get(..COMPARED).unwrap_or(octets).hash(&mut hasher);
        let hash = hasher.finish();
        self.copies.resize(REMEMBERED, (0, 0));
        let seen = &mut self.copies[hash as usize % REMEMBERED];
        if seen.0 != hash {
            *seen = (hash, 0);
        }
        seen.1 = seen.1.saturating_add(1);
        seen.1 > MOST_COPIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_found_where_somebody_carries_it() {
        let record: Vec<u8> = (0..100).collect();
        let mut feedback = Feedback::default();
        assert!(!feedback.holds(&record), "nothing was sent yet");
        feedback.wrote(&record);
        feedback.wrote(&record[..20]);
        let carried = [&[7; 66][..], &record, &[9; 30]].concat();
        assert!(feedback.holds(&carried));
        assert!(!feedback.holds(&carried[..100]), "cut before its end");
        assert!(!feedback.holds(&record[1..]));
        assert!(!feedback.holds(&[]));
        // Seldom, where there is much, but it is found.
        assert!((0..SEARCHED + EVERY).any(|number| number > SEARCHED && feedback.holds(&carried)));
    }
}
