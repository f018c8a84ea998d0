//! The reliable mode: records from sensors to a server in order, acknowledged when they are on the
//! server's disk, and resumed where they ended.
//!
//! It is TCP with TLS 1.3 (RFC 8446) and certificates on both sides. TCP already keeps order, sends again,
//! and slows a sensor down that the server cannot follow; a protocol of our own over UDP would have to do
//! all that once more. TLS 1.3 has forward secrecy in every handshake and no weak choices left, and a
//! server that asks for certificates knows each sensor by its own key, so that one sensor that is taken
//! over can be shut out without new keys for the others, and cannot speak for them. One secret that all
//! share, as in the old mode, can do neither.
//!
//! Who is who is decided by pins (RFC 7469 section 2.4) alone: certificates sign themselves, the server
//! has a list of its sensors' ([`Enrolment`]), and a sensor has the server's. Names and dates in
//! certificates are not looked at, so one that has expired goes on being known by its pin: removing the pin
//! is how it ends. What was recorded of a connection cannot be played to the server again: keys come of
//! fresh random numbers of both sides, records of TLS are numbered (section 5.3), sessions are not
//! resumed, and 0-RTT, the part of TLS 1.3 that can be replayed (section 8), is off.
//!
//! Guarantees: [`ReliableSender`] keeps what the server has not acknowledged, and the server
//! acknowledges only what is on its disk; records have numbers by stream and type, so what is sent again
//! is recognised. So whichever side is killed at whatever moment, nothing that was acknowledged is lost
//! and nothing is there twice. A sensor that is killed loses what was in its memory only, unless its
//! input can be read again: then it is, and what the server has is passed over. With a spool, what has no
//! room in memory waits in files, which outlive it.

mod checks;
mod client;
mod delivery;
mod door;
mod ending;
mod enrolment;
mod entry;
mod events;
mod fault;
mod inbox;
mod intake;
mod link;
mod options;
mod queue;
mod segment;
mod sensors;
mod server;
mod session;
mod shared;
mod spool;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use std::sync::Arc;

use netcap_capture::pcap_over_ip::{ClientTls, ServerTls, TlsError, TlsOptions};
use ring::rand::{SecureRandom, SystemRandom};

pub use client::{ReliableSender, SenderCounters};
pub use enrolment::Enrolment;
pub use events::Event;
pub use options::{Gauges, Notify, OnFull, ReliableOptions, SenderCounts};
pub use sensors::{Refusals, SensorCounts};
pub use server::{ReliableServer, ServerCounts, ServerOptions};

use crate::batch::StreamId;

/// What the values of a sensor's status mean; others may be added, and are passed over where they are not
/// known.
pub mod status {
    /// Packets read.
    pub const PACKETS: u16 = 1;
    /// Octets of the packets read.
    pub const OCTETS: u16 = 2;
    /// Packets that the kernel or the interface has dropped.
    pub const PACKETS_DROPPED: u16 = 3;
    /// Octets that wait in memory.
    pub const QUEUE_OCTETS: u16 = 4;
    /// Octets that wait in files.
    pub const SPOOL_OCTETS: u16 = 5;
    /// How long the oldest record has waited to be acknowledged, in milliseconds.
    pub const OLDEST_AGE: u16 = 6;
    /// Records dropped as the queue was full.
    pub const RECORDS_LOST: u16 = 7;
}

/// TLS of a sensor: `cert` and `key` are its own, `pins` the server's: several, while the server's key
/// is being replaced.
///
/// # Errors
/// Where one of these is missing or a file cannot be used.
pub fn sensor_tls(options: &TlsOptions) -> Result<Arc<ClientTls>, TlsError> {
    if options.pins.is_empty() || options.cert.is_none() || options.insecure {
        return Err(TlsError::Options(
            "a sensor needs the server's pin, and a certificate (cert) and key (key) of its own"
                .to_owned(),
        ));
    }
    ClientTls::only_tls13(options)
}

/// TLS of a server: `cert` and `key` are its own; sensors are let in by enrolment.
///
/// # Errors
/// Where a file cannot be used.
pub fn server_tls(
    options: &TlsOptions,
    enrolment: &Arc<Enrolment>,
) -> Result<Arc<ServerTls>, TlsError> {
    let enrolment = Arc::clone(enrolment);
    ServerTls::by_pin(
        options,
        Arc::new(move |pin| enrolment.name_of(pin).is_some()),
    )
}

/// A stream for input that cannot be read again.
///
/// # Errors
/// Where the system has no random numbers.
pub fn fresh_stream() -> Result<StreamId, TlsError> {
    let mut stream = StreamId::default();
    SystemRandom::new()
        .fill(&mut stream)
        .map_err(|_| TlsError::Options("the system has no random numbers".to_owned()))?;
    Ok(stream)
}

/// A peer's text, of which what does not print is escaped; quotes and backslashes stay.
fn shown(text: &[u8]) -> String {
    let mut shown = String::new();
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '\'' | '"' | '\\' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
    }
    shown
}
