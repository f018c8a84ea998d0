//! User Datagram Protocol (RFC 768): one record per datagram.
//!
//! The payload ends where the length says, or where the octets end if that is sooner. A length of
//! zero stands for everything there is (jumbograms, RFC 2675 section 4; segmentation offload). A
//! length of 1 to 7 is less than the header: the record has no payload and the datagram is
//! malformed.

use netcap_dissect::{
    Application, Context, Cursor, Fit, Malformed, Next, Protocol, Reason, Selector, Unclaimed,
};
use netcap_record::{Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("UDP", dissect)
    .reached_by(&[Selector::IpProto(NUMBER)])
    .emits(&[Udp::SCHEMA]);

/// IANA, protocol numbers.
const NUMBER: u8 = 17;

/// Octets of the header (RFC 768).
const HEADER: usize = 8;

/// A UDP datagram (RFC 768).
#[derive(Record)]
#[record("UDP", 37)]
pub(crate) struct Udp<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Source port; 0 where the sender expects no answer.
    #[field(2, "SrcPort")]
    source_port: u16,
    /// Destination port.
    #[field(3, "DstPort")]
    destination_port: u16,
    /// Octets of header and payload as the header says, 8 to 65535; 0 in jumbograms and in packets
    /// captured before segmentation offload.
    #[field(4, "Length")]
    length: u16,
    /// Checksum as sent, 0 where there is none; with `-checksum` only of datagrams where it is right.
    #[field(5, "Checksum")]
    checksum: u16,
    /// Shannon entropy of the payload in bits per octet, 0 to 8.
    #[field(6, "PayloadEntropy", csv = Decimals(8))]
    payload_entropy: f64,
    /// Captured octets of the payload.
    #[field(7, "PayloadSize")]
    payload_size: i32,
    /// The payload, where payloads are asked for.
    #[field(8, "Payload", csv = Payload)]
    payload: &'a [u8],
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    if is_corrupt(input.rest(), context) {
        return Err(input.malformed(Reason::Checksum));
    }
    context.transport(NUMBER, input.rest());
    let header = *input.array::<HEADER>()?;
    // What a length cuts off counts here, as in the format of 2019.
    context.unclaimed(input.rest());
    let source_port = u16::from_be_bytes([header[0], header[1]]);
    let destination_port = u16::from_be_bytes([header[2], header[3]]);
    let length = u16::from_be_bytes([header[4], header[5]]);
    if length != 0 {
        input.limit(usize::from(length).saturating_sub(HEADER));
    }
    let payload = input.rest();
    if context.wants::<Udp<'_>>() {
        let payload_entropy = context.entropy(payload);
        context.emit(&Udp {
            timestamp: context.timestamp(),
            source_port,
            destination_port,
            length,
            checksum: u16::from_be_bytes([header[6], header[7]]),
            payload_entropy,
            payload_size: i32::try_from(payload.len()).unwrap_or(i32::MAX),
            payload: context.payload(payload),
        });
    }
    if (1..HEADER).contains(&usize::from(length)) {
        return Err(input.malformed(Reason::Length));
    }
    Ok(
        match reader([source_port, destination_port], payload, context) {
            Some(port) => Next::Layer(Selector::UdpPort(port), payload),
            None => Next::End,
        },
    )
}

/// The port whose protocol the payload belongs to. Clients have any port, also those of tunnels and of
/// other protocols, so the octets decide; where they do not, a well-known port does, and then the
/// destination. What only may be a protocol's is not if it belongs to a well-known port, or looks like
/// something else.
#[inline]
fn reader(
    [source, destination]: [u16; 2],
    payload: &[u8],
    context: &Context<'_, '_>,
) -> Option<u16> {
    if payload.is_empty() {
        return None;
    }
    let fit = |port| context.fit(Selector::UdpPort(port), payload);
    let (to, from) = (fit(destination), fit(source));
    let from_well_known = is_well_known(source) && !is_well_known(destination);
    let (fit, port, other) = match from > to || (from == to && from_well_known) {
        true => (from, source, destination),
        false => (to, destination, source),
    };
    let is_its = match fit {
        Fit::No => false,
        Fit::Possible => {
            let unclaimed = Unclaimed {
                protocol: NUMBER,
                ports: [source, destination],
                octets: payload,
            };
            (is_well_known(port) || !is_well_known(other))
                && context.registry().identify(&unclaimed) == Application::PAYLOAD
        }
        Fit::Good => true,
    };
    is_its.then_some(port)
}

/// What octets are that a port leads to a protocol whose datagrams have that port as destination only,
/// where they do not tell: tunnels choose the source port by what is inside (RFC 8086 section 3.2.1).
pub(crate) fn possible_to(ports: &[u16], context: &Context<'_, '_>) -> Fit {
    match ports_around(context) {
        Some([_, destination]) if !ports.contains(&destination) => Fit::No,
        _ => Fit::Possible,
    }
}

/// Ports of sender and receiver of the innermost transport so far.
pub(crate) fn ports_around(context: &Context<'_, '_>) -> Option<[u16; 2]> {
    let ends = context.path().levels().last()?.transport?;
    Some([ends.source, ends.destination])
}

/// Whether a port is one that no client gets by chance (RFC 6335 section 6), or that of multicast DNS or
/// LLMNR.
fn is_well_known(port: u16) -> bool {
    matches!(port, ..1024 | 5353 | 5355)
}

/// Whether the checksum of a datagram is wrong; 0 stands for none (RFC 768).
fn is_corrupt(octets: &[u8], context: &Context<'_, '_>) -> bool {
    let Some([_, _, _, _, l0, l1, c0, c1]) = octets.first_chunk() else {
        return false;
    };
    let length = match u16::from_be_bytes([*l0, *l1]) {
        0 => octets.len(),
        length => usize::from(length),
    };
    let datagram = octets.get(..length).filter(|_| [*c0, *c1] != [0, 0]);
    datagram.is_some_and(|datagram| context.is_corrupt(NUMBER, datagram))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{Walked, encoded, every_prefix, walk_cut, walk_packet};
    use netcap_dissect::{Entropy, Fate, Output, PacketInfo, Registry, Selection, walk};
    use netcap_record::Time;

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("UDP", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Udp::SCHEMA]);

    /// Something on the destination port, that finds every datagram malformed.
    static INNER: Protocol = Protocol::new("inner", |input, _| Err(input.malformed(Reason::Value)))
        .reached_by(&[Selector::UdpPort(9999)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    /// Four octets of payload, and two that are not of the datagram.
    const SAMPLE: &[u8] = b"\x9c\x40\x27\x0f\x00\x0c\x49\x8fabab\xee\xee";

    fn sample() -> Udp<'static> {
        Udp {
            timestamp: Timestamp::new(1, 2000),
            source_port: 40000,
            destination_port: 9999,
            length: 12,
            checksum: 0x498f,
            payload_entropy: 1.0,
            payload_size: 4,
            payload: b"abab",
        }
    }

    /// The walk over the sample with another length.
    fn with_length(length: u16) -> Walked {
        let mut packet = SAMPLE.to_vec();
        packet.splice(4..6, length.to_be_bytes());
        walk_packet(PROTOCOLS, 147, &packet)
    }

    #[test]
    fn every_field() {
        let walked = walk_packet(PROTOCOLS, 147, SAMPLE);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("UDP"), [encoded(&sample())]);
        // With what the length cuts off.
        assert_eq!(walked.application, ("Payload", 6));
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 147, SAMPLE);
        for end in 0..HEADER {
            let walked = walk_cut(PROTOCOLS, 147, SAMPLE.split_at(end).0, SAMPLE.len());
            assert!(matches!(walked.fate, Fate::CutShort(m) if m.needed == 8));
            assert!(walked.records.is_empty());
        }
    }

    #[test]
    fn lengths() {
        // Beyond what is there, and the zero of jumbograms: all of it.
        for length in [0, 1000, 65535] {
            let walked = with_length(length);
            let record = Udp {
                length,
                payload_entropy: Entropy::default().of(b"abab\xee\xee", &[]),
                payload_size: 6,
                payload: b"abab\xee\xee",
                ..sample()
            };
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("UDP"), [encoded(&record)]);
        }
        // No payload, and less than the header.
        for length in 1..=8 {
            let walked = with_length(length);
            let record = Udp {
                length,
                payload_entropy: 0.0,
                payload_size: 0,
                payload: b"",
                ..sample()
            };
            match walked.fate {
                Fate::Malformed(m) => assert!(m.reason == Reason::Length && length < 8),
                fate => assert_eq!((fate, length), (Fate::Decoded, 8)),
            }
            assert_eq!(walked.of("UDP"), [encoded(&record)]);
        }
    }

    /// Whose the octets of a datagram between these ports are.
    fn application(source: u16, destination: u16, payload: &[u8]) -> &'static str {
        static BARE: Protocol =
            Protocol::new("bare", dissect).reached_by(&[Selector::LinkType(147)]);
        let mut protocols = crate::PROTOCOLS.to_vec();
        protocols.push(&BARE);
        let ports = [source.to_be_bytes(), destination.to_be_bytes()].concat();
        let datagram = [&ports[..], &[0; 4], payload].concat();
        let registry = Registry::new(&protocols, &[], &Selection::default()).expect("selected");
        let registry = registry.with_signatures(crate::SIGNATURES);
        let (mut output, mut entropy) = (Output::new(&registry), Entropy::default());
        let mut context = Context::new(&registry, &mut output, &mut entropy, &[]);
        let packet = PacketInfo {
            time: Time::default(),
            link_type: 147,
            original_len: datagram.len() as u32,
            index: 0,
            number: 0,
        };
        walk(&mut context, packet, &datagram);
        registry.application(context.path().application().0)
    }

    /// Ports of all protocols in UDP.
    const PORTS: [u16; 27] = [
        53, 67, 68, 123, 502, 546, 547, 1701, 2152, 3544, 3784, 4341, 4500, 4754, 4784, 4789, 4790,
        5060, 5072, 5353, 5355, 6081, 6635, 7667, 7784, 8472, 9899,
    ];

    /// An answer with one address; a time; a request of SIP.
    const DNS: &[u8] = b"\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0\x07example\x03org\0\0\x01\0\x01\
        \xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04";
    const NTP: &[u8; 48] = &{
        let mut octets = [0; 48];
        octets[0] = 0x23;
        octets[47] = 1;
        octets
    };
    const SIP: &[u8] = b"OPTIONS sip:x SIP/2.0\r\nFrom: a\r\n\r\n";

    #[test]
    fn clients_have_any_port() {
        for port in PORTS {
            assert_eq!(application(53, port, DNS), "DNS", "{port}");
            assert_eq!(application(port, 53, DNS), "DNS", "{port}");
            assert_eq!(application(123, port, NTP), "NTP", "{port}");
            assert_eq!(application(port, 123, NTP), "NTP", "{port}");
            assert_eq!(application(5060, port, SIP), "SIP", "{port}");
            assert_eq!(application(port, 5060, SIP), "SIP", "{port}");
        }
    }

    #[test]
    fn what_is_none_of_a_port_is_payload() {
        // QUIC with a long header and a short one, STUN, DTLS, RTP, the messages of WireGuard.
        let octets = |start: &[u8], length: usize| {
            let noise = (0..).map(|n: u32| (n.wrapping_mul(0x9e37_79b1) >> 24) as u8 | 1);
            let tail = noise.take(length - start.len());
            start.iter().copied().chain(tail).collect::<Vec<u8>>()
        };
        let others = [
            (
                443,
                octets(b"\xc3\0\0\0\x01\x08\x01\x02\x03\x04\x05\x06\x07\x08", 1200),
            ),
            (443, octets(b"\x4f\xa3", 900)),
            (3478, octets(b"\0\x01\0\0\x21\x12\xa4\x42", 20)),
            (443, octets(b"\x16\xfe\xfd\0\0\0\0\0\0\0\0", 73)),
            (51820, octets(b"\x04\0\0\0abcd\x07\0\0\0\0\0\0\0", 96)),
        ];
        let rtp = octets(b"\x80\0\x1f\x35\x83\x1d\x95\x3b\xa7\xc1\x77\x0b", 172);
        for port in PORTS {
            for (server, octets) in &others {
                for [source, destination] in [[port, *server], [*server, port]] {
                    let name = application(source, destination, octets);
                    assert_eq!(name, "Payload", "{source} {destination} {octets:02x?}");
                }
            }
            // Nothing of it is fixed but two bits.
            if port != 4500 {
                assert_eq!(application(port, 20_000, &rtp), "Payload", "{port}");
            }
        }
    }

    #[test]
    fn between_servers_octets_may_be_wrong() {
        let wrong = [&b"\x54\x20"[..], &[0x20; 71]].concat();
        assert_eq!(application(123, 123, &wrong), "NTP");
        assert_eq!(application(123, 50_000, &wrong), "Payload");
        assert_eq!(application(50_000, 123, &wrong), "Payload");
    }

    #[test]
    fn tunnels_have_any_source_port() {
        let frame = [0; 14];
        let vxlan = [&b"\x08\0\0\0\0\0\x07\0"[..], &frame].concat();
        let geneve = [&b"\0\0\x65\x58\0\0\x07\0"[..], &frame].concat();
        for source in [53, 443, 4500, 5353, 50_000] {
            assert_eq!(application(source, 4789, &vxlan), "Ethernet", "{source}");
            assert_eq!(application(source, 6081, &geneve), "Ethernet", "{source}");
        }
        let request = b"\x21\x22\x11\x29timeIden.sign.s.\x60 GET / HTTP/1.1\r\n\r\n";
        assert_ne!(application(50_000, 5072, request), "SSDP");
        assert_ne!(application(50_000, 5072, request), "Payload");
        // What nothing tells belongs to the well-known port, if there is one.
        let opaque = b"\xc0\xff\xee\x01\0\0\0\x07 opaque";
        assert_eq!(application(61_000, 4500, opaque), "IPSecESP");
        assert_eq!(application(4500, 61_000, opaque), "IPSecESP");
        assert_eq!(application(4500, 161, opaque), "Payload");
    }

    #[test]
    fn either_port_leads_on() {
        let protocols = &[&BARE, &INNER];
        let mut answer = SAMPLE.to_vec();
        answer.splice(..4, *b"\x27\x0f\x9c\x40");
        for packet in [SAMPLE, &answer] {
            let fate = walk_packet(protocols, 147, packet).fate;
            assert!(matches!(fate, Fate::Malformed(m) if m.reason == Reason::Value));
        }
    }
}
