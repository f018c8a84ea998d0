//! One output file as a stream of octets: collected into blocks, which workers compress and write.
//!
//! All blocks but the last have the same number of octets, whatever pieces the stream came in, so the
//! members of a gzip file do not depend on batches. Large pieces are kept as they come, and put together
//! by the worker that needs them in one; small ones are collected in a buffer.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use netcap_store::{Error, OutputFile, Placer};

/// Octets of a gzip member before compression.
pub(crate) const BLOCK: usize = 256 << 10;
/// Octets that are written at once where nothing is compressed.
const PLAIN: usize = 128 << 10;
/// Pieces from so many octets on are kept; what is smaller costs less to copy than to keep.
const LARGE: usize = 16 << 10;
/// Buffers that have more room than this, twice as much as most pieces need, are not used again: they
/// would keep the room for pieces that do not need it.
const ROOMY: usize = 160 << 10;
/// Buffers that are kept for further use at most.
const SPARE: usize = 4;

/// A stream of octets on its way into a file.
pub(crate) struct Sink {
    file: OutputFile,
    placer: Option<Placer>,
    /// What fills no block yet, and its octets.
    pieces: VecDeque<Piece>,
    waiting: usize,
    /// Small pieces that belong behind these.
    tail: Vec<u8>,
    /// Number of the next block to be cut, and of the next member to be written.
    cut: u64,
    next: u64,
    /// Members that came before their turn.
    early: BTreeMap<u64, Vec<u8>>,
    /// Whether blocks become members of a gzip file.
    pub(crate) is_compressed: bool,
    pub(crate) records: u64,
    /// The first place that could not be written.
    broken: Option<u64>,
}

/// Some octets of a stream. A piece over the end of a block is in two of them.
pub(crate) struct Piece {
    octets: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Piece {
    fn new(octets: Vec<u8>) -> Piece {
        Piece {
            range: 0..octets.len(),
            octets: Arc::new(octets),
        }
    }

    /// The octets.
    pub(crate) fn octets(&self) -> &[u8] {
        self.octets.get(self.range.clone()).unwrap_or_default()
    }

    /// The buffer, if nobody needs it any more.
    pub(crate) fn into_buffer(self) -> Option<Vec<u8>> {
        Arc::into_inner(self.octets)
    }
}

/// Buffers that wait to be used again.
#[derive(Default)]
pub(crate) struct Spare(Vec<Vec<u8>>);

impl Spare {
    /// Takes a buffer, whatever it holds.
    pub(crate) fn push(&mut self, mut buffer: Vec<u8>) {
        if self.0.len() < SPARE && buffer.capacity() <= ROOMY {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

/// A block that is full, or the last of a period.
pub(crate) struct Block {
    /// Which of its stream's.
    pub(crate) number: u64,
    pub(crate) pieces: Vec<Piece>,
    octets: usize,
}

/// Octets for a place in a file.
pub(crate) struct Placed {
    pub(crate) placer: Placer,
    pub(crate) place: u64,
}

impl Sink {
    /// Starts a file.
    pub(crate) fn create(directory: &Path, name: &str, is_compressed: bool) -> Result<Sink, Error> {
        let file = OutputFile::create(directory, name)?;
        Ok(Sink {
            placer: file.placer(),
            file,
            pieces: VecDeque::new(),
            waiting: 0,
            tail: Vec::new(),
            cut: 0,
            next: 0,
            early: BTreeMap::new(),
            is_compressed,
            records: 0,
            broken: None,
        })
    }

    /// Appends to the stream. Takes the octets where they are many, and leaves a buffer from `spare`
    /// in their place.
    pub(crate) fn append(&mut self, octets: &mut Vec<u8>, spare: &mut Spare) {
        if octets.len() < LARGE {
            let needed = self.tail.len() + octets.len();
            if needed > self.tail.capacity() && needed > self.block_size() / 4 {
                // It is cut before it has more; doubled it would have twice that.
                let most = self.block_size() + LARGE;
                self.tail.reserve_exact(most - self.tail.len());
            }
            self.tail.extend_from_slice(octets);
            return;
        }
        self.push_tail();
        let buffer = spare.0.pop().unwrap_or_default();
        self.push(std::mem::replace(octets, buffer));
    }

    /// Octets of a block.
    fn block_size(&self) -> usize {
        if self.is_compressed { BLOCK } else { PLAIN }
    }

    fn push_tail(&mut self) {
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            self.push(tail);
        }
    }

    fn push(&mut self, octets: Vec<u8>) {
        self.waiting += octets.len();
        self.pieces.push_back(Piece::new(octets));
    }

    /// The next block, if one is full; with `rest`, also one that is not.
    pub(crate) fn block(&mut self, rest: bool) -> Option<Block> {
        let size = self.block_size();
        if self.waiting + self.tail.len() >= size || rest {
            self.push_tail();
        }
        if self.waiting == 0 || self.waiting < size && !rest {
            return None;
        }
        let octets = self.waiting.min(size);
        self.waiting -= octets;
        let (mut pieces, mut left) = (Vec::new(), octets);
        while left > 0
            && let Some(mut piece) = self.pieces.pop_front()
        {
            let length = piece.range.len();
            if length > left {
                let middle = piece.range.start + left;
                let first = piece.range.start..middle;
                piece.range.start = middle;
                let octets = Arc::clone(&piece.octets);
                self.pieces.push_front(piece);
                piece = Piece {
                    octets,
                    range: first,
                };
            }
            left -= piece.range.len();
            pieces.push(piece);
        }
        let number = self.cut;
        self.cut += 1;
        Some(Block {
            number,
            pieces,
            octets,
        })
    }

    /// The place of a block that is not compressed.
    pub(crate) fn place(&mut self, block: &Block) -> Option<Placed> {
        self.reserve(block.octets)
    }

    /// Takes a member; gives those whose turn it is, with their places.
    pub(crate) fn member(&mut self, number: u64, member: Vec<u8>) -> Vec<(Placed, Vec<u8>)> {
        self.early.insert(number, member);
        let mut placed = Vec::new();
        while let Some(member) = self.early.remove(&self.next) {
            self.next += 1;
            let place = self.reserve(member.len());
            placed.extend(place.map(|place| (place, member)));
        }
        placed
    }

    fn reserve(&mut self, octets: usize) -> Option<Placed> {
        let placer = self.placer.clone()?;
        let place = self.file.reserve(octets);
        Some(Placed { placer, place })
    }

    /// Octets on disk so far, or soon.
    pub(crate) fn octets(&self) -> u64 {
        self.file.octets()
    }

    /// What was to be at that place could not be written.
    pub(crate) fn broken_at(&mut self, place: u64) {
        self.broken = Some(self.broken.map_or(place, |first| first.min(place)));
    }

    /// Octets from the beginning that are written, once every block was tried.
    pub(crate) fn written(&self) -> u64 {
        self.broken.unwrap_or(self.file.octets())
    }

    /// The file, once every block is written.
    pub(crate) fn into_file(self) -> OutputFile {
        self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The octets of a block.
    fn octets(block: Block) -> Vec<u8> {
        let pieces = block.pieces.iter().map(Piece::octets);
        pieces.collect::<Vec<_>>().concat()
    }

    #[test]
    fn blocks_do_not_depend_on_pieces() {
        for (is_compressed, length) in [(true, BLOCK), (false, PLAIN)] {
            let stream: Vec<u8> = (0..3 * length + 1000).map(|n| (n / 7) as u8).collect();
            for sizes in [
                [1_000, 20_000],
                [LARGE, 3 * length],
                [17, length],
                [length, 1],
            ] {
                blocks_are(length, is_compressed, &stream, sizes);
            }
        }
    }

    /// Pieces of these sizes, in turns, become blocks of this length.
    fn blocks_are(length: usize, is_compressed: bool, stream: &[u8], sizes: [usize; 2]) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sink = Sink::create(folder.path(), "x", is_compressed).expect("a file");
        let (mut spare, mut blocks) = (Spare::default(), Vec::new());
        let (mut rest, mut sizes) = (stream, sizes.into_iter().cycle());
        while !rest.is_empty() {
            let size = sizes.next().unwrap_or(1).min(rest.len());
            let (piece, after) = rest.split_at(size);
            sink.append(&mut piece.to_vec(), &mut spare);
            while let Some(block) = sink.block(false) {
                blocks.push(octets(block));
            }
            rest = after;
        }
        assert!(blocks.iter().all(|block| block.len() == length));
        blocks.extend(sink.block(true).map(octets));
        assert!(sink.block(true).is_none());
        assert_eq!(blocks.len(), 4);
        assert!(blocks.concat() == stream);
    }

    #[test]
    fn members_are_placed_in_their_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sink = Sink::create(folder.path(), "x", true).expect("a file");
        assert!(sink.member(1, b"bb".to_vec()).is_empty());
        let placed = sink.member(0, b"a".to_vec());
        let places: Vec<_> = placed.iter().map(|(to, m)| (to.place, m.len())).collect();
        assert_eq!((places, sink.octets()), (vec![(0, 1), (1, 2)], 3));
    }
}
