//! Open Shortest Path First version 3 (RFC 5340), for IPv6, and for IPv4 by RFC 5838; what it
//! shares with version 2, and what is left out of both, stands in `ospf.rs`.
//!
//! Bodies are recorded of router, network, inter-area prefix, inter-area router, AS external, NSSA,
//! link and intra-area prefix LSAs; of the others, extended ones (RFC 8362) among them, only the
//! headers.
//!
//! A packet length below that of the header, or an unknown packet type, leaves the header alone in
//! the record and makes the packet malformed.

use netcap_dissect::{Context, Cursor, Malformed, Next, Reason};
use netcap_record::{Each, Record, Timestamp};

use crate::ospf::{
    self, DATABASE_DESCRIPTION, DatabaseDescription, Dialect, HELLO, LINK_STATE_ACKNOWLEDGMENT,
    LINK_STATE_REQUEST, LINK_STATE_UPDATE, List, LsRequest, LsUpdate, Lsa, LsaHeader,
};

/// Octets of the packet header, RFC 5340 section A.3.1.
const HEADER: usize = 16;

/// One OSPF packet of version 3 (RFC 5340). Its type decides which of the five bodies it has.
#[derive(Record)]
#[record("OSPFv3", 75, encoder = "OSPF")]
pub(crate) struct Ospfv3<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Version: 3.
    #[field(2, "Version")]
    version: u8,
    /// Type: 1 hello, 2 database description, 3 link state request, 4 link state update, 5 link
    /// state acknowledgment.
    #[field(3, "Type")]
    kind: u8,
    /// Octets of the packet with its header of 16, without an authentication trailer.
    #[field(4, "PacketLength")]
    length: u16,
    /// Router ID of the sender: an IPv4 address as a number.
    #[field(5, "RouterID")]
    router: u32,
    /// Area that the packet belongs to: an IPv4 address as a number; 0 is the backbone.
    #[field(6, "AreaID")]
    area: u32,
    /// Checksum of the packet with a pseudo header, as sent; it is not verified.
    #[field(7, "Checksum")]
    checksum: u16,
    /// Instance on the link: 0 to 31 IPv6 unicast, 32 to 63 IPv6 multicast, 64 to 95 IPv4
    /// unicast, 96 to 127 IPv4 multicast (RFC 5838).
    #[field(8, "Instance")]
    instance: u8,
    /// Reserved, 0.
    #[field(9, "Reserved")]
    reserved: u8,
    /// Hello.
    #[field(10, "Hello")]
    hello: Option<Hello<'a>>,
    /// Database description.
    #[field(11, "DbDesc")]
    description: Option<DatabaseDescription<'a>>,
    /// Link state request: what is asked for.
    #[field(12, "LSR", csv = List)]
    requests: Each<List<'a, LsRequest>>,
    /// Link state update: the LSAs.
    #[field(13, "LSU")]
    update: Option<LsUpdate<'a>>,
    /// Link state acknowledgment: headers of the LSAs that are acknowledged.
    #[field(14, "LSAs", csv = List)]
    acknowledged: Each<List<'a, LsaHeader>>,
}

/// Body of a hello of version 3 (RFC 5340 section A.3.2).
#[derive(Record)]
#[record("HelloPkg")]
pub(crate) struct Hello<'a> {
    /// Number of the interface at its router.
    #[field(1, "InterfaceID")]
    interface: u32,
    /// Priority of the sender to become designated router, 0 to 255; 0 never.
    #[field(2, "RtrPriority")]
    priority: u8,
    /// Optional capabilities, 24 bits (RFC 5340 section A.2): 1 IPv6 (V6), 2 external routing
    /// (E), 8 NSSA (N), 16 active router (R), 32 demand circuits (DC), 256 address families (AF,
    /// RFC 5838), 512 link-local signalling (L), 1024 authentication trailer (AT).
    #[field(3, "Options")]
    options: u32,
    /// Seconds between two hellos.
    #[field(4, "HelloInterval")]
    hello_interval: u16,
    /// Seconds after which a silent router counts as down, 0 to 65535.
    #[field(5, "RouterDeadInterval")]
    dead_interval: u32,
    /// Router ID of the designated router; 0 for none.
    #[field(6, "DesignatedRouterID")]
    designated_router: u32,
    /// Router ID of the backup designated router; 0 for none.
    #[field(7, "BackupDesignatedRouterID")]
    backup_router: u32,
    /// Router IDs of those from which hellos came lately.
    #[field(8, "NeighborID")]
    neighbors: Each<List<'a, u32>>,
}

/// Body of a router LSA of version 3 (RFC 5340 section A.4.3).
#[derive(Record)]
#[record("RouterLSA")]
pub(crate) struct RouterLsa<'a> {
    /// One octet: 1 area border router (B), 2 AS boundary router (E), 4 endpoint of a virtual
    /// link (V), 16 translator of NSSA LSAs (Nt).
    #[field(1, "Flags")]
    flags: u8,
    /// Optional capabilities, 24 bits, as in hellos.
    #[field(2, "Options")]
    options: u32,
    /// The links.
    #[field(3, "Routers", csv = List)]
    links: Each<List<'a, RouterLink>>,
}

/// One link of a router LSA of version 3 (RFC 5340 section A.4.3).
#[derive(Record)]
#[record("Router")]
pub(crate) struct RouterLink {
    /// Type: 1 point-to-point, 2 transit network, 4 virtual link.
    #[field(1, "Type")]
    kind: u8,
    /// Cost, 0 to 65535.
    #[field(2, "Metric")]
    metric: u16,
    /// Number of the router's own interface.
    #[field(3, "InterfaceID")]
    interface: u32,
    /// Number of the neighbor's interface; that of the designated router for transit networks.
    #[field(4, "NeighborInterfaceID")]
    neighbor_interface: u32,
    /// Router ID of the neighbor; that of the designated router for transit networks.
    #[field(5, "NeighborRouterID")]
    neighbor: u32,
}

/// Body of a network LSA (RFC 5340 section A.4.4, RFC 2328 section A.4.3).
#[derive(Record)]
#[record("NetworkLSA")]
pub(crate) struct NetworkLsa<'a> {
    /// Optional capabilities of the routers together, 24 bits, as in hellos; 0 in version 2, where
    /// the header has them.
    #[field(1, "Options")]
    pub(crate) options: u32,
    /// Router IDs of those on the network, the designated router included.
    #[field(2, "AttachedRouter")]
    pub(crate) routers: Each<List<'a, u32>>,
    /// Mask of the network as a number in version 2; 0 in version 3, which has none. Not shown in
    /// CSV, where nested values keep the members of 2019.
    #[field(101, "NetworkMask", csv = Hidden)]
    pub(crate) mask: u32,
}

/// Body of an inter-area prefix LSA (RFC 5340 section A.4.5); of a summary LSA of a network in
/// version 2 (RFC 2328 section A.4.4).
#[derive(Record)]
#[record("InterAreaPrefixLSA")]
pub(crate) struct InterAreaPrefixLsa<'a> {
    /// Cost, 0 to 16777215; 16777215 says that the prefix cannot be reached.
    #[field(1, "Metric")]
    pub(crate) metric: u32,
    /// Bits of the prefix, 0 to 128; the ones that the mask begins with in version 2.
    #[field(2, "PrefixLength")]
    pub(crate) prefix_length: u8,
    /// Capabilities of the prefix (RFC 5340 section A.4.1.1): 1 not for unicast (NU), 2 an address
    /// of the router itself (LA), 8 to be propagated (P), 16 came from a VPN (DN). 0 in version 2.
    #[field(3, "PrefixOptions")]
    pub(crate) prefix_options: u8,
    /// The prefix, filled up to a multiple of four octets; the Link State ID in version 2, always
    /// four octets.
    #[field(4, "AddressPrefix")]
    pub(crate) prefix: &'a [u8],
}

/// Body of an inter-area router LSA (RFC 5340 section A.4.6); of a summary LSA of an AS boundary
/// router in version 2 (RFC 2328 section A.4.4).
#[derive(Record)]
#[record("InterAreaRouterLSA")]
pub(crate) struct InterAreaRouterLsa {
    /// Optional capabilities of that router, 24 bits, as in hellos; 0 in version 2.
    #[field(1, "Options")]
    pub(crate) options: u32,
    /// Cost, 0 to 16777215.
    #[field(2, "Metric")]
    pub(crate) metric: u32,
    /// Router ID of the router that is reached; the Link State ID in version 2.
    #[field(3, "DestinationRouterID")]
    pub(crate) destination: u32,
}

/// Body of an AS external LSA or NSSA LSA of version 3 (RFC 5340 sections A.4.7 and A.4.8).
#[derive(Record)]
#[record("ASExternalLSA")]
pub(crate) struct AsExternalLsa<'a> {
    /// One octet: 1 there is a tag (T), 2 there is a forwarding address (F), 4 the metric is of
    /// type 2, larger than any path inside the AS (E).
    #[field(1, "Flags")]
    flags: u8,
    /// Cost, 0 to 16777215.
    #[field(2, "Metric")]
    metric: u32,
    /// Bits of the prefix, 0 to 128.
    #[field(3, "PrefixLength")]
    prefix_length: u8,
    /// Capabilities of the prefix, as in inter-area prefix LSAs.
    #[field(4, "PrefixOptions")]
    prefix_options: u8,
    /// Kind of an LSA that tells more of the route; 0 for none.
    #[field(5, "RefLSType")]
    referenced_kind: u16,
    /// The prefix, filled up to a multiple of four octets.
    #[field(6, "AddressPrefix")]
    prefix: &'a [u8],
    /// Address to which the traffic goes, 16 octets; empty for the originator of the LSA.
    #[field(7, "ForwardingAddress")]
    forwarding_address: &'a [u8],
    /// Tag, of which OSPF makes no use; 0 where there is none.
    #[field(8, "ExternalRouteTag")]
    tag: u32,
    /// Link State ID of the LSA that tells more of the route; 0 where there is none.
    #[field(9, "RefLinkStateID")]
    referenced_id: u32,
}

/// Body of a link LSA (RFC 5340 section A.4.9).
#[derive(Record)]
#[record("LinkLSA")]
pub(crate) struct LinkLsa<'a> {
    /// Priority of the router to become designated router, 0 to 255; 0 never.
    #[field(1, "RtrPriority")]
    priority: u8,
    /// Optional capabilities, 24 bits, as in hellos.
    #[field(2, "Options")]
    options: u32,
    /// Link-local address of the router on the link, 16 octets.
    #[field(3, "LinkLocalAddress")]
    address: &'a [u8],
    /// Number of prefixes as the LSA says.
    #[field(4, "NumOfPrefixes")]
    count: u32,
    /// The prefixes of the link.
    #[field(5, "Prefixes", csv = List)]
    prefixes: Each<List<'a, Prefix<'a>>>,
}

/// Body of an intra-area prefix LSA (RFC 5340 section A.4.10).
#[derive(Record)]
#[record("IntraAreaPrefixLSA")]
pub(crate) struct IntraAreaPrefixLsa<'a> {
    /// Number of prefixes as the LSA says.
    #[field(1, "NumOfPrefixes")]
    count: u16,
    /// Kind of the LSA that the prefixes belong to: 8193 a router's, 8194 a network's.
    #[field(2, "RefLSType")]
    referenced_kind: u16,
    /// Link State ID of that LSA.
    #[field(3, "RefLinkStateID")]
    referenced_id: u32,
    /// Router ID of the originator of that LSA.
    #[field(4, "RefAdvRouter")]
    referenced_router: u32,
    /// The prefixes.
    #[field(5, "Prefixes", csv = List)]
    prefixes: Each<List<'a, Prefix<'a>>>,
}

/// An address prefix in a link LSA or intra-area prefix LSA (RFC 5340 section A.4.1).
#[derive(Record)]
#[record("LSAPrefix")]
pub(crate) struct Prefix<'a> {
    /// Bits of the prefix, 0 to 128.
    #[field(1, "PrefixLength")]
    length: u8,
    /// Capabilities of the prefix, as in inter-area prefix LSAs.
    #[field(2, "PrefixOptions")]
    options: u8,
    /// Cost, 0 to 65535; 0 in link LSAs.
    #[field(3, "Metric")]
    metric: u16,
    /// The prefix, filled up to a multiple of four octets.
    #[field(4, "AddressPrefix")]
    prefix: &'a [u8],
}

/// How LSAs of version 3 are read.
const DIALECT: Dialect = Dialect {
    // RFC 5340 section A.4.2.
    kind: |octets| (0, u16::from_be_bytes(octets)),
    body: lsa_body,
};

fn lsa_header(input: &mut Cursor<'_>) -> Result<LsaHeader, Malformed> {
    ospf::lsa_header(input, DIALECT)
}

/// RFC 5340 section A.4, by LS type with its flooding scope (section A.4.2.1).
fn lsa_body<'p>(
    header: &LsaHeader,
    mut input: Cursor<'p>,
    lsa: &mut Lsa<'p>,
) -> Result<(), Malformed> {
    match header.kind {
        0x2001 => {
            let (flags, options) = (input.u8()?, input.u24()?);
            let links = List::to_end(&input, link);
            lsa.router = Some(RouterLsa {
                flags,
                options,
                links: Each(links.clone()),
            });
            links.check()
        }
        0x2002 => {
            let (_, options) = (input.u8()?, input.u24()?);
            let routers = List::to_end(&input, Cursor::u32);
            lsa.network = Some(NetworkLsa {
                options,
                routers: Each(routers.clone()),
                mask: 0,
            });
            routers.check()
        }
        0x2003 => {
            let (_, metric) = (input.u8()?, input.u24()?);
            let [prefix_length, prefix_options, _, _] = *input.array()?;
            lsa.inter_area_prefix = Some(InterAreaPrefixLsa {
                metric,
                prefix_length,
                prefix_options,
                prefix: address(&mut input, prefix_length)?,
            });
            Ok(())
        }
        0x2004 => {
            let (_, options) = (input.u8()?, input.u24()?);
            let (_, metric) = (input.u8()?, input.u24()?);
            lsa.inter_area_router = Some(InterAreaRouterLsa {
                options,
                metric,
                destination: input.u32()?,
            });
            Ok(())
        }
        0x4005 | 0x2007 => {
            lsa.external = Some(external(&mut input)?);
            Ok(())
        }
        0x0008 => {
            let (priority, options) = (input.u8()?, input.u24()?);
            let address = input.bytes(16)?;
            let count = input.u32()?;
            let prefixes = List::counted(&input, count, prefix);
            lsa.link = Some(LinkLsa {
                priority,
                options,
                address,
                count,
                prefixes: Each(prefixes.clone()),
            });
            prefixes.check()
        }
        0x2009 => {
            let (count, referenced_kind) = (input.u16()?, input.u16()?);
            let (referenced_id, referenced_router) = (input.u32()?, input.u32()?);
            let prefixes = List::counted(&input, u32::from(count), prefix);
            lsa.intra_area_prefix = Some(IntraAreaPrefixLsa {
                count,
                referenced_kind,
                referenced_id,
                referenced_router,
                prefixes: Each(prefixes.clone()),
            });
            prefixes.check()
        }
        _ => Ok(()),
    }
}

/// A link of a router LSA.
fn link(input: &mut Cursor<'_>) -> Result<RouterLink, Malformed> {
    let [kind, _, m0, m1] = *input.array()?;
    Ok(RouterLink {
        kind,
        metric: u16::from_be_bytes([m0, m1]),
        interface: input.u32()?,
        neighbor_interface: input.u32()?,
        neighbor: input.u32()?,
    })
}

/// The body of an AS external or NSSA LSA, RFC 5340 section A.4.7.
fn external<'p>(input: &mut Cursor<'p>) -> Result<AsExternalLsa<'p>, Malformed> {
    let (flags, metric) = (input.u8()?, input.u24()?);
    let [prefix_length, prefix_options, k0, k1] = *input.array()?;
    let referenced_kind = u16::from_be_bytes([k0, k1]);
    let prefix = address(input, prefix_length)?;
    // The bits F and T, then a referenced kind, each bring a field.
    let forwarding_address = input.bytes(if flags & 2 == 0 { 0 } else { 16 })?;
    let tag = if flags & 1 == 0 { 0 } else { input.u32()? };
    let referenced_id = if referenced_kind == 0 {
        0
    } else {
        input.u32()?
    };
    Ok(AsExternalLsa {
        flags,
        metric,
        prefix_length,
        prefix_options,
        referenced_kind,
        prefix,
        forwarding_address,
        tag,
        referenced_id,
    })
}

/// A prefix of a link or intra-area prefix LSA.
fn prefix<'p>(input: &mut Cursor<'p>) -> Result<Prefix<'p>, Malformed> {
    let [length, options, m0, m1] = *input.array()?;
    Ok(Prefix {
        length,
        options,
        metric: u16::from_be_bytes([m0, m1]),
        prefix: address(input, length)?,
    })
}

/// The address of a prefix, as many words of 32 bits as its length needs (RFC 5340 section A.4.1).
fn address<'p>(input: &mut Cursor<'p>, bits: u8) -> Result<&'p [u8], Malformed> {
    if bits > 128 {
        return Err(input.malformed(Reason::Value));
    }
    input.bytes(usize::from(bits).div_ceil(32) * 4)
}

/// RFC 5340 section A.3.4.
fn request(input: &mut Cursor<'_>) -> Result<LsRequest, Malformed> {
    let (_, kind) = (input.u16()?, input.u16()?);
    Ok(LsRequest {
        kind: i32::from(kind),
        link_state_id: input.u32()?,
        advertising_router: input.u32()?,
    })
}

pub(crate) fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [version, kind, l0, l1] = *input.array()?;
    let length = u16::from_be_bytes([l0, l1]);
    let mut record = Ospfv3 {
        timestamp: context.timestamp(),
        version,
        kind,
        length,
        router: input.u32()?,
        area: input.u32()?,
        checksum: input.u16()?,
        instance: input.u8()?,
        reserved: input.u8()?,
        hello: None,
        description: None,
        requests: Each(List::empty(request)),
        update: None,
        acknowledged: Each(List::empty(lsa_header)),
    };
    let sound = ospf::body(input, length, HEADER).and_then(|body| fill(&mut record, body));
    context.emit(&record);
    sound.map(|()| Next::End)
}

/// Reads the body of a packet; what is wrong with it leaves its sound part in the record.
fn fill<'p>(record: &mut Ospfv3<'p>, mut input: Cursor<'p>) -> Result<(), Malformed> {
    match record.kind {
        HELLO => {
            let interface = input.u32()?;
            let (priority, options) = (input.u8()?, input.u24()?);
            let (hello_interval, dead_interval) = (input.u16()?, input.u16()?);
            let (designated_router, backup_router) = (input.u32()?, input.u32()?);
            let neighbors = List::to_end(&input, Cursor::u32);
            record.hello = Some(Hello {
                interface,
                priority,
                options,
                hello_interval,
                dead_interval: u32::from(dead_interval),
                designated_router,
                backup_router,
                neighbors: Each(neighbors.clone()),
            });
            neighbors.check()
        }
        DATABASE_DESCRIPTION => {
            let (_, options) = (input.u8()?, input.u24()?);
            let mtu = input.u16()?;
            let [_, flags] = *input.array()?;
            let sequence = input.u32()?;
            let headers = List::to_end(&input, lsa_header);
            record.description = Some(DatabaseDescription {
                options,
                mtu,
                flags,
                sequence,
                headers: Each(headers.clone()),
            });
            headers.check()
        }
        LINK_STATE_REQUEST => {
            record.requests = Each(List::to_end(&input, request));
            record.requests.0.check()
        }
        LINK_STATE_UPDATE => {
            let (update, sound) = ospf::update(&mut input, DIALECT)?;
            record.update = Some(update);
            sound
        }
        LINK_STATE_ACKNOWLEDGMENT => {
            record.acknowledged = Each(List::to_end(&input, lsa_header));
            record.acknowledged.0.check()
        }
        _ => Err(input.malformed(Reason::Value)),
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_cut, walk_packet};

    use super::*;
    use crate::ospf::tests::{PROTOCOLS, rows, walked};

    /// A packet of router 192.0.2.1 in area 0.0.0.1, instance 64, with a reserved octet.
    fn packet(kind: u8, body: &[&[u8]]) -> Vec<u8> {
        let body = body.concat();
        let length = (HEADER + body.len()) as u16;
        let mut packet = vec![3, kind];
        packet.extend(length.to_be_bytes());
        packet.extend(b"\xc0\0\x02\x01\0\0\0\x01\xab\xcd\x40\x07");
        packet.extend(body);
        packet
    }

    fn lsa(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut lsa = b"\0\x07".to_vec();
        lsa.extend(kind.to_be_bytes());
        lsa.extend(b"\0\0\0\x05\xc0\0\x02\x02\x80\0\0\x05\x12\x34");
        lsa.extend((20 + body.len() as u16).to_be_bytes());
        lsa.extend(body);
        lsa
    }

    /// The row of a packet with these last five cells.
    fn row(kind: u8, length: usize, cells: &str) -> String {
        format!("1.000002,3,{kind},{length},3221225985,1,43981,64,7,{cells}")
    }

    /// The header of an LSA in CSV.
    fn header(kind: u16, length: usize) -> String {
        format!("(7-{kind}-5-3221225986-2147483653-4660-{length}-0)")
    }

    const HELLO_BODY: &[u8] = b"\0\0\0\x06\x01\0\x01\x13\0\x0a\0\x28\xc0\0\x02\x01\0\0\0\0";

    #[test]
    fn hello() {
        let octets = packet(HELLO, &[HELLO_BODY, b"\xc0\0\x02\x02\xc0\0\x02\x03"]);
        let (fate, rows) = walked(&octets);
        assert_eq!(fate, Fate::Decoded);
        let cells = "(6-1-275-10-40-3221225985-0-(3221225986-3221225987)),,(),,()";
        assert_eq!(rows, [row(1, 44, cells)]);
        every_prefix(PROTOCOLS, 147, &octets);
        // The authentication trailer behind it is none of it.
        let with_trailer = [&octets[..], b"\0\x01\0\x24\0\0\0\x01"].concat();
        assert_eq!(walked(&with_trailer), (fate, rows));
    }

    #[test]
    fn database_description() {
        let body: &[u8] = b"\0\0\0\x13\x05\xdc\0\x07\0\0\x1e\x61";
        let octets = packet(DATABASE_DESCRIPTION, &[body, &lsa(0x2001, &[0; 4])[..20]]);
        let (fate, rows) = walked(&octets);
        assert_eq!(fate, Fate::Decoded);
        let cells = format!(",(19-1500-7-7777-({})),(),,()", header(8193, 24));
        assert_eq!(rows, [row(2, 48, &cells)]);
        every_prefix(PROTOCOLS, 147, &octets);
    }

    #[test]
    fn request_and_acknowledgment() {
        let octets = packet(
            LINK_STATE_REQUEST,
            &[b"\0\0\x40\x05\0\0\0\x09\xc0\0\x02\x02"],
        );
        let (fate, rows) = walked(&octets);
        assert_eq!(fate, Fate::Decoded);
        assert_eq!(rows, [row(3, 28, ",,((16389-9-3221225986)),,()")]);
        every_prefix(PROTOCOLS, 147, &octets);

        let octets = packet(LINK_STATE_ACKNOWLEDGMENT, &[&lsa(8, &[0; 4])[..20]]);
        let (fate, rows) = walked(&octets);
        assert_eq!(fate, Fate::Decoded);
        assert_eq!(rows, [row(5, 36, &format!(",,(),,({})", header(8, 24)))]);
        every_prefix(PROTOCOLS, 147, &octets);
    }

    /// Bodies by kind, and their CSV with the separators of the members around.
    const BODIES: &[(u16, &[u8], &str)] = &[
        (
            0x2001,
            b"\x03\0\0\x33\x02\0\0\x0a\0\0\0\x06\0\0\0\x07\xc0\0\x02\x02",
            "--(3-51-((2-10-6-7-3221225986)))------",
        ),
        (
            0x2002,
            b"\0\0\0\x33\xc0\0\x02\x01\xc0\0\x02\x02",
            "---(51-(3221225985-3221225986))-----",
        ),
        // 36 bits take two words.
        (
            0x2003,
            b"\0\x01\0\x02\x24\x10\0\0\x20\x01\x0d\xb8\x10\0\0\0",
            "----(65538-36-16-20010db810000000)----",
        ),
        (
            0x2004,
            b"\0\0\0\x33\0\0\0\x14\xc0\0\x02\x09",
            "-----(51-20-3221225993)---",
        ),
        // The default route with a forwarding address, a tag and a reference.
        (
            0x4005,
            b"\x07\0\0\x01\0\0\x20\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\
            \0\0\0\x63\0\0\0\x05",
            "------(7-1-0-0-8193--20010db8000000000000000000000001-99-5)--",
        ),
        // Without any of them.
        (
            0x2007,
            b"\x04\0\0\x01\x20\x08\0\0\x20\x01\x0d\xb8",
            "------(4-1-32-8-0-20010db8--0-0)--",
        ),
        (
            0x0008,
            b"\x01\0\0\x33\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x02\
            \x40\0\0\0\x20\x01\x0d\xb8\0\0\0\x01\0\x02\0\0",
            "-------(1-51-fe800000000000000000000000000001-2-((64-0-0-20010db800000001)-(0-2-0-)))-",
        ),
        (
            0x2009,
            b"\0\x01\x20\x02\0\0\0\x06\xc0\0\x02\x01\x40\x02\0\x0a\x20\x01\x0d\xb8\0\0\0\x01",
            "--------(1-8194-6-3221225985-((64-2-10-20010db800000001)))",
        ),
        // Extended router LSA (RFC 8362), and router LSA with another flooding scope.
        (0xa021, b"\0\0\0\x33\0\x01\0\0", "--------"),
        (0x4001, b"\0\0\0\x33", "--------"),
    ];

    #[test]
    fn update() {
        let lsas: Vec<Vec<u8>> = BODIES
            .iter()
            .map(|(kind, body, _)| lsa(*kind, body))
            .collect();
        let count = (BODIES.len() as u32).to_be_bytes();
        let octets = packet(LINK_STATE_UPDATE, &[&count, &lsas.concat()]);
        let (fate, rows) = walked(&octets);
        assert_eq!(fate, Fate::Decoded);
        let cells: Vec<String> = BODIES
            .iter()
            .map(|(kind, body, csv)| format!("({}-{csv})", header(*kind, 20 + body.len())))
            .collect();
        let cells = format!(",,(),({}-({})),()", BODIES.len(), cells.join("-"));
        assert_eq!(rows, [row(4, octets.len(), &cells)]);
        every_prefix(PROTOCOLS, 147, &octets);
    }

    #[test]
    fn broken_bodies() {
        for (kind, body, reason, csv) in [
            // A prefix of 129 bits; one that is not there.
            (
                0x2003,
                &b"\0\0\0\x02\x81\0\0\0"[..],
                Reason::Value,
                "--------",
            ),
            (
                0x2003,
                b"\0\0\0\x02\x40\0\0\0abcd",
                Reason::Truncated,
                "--------",
            ),
            // The sound entries stay.
            (
                0x2009,
                b"\0\x02\x20\x02\0\0\0\x06\0\0\0\x01\0\0\0\x0a\xff\0\0\0",
                Reason::Value,
                "--------(2-8194-6-1-((0-0-10-)))",
            ),
            (
                0x2002,
                b"\0\0\0\x33\0\0\0\x01\0\0",
                Reason::Truncated,
                "---(51-(1))-----",
            ),
        ] {
            let octets = packet(
                LINK_STATE_UPDATE,
                &[b"\0\0\0\x02", &lsa(kind, body), &lsa(0x2004, &[0; 12])],
            );
            let walked = walk_packet(PROTOCOLS, 147, &octets);
            assert_eq!(walked.malformed(), Some(reason));
            let cells = format!(
                ",,(),(2-(({}-{csv})-({}------(0-0-0)---))),()",
                header(kind, 20 + body.len()),
                header(0x2004, 32)
            );
            assert_eq!(rows(&walked), [row(4, octets.len(), &cells)]);
        }
    }

    #[test]
    fn packet_lengths_and_types() {
        for length in [0, 15] {
            let mut octets = packet(HELLO, &[HELLO_BODY]);
            octets.splice(2..4, [0, length]);
            let walked = walk_packet(PROTOCOLS, 147, &octets);
            assert_eq!(walked.malformed(), Some(Reason::Length));
            assert_eq!(rows(&walked), [row(1, length.into(), ",,(),,()")]);
        }
        for kind in [0, 6, 255] {
            let walked = walk_packet(PROTOCOLS, 147, &packet(kind, &[]));
            assert_eq!(walked.malformed(), Some(Reason::Value));
            assert_eq!(rows(&walked), [row(kind, 16, ",,(),,()")]);
        }
        // The header stays where the body is cut.
        let octets = packet(HELLO, &[HELLO_BODY]);
        let cut = walk_cut(PROTOCOLS, 147, &octets[..19], octets.len());
        assert!(matches!(cut.fate, Fate::CutShort(m) if (m.needed, m.had) == (4, 3)));
        assert_eq!(rows(&cut), [row(1, 36, ",,(),,()")]);
    }
}
