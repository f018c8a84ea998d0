//! `-checksum` of packets that are on their way to other ends than their headers name, or do not come
//! from where they say: checksums cover the final destination and the home address.

#![allow(clippy::unwrap_used)]

use netcap_capture::{LinkType, Timestamp, open, pcap_writer};
use netcap_dissect::Selection;
use netcap_pipeline::{Config, records, registry};

const UDP: u8 = 17;
const HERE: [u8; 16] = *b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";
const NEXT: [u8; 16] = *b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02";
const FINAL: [u8; 16] = *b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\xab\xcd";
const OTHER: [u8; 16] = *b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\x07\0\x09";

fn sum(octets: &[u8]) -> [u8; 2] {
    let words = octets.chunks(2);
    let words = words.map(|w| u32::from(w[0]) << 8 | u32::from(*w.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// A datagram whose checksum covers these ends.
fn udp(source: &[u8], destination: &[u8]) -> Vec<u8> {
    let mut datagram = vec![4, 87, 8, 174, 0, 12, 0, 0, b'd', b'a', b't', b'a'];
    let pseudo = [source, destination, &[0, UDP, 0, 12]].concat();
    let checksum = sum(&[&pseudo[..], &datagram].concat());
    datagram[6..8].copy_from_slice(&checksum);
    datagram
}

/// A packet to [`NEXT`] with an extension header, whose checksum covers these ends.
fn ipv6(next_header: u8, extension: &[u8], source: [u8; 16], destination: [u8; 16]) -> Vec<u8> {
    let inside = [extension, &udp(&source, &destination)].concat();
    let header = [0x60, 0, 0, 0, 0, inside.len() as u8, next_header, 64];
    [&header[..], &HERE, &NEXT, &inside].concat()
}

/// A routing header of that type with so many segments left; `fields` are the four octets before the
/// addresses.
fn route(kind: u8, left: u8, fields: [u8; 4], addresses: &[u8]) -> Vec<u8> {
    let length = (addresses.len() / 8) as u8;
    [&[UDP, length, kind, left], &fields[..], addresses].concat()
}

fn ipv4(options: &[u8], destination: [u8; 4]) -> Vec<u8> {
    let (here, next) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    let inside = udp(&here, &destination);
    let words = (5 + options.len() / 4) as u8;
    let length = words * 4 + inside.len() as u8;
    let mut header = vec![0x40 | words, 0, 0, length, 0, 0, 0, 0, 64, UDP, 0, 0];
    header.extend([here, next].concat());
    header.extend(options);
    let checksum = sum(&header);
    header[10..12].copy_from_slice(&checksum);
    [header, inside].concat()
}

/// Whether the datagram of a packet is recorded.
fn is_sound(packet: &[u8]) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("packet.pcap");
    // Raw IP.
    let mut file = pcap_writer::file_header(LinkType(101), 65_535).to_vec();
    let time = Timestamp {
        seconds: 1_600_000_000,
        nanos: 0,
    };
    pcap_writer::append_record(&mut file, time, packet.len() as u32, packet);
    std::fs::write(&path, file).unwrap();
    let selection = Selection {
        include: vec!["UDP".to_owned()],
        checksums: true,
        ..Selection::default()
    };
    let source = open(&path).unwrap();
    let found = records(source, registry(&selection).unwrap(), Config::default()).unwrap();
    found.map(Result::unwrap).count() == 1
}

#[test]
fn the_final_destination_of_ipv6_is_covered() {
    let two = [OTHER, FINAL].concat();
    let turned = [FINAL, OTHER].concat();
    let headers = [
        route(0, 1, [0; 4], &FINAL),
        route(0, 2, [0; 4], &two),
        route(2, 1, [0; 4], &FINAL),
        // RFC 8754: the last segment stands first, whatever is behind the list.
        route(4, 1, [1, 0, 0, 0], &turned),
        route(
            4,
            1,
            [0, 0, 0, 0],
            &[&FINAL[..], &[4, 6, 0, 0, 0, 0, 0, 0]].concat(),
        ),
        // RFC 6554: fourteen octets are shared, six are padding.
        route(3, 1, [0xee, 0x60, 0, 0], &[0xab, 0xcd, 0, 0, 0, 0, 0, 0]),
    ];
    for header in headers {
        assert!(is_sound(&ipv6(43, &header, HERE, FINAL)), "{header:x?}");
        assert!(!is_sound(&ipv6(43, &header, HERE, NEXT)), "{header:x?}");
        // There already.
        let mut arrived = header.clone();
        arrived[3] = 0;
        assert!(is_sound(&ipv6(43, &arrived, HERE, NEXT)), "{header:x?}");
        assert!(!is_sound(&ipv6(43, &arrived, HERE, FINAL)), "{header:x?}");
    }
    // Of another type nobody can tell.
    let unknown = route(77, 1, [0; 4], &FINAL);
    assert!(is_sound(&ipv6(43, &unknown, HERE, FINAL)));
    assert!(is_sound(&ipv6(43, &unknown, HERE, NEXT)));
}

#[test]
fn the_home_address_is_covered() {
    // Padding before it, so that it stands at 8n + 6 (RFC 6275 section 6.3).
    let options = [&[UDP, 2, 1, 2, 0, 0, 0xc9, 16], &OTHER[..]].concat();
    assert!(is_sound(&ipv6(60, &options, OTHER, NEXT)));
    assert!(!is_sound(&ipv6(60, &options, HERE, NEXT)));
    // With a home address at the other end too.
    let mut both = options.clone();
    both[0] = 43;
    both.extend(route(2, 1, [0; 4], &FINAL));
    assert!(is_sound(&ipv6(60, &both, OTHER, FINAL)));
    assert!(!is_sound(&ipv6(60, &both, OTHER, NEXT)));
    // What is inside of the packet has ends of its own.
    let mut around = options.clone();
    around[0] = 41;
    around.extend(ipv6(UDP, &[], HERE, NEXT));
    let header = [0x60, 0, 0, 0, 0, around.len() as u8, 60, 64];
    let packet = [&header[..], &HERE, &NEXT, &around].concat();
    assert!(is_sound(&packet));
}

#[test]
fn the_end_of_a_source_route_is_covered() {
    let (next, middle, last) = ([192, 0, 2, 2], [192, 0, 2, 77], [198, 51, 100, 9]);
    for kind in [131, 137] {
        let option = |pointer: u8| {
            let head = [kind, 11, pointer];
            [&head[..], &middle, &last, &[0]].concat()
        };
        for pointer in [4, 8] {
            assert!(is_sound(&ipv4(&option(pointer), last)));
            assert!(!is_sound(&ipv4(&option(pointer), next)));
        }
        // At its end.
        assert!(is_sound(&ipv4(&option(12), next)));
        assert!(!is_sound(&ipv4(&option(12), last)));
    }
    // The route that a packet took is none that it takes.
    let record = [&[7, 7, 4][..], &last, &[0]].concat();
    assert!(is_sound(&ipv4(&record, next)));
}
