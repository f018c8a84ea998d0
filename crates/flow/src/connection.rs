//! Connections: all traffic between two ends, both directions together.
//!
//! Two packets belong to one connection if their MAC addresses, their IP addresses and their ports
//! are the same pairs, each in either order, and so are the protocols.

use netcap_dissect::{Link, Network, Output, Registry, Transport};
use netcap_record::{Record, Schema};

use crate::flow::{Flow, Opening, with_record};
use crate::model::Model;
use crate::summary::{Layers, PacketSummary};
use crate::table::Entry;
use crate::uid;

/// A record with the fields of [`Flow`], for both directions.
pub(crate) struct Connection<'a>(&'a Flow<'a>);

impl Record for Connection<'_> {
    const SCHEMA: &'static Schema = &Schema {
        name: "Connection",
        number: Some(3),
        encoder: "Connection",
        stem: "Connection",
        doc: "Traffic between two ends, both directions together: the same MAC addresses, IP\n\
              addresses and ports; of a tunnel the outer ends. Sender and receiver are those of the\n\
              first packet. What a packet lacks is empty.",
        ..*Flow::SCHEMA
    };

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

/// Which layers of the first packet had their ends the other way round than the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchanged {
    link: bool,
    network: bool,
    transport: bool,
}

impl Model for Connection<'_> {
    type Key = Layers;
    type Shown = (Exchanged, Opening);

    #[inline]
    fn read(summary: &PacketSummary) -> Option<(Layers, Self::Shown)> {
        let link = summary.layers.link.map(Link::sorted);
        let network = summary.layers.network.map(Network::sorted);
        let transport = summary.layers.transport.map(Transport::sorted);
        let layers = Layers {
            link: link.map(|(ends, _)| ends),
            network: network.map(|(ends, _)| ends),
            transport: transport.map(|(ends, _)| ends),
        };
        let exchanged = Exchanged {
            link: link.is_some_and(|(_, exchanged)| exchanged),
            network: network.is_some_and(|(_, exchanged)| exchanged),
            transport: transport.is_some_and(|(_, exchanged)| exchanged),
        };
        Some((layers, (exchanged, Opening::of(summary))))
    }

    fn emit(entry: &Entry<Layers, Self::Shown>, registry: &Registry, output: &mut Output) {
        let (key, (exchanged, opening)) = (entry.key, entry.shown);
        let layers = Layers {
            link: key.link.map(|ends| ends.exchanged(exchanged.link)),
            network: key.network.map(|ends| ends.exchanged(exchanged.network)),
            transport: key
                .transport
                .map(|ends| ends.exchanged(exchanged.transport)),
        };
        let uid = uid::connection(
            key.link.as_ref(),
            key.network.as_ref(),
            key.transport.as_ref(),
        );
        with_record(entry, layers, opening, &uid, registry, |record| {
            output.emit(registry, &Connection(record));
        });
    }
}
