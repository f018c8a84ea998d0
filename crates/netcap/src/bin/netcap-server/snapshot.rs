//! What the server knows at a moment, whichever way records come.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use netcap_remote::reliable::{ServerCounts, status};
use netcap_remote::{Archive, ClientName, CollectorCounts, DiskCounts, Kept, KeptTypes};

/// What came since the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// By the name of the sensor's folder.
    pub(crate) sensors: BTreeMap<String, Sensor>,
    /// What was refused, by reason: words joined by `_`, as labels of metrics are written.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// By transport and reason, what of these no event tells of.
    pub(crate) quietly_refused: BTreeSet<(&'static str, &'static str)>,
    /// Datagrams that were received, if they are.
    pub(crate) datagrams: Option<u64>,
    /// Datagrams that had come before.
    pub(crate) duplicates: u64,
    /// Datagrams dropped by the system as its buffer was full; none where it does not tell.
    pub(crate) kernel_drops: Option<u64>,
    /// Datagrams dropped by us as the workers were late.
    pub(crate) queue_drops: u64,
    /// Octets of unfinished records that were cut off the ends of files.
    pub(crate) cut: u64,
    /// The octets of all periods, and how many were removed, if there is a limit on the disk.
    pub(crate) disk: Option<DiskCounts>,
    /// Of what a broker gave, if there is one.
    pub(crate) shared: Option<Shared>,
}

/// The broker, and batches that were not kept, as its servers have each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    /// Those that had come before.
    pub(crate) duplicates: u64,
    /// Those that were taken back, as another copy was first.
    pub(crate) voided: u64,
    /// Whether the broker is there.
    pub(crate) is_connected: bool,
}

/// What came from a sensor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sensor {
    /// What was kept, by type.
    pub(crate) kept: KeptTypes,
    /// Records that the sensor had to drop.
    pub(crate) gaps: u64,
    /// Records that had come before.
    pub(crate) duplicates: u64,
    /// Of the reliable mode: whether it is connected.
    pub(crate) is_connected: Option<bool>,
    pub(crate) lag: Option<Duration>,
    /// Packets that it has read, and that were dropped before it could read them.
    pub(crate) packets: u64,
    pub(crate) packets_dropped: u64,
}

impl Sensor {
    /// Of all types.
    fn sum(&self, of: fn(&Kept) -> u64) -> u64 {
        total(self.kept.values().map(of))
    }

    pub(crate) fn batches(&self) -> u64 {
        self.sum(|kept| kept.batches)
    }

    pub(crate) fn records(&self) -> u64 {
        self.sum(|kept| kept.records)
    }

    pub(crate) fn octets(&self) -> u64 {
        self.sum(|kept| kept.octets)
    }
}

impl Snapshot {
    /// What is in the folders, whichever way it came.
    pub(crate) fn of(archive: &Archive) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.add_kept(archive);
        snapshot
    }

    /// Adds the same.
    pub(crate) fn add_kept(&mut self, archive: &Archive) {
        self.cut = archive.cut();
        self.disk = archive.disk();
        for (name, kept) in archive.counts() {
            let sensor = self.sensors.entry(name.folder().to_owned()).or_default();
            sensor.kept = kept;
        }
    }

    pub(crate) fn add_datagrams(&mut self, counts: &CollectorCounts) {
        self.datagrams = Some(counts.datagrams);
        self.duplicates += counts.duplicates;
        self.kernel_drops = counts.kernel_drops;
        self.queue_drops = counts.queue_drops;
        for name in &counts.clients {
            self.sensors.entry(name.folder().to_owned()).or_default();
        }
        for (reason, count) in counts.refusals.iter().filter(|(_, count)| **count > 0) {
            *self.refused.entry(reason.name()).or_default() += count;
            self.quietly_refused.insert(("udp", reason.name()));
        }
    }

    pub(crate) fn add_reliable(&mut self, counts: &ServerCounts) {
        for sensor in &counts.sensors {
            let value = |id| {
                let found = sensor.status.iter().find(|(known, _)| *known == id);
                found.map_or(0, |(_, value)| *value)
            };
            let name = ClientName::new(sensor.name.as_bytes());
            let ours = self.sensors.entry(name.folder().to_owned()).or_default();
            ours.gaps = total([ours.gaps, sensor.gaps]);
            ours.duplicates = total([ours.duplicates, sensor.duplicates]);
            ours.is_connected = Some(sensor.is_connected);
            ours.lag = sensor.lag;
            ours.packets = value(status::PACKETS);
            ours.packets_dropped = value(status::PACKETS_DROPPED);
        }
        for (reason, count) in counts.refusals.by_name() {
            if count > 0 {
                let ours = self.refused.entry(reason).or_default();
                *ours = total([*ours, count]);
            }
        }
    }

    #[cfg(feature = "nats")]
    pub(crate) fn add_nats(&mut self, counts: &netcap_nats::Counts) {
        self.shared = Some(Shared {
            duplicates: counts.duplicates,
            voided: counts.voided,
            is_connected: counts.connected,
        });
        for (reason, count) in &counts.refused {
            *self.refused.entry(reason.name()).or_default() += count;
            self.quietly_refused.insert(("nats", reason.name()));
        }
    }

    /// Over all sensors.
    pub(crate) fn sum(&self, of: impl Fn(&Sensor) -> u64) -> u64 {
        total(self.sensors.values().map(of))
    }

    /// Datagrams dropped, as far as that is known.
    pub(crate) fn dropped(&self) -> u64 {
        total([self.queue_drops, self.kernel_drops.unwrap_or_default()])
    }

    /// Periods that were removed, and that could not be.
    pub(crate) fn removed(&self) -> (u64, u64) {
        self.disk.map_or((0, 0), |disk| (disk.removed, disk.stuck))
    }

    pub(crate) fn refusals(&self) -> u64 {
        total(self.refused.values().copied())
    }
}

/// The sum. Some numbers are what sensors say: it is never more than a number can be.
fn total(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_what_sensors_say_do_not_wrap() {
        let mut snapshot = Snapshot::default();
        for name in ["alice", "bob"] {
            let sensor = Sensor {
                gaps: u64::MAX - 1,
                ..Sensor::default()
            };
            snapshot.sensors.insert(name.to_owned(), sensor);
        }
        assert_eq!(snapshot.sum(|sensor| sensor.gaps), u64::MAX);
    }
}
