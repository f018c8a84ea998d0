//! Linux "cooked" captures, version 2 (LINKTYPE_LINUX_SLL2): twenty octets, with the index of the
//! interface, in place of the link layer's header. No record.
//!
//! What follows is read as in version 1, save netlink messages, which are unknown.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::linux_sll::inner;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("LinuxSLL2", dissect).reached_by(&[Selector::LinkType(276)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // Protocol, reserved, interface index, ARPHRD, packet type, address length, address.
    let [p0, p1, _, _, _, _, _, _, h0, h1, ..] = *input.array::<20>()?;
    let selector = inner(u16::from_be_bytes([h0, h1]), u16::from_be_bytes([p0, p1]));
    Ok(Next::Layer(selector, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &crate::llc::PROTOCOL];

    fn packet(hardware: u16, protocol: u16, payload: &[u8]) -> Vec<u8> {
        [
            protocol.to_be_bytes().as_slice(),
            b"\x00\x00\x00\x00\x00\x03",
            &hardware.to_be_bytes(),
            b"\x04\x06\x02\x00\x5e\x00\x00\x0a\x00\x00",
            payload,
        ]
        .concat()
    }

    #[test]
    fn what_the_protocol_field_means() {
        for (hardware, protocol, selector) in [
            (1, 0x0800, Selector::EtherType(0x0800)),
            (1, 0x0004, Selector::LlcSap(0x42)),
            (803, 0x0004, Selector::LinkType(127)),
            (824, 0x0800, Selector::Other("netlink protocol", 0x0800)),
        ] {
            let walked = walk_packet(
                PROTOCOLS,
                276,
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
        every_prefix(PROTOCOLS, 276, &packet);
        let walked = walk_packet(PROTOCOLS, 276, packet.split_at(19).0);
        assert!(matches!(walked.fate, Fate::Malformed(m) if m.reason == Reason::Truncated));
    }
}
