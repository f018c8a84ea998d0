//! Stream Control Transmission Protocol (RFC 9260), directly over IP or in UDP (RFC 6951): one record
//! per packet.
//!
//! The record holds the common header. The chunks behind it are counted through by their lengths:
//! one that is shorter than its own header, or that reaches beyond the packet, makes the packet
//! malformed. Only the user data of a DATA chunk may end early, as payload of other protocols may.
//! What the user data is, no number here knows.
//!
//! A datagram on the port of the encapsulation that cannot be SCTP (port 0, which section 3.1
//! forbids, or a first chunk shorter than a chunk is) is plain payload.

use netcap_dissect::{Context, Cursor, Fit, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Record, Timestamp};

use crate::udp;

/// RFC 6951 section 5.1.
const PORT: u16 = 9899;

pub(crate) static PROTOCOL: Protocol = Protocol::new("SCTP", dissect)
    .reached_by(&[Selector::IpProto(NUMBER), Selector::UdpPort(PORT)])
    .judged_by(judge)
    .emits(&[Sctp::SCHEMA]);

/// IANA, protocol numbers.
const NUMBER: u8 = 132;

/// Octets of type, flags and length of a chunk: RFC 9260 section 3.2.
const CHUNK_HEADER: usize = 4;
/// Chunk of user data, and octets before the data: RFC 9260 section 3.3.1.
const DATA: (u8, usize) = (0, 16);
/// Chunk of user data in interleaved messages: RFC 8260 section 2.1.
const I_DATA: (u8, usize) = (64, 20);

/// The common header of an SCTP packet (RFC 9260 section 3.1).
#[derive(Record)]
#[record("SCTP", 40)]
pub(crate) struct Sctp {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Source port, 1 to 65535.
    #[field(2, "SrcPort")]
    source_port: u32,
    /// Destination port, 1 to 65535.
    #[field(3, "DstPort")]
    destination_port: u32,
    /// Number that the receiver chose for this association; 0 in packets that open one (INIT).
    #[field(4, "VerificationTag")]
    verification_tag: u32,
    /// Checksum (CRC32c) as sent, its first octet on the wire the most significant; it is not
    /// verified.
    #[field(5, "Checksum")]
    checksum: u32,
}

/// By the ports, and by the first chunk: of a datagram to this port its length, of others also its type
/// (IANA, SCTP Chunk Types).
fn judge(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    let is_registered = match octets.get(12..) {
        Some([0..=14 | 64 | 128..=130 | 132 | 192..=194, _, l0, l1, ..]) => {
            let length = usize::from(u16::from_be_bytes([*l0, *l1]));
            12 + length <= octets.len() + context.missing()
        }
        _ => false,
    };
    match (is_plausible(octets), is_registered) {
        (false, _) => Fit::No,
        (true, true) => Fit::Possible,
        (true, false) => udp::possible_to(&[PORT], context),
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    if context.around() == Some("UDP") && !is_plausible(input.rest()) {
        return Ok(Next::End);
    }
    context.transport(NUMBER, input.rest());
    let mut header = input.sub(12)?;
    context.emit(&Sctp {
        timestamp: context.timestamp(),
        source_port: u32::from(header.u16()?),
        destination_port: u32::from(header.u16()?),
        verification_tag: header.u32()?,
        checksum: header.u32()?,
    });
    while !input.is_empty() {
        chunk(input)?;
    }
    Ok(Next::End)
}

/// Moves past a chunk and what fills it up to a multiple of four octets.
fn chunk(input: &mut Cursor<'_>) -> Result<(), Malformed> {
    let start = *input;
    let &[kind, _flags, high, low] = input.array::<CHUNK_HEADER>()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let header = [DATA, I_DATA]
        .iter()
        .find(|(data, _)| *data == kind)
        .map(|(_, octets)| *octets);
    let Some(body) = length.checked_sub(header.unwrap_or(CHUNK_HEADER)) else {
        return Err(start.malformed(Reason::Length));
    };
    match header {
        Some(octets) => {
            input.skip(octets - CHUNK_HEADER)?;
            input.skip(body.min(input.remaining()))?;
        }
        None => input.skip(body)?,
    }
    // RFC 9260 section 3.2: the length does not count the padding. Senders leave it out at the end.
    let padding = length.next_multiple_of(4) - length;
    input.skip(padding.min(input.remaining()))
}

/// Whether the octets may be SCTP, as far as they go.
fn is_plausible(octets: &[u8]) -> bool {
    let number = |at: usize| match octets.get(at..) {
        Some([high, low, ..]) => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    };
    number(0) != Some(0)
        && number(2) != Some(0)
        && number(14).is_none_or(|length| usize::from(length) >= CHUNK_HEADER)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{encoded, every_prefix, walk_cut, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static ALONE: Protocol = Protocol::new("SCTP", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Sctp::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&ALONE];

    const HEADER: &[u8] = b"\x9c\x40\x0b\x59\xde\xad\xbe\xef\x89\xab\xcd\xef";
    /// Five octets of user data, stream 1, and padding.
    const USER_DATA: &[u8] = b"\x00\x03\x00\x15\x00\x00\x00\x07\x00\x01\x00\x02\0\0\0\0hello\0\0\0";
    const COOKIE_ACK: &[u8] = b"\x0b\x00\x00\x04";

    fn record() -> Vec<u8> {
        encoded(&Sctp {
            timestamp: Timestamp::new(1, 2000),
            source_port: 40000,
            destination_port: 2905,
            verification_tag: 0xdead_beef,
            checksum: 0x89ab_cdef,
        })
    }

    fn packet(chunks: &[&[u8]]) -> Vec<u8> {
        [HEADER, &chunks.concat()].concat()
    }

    #[test]
    fn every_field() {
        let octets = packet(&[COOKIE_ACK, USER_DATA, USER_DATA]);
        let walked = walk_packet(PROTOCOLS, 147, &octets);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("SCTP"), [record()]);
        every_prefix(PROTOCOLS, 147, &octets);
        for end in 0..HEADER.len() {
            let walked = walk_cut(PROTOCOLS, 147, &octets[..end], octets.len());
            assert!(matches!(walked.fate, Fate::CutShort(m) if m.needed == 12));
            assert!(walked.records.is_empty());
        }
    }

    #[test]
    fn chunks() {
        let cases: [(&[&[u8]], Option<Reason>); 12] = [
            // Nothing but the header; no padding behind the last chunk; a type not known.
            (&[], None),
            (&[&USER_DATA[..21]], None),
            (&[b"\xbf\x00\x00\x06ab\0\0", COOKIE_ACK], None),
            // User data that ends early, and the header of it that does.
            (&[&USER_DATA[..18]], None),
            (&[&USER_DATA[..15]], Some(Reason::Truncated)),
            (
                &[b"\x40\x03\x00\x18\0\0\0\x07\0\x01\0\0\0\0\0\x02\0\0\0\0da"],
                None,
            ),
            // Other chunks that do, and half a chunk's header.
            (&[b"\x0a\x00\x00\x10cookie"], Some(Reason::Truncated)),
            (&[COOKIE_ACK, b"\x0b\x00\x00"], Some(Reason::Truncated)),
            // Lengths less than the header of the chunk.
            (&[b"\x0b\x00\x00\x00"], Some(Reason::Length)),
            (&[b"\x0b\x00\x00\x03", COOKIE_ACK], Some(Reason::Length)),
            (
                &[b"\x00\x03\x00\x0f\0\0\0\x07\0\x01\0\x02\0\0\0\0"],
                Some(Reason::Length),
            ),
            (
                &[b"\x40\x03\x00\x13\0\0\0\x07\0\x01\0\0\0\0\0\x02\0\0\0\0"],
                Some(Reason::Length),
            ),
        ];
        for (chunks, reason) in cases {
            let walked = walk_packet(PROTOCOLS, 147, &packet(chunks));
            assert_eq!(walked.malformed(), reason, "{chunks:?}");
            assert_eq!(walked.of("SCTP"), [record()]);
        }
    }

    #[test]
    fn in_udp() {
        static UDP: Protocol = Protocol::new("UDP", crate::udp::PROTOCOL.dissect)
            .reached_by(&[Selector::LinkType(147)]);
        let walk = |payload: &[u8]| {
            let header = b"\x9c\x40\x26\xab\x00\x00\x00\x00";
            walk_packet(&[&UDP, &PROTOCOL], 147, &[header, payload].concat())
        };
        let walked = walk(&packet(&[COOKIE_ACK]));
        assert_eq!(
            (walked.fate, walked.of("SCTP")),
            (Fate::Decoded, vec![&record()[..]])
        );
        let walked = walk(&packet(&[COOKIE_ACK, b"\x0b\x00\x00\x00"]));
        assert_eq!(walked.malformed(), Some(Reason::Length));
        assert_eq!(walk(&HEADER[..9]).malformed(), Some(Reason::Truncated));
        let other: [&[u8]; 3] = [
            b"\x00\x00\x0b\x59\0\0\0\x01\0\0\0\x02",
            b"\x9c\x40\x00\x00\0\0\0\x01\0\0\0\x02",
            &packet(&[b"\x0b\x00\x00\x03"]),
        ];
        for payload in other {
            let walked = walk(payload);
            assert_eq!((walked.fate, walked.of("SCTP").len()), (Fate::Decoded, 0));
        }
    }
}
