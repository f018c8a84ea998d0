//! Authentication Header of IPsec (RFC 4302). What it authenticates is not encrypted and is
//! followed.
//!
//! A header whose twelve fixed octets are there gives a record. A length of eight, that of RFC 1826
//! without a check value, which had no sequence number, makes the packet malformed; what follows is
//! read where this length says, and the record's sequence number is the start of that.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Record, Timestamp};

use crate::ipv6_extension;

pub(crate) static PROTOCOL: Protocol = Protocol::new("IPSecAH", dissect)
    .reached_by(&[Selector::IpProto(51)])
    .emits(&[IpsecAh::SCHEMA]);

/// An authentication header (RFC 4302).
#[derive(Record)]
#[record("IPSecAH", 65)]
pub(crate) struct IpsecAh<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Reserved, 0.
    #[field(2, "Reserved")]
    reserved: u16,
    /// Security parameters index, which names the security association. It is a number of 32 bits
    /// without a sign; from 2147483648 on it is shown less 4294967296.
    #[field(3, "SPI")]
    spi: i32,
    /// Sequence number of the packet in its association; shown as `SPI` is.
    #[field(4, "Seq")]
    sequence: i32,
    /// Integrity check value with its padding; empty where the packet ends before its end.
    #[field(5, "AuthenticationData")]
    authentication: &'a [u8],
}

/// Octets before the check value (RFC 4302 section 2).
const FIXED: usize = 12;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let start = *input;
    let [next_header, length, r0, r1, p0, p1, p2, p3, s0, s1, s2, s3] = *input.array::<FIXED>()?;
    // Section 2.2: units of four octets, less two.
    let announced = (usize::from(length) + 2) * 4;
    let checked = input.bytes(announced.saturating_sub(FIXED));
    context.emit(&IpsecAh {
        timestamp: context.timestamp(),
        reserved: u16::from_be_bytes([r0, r1]),
        spi: i32::from_be_bytes([p0, p1, p2, p3]),
        sequence: i32::from_be_bytes([s0, s1, s2, s3]),
        authentication: checked.unwrap_or_default(),
    });
    checked?;
    let mut payload = input.take_rest();
    if announced < FIXED {
        context.note(start.malformed(Reason::Length));
        payload = start.rest().get(announced..).unwrap_or_default();
    }
    Ok(ipv6_extension::following(next_header, payload))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{encoded, every_prefix, walk_cut, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("IPSecAH", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[IpsecAh::SCHEMA]);

    /// The payload of protocol 253.
    static INNER: Protocol = Protocol::new("inner", |input, _| match input.rest() {
        b"inner" => Ok(Next::End),
        _ => Err(input.malformed(Reason::Value)),
    })
    .reached_by(&[Selector::IpProto(253)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE, &INNER];

    const SAMPLE: &[u8] = b"\xfd\x02\x12\x34\xff\xff\xff\xfe\x00\x00\x01\x02checinner";

    fn sample() -> IpsecAh<'static> {
        IpsecAh {
            timestamp: Timestamp::new(1, 2000),
            reserved: 0x1234,
            spi: -2,
            sequence: 258,
            authentication: b"chec",
        }
    }

    #[test]
    fn every_field() {
        let walked = walk_packet(PROTOCOLS, 147, SAMPLE);
        assert_eq!(walked.of("IPSecAH"), [encoded(&sample())]);
        assert_eq!(walked.fate, Fate::Decoded);
        every_prefix(PROTOCOLS, 147, SAMPLE);
    }

    #[test]
    fn lengths() {
        let with_length = |length| {
            let mut packet = SAMPLE.to_vec();
            packet.splice(1..2, [length]);
            packet
        };
        // No check value: the fixed part and nothing more.
        let packet = [&with_length(1)[..12], b"inner"].concat();
        let walked = walk_packet(PROTOCOLS, 147, &packet);
        let record = IpsecAh {
            authentication: b"",
            ..sample()
        };
        assert_eq!(walked.of("IPSecAH"), [encoded(&record)]);
        assert_eq!(walked.fate, Fate::Decoded);
        // Less than the fixed part.
        let packet = [&with_length(0)[..8], b"inner"].concat();
        let walked = walk_packet(PROTOCOLS, 147, &packet);
        let record = IpsecAh {
            sequence: i32::from_be_bytes(*b"inne"),
            ..record
        };
        assert_eq!(walked.of("IPSecAH"), [encoded(&record)]);
        assert_eq!(walked.malformed(), Some(Reason::Length));
        // More than there is.
        let walked = walk_packet(PROTOCOLS, 147, &with_length(9));
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        let record = IpsecAh {
            authentication: b"",
            ..sample()
        };
        assert_eq!(walked.of("IPSecAH"), [encoded(&record)]);
    }

    #[test]
    fn cut_in_the_fixed_part() {
        let walked = walk_cut(PROTOCOLS, 147, SAMPLE.split_at(11).0, SAMPLE.len());
        assert!(matches!(walked.fate, Fate::CutShort(m) if m.needed == 12));
        assert!(walked.records.is_empty());
    }

    #[test]
    fn nothing_follows() {
        let walked = walk_packet(PROTOCOLS, 147, b"\x3b\x01\0\0\0\0\0\x01\0\0\0\x01rest");
        assert_eq!(walked.fate, Fate::Decoded);
    }
}
