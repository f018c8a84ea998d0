//! One Ethernet frame under construction: headers are appended in order, lengths patched last.

use std::net::IpAddr;

use super::random::Random;

/// Which of two hosts sends; indexes the pairs in [`Ends`].
pub(super) type Side = usize;
/// The host that speaks first.
pub(super) const CLIENT: Side = 0;
/// The host that answers.
pub(super) const SERVER: Side = 1;

pub(super) type Mac = [u8; 6];

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMPV6: u8 = 58;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100;
/// A network card pads what it receives to this length (without the checksum).
const MINIMUM_FRAME: usize = 60;

/// The two hosts of a conversation, as seen at the capture point.
#[derive(Clone)]
pub(super) struct Ends {
    pub(super) mac: [Mac; 2],
    pub(super) vlan: Option<u16>,
    pub(super) address: [IpAddr; 2],
    /// Time to live, hop limit.
    pub(super) hops: [u8; 2],
    pub(super) port: [u16; 2],
}

/// The frame; `octets` may be appended to between a header and [`Frame::finish`].
#[derive(Default)]
pub(super) struct Frame {
    pub(super) octets: Vec<u8>,
    /// Octets that it has on the wire.
    pub(super) wire_length: usize,
    /// Where the IP header starts; 0 if there is none.
    network: usize,
}

impl Frame {
    /// Starts with an Ethernet header, and a VLAN tag where there is one.
    pub(super) fn ethernet(&mut self, ends: &Ends, from: Side, ethertype: u16) {
        self.octets.clear();
        self.network = 0;
        self.octets.extend_from_slice(&ends.mac[1 - from]);
        self.octets.extend_from_slice(&ends.mac[from]);
        if let Some(vlan) = ends.vlan {
            self.u16(ETHERTYPE_VLAN);
            self.u16(vlan);
        }
        self.u16(ethertype);
    }

    /// Starts with Ethernet and IP headers.
    pub(super) fn ip(&mut self, random: &mut Random, ends: &Ends, from: Side, protocol: u8) {
        match (ends.address[from], ends.address[1 - from]) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.ethernet(ends, from, ETHERTYPE_IPV4);
                self.network = self.octets.len();
                let [id_high, id_low, ..] = random.next().to_le_bytes();
                let dont_fragment = if protocol == TCP { 0x40 } else { 0 };
                self.octets
                    .extend_from_slice(&[0x45, 0, 0, 0, id_high, id_low, dont_fragment, 0]);
                self.octets
                    .extend_from_slice(&[ends.hops[from], protocol, 0, 0]);
                self.octets.extend_from_slice(&source.octets());
                self.octets.extend_from_slice(&destination.octets());
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.ethernet(ends, from, ETHERTYPE_IPV6);
                self.network = self.octets.len();
                self.octets
                    .extend_from_slice(&[0x60, 0, 0, 0, 0, 0, protocol, ends.hops[from]]);
                self.octets.extend_from_slice(&source.octets());
                self.octets.extend_from_slice(&destination.octets());
            }
            _ => unreachable!("both ends speak the same IP version"),
        }
    }

    /// Starts with Ethernet, IP and UDP headers; `length` counts the payload of the datagram.
    pub(super) fn udp(&mut self, random: &mut Random, ends: &Ends, from: Side, length: usize) {
        self.ip(random, ends, from, UDP);
        self.u16(ends.port[from]);
        self.u16(ends.port[1 - from]);
        self.u16(8 + length as u16);
        self.u16(random.next() as u16);
    }

    /// Makes an IPv4 packet the fragment of `id` at `offset` octets.
    pub(super) fn fragment(&mut self, id: u16, offset: usize, more: bool) {
        let at = self.network;
        let field = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
        self.octets[at + 4..at + 6].copy_from_slice(&id.to_be_bytes());
        self.octets[at + 6..at + 8].copy_from_slice(&field.to_be_bytes());
    }

    /// Patches the lengths, and pads what came `from` the far side.
    pub(super) fn finish(&mut self, from: Side) {
        let at = self.network;
        let length = self.octets.len() - at;
        match self.octets[at] >> 4 {
            4 if at > 0 => {
                self.octets[at + 2..at + 4].copy_from_slice(&(length as u16).to_be_bytes());
                let sum = internet_checksum(&self.octets[at..at + 20]);
                self.octets[at + 10..at + 12].copy_from_slice(&sum.to_be_bytes());
            }
            6 if at > 0 => {
                let payload = (length - 40) as u16;
                self.octets[at + 4..at + 6].copy_from_slice(&payload.to_be_bytes());
            }
            _ => {}
        }
        if from == SERVER && self.octets.len() < MINIMUM_FRAME {
            self.octets.resize(MINIMUM_FRAME, 0);
        }
        self.wire_length = self.octets.len();
    }

    /// Leaves of a finished frame so many octets, as a capture may.
    pub(super) fn cut_to(&mut self, length: usize) {
        self.octets.truncate(length);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.octets.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.octets.extend_from_slice(&value.to_be_bytes());
    }
}

/// Appends what `write` appends, after its length in two octets.
pub(super) fn with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0, 0]);
    write(out);
    let length = (out.len() - at - 2) as u16;
    out[at..at + 2].copy_from_slice(&length.to_be_bytes());
}

/// The checksum of RFC 1071 over an even number of octets.
fn internet_checksum(octets: &[u8]) -> u16 {
    let words = octets
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}
