//! Internet Protocol version 6 (RFC 8200), and what its extension headers have in common.
//!
//! The payload ends where the length says, so padding and trailers of the link layer never reach
//! the layers inside. A length beyond what was captured yields what is there. A length of zero
//! stands for what a jumbo payload option says (RFC 2675), without one for everything there is
//! (segmentation offload), unless no header follows. Another version than 6 leaves no record.

use netcap_dissect::{Context, Cursor, Layer, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Ip, Record, Timestamp};

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

/// Next header that says that nothing follows (RFC 8200 section 4.7).
const NO_NEXT_HEADER: u8 = 59;

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
    /// Captured octets of the payload: what follows this header, extension headers included,
    /// without padding of the link layer.
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
    if version != 6 {
        return Err(input.malformed(Reason::Version));
    }
    let length = u16::from_be_bytes([header[4], header[5]]);
    let next_header = header[6];
    if let Some(length) = payload_length(length, next_header, input.rest()) {
        input.limit(length);
    }
    let payload = input.rest();
    if context.wants::<Ipv6<'_>>() {
        let payload_entropy = context.entropy(payload);
        let (source, destination) = addresses(header);
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
            payload_size: i32::try_from(payload.len()).unwrap_or(i32::MAX),
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

/// What a next header field leads to: nothing where it says so, whatever octets there are (RFC 8200
/// section 4.7).
#[inline]
pub(crate) fn following(next_header: u8, payload: &[u8]) -> Next<'_> {
    if next_header == NO_NEXT_HEADER {
        Next::End
    } else {
        Next::Layer(Selector::IpProto(next_header), payload)
    }
}

/// Reads an extension header of the common shape (RFC 8200 section 4.2 and 4.4): its next header,
/// and its octets after the length, if they are all there.
#[inline]
pub(crate) fn extension<'p>(
    input: &mut Cursor<'p>,
) -> Result<(u8, Result<&'p [u8], Malformed>), Malformed> {
    // The length counts units of eight octets after the first eight.
    let [next_header, units] = *input.array::<2>()?;
    Ok((next_header, input.bytes(usize::from(units) * 8 + 6)))
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
