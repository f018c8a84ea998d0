//! User plane of the GPRS Tunnelling Protocol, version 1 (3GPP TS 29.281). No record.
//!
//! Only the control plane knows what the packets of users (message type 255) are. They are followed
//! as Ethernet frames where they make more sense as such than as the IP packets that their first four
//! bits say; what makes none is payload.
//! The other messages, and datagrams on the port that are of another version or of the charging
//! protocol GTP', end here.

use netcap_dissect::{
    Context, Cursor, Fit, Malformed, Next, Protocol, Reason, Selector, TunnelKind,
};

use crate::{ethernet, raw_ip};

pub(crate) static PROTOCOL: Protocol = Protocol::new("GTP-U", dissect)
    .reached_by(&[Selector::UdpPort(2152)])
    .judged_by(judge);

/// A packet of a user, 3GPP TS 29.281 section 6.1.
const G_PDU: u8 = 255;

/// 3GPP TS 29.281 section 5.1: version 1, not GTP', and a length that does not count eight octets.
fn judge(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    let wire = octets.len() + context.missing();
    match *octets {
        [first, ..] if first & 0xf0 != 0x30 => Fit::No,
        [_, _, l0, l1, ..] if usize::from(u16::from_be_bytes([l0, l1])) + 8 == wire => Fit::Good,
        _ => Fit::Possible,
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // 3GPP TS 29.281 section 5.1: version 1, not GTP'.
    match input.rest() {
        [first, kind, ..] if first & 0xf0 == 0x30 && *kind == G_PDU => {}
        _ => return Ok(Next::End),
    }
    let [first, _, l0, l1, teid @ ..] = *input.array::<8>()?;
    context.tunnel(TunnelKind::Endpoint, u32::from_be_bytes(teid));
    let length = u16::from_be_bytes([l0, l1]);
    let after_length = *input;
    input.limit(usize::from(length));
    // Any of E, S and PN brings the fields of all three.
    if first & 0x07 != 0 {
        if length < 4 {
            return Err(after_length.malformed(Reason::Length));
        }
        let [_, _, _, mut extension] = *input.array::<4>()?;
        if first & 0x04 == 0 {
            extension = 0;
        }
        // Section 5.2.1: the length counts units of four octets and itself.
        while extension != 0 {
            let start = *input;
            let Some(content) = (usize::from(input.u8()?) * 4).checked_sub(2) else {
                return Err(start.malformed(Reason::Length));
            };
            input.skip(content)?;
            extension = input.u8()?;
        }
    }
    let packet = input.take_rest();
    let missing = context.missing();
    let frame = ethernet::evidence(packet, missing, context);
    let is_frame = frame > raw_ip::evidence(packet, packet.len() + missing, context);
    Ok(match raw_ip::by_version(packet) {
        _ if is_frame => Next::Layer(ethernet::SELECTOR, packet),
        Some(selector) => Next::Layer(selector, packet),
        None => Next::End,
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("GTP-U", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];
    const IPV4: Fate = Fate::Unknown(Selector::EtherType(0x0800));

    /// Sequence number, two extension headers of four and eight octets, then IPv4 and a trailer.
    const SAMPLE: &[u8] = b"\x36\xff\0\x17\0\0\0\x01\0\x07\0\x85\
        \x01\x10\x09\xc0\x02\0\0\0\0\0\0\0\x45 packetxx";

    fn fate(packet: &[u8]) -> Fate {
        walk_packet(PROTOCOLS, 147, packet).fate
    }

    #[test]
    fn extension_headers() {
        let walked = walk_packet(PROTOCOLS, 147, SAMPLE);
        assert_eq!(walked.fate, IPV4);
        assert_eq!(walked.tunnel(), Some((TunnelKind::Endpoint, 1)));
        every_prefix(PROTOCOLS, 147, SAMPLE);
    }

    #[test]
    fn plain() {
        assert_eq!(fate(b"\x30\xff\0\x08\0\0\0\x01\x45 packet"), IPV4);
        assert_eq!(
            fate(b"\x32\xff\0\x0c\0\0\0\x01\0\x07\0\xff\x45 packet"),
            IPV4
        );
        let frame = b"\x30\xff\0\x11\0\0\0\x01\x02\0\0\0\0\x0b\x02\0\0\0\0\x0a\0\x03\x42\x42\x03";
        assert_eq!(fate(frame), Fate::Unknown(ethernet::SELECTOR));
        let ipv6 = Fate::Unknown(Selector::EtherType(0x86dd));
        assert_eq!(fate(b"\x30\xff\0\x08\0\0\0\x01\x60 packet"), ipv6);
    }

    #[test]
    fn ends() {
        // An unstructured session; an echo request; GTP'; version 2; nothing.
        for packet in [
            &b"\x30\xff\0\x08\0\0\0\x01\x02 data  "[..],
            b"\x32\x01\0\x04\0\0\0\0\0\x01\0\0",
            b"\x2e\xff\0\x04\0\0\0\0\0\x01\0\0",
            b"\x48\xff\0\x08\0\0\0\0\0\x01\0\0",
            b"\x30\xff\0\0\0\0\0\x01",
            b"",
        ] {
            assert_eq!(fate(packet), Fate::Decoded);
        }
    }

    #[test]
    fn lengths() {
        let reason = |packet: &[u8]| walk_packet(PROTOCOLS, 147, packet).malformed();
        assert_eq!(
            reason(b"\x32\xff\0\x03\0\0\0\x01\0\x07\0\0"),
            Some(Reason::Length)
        );
        let without_length = b"\x34\xff\0\x08\0\0\0\x01\0\x07\0\x85\0\0\0\0";
        assert_eq!(reason(without_length), Some(Reason::Length));
        let beyond = b"\x34\xff\0\x08\0\0\0\x01\0\x07\0\x85\x02\0\0\0";
        assert_eq!(reason(beyond), Some(Reason::Truncated));
    }
}
