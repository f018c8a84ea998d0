//! What packets and streams become: encoded records by type, each with its packet.

use std::ops::Range;

use netcap_record::{Record, Time, frame};

use crate::{Bodies, Fragment, Registry};

/// What a batch became: one chunk of records for each selected type.
#[derive(Debug, Default)]
pub struct Output {
    /// By the place of their type in [`Registry::selected`].
    pub chunks: Vec<Chunk>,
    /// Number of the packet that records come of, in the run and from 1; 0 where none is known.
    pub packet: u64,
    /// When the records at hand came to be: set by state across packets alone.
    pub turn: Option<Turn>,
    /// Fragments met, in capture order.
    pub fragments: Vec<Fragment>,
    /// Fragments whose octets were not all captured: they cannot be put together.
    pub fragments_cut: u64,
    /// What happens to bodies on streams, where somebody keeps them.
    pub bodies: Option<Bodies>,
}

/// Records of one type, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Encoded records.
    pub octets: Vec<u8>,
    /// Where each of them ends, and its packet.
    pub marks: Vec<Mark>,
    /// When each of them came to be; empty where that is at their packets.
    pub turns: Vec<Turn>,
}

/// The end of a record in its chunk, and its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Number of the packet in the run, from 1; of a flow the first one; 0 where none is known.
    pub packet: u64,
    /// Octets of the chunk up to the end of the record.
    pub end: usize,
}

/// When a record of state across packets came to be. Several owners of such state keep a part of it
/// each; their records are put into one order by this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// Place in its batch of the packet at which it happened; [`Turn::BEHIND`] is behind all.
    pub place: u32,
    /// Which of the things that happen at one packet.
    pub step: u32,
    /// What things of one step are ordered by, and then by `serial`.
    pub time: Time,
    /// See `time`.
    pub serial: u64,
}

impl Turn {
    /// The place behind all packets of a batch.
    pub const BEHIND: u32 = u32::MAX;
}

impl Output {
    /// An empty output for this selection of types.
    pub fn new(registry: &Registry) -> Output {
        let types = registry.selected().len();
        Output {
            chunks: vec![Chunk::default(); types],
            ..Output::default()
        }
    }

    /// Writes a record, if records of its type are asked for.
    #[inline]
    pub fn emit<R: Record>(&mut self, registry: &Registry, record: &R) {
        if let Some(place) = registry.place(R::SCHEMA)
            && let Some(chunk) = self.chunks.get_mut(place)
        {
            frame(record, &mut chunk.octets);
            chunk.marks.push(Mark {
                packet: self.packet,
                end: chunk.octets.len(),
            });
            chunk.turns.extend(self.turn);
        }
    }

    /// Records in all chunks.
    pub fn records(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.records()).sum()
    }

    /// Empties the buffers and keeps their memory.
    pub fn clear(&mut self) {
        self.chunks.iter_mut().for_each(Chunk::clear);
        self.fragments.clear();
        self.fragments_cut = 0;
    }
}

impl Chunk {
    /// Records in it.
    pub fn records(&self) -> u64 {
        self.marks.len() as u64
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The octets of each record, with its mark.
    pub fn iter(&self) -> impl Iterator<Item = (Mark, &[u8])> {
        let mut start = 0;
        self.marks.iter().map(move |mark| {
            let record = self.octets.get(start..mark.end).unwrap_or_default();
            start = mark.end;
            (*mark, record)
        })
    }

    /// One of the records, with its mark.
    pub fn get(&self, record: usize) -> Option<(Mark, &[u8])> {
        let mark = self.marks.get(record)?;
        let octets = self.octets.get(self.span(&(record..record + 1)))?;
        Some((*mark, octets))
    }

    /// Appends a record with its packet.
    pub fn push(&mut self, packet: u64, record: &[u8]) {
        self.octets.extend_from_slice(record);
        let end = self.octets.len();
        self.marks.push(Mark { packet, end });
    }

    /// Appends a record of another chunk.
    pub fn push_of(&mut self, other: &Chunk, record: usize) {
        if let Some((mark, octets)) = other.get(record) {
            self.push(mark.packet, octets);
        }
    }

    /// Appends the records of another chunk.
    pub fn append(&mut self, other: &Chunk) {
        self.copy(other, 0..other.marks.len());
    }

    /// Puts the records that other has of these packets, which are in order, in the place of those
    /// that this chunk has. Both are in the order of their packets.
    pub fn replace(&mut self, packets: &[u64], other: &Chunk) {
        let is_same = |packet: &u64| {
            let (own, others) = (self.of_packet(*packet), other.of_packet(*packet));
            self.octets.get(self.span(&own)) == other.octets.get(other.span(&others))
        };
        if packets.iter().all(is_same) {
            return;
        }
        let mut chunk = Chunk::default();
        let mut from = 0;
        for packet in packets {
            let own = self.of_packet(*packet);
            chunk.copy(self, from..own.start);
            chunk.copy(other, other.of_packet(*packet));
            from = own.end;
        }
        chunk.copy(self, from..self.marks.len());
        *self = chunk;
    }

    /// Which of the records are of a packet.
    fn of_packet(&self, packet: u64) -> Range<usize> {
        let start = self.marks.partition_point(|mark| mark.packet < packet);
        let end = self.marks.partition_point(|mark| mark.packet <= packet);
        start..end
    }

    /// The octets of some records.
    fn span(&self, records: &Range<usize>) -> Range<usize> {
        let end = |record: usize| match record.checked_sub(1) {
            Some(before) => self.marks.get(before).map_or(0, |mark| mark.end),
            None => 0,
        };
        end(records.start)..end(records.end)
    }

    /// Appends some records of another chunk.
    fn copy(&mut self, other: &Chunk, records: Range<usize>) {
        let span = other.span(&records);
        let (start, base) = (span.start, self.octets.len());
        let octets = other.octets.get(span).unwrap_or_default();
        self.octets.extend_from_slice(octets);
        let marks = other.marks.get(records.clone()).unwrap_or_default();
        self.marks.extend(marks.iter().map(|mark| Mark {
            end: mark.end - start + base,
            ..*mark
        }));
        let turns = other.turns.get(records).unwrap_or_default();
        self.turns.extend_from_slice(turns);
    }

    /// Empties the chunk and keeps its memory.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.marks.clear();
        self.turns.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(records: &[(u64, &[u8])]) -> Chunk {
        let mut chunk = Chunk::default();
        for (packet, record) in records {
            chunk.push(*packet, record);
        }
        chunk
    }

    #[test]
    fn records_of_packets_are_replaced() {
        let before = chunk(&[(1, b"a"), (2, b"bb"), (2, b"c"), (4, b"d"), (7, b"e")]);
        let mut found = before.clone();
        found.replace(
            &[2, 4, 5, 9],
            &chunk(&[(2, b"BB"), (5, b"x"), (5, b"y"), (9, b"z")]),
        );
        let expected = [
            (1, &b"a"[..]),
            (2, b"BB"),
            (5, b"x"),
            (5, b"y"),
            (7, b"e"),
            (9, b"z"),
        ];
        assert_eq!(found, chunk(&expected));
        found.replace(&[1, 2, 5, 7, 9], &Chunk::default());
        assert_eq!(found, Chunk::default());
        let mut same = before.clone();
        same.replace(&[2, 3], &chunk(&[(2, b"bb"), (2, b"c")]));
        assert_eq!(same, before);
    }

    #[test]
    fn chunks_are_joined() {
        let mut joined = chunk(&[(1, b"a"), (2, b"bb")]);
        joined.append(&chunk(&[(2, b""), (3, b"ccc")]));
        assert_eq!(
            joined,
            chunk(&[(1, b"a"), (2, b"bb"), (2, b""), (3, b"ccc")])
        );
    }
}
