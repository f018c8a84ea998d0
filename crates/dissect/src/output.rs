//! What packets and streams become: encoded records by type, each with its packet.

use std::ops::Range;

use netcap_record::{Numbered, Record, Time, frame};

use crate::{Bodies, Fragment, Registry};

/// What a batch became: one chunk of records for each selected type.
#[derive(Debug, Default)]
pub struct Output {
    /// By the place of their type in [`Registry::selected`].
    pub chunks: Vec<Chunk>,
    /// Number of the packet that [`Output::emit`] writes records of, in the run and from 1: of a flow
    /// the first one; 0 where none is known. Of packets and streams their contexts know it.
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
    /// What things of one step are ordered by, and then by `serial`, and then by `tie`.
    pub time: Time,
    /// See `time`.
    pub serial: u64,
    /// See `time`.
    pub tie: u64,
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

    /// Writes a record of [`Output::packet`], if records of its type are asked for.
    #[inline]
    pub fn emit<R: Record>(&mut self, registry: &Registry, record: &R) {
        self.emit_of(self.packet, registry, record);
    }

    /// Writes a record of the packet of this number, if records of its type are asked for.
    #[inline]
    pub fn emit_of<R: Record>(&mut self, packet: u64, registry: &Registry, record: &R) {
        if let Some(place) = registry.place(R::SCHEMA)
            && let Some(chunk) = self.chunks.get_mut(place)
        {
            let shown = if registry.packet_numbers() { packet } else { 0 };
            let numbered = Numbered {
                record,
                packet: shown,
            };
            frame(&numbered, &mut chunk.octets);
            chunk.marks.push(Mark {
                packet,
                end: chunk.octets.len(),
            });
            if let Some(turn) = &self.turn {
                chunk.turns.push(*turn);
            }
        }
    }

    /// Appends what another owner of state gave, and empties that.
    pub fn append(&mut self, other: &mut Output) {
        for (chunk, more) in self.chunks.iter_mut().zip(&mut other.chunks) {
            chunk.append(more);
            more.clear();
        }
        if let (Some(bodies), Some(more)) = (&mut self.bodies, &mut other.bodies) {
            bodies.events.append(&mut more.events);
        }
    }

    /// Brings what several owners of state gave into the order in which it came to be.
    pub fn sort_by_turn(&mut self) {
        self.chunks.iter_mut().for_each(Chunk::sort_by_turn);
        if let Some(bodies) = &mut self.bodies {
            bodies.events.sort_by_key(|(turn, _)| *turn);
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

    /// Brings records of state across packets into the order of their turns; those of one turn stay
    /// as they are. Costs next to nothing where they are in order.
    pub fn sort_by_turn(&mut self) {
        if self.turns.is_sorted() {
            return;
        }
        let mut sorted = Chunk::default();
        let mut records: Vec<_> = self.turns.iter().zip(self.iter()).collect();
        records.sort_by_key(|(turn, _)| **turn);
        sorted.octets.reserve_exact(self.octets.len());
        for (turn, (mark, record)) in records {
            sorted.push(mark.packet, record);
            sorted.turns.push(*turn);
        }
        *self = sorted;
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

    /// Records of one octet at places of a batch.
    fn chunk(records: &[(u32, u8)]) -> Chunk {
        let mut chunk = Chunk::default();
        for (place, octet) in records {
            chunk.push(u64::from(*octet), &[*octet]);
            chunk.turns.push(Turn {
                place: *place,
                ..Turn::default()
            });
        }
        chunk
    }

    #[test]
    fn two_owners_become_one() {
        let mut all = chunk(&[(1, b'a'), (4, b'd'), (4, b'e')]);
        all.append(&chunk(&[(0, b'0'), (2, b'b'), (4, b'f')]));
        all.sort_by_turn();
        let expected = [
            (0, b'0'),
            (1, b'a'),
            (2, b'b'),
            (4, b'd'),
            (4, b'e'),
            (4, b'f'),
        ];
        assert_eq!(all, chunk(&expected));
    }

    /// Records of packets.
    fn of_packets(records: &[(u64, &[u8])]) -> Chunk {
        let mut chunk = Chunk::default();
        for (packet, record) in records {
            chunk.push(*packet, record);
        }
        chunk
    }

    #[test]
    fn records_of_packets_are_replaced() {
        let before = of_packets(&[(1, b"a"), (2, b"bb"), (2, b"c"), (4, b"d"), (7, b"e")]);
        let mut found = before.clone();
        found.replace(
            &[2, 4, 5, 9],
            &of_packets(&[(2, b"BB"), (5, b"x"), (5, b"y"), (9, b"z")]),
        );
        let expected = [
            (1, &b"a"[..]),
            (2, b"BB"),
            (5, b"x"),
            (5, b"y"),
            (7, b"e"),
            (9, b"z"),
        ];
        assert_eq!(found, of_packets(&expected));
        found.replace(&[1, 2, 5, 7, 9], &Chunk::default());
        assert_eq!(found, Chunk::default());
        let mut same = before.clone();
        same.replace(&[2, 3], &of_packets(&[(2, b"bb"), (2, b"c")]));
        assert_eq!(same, before);
    }

    #[test]
    fn chunks_are_joined() {
        let mut joined = of_packets(&[(1, b"a"), (2, b"bb")]);
        joined.append(&of_packets(&[(2, b""), (3, b"ccc")]));
        assert_eq!(
            joined,
            of_packets(&[(1, b"a"), (2, b"bb"), (2, b""), (3, b"ccc")])
        );
    }
}
