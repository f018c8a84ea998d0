//! Traces of the graph of VPP (LINKTYPE_VPP_DISPATCH): a header with texts about the packet's
//! buffer, then the packet as it came to a node of the graph. No record.
//!
//! A hint says what the packet begins with; without one it is unknown.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::ethernet;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("VPP", dissect).reached_by(&[Selector::LinkType(280)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    // Version, number of texts, hint, index of the buffer.
    let [major, _minor, texts, hint, _, _, _, _] = *input.array()?;
    if major != 1 {
        return Err(header.malformed(Reason::Version));
    }
    for _ in 0..texts {
        let end = input.rest().iter().position(|octet| *octet == 0);
        input.skip(end.unwrap_or(input.remaining()) + 1)?;
    }
    let selector = match hint {
        1 => ethernet::SELECTOR,
        2 => Selector::EtherType(0x0800),
        3 => Selector::EtherType(0x86dd),
        4 => Selector::IpProto(6),
        5 => Selector::IpProto(17),
        other => Selector::Other("VPP protocol hint", other.into()),
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL];

    fn packet(hint: u8) -> Vec<u8> {
        let texts = b"ip4-input\0buffer\0opaque\0\0";
        [&[1, 0, 4, hint, 0, 0, 0, 9][..], texts, b"\x45\x00"].concat()
    }

    #[test]
    fn the_hint_decides() {
        for (hint, selector) in [
            (0, Selector::Other("VPP protocol hint", 0)),
            (1, ethernet::SELECTOR),
            (2, Selector::EtherType(0x0800)),
            (3, Selector::EtherType(0x86dd)),
            (4, Selector::IpProto(6)),
            (5, Selector::IpProto(17)),
        ] {
            let fate = walk_packet(PROTOCOLS, 280, &packet(hint)).fate;
            assert_eq!(fate, Fate::Unknown(selector));
        }
        every_prefix(PROTOCOLS, 280, &packet(2));
    }

    #[test]
    fn contradictions() {
        let walked = walk_packet(PROTOCOLS, 280, b"\x02\0\0\x01\0\0\0\0\x45");
        assert_eq!(walked.malformed(), Some(Reason::Version));
        let walked = walk_packet(PROTOCOLS, 280, b"\x01\0\x01\x01\0\0\0\0no end");
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
    }
}
