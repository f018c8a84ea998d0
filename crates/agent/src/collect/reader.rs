//! Records out of a stream of octets that comes in pieces of any size.
//!
//! Guarantee: each 28 octets are a record, in order; what is left of one at the end is told, and no more is
//! made of it.

use std::io::{self, ErrorKind, Read};

use crate::record::{LENGTH, Record};

/// Records that are read at a time, at most.
const BATCH: usize = 2048;

/// Reads records; see the module.
#[derive(Debug)]
pub struct Records<R> {
    inner: R,
    octets: Box<[u8]>,
    /// Octets of a record that has not come in full: the first of `octets`.
    partial: usize,
}

impl<R: Read> Records<R> {
    /// The records of a stream.
    pub fn new(inner: R) -> Records<R> {
        Records {
            inner,
            octets: vec![0; BATCH * LENGTH].into(),
            partial: 0,
        }
    }

    /// Replaces `records` by those that one read completes, maybe none. Gives the number of octets read: 0 at
    /// the end of the stream.
    ///
    /// # Errors
    /// Those of the stream; one that says to try again loses nothing.
    pub fn read(&mut self, records: &mut Vec<Record>) -> io::Result<usize> {
        records.clear();
        let count = loop {
            match self.inner.read(&mut self.octets[self.partial..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        let filled = self.partial + count;
        let (whole, rest) = self.octets[..filled].as_chunks::<LENGTH>();
        records.extend(whole.iter().map(Record::decode));
        self.partial = rest.len();
        self.octets.copy_within(filled - self.partial..filled, 0);
        Ok(count)
    }

    /// Octets of a record that has not come in full.
    pub fn partial(&self) -> usize {
        self.partial
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pieces::Pieces;

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            octets in prop::collection::vec(any::<u8>(), 0..8 * LENGTH),
            sizes in prop::collection::vec(1_usize..70, 0..40),
        ) {
            let (whole, rest) = octets.as_chunks::<LENGTH>();
            let expected: Vec<Record> = whole.iter().map(Record::decode).collect();
            let pieces = Pieces::new(octets.clone(), sizes);
            let (mut reader, mut found, mut batch) = (Records::new(pieces), Vec::new(), Vec::new());
            loop {
                match reader.read(&mut batch) {
                    Ok(0) => break,
                    Ok(_) => found.extend_from_slice(&batch),
                    Err(error) => prop_assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            prop_assert_eq!(found, expected);
            prop_assert_eq!(reader.partial(), rest.len());
        }
    }
}
