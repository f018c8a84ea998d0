//! What a collector receives of a packet or a host, whichever stream it came by.

use crate::extended::{Direction, Machine, PacketNote};
use crate::record::Record;

/// The time of a packet, and what is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation<'a> {
    /// A packet, or something about a host, in the 28 octets of 2019.
    Record(&'a Record),
    /// A packet of the extended stream.
    Packet(Numbered<'a>),
    /// How the host of an agent of the extended stream is, at this time in nanoseconds since 1970.
    Machine(i64, &'a Machine),
}

/// A packet of the extended stream, and what other messages say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered<'a> {
    /// The packet.
    pub note: &'a PacketNote,
    /// Its number since the start of the agent.
    pub number: u64,
    /// The name of the interface; empty if the agent has not told it.
    pub interface: &'a str,
}

impl<'a> From<&'a Record> for Observation<'a> {
    fn from(record: &'a Record) -> Observation<'a> {
        Observation::Record(record)
    }
}

impl Observation<'_> {
    /// Seconds and nanoseconds since 1970. A record of 2019 may say more than a second of the latter.
    pub fn time(self) -> (i64, u64) {
        match self {
            Observation::Record(record) => {
                (record.seconds.into(), 1000 * u64::from(record.microseconds))
            }
            Observation::Packet(Numbered { note, .. }) => split(note.time),
            Observation::Machine(time, _) => split(time),
        }
    }

    /// Microseconds since 1970.
    pub fn microseconds(self) -> i64 {
        let (seconds, nanoseconds) = self.time();
        1_000_000 * seconds + (nanoseconds / 1000).cast_signed()
    }

    /// Octets of the packet with its IP header, as it says.
    pub fn octets(self) -> u32 {
        match self {
            Observation::Record(record) => record.length.into(),
            Observation::Packet(packet) => packet.note.length,
            Observation::Machine(..) => 0,
        }
    }

    /// The port that the packet goes to, if it has one.
    pub fn destination_port(self) -> Option<u16> {
        match self {
            Observation::Record(record) => Some(record.destination_port),
            Observation::Packet(packet) => packet.note.ports.map(|(_, destination)| destination),
            Observation::Machine(..) => None,
        }
    }

    /// The flow of MGEN, if it is of one. Records cannot tell flow 0 from none.
    pub fn flow_id(self) -> Option<u32> {
        match self {
            Observation::Record(record) => (record.flow_id != 0).then_some(record.flow_id),
            Observation::Packet(packet) => packet.note.mgen.map(|mgen| mgen.flow_id),
            Observation::Machine(..) => None,
        }
    }

    /// Whether the agent received the packet, as far as it says.
    pub fn is_received(self) -> bool {
        matches!(self, Observation::Packet(packet) if packet.note.direction == Direction::Received)
    }

    /// Whether it is what another packet carries.
    pub fn is_inner(self) -> bool {
        matches!(self, Observation::Record(record) if record.flags != 0)
    }
}

fn split(time: i64) -> (i64, u64) {
    let nanoseconds = time.rem_euclid(1_000_000_000);
    (time.div_euclid(1_000_000_000), nanoseconds.cast_unsigned())
}
