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

/// Whether octets that begin like an IP packet, of a wire length that is perhaps known, contradict
/// it: the header of IPv4 has a checksum (RFC 791 section 3.1), that of IPv6 a length (RFC 8200 section
/// 3). RFC 4928 and RFC 8469 say who needs that.
pub(crate) fn contradicts_itself(packet: &[u8], wire_length: usize) -> bool {
    match *packet {
        [first @ 0x45..=0x4f, _, l0, l1, ..] => {
            let length = usize::from(first & 15) * 4;
            match packet.get(..length) {
                Some(header) => sum(header) != 0xffff,
                // The capture cut it, or there is no room for it.
                None => usize::from(u16::from_be_bytes([l0, l1])).max(length) > wire_length,
            }
        }
        [0x60..=0x6f, _, _, _, l0, l1, next_header, ..] => {
            let told = usize::from(u16::from_be_bytes([l0, l1])) + 40;
            // A length of zero is that of a jumbogram, behind hop-by-hop options (RFC 2675).
            let is_jumbo = told == 40 && next_header == 0;
            // At most 46 octets are padding (IEEE 802.3-2022 clause 3.2.8).
            !is_jumbo && !(told..=told.max(46)).contains(&wire_length)
        }
        _ => true,
    }
}

/// The sum of RFC 1071: of a header with its checksum all ones.
fn sum(header: &[u8]) -> u16 {
    let words = header.as_chunks::<2>().0.iter();
    let sum: u32 = words.map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    // A header has at most thirty words.
    let folded = (sum >> 16) + (sum & 0xffff);
    ((folded >> 16) + folded) as u16
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
