//! One peer being served: what its feed gives is written to its connection.
//!
//! Guarantees: the beginning of the stream is written at once; only whole records are begun; what
//! the peer says is read and thrown away, up to a limit; the end is a FIN, so that nothing that was
//! written is lost; a peer that takes nothing for a while is let go.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use netcap_capture::pcap_over_ip::Connection;
use netcap_capture::{Timestamp, pcapng_writer};

use crate::halt::Halt;
use crate::queue::QueueCounts;
use crate::stream::{Chunk, Form, Preamble, count};

/// How long a peer is waited for at a time, reading or writing, before the rest is looked after.
const TICK: Duration = Duration::from_millis(100);

/// The same for a stream of records alone: there is nothing to tell its readers meanwhile, and the end
/// wakes who waits. Thousands of them may wait.
const RECORDS_TICK: Duration = Duration::from_secs(1);

/// Readers that close their half do so within that time.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What a peer may say before it is let go: readers have nothing to say.
const MAX_TALK: usize = 64 << 10;

/// A peer that has taken nothing for so long is let go.
const MAX_STALL: Duration = Duration::from_secs(30);

/// The same of a peer that we have connected to while there is nothing to send, unless it has been slow before: what was
/// sent last may be under way to somebody who is gone.
const SILENT_STALL: Duration = Duration::from_secs(5);

/// How often what was dropped is told in the stream, where it has a place for that.
const STATISTICS_EVERY: Duration = Duration::from_secs(10);

/// Where a peer's records come from.
pub trait Feed: Send {
    /// The next records, waiting for them about that long.
    fn next(&mut self, wait: Duration) -> Next;

    /// Says that the peer has gone, and what was lost to it.
    fn leave(&mut self) -> QueueCounts;

    /// What was lost to it so far.
    fn losses(&self) -> QueueCounts;
}

/// What a [`Feed`] gives.
#[derive(Debug)]
pub enum Next {
    /// Some records.
    Chunk(Arc<Chunk>),
    /// Nothing yet.
    Nothing,
    /// Nothing any more.
    End,
    /// Nothing any more, as the peer was too slow.
    TooSlow,
    /// Nothing any more, as the capture cannot be read further.
    Failed(String),
}

/// Why a peer was served no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// It has all there was.
    Complete,
    /// The end was asked for.
    Stopped,
    /// It closed the connection.
    Left,
    /// Its queue was full, and the rule is to let such peers go.
    TooSlow,
    /// It took nothing for too long.
    Stalled,
    /// It said more than readers do.
    Talkative,
    /// The capture could not be read to its end.
    Input(String),
    /// The connection failed.
    Failed(String),
}

/// The account of one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTotals {
    /// Its address, or the name in its certificate.
    pub peer: String,
    /// Packets written to it.
    pub packets: u64,
    /// Octets written to it, headers and all.
    pub octets: u64,
    /// How often it took nothing for a moment.
    pub stalls: u64,
    /// What was lost to it.
    pub lost: QueueCounts,
    /// Packets that were being written when it ended: it may have some of them.
    pub unfinished: u64,
    /// Why it ended.
    pub farewell: Farewell,
}

/// Serves a peer until its end. `grace` is how long after [`Halt`] it may take what waits; `is_opened` says
/// that it is we who have connected.
pub(crate) fn attend(
    connection: Connection,
    feed: &mut dyn Feed,
    preamble: &Preamble,
    halt: &Halt,
    grace: Duration,
    is_opened: bool,
) -> ClientTotals {
    let mut client = Client {
        connection,
        since: Instant::now(),
        wrote: Instant::now(),
        allowed: Duration::ZERO,
        is_opened,
        preamble,
        halt,
        grace,
        pieces: 0,
        packets: 0,
        unfinished: 0,
        octets: 0,
        stalls: 0,
        talk: 0,
        is_silent: false,
        delivered: Vec::new(),
    };
    let farewell = client.serve(feed).unwrap_or_else(|farewell| farewell);
    let lost = feed.leave();
    if matches!(
        farewell,
        Farewell::Complete | Farewell::Stopped | Farewell::TooSlow | Farewell::Input(_)
    ) {
        client.finish(&lost);
    }
    ClientTotals {
        peer: client.connection.peer().to_owned(),
        packets: client.packets,
        octets: client.octets,
        stalls: client.stalls,
        lost,
        unfinished: client.unfinished,
        farewell,
    }
}

struct Client<'a> {
    connection: Connection,
    since: Instant,
    /// When it was last written to.
    wrote: Instant,
    /// How long it may acknowledge nothing.
    allowed: Duration,
    is_opened: bool,
    preamble: &'a Preamble,
    halt: &'a Halt,
    grace: Duration,
    /// Pieces of the preamble that have been written.
    pieces: usize,
    packets: u64,
    unfinished: u64,
    octets: u64,
    stalls: u64,
    /// Octets that the peer has said.
    talk: usize,
    /// Whether it has closed its half.
    is_silent: bool,
    /// Packets written, by interface of the stream.
    delivered: Vec<(u32, u64)>,
}

impl Client<'_> {
    fn serve(&mut self, feed: &mut dyn Feed) -> Result<Farewell, Farewell> {
        let failed = |error: io::Error| Farewell::Failed(error.to_string());
        self.connection
            .set_write_timeout(Some(TICK))
            .map_err(failed)?;
        if self.is_opened {
            self.connection.notice_soon().map_err(failed)?;
        }
        let (mut told, mut told_dropped) = (Instant::now(), 0);
        self.describe()?;
        let tick = match self.preamble.form() {
            Form::Records(_) | Form::Messages => RECORDS_TICK,
            Form::Pcap(_) | Form::Pcapng => TICK,
        };
        loop {
            match feed.next(tick) {
                Next::Chunk(chunk) => {
                    if chunk.pieces > self.pieces {
                        self.describe()?;
                    }
                    self.wrote = Instant::now();
                    self.allow(MAX_STALL)?;
                    self.write_chunk(&chunk)?;
                    for (interface, packets) in &chunk.by_interface {
                        count(&mut self.delivered, *interface, *packets);
                    }
                }
                Next::Nothing => {
                    self.describe()?;
                    self.grow_silent()?;
                }
                Next::End => {
                    self.describe()?;
                    return Ok(if self.halt.is_asked() {
                        Farewell::Stopped
                    } else {
                        Farewell::Complete
                    });
                }
                Next::TooSlow => return Ok(Farewell::TooSlow),
                Next::Failed(reason) => return Ok(Farewell::Input(reason)),
            }
            self.listen()?;
            if self.halt.is_over(self.grace) {
                return Ok(Farewell::Stopped);
            }
            if told.elapsed() >= STATISTICS_EVERY {
                told = Instant::now();
                let losses = feed.losses();
                if losses.dropped_packets > told_dropped {
                    told_dropped = losses.dropped_packets;
                    self.tell(&losses)?;
                }
            }
        }
    }

    /// Has the system give a peer that we have connected to up after so long without an acknowledgment.
    fn allow(&mut self, stall: Duration) -> Result<(), Farewell> {
        if !self.is_opened || self.allowed == stall {
            return Ok(());
        }
        self.allowed = stall;
        let allowed = self.connection.set_unacknowledged_timeout(stall);
        allowed.map_err(|error| farewell(&error))
    }

    /// While there is nothing to send, a peer that is gone is noticed soon. One that has been slow may still have to take
    /// what waits in the system.
    fn grow_silent(&mut self) -> Result<(), Farewell> {
        if self.wrote.elapsed() < AT_ONCE || self.stalls > 0 {
            return Ok(());
        }
        self.allow(SILENT_STALL)
    }

    /// Writes what the preamble has had added.
    fn describe(&mut self) -> Result<(), Farewell> {
        let (pieces, count) = self.preamble.from(self.pieces);
        for piece in pieces {
            self.write(&piece)?;
        }
        self.pieces = count;
        Ok(())
    }

    /// Writes a chunk, and counts its packets as written or not.
    fn write_chunk(&mut self, chunk: &Chunk) -> Result<(), Farewell> {
        let begun = self.octets;
        self.unfinished = chunk.packets;
        let result = self.write(&chunk.octets);
        let written = match self.preamble.form() {
            _ if result.is_ok() => chunk.packets,
            // Of records that are all of one length those are known that are on their way.
            Form::Records(unit) => {
                let whole = (self.octets - begun) / unit.max(1) as u64;
                whole.min(chunk.packets)
            }
            Form::Pcap(_) | Form::Pcapng | Form::Messages => 0,
        };
        self.unfinished -= written;
        self.packets += written;
        result
    }

    /// Writes all of it, however long the peer takes, within reason.
    fn write(&mut self, mut octets: &[u8]) -> Result<(), Farewell> {
        let mut since = Instant::now();
        let mut is_stalled = false;
        while !octets.is_empty() {
            let written = match self.preamble.form() {
                Form::Records(unit) => self.connection.write_records(octets, unit),
                Form::Pcap(_) | Form::Pcapng | Form::Messages => self.connection.write(octets),
            };
            match written {
                Ok(0) => return Err(Farewell::Left),
                Ok(written) => {
                    self.octets += written as u64;
                    octets = octets.get(written..).unwrap_or_default();
                    since = Instant::now();
                    is_stalled = false;
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                        self.stalls += u64::from(!is_stalled);
                        is_stalled = true;
                        if self.halt.is_over(self.grace) {
                            return Err(Farewell::Stopped);
                        }
                        if since.elapsed() >= MAX_STALL {
                            return Err(Farewell::Stalled);
                        }
                        self.listen()?;
                    }
                    _ => return Err(farewell(&error)),
                },
            }
        }
        Ok(())
    }

    /// Throws away what the peer says. That it says no more is no reason to stop: readers may close
    /// their half at once. A peer that we have connected to and that does so later has ended: while
    /// there is nothing to send, nothing else would tell.
    fn listen(&mut self) -> Result<(), Farewell> {
        if self.is_silent {
            return Ok(());
        }
        match self.connection.drain(MAX_TALK + 1) {
            Ok(heard) => self.talk += heard,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                if self.is_opened && self.since.elapsed() > AT_ONCE {
                    return Err(Farewell::Left);
                }
                self.is_silent = true;
            }
            Err(error) => return Err(farewell(&error)),
        }
        if self.talk > MAX_TALK {
            return Err(Farewell::Talkative);
        }
        Ok(())
    }

    /// Tells in the stream what was delivered and what was lost.
    fn tell(&mut self, lost: &QueueCounts) -> Result<(), Farewell> {
        if self.preamble.form() != Form::Pcapng {
            return Ok(());
        }
        let mut interfaces = self.delivered.clone();
        for (interface, _) in &lost.dropped_by_interface {
            // An interface of which all was lost may not have been described.
            if (*interface as usize) + 1 < self.pieces {
                count(&mut interfaces, *interface, 0);
            }
        }
        let mut blocks = Vec::new();
        for (interface, _) in interfaces {
            let of = |counts: &[(u32, u64)]| {
                let found = counts.iter().find(|(number, _)| *number == interface);
                found.map_or(0, |(_, packets)| *packets)
            };
            pcapng_writer::append_statistics(
                &mut blocks,
                interface,
                now(),
                of(&self.delivered),
                of(&lost.dropped_by_interface),
            );
        }
        self.write(&blocks)
    }

    /// Ends the stream in good order. What cannot be done any more is no matter now.
    fn finish(&mut self, lost: &QueueCounts) {
        if self.tell(lost).is_ok() && self.flush().is_ok() {
            drop(self.connection.close());
        }
    }

    /// Has the peer take what TLS still holds.
    fn flush(&mut self) -> Result<(), Farewell> {
        let since = Instant::now();
        while let Err(error) = self.connection.flush() {
            match error.kind() {
                ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => {}
                _ => return Err(farewell(&error)),
            }
            if since.elapsed() >= MAX_STALL || self.halt.is_over(self.grace) {
                return Err(Farewell::Stalled);
            }
        }
        Ok(())
    }
}

/// What an error of the connection means.
fn farewell(error: &io::Error) -> Farewell {
    match error.kind() {
        ErrorKind::BrokenPipe
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::UnexpectedEof => Farewell::Left,
        _ => Farewell::Failed(error.to_string()),
    }
}

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(Timestamp::default(), |since| Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: since.subsec_nanos(),
    })
}
