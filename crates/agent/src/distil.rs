//! Packets become records, and notes for the extended stream, and each is accounted for.
//!
//! Guarantee: for either, packets = recorded + own + filtered + those skipped for each reason.

use std::sync::Arc;

use netcap_capture::{Filter, FilterError, Packet};
use netcap_relay::{Chunk, OwnTraffic};

use crate::classic::{self, Skipped};
use crate::extended::{Counters, Maker};
use crate::mgen::Check;

/// How many packets came, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that came.
    pub packets: u64,
    /// Those that are a record each.
    pub recorded: u64,
    /// Those of our own connections. What the kernel has left out already did not come.
    pub own: u64,
    /// Those of a file that its filter left out. What the kernel has left out did not come.
    pub filtered: u64,
    skipped: [u64; Skipped::ALL.len()],
}

impl Counts {
    /// Those that make no record, by reason.
    pub fn skipped(&self) -> impl Iterator<Item = (Skipped, u64)> {
        Skipped::ALL.into_iter().zip(self.skipped)
    }

    /// Whether each packet has one fate.
    pub fn is_balanced(&self) -> bool {
        let skipped: u64 = self.skipped.iter().sum();
        self.packets == self.recorded + self.own + self.filtered + skipped
    }

    fn skip(&mut self, reason: Skipped) {
        let mut each = Skipped::ALL.into_iter().zip(&mut self.skipped);
        if let Some((_, count)) = each.find(|(known, _)| *known == reason) {
            *count += 1;
        }
    }
}

/// What has become of some packets.
#[derive(Debug, Default)]
pub struct Made {
    /// Records.
    pub records: Chunk,
    /// Notes, where there is anybody to hear them.
    pub notes: Option<Chunk>,
}

/// Makes records of packets.
#[derive(Debug)]
pub struct Distiller {
    /// How messages of MGEN are recognised.
    pub check: Check,
    /// What is left out as our own.
    pub own: Option<Arc<OwnTraffic>>,
    /// What is kept, where no kernel has filtered.
    pub filter: Option<Filter>,
    /// The outcomes of the packets so far.
    pub counts: Counts,
    /// What makes notes for the extended stream, if there is one.
    pub maker: Option<Maker>,
}

impl Distiller {
    /// Appends the record and the note of a packet with these octets, if it has them.
    ///
    /// # Errors
    ///
    /// The filter makes no sense for the packet's link type.
    pub fn append(
        &mut self,
        made: &mut Made,
        packet: &Packet,
        octets: &[u8],
    ) -> Result<(), FilterError> {
        if let Some(filter) = &self.filter
            && !filter.keeps(packet.link_type, octets, packet.original_len)?
        {
            self.counts.packets += 1;
            self.counts.filtered += 1;
            return Ok(());
        }
        self.counts.packets += 1;
        if let Some(own) = &self.own
            && own.contains(packet.link_type, octets)
        {
            self.counts.own += 1;
            return Ok(());
        }
        match classic::record(packet.link_type, packet.timestamp, octets, self.check) {
            Ok(record) => {
                made.records.octets.extend_from_slice(&record.encode());
                made.records.packets += 1;
                self.counts.recorded += 1;
            }
            Err(reason) => self.counts.skip(reason),
        }
        if let Some(maker) = &mut self.maker {
            maker.append(made.notes.as_mut(), packet, octets);
        }
        Ok(())
    }

    /// The outcomes of the packets so far as the extended stream tells them.
    pub(crate) fn counters(&self) -> Option<Counters> {
        let maker = self.maker.as_ref()?;
        Some(Counters {
            packets: self.counts.packets,
            own: self.counts.own,
            filtered: self.counts.filtered,
            ..maker.counters()
        })
    }
}

#[cfg(test)]
mod tests {
    use netcap_capture::{Batch, LinkType, Timestamp};

    use super::*;
    use crate::extended::Interface;
    use crate::record::LENGTH;

    #[test]
    fn every_packet_has_one_fate() {
        // IPv4 that carries TCP from 10.0.0.1:7073, or UDP to there.
        let frame = |protocol: u8| {
            let mut frame = vec![2; 12];
            frame.extend_from_slice(&[8, 0, 0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, protocol, 0, 0]);
            frame.extend_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2, 0x1b, 0xa1, 0, 9, 0, 0, 0, 0]);
            frame
        };
        let mut batch = Batch::new(1 << 16, 100);
        let mut push = |octets: &[u8]| {
            let length = octets.len() as u32;
            batch.push(Timestamp::default(), LinkType::ETHERNET, 0, length, octets);
        };
        push(&frame(17));
        push(&frame(6));
        push(&frame(1));
        push(&frame(17)[..20]);
        push(&[0; 60]);
        let listening = "10.0.0.1:7073".parse().expect("an address");
        let own = OwnTraffic::new(vec![listening], Vec::new());
        let mut distiller = Distiller {
            check: Check::Classic,
            own: Some(Arc::new(own)),
            filter: None,
            counts: Counts::default(),
            maker: Some(Maker::new(0, Interface::default())),
        };
        let mut made = Made {
            notes: Some(Chunk::default()),
            ..Made::default()
        };
        for (packet, octets) in batch.iter() {
            let appended = distiller.append(&mut made, packet, octets);
            appended.expect("no filter");
        }
        assert_eq!(
            (made.records.packets, made.records.octets.len()),
            (1, LENGTH)
        );
        assert_eq!(made.notes.map(|notes| notes.packets), Some(2));
        let counters = distiller.counters().expect("a maker");
        assert!(counters.is_balanced());
        assert_eq!(
            (counters.packets, counters.recorded, counters.own),
            (5, 2, 1)
        );
        assert_eq!((counters.malformed, counters.not_ip), (1, 1));
        let counts = distiller.counts;
        assert_eq!((counts.packets, counts.recorded, counts.own), (5, 1, 1));
        let skipped: Vec<_> = counts.skipped().map(|(_, count)| count).collect();
        assert_eq!(skipped, [1, 0, 1, 1]);
        assert!(counts.is_balanced());
    }
}
