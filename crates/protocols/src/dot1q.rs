//! VLAN tags (IEEE 802.1Q-2022, clause 9), one record for each, outermost first.
//!
//! Customer and service tags, and the two EtherTypes that switches used for stacked tags before
//! 802.1ad. A tag that is there whole gives a record. What follows its type or length is read as
//! after the addresses of an Ethernet frame.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};
use netcap_record::{Record, Timestamp};

use crate::ethernet::{client, client_data};

pub(crate) static PROTOCOL: Protocol = Protocol::new("Dot1Q", dissect)
    .reached_by(&[
        // IEEE 802.1Q-2022, table 9-1.
        Selector::EtherType(0x8100),
        Selector::EtherType(0x88a8),
        // Never standardised.
        Selector::EtherType(0x9100),
        Selector::EtherType(0x9200),
    ])
    .emits(&[Dot1q::SCHEMA]);

/// One VLAN tag of a frame; a frame with stacked tags gives several, outermost first.
#[derive(Record)]
#[record("Dot1Q", 9)]
pub(crate) struct Dot1q {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Priority code point, 0 to 7 (IEEE 802.1Q-2022, clause 6.9.3).
    #[field(2, "Priority")]
    priority: u8,
    /// Whether the frame may be dropped first under congestion; in old networks, that addresses
    /// are in non-canonical order.
    #[field(3, "DropEligible")]
    drop_eligible: bool,
    /// VLAN, 1 to 4094; 0 where the tag has a priority only, 4095 is reserved.
    #[field(4, "VLANIdentifier")]
    vlan: u16,
    /// EtherType of what follows; below 1536 the length of an LLC frame instead.
    #[field(5, "Type")]
    ethertype: u16,
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [c0, c1, t0, t1] = *input.array()?;
    // Tag control information, IEEE 802.1Q-2022, clause 9.6.
    let control = u16::from_be_bytes([c0, c1]);
    let ethertype = u16::from_be_bytes([t0, t1]);
    context.vlan(control & 0x0fff);
    context.emit(&Dot1q {
        timestamp: context.timestamp(),
        priority: c0 >> 5,
        drop_eligible: control & 0x1000 != 0,
        vlan: control & 0x0fff,
        ethertype,
    });
    Ok(client(ethertype, client_data(input, ethertype)))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&crate::ethernet::PROTOCOL, &PROTOCOL, &crate::llc::PROTOCOL];

    fn tagged(tags: &[u8]) -> Vec<u8> {
        [b"\x02\x00\x5e\x00\x00\x0b\x02\x00\x5e\x00\x00\x0a", tags].concat()
    }

    fn encoded(priority: u8, drop_eligible: bool, vlan: u16, ethertype: u16) -> Vec<u8> {
        let record = Dot1q {
            timestamp: Timestamp::new(1, 2000),
            priority,
            drop_eligible,
            vlan,
            ethertype,
        };
        let mut out = Vec::new();
        record.encode(&mut out);
        out
    }

    #[test]
    fn every_field() {
        let walked = walk_packet(
            PROTOCOLS,
            1,
            &tagged(b"\x88\xa8\x70\xc8\x81\x00\xa0\x1e\x88\xb5--"),
        );
        let tags = [encoded(3, true, 200, 0x8100), encoded(5, false, 30, 0x88b5)];
        assert_eq!(walked.of("Dot1Q"), tags);
        assert_eq!(walked.fate, Fate::Unknown(Selector::EtherType(0x88b5)));
    }

    #[test]
    fn prefixes() {
        let frame = tagged(b"\x91\x00\xff\xff\x92\x00\x00\x2a\x00\x03\x42\x42\x03--");
        every_prefix(PROTOCOLS, 1, &frame);
        let walked = walk_packet(PROTOCOLS, 1, frame.split_at(17).0);
        assert!(matches!(walked.fate, Fate::Malformed(m) if m.reason == Reason::Truncated));
        assert!(walked.of("Dot1Q").is_empty());
    }

    #[test]
    fn length_inside_a_tag() {
        let walked = walk_packet(
            PROTOCOLS,
            1,
            &tagged(b"\x81\x00\x00\x2a\x00\x03\x42\x42\x03--"),
        );
        assert_eq!(walked.of("Dot1Q"), [encoded(0, false, 42, 3)]);
        assert_eq!(walked.of("LLC").len(), 1);
        assert_eq!(walked.fate, Fate::Decoded);
    }
}
