//! Amateur packet radio (AX.25 2.2): addresses, control, and in frames with information the
//! protocol. No record.
//!
//! IPv4 and ARP lead on, other protocols are unknown, other frames end here. The KISS protocol
//! between computer and radio has one octet before the frame; its commands end here.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("AX25", dissect).reached_by(&[Selector::LinkType(3)]);

/// LINKTYPE_AX25_KISS.
pub(crate) static KISS: Protocol =
    Protocol::new("KISS", kiss).reached_by(&[Selector::LinkType(202)]);

/// Destination, source and as many as eight repeaters (AX.25 2.0; two in 2.2, clause 3.12).
const ADDRESSES_MAX: usize = 10;

/// Unnumbered information without the poll/final bit (AX.25 2.2 clause 4.3.3).
const UI: u8 = 0x03;
/// Poll/final (AX.25 2.2 clause 4.2.1).
const POLL_FINAL: u8 = 0x10;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    // AX.25 2.2 clause 3.12: the lowest bit marks the last octet of all addresses.
    let mut addresses = 0;
    loop {
        let [.., last] = *input.array::<7>()?;
        addresses += 1;
        if last & 1 != 0 {
            break;
        }
        if addresses == ADDRESSES_MAX {
            return Err(header.malformed(Reason::Count));
        }
    }
    if addresses < 2 {
        return Err(header.malformed(Reason::Count));
    }
    let control = input.u8()?;
    if control & 1 != 0 && control & !POLL_FINAL != UI {
        return Ok(Next::End);
    }
    // AX.25 2.2 clause 3.4.
    let selector = match input.u8()? {
        0xcc => Selector::EtherType(0x0800),
        0xcd => Selector::EtherType(0x0806),
        other => Selector::Other("AX.25 protocol", other.into()),
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

fn kiss<'p>(input: &mut Cursor<'p>, _context: &mut Context<'p, '_>) -> Result<Next<'p>, Malformed> {
    // Port and command; 0 is a frame.
    match input.u8()? & 0x0f {
        0 => Ok(Next::Layer(Selector::LinkType(3), input.take_rest())),
        _ => Ok(Next::End),
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &KISS];

    fn frame(repeaters: usize, rest: &[u8]) -> Vec<u8> {
        let mut frame = [0x82, 0xa0, 0xa4, 0xa6, 0x40, 0x40, 0x60].repeat(2 + repeaters);
        *frame.last_mut().unwrap() |= 1;
        [&frame, rest].concat()
    }

    fn fate(repeaters: usize, rest: &[u8]) -> Fate {
        let frame = frame(repeaters, rest);
        every_prefix(PROTOCOLS, 3, &frame);
        walk_packet(PROTOCOLS, 3, &frame).fate
    }

    #[test]
    fn who_is_inside() {
        let ipv4 = Fate::Unknown(Selector::EtherType(0x0800));
        for repeaters in [0, 1, 8] {
            assert_eq!(fate(repeaters, b"\x03\xcc\x45"), ipv4);
        }
        // An information frame; UI with poll.
        assert_eq!(fate(0, b"\x20\xcc\x45"), ipv4);
        assert_eq!(fate(0, b"\x13\xcc\x45"), ipv4);
        assert_eq!(
            fate(0, b"\x03\xcd\x00"),
            Fate::Unknown(Selector::EtherType(0x0806))
        );
        assert_eq!(
            fate(0, b"\x03\xf0text"),
            Fate::Unknown(Selector::Other("AX.25 protocol", 0xf0))
        );
        // Receive ready, connect.
        assert_eq!(fate(0, b"\x21"), Fate::Decoded);
        assert_eq!(fate(0, b"\x2f"), Fate::Decoded);
    }

    #[test]
    fn too_many_addresses_and_too_few() {
        let walked = walk_packet(PROTOCOLS, 3, &frame(9, b"\x03\xcc\x45"));
        assert_eq!(walked.malformed(), Some(Reason::Count));
        let one = frame(0, b"").split_off(7);
        let walked = walk_packet(PROTOCOLS, 3, &one);
        assert_eq!(walked.malformed(), Some(Reason::Count));
    }

    #[test]
    fn from_the_radio() {
        let framed = [&[0x10][..], &frame(0, b"\x03\xcc\x45")].concat();
        let fate = walk_packet(PROTOCOLS, 202, &framed).fate;
        assert_eq!(fate, Fate::Unknown(Selector::EtherType(0x0800)));
        assert_eq!(walk_packet(PROTOCOLS, 202, b"\x01\x32").fate, Fate::Decoded);
    }
}
