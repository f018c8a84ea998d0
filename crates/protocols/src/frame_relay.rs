//! Frame relay (ITU-T Q.922, RFC 2427), and the bundles of FRF.16. No record.
//!
//! The address has two to four octets, the last of which is marked. After it come unnumbered
//! information and the network layer's identifier (RFC 2427), perhaps with an octet of padding
//! between, or, in Cisco's encapsulation, an EtherType. The signalling channel, DLCI 0, has other
//! frames of Q.922, which are unknown. Of a bundle's fragments those that are whole frames lead
//! on; others, and the control of the bundle, end here.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::ethernet::ETHERTYPE_MIN;
use crate::{c_hdlc, nlpid};

/// LINKTYPE_FRELAY.
pub(crate) const SELECTOR: Selector = Selector::LinkType(107);

pub(crate) static PROTOCOL: Protocol = Protocol::new("FrameRelay", dissect).reached_by(&[SELECTOR]);

/// Captures that have one octet of direction before the frame.
pub(crate) static WITH_DIRECTION: Protocol =
    Protocol::new("FrameRelayWithDirection", with_direction).reached_by(&[Selector::LinkType(206)]);

/// LINKTYPE_MFR: FRF.16.1 bundles.
pub(crate) static MULTILINK: Protocol =
    Protocol::new("FrameRelayMultilink", multilink).reached_by(&[Selector::LinkType(182)]);

/// Control octet of unnumbered information (RFC 2427 section 3).
const UI: u8 = 0x03;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    // Q.922 clause 3.3: the lowest bit marks the last octet of the address; of a DLCI the first
    // has six bits, the second four.
    let [first, second] = *input.array()?;
    let mut last = second;
    let mut dlci = first >> 2 | second & 0xf0;
    for _ in 0..2 {
        if last & 1 == 0 {
            last = input.u8()?;
            dlci |= last >> 1;
        }
    }
    if first & 1 != 0 || last & 1 == 0 {
        return Err(header.malformed(Reason::Length));
    }
    let kind = match input.rest() {
        [] => return Ok(Next::End),
        // RFC 2427 section 3: one octet of padding may align what follows.
        [UI, 0x00, rest @ ..] | [UI, rest @ ..] => return Ok(Next::Layer(nlpid::SELECTOR, rest)),
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        [_] => 0,
    };
    if dlci == 0 || kind < ETHERTYPE_MIN {
        let control = Selector::Other("frame relay control", (kind >> 8).into());
        return Ok(Next::Layer(control, input.take_rest()));
    }
    input.skip(2)?;
    c_hdlc::client(input, kind)
}

fn with_direction<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    input.skip(1)?;
    dissect(input, context)
}

fn multilink<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // FRF.16.1: beginning, end, control, sequence number.
    let [first, _] = *input.array()?;
    Ok(match first >> 5 {
        0b110 => Next::Layer(SELECTOR, input.take_rest()),
        _ => Next::End,
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &WITH_DIRECTION, &MULTILINK, &nlpid::PROTOCOL];
    const IPV4: Fate = Fate::Unknown(Selector::EtherType(0x0800));

    fn fate(octets: &[u8]) -> Fate {
        let fate = walk_packet(PROTOCOLS, 107, octets).fate;
        let directed = [b"\x01", octets].concat();
        assert_eq!(walk_packet(PROTOCOLS, 206, &directed).fate, fate);
        fate
    }

    #[test]
    fn encapsulations() {
        for ipv4 in [
            &b"\x18\x41\x03\xcc\x45"[..],
            b"\x18\x41\x03\x00\xcc\x45",
            b"\x18\x40\x11\x03\xcc\x45",
            b"\x18\x40\x10\x81\x03\xcc\x45",
            // Cisco's.
            b"\x18\x41\x08\x00\x45",
        ] {
            assert_eq!(fate(ipv4), IPV4, "{ipv4:02x?}");
        }
        let ipv6 = fate(b"\x18\x41\x03\x8e\x60");
        assert_eq!(ipv6, Fate::Unknown(Selector::EtherType(0x86dd)));
        let snap = fate(b"\x18\x41\x03\x00\x80\x00\x80\xc2\x00\x07");
        assert_eq!(snap, Fate::Unknown(Selector::LlcSap(0xaa)));
        let osi = fate(b"\x18\x41\xfe\xfe\x03\x83");
        assert_eq!(osi, Fate::Unknown(crate::isis::SELECTOR));
    }

    #[test]
    fn signalling() {
        let control = |n| Fate::Unknown(Selector::Other("frame relay control", n));
        assert_eq!(fate(b"\x00\x01\x08\x02\x01\x01"), control(8));
        assert_eq!(
            fate(b"\x00\x01\x03\x08\x00\x75"),
            Fate::Unknown(Selector::Other("NLPID", 8))
        );
        assert_eq!(fate(b"\x18\x41\x01"), control(0));
        assert_eq!(fate(b"\x18\x41"), Fate::Decoded);
    }

    #[test]
    fn addresses() {
        for bad in [&b"\x19\x41\x03\xcc"[..], b"\x18\x40\x10\x80\x03\xcc"] {
            let walked = walk_packet(PROTOCOLS, 107, bad);
            assert_eq!(walked.malformed(), Some(Reason::Length));
        }
        every_prefix(PROTOCOLS, 107, b"\x18\x40\x10\x81\x03\xcc\x45");
    }

    #[test]
    fn bundles() {
        let walk = |octets| walk_packet(PROTOCOLS, 182, octets).fate;
        assert_eq!(walk(b"\xc0\x01\x18\x41\x03\xcc\x45"), IPV4);
        assert_eq!(walk(b"\x80\x01\x18\x41\x03\xcc\x45"), Fate::Decoded);
        assert_eq!(walk(b"\xe1\x00\x01\x03\x07frf16"), Fate::Decoded);
        every_prefix(PROTOCOLS, 182, b"\xc0\x01\x18\x41\x03\xcc\x45");
    }
}
