//! Our own connections, told apart from the traffic that is captured.
//!
//! A stream sent over the interface that it is captured from would be captured, sent, captured...
//! Guarantee: no packet of a TCP connection to one of our listening ports, or of one that we have
//! opened, and no datagram to a group that we send to gets into the stream, over IPv4 or IPv6, in VLANs or not. Not told apart: what others do
//! with the stream, such as a tunnel of another program.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{PoisonError, RwLock};

use netcap_capture::LinkType;

/// Connections that we have opened, remembered beyond their end for what is still under way.
const MAX_OPENED: usize = 256;

/// EtherTypes (IANA): IPv4, IPv6, and the tags of IEEE 802.1Q, 802.1ad and what preceded it.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// Packets that hold all that a filter for the ports of TCP looks at, and ours are among them: those of
/// IPv4 without options (which moves the ports) from 40 octets, of IPv6 from 60. That is as long as ours
/// are at least, without a header of the link; and with one of up to 16 octets, as of Ethernet, the ports
/// lie before that.
const WHOLE_IPV4: &str = "greater 40 and ip[0] & 0xf = 5";
const WHOLE_IPV6: &str = "greater 60 and ip6";

/// IP protocol numbers of TCP and UDP.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Where our own traffic goes.
#[derive(Debug, Default)]
pub struct OwnTraffic {
    /// Where we listen.
    listening: Vec<SocketAddr>,
    /// The machine's addresses: what listening on all of them means.
    addresses: Vec<IpAddr>,
    /// Multicast groups that we send to.
    groups: Vec<SocketAddr>,
    /// Both ends of what we have opened.
    opened: RwLock<VecDeque<(SocketAddr, SocketAddr)>>,
}

impl OwnTraffic {
    /// That of somebody who listens there, on a machine with those addresses.
    pub fn new(listening: Vec<SocketAddr>, addresses: Vec<IpAddr>) -> OwnTraffic {
        OwnTraffic {
            listening,
            addresses,
            ..OwnTraffic::default()
        }
    }

    /// And of somebody who sends to these groups. What others send there is theirs and ours: if all record what
    /// all send, it never ends.
    #[must_use]
    pub fn with_groups(self, groups: Vec<SocketAddr>) -> OwnTraffic {
        OwnTraffic { groups, ..self }
    }

    /// Says that we have opened a connection with these ends.
    pub fn opened(&self, ends: (SocketAddr, SocketAddr)) {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if opened.len() >= MAX_OPENED {
            opened.pop_front();
        }
        opened.push_back((canonical(ends.0), canonical(ends.1)));
    }

    /// Whether a packet is ours.
    pub fn contains(&self, link_type: LinkType, octets: &[u8]) -> bool {
        ends(link_type, octets).is_some_and(|ends| self.has(&ends))
    }

    /// Whether a packet with these ends is ours.
    pub(crate) fn has(&self, &(protocol, source, destination): &Ends) -> bool {
        if protocol == UDP {
            return self.groups.contains(&destination);
        }
        if self.listens(source) || self.listens(destination) {
            return true;
        }
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        opened
            .iter()
            .any(|&(a, b)| (a, b) == (source, destination) || (b, a) == (source, destination))
    }

    /// The filter that has the kernel drop what comes to our listening ports, so that it costs
    /// nothing; empty if we do not listen.
    ///
    /// It drops nothing else. A filter that looks beyond the end of a packet drops it, whatever was
    /// looked for, so this one looks at nothing that a shorter packet than ours may lack.
    pub fn filter(&self) -> String {
        let mut terms = Vec::new();
        for place in &self.listening {
            let port = place.port();
            let ip = place.ip().to_canonical();
            let hosts = match ip.is_unspecified() {
                true => self.addresses.clone(),
                false => vec![ip],
            };
            for (is_here, whole) in [
                (IpAddr::is_ipv4 as fn(&IpAddr) -> bool, WHOLE_IPV4),
                (IpAddr::is_ipv6, WHOLE_IPV6),
            ] {
                let here = hosts.iter().filter(|ip| is_here(ip));
                let here: Vec<_> = here.map(|ip| format!("host {ip}")).collect();
                if !here.is_empty() {
                    let here = here.join(" or ");
                    terms.push(format!("not ({whole} and ({here}) and tcp port {port})"));
                } else if hosts.is_empty() {
                    terms.push(format!("not ({whole} and tcp port {port})"));
                }
            }
        }
        terms.join(" and ")
    }

    fn listens(&self, end: SocketAddr) -> bool {
        self.listening.iter().any(|place| {
            let ip = place.ip().to_canonical();
            let is_here = if ip.is_unspecified() {
                self.addresses.is_empty() || self.addresses.contains(&end.ip())
            } else {
                ip == end.ip()
            };
            place.port() == end.port() && is_here
        })
    }
}

/// IPv4 that is written as IPv6 is IPv4, and zones are of no matter.
fn canonical(end: SocketAddr) -> SocketAddr {
    SocketAddr::new(end.ip().to_canonical(), end.port())
}

/// TCP or UDP, and both ends, if a packet shows them.
pub(crate) type Ends = (u8, SocketAddr, SocketAddr);

/// The ends of a packet, if it shows them.
pub(crate) fn ends(link_type: LinkType, octets: &[u8]) -> Option<Ends> {
    match link_type {
        LinkType::ETHERNET => tagged(octets, 12),
        LinkType::LINUX_SLL => tagged(octets, 14),
        LinkType::LINUX_SLL2 => protocol(number(octets, 0)?, octets.get(20..)?),
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => internet(octets),
        LinkType::NULL | LinkType::LOOP => internet(octets.get(4..)?),
        _ => None,
    }
}

/// What follows an EtherType at this place, or the tags that it announces.
fn tagged(octets: &[u8], mut at: usize) -> Option<Ends> {
    // Two tags is what networks have; more is somebody's joke.
    for _ in 0..4 {
        let kind = number(octets, at)?;
        if !TAGS.contains(&kind) {
            return protocol(kind, octets.get(at + 2..)?);
        }
        at += 4;
    }
    None
}

fn protocol(kind: u16, octets: &[u8]) -> Option<Ends> {
    match kind {
        IPV4 | IPV6 => internet(octets),
        // SLL2 leaves tags in front of what they announce.
        kind if TAGS.contains(&kind) => tagged(octets, 2),
        _ => None,
    }
}

/// Addresses and ports of IPv4 (RFC 791) or IPv6 (RFC 8200) that carries TCP or UDP, not in later fragments
/// and not behind IPv6 extension headers, neither of which our own connections have.
fn internet(octets: &[u8]) -> Option<Ends> {
    let (carried, source, destination, ports): (u8, IpAddr, IpAddr, &[u8]) =
        match octets.first()? >> 4 {
            4 => {
                let header = octets.first_chunk::<20>()?;
                let is_later_fragment = number(header, 6)? & 0x1fff != 0;
                if ![TCP, UDP].contains(&header[9]) || is_later_fragment {
                    return None;
                }
                let address = |at: usize| {
                    let octets = *header.get(at..)?.first_chunk::<4>()?;
                    Some(IpAddr::V4(Ipv4Addr::from(octets)))
                };
                let length = usize::from(header[0] & 0x0f) * 4;
                (header[9], address(12)?, address(16)?, octets.get(length..)?)
            }
            6 => {
                let header = octets.first_chunk::<40>()?;
                if ![TCP, UDP].contains(&header[6]) {
                    return None;
                }
                let address = |at: usize| {
                    let octets = *header.get(at..)?.first_chunk::<16>()?;
                    Some(IpAddr::V6(Ipv6Addr::from(octets)).to_canonical())
                };
                (header[6], address(8)?, address(24)?, octets.get(40..)?)
            }
            _ => return None,
        };
    Some((
        carried,
        SocketAddr::new(source, number(ports, 0)?),
        SocketAddr::new(destination, number(ports, 2)?),
    ))
}

/// Two octets in network order.
fn number(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*octets.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use netcap_capture::{Filter, FilterError};

    use super::*;

    fn ipv4(source: [u8; 4], destination: [u8; 4], ports: (u16, u16)) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, TCP, 0, 0];
        packet.extend_from_slice(&source);
        packet.extend_from_slice(&destination);
        packet.extend_from_slice(&ports.0.to_be_bytes());
        packet.extend_from_slice(&ports.1.to_be_bytes());
        packet
    }

    fn ipv6(port: u16) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 20, TCP, 64];
        packet.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
        packet.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
        packet.extend_from_slice(&[9, 9]);
        packet.extend_from_slice(&port.to_be_bytes());
        packet
    }

    fn framed(head: &[u8], packet: &[u8]) -> Vec<u8> {
        [&[0; 12], head, packet].concat()
    }

    #[test]
    fn in_every_wrapping() {
        let own = OwnTraffic::new(
            vec!["10.0.0.1:57012".parse().expect("an address")],
            Vec::new(),
        );
        let there = ipv4([10, 0, 0, 2], [10, 0, 0, 1], (4000, 57012));
        let back = ipv4([10, 0, 0, 1], [10, 0, 0, 2], (57012, 4000));
        for packet in [&there, &back] {
            let ethernet = framed(&[8, 0], packet);
            let vlan = framed(&[0x81, 0, 0, 5, 8, 0], packet);
            let qinq = framed(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0], packet);
            for frame in [ethernet, vlan, qinq] {
                assert!(own.contains(LinkType::ETHERNET, &frame));
                for end in 0..frame.len() {
                    own.contains(LinkType::ETHERNET, &frame[..end]);
                }
            }
            assert!(own.contains(LinkType::RAW, packet));
            assert!(own.contains(
                LinkType::LINUX_SLL,
                &[&[0; 14][..], &[8, 0], packet].concat()
            ));
            assert!(own.contains(
                LinkType::LINUX_SLL2,
                &[&[8, 0][..], &[0; 18], packet].concat()
            ));
            assert!(own.contains(LinkType::NULL, &[&[2, 0, 0, 0][..], packet].concat()));
        }
        let other_port = ipv4([10, 0, 0, 2], [10, 0, 0, 1], (4000, 57013));
        let other_host = ipv4([10, 0, 0, 2], [10, 0, 0, 3], (4000, 57012));
        assert!(!own.contains(LinkType::RAW, &other_port));
        assert!(!own.contains(LinkType::RAW, &other_host));
        assert!(!own.contains(LinkType::RAW, &[]));
    }

    #[test]
    fn what_we_open() {
        let own = OwnTraffic::default();
        let end = |text: &str| text.parse().expect("an address");
        own.opened((end("[::ffff:10.0.0.1]:4000"), end("10.0.0.2:57012")));
        for _ in 0..MAX_OPENED - 1 {
            own.opened((end("[::1]:1"), end("[::1]:2")));
        }
        let there = ipv4([10, 0, 0, 1], [10, 0, 0, 2], (4000, 57012));
        let back = ipv4([10, 0, 0, 2], [10, 0, 0, 1], (57012, 4000));
        let other = ipv4([10, 0, 0, 2], [10, 0, 0, 1], (57012, 4001));
        assert!(own.contains(LinkType::RAW, &there) && own.contains(LinkType::RAW, &back));
        assert!(!own.contains(LinkType::RAW, &other));
        own.opened((end("[::1]:1"), end("[::1]:2")));
        assert!(!own.contains(LinkType::RAW, &there));
    }

    #[test]
    fn datagrams_to_our_groups() {
        let group = "239.1.2.3:7076".parse().expect("an address");
        let own = OwnTraffic::new(Vec::new(), Vec::new()).with_groups(vec![group]);
        let mut packet = ipv4([10, 0, 0, 1], [239, 1, 2, 3], (4000, 7076));
        assert!(!own.contains(LinkType::RAW, &packet));
        packet[9] = UDP;
        assert!(own.contains(LinkType::RAW, &packet));
        let other = ipv4([10, 0, 0, 1], [239, 1, 2, 3], (4000, 7077));
        assert!(!own.contains(LinkType::RAW, &other));
    }

    #[test]
    fn listening_everywhere() {
        let here = vec!["::1".parse().expect("an address")];
        let own = OwnTraffic::new(vec!["[::]:57012".parse().expect("an address")], here);
        assert!(own.contains(LinkType::RAW, &ipv6(57012)));
        assert!(!own.contains(LinkType::RAW, &ipv4([1; 4], [2; 4], (1, 57012))));
        assert_eq!(
            own.filter(),
            "not (greater 60 and ip6 and (host ::1) and tcp port 57012)"
        );
        assert_eq!(OwnTraffic::default().filter(), "");
    }

    #[test]
    fn the_kernel_drops_nothing_that_is_not_ours() {
        let places = ["10.0.0.1:57012", "[::1]:57012", "0.0.0.0:57013"];
        let places = places.map(|place| place.parse().expect("an address"));
        let own = OwnTraffic::new(places.to_vec(), Vec::new());
        let filter = match Filter::new(&own.filter()) {
            Err(FilterError::Libpcap(error)) => {
                eprintln!("skipped: {error}");
                return;
            }
            filter => filter.expect("a filter"),
        };
        let here = [10, 0, 0, 1];
        let mut packets = vec![ipv6(57012), ipv6(57014)];
        for header in 0x40..=0x4f {
            for (source, port) in [(here, 57012), ([10, 0, 0, 2], 57012), (here, 57014)] {
                let mut packet = ipv4(source, [10, 0, 0, 3], (port, 4000));
                packet[0] = header;
                packets.push(packet);
            }
        }
        for packet in packets {
            let whole = [&packet[..], &[0; 20]].concat();
            for (link_type, head) in [
                (LinkType::ETHERNET, vec![0; 12]),
                (LinkType::LINUX_SLL, vec![0; 14]),
                (LinkType::RAW, Vec::new()),
            ] {
                let kind = match packet[0] >> 4 {
                    _ if head.is_empty() => &[][..],
                    4 => &[8, 0],
                    _ => &[0x86, 0xdd],
                };
                let frame = [&head[..], kind, &whole].concat();
                for end in 0..=frame.len() {
                    let cut = &frame[..end];
                    let is_kept = filter.keeps(link_type, cut, end as u32);
                    let is_kept = is_kept.expect("it fits the link");
                    assert!(
                        is_kept || own.contains(link_type, cut),
                        "{link_type:?} {cut:?}"
                    );
                }
            }
        }
        // What is ours and whole never comes.
        for packet in [ipv4(here, [10, 0, 0, 2], (57012, 9)), ipv6(57012)] {
            let header = if packet[0] >> 4 == 4 { 20 } else { 40 };
            let whole = [&packet[..header + 4], &[0; 16]].concat();
            let kind = if header == 20 { [8, 0] } else { [0x86, 0xdd] };
            for (link_type, frame) in [
                (LinkType::ETHERNET, framed(&kind, &whole)),
                (LinkType::RAW, whole),
            ] {
                let length = frame.len() as u32;
                assert_eq!(filter.keeps(link_type, &frame, length).ok(), Some(false));
            }
        }
    }
}
