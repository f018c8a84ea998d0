//! Fragment header of IPv6 (RFC 8200 section 4.5).
//!
//! A fragment ends the walk, but for the one that completes its datagram, which goes on with the
//! whole of the fragmentable part. A datagram that is one fragment alone goes on at once and is
//! never put together with others (RFC 6946 section 4). A fragment header that no IPv6 header
//! precedes has its record and cannot be put together.

use netcap_dissect::{Context, Cursor, FragmentKey, Malformed, Next, Protocol, Selector};
use netcap_record::{Record, Timestamp};

use crate::ipv6;

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
    let piece = input.rest();
    if place & !6 == 0 {
        return Ok(ipv6::following(header[0], piece));
    }
    let Some(around) = ipv6::innermost(context.layers()) else {
        return Ok(Next::End);
    };
    let key = FragmentKey {
        version: 6,
        protocol: 0,
        source: around.source,
        destination: around.destination,
        id,
    };
    // The offset in octets is the field without its lower three bits.
    let offset = u32::from(place & !7);
    let claimed = piece.len() + around.missing;
    Ok(
        match context.fragment(key, header[0], offset, more, piece, claimed) {
            Some((protocol, datagram)) => ipv6::following(protocol, datagram),
            None => Next::End,
        },
    )
}
