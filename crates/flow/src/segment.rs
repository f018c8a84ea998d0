//! TCP segments (RFC 9293 section 3.1), as far as streams need them.

use netcap_dissect::{Carrier, Endpoint, PacketInfo, Place, StreamEnds};
use netcap_record::Mac;

use crate::scope::Scope;

/// The octet with the flags of a TCP header (RFC 9293 section 3.1).
pub(crate) mod flag {
    pub(crate) const FIN: u8 = 0x01;
    pub(crate) const SYN: u8 = 0x02;
    pub(crate) const RST: u8 = 0x04;
    pub(crate) const PSH: u8 = 0x08;
    pub(crate) const ACK: u8 = 0x10;
}

/// Ports below are those of servers, as far as anybody can tell (RFC 6335 section 6).
const SYSTEM_PORTS: u16 = 1024;

/// A TCP segment of the capture.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// What the capture says of the packet.
    pub packet: PacketInfo,
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// MAC addresses of sender and receiver in the frame around the packet, where there is one.
    pub macs: Option<(Mac, Mac)>,
    /// Sequence number as sent.
    pub sequence: u32,
    /// Acknowledgment number as sent.
    pub acknowledgment: u32,
    /// The octet of the header with CWR, ECE, URG, ACK, PSH, RST, SYN and FIN.
    pub flags: u8,
    /// Window as sent, not scaled.
    pub window: u16,
    /// Window scale that the options offer.
    pub scale: Option<u8>,
    /// Captured octets of the payload.
    pub payload: &'a [u8],
    /// Octets that the payload had on the wire.
    pub wire_length: usize,
    /// Which network the addresses are of.
    pub scope: Scope,
}

impl Segment<'_> {
    /// What brings its octets.
    pub(crate) fn carrier(&self) -> Carrier {
        Carrier {
            packet: self.packet,
            macs: self.macs,
            place: Place::default(),
        }
    }

    /// Whether its octets may be none of the stream: on a SYN, which a receiver may refuse (RFC 7413
    /// section 3), or zeros with which a frame was padded and which the IP length counts.
    pub(crate) fn may_be_refused(&self) -> bool {
        /// Octets that pad an acknowledgment to the shortest frame, and some more.
        const PADDING: usize = 18;
        let other_flags = flag::FIN | flag::RST | flag::PSH;
        let may_be_padding = self.octets() <= PADDING && self.flags & other_flags == 0;
        self.has(flag::SYN) || may_be_padding && self.payload.iter().all(|octet| *octet == 0)
    }

    /// Whether it has one of these flags.
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The number of the first octet behind SYN.
    pub(crate) fn first(&self) -> u32 {
        self.sequence.wrapping_add(u32::from(self.has(flag::SYN)))
    }

    pub(crate) fn octets(&self) -> usize {
        self.wire_length.max(self.payload.len())
    }

    /// Whether a receiver looks at it at all: one without ACK is dropped, unless it opens or resets a
    /// connection (RFC 9293 section 3.10.7.4).
    pub(crate) fn is_acceptable(&self) -> bool {
        self.has(flag::ACK | flag::SYN | flag::RST)
    }

    /// Whether a stream can begin here: at SYN, or mid-way at some octets. The number of an empty
    /// segment may be that of a keep-alive, and a reset begins nothing.
    pub(crate) fn opens(&self) -> bool {
        !self.has(flag::RST) && (self.has(flag::SYN) || self.octets() > 0)
    }

    /// Who opened the connection, as far as this segment tells.
    pub(crate) fn ends(&self) -> StreamEnds {
        let (source, destination) = (self.source, self.destination);
        let sender_is_client = if self.has(flag::SYN) {
            !self.has(flag::ACK)
        } else {
            source.port >= SYSTEM_PORTS || destination.port < SYSTEM_PORTS
        };
        let (client, server) = if sender_is_client {
            (source, destination)
        } else {
            (destination, source)
        };
        StreamEnds { client, server }
    }
}
