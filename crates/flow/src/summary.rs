//! The spine of a packet: what state across packets is kept by.
//!
//! A summary is read off the layers that a walk has entered, so dissectors need not know of it. Of
//! several layers of a kind (tunnels) the outermost counts.

use netcap_dissect::Layer;
use netcap_record::{Ip, Mac, Time};

/// Protocols with MAC addresses at both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkProtocol {
    /// Ethernet II and IEEE 802.3.
    Ethernet,
    /// Fiber Distributed Data Interface.
    Fddi,
}

/// Protocols with IP addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkProtocol {
    /// Version 4.
    Ipv4,
    /// Version 6.
    Ipv6,
}

/// Protocols with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportProtocol {
    /// Transmission Control Protocol.
    Tcp,
    /// User Datagram Protocol.
    Udp,
    /// Stream Control Transmission Protocol.
    Sctp,
}

/// What is innermost, as flow records name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Application {
    /// Nothing that counts as an application.
    #[default]
    None,
    /// Octets that no dissector claims.
    Payload,
    /// A piece of an IPv4 datagram.
    Fragment,
    /// Domain Name System.
    Dns,
    /// Network Time Protocol.
    Ntp,
    /// Session Initiation Protocol.
    Sip,
}

impl LinkProtocol {
    /// Name of the layer.
    pub fn name(self) -> &'static str {
        match self {
            LinkProtocol::Ethernet => "Ethernet",
            LinkProtocol::Fddi => "FDDI",
        }
    }
}

impl NetworkProtocol {
    /// Name of the layer.
    pub fn name(self) -> &'static str {
        match self {
            NetworkProtocol::Ipv4 => "IPv4",
            NetworkProtocol::Ipv6 => "IPv6",
        }
    }
}

impl TransportProtocol {
    /// Name of the layer.
    pub fn name(self) -> &'static str {
        match self {
            TransportProtocol::Tcp => "TCP",
            TransportProtocol::Udp => "UDP",
            TransportProtocol::Sctp => "SCTP",
        }
    }

    fn of_number(number: u8) -> Option<TransportProtocol> {
        match number {
            6 => Some(TransportProtocol::Tcp),
            17 => Some(TransportProtocol::Udp),
            132 => Some(TransportProtocol::Sctp),
            _ => None,
        }
    }
}

impl Application {
    /// Name of the layer.
    pub fn name(self) -> &'static str {
        match self {
            Application::None => "",
            Application::Payload => "Payload",
            Application::Fragment => "Fragment",
            Application::Dns => "DNS",
            Application::Ntp => "NTP",
            Application::Sip => "SIP",
        }
    }
}

/// Two ends of a protocol, and which protocol: what is keyed by and what records show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends<P, A> {
    /// The protocol.
    pub protocol: P,
    /// The sender.
    pub source: A,
    /// The receiver.
    pub destination: A,
}

impl<P, A: Copy + Ord> Ends<P, A> {
    /// The same ends in an order of their own, as one key for both directions, and whether that
    /// exchanged them.
    #[inline]
    pub(crate) fn sorted(self) -> (Ends<P, A>, bool) {
        if self.source <= self.destination {
            (self, false)
        } else {
            (self.exchanged(true), true)
        }
    }

    /// The ends exchanged, if `exchanged`.
    #[inline]
    pub(crate) fn exchanged(self, exchanged: bool) -> Ends<P, A> {
        if !exchanged {
            return self;
        }
        Ends {
            protocol: self.protocol,
            source: self.destination,
            destination: self.source,
        }
    }
}

/// MAC addresses of the outermost link layer, as numbers of 48 bits.
pub type Link = Ends<LinkProtocol, u64>;
/// Addresses of the outermost network layer, as numbers of 32 or 128 bits.
pub type Network = Ends<NetworkProtocol, u128>;
/// Ports of the outermost transport layer.
pub type Transport = Ends<TransportProtocol, u16>;

impl Link {
    /// The addresses as records have them.
    pub(crate) fn macs(&self) -> (Mac, Mac) {
        let mac = |address: u64| {
            let [_, _, a, b, c, d, e, f] = address.to_be_bytes();
            Mac([a, b, c, d, e, f])
        };
        (mac(self.source), mac(self.destination))
    }
}

impl Network {
    /// The addresses as records have them.
    pub(crate) fn ips(&self) -> (Ip, Ip) {
        (self.ip(self.source), self.ip(self.destination))
    }

    fn ip(&self, address: u128) -> Ip {
        match self.protocol {
            NetworkProtocol::Ipv4 => Ip::V4((address as u32).to_be_bytes()),
            NetworkProtocol::Ipv6 => Ip::V6(address.to_be_bytes()),
        }
    }

    /// Appends an address as the text that a flow's name is made of: that of Go's `net.IP`, in
    /// which an IPv4 address in IPv6 is an IPv4 address.
    pub(crate) fn write(&self, address: u128, out: &mut Vec<u8>) {
        let is_mapped = address >> 32 == 0xffff;
        match self.ip(address) {
            Ip::V6(_) if is_mapped => Ip::V4((address as u32).to_be_bytes()).write_text(out),
            ip => ip.write_text(out),
        }
    }
}

/// The outermost layers with addresses or ports: what flows are keyed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Layers {
    /// Link layer.
    pub link: Option<Link>,
    /// Network layer.
    pub network: Option<Network>,
    /// Transport layer.
    pub transport: Option<Transport>,
}

/// What the fragments of a datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Datagram {
    /// Its addresses.
    pub network: Network,
    /// Protocol of its payload in IPv4, 0 in IPv6.
    pub protocol: u8,
    /// Identification.
    pub id: u32,
}

/// A fragment in the outermost network layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is a piece of.
    pub datagram: Datagram,
    /// The ends that the first fragment shows.
    pub transport: Option<Transport>,
}

/// What trackers know of a packet.
#[derive(Clone, Debug)]
pub struct PacketSummary {
    /// Capture time.
    pub time: Time,
    /// Captured octets.
    pub octets: u32,
    /// What it is keyed by.
    pub layers: Layers,
    /// What is innermost.
    pub application: Application,
    /// Octets of that: of a payload, a fragment, or the body of a SIP message.
    pub application_octets: u32,
    /// Set where the outermost network layer holds a fragment.
    pub piece: Option<Box<Piece>>,
}

impl PacketSummary {
    /// Reads the summary off the layers of a packet that was walked.
    #[inline]
    pub fn of(layers: &[Layer<'_>], time: Time, octets: usize) -> PacketSummary {
        let mut summary = PacketSummary {
            time,
            octets: u32::try_from(octets).unwrap_or(u32::MAX),
            layers: Layers::default(),
            application: Application::None,
            application_octets: 0,
            piece: None,
        };
        for layer in layers {
            summary.add(layer);
        }
        if let Some(last) = layers.last() {
            summary.end(last);
        }
        summary
    }

    #[inline]
    fn add(&mut self, layer: &Layer<'_>) {
        match layer.protocol {
            "IPv4" if self.layers.network.is_none() => self.add_ipv4(layer.octets),
            "TCP" => self.add_transport(TransportProtocol::Tcp, layer.octets),
            "Ethernet" if self.layers.link.is_none() => {
                self.layers.link = layer.octets.first_chunk::<12>().map(|octets| {
                    let (destination, source) = macs(octets);
                    ends(LinkProtocol::Ethernet, source, destination)
                });
            }
            "UDP" => self.add_transport(TransportProtocol::Udp, layer.octets),
            "IPv6" if self.layers.network.is_none() => {
                // Addresses after eight octets, RFC 8200 section 3.
                self.layers.network = layer.octets.first_chunk::<40>().map(|octets| {
                    let address = |at| {
                        let bytes = std::array::from_fn(|i| octets[at + i]);
                        u128::from_be_bytes(bytes)
                    };
                    ends(NetworkProtocol::Ipv6, address(8), address(24))
                });
            }
            "SCTP" => self.add_transport(TransportProtocol::Sctp, layer.octets),
            "IPv6Fragment" if self.layers.transport.is_none() && self.piece.is_none() => {
                self.add_ipv6_fragment(layer.octets);
            }
            "FDDI" if self.layers.link.is_none() => {
                // Frame control, then destination and source, the bits of each octet turned round.
                self.layers.link = layer.octets.first_chunk::<13>().map(|octets| {
                    let [_, addresses @ ..] = octets;
                    let (destination, source) = macs(&addresses.map(u8::reverse_bits));
                    ends(LinkProtocol::Fddi, source, destination)
                });
            }
            _ => {}
        }
    }

    fn add_ipv4(&mut self, octets: &[u8]) {
        let Some(header) = octets.first_chunk::<20>() else {
            return;
        };
        let address = |at| u32::from_be_bytes(std::array::from_fn(|i| header[at + i]));
        let network = ends(
            NetworkProtocol::Ipv4,
            u128::from(address(12)),
            u128::from(address(16)),
        );
        self.layers.network = Some(network);
        let fragment = u16::from_be_bytes([header[6], header[7]]);
        // An offset, or more fragments.
        if fragment & 0x3fff == 0 {
            return;
        }
        let payload = octets
            .get(usize::from(header[0] & 15) * 4..)
            .unwrap_or_default();
        let first = fragment & 0x1fff == 0;
        self.piece = Some(Box::new(Piece {
            datagram: Datagram {
                network,
                protocol: header[9],
                id: u32::from(u16::from_be_bytes([header[4], header[5]])),
            },
            transport: first.then(|| ports(header[9], payload)).flatten(),
        }));
    }

    /// Next header, reserved, offset and flags, identification (RFC 8200 section 4.5).
    fn add_ipv6_fragment(&mut self, octets: &[u8]) {
        let (Some(header), Some(network)) = (octets.first_chunk::<8>(), self.layers.network) else {
            return;
        };
        let place = u16::from_be_bytes([header[2], header[3]]);
        // Neither an offset nor more fragments: an atomic fragment (RFC 6946).
        if place & 0xfff9 == 0 {
            return;
        }
        let payload = octets.get(8..).unwrap_or_default();
        self.piece = Some(Box::new(Piece {
            datagram: Datagram {
                network,
                protocol: 0,
                id: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            },
            transport: (place & 0xfff8 == 0)
                .then(|| ports(header[0], payload))
                .flatten(),
        }));
    }

    #[inline]
    fn add_transport(&mut self, protocol: TransportProtocol, octets: &[u8]) {
        if self.layers.transport.is_none()
            && let Some([a, b, c, d]) = octets.first_chunk()
        {
            let (source, destination) =
                (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
            self.layers.transport = Some(ends(protocol, source, destination));
        }
    }

    /// What the innermost layer says of the application.
    #[inline]
    fn end(&mut self, last: &Layer<'_>) {
        let octets = last.octets;
        let (application, size) = match last.protocol {
            // A data offset in units of four octets, RFC 9293 section 3.1.
            "TCP" => match octets.get(12) {
                Some(offset) => {
                    let header = usize::from(offset >> 4) * 4;
                    (
                        Application::Payload,
                        octets.len().saturating_sub(header.max(20)),
                    )
                }
                None => (Application::None, 0),
            },
            "UDP" => (Application::Payload, octets.len().saturating_sub(8)),
            "ICMPv4" => (Application::Payload, octets.len().saturating_sub(8)),
            // After type, code and checksum, in messages that are not of discovery (RFC 4861) and
            // not of multicast listeners (RFC 2710, RFC 3810).
            "ICMPv6" => match octets.first() {
                Some(130..=137 | 143) | None => (Application::None, 0),
                Some(_) => (Application::Payload, octets.len().saturating_sub(4)),
            },
            // What follows the addresses is padding, but the format of 2019 counts it.
            "ARP" => match octets.first_chunk::<6>() {
                Some([_, _, _, _, hardware, protocol]) => {
                    let message = 8 + 2 * (usize::from(*hardware) + usize::from(*protocol));
                    (Application::Payload, octets.len().saturating_sub(message))
                }
                None => (Application::None, 0),
            },
            "DNS" => (Application::Dns, 0),
            "NTP" => (Application::Ntp, 0),
            "SIP" => {
                let body = octets.windows(4).position(|four| four == b"\r\n\r\n");
                (Application::Sip, body.map_or(0, |at| octets.len() - at - 4))
            }
            "IPv4" if self.piece.is_some() => {
                let header = octets
                    .first()
                    .map_or(0, |first| usize::from(first & 15) * 4);
                (
                    Application::Fragment,
                    octets.len().saturating_sub(header.max(20)),
                )
            }
            "IPv6Fragment" => (Application::Fragment, octets.len().saturating_sub(8)),
            _ => (Application::None, 0),
        };
        // An empty payload is none.
        if application != Application::Payload || size > 0 {
            self.application = application;
            self.application_octets = u32::try_from(size).unwrap_or(u32::MAX);
        }
    }
}

#[inline]
fn ends<P, A>(protocol: P, source: A, destination: A) -> Ends<P, A> {
    Ends {
        protocol,
        source,
        destination,
    }
}

#[inline]
fn macs(octets: &[u8; 12]) -> (u64, u64) {
    let mac = |at| {
        u64::from_be_bytes(std::array::from_fn(|i| {
            if i < 2 { 0 } else { octets[at + i - 2] }
        }))
    };
    (mac(0), mac(6))
}

/// The ports that a first fragment shows.
fn ports(protocol: u8, payload: &[u8]) -> Option<Transport> {
    let protocol = TransportProtocol::of_number(protocol)?;
    let [a, b, c, d] = *payload.first_chunk()?;
    Some(ends(
        protocol,
        u16::from_be_bytes([a, b]),
        u16::from_be_bytes([c, d]),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer<'p>(protocol: &'static str, octets: &'p [u8]) -> Layer<'p> {
        Layer { protocol, octets }
    }

    fn summary(layers: &[Layer<'_>]) -> PacketSummary {
        PacketSummary::of(layers, Time::default(), 100)
    }

    const ETHERNET: &[u8] = b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\x00";
    const IPV4: &[u8] =
        b"\x45\0\0\x20\x12\x34\0\0\x40\x11\0\0\x0a\0\0\x01\x0a\0\0\x02\0\x35\x04\0\0\x0c\0\0abcd";

    #[test]
    fn the_outermost_of_each_kind_counts() {
        let udp = &IPV4[20..];
        let inner = layer("Ethernet", &ETHERNET[2..]);
        let found = summary(&[
            layer("Ethernet", ETHERNET),
            layer("IPv4", IPV4),
            layer("UDP", udp),
            layer("VXLAN", b"\x08\0\0\0\0\0\0\0"),
            inner,
            layer("TCP", &[0; 20]),
        ]);
        let link = found.layers.link.expect("Ethernet");
        assert_eq!((link.source & 0xff, link.destination & 0xff), (1, 2));
        let network = found.layers.network.expect("IPv4");
        assert_eq!(
            network.ips(),
            (Ip::V4([10, 0, 0, 1]), Ip::V4([10, 0, 0, 2]))
        );
        let transport = found.layers.transport.expect("UDP");
        assert_eq!((transport.source, transport.destination), (53, 1024));
        assert_eq!(found.application, Application::None);
    }

    #[test]
    fn what_is_innermost() {
        let cases: &[(&'static str, &[u8], Application, u32)] = &[
            ("UDP", &IPV4[20..], Application::Payload, 4),
            ("UDP", &IPV4[20..28], Application::None, 0),
            (
                "TCP",
                b"\0\x50\0\x50\0\0\0\0\0\0\0\0\x50\0\0\0\0\0\0\0abc",
                Application::Payload,
                3,
            ),
            ("TCP", b"\0\x50\0\x50", Application::None, 0),
            ("DNS", b"0123456789ab", Application::Dns, 0),
            ("SIP", b"OPTIONS x SIP/2.0\r\n\r\nbody", Application::Sip, 4),
            ("ICMPv4", b"\x08\0\0\0\0\0\0\0data", Application::Payload, 4),
            ("ICMPv6", b"\x87\0\0\0data", Application::None, 0),
            ("ICMPv6", b"\x01\0\0\0data", Application::Payload, 4),
            ("LLC", b"\x42\x42\x03", Application::None, 0),
        ];
        for (protocol, octets, application, size) in cases {
            let found = summary(&[layer(protocol, octets)]);
            let is = (found.application, found.application_octets);
            assert_eq!(is, (*application, *size), "{protocol}");
        }
    }

    #[test]
    fn fragments() {
        let mut first = IPV4.to_vec();
        first[6] = 0x20;
        let found = summary(&[layer("IPv4", &first)]);
        assert_eq!(
            (found.application, found.application_octets),
            (Application::Fragment, 12)
        );
        let piece = found.piece.expect("a fragment");
        assert_eq!(piece.datagram.id, 0x1234);
        assert_eq!(
            piece.transport.map(|t| (t.source, t.destination)),
            Some((53, 1024))
        );
        let mut later = IPV4.to_vec();
        later[7] = 1;
        let piece = summary(&[layer("IPv4", &later)]).piece.expect("a fragment");
        assert_eq!(piece.transport, None);
    }
}
