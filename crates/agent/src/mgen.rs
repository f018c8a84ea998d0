//! Messages of MGEN (the multi-generator of the Naval Research Laboratory), and the flow that each belongs
//! to.
//!
//! Nothing in a message says that it is one of MGEN; but it repeats its destination, which can be compared:
//!
//! ```text
//!  0  octets of the message   8  sequence number   20  destination port
//!  2  version                12  seconds sent      22  kind of address: 1 for IPv4, 2 for IPv6
//!  3  flags                  16  microseconds      23  octets of the address
//!  4  flow id                                      24  destination address
//! ```

use std::net::{IpAddr, Ipv4Addr};

use crate::classic::{TCP, UDP};

/// How sure it must be that a message is one of MGEN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// Only the destination is compared, as in 2019, and in segments of TCP too, as if they were of UDP:
    /// whoever repeats a destination at that place is taken for MGEN.
    #[default]
    Classic,
    /// Only in UDP; the length must be right too, and the version one that there is.
    Strict,
}

/// Octets of a message with an IPv4 destination, as far as it is looked at.
const SHORTEST: usize = 28;
/// The same with an IPv6 destination.
const SHORTEST_OF_IPV6: usize = 40;
/// Octets of a UDP header.
const UDP_HEADER: usize = 8;
/// Versions that there have been: MGEN 4.2 and 5 write 2 to 4, before them 1.
const VERSIONS: std::ops::RangeInclusive<u8> = 1..=4;

/// What a message of MGEN says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its flow.
    pub flow_id: u32,
    /// Its number in the flow.
    pub sequence: u32,
    /// Whether it is one beyond doubt: its length and version are right as well.
    pub is_certain: bool,
}

/// Reads a message, the payload of a datagram; `length` is how many octets that has on the wire.
pub fn message(payload: &[u8], length: usize, destination: IpAddr, port: u16) -> Option<Message> {
    read(payload, destination, port, |size| size == length)
}

/// Reads a message with which the payload of a segment begins. It may go on in later segments, and others may
/// come behind it, so that of its length only the least can be told.
pub fn message_in_stream(payload: &[u8], destination: IpAddr, port: u16) -> Option<Message> {
    let shortest = match destination {
        IpAddr::V4(_) => SHORTEST,
        IpAddr::V6(_) => SHORTEST_OF_IPV6,
    };
    read(payload, destination, port, |size| size >= shortest)
}

fn read(
    payload: &[u8],
    destination: IpAddr,
    port: u16,
    is_right: impl Fn(usize) -> bool,
) -> Option<Message> {
    let (header, address) = payload.split_at_checked(24)?;
    let wide = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let repeated = match (destination, (header[22], header[23])) {
        (IpAddr::V4(ip), (1, 4)) => address.get(..4)? == ip.octets(),
        (IpAddr::V6(ip), (2, 16)) => address.get(..16)? == ip.octets(),
        _ => false,
    };
    if header[20..22] != port.to_be_bytes() || !repeated {
        return None;
    }
    let size = usize::from(u16::from_be_bytes([header[0], header[1]]));
    Some(Message {
        flow_id: wide(4),
        sequence: wide(8),
        is_certain: is_right(size) && VERSIONS.contains(&header[2]),
    })
}

/// The flow of a segment of TCP or UDP as the record of 28 octets has it.
pub(crate) fn classic_flow(
    check: Check,
    protocol: u8,
    segment: &[u8],
    destination: Ipv4Addr,
    port: u16,
) -> Option<u32> {
    if segment.len() < UDP_HEADER + SHORTEST || check == Check::Strict && protocol == TCP {
        return None;
    }
    let (header, payload) = segment.split_at(UDP_HEADER);
    debug_assert!(protocol == UDP || check == Check::Classic);
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let length = length.saturating_sub(UDP_HEADER);
    let found = message(payload, length, destination.into(), port)?;
    (check == Check::Classic || found.is_certain).then_some(found.flow_id)
}
