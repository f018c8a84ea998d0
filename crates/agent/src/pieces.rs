//! A stream for tests that comes in pieces.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};

/// Gives pieces of these sizes, and after each a time-out.
pub(crate) struct Pieces {
    octets: VecDeque<u8>,
    sizes: VecDeque<usize>,
    is_due: bool,
}

impl Pieces {
    pub(crate) fn new(octets: Vec<u8>, sizes: Vec<usize>) -> Pieces {
        Pieces {
            octets: octets.into(),
            sizes: sizes.into(),
            is_due: false,
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.is_due = !self.is_due;
        if self.is_due {
            return Err(ErrorKind::WouldBlock.into());
        }
        let size = self.sizes.pop_front().unwrap_or(usize::MAX).min(out.len());
        (&mut self.octets).take(size as u64).read(out)
    }
}
