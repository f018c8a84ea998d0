//! The page of metrics: what the server knows at a moment, as Prometheus reads it.

use netcap_remote::Kept;
use netcap_shell::metrics::Page;

use crate::snapshot::{Sensor, Snapshot};

impl Snapshot {
    /// The metrics of the server. What only sensors with -reliable tell has values only for these: of others
    /// it is not known, and 0 would say that it is.
    pub(crate) fn write(&self, page: &mut Page) {
        let family = |page: &mut Page, name, help, of: fn(&Sensor) -> Option<u64>| {
            let mut family = page.counter(name, help);
            for (sensor, counts) in &self.sensors {
                if let Some(value) = of(counts) {
                    family.value(&[("sensor", sensor)], value);
                }
            }
        };
        family(
            page,
            "netcap_server_batches_total",
            "Batches kept, by sensor.",
            |s| Some(s.batches()),
        );
        let by_type = |page: &mut Page, name, help, of: fn(&Kept) -> u64| {
            let mut family = page.counter(name, help);
            for (sensor, counts) in &self.sensors {
                for (record, kept) in &counts.kept {
                    family.value(&[("sensor", sensor), ("type", record)], of(kept));
                }
            }
        };
        by_type(
            page,
            "netcap_server_records_total",
            "Records kept, by sensor and type.",
            |kept| kept.records,
        );
        by_type(
            page,
            "netcap_server_bytes_total",
            "Bytes of records kept, by sensor and type.",
            |kept| kept.octets,
        );
        family(
            page,
            "netcap_server_missing_records_total",
            "Records that the sensor had to drop.",
            |s| s.is_connected.map(|_| s.gaps),
        );
        family(
            page,
            "netcap_server_duplicate_records_total",
            "Records that had come before.",
            |s| s.is_connected.map(|_| s.duplicates),
        );
        family(
            page,
            "netcap_server_sensor_packets_total",
            "Packets that the sensor has read.",
            |s| s.is_connected.map(|_| s.packets),
        );
        family(
            page,
            "netcap_server_sensor_dropped_packets_total",
            "Packets dropped before the sensor could read them.",
            |s| s.is_connected.map(|_| s.packets_dropped),
        );
        let mut connected = page.gauge(
            "netcap_server_sensor_connected",
            "Whether the sensor is connected.",
        );
        for (name, sensor) in &self.sensors {
            if let Some(is_connected) = sensor.is_connected {
                connected.value(&[("sensor", name)], u8::from(is_connected));
            }
        }
        let mut lag = page.gauge(
            "netcap_server_sensor_lag_seconds",
            "How long the oldest record of the sensor has waited.",
        );
        for (name, sensor) in &self.sensors {
            if let Some(waited) = sensor.lag {
                lag.value(&[("sensor", name)], waited.as_secs_f64());
            }
        }
        let mut refused = page.counter(
            "netcap_server_refused_total",
            "Datagrams, connections and messages refused, by reason.",
        );
        for (reason, count) in &self.refused {
            refused.value(&[("reason", reason)], count);
        }
        page.counter(
            "netcap_server_cut_bytes_total",
            "Bytes of unfinished records cut off the ends of files.",
        )
        .value(&[], self.cut);
        if let Some(disk) = self.disk {
            page.gauge(
                "netcap_server_disk_bytes",
                "Bytes of the files in all periods.",
            )
            .value(&[], disk.octets);
            page.counter(
                "netcap_server_removed_periods_total",
                "Periods removed, the oldest first, for the limit on the disk.",
            )
            .value(&[], disk.removed);
        }
        if let Some(shared) = &self.shared {
            page.gauge(
                "netcap_server_broker_connected",
                "1 while the broker is there.",
            )
            .value(&[], u8::from(shared.is_connected));
            page.counter(
                "netcap_server_duplicate_batches_total",
                "Batches that had come before.",
            )
            .value(&[], shared.duplicates);
            page.counter(
                "netcap_server_voided_batches_total",
                "Batches taken back, as another copy was first.",
            )
            .value(&[], shared.voided);
        }
        if let Some(datagrams) = self.datagrams {
            page.counter("netcap_server_datagrams_total", "Datagrams received.")
                .value(&[], datagrams);
            page.counter(
                "netcap_server_duplicate_datagrams_total",
                "Datagrams that had come before.",
            )
            .value(&[], self.duplicates);
            let mut dropped = page.counter(
                "netcap_server_dropped_datagrams_total",
                "Datagrams dropped by the system's buffer (kernel) or the queue of the workers (queue).",
            );
            if let Some(drops) = self.kernel_drops {
                dropped.value(&[("by", "kernel")], drops);
            }
            dropped.value(&[("by", "queue")], self.queue_drops);
        }
    }
}
