//! Packets in AAL5, without the cells' headers. No record.
//!
//! RFC 2684 puts LLC before them (LINKTYPE_ATM_RFC1483). Classical IP as Linux shows it
//! (LINKTYPE_ATM_CLIP) has IP, or LLC too, as some kernels leave it in place.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::{llc, raw_ip};

pub(crate) static PROTOCOL: Protocol = Protocol::new("ATM", dissect)
    // 11 is what Linux and some BSDs number it.
    .reached_by(&[Selector::LinkType(100), Selector::LinkType(11)]);

/// LINKTYPE_ATM_CLIP.
pub(crate) static CLASSICAL_IP: Protocol = Protocol::new("ATMClassicalIP", classical_ip)
    // 19 is what Linux numbers it.
    .reached_by(&[Selector::LinkType(106), Selector::LinkType(19)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    Ok(Next::Layer(llc::SELECTOR, input.take_rest()))
}

fn classical_ip<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let selector = match input.rest() {
        // RFC 2225 section 7: LLC and SNAP.
        [0xaa, 0xaa, 0x03, ..] => llc::SELECTOR,
        _ => raw_ip::SELECTOR,
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    #[test]
    fn llc_or_ip() {
        let protocols = &[&PROTOCOL, &CLASSICAL_IP];
        for (link_type, packet, selector) in [
            (100, b"\xaa\xaa\x03", llc::SELECTOR),
            (11, b"\xfe\xfe\x03", llc::SELECTOR),
            (106, b"\xaa\xaa\x03", llc::SELECTOR),
            (106, b"\x45\x00\x00", raw_ip::SELECTOR),
            (19, b"\x60\x00\x00", raw_ip::SELECTOR),
        ] {
            let fate = walk_packet(protocols, link_type, packet).fate;
            assert_eq!(fate, Fate::Unknown(selector));
            every_prefix(protocols, link_type, packet);
        }
    }
}
