//! Flows of the transport layer: all traffic between two ports.

use netcap_dissect::{Output, Registry, Transport};
use netcap_record::{Record, Text, Timestamp};

use crate::counts::BothWays;
use crate::model::{EntryOf, Model, Reading};
use crate::shard::FlowShards;
use crate::summary::PacketSummary;
use crate::uid;

/// Traffic between two ports, both directions together, whatever the addresses: all conversations
/// on the same pair of ports are one. Of a tunnel the outermost ports.
#[derive(Record)]
#[record("TransportFlow", 6)]
pub(crate) struct TransportFlow<'a> {
    /// Time of the earliest packet.
    #[field(1, "TimestampFirst")]
    first: Timestamp,
    /// Time of the latest packet.
    #[field(2, "TimestampLast")]
    last: Timestamp,
    /// Protocol of the layer: TCP, UDP or SCTP.
    #[field(3, "Proto")]
    protocol: Text<'a>,
    /// Port that sent the first packet.
    #[field(4, "SrcPort")]
    source: i32,
    /// Port that the first packet went to.
    #[field(5, "DstPort")]
    destination: i32,
    /// Bytes of all packets on the wire, headers included.
    #[field(6, "TotalSize")]
    octets: i64,
    /// Packets in both directions.
    #[field(7, "NumPackets")]
    packets: i64,
    /// Name of the pair of ports: the hash of both that the Netcap of 2019 computes. Not unique: others may
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

impl Model for TransportFlow<'_> {
    type Key = Transport;
    /// Whether the first packet went from the second address of the key to the first.
    type Shown = bool;
    type Ways = BothWays;

    #[inline]
    fn shard(shards: &FlowShards) -> u8 {
        shards.transport
    }

    #[inline]
    fn read(summary: &PacketSummary) -> Option<Reading<Self>> {
        let (key, exchanged) = summary.ports?.sorted();
        Some(Reading {
            key,
            way: usize::from(exchanged),
            shown: exchanged,
        })
    }

    fn emit(entry: &EntryOf<Self>, registry: &Registry, output: &mut Output) {
        let (ends, counts) = (entry.key.exchanged(entry.shown), entry.counts());
        let (source, destination) = (i32::from(ends.source), i32::from(ends.destination));
        output.emit(
            registry,
            &TransportFlow {
                first: counts.first().timestamp(),
                last: counts.last().timestamp(),
                protocol: Text(registry.name(ends.selector()).as_bytes()),
                source,
                destination,
                octets: counts.octets.try_into().unwrap_or(i64::MAX),
                packets: counts.packets.try_into().unwrap_or(i64::MAX),
                uid: uid::transport(&ends),
                duration: counts.last().since(counts.first()),
                captured: counts.captured,
            },
        );
    }
}
