//! How a sensor sends, and what has become of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use netcap_remote::{ClientName, StreamId};

use crate::address::Connection;
use crate::connection::{Limits, Notify};

/// What a sensor does where the broker takes less than it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// It waits.
    Wait,
    /// It drops batches and counts them: a live source does not wait.
    Drop,
}

/// How a sensor sends.
#[derive(Clone)]
pub struct SenderOptions {
    /// The broker.
    pub connection: Connection,
    /// The name of the sensor, which is that of its folder with every server.
    pub sensor: ClientName,
    /// What is read: of the input, and of all options that change records or how they are cut into
    /// batches, [`SenderOptions::batch_octets`] too. Not zeros.
    pub stream: StreamId,
    /// Whether the same input can be read again, with the same stream.
    pub is_repeatable: bool,
    /// What to do where the queue is full. A repeatable input always waits: its batches have no gaps.
    pub full: Full,
    /// Octets of records that wait for the broker, at most.
    pub queue_octets: usize,
    /// Octets of a batch of more than one record, where the input is repeatable.
    pub batch_octets: usize,
    /// When this is set the run ends: nothing waits for the broker longer than
    /// [`SenderOptions::patience`].
    pub stop: Arc<AtomicBool>,
    /// How long a broker that takes nothing is waited for after a stop.
    pub patience: Duration,
    /// What there may be at the broker, if it is this sensor that makes its streams.
    pub limits: Limits,
    /// Is told what a person may want to know.
    pub notify: Notify,
}

impl SenderOptions {
    /// A repeatable input, waits, 64 MiB of records, batches of 256 KiB, 10 seconds of patience, and nobody
    /// is told anything.
    pub fn new(connection: Connection, sensor: ClientName, stream: StreamId) -> SenderOptions {
        SenderOptions {
            connection,
            sensor,
            stream,
            is_repeatable: true,
            full: Full::Wait,
            queue_octets: 64 << 20,
            batch_octets: 256 << 10,
            stop: Arc::default(),
            patience: Duration::from_secs(10),
            limits: Limits::default(),
            notify: Arc::new(|_| ()),
        }
    }

    /// What is really done where the queue is full.
    pub(super) fn full(&self) -> Full {
        if self.is_repeatable {
            Full::Wait
        } else {
            self.full
        }
    }
}

/// What has become of batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Batches that the broker has.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Octets of them, compressed.
    pub octets: u64,
    /// Octets of records that wait for the broker.
    pub waiting: usize,
    /// Records that wait for the broker. After a stop they are those that it did not take.
    pub waiting_records: u64,
    /// Records that were dropped because the queue was full.
    pub dropped: u64,
    /// Records that were dropped because one is longer than is sent.
    pub too_long: u64,
    /// Whether the broker is there at this moment.
    pub connected: bool,
}
