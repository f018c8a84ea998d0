//! What is counted of packets: one definition for those of a batch between the same ends, for an
//! entry of a table, and for a record.

use netcap_record::Time;

use crate::summary::PacketSummary;

/// Packets of one direction, counted. What is counted of two parts can be merged, in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    // Times apart, because each [`Time`] alone would take four octets more.
    first_seconds: i64,
    last_seconds: i64,
    first_nanos: u32,
    last_nanos: u32,
    /// How many there are.
    pub(crate) packets: u64,
    /// Their octets on the wire.
    pub(crate) octets: u64,
    /// Those that were captured.
    pub(crate) captured: u64,
    /// Those of what is innermost: what the transport carries, payloads, fragments.
    pub(crate) application: u64,
}

impl Default for Counts {
    /// No packets: the first is later than any, the last earlier.
    fn default() -> Counts {
        Counts {
            first_seconds: i64::MAX,
            last_seconds: i64::MIN,
            first_nanos: u32::MAX,
            last_nanos: 0,
            packets: 0,
            octets: 0,
            captured: 0,
            application: 0,
        }
    }
}

impl Counts {
    /// One packet.
    #[inline]
    pub(crate) fn packet(packet: &PacketSummary) -> Counts {
        let time = packet.time;
        Counts {
            first_seconds: time.seconds,
            last_seconds: time.seconds,
            first_nanos: time.nanos,
            last_nanos: time.nanos,
            packets: 1,
            octets: packet.octets.into(),
            captured: packet.captured.into(),
            application: packet.application_octets.into(),
        }
    }

    /// Adds what was counted elsewhere.
    #[inline]
    pub(crate) fn merge(&mut self, other: &Counts) {
        if other.first() < self.first() {
            (self.first_seconds, self.first_nanos) = (other.first_seconds, other.first_nanos);
        }
        if other.last() > self.last() {
            (self.last_seconds, self.last_nanos) = (other.last_seconds, other.last_nanos);
        }
        self.packets += other.packets;
        self.octets += other.octets;
        self.captured += other.captured;
        self.application += other.application;
    }

    /// Time of the earliest packet.
    #[inline]
    pub(crate) fn first(&self) -> Time {
        Time::new(self.first_seconds, self.first_nanos)
    }

    /// Time of the latest packet.
    #[inline]
    pub(crate) fn last(&self) -> Time {
        Time::new(self.last_seconds, self.last_nanos)
    }
}

/// The counts of a flow: one for each direction that it tells apart.
pub(crate) trait Ways: AsRef<[Counts]> + AsMut<[Counts]> + Default + Send {}

/// A flow is one direction.
pub(crate) type OneWay = [Counts; 1];
/// A flow is two directions: from the lower of its ends to the higher, and back.
pub(crate) type BothWays = [Counts; 2];

impl Ways for OneWay {}
impl Ways for BothWays {}
