//! Why a sensor is not connected, in words for the person who can mend it.

use std::io;

use netcap_capture::pcap_over_ip::{ConnectError, Pin, is_not_known, tls_fault};

use super::shown;
use super::wire::Malformed;

/// Why a connection has ended, or there was none.
#[derive(Default)]
pub(crate) struct Fault {
    pub(crate) reason: String,
    /// Only a person can mend it.
    pub(crate) is_lasting: bool,
    /// One side does not believe the other.
    pub(crate) is_untrusted: bool,
}

impl Fault {
    /// Why there is no connection. The server's address is not part of it.
    pub(crate) fn unconnected(error: ConnectError) -> Fault {
        Fault {
            is_lasting: error.is_permanent(),
            is_untrusted: error.is_permanent(),
            reason: match error {
                ConnectError::Resolve { source, .. } => {
                    format!("cannot find the host: {source}; check its name")
                }
                ConnectError::Connect { source, .. } => format!(
                    "cannot connect: {source}; check that the server runs and may be reached"
                ),
                ConnectError::Handshake { source, .. } => {
                    format!(
                        "no TLS handshake: {source}; check that `netcap-server -reliable` is there"
                    )
                }
                ConnectError::Refused { reason, .. } => reason,
                error => error.to_string(),
            },
        }
    }

    /// Why a connection has ended, of a sensor with this key.
    pub(crate) fn ended(error: &io::Error, pin: Option<Pin>) -> Fault {
        let untrusted = |reason| Fault {
            reason,
            is_lasting: true,
            is_untrusted: true,
        };
        match (tls_fault(error), pin) {
            (Some(_), Some(pin)) if is_not_known(error) => untrusted(format!(
                "the server does not know this sensor's key; on the server: \
                 netcap-server -enroll NAME -pin {pin}"
            )),
            (Some(reason), _) => untrusted(reason),
            (None, _) => Fault {
                reason: match error.kind() {
                    io::ErrorKind::UnexpectedEof => "the server has closed the connection".into(),
                    _ => format!("the connection was lost: {error}"),
                },
                ..Fault::default()
            },
        }
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Fault {
        odd(malformed)
    }
}

/// The server breaks the rules of the protocol.
pub(crate) fn odd(what: impl std::fmt::Display) -> Fault {
    Fault {
        reason: format!("the server says what it should not: {what}"),
        is_lasting: true,
        is_untrusted: false,
    }
}

/// The server says why it does not go on.
pub(crate) fn refused(reason: &[u8]) -> Fault {
    Fault {
        reason: format!("the server refused: {}", shown(reason)),
        is_lasting: true,
        is_untrusted: false,
    }
}
