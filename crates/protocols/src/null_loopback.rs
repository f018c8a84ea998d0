//! Loopback interfaces of the BSDs, macOS and Windows: four octets with the address family of the
//! packet. No record.
//!
//! Link type 108 (OpenBSD) has the family in network byte order, link type 0 in that of the
//! machine that captured, which the file does not say. Families are below 256, so only one order
//! makes sense. Each system numbers IPv6 in its own way, and 23 is IPv6 for Windows and IPX for
//! the BSDs: the version in the packet decides. A value from 1536 to 65535 is an EtherType, which
//! some programs write there. Families that lead nowhere are unknown, under the EtherType 0;
//! values that can be neither are malformed.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

/// LINKTYPE_LOOP.
const LOOP: u32 = 108;

pub(crate) static PROTOCOL: Protocol = Protocol::new("Loopback", dissect)
    .reached_by(&[Selector::LinkType(0), Selector::LinkType(LOOP)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    let mut family = input.u32()?;
    if family > 0xffff && context.packet().link_type != LOOP {
        family = family.swap_bytes();
    }
    let packet = input.take_rest();
    let is_ipv6 = packet.first().is_some_and(|first| first >> 4 == 6);
    let selector = match family {
        2 => Selector::EtherType(0x0800),
        // Linux; NetBSD, OpenBSD and BSD/OS; FreeBSD and DragonFly; macOS.
        10 | 24 | 28 | 30 => Selector::EtherType(0x86dd),
        23 if is_ipv6 => Selector::EtherType(0x86dd),
        23 => Selector::EtherType(0x8137),
        // OSI network layer, AppleTalk.
        7 => Selector::LlcSap(0xfe),
        16 => Selector::EtherType(0x809b),
        0x0600..=0xffff => Selector::EtherType(family as u16),
        0..=0xff => Selector::Other("address family", u64::from(family)),
        _ => return Err(header.malformed(Reason::Value)),
    };
    Ok(Next::Layer(selector, packet))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL];
    const IPV4: Fate = Fate::Unknown(Selector::EtherType(0x0800));
    const IPV6: Fate = Fate::Unknown(Selector::EtherType(0x86dd));

    fn fate(link_type: u32, family: [u8; 4], first: u8) -> Fate {
        let [a, b, c, d] = family;
        walk_packet(PROTOCOLS, link_type, &[a, b, c, d, first, 0]).fate
    }

    #[test]
    fn either_byte_order() {
        assert_eq!(fate(0, 2u32.to_le_bytes(), 0x45), IPV4);
        assert_eq!(fate(0, 2u32.to_be_bytes(), 0x45), IPV4);
        for family in [10u32, 23, 24, 28, 30] {
            assert_eq!(fate(0, family.to_le_bytes(), 0x60), IPV6);
            assert_eq!(fate(0, family.to_be_bytes(), 0x60), IPV6);
        }
    }

    #[test]
    fn network_byte_order_alone() {
        assert_eq!(fate(108, 2u32.to_be_bytes(), 0x45), IPV4);
        assert_eq!(fate(108, 24u32.to_be_bytes(), 0x60), IPV6);
        assert!(matches!(
            fate(108, 2u32.to_le_bytes(), 0x45),
            Fate::Malformed(m) if (m.reason, m.offset) == (Reason::Value, 0)
        ));
    }

    #[test]
    fn other_families() {
        let unknown = |selector| Fate::Unknown(selector);
        assert_eq!(
            fate(0, 7u32.to_le_bytes(), 0x81),
            unknown(Selector::LlcSap(0xfe))
        );
        assert_eq!(
            fate(0, 16u32.to_le_bytes(), 0),
            unknown(Selector::EtherType(0x809b))
        );
        assert_eq!(
            fate(0, 23u32.to_le_bytes(), 0xff),
            unknown(Selector::EtherType(0x8137))
        );
        assert_eq!(fate(0, 0x86ddu32.to_le_bytes(), 0x60), IPV6);
        assert_eq!(fate(0, 0x0800u32.to_be_bytes(), 0x45), IPV4);
        // Not LLC, which has this number as an EtherType.
        assert_eq!(
            fate(0, 4u32.to_be_bytes(), 0),
            unknown(Selector::Other("address family", 4))
        );
        assert_eq!(
            fate(0, [0; 4], 0),
            unknown(Selector::Other("address family", 0))
        );
        assert!(matches!(fate(0, [1, 2, 3, 4], 0), Fate::Malformed(_)));
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 0, b"\x02\0\0\0\x45");
        every_prefix(PROTOCOLS, 108, b"\0\0\0\x02\x45");
    }
}
