//! A batch: some packets and the one buffer their octets lie in.
//!
//! Guarantees: every packet of [`Batch::packets`] lies inside the buffer; the buffer is recycled by
//! [`Batch::clear`], so a pool of batches allocates nothing once warm; readers fill it in place, so
//! a packet read from a file is not copied on its way to a worker. Which packets share a batch
//! carries no meaning.

use crate::{LinkType, Timestamp};

/// Reads land on a cache line: the kernel copies faster to aligned memory.
const ALIGNMENT: usize = 64;

/// Room for packets that a new batch sets aside; more grows with the packets that come.
const FIRST_PACKETS: usize = 1024;

/// One captured packet; its octets are had from the [`Batch`] it came in.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// When it was captured. The epoch itself for pcapng Simple Packet Blocks, which carry no time.
    pub timestamp: Timestamp,
    /// Its length on the wire; the captured octets may be fewer (or, in odd captures, more).
    pub original_len: u32,
    /// What its first octets are.
    pub link_type: LinkType,
    /// The interface, counted over the whole capture from 0. In classic pcap, which knows of none,
    /// the file headers before the packet's own.
    pub interface: u32,
    /// Where its octets begin in the batch's buffer.
    pub(crate) start: usize,
    /// How many octets were captured.
    pub(crate) len: u32,
    /// Where its comment begins, counted from `start`; 0 means none, as a comment has a header.
    pub(crate) comment_start: u32,
    /// How long the comment is; pcapng gives it 16 bits.
    pub(crate) comment_len: u16,
}

impl Packet {
    /// How many octets were captured.
    pub fn captured_len(&self) -> u32 {
        self.len
    }
}

/// Packets in capture order with the buffer that holds their octets.
pub struct Batch {
    /// Number of this batch among those of its source, from 0.
    pub sequence: u64,
    /// Index of the first packet in the whole capture, from 0.
    pub first_index: u64,
    /// Of a live source: no later packet of its is older than this, as far as it can tell. So flows
    /// can end while it is silent.
    pub clock: Option<Timestamp>,
    packets: Vec<Packet>,
    buffer: Vec<u8>,
    /// How much of the buffer is in use; what lies behind is left over from earlier rounds.
    filled: usize,
    block_size: usize,
    max_packets: usize,
}

impl Batch {
    /// A batch that a source fills until about `block_size` octets or `max_packets` packets are in
    /// it, whichever comes first. Both are at least 1. One packet always fits, however large.
    pub fn new(block_size: usize, max_packets: usize) -> Batch {
        let (block_size, max_packets) = (block_size.max(1), max_packets.max(1));
        Batch {
            sequence: 0,
            first_index: 0,
            clock: None,
            packets: Vec::with_capacity(max_packets.min(FIRST_PACKETS)),
            buffer: Vec::new(),
            filled: 0,
            block_size,
            max_packets,
        }
    }

    /// How many packets it holds.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Whether its block is used up or it holds as many packets as it may.
    pub fn is_full(&self) -> bool {
        self.packets.len() >= self.max_packets || self.filled >= self.block_size
    }

    /// Forgets all packets and keeps the memory, except what one huge packet made it grow by.
    pub fn clear(&mut self) {
        self.packets.clear();
        self.clock = None;
        self.filled = 0;
        let usual = self
            .block_size
            .saturating_mul(2)
            .saturating_add(2 * ALIGNMENT);
        if self.buffer.len() > usual {
            self.buffer = Vec::new();
        }
    }

    /// Forgets all packets but the first so many.
    pub fn truncate(&mut self, packets: usize) {
        self.packets.truncate(packets);
    }

    /// The packets, in capture order.
    pub fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// Gives each packet the interface number that `number` says.
    pub fn renumber(&mut self, mut number: impl FnMut(&Packet) -> u32) {
        for packet in &mut self.packets {
            packet.interface = number(packet);
        }
    }

    /// The captured octets of a packet of this batch. Empty for a packet of another batch that
    /// does not fit this one.
    pub fn data(&self, packet: &Packet) -> &[u8] {
        let end = packet.start.saturating_add(packet.len as usize);
        self.buffer.get(packet.start..end).unwrap_or_default()
    }

    /// The packets together with their octets, in capture order.
    pub fn iter(&self) -> impl Iterator<Item = (&Packet, &[u8])> {
        self.packets
            .iter()
            .map(|packet| (packet, self.data(packet)))
    }

    /// The first comment that a pcapng file attaches to the packet; the format asks for UTF-8 but
    /// nobody has checked.
    pub fn comment(&self, packet: &Packet) -> Option<&[u8]> {
        if packet.comment_start == 0 {
            return None;
        }
        let start = packet.start.checked_add(packet.comment_start as usize)?;
        self.buffer
            .get(start..start.checked_add(packet.comment_len as usize)?)
    }

    /// Adds a packet by copying it. It is added even if the batch [is full](Batch::is_full):
    /// callers look before. Octets beyond 4 GiB - 1 are cut off.
    pub fn push(
        &mut self,
        timestamp: Timestamp,
        link_type: LinkType,
        interface: u32,
        original_len: u32,
        data: &[u8],
    ) {
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let start = self.append(&data[..len as usize]);
        self.packets.push(Packet {
            timestamp,
            original_len,
            link_type,
            interface,
            start,
            len,
            comment_start: 0,
            comment_len: 0,
        });
    }

    /// Adds a copy of a packet of another batch, with its comment.
    pub(crate) fn push_from(&mut self, other: &Batch, packet: &Packet) {
        let start = self.append(other.data(packet));
        let mut copy = Packet { start, ..*packet };
        if let Some(comment) = other.comment(packet) {
            // A comment starts behind its packet, so that 0 keeps meaning "none".
            let gap = usize::from(packet.len == 0);
            self.append(&[0][..gap]);
            copy.comment_start = (self.append(comment) - start) as u32;
        }
        self.packets.push(copy);
    }

    /// Copies octets behind those in use and says where they begin.
    fn append(&mut self, octets: &[u8]) -> usize {
        let start = self.filled;
        // What the buffer holds behind `filled` is old; cutting it off lets the vector do the rest.
        self.buffer.truncate(start);
        self.buffer.extend_from_slice(octets);
        self.filled = self.buffer.len();
        start
    }

    /// The size a block should have.
    pub(crate) fn block_size(&self) -> usize {
        self.block_size
    }

    /// How many packets may still be added.
    pub(crate) fn packets_left(&self) -> usize {
        self.max_packets.saturating_sub(self.packets.len())
    }

    /// Empties the buffer and puts `carried` into it, with room for `size` octets in all, such that
    /// what is read behind `carried` lands aligned. Gives the position of `carried`.
    pub(crate) fn begin(&mut self, carried: &[u8], size: usize) -> usize {
        let needed = size.saturating_add(2 * ALIGNMENT);
        if self.buffer.len() < needed {
            // Memory fresh from the allocator is zero already and costs nothing until touched.
            self.buffer = vec![0; needed];
        }
        // `align_offset` may decline by giving a huge number; alignment is only about speed.
        let origin = self.buffer.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        let start = origin + (ALIGNMENT - carried.len() % ALIGNMENT) % ALIGNMENT;
        self.filled = start + carried.len();
        self.buffer[start..self.filled].copy_from_slice(carried);
        start
    }

    /// The part of the buffer to read into, such that a block begun at `start` gets `size` octets.
    pub(crate) fn spare(&mut self, start: usize, size: usize) -> &mut [u8] {
        let end = start.saturating_add(size).min(self.buffer.len());
        &mut self.buffer[self.filled.min(end)..end]
    }

    /// Says that `count` more octets have been read into the spare part.
    pub(crate) fn grew(&mut self, count: usize) {
        self.filled = (self.filled + count).min(self.buffer.len());
    }

    /// Drops the octets from `end` on.
    pub(crate) fn cut(&mut self, end: usize) {
        self.filled = self.filled.min(end);
    }

    /// Moves the positions of all packets `distance` octets back.
    pub(crate) fn move_packets(&mut self, distance: usize) {
        for packet in &mut self.packets {
            packet.start += distance;
        }
    }

    /// The octets from `start` on, and where packets found among them go.
    pub(crate) fn parts(&mut self, start: usize) -> (&[u8], &mut Vec<Packet>) {
        (
            &self.buffer[start.min(self.filled)..self.filled],
            &mut self.packets,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushed_packets_are_kept_and_forgotten() {
        let mut batch = Batch::new(8, 3);
        let time = Timestamp {
            seconds: 1,
            nanos: 2,
        };
        for data in [&b"one"[..], b"", b"three"] {
            assert!(!batch.is_full());
            batch.push(time, LinkType::RAW, 7, 9, data);
        }
        assert!(batch.is_full());
        let all: Vec<&[u8]> = batch.iter().map(|(_, data)| data).collect();
        assert_eq!(all, [&b"one"[..], b"", b"three"]);
        let packet = batch.packets()[2];
        assert_eq!(
            (packet.timestamp, packet.interface, packet.original_len),
            (time, 7, 9)
        );
        assert_eq!((packet.captured_len(), batch.comment(&packet)), (5, None));

        batch.truncate(2);
        assert_eq!((batch.len(), batch.packets()[1].len), (2, 0));
        batch.clear();
        assert!(batch.is_empty() && !batch.is_full());
        batch.push(time, LinkType::RAW, 0, 100, &[1; 100]);
        assert!(batch.is_full(), "the block is used up");
    }

    #[test]
    fn reads_land_aligned_behind_what_was_carried_over() {
        let mut batch = Batch::new(1000, 10);
        for carried in [&b""[..], b"abc", &[5; 64], &[6; 700]] {
            let start = batch.begin(carried, 1000);
            assert_eq!(batch.parts(start).0, carried);
            let spare = batch.spare(start, 1000);
            assert_eq!(spare.len(), 1000 - carried.len());
            assert_eq!(spare.as_ptr().align_offset(ALIGNMENT), 0);
        }
    }

    #[test]
    fn one_huge_packet_is_not_held_on_to() {
        let mut batch = Batch::new(1000, 10);
        batch.push(Timestamp::default(), LinkType::RAW, 0, 0, &[0; 100_000]);
        batch.clear();
        assert_eq!(batch.buffer.capacity(), 0);
    }
}
