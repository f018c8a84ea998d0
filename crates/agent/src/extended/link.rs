//! From a frame to the IP packet in it, and what the link says of who has sent it.
//!
//! Guarantee: nothing is read beyond what was captured.

use netcap_capture::LinkType;

use super::frame::NoNote;
use super::message::MOST_VLANS;
use crate::mode::Mac;

/// Octets before the EtherType of Ethernet, and of the two forms in which Linux gives packets of links of any
/// kind (LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2).
const ETHERNET: usize = 12;
const SLL: usize = 14;
const SLL2: usize = 20;
/// EtherTypes (IANA): IPv4, IPv6, and the tags of IEEE 802.1Q, 802.1ad and what preceded it.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// Protocols of PPP (IANA), and what comes before them where PPP is framed as HDLC does (RFC 1662).
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
const PPP_FRAMED: [u8; 2] = [0xff, 0x03];
/// A packet that the host itself has sent (LINKTYPE_LINUX_SLL).
const OUTGOING: u16 = 4;
/// IPv6 among the address families of Linux, NetBSD and OpenBSD, FreeBSD, and macOS (LINKTYPE_NULL).
const FAMILIES_OF_IPV6: [u32; 4] = [10, 24, 28, 30];
const FAMILY_OF_IPV4: u32 = 2;

/// Who has sent a frame, as far as its link says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// The host itself, or another.
    Host(bool),
    /// Whoever has this address.
    Mac(Mac),
    /// It does not say.
    Unknown,
}

/// What is in a frame.
#[derive(Debug)]
pub(super) struct Link<'a> {
    /// From the header of IP on; of that version, or of either.
    pub(super) packet: &'a [u8],
    pub(super) version: Option<u8>,
    /// Tags, the outer first.
    pub(super) vlans: Vec<u16>,
    pub(super) sender: Sender,
}

impl<'a> Link<'a> {
    /// What is in a frame of such a link.
    pub(super) fn of(link_type: LinkType, octets: &'a [u8]) -> Result<Link<'a>, NoNote> {
        match link_type {
            LinkType::ETHERNET => {
                let (_, source) = octets.split_at_checked(6).ok_or(NoNote::Malformed)?;
                let source = source.first_chunk().ok_or(NoNote::Malformed)?;
                Link::tagged(octets, ETHERNET, Vec::new(), Sender::Mac(Mac(*source)))
            }
            LinkType::LINUX_SLL => {
                let is_ours = number(octets, 0)? == OUTGOING;
                Link::tagged(octets, SLL, Vec::new(), Sender::Host(is_ours))
            }
            LinkType::LINUX_SLL2 => {
                let is_ours = octets.get(10).ok_or(NoNote::Malformed)? == &(OUTGOING as u8);
                let sender = Sender::Host(is_ours);
                let rest = octets.get(SLL2..).ok_or(NoNote::Malformed)?;
                match number(octets, 0)? {
                    // The tag that it announces comes first, and then what that announces.
                    kind if TAGS.contains(&kind) => {
                        Link::tagged(rest, 2, vec![number(rest, 0)?], sender)
                    }
                    kind => Link::internet(kind, rest, Vec::new(), sender),
                }
            }
            LinkType::RAW => Ok(Link::plain(octets, None)),
            LinkType::IPV4 => Ok(Link::plain(octets, Some(4))),
            LinkType::IPV6 => Ok(Link::plain(octets, Some(6))),
            // The order of octets of LINKTYPE_NULL is that of whoever has captured it.
            LinkType::NULL | LinkType::LOOP => {
                let (family, rest) = octets.split_first_chunk().ok_or(NoNote::Malformed)?;
                let is_of = |known| {
                    [u32::from_be_bytes(*family), u32::from_le_bytes(*family)].contains(known)
                };
                match () {
                    () if is_of(&FAMILY_OF_IPV4) => Ok(Link::plain(rest, Some(4))),
                    () if FAMILIES_OF_IPV6.iter().any(is_of) => Ok(Link::plain(rest, Some(6))),
                    () => Err(NoNote::NotIp),
                }
            }
            LinkType::PPP => {
                let octets = octets.strip_prefix(&PPP_FRAMED).unwrap_or(octets);
                // An odd first octet is all of the protocol (RFC 1661, section 6.5).
                let first = *octets.first().ok_or(NoNote::Malformed)?;
                let (protocol, rest) = match first & 1 {
                    1 => (first.into(), &octets[1..]),
                    _ => (number(octets, 0)?, &octets[2..]),
                };
                match protocol {
                    PPP_IPV4 => Ok(Link::plain(rest, Some(4))),
                    PPP_IPV6 => Ok(Link::plain(rest, Some(6))),
                    _ => Err(NoNote::NotIp),
                }
            }
            _ => Err(NoNote::NotIp),
        }
    }

    /// What follows the EtherType at that place, and the tags that it announces, behind those.
    fn tagged(
        octets: &'a [u8],
        mut at: usize,
        mut vlans: Vec<u16>,
        sender: Sender,
    ) -> Result<Link<'a>, NoNote> {
        loop {
            let kind = number(octets, at)?;
            if !TAGS.contains(&kind) || vlans.len() == MOST_VLANS {
                let packet = octets.get(at + 2..).unwrap_or_default();
                return Link::internet(kind, packet, vlans, sender);
            }
            vlans.push(number(octets, at + 2)?);
            at += 4;
        }
    }

    fn internet(
        kind: u16,
        packet: &'a [u8],
        vlans: Vec<u16>,
        sender: Sender,
    ) -> Result<Link<'a>, NoNote> {
        let version = match kind {
            IPV4 => 4,
            IPV6 => 6,
            _ => return Err(NoNote::NotIp),
        };
        Ok(Link {
            packet,
            version: Some(version),
            vlans,
            sender,
        })
    }

    /// A packet without anything that says where it comes from.
    fn plain(packet: &'a [u8], version: Option<u8>) -> Link<'a> {
        Link {
            packet,
            version,
            vlans: Vec::new(),
            sender: Sender::Unknown,
        }
    }
}

/// Two octets in network order.
fn number(octets: &[u8], at: usize) -> Result<u16, NoNote> {
    let octets = octets.get(at..).and_then(<[u8]>::first_chunk);
    octets
        .map(|octets| u16::from_be_bytes(*octets))
        .ok_or(NoNote::Malformed)
}
