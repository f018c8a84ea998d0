//! Cisco's Inter-Switch Link: an Ethernet frame, or one of another kind, behind a header of 26 octets
//! that names its VLAN ("Inter-Switch Link and IEEE 802.1Q Frame Format", Cisco document 17056). No
//! record.
//!
//! The header looks like an Ethernet frame with LLC and SNAP, but for its destination, which is Cisco's.
//! The frame inside ends where the length says; its own checksum is part of it and is not told apart.

use netcap_dissect::{Context, Cursor, Malformed, Next, Reason, Selector};

use crate::ethernet;

/// What the destination begins with; its last octet is the kind of frame and its priority.
const DESTINATIONS: [[u8; 5]; 2] = [[0x01, 0, 0x0c, 0, 0], [0x03, 0, 0x0c, 0, 0]];
/// Octets of the header that its length counts.
const COUNTED: usize = 12;

/// Whether octets that begin with two addresses are a frame of this kind.
#[inline]
pub(crate) fn is_frame(octets: &[u8]) -> bool {
    let cisco = octets
        .first_chunk()
        .is_some_and(|d| DESTINATIONS.contains(d));
    // Destination and source service access point of SNAP, unnumbered information.
    cisco
        && octets
            .get(14..)
            .is_some_and(|rest| rest.starts_with(&[0xaa, 0xaa, 0x03]))
}

/// Reads the header and says what the frame inside is.
pub(crate) fn dissect<'p>(
    mut input: Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [_, _, _, _, _, kind_and_priority, _source @ ..] = *input.array::<12>()?;
    let length = usize::from(input.u16()?);
    // The access points, and the organisation of the source's address again.
    input.skip(6)?;
    // The lowest bit tells frames of bridges and of Cisco's own protocols apart.
    context.vlan(input.u16()? >> 1);
    // The port that the frame came from, and what is reserved.
    input.skip(4)?;
    let Some(length) = length.checked_sub(COUNTED) else {
        return Err(input.malformed(Reason::Length));
    };
    input.limit(length);
    let selector = match kind_and_priority >> 4 {
        0 => ethernet::SELECTOR,
        // Token Ring, FDDI.
        1 => Selector::LinkType(6),
        2 => Selector::LinkType(10),
        kind => Selector::Other("ISL frame type", kind.into()),
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    /// A frame in VLAN 300 from port 7: 18 octets and a checksum, of them 12 counted before.
    fn frame(destination: u8, kind: u8, length: u8) -> Vec<u8> {
        let mut octets = vec![
            destination,
            0,
            0x0c,
            0,
            0,
            kind << 4 | 1,
            2,
            0,
            0x5e,
            0,
            0,
            1,
        ];
        octets.extend([0, length, 0xaa, 0xaa, 3, 2, 0, 0x5e, 0x02, 0x59, 0, 7, 0, 0]);
        octets.extend(*b"\x02\0\x5e\0\0\x0b\x02\0\x5e\0\0\x0a\x08\x06data\x12\x34\x56\x78trailer");
        octets
    }

    static PROTOCOLS: &[&netcap_dissect::Protocol] = &[&ethernet::PROTOCOL];

    #[test]
    fn the_frame_inside_is_followed() {
        for destination in [1, 3] {
            let octets = frame(destination, 0, 34);
            let walked = walk_packet(PROTOCOLS, 1, &octets);
            assert_eq!(walked.fate, Fate::Unknown(Selector::EtherType(0x0806)));
            assert_eq!(walked.of("Ethernet").len(), 1);
            assert!(walked.of("LLC").is_empty());
        }
        every_prefix(PROTOCOLS, 1, &frame(1, 0, 34));
    }

    #[test]
    fn frames_of_other_kinds() {
        for (kind, selector) in [
            (1, Selector::LinkType(6)),
            (2, Selector::LinkType(10)),
            (3, Selector::Other("ISL frame type", 3)),
        ] {
            let fate = walk_packet(PROTOCOLS, 1, &frame(1, kind, 34)).fate;
            assert_eq!(fate, Fate::Unknown(selector));
        }
    }

    #[test]
    fn what_is_none() {
        // Other destinations, and other frames to these.
        let mut octets = frame(1, 0, 34);
        octets[2] = 0x0d;
        let walked = walk_packet(PROTOCOLS, 1, &octets);
        assert_eq!(walked.fate, Fate::Unknown(crate::llc::SELECTOR));
        let mut octets = frame(1, 0, 34);
        octets[14] = 0x42;
        let walked = walk_packet(PROTOCOLS, 1, &octets);
        assert_eq!(walked.fate, Fate::Unknown(crate::llc::SELECTOR));
        // A length that does not cover the header.
        let walked = walk_packet(PROTOCOLS, 1, &frame(1, 0, 11));
        assert_eq!(walked.malformed(), Some(Reason::Length));
    }
}
