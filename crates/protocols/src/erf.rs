//! Endace's record format (LINKTYPE_ERF): the record header of their capture cards, and in it a
//! frame. No record.
//!
//! Ethernet, PPP and Cisco HDLC on synchronous lines, IPv4 and IPv6 lead on, whatever the flavour of
//! their record; records of metadata and padding end here, others are unknown.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::ethernet;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("ERF", dissect).reached_by(&[Selector::LinkType(197)]);

/// Octets of the record header.
const HEADER: usize = 16;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    // Time, type, flags, length of the record, losses, length on the wire.
    let [_, _, _, _, _, _, _, _, kind, _, r0, r1, _, _, w0, w1] = *input.array::<HEADER>()?;
    match usize::from(u16::from_be_bytes([r0, r1])).checked_sub(HEADER) {
        Some(rest) => input.limit(rest),
        None => return Err(header.malformed(Reason::Length)),
    }
    // Extension headers of eight octets, of which all but the last have the highest bit.
    let mut more = kind & 0x80 != 0;
    while more {
        let [first, ..] = *input.array::<8>()?;
        more = first & 0x80 != 0;
    }
    let selector = match kind & 0x7f {
        2 | 11 | 16 | 20 => {
            // Offset and padding.
            input.skip(2)?;
            ethernet::SELECTOR
        }
        // LINKTYPE_PPP_HDLC, which tells PPP and Cisco HDLC apart.
        1 | 10 | 15 | 19 => Selector::LinkType(50),
        22 => Selector::EtherType(0x0800),
        23 => Selector::EtherType(0x86dd),
        27 | 48 => return Ok(Next::End),
        other => Selector::Other("ERF type", other.into()),
    };
    // Records are padded to eight octets.
    input.limit(usize::from(u16::from_be_bytes([w0, w1])));
    Ok(Next::Layer(selector, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL];

    fn record(kind: u8, length: u8, rest: &[u8]) -> Vec<u8> {
        let header = [0, 0, 0, 0, 0, 0, 0, 0, kind, 4, 0, length, 0, 0, 0, 60];
        [&header[..], rest].concat()
    }

    #[test]
    fn kinds_of_records() {
        for (kind, rest, selector) in [
            (2, &b"\0\0\x02"[..], ethernet::SELECTOR),
            (16, b"\0\0\x02", ethernet::SELECTOR),
            (
                0x82,
                b"\x83\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\x02",
                ethernet::SELECTOR,
            ),
            (1, b"\xff\x03\x00\x21", Selector::LinkType(50)),
            (22, b"\x45", Selector::EtherType(0x0800)),
            (23, b"\x60", Selector::EtherType(0x86dd)),
            (3, b"--", Selector::Other("ERF type", 3)),
        ] {
            let packet = record(kind, 64, rest);
            let fate = walk_packet(PROTOCOLS, 197, &packet).fate;
            assert_eq!(fate, Fate::Unknown(selector), "{kind}");
            every_prefix(PROTOCOLS, 197, &packet);
        }
        let meta = walk_packet(PROTOCOLS, 197, &record(27, 24, &[0; 8])).fate;
        assert_eq!(meta, Fate::Decoded);
    }

    #[test]
    fn lengths() {
        let walked = walk_packet(PROTOCOLS, 197, &record(22, 15, b"\x45"));
        assert_eq!(walked.malformed(), Some(Reason::Length));
        // A record that ends with its header holds nothing.
        let walked = walk_packet(PROTOCOLS, 197, &record(22, 16, b"\x45"));
        assert_eq!(walked.fate, Fate::Decoded);
    }
}
