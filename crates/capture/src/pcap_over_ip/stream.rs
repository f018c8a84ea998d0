//! The octets of one connection as a capture: what they are, and what it means when they end.
//!
//! The formats and their reader are those of files; here are the patience with a peer, the limits it
//! is held to, and the words for what it does wrong.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::connection::{Connection, tls_fault};
use crate::Error;
use crate::compression::{Compression, DecompressError};
use crate::file::FileSource;
use crate::format::{Format, Limits};
use crate::input::Input;
use crate::open::PREFIX;
use crate::pcap::Pcap;
use crate::pcapng::{self, Pcapng};

/// Octets that may come of one octet of a peer that compresses. Packets that are all the same, with their
/// times, come to a few hundred; deflate could make 1,032 (RFC 1951), and zstd many thousands.
const MOST_OF_ONE: u64 = 500;

/// How often a quiet connection is left, to look whether it has been quiet for too long.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// As many interfaces as a peer may describe in one section.
const MAX_INTERFACES: usize = 1024;

/// What is wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not begin like a capture.
    NotACapture,
    /// It is a capture that cannot be read.
    Unsupported,
    /// It contradicts its format.
    Malformed,
    /// It ends inside a record, or before the first.
    Truncated,
    /// The connection broke.
    Lost,
    /// The peer let us wait for longer than it may.
    TimedOut,
    /// TLS: the peer has refused us, or what came is not what it sent.
    Tls,
}

impl Fault {
    /// Its name, for counts and messages.
    pub fn name(self) -> &'static str {
        match self {
            Fault::NotACapture => "not a capture",
            Fault::Unsupported => "unsupported",
            Fault::Malformed => "malformed",
            Fault::Truncated => "truncated",
            Fault::Lost => "connection lost",
            Fault::TimedOut => "timed out",
            Fault::Tls => "TLS fault",
        }
    }
}

/// How a stream did not end as it should. The packets before have been delivered.
#[derive(Debug)]
pub struct StreamError {
    /// Whose stream it was: the address as given, or the peer's.
    pub peer: String,
    /// What is wrong.
    pub fault: Fault,
    /// Where, in (decompressed) octets: of a record that is malformed its beginning, else the end.
    pub offset: u64,
    /// How many whole packets came before.
    pub packets: u64,
    /// What exactly, with the remedy where there is one.
    pub reason: String,
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (peer, fault, reason) = (&self.peer, self.fault.name(), &self.reason);
        if self.offset == 0 && self.packets == 0 {
            return write!(f, "{peer}: {fault}: {reason}");
        }
        write!(
            f,
            "{peer}: {fault} at octet {}, record {}: {reason}; the {} packets before are good",
            self.offset,
            self.packets + 1,
            self.packets
        )
    }
}

impl std::error::Error for StreamError {}

/// What a stream may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) header_timeout: Option<Duration>,
    pub(crate) max_record: usize,
    pub(crate) decompress: bool,
}

/// A connection as a reader that now and then has nothing to give, however busy the peer is, so that
/// who reads can look at the clock.
struct Patient {
    connection: Arc<Mutex<Connection>>,
    since: Instant,
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = if self.since.elapsed() < TICK {
            lock(&self.connection).read(buffer)
        } else {
            Err(ErrorKind::WouldBlock.into())
        };
        if matches!(&result, Err(error) if error.kind() == ErrorKind::WouldBlock) {
            self.since = Instant::now();
        }
        result
    }
}

/// The connection; nothing that panics holds it.
pub(crate) fn lock(connection: &Mutex<Connection>) -> std::sync::MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads the beginning of a stream and finds out what it is. None: it was told to stop.
pub(crate) fn open(
    peer: &str,
    connection: &Arc<Mutex<Connection>>,
    rules: Rules,
    stop: &AtomicBool,
) -> Result<Option<FileSource<Box<dyn Format>>>, StreamError> {
    let fail = |fault, offset: usize, reason: String| StreamError {
        peer: peer.to_owned(),
        fault,
        offset: offset as u64,
        packets: 0,
        reason,
    };
    if let Err(error) = lock(connection).set_read_timeout(Some(TICK)) {
        return Err(fail(Fault::Lost, 0, error.to_string()));
    }
    let patient = Patient {
        connection: Arc::clone(connection),
        since: Instant::now(),
    };
    let mut input = Input::new(Box::new(patient), None, true);
    let begun = Instant::now();
    let header = |input: &mut Input| {
        let mut prefix = Vec::with_capacity(PREFIX);
        let mut buffer = [0; PREFIX];
        while prefix.len() < PREFIX {
            match input.reader.read(&mut buffer[..PREFIX - prefix.len()]) {
                Ok(0) => break,
                Ok(count) => prefix.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if stop.load(Ordering::Relaxed) {
                        return Ok(None);
                    }
                    let waited = begun.elapsed();
                    if rules.header_timeout.is_some_and(|most| waited >= most) {
                        let reason =
                            format!("no file header within {} s", waited.as_secs_f32().round());
                        return Err(fail(Fault::TimedOut, prefix.len(), reason));
                    }
                }
                Err(error) => {
                    let error = input.explain(error, peer, 0, prefix.len() as u64);
                    return Err(describe(peer, error, 0, prefix.len() as u64));
                }
            }
            // What is no capture has often no more to say before we do.
            if prefix.len() >= 4 && !is_known(&prefix) {
                break;
            }
        }
        Ok(Some(prefix))
    };
    let Some(mut prefix) = header(&mut input)? else {
        return Ok(None);
    };
    if let Some(compression) = Compression::sniff(&prefix) {
        let name = compression.name();
        if !matches!(compression, Compression::Gzip | Compression::Zstd) {
            let reason = format!("a {name} stream; only gzip and zstd are read from a peer");
            return Err(fail(Fault::Unsupported, 0, reason));
        }
        if !rules.decompress {
            let reason = format!("a {name} stream; it is read only if asked for (decompress)");
            return Err(fail(Fault::Unsupported, 0, reason));
        }
        input = input.decompressed(compression, Some(compression), prefix, Some(MOST_OF_ONE));
        match header(&mut input)? {
            Some(inner) => prefix = inner,
            None => return Ok(None),
        }
    }
    let limits = Limits {
        record: rules.max_record,
        interfaces: MAX_INTERFACES,
        mends_lengths: true,
    };
    let name = peer.to_owned();
    if prefix.starts_with(&pcapng::SECTION_HEADER) {
        let format: Box<dyn Format> = Box::new(Pcapng::of_stream(limits));
        return Ok(Some(FileSource::new(name, input, format, prefix, 0)));
    }
    match (Pcap::from_magic(&prefix), prefix.first_chunk()) {
        (Some(pcap), Some(header)) => {
            let format = pcap
                .of_stream(limits)
                .with_header(header)
                .map_err(|reason| {
                    fail(Fault::Unsupported, 0, format!("{reason} is not supported"))
                })?;
            let format: Box<dyn Format> = Box::new(format);
            let offset = PREFIX as u64;
            Ok(Some(FileSource::new(
                name,
                input,
                format,
                Vec::new(),
                offset,
            )))
        }
        (None, _) if prefix.len() >= 4 => Err(fail(Fault::NotACapture, 0, what_else(&prefix))),
        _ => {
            let len = prefix.len();
            let reason = match len {
                0 => "it ends before its first octet; where we have connected, the peer may not allow this address"
                    .to_owned(),
                _ => format!("it ends in the file header, after {len} octets"),
            };
            Err(fail(Fault::Truncated, len, reason))
        }
    }
}

/// Whether a stream that begins so may be one we know.
fn is_known(prefix: &[u8]) -> bool {
    prefix.starts_with(&pcapng::SECTION_HEADER)
        || Pcap::from_magic(prefix).is_some()
        || Compression::sniff(prefix).is_some()
        // xz, whose magic has six octets.
        || prefix.starts_with(&[0xfd, b'7', b'z', b'X']) && prefix.len() < 6
}

/// What something that is no capture looks like.
fn what_else(prefix: &[u8]) -> String {
    const HTTP: &[&[u8]] = &[
        b"HTTP", b"GET ", b"HEAD", b"POST", b"PUT ", b"OPTI", b"CONN", b"DELE",
    ];
    match prefix {
        // TLS records: alert and handshake (RFC 8446 section 5.1).
        [0x15 | 0x16, 3, ..] => {
            "the peer speaks TLS; use tls:// to connect to it, tls-listen:// to wait for it".into()
        }
        _ if HTTP.iter().any(|word| prefix.starts_with(word)) => {
            "the peer speaks HTTP; check the port".into()
        }
        _ if prefix.starts_with(b"SSH-") => "the peer speaks SSH; check the port".into(),
        [a, b, c, d, ..] => {
            format!("it begins with {a:02x} {b:02x} {c:02x} {d:02x}; expected pcap or pcapng")
        }
        _ => "expected pcap or pcapng".into(),
    }
}

/// An error of the reader in the words for streams, `packets` packets into it.
pub(crate) fn describe(peer: &str, error: Error, packets: u64, at: u64) -> StreamError {
    let (fault, offset, reason) = match error {
        Error::Truncated { offset, place, .. } => {
            (Fault::Truncated, offset, format!("it ends in {place}"))
        }
        Error::Malformed { offset, reason, .. } => (Fault::Malformed, offset, reason),
        Error::Unsupported { reason, .. } => {
            (Fault::Unsupported, at, format!("{reason} is not supported"))
        }
        Error::NotACapture { reason, .. } => (Fault::NotACapture, at, reason),
        Error::Decompress { format, .. } => (
            Fault::Malformed,
            at,
            format!("the {format} stream is corrupt"),
        ),
        Error::Compressed { reason, .. } => match reason {
            DecompressError::Ratio { .. } => (
                Fault::Unsupported,
                at,
                format!("{reason}{}", reason.remedy()),
            ),
            _ => (Fault::Malformed, at, reason.to_string()),
        },
        Error::Io { source, .. } => match tls_fault(&source) {
            Some(reason) => (Fault::Tls, at, reason),
            None => (Fault::Lost, at, source.to_string()),
        },
        other => (Fault::Lost, at, other.to_string()),
    };
    StreamError {
        peer: peer.to_owned(),
        fault,
        offset,
        packets,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_capture_is_named() {
        let cases = [
            (&b"HTTP/1.1 400"[..], "HTTP"),
            (b"GET / HTTP", "HTTP"),
            (b"SSH-2.0-", "SSH"),
            (b"\x16\x03\x01\x02", "tls://"),
            (b"abcd", "61 62 63 64"),
        ];
        for (octets, expected) in cases {
            assert!(!is_known(octets));
            assert!(what_else(octets).contains(expected));
        }
    }
}
