//! Flows: all traffic from one address and port to another, in one direction.
//!
//! Its key holds the version of IP, the IP protocol and the network that the addresses are of too, so
//! TCP and UDP between the same ends are two flows, and so are tenants with the same addresses. All
//! traffic without IP is one flow.

use netcap_dissect::{Application, Link, Network, Output, Registry, Selector, Transport};
use netcap_record::{Decimal, Ip, Mac, Maybe, Record, Text, Timestamp};

use crate::community_id;
use crate::counts::{Counts, OneWay};
use crate::model::{EntryOf, Learn, Model, Reading};
use crate::scope::Scope;
use crate::shard::FlowShards;
use crate::summary::{Layers, PacketSummary};
use crate::uid::{self, Uid};

/// Traffic from one address and port to another, one direction alone, of one IP protocol, in the same
/// VLANs, virtual network and service instance; of a tunnel the outer ends. What a packet lacks is empty: ports where
/// neither TCP, UDP nor SCTP follows, addresses without IP.
#[derive(Record)]
#[record("Flow", 2)]
pub(crate) struct Flow<'a> {
    /// Time of the earliest packet.
    #[field(1, "TimestampFirst")]
    first: Timestamp,
    /// Protocol of the link layer in the first packet: Ethernet or FDDI.
    #[field(2, "LinkProto")]
    link: Text<'a>,
    /// Protocol of the network layer: IPv4 or IPv6.
    #[field(3, "NetworkProto")]
    network: Text<'a>,
    /// IP protocol: TCP, UDP, SCTP, ICMPv4, IPSecESP ...; its number where it has no name here.
    #[field(4, "TransportProto")]
    transport: Text<'a>,
    /// What is innermost, by the first packet that shows it: `DNS`, `TLS`, `HTTP`, `QUIC`, `SSH` ...;
    /// `Payload` where no packet shows what its bytes are, `Fragment` where there are only pieces of
    /// datagrams, or empty.
    #[field(5, "ApplicationProto")]
    application: Text<'a>,
    /// MAC address that sent the first packet.
    #[field(6, "SrcMAC")]
    source_mac: Maybe<Mac>,
    /// MAC address that the first packet went to.
    #[field(7, "DstMAC")]
    destination_mac: Maybe<Mac>,
    /// Address that sent the first packet.
    #[field(8, "SrcIP")]
    source_ip: Maybe<Ip>,
    /// Port that sent the first packet.
    #[field(9, "SrcPort")]
    source_port: Maybe<Decimal>,
    /// Address that the first packet went to.
    #[field(10, "DstIP")]
    destination_ip: Maybe<Ip>,
    /// Port that the first packet went to.
    #[field(11, "DstPort")]
    destination_port: Maybe<Decimal>,
    /// Bytes of all packets on the wire, headers included, at most 2147483647; `TotalOctets` has no
    /// such limit.
    #[field(12, "TotalSize")]
    total_size: i32,
    /// Captured bytes that TCP, UDP or SCTP carries (where there are no ports: payload that no
    /// dissector reads, and fragments), in all packets, at most 2147483647.
    #[field(13, "AppPayloadSize")]
    application_octets: i32,
    /// Packets, at most 2147483647.
    #[field(14, "NumPackets")]
    packets: i32,
    /// Name of the flow, an MD5 in hexadecimal, as the Netcap of 2019 computes it. Not unique: flows
    /// have the same that differ only in what the hash leaves out (times, protocol, VLANs, MAC
    /// addresses of `Flow`), and some others by chance.
    #[field(15, "UID")]
    uid: Text<'a>,
    /// Nanoseconds from the earliest packet to the latest, in whole microseconds.
    #[field(17, "Duration")]
    duration: i64,
    /// Time of the latest packet.
    #[field(16, "TimestampLast")]
    last: Timestamp,
    /// Bytes of all packets on the wire, headers included.
    #[field(101, "TotalOctets", csv = Hidden)]
    octets: u64,
    /// Bytes of all packets that were captured: fewer where a snap length cut packets.
    #[field(102, "CapturedOctets", csv = Hidden)]
    captured: u64,
    /// Number of the IP protocol; 0 without IP.
    #[field(103, "IPProtocol", csv = Hidden)]
    protocol: u8,
    /// Identifiers of the VLANs, outermost first, with dots in between; empty without.
    #[field(104, "VLANs", csv = Hidden)]
    vlans: Text<'a>,
    /// Identifier of the virtual network (VXLAN, Geneve) that the packets carry; empty without.
    #[field(105, "VNI", csv = Hidden)]
    vni: Maybe<Decimal>,
    /// Community ID 1.0 with seed 0, which names the 5-tuple as other tools do; empty without IP.
    #[field(106, "CommunityID", csv = Hidden)]
    community_id: Text<'a>,
    /// Service instance (I-SID) of the backbone bridges that carry the packets; empty without.
    #[field(107, "ISID", csv = Hidden)]
    isid: Maybe<Decimal>,
}

/// What a table keeps to show beside the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    link: Option<Link>,
    icmp: Option<[u8; 2]>,
    application: Application,
}

impl Learn for Shown {
    #[inline]
    fn learn(&mut self, later: &Shown) {
        self.application = self.application.or(later.application);
    }
}

/// Makes the record of a flow and gives it to `emit`.
pub(crate) fn with_record(
    counts: &Counts,
    layers: Layers,
    application: Application,
    uid: &Uid,
    registry: &Registry,
    emit: impl FnOnce(&Flow<'_>),
) {
    let (link, network, transport) = (layers.link, layers.network, layers.transport);
    let macs = link.map(|link| link.macs());
    let ips = network.map(|network| network.ips());
    let text = |selector: Option<Selector>| {
        Text(
            selector
                .map_or("", |selector| registry.name(selector))
                .as_bytes(),
        )
    };
    let mut number = itoa::Buffer::new();
    let protocol = layers.protocol_selector().map_or("", |selector| {
        let name = registry.name(selector);
        match name.is_empty() {
            true => number.format(layers.protocol),
            false => name,
        }
    });
    let mut vlans = Vec::new();
    for id in layers.scope.vlans() {
        if !vlans.is_empty() {
            vlans.push(b'.');
        }
        vlans.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
    }
    let community_id = community_id::of(&layers);
    emit(&Flow {
        first: counts.first().timestamp(),
        link: text(link.map(|link| link.selector())),
        network: text(network.map(|network| network.selector())),
        transport: Text(protocol.as_bytes()),
        application: Text(registry.application(application).as_bytes()),
        source_mac: Maybe(macs.map(|(source, _)| source)),
        destination_mac: Maybe(macs.map(|(_, destination)| destination)),
        source_ip: Maybe(ips.map(|(source, _)| source)),
        source_port: Maybe(transport.map(|ends| Decimal(ends.source.into()))),
        destination_ip: Maybe(ips.map(|(_, destination)| destination)),
        destination_port: Maybe(transport.map(|ends| Decimal(ends.destination.into()))),
        total_size: counts.octets.try_into().unwrap_or(i32::MAX),
        application_octets: counts.application.try_into().unwrap_or(i32::MAX),
        packets: counts.packets.try_into().unwrap_or(i32::MAX),
        uid: Text(uid),
        duration: counts.last().since(counts.first()),
        last: counts.last().timestamp(),
        octets: counts.octets,
        captured: counts.captured,
        protocol: layers.protocol,
        vlans: Text(&vlans),
        vni: Maybe(layers.scope.vni().map(|vni| Decimal(vni.into()))),
        community_id: Text(community_id.as_deref().unwrap_or_default().as_bytes()),
        isid: Maybe(layers.scope.service().map(|isid| Decimal(isid.into()))),
    });
}

/// What packets of one flow have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    network: Option<Network>,
    transport: Option<Transport>,
    protocol: u8,
    scope: Scope,
}

impl Model for Flow<'_> {
    type Key = Key;
    type Shown = Shown;
    type Ways = OneWay;

    #[inline]
    fn shard(shards: &FlowShards) -> u8 {
        shards.flow
    }

    #[inline]
    fn read(summary: &PacketSummary) -> Option<Reading<Self>> {
        let layers = &summary.layers;
        Some(Reading {
            key: Key {
                network: layers.network,
                transport: layers.transport,
                protocol: layers.protocol,
                scope: layers.scope,
            },
            way: 0,
            shown: Shown {
                link: layers.link,
                icmp: layers.icmp,
                application: summary.application,
            },
        })
    }

    fn emit(entry: &EntryOf<Self>, registry: &Registry, output: &mut Output) {
        let (key, shown) = (entry.key, entry.shown);
        let uid = uid::flow(key.network.as_ref(), key.transport.as_ref());
        let layers = Layers {
            link: shown.link,
            network: key.network,
            transport: key.transport,
            protocol: key.protocol,
            icmp: shown.icmp,
            scope: key.scope,
        };
        let application = shown.application;
        with_record(
            &entry.counts(),
            layers,
            application,
            &uid,
            registry,
            |record| {
                output.emit(registry, record);
            },
        );
    }
}
