//! Modbus on TCP/IP (Modbus Messaging on TCP/IP Implementation Guide V1.0b): one record per
//! application data unit, of which a stream or a datagram may hold several.
//!
//! A unit begins with the MBAP header (section 3.1.3). Octets that are no such header are plain
//! payload: another protocol identifier than 0, or a length that no unit has. On a stream of TCP port
//! 502 they end the claim to it. A unit that ends early, with its datagram or at a gap in the
//! stream, has a record if its header is whole, and is malformed.

use netcap_dissect::{
    Beginning, Context, Cursor, Fit, Framed, Framing, Malformed, Measure, Next, Protocol,
    Recognition, Selector, StreamProtocol,
};
use netcap_record::{Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("ModbusTCP", dissect)
    .reached_by(&[Selector::UdpPort(PORT)])
    .judged_by(judge)
    .emits(&[ModbusTcp::SCHEMA]);

pub(crate) static STREAM: StreamProtocol = StreamProtocol {
    name: PROTOCOL.name,
    ports: &[PORT],
    recognise,
    inside: None,
    start: || Box::new(Framed::new(&FRAMING)),
    schemas: PROTOCOL.schemas,
};

static FRAMING: Framing = Framing {
    protocol: PROTOCOL.name,
    selector: Selector::UdpPort(PORT),
    prefix: 0,
    limit: BEFORE_LENGTH + *LENGTHS.end() as usize,
    measure,
};

/// Section 4.2 of the guide; UDP is in use too.
const PORT: u16 = 502;

/// Octets of the header up to and with the length.
const BEFORE_LENGTH: usize = 6;

/// Octets that the length counts: unit identifier and function code at least. The specification has at
/// most 253 octets after the unit identifier (Modbus Application Protocol V1.1b3 section 4.1), devices
/// that fill what the count of an octet can say send 254.
const LENGTHS: std::ops::RangeInclusive<u16> = 2..=255;

/// One Modbus request or response over TCP/IP.
#[derive(Record)]
#[record("ModbusTCP", 73)]
pub(crate) struct ModbusTcp<'a> {
    /// Capture time of the packet; over TCP, of the one that completed the unit.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Number chosen by the client and repeated by the server.
    #[field(2, "TransactionIdentifier")]
    transaction_identifier: u16,
    /// Protocol: always 0, Modbus.
    #[field(3, "ProtocolIdentifier")]
    protocol_identifier: u16,
    /// Octets of unit identifier and payload as the header says, 2 to 255.
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

/// The length of the unit that octets begin with. Eight of them tell: the header, and the function
/// code without which it could be anything.
fn measure(octets: &[u8], _: usize) -> Measure {
    let Some(&[_, _, p1, p2, l1, l2, _, _]) = octets.first_chunk() else {
        return Measure::More;
    };
    let length = u16::from_be_bytes([l1, l2]);
    if [p1, p2] == [0, 0] && LENGTHS.contains(&length) {
        Measure::Message(BEFORE_LENGTH + usize::from(length))
    } else {
        Measure::Foreign
    }
}

fn recognise(beginning: &Beginning<'_>) -> Recognition {
    let ends = beginning.ends;
    if ends.client.port != PORT && ends.server.port != PORT {
        return Recognition::No;
    }
    match measure(beginning.octets, 0) {
        Measure::Message(_) => Recognition::Yes,
        Measure::More => Recognition::More,
        Measure::Foreign => Recognition::No,
    }
}

fn judge(octets: &[u8], _: &Context<'_, '_>) -> Fit {
    match measure(octets, 0) {
        Measure::Message(_) => Fit::Good,
        Measure::More => Fit::Possible,
        Measure::Foreign => Fit::No,
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    while let Measure::Message(octets) = measure(input.rest(), 0) {
        let &[t1, t2, p1, p2, l1, l2, unit_identifier] = input.array()?;
        // The unit identifier is one of the octets that the length counts.
        let unit = input.bytes(octets - BEFORE_LENGTH - 1);
        context.emit(&ModbusTcp {
            timestamp: context.timestamp(),
            transaction_identifier: u16::from_be_bytes([t1, t2]),
            protocol_identifier: u16::from_be_bytes([p1, p2]),
            length: u16::from_be_bytes([l1, l2]),
            unit_identifier,
            payload: context.payload(unit.unwrap_or(input.rest())),
        });
        unit?;
    }
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Direction::{ToClient, ToServer};
    use netcap_dissect::testing::{
        Event, Streamed, Walked, encoded, ends, every_prefix, every_split, stream, walk_cut,
        walk_packet,
    };
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

    fn run(events: &[Event<'_>]) -> Streamed {
        stream(&STREAM, &[&PROTOCOL], &ends(502), events)
    }

    #[test]
    fn units_of_a_stream() {
        let octets = [REQUEST, EXCEPTION, REQUEST].concat();
        let streamed = run(&[
            Event::Data(ToServer, &octets),
            Event::Data(ToClient, EXCEPTION),
        ]);
        let (request, exception) = (encoded(&request()), encoded(&exception()));
        let expected = [&request, &exception, &request, &exception];
        assert_eq!(streamed.of("ModbusTCP"), expected);
        assert!(streamed.troubles.is_empty());
        every_split(&STREAM, &[&PROTOCOL], &ends(502), &octets);
        let elsewhere = [Event::Data(ToServer, octets.as_slice())];
        let elsewhere = stream(&STREAM, &[&PROTOCOL], &ends(503), &elsewhere);
        assert!(elsewhere.records.is_empty() && !elsewhere.claimed);
    }

    #[test]
    fn a_unit_has_the_time_of_its_last_octet() {
        let streamed = run(&[
            Event::Data(ToServer, &REQUEST[..9]),
            Event::Time(7),
            Event::Data(ToServer, &REQUEST[9..]),
        ]);
        let record = ModbusTcp {
            timestamp: Timestamp::new(7, 2000),
            ..request()
        };
        assert_eq!(streamed.of("ModbusTCP"), [encoded(&record)]);
    }

    #[test]
    fn other_octets_of_a_stream() {
        let streamed = run(&[
            Event::Data(ToServer, &[REQUEST, b"GET / HTTP/1.1"].concat()),
            Event::Data(ToServer, b"Host: example.com"),
            Event::Data(ToServer, EXCEPTION),
        ]);
        let expected = [encoded(&request()), encoded(&exception())];
        assert_eq!(streamed.of("ModbusTCP"), expected);
        // A gap, within a unit and beyond it: then a piece that begins with a unit is found.
        for gap in [3, 4] {
            let streamed = run(&[
                Event::Data(ToServer, &[EXCEPTION, &REQUEST[..9]].concat()),
                Event::Gap(ToServer, gap),
                Event::Data(ToServer, EXCEPTION),
            ]);
            let cut = ModbusTcp {
                payload: &REQUEST[7..9],
                ..request()
            };
            let expected = [&exception(), &cut, &exception()].map(encoded);
            assert_eq!(streamed.of("ModbusTCP"), expected);
            let trouble = (("ModbusTCP", Reason::Truncated), 1);
            assert_eq!(streamed.troubles, [trouble].into());
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
        let long = [&b"\x12\x34\0\0\x01\0\x11\x03"[..], &[0; 300]].concat();
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
        // The longest unit of the specification, and of devices.
        for length in [254, 255] {
            let long = [
                &[0x12, 0x34, 0, 0, 0, length, 0x11][..],
                &vec![3; length as usize - 1],
            ]
            .concat();
            let record = ModbusTcp {
                length: length.into(),
                payload: &long[7..],
                ..request()
            };
            assert_eq!(walk(&long).of("ModbusTCP"), [encoded(&record)]);
            let streamed = run(&[Event::Data(ToServer, &[&long, REQUEST].concat())]);
            assert_eq!(
                streamed.of("ModbusTCP"),
                [encoded(&record), encoded(&request())]
            );
        }
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
