//! What the server knows at a moment, whichever way records come.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use netcap_remote::reliable::{ServerCounts, status};
use netcap_remote::{CollectorCounts, DiskCounts};

/// What came since the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// By the name of the sensor's folder.
    pub(crate) sensors: BTreeMap<String, Sensor>,
    /// What was refused, by reason: words joined by `_`, as labels of metrics are written.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// Datagrams that were received, if they are.
    pub(crate) datagrams: Option<u64>,
    /// Datagrams that had come before.
    pub(crate) duplicates: u64,
    /// Datagrams dropped by the system as its buffer was full; none where it does not tell.
    pub(crate) kernel_drops: Option<u64>,
    /// Datagrams dropped by us as the workers were late.
    pub(crate) queue_drops: u64,
    /// What became of the periods, if there is a limit on the disk.
    pub(crate) disk: Option<DiskCounts>,
}

/// What came from a sensor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sensor {
    pub(crate) batches: u64,
    pub(crate) records: u64,
    /// Octets, as they came.
    pub(crate) octets: u64,
    /// Records that the sensor had to drop.
    pub(crate) gaps: u64,
    /// Records that had come before.
    pub(crate) duplicates: u64,
    /// Of the reliable mode: whether it is connected.
    pub(crate) is_connected: Option<bool>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) lag: Option<Duration>,
    /// Packets that it has read, and that were dropped before it could read them.
    pub(crate) packets: u64,
    pub(crate) packets_dropped: u64,
}

impl Snapshot {
    pub(crate) fn add_datagrams(&mut self, counts: &CollectorCounts) {
        self.datagrams = Some(counts.datagrams);
        self.duplicates += counts.duplicates;
        self.kernel_drops = counts.kernel_drops;
        self.queue_drops = counts.queue_drops;
        for (name, client) in &counts.clients {
            let sensor = self.sensors.entry(name.folder().to_owned()).or_default();
            sensor.batches += client.batches;
            sensor.records += client.records;
            sensor.octets += client.octets;
        }
        for (reason, count) in counts.refusals.iter().filter(|(_, count)| **count > 0) {
            *self.refused.entry(reason.name()).or_default() += count;
        }
    }

    pub(crate) fn add_reliable(&mut self, counts: &ServerCounts) {
        for sensor in &counts.sensors {
            let value = |id| {
                let found = sensor.status.iter().find(|(known, _)| *known == id);
                found.map_or(0, |(_, value)| *value)
            };
            let ours = self.sensors.entry(sensor.name.clone()).or_default();
            ours.batches += sensor.batches;
            ours.records += sensor.records;
            ours.octets += sensor.octets;
            ours.gaps += sensor.gaps;
            ours.duplicates += sensor.duplicates;
            ours.is_connected = Some(sensor.is_connected);
            ours.peer = sensor.peer;
            ours.lag = sensor.lag;
            ours.packets = value(status::PACKETS);
            ours.packets_dropped = value(status::PACKETS_DROPPED);
        }
        let refusals = &counts.refusals;
        for (reason, count) in [
            ("unknown_key", refusals.unknown_key),
            ("handshake_failed", refusals.handshake),
            ("bad_message", refusals.bad_message),
            ("bad_batch", refusals.bad_batch),
            ("overlap", refusals.overlap),
            ("too_many_connections", refusals.too_many),
            ("superseded", refusals.superseded),
            ("silent", refusals.silent),
        ] {
            if count > 0 {
                *self.refused.entry(reason).or_default() += count;
            }
        }
    }

    /// Over all sensors.
    pub(crate) fn sum(&self, of: impl Fn(&Sensor) -> u64) -> u64 {
        self.sensors.values().map(of).sum()
    }

    /// Datagrams dropped, as far as that is known.
    pub(crate) fn dropped(&self) -> u64 {
        self.queue_drops + self.kernel_drops.unwrap_or_default()
    }

    /// Periods that were removed, and that could not be.
    pub(crate) fn removed(&self) -> (u64, u64) {
        self.disk.map_or((0, 0), |disk| (disk.removed, disk.stuck))
    }

    pub(crate) fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }
}
