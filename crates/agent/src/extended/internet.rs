//! The headers of IP: IPv4 (RFC 791) with its options, IPv6 (RFC 8200) with its extension headers.
//!
//! Guarantees: nothing is read beyond what was captured, nor beyond the packet. What is too short on the wire
//! is malformed; what only the capture has cut off is not known.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::frame::NoNote;
use super::message::Fragment;
use super::protocol::{
    AUTHENTICATION, DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, NOTHING, ROUTING,
};

/// Extension headers of IPv6 that are looked behind; RFC 8200 knows of no sensible packet with more than seven.
/// The next one is what the packet carries then.
const MOST_EXTENSIONS: usize = 8;

/// What the headers say.
#[derive(Debug)]
pub(super) struct Internet<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: u8,
    pub(super) hops_left: u8,
    pub(super) traffic_class: u8,
    /// Octets of the packet; of the frame's rest where it does not say.
    pub(super) length: usize,
    /// Whether it does not say, or more than there is.
    pub(super) is_uncut: bool,
    pub(super) identification: u32,
    pub(super) fragment: Option<Fragment>,
    /// What was captured of what it carries, and how much there is.
    pub(super) carried: &'a [u8],
    pub(super) carried_length: usize,
}

impl<'a> Internet<'a> {
    /// The headers of a packet, of that version or of either, for which the frame has room for so many octets.
    pub(super) fn of(
        packet: &'a [u8],
        version: Option<u8>,
        room: usize,
    ) -> Result<Internet<'a>, NoNote> {
        let found = packet.first().ok_or(NoNote::Malformed)? >> 4;
        if version.is_some_and(|expected| expected != found) {
            return Err(NoNote::Malformed);
        }
        match found {
            4 => Internet::version_4(packet, room),
            6 => Internet::version_6(packet, room),
            _ => Err(NoNote::Malformed),
        }
    }

    fn version_4(packet: &'a [u8], room: usize) -> Result<Internet<'a>, NoNote> {
        let header = packet.first_chunk::<20>().ok_or(NoNote::Malformed)?;
        let address = |at: usize| {
            Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]).into()
        };
        let number = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let header_length = 4 * usize::from(header[0] & 0xf);
        let (length, is_uncut) = length(number(2).into(), room);
        if header_length < header.len() || header_length > length {
            return Err(NoNote::Malformed);
        }
        let (place, is_followed) = (8 * (number(6) & 0x1fff), number(6) & 0x2000 != 0);
        Ok(Internet {
            source: address(12),
            destination: address(16),
            protocol: header[9],
            hops_left: header[8],
            traffic_class: header[1],
            length,
            is_uncut,
            identification: number(4).into(),
            fragment: fragment(place, is_followed),
            carried: within(packet, header_length, length),
            carried_length: length - header_length,
        })
    }

    fn version_6(packet: &'a [u8], room: usize) -> Result<Internet<'a>, NoNote> {
        let header = packet.first_chunk::<40>().ok_or(NoNote::Malformed)?;
        let address = |octets: &[u8]| {
            let octets = octets.first_chunk::<16>().copied();
            IpAddr::from(Ipv6Addr::from(octets.unwrap_or_default()))
        };
        let stated = match (u16::from_be_bytes([header[4], header[5]]), header[6]) {
            // A jumbogram (RFC 2675), or what the interface has yet to cut.
            (0, next) if next != NOTHING => 0,
            (carried, _) => header.len() + usize::from(carried),
        };
        let (length, is_uncut) = length(stated, room);
        if length < header.len() {
            return Err(NoNote::Malformed);
        }
        let mut found = Internet {
            source: address(&header[8..]),
            destination: address(&header[24..]),
            protocol: header[6],
            hops_left: header[7],
            traffic_class: header[0] << 4 | header[1] >> 4,
            length,
            is_uncut,
            identification: 0,
            fragment: None,
            carried: within(packet, header.len(), length),
            carried_length: length - header.len(),
        };
        found.extensions()?;
        Ok(found)
    }

    /// Goes behind the extension headers, as far as they were captured.
    fn extensions(&mut self) -> Result<(), NoNote> {
        for _ in 0..MOST_EXTENSIONS {
            let (shortest, unit, more) = match self.protocol {
                HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => (8, 8, 1),
                FRAGMENT => (8, 0, 8),
                // RFC 4302, section 2.2.
                AUTHENTICATION => (8, 4, 2),
                _ => return Ok(()),
            };
            if self.carried_length < shortest {
                return Err(NoNote::Malformed);
            }
            let Some(header) = self.carried.first_chunk::<8>() else {
                self.carried = &[];
                return Ok(());
            };
            let length = match self.protocol {
                FRAGMENT => more,
                _ => unit * (more + usize::from(header[1])),
            };
            let rest = self.carried_length.checked_sub(length);
            self.carried_length = rest.ok_or(NoNote::Malformed)?;
            self.carried = self.carried.get(length..).unwrap_or_default();
            let is_fragment = self.protocol == FRAGMENT;
            self.protocol = header[0];
            if is_fragment {
                let place = u16::from_be_bytes([header[2], header[3]]);
                self.identification =
                    u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
                self.fragment = fragment(place & !7, place & 1 != 0);
                if place & !7 != 0 {
                    // What comes now is data.
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Whether what it carries begins with the header of the protocol.
    pub(super) fn begins(&self) -> bool {
        self.fragment.is_none_or(|part| part.offset == 0)
    }
}

/// The length of a packet that says it is so long, in a frame with that room, and whether it cannot be so.
fn length(stated: usize, room: usize) -> (usize, bool) {
    match stated {
        0 => (room, true),
        stated => (stated.min(room), stated > room),
    }
}

/// What was captured of the packet from there on, without the padding of the frame.
fn within(packet: &[u8], begin: usize, end: usize) -> &[u8] {
    packet.get(begin..end.min(packet.len())).unwrap_or_default()
}

/// Of a datagram that is whole, none.
fn fragment(offset: u16, is_followed: bool) -> Option<Fragment> {
    (offset > 0 || is_followed).then_some(Fragment {
        offset,
        is_followed,
        has_ports_of_first: false,
    })
}
