//! Captures without a link layer: every packet is an IP packet, of the version that its first
//! four bits say. No record.
//!
//! The link types 228 (IPv4) and 229 (IPv6) are read in the same way, as the version is in the
//! packet anyway. A version other than 4 and 6 is malformed.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

/// How headers that do not say the version of the IP packet after them lead here: LINKTYPE_RAW.
pub(crate) const SELECTOR: Selector = Selector::LinkType(101);

pub(crate) static PROTOCOL: Protocol = Protocol::new("RawIP", dissect).reached_by(&[
    // LINKTYPE_RAW; what systems numbered DLT_RAW before there were link types: most BSDs and
    // Linux 12, OpenBSD 14.
    SELECTOR,
    Selector::LinkType(12),
    Selector::LinkType(14),
    // LINKTYPE_IPV4, LINKTYPE_IPV6.
    Selector::LinkType(228),
    Selector::LinkType(229),
]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let packet = *input;
    input.u8()?;
    match by_version(packet.rest()) {
        Some(selector) => Ok(Next::Layer(selector, packet.rest())),
        None => Err(packet.malformed(Reason::Version)),
    }
}

/// Who reads an IP packet that nothing but its own first four bits tells the version of.
#[inline]
pub(crate) fn by_version(packet: &[u8]) -> Option<Selector> {
    match packet.first()? >> 4 {
        4 => Some(Selector::EtherType(0x0800)),
        6 => Some(Selector::EtherType(0x86dd)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_cut, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL];

    #[test]
    fn the_version_decides() {
        for link_type in [101, 12, 14, 228, 229] {
            for (first, ethertype) in [(0x45, 0x0800), (0x4f, 0x0800), (0x60, 0x86dd)] {
                let fate = walk_packet(PROTOCOLS, link_type, &[first, 0, 0, 20]).fate;
                assert_eq!(fate, Fate::Unknown(Selector::EtherType(ethertype)));
            }
        }
    }

    #[test]
    fn other_versions() {
        let fate = walk_packet(PROTOCOLS, 101, b"\x75\x00").fate;
        let Fate::Malformed(malformed) = fate else {
            panic!("{fate:?}");
        };
        assert_eq!((malformed.reason, malformed.offset), (Reason::Version, 0));
    }

    #[test]
    fn nothing_at_all() {
        assert!(matches!(
            walk_packet(PROTOCOLS, 101, b"").fate,
            Fate::Malformed(_)
        ));
        assert!(matches!(
            walk_cut(PROTOCOLS, 101, b"", 20).fate,
            Fate::CutShort(_)
        ));
        every_prefix(PROTOCOLS, 101, b"\x45\x00");
    }
}
