//! Subnetwork Access Protocol (IEEE 802-2014, clause 9.2.3; RFC 1042): five octets after LLC that
//! name a protocol by the organisation that numbers it and that organisation's number.
//!
//! A header that is whole gives a record. The number is an EtherType only where its organisation
//! says so: 00-00-00 (RFC 1042), 00-00-f8 (802.1H) and 08-00-07 (AppleTalk phase 2). Of the
//! numbers of others those are followed that name a protocol which is known by an EtherType or an
//! LLC access point too: the discovery protocols of Cisco and Nortel, bridged frames, and spanning
//! tree. The rest are unknown, counted by their five octets.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};
use netcap_record::{Record, Timestamp};

use crate::ethernet::ETHERTYPE_MIN;
use crate::nortel_discovery::{FLATNET_HELLO, SEGMENT_HELLO};

pub(crate) static PROTOCOL: Protocol = Protocol::new("SNAP", dissect)
    .reached_by(&[Selector::LlcSap(0xaa)])
    .emits(&[Snap::SCHEMA]);

/// One SNAP header, which follows an LLC header with the access points 170.
#[derive(Record)]
#[record("SNAP", 59)]
pub(crate) struct Snap<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Organisation that numbers the protocol (OUI), three octets: `000000` says that `Type` is
    /// an EtherType, `00000c` is Cisco.
    #[field(2, "OrganizationalCode")]
    oui: &'a [u8],
    /// Number of the protocol, 0 to 65535.
    #[field(3, "Type")]
    protocol: u16,
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [oui @ .., p0, p1] = input.array::<5>()?;
    let protocol = u16::from_be_bytes([*p0, *p1]);
    context.emit(&Snap {
        timestamp: context.timestamp(),
        oui,
        protocol,
    });
    Ok(match client(*oui, protocol) {
        Some(selector) => Next::Layer(selector, input.take_rest()),
        None => Next::Layer(Selector::Snap(*oui, protocol), input.whole()),
    })
}

/// By which number the protocol is known elsewhere.
fn client(oui: [u8; 3], protocol: u16) -> Option<Selector> {
    const STP: Selector = Selector::LlcSap(0x42);
    match (oui, protocol) {
        ([0, 0, 0] | [0, 0, 0xf8] | [8, 0, 7], ETHERTYPE_MIN..) => {
            Some(Selector::EtherType(protocol))
        }
        // Cisco: CDP; spanning tree of one VLAN (PVST+), which differs only at its end.
        ([0, 0, 0x0c], 0x2000) => Some(Selector::EtherType(protocol)),
        ([0, 0, 0x0c], 0x010b) => Some(STP),
        // Nortel (SynOptics): discovery.
        ([0, 0, 0x81], SEGMENT_HELLO | FLATNET_HELLO) => Some(Selector::EtherType(protocol)),
        // IEEE 802.1 (RFC 2427, clause 4.2): an Ethernet frame with its checksum, one without;
        // a bridge protocol data unit.
        ([0, 0x80, 0xc2], 0x0001 | 0x0007) => Some(Selector::EtherType(0x6558)),
        ([0, 0x80, 0xc2], 0x000e) => Some(STP),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{Walked, every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&crate::ethernet::PROTOCOL, &crate::llc::PROTOCOL, &PROTOCOL];

    fn frame(snap: &[u8]) -> Vec<u8> {
        let header = b"\x01\x00\x0c\xcc\xcc\xcc\x02\x00\x5e\x00\x00\x0a\x00";
        let len = snap.len() as u8 + 3;
        [header, [len].as_slice(), b"\xaa\xaa\x03", snap].concat()
    }

    fn walk(snap: &[u8]) -> Walked {
        walk_packet(PROTOCOLS, 1, &frame(snap))
    }

    fn encoded(oui: &[u8], protocol: u16) -> Vec<u8> {
        let record = Snap {
            timestamp: Timestamp::new(1, 2000),
            oui,
            protocol,
        };
        let mut out = Vec::new();
        record.encode(&mut out);
        out
    }

    #[test]
    fn every_field() {
        let walked = walk(b"\x00\x00\x0c\x20\x00\x01\xb4");
        assert_eq!(walked.of("SNAP"), [encoded(&[0, 0, 0x0c], 0x2000)]);
        assert_eq!(walked.fate, Fate::Unknown(Selector::EtherType(0x2000)));
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 1, &frame(b"\x00\x00\x00\x88\xb5abc"));
        let walked = walk(b"\x00\x00\x00\x88");
        assert!(matches!(walked.fate, Fate::Malformed(m) if m.reason == Reason::Truncated));
        assert!(walked.of("SNAP").is_empty());
    }

    #[test]
    fn whose_numbers_are_followed() {
        let ethertype = |n| Fate::Unknown(Selector::EtherType(n));
        let other = |oui, n| Fate::Unknown(Selector::Snap(oui, n));
        let stp = Fate::Unknown(Selector::LlcSap(0x42));
        for (header, fate) in [
            (b"\x00\x00\x00\x88\xb5", ethertype(0x88b5)),
            (b"\x00\x00\xf8\x88\xb5", ethertype(0x88b5)),
            (b"\x08\x00\x07\x80\x9b", ethertype(0x809b)),
            (b"\x00\x00\x81\x01\xa2", ethertype(0x01a2)),
            (b"\x00\x00\x0c\x01\x0b", stp),
            (b"\x00\x80\xc2\x00\x0e", stp),
            // An organisation's own number is no EtherType, nor is a number below them.
            (b"\xab\xcd\xef\x08\x00", other([0xab, 0xcd, 0xef], 0x0800)),
            (b"\x00\x00\x0c\x08\x00", other([0, 0, 0x0c], 0x0800)),
            (b"\x00\x00\x00\x00\x04", other([0; 3], 4)),
        ] {
            assert_eq!(
                walk(&[header, b"--".as_slice()].concat()).fate,
                fate,
                "{header:02x?}"
            );
        }
    }

    #[test]
    fn unknown_numbers_are_named_whole() {
        let selector = Selector::Snap([0, 0, 0x0c], 0x0003);
        assert_eq!(selector.to_string(), "SNAP 00-00-0c 0x0003");
    }

    #[test]
    fn bridged_frame() {
        let inner = frame(b"\x00\x00\x00\x88\xb5--");
        let walked = walk(&[b"\x00\x80\xc2\x00\x07", inner.as_slice()].concat());
        assert_eq!(walked.of("Ethernet").len(), 2);
        assert_eq!(walked.of("SNAP").len(), 2);
    }
}
