//! Packets as the octets of a stream: what every peer gets, made once for all of them.
//!
//! A stream begins with a [`Preamble`], of which pieces may be added later: the file header of pcap,
//! or the section header of pcapng and an interface description for each origin of packets. Then
//! come [`Chunk`]s of whole records, each of which says how many pieces have to come before it. So
//! who joins late gets all pieces that there are, and dropping a chunk never drops a description.
//!
//! Guarantees: little-endian, one byte order; in pcap no packet of another link type than the
//! header's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use netcap_capture::pcap_writer::TimeUnit;
use netcap_capture::{LinkType, Packet, pcapng_writer};

use crate::path::{Path, Station};

/// What a header says of the longest packet where nobody knows: what Wireshark and tcpdump take.
pub(crate) const UNKNOWN_SNAPLEN: u32 = 262_144;

/// Interfaces that a stream describes at most. Beyond that an origin shares the description of one
/// that looks the same, as the twin before a reconnection does.
const MAX_INTERFACES: usize = 1024;

/// How packets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Classic pcap: one link type.
    Pcap(TimeUnit),
    /// pcapng with times in nanoseconds.
    Pcapng,
    /// Records of so many octets each, without anything before or between them: those of
    /// [`Chunk`]s that are made elsewhere. What becomes of packets is the octets that they have.
    /// Segments of TCP end where a record does, as readers of such streams have come to rely on.
    Records(usize),
    /// Messages of any length, of [`Chunk`]s that are made elsewhere, as is the preamble: see
    /// [`Preamble::replace`].
    Messages,
}

/// Where packets come from, as a reader is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interface {
    /// Its name: an interface, an address, a file.
    pub name: String,
    /// What its packets begin with.
    pub link_type: LinkType,
    /// Octets kept of each packet at most; 0 is unknown.
    pub snaplen: u32,
    /// Where its packets have been, if they come in a stream.
    pub path: Option<Path>,
}

/// What a stream begins with, and what is added to that while it runs.
#[derive(Debug)]
pub struct Preamble {
    form: Form,
    /// Who makes the stream.
    station: Station,
    state: Mutex<Pieces>,
}

#[derive(Debug, Default)]
struct Pieces {
    /// The octets, each piece whole.
    octets: Vec<Arc<[u8]>>,
    /// Pieces that were replaced by these.
    replaced: usize,
    /// The link type that a pcap header names.
    link_type: Option<LinkType>,
    /// What pcapng has described, wherever it has been, and its number.
    described: HashMap<Interface, u32>,
    count: u32,
}

impl Preamble {
    /// The beginning of a stream of that form. pcap's has no piece yet, as its header needs a link
    /// type: see [`Preamble::describe`].
    pub fn new(form: Form) -> Preamble {
        let mut pieces = Pieces::default();
        if form == Form::Pcapng {
            let mut section = Vec::new();
            let application = concat!("netcap pcap-over-ip ", env!("CARGO_PKG_VERSION"));
            pcapng_writer::append_section(&mut section, application);
            pieces.octets.push(section.into());
        }
        Preamble {
            form,
            station: Station::new(),
            state: Mutex::new(pieces),
        }
    }

    /// Who makes the stream.
    pub(crate) fn station(&self) -> Station {
        self.station
    }

    /// How its packets are written.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Says that packets of this interface will come. Gives the number that the stream has for it;
    /// `None` if the stream cannot have packets of it.
    pub fn describe(&self, interface: &Interface) -> Option<u32> {
        let mut pieces = self.pieces();
        match self.form {
            Form::Pcap(unit) => {
                let link_type = *pieces.link_type.get_or_insert(interface.link_type);
                if pieces.octets.is_empty() {
                    let snaplen = match interface.snaplen {
                        0 => UNKNOWN_SNAPLEN,
                        known => known,
                    };
                    let header = unit.file_header(link_type, snaplen);
                    pieces.octets.push(header.as_slice().into());
                }
                (link_type == interface.link_type).then_some(0)
            }
            Form::Pcapng if pieces.octets.len() <= MAX_INTERFACES => {
                let mut block = Vec::new();
                let path = interface.path.as_ref();
                let comment = path.map(|path| path.through(self.station).to_string());
                pcapng_writer::append_commented_interface(
                    &mut block,
                    &interface.name,
                    &comment.unwrap_or_default(),
                    interface.link_type,
                    interface.snaplen,
                );
                pieces.octets.push(block.into());
                let number = pieces.count;
                pieces.count += 1;
                pieces.described.insert(twin(interface), number);
                Some(number)
            }
            Form::Pcapng => pieces.described.get(&twin(interface)).copied(),
            Form::Records(_) | Form::Messages => Some(0),
        }
    }

    /// Has the stream begin with this, for all who come from now on; those who are there get it before the
    /// next chunk. Gives the position after it, for [`Chunk::pieces`].
    pub fn replace(&self, piece: &[u8]) -> usize {
        let mut pieces = self.pieces();
        pieces.replaced += pieces.octets.len();
        pieces.octets = vec![piece.into()];
        pieces.len()
    }

    /// The pieces from that position on, and the position after them.
    pub fn from(&self, position: usize) -> (Vec<Arc<[u8]>>, usize) {
        let pieces = self.pieces();
        let rest = pieces
            .octets
            .get(position.saturating_sub(pieces.replaced)..);
        (rest.unwrap_or_default().to_vec(), pieces.len())
    }

    /// The position after the last piece.
    fn len(&self) -> usize {
        self.pieces().len()
    }

    /// A panic while it was locked left it whole: pieces are only added.
    fn pieces(&self) -> std::sync::MutexGuard<'_, Pieces> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an interface has in common with the same one on another way.
fn twin(interface: &Interface) -> Interface {
    Interface {
        path: None,
        ..interface.clone()
    }
}

impl Pieces {
    fn len(&self) -> usize {
        self.replaced + self.octets.len()
    }
}

/// Some whole records, shared by all who get them.
#[derive(Debug, Default)]
pub struct Chunk {
    /// The records.
    pub octets: Vec<u8>,
    /// How many.
    pub packets: u64,
    /// How many pieces of the preamble come before.
    pub pieces: usize,
    /// How many of its packets come from each interface of the stream, by number, ascending.
    pub by_interface: Vec<(u32, u64)>,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is in the chunk.
    Written,
    /// The stream is pcap of another link type.
    OtherLinkType,
    /// It comes from the interface that is one too many.
    TooManyInterfaces,
}

/// Makes records of packets, for one source.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    preamble: Arc<Preamble>,
    /// The stream's numbers of the source's interfaces, once asked for.
    numbers: HashMap<(u32, LinkType), Option<u32>>,
    /// The position after the last piece that a packet so far needed.
    pieces: usize,
}

impl Encoder {
    /// One whose packets follow that preamble.
    pub(crate) fn new(preamble: Arc<Preamble>) -> Encoder {
        Encoder {
            preamble,
            numbers: HashMap::new(),
            pieces: 0,
        }
    }

    /// The stream's number for an interface of the source. `interface` is asked what it is, once.
    pub(crate) fn number(
        &mut self,
        number: u32,
        link_type: LinkType,
        interface: impl FnOnce() -> Interface,
    ) -> Option<u32> {
        let preamble = &self.preamble;
        let pieces = &mut self.pieces;
        *self.numbers.entry((number, link_type)).or_insert_with(|| {
            let described = preamble.describe(&Interface {
                link_type,
                ..interface()
            });
            *pieces = preamble.len();
            described
        })
    }

    /// Has an interface of the source described anew, as it has changed.
    pub(crate) fn forget(&mut self, number: u32, link_type: LinkType) {
        self.numbers.remove(&(number, link_type));
    }

    /// Appends a packet, of which `octets` are kept, to the chunk.
    pub(crate) fn append(
        &mut self,
        chunk: &mut Chunk,
        packet: &Packet,
        octets: &[u8],
        interface: impl FnOnce() -> Interface,
    ) -> Fate {
        let form = self.preamble.form;
        let number = self.number(packet.interface, packet.link_type, interface);
        let Some(number) = number else {
            return match form {
                Form::Pcap(_) => Fate::OtherLinkType,
                Form::Pcapng | Form::Records(_) | Form::Messages => Fate::TooManyInterfaces,
            };
        };
        // What claims to have been shorter on the wire than captured was not.
        let original = packet.original_len.max(packet.captured_len());
        let out = &mut chunk.octets;
        match form {
            Form::Pcap(unit) => unit.append_record(out, packet.timestamp, original, octets),
            Form::Pcapng => {
                pcapng_writer::append_packet(out, number, packet.timestamp, original, octets);
            }
            Form::Records(_) | Form::Messages => out.extend_from_slice(octets),
        }
        chunk.packets += 1;
        chunk.pieces = self.pieces;
        count(&mut chunk.by_interface, number, 1);
        Fate::Written
    }
}

/// Adds to the count of one interface in a list that is in order of them.
pub(crate) fn count(counts: &mut Vec<(u32, u64)>, interface: u32, more: u64) {
    match counts.binary_search_by_key(&interface, |(number, _)| *number) {
        Ok(at) => counts[at].1 += more,
        Err(at) => counts.insert(at, (interface, more)),
    }
}

#[cfg(test)]
mod tests {
    use netcap_capture::{Batch, Timestamp, from_reader};

    use super::*;

    fn interface(name: &str, link_type: LinkType) -> Interface {
        Interface {
            name: name.to_owned(),
            link_type,
            snaplen: 0,
            path: None,
        }
    }

    fn batch(packets: &[(u32, LinkType, &[u8])]) -> Batch {
        let mut batch = Batch::new(1 << 16, 100);
        for (interface, link_type, octets) in packets {
            batch.push(Timestamp::new(1, 1001), *link_type, *interface, 9, octets);
        }
        batch
    }

    fn encode(form: Form, batch: &Batch) -> (Vec<Fate>, Vec<u8>) {
        let preamble = Arc::new(Preamble::new(form));
        let mut encoder = Encoder::new(Arc::clone(&preamble));
        let mut chunk = Chunk::default();
        let fates = batch.iter().map(|(packet, octets)| {
            encoder.append(&mut chunk, packet, octets, || {
                interface("x", packet.link_type)
            })
        });
        let fates = fates.collect();
        let (pieces, count) = preamble.from(0);
        assert!(chunk.pieces <= count);
        let mut file = pieces.concat();
        file.extend_from_slice(&chunk.octets);
        (fates, file)
    }

    fn packets(file: Vec<u8>) -> usize {
        let mut source = from_reader("a test", Box::new(std::io::Cursor::new(file)), None)
            .expect("a good beginning");
        let mut batch = Batch::new(1 << 16, 100);
        let mut count = 0;
        while source.fill(&mut batch).expect("a good capture") {
            count += batch.len();
        }
        count
    }

    #[test]
    fn pcap_has_one_link_type() {
        let batch = batch(&[
            (0, LinkType::ETHERNET, b"abc"),
            (1, LinkType::RAW, b"abc"),
            (0, LinkType::ETHERNET, b""),
        ]);
        let (fates, file) = encode(Form::Pcap(TimeUnit::Microseconds), &batch);
        assert_eq!(fates, [Fate::Written, Fate::OtherLinkType, Fate::Written]);
        assert_eq!(packets(file), 2);
    }

    #[test]
    fn pcapng_describes_them_all() {
        let batch = batch(&[
            (0, LinkType::ETHERNET, b"abc"),
            (1, LinkType::RAW, b"abc"),
            (1, LinkType::RAW, b"abcd"),
        ]);
        let (fates, file) = encode(Form::Pcapng, &batch);
        assert_eq!(fates, [Fate::Written; 3]);
        assert_eq!(packets(file), 3);
    }

    #[test]
    fn interfaces_are_bounded() {
        let preamble = Preamble::new(Form::Pcapng);
        let one = interface("one", LinkType::RAW);
        for number in 0..MAX_INTERFACES as u32 {
            assert_eq!(preamble.describe(&one), Some(number));
        }
        let last = MAX_INTERFACES as u32 - 1;
        assert_eq!(preamble.describe(&one), Some(last));
        assert_eq!(preamble.describe(&interface("two", LinkType::RAW)), None);
        assert_eq!(preamble.len(), MAX_INTERFACES + 1);
    }

    #[test]
    fn a_beginning_can_be_replaced() {
        let preamble = Preamble::new(Form::Messages);
        assert_eq!(preamble.from(0), (Vec::new(), 0));
        let piece = |octets: &[u8]| vec![octets.into()];
        assert_eq!(preamble.replace(b"one"), 1);
        assert_eq!(preamble.from(0), (piece(b"one"), 1));
        assert_eq!(preamble.replace(b"two"), 2);
        // For who has the first, and for who has none.
        assert_eq!(preamble.from(1), (piece(b"two"), 2));
        assert_eq!(preamble.from(0), (piece(b"two"), 2));
        assert_eq!(preamble.from(2), (Vec::new(), 2));
    }

    #[test]
    fn records_have_nothing_around_them() {
        let ethernet = LinkType::ETHERNET;
        let batch = batch(&[(0, ethernet, b"abc"), (3, LinkType::RAW, b"def")]);
        let (fates, file) = encode(Form::Records(3), &batch);
        assert_eq!(fates, [Fate::Written, Fate::Written]);
        assert_eq!(file, b"abcdef");
    }
}
