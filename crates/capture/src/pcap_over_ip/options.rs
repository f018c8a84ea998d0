//! How peers are read, and what is known of the interfaces that they send.

use std::sync::Arc;
use std::time::Duration;

use super::tls::TlsOptions;
use crate::LinkType;

/// Hears, in one line ready to be shown, of what happens to connections while the reader runs.
pub type Notify = Arc<dyn Fn(&str) + Send + Sync>;

/// How peers are read. The defaults are those of a live source that lasts.
#[derive(Clone)]
pub struct ReaderOptions {
    /// Whether an address begins again when its stream has ended: connects again after a while, or
    /// waits for more peers. Without, each address gives one stream.
    pub reconnect: bool,
    /// How many attempts to connect may fail one after the other; none: any number when
    /// reconnecting, else no more than the first.
    pub retries: Option<u32>,
    /// For each address of a host, and again for the TLS handshake.
    pub connect_timeout: Duration,
    /// From the connection to the end of the file header; none: for ever.
    pub header_timeout: Option<Duration>,
    /// Without any octet; none: for ever.
    pub idle_timeout: Option<Duration>,
    /// With half a record; none: for ever.
    pub record_timeout: Option<Duration>,
    /// The longest packet that is believed, in octets.
    pub max_record: usize,
    /// Whether a stream may be compressed with gzip or zstd.
    pub decompress: bool,
    /// Whether the first error ends all.
    pub fail_fast: bool,
    /// How long a packet may wait for earlier ones of other connections.
    pub window: Duration,
    /// As many octets may wait for that.
    pub window_octets: usize,
    /// Connections of listeners in all, and from one address; more are turned away.
    pub max_connections: usize,
    /// Connections of listeners from one address.
    pub max_per_address: usize,
    /// Who is believed, and who we are.
    pub tls: TlsOptions,
    /// Hears of connections made and lost.
    pub notify: Option<Notify>,
}

/// The defaults of the specification: reconnecting; time-outs of 10 s to connect, 30 s for the
/// header, 60 s for half a record; records of 262,144 octets (Wireshark's limit); a window of 200 ms
/// and 8 MiB; 64 connections, 16 from one address.
impl Default for ReaderOptions {
    fn default() -> ReaderOptions {
        ReaderOptions {
            reconnect: true,
            retries: None,
            connect_timeout: Duration::from_secs(10),
            header_timeout: Some(Duration::from_secs(30)),
            idle_timeout: None,
            record_timeout: Some(Duration::from_secs(60)),
            max_record: 262_144,
            decompress: false,
            fail_fast: false,
            window: Duration::from_millis(200),
            window_octets: 8 << 20,
            max_connections: 64,
            max_per_address: 16,
            tls: TlsOptions::default(),
            notify: None,
        }
    }
}

/// An interface that packets come from: what [`Packet::interface`](crate::Packet::interface) counts, from 0.
///
/// A connection has one for each file header, or for each interface that its pcapng describes. After
/// a reconnection the same interface keeps its number if it is described the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceInfo {
    /// The source: the address as given, or the peer that connected to us.
    pub source: String,
    /// Its name at the source, safe to show, where the stream says it.
    pub if_name: Option<String>,
    /// What the stream says about it in a comment, safe to show.
    pub comment: Option<String>,
    /// What its packets begin with.
    pub link_type: LinkType,
    /// The longest packet to expect, in octets; 0 is unknown.
    pub snaplen: u32,
    /// Whether its times are finer than microseconds.
    pub nanoseconds: bool,
    /// Octets of frame check sequence at the end of each packet, where the stream says.
    pub fcs_len: Option<u8>,
}

impl InterfaceInfo {
    /// The source, and its own name for the interface if it has one: `tcp://sensor/eth0`.
    pub fn name(&self) -> String {
        match &self.if_name {
            Some(name) => format!("{}/{name}", self.source),
            None => self.source.clone(),
        }
    }
}
