//! TCP segments of a packet, as a worker notes them for the streams.
//!
//! Every TCP layer counts, those inside tunnels and branches too: its IP addresses are those right
//! around it, its MAC addresses those of the frame next around these.

use std::ops::Range;

use netcap_dissect::{Endpoint, Level, PacketInfo, Path, SegmentFacts};
use netcap_record::{Mac, Time};

use crate::scope::Scope;
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
    window: u16,
    scale: Option<u8>,
    macs: Option<(Mac, Mac)>,
    payload: Payload,
    wire_length: usize,
    scope: Scope,
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

    /// When the packet was captured.
    pub(crate) fn time(&self) -> Time {
        self.packet.time
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
            window: self.window,
            scale: self.scale,
            macs: self.macs,
            payload: match &self.payload {
                Payload::Packet(range) => octets.get(range.clone()).unwrap_or_default(),
                Payload::Datagram(payload) => payload,
            },
            wire_length: self.wire_length,
            scope: self.scope,
        }
    }
}

/// LINKTYPE of the frames whose addresses records of streams have.
const LINKTYPE: u16 = 1;

/// Appends the segments of a packet that was walked: those from or to one of these ports, or all
/// where there are none. VLANs tell streams apart only where they count.
#[inline]
pub fn note_segments(
    path: &Path<'_>,
    packet: PacketInfo,
    octets: &[u8],
    (ports, vlans_count): (&[u16], bool),
    notes: &mut Vec<SegmentNote>,
) {
    let is_wanted = |port: &u16| ports.is_empty() || ports.contains(port);
    let levels = path.levels();
    for (place, level) in levels.iter().enumerate() {
        if let Some(segment) = &level.segment
            && (is_wanted(&segment.source) || is_wanted(&segment.destination))
        {
            let levels = &levels[..=place];
            let scope = Scope::of(levels, vlans_count);
            notes.extend(note(levels, segment, packet, octets, scope));
        }
    }
}

/// The note of a segment inside these levels, the last of which is its own.
fn note(
    levels: &[Level<'_>],
    segment: &SegmentFacts<'_>,
    packet: PacketInfo,
    octets: &[u8],
    scope: Scope,
) -> Option<SegmentNote> {
    let (network, missing) = levels
        .iter()
        .rev()
        .find_map(|level| Some((level.network?, level.missing as usize)))?;
    let mut links = levels.iter().rev().filter_map(|level| level.link);
    let link = links.find(|link| link.protocol.get() == LINKTYPE);
    let ips = network.ips();
    let payload = segment.payload;
    // Addresses are compared, never followed.
    let inside = (payload.as_ptr() as usize).checked_sub(octets.as_ptr() as usize);
    let inside = inside.filter(|start| start + payload.len() <= octets.len());
    // A header may claim more than there ever was; the capture cannot lack more than it cut off. A
    // datagram put together is whole, whatever its last fragment's header says.
    let cut = (packet.original_len as usize).saturating_sub(octets.len());
    let lacking = inside.map_or(0, |_| missing.min(cut));
    Some(SegmentNote {
        packet,
        source: Endpoint {
            ip: ips.0,
            port: segment.source,
        },
        destination: Endpoint {
            ip: ips.1,
            port: segment.destination,
        },
        sequence: segment.sequence,
        acknowledgment: segment.acknowledgment,
        flags: segment.flags,
        window: segment.window,
        scale: segment.scale,
        macs: link.map(|link| link.macs()),
        payload: match inside {
            Some(start) => Payload::Packet(start..start + payload.len()),
            None => Payload::Datagram(payload.into()),
        },
        wire_length: payload.len() + lacking,
        scope,
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::{
        Context, Ends, Entropy, IpVersion, Next, Output, Protocol, Registry, Selection, Selector,
        walk,
    };
    use netcap_record::{Ip, Mac};

    use super::*;

    /// Link type 147 is reserved for private use. Links, networks and segments as the octets say in
    /// pairs: what it is, and a number; a network's is that of octets that its header tells.
    static LAYERS: Protocol = Protocol::new("layers", |input, context| {
        let told = input.remaining();
        while input.remaining() > PAYLOAD {
            let &[kind, number] = input.array()?;
            let address = u32::from(number);
            let network = Ends {
                protocol: IpVersion::V4,
                source: address.into(),
                destination: (address + 1).into(),
            };
            match kind {
                b'l' => context.link(1, &[number; 12]),
                b'n' => context.network(network, 6, usize::from(number).saturating_sub(told)),
                _ => context.segment(SegmentFacts {
                    source: number.into(),
                    destination: 80,
                    sequence: 0,
                    acknowledgment: 0,
                    flags: 0,
                    window: 0,
                    scale: None,
                    payload: input.rest(),
                }),
            }
        }
        Ok(Next::End)
    })
    .reached_by(&[Selector::LinkType(147)]);

    /// Octets behind the layers.
    const PAYLOAD: usize = 4;

    /// The notes of a packet that had so many octets on the wire.
    fn notes(octets: &[u8], wire: u32, ports: &[u16]) -> Vec<SegmentNote> {
        let registry = Registry::new(&[&LAYERS], &[], &Selection::default()).expect("selected");
        let (mut output, mut entropy) = (Output::new(&registry), Entropy::default());
        let mut context = Context::new(&registry, &mut output, &mut entropy, &[]);
        let packet = PacketInfo {
            time: Time::new(0, 0),
            link_type: 147,
            original_len: wire,
            index: 0,
            number: 0,
        };
        walk(&mut context, packet, octets);
        let mut notes = Vec::new();
        note_segments(context.path(), packet, octets, (ports, true), &mut notes);
        notes
    }

    /// Octets on the wire of a segment in a packet of eight octets whose header claims `told`, where
    /// `wire` octets of the packet were on the wire.
    fn wire_length(told: u8, wire: u32) -> usize {
        let octets = [b'n', told, b's', 1, 0, 0, 0, 0];
        let notes = notes(&octets, wire, &[]);
        assert_eq!(notes.len(), 1);
        notes[0].segment(&octets).wire_length
    }

    #[test]
    fn only_what_the_capture_cut_off_is_missing() {
        assert_eq!(wire_length(8, 8), 4);
        // Cut, and the header tells how much of that was payload.
        assert_eq!(wire_length(18, 24), 14);
        assert_eq!(wire_length(18, 18), 14);
        // The header claims more than there was.
        assert_eq!(wire_length(18, 8), 4);
        assert_eq!(wire_length(18, 14), 10);
    }

    #[test]
    fn the_ends_of_a_segment() {
        let ends = |octets: &[u8]| {
            let notes = notes(&[octets, b"abcd"].concat(), 100, &[]);
            let mac = |note: &SegmentNote| note.macs.map(|(source, _)| source);
            let ends = notes.iter().map(|note| (mac(note), note.source.ip));
            ends.collect::<Vec<_>>()
        };
        let (mac, ip) = (|n| Some(Mac([n; 6])), |n| Ip::V4([0, 0, 0, n]));
        assert_eq!(ends(b"s\x01"), []);
        assert_eq!(ends(b"n\x01s\x01"), [(None, ip(1))]);
        // The link that precedes next, the network right around.
        assert_eq!(
            ends(b"n\x01s\x01l\x07n\x02s\x01l\x08n\x03s\x01"),
            [(None, ip(1)), (mac(7), ip(2)), (mac(8), ip(3))]
        );
    }

    #[test]
    fn ports_that_are_wanted() {
        let octets = b"n\x01s\x05abcd";
        for (ports, count) in [(&[][..], 1), (&[5, 6], 1), (&[80], 1), (&[6, 81], 0)] {
            assert_eq!(notes(octets, 8, ports).len(), count, "{ports:?}");
        }
    }
}
