//! Protocols in families, each with a target of its own: so the octets of a protocol are tried
//! without having to find the way to it through the layers around it.
//!
//! The input: which way to a protocol of the family, by how many octets the capture cut the packet,
//! where a prefix of it ends, the octets of the layer.

use netcap_dissect::Selector;
use netcap_protocols::PROTOCOLS;

use crate::laws;

/// A target, and the protocols that it tries by name; the target `links` tries all others.
pub const FAMILIES: &[(&str, &[&str])] = &[
    (
        "internet",
        &[
            "ARP",
            "IPv4",
            "IPv6",
            "IPv6HopByHop",
            "IPv6Destination",
            "IPv6Fragment",
            "IPv6Routing",
            "ICMPv4",
            "ICMPv6",
            "ICMPv6Echo",
            "ICMPv6NeighborAdvertisement",
            "ICMPv6NeighborSolicitation",
            "ICMPv6RouterAdvertisement",
            "ICMPv6RouterSolicitation",
            "TCP",
            "UDP",
            "SCTP",
        ],
    ),
    (
        "wlan",
        &[
            "Dot11", "RadioTap", "PPI", "Prism", "AVS", "EAPOL", "EAPOLKey", "EAP",
        ],
    ),
    (
        "tunnels",
        &[
            "GRE",
            "ERSPAN",
            "MPLS",
            "VXLAN",
            "VXLAN-GPE",
            "Geneve",
            "NSH",
            "Teredo",
            "GTP-U",
            "L2TP",
            "L2TPv3",
            "EtherIP",
            "IPSecAH",
            "IPSecESP",
            "UDPEncap",
            "MinimalEncapsulation",
            "PBB",
            "LISP",
            "AYIYA",
            "CiscoMetadata",
            "VNTag",
            "ETag",
            "FabricPath",
            "AristaTimestamp",
        ],
    ),
    ("routing", &["OSPF", "BFD", "VRRP", "IGMP"]),
    (
        "discovery",
        &[
            "LinkLayerDiscovery",
            "CiscoDiscovery",
            "EthernetCTP",
            "NortelDiscovery",
            "USB",
        ],
    ),
    (
        "applications",
        &["DNS", "NTP", "DHCPv4", "DHCPv6", "SIP", "LCM", "ModbusTCP"],
    ),
];

/// Names of the targets.
pub fn names() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().map(|(name, _)| *name).chain(["links"])
}

/// The ways to the protocols of a family.
///
/// # Panics
/// Where a family has a name that no protocol has, or no protocol at all.
pub fn ways(family: &str) -> Vec<(&'static str, Selector)> {
    for name in FAMILIES.iter().flat_map(|(_, names)| *names) {
        assert!(
            PROTOCOLS.iter().any(|protocol| protocol.name == *name),
            "no protocol {name}"
        );
    }
    let family_of = |protocol: &str| {
        let found = FAMILIES.iter().find(|(_, names)| names.contains(&protocol));
        found.map_or("links", |(name, _)| *name)
    };
    let protocols = PROTOCOLS.iter().filter(|p| family_of(p.name) == family);
    let ways: Vec<_> = protocols
        .flat_map(|protocol| protocol.selectors.iter().map(|s| (protocol.name, *s)))
        .collect();
    assert!(!ways.is_empty(), "no family {family}");
    ways
}

/// Tries an input on a family.
///
/// # Panics
/// Where a walk breaks a law.
pub fn check(ways: &[(&'static str, Selector)], input: &[u8]) {
    if let [way, cut, end, octets @ ..] = input {
        let (_, selector) = ways[usize::from(*way) % ways.len()];
        let (link_type, packet) = wrapped(selector, octets);
        laws::check(link_type, &packet, *cut, *end);
    }
}

/// A packet that leads to the layer, and its link type.
fn wrapped(selector: Selector, octets: &[u8]) -> (u32, Vec<u8>) {
    let length = |extra: usize| ((octets.len() + extra) as u16).to_be_bytes();
    let behind = |selector, head: &[u8]| wrapped(selector, &[head, octets].concat());
    match selector {
        Selector::LinkType(number) => (number, octets.to_vec()),
        Selector::EtherType(number) => {
            let head = [&[2; 12][..], &number.to_be_bytes()].concat();
            behind(Selector::LinkType(1), &head)
        }
        Selector::LlcSap(sap) => behind(Selector::EtherType(4), &[sap, sap, 3]),
        Selector::IpProto(number) => {
            let mut head = *b"\x45\0\0\0\0\x01\0\0\x40\0\0\0\x0a\0\0\x01\x0a\0\0\x02";
            [head[2], head[3]] = length(20);
            head[9] = number;
            behind(Selector::LinkType(228), &head)
        }
        Selector::Icmpv6Type(kind) => behind(Selector::IpProto(58), &[kind, 0, 0, 0]),
        Selector::UdpPort(port) => {
            let head = [
                &port.to_be_bytes()[..],
                &port.to_be_bytes(),
                &length(8),
                &[0, 0],
            ]
            .concat();
            behind(Selector::IpProto(17), &head)
        }
        Selector::TcpPort(port) => {
            let port = port.to_be_bytes();
            let rest = b"\0\0\0\x01\0\0\0\x01\x50\x18\x40\0\0\0\0\0";
            behind(Selector::IpProto(6), &[&port[..], &port, rest].concat())
        }
        Selector::Ppp(number) => {
            let head = [&b"\xff\x03"[..], &number.to_be_bytes()].concat();
            behind(Selector::LinkType(9), &head)
        }
        Selector::Eapol(kind) => {
            let head = [&[2, kind][..], &length(0)].concat();
            behind(Selector::EtherType(0x888e), &head)
        }
        Selector::Other(..) => (0, octets.to_vec()),
    }
}
