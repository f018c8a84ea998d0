//! Reading a capture file of any format, block by block, into batches.
//!
//! A block is read straight into the batch's buffer and the format marks the packets in it; only
//! the record that the block's end cuts in two is copied, to the front of the next block. When a
//! batch holds all the packets it may before its block is used up, the rest of the block waits here
//! and the next batches are served from it, each copying only its own packets: no octet is copied
//! more than twice, whatever the sizes.
//!
//! An input that would block, such as a connection with a time-out, has nothing new: that is an empty
//! batch and no end.

use std::io::{ErrorKind, Read};

use crate::format::{Format, Notes, Split, Stop};
use crate::input::Input;
use crate::{Batch, Error, Origin, Progress, Source};

/// How the input came to its end.
enum InputEnd {
    Clean,
    Failed(std::io::Error),
}

/// A capture file being read.
pub(crate) struct FileSource<F> {
    name: String,
    input: Input,
    format: F,
    /// Octets that have been read but not yet split into packets, from `left_start` on.
    left: Vec<u8>,
    left_start: usize,
    /// How many octets lie before those.
    offset: u64,
    /// How many octets the next step of the format needs, and what of.
    needed: usize,
    place: &'static str,
    /// Packets, their octets, and batches delivered.
    packets: u64,
    octets: u64,
    sequence: u64,
    /// The input had nothing to give when it was last asked.
    waiting: bool,
    input_end: Option<InputEnd>,
    trouble: Option<Error>,
    ended: bool,
}

impl<F: Format> FileSource<F> {
    /// A source for `input`, of which `left` has been read already and lies at `offset`.
    pub(crate) fn new(
        name: String,
        input: Input,
        format: F,
        left: Vec<u8>,
        offset: u64,
    ) -> FileSource<F> {
        FileSource {
            name,
            input,
            format,
            left,
            left_start: 0,
            offset,
            needed: 1,
            place: "the file header",
            packets: 0,
            octets: 0,
            sequence: 0,
            waiting: false,
            input_end: None,
            trouble: None,
            ended: false,
        }
    }

    /// What the format has noticed beside packets.
    pub(crate) fn notes(&mut self) -> &mut Notes {
        self.format.notes()
    }

    /// Where in the input the octets lie that are not split into packets yet, and how many they are.
    pub(crate) fn half(&self) -> (u64, usize) {
        (self.offset, self.left.len() - self.left_start)
    }

    /// Fills the batch from the octets left over. No packets afterwards means that they hold no
    /// whole record with one.
    fn take_left_over(&mut self, batch: &mut Batch) {
        let octets = &self.left[self.left_start..];
        let room = batch.packets_left();
        // The positions are moved to where the octets end up, once it is known how many they are.
        let split = self.format.split(octets, 0, room, batch.parts(0).1);
        if !batch.is_empty() {
            let start = batch.begin(&octets[..split.consumed], split.consumed);
            batch.move_packets(start);
        }
        self.left_start += split.consumed;
        self.note(split, batch.len());
    }

    /// Reads one block behind the octets left over, and fills the batch from it.
    fn read_block(&mut self, batch: &mut Batch) {
        let left = &self.left[self.left_start..];
        // A record longer than the block gets its room step by step, as it arrives.
        let size = self.needed.min(left.len() * 2).max(batch.block_size());
        let start = batch.begin(left, size);
        self.waiting = false;
        let mut have = left.len();
        while have < size {
            match self.input.reader.read(batch.spare(start, size)) {
                Ok(0) => {
                    self.input_end = Some(InputEnd::Clean);
                    break;
                }
                Ok(count) => {
                    batch.grew(count);
                    have += count;
                    if self.input.eager && have >= self.needed {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.waiting = true;
                    break;
                }
                Err(error) => {
                    self.input_end = Some(InputEnd::Failed(error));
                    break;
                }
            }
        }

        let room = batch.packets_left();
        let (octets, packets) = batch.parts(start);
        let split = self.format.split(octets, start, room, packets);
        self.left.clear();
        self.left.shrink_to(size);
        self.left.extend_from_slice(&octets[split.consumed..]);
        self.left_start = 0;
        batch.cut(start + split.consumed);
        self.note(split, batch.len());
    }

    /// Remembers where the format stopped and why; `fresh` packets have been found but not counted.
    fn note(&mut self, split: Split, fresh: usize) {
        self.offset += split.consumed as u64;
        match split.stop {
            // With packets, or with notes that somebody should look at.
            Stop::Full => self.waiting = fresh == 0,
            Stop::Short { needed, place } => {
                self.needed = needed;
                self.place = place;
            }
            Stop::Malformed(reason) => {
                self.trouble = Some(Error::Malformed {
                    name: self.name.clone(),
                    packets: self.packets + fresh as u64,
                    offset: self.offset,
                    reason,
                });
            }
            Stop::Unsupported(reason) => {
                let name = self.name.clone();
                self.trouble = Some(Error::Unsupported { name, reason });
            }
        }
    }

    /// The trouble, if any, that an ended input with no whole record left means.
    fn last_words(&mut self, end: InputEnd) -> Option<Error> {
        let left = self.left.len() - self.left_start;
        let offset = self.offset + left as u64;
        match end {
            InputEnd::Failed(error) => {
                Some(self.input.explain(error, &self.name, self.packets, offset))
            }
            InputEnd::Clean if left > 0 => Some(Error::Truncated {
                name: self.name.clone(),
                packets: self.packets,
                offset,
                place: self.place.to_owned(),
            }),
            InputEnd::Clean => None,
        }
    }
}

impl<F: Format> Source for FileSource<F> {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        batch.clear();
        batch.sequence = self.sequence;
        batch.first_index = self.packets;
        while !self.ended {
            if self.trouble.is_none() {
                self.take_left_over(batch);
            }
            if batch.is_empty() && self.trouble.is_none() && self.input_end.is_none() {
                self.read_block(batch);
            }
            if !batch.is_empty() {
                self.packets += batch.len() as u64;
                let lengths = batch.packets().iter().map(|packet| u64::from(packet.len));
                self.octets += lengths.sum::<u64>();
                self.sequence += 1;
                return Ok(true);
            }
            if std::mem::take(&mut self.waiting) && self.trouble.is_none() {
                return Ok(true);
            }
            if let Some(error) = self.trouble.take() {
                self.ended = true;
                return Err(error);
            }
            if let Some(end) = self.input_end.take() {
                self.ended = true;
                if let Some(error) = self.last_words(end) {
                    return Err(error);
                }
            }
        }
        Ok(false)
    }

    fn progress(&self) -> Progress {
        self.input.progress()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn may_wait(&self) -> bool {
        self.input.eager
    }

    /// A file tells of itself only where it tells of drops.
    fn origins(&mut self) -> Vec<Origin> {
        let lost = self.format.notes().dropped;
        let origin = (lost > 0).then(|| Origin {
            name: self.name.clone(),
            packets: self.packets,
            octets: self.octets,
            lost,
            ..Origin::default()
        });
        origin.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use crate::testing::{Order, Seen, drain, read, read_by, small_pcap, small_pcapng};
    use crate::{Batch, Error, LinkType, Timestamp, from_reader, pcap_writer};

    #[test]
    fn batches_and_reads_of_any_size_give_the_same_packets() {
        for file in [
            small_pcap(Order::Little),
            small_pcapng(Order::Big),
            [small_pcapng(Order::Little), small_pcapng(Order::Big)].concat(),
        ] {
            for file in [&file[..], &file[..file.len() - 5]] {
                let (expected, end) = read(file);
                for piece in [1, 3, 24, usize::MAX] {
                    for block_size in [0, 1, 16, 33, 64, 1 << 20] {
                        for max_packets in [0, 1, 2, 3, 1000] {
                            let (seen, trouble) = read_by(file, piece, block_size, max_packets);
                            assert_eq!(seen, expected);
                            assert_eq!(format!("{trouble:?}"), format!("{end:?}"));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_record_larger_than_the_block() {
        let data = vec![7; 3_000_000];
        let mut file = pcap_writer::file_header(LinkType::RAW, 0).to_vec();
        let time = Timestamp {
            seconds: 1,
            nanos: 2,
        };
        for data in [&data[..5], &data, &data[..7]] {
            pcap_writer::append_record(&mut file, time, data.len() as u32, data);
        }
        for piece in [4096, usize::MAX] {
            let (seen, trouble) = read_by(&file, piece, 1000, 10);
            assert!(trouble.is_none());
            let lengths: Vec<usize> = seen.iter().map(|seen| seen.data.len()).collect();
            assert_eq!(lengths, [5, 3_000_000, 7]);
            assert!(seen[1].data == data);
        }
    }

    #[test]
    fn one_packet_per_batch_takes_time_in_proportion() {
        // A million octets left over, moved for each of 60 000 batches, would take minutes.
        let mut file = pcap_writer::file_header(LinkType::RAW, 0).to_vec();
        for seconds in 0..60_000 {
            let time = Timestamp { seconds, nanos: 0 };
            pcap_writer::append_record(&mut file, time, 60, &[1; 60]);
        }
        let (seen, trouble) = read_by(&file, usize::MAX, 1 << 22, 1);
        assert_eq!(seen.len(), 60_000);
        assert!(trouble.is_none());
    }

    /// What is written is read.
    fn written(packets: &[(u32, u32, Vec<u8>)]) -> (Vec<u8>, Vec<Seen>) {
        let mut file = pcap_writer::file_header(LinkType::LINUX_SLL, 65535).to_vec();
        let mut expected = Vec::new();
        for (seconds, nanos, data) in packets {
            let timestamp = Timestamp::new(i64::from(*seconds), u64::from(*nanos));
            if timestamp.seconds > i64::from(u32::MAX) {
                continue;
            }
            pcap_writer::append_record(&mut file, timestamp, 1500, data);
            expected.push(Seen {
                timestamp,
                link_type: LinkType::LINUX_SLL,
                interface: 0,
                original_len: 1500,
                data: data.clone(),
                comment: None,
            });
        }
        (file, expected)
    }

    proptest! {
        #[test]
        fn written_packets_are_read_back(
            packets in prop::collection::vec(
                (any::<u32>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..200)), 0..40),
            piece in 1usize..500,
            block_size in 0usize..2000,
            max_packets in 0usize..50,
        ) {
            let (file, expected) = written(&packets);
            let (seen, trouble) = read_by(&file, piece, block_size, max_packets);
            prop_assert_eq!(seen, expected);
            prop_assert!(trouble.is_none());
        }

        #[test]
        fn any_octets_come_to_an_end(
            beginning in prop::sample::select(vec![
                vec![],
                small_pcap(Order::Little),
                small_pcap(Order::Big)[..24].to_vec(),
                small_pcapng(Order::Little),
                small_pcapng(Order::Big)[..28].to_vec(),
                vec![0x1f, 0x8b, 8, 0],
                vec![0x28, 0xb5, 0x2f, 0xfd],
                vec![0x04, 0x22, 0x4d, 0x18],
                vec![0xfd, b'7', b'z', b'X', b'Z', 0],
                b"BZh9".to_vec(),
            ]),
            octets in prop::collection::vec(any::<u8>(), 0..300),
            block_size in 0usize..400,
            max_packets in 0usize..5,
        ) {
            let file = [beginning, octets].concat();
            read_by(&file, 100, block_size, max_packets);
        }

        #[test]
        fn damage_gives_the_same_packets_whatever_the_batches(
            big in any::<bool>(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            block_size in 0usize..400,
            max_packets in 0usize..5,
            piece in 1usize..100,
        ) {
            let order = if big { Order::Big } else { Order::Little };
            for mut file in [small_pcap(order), small_pcapng(order)] {
                for (index, octet) in &damage {
                    let at = index.index(file.len());
                    file[at] = *octet;
                }
                let (expected, end) = read(&file);
                let (seen, trouble) = read_by(&file, piece, block_size, max_packets);
                prop_assert_eq!(seen, expected);
                prop_assert_eq!(format!("{trouble:?}"), format!("{end:?}"));
            }
        }
    }

    #[test]
    fn a_batch_may_be_used_for_one_source_after_another() {
        let mut batch = Batch::new(64, 2);
        for _ in 0..3 {
            let file = small_pcap(Order::Little);
            let reader = Box::new(Cursor::new(file[..file.len() - 1].to_vec()));
            let mut source = from_reader("test", reader, None).expect("a good beginning");
            let (seen, trouble) = drain(source.as_mut(), &mut batch);
            assert_eq!(seen.len(), 2);
            assert!(matches!(trouble, Some(Error::Truncated { packets: 2, .. })));
        }
    }
}
