//! One output file as a stream of octets: collected into blocks, compressed or not, in order.
//!
//! A block is exactly [`BLOCK`] octets of the stream, whatever pieces it came in, so the members of
//! a gzip file do not depend on batches.

use std::collections::BTreeMap;
use std::path::Path;

use netcap_store::{Error, OutputFile};

/// Octets of a gzip member before compression.
pub(crate) const BLOCK: usize = 256 << 10;

/// A stream of octets on its way into a file.
pub(crate) struct Sink {
    file: OutputFile,
    block: Vec<u8>,
    /// Number of the next block to be cut, and of the next to be written.
    cut: u64,
    next: u64,
    /// Compressed blocks that came before their turn.
    waiting: BTreeMap<u64, Vec<u8>>,
    /// Whether the run compresses this file.
    pub(crate) compressed: bool,
    pub(crate) records: u64,
}

/// A block that is full: which of its stream's, and its octets.
pub(crate) struct Block {
    pub(crate) number: u64,
    pub(crate) octets: Vec<u8>,
}

impl Sink {
    /// Starts a file.
    pub(crate) fn create(directory: &Path, name: &str) -> Result<Sink, Error> {
        Ok(Sink {
            file: OutputFile::create(directory, name)?,
            block: Vec::new(),
            cut: 0,
            next: 0,
            waiting: BTreeMap::new(),
            compressed: true,
            records: 0,
        })
    }

    /// Appends to the stream; gives each block that became full to `full`, which returns an empty
    /// buffer for the next.
    pub(crate) fn append(
        &mut self,
        mut octets: &[u8],
        mut full: impl FnMut(&mut Sink, Block) -> Result<Vec<u8>, Error>,
    ) -> Result<(), Error> {
        while self.block.len() + octets.len() >= BLOCK {
            let (head, tail) = octets.split_at(BLOCK - self.block.len());
            self.block.extend_from_slice(head);
            octets = tail;
            let block = self.take_block();
            self.block = full(self, block)?;
        }
        self.block.extend_from_slice(octets);
        Ok(())
    }

    /// The octets that do not fill a block, if there are any.
    pub(crate) fn rest(&mut self) -> Option<Block> {
        (!self.block.is_empty()).then(|| self.take_block())
    }

    fn take_block(&mut self) -> Block {
        let number = self.cut;
        self.cut += 1;
        Block {
            number,
            octets: std::mem::take(&mut self.block),
        }
    }

    /// Takes a block as it goes to the file, and writes all whose turn it is. Gives the buffer back
    /// if it is not needed any more.
    pub(crate) fn write(&mut self, number: u64, mut octets: Vec<u8>) -> Result<Vec<u8>, Error> {
        if number == self.next && self.waiting.is_empty() {
            self.file.write(&octets)?;
            self.next += 1;
            octets.clear();
            return Ok(octets);
        }
        self.waiting.insert(number, octets);
        while let Some(octets) = self.waiting.remove(&self.next) {
            self.file.write(&octets)?;
            self.next += 1;
        }
        Ok(Vec::new())
    }

    /// Octets on disk so far.
    pub(crate) fn octets(&self) -> u64 {
        self.file.octets()
    }

    /// The file, once every block is written.
    pub(crate) fn into_file(self) -> OutputFile {
        self.file
    }
}
