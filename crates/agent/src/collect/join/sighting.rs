//! A packet where it was seen, as far as the join looks at it.

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::quality::RandomState;

use crate::extended::{Direction, PacketNote};

/// What a packet has at its sender and at its receivers, whatever happens on the way: equal packets are the
/// same one, or the same once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// This and the flow of MGEN not of later fragments: who has missed the first does not know.
    ports: Option<(u16, u16)>,
    flow_id: Option<u32>,
    pub(super) protocol: u8,
    offset: u16,
    identification: u32,
    pub(super) length: u32,
    digest: u64,
}

/// What else a packet of a flow has. Of later fragments not every agent knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Label {
    pub(super) ports: Option<(u16, u16)>,
    pub(super) flow_id: Option<u32>,
}

/// Packets of the same ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flow {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: u8,
    pub(super) label: Label,
}

impl Flow {
    pub(super) fn of(key: &Key, label: Label) -> Flow {
        Flow {
            source: key.source,
            destination: key.destination,
            protocol: key.protocol,
            label,
        }
    }
}

impl From<&PacketNote> for Flow {
    fn from(note: &PacketNote) -> Flow {
        Flow {
            source: note.source,
            destination: note.destination,
            protocol: note.protocol,
            label: Label {
                ports: note.ports,
                flow_id: note.mgen.map(|mgen| mgen.flow_id),
            },
        }
    }
}

/// A packet that can be joined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    pub(super) key: Key,
    pub(super) label: Label,
    pub(super) hash: u64,
    pub(super) time: i64,
    pub(super) is_sent: bool,
    /// Number of the agent's interface.
    pub(super) interface: u16,
    /// Hops that it may still take: never more than where it was before.
    pub(super) hops_left: u8,
    /// It is seen before that interface cuts it, or after it has put several together: at the other end it may be in
    /// pieces.
    pub(super) is_uncut: bool,
}

/// Why a packet cannot be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// What it carries is not known, of a packet that was sent, or received.
    Uncovered { is_sent: bool },
    /// Which way it went is not known.
    Directionless,
}

impl Sighting {
    /// What is to be joined of a packet.
    pub(super) fn of(note: &PacketNote, state: &RandomState) -> Result<Sighting, Unfit> {
        let is_sent = match note.direction {
            Direction::Sent => true,
            Direction::Received => false,
            Direction::Unknown => return Err(Unfit::Directionless),
        };
        let flow_id = note.mgen.map(|mgen| mgen.flow_id);
        let offset = note.fragment.map_or(0, |part| part.offset);
        let key = Key {
            source: note.source,
            destination: note.destination,
            ports: note.ports.filter(|_| offset == 0),
            flow_id: flow_id.filter(|_| offset == 0),
            protocol: note.protocol,
            offset,
            identification: note.identification,
            length: note.length,
            digest: note.digest.ok_or(Unfit::Uncovered { is_sent })?,
        };
        Ok(Sighting {
            hash: state.hash_one(key),
            key,
            label: Flow::from(note).label,
            time: note.time,
            is_sent,
            interface: note.interface,
            hops_left: note.hops_left,
            is_uncut: note.is_uncut,
        })
    }
}
