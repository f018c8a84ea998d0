//! What a sensor is told, and what it tells.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use netcap_capture::pcap_over_ip::{Address, ClientTls};

/// What becomes of a batch when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// The run waits: for files.
    Wait,
    /// The batch is dropped and counted, as packets do not wait: live.
    Drop,
}

/// Is told something, in one line, for a person.
pub type Notify = Box<dyn Fn(&str) + Send>;

/// What a sensor is told.
pub struct ReliableOptions {
    /// The server, as `tls://host:port`.
    pub address: Address,
    /// TLS as [`sensor_tls`](super::sensor_tls) makes it.
    pub tls: Arc<ClientTls>,
    /// What is read, to be shown by the server: at most 1024 octets of it.
    pub source: String,
    /// The program and its version, to be shown by the server: at most 64 octets of it.
    pub program: String,
    /// Whether the input can be read again from its beginning.
    pub is_repeatable: bool,
    /// Octets of memory for batches that are not acknowledged: their compressed records and what is
    /// kept about each. A single batch may be longer.
    pub queue: usize,
    /// A folder for batches that have no room in memory, and octets of its files at most. They outlive the
    /// sensor, and what is left there by an earlier one is sent first.
    pub spool: Option<(PathBuf, u64)>,
    /// What becomes of a batch when there is no room.
    pub on_full: OnFull,
    /// How long [`ReliableSender::connect`] waits for the server; none: not at all, and then all positions
    /// are 0.
    pub connect_deadline: Option<Duration>,
    /// How long [`Sender::finish`] waits for the server to have everything; none: for ever.
    pub finish_deadline: Option<Duration>,
    /// Ends all waiting, and what was not delivered is given up.
    pub give_up: Arc<AtomicBool>,
    /// How long connecting may take, and after it the handshake.
    pub timeout: Duration,
    /// The shortest and the longest wait before connecting again, before chance.
    pub waits: (Duration, Duration),
    /// Is told, by another thread, what keeps records from the server, once for as long as that is the
    /// same; and when it is over. What was told is not said again by an error.
    pub notify: Option<Notify>,
}

impl ReliableOptions {
    /// A live sensor with a queue of 64 MiB, which waits for nothing at its beginning and for 10 s at its
    /// end, and connects again after 0.1 to 5 s.
    pub fn new(address: Address, tls: Arc<ClientTls>) -> ReliableOptions {
        ReliableOptions {
            address,
            tls,
            source: String::new(),
            program: String::new(),
            is_repeatable: false,
            queue: 64 << 20,
            spool: None,
            on_full: OnFull::Drop,
            connect_deadline: None,
            finish_deadline: Some(Duration::from_secs(10)),
            give_up: Arc::default(),
            timeout: Duration::from_secs(10),
            waits: (Duration::from_millis(100), Duration::from_secs(5)),
            notify: None,
        }
    }
}

/// What the run tells the server of itself: set by who knows, sent every second.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Packets read.
    pub packets: AtomicU64,
    /// Octets of them.
    pub octets: AtomicU64,
    /// Packets that the kernel or the interface has dropped.
    pub packets_dropped: AtomicU64,
}

/// What happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderCounts {
    /// Batches taken into the queue.
    pub batches: u64,
    /// Records taken into the queue.
    pub records: u64,
    /// Octets of their records, before they were compressed.
    pub octets: u64,
    /// Octets of them, compressed.
    pub compressed: u64,
    /// Records that the server has: acknowledged, or there when a connection began.
    pub acknowledged: u64,
    /// Records of this run that the server has acknowledged, and octets of their compressed batches.
    pub delivered: u64,
    /// See `delivered`.
    pub delivered_octets: u64,
    /// Records of earlier runs, from files of the spool, that the server has acknowledged.
    pub earlier: u64,
    /// Records that were on the server already.
    pub known: u64,
    /// Records of types that the server does not know: they are left out.
    pub unknown_type: u64,
    /// Batches that were sent more than once.
    pub resent: u64,
    /// Records that were dropped as there was no room, or as one was longer than 2 MiB.
    pub lost: u64,
    /// Of these, the ones that were longer than 2 MiB.
    pub too_long: u64,
    /// Records that wait in files for the next run, when this one has ended.
    pub waiting: u64,
    /// Connections after the first.
    pub reconnects: u64,
    /// Whether there is a connection.
    pub is_connected: bool,
    /// Octets that wait in memory now.
    pub queue: usize,
    /// Octets that wait in files now.
    pub spool: u64,
    /// How long the oldest batch has waited in memory.
    pub oldest: Duration,
    /// How long ago the server has acknowledged anything.
    pub last_ack: Option<Duration>,
}
