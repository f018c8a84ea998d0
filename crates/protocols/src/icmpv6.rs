//! Internet Control Message Protocol for IPv6 (RFC 4443): the header that all messages share, and
//! the echo messages.
//!
//! What follows the shared header is a layer of its own where its type has a record: echo here,
//! neighbor discovery in `ndp.rs`. Other messages end the walk; the packet that an error message
//! quotes is not walked, since its records would look like traffic.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};
use netcap_record::{Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("ICMPv6", dissect)
    .reached_by(&[Selector::IpProto(58)])
    .emits(&[Icmpv6::SCHEMA]);

pub(crate) static ECHO: Protocol = Protocol::new("ICMPv6Echo", dissect_echo)
    .reached_by(&[Selector::Icmpv6Type(128), Selector::Icmpv6Type(129)])
    .emits(&[Icmpv6Echo::SCHEMA]);

/// The header of an ICMPv6 message (RFC 4443 section 2.1).
#[derive(Record)]
#[record("ICMPv6", 33)]
pub(crate) struct Icmpv6 {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Type times 256 plus code: 32768 is an echo request (128/0), 34560 a neighbor solicitation
    /// (135/0).
    #[field(2, "TypeCode")]
    type_code: u16,
    /// Checksum as sent; it is not verified.
    #[field(3, "Checksum")]
    checksum: u16,
}

/// What an ICMPv6 echo request or reply adds to the header (RFC 4443 section 4). Which of the two
/// it is stands in the `ICMPv6` record of the same packet.
#[derive(Record)]
#[record("ICMPv6Echo", 60)]
pub(crate) struct Icmpv6Echo {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Identifier chosen by the sender of the request, 0 to 65535.
    #[field(2, "Identifier")]
    identifier: u16,
    /// Sequence number, 0 to 65535.
    #[field(3, "SeqNumber")]
    sequence: u16,
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = input.array::<4>()?;
    context.icmp(header[0], header[1]);
    // Messages of multicast listeners (RFC 2710, RFC 3810) and of discovery (RFC 4861) have none.
    if !matches!(header[0], 130..=137 | 143) {
        context.unclaimed(input.rest());
    }
    context.emit(&Icmpv6 {
        timestamp: context.timestamp(),
        type_code: u16::from_be_bytes([header[0], header[1]]),
        checksum: u16::from_be_bytes([header[2], header[3]]),
    });
    let body = Selector::Icmpv6Type(header[0]);
    // An empty body of a known type is cut short, which its own dissector finds out.
    Ok(if context.knows(body) {
        Next::Layer(body, input.rest())
    } else {
        Next::End
    })
}

fn dissect_echo<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let body = input.array::<4>()?;
    context.emit(&Icmpv6Echo {
        timestamp: context.timestamp(),
        identifier: u16::from_be_bytes([body[0], body[1]]),
        sequence: u16::from_be_bytes([body[2], body[3]]),
    });
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{encoded, every_prefix, walk_cut, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("ICMPv6", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Icmpv6::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&BARE, &ECHO];

    /// Echo request.
    const SAMPLE: &[u8] = b"\x80\x00\x8f\x92\x03\x04\x00\x01abcdefgh";

    fn header(type_code: u16) -> Icmpv6 {
        Icmpv6 {
            timestamp: Timestamp::new(1, 2000),
            type_code,
            checksum: 0x8f92,
        }
    }

    #[test]
    fn every_field() {
        let mut reply = SAMPLE.to_vec();
        reply.splice(..1, [129]);
        for (octets, type_code) in [(SAMPLE, 32768), (&reply, 33024)] {
            let walked = walk_packet(PROTOCOLS, 147, octets);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("ICMPv6"), [encoded(&header(type_code))]);
            let echo = Icmpv6Echo {
                timestamp: Timestamp::new(1, 2000),
                identifier: 0x0304,
                sequence: 1,
            };
            assert_eq!(walked.of("ICMPv6Echo"), [encoded(&echo)]);
        }
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 147, SAMPLE);
        for end in 0..8 {
            let walked = walk_cut(PROTOCOLS, 147, SAMPLE.split_at(end).0, SAMPLE.len());
            assert!(matches!(walked.fate, Fate::CutShort(m) if m.needed == 4));
            assert_eq!(walked.records.len(), usize::from(end >= 4));
        }
        // On the wire no better: the echo has no identifier.
        let walked = walk_packet(PROTOCOLS, 147, SAMPLE.split_at(4).0);
        assert!(matches!(walked.fate, Fate::Malformed(m) if m.reason == Reason::Truncated));
    }

    #[test]
    fn other_types_end_the_walk() {
        let walked = walk_packet(PROTOCOLS, 147, b"\xc8\x07\x8f\x92anything");
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("ICMPv6"), [encoded(&header(0xc807))]);
        assert_eq!(walked.application, ("Payload", 8));
        assert_eq!(walked.records.len(), 1);
    }
}
