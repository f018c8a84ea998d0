//! Cisco Discovery Protocol: what a station says of itself to the other end of the cable, as a list
//! of type-length-value entries (TLVs).
//!
//! There is no standard; the format is what Cisco published of it ("Cisco Discovery Protocol packet
//! formats") and what is known of the rest. A header of four octets that is whole gives both
//! records with every TLV that is whole. A TLV whose value contradicts its type makes the packet
//! malformed and stays in `Values`; of a list in it, the sound entries are recorded. A TLV shorter
//! than its own header or longer than the packet makes it malformed too, and no others can be found
//! after it. Of a TLV that comes twice, `CiscoDiscoveryInfo` has the first sound one. Zeros at the end
//! are padding, which links without lengths leave there (PPP, RFC 1661 section 2): there is no type 0.
//! Versions other than 1 and 2 are recorded and malformed. The checksum is not verified.

use std::iter::FilterMap;

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Each, Element, Ip, Mac, Record, Text, Timestamp, Type, put};

use crate::lldp::ObjectIdentifier;

pub(crate) static PROTOCOL: Protocol = Protocol::new("CiscoDiscovery", dissect)
    .reached_by(&[
        // Cisco's number after SNAP with its OUI, and in its HDLC.
        Selector::EtherType(0x2000),
        // IANA, PPP data link layer protocol numbers.
        Selector::Ppp(0x0207),
    ])
    .emits(&[CiscoDiscovery::SCHEMA, CiscoDiscoveryInfo::SCHEMA]);

/// Octets of type and length, which the length counts too.
const TLV_HEADER: u16 = 4;

mod tlv_type {
    pub(super) const DEVICE_ID: u16 = 0x01;
    pub(super) const ADDRESSES: u16 = 0x02;
    pub(super) const PORT_ID: u16 = 0x03;
    pub(super) const CAPABILITIES: u16 = 0x04;
    pub(super) const VERSION: u16 = 0x05;
    pub(super) const PLATFORM: u16 = 0x06;
    pub(super) const IP_PREFIXES: u16 = 0x07;
    pub(super) const HELLO: u16 = 0x08;
    pub(super) const VTP_DOMAIN: u16 = 0x09;
    pub(super) const NATIVE_VLAN: u16 = 0x0a;
    pub(super) const DUPLEX: u16 = 0x0b;
    pub(super) const VLAN_REPLY: u16 = 0x0e;
    pub(super) const VLAN_QUERY: u16 = 0x0f;
    pub(super) const POWER_CONSUMPTION: u16 = 0x10;
    pub(super) const MTU: u16 = 0x11;
    pub(super) const EXTENDED_TRUST: u16 = 0x12;
    pub(super) const UNTRUSTED_COS: u16 = 0x13;
    pub(super) const SYSTEM_NAME: u16 = 0x14;
    pub(super) const SYSTEM_OBJECT: u16 = 0x15;
    pub(super) const MANAGEMENT_ADDRESSES: u16 = 0x16;
    pub(super) const LOCATION: u16 = 0x17;
    pub(super) const POWER_REQUEST: u16 = 0x19;
    pub(super) const POWER_AVAILABLE: u16 = 0x1a;
    pub(super) const ENERGY_WISE: u16 = 0x1d;
    pub(super) const SPARE_PAIR: u16 = 0x1f;

    /// Whether `CiscoDiscoveryInfo` has fields for it.
    pub(super) fn has_fields(kind: u16) -> bool {
        matches!(
            kind,
            DEVICE_ID..=DUPLEX
                | VLAN_REPLY..=LOCATION
                | POWER_REQUEST..=POWER_AVAILABLE
                | ENERGY_WISE
                | SPARE_PAIR
        )
    }
}

/// One CDP packet: its header, and its TLVs as they are.
#[derive(Record)]
#[record("CiscoDiscovery", 83)]
pub(crate) struct CiscoDiscovery<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Version, 1 or 2.
    #[field(2, "Version")]
    version: u8,
    /// Seconds for which what is said here holds, 0 to 255; 0 takes everything back.
    #[field(3, "TTL")]
    ttl: u8,
    /// Checksum as sent; it is not verified.
    #[field(4, "Checksum")]
    checksum: u16,
    /// The TLVs in the order of the packet.
    #[field(5, "Values", csv = List)]
    values: Each<Tlvs<'a>>,
}

/// A TLV as it is.
#[derive(Record, Clone, Copy, Debug)]
#[record("CiscoDiscoveryValue")]
pub(crate) struct Tlv<'a> {
    /// Type: 1 device, 2 addresses, 3 port, 4 capabilities, 5 version, 6 platform, 7 prefixes, 8
    /// hello, 9 VTP domain, 10 native VLAN, 11 duplex, 14 and 15 VLAN, 16 power consumption, 17
    /// MTU, 18 and 19 trust, 20 name, 21 object identifier, 22 management addresses, 23 location,
    /// 25 and 26 power, 29 EnergyWise, 31 spare pair.
    #[field(1, "Type")]
    kind: u16,
    /// Octets of the TLV, the four of type and length included, from 4.
    #[field(2, "Length")]
    length: u16,
    /// The value.
    #[field(3, "Value")]
    value: &'a [u8],
}

/// What the TLVs of a CDP packet say; one for each `CiscoDiscovery`.
#[derive(Record)]
#[record("CiscoDiscoveryInfo", 84)]
pub(crate) struct CiscoDiscoveryInfo<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Hello of another protocol that CDP carries, in practice cluster management.
    #[field(2, "CDPHello")]
    hello: Hello<'a>,
    /// Name or serial number of the station.
    #[field(3, "DeviceID")]
    device_id: Text<'a>,
    /// Addresses of the interface: IPv4 and IPv6 as text, those of other protocols as hexadecimal
    /// octets.
    #[field(4, "Addresses")]
    addresses: Each<Addresses<'a>>,
    /// Port that sent the packet, `FastEthernet0/1`.
    #[field(5, "PortID")]
    port_id: Text<'a>,
    /// What the station does.
    #[field(6, "Capabilities")]
    capabilities: Capabilities,
    /// Version of the software, often several lines.
    #[field(7, "Version")]
    version: Text<'a>,
    /// Hardware of the station, `cisco WS-C3560-24TS`.
    #[field(8, "Platform")]
    platform: Text<'a>,
    /// Networks behind the station, as on-demand routing tells them; a hub's default gateway is an
    /// address without mask.
    #[field(9, "IPPrefixes", csv = List)]
    prefixes: Each<Prefixes<'a>>,
    /// VTP management domain.
    #[field(10, "VTPDomain")]
    vtp_domain: Text<'a>,
    /// VLAN of untagged frames, 1 to 4094; 0 where it is not told.
    #[field(11, "NativeVLAN")]
    native_vlan: u16,
    /// Whether the port works in full duplex; false too where it is not told.
    #[field(12, "FullDuplex")]
    full_duplex: bool,
    /// Which VLAN a telephone shall use.
    #[field(13, "VLANReply")]
    vlan_reply: VlanDialogue,
    /// A telephone asks for its VLAN.
    #[field(14, "VLANQuery")]
    vlan_query: VlanDialogue,
    /// Power that the station draws over the cable, in milliwatts, 0 to 65535.
    #[field(15, "PowerConsumption")]
    power_consumption: u16,
    /// Largest packet of the interface in octets.
    #[field(16, "MTU")]
    mtu: u32,
    /// Whether the priorities of what is connected behind a telephone are trusted: 0 no, 1 yes.
    #[field(17, "ExtendedTrust")]
    extended_trust: u8,
    /// Priority (802.1p, 0 to 7) that packets from an untrusted port get.
    #[field(18, "UntrustedCOS")]
    untrusted_cos: u8,
    /// Name of the station as its administrator gave it.
    #[field(19, "SysName")]
    system_name: Text<'a>,
    /// Object identifier of the kind of station (SNMP sysObjectID), `1.3.6.1.4.1.9.1.1`.
    #[field(20, "SysOID")]
    system_object: ObjectIdentifier<'a>,
    /// Addresses by which the station is managed, written as `Addresses`.
    #[field(21, "MgmtAddresses")]
    management_addresses: Each<Addresses<'a>>,
    /// Where the station stands.
    #[field(22, "Location")]
    location: Location<'a>,
    /// Power that the station asks for.
    #[field(23, "PowerRequest")]
    power_request: PowerDialogue<'a>,
    /// Power that the switch offers.
    #[field(24, "PowerAvailable")]
    power_available: PowerDialogue<'a>,
    /// Power over the spare pairs of the cable.
    #[field(25, "SparePairPoe")]
    spare_pair: SparePair,
    /// EnergyWise, Cisco's management of power.
    #[field(26, "EnergyWise")]
    energy_wise: EnergyWise<'a>,
    /// TLVs of other types, in the order of the packet.
    #[field(27, "Unknown", csv = List)]
    unknown: Each<Unknown<'a>>,
}

/// Hello of another protocol. The fields after `ProtocolID` are those of cluster management; others
/// leave them empty.
#[derive(Record, Clone, Copy, Default)]
#[record("CDPHello")]
pub(crate) struct Hello<'a> {
    /// Organisation that numbers the protocol (OUI), three octets.
    #[field(1, "OUI")]
    oui: &'a [u8],
    /// Its number of the protocol; 274 is cluster management.
    #[field(2, "ProtocolID")]
    protocol: u16,
    /// IPv4 address of the master of the cluster.
    #[field(3, "ClusterMaster")]
    cluster_master: Told<Ip>,
    /// Four octets, perhaps an address, written as one.
    #[field(4, "Unknown1")]
    unknown1: Told<Ip>,
    /// Version of the hello.
    #[field(5, "Version")]
    version: u8,
    /// Second part of the version.
    #[field(6, "SubVersion")]
    sub_version: u8,
    /// Status.
    #[field(7, "Status")]
    status: u8,
    /// One octet of unknown meaning.
    #[field(8, "Unknown2")]
    unknown2: u8,
    /// MAC address of the commander of the cluster.
    #[field(9, "ClusterCommander")]
    cluster_commander: Told<Mac>,
    /// MAC address of the switch.
    #[field(10, "SwitchMAC")]
    switch: Told<Mac>,
    /// One octet of unknown meaning.
    #[field(11, "Unknown3")]
    unknown3: u8,
    /// VLAN by which the cluster is managed.
    #[field(12, "ManagementVLAN")]
    management_vlan: u16,
}

/// What a station does.
#[derive(Record, Clone, Copy, Default)]
#[record("CDPCapabilities")]
pub(crate) struct Capabilities {
    /// It routes.
    #[field(1, "L3Router")]
    router: bool,
    /// It is a transparent bridge.
    #[field(2, "TBBridge")]
    transparent_bridge: bool,
    /// It is a source route bridge.
    #[field(3, "SPBridge")]
    source_route_bridge: bool,
    /// It is a switch, without spanning tree.
    #[field(4, "L2Switch")]
    switch: bool,
    /// It is a host.
    #[field(5, "IsHost")]
    host: bool,
    /// It keeps IGMP reports from ports without routers.
    #[field(6, "IGMPFilter")]
    igmp_filter: bool,
    /// It is a repeater.
    #[field(7, "L1Repeater")]
    repeater: bool,
    /// It is a telephone.
    #[field(8, "IsPhone")]
    phone: bool,
    /// It is managed from afar.
    #[field(9, "RemotelyManaged")]
    remotely_managed: bool,
}

/// A network.
#[derive(Record)]
#[record("IPNet")]
pub(crate) struct Prefix {
    /// Address of the network.
    #[field(1, "IP")]
    ip: Ip,
    /// Its mask, `255.255.255.0`; none where the address is a default gateway.
    #[field(2, "IPMask")]
    mask: Told<Ip>,
}

/// A telephone's question for its VLAN, or the answer.
#[derive(Record, Clone, Copy, Default)]
#[record("CDPVLANDialogue")]
pub(crate) struct VlanDialogue {
    /// First octet, which says what kind of VLAN it is: 1 voice.
    #[field(1, "ID")]
    id: u8,
    /// The VLAN; 0 where it is not told.
    #[field(2, "VLAN")]
    vlan: u16,
}

/// Where a station stands.
#[derive(Record, Clone, Copy, Default)]
#[record("CDPLocation")]
pub(crate) struct Location<'a> {
    /// First octet, the kind of location.
    #[field(1, "Type")]
    kind: u8,
    /// The location.
    #[field(2, "Location")]
    location: Text<'a>,
}

/// Negotiation of power over the cable.
#[derive(Record, Clone, Copy, Default)]
#[record("CDPPowerDialogue")]
pub(crate) struct PowerDialogue<'a> {
    /// Number of the request.
    #[field(1, "ID")]
    id: u16,
    /// Number of the management's round.
    #[field(2, "MgmtID")]
    management_id: u16,
    /// Levels of power in milliwatts.
    #[field(3, "Values")]
    values: Each<Words<'a>>,
}

/// Power over the spare pairs of the cable.
#[derive(Record, Clone, Copy, Default)]
#[record("CDPSparePairPoE")]
pub(crate) struct SparePair {
    /// The switch can feed all four pairs.
    #[field(1, "PSEFourWire")]
    four_wire: bool,
    /// The station feeds on both sets of pairs together, not on each alone.
    #[field(2, "PDArchShared")]
    shared: bool,
    /// The station asks for the spare pairs.
    #[field(3, "PDRequestOn")]
    requested: bool,
    /// The switch feeds the spare pairs.
    #[field(4, "PSEOn")]
    on: bool,
}

/// EnergyWise, Cisco's management of power. Nothing of it is published.
#[derive(Record, Clone, Copy, Default)]
#[record("CDPEnergyWise")]
pub(crate) struct EnergyWise<'a> {
    /// Twenty octets, encrypted.
    #[field(1, "EncryptedData")]
    encrypted: &'a [u8],
    /// Four octets of unknown meaning.
    #[field(2, "Unknown1")]
    unknown1: u32,
    /// Sequence number.
    #[field(3, "SequenceNumber")]
    sequence: u32,
    /// Model of the station, without the zeros that fill its 16 octets.
    #[field(4, "ModelNumber")]
    model: Text<'a>,
    /// Two octets of unknown meaning.
    #[field(5, "Unknown2")]
    unknown2: u16,
    /// Version of the hardware, `V01`.
    #[field(6, "HardwareID")]
    hardware: Text<'a>,
    /// Serial number.
    #[field(7, "SerialNum")]
    serial: Text<'a>,
    /// Eight octets of unknown meaning.
    #[field(8, "Unknown3")]
    unknown3: &'a [u8],
    /// Role of the station.
    #[field(9, "Role")]
    role: Text<'a>,
    /// Domain of the station.
    #[field(10, "Domain")]
    domain: Text<'a>,
    /// Name of the station.
    #[field(11, "Name")]
    name: Text<'a>,
    /// Two octets before the port that answers go to.
    #[field(12, "ReplyUnknown1")]
    reply_unknown1: &'a [u8],
    /// Port that answers go to, two octets.
    #[field(13, "ReplyPort")]
    reply_port: &'a [u8],
    /// IPv4 address that answers go to, four octets.
    #[field(14, "ReplyAddress")]
    reply_address: &'a [u8],
    /// Two octets after the address, perhaps the port of a second server.
    #[field(15, "ReplyUnknown2")]
    reply_unknown2: &'a [u8],
    /// What follows, perhaps the address of a second server.
    #[field(16, "ReplyUnknown3")]
    reply_unknown3: &'a [u8],
}

/// A value that the message leaves out where the packet does not tell it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<E>(Option<E>);

impl<E> Default for Told<E> {
    fn default() -> Told<E> {
        Told(None)
    }
}

impl<E: Element> Element for Told<E> {
    const TYPE: Type = E::TYPE;

    fn is_default(&self) -> bool {
        self.0.as_ref().is_none_or(E::is_default)
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Some(value) = &self.0 {
            value.write(out);
        }
    }
}

/// An address of any protocol, as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    Ip(Ip),
    /// Of another protocol, written as hexadecimal octets.
    Other(&'a [u8]),
}

impl Element for Address<'_> {
    const TYPE: Type = Type::String;

    fn is_default(&self) -> bool {
        false
    }

    fn write(&self, out: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        match self {
            Address::Ip(ip) => ip.write(out),
            Address::Other(octets) => put::delimited(out, |out| {
                let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
                out.extend(digits.filter_map(|digit| HEX.get(usize::from(digit))));
            }),
        }
    }
}

/// Sound addresses at the front of the octets, no more than the packet says there are.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Addresses<'a> {
    octets: &'a [u8],
    left: u32,
}

impl<'a> Iterator for Addresses<'a> {
    type Item = Address<'a>;

    fn next(&mut self) -> Option<Address<'a>> {
        self.left = self.left.checked_sub(1)?;
        let ([_kind, length], rest) = self.octets.split_first_chunk()?;
        let (protocol, rest) = rest.split_at_checked((*length).into())?;
        let (length, rest) = rest.split_first_chunk()?;
        let (address, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        self.octets = rest;
        // The protocol is an NLPID (ISO/IEC TR 9577) or an LLC and SNAP header (IEEE 802.2).
        Some(match (protocol, address) {
            ([0xcc] | [0xaa, 0xaa, 0x03, 0, 0, 0, 0x08, 0x00], [a, b, c, d]) => {
                Address::Ip(Ip::V4([*a, *b, *c, *d]))
            }
            ([0x8e] | [0xaa, 0xaa, 0x03, 0, 0, 0, 0x86, 0xdd], octets) => {
                match octets.first_chunk::<16>() {
                    Some(whole) if octets.len() == 16 => Address::Ip(Ip::V6(*whole)),
                    _ => Address::Other(octets),
                }
            }
            (_, octets) => Address::Other(octets),
        })
    }
}

/// Networks of five octets each, or a default gateway of four.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Prefixes<'a>(&'a [u8]);

impl Iterator for Prefixes<'_> {
    type Item = Prefix;

    fn next(&mut self) -> Option<Prefix> {
        while let Some(([network @ .., bits], rest)) = self.0.split_first_chunk::<5>() {
            self.0 = rest;
            if !is_mask(*bits) {
                continue;
            }
            // A shift by 32 bits is the whole mask.
            let mask = u32::MAX
                .checked_shl(32u32.saturating_sub((*bits).into()))
                .unwrap_or(0);
            return Some(Prefix {
                ip: Ip::V4(*network),
                mask: Told(Some(Ip::V4(mask.to_be_bytes()))),
            });
        }
        let gateway = *std::mem::take(&mut self.0).first_chunk()?;
        Some(Prefix {
            ip: Ip::V4(gateway),
            mask: Told(None),
        })
    }
}

/// Whether a network of IPv4 may have so many bits.
fn is_mask(bits: u8) -> bool {
    bits <= 32
}

/// Numbers of four octets.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Words<'a>(&'a [u8]);

impl Iterator for Words<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*word))
    }
}

/// The whole TLVs at the front of the octets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tlvs<'a>(&'a [u8]);

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    #[inline]
    fn next(&mut self) -> Option<Tlv<'a>> {
        let ([t0, t1, l0, l1], rest) = self.0.split_first_chunk()?;
        let length = u16::from_be_bytes([*l0, *l1]);
        let (value, rest) = rest.split_at_checked(length.checked_sub(TLV_HEADER)?.into())?;
        self.0 = rest;
        Some(Tlv {
            kind: u16::from_be_bytes([*t0, *t1]),
            length,
            value,
        })
    }
}

/// Those of the TLVs that have no fields.
type Unknown<'a> = FilterMap<Tlvs<'a>, fn(Tlv<'a>) -> Option<Tlv<'a>>>;

fn unknown(tlv: Tlv<'_>) -> Option<Tlv<'_>> {
    Some(tlv).filter(|tlv| !tlv_type::has_fields(tlv.kind))
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [version, ttl, c0, c1] = *input.array()?;
    if !matches!(version, 1 | 2) {
        context.note(input.malformed(Reason::Version));
    }
    let timestamp = context.timestamp();
    let tlvs = Tlvs(input.rest());
    let values = Each(tlvs);
    let mut info = CiscoDiscoveryInfo::new(timestamp, tlvs);
    let mut seen = 0u32;
    for tlv in tlvs {
        let bit = 1u32.checked_shl(tlv.kind.into()).unwrap_or(0);
        if seen & bit == 0 {
            match info.take(tlv) {
                Ok(()) => seen |= bit,
                Err(_) => context.note(input.malformed(Reason::Option)),
            }
        }
        input.skip(tlv.length.into())?;
    }
    context.emit(&CiscoDiscovery {
        timestamp,
        version,
        ttl,
        checksum: u16::from_be_bytes([c0, c1]),
        values,
    });
    context.emit(&info);
    let is_padding = input.remaining() != 1 && input.rest().iter().all(|octet| *octet == 0);
    if !is_padding {
        let here = *input;
        let [_, _, l0, l1] = *input.array()?;
        let Some(length) = u16::from_be_bytes([l0, l1]).checked_sub(TLV_HEADER) else {
            return Err(here.malformed(Reason::Length));
        };
        input.skip(length.into())?;
    }
    Ok(Next::End)
}

impl<'a> CiscoDiscoveryInfo<'a> {
    /// Nothing told but the TLVs of unknown types.
    fn new(timestamp: Timestamp, tlvs: Tlvs<'a>) -> CiscoDiscoveryInfo<'a> {
        CiscoDiscoveryInfo {
            timestamp,
            hello: Hello::default(),
            device_id: Text::default(),
            addresses: Each::default(),
            port_id: Text::default(),
            capabilities: Capabilities::default(),
            version: Text::default(),
            platform: Text::default(),
            prefixes: Each::default(),
            vtp_domain: Text::default(),
            native_vlan: 0,
            full_duplex: false,
            vlan_reply: VlanDialogue::default(),
            vlan_query: VlanDialogue::default(),
            power_consumption: 0,
            mtu: 0,
            extended_trust: 0,
            untrusted_cos: 0,
            system_name: Text::default(),
            system_object: ObjectIdentifier::default(),
            management_addresses: Each::default(),
            location: Location::default(),
            power_request: PowerDialogue::default(),
            power_available: PowerDialogue::default(),
            spare_pair: SparePair::default(),
            energy_wise: EnergyWise::default(),
            unknown: Each(tlvs.filter_map(unknown as _)),
        }
    }

    /// Takes over what a TLV says.
    fn take(&mut self, tlv: Tlv<'a>) -> Result<(), Malformed> {
        let mut value = Cursor::new(PROTOCOL.name, tlv.value);
        match tlv.kind {
            tlv_type::DEVICE_ID => self.device_id = Text(tlv.value),
            tlv_type::ADDRESSES => {
                self.addresses = Each(addresses(&mut value)?);
                self.addresses.0.check(value)?;
            }
            tlv_type::PORT_ID => self.port_id = Text(tlv.value),
            tlv_type::CAPABILITIES => self.capabilities = Capabilities::from_bits(value.u32()?),
            tlv_type::VERSION => self.version = Text(tlv.value),
            tlv_type::PLATFORM => self.platform = Text(tlv.value),
            tlv_type::IP_PREFIXES => {
                self.prefixes = Each(prefixes(tlv.value));
                whole(&value, self.prefixes.0.0)?;
                let mut networks = tlv.value.as_chunks::<5>().0.iter();
                if !networks.all(|[.., bits]| is_mask(*bits)) {
                    return Err(value.malformed(Reason::Value));
                }
            }
            tlv_type::HELLO => self.hello = hello(value)?,
            tlv_type::VTP_DOMAIN => self.vtp_domain = Text(tlv.value),
            tlv_type::NATIVE_VLAN => self.native_vlan = value.u16()?,
            tlv_type::DUPLEX => self.full_duplex = value.u8()? != 0,
            tlv_type::VLAN_REPLY => self.vlan_reply = vlan_dialogue(value)?,
            tlv_type::VLAN_QUERY => self.vlan_query = vlan_dialogue(value)?,
            tlv_type::POWER_CONSUMPTION => self.power_consumption = value.u16()?,
            tlv_type::MTU => self.mtu = value.u32()?,
            tlv_type::EXTENDED_TRUST => self.extended_trust = value.u8()?,
            tlv_type::UNTRUSTED_COS => self.untrusted_cos = value.u8()?,
            tlv_type::SYSTEM_NAME => self.system_name = Text(tlv.value),
            tlv_type::SYSTEM_OBJECT => self.system_object = ObjectIdentifier(tlv.value),
            tlv_type::MANAGEMENT_ADDRESSES => {
                self.management_addresses = Each(addresses(&mut value)?);
                self.management_addresses.0.check(value)?;
            }
            tlv_type::LOCATION => {
                self.location = Location {
                    kind: value.u8()?,
                    location: Text(value.take_rest()),
                }
            }
            tlv_type::POWER_REQUEST => {
                self.power_request = power_dialogue(&mut value)?;
                whole(&value, self.power_request.values.0.0)?;
            }
            tlv_type::POWER_AVAILABLE => {
                self.power_available = power_dialogue(&mut value)?;
                whole(&value, self.power_available.values.0.0)?;
            }
            tlv_type::SPARE_PAIR => self.spare_pair = SparePair::from_bits(value.u8()?),
            tlv_type::ENERGY_WISE => self.energy_wise = energy_wise(value)?,
            _ => {}
        }
        Ok(())
    }
}

impl Capabilities {
    fn from_bits(bits: u32) -> Capabilities {
        let has = |bit: u32| bits >> bit & 1 != 0;
        Capabilities {
            router: has(0),
            transparent_bridge: has(1),
            source_route_bridge: has(2),
            switch: has(3),
            host: has(4),
            igmp_filter: has(5),
            repeater: has(6),
            phone: has(7),
            remotely_managed: has(8),
        }
    }
}

impl SparePair {
    fn from_bits(bits: u8) -> SparePair {
        let has = |bit: u32| bits >> bit & 1 != 0;
        SparePair {
            four_wire: has(0),
            shared: has(1),
            requested: has(2),
            on: has(3),
        }
    }
}

/// A count, and as many addresses as there are of those it claims.
fn addresses<'a>(value: &mut Cursor<'a>) -> Result<Addresses<'a>, Malformed> {
    Ok(Addresses {
        left: value.u32()?,
        octets: value.rest(),
    })
}

impl Addresses<'_> {
    /// Whether there are as many as are claimed.
    fn check(self, value: Cursor<'_>) -> Result<(), Malformed> {
        // Every address moves on by four octets or more, so this ends with the octets.
        if self.count() as u64 == u64::from(self.left) {
            Ok(())
        } else {
            Err(value.malformed(Reason::Count))
        }
    }
}

/// The networks that are there whole, or a default gateway.
fn prefixes(octets: &[u8]) -> Prefixes<'_> {
    let whole = match octets.len() {
        4 => 4,
        length => length - length % 5,
    };
    Prefixes(octets.get(..whole).unwrap_or(octets))
}

/// Whether the whole entries of a list are all that a value has.
fn whole(value: &Cursor<'_>, entries: &[u8]) -> Result<(), Malformed> {
    if value.remaining() == entries.len() {
        Ok(())
    } else {
        Err(value.malformed(Reason::Option))
    }
}

fn hello(mut value: Cursor<'_>) -> Result<Hello<'_>, Malformed> {
    /// Cluster management protocol, under Cisco's OUI.
    const CLUSTER: ([u8; 3], u16) = ([0, 0, 0x0c], 0x0112);
    let oui = value.array()?;
    let protocol = value.u16()?;
    let other = Hello {
        oui,
        protocol,
        ..Hello::default()
    };
    if (*oui, protocol) != CLUSTER {
        return Ok(other);
    }
    Ok(Hello {
        cluster_master: Told(Some(Ip::V4(*value.array()?))),
        unknown1: Told(Some(Ip::V4(*value.array()?))),
        version: value.u8()?,
        sub_version: value.u8()?,
        status: value.u8()?,
        unknown2: value.u8()?,
        cluster_commander: Told(Some(Mac(*value.array()?))),
        switch: Told(Some(Mac(*value.array()?))),
        unknown3: value.u8()?,
        management_vlan: value.u16()?,
        ..other
    })
}

/// An octet, and a VLAN that some telephones leave out.
fn vlan_dialogue(mut value: Cursor<'_>) -> Result<VlanDialogue, Malformed> {
    Ok(VlanDialogue {
        id: value.u8()?,
        vlan: if value.is_empty() { 0 } else { value.u16()? },
    })
}

/// Two numbers and the levels that are there whole.
fn power_dialogue<'a>(value: &mut Cursor<'a>) -> Result<PowerDialogue<'a>, Malformed> {
    Ok(PowerDialogue {
        id: value.u16()?,
        management_id: value.u16()?,
        values: Each(Words(value.rest().as_chunks::<4>().0.as_flattened())),
    })
}

fn energy_wise(mut value: Cursor<'_>) -> Result<EnergyWise<'_>, Malformed> {
    const ROLE: u32 = 0x07;
    const DOMAIN: u32 = 0x08;
    const NAME: u32 = 0x09;
    const REPLY_TO: u32 = 0x17;
    let mut record = EnergyWise {
        encrypted: value.bytes(20)?,
        unknown1: value.u32()?,
        sequence: value.u32()?,
        model: padded(value.bytes(16)?),
        unknown2: value.u16()?,
        hardware: padded(value.bytes(3)?),
        serial: padded(value.bytes(11)?),
        unknown3: value.bytes(8)?,
        ..EnergyWise::default()
    };
    let length = value.u16()?;
    let count = value.u16()?;
    let mut table = value.sub(length.into())?;
    for _ in 0..count {
        let kind = table.u32()?;
        // The length counts type and length too.
        let Some(length) = table.u32()?.checked_sub(8) else {
            return Err(table.malformed(Reason::Length));
        };
        let mut entry = table.sub(length as usize)?;
        match kind {
            ROLE => record.role = padded(entry.take_rest()),
            DOMAIN => record.domain = padded(entry.take_rest()),
            NAME => record.name = padded(entry.take_rest()),
            REPLY_TO => {
                record.reply_unknown1 = entry.bytes(2)?;
                record.reply_port = entry.bytes(2)?;
                record.reply_address = entry.bytes(4)?;
                record.reply_unknown2 = entry.bytes(2)?;
                record.reply_unknown3 = entry.take_rest();
            }
            _ => {}
        }
    }
    Ok(record)
}

/// Text without the zeros that fill it up.
fn padded(octets: &[u8]) -> Text<'_> {
    let zeros = octets.iter().rev().take_while(|octet| **octet == 0).count();
    Text(octets.get(..octets.len() - zeros).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{Walked, encoded, every_prefix, walk_cut, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("CiscoDiscovery", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[CiscoDiscovery::SCHEMA, CiscoDiscoveryInfo::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    fn time() -> Timestamp {
        Timestamp::new(1, 2000)
    }

    fn tlv(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = value.len() as u16 + TLV_HEADER;
        [&kind.to_be_bytes(), &length.to_be_bytes(), value].concat()
    }

    fn walk(tlvs: &[u8]) -> Walked {
        walk_packet(PROTOCOLS, 147, &[b"\x02\xb4\x12\x34", tlvs].concat())
    }

    fn discovery(tlvs: &[u8]) -> Vec<u8> {
        encoded(&CiscoDiscovery {
            timestamp: time(),
            version: 2,
            ttl: 180,
            checksum: 0x1234,
            values: Each(Tlvs(tlvs)),
        })
    }

    fn info(tlvs: &[u8]) -> CiscoDiscoveryInfo<'_> {
        CiscoDiscoveryInfo::new(time(), Tlvs(tlvs))
    }

    const ADDRESSES: &[u8] = b"\0\0\0\x03\x01\x01\xcc\0\x04\xc0\0\x02\x0a\
        \x02\x08\xaa\xaa\x03\0\0\0\x86\xdd\0\x10\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a\
        \x01\x01\x81\0\x03\x49\0\x01";

    const MANAGEMENT: &[u8] = b"\0\0\0\x01\x01\x01\xcc\0\x04\xc0\0\x02\x01";

    const HELLO: &[u8] = b"\0\0\x0c\x01\x12\xc0\0\x02\x01\xff\xff\xff\xff\x01\x02\x21\xff\
        \x02\0\x5e\0\0\x01\x02\0\x5e\0\0\x02\xff\0\x07";

    fn energy() -> Vec<u8> {
        let table = [
            b"\0\0\0\x07\0\0\0\x0crole".as_slice(),
            b"\0\0\0\x08\0\0\0\x0cdom\0",
            b"\0\0\0\x09\0\0\0\x0aab",
            b"\0\0\0\x17\0\0\0\x16\0\x01\x10\x20\xc0\0\x02\x0a\x33\x44\xc0\0\x02\x0b",
            b"\0\0\0\x55\0\0\0\x08",
        ]
        .concat();
        let head = b"abcdefghijklmnopqrst\0\0\0\x01\0\0\0\x02MODEL\0\0\0\0\0\0\0\0\0\0\0\
            \x12\x34V01SERIAL12345ABCDEFGH";
        let sizes = [0, table.len() as u8, 0, 5];
        [head.as_slice(), &sizes, &table].concat()
    }

    #[test]
    fn every_field() {
        let energy = energy();
        let tlvs = [
            tlv(1, b"R1"),
            tlv(2, ADDRESSES),
            tlv(3, b"Fa0/1"),
            tlv(4, b"\0\0\x01\xff"),
            tlv(5, b"IOS\n12.2"),
            tlv(6, b"cisco 1601"),
            tlv(7, b"\x0a\0\0\0\x08\xc0\0\x02\0\x18\0\0\0\0\0"),
            tlv(8, HELLO),
            tlv(9, b"vtp"),
            tlv(10, b"\0\x05"),
            tlv(11, b"\x01"),
            tlv(14, b"\x01\0\x14"),
            tlv(15, b"\x01\0\x15"),
            tlv(16, b"\x18\x9c"),
            tlv(17, b"\0\0\x05\xdc"),
            tlv(18, b"\x01"),
            tlv(19, b"\x03"),
            tlv(20, b"r1.example"),
            tlv(21, b"\x06\x08\x2b\x06\x01\x04\x01\x09\x01\x01"),
            tlv(22, MANAGEMENT),
            tlv(23, b"\x02rack 7"),
            tlv(25, b"\0\x01\0\x02\0\0\x3c\x28\0\0\x27\x10"),
            tlv(26, b"\0\x03\0\x04\0\0\x13\x88"),
            tlv(29, &energy),
            tlv(31, b"\x05"),
            tlv(0x1003, b"new"),
        ]
        .concat();
        let walked = walk(&tlvs);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("CiscoDiscovery"), [discovery(&tlvs)]);
        let expected = CiscoDiscoveryInfo {
            hello: Hello {
                oui: b"\0\0\x0c",
                protocol: 0x0112,
                cluster_master: Told(Some(Ip::V4([192, 0, 2, 1]))),
                unknown1: Told(Some(Ip::V4([255; 4]))),
                version: 1,
                sub_version: 2,
                status: 0x21,
                unknown2: 255,
                cluster_commander: Told(Some(Mac([2, 0, 0x5e, 0, 0, 1]))),
                switch: Told(Some(Mac([2, 0, 0x5e, 0, 0, 2]))),
                unknown3: 255,
                management_vlan: 7,
            },
            device_id: Text(b"R1"),
            addresses: Each(Addresses {
                octets: ADDRESSES.split_at(4).1,
                left: 3,
            }),
            port_id: Text(b"Fa0/1"),
            capabilities: Capabilities {
                router: true,
                transparent_bridge: true,
                source_route_bridge: true,
                switch: true,
                host: true,
                igmp_filter: true,
                repeater: true,
                phone: true,
                remotely_managed: true,
            },
            version: Text(b"IOS\n12.2"),
            platform: Text(b"cisco 1601"),
            prefixes: Each(Prefixes(b"\x0a\0\0\0\x08\xc0\0\x02\0\x18\0\0\0\0\0")),
            vtp_domain: Text(b"vtp"),
            native_vlan: 5,
            full_duplex: true,
            vlan_reply: VlanDialogue { id: 1, vlan: 20 },
            vlan_query: VlanDialogue { id: 1, vlan: 21 },
            power_consumption: 6300,
            mtu: 1500,
            extended_trust: 1,
            untrusted_cos: 3,
            system_name: Text(b"r1.example"),
            system_object: ObjectIdentifier(b"\x2b\x06\x01\x04\x01\x09\x01\x01"),
            management_addresses: Each(Addresses {
                octets: MANAGEMENT.split_at(4).1,
                left: 1,
            }),
            location: Location {
                kind: 2,
                location: Text(b"rack 7"),
            },
            power_request: PowerDialogue {
                id: 1,
                management_id: 2,
                values: Each(Words(b"\0\0\x3c\x28\0\0\x27\x10")),
            },
            power_available: PowerDialogue {
                id: 3,
                management_id: 4,
                values: Each(Words(b"\0\0\x13\x88")),
            },
            spare_pair: SparePair {
                four_wire: true,
                requested: true,
                ..SparePair::default()
            },
            energy_wise: EnergyWise {
                encrypted: b"abcdefghijklmnopqrst",
                unknown1: 1,
                sequence: 2,
                model: Text(b"MODEL"),
                unknown2: 0x1234,
                hardware: Text(b"V01"),
                serial: Text(b"SERIAL12345"),
                unknown3: b"ABCDEFGH",
                role: Text(b"role"),
                domain: Text(b"dom"),
                name: Text(b"ab"),
                reply_unknown1: b"\0\x01",
                reply_port: b"\x10\x20",
                reply_address: b"\xc0\0\x02\x0a",
                reply_unknown2: b"\x33\x44",
                reply_unknown3: b"\xc0\0\x02\x0b",
            },
            ..info(&tlvs)
        };
        assert_eq!(walked.of("CiscoDiscoveryInfo"), [encoded(&expected)]);
        let unknown: Vec<_> = info(&tlvs).unknown.0.map(|u| (u.kind, u.value)).collect();
        assert_eq!(unknown, [(0x1003, b"new".as_slice())]);
    }

    #[test]
    fn addresses_of_every_kind() {
        let list = |octets| addresses(&mut Cursor::new("test", octets)).unwrap();
        let found: Vec<_> = list(ADDRESSES).collect();
        let v6 = *b"\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a";
        let expected = [
            Address::Ip(Ip::V4([192, 0, 2, 10])),
            Address::Ip(Ip::V6(v6)),
            Address::Other(b"\x49\0\x01"),
        ];
        assert_eq!(found, expected);
        let mut text = Vec::new();
        Address::Other(b"\x49\0\x0f").write(&mut text);
        assert_eq!(text, b"\x0649000f");
        // None at all; an IPv6 address of the wrong length.
        assert_eq!(walk(&tlv(2, b"\0\0\0\0")).fate, Fate::Decoded);
        let mut odd = list(b"\0\0\0\x01\x01\x01\x8e\0\x02ab");
        assert_eq!(odd.next(), Some(Address::Other(b"ab")));
    }

    #[test]
    fn networks() {
        // No network has more than 32 bits.
        let octets =
            b"\x0a\x01\x02\x03\0\x0a\0\0\0\x0d\x0a\0\0\x02\x21\x0a\0\0\x01\x20\x0a\0\0\x01\xff";
        let masks: Vec<_> = Prefixes(octets).map(|p| (p.ip, p.mask.0)).collect();
        let expected = [
            ([10, 1, 2, 3], [0, 0, 0, 0]),
            ([10, 0, 0, 0], [255, 248, 0, 0]),
            ([10, 0, 0, 1], [255; 4]),
        ]
        .map(|(ip, mask)| (Ip::V4(ip), Some(Ip::V4(mask))));
        assert_eq!(masks, expected);
        let gateway: Vec<_> = Prefixes(b"\x0a\0\0\x01")
            .map(|p| (p.ip, p.mask.0))
            .collect();
        assert_eq!(gateway, [(Ip::V4([10, 0, 0, 1]), None)]);
        for (bits, trouble) in [
            (32, None),
            (33, Some(Reason::Option)),
            (200, Some(Reason::Option)),
        ] {
            let walked = walk(&tlv(7, &[10, 0, 0, 0, 8, 10, 0, 0, 1, bits]));
            assert_eq!(walked.malformed(), trouble, "{bits}");
            assert_eq!(walked.of("CiscoDiscoveryInfo").len(), 1);
        }
    }

    #[test]
    fn hellos_and_questions_in_short() {
        let tlvs = [tlv(8, b"\0\0\x0c\x01\x13rest"), tlv(15, b"\x01")].concat();
        let walked = walk(&tlvs);
        assert_eq!(walked.fate, Fate::Decoded);
        let expected = CiscoDiscoveryInfo {
            hello: Hello {
                oui: b"\0\0\x0c",
                protocol: 0x0113,
                ..Hello::default()
            },
            vlan_query: VlanDialogue { id: 1, vlan: 0 },
            ..info(&tlvs)
        };
        assert_eq!(walked.of("CiscoDiscoveryInfo"), [encoded(&expected)]);
    }

    #[test]
    fn prefixes_of_a_packet() {
        let octets = [
            b"\x02\xb4\x12\x34".as_slice(),
            &tlv(1, b"R1"),
            &tlv(2, ADDRESSES),
            &tlv(29, &energy()),
        ]
        .concat();
        every_prefix(PROTOCOLS, 147, &octets);
        let cut = walk_cut(PROTOCOLS, 147, octets.split_at(16).0, octets.len());
        assert!(matches!(cut.fate, Fate::CutShort(m) if m.had == 2));
        assert_eq!(cut.of("CiscoDiscovery"), [discovery(&tlv(1, b"R1"))]);
        let cut = walk_cut(PROTOCOLS, 147, octets.split_at(3).0, octets.len());
        assert!(matches!(cut.fate, Fate::CutShort(m) if (m.needed, m.had) == (4, 3)));
        assert!(cut.records.is_empty());
    }

    #[test]
    fn values_that_contradict_their_type() {
        let energy = energy();
        let (short_energy, _) = energy.split_at(energy.len() - 1);
        let mut lying_energy = energy.clone();
        lying_energy.splice(79..80, [7]);
        for (kind, value) in [
            (2, &b"\xff\xff\xff\xff"[..]),
            (2, b"\0"),
            (4, b"\0\0\x01"),
            (8, b"\0\0\x0c\x01"),
            (8, HELLO.split_at(31).0),
            (10, b"\x01"),
            (11, b""),
            (14, b""),
            (14, b"\x01\0"),
            (16, b"\x01"),
            (17, b"\0\0\x05"),
            (18, b""),
            (19, b""),
            (22, b"\0\0\0\x01"),
            (23, b""),
            (25, b"\0\x01\0"),
            (29, short_energy),
            (29, &lying_energy),
            (29, b"short"),
            (31, b""),
        ] {
            // What follows is read, and a sound one of the same type counts.
            let tlvs = [tlv(kind, value), tlv(1, b"R1")].concat();
            let walked = walk(&tlvs);
            assert_eq!(
                walked.malformed(),
                Some(Reason::Option),
                "{kind}: {value:02x?}"
            );
            assert_eq!(walked.of("CiscoDiscovery"), [discovery(&tlvs)]);
            let expected = CiscoDiscoveryInfo {
                device_id: Text(b"R1"),
                ..info(&tlvs)
            };
            assert_eq!(walked.of("CiscoDiscoveryInfo"), [encoded(&expected)]);
        }
        let walked = walk(&[tlv(10, b"\x01"), tlv(10, b"\0\x07"), tlv(10, b"\0\x08")].concat());
        assert_eq!(walked.malformed(), Some(Reason::Option));
        let [record] = walked.of("CiscoDiscoveryInfo")[..] else {
            panic!("one record");
        };
        // Field 11, native VLAN.
        assert!(record.windows(2).any(|pair| pair == [11 << 3, 7]));
    }

    #[test]
    fn lists_that_end_early() {
        let list = [
            tlv(
                2,
                b"\0\0\0\x02\x01\x01\xcc\0\x04\xc0\0\x02\x0a\x01\x01\xcc\0\x04\xc0",
            ),
            tlv(7, b"\x0a\0\0\0\x08\x0a\x01\x02\x03"),
            tlv(22, b"\0\0\0\x09\x01\x01\xcc\0\x04\xc0\0\x02\x0b"),
            tlv(25, b"\0\x03\0\x04\0\0\x13\x88\0\0\x13"),
        ];
        for malformed in &list {
            assert_eq!(walk(malformed).malformed(), Some(Reason::Option));
        }
        let tlvs = list.concat();
        let expected = CiscoDiscoveryInfo {
            addresses: Each(Addresses {
                octets: b"\x01\x01\xcc\0\x04\xc0\0\x02\x0a",
                left: 1,
            }),
            prefixes: Each(Prefixes(b"\x0a\0\0\0\x08")),
            management_addresses: Each(Addresses {
                octets: b"\x01\x01\xcc\0\x04\xc0\0\x02\x0b",
                left: 1,
            }),
            power_request: PowerDialogue {
                id: 3,
                management_id: 4,
                values: Each(Words(b"\0\0\x13\x88")),
            },
            ..info(&tlvs)
        };
        assert_eq!(walk(&tlvs).of("CiscoDiscoveryInfo"), [encoded(&expected)]);
        // A whole list behind it counts.
        let whole = tlv(7, b"\x0a\0\0\0\x10");
        let tlvs = [list[1].clone(), whole].concat();
        let expected = CiscoDiscoveryInfo {
            prefixes: Each(Prefixes(b"\x0a\0\0\0\x10")),
            ..info(&tlvs)
        };
        assert_eq!(walk(&tlvs).of("CiscoDiscoveryInfo"), [encoded(&expected)]);
    }

    #[test]
    fn tlvs_that_end_the_list() {
        for (end, reason) in [
            (&b"\0\x03\0\x03abc"[..], Reason::Length),
            (b"\0\0\0\0\x01", Reason::Length),
            (b"\0", Reason::Truncated),
            (b"\0\x03\xff\xffabc", Reason::Truncated),
            (b"\0\x03\0", Reason::Truncated),
        ] {
            let walked = walk(&[&tlv(1, b"R1"), end].concat());
            assert_eq!(walked.malformed(), Some(reason));
            assert_eq!(walked.of("CiscoDiscovery"), [discovery(&tlv(1, b"R1"))]);
        }
    }

    #[test]
    fn padding() {
        for zeros in [&[0, 0][..], &[0; 3], &[0; 40]] {
            let walked = walk(&[&tlv(1, b"R1"), zeros].concat());
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("CiscoDiscovery"), [discovery(&tlv(1, b"R1"))]);
        }
    }

    #[test]
    fn versions() {
        for version in [0, 1, 2, 3] {
            let walked = walk_packet(PROTOCOLS, 147, &[version, 180, 0, 0]);
            assert_eq!(walked.of("CiscoDiscovery").len(), 1);
            let known = version == 1 || version == 2;
            assert_eq!(walked.malformed(), (!known).then_some(Reason::Version));
        }
    }
}
