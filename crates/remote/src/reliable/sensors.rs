//! What the server knows of each sensor, and which of its connections is the one that counts.
//!
//! Guarantees: a connection that was superseded appends nothing. Whoever begins a connection
//! ([`Sensor::begin`]) or appends ([`Sensor::is_latest`]) holds the lock of the sensor's files, so the
//! positions that the newer one is given are final.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::Pin;

use super::{shown, status};
use crate::batch::StreamId;

/// Connections and messages that were refused since the start, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// The key is not enrolled, or was removed while its sensor was connected.
    pub unknown_key: u64,
    /// TLS failed otherwise: no TLS 1.3, no certificate, a wrong signature, or nothing within the time.
    pub handshake: u64,
    /// A message that has another form, or one that is out of place.
    pub bad_message: u64,
    /// A batch whose records are not what it says.
    pub bad_batch: u64,
    /// A batch that holds records of which the server has some: the sensor did not know how far
    /// it was.
    pub overlap: u64,
    /// There were as many sensors as allowed.
    pub too_many: u64,
    /// Closed to make room for others, before it said who it was.
    pub displaced: u64,
    /// A newer connection of the sensor took the place of one.
    pub superseded: u64,
    /// Nothing came for too long.
    pub silent: u64,
}

/// One of the [`Refusals`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    UnknownKey,
    Handshake,
    BadMessage,
    BadBatch,
    Overlap,
    TooMany,
    Displaced,
    Superseded,
    Silent,
}

impl Reason {
    /// A name for metrics and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Reason::UnknownKey => "unknown_key",
            Reason::Handshake => "handshake_failed",
            Reason::BadMessage => "bad_message",
            Reason::BadBatch => "bad_batch",
            Reason::Overlap => "overlap",
            Reason::TooMany => "too_many_connections",
            Reason::Displaced => "displaced",
            Reason::Superseded => "superseded",
            Reason::Silent => "silent",
        }
    }
}

impl Refusals {
    pub(crate) fn count(&mut self, reason: Reason) {
        let count = match reason {
            Reason::UnknownKey => &mut self.unknown_key,
            Reason::Handshake => &mut self.handshake,
            Reason::BadMessage => &mut self.bad_message,
            Reason::BadBatch => &mut self.bad_batch,
            Reason::Overlap => &mut self.overlap,
            Reason::TooMany => &mut self.too_many,
            Reason::Displaced => &mut self.displaced,
            Reason::Superseded => &mut self.superseded,
            Reason::Silent => &mut self.silent,
        };
        *count += 1;
    }

    /// All of them, by the names that metrics and logs have.
    pub fn by_name(&self) -> [(&'static str, u64); 9] {
        [
            (Reason::UnknownKey.name(), self.unknown_key),
            (Reason::Handshake.name(), self.handshake),
            (Reason::BadMessage.name(), self.bad_message),
            (Reason::BadBatch.name(), self.bad_batch),
            (Reason::Overlap.name(), self.overlap),
            (Reason::TooMany.name(), self.too_many),
            (Reason::Displaced.name(), self.displaced),
            (Reason::Superseded.name(), self.superseded),
            (Reason::Silent.name(), self.silent),
        ]
    }
}

/// What is known of one sensor since the start. What was kept of it the archive
/// [counts](crate::Archive::counts).
#[derive(Clone, Debug)]
pub struct SensorCounts {
    /// The name by which it is enrolled.
    pub name: String,
    /// Whether it is connected now.
    pub is_connected: bool,
    /// Where it was connected from last.
    pub peer: Option<SocketAddr>,
    /// The key it was known by last.
    pub pin: Option<Pin>,
    /// What it says it reads; control characters are escaped.
    pub source: String,
    /// What it says it is; control characters are escaped.
    pub program: String,
    /// Connections that got as far as to say what they read.
    pub connections: u64,
    /// Records that the sensor says it had to drop.
    pub gaps: u64,
    /// Records that came again, and were there.
    pub duplicates: u64,
    /// The last values of its [status], by id.
    pub status: Vec<(u16, u64)>,
    /// How long its oldest record had waited, when it last told.
    pub lag: Option<Duration>,
    /// How long it has been silent.
    pub silent: Option<Duration>,
    /// Whether it has ended, and if it has, whether its input was read to its end.
    pub ended: Option<bool>,
}

/// One sensor.
pub(crate) struct Sensor {
    state: Mutex<State>,
}

struct State {
    counts: SensorCounts,
    /// Of the connection that counts.
    generation: u64,
    heard: Option<Instant>,
    /// The stream, and up to which number gaps of a type are counted.
    stream: StreamId,
    gaps: HashMap<u16, u64>,
}

impl Sensor {
    fn new(name: &str) -> Sensor {
        let counts = SensorCounts {
            name: name.to_owned(),
            is_connected: false,
            peer: None,
            pin: None,
            source: String::new(),
            program: String::new(),
            connections: 0,
            gaps: 0,
            duplicates: 0,
            status: Vec::new(),
            lag: None,
            silent: None,
            ended: None,
        };
        Sensor {
            state: Mutex::new(State {
                counts,
                generation: 0,
                heard: None,
                stream: StreamId::default(),
                gaps: HashMap::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection begins, and is the one that counts from now on. The lock of the files must be held.
    pub(crate) fn begin(
        &self,
        stream: StreamId,
        (peer, pin): (SocketAddr, Pin),
        (source, program): (&[u8], &[u8]),
    ) -> u64 {
        let mut state = self.lock();
        if state.stream != stream {
            state.stream = stream;
            state.gaps.clear();
        }
        state.generation += 1;
        state.heard = Some(Instant::now());
        let counts = &mut state.counts;
        counts.is_connected = true;
        counts.peer = Some(peer);
        counts.pin = Some(pin);
        counts.source = shown(source);
        counts.program = shown(program);
        counts.connections += 1;
        counts.ended = None;
        state.generation
    }

    /// Whether no newer connection has begun.
    pub(crate) fn is_latest(&self, generation: u64) -> bool {
        self.lock().generation == generation
    }

    /// The connection has ended.
    pub(crate) fn end(&self, generation: u64) {
        let mut state = self.lock();
        if state.generation == generation {
            state.counts.is_connected = false;
        }
    }

    /// Something came.
    pub(crate) fn hear(&self) {
        self.lock().heard = Some(Instant::now());
    }

    /// Changes counters.
    pub(crate) fn count(&self, change: impl FnOnce(&mut SensorCounts)) {
        change(&mut self.lock().counts);
    }

    /// Counts records that the sensor says it has dropped, once, however often it says so.
    pub(crate) fn count_gap(&self, number: u16, first: u64, end: u64) {
        let mut state = self.lock();
        let upto = state.gaps.entry(number).or_default();
        let missing = end.saturating_sub(first.max(*upto));
        *upto = end.max(*upto);
        state.counts.gaps = state.counts.gaps.saturating_add(missing);
    }

    fn counts(&self) -> SensorCounts {
        let state = self.lock();
        let mut counts = state.counts.clone();
        counts.silent = state.heard.map(|heard| heard.elapsed());
        let age = counts
            .status
            .iter()
            .find(|(id, _)| *id == status::OLDEST_AGE);
        counts.lag = age.map(|(_, age)| Duration::from_millis(*age));
        counts
    }
}

/// All sensors seen since the start, by name: at most as many as are enrolled at some time.
#[derive(Default)]
pub(crate) struct Sensors(Mutex<HashMap<String, Arc<Sensor>>>);

impl Sensors {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Sensor>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sensor of a name.
    pub(crate) fn get(&self, name: &str) -> Arc<Sensor> {
        let mut sensors = self.lock();
        let sensor = sensors
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Sensor::new(name)));
        Arc::clone(sensor)
    }

    /// What came of all of them, by name.
    pub(crate) fn counts(&self) -> Vec<SensorCounts> {
        let mut counts: Vec<_> = self.lock().values().map(|sensor| sensor.counts()).collect();
        counts.sort_by(|one, other| one.name.cmp(&other.name));
        counts
    }
}
