//! Flows of the network layer: all traffic between two IP addresses.

use netcap_dissect::{Network, Output, Registry};
use netcap_record::{Ip, Record, Text, Timestamp};

use crate::counts::BothWays;
use crate::model::{EntryOf, Model, Reading};
use crate::shard::FlowShards;
use crate::summary::PacketSummary;
use crate::uid;

/// Traffic between two IP addresses, both directions together; of a tunnel the outer addresses.
#[derive(Record)]
#[record("NetworkFlow", 5)]
pub(crate) struct NetworkFlow<'a> {
    /// Time of the earliest packet.
    #[field(1, "TimestampFirst")]
    first: Timestamp,
    /// Time of the latest packet.
    #[field(2, "TimestampLast")]
    last: Timestamp,
    /// Protocol of the layer: IPv4 or IPv6.
    #[field(3, "Proto")]
    protocol: Text<'a>,
    /// Address that sent the first packet.
    #[field(4, "SrcIP")]
    source: Ip,
    /// Address that the first packet went to.
    #[field(5, "DstIP")]
    destination: Ip,
    /// Bytes of all packets on the wire, headers included.
    #[field(6, "TotalSize")]
    octets: i64,
    /// Packets in both directions.
    #[field(7, "NumPackets")]
    packets: i64,
    /// Name of the pair of addresses: the hash of both that the Netcap of 2019 computes. Not unique: others may
    /// have the same by chance.
    #[field(8, "UID", csv = Identifier)]
    uid: u64,
    /// Nanoseconds from the earliest packet to the latest, in whole microseconds.
    #[field(9, "Duration")]
    duration: i64,
    /// Bytes of all packets that were captured: fewer where a snap length cut packets.
    #[field(102, "CapturedOctets", csv = Hidden)]
    captured: u64,
}

impl Model for NetworkFlow<'_> {
    type Key = Network;
    /// Whether the first packet went from the second address of the key to the first.
    type Shown = bool;
    type Ways = BothWays;

    #[inline]
    fn shard(shards: &FlowShards) -> u8 {
        shards.network
    }

    #[inline]
    fn read(summary: &PacketSummary) -> Option<Reading<Self>> {
        let (key, exchanged) = summary.layers.network?.sorted();
        Some(Reading {
            key,
            way: usize::from(exchanged),
            shown: exchanged,
        })
    }

    fn emit(entry: &EntryOf<Self>, registry: &Registry, output: &mut Output) {
        let (ends, counts) = (entry.key.exchanged(entry.shown), entry.counts());
        let (source, destination) = ends.ips();
        output.emit(
            registry,
            &NetworkFlow {
                first: counts.first().timestamp(),
                last: counts.last().timestamp(),
                protocol: Text(registry.name(ends.selector()).as_bytes()),
                source,
                destination,
                octets: counts.octets.try_into().unwrap_or(i64::MAX),
                packets: counts.packets.try_into().unwrap_or(i64::MAX),
                uid: uid::network(&ends),
                duration: counts.last().since(counts.first()),
                captured: counts.captured,
            },
        );
    }
}
