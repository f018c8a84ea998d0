//! Ports of datagrams, for those of their fragments that have none.

use std::collections::{HashMap, VecDeque};

use netcap_dissect::Transport;
use netcap_record::Time;

use crate::notes::Notes;
use crate::summary::{Datagram, PacketSummary};

/// Ports of the datagrams whose first fragments have been seen; the others have none.
///
/// A matter of all packets in order, whichever lane takes them: so it comes before the lanes.
#[derive(Debug, Default)]
pub struct FragmentPorts {
    known: HashMap<Datagram, (Time, Transport)>,
    order: VecDeque<(Datagram, Time)>,
}

impl FragmentPorts {
    /// Datagrams remembered at most: those that have been known longest are forgotten first.
    const MOST: usize = 32_768;
    /// Seconds that a datagram may take after its first fragment (RFC 8200 section 4.5).
    const SECONDS: u32 = 60;

    /// Gives the fragments of the next batch the ports of their datagrams, or learns them from
    /// these.
    pub fn complete(&mut self, notes: &mut Notes) {
        notes.groups.complete(|summary| self.add(summary));
    }

    fn add(&mut self, summary: &mut PacketSummary) {
        let Some(piece) = &summary.piece else {
            return;
        };
        if let Some(transport) = piece.transport.or(summary.layers.transport) {
            self.learn(piece.datagram, summary.time, transport);
        }
        if summary.layers.transport.is_none()
            && let Some((since, transport)) = self.known.get(&piece.datagram)
            && *since >= summary.time.before(Self::SECONDS)
        {
            summary.give(*transport);
        }
    }

    fn learn(&mut self, datagram: Datagram, time: Time, transport: Transport) {
        self.known.insert(datagram, (time, transport));
        self.order.push_back((datagram, time));
        while self.order.len() > Self::MOST
            && let Some((key, since)) = self.order.pop_front()
        {
            // A datagram that came again has another time.
            let learned = self.known.get(&key);
            if learned.is_some_and(|(learned, _)| *learned == since) {
                self.known.remove(&key);
            }
        }
    }
}
