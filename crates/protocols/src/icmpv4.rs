//! Internet Control Message Protocol (RFC 792).
//!
//! The second four octets are recorded as identifier and sequence number whatever the type. The
//! packet that an error message quotes is not walked: its records would look like traffic.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};
use netcap_record::{Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("ICMPv4", dissect)
    .reached_by(&[Selector::IpProto(1)])
    .emits(&[Icmpv4::SCHEMA]);

/// An ICMP message (RFC 792).
#[derive(Record)]
#[record("ICMPv4", 32)]
pub(crate) struct Icmpv4 {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Type times 256 plus code: 2048 is an echo request (8/0), 0 an echo reply, 771 port
    /// unreachable (3/3).
    #[field(2, "TypeCode")]
    type_code: u16,
    /// Checksum as sent; it is not verified.
    #[field(3, "Checksum")]
    checksum: u16,
    /// Octets 4 and 5: the identifier of echo and timestamp messages; of other types whatever
    /// stands there, for example the first half of a redirect's gateway.
    #[field(4, "Id")]
    id: u16,
    /// Octets 6 and 7: the sequence number of echo and timestamp messages; of other types whatever
    /// stands there, for example the next hop's MTU (RFC 1191).
    #[field(5, "Seq")]
    sequence: u16,
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // Every type has these eight octets (RFC 792).
    let header = input.array::<8>()?;
    context.icmp(header[0], header[1]);
    context.unclaimed(input.rest());
    context.emit(&Icmpv4 {
        timestamp: context.timestamp(),
        type_code: u16::from_be_bytes([header[0], header[1]]),
        checksum: u16::from_be_bytes([header[2], header[3]]),
        id: u16::from_be_bytes([header[4], header[5]]),
        sequence: u16::from_be_bytes([header[6], header[7]]),
    });
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_cut, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("ICMPv4", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Icmpv4::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    /// Echo request.
    const SAMPLE: &[u8] = b"\x08\x00\xb3\xb1\x01\x02\x00\x01abcdefgh";

    /// Port unreachable with the start of the packet that it is about.
    const ERROR: &[u8] = b"\x03\x03\x11\x22\x00\x00\x05\xdc\x45\x00\x00\x20\x12\x34\x40\x00\
        \x40\x11\xe4\x3a\xc0\x00\x02\x0a\xc6\x33\x64\x14\x9c\x40\x27\x0f\x00\x0c\x49\x8f";

    fn encoded(type_code: u16, checksum: u16, id: u16, sequence: u16) -> Vec<u8> {
        let mut out = Vec::new();
        let record = Icmpv4 {
            timestamp: Timestamp::new(1, 2000),
            type_code,
            checksum,
            id,
            sequence,
        };
        record.encode(&mut out);
        out
    }

    #[test]
    fn every_field() {
        let walked = walk_packet(PROTOCOLS, 147, SAMPLE);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("ICMPv4"), [encoded(2048, 0xb3b1, 0x0102, 1)]);
        assert_eq!(walked.application, ("Payload", 8));
    }

    #[test]
    fn quoted_packets_are_no_traffic() {
        let walked = walk_packet(&[&BARE, &crate::ipv4::PROTOCOL], 147, ERROR);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.records.len(), 1);
        assert_eq!(walked.of("ICMPv4"), [encoded(771, 0x1122, 0, 1500)]);
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 147, SAMPLE);
        for end in 0..8 {
            let walked = walk_cut(PROTOCOLS, 147, SAMPLE.split_at(end).0, SAMPLE.len());
            assert!(matches!(walked.fate, Fate::CutShort(m) if m.needed == 8));
            assert!(walked.records.is_empty());
        }
    }
}
