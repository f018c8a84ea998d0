//! Link Layer Discovery Protocol (IEEE 802.1AB-2016): what a station says of itself to the other
//! end of the cable, as a list of type-length-value entries (TLVs).
//!
//! The first three, chassis, port and time to live, are the header: an LLDPDU without them in this
//! order is to be discarded (clause 9.2.7.7), so it gives no record. One that has them gives both
//! records with every TLV that is whole. A TLV whose value contradicts its type makes the packet
//! malformed and stays in `Values`. What follows the end of the LLDPDU is padding; the end itself
//! may be missing. Of a TLV that comes twice, `LinkLayerDiscoveryInfo` has the first sound one.

use std::io::Write;
use std::iter::FilterMap;

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Each, Element, Record, Text, Timestamp, Type, put};

pub(crate) static PROTOCOL: Protocol = Protocol::new("LinkLayerDiscovery", dissect)
    .reached_by(&[Selector::EtherType(0x88cc)])
    .emits(&[LinkLayerDiscovery::SCHEMA, LinkLayerDiscoveryInfo::SCHEMA]);

/// TLV types, IEEE 802.1AB-2016 table 8-1.
mod tlv_type {
    pub(super) const END: u8 = 0;
    pub(super) const CHASSIS_ID: u8 = 1;
    pub(super) const PORT_ID: u8 = 2;
    pub(super) const TIME_TO_LIVE: u8 = 3;
    pub(super) const PORT_DESCRIPTION: u8 = 4;
    pub(super) const SYSTEM_NAME: u8 = 5;
    pub(super) const SYSTEM_DESCRIPTION: u8 = 6;
    pub(super) const SYSTEM_CAPABILITIES: u8 = 7;
    pub(super) const MANAGEMENT_ADDRESS: u8 = 8;
    /// First and last of the reserved types.
    pub(super) const RESERVED: std::ops::RangeInclusive<u8> = 9..=126;
    pub(super) const ORGANIZATION: u8 = 127;
}

/// Largest chassis or port identifier (IEEE 802.1AB-2016, clauses 8.5.2 and 8.5.3).
const ID_MAX: usize = 255;

/// One LLDPDU (IEEE 802.1AB): who sent it, and its TLVs as they are.
#[derive(Record)]
#[record("LinkLayerDiscovery", 18)]
pub(crate) struct LinkLayerDiscovery<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// The station that sent it.
    #[field(2, "ChassisID")]
    chassis: ChassisId<'a>,
    /// Its port.
    #[field(3, "PortID")]
    port: PortId<'a>,
    /// Seconds for which what is said here holds, 0 to 65535; 0 takes everything back.
    #[field(4, "TTL")]
    ttl: u16,
    /// The TLVs after chassis, port and time to live, in the order of the frame.
    #[field(5, "Values", csv = List)]
    values: Each<Selected<'a, LinkLayerDiscoveryValue<'a>>>,
}

/// Identifier of a station (IEEE 802.1AB-2016, clause 8.5.2).
#[derive(Record, Clone, Copy)]
#[record("LLDPChassisID", 19)]
pub(crate) struct ChassisId<'a> {
    /// What the identifier is: 1 chassis component, 2 interface alias, 3 port component, 4 MAC
    /// address, 5 network address, 6 interface name, 7 whatever the station chose.
    #[field(1, "Subtype")]
    subtype: u8,
    /// The identifier, 1 to 255 octets; a network address begins with its address family, 1 for
    /// IPv4, 2 for IPv6.
    #[field(2, "ID")]
    id: &'a [u8],
}

/// Identifier of a port (IEEE 802.1AB-2016, clause 8.5.3).
#[derive(Record, Clone, Copy)]
#[record("LLDPPortID", 20)]
pub(crate) struct PortId<'a> {
    /// What the identifier is: 1 interface alias, 2 port component, 3 MAC address, 4 network
    /// address, 5 interface name, 6 agent circuit ID, 7 whatever the station chose.
    #[field(1, "Subtype")]
    subtype: u8,
    /// The identifier, 1 to 255 octets; a network address begins with its address family, 1 for
    /// IPv4, 2 for IPv6.
    #[field(2, "ID")]
    id: &'a [u8],
}

/// A TLV as it is.
#[derive(Record)]
#[record("LinkLayerDiscoveryValue", 21)]
pub(crate) struct LinkLayerDiscoveryValue<'a> {
    /// Type, 4 to 127: 4 port description, 5 system name, 6 system description, 7 capabilities, 8
    /// management address, 127 an organisation's own; 9 to 126 are reserved.
    #[field(1, "Type")]
    kind: u8,
    /// Octets of the value, 0 to 511.
    #[field(2, "Length")]
    length: u16,
    /// The value.
    #[field(3, "Value")]
    value: &'a [u8],
}

/// What the TLVs of an LLDPDU say; one for each `LinkLayerDiscovery`.
#[derive(Record)]
#[record("LinkLayerDiscoveryInfo", 24)]
pub(crate) struct LinkLayerDiscoveryInfo<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Description of the port, as a person wrote it.
    #[field(2, "PortDescription")]
    port_description: Text<'a>,
    /// Name of the station, often its domain name.
    #[field(3, "SysName")]
    system_name: Text<'a>,
    /// Hardware, operating system and software of the station.
    #[field(4, "SysDescription")]
    system_description: Text<'a>,
    /// What the station can do and does; nothing where it does not say.
    #[field(5, "SysCapabilities")]
    capabilities: SystemCapabilities,
    /// Where the station is managed; the first address if it has several.
    #[field(6, "MgmtAddress")]
    management_address: ManagementAddress<'a>,
    /// TLVs that an organisation defined, in the order of the frame.
    #[field(7, "OrgTLVs")]
    organization: Each<Selected<'a, OrganizationTlv<'a>>>,
    /// TLVs of reserved types, in the order of the frame.
    #[field(8, "Unknown")]
    unknown: Each<Selected<'a, LinkLayerDiscoveryValue<'a>>>,
}

/// Capabilities of a station (IEEE 802.1AB-2016, clause 8.5.8).
#[derive(Record, Clone, Copy, Default)]
#[record("LLDPSysCapabilities", 25, nested = Bare)]
pub(crate) struct SystemCapabilities {
    /// What it can do.
    #[field(1, "SystemCap")]
    system: Capabilities,
    /// What of it is enabled.
    #[field(2, "EnabledCap")]
    enabled: Capabilities,
}

/// A set of capabilities (IEEE 802.1AB-2016, table 8-4).
#[derive(Record, Clone, Copy, Default)]
#[record("LLDPCapabilities", 26)]
pub(crate) struct Capabilities {
    /// Something else.
    #[field(1, "Other")]
    other: bool,
    /// Repeater.
    #[field(2, "Repeater")]
    repeater: bool,
    /// MAC bridge.
    #[field(3, "Bridge")]
    bridge: bool,
    /// Access point of a wireless LAN.
    #[field(4, "WLANAP")]
    access_point: bool,
    /// Router.
    #[field(5, "Router")]
    router: bool,
    /// Telephone.
    #[field(6, "Phone")]
    phone: bool,
    /// DOCSIS cable device.
    #[field(7, "DocSis")]
    docsis: bool,
    /// Station and nothing else.
    #[field(8, "StationOnly")]
    station_only: bool,
    /// Customer VLAN component of a bridge.
    #[field(9, "CVLAN")]
    customer_vlan: bool,
    /// Service VLAN component of a bridge.
    #[field(10, "SVLAN")]
    service_vlan: bool,
    /// Two-port MAC relay.
    #[field(11, "TMPR")]
    two_port_relay: bool,
}

/// Address of a station's management (IEEE 802.1AB-2016, clause 8.5.9).
#[derive(Record, Clone, Copy, Default)]
#[record("LLDPMgmtAddress", 27)]
pub(crate) struct ManagementAddress<'a> {
    /// Address family (IANA): 1 IPv4, 2 IPv6, 6 MAC address.
    #[field(1, "Subtype")]
    subtype: u8,
    /// The address, 1 to 31 octets.
    #[field(2, "Address")]
    address: &'a [u8],
    /// How the interface is numbered: 1 unknown, 2 by interface index, 3 by system port number.
    #[field(3, "InterfaceSubtype")]
    interface_subtype: u8,
    /// Number of the interface.
    #[field(4, "InterfaceNumber")]
    interface: u32,
    /// Object identifier of the hardware or protocol behind the address, `1.3.6.1.2.1`.
    #[field(5, "OID")]
    object: ObjectIdentifier<'a>,
}

/// A TLV that an organisation defined (IEEE 802.1AB-2016, clause 8.6).
#[derive(Record)]
#[record("LLDPOrgSpecificTLV", 28)]
pub(crate) struct OrganizationTlv<'a> {
    /// The organisation (OUI), 24 bits: 32962 (00-80-c2) is IEEE 802.1, 4623 (00-12-0f) IEEE
    /// 802.3, 4795 (00-12-bb) LLDP-MED.
    #[field(1, "OUI")]
    oui: u32,
    /// The organisation's number of the TLV, 0 to 255.
    #[field(2, "SubType")]
    subtype: u8,
    /// The organisation's octets, 0 to 507.
    #[field(3, "Info")]
    info: &'a [u8],
}

impl Capabilities {
    fn from_bits(bits: u16) -> Capabilities {
        let has = |bit: u32| bits >> bit & 1 != 0;
        Capabilities {
            other: has(0),
            repeater: has(1),
            bridge: has(2),
            access_point: has(3),
            router: has(4),
            phone: has(5),
            docsis: has(6),
            station_only: has(7),
            customer_vlan: has(8),
            service_vlan: has(9),
            two_port_relay: has(10),
        }
    }
}

/// An object identifier (X.690, clause 8.19), written with dots.
///
/// Some senders leave the tag and length of BER in front, some do not. An arc that does not end is
/// left out; one beyond 128 bits is written as the largest number of 128 bits.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct ObjectIdentifier<'a>(pub(crate) &'a [u8]);

impl ObjectIdentifier<'_> {
    fn write_text(&self, out: &mut Vec<u8>) {
        let octets = match self.0 {
            [0x06, length, contents @ ..] if usize::from(*length) == contents.len() => contents,
            octets => octets,
        };
        let (mut arc, mut first) = (0u128, true);
        for octet in octets {
            arc = if arc > u128::MAX >> 7 {
                u128::MAX
            } else {
                arc << 7 | u128::from(octet & 0x7f)
            };
            if octet & 0x80 != 0 {
                continue;
            }
            // Writing to a Vec cannot fail.
            if first {
                // Two arcs in one number, the first of them 0 to 2.
                let root = (arc / 40).min(2);
                drop(write!(out, "{root}.{}", arc - 40 * root));
            } else {
                drop(write!(out, ".{arc}"));
            }
            (arc, first) = (0, false);
        }
    }
}

impl Element for ObjectIdentifier<'_> {
    const TYPE: Type = Type::String;

    fn is_default(&self) -> bool {
        self.0.is_empty()
    }

    fn write(&self, out: &mut Vec<u8>) {
        put::delimited(out, |out| self.write_text(out));
    }
}

/// A type-length-value entry (IEEE 802.1AB-2016, clause 8.4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tlv<'a> {
    kind: u8,
    value: &'a [u8],
}

/// The whole TLVs at the front of the octets, up to the end of the LLDPDU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tlvs<'a>(&'a [u8]);

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    #[inline]
    fn next(&mut self) -> Option<Tlv<'a>> {
        let (head, rest) = self.0.split_first_chunk()?;
        let (kind, length) = type_and_length(*head);
        let (value, rest) = rest.split_at_checked(length)?;
        if kind == tlv_type::END {
            return None;
        }
        self.0 = rest;
        Some(Tlv { kind, value })
    }
}

/// Some of the TLVs, as messages of one type.
type Selected<'a, M> = FilterMap<Tlvs<'a>, fn(Tlv<'a>) -> Option<M>>;

/// Seven bits of type, nine of length.
#[inline]
fn type_and_length(head: [u8; 2]) -> (u8, usize) {
    let [high, low] = head;
    (high >> 1, usize::from(high & 1) << 8 | usize::from(low))
}

/// A TLV as it is, unless it is one of those that have fields of their own.
fn value(tlv: Tlv<'_>) -> Option<LinkLayerDiscoveryValue<'_>> {
    let header = [
        tlv_type::CHASSIS_ID,
        tlv_type::PORT_ID,
        tlv_type::TIME_TO_LIVE,
    ];
    (!header.contains(&tlv.kind)).then_some(LinkLayerDiscoveryValue {
        kind: tlv.kind,
        // A length has nine bits.
        length: tlv.value.len() as u16,
        value: tlv.value,
    })
}

fn unknown(tlv: Tlv<'_>) -> Option<LinkLayerDiscoveryValue<'_>> {
    value(tlv).filter(|value| tlv_type::RESERVED.contains(&value.kind))
}

fn organization(tlv: Tlv<'_>) -> Option<OrganizationTlv<'_>> {
    match *tlv.value {
        [a, b, c, subtype, ref info @ ..] if tlv.kind == tlv_type::ORGANIZATION => {
            Some(OrganizationTlv {
                oui: u32::from_be_bytes([0, a, b, c]),
                subtype,
                info,
            })
        }
        _ => None,
    }
}

/// IEEE 802.1AB-2016, clause 8.5.9.
fn management_address(value: &[u8]) -> Option<ManagementAddress<'_>> {
    let (length, rest) = value.split_first()?;
    let (string, rest) = rest.split_at_checked((*length).into())?;
    let (subtype, address) = string.split_first()?;
    let ([interface_subtype, number @ .., object_length], rest) = rest.split_first_chunk::<6>()?;
    Some(ManagementAddress {
        subtype: *subtype,
        address,
        interface_subtype: *interface_subtype,
        interface: u32::from_be_bytes(*number),
        object: ObjectIdentifier(rest.get(..usize::from(*object_length))?),
    })
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let (subtype, id) = identifier(input, context, tlv_type::CHASSIS_ID)?;
    let chassis = ChassisId { subtype, id };
    let (subtype, id) = identifier(input, context, tlv_type::PORT_ID)?;
    let port = PortId { subtype, id };
    let mut time_to_live = mandatory(input, tlv_type::TIME_TO_LIVE)?;
    let ttl = time_to_live.u16().map_err(|_| too_short(&time_to_live))?;

    let tlvs = Tlvs(input.rest());
    let timestamp = context.timestamp();
    let values = Each(tlvs.filter_map(value as _));
    let mut info = LinkLayerDiscoveryInfo {
        timestamp,
        port_description: Text::default(),
        system_name: Text::default(),
        system_description: Text::default(),
        capabilities: SystemCapabilities::default(),
        management_address: ManagementAddress::default(),
        organization: Each(tlvs.filter_map(organization as _)),
        unknown: Each(tlvs.filter_map(unknown as _)),
    };
    let mut seen = 0u16;
    for tlv in tlvs {
        let first = seen & 1u16.checked_shl(tlv.kind.into()).unwrap_or(0) == 0;
        match info.take(tlv, first) {
            Some(()) => seen |= 1u16.checked_shl(tlv.kind.into()).unwrap_or(0),
            None => context.note(input.malformed(Reason::Option)),
        }
        input.skip(2 + tlv.value.len())?;
    }
    context.emit(&LinkLayerDiscovery {
        timestamp,
        chassis,
        port,
        ttl,
        values,
    });
    context.emit(&info);
    end(input)
}

impl<'a> LinkLayerDiscoveryInfo<'a> {
    /// Takes over what a TLV says, if it is the first of its type; `None` where the value
    /// contradicts the type.
    fn take(&mut self, tlv: Tlv<'a>, first: bool) -> Option<()> {
        match tlv.kind {
            // One of each (IEEE 802.1AB-2016, clause 9.2.7.7).
            tlv_type::CHASSIS_ID | tlv_type::PORT_ID | tlv_type::TIME_TO_LIVE => return None,
            tlv_type::ORGANIZATION => return organization(tlv).map(drop),
            tlv_type::SYSTEM_CAPABILITIES => {
                let [s0, s1, e0, e1] = *tlv.value.first_chunk()?;
                if first {
                    self.capabilities = SystemCapabilities {
                        system: Capabilities::from_bits(u16::from_be_bytes([s0, s1])),
                        enabled: Capabilities::from_bits(u16::from_be_bytes([e0, e1])),
                    };
                }
            }
            tlv_type::MANAGEMENT_ADDRESS => {
                let address = management_address(tlv.value)?;
                if first {
                    self.management_address = address;
                }
            }
            tlv_type::PORT_DESCRIPTION if first => self.port_description = Text(tlv.value),
            tlv_type::SYSTEM_NAME if first => self.system_name = Text(tlv.value),
            tlv_type::SYSTEM_DESCRIPTION if first => self.system_description = Text(tlv.value),
            _ => {}
        }
        Some(())
    }
}

/// The value of the TLV that has to be here.
fn mandatory<'p>(input: &mut Cursor<'p>, expected: u8) -> Result<Cursor<'p>, Malformed> {
    let here = *input;
    let (kind, length) = type_and_length(*input.array()?);
    if kind != expected {
        return Err(here.malformed(Reason::Value));
    }
    input.sub(length)
}

/// Subtype and identifier of chassis or port.
fn identifier<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
    kind: u8,
) -> Result<(u8, &'p [u8]), Malformed> {
    let mut value = mandatory(input, kind)?;
    let subtype = value.u8().map_err(|_| too_short(&value))?;
    let id = value.take_rest();
    if id.is_empty() || id.len() > ID_MAX {
        context.note(input.malformed(Reason::Length));
    }
    Ok((subtype, id))
}

/// The TLV is there as its length says, so the capture was not cut here.
fn too_short(value: &Cursor<'_>) -> Malformed {
    value.malformed(Reason::Length)
}

/// Says what is wrong with the end of the LLDPDU, if anything is.
fn end<'p>(input: &mut Cursor<'p>) -> Result<Next<'p>, Malformed> {
    if input.is_empty() {
        return Ok(Next::End);
    }
    let here = *input;
    let (kind, length) = type_and_length(*input.array()?);
    if kind == tlv_type::END && length != 0 {
        return Err(here.malformed(Reason::Option));
    }
    input.skip(length)?;
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{Walked, encoded, every_prefix, walk_cut, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&crate::ethernet::PROTOCOL, &PROTOCOL];

    /// Chassis by MAC address, port by interface name, 120 seconds.
    const HEADER: &[u8] = b"\x02\x07\x04\x02\x00\x5e\x00\x00\x0a\x04\x05\x05eth0\x06\x02\x00\x78";

    const OPTIONAL: &[u8] = b"\x08\x06uplink\x0a\x03sw1\x0c\x05Linux\x0e\x04\x07\xff\x00\x14\
        \x10\x0e\x05\x01\xc0\x00\x02\x0a\x02\x00\x00\x00\x07\x02\x2b\x06\
        \x14\x02\xaa\xbb\xfe\x06\x00\x80\xc2\x01\x00\x64";

    fn frame(parts: &[&[u8]]) -> Vec<u8> {
        let header = b"\x01\x80\xc2\x00\x00\x0e\x02\x00\x5e\x00\x00\x0a\x88\xcc";
        [header.as_slice(), &parts.concat()].concat()
    }

    fn walk(parts: &[&[u8]]) -> Walked {
        walk_packet(PROTOCOLS, 1, &frame(parts))
    }

    fn discovery(optional: &[u8]) -> Vec<u8> {
        encoded(&LinkLayerDiscovery {
            timestamp: Timestamp::new(1, 2000),
            chassis: ChassisId {
                subtype: 4,
                id: b"\x02\x00\x5e\x00\x00\x0a",
            },
            port: PortId {
                subtype: 5,
                id: b"eth0",
            },
            ttl: 120,
            values: Each(Tlvs(optional).filter_map(value as _)),
        })
    }

    fn info(optional: &[u8]) -> LinkLayerDiscoveryInfo<'_> {
        LinkLayerDiscoveryInfo {
            timestamp: Timestamp::new(1, 2000),
            port_description: Text::default(),
            system_name: Text::default(),
            system_description: Text::default(),
            capabilities: SystemCapabilities::default(),
            management_address: ManagementAddress::default(),
            organization: Each(Tlvs(optional).filter_map(organization as _)),
            unknown: Each(Tlvs(optional).filter_map(unknown as _)),
        }
    }

    #[test]
    fn every_field() {
        let walked = walk(&[HEADER, OPTIONAL, b"\0\0padding"]);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("LinkLayerDiscovery"), [discovery(OPTIONAL)]);
        let mut all = Capabilities::from_bits(0x07ff);
        let expected = LinkLayerDiscoveryInfo {
            port_description: Text(b"uplink"),
            system_name: Text(b"sw1"),
            system_description: Text(b"Linux"),
            capabilities: SystemCapabilities {
                system: all,
                enabled: Capabilities {
                    bridge: true,
                    router: true,
                    ..Capabilities::default()
                },
            },
            management_address: ManagementAddress {
                subtype: 1,
                address: &[192, 0, 2, 10],
                interface_subtype: 2,
                interface: 7,
                object: ObjectIdentifier(b"\x2b\x06"),
            },
            ..info(OPTIONAL)
        };
        assert_eq!(walked.of("LinkLayerDiscoveryInfo"), [encoded(&expected)]);
        all.two_port_relay = false;
        assert_eq!(encoded(&all), encoded(&Capabilities::from_bits(0x3ff)));
        let organizations: Vec<_> = info(OPTIONAL)
            .organization
            .0
            .map(|o| (o.oui, o.subtype, o.info.to_vec()))
            .collect();
        assert_eq!(organizations, [(0x0080c2, 1, vec![0, 100])]);
        let unknown: Vec<_> = info(OPTIONAL)
            .unknown
            .0
            .map(|u| (u.kind, u.value))
            .collect();
        assert_eq!(unknown, [(10, [0xaa, 0xbb].as_slice())]);
        let values: Vec<_> = Tlvs(OPTIONAL)
            .filter_map(value)
            .map(|v| (v.kind, v.length))
            .collect();
        assert_eq!(
            values,
            [(4, 6), (5, 3), (6, 5), (7, 4), (8, 14), (10, 2), (127, 6)]
        );
    }

    #[test]
    fn prefixes() {
        let frame = frame(&[HEADER, OPTIONAL, b"\0\0"]);
        every_prefix(PROTOCOLS, 1, &frame);
        // Within the time to live, and within the system name.
        let cut = walk_cut(PROTOCOLS, 1, frame.split_at(33).0, frame.len());
        assert!(matches!(cut.fate, Fate::CutShort(m) if (m.needed, m.had) == (2, 1)));
        assert!(cut.of("LinkLayerDiscovery").is_empty());
        let cut = walk_cut(PROTOCOLS, 1, frame.split_at(46).0, frame.len());
        assert!(matches!(cut.fate, Fate::CutShort(m) if (m.needed, m.had) == (3, 2)));
        assert_eq!(cut.of("LinkLayerDiscovery"), [discovery(b"\x08\x06uplink")]);
    }

    #[test]
    fn nothing_but_the_header() {
        for end in [b"".as_slice(), b"\0\0", b"\0\0\xff"] {
            let walked = walk(&[HEADER, end]);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("LinkLayerDiscovery"), [discovery(b"")]);
            assert_eq!(walked.of("LinkLayerDiscoveryInfo"), [encoded(&info(b""))]);
        }
    }

    #[test]
    fn a_header_that_is_none() {
        for (header, reason) in [
            // Port first; no chassis; no identifier at all; a time to live of one octet.
            (&b"\x04\x05\x05eth0\x02\x02\x07x"[..], Reason::Value),
            (b"\0\0", Reason::Value),
            (b"\x02\x00\x04\x02\x07y", Reason::Length),
            (b"\x02\x02\x07x\x04\x02\x07y\x06\x01\x00", Reason::Length),
            (b"\x02\x02\x07x\x04\x02\x07y\x08\x02ab", Reason::Value),
            (b"\x02\x02\x07x\x04\xff\x07y", Reason::Truncated),
        ] {
            let walked = walk(&[header]);
            assert_eq!(walked.malformed(), Some(reason), "{header:02x?}");
            assert!(walked.of("LinkLayerDiscovery").is_empty());
        }
    }

    #[test]
    fn an_identifier_without_octets_is_recorded() {
        let walked = walk(&[b"\x02\x01\x07\x04\x02\x07y\x06\x03\x00\x78\xff"]);
        assert_eq!(walked.malformed(), Some(Reason::Length));
        assert_eq!(walked.of("LinkLayerDiscovery").len(), 1);
    }

    #[test]
    fn values_that_contradict_their_type() {
        for (tlv, reason) in [
            // Capabilities of three octets; an organisation of three.
            (&b"\x0e\x03\0\x14\0"[..], Reason::Option),
            (b"\xfe\x03\x00\x80\xc2", Reason::Option),
            // Management addresses: nothing, no family, string too long, object too long.
            (b"\x10\x00", Reason::Option),
            (b"\x10\x07\x00\x02\0\0\0\x07\0", Reason::Option),
            (b"\x10\x08\x05\x01\xc0\0\x02\x0a\x02\0", Reason::Option),
            (b"\x10\x09\x02\x01\x7f\x02\0\0\0\x07\x01", Reason::Option),
            // Another chassis; an end with a value.
            (b"\x02\x02\x07x", Reason::Option),
            (b"\0\x01\xff", Reason::Option),
        ] {
            let walked = walk(&[HEADER, tlv, b"\x0a\x03sw1"]);
            assert_eq!(walked.malformed(), Some(reason), "{tlv:02x?}");
            let optional = [tlv, b"\x0a\x03sw1"].concat();
            assert_eq!(walked.of("LinkLayerDiscovery"), [discovery(&optional)]);
            let expected = LinkLayerDiscoveryInfo {
                system_name: Text(if tlv.starts_with(&[0]) { b"" } else { b"sw1" }),
                ..info(&optional)
            };
            assert_eq!(walked.of("LinkLayerDiscoveryInfo"), [encoded(&expected)]);
        }
    }

    #[test]
    fn the_first_sound_one_counts() {
        let optional = b"\x10\x00\x10\x09\x02\x01\x01\x02\0\0\0\x07\0\
            \x10\x09\x02\x01\x02\x02\0\0\0\x07\0\x0a\x01a\x0a\x01b";
        let walked = walk(&[HEADER, optional]);
        let expected = LinkLayerDiscoveryInfo {
            system_name: Text(b"a"),
            management_address: ManagementAddress {
                subtype: 1,
                address: &[1],
                interface_subtype: 2,
                interface: 7,
                object: ObjectIdentifier(b""),
            },
            ..info(optional)
        };
        assert_eq!(walked.malformed(), Some(Reason::Option));
        assert_eq!(walked.of("LinkLayerDiscoveryInfo"), [encoded(&expected)]);
    }

    #[test]
    fn object_identifiers() {
        for (octets, text) in [
            (&b"\x2b\x06\x01\x04\x01\x09"[..], "1.3.6.1.4.1.9"),
            (b"\x06\x03\x2b\x06\x01", "1.3.6.1"),
            (b"\x06\x01\x02\x01\x1f", "0.6.1.2.1.31"),
            (b"\x88\x37\x03", "2.999.3"),
            (b"\x2b\x86", "1.3"),
        ] {
            let mut out = Vec::new();
            ObjectIdentifier(octets).write_text(&mut out);
            assert_eq!(out, text.as_bytes());
        }
        let mut out = Vec::new();
        ObjectIdentifier(&[[0xff; 40].as_slice(), &[0x7f]].concat()).write_text(&mut out);
        assert_eq!(out, format!("2.{}", u128::MAX - 80).as_bytes());
    }
}
