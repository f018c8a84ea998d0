//! A reader whose next octets can be looked at before they are read.

use std::io::{self, BufRead, ErrorKind, Read};

use super::MAGIC;

/// Octets of a skippable frame's header: magic number and length (RFC 8878 section 3.1.2).
const SKIPPABLE_HEADER: usize = 8;

/// A reader, and what of it has been looked at.
pub(crate) struct Ahead<R> {
    /// Octets that come before those of `raw`.
    head: Vec<u8>,
    raw: R,
}

impl<R: BufRead> Ahead<R> {
    pub(crate) fn new(raw: R) -> Ahead<R> {
        Ahead {
            head: Vec::with_capacity(SKIPPABLE_HEADER.max(MAGIC)),
            raw,
        }
    }

    /// The next `count` octets, fewer only where the input ends. Where it would block nothing is lost.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.head.len() < count {
            let octets = match self.raw.fill_buf() {
                Ok([]) => break,
                Ok(octets) => octets,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let taken = octets.len().min(count - self.head.len());
            self.head.extend_from_slice(&octets[..taken]);
            self.raw.consume(taken);
        }
        Ok(&self.head[..count.min(self.head.len())])
    }

    /// Moves past so many octets of those that were looked at.
    pub(super) fn skip(&mut self, count: usize) {
        self.head.drain(..count.min(self.head.len()));
    }

    /// Moves past a skippable frame.
    pub(super) fn skip_frame(&mut self) -> io::Result<()> {
        let &[_, _, _, _, l0, l1, l2, l3] = self
            .peek(SKIPPABLE_HEADER)?
            .first_chunk()
            .ok_or(ErrorKind::UnexpectedEof)?;
        self.skip(SKIPPABLE_HEADER);
        let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
        match io::copy(&mut self.by_ref().take(length), &mut io::sink())? {
            skipped if skipped == length => Ok(()),
            _ => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl<R: BufRead> Read for Ahead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.head.is_empty() {
            return self.raw.read(buffer);
        }
        let count = buffer.len().min(self.head.len());
        buffer[..count].copy_from_slice(&self.head[..count]);
        self.head.drain(..count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Ahead<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.head.is_empty() {
            self.raw.fill_buf()
        } else {
            Ok(&self.head)
        }
    }

    fn consume(&mut self, count: usize) {
        if self.head.is_empty() {
            self.raw.consume(count);
        } else {
            self.head.drain(..count.min(self.head.len()));
        }
    }
}
