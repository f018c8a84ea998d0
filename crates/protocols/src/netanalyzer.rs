//! Hilscher's netANALYZER cards (LINKTYPE_NETANALYZER): a header of four octets, then an Ethernet
//! frame with its checksum, or an event of an input pin, which ends here. No record.

use netcap_dissect::{Cursor, Malformed, Next, Protocol, Selector};

use crate::ethernet;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("netANALYZER", |input, _| dissect(input, false))
        .reached_by(&[Selector::LinkType(240)]);

/// LINKTYPE_NETANALYZER_TRANSPARENT: with preamble.
pub(crate) static TRANSPARENT: Protocol =
    Protocol::new("netANALYZERTransparent", |input, _| dissect(input, true))
        .reached_by(&[Selector::LinkType(241)]);

/// Start of frame delimiter (IEEE 802.3 clause 3.2.2).
const START: u8 = 0xd5;

fn dissect<'p>(input: &mut Cursor<'p>, preamble: bool) -> Result<Next<'p>, Malformed> {
    // Little-endian: eight flags of errors, then whether it is an event of an input pin.
    let [_, kind, _, _] = *input.array()?;
    if kind & 0x01 != 0 {
        return Ok(Next::End);
    }
    if preamble {
        // The instrument also shows preambles that are too short or too long.
        while input.u8()? != START {}
    }
    Ok(Next::Layer(ethernet::SELECTOR, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    #[test]
    fn frames_and_events() {
        let protocols = &[&PROTOCOL, &TRANSPARENT];
        let frame = Fate::Unknown(ethernet::SELECTOR);
        for (link_type, packet, fate) in [
            (240, &b"\x00\x04\x40\x00\x02"[..], frame),
            (240, b"\x00\x05\x40\x00\x02", Fate::Decoded),
            (241, b"\x40\x06\x40\x00\x55\x55\x55\xd5\x02", frame),
        ] {
            assert_eq!(walk_packet(protocols, link_type, packet).fate, fate);
            every_prefix(protocols, link_type, packet);
        }
    }
}
