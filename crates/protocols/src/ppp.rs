//! Point-to-Point Protocol (RFC 1661), with the framing of HDLC (RFC 1662) or without. No record.
//!
//! Address and control (FF 03) may be there or not, and the protocol field may have one octet or
//! two (RFC 1661 section 6.5): all four forms are told apart by their octets. Address 0F or 8F is
//! Cisco's framing. Protocols that exist beyond PPP lead on under the number that they have there.
//! Of multilink (RFC 1990) fragments that are whole packets lead on, others end here: they are not
//! put together. Bridged frames (RFC 3518) lead to Ethernet. Control protocols and authentication
//! end here, once their lengths and options were found sound. What is compressed or encrypted, and
//! protocols whose number RFC 1661 forbids, are unknown.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::{c_hdlc, ethernet, nlpid};

/// How headers lead here that have PPP after them: the EtherType of PPP, which GRE uses too
/// (RFC 2637).
pub(crate) const SELECTOR: Selector = Selector::EtherType(0x880b);

pub(crate) static PROTOCOL: Protocol = Protocol::new("PPP", dissect).reached_by(&[
    SELECTOR,
    Selector::LinkType(9),
    // LINKTYPE_PPP_HDLC: always framed, but the octets say so too.
    Selector::LinkType(50),
]);

/// Captures that have one octet of direction before the frame.
pub(crate) static WITH_DIRECTION: Protocol =
    Protocol::new("PPPWithDirection", with_direction).reached_by(&[Selector::LinkType(204)]);

/// Captures of pppd, which have the direction in place of the address, and the control octet.
pub(crate) static PPPD: Protocol =
    Protocol::new("PPPD", pppd).reached_by(&[Selector::LinkType(166)]);

/// Protocols whose packets are those of LCP (RFC 1661 section 5): code, identifier, length, and
/// options in the packets that configure.
pub(crate) static CONTROL: Protocol = Protocol::new("PPPControl", control).reached_by(&[
    // LCP; network control for IPv4, OSI, AppleTalk, IPX, bridging, IPv6, MPLS, CDP; ECP and CCP,
    // for one link and for the bundle; BACP.
    Selector::Ppp(0xc021),
    Selector::Ppp(0x8021),
    Selector::Ppp(0x8023),
    Selector::Ppp(0x8029),
    Selector::Ppp(0x802b),
    Selector::Ppp(0x8031),
    Selector::Ppp(0x8057),
    Selector::Ppp(0x8281),
    Selector::Ppp(0x8207),
    Selector::Ppp(0x8053),
    Selector::Ppp(0x8055),
    Selector::Ppp(0x80fd),
    Selector::Ppp(0x80fb),
    Selector::Ppp(0xc02b),
]);

/// PAP (RFC 1334) and CHAP (RFC 1994): as LCP, without options.
pub(crate) static AUTHENTICATION: Protocol = Protocol::new("PPPAuthentication", authentication)
    .reached_by(&[Selector::Ppp(0xc023), Selector::Ppp(0xc223)]);

/// Multilink (RFC 1990).
pub(crate) static MULTILINK: Protocol =
    Protocol::new("PPPMultilink", multilink).reached_by(&[Selector::Ppp(0x003d)]);

/// Bridged frames (RFC 3518).
pub(crate) static BRIDGING: Protocol =
    Protocol::new("PPPBridging", bridging).reached_by(&[Selector::Ppp(0x0031)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    frame(input)
}

fn with_direction<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    input.skip(1)?;
    frame(input)
}

fn pppd<'p>(input: &mut Cursor<'p>, _context: &mut Context<'p, '_>) -> Result<Next<'p>, Malformed> {
    input.skip(2)?;
    client(input)
}

fn frame<'p>(input: &mut Cursor<'p>) -> Result<Next<'p>, Malformed> {
    match input.rest() {
        // RFC 1662 section 3.1: all stations, unnumbered information.
        [0xff, 0x03, ..] => input.skip(2)?,
        // RFC 1547 section 4.3.1. As a protocol field it would be one of the numbers that RFC 1661
        // reserves.
        [0x0f | 0x8f, 0x00, ..] => return Ok(Next::Layer(c_hdlc::SELECTOR, input.take_rest())),
        _ => (),
    }
    client(input)
}

fn client<'p>(input: &mut Cursor<'p>) -> Result<Next<'p>, Malformed> {
    // RFC 1661 section 2: the lowest bit of the number's octets is 1 in the last one only.
    let protocol = match input.rest() {
        [low, ..] if low & 1 == 1 => u16::from(input.u8()?),
        _ => input.u16()?,
    };
    // PPP Numbers, https://www.iana.org/assignments/ppp-numbers.
    let selector = match protocol {
        0x0021 => Selector::EtherType(0x0800),
        0x0057 => Selector::EtherType(0x86dd),
        0x0023 => nlpid::SELECTOR,
        // DECnet phase IV, AppleTalk, IPX, CDP, MPLS for one receiver and for many (RFC 3032).
        0x0027 => Selector::EtherType(0x6003),
        0x0029 => Selector::EtherType(0x809b),
        0x002b => Selector::EtherType(0x8137),
        0x0207 => Selector::EtherType(0x2000),
        0x0281 => Selector::EtherType(0x8847),
        0x0283 => Selector::EtherType(0x8848),
        // EAP (RFC 3748), as packet type 0 of EAPOL.
        0xc227 => Selector::Eapol(0),
        _ => Selector::Ppp(protocol),
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

fn control<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // RFC 1661 section 5: Configure-Request, -Ack, -Nak and -Reject have options.
    if (1..=4).contains(&lcp_header(input)?) {
        while !input.is_empty() {
            let option = *input;
            let [_, length] = *input.array()?;
            match usize::from(length).checked_sub(2) {
                Some(rest) => input.skip(rest)?,
                None => return Err(option.malformed(Reason::Option)),
            }
        }
    }
    Ok(Next::End)
}

fn authentication<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    lcp_header(input)?;
    Ok(Next::End)
}

/// Reads code, identifier and length, hides padding, and gives the code.
fn lcp_header(input: &mut Cursor<'_>) -> Result<u8, Malformed> {
    let header = *input;
    let [code, _, l0, l1] = *input.array()?;
    match usize::from(u16::from_be_bytes([l0, l1])).checked_sub(4) {
        Some(rest) => input.limit(rest),
        None => return Err(header.malformed(Reason::Length)),
    }
    Ok(code)
}

fn multilink<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // RFC 1990 section 3: beginning, end, and a sequence number of 24 bits after six zeros, or of
    // 12 after two, as the peers agreed. The classes of RFC 2686 have some of these bits, too:
    // what is not all zeros is taken for a short number.
    let first = input.u8()?;
    input.skip(if first & 0x3f == 0 { 3 } else { 1 })?;
    Ok(match first >> 6 {
        0b11 => Next::Layer(SELECTOR, input.take_rest()),
        _ => Next::End,
    })
}

fn bridging<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // RFC 3518 section 4.2: flags and number of octets of padding, MAC type.
    let [flags, mac_type] = *input.array()?;
    let lan_id = flags & 0x40 != 0;
    if lan_id {
        input.skip(4)?;
    }
    let checksum = if flags & 0x80 != 0 { 4 } else { 0 };
    let trailer = usize::from(flags & 0x0f) + checksum;
    input.limit(input.remaining().saturating_sub(trailer));
    let selector = match mac_type {
        1 => ethernet::SELECTOR,
        other => Selector::Other("PPP bridged MAC type", other.into()),
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[
        &PROTOCOL,
        &WITH_DIRECTION,
        &PPPD,
        &CONTROL,
        &AUTHENTICATION,
        &MULTILINK,
        &BRIDGING,
    ];
    const IPV4: Fate = Fate::Unknown(Selector::EtherType(0x0800));

    fn fate(link_type: u32, octets: &[u8]) -> Fate {
        walk_packet(PROTOCOLS, link_type, octets).fate
    }

    #[test]
    fn four_forms_of_the_header() {
        for link_type in [9, 50] {
            for header in ["\x00\x21", "\x21"] {
                let plain = [header.as_bytes(), b"\x45"].concat();
                assert_eq!(fate(link_type, &plain), IPV4);
                assert_eq!(fate(link_type, &[b"\xff\x03", &*plain].concat()), IPV4);
                assert_eq!(fate(204, &[b"\x01", &*plain].concat()), IPV4);
                assert_eq!(fate(204, &[b"\x00\xff\x03", &*plain].concat()), IPV4);
                assert_eq!(fate(166, &[b"\x01\x03", &*plain].concat()), IPV4);
            }
            for address in [0x0f, 0x8f] {
                let cisco = fate(link_type, &[address, 0, 8, 0, 0x45]);
                assert_eq!(cisco, Fate::Unknown(c_hdlc::SELECTOR));
            }
        }
    }

    #[test]
    fn who_is_inside() {
        for (protocol, selector) in [
            (0x0057_u16, Selector::EtherType(0x86dd)),
            (0x0023, nlpid::SELECTOR),
            (0x002b, Selector::EtherType(0x8137)),
            (0x0207, Selector::EtherType(0x2000)),
            (0x0281, Selector::EtherType(0x8847)),
            (0x0283, Selector::EtherType(0x8848)),
            (0xc227, Selector::Eapol(0)),
            (0x002d, Selector::Ppp(0x002d)),
            (0x00fd, Selector::Ppp(0x00fd)),
            (0xc020, Selector::Ppp(0xc020)),
        ] {
            let packet = [&protocol.to_be_bytes()[..], b"--"].concat();
            assert_eq!(fate(9, &packet), Fate::Unknown(selector), "{protocol:#06x}");
        }
    }

    #[test]
    fn control_packets() {
        let lcp = |rest: &[u8]| walk_packet(PROTOCOLS, 9, &[b"\xc0\x21", rest].concat());
        // A request with two options, and padding.
        let request = b"\x01\x07\x00\x0a\x01\x04\x05\xdc\x07\x02\0\0";
        assert_eq!(lcp(request).fate, Fate::Decoded);
        assert_eq!(lcp(b"\x09\x01\x00\x08\xde\xad\xbe\xef").fate, Fate::Decoded);
        assert_eq!(lcp(b"\x01\x07\x00\x03").malformed(), Some(Reason::Length));
        assert_eq!(
            lcp(b"\x01\x07\x00\x08\x01\x01\x05\xdc").malformed(),
            Some(Reason::Option)
        );
        assert_eq!(
            lcp(b"\x01\x07\x00\x08\x01\x06\x05\xdc").malformed(),
            Some(Reason::Truncated)
        );
        // What would be an option of length 0 is the length of a name here.
        assert_eq!(fate(9, b"\xc0\x23\x01\x01\x00\x06\x00\x00"), Fate::Decoded);
        every_prefix(PROTOCOLS, 9, &[b"\xc0\x21", &request[..]].concat());
    }

    #[test]
    fn multilink_fragments() {
        // The whole packet in one fragment, with a long and a short sequence number; a beginning.
        assert_eq!(fate(9, b"\x00\x3d\xc0\x00\x00\x01\x21\x45"), IPV4);
        assert_eq!(fate(9, b"\x3d\xc1\x01\x00\x21\x45"), IPV4);
        assert_eq!(fate(9, b"\x00\x3d\x80\x00\x00\x01\x21\x45"), Fate::Decoded);
    }

    #[test]
    fn bridged_frames() {
        let protocols = &[&PROTOCOL, &BRIDGING, &ethernet::PROTOCOL];
        let frame = b"\x02\x00\x5e\x00\x00\x0b\x02\x00\x5e\x00\x00\x0a\x88\xb5abcd";
        let flagged = |flags: &[u8], trailer: &[u8]| {
            let packet = [b"\x00\x31", flags, frame, trailer].concat();
            walk_packet(protocols, 9, &packet)
        };
        let plain = flagged(b"\x00\x01", b"");
        assert_eq!(plain.of("Ethernet").len(), 1);
        assert_eq!(plain.fate, Fate::Unknown(Selector::EtherType(0x88b5)));
        // LAN identification, checksum and two octets of padding.
        let all = flagged(b"\xc2\x01\0\0\0\x07", b"\xfe\xed\xbe\xef\0\0");
        assert_eq!(all.of("Ethernet"), plain.of("Ethernet"));
        let ring = Selector::Other("PPP bridged MAC type", 3);
        assert_eq!(flagged(b"\x00\x03", b"").fate, Fate::Unknown(ring));
        every_prefix(protocols, 9, b"\x00\x31\xc2\x01\0\0\0\x07");
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 9, b"\xff\x03\x00\x21\x45");
        every_prefix(PROTOCOLS, 166, b"\x00\x03\x00\x21\x45");
        every_prefix(PROTOCOLS, 204, b"\x00\xff\x03\x00\x21\x45");
        every_prefix(PROTOCOLS, 9, b"\x00\x3d\xc0\x00\x00\x01\x21\x45");
    }
}
