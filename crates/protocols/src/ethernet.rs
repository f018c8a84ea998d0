//! Ethernet (IEEE 802.3-2022, clause 3): Ethernet II frames, which name their client by an
//! EtherType, and length frames, whose client is LLC.
//!
//! A frame whose 14 octets of header are there gives a record. The two octets after the addresses
//! are a length up to 1500, an EtherType from 1536; between them they are neither (clause 3.2.6),
//! and what follows is unknown. A length hides the padding after the client data; one that says
//! more than was captured hides nothing. A trailer that no length tells apart is payload. What begins
//! like a frame to one of the addresses of Cisco's ISL is that, and has no record of its own.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};
use netcap_record::{Mac, Record, Timestamp};

use crate::{isl, llc, raw_ip};

/// How whole frames inside other protocols lead here: Transparent Ethernet Bridging (RFC 1701).
pub(crate) const SELECTOR: Selector = Selector::EtherType(0x6558);

pub(crate) static PROTOCOL: Protocol = Protocol::new("Ethernet", dissect)
    .reached_by(&[
        Selector::LinkType(LINKTYPE as u32),
        SELECTOR,
        // Frames behind an IPv6 header (RFC 8986 section 4.9).
        Selector::IpProto(143),
    ])
    .emits(&[Ethernet::SCHEMA]);

/// LINKTYPE of frames.
const LINKTYPE: u16 = 1;

/// Smallest EtherType (IEEE 802.3-2022, clause 3.2.6).
pub(crate) const ETHERTYPE_MIN: u16 = 0x0600;

/// Largest length of client data (IEEE 802.3-2022, clause 3.2.6).
const LENGTH_MAX: u16 = 1500;

/// One Ethernet frame: of the link, or inside a tunnel.
#[derive(Record)]
#[record("Ethernet", 7)]
pub(crate) struct Ethernet {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Address of the sender, `aa:bb:cc:dd:ee:ff`.
    #[field(2, "SrcMAC")]
    source: Mac,
    /// Address of the receiver, or of a group, `aa:bb:cc:dd:ee:ff`.
    #[field(3, "DstMAC")]
    destination: Mac,
    /// EtherType of what follows, 1536 to 65535: 2048 is IPv4, 34525 IPv6, 33024 a VLAN tag.
    /// 0 where the frame has a length or a value that is neither length nor EtherType.
    #[field(4, "EthernetType")]
    ethertype: u16,
    /// Shannon entropy of the payload in bits per octet, 0 to 8; 0 where there is none.
    #[field(5, "PayloadEntropy", csv = Decimals(6))]
    payload_entropy: f64,
    /// Captured octets after the header, padding and trailer included; in a frame with a length,
    /// no more than that.
    #[field(6, "PayloadSize")]
    payload_size: i32,
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    if isl::is_frame(input.rest()) {
        return isl::dissect(Cursor::new("ISL", input.take_rest()), context);
    }
    if let Some(addresses) = input.rest().first_chunk() {
        context.link(LINKTYPE, addresses);
    }
    let [addresses @ .., t0, t1] = input.array::<14>()?;
    let type_or_length = u16::from_be_bytes([*t0, *t1]);
    Ok(after_type(input, context, *addresses, type_or_length))
}

/// Reads a frame from behind its type or length: some switches have their tag between that and
/// the addresses.
#[inline]
pub(crate) fn after_type<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
    addresses: [u8; 12],
    type_or_length: u16,
) -> Next<'p> {
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = addresses;
    let payload = client_data(input, type_or_length);
    if context.wants::<Ethernet>() {
        let record = Ethernet {
            timestamp: context.timestamp(),
            source: Mac([s0, s1, s2, s3, s4, s5]),
            destination: Mac([d0, d1, d2, d3, d4, d5]),
            ethertype: if type_or_length < ETHERTYPE_MIN {
                0
            } else {
                type_or_length
            },
            payload_entropy: context.entropy(payload),
            payload_size: i32::try_from(payload.len()).unwrap_or(i32::MAX),
        };
        context.emit(&record);
    }
    client(type_or_length, payload)
}

/// What is left of a frame after its type or length, without padding where a length tells.
#[inline]
pub(crate) fn client_data<'p>(input: &mut Cursor<'p>, type_or_length: u16) -> &'p [u8] {
    if type_or_length <= LENGTH_MAX {
        input.limit(type_or_length.into());
    }
    input.take_rest()
}

/// Who reads it. Length 0 says that there is no client; a value between lengths and types names
/// an EtherType that nobody has.
#[inline]
pub(crate) fn client(type_or_length: u16, data: &[u8]) -> Next<'_> {
    match type_or_length {
        0 => Next::End,
        1..=LENGTH_MAX => Next::Layer(llc::SELECTOR, data),
        ethertype => Next::Layer(Selector::EtherType(ethertype), data),
    }
}

/// How many bits of octets that nothing names are as a frame has them, where the capture lacks `missing`
/// more; none: they are no frame. A frame's sender is no group, it has a registered EtherType or a length
/// that fits, and what follows may bear it out.
pub(crate) fn evidence(octets: &[u8], missing: usize, context: &Context<'_, '_>) -> u32 {
    match octets.split_first_chunk::<14>() {
        Some(([_, _, _, _, _, _, sender, .., t0, t1], rest)) if sender & 1 == 0 => {
            of_type(u16::from_be_bytes([*t0, *t1]), rest, missing, context)
        }
        _ => 0,
    }
}

/// The same of the type or length, with what follows it.
fn of_type(mut kind: u16, mut rest: &[u8], missing: usize, context: &Context<'_, '_>) -> u32 {
    // Of 65,536 numbers some sixty are registered, and seen.
    const REGISTERED: u32 = 10;
    let mut tags = 0;
    // Service providers stack tags, but not more than this.
    while let (0x8100 | 0x88a8 | 0x9100 | 0x9200, 0..4) = (kind, tags) {
        let Some((&[_, _, t0, t1], inner)) = rest.split_first_chunk() else {
            break;
        };
        (kind, rest, tags) = (u16::from_be_bytes([t0, t1]), inner, tags + 1);
    }
    let wire = rest.len() + missing;
    let inside = match kind {
        ethertype @ (0x0800 | 0x86dd) => match raw_ip::by_version(rest) {
            Some(version) if version != Selector::EtherType(ethertype) => 0,
            _ => REGISTERED + raw_ip::evidence(rest, wire, context),
        },
        // RFC 826: Ethernet, or another hardware with such addresses, and IPv4.
        0x0806 | 0x8035 => match rest {
            [0, _, 8, 0, 6, 4, 0, 1..=25, ..] => REGISTERED + 32,
            _ => REGISTERED,
        },
        ETHERTYPE_MIN.. if is_registered(kind) || context.knows(Selector::EtherType(kind)) => {
            REGISTERED
        }
        ETHERTYPE_MIN.. => 0,
        // An LLC header has at least three octets, and padding ends at 46.
        ..3 => 0,
        length => match (raw_ip::of_length(length.into(), wire), rest.first()) {
            (0..=4, _) => 0,
            (bits, Some(sap)) if context.knows(Selector::LlcSap(*sap)) => bits + 6,
            (bits, _) => bits,
        },
    };
    tags * REGISTERED + inside
}

/// Whether an EtherType that no dissector reads is one that is seen in networks (IEEE Registration
/// Authority, EtherType; those for experiments: IEEE 802-2014 clause 9.2.4).
fn is_registered(ethertype: u16) -> bool {
    matches!(
        ethertype,
        // XNS, VINES, Wake-on-LAN, stream reservation, AVTP, TRILL; DEC; 3Com's loop detection.
        0x0600 | 0x0bad | 0x0842 | 0x22ea | 0x22f0 | 0x22f3 | 0x6000..=0x6007 | 0x9003
        // IPX, AppleTalk, its ARP, QNX; flow control, slow protocols, CobraNet.
        | 0x8137 | 0x8138 | 0x809b | 0x80f3 | 0x8204 | 0x8808 | 0x8809 | 0x8819
        // PPP, GSMP, NLB, HomePlug, Profinet, HyperSCSI, AoE, EtherCAT, bridges of providers, Powerlink.
        | 0x880b | 0x880c | 0x886f | 0x887b | 0x8892 | 0x889a | 0x88a2 | 0x88a4 | 0x88ab
        // For experiments; GOOSE, GSE, sampled values, RoMON.
        | 0x88b5..=0x88ba | 0x88bf
        // LLDP, SERCOS III, circuit emulation, WSMP, HomePlug AV, ring redundancy, MACsec, PBB.
        | 0x88cc | 0x88cd | 0x88d8 | 0x88dc | 0x88e1 | 0x88e3 | 0x88e5 | 0x88e7
        // E-LMI, MVRP, MMRP, PTP, NC-SI, parallel redundancy.
        | 0x88ee | 0x88f5..=0x88f8 | 0x88fb
        // Connectivity faults, FCoE and its initialization, RoCE, TTE, TDLS, HSR, IEEE 1905, ECP.
        | 0x8902 | 0x8906 | 0x890d | 0x8914 | 0x8915 | 0x891d | 0x892f | 0x893a | 0x8940
        // TRILL's channels, GeoNetworking, frame replication, loopback.
        | 0x8946 | 0x8947 | 0xf1c1 | 0x9000
    )
}

/// Who reads what headers carry that have an EtherType and never a length: numbers too small to be
/// one name nobody.
pub(crate) fn by_type(ethertype: u16, data: &[u8]) -> Next<'_> {
    let selector = match ethertype {
        ETHERTYPE_MIN.. => Selector::EtherType(ethertype),
        _ => Selector::Other("no EtherType", ethertype.into()),
    };
    Next::Layer(selector, data)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{Walked, every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &llc::PROTOCOL];

    fn frame(type_or_length: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = b"\x02\x00\x5e\x00\x00\x0b\x02\x00\x5e\x00\x00\x0a".to_vec();
        frame.extend_from_slice(&type_or_length.to_be_bytes());
        frame.extend_from_slice(payload);
        frame
    }

    fn walk(type_or_length: u16, payload: &[u8]) -> Walked {
        walk_packet(PROTOCOLS, 1, &frame(type_or_length, payload))
    }

    fn encoded(ethertype: u16, payload_size: i32, payload_entropy: f64) -> Vec<u8> {
        let record = Ethernet {
            timestamp: Timestamp::new(1, 2000),
            source: Mac([2, 0, 0x5e, 0, 0, 10]),
            destination: Mac([2, 0, 0x5e, 0, 0, 11]),
            ethertype,
            payload_entropy,
            payload_size,
        };
        let mut out = Vec::new();
        record.encode(&mut out);
        out
    }

    #[test]
    fn every_field() {
        let walked = walk(0x88b5, b"abcdabcd");
        assert_eq!(walked.of("Ethernet"), [encoded(0x88b5, 8, 2.0)]);
        assert_eq!(walked.fate, Fate::Unknown(Selector::EtherType(0x88b5)));
    }

    #[test]
    fn prefixes() {
        every_prefix(
            PROTOCOLS,
            1,
            &frame(0x6558, &frame(6, b"\x42\x42\x03abc--")),
        );
    }

    #[test]
    fn bridged() {
        let walked = walk(0x6558, &frame(0x88b5, b""));
        assert_eq!(walked.of("Ethernet").len(), 2);
        assert_eq!(walked.fate, Fate::Decoded);
    }

    #[test]
    fn length_hides_padding() {
        let walked = walk(4, b"\x00\x00\x03\x03--------");
        assert_eq!(walked.of("Ethernet"), [encoded(0, 4, 1.0)]);
        assert_eq!(walked.of("LLC").len(), 1);
        let walked = walk(0, b"--------");
        assert_eq!(walked.of("Ethernet"), [encoded(0, 0, 0.0)]);
        assert_eq!(walked.fate, Fate::Decoded);
    }

    #[test]
    fn length_beyond_the_capture() {
        let walked = walk(1500, b"\x00\x00\x03\x03");
        assert_eq!(walked.of("Ethernet"), [encoded(0, 4, 1.0)]);
        assert_eq!(walked.of("LLC").len(), 1);
    }

    #[test]
    fn length_that_cuts_its_client() {
        let walked = walk(2, b"\x42\x42\x03");
        assert!(matches!(walked.fate, Fate::Malformed(m) if m.reason == Reason::Truncated));
        assert_eq!(walked.of("Ethernet"), [encoded(0, 2, 0.0)]);
    }

    #[test]
    fn neither_length_nor_type() {
        for value in [1501, 1535] {
            let walked = walk(value, b"\x42\x42\x03\x03");
            assert_eq!(walked.of("Ethernet"), [encoded(0, 4, 1.0)]);
            assert_eq!(walked.fate, Fate::Unknown(Selector::EtherType(value)));
        }
    }
}
