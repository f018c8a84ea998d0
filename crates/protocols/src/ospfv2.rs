//! Open Shortest Path First version 2 (RFC 2328), for IPv4; what it shares with version 3, and what
//! is left out of both, stands in `ospf.rs`.
//!
//! Bodies are recorded of router, network, summary, AS external and NSSA (RFC 3101) LSAs; of the
//! others, opaque ones (RFC 5250) among them, only the headers. Metrics are those of type of
//! service 0; those of others, which LSAs may hold for the sake of older versions of the standard
//! (section A.4.2), are passed over. The mask of a network LSA has a field that version 3 does not
//! need.
//!
//! A packet length below that of the header, or an unknown packet type, leaves the header alone in
//! the record and makes the packet malformed.

use netcap_dissect::{Context, Cursor, Malformed, Next, Reason};
use netcap_record::{Each, Record, Timestamp};

use crate::ospf::{
    self, DATABASE_DESCRIPTION, DatabaseDescription, Dialect, HELLO, LINK_STATE_ACKNOWLEDGMENT,
    LINK_STATE_REQUEST, LINK_STATE_UPDATE, List, LsRequest, LsUpdate, Lsa, LsaHeader,
};
use crate::ospfv3::{InterAreaPrefixLsa, InterAreaRouterLsa, NetworkLsa};

/// Octets of the packet header, RFC 2328 section A.3.1.
const HEADER: usize = 24;

/// One OSPF packet of version 2 (RFC 2328). Its type decides which of the five bodies it has.
#[derive(Record)]
#[record("OSPFv2", 74, encoder = "OSPF")]
pub(crate) struct Ospfv2<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Version: 2.
    #[field(2, "Version")]
    version: u8,
    /// Type: 1 hello, 2 database description, 3 link state request, 4 link state update, 5 link
    /// state acknowledgment.
    #[field(3, "Type")]
    kind: u8,
    /// Octets of the packet with its header of 24, without a cryptographic digest.
    #[field(4, "PacketLength")]
    length: u16,
    /// Router ID of the sender: an IPv4 address as a number.
    #[field(5, "RouterID")]
    router: u32,
    /// Area that the packet belongs to: an IPv4 address as a number; 0 is the backbone.
    #[field(6, "AreaID")]
    area: u32,
    /// Checksum of the packet without the authentication, as sent; it is not verified. 0 with
    /// cryptographic authentication.
    #[field(7, "Checksum")]
    checksum: u16,
    /// Authentication: 0 none, 1 simple password, 2 cryptographic (RFC 2328 appendix D).
    #[field(8, "AuType")]
    authentication_type: u16,
    /// The eight octets of authentication data as one signed number, most significant first:
    /// unused, the password, or two octets of zero, the key's number, the length of the digest,
    /// and a sequence number of four octets.
    #[field(9, "Authentication", csv = Identifier)]
    authentication: i64,
    /// Link state acknowledgment: headers of the LSAs that are acknowledged.
    #[field(10, "LSAs", csv = List)]
    acknowledged: Each<List<'a, LsaHeader>>,
    /// Link state update: the LSAs.
    #[field(11, "LSU")]
    update: Option<LsUpdate<'a>>,
    /// Link state request: what is asked for.
    #[field(12, "LSR", csv = List)]
    requests: Each<List<'a, LsRequest>>,
    /// Database description.
    #[field(13, "DbDesc")]
    description: Option<DatabaseDescription<'a>>,
    /// Hello.
    #[field(14, "HelloV2")]
    hello: Option<HelloV2<'a>>,
}

/// Body of a hello of version 2 (RFC 2328 section A.3.2).
#[derive(Record)]
#[record("HelloPkgV2")]
pub(crate) struct HelloV2<'a> {
    /// Always 0: only version 3 has it.
    #[field(1, "InterfaceID")]
    interface: u32,
    /// Priority of the sender to become designated router, 0 to 255; 0 never.
    #[field(2, "RtrPriority")]
    priority: u8,
    /// Optional capabilities (RFC 2328 section A.2): 2 external routing (E), 8 NSSA (N), 16
    /// link-local signalling (L), 32 demand circuits (DC), 64 opaque LSAs (O).
    #[field(3, "Options")]
    options: u32,
    /// Seconds between two hellos.
    #[field(4, "HelloInterval")]
    hello_interval: u16,
    /// Seconds after which a silent router counts as down.
    #[field(5, "RouterDeadInterval")]
    dead_interval: u32,
    /// Address of the designated router as a number; 0 for none.
    #[field(6, "DesignatedRouterID")]
    designated_router: u32,
    /// Address of the backup designated router as a number; 0 for none.
    #[field(7, "BackupDesignatedRouterID")]
    backup_router: u32,
    /// Router IDs of those from which hellos came lately.
    #[field(8, "NeighborID")]
    neighbors: Each<List<'a, u32>>,
    /// Mask of the network as a number.
    #[field(9, "NetworkMask")]
    mask: u32,
}

/// Body of a router LSA of version 2 (RFC 2328 section A.4.2).
#[derive(Record)]
#[record("RouterLSAV2")]
pub(crate) struct RouterLsaV2<'a> {
    /// One octet: 1 area border router (B), 2 AS boundary router (E), 4 endpoint of a virtual
    /// link (V), 16 translator of NSSA LSAs (Nt, RFC 3101).
    #[field(1, "Flags")]
    flags: u8,
    /// Number of links as the LSA says.
    #[field(2, "Links")]
    count: u16,
    /// The links.
    #[field(3, "Routers", csv = List)]
    links: Each<List<'a, RouterLinkV2>>,
}

/// One link of a router LSA of version 2 (RFC 2328 section A.4.2).
#[derive(Record)]
#[record("RouterV2")]
pub(crate) struct RouterLinkV2 {
    /// Type: 1 point-to-point, 2 transit network, 3 stub network, 4 virtual link.
    #[field(1, "Type")]
    kind: u8,
    /// What it leads to: the neighbor's Router ID (types 1, 4), address of the designated router
    /// (2), network (3).
    #[field(2, "LinkID")]
    id: u32,
    /// Address of the router's own interface; the mask of a stub network; the number of an
    /// interface without an address.
    #[field(3, "LinkData")]
    data: u32,
    /// Cost, 0 to 65535.
    #[field(4, "Metric")]
    metric: u32,
}

/// Body of an AS external LSA (RFC 2328 section A.4.5) or NSSA LSA (RFC 3101 appendix C) of
/// version 2. The network is the Link State ID.
#[derive(Record)]
#[record("ASExternalLSAV2")]
pub(crate) struct AsExternalLsaV2 {
    /// Mask of the network as a number.
    #[field(1, "NetworkMask")]
    mask: u32,
    /// The bit E as it stands in its octet: 128 where the metric is of type 2, larger than any
    /// path inside the AS; 0 where it is of type 1.
    #[field(2, "ExternalBit")]
    external: u8,
    /// Cost, 0 to 16777215.
    #[field(3, "Metric")]
    metric: u32,
    /// Address to which the traffic goes, as a number; 0 for the originator of the LSA.
    #[field(4, "ForwardingAddress")]
    forwarding_address: u32,
    /// Tag, of which OSPF makes no use.
    #[field(5, "ExternalRouteTag")]
    tag: u32,
}

/// How LSAs of version 2 are read.
const DIALECT: Dialect = Dialect {
    // RFC 2328 section A.4.1.
    kind: |[options, kind]| (options, kind as u16),
    body: lsa_body,
};

fn lsa_header(input: &mut Cursor<'_>) -> Result<LsaHeader, Malformed> {
    ospf::lsa_header(input, DIALECT)
}

/// RFC 2328 section A.4, by LS type.
fn lsa_body<'p>(
    header: &LsaHeader,
    mut input: Cursor<'p>,
    lsa: &mut Lsa<'p>,
) -> Result<(), Malformed> {
    match header.kind {
        1 => {
            let [flags, _, n0, n1] = *input.array()?;
            let count = u16::from_be_bytes([n0, n1]);
            let links = List::counted(&input, u32::from(count), link);
            lsa.router_v2 = Some(RouterLsaV2 {
                flags,
                count,
                links: Each(links.clone()),
            });
            links.check()
        }
        2 => {
            let mask = input.u32()?;
            let routers = List::to_end(&input, Cursor::u32);
            lsa.network = Some(NetworkLsa {
                options: 0,
                routers: Each(routers.clone()),
                mask,
            });
            routers.check()
        }
        3 => {
            let link_state_id = link_state_id(&input);
            let mask = input.u32()?;
            lsa.inter_area_prefix = Some(InterAreaPrefixLsa {
                metric: metric(&mut input)?,
                prefix_length: mask.leading_ones() as u8,
                prefix_options: 0,
                prefix: link_state_id,
            });
            Ok(())
        }
        4 => {
            let _mask = input.u32()?;
            lsa.inter_area_router = Some(InterAreaRouterLsa {
                options: 0,
                metric: metric(&mut input)?,
                destination: header.link_state_id,
            });
            Ok(())
        }
        5 | 7 => {
            let mask = input.u32()?;
            let [external, m0, m1, m2] = *input.array()?;
            lsa.external_v2 = Some(AsExternalLsaV2 {
                mask,
                external: external & 0x80,
                metric: u32::from_be_bytes([0, m0, m1, m2]),
                forwarding_address: input.u32()?,
                tag: input.u32()?,
            });
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The Link State ID of the LSA whose body begins here.
fn link_state_id<'p>(body: &Cursor<'p>) -> &'p [u8] {
    // The fifth to eighth of the header's 20 octets.
    let start = body.offset().saturating_sub(16);
    body.whole().get(start..start + 4).unwrap_or_default()
}

/// The metric of type of service 0 in a summary LSA, RFC 2328 section A.4.4: 24 bits after eight
/// that are zero.
fn metric(input: &mut Cursor<'_>) -> Result<u32, Malformed> {
    let [_, m0, m1, m2] = *input.array()?;
    Ok(u32::from_be_bytes([0, m0, m1, m2]))
}

/// A link of a router LSA with the metrics of other types of service after it.
fn link(input: &mut Cursor<'_>) -> Result<RouterLinkV2, Malformed> {
    let (id, data) = (input.u32()?, input.u32()?);
    let [kind, more, m0, m1] = *input.array()?;
    input.skip(usize::from(more) * 4)?;
    Ok(RouterLinkV2 {
        kind,
        id,
        data,
        metric: u32::from(u16::from_be_bytes([m0, m1])),
    })
}

/// RFC 2328 section A.3.4.
fn request(input: &mut Cursor<'_>) -> Result<LsRequest, Malformed> {
    Ok(LsRequest {
        kind: input.u32()? as i32,
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
    let mut record = Ospfv2 {
        timestamp: context.timestamp(),
        version,
        kind,
        length,
        router: input.u32()?,
        area: input.u32()?,
        checksum: input.u16()?,
        authentication_type: input.u16()?,
        authentication: input.u64()? as i64,
        acknowledged: Each(List::empty(lsa_header)),
        update: None,
        requests: Each(List::empty(request)),
        description: None,
        hello: None,
    };
    let sound = ospf::body(input, length, HEADER).and_then(|body| fill(&mut record, body));
    context.emit(&record);
    sound.map(|()| Next::End)
}

/// Reads the body of a packet; what is wrong with it leaves its sound part in the record.
fn fill<'p>(record: &mut Ospfv2<'p>, mut input: Cursor<'p>) -> Result<(), Malformed> {
    match record.kind {
        HELLO => {
            let mask = input.u32()?;
            let hello_interval = input.u16()?;
            let [options, priority] = *input.array()?;
            let dead_interval = input.u32()?;
            let (designated_router, backup_router) = (input.u32()?, input.u32()?);
            let neighbors = List::to_end(&input, Cursor::u32);
            record.hello = Some(HelloV2 {
                interface: 0,
                priority,
                options: u32::from(options),
                hello_interval,
                dead_interval,
                designated_router,
                backup_router,
                neighbors: Each(neighbors.clone()),
                mask,
            });
            neighbors.check()
        }
        DATABASE_DESCRIPTION => {
            let mtu = input.u16()?;
            let [options, flags] = *input.array()?;
            let sequence = input.u32()?;
            let headers = List::to_end(&input, lsa_header);
            record.description = Some(DatabaseDescription {
                options: u32::from(options),
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

    /// A packet of router 192.0.2.1 in area 0.0.0.1, without authentication.
    fn packet(kind: u8, body: &[&[u8]]) -> Vec<u8> {
        let body = body.concat();
        let length = (HEADER + body.len()) as u16;
        let mut packet = vec![2, kind];
        packet.extend(length.to_be_bytes());
        packet.extend(b"\xc0\0\x02\x01\0\0\0\x01\xab\xcd\0\0\0\0\0\0\0\0\0\0");
        packet.extend(body);
        packet
    }

    /// An LSA with Link State ID 10.1.0.0.
    fn lsa(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut lsa = b"\x80\x07\x22".to_vec();
        lsa.push(kind);
        lsa.extend(b"\x0a\x01\0\0\xc0\0\x02\x02\x80\0\0\x05\x12\x34");
        lsa.extend((20 + body.len() as u16).to_be_bytes());
        lsa.extend(body);
        lsa
    }

    /// The row of a packet, from its length to its authentication, with these last five cells.
    fn row(kind: u8, length: usize, cells: &str) -> String {
        format!("1.000002,2,{kind},{length},3221225985,1,43981,0,0,{cells}")
    }

    /// The header of an LSA in CSV.
    fn header(kind: u8, length: usize) -> String {
        format!("(32775-{kind}-167837696-3221225986-2147483653-4660-{length}-34)")
    }

    const HELLO_BODY: &[u8] = b"\xff\xff\xff\0\0\x0a\x12\x03\0\0\0\x28\xc0\0\x02\x01\0\0\0\0";
    const NEIGHBORS: &[u8] = b"\xc0\0\x02\x02\xc0\0\x02\x03";

    #[test]
    fn hello() {
        let octets = packet(HELLO, &[HELLO_BODY, NEIGHBORS]);
        let (fate, rows) = walked(&octets);
        assert_eq!(fate, Fate::Decoded);
        let cells = "(),,(),,(0-3-18-10-40-3221225985-0-(3221225986-3221225987)-4294967040)";
        assert_eq!(rows, [row(1, 52, cells)]);
        every_prefix(PROTOCOLS, 147, &octets);
        // Link-local signalling behind it is none of it.
        let with_block = [&octets[..], b"\xff\xf6\0\x03\0\x01\0\x04\0\0\0\x01"].concat();
        assert_eq!(walked(&with_block), (fate, rows));
    }

    #[test]
    fn authentication_is_a_number() {
        let mut octets = packet(HELLO, &[HELLO_BODY]);
        octets.splice(14..24, *b"\0\x02\0\0\x03\x10\xff\xff\xff\xfe");
        // The digest is not counted by the packet length.
        octets.extend([0xee; 16]);
        let (fate, rows) = walked(&octets);
        assert_eq!(fate, Fate::Decoded);
        assert!(rows[0].contains(",2,3371549327358,()"), "{}", rows[0]);
        octets.splice(14..24, *b"\0\x01\xffassword");
        assert!(walked(&octets).1[0].contains(",1,-44627581534768540,()"));
    }

    #[test]
    fn database_description() {
        let body: &[u8] = b"\x05\xdc\x52\x07\0\0\x1e\x61";
        let headers = [&lsa(1, &[0; 4])[..20], &lsa(10, &[0; 4])[..20]].concat();
        let octets = packet(DATABASE_DESCRIPTION, &[body, &headers]);
        let (fate, rows) = walked(&octets);
        assert_eq!(fate, Fate::Decoded);
        let cells = format!(
            "(),,(),(82-1500-7-7777-({}-{})),",
            header(1, 24),
            header(10, 24)
        );
        assert_eq!(rows, [row(2, 72, &cells)]);
        every_prefix(PROTOCOLS, 147, &octets);
    }

    #[test]
    fn request() {
        let body: &[u8] = b"\0\0\0\x05\x0a\0\0\0\xc0\0\x02\x02\xff\xff\xff\xff\0\0\0\x01\0\0\0\x02";
        let octets = packet(LINK_STATE_REQUEST, &[body]);
        let (fate, rows) = walked(&octets);
        assert_eq!(fate, Fate::Decoded);
        let cells = r"(),,((5-167772160-3221225986)-('-1'-1-2)),,";
        assert_eq!(rows, [row(3, 48, cells)]);
        every_prefix(PROTOCOLS, 147, &octets);
    }

    #[test]
    fn acknowledgment() {
        let headers = &lsa(5, &[0; 16])[..20];
        let octets = packet(LINK_STATE_ACKNOWLEDGMENT, &[headers]);
        let (fate, rows) = walked(&octets);
        assert_eq!(fate, Fate::Decoded);
        assert_eq!(rows, [row(5, 44, &format!("({}),,(),,", header(5, 36)))]);
        every_prefix(PROTOCOLS, 147, &octets);
    }

    /// Bodies by kind, and their CSV with the separators of the members around.
    const BODIES: &[(u8, &[u8], &str)] = &[
        // Flags B and E; a stub network with one metric for another type of service, a
        // point-to-point link.
        (
            1,
            b"\x03\0\0\x02\xc0\0\x02\0\xff\xff\xff\0\x03\x01\0\x0a\x08\0\0\x14\
            \xc0\0\x02\x02\xc0\0\x02\x01\x01\0\xff\xff",
            "(3-2-((3-3221225984-4294967040-10)-(1-3221225986-3221225985-65535)))--------",
        ),
        (
            2,
            b"\xff\xff\xff\0\xc0\0\x02\x01\xc0\0\x02\x02",
            "---(0-(3221225985-3221225986))-----",
        ),
        (
            3,
            b"\xff\xff\0\0\0\x01\0\x02",
            "----(65538-16-0-0a010000)----",
        ),
        (4, b"\0\0\0\0\0\0\0\x14", "-----(0-20-167837696)---"),
        (
            5,
            b"\xff\0\0\0\x80\0\0\x14\0\0\0\0\0\0\0\x07",
            "-(4278190080-128-20-0-7)-------",
        ),
        (
            7,
            b"\xff\0\0\0\x7f\0\0\x14\xc0\0\x02\x09\0\0\0\0",
            "-(4278190080-0-20-3221225993-0)-------",
        ),
        // Group membership, opaque with a type-length-value in it, and a kind that does not exist.
        (6, b"\0\0\0\x01\x0a\0\0\0", "--------"),
        (10, b"\0\x01\0\x04\xc0\0\x02\x01", "--------"),
        (200, b"", "--------"),
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
        let cells = format!("(),({}-({})),(),,", BODIES.len(), cells.join("-"));
        assert_eq!(rows, [row(4, octets.len(), &cells)]);
        every_prefix(PROTOCOLS, 147, &octets);
    }

    #[test]
    fn the_mask_of_a_network() {
        let octets = packet(
            LINK_STATE_UPDATE,
            &[b"\0\0\0\x01", &lsa(2, b"\xff\xff\xff\0\xc0\0\x02\x01")],
        );
        let walked = walk_packet(PROTOCOLS, 147, &octets);
        // Field 101, a varint.
        let encoded = walked.of("OSPFv2")[0];
        let field = b"\xa8\x06\x80\xfe\xff\xff\x0f";
        assert!(encoded.windows(field.len()).any(|window| window == field));
    }

    #[test]
    fn a_broken_lsa_hides_none_behind_it() {
        // The first says that it has three links, and has one.
        let broken = lsa(1, b"\0\0\0\x03\xc0\0\x02\0\xff\xff\xff\0\x03\0\0\x0a");
        let sound = lsa(3, b"\xff\xff\0\0\0\0\0\x02");
        let octets = packet(LINK_STATE_UPDATE, &[b"\0\0\0\x02", &broken, &sound]);
        let walked = walk_packet(PROTOCOLS, 147, &octets);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        let cells = format!(
            "(),(2-(({}-(0-3-((3-3221225984-4294967040-10)))--------)-({}-----(2-16-0-0a010000)----))),(),,",
            header(1, 36),
            header(3, 28)
        );
        assert_eq!(rows(&walked), [row(4, octets.len(), &cells)]);
    }

    #[test]
    fn lengths_of_lsas() {
        // Below the header: it is all that is known, and nothing of what follows.
        let mut short = lsa(3, b"\xff\xff\0\0\0\0\0\x02");
        short.splice(18..20, [0, 19]);
        let octets = packet(LINK_STATE_UPDATE, &[b"\0\0\0\x02", &short, &lsa(10, &[])]);
        let walked = walk_packet(PROTOCOLS, 147, &octets);
        assert_eq!(walked.malformed(), Some(Reason::Length));
        let cells = format!("(),(2-(({}---------))),(),,", header(3, 19));
        assert_eq!(rows(&walked), [row(4, octets.len(), &cells)]);

        // Beyond the packet: its body is what is there.
        let mut long = lsa(3, b"\xff\xff\0\0\0\0\0\x02");
        long.splice(18..20, [0, 32]);
        let octets = packet(LINK_STATE_UPDATE, &[b"\0\0\0\x02", &long]);
        let walked = walk_packet(PROTOCOLS, 147, &octets);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        let cells = format!(
            "(),(2-(({}-----(2-16-0-0a010000)----))),(),,",
            header(3, 32)
        );
        assert_eq!(rows(&walked), [row(4, octets.len(), &cells)]);

        // More are claimed than there are.
        let octets = packet(LINK_STATE_UPDATE, &[b"\xff\xff\xff\xff", &lsa(10, &[])]);
        let walked = walk_packet(PROTOCOLS, 147, &octets);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        let cells = format!("(),(4294967295-(({}---------))),(),,", header(10, 20));
        assert_eq!(rows(&walked), [row(4, octets.len(), &cells)]);
    }

    #[test]
    fn packet_lengths_and_types() {
        for length in [0, 23] {
            let mut octets = packet(HELLO, &[HELLO_BODY]);
            octets.splice(2..4, [0, length]);
            let walked = walk_packet(PROTOCOLS, 147, &octets);
            assert_eq!(walked.malformed(), Some(Reason::Length));
            assert_eq!(rows(&walked), [row(1, length.into(), "(),,(),,")]);
        }
        // Beyond what is there.
        let mut octets = packet(HELLO, &[HELLO_BODY]);
        octets.splice(2..4, [0xff, 0xff]);
        assert_eq!(walked(&octets).0, Fate::Decoded);
        for kind in [0, 6, 255] {
            let walked = walk_packet(PROTOCOLS, 147, &packet(kind, &[]));
            assert_eq!(walked.malformed(), Some(Reason::Value));
            assert_eq!(rows(&walked), [row(kind, 24, "(),,(),,")]);
        }
        // The header stays where the body is cut.
        let octets = packet(HELLO, &[HELLO_BODY]);
        let cut = walk_cut(PROTOCOLS, 147, &octets[..27], octets.len());
        assert!(matches!(cut.fate, Fate::CutShort(m) if (m.needed, m.had) == (4, 3)));
        assert_eq!(rows(&cut), [row(1, 44, "(),,(),,")]);
    }
}
