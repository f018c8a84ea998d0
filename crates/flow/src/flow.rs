//! Flows: all traffic from one address and port to another, in one direction.
//!
//! Its key holds the version of IP and the transport protocol too, so TCP and UDP between the same
//! ends are two flows. All traffic without IP is one flow.

use netcap_dissect::{Application, Link, Network, Output, Registry, Selector, Transport};
use netcap_record::{Decimal, Ip, Mac, Maybe, Record, Text, Timestamp};

use crate::counts::{Counts, OneWay};
use crate::model::{EntryOf, Model, Reading};
use crate::shard::FlowShards;
use crate::summary::{Layers, PacketSummary};
use crate::uid::{self, Uid};

/// Traffic from one address and port to another, one direction alone; of a tunnel the outer ends.
/// What a packet lacks is empty: ports where neither TCP, UDP nor SCTP follows, addresses without
/// IP.
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
    /// Protocol of the transport layer: TCP, UDP or SCTP.
    #[field(4, "TransportProto")]
    transport: Text<'a>,
    /// What is innermost in the first packet: `DNS`, `NTP`, `SIP`, `Payload` where no dissector
    /// claims the octets, `Fragment` of a datagram, or empty.
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
    /// Captured octets of all packets, headers included, at most 2147483647; `TotalOctets` has no
    /// such limit.
    #[field(12, "TotalSize")]
    total_size: i32,
    /// Octets of the payload, fragment or SIP body in the first packet.
    #[field(13, "AppPayloadSize")]
    application_octets: i32,
    /// Packets, at most 2147483647.
    #[field(14, "NumPackets")]
    packets: i32,
    /// Name of the flow, an MD5 in hexadecimal, as the Netcap of 2019 computes it.
    #[field(15, "UID")]
    uid: Text<'a>,
    /// Nanoseconds from the earliest packet to the latest, in whole microseconds.
    #[field(17, "Duration")]
    duration: i64,
    /// Time of the latest packet.
    #[field(16, "TimestampLast")]
    last: Timestamp,
    /// Captured octets of all packets, headers included.
    #[field(101, "TotalOctets", csv = Hidden)]
    octets: u64,
}

/// What the first packet says of the application.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub(crate) application: Application,
    pub(crate) octets: u32,
}

impl Opening {
    #[inline]
    pub(crate) fn of(summary: &PacketSummary) -> Opening {
        Opening {
            application: summary.application,
            octets: summary.application_octets,
        }
    }
}

/// Makes the record of a flow and gives it to `emit`.
pub(crate) fn with_record(
    counts: &Counts,
    layers: Layers,
    opening: Opening,
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
    emit(&Flow {
        first: counts.first().timestamp(),
        link: text(link.map(|link| link.selector())),
        network: text(network.map(|network| network.selector())),
        transport: text(transport.map(|transport| transport.selector())),
        application: Text(registry.application(opening.application).as_bytes()),
        source_mac: Maybe(macs.map(|(source, _)| source)),
        destination_mac: Maybe(macs.map(|(_, destination)| destination)),
        source_ip: Maybe(ips.map(|(source, _)| source)),
        source_port: Maybe(transport.map(|ends| Decimal(ends.source.into()))),
        destination_ip: Maybe(ips.map(|(_, destination)| destination)),
        destination_port: Maybe(transport.map(|ends| Decimal(ends.destination.into()))),
        total_size: counts.octets.try_into().unwrap_or(i32::MAX),
        application_octets: opening.octets.try_into().unwrap_or(i32::MAX),
        packets: counts.packets.try_into().unwrap_or(i32::MAX),
        uid: Text(uid),
        duration: counts.last().since(counts.first()),
        last: counts.last().timestamp(),
        octets: counts.octets,
    });
}

impl Model for Flow<'_> {
    type Key = (Option<Network>, Option<Transport>);
    type Shown = (Option<Link>, Opening);
    type Ways = OneWay;

    #[inline]
    fn shard(shards: &FlowShards) -> u8 {
        shards.flow
    }

    #[inline]
    fn read(summary: &PacketSummary) -> Option<Reading<Self>> {
        Some(Reading {
            key: (summary.layers.network, summary.layers.transport),
            way: 0,
            shown: (summary.layers.link, Opening::of(summary)),
        })
    }

    fn emit(entry: &EntryOf<Self>, registry: &Registry, output: &mut Output) {
        let ((network, transport), (link, opening)) = (entry.key, entry.shown);
        let uid = uid::flow(network.as_ref(), transport.as_ref());
        let layers = Layers {
            link,
            network,
            transport,
        };
        with_record(&entry.counts(), layers, opening, &uid, registry, |record| {
            output.emit(registry, record);
        });
    }
}
