//! The encoders, that is the types of audit records, as `-encoders` and `-overview` list them.

use netcap_pipeline::schemas;
use netcap_record::{Columns, Schema};

/// Encoders whose records come of more than one packet, in the order in which they are shown.
const CUSTOM: &[&str] = &[
    "TLS",
    "LinkFlow",
    "NetworkFlow",
    "TransportFlow",
    "HTTP",
    "Flow",
    "Connection",
];

/// Encoders of one layer of a packet, in the order in which they are shown. Names that are not
/// here come after those that are.
const LAYERS: &[&str] = &[
    "TCP",
    "UDP",
    "IPv4",
    "IPv6",
    "DHCPv4",
    "DHCPv6",
    "ICMPv4",
    "ICMPv6",
    "ICMPv6Echo",
    "ICMPv6NeighborSolicitation",
    "ICMPv6RouterSolicitation",
    "DNS",
    "ARP",
    "Ethernet",
    "Dot1Q",
    "Dot11",
    "NTP",
    "SIP",
    "IGMP",
    "LLC",
    "IPv6HopByHop",
    "SCTP",
    "SNAP",
    "LinkLayerDiscovery",
    "ICMPv6NeighborAdvertisement",
    "ICMPv6RouterAdvertisement",
    "EthernetCTP",
    "EthernetCTPReply",
    "LinkLayerDiscoveryInfo",
    "IPSecAH",
    "IPSecESP",
    "Geneve",
    "IPv6Fragment",
    "VXLAN",
    "USB",
    "LCM",
    "MPLS",
    "ModbusTCP",
    "OSPF",
    "BFD",
    "GRE",
    "FDDI",
    "EAP",
    "VRRP",
    "EAPOL",
    "EAPOLKey",
    "CiscoDiscovery",
    "CiscoDiscoveryInfo",
    "USBRequestBlockSetup",
    "NortelDiscovery",
];

/// The text of `-encoders`.
pub fn list() -> String {
    let mut text = String::new();
    for (title, schemas) in [("custom:", custom()), ("layer:", layers())] {
        if !schemas.is_empty() {
            text.push_str(title);
            text.push('\n');
        }
        for schema in schemas {
            text.push_str(&format!("+ {}\n", schema.encoder));
        }
    }
    text
}

/// The text of `-overview`: every encoder with its columns.
pub fn overview() -> String {
    let mut text = String::new();
    for (title, schemas) in [("LayerEncoders", layers()), ("CustomEncoders", custom())] {
        if !schemas.is_empty() {
            text.push_str(&format!("------------ {title} ------------\n"));
        }
        for schema in schemas {
            let columns: Vec<&str> = schema
                .columns(Columns::WITH_PAYLOADS)
                .map(|field| field.name)
                .collect();
            let (name, count) = (schema.encoder, columns.len());
            text.push_str(&format!("{name:<30} {count} {}\n", columns.join(",")));
        }
    }
    text
}

fn custom() -> Vec<&'static Schema> {
    let mut custom = schemas();
    custom.retain(|schema| CUSTOM.contains(&schema.encoder));
    in_order(custom, CUSTOM)
}

fn layers() -> Vec<&'static Schema> {
    let mut layers = schemas();
    layers.retain(|schema| !CUSTOM.contains(&schema.encoder));
    in_order(layers, LAYERS)
}

fn in_order(mut schemas: Vec<&'static Schema>, order: &[&str]) -> Vec<&'static Schema> {
    let place = |schema: &&Schema| {
        let listed = order.iter().position(|name| *name == schema.encoder);
        listed.unwrap_or(order.len())
    };
    schemas.sort_by_key(place);
    schemas
}
