//! What packets and streams become: encoded records by type, each with its packet.

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
    /// When each of them came to be, in the output of state across packets; else empty.
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

    /// Appends a record with its packet.
    pub fn push(&mut self, packet: u64, record: &[u8]) {
        self.octets.extend_from_slice(record);
        let end = self.octets.len();
        self.marks.push(Mark { packet, end });
    }

    /// Empties the chunk and keeps its memory.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.marks.clear();
        self.turns.clear();
    }
}
