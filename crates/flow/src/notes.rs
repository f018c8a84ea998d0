//! What a worker notes of a batch for the lanes, which all read it.

use netcap_dissect::{PacketInfo, Path};

use crate::clock::Ticks;
use crate::groups::Groups;
use crate::segment_note::{SegmentNote, note_segments};
use crate::shard::stream_shard;

/// What the packets of a batch say to state across packets.
#[derive(Debug, Default)]
pub struct Notes {
    /// Number of the packet at place 0 of the batch, in the run and from 1.
    pub first_number: u64,
    /// When they were captured, and how late it was then.
    pub ticks: Ticks,
    /// The packets by the flows they belong to.
    pub groups: Groups,
    /// Their TCP segments.
    pub segments: Segments,
}

impl Notes {
    /// Forgets the packets and keeps the memory.
    pub fn clear(&mut self) {
        self.ticks.clear();
        self.groups.clear();
        self.segments.clear();
    }

    /// Whether some of the packets are fragments: then [`FragmentPorts`](crate::FragmentPorts) must
    /// complete the notes before lanes take them.
    pub fn have_pieces(&self) -> bool {
        self.groups.has_pieces()
    }

    /// Appends what other packets say, which come behind.
    pub fn append(&mut self, other: &mut Notes) {
        for step in other.groups.steps() {
            self.groups.add(step.place, other.groups.packet(step));
        }
        self.segments.notes.append(&mut other.segments.notes);
        self.segments.steps.append(&mut other.segments.steps);
    }

    /// Puts what packets say that were walked again, with the datagrams that became whole in them, in
    /// the place of what they said before. `places` are theirs in the batch, in order.
    ///
    /// [`FragmentPorts`](crate::FragmentPorts) must complete the notes afterwards.
    pub fn amend(&mut self, amended: &mut Notes, places: &[u32]) {
        self.groups.amend(&amended.groups);
        self.segments.amend(&mut amended.segments, places);
    }
}

/// The TCP segments of a batch, in order.
#[derive(Debug, Default)]
pub struct Segments {
    notes: Vec<SegmentNote>,
    /// What every shard must know of each, close together.
    steps: Vec<SegmentStep>,
}

/// What shards other than its own see of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentStep {
    /// Place of the packet in its batch.
    pub(crate) place: u32,
    /// Which of the packet's segments it is.
    pub(crate) within: u16,
    pub(crate) shard: u8,
}

impl Segments {
    /// Forgets the segments and keeps the memory.
    pub fn clear(&mut self) {
        self.notes.clear();
        self.steps.clear();
    }

    /// Appends the segments of a packet that was walked: those from or to one of these ports, or all
    /// where there are none. VLANs tell streams apart only where they count.
    #[inline]
    pub fn add(
        &mut self,
        path: &Path<'_>,
        packet: PacketInfo,
        octets: &[u8],
        ports: &[u16],
        vlans_count: bool,
    ) {
        let before = self.notes.len();
        let of = (ports, vlans_count);
        note_segments(path, packet, octets, of, &mut self.notes);
        for (note, within) in self.notes.iter().skip(before).zip(0..) {
            let (source, destination) = note.ends();
            self.steps.push(SegmentStep {
                place: packet.index,
                within,
                shard: stream_shard(source, destination),
            });
        }
    }

    /// Puts other segments in the place of those of the packets at these places.
    fn amend(&mut self, amended: &mut Segments, places: &[u32]) {
        let own = self.steps.drain(..).zip(self.notes.drain(..));
        let is_kept =
            |(step, _): &(SegmentStep, SegmentNote)| places.binary_search(&step.place).is_err();
        let mut all: Vec<_> = own.filter(is_kept).collect();
        all.extend(amended.steps.drain(..).zip(amended.notes.drain(..)));
        all.sort_by_key(|(step, _)| step.place);
        (self.steps, self.notes) = all.into_iter().unzip();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SegmentStep, &SegmentNote)> {
        self.steps.iter().zip(&self.notes)
    }
}
