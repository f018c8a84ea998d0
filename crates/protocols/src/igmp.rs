//! Internet Group Management Protocol: version 1 (RFC 1112), 2 (RFC 2236) and 3 (RFC 3376).
//!
//! A query's version follows from its length and its time (RFC 3376 section 7.1): 8 octets without
//! a time are version 1, 8 with one version 2, 12 and more version 3; a query of another length is
//! malformed.
//!
//! Other protocols use IGMP's IP protocol number with types of their own, DVMRP, PIM version 1,
//! traceroute and router discovery among them. They are recorded with type and checksum, which all
//! have in the same place; a group address only where they have it in its place. What follows is
//! left alone.
//!
//! Sources and group records are recorded up to the first that is not there whole.

use netcap_dissect::{Context, Cursor, Layer, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Each, Ip, Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("IGMP", dissect)
    .reached_by(&[Selector::IpProto(2)])
    .emits(&[Igmp::SCHEMA]);

/// Types, RFC 3376 section 4 and the registry "IGMP Type Numbers".
const QUERY: u8 = 0x11;
const REPORT_V1: u8 = 0x12;
const REPORT_V2: u8 = 0x16;
const LEAVE_V2: u8 = 0x17;
const REPORT_V3: u8 = 0x22;
/// Messages between routers and switches, RFC 3488 section 2: 0xfc to 0xff.
const RGMP: u8 = 0xfc;
/// Authentication of members, draft-hayashi-igap section 2: queries, reports and leaves.
const IGAP: [u8; 3] = [0x40, 0x41, 0x42];
/// Answers and requests, draft-ietf-idmr-traceroute-ipm section 3.
const TRACEROUTE: [u8; 2] = [0x1e, 0x1f];

/// Nanoseconds of the unit of response times, a tenth of a second (RFC 3376 section 4.1.1).
const TENTH: u64 = 100_000_000;
/// Nanoseconds of the unit of query intervals, a second (RFC 3376 section 4.1.7).
const SECOND: u64 = 1_000_000_000;

/// One message of the Internet Group Management Protocol (RFC 1112, 2236, 3376), or of another
/// protocol that shares its number.
#[derive(Record)]
#[record("IGMP", 54)]
pub(crate) struct Igmp<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Type: 17 query, 18 report of version 1, 22 report of version 2, 23 leave, 34 report of
    /// version 3; 19 DVMRP, 20 PIM version 1, 21 Cisco traceroute, 30 and 31 multicast traceroute,
    /// 48 to 50 multicast router discovery, 64 to 66 IGAP, 252 to 255 RGMP.
    #[field(2, "Type")]
    kind: u8,
    /// Nanoseconds within which hosts answer a query, a multiple of 100000000: 0 to 25.5 s in
    /// version 2, to 3174.4 s in version 3. In reports and leaves of version 2 as sent, usually 0.
    /// 0 in all others.
    #[field(3, "MaxResponseTime")]
    max_response_time: u64,
    /// Checksum of the message as sent; it is not verified.
    #[field(4, "Checksum")]
    checksum: u16,
    /// IPv4 address of the group, four octets; `00000000` where a query asks for all groups. Empty
    /// in reports of version 3 and in other protocols but multicast traceroute, IGAP and RGMP.
    #[field(5, "GroupAddress")]
    group: &'a [u8],
    /// Whether routers shall not restart their timers on this query (S, version 3).
    #[field(6, "SupressRouterProcessing")]
    suppress: bool,
    /// Robustness of the querier (QRV, version 3): how many packets in a row may be lost, 1 to 7;
    /// 0 for more.
    #[field(7, "RobustnessValue")]
    robustness: u8,
    /// Nanoseconds between two queries of the querier (QQIC, version 3), a multiple of 1000000000:
    /// 0 to 31744 s.
    #[field(8, "IntervalTime")]
    interval: u64,
    /// Sources that a query of version 3 asks for.
    #[field(9, "SourceAddresses")]
    sources: Each<Addresses<'a>>,
    /// Number of group records as a report of version 3 says.
    #[field(10, "NumberOfGroupRecords")]
    record_count: u16,
    /// Number of sources as a query of version 3 says.
    #[field(11, "NumberOfSources")]
    source_count: u16,
    /// Group records of a report of version 3.
    #[field(12, "GroupRecords")]
    records: Each<Records<'a>>,
    /// Version of IGMP that the message belongs to, 1 to 3; 0 where it is of another protocol.
    #[field(13, "Version")]
    version: u8,
}

/// What a report of version 3 says of one group (RFC 3376 section 4.2.4).
#[derive(Record)]
#[record("IGMPv3GroupRecord", 55)]
pub(crate) struct GroupRecord<'a> {
    /// Type: 1 mode is include, 2 mode is exclude, 3 change to include, 4 change to exclude, 5
    /// allow new sources, 6 block old sources.
    #[field(1, "Type")]
    kind: u8,
    /// Words of four octets of auxiliary data after the sources, which has no meaning in version
    /// 3; 0.
    #[field(2, "AuxDataLen")]
    auxiliary_length: u8,
    /// Number of sources.
    #[field(3, "NumberOfSources")]
    source_count: u16,
    /// Address of the group.
    #[field(4, "MulticastAddress")]
    group: Ip,
    /// The sources.
    #[field(5, "SourceAddresses")]
    sources: Each<Addresses<'a>>,
}

/// The addresses that are whole.
#[derive(Clone)]
struct Addresses<'p> {
    input: Cursor<'p>,
    left: u16,
}

impl Iterator for Addresses<'_> {
    type Item = Ip;

    fn next(&mut self) -> Option<Ip> {
        self.left = self.left.checked_sub(1)?;
        self.input.array().ok().map(|octets| Ip::V4(*octets))
    }
}

/// The group records whose heads are whole; of the last, the sources that are.
#[derive(Clone)]
struct Records<'p> {
    input: Cursor<'p>,
    left: u16,
    /// What is wrong with the first that is not whole.
    verdict: Result<(), Malformed>,
}

impl<'p> Iterator for Records<'p> {
    type Item = GroupRecord<'p>;

    fn next(&mut self) -> Option<GroupRecord<'p>> {
        self.left = self.left.checked_sub(1)?;
        let head = self.input.array::<8>();
        let [kind, auxiliary_length, n0, n1, group @ ..] = *self.sound(head)?;
        let source_count = u16::from_be_bytes([n0, n1]);
        let sources = addresses(&self.input, source_count);
        let rest = usize::from(source_count) * 4 + usize::from(auxiliary_length) * 4;
        let skipped = self.input.skip(rest);
        let _ = self.sound(skipped);
        Some(GroupRecord {
            kind,
            auxiliary_length,
            source_count,
            group: Ip::V4(group),
            sources,
        })
    }
}

impl Records<'_> {
    /// Ends where something is missing.
    fn sound<T>(&mut self, result: Result<T, Malformed>) -> Option<T> {
        result
            .map_err(|malformed| {
                self.left = 0;
                self.verdict = Err(malformed);
            })
            .ok()
    }
}

fn addresses<'p>(input: &Cursor<'p>, count: u16) -> Each<Addresses<'p>> {
    Each(Addresses {
        input: *input,
        left: count,
    })
}

/// A code as a number: from 128 on three bits of exponent and four of mantissa (RFC 3376 sections
/// 4.1.1 and 4.1.7).
fn decode(code: u8) -> u64 {
    let (exponent, mantissa) = (code >> 4 & 7, u64::from(code & 15));
    if code < 128 {
        u64::from(code)
    } else {
        (mantissa | 16) << (exponent + 3)
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let start = *input;
    let told = input.remaining() + missing(context.layers());
    let [kind, code, c0, c1] = *input.array()?;
    let none = Cursor::new(PROTOCOL.name, &[]);
    let mut record = Igmp {
        timestamp: context.timestamp(),
        kind,
        max_response_time: 0,
        checksum: u16::from_be_bytes([c0, c1]),
        group: &[],
        suppress: false,
        robustness: 0,
        interval: 0,
        sources: addresses(&none, 0),
        record_count: 0,
        source_count: 0,
        records: Each(Records {
            input: none,
            left: 0,
            verdict: Ok(()),
        }),
        version: 0,
    };
    let mut sound = Ok(());
    match kind {
        // RFC 3376 section 4.1.
        QUERY if told >= 12 => {
            record.version = 3;
            record.max_response_time = decode(code) * TENTH;
            record.group = input.bytes(4)?;
            let [flags, interval, n0, n1] = *input.array()?;
            record.suppress = flags & 8 != 0;
            record.robustness = flags & 7;
            record.interval = decode(interval) * SECOND;
            record.source_count = u16::from_be_bytes([n0, n1]);
            record.sources = addresses(input, record.source_count);
            sound = input.skip(usize::from(record.source_count) * 4);
        }
        QUERY => {
            record.version = if code == 0 { 1 } else { 2 };
            record.max_response_time = u64::from(code) * TENTH;
            record.group = input.bytes(4)?;
            if told != 8 {
                sound = Err(start.malformed(Reason::Length));
            }
        }
        REPORT_V1 => {
            record.version = 1;
            record.group = input.bytes(4)?;
        }
        REPORT_V2 | LEAVE_V2 => {
            record.version = 2;
            record.max_response_time = u64::from(code) * TENTH;
            record.group = input.bytes(4)?;
        }
        // RFC 3376 section 4.2.
        REPORT_V3 => {
            record.version = 3;
            let [_, _, n0, n1] = *input.array()?;
            record.record_count = u16::from_be_bytes([n0, n1]);
            record.records = Each(Records {
                input: *input,
                left: record.record_count,
                verdict: Ok(()),
            });
            let mut records = record.records.0.clone();
            records.by_ref().for_each(drop);
            sound = records.verdict;
        }
        RGMP.. => record.group = input.bytes(4)?,
        _ if TRACEROUTE.contains(&kind) || IGAP.contains(&kind) => {
            record.group = input.bytes(4)?;
        }
        _ => {}
    }
    context.emit(&record);
    sound.map(|()| Next::End)
}

/// Octets that the IPv4 header around tells and that were not captured.
fn missing(layers: &[Layer<'_>]) -> usize {
    let header = layers
        .iter()
        .rfind(|layer| layer.protocol == crate::ipv4::PROTOCOL.name);
    match header.map(|layer| layer.octets) {
        Some(&[_, _, l0, l1, ref rest @ ..]) => {
            usize::from(u16::from_be_bytes([l0, l1])).saturating_sub(4 + rest.len())
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{encoded, every_prefix, walk_cut, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use; 148 stands for IPv4 around it.
    static BARE: Protocol = Protocol::new("IGMP", dissect)
        .reached_by(&[Selector::LinkType(147), Selector::IpProto(2)])
        .emits(&[Igmp::SCHEMA]);
    static IPV4: Protocol =
        Protocol::new("IPv4", crate::ipv4::PROTOCOL.dissect).reached_by(&[Selector::LinkType(148)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE, &IPV4];

    /// A query with two sources.
    const QUERY_V3: &[u8] = b"\x11\x90\x12\x34\xe0\0\0\xfb\xfa\x7d\0\x02\
        \xc0\0\x02\x01\xc0\0\x02\x02";

    /// A report with a record that has two sources and auxiliary data, and one that has neither.
    const REPORT: &[u8] = b"\x22\x55\xfa\x02\0\0\0\x02\
        \x03\x01\0\x02\xe0\0\0\xfb\xc0\0\x02\x01\xc0\0\x02\x02auxi\x04\0\0\0\xe0\0\x01\x01";

    fn message(kind: u8, version: u8, group: &[u8]) -> Igmp<'_> {
        Igmp {
            timestamp: Timestamp::new(1, 2000),
            kind,
            max_response_time: 0,
            checksum: 0x1234,
            group,
            suppress: false,
            robustness: 0,
            interval: 0,
            sources: list(&[], 0),
            record_count: 0,
            source_count: 0,
            records: records(&[], 0),
            version,
        }
    }

    fn list(octets: &[u8], left: u16) -> Each<Addresses<'_>> {
        addresses(&Cursor::new("IGMP", octets), left)
    }

    fn records(octets: &[u8], left: u16) -> Each<Records<'_>> {
        Each(Records {
            input: Cursor::new("IGMP", octets),
            left,
            verdict: Ok(()),
        })
    }

    fn query_v3() -> Igmp<'static> {
        Igmp {
            // Exponent 1, mantissa 0: 256 tenths.
            max_response_time: 25_600_000_000,
            suppress: true,
            robustness: 2,
            interval: 125_000_000_000,
            sources: list(&QUERY_V3[12..], 2),
            source_count: 2,
            ..message(QUERY, 3, b"\xe0\0\0\xfb")
        }
    }

    #[test]
    fn every_field_of_a_query() {
        let walked = walk_packet(PROTOCOLS, 147, QUERY_V3);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("IGMP"), [encoded(&query_v3())]);
        let sources: Vec<Ip> = query_v3().sources.0.collect();
        assert_eq!(sources, [Ip::V4([192, 0, 2, 1]), Ip::V4([192, 0, 2, 2])]);
        every_prefix(PROTOCOLS, 147, QUERY_V3);
    }

    #[test]
    fn every_field_of_a_report() {
        let walked = walk_packet(PROTOCOLS, 147, REPORT);
        assert_eq!(walked.fate, Fate::Decoded);
        let expected = Igmp {
            checksum: 0xfa02,
            record_count: 2,
            records: records(&REPORT[8..], 2),
            ..message(REPORT_V3, 3, b"")
        };
        assert_eq!(walked.of("IGMP"), [encoded(&expected)]);
        let records: Vec<_> = records(&REPORT[8..], 2)
            .0
            .map(|r| {
                let sources: Vec<Ip> = r.sources.0.collect();
                (r.kind, r.auxiliary_length, r.source_count, r.group, sources)
            })
            .collect();
        let sources = vec![Ip::V4([192, 0, 2, 1]), Ip::V4([192, 0, 2, 2])];
        let expected = [
            (3, 1, 2, Ip::V4([224, 0, 0, 251]), sources),
            (4, 0, 0, Ip::V4([224, 0, 1, 1]), vec![]),
        ];
        assert_eq!(records, expected);
        every_prefix(PROTOCOLS, 147, REPORT);
    }

    #[test]
    fn codes() {
        let codes = [
            (0, 0),
            (127, 127),
            (128, 128),
            (0x8f, 248),
            (0x90, 256),
            (255, 31744),
        ];
        for (code, value) in codes {
            assert_eq!(decode(code), value);
        }
    }

    #[test]
    fn versions_1_and_2() {
        let group = b"\xef\xff\xff\xfa";
        for (kind, code, version, time) in [
            (QUERY, 0, 1, 0),
            (QUERY, 100, 2, 10_000_000_000),
            // Linear, whatever the value.
            (QUERY, 255, 2, 25_500_000_000),
            (REPORT_V1, 9, 1, 0),
            (REPORT_V2, 0, 2, 0),
            (LEAVE_V2, 1, 2, 100_000_000),
            (0x1e, 1, 0, 0),
            (0x1f, 1, 0, 0),
            (0x40, 1, 0, 0),
            (0x42, 1, 0, 0),
            (0xfc, 1, 0, 0),
            (0xff, 1, 0, 0),
        ] {
            let octets = [&[kind, code, 0x12, 0x34][..], group].concat();
            let walked = walk_packet(PROTOCOLS, 147, &octets);
            assert_eq!(walked.fate, Fate::Decoded);
            let record = Igmp {
                max_response_time: time,
                ..message(kind, version, group)
            };
            assert_eq!(walked.of("IGMP"), [encoded(&record)], "{kind:#x} {code}");
            every_prefix(PROTOCOLS, 147, &octets);
        }
    }

    #[test]
    fn other_protocols() {
        // Router discovery ends after four octets.
        for kind in [0x00, 0x13, 0x14, 0x15, 0x20, 0x31, 0x43, 0xfb] {
            for body in [&b""[..], b"\xe0\0\0\xfb and more"] {
                let octets = [&[kind, 100, 0x12, 0x34][..], body].concat();
                let walked = walk_packet(PROTOCOLS, 147, &octets);
                assert_eq!(walked.fate, Fate::Decoded);
                assert_eq!(walked.of("IGMP"), [encoded(&message(kind, 0, b""))]);
            }
        }
    }

    #[test]
    fn lengths_of_queries() {
        for length in [9, 10, 11] {
            let walked = walk_packet(PROTOCOLS, 147, &QUERY_V3[..length]);
            assert_eq!(walked.malformed(), Some(Reason::Length));
            assert_eq!(walked.records.len(), 1);
        }
        // Sources that are not there.
        let walked = walk_packet(PROTOCOLS, 147, &QUERY_V3[..18]);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        let record = Igmp {
            sources: list(&QUERY_V3[12..], 1),
            ..query_v3()
        };
        assert_eq!(walked.of("IGMP"), [encoded(&record)]);
    }

    #[test]
    fn a_query_that_the_capture_cut_keeps_its_version() {
        let length = (20 + QUERY_V3.len() as u16).to_be_bytes();
        let head = [&b"\x45\0"[..], &length, b"\0\0\0\0\x01\x02", &[0; 10]].concat();
        let packet = [&head, QUERY_V3].concat();
        let walked = walk_cut(PROTOCOLS, 148, &packet[..28], packet.len());
        assert!(matches!(walked.fate, Fate::CutShort(m) if (m.needed, m.had) == (4, 0)));
        assert!(walked.records.is_empty());
        // What the link layer adds is not of it.
        let packet = [
            &b"\x45\0\0\x1c\0\0\0\0\x01\x02"[..],
            &[0; 10],
            &QUERY_V3[..8],
            &[0; 8],
        ];
        let walked = walk_packet(PROTOCOLS, 148, &packet.concat());
        let record = Igmp {
            max_response_time: 14_400_000_000,
            ..message(QUERY, 2, b"\xe0\0\0\xfb")
        };
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("IGMP"), [encoded(&record)]);
    }

    #[test]
    fn records_that_are_not_there() {
        for (end, kept, sources) in [(35, 1, 2), (27, 1, 2), (22, 1, 1), (17, 1, 0), (15, 0, 0)] {
            let walked = walk_packet(PROTOCOLS, 147, &REPORT[..end]);
            assert_eq!(walked.malformed(), Some(Reason::Truncated), "{end}");
            let expected = Igmp {
                checksum: 0xfa02,
                record_count: 2,
                records: records(&REPORT[8..end], 2),
                ..message(REPORT_V3, 3, b"")
            };
            assert_eq!(walked.of("IGMP"), [encoded(&expected)]);
            let mut records = records(&REPORT[8..end], 2).0;
            assert_eq!(records.clone().count(), kept, "{end}");
            assert_eq!(records.next().map_or(0, |r| r.sources.0.count()), sources);
        }
    }
}
