//! Where text of records goes: a buffer, or through a small one to a writer, so that the text of a record
//! of very many values never stands in memory as a whole.

use std::io::{self, Write};

/// Octets of a buffer that are worth handing on.
const MUCH: usize = 64 << 10;

/// Takes text, value by value.
pub(crate) trait Out {
    /// What values are appended to.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// Asked between two values; `false`: nobody wants the rest.
    #[inline]
    fn goes_on(&mut self) -> bool {
        true
    }
}

impl Out for Vec<u8> {
    #[inline]
    fn buffer(&mut self) -> &mut Vec<u8> {
        self
    }
}

/// Hands what is written on, piece by piece.
pub(crate) struct Pieces<'a, F> {
    buffer: &'a mut Vec<u8>,
    take: F,
    result: io::Result<()>,
}

impl<'a, F: FnMut(&[u8]) -> io::Result<()>> Pieces<'a, F> {
    /// Empties the buffer and fills it again and again; `take` is given what is in it.
    pub(crate) fn new(buffer: &'a mut Vec<u8>, take: F) -> Pieces<'a, F> {
        buffer.clear();
        Pieces {
            buffer,
            take,
            result: Ok(()),
        }
    }

    /// Hands the last piece on.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.hand_on();
        self.result
    }

    fn hand_on(&mut self) {
        if self.result.is_ok() {
            self.result = (self.take)(self.buffer);
        }
        self.buffer.clear();
    }
}

impl<F: FnMut(&[u8]) -> io::Result<()>> Out for Pieces<'_, F> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.buffer
    }

    fn goes_on(&mut self) -> bool {
        if self.buffer.len() >= MUCH {
            self.hand_on();
        }
        self.result.is_ok()
    }
}

/// Pieces that are written as they are.
pub(crate) fn written<'a>(
    buffer: &'a mut Vec<u8>,
    out: &'a mut dyn Write,
) -> Pieces<'a, impl FnMut(&[u8]) -> io::Result<()>> {
    Pieces::new(buffer, |octets| out.write_all(octets))
}

/// The beginning of a text, of this many octets or somewhat more.
pub(crate) struct Beginning {
    pub(crate) text: Vec<u8>,
    pub(crate) length: usize,
}

impl Out for Beginning {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    fn goes_on(&mut self) -> bool {
        self.text.len() <= self.length
    }
}
