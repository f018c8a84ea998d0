//! From a frame to the record of it, as agents of 2019 make it: of TCP and UDP over IPv4 in plain
//! Ethernet frames, and of first fragments only.
//!
//! Where the programs of 2019 are wrong this is right: ports lie behind the options of IPv4
//! (14 + 4 x IHL), and nothing is read beyond what was captured. What cannot be read is malformed, and
//! makes no record.

use std::net::Ipv4Addr;

use netcap_capture::{LinkType, Timestamp};

use crate::mgen::{self, Check};
use crate::record::Record;

/// Octets of a packet that are needed at most: Ethernet, IPv4 with 40 octets of options, and the first
/// 36 of UDP, which hold all that is looked at of MGEN.
pub const SNAPLEN: u32 = 128;

const ETHERNET: usize = 14;
/// EtherType of IPv4 (IANA).
const IPV4: u16 = 0x0800;
/// IP protocol numbers (IANA).
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

/// Why a frame makes no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skipped {
    /// Anything but IPv4 right behind Ethernet: IPv6, ARP, tags of VLANs, other kinds of link.
    NotIpv4,
    /// A fragment that is not the first.
    LaterFragment,
    /// IPv4 without TCP or UDP.
    OtherProtocol,
    /// Too short for what it says it is, or a header that cannot be.
    Malformed,
}

impl Skipped {
    /// All of them.
    pub const ALL: [Skipped; 4] = [
        Skipped::NotIpv4,
        Skipped::LaterFragment,
        Skipped::OtherProtocol,
        Skipped::Malformed,
    ];

    /// As it is counted in metrics and summaries.
    pub fn name(self) -> &'static str {
        match self {
            Skipped::NotIpv4 => "not_ipv4",
            Skipped::LaterFragment => "later_fragment",
            Skipped::OtherProtocol => "other_protocol",
            Skipped::Malformed => "malformed",
        }
    }
}

/// The record of a frame.
///
/// # Errors
/// Why there is none.
pub fn record(
    link_type: LinkType,
    time: Timestamp,
    frame: &[u8],
    check: Check,
) -> Result<Record, Skipped> {
    let packet = match link_type {
        LinkType::ETHERNET => {
            let (header, packet) = frame.split_at_checked(ETHERNET).ok_or(Skipped::Malformed)?;
            if header[12..] != IPV4.to_be_bytes() {
                return Err(Skipped::NotIpv4);
            }
            packet
        }
        LinkType::RAW | LinkType::IPV4 => frame,
        _ => return Err(Skipped::NotIpv4),
    };
    let (header, _) = packet.split_first_chunk::<20>().ok_or(Skipped::Malformed)?;
    // RFC 791, section 3.1.
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    if fragment & 0x1fff != 0 {
        return Err(Skipped::LaterFragment);
    }
    if header[0] >> 4 != 4 {
        return Err(Skipped::NotIpv4);
    }
    let protocol = header[9];
    if ![TCP, UDP].contains(&protocol) {
        return Err(Skipped::OtherProtocol);
    }
    let length = 4 * usize::from(header[0] & 0xf);
    if length < header.len() {
        return Err(Skipped::Malformed);
    }
    let segment = packet.get(length..).ok_or(Skipped::Malformed)?;
    let (ports, _) = segment.split_first_chunk::<4>().ok_or(Skipped::Malformed)?;
    let address =
        |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
    let destination = address(16);
    let destination_port = u16::from_be_bytes([ports[2], ports[3]]);
    let flow_id = mgen::classic_flow(check, protocol, segment, destination, destination_port);
    Ok(Record {
        seconds: time.seconds as u32,
        microseconds: time.nanos / 1000,
        source: address(12),
        destination,
        source_port: u16::from_be_bytes([ports[0], ports[1]]),
        destination_port,
        length: u16::from_be_bytes([header[2], header[3]]),
        flow_id: flow_id.unwrap_or_default(),
        protocol,
        flags: 0,
    })
}
