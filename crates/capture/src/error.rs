//! What can go wrong while reading a capture.
//!
//! Every message is one line that names the input and, where there is one, the remedy. Errors of
//! this crate are about the input as a whole; odd traffic inside packets is not its business.

use std::io;

use crate::libpcap::LibpcapError;
use crate::pcap_over_ip::{ConnectError, Fault, StreamError};
use crate::{DecompressError, FilterError};

/// Why a capture could not be read, or not be read to its end.
///
/// The packets before the trouble have been delivered before the error is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input does not begin like any capture this crate knows.
    #[error("{name}: not a capture: {reason}; expected pcap or pcapng, plain or compressed")]
    NotACapture {
        /// The input's name as given.
        name: String,
        /// What it looks like instead.
        reason: String,
    },

    /// The input is a file of audit records.
    #[error(
        "{name}: audit records, no packets; to print them give netcap the file by its name, or by standard \
         input (-r -), without flags that are for captures, as -out"
    )]
    Records {
        /// The input's name as given.
        name: String,
    },

    /// The input ends inside a record, or inside its compressed stream.
    #[error(
        "{name}: cut short at octet {offset}, {}, in {place}{}; copy or capture the file again for the rest",
        after_whole(*packets, "packet"), good_so_far(*packets, "packet")
    )]
    Truncated {
        /// The input's name as given.
        name: String,
        /// How many whole packets came before.
        packets: u64,
        /// Where the input ends, in (decompressed) octets.
        offset: u64,
        /// What it ends in.
        place: String,
    },

    /// A record contradicts the file format, so that what follows cannot be found.
    #[error(
        "{name}: malformed at octet {offset}, {}: {reason}{}; copy or capture the file again for the rest",
        after_whole(*packets, "packet"), good_so_far(*packets, "packet")
    )]
    Malformed {
        /// The input's name as given.
        name: String,
        /// How many whole packets came before.
        packets: u64,
        /// Where the offending record begins, in (decompressed) octets.
        offset: u64,
        /// Which claim was false.
        reason: String,
    },

    /// A capture of a kind, or with a feature, that this crate does not read.
    #[error(
        "{name}: {reason} is not supported; pcap 2 and pcapng 1 are, perhaps `editcap -F pcap` \
         converts it"
    )]
    Unsupported {
        /// The input's name as given.
        name: String,
        /// The kind or feature.
        reason: String,
    },

    /// The operating system refused.
    #[error("{name}: cannot read: {source}; check that it exists and may be read")]
    Io {
        /// The input's name as given.
        name: String,
        /// The system's answer.
        source: io::Error,
    },

    /// An interface cannot be captured from.
    #[error(transparent)]
    Libpcap(#[from] LibpcapError),

    /// The system does not take a filter.
    #[error("the system does not take the filter: {0}; a shorter one may do")]
    NoFilter(LibpcapError),

    /// The filter makes no sense for an interface.
    #[error(transparent)]
    Filter(#[from] FilterError),

    /// An interface gives no more packets: it is down, or gone.
    #[error("{source}; the capture ended there{}", kept(*packets))]
    InterfaceEnded {
        /// How many packets came before.
        packets: u64,
        /// What libpcap says, with the interface's name.
        source: LibpcapError,
    },

    /// The compressed stream is corrupt.
    #[error(
        "{name}: the {format} stream is corrupt {}{}; copy the file again for the rest",
        after_whole(*packets, "packet"), good_so_far(*packets, "packet")
    )]
    Decompress {
        /// The input's name as given.
        name: String,
        /// The compression, as in `gzip`.
        format: &'static str,
        /// How many whole packets came before.
        packets: u64,
    },

    /// The compressed stream is whole, or sound as far as it was read, but there is something else.
    #[error("{name}: {reason}, {}{}{}", after_whole(*packets, "packet"), good_so_far(*packets, "packet"), reason.remedy())]
    Compressed {
        /// The input's name as given.
        name: String,
        /// How many whole packets came before.
        packets: u64,
        /// What there is.
        reason: DecompressError,
    },

    /// There is no connection to a PCAP-over-IP peer.
    #[error(transparent)]
    Connect(Box<ConnectError>),

    /// A stream of a PCAP-over-IP peer did not end as it should.
    #[error(transparent)]
    Stream(Box<StreamError>),
}

/// Where something in an input is, by the whole packets or records before it; `unit` names one of them.
pub fn after_whole(count: u64, unit: &str) -> String {
    match count {
        0 => format!("before the first {unit}"),
        1 => format!("after 1 whole {unit}"),
        count => format!("after {count} whole {unit}s"),
    }
}

/// What is said of those before it, behind something else; nothing if there are none.
pub fn good_so_far(count: u64, unit: &str) -> String {
    match count {
        0 => String::new(),
        1 => format!("; that {unit} is good"),
        _ => format!("; those {unit}s are good"),
    }
}

/// What is said of packets that were captured before it ended.
fn kept(packets: u64) -> String {
    match packets {
        0 => String::new(),
        1 => ", the packet before that is kept".to_owned(),
        packets => format!(", the {packets} packets before that are kept"),
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Error {
        Error::Connect(Box::new(error))
    }
}

impl From<StreamError> for Error {
    fn from(error: StreamError) -> Error {
        Error::Stream(Box::new(error))
    }
}

impl Error {
    /// Whether the input itself is at fault (exit code 3), and not the system it is read from
    /// (exit code 2).
    pub fn is_input_fault(&self) -> bool {
        self.exit_code() == 3
    }

    /// The exit code of a program that ends for this: 2 the system, or nobody to connect to; 3 an
    /// input malformed or cut short; 4 TLS: who the peer is, or who we are, is not believed.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Io { .. }
            | Error::Libpcap(_)
            | Error::Filter(_)
            | Error::NoFilter(_)
            | Error::InterfaceEnded { .. } => 2,
            Error::Connect(error) if error.is_tls() => 4,
            Error::Connect(_) => 2,
            Error::Stream(error) if error.fault == Fault::Tls => 4,
            _ => 3,
        }
    }
}
