//! Cisco's Encapsulated Remote Switch Port Analyzer (draft-foschiano-erspan-03): mirrored frames in
//! GRE. No record: the GRE header has one, and so has the frame.
//!
//! The version in the header tells the types II and III apart, whichever of the two protocol
//! numbers led here. Type I has no header; GRE hands its frames on itself. Frame types of type III
//! that nobody has published are unknown.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::{ethernet, raw_ip};

pub(crate) static PROTOCOL: Protocol = Protocol::new("ERSPAN", dissect)
    .reached_by(&[Selector::EtherType(0x88be), Selector::EtherType(0x22eb)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let start = *input;
    let selector = match input.array::<8>()?[0] >> 4 {
        // Type II, section 4.2.
        1 => ethernet::SELECTOR,
        // Type III, section 4.3.
        2 => {
            let last = input.u32()?;
            // O: eight octets of the platform follow.
            if last & 0x0001 != 0 {
                input.skip(8)?;
            }
            frame_type((last >> 10 & 0x1f) as u8, input.rest())
        }
        _ => return Err(start.malformed(Reason::Version)),
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

/// What the frame type of type III leads to.
fn frame_type(frame_type: u8, frame: &[u8]) -> Selector {
    match frame_type {
        0 => Some(ethernet::SELECTOR),
        2 => raw_ip::by_version(frame),
        _ => None,
    }
    .unwrap_or(Selector::Other("ERSPAN frame type", u64::from(frame_type)))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("ERSPAN", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    fn fate(packet: &[u8]) -> Fate {
        walk_packet(PROTOCOLS, 147, packet).fate
    }

    #[test]
    fn types() {
        let ethernet = Fate::Unknown(Selector::EtherType(0x6558));
        let second = b"\x10\x64\x00\x01\0\0\0\x02frame";
        let third = b"\x20\x64\x00\x01\0\0\0\x02\0\0\x00\x00frame";
        let with_platform = b"\x20\x64\x00\x01\0\0\0\x02\0\0\x00\x01platformframe";
        assert_eq!(fate(second), ethernet);
        assert_eq!(fate(third), ethernet);
        assert_eq!(fate(with_platform), ethernet);
        every_prefix(PROTOCOLS, 147, with_platform);
    }

    #[test]
    fn frame_types() {
        let fate = |octet: u8, first: u8| {
            let head = [0x20, 0x64, 0, 1, 0, 0, 0, 2, 0, 0, octet, 0, first, 0];
            walk_packet(PROTOCOLS, 147, &head).fate
        };
        assert_eq!(fate(0x08, 0x45), Fate::Unknown(Selector::EtherType(0x0800)));
        assert_eq!(fate(0x08, 0x60), Fate::Unknown(Selector::EtherType(0x86dd)));
        for (octet, first, number) in [(0x08, 0x75, 2), (0x1c, 0x45, 7)] {
            let selector = Selector::Other("ERSPAN frame type", number);
            assert_eq!(fate(octet, first), Fate::Unknown(selector));
        }
    }

    #[test]
    fn other_versions() {
        for first in [0x00, 0x30] {
            let fate = fate(&[first, 0, 0, 0, 0, 0, 0, 0, 0]);
            assert!(matches!(fate, Fate::Malformed(m) if m.reason == Reason::Version));
        }
    }
}
