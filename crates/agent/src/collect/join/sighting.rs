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
    /// Not of later fragments: who has missed the first does not know.
    ports: Option<(u16, u16)>,
    pub(super) protocol: u8,
    offset: u16,
    identification: u32,
    length: u32,
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
}

/// Why a packet cannot be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is seen before the interface cuts it, or after it put several together; which way and protocol.
    Uncut { is_sent: bool, protocol: u8 },
    /// What it carries is not known, of a packet that it sent or received.
    Uncovered { is_sent: bool, protocol: u8 },
    /// Which way it went is not known.
    Unknown { protocol: u8, destination: IpAddr },
}

impl Sighting {
    /// What is to be joined of a packet.
    pub(super) fn of(note: &PacketNote, state: &RandomState) -> Result<Sighting, Unfit> {
        let is_sent = match note.direction {
            Direction::Sent => true,
            Direction::Received => false,
            Direction::Unknown => {
                return Err(Unfit::Unknown {
                    protocol: note.protocol,
                    destination: note.destination,
                });
            }
        };
        let protocol = note.protocol;
        if note.is_uncut {
            return Err(Unfit::Uncut { is_sent, protocol });
        }
        let offset = note.fragment.map_or(0, |part| part.offset);
        let key = Key {
            source: note.source,
            destination: note.destination,
            ports: note.ports.filter(|_| offset == 0),
            protocol,
            offset,
            identification: note.identification,
            length: note.length,
            digest: note.digest.ok_or(Unfit::Uncovered { is_sent, protocol })?,
        };
        Ok(Sighting {
            hash: state.hash_one(key),
            key,
            label: Label {
                ports: note.ports,
                flow_id: note.mgen.map(|mgen| mgen.flow_id),
            },
            time: note.time,
            is_sent,
            interface: note.interface,
        })
    }
}
