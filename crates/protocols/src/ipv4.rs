//! Internet Protocol version 4 (RFC 791).
//!
//! The payload ends where the total length says, so padding and trailers of the link layer never
//! reach the layers inside. A total length beyond what was captured yields what is there. A total
//! length of zero comes from segmentation offload: the captured length stands in for it and is not
//! cut to 16 bits, since offloaded packets may exceed 64 KiB. A fragment ends the walk, but for the
//! one that completes its datagram, which goes on with the payload of the whole datagram. A header
//! length or a total length below its minimum leaves a record without payload. Another version
//! than 4 leaves no record.

use netcap_dissect::{
    Context, Cursor, FragmentKey, IpVersion, Malformed, Network, Next, Protocol, Reason, Selector,
    adds_up,
};
use netcap_record::{Each, Ip, Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("IPv4", dissect)
    .reached_by(&[
        Selector::EtherType(0x0800),
        // IPv4 in IP, RFC 2003; IP-within-IP, IANA protocol numbers.
        Selector::IpProto(4),
        Selector::IpProto(94),
    ])
    .emits(&[Ipv4::SCHEMA]);

/// Octets of a header without options (RFC 791 section 3.1).
const FIXED: usize = 20;

/// An IPv4 header (RFC 791). Each fragment has its own record, and so has each header of a tunnel.
#[derive(Record)]
#[record("IPv4", 29)]
pub(crate) struct Ipv4<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Version of the protocol, always 4.
    #[field(2, "Version")]
    version: u8,
    /// Length of the header in units of four octets, 5 (no options) to 15.
    #[field(3, "IHL")]
    ihl: u8,
    /// Type of service: six bits of differentiated services (RFC 2474), two bits of explicit
    /// congestion notification (RFC 3168).
    #[field(4, "TOS")]
    tos: u8,
    /// Total length of header and payload in octets. Where the header has 0, as segmentation
    /// offload leaves it, the captured length of the packet from this header on.
    #[field(5, "Length")]
    length: i32,
    /// Identification, equal in all fragments of a datagram.
    #[field(6, "Id")]
    id: u16,
    /// Three bits: 4 reserved, 2 do not fragment (DF), 1 more fragments follow (MF).
    #[field(7, "Flags")]
    flags: u8,
    /// Place of this fragment in its datagram, in units of eight octets.
    #[field(8, "FragOffset")]
    fragment_offset: u16,
    /// Time to live: routers that the packet may still cross.
    #[field(9, "TTL")]
    ttl: u8,
    /// Protocol of the payload, by its IANA number: 1 ICMP, 6 TCP, 17 UDP.
    #[field(10, "Protocol")]
    protocol: u8,
    /// Checksum of the header as sent; with `-checksum` only of headers where it is right.
    #[field(11, "Checksum")]
    checksum: u16,
    /// Source address.
    #[field(12, "SrcIP")]
    source: Ip,
    /// Destination address.
    #[field(13, "DstIP")]
    destination: Ip,
    /// What stands in the header after the option "end of list", normally zeros.
    #[field(14, "Padding")]
    padding: &'a [u8],
    /// Options in the order of the header, up to and with "end of list".
    #[field(15, "Options")]
    options: Each<Options<'a>>,
    /// Shannon entropy of the payload in bits per octet, 0 to 8.
    #[field(16, "PayloadEntropy", csv = Decimals(6))]
    payload_entropy: f64,
    /// Captured octets of the payload: what follows the header, without padding of the link layer.
    #[field(17, "PayloadSize")]
    payload_size: i32,
}

/// An option of an IPv4 header (RFC 791 section 3.1).
#[derive(Record)]
#[record("IPv4Option", 30)]
pub(crate) struct Ipv4Option<'a> {
    /// Type with its copied flag and class: 0 end of list, 1 no operation, 7 record route, 68
    /// timestamps, 148 router alert.
    #[field(1, "OptionType")]
    kind: u8,
    /// Octets of the whole option, type and length included; 1 for the types 0 and 1.
    #[field(2, "OptionLength")]
    length: u8,
    /// What follows type and length.
    #[field(3, "OptionData")]
    data: &'a [u8],
}

impl Ipv4Option<'_> {
    /// The end of a source route, loose or strict, on which there are addresses left: that is where the
    /// packet goes to, and what checksums cover (RFC 791 section 3.1, RFC 1122 section 3.2.1.8).
    fn end_of_route(&self) -> Option<[u8; 4]> {
        const LOOSE: u8 = 131;
        const STRICT: u8 = 137;
        let (&pointer, route) = self.data.split_first()?;
        // It counts from the beginning of the option, from 1.
        let is_under_way = pointer <= self.length;
        match [LOOSE, STRICT].contains(&self.kind) && is_under_way {
            true => route.last_chunk().copied(),
            false => None,
        }
    }
}

/// The sound options at the front of the octets; what is left is padding or malformed.
#[derive(Clone)]
struct Options<'a> {
    rest: &'a [u8],
    ended: bool,
}

impl<'a> Iterator for Options<'a> {
    type Item = Ipv4Option<'a>;

    #[inline]
    fn next(&mut self) -> Option<Ipv4Option<'a>> {
        if self.ended {
            return None;
        }
        let (kind, length) = match *self.rest {
            // End of list and no operation have no length.
            [kind @ (0 | 1), ..] => (kind, 1),
            [kind, length @ 2..=u8::MAX, ..] => (kind, length),
            _ => return None,
        };
        let (option, rest) = self.rest.split_at_checked(usize::from(length))?;
        (self.rest, self.ended) = (rest, kind == 0);
        Some(Ipv4Option {
            kind,
            length,
            data: option.get(2..).unwrap_or_default(),
        })
    }
}

/// Whether the checksum of a header that is whole is wrong (RFC 791 section 3.1).
fn is_corrupt(octets: &[u8]) -> bool {
    let length = octets
        .first()
        .map_or(0, |first| usize::from(first & 15) * 4);
    let header = octets.get(..length).filter(|_| length >= FIXED);
    header.is_some_and(|header| !adds_up(&[header]))
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let (whole, captured) = (input.rest(), input.remaining());
    let header = *input.array::<FIXED>()?;
    let (version, ihl) = (header[0] >> 4, header[0] & 15);
    if context.verifies_checksums() && is_corrupt(whole) {
        return Err(input.malformed(Reason::Checksum));
    }
    say(&header, whole, context);
    if version != 4 {
        return Err(input.malformed(Reason::Version));
    }
    let length = match u16::from_be_bytes([header[2], header[3]]) {
        0 => captured,
        length => usize::from(length),
    };
    let header_length = usize::from(ihl) * 4;
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    let source = [header[12], header[13], header[14], header[15]];
    let destination = [header[16], header[17], header[18], header[19]];

    // What is wrong with the lengths or the options is said after the record.
    let mut verdict = Ok(());
    let (mut payload, mut octets) = (&[][..], &[][..]);
    if header_length < FIXED || length < header_length {
        verdict = Err(input.malformed(Reason::Length));
    } else {
        match input.bytes(header_length - FIXED) {
            Ok(options) => {
                octets = options;
                input.limit(length - header_length);
                payload = input.rest();
            }
            Err(malformed) => {
                octets = input.rest();
                verdict = Err(malformed);
            }
        }
    }
    let options = Options {
        rest: octets,
        ended: false,
    };
    let mut padding = &[][..];
    if !octets.is_empty() {
        let mut tail = options.clone();
        tail.by_ref().for_each(drop);
        if tail.ended {
            padding = tail.rest;
        } else if !tail.rest.is_empty() && verdict.is_ok() {
            verdict = Err(input.malformed(Reason::Option));
        }
    }

    if context.verifies_checksums()
        && let Some(destination) = options.clone().find_map(|option| option.end_of_route())
    {
        context.goes_on_to(Some(Ip::V4(destination)));
    }
    if context.wants::<Ipv4<'_>>() {
        let payload_entropy = context.entropy(payload);
        context.emit(&Ipv4 {
            timestamp: context.timestamp(),
            version,
            ihl,
            tos: header[1],
            length: i32::try_from(length).unwrap_or(i32::MAX),
            id: u16::from_be_bytes([header[4], header[5]]),
            flags: (fragment >> 13) as u8,
            fragment_offset: fragment & 0x1fff,
            ttl: header[8],
            protocol: header[9],
            checksum: u16::from_be_bytes([header[10], header[11]]),
            source: Ip::V4(source),
            destination: Ip::V4(destination),
            padding,
            options: Each(options),
            payload_entropy,
            payload_size: i32::try_from(payload.len()).unwrap_or(i32::MAX),
        });
    }
    match verdict {
        // The header's length is sound, so the payload is where it should be.
        Err(malformed) if malformed.reason == Reason::Option => context.note(malformed),
        other => other?,
    }

    if !is_fragment(fragment) {
        return Ok(Next::Layer(Selector::IpProto(header[9]), payload));
    }
    let key = FragmentKey {
        version: 4,
        protocol: header[9],
        source: widened(source),
        destination: widened(destination),
        id: u32::from(u16::from_be_bytes([header[4], header[5]])),
        around: context.path().around(),
    };
    let (offset, more) = (u32::from(fragment & 0x1fff) * 8, fragment & 0x2000 != 0);
    let claimed = length - header_length;
    Ok(
        match context.fragment(key, header[9], offset, more, payload, claimed) {
            Some((protocol, datagram)) => Next::Layer(Selector::IpProto(protocol), datagram),
            None => Next::End,
        },
    )
}

/// Says what state across packets needs, whatever is wrong with the lengths.
#[inline]
fn say<'p>(header: &[u8; FIXED], whole: &'p [u8], context: &mut Context<'p, '_>) {
    let [
        first,
        _,
        l0,
        l1,
        i0,
        i1,
        f0,
        f1,
        _,
        protocol,
        _,
        _,
        addresses @ ..,
    ] = *header;
    let [s0, s1, s2, s3, d0, d1, d2, d3] = addresses;
    let network = Network {
        protocol: IpVersion::V4,
        source: u32::from_be_bytes([s0, s1, s2, s3]).into(),
        destination: u32::from_be_bytes([d0, d1, d2, d3]).into(),
    };
    let told = usize::from(u16::from_be_bytes([l0, l1]));
    context.network(network, protocol, told.saturating_sub(whole.len()));
    let fragment = u16::from_be_bytes([f0, f1]);
    let length = usize::from(first & 15) * 4;
    if is_fragment(fragment) {
        let payload = whole.get(length..).unwrap_or_default();
        let first = (fragment & 0x1fff == 0).then_some((protocol, payload));
        context.piece(protocol, u16::from_be_bytes([i0, i1]).into(), first);
    }
    if is_fragment(fragment) || context.path().piece().is_some() {
        let payload = whole.get(length.max(FIXED)..).unwrap_or_default();
        context.fragmented(payload);
    }
}

/// Whether there are more fragments, or an offset: not a whole datagram.
fn is_fragment(field: u16) -> bool {
    field & 0x3fff != 0
}

/// The address in the first four of sixteen octets.
fn widened([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{Walked, encoded, every_prefix, walk_cut, walk_packet};
    use netcap_dissect::{Completed, Entropy, Fate, Output, PacketInfo, Registry, Selection, walk};
    use netcap_record::Time;

    use super::*;

    /// Link type 228, raw IPv4.
    static BARE: Protocol = Protocol::new("IPv4", dissect)
        .reached_by(&[Selector::LinkType(228), Selector::IpProto(4)])
        .emits(&[Ipv4::SCHEMA]);

    /// The payload of protocol 17, which need not be UDP here.
    static INNER: Protocol =
        Protocol::new("inner", |_, _| Ok(Next::End)).reached_by(&[Selector::IpProto(17)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE, &INNER];

    /// No operation, router alert, end of list, two octets of padding; then a payload and a trailer
    /// of the link layer.
    const SAMPLE: &[u8] = b"\x47\xb8\x00\x20\x12\x34\x40\x00\x40\x11\xe4\x3a\
        \xc0\x00\x02\x0a\xc6\x33\x64\x14\x01\x94\x04\x00\x00\x00\x07\x08abab\xee\xee";

    fn sample() -> Ipv4<'static> {
        Ipv4 {
            timestamp: Timestamp::new(1, 2000),
            version: 4,
            ihl: 7,
            tos: 0xb8,
            length: 32,
            id: 0x1234,
            flags: 2,
            fragment_offset: 0,
            ttl: 64,
            protocol: 17,
            checksum: 0xe43a,
            source: Ip::V4([192, 0, 2, 10]),
            destination: Ip::V4([198, 51, 100, 20]),
            padding: b"\x07\x08",
            options: Each(Options {
                rest: b"\x01\x94\x04\x00\x00\x00",
                ended: false,
            }),
            payload_entropy: 1.0,
            payload_size: 4,
        }
    }

    /// The walk over the sample with other octets from `at` on.
    fn changed(at: usize, octets: &[u8]) -> Walked {
        let mut packet = SAMPLE.to_vec();
        packet.splice(at..at + octets.len(), octets.iter().copied());
        walk_packet(PROTOCOLS, 228, &packet)
    }

    #[test]
    fn every_field() {
        let walked = changed(0, b"");
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("IPv4"), [encoded(&sample())]);
        assert!(walked.fragments.is_empty());
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 228, SAMPLE);
        for end in 0..FIXED {
            let walked = walk_cut(PROTOCOLS, 228, SAMPLE.split_at(end).0, SAMPLE.len());
            assert!(matches!(walked.fate, Fate::CutShort(m) if m.needed == 20));
            assert!(walked.records.is_empty());
        }
        // The options that were captured are recorded.
        let walked = walk_cut(PROTOCOLS, 228, SAMPLE.split_at(24).0, SAMPLE.len());
        assert!(matches!(walked.fate, Fate::CutShort(m) if (m.needed, m.had) == (8, 4)));
        let record = Ipv4 {
            padding: b"",
            options: Each(Options {
                rest: b"\x01",
                ended: false,
            }),
            payload_entropy: 0.0,
            payload_size: 0,
            ..sample()
        };
        assert_eq!(walked.of("IPv4"), [encoded(&record)]);
    }

    #[test]
    fn version() {
        let walked = changed(0, b"\x67");
        assert_eq!(walked.malformed(), Some(Reason::Version));
        assert!(walked.records.is_empty());
    }

    #[test]
    fn lengths() {
        // Beyond what is there: all of it. Zero: the captured length.
        for (told, recorded) in [(1500, 1500), (0, 34)] {
            let walked = changed(2, &u16::to_be_bytes(told));
            assert_eq!(walked.fate, Fate::Decoded);
            let record = Ipv4 {
                length: recorded,
                payload_entropy: Entropy::default().of(b"abab\xee\xee", &[]),
                payload_size: 6,
                ..sample()
            };
            assert_eq!(walked.of("IPv4"), [encoded(&record)]);
        }
        // Less than the header.
        let walked = changed(2, b"\x00\x1b");
        assert_eq!(walked.malformed(), Some(Reason::Length));
        let walked = changed(0, b"\x44");
        assert_eq!(walked.malformed(), Some(Reason::Length));
        let record = Ipv4 {
            ihl: 4,
            padding: b"",
            options: Each(Options {
                rest: b"",
                ended: false,
            }),
            payload_entropy: 0.0,
            payload_size: 0,
            ..sample()
        };
        assert_eq!(walked.of("IPv4"), [encoded(&record)]);
    }

    #[test]
    fn offloaded_packets_exceed_16_bits() {
        let mut packet = SAMPLE.to_vec();
        packet.splice(2..4, [0, 0]);
        packet.resize(70_000, 0);
        let walked = walk_packet(PROTOCOLS, 228, &packet);
        assert_eq!(walked.fate, Fate::Decoded);
        let records = walked.of("IPv4");
        let record = netcap_record::Message::parse(Ipv4::SCHEMA, records.first().unwrap()).unwrap();
        for (name, expected) in [("Length", 70_000), ("PayloadSize", 69_972)] {
            let value = record.value(Ipv4::SCHEMA.field(name).unwrap());
            assert!(matches!(value, Some(netcap_record::Scalar::Int(n)) if n == expected));
        }
    }

    /// A packet in a packet: two levels, and what is not there of each.
    #[test]
    fn levels() {
        let outer = b"\x45\0\0\x64\0\0\0\0\x40\x04\0\0\x0a\0\0\x01\x0a\0\0\x02";
        let walked = walk_packet(PROTOCOLS, 228, &[outer, SAMPLE].concat());
        let levels = walked.levels.iter().map(|level| {
            let (source, _) = level.network.unwrap().ips();
            (source, level.protocol, level.missing)
        });
        let expected = [
            (Ip::V4([10, 0, 0, 1]), 4, 100 - 54),
            (Ip::V4([192, 0, 2, 10]), 17, 0),
        ];
        assert!(levels.eq(expected), "{:?}", walked.levels);
    }

    #[test]
    fn options_that_contradict_themselves() {
        for octets in [
            b"\x01\x94\x00",
            b"\x01\x94\x01",
            b"\x01\x94\x08",
            b"\x01\x01\x94",
        ] {
            let mut options = octets.to_vec();
            options.resize(8, 1);
            if octets == b"\x01\x01\x94" {
                options.rotate_right(5);
            }
            let walked = changed(20, &options);
            assert_eq!(walked.malformed(), Some(Reason::Option), "{octets:x?}");
            assert_eq!(walked.of("IPv4").len(), 1);
        }
    }

    #[test]
    fn fragments() {
        // The reserved bit and "do not fragment" make no fragment.
        assert!(changed(6, b"\xc0\x00").fragments.is_empty());
        for (field, offset, more) in [(0x2000, 0, true), (0x2001, 8, true), (0xdfff, 65528, false)]
        {
            let walked = changed(6, &u16::to_be_bytes(field));
            assert_eq!(walked.fate, Fate::Decoded);
            let [fragment] = walked.fragments.as_slice() else {
                panic!("one fragment");
            };
            assert_eq!((fragment.offset, fragment.more), (offset, more));
            assert_eq!((fragment.protocol, &*fragment.data), (17, &b"abab"[..]));
            let key = FragmentKey {
                version: 4,
                protocol: 17,
                source: *b"\xc0\x00\x02\x0a\0\0\0\0\0\0\0\0\0\0\0\0",
                destination: *b"\xc6\x33\x64\x14\0\0\0\0\0\0\0\0\0\0\0\0",
                id: 0x1234,
                around: Box::default(),
            };
            assert_eq!(fragment.key, key);
            assert_eq!(walked.application, ("Fragment", 6));
            let piece = walked.levels.first().and_then(|level| level.piece).unwrap();
            let ports = (0x6162, 0x6162);
            let expected = (offset == 0).then_some(ports);
            let found = piece.transport.map(|ends| (ends.source, ends.destination));
            assert_eq!((piece.id, piece.protocol, found), (0x1234, 17, expected));
        }
        // What the capture cut cannot be put together.
        let mut cut = SAMPLE.to_vec();
        cut.splice(6..8, [0x20, 0]);
        cut.truncate(30);
        assert!(walk_cut(PROTOCOLS, 228, &cut, 34).fragments.is_empty());
    }

    #[test]
    fn the_last_fragment_goes_on() {
        let registry = Registry::new(PROTOCOLS, &[], &Selection::default()).unwrap();
        let mut packet = SAMPLE.to_vec();
        packet.splice(6..8, [0, 1]);
        let completed = [Completed {
            packet: 0,
            ordinal: 0,
            protocol: 4,
            data: SAMPLE.to_vec(),
        }];
        let (mut output, mut entropy) = (Output::new(&registry), Entropy::default());
        let mut context = Context::new(&registry, &mut output, &mut entropy, &completed);
        let info = PacketInfo {
            time: Time::new(1, 2000),
            link_type: 228,
            original_len: 34,
            index: 0,
            number: 0,
        };
        assert_eq!(walk(&mut context, info, &packet), Fate::Decoded);
        assert_eq!(output.records(), 2);
    }
}
