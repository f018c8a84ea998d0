//! Connections: all traffic between two ends, both directions together.
//!
//! Two packets belong to one connection if their IP addresses and their ports are the same pairs, each
//! in either order, of the same network, and so are the protocols; without IP, if their MAC addresses
//! are. Where there is IP, MAC addresses are those of the routers on the way, which may differ by
//! direction.

use std::hash::{Hash, Hasher};

use netcap_dissect::{Application, Link, Network, Output, Registry, Transport};
use netcap_record::{Record, Schema};

use crate::counts::BothWays;
use crate::flow::{Flow, with_record};
use crate::model::{EntryOf, Learn, Model, Reading};
use crate::shard::FlowShards;
use crate::summary::{Layers, PacketSummary};
use crate::uid;

/// A record with the fields of [`Flow`], for both directions.
pub(crate) struct Connection<'a>(&'a Flow<'a>);

impl Record for Connection<'_> {
    const SCHEMA: &'static Schema = &Schema {
        name: "Connection",
        number: Some(3),
        encoder: "Connection",
        stem: "Connection",
        doc: "Traffic between two ends, both directions together: the same IP addresses, ports and IP\n\
              protocol in the same VLANs, virtual network and service instance, or without IP the same\n\
              MAC addresses; of a tunnel the outer ends. Sender, receiver and MAC addresses are those of the first\n\
              packet. What a packet lacks is empty.",
        ..*Flow::SCHEMA
    };

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

/// The key: layers whose ends are in an order of their own. Where there is a network, the link is
/// only shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key(Layers);

impl Key {
    /// What packets of one connection have in common.
    #[inline]
    fn of_all(&self) -> impl Eq + Hash {
        let Layers {
            link,
            network,
            transport,
            protocol,
            scope,
            ..
        } = self.0;
        let link = link.filter(|_| network.is_none());
        (network, transport, protocol, scope, link)
    }
}

impl PartialEq for Key {
    #[inline]
    fn eq(&self, other: &Key) -> bool {
        self.of_all() == other.of_all()
    }
}

impl Eq for Key {}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.of_all().hash(state);
    }
}

/// What the record shows beside the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    exchanged: Exchanged,
    application: Application,
}

impl Learn for Shown {
    #[inline]
    fn learn(&mut self, later: &Shown) {
        self.application = self.application.or(later.application);
    }
}

/// Which layers of a packet have their ends the other way round than the key: a bit for each.
#[derive(Clone, Copy, Debug)]
struct Exchanged(u8);

impl Exchanged {
    const LINK: u8 = 1;
    const NETWORK: u8 = 2;
    const TRANSPORT: u8 = 4;

    fn has(self, layer: u8) -> bool {
        self.0 & layer != 0
    }

    /// The direction of the packet: that of its addresses, or where both are the same, of its ports,
    /// or of its MAC addresses.
    fn way(self, key: &Layers) -> usize {
        let network = key
            .network
            .is_some_and(|ends| ends.source != ends.destination);
        let transport = key
            .transport
            .is_some_and(|ends| ends.source != ends.destination);
        usize::from(match (network, transport) {
            (true, _) => self.has(Exchanged::NETWORK),
            (false, true) => self.has(Exchanged::TRANSPORT),
            (false, false) => self.has(Exchanged::LINK),
        })
    }
}

impl Model for Connection<'_> {
    type Key = Key;
    type Shown = Shown;
    type Ways = BothWays;

    #[inline]
    fn shard(shards: &FlowShards) -> u8 {
        shards.connection
    }

    #[inline]
    fn read(summary: &PacketSummary) -> Option<Reading<Self>> {
        let link = summary.layers.link.map(Link::sorted);
        let network = summary.layers.network.map(Network::sorted);
        let transport = summary.layers.transport.map(Transport::sorted);
        let key = Layers {
            link: link.map(|(ends, _)| ends),
            network: network.map(|(ends, _)| ends),
            transport: transport.map(|(ends, _)| ends),
            ..summary.layers
        };
        let bit = |is_exchanged: Option<bool>, layer| match is_exchanged {
            Some(true) => layer,
            _ => 0,
        };
        let exchanged = Exchanged(
            bit(link.map(|(_, exchanged)| exchanged), Exchanged::LINK)
                | bit(network.map(|(_, exchanged)| exchanged), Exchanged::NETWORK)
                | bit(
                    transport.map(|(_, exchanged)| exchanged),
                    Exchanged::TRANSPORT,
                ),
        );
        Some(Reading {
            way: exchanged.way(&key),
            key: Key(key),
            shown: Shown {
                exchanged,
                application: summary.application,
            },
        })
    }

    fn emit(entry: &EntryOf<Self>, registry: &Registry, output: &mut Output) {
        let (
            Key(key),
            Shown {
                exchanged,
                application,
            },
        ) = (entry.key, entry.shown);
        let layers = Layers {
            link: key
                .link
                .map(|ends| ends.exchanged(exchanged.has(Exchanged::LINK))),
            network: key
                .network
                .map(|ends| ends.exchanged(exchanged.has(Exchanged::NETWORK))),
            transport: key
                .transport
                .map(|ends| ends.exchanged(exchanged.has(Exchanged::TRANSPORT))),
            ..key
        };
        let uid = uid::connection(
            key.link.as_ref(),
            key.network.as_ref(),
            key.transport.as_ref(),
        );
        with_record(
            &entry.counts(),
            layers,
            application,
            &uid,
            registry,
            |record| {
                output.emit(registry, &Connection(record));
            },
        );
    }
}
