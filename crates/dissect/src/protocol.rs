//! A protocol's entry: its name, how it is reached, its dissector, its records.

use netcap_record::Schema;

use crate::{Context, Cursor, Malformed};

/// Reads one layer. Emits its records through the context and says what follows.
///
/// A header that is whole gives its record even where something after it (options, entries) is
/// malformed: the record is emitted with what is sound, then the error is returned.
pub type Dissect =
    for<'p, 'c> fn(&mut Cursor<'p>, &mut Context<'p, 'c>) -> Result<Next<'p>, Malformed>;

/// How well octets fit a protocol, as far as they can be judged cheaply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// They contradict it.
    No,
    /// They may be its, or anything; so may what is too short to be judged.
    Possible,
    /// Fields that have few possible values have one of them.
    Good,
}

/// Judges octets that a port leads to a protocol: ports are also numbers that clients happen to have.
pub type Judge = for<'p, 'c> fn(&[u8], &Context<'p, 'c>) -> Fit;

/// A protocol, as the registry knows it.
#[derive(Debug)]
pub struct Protocol {
    /// Name, by which flows and the ledger call it.
    pub name: &'static str,
    /// Reads one layer of it.
    pub dissect: Dissect,
    /// How it is reached.
    pub selectors: &'static [Selector],
    /// Judges what its ports lead to.
    pub judge: Judge,
    /// Records that it emits, the one that stands for the protocol first; none where it only
    /// leads on to others.
    pub schemas: &'static [&'static Schema],
}

impl Protocol {
    /// A protocol that nothing reaches yet and that emits nothing.
    pub const fn new(name: &'static str, dissect: Dissect) -> Protocol {
        Protocol {
            name,
            dissect,
            selectors: &[],
            judge: |_, _| Fit::Possible,
            schemas: &[],
        }
    }

    /// Says which numbers of lower layers lead here.
    pub const fn reached_by(mut self, selectors: &'static [Selector]) -> Protocol {
        self.selectors = selectors;
        self
    }

    /// Says how octets are told from those of others on its ports.
    pub const fn judged_by(mut self, judge: Judge) -> Protocol {
        self.judge = judge;
        self
    }

    /// Says which records come from here.
    pub const fn emits(mut self, schemas: &'static [&'static Schema]) -> Protocol {
        self.schemas = schemas;
        self
    }
}

/// A number by which a lower layer names what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// LINKTYPE of the capture.
    LinkType(u32),
    /// EtherType, IEEE 802 Numbers.
    EtherType(u16),
    /// Destination service access point of an LLC header; 0xff is Novell's raw 802.3.
    LlcSap(u8),
    /// Protocol number of IPv4, next header of IPv6.
    IpProto(u8),
    /// Type of an ICMPv6 message.
    Icmpv6Type(u8),
    /// Port of UDP.
    UdpPort(u16),
    /// Port of TCP.
    TcpPort(u16),
    /// Protocol field of PPP.
    Ppp(u16),
    /// Packet type of EAPOL (IEEE 802.1X).
    Eapol(u8),
    /// Organisation and number of a SNAP header, to which no protocol answers.
    Snap([u8; 3], u16),
    /// A number of another space, to which no protocol answers; the name is for the ledger.
    Other(&'static str, u64),
}

impl Selector {
    /// Number of variants with a table.
    pub(crate) const KINDS: usize = 9;

    /// The table that knows the number, and the number.
    #[inline]
    pub(crate) fn place(self) -> (usize, usize) {
        match self {
            Selector::LinkType(n) => (0, n as usize),
            Selector::EtherType(n) => (1, usize::from(n)),
            Selector::LlcSap(n) => (2, usize::from(n)),
            Selector::IpProto(n) => (3, usize::from(n)),
            Selector::Icmpv6Type(n) => (4, usize::from(n)),
            Selector::UdpPort(n) => (5, usize::from(n)),
            Selector::TcpPort(n) => (6, usize::from(n)),
            Selector::Ppp(n) => (7, usize::from(n)),
            Selector::Eapol(n) => (8, usize::from(n)),
            Selector::Snap(..) | Selector::Other(..) => (Self::KINDS, 0),
        }
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Selector::LinkType(n) => write!(f, "link type {n}"),
            Selector::EtherType(n) => write!(f, "EtherType {n:#06x}"),
            Selector::LlcSap(n) => write!(f, "LLC SAP {n:#04x}"),
            Selector::IpProto(n) => write!(f, "IP protocol {n}"),
            Selector::Icmpv6Type(n) => write!(f, "ICMPv6 type {n}"),
            Selector::UdpPort(n) => write!(f, "UDP port {n}"),
            Selector::TcpPort(n) => write!(f, "TCP port {n}"),
            Selector::Ppp(n) => write!(f, "PPP protocol {n:#06x}"),
            Selector::Eapol(n) => write!(f, "EAPOL type {n}"),
            Selector::Snap([a, b, c], n) => write!(f, "SNAP {a:02x}-{b:02x}-{c:02x} {n:#06x}"),
            Selector::Other(name, n) => write!(f, "{name} {n:#x}"),
        }
    }
}

/// What follows a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'p> {
    /// A layer that the number names. A number that nobody knows makes the packet unknown, unless
    /// there are no octets left.
    Layer(Selector, &'p [u8]),
    /// As `Layer`, but a number that nobody knows is nothing unusual (a port, the type of a
    /// message): the first of the two that somebody knows is taken, else the octets are payload.
    Optional([Selector; 2], &'p [u8]),
    /// Nothing that could be dissected: the innermost layer, or a fragment that waits for others.
    End,
}
