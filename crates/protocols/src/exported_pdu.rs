//! Packets that Wireshark exported from inside others (LINKTYPE_WIRESHARK_UPPER_PDU): tags that
//! say what the packet is, and the packet. No record.
//!
//! The name of the dissector decides; names of others than the protocols that stand on their own
//! are unknown.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::{ethernet, llc, ppp};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("ExportedPDU", dissect).reached_by(&[Selector::LinkType(252)]);

/// EXP_PDU_TAG_DISSECTOR_NAME.
const NAME: u16 = 12;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let mut selector = Selector::Other("exported PDU", 0);
    loop {
        let [t0, t1, l0, l1] = *input.array()?;
        let value = input.bytes(usize::from(u16::from_be_bytes([l0, l1])))?;
        match u16::from_be_bytes([t0, t1]) {
            0 => break,
            NAME => selector = named(value).unwrap_or(selector),
            _ => (),
        }
    }
    Ok(Next::Layer(selector, input.take_rest()))
}

/// Names of Wireshark's dissectors, padded with zeros.
fn named(name: &[u8]) -> Option<Selector> {
    let end = name.iter().position(|octet| *octet == 0);
    Some(match name.split_at(end.unwrap_or(name.len())).0 {
        b"eth" | b"eth_withoutfcs" | b"eth_withfcs" | b"eth_maybefcs" => ethernet::SELECTOR,
        b"ip" => Selector::EtherType(0x0800),
        b"ipv6" => Selector::EtherType(0x86dd),
        b"arp" => Selector::EtherType(0x0806),
        b"llc" => llc::SELECTOR,
        b"ppp" | b"ppp_hdlc" => ppp::SELECTOR,
        b"mpls" => Selector::EtherType(0x8847),
        b"dns" => Selector::UdpPort(53),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL];

    #[test]
    fn the_name_decides() {
        for (name, selector) in [
            (b"ip\0\0", Selector::EtherType(0x0800)),
            (b"ipv6", Selector::EtherType(0x86dd)),
            (b"arp\0", Selector::EtherType(0x0806)),
            (b"eth\0", ethernet::SELECTOR),
            (b"llc\0", llc::SELECTOR),
            (b"ppp\0", ppp::SELECTOR),
            (b"mpls", Selector::EtherType(0x8847)),
            (b"dns\0", Selector::UdpPort(53)),
            (b"sip\0", Selector::Other("exported PDU", 0)),
        ] {
            let packet = [
                b"\0\x14\0\x04\xc0\0\x02\x01\0\x0c\0\x04",
                &name[..],
                b"\0\0\0\0--",
            ];
            let fate = walk_packet(PROTOCOLS, 252, &packet.concat()).fate;
            assert_eq!(fate, Fate::Unknown(selector));
            every_prefix(PROTOCOLS, 252, &packet.concat());
        }
    }
}
