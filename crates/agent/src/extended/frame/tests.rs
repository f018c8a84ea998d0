//! Frames of all kinds, octet by octet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::super::message::{Fragment, MgenNote};
use super::super::protocol::{DCCP, HOP_BY_HOP, ICMP, SCTP, UDP_LITE};
use super::*;
use crate::mode::Mac;

const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 9];
const HERE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
const HERE_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
const THERE_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
const TIME: Timestamp = Timestamp {
    seconds: 1_700_000_000,
    nanos: 137_999,
};
/// Kinds of links that are known, and one that is not.
const LINKS: [LinkType; 10] = [
    LinkType::ETHERNET,
    LinkType::LINUX_SLL,
    LinkType::LINUX_SLL2,
    LinkType::RAW,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType::NULL,
    LinkType::LOOP,
    LinkType::PPP,
    LinkType::IEEE802_11_RADIOTAP,
];

fn interface() -> Interface {
    Interface {
        name: "eth0".to_owned(),
        mac: Some(OURS),
        mtu: 1500,
        addresses: vec![HERE.into(), HERE_6.into()],
    }
}

fn noted(link_type: LinkType, octets: &[u8]) -> Result<PacketNote, NoNote> {
    let frame = Frame {
        link_type,
        time: TIME,
        octets,
        wire_length: octets.len() as u32,
    };
    note(&frame, 1, &interface())
}

fn of_ethernet(octets: &[u8]) -> PacketNote {
    noted(LinkType::ETHERNET, octets).expect("a note")
}

/// A frame from us.
fn ethernet(kind: u16, packet: &[u8]) -> Vec<u8> {
    [&THEIRS[..], &OURS.0, &kind.to_be_bytes(), packet].concat()
}

/// A packet from here to there, with options of that many octets and that place in a datagram.
fn ipv4(protocol: u8, options: usize, place: u16, carried: &[u8]) -> Vec<u8> {
    let length = (20 + options + carried.len()) as u16;
    let mut packet = vec![0x45 + (options / 4) as u8, 0xb8];
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&[0x12, 0x34]);
    packet.extend_from_slice(&place.to_be_bytes());
    packet.extend_from_slice(&[64, protocol, 0, 0]);
    packet.extend_from_slice(&HERE.octets());
    packet.extend_from_slice(&THERE.octets());
    packet.resize(packet.len() + options, 1);
    packet.extend_from_slice(carried);
    packet
}

fn ipv6(next: u8, carried: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x6b, 0x80, 0, 7];
    packet.extend_from_slice(&(carried.len() as u16).to_be_bytes());
    packet.extend_from_slice(&[next, 64]);
    packet.extend_from_slice(&HERE_6.octets());
    packet.extend_from_slice(&THERE_6.octets());
    packet.extend_from_slice(carried);
    packet
}

/// From port 1111 to port 5000.
fn udp(payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len()) as u16;
    let mut datagram = vec![0x04, 0x57, 0x13, 0x88];
    datagram.extend_from_slice(&length.to_be_bytes());
    datagram.extend_from_slice(&[0xab, 0xcd]);
    datagram.extend_from_slice(payload);
    datagram
}

/// From port 1111 to port 5000, with options of that many octets.
fn tcp(options: usize, payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![0x04, 0x57, 0x13, 0x88, 0, 0, 0, 1, 0, 0, 0, 2];
    segment.extend_from_slice(&[((5 + options / 4) << 4) as u8, 0x18, 1, 0, 0xab, 0xcd, 0, 0]);
    segment.resize(segment.len() + options, 1);
    segment.extend_from_slice(payload);
    segment
}

/// A message of MGEN to port 5000 of that address: flow 70000, number 9.
fn message(destination: IpAddr, length: u16) -> Vec<u8> {
    let mut message = length.to_be_bytes().to_vec();
    message.extend_from_slice(&[2, 8, 0, 1, 0x11, 0x70, 0, 0, 0, 9]);
    message.resize(20, 0);
    message.extend_from_slice(&[0x13, 0x88]);
    match destination {
        IpAddr::V4(ip) => message.extend_from_slice(&[&[1, 4][..], &ip.octets()].concat()),
        IpAddr::V6(ip) => message.extend_from_slice(&[&[2, 16][..], &ip.octets()].concat()),
    }
    message.resize(length.into(), 0);
    message
}

const MGEN: MgenNote = MgenNote {
    flow_id: 70_000,
    sequence: 9,
    is_certain: true,
};

#[test]
fn a_datagram_has_all_its_fields() {
    let found = of_ethernet(&ethernet(0x0800, &ipv4(UDP, 0, 0x4000, &udp(b"hello"))));
    let expected = PacketNote {
        time: 1_700_000_000_000_137_999,
        interface: 1,
        direction: Direction::Sent,
        source: HERE.into(),
        destination: THERE.into(),
        protocol: UDP,
        hops_left: 64,
        traffic_class: 0xb8,
        length: 33,
        wire_length: 47,
        is_uncut: false,
        identification: 0x1234,
        fragment: None,
        ports: Some((1111, 5000)),
        vlans: Vec::new(),
        // printf '\x04\x57\x13\x88\x00\x0d\x00\x00hello' | sha256sum
        digest: Some(DIGEST_OF_HELLO),
        mgen: None,
    };
    assert_eq!(found, expected);
    let found = of_ethernet(&ethernet(0x86dd, &ipv6(UDP, &udp(b"hello"))));
    let over_ipv6 = PacketNote {
        source: HERE_6.into(),
        destination: THERE_6.into(),
        length: 53,
        wire_length: 67,
        identification: 0,
        ..expected
    };
    assert_eq!(found, over_ipv6);
}

const DIGEST_OF_HELLO: u64 = 0xcdc2_03ff_03f0_8e4a;

#[test]
fn all_links_carry_the_same() {
    let (v4, v6) = (ipv4(UDP, 0, 0, &udp(b"")), ipv6(UDP, &udp(b"")));
    let sll = |kind: u16, ours: u8| {
        let mut header = vec![0, ours, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
        header.extend_from_slice(&kind.to_be_bytes());
        header
    };
    let sll2 = |kind: u16, ours: u8| {
        let mut header = kind.to_be_bytes().to_vec();
        header.extend_from_slice(&[0, 0, 0, 0, 0, 3, 0, 1, ours, 6, 2, 0, 0, 0, 0, 1, 0, 0]);
        header
    };
    let cases: [(LinkType, Vec<u8>, Vec<u8>); 13] = [
        (
            LinkType::ETHERNET,
            ethernet(0x0800, &[]),
            ethernet(0x86dd, &[]),
        ),
        (LinkType::LINUX_SLL, sll(0x0800, 4), sll(0x86dd, 4)),
        (LinkType::LINUX_SLL2, sll2(0x0800, 4), sll2(0x86dd, 4)),
        (LinkType::RAW, vec![], vec![]),
        (LinkType::IPV4, vec![], vec![]),
        (LinkType::IPV6, vec![], vec![]),
        (LinkType::NULL, vec![2, 0, 0, 0], vec![10, 0, 0, 0]),
        (LinkType::NULL, vec![0, 0, 0, 2], vec![0, 0, 0, 24]),
        (LinkType::LOOP, vec![0, 0, 0, 2], vec![0, 0, 0, 30]),
        (
            LinkType::PPP,
            vec![0xff, 3, 0, 0x21],
            vec![0xff, 3, 0, 0x57],
        ),
        (LinkType::PPP, vec![0, 0x21], vec![0, 0x57]),
        (LinkType::PPP, vec![0x21], vec![0x57]),
        (LinkType::PPP, vec![0xff, 3, 0x21], vec![0xff, 3, 0x57]),
    ];
    for (link, before_v4, before_v6) in cases {
        for (before, packet) in [(before_v4, &v4), (before_v6, &v6)] {
            let is_v6 = packet[0] >> 4 == 6;
            let octets = [&before[..], packet].concat();
            let found = noted(link, &octets);
            if link == LinkType::IPV4 && is_v6 || link == LinkType::IPV6 && !is_v6 {
                assert_eq!(found, Err(NoNote::Malformed));
                continue;
            }
            let found = found.expect("a note");
            let expected = PacketNote {
                wire_length: octets.len() as u32,
                ..noted(LinkType::RAW, packet).expect("a note")
            };
            assert_eq!(found, expected, "{link} {before:x?}");
            assert_eq!(found.direction, Direction::Sent);
        }
    }
    let received = noted(LinkType::LINUX_SLL, &[sll(0x0800, 0), v4.clone()].concat());
    assert_eq!(received.map(|note| note.direction), Ok(Direction::Received));
    let received = noted(
        LinkType::LINUX_SLL2,
        &[sll2(0x0800, 1), v4.clone()].concat(),
    );
    assert_eq!(received.map(|note| note.direction), Ok(Direction::Received));
    for (link, octets) in [
        (LinkType::IEEE802_11_RADIOTAP, v4.clone()),
        (LinkType::NULL, [&[7, 0, 0, 0][..], &v4].concat()),
        (LinkType::PPP, [&[0xc0, 0x21][..], &v4].concat()),
        (LinkType::ETHERNET, ethernet(0x0806, &v4)),
        (LinkType::ETHERNET, ethernet(0x0026, &v4)),
        (LinkType::LINUX_SLL2, [sll2(0x0004, 4), v4.clone()].concat()),
    ] {
        assert_eq!(noted(link, &octets), Err(NoNote::NotIp), "{link}");
    }
    for (kind, packet) in [(0x0800, &v6), (0x86dd, &v4)] {
        let odd = ethernet(kind, packet);
        assert_eq!(noted(LinkType::ETHERNET, &odd), Err(NoNote::Malformed));
    }
}

#[test]
fn seven_tags_are_told() {
    let plain = ethernet(0x0800, &ipv4(UDP, 0, 0, &udp(b"hello")));
    let mut frame = plain.clone();
    for (count, kind) in (1_u8..).zip([0x8100_u16, 0x88a8, 0x9100, 0x8100, 0x8100, 0x88a8, 0x8100])
    {
        let tag = [kind.to_be_bytes(), [0x20, count]].concat();
        frame.splice(12..12, tag);
        let tags = (1..=count).rev().map(|number| 0x2000 + u16::from(number));
        let expected = PacketNote {
            vlans: tags.collect(),
            wire_length: frame.len() as u32,
            ..of_ethernet(&plain)
        };
        assert_eq!(of_ethernet(&frame), expected);
    }
    frame.splice(12..12, [0x81, 0, 0, 1]);
    assert_eq!(noted(LinkType::ETHERNET, &frame), Err(NoNote::NotIp));
    // Linux's own form has the first tag's announcement in its header.
    let mut cooked = vec![0x88, 0xa8, 0, 0, 0, 0, 0, 3, 0, 1, 4, 6];
    cooked.resize(20, 0);
    cooked.extend_from_slice(&[0x20, 1, 0x81, 0, 0, 2, 8, 0]);
    cooked.extend_from_slice(&plain[14..]);
    let found = noted(LinkType::LINUX_SLL2, &cooked).expect("a note");
    assert_eq!(
        (found.vlans, found.ports),
        (vec![0x2001, 2], Some((1111, 5000)))
    );
}

#[test]
fn ports_lie_behind_options() {
    for protocol in [TCP, UDP, UDP_LITE, SCTP, DCCP] {
        for options in (0..=40).step_by(4) {
            let packet = ipv4(protocol, options, 0, &tcp(0, b"hello"));
            let found = of_ethernet(&ethernet(0x0800, &packet));
            assert_eq!(found.ports, Some((1111, 5000)));
            assert_eq!(
                (found.protocol, found.length),
                (protocol, 45 + options as u32)
            );
            let without = of_ethernet(&ethernet(0x0800, &ipv4(protocol, 0, 0, &tcp(0, b"hello"))));
            assert_eq!(found.digest, without.digest);
        }
    }
    for protocol in [0, ICMP, 2, 4, 41, 47, 50, 51, 58, 89, 255] {
        let found = of_ethernet(&ethernet(0x0800, &ipv4(protocol, 0, 0, &[1, 2])));
        assert_eq!((found.ports, found.protocol), (None, protocol));
        assert!(found.digest.is_some());
    }
}

/// An extension header of that many octets.
fn extension(next: u8, length: usize) -> Vec<u8> {
    let mut header = vec![next, (length / 8 - 1) as u8];
    header.resize(length, 0);
    header
}

#[test]
fn extension_headers_are_gone_behind() {
    let datagram = udp(b"hello");
    let plain = of_ethernet(&ethernet(0x86dd, &ipv6(UDP, &datagram)));
    let authentication = |next| {
        let mut header = vec![next, 4];
        header.resize(24, 7);
        header
    };
    let fragment = |next| vec![next, 0, 0, 0, 0xfe, 0xdc, 0xba, 0x98];
    for (first, headers) in [
        (HOP_BY_HOP, extension(UDP, 8)),
        (43, extension(UDP, 24)),
        (60, extension(UDP, 16)),
        (51, authentication(UDP)),
        (44, fragment(UDP)),
        (
            HOP_BY_HOP,
            [
                extension(60, 8),
                extension(43, 16),
                extension(44, 24),
                fragment(51),
                authentication(60),
                extension(UDP, 8),
            ]
            .concat(),
        ),
        (60, [extension(60, 8).repeat(7), extension(UDP, 8)].concat()),
    ] {
        let has_fragment_header = headers
            .windows(4)
            .any(|four| four == [0xfe, 0xdc, 0xba, 0x98]);
        let found = of_ethernet(&ethernet(
            0x86dd,
            &ipv6(first, &[&headers[..], &datagram].concat()),
        ));
        let expected = PacketNote {
            length: plain.length + headers.len() as u32,
            wire_length: plain.wire_length + headers.len() as u32,
            identification: if has_fragment_header { 0xfedc_ba98 } else { 0 },
            ..plain.clone()
        };
        assert_eq!(found, expected, "{headers:x?}");
    }
    // The ninth is what the packet carries; so are encrypted octets, and nothing.
    let nine = [
        extension(60, 8).repeat(8),
        extension(UDP, 8),
        datagram.clone(),
    ]
    .concat();
    for (first, carried, expected) in [
        (60, nine, 60),
        (60, [extension(50, 8), datagram.clone()].concat(), 50),
        (59, vec![], 59),
        (59, datagram.clone(), 59),
        (135, datagram.clone(), 135),
    ] {
        let found = of_ethernet(&ethernet(0x86dd, &ipv6(first, &carried)));
        assert_eq!((found.protocol, found.ports), (expected, None));
        assert!(found.digest.is_some() && !found.is_uncut);
    }
    // One that is longer than the packet.
    for (first, header) in [
        (60, vec![UDP, 1, 0, 0, 0, 0, 0, 0]),
        (44, vec![UDP; 7]),
        (51, vec![UDP, 9, 0, 0, 0, 0, 0, 0]),
    ] {
        let odd = ethernet(0x86dd, &ipv6(first, &header));
        assert_eq!(noted(LinkType::ETHERNET, &odd), Err(NoNote::Malformed));
    }
}

#[test]
fn fragments_say_where_they_belong() {
    let part = |offset, is_followed| Fragment {
        offset,
        is_followed,
        has_ports_of_first: false,
    };
    for (place, expected) in [
        (0x0000, None),
        (0x4000, None),
        (0x2000, Some(part(0, true))),
        (0x20b9, Some(part(1480, true))),
        (0x00b9, Some(part(1480, false))),
        (0x1fff, Some(part(65_528, false))),
    ] {
        let found = of_ethernet(&ethernet(0x0800, &ipv4(UDP, 0, place, &udp(b"hello"))));
        assert_eq!(found.fragment, expected);
        let is_first = expected.is_none_or(|part| part.offset == 0);
        assert_eq!(found.ports.is_some(), is_first);
    }
    for (place, expected) in [
        (0, None),
        (1, Some(part(0, true))),
        (1449, Some(part(1448, true))),
        (1448, Some(part(1448, false))),
        // Three bits are reserved, two of them.
        (0xfffe, Some(part(65_528, false))),
    ] {
        let place = u16::to_be_bytes(place);
        let header = [&[60, 0][..], &place, &[0, 1, 0, 2]].concat();
        let carried = [header, extension(UDP, 8), udp(b"hello")].concat();
        let found = of_ethernet(&ethernet(0x86dd, &ipv6(44, &carried)));
        assert_eq!((found.fragment, found.identification), (expected, 0x10002));
        let is_first = expected.is_none_or(|part| part.offset == 0);
        // What comes in a later one is data, whatever it looks like.
        assert_eq!(found.protocol, if is_first { UDP } else { 60 });
        assert_eq!(found.ports.is_some(), is_first);
    }
}

#[test]
fn lengths_are_those_of_packets() {
    let packet = ipv4(TCP, 0, 0, &tcp(0, &[7; 100]));
    let exact = of_ethernet(&ethernet(0x0800, &packet));
    assert_eq!((exact.length, exact.is_uncut), (140, false));
    // Padding is none of it.
    let padded = of_ethernet(&ethernet(0x0800, &[&packet[..], &[9; 20]].concat()));
    assert_eq!((padded.length, padded.wire_length), (140, 174));
    let short = ethernet(0x0800, &[ipv4(UDP, 0, 0, &udp(b"")), vec![9; 18]].concat());
    let digest = of_ethernet(&short[..42]).digest;
    assert!(digest.is_some() && of_ethernet(&short).digest == digest);
    // It does not say, or says more than there is.
    for stated in [[0, 0], [1, 0], [255, 255]] {
        let mut uncut = packet.clone();
        uncut[2..4].copy_from_slice(&stated);
        let found = of_ethernet(&ethernet(0x0800, &uncut));
        assert_eq!((found.length, found.is_uncut), (140, true));
        assert_eq!(found.digest, exact.digest);
    }
    let mut odd = packet.clone();
    odd[2..4].copy_from_slice(&[0, 19]);
    assert_eq!(noted(LinkType::RAW, &odd), Err(NoNote::Malformed));
    odd[2..4].copy_from_slice(&[0, 23]);
    assert_eq!(noted(LinkType::RAW, &odd), Err(NoNote::Malformed));
    for header in [0x40, 0x41, 0x44] {
        odd[0] = header;
        assert_eq!(noted(LinkType::RAW, &odd), Err(NoNote::Malformed));
    }
    // More than the interface sends at once, as the packet says or not.
    for (payload, is_uncut) in [(1460, false), (1461, true)] {
        let found = of_ethernet(&ethernet(
            0x0800,
            &ipv4(TCP, 0, 0, &tcp(0, &vec![7; payload])),
        ));
        assert_eq!(
            (found.is_uncut, found.length),
            (is_uncut, 40 + payload as u32)
        );
    }
    let jumbo = [extension(TCP, 8), tcp(0, &vec![7; 70_000])].concat();
    let mut jumbo = ipv6(HOP_BY_HOP, &jumbo);
    jumbo[4..6].fill(0);
    let found = noted(LinkType::RAW, &jumbo).expect("a note");
    assert_eq!((found.length, found.is_uncut), (70_068, true));
    assert_eq!((found.protocol, found.ports), (TCP, Some((1111, 5000))));
}

#[test]
fn mgen_is_recognised_with_its_confidence() {
    let (v4, v6): (IpAddr, IpAddr) = (THERE.into(), THERE_6.into());
    let of_udp = |payload: &[u8]| {
        let found = [
            of_ethernet(&ethernet(0x0800, &ipv4(UDP, 0, 0, &udp(payload)))),
            of_ethernet(&ethernet(0x86dd, &ipv6(UDP, &udp(payload)))),
        ];
        found.map(|note| note.mgen)
    };
    let of_tcp = |options, payload: &[u8]| {
        let found = [
            of_ethernet(&ethernet(0x0800, &ipv4(TCP, 0, 0, &tcp(options, payload)))),
            of_ethernet(&ethernet(0x86dd, &ipv6(TCP, &tcp(options, payload)))),
        ];
        found.map(|note| note.mgen)
    };
    let likely = MgenNote {
        is_certain: false,
        ..MGEN
    };
    for (shortest, destination, place) in [(28, v4, 0), (40, v6, 1)] {
        let expect = |note| {
            let mut expected = [None, None];
            expected[place] = note;
            expected
        };
        let whole = message(destination, 64);
        assert_eq!(of_udp(&whole), expect(Some(MGEN)));
        assert_eq!(of_udp(&message(destination, shortest)), expect(Some(MGEN)));
        let cut = usize::from(shortest) - 1;
        assert_eq!(of_udp(&whole[..cut]), expect(None));
        let mut odd = whole.clone();
        odd[2] = 99;
        assert_eq!(of_udp(&odd), expect(Some(likely)));
        assert_eq!(of_udp(&[&whole[..], &[0]].concat()), expect(Some(likely)));
        for options in [0, 12, 40] {
            assert_eq!(of_tcp(options, &whole), expect(Some(MGEN)));
            // It goes on in the next segment, or another comes behind it.
            assert_eq!(
                of_tcp(options, &message(destination, 5000)[..1000]),
                expect(Some(MGEN))
            );
            assert_eq!(of_tcp(options, &whole.repeat(3)), expect(Some(MGEN)));
            assert_eq!(of_tcp(options, &odd), expect(Some(likely)));
            assert_eq!(of_tcp(options, &whole[1..]), [None, None]);
        }
        let mut small = whole.clone();
        small[..2].copy_from_slice(&(shortest - 1).to_be_bytes());
        assert_eq!(of_tcp(0, &small), expect(Some(likely)));
    }
    // A first fragment says how long the datagram is.
    let mut first = udp(&message(v4, 8000)[..1472]);
    first[4..6].copy_from_slice(&8008_u16.to_be_bytes());
    let found = of_ethernet(&ethernet(0x0800, &ipv4(UDP, 0, 0x2000, &first)));
    assert_eq!(found.mgen, Some(MGEN));
    let later = of_ethernet(&ethernet(0x0800, &ipv4(UDP, 0, 0x2001, &first)));
    assert_eq!(later.mgen, None);
}

#[test]
fn the_digest_stays_the_same_on_the_way() {
    let packet = ipv4(TCP, 0, 0, &tcp(0, &[7; 200]));
    let digest = |packet: &[u8]| of_ethernet(&ethernet(0x0800, packet)).digest;
    let expected = digest(&packet);
    assert!(expected.is_some());
    // Class, time to live, checksums of IP and TCP; a tag; another link; octets beyond those covered.
    for place in [1, 8, 10, 11, 36, 37, 116, 200] {
        let mut other = packet.clone();
        other[place] ^= 0xff;
        assert_eq!(digest(&other), expected, "{place}");
    }
    for place in [20, 32, 35, 38, 40, 115] {
        let mut other = packet.clone();
        other[place] ^= 0xff;
        assert_ne!(digest(&other), expected, "{place}");
    }
    let mut tagged = ethernet(0x0800, &packet);
    tagged.splice(12..12, [0x81, 0, 0, 5]);
    assert_eq!(of_ethernet(&tagged).digest, expected);
    assert_eq!(
        noted(LinkType::RAW, &packet).map(|note| note.digest),
        Ok(expected)
    );
    // As much as is needed must have been captured.
    let cut = |length| {
        let frame = Frame {
            link_type: LinkType::RAW,
            time: TIME,
            octets: &packet[..length],
            wire_length: packet.len() as u32,
        };
        note(&frame, 1, &interface()).map(|note| note.digest)
    };
    assert_eq!(cut(116), Ok(expected));
    assert_eq!(cut(115), Ok(None));
}

#[test]
fn directions_are_told() {
    let sent = ethernet(0x0800, &ipv4(UDP, 0, 0, &udp(b"")));
    let mut received = sent.clone();
    received[6..12].copy_from_slice(&THEIRS);
    let direction = |link_type, octets: &[u8], interface: &Interface| {
        let wire_length = octets.len() as u32;
        let frame = Frame {
            link_type,
            time: TIME,
            octets,
            wire_length,
        };
        note(&frame, 0, interface).expect("a note").direction
    };
    let of =
        |octets: &[u8], interface: &Interface| direction(LinkType::ETHERNET, octets, interface);
    assert_eq!(of(&sent, &interface()), Direction::Sent);
    // Whatever its source says.
    assert_eq!(of(&received, &interface()), Direction::Received);
    let no_mac = Interface {
        mac: None,
        ..interface()
    };
    let there = Interface {
        addresses: vec![THERE.into()],
        ..no_mac.clone()
    };
    let elsewhere = Interface {
        addresses: vec![HERE_6.into()],
        ..no_mac.clone()
    };
    for (interface, expected) in [
        (no_mac, Direction::Sent),
        (there, Direction::Received),
        (elsewhere, Direction::Unknown),
        (Interface::default(), Direction::Unknown),
    ] {
        assert_eq!(of(&received, &interface), expected);
        let raw = |mac| Interface {
            mac,
            ..interface.clone()
        };
        assert_eq!(
            direction(LinkType::RAW, &sent[14..], &raw(Some(OURS))),
            expected
        );
    }
}

#[test]
fn every_prefix_is_malformed_or_fine() {
    let (v4, v6) = (IpAddr::from(THERE), IpAddr::from(THERE_6));
    let extensions = [
        extension(44, 16),
        vec![UDP, 0, 0, 1, 0, 0, 0, 9],
        udp(&message(v6, 64)),
    ];
    let mut tagged = ethernet(0x0800, &ipv4(TCP, 8, 0, &tcp(12, &message(v4, 64))));
    tagged.splice(12..12, [0x88, 0xa8, 0, 5, 0x81, 0, 0, 6]);
    for frame in [
        tagged,
        ethernet(0x86dd, &ipv6(HOP_BY_HOP, &extensions.concat())),
        ethernet(0x0800, &ipv4(ICMP, 0, 0x00b9, &[7; 100])),
    ] {
        let whole = of_ethernet(&frame);
        for length in 0..frame.len() {
            let cut = |wire_length| Frame {
                link_type: LinkType::ETHERNET,
                time: TIME,
                octets: &frame[..length],
                wire_length,
            };
            // Cut by the capture: what it says is true.
            match note(&cut(frame.len() as u32), 1, &interface()) {
                Err(reason) => assert_eq!(reason, NoNote::Malformed),
                Ok(found) => {
                    assert!(found.ports.is_none() || found.ports == whole.ports);
                    assert!(found.digest.is_none() || found.digest == whole.digest);
                    assert!(found.mgen.is_none() || found.mgen == whole.mgen);
                    assert!(
                        found.ports.is_some() || found.digest.is_none() || whole.ports.is_none()
                    );
                    assert_eq!((found.length, found.source), (whole.length, whole.source));
                }
            }
            // Cut on the wire: it is as long as it is.
            match note(&cut(0), 1, &interface()) {
                Err(reason) => assert_eq!(reason, NoNote::Malformed),
                Ok(found) => assert!(found.is_uncut && found.length < found.wire_length),
            }
        }
    }
}

proptest! {
    #[test]
    fn no_frame_does_harm(
        octets in prop::collection::vec(any::<u8>(), 0..200),
        beginning in 0_usize..4,
        link in 0_usize..LINKS.len(),
        wire_length in 0_u32..70_000,
    ) {
        let beginning = match beginning {
            0 => Vec::new(),
            1 => ethernet(0x0800, &[0x45]),
            2 => ethernet(0x86dd, &ipv6(60, &[])[..7]),
            _ => ethernet(0x8100, &[0, 5, 0x86, 0xdd, 0x60]),
        };
        let octets = [beginning, octets].concat();
        let frame = Frame { link_type: LINKS[link], time: TIME, octets: &octets, wire_length };
        if let Ok(found) = note(&frame, 1, &interface()) {
            prop_assert!(found.length <= found.wire_length);
            prop_assert!(found.wire_length as usize >= octets.len());
            prop_assert_eq!(found.source.is_ipv6(), found.destination.is_ipv6());
            prop_assert!(found.mgen.is_none() || found.ports.is_some());
        }
    }
}
