//! The five flow models, fed with the packets of a capture in order.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use netcap_dissect::{FragmentKey, Output, Registry};
use netcap_record::{Record, Schema};

use crate::connection::Connection;
use crate::flow::Flow;
use crate::link_flow::LinkFlow;
use crate::network_flow::NetworkFlow;
use crate::summary::{PacketSummary, Time, Transport};
use crate::table::{Entry, FlowTable, Packet, TableLimits};
use crate::transport_flow::TransportFlow;

/// Record types of the flow models.
pub const SCHEMAS: &[&Schema] = &[
    Connection::SCHEMA,
    Flow::SCHEMA,
    LinkFlow::SCHEMA,
    NetworkFlow::SCHEMA,
    TransportFlow::SCHEMA,
];

/// A kind of flow: its key, and its record.
pub(crate) trait Model: Record {
    /// What packets of one flow have in common.
    type Key: Eq + Hash;
    /// What else the record shows of the first packet.
    type Shown;

    /// Key and more of a packet, if it belongs to a flow of this kind.
    fn read(summary: &PacketSummary) -> Option<(Self::Key, Self::Shown)>;

    /// Writes the record of an entry that is closed.
    fn emit(entry: &Entry<Self::Key, Self::Shown>, registry: &Registry, output: &mut Output);
}

/// How the trackers are bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowLimits {
    /// Seconds of packet time after which an idle flow of one direction, or of one layer, closes;
    /// 0 is never.
    pub flow_timeout: u32,
    /// The same for connections.
    pub connection_timeout: u32,
    /// Entries of each table at most.
    pub entries: usize,
}

impl Default for FlowLimits {
    fn default() -> FlowLimits {
        FlowLimits {
            flow_timeout: 30,
            connection_timeout: 60,
            entries: 250_000,
        }
    }
}

/// Flows of one kind.
struct Tracker<M: Model> {
    table: FlowTable<M::Key, M::Shown>,
    closed: Vec<Entry<M::Key, M::Shown>>,
}

impl<M: Model> Tracker<M> {
    /// A tracker, if records of its kind are asked for.
    fn wanted(registry: &Registry, timeout: u32, entries: usize) -> Option<Tracker<M>> {
        let limits = TableLimits { timeout, entries };
        registry.selects(M::SCHEMA).then(|| Tracker {
            table: FlowTable::new(limits),
            closed: Vec::new(),
        })
    }

    #[inline]
    fn take(
        &mut self,
        summary: &PacketSummary,
        packet: Packet,
        registry: &Registry,
        output: &mut Output,
    ) {
        self.table.expire(packet.time, &mut self.closed);
        if let Some((key, shown)) = M::read(summary) {
            self.table.count(key, packet, || shown, &mut self.closed);
        }
        for entry in self.closed.drain(..) {
            M::emit(&entry, registry, output);
        }
    }

    fn close(&mut self, registry: &Registry, output: &mut Output) {
        for entry in self.table.close() {
            M::emit(&entry, registry, output);
        }
    }
}

/// All flow models that are asked for.
pub struct Trackers {
    connection: Option<Tracker<Connection<'static>>>,
    flow: Option<Tracker<Flow<'static>>>,
    link: Option<Tracker<LinkFlow<'static>>>,
    network: Option<Tracker<NetworkFlow<'static>>>,
    transport: Option<Tracker<TransportFlow<'static>>>,
    fragments: FragmentPorts,
    serial: u64,
}

impl Trackers {
    /// Trackers for the selected record types.
    pub fn new(registry: &Registry, limits: FlowLimits) -> Trackers {
        let (flow, entries) = (limits.flow_timeout, limits.entries);
        Trackers {
            connection: Tracker::wanted(registry, limits.connection_timeout, entries),
            flow: Tracker::wanted(registry, flow, entries),
            link: Tracker::wanted(registry, flow, entries),
            network: Tracker::wanted(registry, flow, entries),
            transport: Tracker::wanted(registry, flow, entries),
            fragments: FragmentPorts::default(),
            serial: 0,
        }
    }

    /// Takes the next packet of the capture; records of the flows that it closes go to `output`.
    pub fn take(&mut self, summary: &mut PacketSummary, registry: &Registry, output: &mut Output) {
        if summary.piece.is_some() {
            self.fragments.complete(summary);
        }
        let packet = Packet {
            time: summary.time,
            octets: summary.octets,
            serial: self.serial,
        };
        self.serial += 1;
        if let Some(tracker) = &mut self.connection {
            tracker.take(summary, packet, registry, output);
        }
        if let Some(tracker) = &mut self.flow {
            tracker.take(summary, packet, registry, output);
        }
        if let Some(tracker) = &mut self.link {
            tracker.take(summary, packet, registry, output);
        }
        if let Some(tracker) = &mut self.network {
            tracker.take(summary, packet, registry, output);
        }
        if let Some(tracker) = &mut self.transport {
            tracker.take(summary, packet, registry, output);
        }
    }

    /// Closes all flows.
    pub fn close(&mut self, registry: &Registry, output: &mut Output) {
        if let Some(tracker) = &mut self.connection {
            tracker.close(registry, output);
        }
        if let Some(tracker) = &mut self.flow {
            tracker.close(registry, output);
        }
        if let Some(tracker) = &mut self.link {
            tracker.close(registry, output);
        }
        if let Some(tracker) = &mut self.network {
            tracker.close(registry, output);
        }
        if let Some(tracker) = &mut self.transport {
            tracker.close(registry, output);
        }
    }

    /// Flows that were closed early for want of room, over all models.
    pub fn evicted(&self) -> u64 {
        self.connection.as_ref().map_or(0, |t| t.table.evicted())
            + self.flow.as_ref().map_or(0, |t| t.table.evicted())
            + self.link.as_ref().map_or(0, |t| t.table.evicted())
            + self.network.as_ref().map_or(0, |t| t.table.evicted())
            + self.transport.as_ref().map_or(0, |t| t.table.evicted())
    }
}

/// Ports of the datagrams whose first fragments have been seen; the others have none.
#[derive(Default)]
struct FragmentPorts {
    known: HashMap<FragmentKey, (Time, Transport)>,
    order: VecDeque<(FragmentKey, Time)>,
}

impl FragmentPorts {
    /// Datagrams remembered at most: those that have been known longest are forgotten first.
    const MOST: usize = 8192;
    /// Seconds that a datagram may take (RFC 8200 section 4.5).
    const SECONDS: u32 = 60;

    /// Gives a fragment the ports of its datagram, or learns them from it.
    fn complete(&mut self, summary: &mut PacketSummary) {
        let Some(piece) = &summary.piece else {
            return;
        };
        while let Some((key, since)) = self.order.front()
            && (self.order.len() > Self::MOST || *since < summary.time.before(Self::SECONDS))
        {
            // A datagram that came again has a later time.
            if self
                .known
                .get(key)
                .is_some_and(|(learned, _)| learned == since)
            {
                self.known.remove(key);
            }
            self.order.pop_front();
        }
        if let Some(transport) = piece.transport.or(summary.transport) {
            self.known.insert(piece.key, (summary.time, transport));
            self.order.push_back((piece.key, summary.time));
        }
        if summary.transport.is_none() {
            summary.transport = self.known.get(&piece.key).map(|(_, transport)| *transport);
        }
    }
}
