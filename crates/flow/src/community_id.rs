//! Community ID 1.0 (corelight/community-id-spec): a hash of addresses, ports and protocol that other
//! tools compute too, the same for both directions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use netcap_dissect::{IpNumber, IpVersion, Network};
use sha1::{Digest, Sha1};

use crate::summary::Layers;

/// Distinguishes the hashes of whoever wants that; the default of all tools.
const SEED: u16 = 0;

/// The identifier of what goes between the ends of a packet, if these are IP addresses.
pub(crate) fn of(layers: &Layers) -> Option<String> {
    let network = layers.network?;
    let ports = layers.transport.map(|ends| (ends.source, ends.destination));
    let (ports, is_one_way) = match (ports, layers.icmp) {
        (Some(ports), _) => (Some(ports), false),
        (None, Some([kind, code])) => {
            let answer = answer(network.protocol, kind);
            let second = answer.unwrap_or(code);
            (Some((kind.into(), second.into())), answer.is_none())
        }
        (None, None) => (None, false),
    };
    let Network {
        source,
        destination,
        ..
    } = network;
    let (from, to) = ports.unwrap_or_default();
    let is_ordered = is_one_way || (source, from) < (destination, to);
    let ((one, from), (other, to)) = match is_ordered {
        true => ((source, from), (destination, to)),
        false => ((destination, to), (source, from)),
    };
    let mut hash = Sha1::new();
    hash.update(SEED.to_be_bytes());
    for address in [one, other] {
        update(&mut hash, network.protocol, address);
    }
    hash.update([layers.protocol, 0]);
    if ports.is_some() {
        hash.update(from.to_be_bytes());
        hash.update(to.to_be_bytes());
    }
    let mut text = String::from("1:");
    STANDARD.encode_string(hash.finalize(), &mut text);
    Some(text)
}

fn update(hash: &mut Sha1, version: IpVersion, address: IpNumber) {
    let number = u128::from(address);
    match version {
        IpVersion::V4 => hash.update((number as u32).to_be_bytes()),
        IpVersion::V6 => hash.update(number.to_be_bytes()),
    }
}

/// The type of the ICMP message that answers one of a type; what has none goes one way.
fn answer(version: IpVersion, kind: u8) -> Option<u8> {
    // Echo, router advertisement and solicitation, timestamp, information, address mask: RFC 792,
    // RFC 1256, RFC 950.
    const V4: [(u8, u8); 5] = [(8, 0), (10, 9), (13, 14), (15, 16), (17, 18)];
    // Echo, listener query and report, router and neighbor discovery, node information, home agent:
    // RFC 4443, RFC 2710, RFC 4861, RFC 4620, RFC 6275.
    const V6: [(u8, u8); 6] = [
        (128, 129),
        (130, 131),
        (133, 134),
        (135, 136),
        (139, 140),
        (144, 145),
    ];
    let pairs: &[(u8, u8)] = match version {
        IpVersion::V4 => &V4,
        IpVersion::V6 => &V6,
    };
    pairs.iter().find_map(|(one, other)| match kind {
        _ if kind == *one => Some(*other),
        _ if kind == *other => Some(*one),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use netcap_dissect::Ends;

    use super::*;

    fn network(source: &str, destination: &str) -> Network {
        let address = |text: &str| match text.parse().expect("an address") {
            std::net::IpAddr::V4(address) => (IpVersion::V4, IpNumber::from(u32::from(address))),
            std::net::IpAddr::V6(address) => (IpVersion::V6, IpNumber::from(u128::from(address))),
        };
        let (protocol, source) = address(source);
        Ends {
            protocol,
            source,
            destination: address(destination).1,
        }
    }

    fn with_ports(protocol: u8, (source, from): (&str, u16), (to_ip, to): (&str, u16)) -> String {
        let layers = Layers {
            network: Some(network(source, to_ip)),
            transport: Some(Ends {
                protocol: NonZero::new(protocol).expect("not zero"),
                source: from,
                destination: to,
            }),
            protocol,
            ..Layers::default()
        };
        of(&layers).expect("there is IP")
    }

    fn icmp(protocol: u8, source: &str, destination: &str, kind: u8, code: u8) -> String {
        let layers = Layers {
            network: Some(network(source, destination)),
            protocol,
            icmp: Some([kind, code]),
            ..Layers::default()
        };
        of(&layers).expect("there is IP")
    }

    /// Published with the specification.
    #[test]
    fn vectors() {
        let (web, client) = (("66.35.250.204", 80), ("128.232.110.120", 34855));
        for (one, other) in [(web, client), (client, web)] {
            assert_eq!(with_ports(6, one, other), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        }
        let (one, other) = (("192.168.1.52", 54585), ("8.8.8.8", 53));
        assert_eq!(with_ports(17, one, other), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
        assert_eq!(with_ports(17, other, one), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
        let (one, other) = (("192.168.170.8", 7), ("192.168.170.56", 7));
        assert_eq!(with_ports(132, one, other), with_ports(132, other, one));
        let (host, router) = ("192.168.0.89", "192.168.0.1");
        let echo = "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=";
        assert_eq!(icmp(1, host, router, 8, 0), echo);
        assert_eq!(icmp(1, router, host, 0, 0), echo);
        let (one, other) = ("fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea");
        assert_eq!(
            icmp(58, one, other, 135, 0),
            "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="
        );
        assert_eq!(
            icmp(58, other, one, 136, 0),
            "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="
        );
    }

    #[test]
    fn messages_without_an_answer_go_one_way() {
        let (one, other) = ("192.0.2.1", "192.0.2.2");
        assert_ne!(icmp(1, one, other, 3, 1), icmp(1, other, one, 3, 1));
        assert_ne!(icmp(1, one, other, 3, 1), icmp(1, one, other, 3, 2));
    }

    #[test]
    fn without_ports() {
        let layers = |source, destination| Layers {
            network: Some(network(source, destination)),
            protocol: 50,
            ..Layers::default()
        };
        let (one, other) = ("192.0.2.1", "192.0.2.2");
        assert_eq!(of(&layers(one, other)), of(&layers(other, one)));
        assert_eq!(of(&Layers::default()), None);
    }
}
