//! The five flow models, fed with the packets of a capture in order.

use std::collections::{HashMap, VecDeque};

use netcap_dissect::{Output, Registry, Transport};
use netcap_record::{Record, Schema, Time};

use crate::connection::Connection;
use crate::flow::Flow;
use crate::groups::Groups;
use crate::link_flow::LinkFlow;
use crate::model::Model;
use crate::network_flow::NetworkFlow;
use crate::summary::{Datagram, PacketSummary};
use crate::table::{Entry, FlowTable, Packets, TableLimits};
use crate::transport_flow::TransportFlow;

/// Record types of the flow models.
pub const SCHEMAS: &[&Schema] = &[
    Connection::SCHEMA,
    Flow::SCHEMA,
    LinkFlow::SCHEMA,
    NetworkFlow::SCHEMA,
    TransportFlow::SCHEMA,
];

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

/// What can be done with flows of any kind.
trait Track {
    /// Takes the packets of a batch, the first of which has the number `serial` in the run.
    fn take(&mut self, groups: &Groups, serial: u64, registry: &Registry, output: &mut Output);

    /// Closes the flows that are idle for too long at `now`.
    fn expire(&mut self, now: Time, registry: &Registry, output: &mut Output);

    /// Flows that are open.
    fn open(&self) -> usize;

    /// Closes flows at the end of the capture, at most so many. Gives how many it closed.
    fn close(&mut self, registry: &Registry, output: &mut Output, most: usize) -> usize;

    /// Flows that were closed early for want of room.
    fn evicted(&self) -> u64;
}

/// Flows of one kind.
struct Tracker<M: Model> {
    limits: TableLimits,
    table: FlowTable<M::Key, M::Shown>,
    /// Flows that this batch closed.
    closed: Vec<Entry<M::Key, M::Shown>>,
    /// The order they close in: when in the batch, number of the first packet, place.
    order: Vec<(usize, u64, usize)>,
}

impl<M: Model> Tracker<M> {
    /// A tracker, if records of its kind are asked for.
    fn wanted(registry: &Registry, timeout: u32, entries: usize) -> Option<Box<dyn Track>>
    where
        M: 'static,
    {
        let limits = TableLimits { timeout, entries };
        registry.selects(M::SCHEMA).then(|| {
            Box::new(Tracker::<M> {
                limits,
                table: FlowTable::new(limits),
                closed: Vec::new(),
                order: Vec::new(),
            }) as Box<dyn Track>
        })
    }

    /// Group by group.
    fn take_groups(&mut self, groups: &Groups, serial: u64) {
        for group in &groups.groups {
            if let Some((key, shown)) = M::read(&group.summary) {
                let packets = Packets {
                    earliest: group.earliest,
                    latest: group.latest,
                    clock: groups.clock(group),
                    packets: group.packets,
                    octets: group.octets,
                    serial: serial + u64::from(group.first),
                };
                self.table.count(key, packets, shown, &mut self.closed);
            }
        }
        self.table.expire(groups.latest(), &mut self.closed);
        let timeout = self.limits.timeout;
        self.note_closed(|entry| groups.first_after(entry.last, timeout));
    }

    /// Packet by packet.
    fn take_packets(&mut self, groups: &Groups, serial: u64) {
        for (place, packet) in groups.packets().enumerate() {
            self.table.expire(packet.time, &mut self.closed);
            self.note_closed(|_| 2 * place);
            if let Some((key, shown)) = M::read(&packet) {
                let packets = Packets {
                    earliest: packet.time,
                    latest: packet.time,
                    clock: packet.time,
                    packets: 1,
                    octets: u64::from(packet.octets),
                    serial: serial + place as u64,
                };
                self.table.count(key, packets, shown, &mut self.closed);
                self.note_closed(|_| 2 * place + 1);
            }
        }
    }

    /// Notes when the flows closed that are not in order yet.
    fn note_closed(&mut self, when: impl Fn(&Entry<M::Key, M::Shown>) -> usize) {
        let closed = self.closed.iter().enumerate().skip(self.order.len());
        let order = closed.map(|(place, entry)| (when(entry), entry.serial, place));
        self.order.extend(order);
    }

    /// Gives the records of the flows that closed, in order.
    fn emit_closed(&mut self, registry: &Registry, output: &mut Output) {
        self.order.sort_unstable();
        for (_, _, place) in self.order.drain(..) {
            M::emit(&self.closed[place], registry, output);
        }
        self.closed.clear();
    }
}

impl<M: Model> Track for Tracker<M> {
    fn take(&mut self, groups: &Groups, serial: u64, registry: &Registry, output: &mut Output) {
        // Where no flow can end and begin again within the batch, and none must make room for
        // another, the order of packets makes no difference but to the order of closing.
        let has_room = self.table.len() + groups.groups.len() <= self.limits.entries;
        if has_room && groups.are_within(self.limits.timeout) {
            self.take_groups(groups, serial);
        } else {
            self.take_packets(groups, serial);
        }
        self.emit_closed(registry, output);
    }

    fn expire(&mut self, now: Time, registry: &Registry, output: &mut Output) {
        self.table.expire(now, &mut self.closed);
        self.note_closed(|_| 0);
        self.emit_closed(registry, output);
    }

    fn open(&self) -> usize {
        self.table.len()
    }

    fn close(&mut self, registry: &Registry, output: &mut Output, most: usize) -> usize {
        let closed = self.table.close(most);
        closed
            .map(|entry| M::emit(&entry, registry, output))
            .count()
    }

    fn evicted(&self) -> u64 {
        self.table.evicted()
    }
}

/// All flow models that are asked for.
pub struct Trackers {
    trackers: Vec<Box<dyn Track>>,
    fragments: FragmentPorts,
    serial: u64,
}

impl Trackers {
    /// Trackers for the selected record types.
    pub fn new(registry: &Registry, limits: FlowLimits) -> Trackers {
        let (flow, entries) = (limits.flow_timeout, limits.entries);
        let trackers = [
            Tracker::<Connection<'_>>::wanted(registry, limits.connection_timeout, entries),
            Tracker::<Flow<'_>>::wanted(registry, flow, entries),
            Tracker::<LinkFlow<'_>>::wanted(registry, flow, entries),
            Tracker::<NetworkFlow<'_>>::wanted(registry, flow, entries),
            Tracker::<TransportFlow<'_>>::wanted(registry, flow, entries),
        ];
        Trackers {
            trackers: trackers.into_iter().flatten().collect(),
            fragments: FragmentPorts::default(),
            serial: 0,
        }
    }

    /// Takes the next batch of the capture; records of the flows that it closes go to `output`.
    pub fn take(&mut self, groups: &mut Groups, registry: &Registry, output: &mut Output) {
        if groups.len() == 0 {
            return;
        }
        for group in &mut groups.groups {
            if group.summary.piece.is_some() {
                self.fragments.complete(&mut group.summary);
            }
        }
        let serial = self.serial;
        self.serial += groups.len() as u64;
        for tracker in &mut self.trackers {
            tracker.take(groups, serial, registry, output);
        }
    }

    /// Closes the flows that are idle for too long at `now`, as a packet of that time would.
    pub fn expire(&mut self, now: Time, registry: &Registry, output: &mut Output) {
        for tracker in &mut self.trackers {
            tracker.expire(now, registry, output);
        }
    }

    /// Flows that are open, of the model that has most.
    pub fn open(&self) -> usize {
        let open = self.trackers.iter().map(|tracker| tracker.open());
        open.max().unwrap_or_default()
    }

    /// Closes flows at the end of the capture, at most so many of each kind. Says whether some may
    /// be left.
    pub fn close(&mut self, registry: &Registry, output: &mut Output, most: usize) -> bool {
        let close = |tracker: &mut Box<dyn Track>| tracker.close(registry, output, most) == most;
        self.trackers
            .iter_mut()
            .map(close)
            .fold(false, |a, b| a | b)
    }

    /// Flows that were closed early for want of room, over all models.
    pub fn evicted(&self) -> u64 {
        self.trackers.iter().map(|tracker| tracker.evicted()).sum()
    }
}

/// Ports of the datagrams whose first fragments have been seen; the others have none.
#[derive(Default)]
struct FragmentPorts {
    known: HashMap<Datagram, (Time, Transport)>,
    order: VecDeque<(Datagram, Time)>,
}

impl FragmentPorts {
    /// Datagrams remembered at most: those that have been known longest are forgotten first.
    const MOST: usize = 32_768;
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
        if let Some(transport) = piece.transport.or(summary.layers.transport) {
            self.known.insert(piece.datagram, (summary.time, transport));
            self.order.push_back((piece.datagram, summary.time));
        }
        if summary.layers.transport.is_none() {
            summary.layers.transport = self
                .known
                .get(&piece.datagram)
                .map(|(_, transport)| *transport);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use netcap_dissect::{Application, Ends, IpVersion, Link, Network, Selection};

    use super::*;
    use crate::summary::{Layers, Piece};

    /// Numbers that look random and are the same every time.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, range: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 33) % range
        }
    }

    /// Packets of a few hosts, with and without layers, fragments, and jumps in time.
    fn packets(numbers: &mut Numbers, count: usize) -> Vec<PacketSummary> {
        let mut nanos = 1_000_000_000_000i64;
        let mut packets = Vec::new();
        for _ in 0..count {
            nanos += match numbers.below(40) {
                0 => 4_000_000_000,
                1 => -2_000_000_000,
                2 => 0,
                _ => numbers.below(300_000_000) as i64,
            };
            let mut end = |count: u64| numbers.below(count) as u8;
            let mac = |octet| 0x0200_0000_0000 | u64::from(octet);
            let link: Link = Ends {
                protocol: NonZero::<u16>::MIN,
                source: mac(end(2)),
                destination: mac(end(2)),
            };
            let network: Network = Ends {
                protocol: IpVersion::V4,
                source: u128::from(end(3)),
                destination: u128::from(end(3)),
            };
            let transport: Transport = Ends {
                protocol: NonZero::new([6, 17][usize::from(end(2))]).expect("not zero"),
                source: u16::from(end(2)),
                destination: u16::from(end(2)),
            };
            let kind = end(8);
            let piece = (kind == 7).then(|| {
                Box::new(Piece {
                    datagram: Datagram {
                        network,
                        protocol: 17,
                        id: u32::from(end(2)),
                    },
                    transport: (end(2) == 0).then_some(transport),
                })
            });
            packets.push(PacketSummary {
                time: Time {
                    seconds: nanos.div_euclid(1_000_000_000),
                    nanos: nanos.rem_euclid(1_000_000_000) as u32,
                },
                octets: 60 + u32::from(kind),
                layers: Layers {
                    link: (kind != 6).then_some(link),
                    network: (kind != 5).then_some(network),
                    transport: (kind < 5).then_some(transport),
                },
                application: [Application::NONE, Application::PAYLOAD][usize::from(kind & 1)],
                application_octets: u32::from(kind),
                piece,
            });
        }
        packets
    }

    /// The records of every type that the packets give in batches of this size, and what was
    /// closed for want of room.
    fn records(packets: &[PacketSummary], limits: FlowLimits, batch: usize) -> (Vec<Vec<u8>>, u64) {
        let registry = Registry::new(&[], SCHEMAS, &Selection::default()).expect("all of them");
        let mut output = Output::new(&registry);
        let mut trackers = Trackers::new(&registry, limits);
        let mut groups = Groups::default();
        for packets in packets.chunks(batch) {
            groups.clear();
            packets.iter().for_each(|packet| groups.add(packet.clone()));
            trackers.take(&mut groups, &registry, &mut output);
        }
        while trackers.close(&registry, &mut output, 7) {}
        (output.chunks, trackers.evicted())
    }

    /// A clock that is told between packets closes what the next packet would close, in that order.
    #[test]
    fn a_clock_closes_as_packets_do() {
        let limits = FlowLimits {
            flow_timeout: 1,
            connection_timeout: 2,
            entries: 1000,
        };
        let registry = Registry::new(&[], SCHEMAS, &Selection::default()).expect("all of them");
        let packets = packets(&mut Numbers(3), 400);
        let mut output = Output::new(&registry);
        let mut trackers = Trackers::new(&registry, limits);
        let mut groups = Groups::default();
        let mut closed_by_clock = 0;
        for packet in &packets {
            let before = output.counts.iter().sum::<u64>();
            trackers.expire(packet.time, &registry, &mut output);
            closed_by_clock += output.counts.iter().sum::<u64>() - before;
            groups.clear();
            groups.add(packet.clone());
            trackers.take(&mut groups, &registry, &mut output);
        }
        assert!(closed_by_clock > 100 && trackers.open() > 0);
        while trackers.close(&registry, &mut output, 7) {}
        assert!(records(&packets, limits, 40).0 == output.chunks);
    }

    #[test]
    fn batches_change_nothing() {
        let mut numbers = Numbers(1);
        for entries in [2, 9, 1000] {
            for timeout in [0, 1, 3, 20] {
                let limits = FlowLimits {
                    flow_timeout: timeout,
                    connection_timeout: 2 * timeout,
                    entries,
                };
                for _ in 0..15 {
                    let packets = packets(&mut numbers, 150);
                    let expected = records(&packets, limits, 1);
                    assert!(expected.0.iter().all(|chunk| !chunk.is_empty()));
                    for batch in [2, 7, 40, 150] {
                        let found = records(&packets, limits, batch);
                        assert!(found == expected, "{limits:?}, batches of {batch}");
                    }
                }
            }
        }
    }
}
