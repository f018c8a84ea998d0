//! From a source into a stream: to all peers who are there, and into a file.
//!
//! Guarantees: a peer never holds the source up; the file does, as nothing may be lost there; what
//! has been read is on its way before the next is waited for.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netcap_capture::pcapng_writer::append_statistics;
use netcap_capture::{Batch, Error, FilterError};

use crate::client::now;
use crate::fanout::Fanout;
use crate::halt::Halt;
use crate::inlet::Inlet;
use crate::pace::{Clock, Pace};
use crate::shape::{Counts, Feeder, Shaper, Shaping};
use crate::stream::{Chunk, Form, Preamble, count};

/// Octets and packets that are read at a time: also how finely a slow peer loses.
const BLOCK: usize = 64 << 10;
const PACKETS: usize = 1024;

/// How often a source is asked for its account.
const ACCOUNT: Duration = Duration::from_secs(1);

/// Why a source is pumped no further.
#[derive(Debug, thiserror::Error)]
pub enum PumpError {
    /// It cannot be read.
    #[error(transparent)]
    Input(#[from] Error),
    /// The filter does not hold.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The file cannot be written.
    #[error("cannot write: {0}; check the place and its room")]
    Output(io::Error),
}

/// What came through, and what was not for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PumpTotals {
    /// What became of the packets.
    pub counts: Counts,
    /// Who feeds the stream with itself, each once.
    pub feeders: Vec<Feeder>,
    /// Packets that came while no peer was there.
    pub unheard: u64,
    /// Packets that the system dropped before they could be read.
    pub dropped: u64,
    /// Whether the source has come to its end.
    pub is_ended: bool,
}

/// Where a stream goes, and how.
pub struct Drainage<'a> {
    /// Its beginning.
    pub preamble: Arc<Preamble>,
    /// The peers.
    pub fanout: &'a Fanout,
    /// Where all of it is written too.
    pub file: Option<&'a mut dyn Write>,
    /// How fast a recording is read.
    pub pace: Pace,
    /// What is due within that time is sent at once.
    pub flush: Duration,
}

/// Pumps until the source's end, or [`Halt`]. `watch` is called now and then. What came
/// through is told whatever went wrong.
pub fn pump(
    inlet: &mut dyn Inlet,
    shaping: Shaping,
    mut drainage: Drainage<'_>,
    halt: &Halt,
    watch: &mut dyn FnMut(&PumpTotals),
) -> (PumpTotals, Result<(), PumpError>) {
    let mut shaper = Shaper::new(shaping, Arc::clone(&drainage.preamble));
    let mut totals = PumpTotals::default();
    let mut recorder = Recorder::default();
    let mut clock = Clock::new(drainage.pace, None);
    let mut pass = || -> Result<(), PumpError> {
        let mut batch = Batch::new(BLOCK, PACKETS);
        let mut is_stopped = false;
        let mut accounted = Instant::now();
        loop {
            if accounted.elapsed() >= ACCOUNT {
                accounted = Instant::now();
                totals.dropped = dropped(inlet);
            }
            shaper.announce(inlet.interfaces());
            recorder.describe(&mut drainage)?;
            if halt.is_asked() && !is_stopped {
                is_stopped = true;
                // What is live gives what has come already, up to an end.
                if !inlet.is_live() {
                    return Ok(());
                }
                inlet.stop();
            }
            if !inlet.fill(&mut batch)? {
                totals.is_ended = !halt.is_asked();
                return Ok(());
            }
            let mut chunk = Chunk::default();
            for (packet, octets) in batch.iter() {
                let now = Instant::now();
                let due = clock.due(packet.timestamp, packet.captured_len() as usize, now);
                if due > now + drainage.flush {
                    totals.unheard += recorder.send(&mut chunk, &mut drainage)?;
                    halt.sleep(due - now);
                    if halt.is_asked() {
                        // What is not due yet is not sent.
                        return Ok(());
                    }
                }
                if octets.is_empty() && drainage.file.is_some() {
                    totals.unheard += recorder.send(&mut chunk, &mut drainage)?;
                    let mut alone = Chunk::default();
                    shaper.append(&mut alone, (packet, octets), inlet, true)?;
                    recorder.record(&alone, &mut drainage)?;
                } else {
                    shaper.append(&mut chunk, (packet, octets), inlet, false)?;
                }
            }
            totals.unheard += recorder.send(&mut chunk, &mut drainage)?;
            totals.counts = shaper.counts;
            totals.feeders.clone_from(&shaper.feeders);
            watch(&totals);
        }
    };
    let result = pass();
    // A stream may have told of its interfaces and of no packet.
    shaper.announce(inlet.interfaces());
    totals.counts = shaper.counts;
    totals.dropped = dropped(inlet);
    drainage.fanout.end();
    (totals, result.and(recorder.finish(&mut drainage)))
}

/// Packets that the system dropped before they could be read.
fn dropped(inlet: &mut dyn Inlet) -> u64 {
    inlet.origins().iter().map(|origin| origin.lost).sum()
}

/// Hands the stream on, and remembers what of it is in the file.
#[derive(Default)]
struct Recorder {
    pieces: usize,
    delivered: Vec<(u32, u64)>,
}

impl Recorder {
    /// Writes what the beginning of the stream has had added.
    fn describe(&mut self, drainage: &mut Drainage<'_>) -> Result<(), PumpError> {
        let Some(file) = &mut drainage.file else {
            return Ok(());
        };
        let (pieces, count) = drainage.preamble.from(self.pieces);
        if pieces.is_empty() {
            return Ok(());
        }
        self.pieces = count;
        let written = file.write_all(&pieces.concat()).and_then(|()| file.flush());
        written.map_err(PumpError::Output)
    }

    /// Sends a chunk, leaving it empty. Gives how many of its packets nobody heard.
    fn send(&mut self, chunk: &mut Chunk, drainage: &mut Drainage<'_>) -> Result<u64, PumpError> {
        if chunk.packets == 0 {
            return Ok(0);
        }
        let chunk = std::mem::take(chunk);
        self.record(&chunk, drainage)?;
        let packets = chunk.packets;
        let heard = drainage.fanout.publish(&Arc::new(chunk)) > 0 || drainage.file.is_some();
        Ok(if heard { 0 } else { packets })
    }

    /// Writes a chunk into the file, if there is one.
    fn record(&mut self, chunk: &Chunk, drainage: &mut Drainage<'_>) -> Result<(), PumpError> {
        self.describe(drainage)?;
        let Some(file) = &mut drainage.file else {
            return Ok(());
        };
        for (interface, packets) in &chunk.by_interface {
            count(&mut self.delivered, *interface, *packets);
        }
        let written = file.write_all(&chunk.octets).and_then(|()| file.flush());
        written.map_err(PumpError::Output)
    }

    /// Writes what is known at the end: how many packets of each interface there were.
    fn finish(&mut self, drainage: &mut Drainage<'_>) -> Result<(), PumpError> {
        self.describe(drainage)?;
        let is_pcapng = drainage.preamble.form() == Form::Pcapng;
        let Some(file) = drainage.file.as_mut().filter(|_| is_pcapng) else {
            return Ok(());
        };
        let mut blocks = Vec::new();
        for (interface, packets) in &self.delivered {
            append_statistics(&mut blocks, *interface, now(), *packets, 0);
        }
        let written = file.write_all(&blocks).and_then(|()| file.flush());
        written.map_err(PumpError::Output)
    }
}
