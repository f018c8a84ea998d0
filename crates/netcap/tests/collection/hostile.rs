//! Datagrams from whoever likes to send them.

use std::net::UdpSocket;

use crate::lab::{Lab, capture, metrics_with};

#[test]
fn hostile_datagrams_are_counted_and_end_nothing() {
    let lab = Lab::with_keys();
    let (mut server, address) = lab.serve("-metrics 127.0.0.1:0");
    let metrics = server.metrics();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut random = 1u64;
    let mut noise = |length: usize| -> Vec<u8> {
        let octets = (0..length).map(|_| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 56) as u8
        });
        octets.collect()
    };
    // One after the other, so that a small receive buffer holds each.
    let mut sent = 0;
    for length in [0, 1, 23, 24, 31, 32, 48, 72, 100, 1500, 10_240, 65_507] {
        for octets in [vec![0; length], vec![255; length], noise(length)] {
            socket.send_to(&octets, &address).expect("sent");
            sent += 1;
            metrics_with(
                &metrics,
                &[&format!("netcap_server_datagrams_total {sent}")],
            );
        }
    }
    let file = capture("example.pcap");
    let args = format!("-pubkey pub.key -addr {address} -client good");
    lab.send(&format!("{args} -r {}", file.display()));
    let said = server.stop();
    lab.assert_received("good", &lab.expected(&file));
    let refused = said.lines().filter_map(|line| {
        let (_, rest) = line.split_once("refused: ")?;
        rest.split(' ').next()?.parse::<u32>().ok()
    });
    assert_eq!(refused.sum::<u32>(), sent, "{said}");
    assert!(said.contains("1 sensor, "), "{said}");
}
