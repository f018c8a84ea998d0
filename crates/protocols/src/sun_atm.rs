//! Packets over ATM as SunATM captures them (LINKTYPE_SUNATM), and LAN emulation. No record.
//!
//! Four octets say direction and kind, path and channel. RFC 1483 leads on to LLC, LAN emulation
//! to Ethernet; its control frames, signalling and cells of OAM are unknown.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::{ethernet, llc};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("SunATM", dissect).reached_by(&[Selector::LinkType(123)]);

/// LINKTYPE_LANE8023.
pub(crate) static LANE: Protocol =
    Protocol::new("LANE", lane).reached_by(&[Selector::LinkType(110)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [kind, path, c0, c1] = *input.array()?;
    let channel = u16::from_be_bytes([c0, c1]);
    let selector = match (path, channel, kind & 0x0f) {
        // ITU-T I.361 table 2: signalling.
        (0, 5, _) => Selector::Other("ATM channel", 5),
        (_, _, 1) => Selector::LinkType(110),
        (_, _, 2) => llc::SELECTOR,
        (_, _, other) => Selector::Other("SunATM traffic type", other.into()),
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

fn lane<'p>(input: &mut Cursor<'p>, _context: &mut Context<'p, '_>) -> Result<Next<'p>, Malformed> {
    // ATM Forum af-lane-0021, clause 4.1: the identifier of the sending client, or a marker.
    let selector = match input.u16()? {
        0xff00 => Selector::Other("LANE control", 0xff00),
        _ => ethernet::SELECTOR,
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    #[test]
    fn kinds() {
        let protocols = &[&PROTOCOL, &LANE];
        for (packet, selector) in [
            (b"\x82\x00\x00\x64\xaa\xaa\x03", llc::SELECTOR),
            (b"\x01\x00\x00\x64\x00\x01\x02", ethernet::SELECTOR),
            (
                b"\x01\x00\x00\x64\xff\x00\x01",
                Selector::Other("LANE control", 0xff00),
            ),
            (
                b"\x06\x00\x00\x05\x09\x03\x00",
                Selector::Other("ATM channel", 5),
            ),
            (
                b"\x05\x00\x00\x64\x00\x00\x00",
                Selector::Other("SunATM traffic type", 5),
            ),
        ] {
            let fate = walk_packet(protocols, 123, packet).fate;
            assert_eq!(fate, Fate::Unknown(selector));
            every_prefix(protocols, 123, packet);
        }
    }
}
