//! TaZmen Sniffer Protocol (LINKTYPE_TZSP): what remote sensors send, a packet behind some tags. No
//! record.
//!
//! Ethernet, the kinds of 802.11 and some others lead on; packets that only keep the way open end here.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::{ethernet, ppp, raw_ip};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("TZSP", dissect).reached_by(&[Selector::LinkType(128)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    let [version, kind, p0, p1] = *input.array()?;
    if version != 1 {
        return Err(header.malformed(Reason::Version));
    }
    // Received and to be sent; other kinds have no packet.
    if kind > 1 {
        return Ok(Next::End);
    }
    loop {
        match input.u8()? {
            // Padding, end.
            0 => (),
            1 => break,
            _ => {
                let length = input.u8()?;
                input.skip(length.into())?;
            }
        }
    }
    let selector = match u16::from_be_bytes([p0, p1]) {
        1 => ethernet::SELECTOR,
        // Token Ring, PPP, FDDI, IP.
        2 => Selector::LinkType(6),
        4 => ppp::SELECTOR,
        5 => Selector::LinkType(10),
        7 => raw_ip::SELECTOR,
        // 802.11 as it is, with the header of Prism, with that of AVS.
        18 => Selector::LinkType(105),
        119 => Selector::LinkType(119),
        127 => Selector::LinkType(163),
        other => Selector::Other("TZSP encapsulation", other.into()),
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL];

    #[test]
    fn what_is_inside() {
        for (protocol, selector) in [
            (1, ethernet::SELECTOR),
            (18, Selector::LinkType(105)),
            (119, Selector::LinkType(119)),
            (127, Selector::LinkType(163)),
            (2, Selector::LinkType(6)),
            (4, ppp::SELECTOR),
            (5, Selector::LinkType(10)),
            (7, raw_ip::SELECTOR),
            (3, Selector::Other("TZSP encapsulation", 3)),
        ] {
            // Signal strength, padding, end.
            let packet = [1, 0, 0, protocol, 10, 1, 0xc8, 0, 1, 0x02];
            let fate = walk_packet(PROTOCOLS, 128, &packet).fate;
            assert_eq!(fate, Fate::Unknown(selector));
            every_prefix(PROTOCOLS, 128, &packet);
        }
    }

    #[test]
    fn without_a_packet() {
        let fate = walk_packet(PROTOCOLS, 128, b"\x01\x04\0\0\x01").fate;
        assert_eq!(fate, Fate::Decoded);
        let walked = walk_packet(PROTOCOLS, 128, b"\x02\0\0\x01\x01");
        assert_eq!(walked.malformed(), Some(Reason::Version));
    }
}
