//! Records of one type on their way.

use netcap_record::Schema;
use ring::digest::{Context, SHA256};

use crate::Error;

/// Octets of records in a batch at most: a batch with a single record may be longer, up to this.
pub const LONGEST_BATCH: usize = 1 << 20;

/// Names what a sensor reads, from its beginning to its end: the same input, read with the same
/// options, gives the same records by number. A run that cannot be repeated has a random one.
pub type StreamId = [u8; 16];

/// The stream that parts of any length name together.
pub fn stream_id(parts: &[Vec<u8>]) -> StreamId {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    let mut stream = StreamId::default();
    for (octet, of_sum) in stream.iter_mut().zip(context.finish().as_ref()) {
        *octet = *of_sum;
    }
    stream
}

/// Records of one type, one after the other in their stream.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Their type.
    pub schema: &'static Schema,
    /// Number of the first in its stream, counted from 0 for each type.
    pub first: u64,
    /// How many there are.
    pub count: u32,
    /// Whether they hold payloads.
    pub payloads: bool,
    /// The records, each with its length before it.
    pub frames: Vec<u8>,
}

/// Takes batches to a server.
pub trait Sender {
    /// Takes a batch. Where the queue is full it waits, or drops the batch and counts that, as the
    /// source allows.
    ///
    /// # Errors
    /// What ends the run.
    fn send(&mut self, batch: Batch) -> Result<(), Error>;

    /// Is called a few times a second, by the thread that sends.
    ///
    /// # Errors
    /// What ends the run.
    fn tick(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// How many records of a type the server has already, which need not be sent again.
    fn position(&self, _schema: &'static Schema) -> u64 {
        0
    }

    /// So many records were not sent, as they are before their [`position`](Sender::position).
    fn pass_over(&mut self, _records: u64) {}

    /// Sends what is left. `is_complete` where the input was read to its end.
    ///
    /// # Errors
    /// What could not be sent.
    fn finish(&mut self, is_complete: bool) -> Result<(), Error>;
}

/// Counts records, each with its length before it; none where they are not whole, or one is longer than
/// is believed.
pub fn count_frames(mut frames: &[u8]) -> Option<u32> {
    let mut count = 0u32;
    while !frames.is_empty() {
        let (record, rest) = netcap_record::split_frame(frames)?;
        let _: &[u8] = record;
        frames = rest;
        count = count.checked_add(1)?;
    }
    Some(count)
}
