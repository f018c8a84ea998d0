//! Captures without a link layer: every packet is an IP packet, of the version that its first
//! four bits say. No record.
//!
//! The link types 228 (IPv4) and 229 (IPv6) are read in the same way, as the version is in the
//! packet anyway. A version other than 4 and 6 is malformed.

use netcap_dissect::{Context, Cursor, Fit, Malformed, Next, Protocol, Reason, Selector, adds_up};

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

/// How many bits of what begins like an IP packet are as a packet has them, where `wire` octets were
/// sent: the header of IPv4 has a checksum (RFC 791 section 3.1), that of IPv6 a length and the number
/// of what follows (RFC 8200 section 3). None: they contradict it. RFC 4928 and RFC 8469 say who needs
/// that.
pub(crate) fn evidence(packet: &[u8], wire: usize, context: &Context<'_, '_>) -> u32 {
    match *packet {
        [first @ 0x45..=0x4f, _, l0, l1, ..] => {
            let header = usize::from(first & 15) * 4;
            let is_right = packet.get(..header).map(|header| adds_up(&[header]));
            let checksum = if is_right == Some(true) { 16 } else { 0 };
            let told = usize::from(u16::from_be_bytes([l0, l1]));
            let has_room = told >= header && header <= wire;
            checksum + if has_room { of_length(told, wire) } else { 0 }
        }
        [0x60..=0x6f, _, _, _, l0, l1, next_header, ..] => {
            let told = usize::from(u16::from_be_bytes([l0, l1])) + 40;
            let length = match told {
                // A jumbogram, behind hop-by-hop options (RFC 2675).
                40 if next_header == 0 => 14,
                _ => of_length(told, wire),
            };
            let is_known = context.knows(Selector::IpProto(next_header));
            length + if length > 0 && is_known { 4 } else { 0 }
        }
        _ => 0,
    }
}

/// How well octets fit an IP packet.
pub(crate) fn fit(packet: &[u8], context: &Context<'_, '_>) -> Fit {
    let wire = packet.len() + context.missing();
    match by_version(packet) {
        // The length, or the checksum.
        Some(_) if evidence(packet, wire, context) >= 14 => Fit::Good,
        Some(_) => Fit::Possible,
        None => Fit::No,
    }
}

/// How many bits a length of `told` octets is worth where `wire` octets were sent; none where it leads
/// beyond them.
pub(crate) fn of_length(told: usize, wire: usize) -> u32 {
    match wire.checked_sub(told) {
        None => 0,
        // Nothing follows, or the check sequence of a frame.
        Some(0..=4) => 14,
        // At most 46 octets are padding (IEEE 802.3-2022 clause 3.2.8).
        Some(_) if wire <= 46 => 8,
        Some(_) => 4,
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
