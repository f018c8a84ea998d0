//! The octet by which OSI, and frame relay with it, tells network layers apart (ISO/IEC TR 9577,
//! RFC 2427). No record.
//!
//! It is read after LLC with the access point 0xfe and after everything else that carries OSI. IP,
//! PPP and what SNAP names lead on. The protocols of OSI have that octet as part of their own headers;
//! of these IS-IS is known.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::{isis, ppp};

/// The access point of OSI network layers.
pub(crate) const SELECTOR: Selector = Selector::LlcSap(0xfe);

pub(crate) static PROTOCOL: Protocol = Protocol::new("NLPID", dissect).reached_by(&[SELECTOR]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let nlpid = input.u8()?;
    let selector = match nlpid {
        // ISO/IEC TR 9577 annex C; RFC 2427 sections 4 and 5; PPP: RFC 1973.
        0xcc => Selector::EtherType(0x0800),
        0x8e => Selector::EtherType(0x86dd),
        0x80 => Selector::LlcSap(0xaa),
        0xcf => ppp::SELECTOR,
        0x83 => return Ok(Next::Layer(isis::SELECTOR, input.whole())),
        _ => {
            let selector = Selector::Other("NLPID", nlpid.into());
            return Ok(Next::Layer(selector, input.whole()));
        }
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

/// Whether an octet is that of CLNP, ES-IS or IS-IS.
pub(crate) fn is_osi(octet: Option<&u8>) -> bool {
    matches!(octet, Some(0x81..=0x83))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&crate::atm::PROTOCOL, &crate::llc::PROTOCOL, &PROTOCOL];

    #[test]
    fn who_is_inside() {
        for (nlpid, selector) in [
            (0xcc, Selector::EtherType(0x0800)),
            (0x8e, Selector::EtherType(0x86dd)),
            (0x80, Selector::LlcSap(0xaa)),
            (0xcf, ppp::SELECTOR),
            (0x83, isis::SELECTOR),
            (0x81, Selector::Other("NLPID", 0x81)),
        ] {
            let packet = [0xfe, 0xfe, 0x03, nlpid, 0x45];
            let fate = walk_packet(PROTOCOLS, 100, &packet).fate;
            assert_eq!(fate, Fate::Unknown(selector));
        }
        every_prefix(PROTOCOLS, 100, b"\xfe\xfe\x03\xcc\x45");
    }
}
