//! Internet Protocol version 6 (RFC 8200).
//!
//! The payload ends where the length says, so padding and trailers of the link layer never reach
//! the layers inside. A length beyond what was captured yields what is there. A length of zero
//! stands for what a jumbo payload option says (RFC 2675), without one for everything there is
//! (segmentation offload), unless no header follows. Another version than 6 leaves no record.

use netcap_dissect::{
    Context, Cursor, IpVersion, Layer, Malformed, Network, Next, Protocol, Reason, Selector,
};
use netcap_record::{Ip, Record, Timestamp};

use crate::ipv6_extension::{NO_NEXT_HEADER, extension, following};
use crate::ipv6_hop_by_hop::{Ipv6HopByHop, Options};

pub(crate) static PROTOCOL: Protocol = Protocol::new("IPv6", dissect)
    .reached_by(&[
        Selector::EtherType(0x86dd),
        // IPv6 in IP, RFC 2473 and RFC 4213.
        Selector::IpProto(41),
    ])
    .emits(&[Ipv6::SCHEMA]);

/// Octets of the header (RFC 8200 section 3).
const HEADER: usize = 40;

/// Next header of a Hop-by-Hop Options header (RFC 8200 section 4.3).
const HOP_BY_HOP: u8 = 0;

/// An IPv6 header (RFC 8200). Each fragment has its own record, and so has each header of a tunnel.
#[derive(Record)]
#[record("IPv6", 31)]
pub(crate) struct Ipv6<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Version of the protocol, always 6.
    #[field(2, "Version")]
    version: u8,
    /// Traffic class: six bits of differentiated services (RFC 2474), two bits of explicit
    /// congestion notification (RFC 3168).
    #[field(3, "TrafficClass")]
    traffic_class: u8,
    /// Flow label that the sender chose (RFC 6437), 20 bits.
    #[field(4, "FlowLabel")]
    flow_label: u32,
    /// Octets after this header as it says, extension headers included; 0 in jumbograms and in
    /// packets captured before segmentation offload.
    #[field(5, "Length")]
    length: u16,
    /// Protocol of the header that follows, by its IANA number: 6 TCP, 17 UDP, 58 ICMPv6, 0
    /// hop-by-hop options.
    #[field(6, "NextHeader")]
    next_header: u8,
    /// Hop limit: routers that the packet may still cross.
    #[field(7, "HopLimit")]
    hop_limit: u8,
    /// Source address.
    #[field(8, "SrcIP")]
    source: Ip,
    /// Destination address.
    #[field(9, "DstIP")]
    destination: Ip,
    /// Shannon entropy of the payload in bits per octet, 0 to 8.
    #[field(10, "PayloadEntropy", csv = Decimals(6))]
    payload_entropy: f64,
    /// Captured octets of the payload, without padding of the link layer: what follows this header
    /// and a Hop-by-Hop Options header right after it, other extension headers included.
    #[field(11, "PayloadSize")]
    payload_size: i32,
    /// Always empty; hop-by-hop options have the record `IPv6HopByHop`.
    #[field(12, "HopByHop")]
    hop_by_hop: Option<Ipv6HopByHop<'a>>,
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = input.array::<HEADER>()?;
    let first = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
    let version = header[0] >> 4;
    let length = u16::from_be_bytes([header[4], header[5]]);
    let next_header = header[6];
    let (source, destination) = addresses(header);
    let network = Network {
        protocol: IpVersion::V6,
        source: u128::from_be_bytes(source).into(),
        destination: u128::from_be_bytes(destination).into(),
    };
    let missing = usize::from(length).saturating_sub(input.remaining());
    context.network(network, next_header, missing);
    if version != 6 {
        return Err(input.malformed(Reason::Version));
    }
    if let Some(length) = payload_length(length, next_header, input.rest()) {
        input.limit(length);
    }
    let payload = input.rest();
    if context.wants::<Ipv6<'_>>() {
        let inner = after_hop_by_hop(next_header, *input);
        let payload_entropy = context.entropy(inner);
        context.emit(&Ipv6 {
            timestamp: context.timestamp(),
            version,
            traffic_class: (first >> 20) as u8,
            flow_label: first & 0xf_ffff,
            length,
            next_header,
            hop_limit: header[7],
            source: Ip::V6(source),
            destination: Ip::V6(destination),
            payload_entropy,
            payload_size: i32::try_from(inner.len()).unwrap_or(i32::MAX),
            hop_by_hop: None,
        });
    }
    Ok(following(next_header, payload))
}

/// Octets of the payload as the packet tells them; none where it has as many as there are.
#[inline]
fn payload_length(length: u16, next_header: u8, rest: &[u8]) -> Option<usize> {
    match (length, next_header) {
        (0, NO_NEXT_HEADER) => Some(0),
        (0, HOP_BY_HOP) => {
            let (_, octets) = extension(&mut Cursor::new(PROTOCOL.name, rest)).ok()?;
            usize::try_from(Options::new(octets.ok()?).jumbo()?).ok()
        }
        (0, _) => None,
        _ => Some(usize::from(length)),
    }
}

/// The payload as the record counts it: the format of 2019 takes a Hop-by-Hop Options header for a
/// part of this header.
#[inline]
fn after_hop_by_hop<'p>(next_header: u8, mut payload: Cursor<'p>) -> &'p [u8] {
    if next_header == HOP_BY_HOP {
        let _ = extension(&mut payload);
    }
    payload.rest()
}

/// Source and destination.
#[inline]
fn addresses(header: &[u8; HEADER]) -> ([u8; 16], [u8; 16]) {
    let (mut source, mut destination) = ([0; 16], [0; 16]);
    let (_, both) = header.split_at(8);
    let (left, right) = both.split_at(16);
    source.copy_from_slice(left);
    destination.copy_from_slice(right);
    (source, destination)
}

/// The IPv6 header around a layer.
pub(crate) struct Around {
    /// Source address.
    pub(crate) source: [u8; 16],
    /// Destination address.
    pub(crate) destination: [u8; 16],
    /// Octets of the payload that the header tells and that were not captured.
    pub(crate) missing: usize,
}

/// The innermost IPv6 header among the layers.
pub(crate) fn innermost(layers: &[Layer<'_>]) -> Option<Around> {
    let place = layers
        .iter()
        .rposition(|layer| layer.protocol == PROTOCOL.name)?;
    let (header, rest) = layers.get(place)?.octets.split_first_chunk()?;
    let (source, destination) = addresses(header);
    let length = u16::from_be_bytes([header[4], header[5]]);
    let told = payload_length(length, header[6], rest).unwrap_or_default();
    Some(Around {
        source,
        destination,
        missing: told.saturating_sub(rest.len()),
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{Walked, encoded, every_prefix, walk_cut, walk_packet};

    use super::*;

    /// Link type 229, raw IPv6.
    static BARE: Protocol = Protocol::new("IPv6", dissect)
        .reached_by(&[Selector::LinkType(229), Selector::IpProto(41)])
        .emits(&[Ipv6::SCHEMA]);

    /// The payload of protocol 17, which need not be UDP here.
    static INNER: Protocol =
        Protocol::new("inner", |_, _| Ok(Next::End)).reached_by(&[Selector::IpProto(17)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE, &crate::ipv6_hop_by_hop::PROTOCOL, &INNER];

    /// A payload and a trailer of the link layer.
    const SAMPLE: &[u8] = b"\x6b\x8a\xbc\xde\x00\x04\x11\xff\
        \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x0a\x20\x01\x0d\xb8\x00\x01\0\0\0\0\0\0\0\0\0\x0b\
        abab\xee\xee";

    fn sample() -> Ipv6<'static> {
        Ipv6 {
            timestamp: Timestamp::new(1, 2000),
            version: 6,
            traffic_class: 0xb8,
            flow_label: 0xabcde,
            length: 4,
            next_header: 17,
            hop_limit: 255,
            source: Ip::V6(*b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x0a"),
            destination: Ip::V6(*b"\x20\x01\x0d\xb8\x00\x01\0\0\0\0\0\0\0\0\0\x0b"),
            payload_entropy: 1.0,
            payload_size: 4,
            hop_by_hop: None,
        }
    }

    /// The walk over a packet of another length, next header and payload.
    fn with(length: u16, next_header: u8, payload: &[u8]) -> Walked {
        let mut packet = SAMPLE.to_vec();
        packet.splice(4..6, length.to_be_bytes());
        packet.splice(6..7, [next_header]);
        packet.splice(HEADER.., payload.iter().copied());
        walk_packet(PROTOCOLS, 229, &packet)
    }

    fn payload_size(walked: &Walked) -> i64 {
        let records = walked.of("IPv6");
        let record = netcap_record::Message::parse(Ipv6::SCHEMA, records.first().unwrap()).unwrap();
        match record.value(Ipv6::SCHEMA.field("PayloadSize").unwrap()) {
            Some(netcap_record::Scalar::Int(n)) => n,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_field() {
        let walked = walk_packet(PROTOCOLS, 229, SAMPLE);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("IPv6"), [encoded(&sample())]);
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 229, SAMPLE);
        for end in 0..HEADER {
            let walked = walk_cut(PROTOCOLS, 229, SAMPLE.split_at(end).0, SAMPLE.len());
            assert!(matches!(walked.fate, Fate::CutShort(m) if m.needed == 40));
            assert!(walked.records.is_empty());
        }
    }

    #[test]
    fn version() {
        let mut packet = SAMPLE.to_vec();
        packet.splice(..1, [0x4b]);
        let walked = walk_packet(PROTOCOLS, 229, &packet);
        assert!(matches!(walked.fate, Fate::Malformed(m) if m.reason == Reason::Version));
        assert!(walked.records.is_empty());
    }

    #[test]
    fn lengths() {
        // Beyond what is there, and the zero of segmentation offload: all of it.
        for length in [1400, 0] {
            let walked = with(length, 17, b"abab\xee\xee");
            assert_eq!((walked.fate, payload_size(&walked)), (Fate::Decoded, 6));
        }
        // A zero where nothing follows: what is there is of the link layer.
        let walked = with(0, 59, b"\xee\xee");
        assert_eq!((walked.fate, payload_size(&walked)), (Fate::Decoded, 0));
    }

    #[test]
    fn nothing_follows() {
        let walked = with(4, 59, b"abab");
        assert_eq!((walked.fate, payload_size(&walked)), (Fate::Decoded, 4));
        let walked = with(4, 253, b"abab");
        assert_eq!(walked.fate, Fate::Unknown(Selector::IpProto(253)));
    }

    #[test]
    fn jumbograms() {
        let header = b"\x11\x00\xc2\x04\x00\x01\x11\x70";
        let mut payload = header.to_vec();
        payload.resize(70_000 + 4, 0);
        let walked = with(0, 0, &payload);
        assert_eq!(
            (walked.fate, payload_size(&walked)),
            (Fate::Decoded, 69_992)
        );
        // Without the option, and with one cut short: all of it.
        let walked = with(0, 0, b"\x11\x00\x01\x04\x00\x00\x00\x00abab");
        assert_eq!((walked.fate, payload_size(&walked)), (Fate::Decoded, 4));
        let walked = with(0, 0, header.split_at(5).0);
        assert!(matches!(walked.fate, Fate::Malformed(m) if m.reason == Reason::Truncated));
        assert_eq!(payload_size(&walked), 3);
    }

    #[test]
    fn tunnels() {
        let walked = with(46, 41, SAMPLE);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("IPv6").len(), 2);
    }
}
