//! Fragment header of IPv6 (RFC 8200 section 4.5).
//!
//! A fragment ends the walk, but for the one that completes its datagram, which goes on with the
//! whole of the fragmentable part. A datagram that is one fragment alone goes on at once and is
//! never put together with others (RFC 6946 section 4). A fragment header that no IPv6 header
//! precedes has its record and cannot be put together.

use netcap_dissect::{Context, Cursor, FragmentKey, Malformed, Next, Protocol, Selector};
use netcap_record::{Record, Timestamp};

use crate::{ipv6, ipv6_extension};

pub(crate) static PROTOCOL: Protocol = Protocol::new("IPv6Fragment", dissect)
    .reached_by(&[Selector::IpProto(44)])
    .emits(&[Ipv6Fragment::SCHEMA]);

/// The Fragment header of an IPv6 packet (RFC 8200 section 4.5).
#[derive(Record)]
#[record("IPv6Fragment", 68)]
pub(crate) struct Ipv6Fragment {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Protocol of the first header in the fragmented part, by its IANA number.
    #[field(2, "NextHeader")]
    next_header: u8,
    /// Second octet, zero by the standard.
    #[field(3, "Reserved1")]
    reserved1: u8,
    /// Place of this fragment in the fragmented part, in units of eight octets.
    #[field(4, "FragmentOffset")]
    fragment_offset: u16,
    /// Two bits after the offset, zero by the standard; 0 to 3.
    #[field(5, "Reserved2")]
    reserved2: u8,
    /// Whether more fragments follow.
    #[field(6, "MoreFragments")]
    more_fragments: bool,
    /// Identification, equal in all fragments of a packet.
    #[field(7, "Identification")]
    identification: u32,
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    context.fragmented(input.rest().get(8..).unwrap_or_default());
    let header = *input.array::<8>()?;
    let place = u16::from_be_bytes([header[2], header[3]]);
    let more = place & 1 != 0;
    let id = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    context.emit(&Ipv6Fragment {
        timestamp: context.timestamp(),
        next_header: header[0],
        reserved1: header[1],
        fragment_offset: place >> 3,
        reserved2: (place >> 1 & 3) as u8,
        more_fragments: more,
        identification: id,
    });
    context.next_header(header[0]);
    let piece = input.rest();
    if place & !6 == 0 {
        return Ok(ipv6_extension::following(header[0], piece));
    }
    context.piece(0, id, (place & !7 == 0).then_some((header[0], piece)));
    let Some(around) = ipv6::innermost(context.layers()) else {
        return Ok(Next::End);
    };
    let key = FragmentKey {
        version: 6,
        protocol: 0,
        source: around.source,
        destination: around.destination,
        id,
        around: context.path().around(),
    };
    // The offset in octets is the field without its lower three bits.
    let offset = u32::from(place & !7);
    let claimed = piece.len() + around.missing;
    Ok(
        match context.fragment(key, header[0], offset, more, piece, claimed) {
            Some((protocol, datagram)) => ipv6_extension::following(protocol, datagram),
            None => Next::End,
        },
    )
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{Walked, encoded, every_prefix, walk_cut, walk_packet};

    use super::*;

    /// Link type 229, raw IPv6.
    static BARE: Protocol =
        Protocol::new("IPv6", ipv6::PROTOCOL.dissect).reached_by(&[Selector::LinkType(229)]);

    /// Link type 147 is reserved for private use.
    static ALONE: Protocol = Protocol::new("IPv6Fragment", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Ipv6Fragment::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&BARE, &PROTOCOL, &crate::ipv6_destination::PROTOCOL];

    /// Destination options, a fragment at 8 with more to follow and every reserved bit set, a
    /// trailer of the link layer.
    const SAMPLE: &[u8] = b"\x60\0\0\0\x00\x18\x3c\x40\
        \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x0a\x20\x01\x0d\xb8\x00\x01\0\0\0\0\0\0\0\0\0\x0b\
        \x2c\x00\x01\x04\0\0\0\0\
        \xfd\xff\x00\x0f\x60\x00\x00\x01\
        abcdefgh\xee\xee";

    fn sample() -> Ipv6Fragment {
        Ipv6Fragment {
            timestamp: Timestamp::new(1, 2000),
            next_header: 253,
            reserved1: 255,
            fragment_offset: 1,
            reserved2: 3,
            more_fragments: true,
            identification: 0x6000_0001,
        }
    }

    /// The walk over the sample with another offset field.
    fn with_place(place: u16) -> Walked {
        let mut packet = SAMPLE.to_vec();
        packet.splice(50..52, place.to_be_bytes());
        walk_packet(PROTOCOLS, 229, &packet)
    }

    #[test]
    fn every_field() {
        let walked = walk_packet(PROTOCOLS, 229, SAMPLE);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("IPv6Fragment"), [encoded(&sample())]);
        assert_eq!(walked.application, ("Fragment", 8));
        let [fragment] = walked.fragments.as_slice() else {
            panic!("one fragment");
        };
        let key = FragmentKey {
            version: 6,
            protocol: 0,
            source: *b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x0a",
            destination: *b"\x20\x01\x0d\xb8\x00\x01\0\0\0\0\0\0\0\0\0\x0b",
            id: 0x6000_0001,
            around: Box::default(),
        };
        assert_eq!(fragment.key, key);
        assert_eq!((fragment.offset, fragment.more), (8, true));
        assert_eq!(
            (fragment.protocol, &*fragment.data),
            (253, &b"abcdefgh"[..])
        );
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 229, SAMPLE);
        // The trailer does not matter; what the capture cut cannot be put together.
        for (end, whole) in [(66, true), (64, true), (63, false), (56, false)] {
            let walked = walk_cut(PROTOCOLS, 229, SAMPLE.split_at(end).0, SAMPLE.len());
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("IPv6Fragment").len(), 1);
            assert_eq!(walked.fragments.len(), usize::from(whole), "{end}");
        }
    }

    #[test]
    fn the_last_fragment() {
        let walked = with_place(0xfff8);
        assert_eq!(walked.fate, Fate::Decoded);
        let fragment = walked.fragments.first().unwrap();
        assert_eq!((fragment.offset, fragment.more), (65528, false));
    }

    #[test]
    fn atomic_fragments_go_on() {
        for place in [0, 6] {
            let walked = with_place(place);
            assert_eq!(walked.fate, Fate::Unknown(Selector::IpProto(253)));
            assert!(walked.fragments.is_empty());
        }
    }

    #[test]
    fn without_an_ipv6_header() {
        let walked = walk_packet(&[&ALONE], 147, SAMPLE.split_at(48).1);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("IPv6Fragment"), [encoded(&sample())]);
        assert!(walked.fragments.is_empty());
    }
}
