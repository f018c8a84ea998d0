//! Where text of records goes: a buffer, or through a small one to a writer, so that the text of a record
//! of very many values, or of very long ones, never stands in memory as a whole.

use std::io::{self, Write};

use crate::digits;

/// Octets of a buffer that are worth handing on.
const MUCH: usize = 64 << 10;

/// Octets of a value that are written in one go.
const PIECE: usize = 8 << 10;

/// Takes text, value by value, and long values piece by piece.
pub(crate) trait Out {
    /// What values are appended to.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// Asked between two values; `false`: nobody wants the rest.
    #[inline]
    fn goes_on(&mut self) -> bool {
        true
    }
}

/// The pieces of a value, none of which ends within a character.
pub(crate) fn pieces(mut value: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (piece, rest) = value.split_at(end_of_piece(value));
        value = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Where the first piece ends. A character has four octets at most, and of these only the first is no
/// continuation (RFC 3629 section 3): where four in a row are, none of them is part of one.
fn end_of_piece(value: &[u8]) -> usize {
    let is_begun = |at: &usize| value.get(*at).is_none_or(|octet| octet & 0xc0 != 0x80);
    match value.len() {
        0..=PIECE => value.len(),
        _ => (PIECE - 3..=PIECE).rev().find(is_begun).unwrap_or(PIECE),
    }
}

/// Appends two lower-case digits for every octet.
pub(crate) fn hex<O: Out>(octets: &[u8], out: &mut O) {
    for piece in octets.chunks(PIECE) {
        digits::hex(piece, out.buffer());
        if !out.goes_on() {
            return;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_between_characters() {
        let long: Vec<String> = ["a", "\u{e4}", "\u{20ac}", "\u{1f600}"]
            .map(|c| c.repeat(PIECE))
            .to_vec();
        for shift in 0..4 {
            for text in &long {
                let text = format!("{}{text}", "x".repeat(shift));
                let mut whole = Vec::new();
                for piece in pieces(text.as_bytes()) {
                    assert!(std::str::from_utf8(piece).is_ok() && piece.len() <= PIECE);
                    whole.extend_from_slice(piece);
                }
                assert_eq!(whole, text.as_bytes());
            }
        }
        assert_eq!(pieces(&[0x80; 2 * PIECE + 1]).count(), 3);
        assert_eq!(pieces(b"").count(), 0);
    }
}
