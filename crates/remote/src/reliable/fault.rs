//! Why a sensor is not connected, in words for the person who can mend it.

use std::io;

use netcap_capture::pcap_over_ip::tls_fault;

use super::wire::Malformed;

/// Why a connection has ended, or there was none.
pub(crate) struct Fault {
    pub(crate) reason: String,
    /// Only a person can mend it.
    pub(crate) is_lasting: bool,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        match tls_fault(&error) {
            Some(reason) => Fault {
                reason: format!("{reason}; is this sensor's key enrolled there?"),
                is_lasting: true,
            },
            None => Fault {
                reason: match error.kind() {
                    io::ErrorKind::UnexpectedEof => "the server has closed the connection".into(),
                    _ => format!("the connection was lost: {error}"),
                },
                is_lasting: false,
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
    }
}

/// The server says why it does not go on.
pub(crate) fn refused(reason: &[u8]) -> Fault {
    let reason: String = String::from_utf8_lossy(reason)
        .chars()
        .flat_map(char::escape_debug)
        .collect();
    Fault {
        reason: format!("the server refused: {reason}"),
        is_lasting: true,
    }
}
