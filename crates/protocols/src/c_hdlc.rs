//! Cisco's framing of synchronous lines (RFC 1547 section 4.3.1): address, control, and a type
//! that is an EtherType for most. No record.
//!
//! Types below 0x0600 are unknown. SLARP, which has the EtherType of RARP here, ends here. OSI
//! packets have an octet of padding before them, but not from everybody.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::ethernet::ETHERTYPE_MIN;
use crate::nlpid;

/// LINKTYPE_C_HDLC.
pub(crate) const SELECTOR: Selector = Selector::LinkType(104);

pub(crate) static PROTOCOL: Protocol = Protocol::new("CiscoHDLC", dissect).reached_by(&[SELECTOR]);

/// Captures that have one octet of direction before the frame.
pub(crate) static WITH_DIRECTION: Protocol =
    Protocol::new("CiscoHDLCWithDirection", with_direction).reached_by(&[Selector::LinkType(205)]);

/// Type of SLARP.
const SLARP: u16 = 0x8035;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [_, _, t0, t1] = *input.array()?;
    match u16::from_be_bytes([t0, t1]) {
        SLARP => {
            // Kind, two numbers, reliability.
            input.skip(14)?;
            Ok(Next::End)
        }
        kind => client(input, kind),
    }
}

fn with_direction<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    input.skip(1)?;
    dissect(input, context)
}

/// What follows a type of Cisco's, here and in frame relay.
pub(crate) fn client<'p>(input: &mut Cursor<'p>, kind: u16) -> Result<Next<'p>, Malformed> {
    let selector = match kind {
        0xfefe => {
            if nlpid::is_osi(input.rest().get(1)) {
                input.skip(1)?;
            }
            nlpid::SELECTOR
        }
        ETHERTYPE_MIN.. => Selector::EtherType(kind),
        _ => Selector::Other("Cisco HDLC type", kind.into()),
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &WITH_DIRECTION, &nlpid::PROTOCOL];

    fn fate(octets: &[u8]) -> Fate {
        let fate = walk_packet(PROTOCOLS, 104, octets).fate;
        let directed = [b"\x01", octets].concat();
        assert_eq!(walk_packet(PROTOCOLS, 205, &directed).fate, fate);
        fate
    }

    #[test]
    fn who_is_inside() {
        let unknown = Fate::Unknown;
        let ipv4 = fate(b"\x0f\x00\x08\x00\x45");
        assert_eq!(ipv4, unknown(Selector::EtherType(0x0800)));
        let cdp = fate(b"\x8f\x00\x20\x00\x01");
        assert_eq!(cdp, unknown(Selector::EtherType(0x2000)));
        let other = fate(b"\x0f\x00\x00\x04\x01");
        assert_eq!(other, unknown(Selector::Other("Cisco HDLC type", 4)));
        // IS-IS with and without padding.
        for osi in [
            &b"\x0f\x00\xfe\xfe\x03\x83\x1b"[..],
            b"\x0f\x00\xfe\xfe\x83\x1b\x01",
        ] {
            assert_eq!(fate(osi), unknown(crate::isis::SELECTOR));
        }
    }

    #[test]
    fn slarp() {
        let keepalive = b"\x8f\x00\x80\x35\0\0\0\x02\0\0\0\x01\0\0\0\x02\xff\xff";
        assert_eq!(fate(keepalive), Fate::Decoded);
        every_prefix(PROTOCOLS, 104, keepalive);
        let walked = walk_packet(PROTOCOLS, 104, keepalive.split_at(17).0);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
    }
}
