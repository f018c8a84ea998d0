//! Messages out of a connection, and octets into it.
//!
//! Guarantees: memory grows with what has come, and is at most one message and one read.

use std::io::{self, ErrorKind};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::Connection;

use super::wire::{Malformed, Message, check_hello, split};

/// Octets that are read at once: as many as TLS holds in four records (RFC 8446 section 5.1).
const READ: usize = 64 << 10;

/// What has come of a connection and was not yet looked at.
#[derive(Default)]
pub(crate) struct Inbox {
    octets: Vec<u8>,
    start: usize,
}

impl Inbox {
    /// The next message, if all of it has come.
    pub(crate) fn next(&mut self) -> Result<Option<Message<'_>>, Malformed> {
        let rest = self.octets.get(self.start..).unwrap_or_default();
        Ok(split(rest)?.map(|(message, length)| {
            self.start += length;
            message
        }))
    }

    /// Whether all of a Hello has come; fails as soon as it is something else.
    pub(crate) fn is_hello(&self) -> Result<bool, Malformed> {
        let rest = self.octets.get(self.start..).unwrap_or_default();
        check_hello(rest)?;
        Ok(split(rest)?.is_some())
    }

    /// Reads what has come, waiting for at most `wait`, or not at all. Gives whether anything came;
    /// the end of the stream is an error of kind `UnexpectedEof`.
    pub(crate) fn fill(
        &mut self,
        connection: &mut Connection,
        wait: Option<Duration>,
    ) -> io::Result<bool> {
        self.fill_some(connection, wait, READ)
    }

    /// The same, and reads at most so many octets.
    pub(crate) fn fill_some(
        &mut self,
        connection: &mut Connection,
        wait: Option<Duration>,
        most: usize,
    ) -> io::Result<bool> {
        self.octets.drain(..self.start);
        self.start = 0;
        let length = self.octets.len();
        self.octets.resize(length + most, 0);
        let room = self.octets.get_mut(length..).unwrap_or_default();
        let read = match wait {
            Some(_) => connection
                .set_read_timeout(wait)
                .and_then(|()| connection.read(room)),
            None => connection.read_now(room),
        };
        self.octets
            .truncate(length + read.as_ref().map_or(0, |count| *count));
        match read {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(true),
            Err(error) if is_wait(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Whether nothing is wrong, and it may be tried again.
fn is_wait(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// Writes all octets. Ends with an error when the peer takes none for `patience`, or `give_up` says so:
/// the connection's write time-out is how often that is asked.
pub(crate) fn write_all(
    connection: &mut Connection,
    mut octets: &[u8],
    patience: Duration,
    give_up: impl Fn() -> bool,
) -> io::Result<()> {
    let mut since = Instant::now();
    loop {
        let result = if octets.is_empty() {
            connection.flush().map(|()| 0)
        } else {
            connection.write(octets)
        };
        match result {
            Ok(_) if octets.is_empty() => return Ok(()),
            Ok(count) => {
                octets = octets.get(count..).unwrap_or_default();
                since = Instant::now();
            }
            Err(error) if is_wait(&error) => {
                if since.elapsed() > patience || give_up() {
                    return Err(ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
}
