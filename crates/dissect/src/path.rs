//! Who sends what to whom: what the layers of a packet say of it, level by level, as their
//! dissectors read it. State across packets is kept by these facts, so that nobody reads a header
//! twice.
//!
//! A level is a network with the link around it and the transport inside. A link, a tag, a tunnel
//! or a network beneath a network begins the next level, and so does a branch. Of several facts of
//! one kind in a level the first stands, except of tunnels the last, which lies next to what it
//! separates.

use std::hash::{Hash, Hasher};
use std::num::NonZero;

use netcap_record::{Ip, Mac};

use crate::checksum::FinalEnds;
use crate::{Context, Layer, Selector};

/// Two ends of a protocol, and the number of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends<P, A> {
    /// The protocol.
    pub protocol: P,
    /// The sender.
    pub source: A,
    /// The receiver.
    pub destination: A,
}

/// MAC addresses, as numbers of 48 bits, and the LINKTYPE of frames that have them.
pub type Link = Ends<NonZero<u16>, u64>;
/// IP addresses, as numbers of 32 or 128 bits.
pub type Network = Ends<IpVersion, IpNumber>;
/// Ports, and the IP protocol number of what has them.
pub type Transport = Ends<NonZero<u8>, u16>;

/// An IP address as a number. In halves: tables are full of them, and where a `u128` lies it takes
/// up to fifteen octets around it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IpNumber {
    // In this order, by which they compare as the number does.
    upper: u64,
    lower: u64,
}

impl From<u128> for IpNumber {
    #[inline]
    fn from(number: u128) -> IpNumber {
        IpNumber {
            upper: (number >> 64) as u64,
            lower: number as u64,
        }
    }
}

impl From<u32> for IpNumber {
    #[inline]
    fn from(number: u32) -> IpNumber {
        IpNumber {
            upper: 0,
            lower: number.into(),
        }
    }
}

impl From<IpNumber> for u128 {
    #[inline]
    fn from(number: IpNumber) -> u128 {
        u128::from(number.upper) << 64 | u128::from(number.lower)
    }
}

/// Version of the Internet Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IpVersion {
    /// Addresses of 32 bits.
    V4,
    /// Addresses of 128 bits.
    V6,
}

impl<P, A: Copy + Ord> Ends<P, A> {
    /// The same ends in an order of their own, as one key for both directions, and whether that
    /// exchanged them.
    #[inline]
    pub fn sorted(self) -> (Ends<P, A>, bool) {
        if self.source <= self.destination {
            (self, false)
        } else {
            (self.exchanged(true), true)
        }
    }

    /// The ends exchanged, if `exchanged`.
    #[inline]
    pub fn exchanged(self, exchanged: bool) -> Ends<P, A> {
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

// Flows are looked up for every packet, and hashers take few words faster than many numbers.

impl Hash for Link {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.protocol.get()) << 48 | self.source);
        state.write_u64(self.destination);
    }
}

impl Hash for Network {
    /// The version is left out: hardly any addresses of one are numbers of the other.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.source.into());
        state.write_u128(self.destination.into());
    }
}

impl Hash for Transport {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [protocol, source, destination] = [
            self.protocol.get().into(),
            u64::from(self.source),
            u64::from(self.destination),
        ];
        state.write_u64(protocol << 32 | source << 16 | destination);
    }
}

impl Link {
    /// By what its protocol is reached.
    pub fn selector(&self) -> Selector {
        Selector::LinkType(self.protocol.get().into())
    }

    /// Source and destination as records have them.
    pub fn macs(&self) -> (Mac, Mac) {
        let mac = |address: u64| {
            let [_, _, a, b, c, d, e, f] = address.to_be_bytes();
            Mac([a, b, c, d, e, f])
        };
        (mac(self.source), mac(self.destination))
    }
}

impl Network {
    /// By what its protocol is reached.
    pub fn selector(&self) -> Selector {
        // IANA, IEEE 802 Numbers.
        Selector::EtherType(match self.protocol {
            IpVersion::V4 => 0x0800,
            IpVersion::V6 => 0x86dd,
        })
    }

    /// Source and destination as records have them.
    pub fn ips(&self) -> (Ip, Ip) {
        let ip = |address: IpNumber| match self.protocol {
            IpVersion::V4 => Ip::V4((address.lower as u32).to_be_bytes()),
            IpVersion::V6 => Ip::V6(u128::from(address).to_be_bytes()),
        };
        (ip(self.source), ip(self.destination))
    }
}

impl Transport {
    /// Protocols whose first four octets are the ports of source and destination, by their IANA
    /// numbers.
    const WITH_PORTS: [u8; 3] = [6, 17, 132];

    /// The ports that the octets of a protocol begin with.
    #[inline]
    fn read(protocol: u8, octets: &[u8]) -> Option<Transport> {
        let [a, b, c, d] = *octets.first_chunk()?;
        Some(Ends {
            protocol: NonZero::new(protocol)?,
            source: u16::from_be_bytes([a, b]),
            destination: u16::from_be_bytes([c, d]),
        })
    }

    /// Octets of the header of a protocol with ports: RFC 9293 section 3.1, RFC 768, RFC 9260 section 3.
    fn header(protocol: u8, octets: &[u8]) -> u8 {
        match protocol {
            6 => octets.get(12).map_or(20, |offset| offset >> 4 << 2),
            17 => 8,
            _ => 12,
        }
    }

    /// By what its protocol is reached.
    pub fn selector(&self) -> Selector {
        Selector::IpProto(self.protocol.get())
    }
}

/// VLAN tags of a level, outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Vlans {
    ids: [u16; Vlans::MOST],
    count: u8,
}

impl Vlans {
    /// Tags that are kept; two are usual where tags are stacked, and what lies deeper is left out.
    pub const MOST: usize = 4;

    /// Identifiers of the VLANs, 0 to 4095.
    pub fn ids(&self) -> &[u16] {
        self.ids.get(..self.count.into()).unwrap_or_default()
    }

    fn push(&mut self, id: u16) {
        if let Some(slot) = self.ids.get_mut(usize::from(self.count)) {
            *slot = id;
            self.count += 1;
        }
    }
}

/// What the number of a tunnel is: addresses inside mean something within it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TunnelKind {
    /// Virtual network identifier (RFC 7348, RFC 8926), 24 bits.
    VirtualNetwork,
    /// Key of GRE (RFC 2890), 32 bits; of NVGRE (RFC 7637) without the eight of the flow.
    Key,
    /// Tunnel endpoint identifier (3GPP TS 29.281), 32 bits.
    Endpoint,
    /// Label (RFC 3032), 20 bits; of a stack the last.
    Label,
    /// Tunnel of L2TP version 2 in the upper 16 bits, session in the lower (RFC 2661).
    TunnelSession,
    /// Session of L2TP version 3 (RFC 3931), 32 bits.
    Session,
    /// Service instance of a backbone bridge (IEEE 802.1Q-2022, clause 9.7), 24 bits.
    ServiceInstance,
    /// E-channel of a port extender (IEEE 802.1BR-2012, clause 7.5), 22 bits.
    Channel,
    /// Session of PPP over Ethernet (RFC 2516), 16 bits.
    PppSession,
}

/// What tells a tunnel from others between the same ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tunnel {
    /// What the number is.
    pub kind: TunnelKind,
    /// The number.
    pub number: u32,
}

/// A fragment, as the headers of its network tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Protocol of the datagram's payload in version 4, 0 in version 6: what the fragments of one
    /// datagram have in common, beside the addresses.
    pub protocol: u8,
    /// Identification.
    pub id: u32,
    /// Captured octets of the fragment itself, without the header of a transport that it shows.
    pub octets: u32,
    /// Octets of that header.
    header: u8,
    /// The ends that the first fragment shows.
    pub transport: Option<Transport>,
}

/// One level of nesting.
#[derive(Clone, Copy, Debug, Default)]
pub struct Level<'p> {
    /// Its link.
    pub link: Option<Link>,
    /// Its VLANs.
    pub vlans: Vlans,
    /// The tunnel that it is in.
    pub tunnel: Option<Tunnel>,
    /// The last virtual network among its tunnels, one or several inside each other.
    pub virtual_network: Option<u32>,
    /// The last service instance among its tunnels.
    pub service: Option<u32>,
    /// Its network.
    pub network: Option<Network>,
    /// IP protocol number of what the network carries, behind the extension headers of version 6.
    pub protocol: u8,
    /// Type and code of the ICMP message that it carries, of either version.
    pub icmp: Option<[u8; 2]>,
    /// Octets that the network's header tells and that are not there.
    pub missing: u32,
    /// The fragment that its network carries.
    pub piece: Option<Piece>,
    /// Its transport.
    pub transport: Option<Transport>,
    /// Its TCP segment.
    pub segment: Option<SegmentFacts<'p>>,
}

/// A TCP segment (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug)]
pub struct SegmentFacts<'p> {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Sequence number as sent.
    pub sequence: u32,
    /// Acknowledgment number as sent.
    pub acknowledgment: u32,
    /// The octet of the header with CWR, ECE, URG, ACK, PSH, RST, SYN and FIN.
    pub flags: u8,
    /// Window as sent, not scaled.
    pub window: u16,
    /// Window scale that the options of a SYN offer (RFC 7323 section 2.2).
    pub scale: Option<u8>,
    /// What was captured of the payload.
    pub payload: &'p [u8],
}

/// Who read the innermost octets of a packet; [`Registry::application`](crate::Registry::application)
/// has the name.
///
/// A number, so that it is as small as may be where many are kept: that of a protocol in the registry,
/// from 1, or that of a signature, from half the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Application(pub(crate) u16);

impl Application {
    /// Nobody that counts as an application.
    pub const NONE: Application = Application(0);
    /// Nobody: octets that no dissector claims.
    pub const PAYLOAD: Application = Application(u16::MAX);
    /// Nobody yet: a piece of a datagram.
    pub const FRAGMENT: Application = Application(u16::MAX - 1);

    /// Where numbers of signatures begin.
    const SIGNATURES: u16 = 1 << 15;

    pub(crate) fn by_signature(place: u16) -> Application {
        Application(Application::SIGNATURES + place)
    }

    /// The place of the signature, if it is one that told.
    pub(crate) fn signature(self) -> Option<usize> {
        self.0.checked_sub(Application::SIGNATURES).map(usize::from)
    }

    /// What is known of octets of which several packets say something: what the first says that
    /// names a protocol, or that it is a payload, or that it is a piece.
    #[inline]
    #[must_use]
    pub fn or(self, later: Application) -> Application {
        let rank = |application| match application {
            Application::NONE => 0,
            Application::FRAGMENT => 1,
            Application::PAYLOAD => 2,
            _ => 3,
        };
        match rank(self) >= rank(later) {
            true => self,
            false => later,
        }
    }
}

/// Where in a level the layers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// In none: whatever comes next begins one.
    #[default]
    Apart,
    /// Around its network.
    Around,
    /// Inside its network: what goes around one begins the next.
    Inside,
}

/// What the layers of a packet said.
#[derive(Debug, Default)]
pub struct Path<'p> {
    /// Those of this packet, and what others left.
    levels: Vec<Level<'p>>,
    /// How many are of this packet.
    count: usize,
    /// How many are of the first line.
    line: usize,
    /// How many there were before the line or branch that is being walked.
    before: usize,
    place: Place,
    /// Whether any level has a fragment.
    has_pieces: bool,
    /// What a layer said last of the application, and how many layers there were with it.
    said: (usize, Application, &'p [u8]),
    /// How many layers there were with the last that has ports.
    with_ports: usize,
    /// What checksums cover in the place of a network's addresses.
    pub(crate) final_ends: FinalEnds,
    /// Of the last layer of the first line.
    application: (Application, &'p [u8]),
}

impl<'p> Path<'p> {
    /// All levels, those of the first line first, then branch by branch.
    #[inline]
    pub fn levels(&self) -> &[Level<'p>] {
        self.levels.get(..self.count).unwrap_or_default()
    }

    /// Of a packet that was walked: the levels that lie one inside the other, outermost first,
    /// without branches.
    #[inline]
    pub fn line(&self) -> &[Level<'p>] {
        self.levels.get(..self.line).unwrap_or_default()
    }

    /// Who read the innermost octets of the first line, and those octets: all that the innermost
    /// transport carries, a payload of another protocol, or a fragment.
    #[inline]
    pub fn application(&self) -> (Application, &'p [u8]) {
        self.application
    }

    /// The fragment that the first line is a piece of: one in the outermost network, or one of
    /// version 6 in which no ports precede.
    #[inline]
    pub fn piece(&self) -> Option<&Piece> {
        match self.has_pieces {
            true => self.find_piece(),
            false => None,
        }
    }

    #[cold]
    fn find_piece(&self) -> Option<&Piece> {
        let line = match self.line {
            0 => self.levels(),
            _ => self.line(),
        };
        let mut is_outermost = true;
        for level in line {
            if let (Some(piece), Some(network)) = (&level.piece, level.network)
                && (is_outermost || network.protocol == IpVersion::V6)
            {
                return Some(piece);
            }
            if level.transport.is_some() {
                return None;
            }
            is_outermost &= level.network.is_none();
        }
        None
    }

    /// What tells the innermost network so far from others with the same addresses: the VLANs and
    /// tunnels around it, and the addresses of the networks around these, outermost first. Empty
    /// where there is nothing of these.
    #[cold]
    pub fn around(&self) -> Box<[u8]> {
        let levels = self.levels().get(self.before..).unwrap_or_default();
        let mut around = Vec::new();
        for (level, depth) in levels.iter().zip(1..) {
            for id in level.vlans.ids().iter().filter(|id| **id != 0) {
                around.push(b'v');
                around.extend_from_slice(&id.to_be_bytes());
            }
            for (mark, id) in [(b'V', level.virtual_network), (b'I', level.service)] {
                if let Some(id) = id {
                    around.push(mark);
                    around.extend_from_slice(&id.to_be_bytes());
                }
            }
            if let Some(tunnel) = level.tunnel {
                around.extend_from_slice(&[b't', tunnel.kind as u8]);
                around.extend_from_slice(&tunnel.number.to_be_bytes());
            }
            if let Some(network) = level.network.filter(|_| depth < levels.len()) {
                around.extend_from_slice(&[b'n', network.protocol as u8]);
                for address in [network.source, network.destination] {
                    around.extend_from_slice(&u128::from(address).to_be_bytes());
                }
            }
        }
        around.into()
    }

    /// Forgets the packet before and keeps the memory.
    #[inline]
    pub(crate) fn clear(&mut self) {
        (self.count, self.line, self.before) = (0, 0, 0);
        self.place = Place::Apart;
        self.has_pieces = false;
        self.final_ends.forget();
        (self.said.0, self.with_ports) = (0, 0);
    }

    /// Ends the first line, which has these layers, the last of which is of this protocol.
    #[inline]
    pub(crate) fn end_line(&mut self, layers: &[Layer<'p>], protocol: u16) {
        self.line = self.count;
        let (said_by, said, octets) = self.said;
        let ends = self.levels().last().and_then(|last| last.transport);
        // What the ports lead to, if a dissector reads it.
        let above = ends.and_then(|_| layers.get(self.with_ports));
        self.application = match (said_by == layers.len(), above) {
            (true, None) => (said, octets),
            (true, Some(above)) => (said, above.octets),
            (false, None) => (Application::NONE, &[]),
            (false, Some(above)) => (Application(protocol), above.octets),
        };
    }

    /// Turns to a branch.
    pub(crate) fn enter_branch(&mut self) {
        self.place = Place::Apart;
        self.before = self.count;
    }

    /// The level of what a layer says.
    #[inline]
    fn level(&mut self) -> Option<&mut Level<'p>> {
        if self.place == Place::Apart {
            self.begin_level();
        }
        self.levels.get_mut(self.count.wrapping_sub(1))
    }

    /// The level of what a layer around a network says: the next one where this has its network.
    #[inline]
    fn around_network(&mut self) -> Option<&mut Level<'p>> {
        if self.place != Place::Around {
            self.begin_level();
        }
        self.levels.get_mut(self.count.wrapping_sub(1))
    }

    #[inline]
    fn begin_level(&mut self) {
        self.place = Place::Around;
        match self.levels.get_mut(self.count) {
            Some(level) => *level = Level::default(),
            None => self.make_room(),
        }
        self.count += 1;
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self) {
        self.levels.push(Level::default());
    }
}

/// What dissectors say of their layers.
impl<'p> Context<'p, '_> {
    /// What the layers have said so far.
    #[inline]
    pub fn path(&self) -> &Path<'p> {
        &self.path
    }

    /// The frame goes between these MAC addresses: first the destination, then the source, as they
    /// are sent. `linktype` is the LINKTYPE of such frames.
    #[inline]
    pub fn link(&mut self, linktype: u16, addresses: &[u8; 12]) {
        // Eight octets at a time: six are not a number that a machine reads.
        let (Some(first), Some(last)) = (addresses.first_chunk(), addresses.last_chunk()) else {
            return;
        };
        let source = u64::from_be_bytes(*last) & 0xffff_ffff_ffff;
        let destination = u64::from_be_bytes(*first) >> 16;
        if let Some(level) = self.path.around_network()
            && level.link.is_none()
        {
            level.link = NonZero::new(linktype).map(|protocol| Ends {
                protocol,
                source,
                destination,
            });
        }
    }

    /// The frame is of this VLAN.
    #[inline]
    pub fn vlan(&mut self, id: u16) {
        if let Some(level) = self.path.around_network() {
            level.vlans.push(id);
        }
    }

    /// What is inside is in this tunnel.
    #[inline]
    pub fn tunnel(&mut self, kind: TunnelKind, number: u32) {
        if let Some(level) = self.path.around_network() {
            level.tunnel = Some(Tunnel { kind, number });
            match kind {
                TunnelKind::VirtualNetwork => level.virtual_network = Some(number),
                TunnelKind::ServiceInstance => level.service = Some(number),
                _ => {}
            }
        }
    }

    /// The packet goes between these addresses and carries `protocol`; its header tells so many
    /// octets that are not there.
    #[inline]
    pub fn network(&mut self, network: Network, protocol: u8, missing: usize) {
        if let Some(level) = self.path.around_network() {
            level.network = Some(network);
            level.protocol = protocol;
            level.missing = u32::try_from(missing).unwrap_or(u32::MAX);
            self.path.place = Place::Inside;
        }
    }

    /// An extension header of version 6 leads to this protocol.
    #[inline]
    pub fn next_header(&mut self, protocol: u8) {
        // Hop-by-hop options, routing, fragment, destination options: RFC 8200 section 4. What looks
        // like one inside another protocol is not the network's.
        const EXTENSIONS: [u8; 4] = [0, 43, 44, 60];
        if self.path.place == Place::Inside
            && let Some(level) = self.path.level()
            && level
                .network
                .is_some_and(|network| network.protocol == IpVersion::V6)
            && EXTENSIONS.contains(&level.protocol)
        {
            level.protocol = protocol;
        }
    }

    /// The packet is an ICMP message of this type and code.
    #[inline]
    pub fn icmp(&mut self, kind: u8, code: u8) {
        if let Some(level) = self.path.level()
            && level.icmp.is_none()
        {
            level.icmp = Some([kind, code]);
        }
    }

    /// The packet of the network is a fragment. `protocol` is what fragments of its datagram have in
    /// common; `first` is what the first one begins with: a protocol and its octets.
    #[cold]
    pub fn piece(&mut self, protocol: u8, id: u32, first: Option<(u8, &[u8])>) {
        if let Some(level) = self.path.level()
            && level.piece.is_none()
            && level.transport.is_none()
        {
            let first = first.filter(|(protocol, _)| Transport::WITH_PORTS.contains(protocol));
            level.piece = Some(Piece {
                protocol,
                id,
                octets: 0,
                header: first.map_or(0, |(protocol, octets)| Transport::header(protocol, octets)),
                transport: first.and_then(|(protocol, octets)| Transport::read(protocol, octets)),
            });
            self.path.has_pieces = true;
        }
    }

    /// The octets begin with ports of this IP protocol number, unless there are too few.
    #[inline]
    pub fn transport(&mut self, protocol: u8, octets: &[u8]) {
        self.path.with_ports = self.layers.len();
        if let Some(level) = self.path.level()
            && level.transport.is_none()
        {
            level.transport = Transport::read(protocol, octets);
        }
    }

    /// The packet holds this segment.
    #[inline]
    pub fn segment(&mut self, segment: SegmentFacts<'p>) {
        if let Some(level) = self.path.level()
            && level.segment.is_none()
        {
            level.segment = Some(segment);
        }
    }

    /// The fragment at hand has so many octets.
    #[cold]
    pub(crate) fn measure_piece(&mut self, octets: usize) {
        if let Some(level) = self.path.level()
            && let Some(piece) = &mut level.piece
        {
            piece.octets = (octets as u32).saturating_sub(piece.header.into());
        }
    }

    /// If this layer is the innermost, these octets are a piece of a datagram.
    #[inline]
    pub fn fragmented(&mut self, octets: &'p [u8]) {
        self.read_by(Application::FRAGMENT, octets);
    }

    #[inline]
    fn read_by(&mut self, application: Application, octets: &'p [u8]) {
        self.path.said = (self.layers.len(), application, octets);
    }

    /// If this layer is the innermost, nobody reads these octets.
    #[inline]
    pub fn unclaimed(&mut self, octets: &'p [u8]) {
        if !octets.is_empty() {
            self.read_by(Application::PAYLOAD, octets);
        }
    }
}
