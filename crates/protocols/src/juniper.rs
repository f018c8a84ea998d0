//! Captures of Juniper's routers: a magic number, flags, extensions, a cookie of the interface
//! card on some, then the frame of the link. No record.
//!
//! Ethernet, PPP, frame relay and Cisco HDLC lead on. ATM has several encapsulations, which only
//! their first octets tell apart, and the cards for services have IP. Where the flags say that
//! there is no link layer, four octets and an IP packet follow. Frames of other cards are unknown.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::{c_hdlc, ethernet, frame_relay, llc, nlpid, ppp, raw_ip};

/// LINKTYPE_JUNIPER_ES.
const ES: u32 = 132;
/// LINKTYPE_JUNIPER_GGSN.
const GGSN: u32 = 133;
/// LINKTYPE_JUNIPER_ATM2.
const ATM2: u32 = 135;
/// LINKTYPE_JUNIPER_SERVICES.
const SERVICES: u32 = 136;
/// LINKTYPE_JUNIPER_ATM1.
const ATM1: u32 = 137;
/// LINKTYPE_JUNIPER_MONITOR.
const MONITOR: u32 = 164;
/// LINKTYPE_JUNIPER_PPPOE.
const PPPOE: u32 = 167;
/// LINKTYPE_JUNIPER_PPPOE_ATM.
const PPPOE_ATM: u32 = 168;
/// LINKTYPE_JUNIPER_ETHER.
const ETHER: u32 = 178;
/// LINKTYPE_JUNIPER_PPP.
const PPP: u32 = 179;
/// LINKTYPE_JUNIPER_FRELAY.
const FRAME_RELAY: u32 = 180;
/// LINKTYPE_JUNIPER_CHDLC.
const C_HDLC: u32 = 181;

pub(crate) static PROTOCOL: Protocol = Protocol::new("Juniper", dissect).reached_by(&[
    Selector::LinkType(ES),
    Selector::LinkType(GGSN),
    Selector::LinkType(ATM2),
    Selector::LinkType(SERVICES),
    Selector::LinkType(ATM1),
    Selector::LinkType(MONITOR),
    Selector::LinkType(PPPOE),
    Selector::LinkType(PPPOE_ATM),
    Selector::LinkType(ETHER),
    Selector::LinkType(PPP),
    Selector::LinkType(FRAME_RELAY),
    Selector::LinkType(C_HDLC),
    // Cards of which only frames without link layer are read: MLPPP, MLFR, MFR, PIC_PEER, VP,
    // ISM, ST, VS, SRX_E2E, FIBRECHANNEL, ATM_CEMIC.
    Selector::LinkType(130),
    Selector::LinkType(131),
    Selector::LinkType(134),
    Selector::LinkType(174),
    Selector::LinkType(183),
    Selector::LinkType(194),
    Selector::LinkType(200),
    Selector::LinkType(232),
    Selector::LinkType(233),
    Selector::LinkType(234),
    Selector::LinkType(238),
]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    let [magic @ .., flags] = input.array::<4>()?;
    if magic != b"MGC" {
        return Err(header.malformed(Reason::Value));
    }
    if flags & 0x80 != 0 {
        let extensions = usize::from(input.u16()?);
        input.skip(extensions)?;
    }
    if flags & 0x02 != 0 {
        input.skip(4)?;
        return Ok(Next::Layer(raw_ip::SELECTOR, input.take_rest()));
    }
    let incoming = flags & 0x01 != 0;
    let selector = match context.packet().link_type {
        ETHER | PPPOE => ethernet::SELECTOR,
        PPP => ppp::SELECTOR,
        FRAME_RELAY => frame_relay::SELECTOR,
        C_HDLC => c_hdlc::SELECTOR,
        PPPOE_ATM => {
            let ethertype = input.u16()?;
            return Ok(ethernet::by_type(ethertype, input.take_rest()));
        }
        MONITOR | SERVICES => {
            input.skip(8)?;
            raw_ip::SELECTOR
        }
        GGSN => match *input.array::<8>()? {
            [_, _, 2, ..] => Selector::EtherType(0x0800),
            [_, _, 6, ..] => Selector::EtherType(0x86dd),
            [_, _, other, ..] => Selector::Other("Juniper protocol", other.into()),
        },
        ES => {
            // What was done to the packet: encryption without a new header leaves it as it was,
            // else index, life, kind, and the tunnel's ends stand before it.
            match input.rest() {
                [_, _, _, 1 | 2, ..] => (),
                [_, _, _, 3..=5, ..] => input.skip(16)?,
                _ => {
                    let [_, _, _, other] = *input.array()?;
                    let kind = Selector::Other("Juniper IPsec kind", other.into());
                    return Ok(Next::Layer(kind, input.take_rest()));
                }
            }
            raw_ip::SELECTOR
        }
        ATM1 => match *input.array()? {
            [0x80, _, _, _] => Selector::Other("ATM cell", 0x80),
            [_, _, _, _] => in_aal5(input, false)?,
        },
        ATM2 => match *input.array::<8>()? {
            // Channel, AAL, congestion, gap count.
            [.., kind] if kind & 0x70 != 0 => Selector::Other("ATM cell", kind.into()),
            [_, _, _, gap, _, _, _, _] => in_aal5(input, !incoming && gap & 0x3f != 0)?,
        },
        other => Selector::Other("Juniper link type", other.into()),
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

/// Which encapsulation of RFC 2684 or of others this is.
fn in_aal5(input: &mut Cursor<'_>, bridged: bool) -> Result<Selector, Malformed> {
    Ok(match input.rest() {
        [0xaa, 0xaa, 0x03, ..] | [0xfe, 0xfe, 0x03, ..] => llc::SELECTOR,
        _ if bridged => ethernet::SELECTOR,
        [0x03, ..] => {
            input.skip(1)?;
            nlpid::SELECTOR
        }
        // IP, OSI, IPv6, multilink, MPLS, control and authentication in PPP (RFC 2364).
        [0x00, 0x21 | 0x23 | 0x57 | 0x3d, ..]
        | [0x02, 0x81 | 0x83, ..]
        | [0x80, 0x21 | 0x23 | 0x57, ..]
        | [0x82, 0x81, ..]
        | [0xc0, 0x21 | 0x23, ..]
        | [0xc2, 0x23, ..] => ppp::SELECTOR,
        [0x45..=0x4f | 0x60..=0x6f, ..] => raw_ip::SELECTOR,
        [first, ..] => Selector::Other("ATM encapsulation", u64::from(*first)),
        [] => llc::SELECTOR,
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL];

    fn check(link_type: u32, flags: u8, rest: &[u8], selector: Selector) {
        let packet = [&b"MGC"[..], &[flags], rest].concat();
        let fate = walk_packet(PROTOCOLS, link_type, &packet).fate;
        assert_eq!(fate, Fate::Unknown(selector), "{link_type} {packet:02x?}");
        every_prefix(PROTOCOLS, link_type, &packet);
    }

    #[test]
    fn plain_links() {
        check(ETHER, 1, b"\x02", ethernet::SELECTOR);
        check(ETHER, 0x81, b"\x00\x03\x03\x01\x0e\x02", ethernet::SELECTOR);
        check(PPPOE, 1, b"\x02", ethernet::SELECTOR);
        check(PPP, 1, b"\xff\x03\x00\x21", ppp::SELECTOR);
        check(FRAME_RELAY, 1, b"\x18\x41\x03\xcc", frame_relay::SELECTOR);
        check(C_HDLC, 1, b"\x0f\x00\x08\x00", c_hdlc::SELECTOR);
        check(PPPOE_ATM, 1, b"\x88\x64\x11", Selector::EtherType(0x8864));
        check(
            PPPOE_ATM,
            1,
            b"\x00\x04\x11",
            Selector::Other("no EtherType", 4),
        );
        check(
            130,
            1,
            b"\x00\x21\x45",
            Selector::Other("Juniper link type", 130),
        );
    }

    #[test]
    fn without_link_layer() {
        for link_type in [ETHER, ATM2, 130] {
            check(link_type, 0x02, b"\x02\0\0\0\x45", raw_ip::SELECTOR);
        }
    }

    #[test]
    fn service_cards() {
        check(MONITOR, 0, b"\0\0\0\0\0\0\0\x01\x45", raw_ip::SELECTOR);
        check(SERVICES, 0, b"\0\0\0\0\0\0\0\x01\x45", raw_ip::SELECTOR);
        check(
            GGSN,
            0,
            b"\0\0\x02\0\0\0\0\0\x45",
            Selector::EtherType(0x0800),
        );
        check(
            GGSN,
            0,
            b"\0\0\x06\0\0\0\0\0\x60",
            Selector::EtherType(0x86dd),
        );
        check(
            GGSN,
            0,
            b"\0\0\x01\0\0\0\0\0\x60",
            Selector::Other("Juniper protocol", 1),
        );
        check(ES, 0, b"\x45\0\0\x01", raw_ip::SELECTOR);
        check(ES, 0, b"\0\x01\x40\x05abcdabcdabcd\x45", raw_ip::SELECTOR);
        check(
            ES,
            0,
            b"\0\x01\x40\x09abcd",
            Selector::Other("Juniper IPsec kind", 9),
        );
    }

    #[test]
    fn atm() {
        for (rest, selector) in [
            (&b"\xaa\xaa\x03"[..], llc::SELECTOR),
            (b"\xfe\xfe\x03", llc::SELECTOR),
            (b"\x03\xcc\x45", nlpid::SELECTOR),
            (b"\x00\x21\x45", ppp::SELECTOR),
            (b"\x82\x81\x01", ppp::SELECTOR),
            (b"\x45\x00", raw_ip::SELECTOR),
            (b"\x60\x00", raw_ip::SELECTOR),
            (b"\x99\x00", Selector::Other("ATM encapsulation", 0x99)),
        ] {
            check(ATM1, 1, &[b"\0\0\0\x01", rest].concat(), selector);
            check(ATM2, 1, &[b"\0\0\0\x01\0\0\0\0", rest].concat(), selector);
        }
        check(ATM2, 0, b"\0\0\0\x01\0\0\0\0\x02\x00", ethernet::SELECTOR);
        check(
            ATM2,
            0,
            b"\0\0\0\x01\0\0\0\x10\x02",
            Selector::Other("ATM cell", 0x10),
        );
        check(
            ATM1,
            0,
            b"\x80\0\0\x01\x02",
            Selector::Other("ATM cell", 0x80),
        );
    }

    #[test]
    fn no_magic_number() {
        let walked = walk_packet(PROTOCOLS, ETHER, b"MGD\x01\x02");
        assert_eq!(walked.malformed(), Some(Reason::Value));
    }
}
