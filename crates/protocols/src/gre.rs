//! Generic Routing Encapsulation (RFC 2784 with the key and sequence number of RFC 2890; the older
//! RFC 1701 with its source routes), and the enhanced version 1 of PPTP (RFC 2637).
//!
//! Every header whose announced fields are there gives a record. A source route that is cut leaves
//! its whole entries in the record and the packet malformed. Of a version other than 0 and 1
//! nothing after the first four octets is read.
//!
//! The protocol is an EtherType from 0x0600 on. Below that, and for some numbers that only GRE
//! uses, [`client`] knows what follows; a lower number that it does not know is counted as a GRE
//! protocol, never as an EtherType.

use netcap_dissect::{
    Context, Cursor, Fit, Malformed, Next, Protocol, Reason, Selector, TunnelKind,
};
use netcap_record::{Csv, Field, Nested, Record, Schema, Timestamp, Type, Value};

use crate::ethernet::{self, ETHERTYPE_MIN};
use crate::udp;

/// GRE in UDP, RFC 8086.
const PORT: u16 = 4754;

pub(crate) static PROTOCOL: Protocol = Protocol::new("GRE", dissect)
    .reached_by(&[Selector::IpProto(47), Selector::UdpPort(PORT)])
    .judged_by(judge)
    .emits(&[Gre::SCHEMA]);

// First two octets: RFC 1701, RFC 2890 section 2; the acknowledgement bit is of RFC 2637 section
// 4.1.
const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const STRICT: u16 = 0x0800;
const ACKNOWLEDGEMENT: u16 = 0x0080;

const PPP: u16 = 0x880b;
const ETHERNET: u16 = 0x6558;
const ERSPAN: u16 = 0x88be;
const WCCP: u16 = 0x883e;

/// A GRE header; each header of nested tunnels has its own.
#[derive(Record)]
#[record("GRE", 77)]
pub(crate) struct Gre<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Whether the header has a checksum.
    #[field(2, "ChecksumPresent")]
    checksum_present: bool,
    /// Whether the header has a source route (RFC 1701; obsolete).
    #[field(3, "RoutingPresent")]
    routing_present: bool,
    /// Whether the header has a key.
    #[field(4, "KeyPresent")]
    key_present: bool,
    /// Whether the header has a sequence number.
    #[field(5, "SeqPresent")]
    sequence_present: bool,
    /// Whether the source route names every hop (RFC 1701; obsolete).
    #[field(6, "StrictSourceRoute")]
    strict_source_route: bool,
    /// The acknowledgement bit of version 1 (RFC 2637); in version 0 a reserved bit.
    #[field(7, "AckPresent")]
    acknowledgement_present: bool,
    /// Further encapsulations that are allowed, 0 to 7 (RFC 1701; obsolete, 0 today).
    #[field(8, "RecursionControl")]
    recursion_control: u8,
    /// Upper five bits of the second octet: 16 is the acknowledgement bit of version 1, the others
    /// are reserved and 0.
    #[field(9, "Flags")]
    flags: u8,
    /// 0, or 1 in PPTP tunnels.
    #[field(10, "Version")]
    version: u8,
    /// EtherType of the payload: 2048 is IPv4, 34525 IPv6, 25944 Ethernet, 34827 PPP.
    #[field(11, "Protocol")]
    protocol: u16,
    /// Checksum of header and payload as sent, not verified; 0 where there is none.
    #[field(12, "Checksum")]
    checksum: u16,
    /// Octets from the start of the source route to its active entry; 0 without one.
    #[field(13, "Offset")]
    offset: u16,
    /// Key of the tunnel, 0 where there is none. Its upper 24 bits are the virtual subnet of NVGRE
    /// (RFC 7637). In version 1: payload length in the upper 16 bits, call in the lower 16.
    #[field(14, "Key")]
    key: u32,
    /// Sequence number, 0 where there is none.
    #[field(15, "Seq")]
    sequence: u32,
    /// Highest sequence number that the sender has seen of the other end (version 1); else 0.
    #[field(16, "Ack")]
    acknowledgement: u32,
    /// First entry of the source route, which holds the second, and so on; absent where there is
    /// none.
    #[field(17, "Routing")]
    routing: Option<GreRouting<'a>>,
}

/// An entry of a source route, with those after it inside.
#[derive(Clone, Copy)]
struct GreRouting<'a> {
    family: u16,
    offset: u8,
    length: u8,
    information: &'a [u8],
    after: &'a [u8],
    /// Entries that may still be recorded inside this one.
    room: usize,
}

/// Entries of a source route that a record holds, as each is one level of nesting. Nobody was seen
/// to use any.
const ENTRIES_MAX: usize = 16;

/// By hand, since the message holds itself.
static GRE_ROUTING: Schema = Schema {
    name: "GRERouting",
    number: None,
    encoder: "GRERouting",
    stem: "GRERouting",
    doc: "An entry of the source route of a GRE header (RFC 1701), with those after it inside. The \
          entry that ends the route is left out, and so is what comes after the sixteenth.",
    nested: Nested::Separated,
    fields: &[
        member(
            "AddressFamily",
            1,
            Type::Int32,
            "What the addresses are (RFC 1702): 2048 IPv4 addresses, 65534 numbers of autonomous \
             systems.",
        ),
        member(
            "SREOffset",
            2,
            Type::Int32,
            "Octets from the start of the addresses to the one that is active.",
        ),
        member("SRELength", 3, Type::Int32, "Octets of the addresses."),
        member(
            "RoutingInformation",
            4,
            Type::Bytes,
            "The addresses, one after the other.",
        ),
        member(
            "Next",
            5,
            Type::Message(&GRE_ROUTING),
            "The entry after this one; absent where this is the last.",
        ),
    ],
};

const fn member(name: &'static str, number: u32, ty: Type, doc: &'static str) -> Field {
    Field {
        name,
        alias: None,
        number,
        ty,
        repeated: false,
        csv: Csv::Default,
        doc,
    }
}

impl Record for GreRouting<'_> {
    const SCHEMA: &'static Schema = &GRE_ROUTING;

    fn encode(&self, out: &mut Vec<u8>) {
        self.family.encode(1, out);
        self.offset.encode(2, out);
        self.length.encode(3, out);
        self.information.encode(4, out);
        self.next().encode(5, out);
    }
}

impl<'a> GreRouting<'a> {
    /// The entry that the octets of a route begin with.
    fn first(route: &'a [u8], room: usize) -> Option<GreRouting<'a>> {
        let room = room.checked_sub(1)?;
        let (&[f0, f1, offset, length], rest) = route.split_first_chunk()?;
        let (information, after) = rest.split_at_checked(usize::from(length))?;
        // RFC 1701: an entry without addresses ends the route.
        (length > 0).then_some(GreRouting {
            family: u16::from_be_bytes([f0, f1]),
            offset,
            length,
            information,
            after,
            room,
        })
    }

    fn next(&self) -> Option<GreRouting<'a>> {
        GreRouting::first(self.after, self.room)
    }
}

/// RFC 8086 section 3: what is in UDP has neither a version nor a source route; and an EtherType.
fn judge(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    match *octets {
        // With a checksum come reserved octets of zeros.
        [0x80..=0xff, _, _, _, _, _, r0, r1, ..] if [r0, r1] != [0; 2] => Fit::No,
        [first, 0, 6..=255, _, ..] if first & 0x4f == 0 => Fit::Good,
        [_, second, ..] if second & 7 > 1 => Fit::No,
        _ => udp::possible_to(&[PORT], context),
    }
}

/// Reads a source route with the entry that ends it.
fn route<'p>(input: &mut Cursor<'p>, context: &mut Context<'p, '_>) -> Result<(), Malformed> {
    loop {
        let start = *input;
        let [_, _, offset, length] = *input.array()?;
        if length == 0 {
            return Ok(());
        }
        if offset > length {
            context.note(start.malformed(Reason::Length));
        }
        input.skip(usize::from(length))?;
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let start = *input;
    let flags = input.u16()?;
    let protocol = input.u16()?;
    let has = |bit: u16| flags & bit != 0;
    let version = (flags & 7) as u8;
    let known = version <= 1;
    let (mut checksum, mut offset, mut key, mut sequence, mut acknowledgement) = (0, 0, 0, 0, 0);
    // RFC 1701: both fields are there where either bit is set.
    if known && has(CHECKSUM | ROUTING) {
        checksum = input.u16()?;
        offset = input.u16()?;
    }
    if known && has(KEY) {
        key = input.u32()?;
        context.tunnel(TunnelKind::Key, tunnel(flags, protocol, key));
    }
    if known && has(SEQUENCE) {
        sequence = input.u32()?;
    }
    if version == 1 && has(ACKNOWLEDGEMENT) {
        acknowledgement = input.u32()?;
    }
    let with_route = known && has(ROUTING);
    context.emit(&Gre {
        timestamp: context.timestamp(),
        checksum_present: has(CHECKSUM),
        routing_present: has(ROUTING),
        key_present: has(KEY),
        sequence_present: has(SEQUENCE),
        strict_source_route: has(STRICT),
        acknowledgement_present: has(ACKNOWLEDGEMENT),
        recursion_control: (flags >> 8 & 7) as u8,
        flags: (flags >> 3 & 31) as u8,
        version,
        protocol,
        checksum,
        offset,
        key,
        sequence,
        acknowledgement,
        routing: if with_route {
            GreRouting::first(input.rest(), ENTRIES_MAX)
        } else {
            None
        },
    });
    if !known {
        return Err(start.malformed(Reason::Version));
    }
    if with_route {
        route(input, context)?;
    }
    if version == 1 && protocol == PPP {
        // RFC 2637 section 4.1: the key holds the payload's length, and only packets with a
        // sequence number have a payload.
        input.limit((key >> 16) as usize);
        if !has(SEQUENCE) {
            return Ok(Next::End);
        }
    }
    Ok(client(protocol, has(SEQUENCE), input))
}

/// Which tunnel the key of a header tells.
fn tunnel(flags: u16, protocol: u16, key: u32) -> u32 {
    // RFC 7637 section 3.2: NVGRE has a key, neither checksum nor sequence number, and in the key the
    // virtual subnet before eight bits that differ by flow. Subnets up to 0xfff and the last are
    // reserved, so small keys are those of other tunnels that carry frames. The others may be, too:
    // mirror sessions have a key for each direction, so subnets tell fragments apart, but no streams.
    const SUBNETS: std::ops::Range<u32> = 0x1000..0xff_ffff;
    const OTHERS: u16 = CHECKSUM | ROUTING | SEQUENCE | 7;
    let subnet = key >> 8;
    if protocol == ETHERNET && flags & OTHERS == 0 && SUBNETS.contains(&subnet) {
        return subnet << 8;
    }
    // In version 1 the upper half is the payload's length (RFC 2637 section 4.1).
    let mask = if flags & 7 == 1 { 0xffff } else { u32::MAX };
    key & mask
}

/// What follows a header.
fn client<'p>(protocol: u16, sequenced: bool, input: &mut Cursor<'p>) -> Next<'p> {
    let selector = match protocol {
        // PPP, with or without its address and control octets.
        PPP => Selector::LinkType(9),
        // Type I mirrors frames as they are (draft-foschiano-erspan section 4.1); the others
        // number them.
        ERSPAN if !sequenced => ethernet::SELECTOR,
        // Version 2 of WCCP has four octets before the packet, version 1 none
        // (draft-wilson-wrec-wccp-v2-01 section 4.12.1).
        WCCP => {
            if input.rest().first().is_some_and(|first| first >> 4 != 4) {
                let _ = input.skip(4);
            }
            Selector::EtherType(0x0800)
        }
        // OSI network layer (RFC 1701).
        0x00fe => Selector::LlcSap(0xfe),
        // Raw Frame Relay (IANA, IEEE 802 Numbers).
        0x6559 => Selector::LinkType(107),
        // MikroTik's Ethernet over IP, without a standard.
        0x6400 => ethernet::SELECTOR,
        // 802.11 frames between access points and controllers of Aruba, without a standard: one
        // number for each queue.
        0x8200..=0x8370 if protocol & 0x0f == 0 => Selector::LinkType(105),
        ETHERTYPE_MIN.. => Selector::EtherType(protocol),
        _ => Selector::Other("GRE protocol", u64::from(protocol)),
    };
    Next::Layer(selector, input.take_rest())
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{Walked, encoded, every_prefix, walk_packet};
    use netcap_record::Message;

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("GRE", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Gre::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    /// Everything that version 0 can have: two routes and the end of the list, then IPv6.
    const SAMPLE: &[u8] = b"\xfb\x00\x86\xdd\x12\x34\x00\x04\0\0\x2a\x07\0\0\0\x09\
        \x08\x00\x04\x08\xc0\x00\x02\x01\xc0\x00\x02\x02\xff\xfe\x00\x02\xfd\xe8\0\0\0\0inner";

    fn sample() -> Gre<'static> {
        Gre {
            timestamp: Timestamp::new(1, 2000),
            checksum_present: true,
            routing_present: true,
            key_present: true,
            sequence_present: true,
            strict_source_route: true,
            acknowledgement_present: false,
            recursion_control: 3,
            flags: 0,
            version: 0,
            protocol: 0x86dd,
            checksum: 0x1234,
            offset: 4,
            key: 0x2a07,
            sequence: 9,
            acknowledgement: 0,
            routing: Some(GreRouting {
                family: 0x0800,
                offset: 4,
                length: 8,
                information: b"\xc0\x00\x02\x01\xc0\x00\x02\x02",
                after: b"\xff\xfe\x00\x02\xfd\xe8\0\0\0\0",
                room: 15,
            }),
        }
    }

    /// A header with nothing but a version and a protocol.
    fn plain(version: u8, protocol: u16) -> Gre<'static> {
        Gre {
            checksum_present: false,
            routing_present: false,
            key_present: false,
            sequence_present: false,
            strict_source_route: false,
            recursion_control: 0,
            checksum: 0,
            offset: 0,
            key: 0,
            sequence: 0,
            routing: None,
            version,
            protocol,
            ..sample()
        }
    }

    fn walk(packet: &[u8]) -> Walked {
        walk_packet(PROTOCOLS, 147, packet)
    }

    fn unknown(protocol: u16) -> Fate {
        Fate::Unknown(Selector::EtherType(protocol))
    }

    #[test]
    fn every_field() {
        let walked = walk(SAMPLE);
        assert_eq!(walked.of("GRE"), [encoded(&sample())]);
        assert_eq!(walked.fate, unknown(0x86dd));
        assert_eq!(walked.tunnel(), Some((TunnelKind::Key, sample().key)));
        every_prefix(PROTOCOLS, 147, SAMPLE);
    }

    #[test]
    fn routes_inside_each_other() {
        let walked = walk(SAMPLE);
        let record = Message::parse(Gre::SCHEMA, walked.of("GRE")[0]).unwrap();
        let mut cell = Vec::new();
        let field = Gre::SCHEMA.field("Routing").unwrap();
        netcap_record::csv::cell(&record, field, &Default::default(), &mut cell);
        assert_eq!(
            String::from_utf8(cell).unwrap(),
            "(2048-4-8-c0000201c0000202-(65534-0-2-fde8-))"
        );
    }

    #[test]
    fn a_route_without_end_is_recorded_up_to_its_room() {
        let mut packet = b"\x40\x00\x08\x00\0\0\0\0".to_vec();
        for n in 0..300_u16 {
            packet.extend_from_slice(b"\x08\x00\x00\x02");
            packet.extend_from_slice(&n.to_be_bytes());
        }
        let walked = walk(&packet);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        let length = walked.of("GRE")[0].len();
        packet.extend_from_slice(b"\0\0\0\0inner");
        let walked = walk(&packet);
        assert_eq!(walked.of("GRE")[0].len(), length);
        assert_eq!(walked.fate, unknown(0x0800));
    }

    #[test]
    fn a_route_that_contradicts_itself() {
        let walked = walk(b"\x40\x00\x08\x00\0\0\0\0\x08\x00\x05\x04\xc0\x00\x02\x01\0\0\0\0inner");
        assert_eq!(walked.malformed(), Some(Reason::Length));
        assert_eq!(walked.of("GRE").len(), 1);
    }

    #[test]
    fn readers_refuse_endless_nesting() {
        let mut octets = Vec::new();
        for _ in 0..100 {
            let inner = std::mem::take(&mut octets);
            netcap_record::put::packed_key(&mut octets, 5);
            netcap_record::put::bytes(&mut octets, &inner);
        }
        assert!(Message::parse(&GRE_ROUTING, &octets).is_err());
    }

    #[test]
    fn version_1() {
        // Five octets of payload, call 7, sequence number 1, acknowledgement 2; and a trailer.
        let walked = walk(b"\x30\x81\x88\x0b\0\x05\0\x07\0\0\0\x01\0\0\0\x02inner trailer");
        let record = Gre {
            key_present: true,
            sequence_present: true,
            acknowledgement_present: true,
            flags: 16,
            key: 0x0005_0007,
            sequence: 1,
            acknowledgement: 2,
            ..plain(1, PPP)
        };
        assert_eq!(walked.of("GRE"), [encoded(&record)]);
        assert_eq!(walked.fate, Fate::Unknown(Selector::LinkType(9)));
        // An acknowledgement alone has no payload.
        let walked = walk(b"\x20\x81\x88\x0b\0\0\0\x07\0\0\0\x02padding");
        let record = Gre {
            sequence_present: false,
            key: 7,
            sequence: 0,
            ..record
        };
        assert_eq!(walked.of("GRE"), [encoded(&record)]);
        assert_eq!(walked.fate, Fate::Decoded);
    }

    #[test]
    fn other_versions() {
        let walked = walk(b"\x00\x02\x08\x00inner");
        assert_eq!(walked.of("GRE"), [encoded(&plain(2, 0x0800))]);
        assert_eq!(walked.malformed(), Some(Reason::Version));
    }

    #[test]
    fn clients() {
        let fate = |protocol: u16, payload: &[u8]| {
            walk(&[b"\x00\x00", &protocol.to_be_bytes(), payload].concat()).fate
        };
        for (protocol, selector) in [
            (0x0800, Selector::EtherType(0x0800)),
            (0x6558, ethernet::SELECTOR),
            (0x88be, ethernet::SELECTOR),
            (0x22eb, Selector::EtherType(0x22eb)),
            (0x880b, Selector::LinkType(9)),
            (0x883e, Selector::EtherType(0x0800)),
            (0x8200, Selector::LinkType(105)),
            (0x8205, Selector::EtherType(0x8205)),
            (0x00fe, Selector::LlcSap(0xfe)),
            // Neither the number of LLC among the EtherTypes, nor any other.
            (0x0004, Selector::Other("GRE protocol", 4)),
            (0x05ff, Selector::Other("GRE protocol", 0x05ff)),
        ] {
            assert_eq!(fate(protocol, b"inner"), Fate::Unknown(selector));
        }
        // Numbered frames of a mirror have a header of their own.
        let walked = walk(b"\x10\x00\x88\xbe\0\0\0\x01inner");
        assert_eq!(walked.fate, unknown(0x88be));
        // A keep-alive.
        assert_eq!(fate(0, b""), Fate::Decoded);
    }

    #[test]
    fn keys_of_nvgre() {
        let tunnel = |flags: u8, protocol: u16, key: u32| {
            let (protocol, key) = (protocol.to_be_bytes(), key.to_be_bytes());
            let mut packet = [&[flags, 0], &protocol[..]].concat();
            if flags & 0x80 != 0 {
                packet.extend_from_slice(&[0; 4]);
            }
            packet.extend_from_slice(&key);
            packet.extend_from_slice(b"\0\0\0\0inner");
            walk(&packet).tunnel()
        };
        let key = |key| Some((TunnelKind::Key, key));
        // Whatever the flow.
        assert_eq!(tunnel(0x20, 0x6558, 0x1234_5600), key(0x1234_5600));
        assert_eq!(tunnel(0x20, 0x6558, 0x1234_56ff), key(0x1234_5600));
        assert_eq!(tunnel(0x20, 0x6558, 0x0010_0001), key(0x0010_0000));
        // A reserved subnet, other protocols, and what NVGRE does not have.
        for (flags, protocol, number) in [
            (0x20, 0x6558, 0x000f_ffff),
            (0x20, 0x6558, 5),
            (0x20, 0x6558, 0xffff_ff01),
            (0x20, 0x0800, 0x1234_5601),
            (0x30, 0x6558, 0x1234_5601),
            (0xa0, 0x6558, 0x1234_5601),
        ] {
            assert_eq!(tunnel(flags, protocol, number), key(number));
        }
    }

    #[test]
    fn wccp_with_and_without_its_header() {
        static INNER: Protocol = Protocol::new("inner", |input, _| match input.rest() {
            b"\x45 inner" => Ok(Next::End),
            _ => Err(input.malformed(Reason::Value)),
        })
        .reached_by(&[Selector::EtherType(0x0800)]);
        for packet in [
            &b"\x00\x00\x88\x3e\x45 inner"[..],
            b"\x00\x00\x88\x3e\x00\x01\x02\x03\x45 inner",
        ] {
            assert_eq!(
                walk_packet(&[&BARE, &INNER], 147, packet).fate,
                Fate::Decoded
            );
        }
    }
}
