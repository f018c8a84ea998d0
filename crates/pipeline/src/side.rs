//! What is kept of packets that were not understood: `errors.log`, `errors.pcap`, `unknown.pcap`.
//!
//! What a packet adds to each of these is marked with the packet, as records are.

use netcap_capture::{LinkType, Packet, pcap_writer};
use netcap_dissect::{Chunk, Fate, Layer, Malformed, Mark};

/// Which file something goes to. A pcap holds one link type, so each link type has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// `errors.log`.
    Log,
    /// `errors.pcap`.
    Errors(LinkType),
    /// `unknown.pcap`.
    Unknown(LinkType),
}

/// What a batch adds to these files. Few link types come together, so a list does.
#[derive(Debug, Default)]
pub(crate) struct Sides(pub(crate) Vec<(Side, Chunk)>);

impl Sides {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What goes to one of the files, if anything does.
    pub(crate) fn find(&self, side: Side) -> Option<&Chunk> {
        let found = self.0.iter().find(|(s, _)| *s == side);
        found.map(|(_, chunk)| chunk)
    }

    /// The same; an empty chunk where nothing does yet.
    pub(crate) fn at(&mut self, side: Side) -> &mut Chunk {
        let place = match self.0.iter().position(|(s, _)| *s == side) {
            Some(place) => place,
            None => {
                self.0.push((side, Chunk::default()));
                self.0.len() - 1
            }
        };
        &mut self.0[place].1
    }

    /// Keeps a packet where its fate says so.
    pub(crate) fn keep(
        &mut self,
        fate: &Fate,
        (number, packet): (u64, &Packet),
        octets: &[u8],
        layers: &[Layer<'_>],
    ) {
        let (time, link_type) = (packet.timestamp, packet.link_type);
        let record =
            |out: &mut Vec<u8>| pcap_writer::append_record(out, time, packet.original_len, octets);
        let trouble = match fate {
            Fate::Decoded => return,
            Fate::Unknown(_) | Fate::UnsupportedLink(_) => {
                append(self.at(Side::Unknown(link_type)), number, record);
                return;
            }
            Fate::Malformed(m) | Fate::CutShort(m) => m,
        };
        append(self.at(Side::Errors(link_type)), number, record);
        append(self.at(Side::Log), number, |out| {
            let cut = matches!(fate, Fate::CutShort(_));
            netcap_record::Timestamp::new(time.seconds, time.nanos).write_utc(out);
            describe(out, trouble, cut, octets, layers);
        });
    }
}

/// Appends what belongs to a packet.
fn append(chunk: &mut Chunk, packet: u64, write: impl FnOnce(&mut Vec<u8>)) {
    write(&mut chunk.octets);
    let end = chunk.octets.len();
    chunk.marks.push(Mark { packet, end });
}

/// What the log says of a packet behind its time.
fn describe(
    out: &mut Vec<u8>,
    trouble: &Malformed,
    cut: bool,
    octets: &[u8],
    layers: &[Layer<'_>],
) {
    let cause = if cut { ", cut by the capture" } else { "" };
    out.extend_from_slice(format!("\nError: {trouble}{cause}\nPacket:\n").as_bytes());
    heading(
        out,
        &format!("-- FULL PACKET DATA ({} bytes) ", octets.len()),
    );
    hex_dump(out, octets);
    for (i, layer) in layers.iter().enumerate() {
        let text = format!(
            "--- Layer {} ---\n{}\t{{{} bytes}}\n",
            i + 1,
            layer.protocol,
            layer.octets.len()
        );
        out.extend_from_slice(text.as_bytes());
        // A layer's octets are the end of those above, so only its head is shown.
        let inner = layers.get(i + 1).map_or(0, |inner| inner.octets.len());
        let head = layer.octets.len().saturating_sub(inner);
        hex_dump(out, layer.octets.get(..head).unwrap_or(layer.octets));
    }
    out.push(b'\n');
}

/// A line filled up with dashes to the width of the dump.
fn heading(out: &mut Vec<u8>, text: &str) {
    const WIDTH: usize = 66;
    out.extend_from_slice(text.as_bytes());
    out.resize(out.len() + WIDTH.saturating_sub(text.len()), b'-');
    out.push(b'\n');
}

/// Offset, sixteen octets in two groups, and their printable characters.
fn hex_dump(out: &mut Vec<u8>, octets: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for (i, line) in octets.chunks(16).enumerate() {
        out.extend_from_slice(format!("{:08x} ", i * 16).as_bytes());
        for place in 0..16 {
            if place % 8 == 0 {
                out.push(b' ');
            }
            match line.get(place) {
                Some(octet) => {
                    out.push(HEX[usize::from(octet >> 4)]);
                    out.push(HEX[usize::from(octet & 15)]);
                    out.push(b' ');
                }
                None => out.extend_from_slice(b"   "),
            }
        }
        out.extend_from_slice(b" |");
        out.extend(line.iter().map(|o| match o {
            0x20..=0x7e => *o,
            _ => b'.',
        }));
        out.extend_from_slice(b"|\n");
    }
}
