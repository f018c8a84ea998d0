//! Modbus on TCP/IP (Modbus Messaging on TCP/IP Implementation Guide V1.0b): one record per
//! application data unit, of which a TCP segment may hold several.
//!
//! A unit begins with the MBAP header (section 3.1.3). Octets that are no such header are plain
//! payload, as a segment may begin anywhere in the stream: another protocol identifier than 0, or a
//! length that no unit has. Segments are read one by one, so a unit that continues in the next one
//! has no record. Where it was the capture that cut the packet, or a datagram of UDP that ends early,
//! a unit whose header is whole has its record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};
use netcap_record::{Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("ModbusTCP", dissect)
    .reached_by(&[Selector::TcpPort(502), Selector::UdpPort(502)])
    .emits(&[ModbusTcp::SCHEMA]);

/// Octets that the length counts: unit identifier and function code at least, and at most 253
/// octets after the unit identifier (Modbus Application Protocol V1.1b3 section 4.1).
const LENGTHS: std::ops::RangeInclusive<u16> = 2..=254;

/// One Modbus request or response over TCP/IP.
#[derive(Record)]
#[record("ModbusTCP", 73)]
pub(crate) struct ModbusTcp<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Number chosen by the client and repeated by the server.
    #[field(2, "TransactionIdentifier")]
    transaction_identifier: u16,
    /// Protocol: always 0, Modbus.
    #[field(3, "ProtocolIdentifier")]
    protocol_identifier: u16,
    /// Octets of unit identifier and payload as the header says, 2 to 254.
    #[field(4, "Length")]
    length: u16,
    /// Device behind a gateway, 0 to 255; 255 or 0 where the server itself is meant.
    #[field(5, "UnitIdentifier")]
    unit_identifier: u8,
    /// Function code and data, where payloads are asked for. A function code from 128 answers with
    /// an exception.
    #[field(6, "Payload", csv = Payload)]
    payload: &'a [u8],
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let ends_here = crate::dhcpv4::is_cut(context) || crate::udp::is_around(context);
    // Eight octets: the header, and the function code without which it could be anything.
    while let Some(&[t1, t2, p1, p2, l1, l2, unit_identifier, _]) = input.rest().first_chunk() {
        let protocol_identifier = u16::from_be_bytes([p1, p2]);
        let length = u16::from_be_bytes([l1, l2]);
        if protocol_identifier != 0 || !LENGTHS.contains(&length) {
            break;
        }
        input.skip(7)?;
        // The unit identifier is one of the octets that the length counts.
        let unit = input.bytes(usize::from(length) - 1);
        let payload = match unit {
            Ok(payload) => payload,
            Err(_) if ends_here => input.rest(),
            Err(_) => break,
        };
        context.emit(&ModbusTcp {
            timestamp: context.timestamp(),
            transaction_identifier: u16::from_be_bytes([t1, t2]),
            protocol_identifier,
            length,
            unit_identifier,
            payload: context.payload(payload),
        });
        unit?;
    }
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{Walked, encoded, every_prefix, walk_cut, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    /// Link type 147 is reserved for private use.
    static ALONE: Protocol = Protocol::new("ModbusTCP", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[ModbusTcp::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&ALONE];

    /// Read holding registers, twelve octets.
    const REQUEST: &[u8] = b"\x12\x34\0\0\0\x06\x11\x03\0\x6b\0\x03";
    /// An exception, nine octets.
    const EXCEPTION: &[u8] = b"\x12\x35\0\0\0\x03\xff\x83\x02";

    fn request() -> ModbusTcp<'static> {
        ModbusTcp {
            timestamp: Timestamp::new(1, 2000),
            transaction_identifier: 0x1234,
            protocol_identifier: 0,
            length: 6,
            unit_identifier: 17,
            payload: b"\x03\0\x6b\0\x03",
        }
    }

    fn exception() -> ModbusTcp<'static> {
        ModbusTcp {
            transaction_identifier: 0x1235,
            length: 3,
            unit_identifier: 255,
            payload: b"\x83\x02",
            ..request()
        }
    }

    fn walk(octets: &[u8]) -> Walked {
        walk_packet(PROTOCOLS, 147, octets)
    }

    #[test]
    fn every_field_of_two_units() {
        let octets = [REQUEST, EXCEPTION].concat();
        let walked = walk(&octets);
        assert_eq!(walked.fate, Fate::Decoded);
        let expected = [encoded(&request()), encoded(&exception())];
        assert_eq!(walked.of("ModbusTCP"), expected);
        every_prefix(PROTOCOLS, 147, &octets);
    }

    #[test]
    fn a_unit_that_continues_in_the_next_segment() {
        for end in 0..EXCEPTION.len() {
            let walked = walk(&[REQUEST, &EXCEPTION[..end]].concat());
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("ModbusTCP"), [encoded(&request())]);
        }
    }

    #[test]
    fn a_unit_that_the_capture_cut() {
        for end in 0..REQUEST.len() {
            let walked = walk_cut(PROTOCOLS, 147, &REQUEST[..end], REQUEST.len());
            if end < 8 {
                assert_eq!((walked.fate, walked.records.len()), (Fate::Decoded, 0));
            } else {
                let payload = &REQUEST[7..end];
                let record = ModbusTcp {
                    payload,
                    ..request()
                };
                assert!(
                    matches!(walked.fate, Fate::CutShort(_)),
                    "{:?}",
                    walked.fate
                );
                assert_eq!(walked.of("ModbusTCP"), [encoded(&record)]);
            }
        }
    }

    #[test]
    fn other_octets_are_payload() {
        let long = [&b"\x12\x34\0\0\0\xff\x11\x03"[..], &[0; 300]].concat();
        let others: [&[u8]; 4] = [
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x12\x34\0\x01\0\x06\x11\x03\0\x6b\0\x03",
            b"\x12\x34\0\0\0\x01\x11\x03",
            &long,
        ];
        for other in others {
            let walked = walk(other);
            assert_eq!((walked.fate, walked.records.len()), (Fate::Decoded, 0));
            let walked = walk(&[REQUEST, other].concat());
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("ModbusTCP"), [encoded(&request())]);
        }
        // The longest unit there is.
        let long = [&b"\x12\x34\0\0\0\xfe\x11\x03"[..], &[0; 252]].concat();
        let record = ModbusTcp {
            length: 254,
            payload: &long[7..],
            ..request()
        };
        assert_eq!(walk(&long).of("ModbusTCP"), [encoded(&record)]);
    }

    #[test]
    fn a_datagram_has_no_continuation() {
        static UDP: Protocol = Protocol::new("UDP", crate::udp::PROTOCOL.dissect)
            .reached_by(&[Selector::LinkType(147)]);
        let octets = [b"\x9c\x40\x01\xf6\0\0\0\0", &REQUEST[..9]].concat();
        let walked = walk_packet(&[&UDP, &PROTOCOL], 147, &octets);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        let record = ModbusTcp {
            payload: b"\x03\0",
            ..request()
        };
        assert_eq!(walked.of("ModbusTCP"), [encoded(&record)]);
    }
}
