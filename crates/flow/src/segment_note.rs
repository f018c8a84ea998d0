//! TCP segments of a packet, as a worker notes them for the streams.
//!
//! Every TCP layer counts, those inside tunnels too: its addresses are those of the IP layer right
//! around it.

use std::ops::Range;

use netcap_dissect::{Endpoint, Layer, PacketInfo};
use netcap_record::{Ip, Mac};

use crate::segment::Segment;

/// A segment without the packet around it.
#[derive(Clone, Debug)]
pub struct SegmentNote {
    /// What the capture says of the packet.
    packet: PacketInfo,
    source: Endpoint,
    destination: Endpoint,
    sequence: u32,
    acknowledgment: u32,
    flags: u8,
    payload: Payload,
    wire_length: usize,
}

/// Where a payload is.
#[derive(Clone, Debug)]
enum Payload {
    /// In the packet.
    Packet(Range<usize>),
    /// In a datagram put together from several packets.
    Datagram(Box<[u8]>),
}

impl SegmentNote {
    /// Place of the packet in its batch.
    pub fn packet(&self) -> u32 {
        self.packet.index
    }

    /// Sender and receiver.
    pub(crate) fn ends(&self) -> (&Endpoint, &Endpoint) {
        (&self.source, &self.destination)
    }

    /// The segment, with the octets of its packet.
    pub fn segment<'a>(&'a self, octets: &'a [u8]) -> Segment<'a> {
        Segment {
            packet: self.packet,
            source: self.source,
            destination: self.destination,
            sequence: self.sequence,
            acknowledgment: self.acknowledgment,
            flags: self.flags,
            payload: match &self.payload {
                Payload::Packet(range) => octets.get(range.clone()).unwrap_or_default(),
                Payload::Datagram(payload) => payload,
            },
            wire_length: self.wire_length,
        }
    }
}

/// The IP layer around a segment.
#[derive(Clone, Copy)]
struct Around {
    source: Ip,
    destination: Ip,
    /// Octets that the header tells and that are not there.
    missing: usize,
}

/// Appends the segments of a packet that was walked: those from or to one of these ports, or all
/// where there are none.
pub fn note_segments(
    layers: &[Layer<'_>],
    packet: PacketInfo,
    octets: &[u8],
    ports: &[u16],
    notes: &mut Vec<SegmentNote>,
) {
    let (mut around, mut macs) = (None, None);
    for layer in layers {
        match layer.protocol {
            "Ethernet" if macs.is_none() => macs = ethernet(layer.octets),
            "IPv4" => around = ipv4(layer.octets),
            "IPv6" => around = ipv6(layer.octets),
            "TCP" if ports.is_empty() || has_port(layer.octets, ports) => {
                let note = around.and_then(|a| tcp(layer.octets, packet, octets, a, macs));
                notes.extend(note);
            }
            _ => {}
        }
    }
}

/// Whether a segment is from or to one of the ports.
fn has_port(segment: &[u8], ports: &[u16]) -> bool {
    segment.first_chunk().is_some_and(|[a, b, c, d]| {
        ports.contains(&u16::from_be_bytes([*a, *b]))
            || ports.contains(&u16::from_be_bytes([*c, *d]))
    })
}

/// Source and destination.
fn ethernet(octets: &[u8]) -> Option<(Mac, Mac)> {
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = *octets.first_chunk::<12>()?;
    Some((Mac([s0, s1, s2, s3, s4, s5]), Mac([d0, d1, d2, d3, d4, d5])))
}

/// RFC 791 section 3.1.
fn ipv4(octets: &[u8]) -> Option<Around> {
    let header = octets.first_chunk::<20>()?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    Some(Around {
        source: Ip::V4([header[12], header[13], header[14], header[15]]),
        destination: Ip::V4([header[16], header[17], header[18], header[19]]),
        missing: length.saturating_sub(octets.len()),
    })
}

/// RFC 8200 section 3.
fn ipv6(octets: &[u8]) -> Option<Around> {
    let header = octets.first_chunk::<40>()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let (mut source, mut destination) = ([0; 16], [0; 16]);
    source.copy_from_slice(&header[8..24]);
    destination.copy_from_slice(&header[24..40]);
    Some(Around {
        source: Ip::V6(source),
        destination: Ip::V6(destination),
        missing: (length + header.len()).saturating_sub(octets.len()),
    })
}

/// RFC 9293 section 3.1.
fn tcp(
    segment: &[u8],
    packet: PacketInfo,
    octets: &[u8],
    around: Around,
    macs: Option<(Mac, Mac)>,
) -> Option<SegmentNote> {
    let header = segment.first_chunk::<20>()?;
    let payload = segment.get(usize::from(header[12] >> 4).max(5) * 4..)?;
    // Addresses are compared, never followed.
    let inside = (payload.as_ptr() as usize).checked_sub(octets.as_ptr() as usize);
    let inside = inside.filter(|start| start + payload.len() <= octets.len());
    let (in_datagram, missing) = (inside.is_none(), around.missing);
    // A header may claim more than there ever was; the capture cannot lack more than it cut off. A
    // datagram put together is whole, whatever its last fragment's header says.
    let cut = (packet.original_len as usize).saturating_sub(octets.len());
    Some(SegmentNote {
        packet,
        source: Endpoint {
            mac: macs.map(|(source, _)| source),
            ip: around.source,
            port: u16::from_be_bytes([header[0], header[1]]),
        },
        destination: Endpoint {
            mac: macs.map(|(_, destination)| destination),
            ip: around.destination,
            port: u16::from_be_bytes([header[2], header[3]]),
        },
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        acknowledgment: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        flags: header[13],
        payload: match inside {
            Some(start) => Payload::Packet(start..start + payload.len()),
            None => Payload::Datagram(payload.into()),
        },
        wire_length: payload.len() + if in_datagram { 0 } else { missing.min(cut) },
    })
}

#[cfg(test)]
mod tests {
    use netcap_record::Time;

    use super::*;

    /// Octets on the wire of the segment in an IPv4 packet of 44 octets whose header claims `told`,
    /// where `wire` octets of the packet were on the wire.
    fn wire_length(told: u8, wire: u32) -> usize {
        let mut octets = vec![0x45, 0, 0, told];
        octets.resize(32, 0);
        octets.push(5 << 4);
        octets.resize(44, 0);
        let packet = PacketInfo {
            time: Time::new(0, 0),
            link_type: 101,
            original_len: wire,
            index: 0,
            number: 0,
        };
        let layers = [("IPv4", 0), ("TCP", 20)].map(|(protocol, start)| Layer {
            protocol,
            octets: octets.get(start..).unwrap(),
        });
        let mut notes = Vec::new();
        note_segments(&layers, packet, &octets, &[], &mut notes);
        assert_eq!(notes.len(), 1);
        notes[0].segment(&octets).wire_length
    }

    #[test]
    fn only_what_the_capture_cut_off_is_missing() {
        assert_eq!(wire_length(44, 44), 4);
        // Cut, and the header tells how much of that was payload.
        assert_eq!(wire_length(54, 60), 14);
        assert_eq!(wire_length(54, 54), 14);
        // The header claims more than there was.
        assert_eq!(wire_length(54, 44), 4);
        assert_eq!(wire_length(54, 50), 10);
    }
}
