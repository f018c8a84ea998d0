//! Low-rate wireless networks (IEEE 802.15.4). No record.
//!
//! Frame control and addresses of versions 0 and 1 are read, of version 2 the frame control; what
//! the frames carry (ZigBee, 6LoWPAN with its compressed headers) is not.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

/// With the check sequence at the end and without.
pub(crate) static PROTOCOL: Protocol = Protocol::new("IEEE802.15.4", dissect)
    .reached_by(&[Selector::LinkType(195), Selector::LinkType(230)]);

/// LINKTYPE_IEEE802_15_4_NONASK_PHY: preamble, delimiter and length before it.
pub(crate) static PHY: Protocol =
    Protocol::new("IEEE802.15.4PHY", phy).reached_by(&[Selector::LinkType(215)]);

/// LINKTYPE_IEEE802_15_4_TAP: entries of a receiver before it.
pub(crate) static TAP: Protocol =
    Protocol::new("IEEE802.15.4TAP", tap).reached_by(&[Selector::LinkType(283)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    // IEEE 802.15.4-2020 clause 7.2.2: the addresses of versions 0 and 1 follow from the frame
    // control; those of version 2 depend on more than is read here.
    let control = input.u16_le()?;
    if control >> 12 & 0x03 > 1 {
        return Ok(Next::End);
    }
    let address = |mode: u16| match mode & 0x03 {
        0 => Some(0),
        2 => Some(2),
        3 => Some(8),
        _ => None,
    };
    let (Some(destination), Some(source)) = (address(control >> 10), address(control >> 14)) else {
        return Err(header.malformed(Reason::Value));
    };
    let mut length = 1 + destination + source;
    if destination != 0 {
        length += 2;
    }
    // The network of the source is left out where it is that of the destination.
    if source != 0 && control & 0x0040 == 0 {
        length += 2;
    }
    input.skip(length)?;
    Ok(Next::End)
}

fn phy<'p>(input: &mut Cursor<'p>, context: &mut Context<'p, '_>) -> Result<Next<'p>, Malformed> {
    input.skip(6)?;
    dissect(input, context)
}

fn tap<'p>(input: &mut Cursor<'p>, context: &mut Context<'p, '_>) -> Result<Next<'p>, Malformed> {
    let header = *input;
    // Version, reserved, length of header and entries.
    let [version, _, l0, l1] = *input.array()?;
    if version != 0 {
        return Err(header.malformed(Reason::Version));
    }
    match usize::from(u16::from_le_bytes([l0, l1])).checked_sub(4) {
        Some(entries) => input.skip(entries)?,
        None => return Err(header.malformed(Reason::Length)),
    }
    dissect(input, context)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &PHY, &TAP];

    #[test]
    fn whole_headers() {
        for (link_type, packet) in [
            // An acknowledgement; short addresses in one network; long ones in two; version 2.
            (230, &b"\x02\x00\x07"[..]),
            (195, b"\x41\x88\x07\x34\x12\x01\x00\x02\x00"),
            (
                230,
                b"\x01\xcc\x07\x34\x12\0\0\0\0\0\0\0\x01\x35\x12\0\0\0\0\0\0\0\x02",
            ),
            (230, b"\x01\x20"),
            (215, b"\0\0\0\0\xa7\x05\x02\x00\x07"),
            (283, b"\0\0\x0c\0\0\0\x01\0\x01\0\0\0\x02\x00\x07"),
        ] {
            let fate = walk_packet(PROTOCOLS, link_type, packet).fate;
            assert_eq!(fate, Fate::Decoded, "{link_type} {packet:02x?}");
            every_prefix(PROTOCOLS, link_type, packet);
            let short = packet.split_last().unwrap().1;
            let walked = walk_packet(PROTOCOLS, link_type, short);
            assert_eq!(walked.malformed(), Some(Reason::Truncated), "{link_type}");
        }
    }

    #[test]
    fn contradictions() {
        let reason = |link_type, packet| walk_packet(PROTOCOLS, link_type, packet).malformed();
        assert_eq!(reason(230, b"\x01\x04\x07"), Some(Reason::Value));
        assert_eq!(reason(283, b"\x01\0\x04\0"), Some(Reason::Version));
        assert_eq!(reason(283, b"\0\0\x03\0"), Some(Reason::Length));
    }
}
