//! Linux "cooked" captures (LINKTYPE_LINUX_SLL), which `tcpdump -i any` writes: sixteen octets in
//! place of the link layer's header. No record.
//!
//! The kind of device (ARPHRD) says what the protocol field means; for most it is an EtherType or
//! one of the numbers below 0x0600 that Linux has for frames without one.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::ethernet::ETHERTYPE_MIN;
use crate::llc;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("LinuxSLL", dissect).reached_by(&[Selector::LinkType(113)]);

/// ARPHRD_NETLINK.
const NETLINK: u16 = 824;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // Packet type, ARPHRD, address length, address, protocol.
    let [_, _, h0, h1, _, _, _, _, _, _, _, _, _, _, p0, p1] = *input.array()?;
    let (hardware, protocol) = (u16::from_be_bytes([h0, h1]), u16::from_be_bytes([p0, p1]));
    if hardware == NETLINK {
        // LINKTYPE_NETLINK is this header and a netlink message.
        return Ok(Next::Layer(Selector::LinkType(253), input.whole()));
    }
    Ok(Next::Layer(inner(hardware, protocol), input.take_rest()))
}

/// What the header of a cooked capture says of the octets after it, in version 1 and in version 2.
pub(crate) fn inner(hardware: u16, protocol: u16) -> Selector {
    match (hardware, protocol) {
        // Devices that have a link type of their own, whose protocol field says nothing: frame
        // relay; 802.11 plain, with Prism header, with radiotap header.
        (770, _) => Selector::LinkType(107),
        (801, _) => Selector::LinkType(105),
        (802, _) => Selector::LinkType(119),
        (803, _) => Selector::LinkType(127),
        (NETLINK, _) => Selector::Other("netlink protocol", u64::from(protocol)),
        // GRE, where the number is no EtherType.
        (778, ..ETHERTYPE_MIN) => Selector::Other("GRE protocol", u64::from(protocol)),
        // ETH_P_802_3: Novell's IPX without LLC. ETH_P_802_2.
        (_, 0x0001) => llc::NOVELL_RAW,
        (_, 0x0004) => llc::SELECTOR,
        // ETH_P_CAN, ETH_P_CANFD: LINKTYPE_CAN_SOCKETCAN.
        (_, 0x000c | 0x000d) => Selector::LinkType(227),
        (_, ethertype) => Selector::EtherType(ethertype),
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &llc::PROTOCOL];

    fn packet(hardware: u16, protocol: u16, payload: &[u8]) -> Vec<u8> {
        [
            b"\x00\x04".as_slice(),
            &hardware.to_be_bytes(),
            b"\x00\x06\x02\x00\x5e\x00\x00\x0a\x00\x00",
            &protocol.to_be_bytes(),
            payload,
        ]
        .concat()
    }

    #[test]
    fn what_the_protocol_field_means() {
        for (hardware, protocol, selector) in [
            (1, 0x0800, Selector::EtherType(0x0800)),
            (772, 0x86dd, Selector::EtherType(0x86dd)),
            (1, 0x0001, Selector::LlcSap(0xff)),
            (1, 0x0003, Selector::EtherType(0x0003)),
            (1, 0x0004, Selector::LlcSap(0x42)),
            (280, 0x000c, Selector::LinkType(227)),
            (770, 0x0800, Selector::LinkType(107)),
            (803, 0x0004, Selector::LinkType(127)),
            (778, 0x0800, Selector::EtherType(0x0800)),
            (778, 0x0004, Selector::Other("GRE protocol", 4)),
            (824, 0x0000, Selector::LinkType(253)),
        ] {
            let walked = walk_packet(
                PROTOCOLS,
                113,
                &packet(hardware, protocol, b"\x42\x42\x03bpdu"),
            );
            assert_eq!(
                walked.fate,
                Fate::Unknown(selector),
                "{hardware} {protocol:#06x}"
            );
        }
    }

    #[test]
    fn prefixes() {
        let packet = packet(1, 4, b"\x42\x42\x03bpdu");
        every_prefix(PROTOCOLS, 113, &packet);
        let walked = walk_packet(PROTOCOLS, 113, packet.split_at(15).0);
        assert!(matches!(walked.fate, Fate::Malformed(m) if m.reason == Reason::Truncated));
    }
}
