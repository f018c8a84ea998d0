//! From a frame to what is noted of it: of any protocol over IPv4 or IPv6, in VLANs or not, with or without a
//! link layer.
//!
//! Guarantees: nothing is read beyond what was captured. What is too short on the wire for what it says is
//! malformed; what only the capture has cut off is left out of the note.

use std::net::IpAddr;

use netcap_capture::{LinkType, Timestamp};

use super::digest::digest;
use super::internet::Internet;
use super::link::{Link, Sender};
use super::message::{Direction, Interface, MgenNote, PacketNote};
use super::protocol::{TCP, UDP, has_ports};
use crate::mgen;

/// Octets of a frame that are needed at most: Ethernet with four tags (30), the header of IPv6 (40), 90 octets
/// of extension headers, and 96 that the digest covers, in which all lies that is looked at of MGEN in UDP. In
/// TCP that is 60 octets of header and 40 of the message. IPv4 with all options takes less.
pub const SNAPLEN: u32 = 256;

/// Why a frame makes no note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoNote {
    /// It carries something else than IP, or its link is of a kind that is not known.
    NotIp,
    /// It is too short for what it says it is, or a header cannot be.
    Malformed,
}

/// A frame, as captured.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// What it begins with.
    pub link_type: LinkType,
    /// When.
    pub time: Timestamp,
    /// As much of it as was captured.
    pub octets: &'a [u8],
    /// Octets that it had on the wire.
    pub wire_length: u32,
}

/// What is noted of a frame that came over the interface of that number.
///
/// # Errors
/// Why there is nothing.
pub fn note(frame: &Frame<'_>, number: u16, interface: &Interface) -> Result<PacketNote, NoNote> {
    // What claims to have been shorter on the wire than captured was not.
    let captured = u32::try_from(frame.octets.len()).unwrap_or(u32::MAX);
    let wire_length = frame.wire_length.max(captured);
    let link = Link::of(frame.link_type, frame.octets)?;
    let room = wire_length as usize - (frame.octets.len() - link.packet.len());
    let ip = Internet::of(link.packet, link.version, room)?;
    let mut ports = None;
    let mut mgen = None;
    if ip.begins() && has_ports(ip.protocol) {
        if ip.carried_length < 4 {
            return Err(NoNote::Malformed);
        }
        ports = ip
            .carried
            .first_chunk()
            .map(|&[a, b, c, d]| (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])));
        mgen = ports.and_then(|(_, port)| mgen_of(&ip, port));
    }
    let is_above_mtu = interface.mtu > 0 && ip.length > interface.mtu as usize;
    Ok(PacketNote {
        time: nanoseconds(frame.time),
        interface: number,
        direction: direction(link.sender, interface, (ip.source, ip.destination)),
        source: ip.source,
        destination: ip.destination,
        protocol: ip.protocol,
        hops_left: ip.hops_left,
        traffic_class: ip.traffic_class,
        length: u32::try_from(ip.length).unwrap_or(u32::MAX),
        wire_length,
        is_uncut: ip.is_uncut || is_above_mtu,
        identification: ip.identification,
        fragment: ip.fragment,
        ports,
        vlans: link.vlans,
        digest: digest(ip.protocol, ip.carried, ip.carried_length, ip.begins()),
        mgen,
    })
}

/// Nanoseconds since 1970; times that are beyond what 64 bits hold are at their end.
fn nanoseconds(time: Timestamp) -> i64 {
    let seconds = time.seconds.saturating_mul(1_000_000_000);
    seconds.saturating_add(time.nanos.into())
}

/// Which way a packet goes: by what the link says, else by the interface's addresses.
fn direction(
    sender: Sender,
    interface: &Interface,
    (source, destination): (IpAddr, IpAddr),
) -> Direction {
    let is_sent = match (sender, interface.mac) {
        (Sender::Host(is_ours), _) => is_ours,
        (Sender::Mac(found), Some(ours)) => found == ours,
        _ if interface.addresses.contains(&source) => true,
        _ if interface.addresses.contains(&destination) => false,
        _ => return Direction::Unknown,
    };
    match is_sent {
        true => Direction::Sent,
        false => Direction::Received,
    }
}

/// What MGEN says: in a datagram, or at the beginning of what a segment carries.
fn mgen_of(ip: &Internet<'_>, port: u16) -> Option<MgenNote> {
    let found = match ip.protocol {
        UDP => {
            let (header, payload) = ip.carried.split_first_chunk::<8>()?;
            let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
            mgen::message(payload, length.saturating_sub(8), ip.destination, port)
        }
        TCP => {
            let header_length = 4 * usize::from(ip.carried.get(12)? >> 4);
            let payload = ip.carried.get(header_length.max(20)..)?;
            mgen::message_in_stream(payload, ip.destination, port)
        }
        _ => None,
    };
    found.map(|message| MgenNote {
        flow_id: message.flow_id,
        sequence: message.sequence,
        is_certain: message.is_certain,
    })
}

#[cfg(test)]
mod tests;
