//! The octets of a capture as they come in: tallied, decompressed, and with errors told apart.

use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::compression::{Ahead, Compression, Decoder, DecompressError};
use crate::{Error, Progress};

/// How much compressed input is asked for at a time.
const COMPRESSED_READ: usize = 256 << 10;

/// How much is asked of a decoder at a time, always: where its input is corrupt, some give what they
/// have decoded before and some do not, so that as much of it may be lost.
const DECODED_READ: usize = 16 << 10;

/// Octets that may come of any number, where the ratio is limited.
const FREE: u64 = 16 << 20;

/// The octets of a capture, decompressed.
pub(crate) struct Input {
    /// Gives the decompressed octets.
    pub(crate) reader: Box<dyn Read + Send>,
    /// Whether packets are to be handed on before a block is full, as the next may be long in coming.
    pub(crate) eager: bool,
    compression: Option<Compression>,
    tally: Arc<Tally>,
    total: Option<u64>,
}

impl Input {
    /// The octets of `reader` as they are; `total` is how many there are, if that is known.
    pub(crate) fn new(reader: Box<dyn Read + Send>, total: Option<u64>, eager: bool) -> Input {
        let tally = Arc::new(Tally::default());
        let reader = Box::new(Tallied {
            reader,
            tally: Arc::clone(&tally),
        });
        Input {
            reader,
            eager,
            compression: None,
            tally,
            total,
        }
    }

    /// The same input with its octets decompressed; `prefix` has been read of it already. Frames may be
    /// of other kinds than the first, unless there may be `only` one. `ratio` is how many octets may come of one,
    /// if that is limited.
    pub(crate) fn decompressed(
        mut self,
        compression: Compression,
        only: Option<Compression>,
        prefix: Vec<u8>,
        ratio: Option<u64>,
    ) -> Input {
        let raw = Cursor::new(prefix).chain(self.reader);
        let raw = Ahead::new(BufReader::with_capacity(COMPRESSED_READ, raw));
        self.reader = Box::new(Steady {
            decoder: Box::new(Decoder::new(raw, only)),
            given: 0,
            tally: Arc::clone(&self.tally),
            ratio,
            format: compression.name(),
            octets: vec![0; DECODED_READ].into(),
            start: 0,
            end: 0,
        });
        self.compression = Some(compression);
        self
    }

    /// How the octets are compressed, if they are.
    pub(crate) fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// Reads the first octets, fewer than `length` only if the input has no more.
    pub(crate) fn prefix(&mut self, length: usize, name: &str) -> Result<Vec<u8>, Error> {
        let mut prefix = vec![0; length];
        let mut have = 0;
        while have < length {
            match self.reader.read(&mut prefix[have..]) {
                Ok(0) => break,
                Ok(count) => have += count,
                Err(error) => return Err(self.explain(error, name, 0, have as u64)),
            }
        }
        prefix.truncate(have);
        Ok(prefix)
    }

    /// How much of the input has been taken.
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            done: self.tally.octets.load(Ordering::Relaxed),
            total: self.total,
        }
    }

    /// What an error of the reader means, `packets` packets and `offset` octets into the capture.
    pub(crate) fn explain(
        &self,
        source: io::Error,
        name: &str,
        packets: u64,
        offset: u64,
    ) -> Error {
        let name = name.to_owned();
        match self.compression {
            Some(compression) if !self.tally.failed.load(Ordering::Relaxed) => {
                let format = compression.name();
                if let Some(reason) = DecompressError::of(&source) {
                    Error::Compressed {
                        name,
                        packets,
                        reason,
                    }
                } else if source.kind() == ErrorKind::UnexpectedEof {
                    Error::Truncated {
                        name,
                        packets,
                        offset,
                        place: format!("the {format} stream"),
                    }
                } else {
                    Error::Decompress {
                        name,
                        format,
                        packets,
                    }
                }
            }
            _ => Error::Io { name, source },
        }
    }
}

/// Asks its decoder for the same number of octets whatever it is asked for itself, so that the same
/// input gives the same octets before it turns out to be corrupt.
struct Steady {
    decoder: Box<dyn Read + Send>,
    /// Octets that have come of those that were taken.
    given: u64,
    tally: Arc<Tally>,
    ratio: Option<u64>,
    format: &'static str,
    octets: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Read for Steady {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end {
            let count = self.decoder.read(&mut self.octets)?;
            self.given += count as u64;
            if let Some(ratio) = self.ratio
                && self.given > FREE + ratio * self.tally.octets.load(Ordering::Relaxed)
            {
                return Err(DecompressError::Ratio {
                    format: self.format,
                    limit: ratio,
                }
                .into());
            }
            (self.start, self.end) = (0, count);
        }
        let count = buffer.len().min(self.end - self.start);
        buffer[..count].copy_from_slice(&self.octets[self.start..self.start + count]);
        self.start += count;
        Ok(count)
    }
}

/// What has been taken from the raw input, and whether it was the input that failed and not the
/// decompressor above it.
#[derive(Debug, Default)]
struct Tally {
    octets: AtomicU64,
    failed: AtomicBool,
}

/// The raw input, tallied, and without interruptions: not all decompressors get over them.
struct Tallied {
    reader: Box<dyn Read + Send>,
    tally: Arc<Tally>,
}

impl Read for Tallied {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = self.reader.read(buffer);
            match &result {
                Ok(count) => {
                    _ = self
                        .tally
                        .octets
                        .fetch_add(*count as u64, Ordering::Relaxed)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.tally.failed.store(true, Ordering::Relaxed),
            }
            return result;
        }
    }
}
