//! Captures made of octets, and ways of reading them, for the tests.

use std::io::{self, Cursor, Read};

use crate::{Batch, Error, LinkType, Source, Timestamp, from_reader};

/// Everything there is to know about a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) timestamp: Timestamp,
    pub(crate) link_type: LinkType,
    pub(crate) interface: u32,
    pub(crate) original_len: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) comment: Option<Vec<u8>>,
}

/// All packets of a source and how it ended, checking the promises of [`Source::fill`] on the way.
pub(crate) fn drain(source: &mut dyn Source, batch: &mut Batch) -> (Vec<Seen>, Option<Error>) {
    let mut seen = Vec::new();
    let mut sequence = 0;
    let trouble = loop {
        match source.fill(batch) {
            Ok(true) => {}
            Ok(false) => break None,
            Err(error) => break Some(error),
        }
        assert!(!batch.is_empty());
        assert_eq!(
            (batch.sequence, batch.first_index),
            (sequence, seen.len() as u64)
        );
        sequence += 1;
        for (packet, data) in batch.iter() {
            assert_eq!(data.len(), packet.captured_len() as usize);
            seen.push(Seen {
                timestamp: packet.timestamp,
                link_type: packet.link_type,
                interface: packet.interface,
                original_len: packet.original_len,
                data: data.to_vec(),
                comment: batch.comment(packet).map(<[u8]>::to_vec),
            });
        }
    };
    assert!(batch.is_empty());
    assert!(matches!(source.fill(batch), Ok(false)), "the end is final");
    assert!(batch.is_empty());
    (seen, trouble)
}

/// Reads a capture given as octets, with usual batches.
pub(crate) fn read(octets: &[u8]) -> (Vec<Seen>, Option<Error>) {
    read_by(octets, usize::MAX, 1 << 16, 1000)
}

/// Reads a capture given as octets, at most `piece` of them at a time, with batches of that size.
pub(crate) fn read_by(
    octets: &[u8],
    piece: usize,
    block_size: usize,
    max_packets: usize,
) -> (Vec<Seen>, Option<Error>) {
    match from_reader("test", Box::new(Pieces::new(octets, piece)), None) {
        Ok(mut source) => drain(source.as_mut(), &mut Batch::new(block_size, max_packets)),
        Err(error) => (Vec::new(), Some(error)),
    }
}

/// A source of a capture given as octets.
pub(crate) fn source(octets: &[u8]) -> Box<dyn Source> {
    from_reader("test", Box::new(Cursor::new(octets.to_vec())), None).expect("a good capture")
}

/// A reader that gives few octets at a time and is interrupted in between.
struct Pieces {
    octets: Cursor<Vec<u8>>,
    piece: usize,
    interrupt: bool,
}

impl Pieces {
    fn new(octets: &[u8], piece: usize) -> Pieces {
        Pieces {
            octets: Cursor::new(octets.to_vec()),
            piece,
            interrupt: false,
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = buffer.len().min(self.piece.max(1));
        self.octets.read(&mut buffer[..len])
    }
}

/// Octets of numbers in one byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    pub(crate) fn u16(self, number: u16) -> [u8; 2] {
        match self {
            Order::Little => number.to_le_bytes(),
            Order::Big => number.to_be_bytes(),
        }
    }

    pub(crate) fn u32(self, number: u32) -> [u8; 4] {
        match self {
            Order::Little => number.to_le_bytes(),
            Order::Big => number.to_be_bytes(),
        }
    }
}

/// A classic pcap file header.
pub(crate) fn pcap_header(
    order: Order,
    magic: u32,
    (major, minor): (u16, u16),
    snaplen: u32,
    network: u32,
) -> Vec<u8> {
    [
        &order.u32(magic)[..],
        &order.u16(major),
        &order.u16(minor),
        &[0; 8],
        &order.u32(snaplen),
        &order.u32(network),
    ]
    .concat()
}

/// The four numbers of a classic pcap record header, in the order they are in the file.
pub(crate) fn pcap_record(order: Order, numbers: [u32; 4], rest: &[u8]) -> Vec<u8> {
    let mut octets: Vec<u8> = numbers
        .iter()
        .flat_map(|number| order.u32(*number))
        .collect();
    octets.extend_from_slice(rest);
    octets
}

/// A plain capture of three packets of different lengths, in either format.
pub(crate) fn small_pcap(order: Order) -> Vec<u8> {
    [
        pcap_header(order, 0xa1b2_c3d4, (2, 4), 65535, 1),
        pcap_record(order, [1_000_000_000, 7, 5, 60], b"hello"),
        pcap_record(order, [1_000_000_001, 999_999, 0, 0], b""),
        pcap_record(order, [1_000_000_002, 0, 11, 11], b"three words"),
    ]
    .concat()
}

/// A pcapng block.
pub(crate) fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
    let len = order.u32((12 + body.len() + padding.len()) as u32);
    [&order.u32(kind)[..], &len, body, &padding, &len].concat()
}

/// A pcapng Section Header Block.
pub(crate) fn section(order: Order) -> Vec<u8> {
    let body = [
        &order.u32(0x1a2b_3c4d)[..],
        &order.u16(1),
        &order.u16(0),
        &[0xff; 8],
    ]
    .concat();
    block(order, 0x0a0d_0d0a, &body)
}

/// A pcapng option.
pub(crate) fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    [
        &order.u16(code)[..],
        &order.u16(value.len() as u16),
        value,
        &padding,
    ]
    .concat()
}

/// A pcapng Interface Description Block.
pub(crate) fn interface(order: Order, link_type: u16, snaplen: u32, options: &[u8]) -> Vec<u8> {
    let fixed = [&order.u16(link_type)[..], &[0; 2], &order.u32(snaplen)].concat();
    block(order, 1, &[&fixed[..], options].concat())
}

/// A pcapng Enhanced Packet Block.
pub(crate) fn enhanced(
    order: Order,
    interface: u32,
    time: u64,
    data: &[u8],
    options: &[u8],
) -> Vec<u8> {
    let len = data.len() as u32;
    let fixed = [interface, (time >> 32) as u32, time as u32, len, len + 1];
    let mut body: Vec<u8> = fixed.iter().flat_map(|number| order.u32(*number)).collect();
    body.extend_from_slice(data);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend_from_slice(options);
    block(order, 6, &body)
}

/// A capture of three packets, with something of everything.
pub(crate) fn small_pcapng(order: Order) -> Vec<u8> {
    let comment = [option(order, 1, b"odd"), option(order, 0, b"")].concat();
    [
        section(order),
        interface(order, 1, 0, &option(order, 9, &[9])),
        block(order, 4, b"names"),
        enhanced(order, 0, 1_000_000_000_000_000_007, b"hello", &comment),
        interface(order, 101, 4, b""),
        block(order, 3, &[&order.u32(9)[..], b"123456789"].concat()),
        enhanced(order, 1, 1_000_000_002_000_000, b"three words", b""),
    ]
    .concat()
}
