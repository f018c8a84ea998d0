//! What `-checksum` leaves out: every changed bit of a packet over IPv4 and IPv6, with TCP and UDP.

#![allow(clippy::indexing_slicing)]

use netcap_dissect::{
    Context, Entropy, Fate, Output, PacketInfo, Reason, Registry, Selection, walk,
};
use netcap_protocols::PROTOCOLS;
use netcap_record::Time;

/// LINKTYPE of packets that begin with their IP header.
const RAW: u32 = 101;

/// What comes of a packet of which the wire had so many octets.
fn fate(packet: &[u8], wire: usize, checksums: bool) -> Fate {
    let selection = Selection {
        checksums,
        ..Selection::default()
    };
    let registry = Registry::new(PROTOCOLS, &[], &selection).expect("no names");
    let (mut output, mut entropy) = (Output::new(&registry), Entropy::default());
    let mut context = Context::new(&registry, &mut output, &mut entropy, &[]);
    let info = PacketInfo {
        time: Time::new(1, 0),
        link_type: RAW,
        original_len: wire as u32,
        index: 0,
        number: 0,
    };
    walk(&mut context, info, packet)
}

/// RFC 1071, as its section 4.1 has it.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let octets = parts.concat();
    let mut sum: u32 = 0;
    for pair in octets.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum >> 16 > 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

fn with_checksum(mut octets: Vec<u8>, place: usize, addresses: &[u8], protocol: u8) -> Vec<u8> {
    let length = (octets.len() as u32).to_be_bytes();
    let sum = checksum(&[addresses, &length, &[0, 0, 0, protocol], &octets]);
    octets[place..place + 2].copy_from_slice(&sum);
    octets
}

fn ipv4(protocol: u8, inside: &[u8]) -> Vec<u8> {
    let length = (20 + inside.len() as u16).to_be_bytes();
    let mut header = [
        &[0x45, 0],
        &length[..],
        &[0, 1, 0, 0, 64, protocol, 0, 0],
        &V4,
    ]
    .concat();
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum);
    [header, inside.to_vec()].concat()
}

fn ipv6(next: u8, inside: &[u8]) -> Vec<u8> {
    let length = (inside.len() as u16).to_be_bytes();
    [&[0x60, 0, 0, 0], &length[..], &[next, 64], &V6, inside].concat()
}

const V4: [u8; 8] = [192, 0, 2, 1, 198, 51, 100, 2];
const V6: [u8; 32] = [0x20; 32];
const SEGMENT: &[u8] = b"\x9c\x40\x9c\x41\0\0\0\x01\0\0\0\0\x50\x18\x20\0\0\0\0\0odd";
const DATAGRAM: &[u8] = b"\x9c\x40\x9c\x41\0\x0b\0\0odd";

/// The packets, each with the places of its octets that a checksum covers.
fn packets() -> Vec<(Vec<u8>, std::ops::Range<usize>)> {
    let (tcp, udp) = (6, 17);
    let segment = |addresses: &[u8]| with_checksum(SEGMENT.to_vec(), 16, addresses, tcp);
    let datagram = |addresses: &[u8]| with_checksum(DATAGRAM.to_vec(), 6, addresses, udp);
    let packets = [
        (ipv4(tcp, &segment(&V4)), 0),
        (ipv4(udp, &datagram(&V4)), 0),
        // Behind what says where the next header begins.
        (ipv6(tcp, &segment(&V6)), 8),
        (ipv6(udp, &datagram(&V6)), 8),
    ];
    let packets = packets.into_iter();
    packets
        .map(|(packet, from)| (packet.clone(), from..packet.len()))
        .collect()
}

fn is_refused(fate: Fate) -> bool {
    matches!(fate, Fate::Malformed(malformed) if malformed.reason == Reason::Checksum)
}

#[test]
fn a_changed_bit_is_found() {
    for (packet, covered) in packets() {
        assert_eq!(fate(&packet, packet.len(), true), Fate::Decoded);
        for place in covered {
            let mut changed = packet.clone();
            changed[place] ^= 0x10;
            let fate = |checksums| fate(&changed, changed.len(), checksums);
            assert!(!is_refused(fate(false)), "octet {place}");
            // What a length says that is beyond the packet cannot be verified.
            let is_length = [24, 25, 44, 45].contains(&place);
            if !is_length {
                assert_ne!(fate(true), Fate::Decoded, "octet {place}");
            }
            let is_payload = place + 3 >= packet.len();
            assert!(is_refused(fate(true)) || !is_payload, "octet {place}");
        }
    }
}

#[test]
fn what_cannot_be_judged_is_left_alone() {
    for (packet, _) in packets() {
        let cut = &packet[..packet.len() - 1];
        assert!(!is_refused(fate(cut, packet.len(), true)));
    }
    // No checksum at all.
    let packet = ipv4(17, DATAGRAM);
    assert_eq!(fate(&packet, packet.len(), true), Fate::Decoded);
}
