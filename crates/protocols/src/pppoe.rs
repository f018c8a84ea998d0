//! PPP over Ethernet (RFC 2516): the discovery of a session, and the session. No record.
//!
//! The code says which of the two it is: 0 is a session, whose payload leads to PPP, everything
//! else discovery, which ends here once its tags were found sound. The length hides padding.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector, TunnelKind};

use crate::ppp;

pub(crate) static PROTOCOL: Protocol = Protocol::new("PPPoE", dissect).reached_by(&[
    // Discovery stage, session stage.
    Selector::EtherType(0x8863),
    Selector::EtherType(0x8864),
    // LINKTYPE_PPP_ETHER: the session without its Ethernet header.
    Selector::LinkType(51),
]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    // RFC 2516 section 4: version, type, code, session, length.
    let [version, code, s0, s1, l0, l1] = *input.array()?;
    if version >> 4 != 1 {
        return Err(header.malformed(Reason::Version));
    }
    input.limit(usize::from(u16::from_be_bytes([l0, l1])));
    if code == 0 {
        let session = u16::from_be_bytes([s0, s1]);
        context.tunnel(TunnelKind::PppSession, session.into());
        return Ok(Next::Layer(ppp::SELECTOR, input.take_rest()));
    }
    while !input.is_empty() {
        // RFC 2516 section 4: type and length of a tag; End-Of-List is 0.
        let [t0, t1, l0, l1] = *input.array()?;
        if (t0, t1) == (0, 0) {
            break;
        }
        input.skip(usize::from(u16::from_be_bytes([l0, l1])))?;
    }
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &ppp::PROTOCOL];
    const OFFER: &[u8] = b"\x11\x07\x00\x00\x00\x0c\x01\x01\x00\x00\x01\x02\x00\x04acnm----";

    #[test]
    fn session() {
        let fate = walk_packet(PROTOCOLS, 51, b"\x11\x00\x12\x34\x00\x03\x00\x21\x45--").fate;
        assert_eq!(fate, Fate::Unknown(Selector::EtherType(0x0800)));
        // Padding is no PPP.
        let fate = walk_packet(PROTOCOLS, 51, b"\x11\x00\x12\x34\x00\x02\x00\x21--").fate;
        assert_eq!(fate, Fate::Decoded);
    }

    #[test]
    fn discovery() {
        assert_eq!(walk_packet(PROTOCOLS, 51, OFFER).fate, Fate::Decoded);
        let mut beyond = OFFER.to_vec();
        beyond.splice(12..14, *b"\x00\x05");
        let walked = walk_packet(PROTOCOLS, 51, &beyond);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        // What is after the end of the list is nothing.
        let ended = b"\x11\x09\x00\x00\x00\x08\x00\x00\x00\x00\xff\xff\xff\xff";
        assert_eq!(walk_packet(PROTOCOLS, 51, ended).fate, Fate::Decoded);
    }

    #[test]
    fn other_versions() {
        let walked = walk_packet(PROTOCOLS, 51, b"\x21\x00\x12\x34\x00\x02\x00\x21");
        assert_eq!(walked.malformed(), Some(Reason::Version));
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 51, OFFER);
    }
}
