//! `AppPayloadSize` of flows: the same for a datagram in pieces as for the datagram whole, wherever the
//! pieces are.

#![allow(clippy::unwrap_used)]

use netcap_capture::{LinkType, Timestamp, open, pcap_writer};
use netcap_dissect::Selection;
use netcap_pipeline::{Config, records, registry};
use netcap_record::Scalar;

const UDP: u8 = 17;

fn ipv4(protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let place = fragment.to_be_bytes();
    let header = [0x45, 0, length[0], length[1], 0, 9, place[0], place[1]];
    let rest = [64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    [&header[..], &rest, payload].concat()
}

fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let header = [0x60, 0, 0, 0, length[0], length[1], next_header, 64];
    [&header[..], &[1; 16], &[2; 16], payload].concat()
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap().to_be_bytes();
    let port = port.to_be_bytes();
    [&[4, 87], &port[..], &length, &[0, 0], payload].concat()
}

/// The packets of a datagram, whole or in pieces of sixteen octets.
fn datagram(version: u8, in_pieces: bool) -> Vec<Vec<u8>> {
    let inside = udp(2222, &[b'x'; 38]);
    if !in_pieces {
        return vec![match version {
            4 => ipv4(UDP, 0, &inside),
            _ => ipv6(UDP, &inside),
        }];
    }
    let pieces = inside.chunks(16).enumerate();
    let piece = |(place, octets): (usize, &[u8])| {
        let (at, more) = (place as u16 * 2, (place + 1) * 16 < inside.len());
        match version {
            4 => ipv4(UDP, at | u16::from(more) << 13, octets),
            _ => {
                let field = (at << 3 | u16::from(more)).to_be_bytes();
                let header = [UDP, 0, field[0], field[1], 0, 0, 0, 7];
                ipv6(44, &[&header[..], octets].concat())
            }
        }
    };
    pieces.map(piece).collect()
}

/// A packet of that version around which there is nothing, GRE, IP, or VXLAN.
fn around(tunnel: &str, version: u8, packet: &[u8]) -> Vec<u8> {
    let ether_type: &[u8] = if version == 4 { &[8, 0] } else { &[0x86, 0xdd] };
    match tunnel {
        "GRE" => ipv4(47, 0, &[&[0, 0], ether_type, packet].concat()),
        "IP" => ipv4(if version == 4 { 4 } else { 41 }, 0, packet),
        "VXLAN" => {
            let header = [8, 0, 0, 0, 0, 0, 7, 0];
            let frame = [&header[..], &[2; 12], ether_type, packet].concat();
            ipv4(UDP, 0, &udp(4789, &frame))
        }
        _ => packet.to_vec(),
    }
}

/// What all flows of these packets carry.
fn carried(packets: &[Vec<u8>]) -> i64 {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("packets.pcap");
    // Raw IP.
    let mut file = pcap_writer::file_header(LinkType(101), 65_535).to_vec();
    for packet in packets {
        let time = Timestamp {
            seconds: 1_600_000_000,
            nanos: 0,
        };
        pcap_writer::append_record(&mut file, time, packet.len() as u32, packet);
    }
    std::fs::write(&path, file).unwrap();
    let selection = Selection {
        include: vec!["Flow".to_owned()],
        ..Selection::default()
    };
    let config = Config::default();
    let flows = records(open(&path).unwrap(), registry(&selection).unwrap(), config).unwrap();
    let octets = flows.map(|flow| match flow.unwrap().get("AppPayloadSize") {
        Some(Scalar::Int(octets)) => octets,
        other => panic!("{other:?}"),
    });
    octets.sum()
}

#[test]
fn a_datagram_in_pieces_carries_what_it_carries_whole() {
    for tunnel in ["", "GRE", "IP", "VXLAN"] {
        for version in [4, 6] {
            let packets = |in_pieces| {
                let packets = datagram(version, in_pieces);
                let packets = packets.iter();
                packets
                    .map(|packet| around(tunnel, version, packet))
                    .collect::<Vec<_>>()
            };
            let (whole, pieces) = (packets(false), packets(true));
            let name = format!("version {version} in {tunnel:?}");
            assert_eq!(carried(&whole), 38, "{name}");
            assert_eq!(carried(&pieces), 38, "{name}");
            // In another order, and without the last.
            let turned: Vec<_> = pieces.iter().rev().cloned().collect();
            assert_eq!(carried(&turned), 38, "{name}");
            assert_eq!(carried(&pieces[..2]), 24, "{name}");
        }
    }
}
