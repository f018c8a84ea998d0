//! Open Shortest Path First: what version 2 (RFC 2328) and version 3 (RFC 5340) share. IP protocol
//! 89 carries both, and the first octet tells which it is.
//!
//! Lists are recorded up to the first entry that is not there whole. A link state advertisement
//! (LSA) keeps its header where its body is malformed, or of a kind that has no message here, and
//! those after it are recorded as long as its length is sound.
//!
//! What stands after the packet length is left out: the digest of cryptographic authentication
//! (RFC 2328 section D.4.3), the authentication trailer of version 3 (RFC 7166) and the block of
//! link-local signalling (RFC 5613).

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Each, Record};

use crate::ospfv2::{self, AsExternalLsaV2, Ospfv2, RouterLsaV2};
use crate::ospfv3::{
    self, AsExternalLsa, InterAreaPrefixLsa, InterAreaRouterLsa, IntraAreaPrefixLsa, LinkLsa,
    NetworkLsa, Ospfv3, RouterLsa,
};

pub(crate) static PROTOCOL: Protocol = Protocol::new("OSPF", dissect)
    .reached_by(&[Selector::IpProto(89)])
    .emits(&[Ospfv2::SCHEMA, Ospfv3::SCHEMA]);

/// Packet types, RFC 2328 section A.3.1 and RFC 5340 section A.3.1.
pub(crate) const HELLO: u8 = 1;
pub(crate) const DATABASE_DESCRIPTION: u8 = 2;
pub(crate) const LINK_STATE_REQUEST: u8 = 3;
pub(crate) const LINK_STATE_UPDATE: u8 = 4;
pub(crate) const LINK_STATE_ACKNOWLEDGMENT: u8 = 5;

/// Octets of an LSA's header, RFC 2328 section A.4.1 and RFC 5340 section A.4.2.
const LSA_HEADER: usize = 20;

/// What identifies a link state advertisement and tells which of two is newer (RFC 2328 section
/// A.4.1, RFC 5340 section A.4.2).
#[derive(Record)]
#[record("LSAheader")]
pub(crate) struct LsaHeader {
    /// Seconds since it was originated, 0 to 3600; 32768 is added where it does not age
    /// (RFC 4136).
    #[field(1, "LSAge")]
    age: u16,
    /// Kind. Version 2: 1 router, 2 network, 3 summary of a network, 4 summary of an AS boundary
    /// router, 5 AS external, 7 NSSA, 9 to 11 opaque. Version 3: 8193 router, 8194 network, 8195
    /// inter-area prefix, 8196 inter-area router, 16389 AS external, 8199 NSSA, 8 link, 8201
    /// intra-area prefix.
    #[field(2, "LSType")]
    pub(crate) kind: u16,
    /// Link State ID: the part of the network that is described, by kind. An address in many
    /// kinds of version 2, a mere number in most of version 3.
    #[field(3, "LinkStateID")]
    pub(crate) link_state_id: u32,
    /// Router ID of the originator.
    #[field(4, "AdvRouter")]
    advertising_router: u32,
    /// Sequence number: a signed number that begins at 2147483649, which stands for
    /// -2147483647.
    #[field(5, "LSSeqNumber")]
    sequence: u32,
    /// Fletcher checksum of everything but the age, as sent; it is not verified.
    #[field(6, "LSChecksum")]
    checksum: u16,
    /// Octets of the LSA, this header of 20 included.
    #[field(7, "Length")]
    length: u16,
    /// Optional capabilities in version 2 (RFC 2328 section A.2): 2 external routing (E), 8 NSSA
    /// (N, P), 32 demand circuits (DC), 64 opaque LSAs (O), 128 came from a VPN (DN, RFC 4576). 0 in
    /// version 3.
    #[field(8, "LSOptions")]
    options: u8,
}

/// One link state advertisement: its header, and its body where its kind has a message. Two of
/// the bodies serve both versions: the summaries of version 2 are what version 3 calls inter-area
/// LSAs (RFC 5340 sections A.4.5 and A.4.6).
#[derive(Record)]
#[record("LSA")]
pub(crate) struct Lsa<'a> {
    /// The header.
    #[field(1, "Header")]
    header: Option<LsaHeader>,
    /// Router LSA of version 2 (type 1).
    #[field(2, "RLSAV2")]
    pub(crate) router_v2: Option<RouterLsaV2<'a>>,
    /// AS external LSA (type 5) or NSSA LSA (type 7) of version 2.
    #[field(3, "ASELSAV2")]
    pub(crate) external_v2: Option<AsExternalLsaV2>,
    /// Router LSA of version 3 (type 8193).
    #[field(4, "RLSA")]
    pub(crate) router: Option<RouterLsa<'a>>,
    /// Network LSA of either version (types 2 and 8194).
    #[field(5, "NLSA")]
    pub(crate) network: Option<NetworkLsa<'a>>,
    /// Inter-area prefix LSA of version 3 (type 8195), summary of a network of version 2 (type 3).
    #[field(6, "InterAPrefixLSA")]
    pub(crate) inter_area_prefix: Option<InterAreaPrefixLsa<'a>>,
    /// Inter-area router LSA of version 3 (type 8196), summary of an AS boundary router of
    /// version 2 (type 4).
    #[field(7, "IARouterLSA")]
    pub(crate) inter_area_router: Option<InterAreaRouterLsa>,
    /// AS external LSA (type 16389) or NSSA LSA (type 8199) of version 3.
    #[field(8, "ASELSA")]
    pub(crate) external: Option<AsExternalLsa<'a>>,
    /// Link LSA of version 3 (type 8).
    #[field(9, "LLSA")]
    pub(crate) link: Option<LinkLsa<'a>>,
    /// Intra-area prefix LSA of version 3 (type 8201).
    #[field(10, "IntraAPrefixLSA")]
    pub(crate) intra_area_prefix: Option<IntraAreaPrefixLsa<'a>>,
}

/// Body of a link state update (RFC 2328 section A.3.5, RFC 5340 section A.3.5).
#[derive(Record)]
#[record("LSUpdate")]
pub(crate) struct LsUpdate<'a> {
    /// Number of LSAs as the packet says.
    #[field(1, "NumOfLSAs")]
    count: u32,
    /// The LSAs.
    #[field(2, "LSAs", csv = List)]
    lsas: Each<Lsas<'a>>,
}

/// One LSA that a link state request asks for (RFC 2328 section A.3.4, RFC 5340 section A.3.4).
#[derive(Record)]
#[record("LSReq")]
pub(crate) struct LsRequest {
    /// Kind of the LSA, numbered as in its header.
    #[field(1, "LSType")]
    pub(crate) kind: i32,
    /// Link State ID.
    #[field(2, "LSID")]
    pub(crate) link_state_id: u32,
    /// Router ID of the originator.
    #[field(3, "AdvRouter")]
    pub(crate) advertising_router: u32,
}

/// Body of a database description (RFC 2328 section A.3.3, RFC 5340 section A.3.3).
#[derive(Record)]
#[record("DbDescPkg")]
pub(crate) struct DatabaseDescription<'a> {
    /// Optional capabilities of the sender: one octet in version 2 (RFC 2328 section A.2), three
    /// in version 3 (RFC 5340 section A.2).
    #[field(1, "Options")]
    pub(crate) options: u32,
    /// Octets of the largest IP datagram that the interface sends whole; 0 on virtual links.
    #[field(2, "InterfaceMTU")]
    pub(crate) mtu: u16,
    /// 1 the sender is master (MS), 2 more packets follow (M), 4 this is the first (I), 8
    /// out-of-band resynchronisation (R, RFC 4811).
    #[field(3, "Flags")]
    pub(crate) flags: u8,
    /// Number of the packet in the sequence.
    #[field(4, "DDSeqNumber")]
    pub(crate) sequence: u32,
    /// Headers of the LSAs that the sender has.
    #[field(5, "LSAinfo", csv = List)]
    pub(crate) headers: Each<List<'a, LsaHeader>>,
}

/// How an entry of a list is read.
pub(crate) type Read<'p, T> = fn(&mut Cursor<'p>) -> Result<T, Malformed>;

/// The sound entries of a list.
pub(crate) struct List<'p, T> {
    input: Cursor<'p>,
    /// Entries that are still claimed; none where the list goes on to the end.
    left: Option<u32>,
    read: Read<'p, T>,
}

impl<'p, T> List<'p, T> {
    /// No entries: what a packet of another type has.
    pub(crate) fn empty(read: Read<'p, T>) -> List<'p, T> {
        List::counted(&Cursor::new(PROTOCOL.name, &[]), 0, read)
    }

    /// All that follows.
    pub(crate) fn to_end(input: &Cursor<'p>, read: Read<'p, T>) -> List<'p, T> {
        List {
            input: *input,
            left: None,
            read,
        }
    }

    /// As many as are claimed.
    pub(crate) fn counted(input: &Cursor<'p>, count: u32, read: Read<'p, T>) -> List<'p, T> {
        List {
            input: *input,
            left: Some(count),
            read,
        }
    }

    /// The next entry; none where the list ends.
    fn entry(&mut self) -> Result<Option<T>, Malformed> {
        match &mut self.left {
            Some(0) => return Ok(None),
            None if self.input.is_empty() => return Ok(None),
            Some(left) => *left -= 1,
            None => {}
        }
        (self.read)(&mut self.input).map(Some)
    }

    /// What is wrong with the first entry that is not sound.
    pub(crate) fn check(&self) -> Result<(), Malformed> {
        let mut list = self.clone();
        while list.entry()?.is_some() {}
        Ok(())
    }
}

// Derived, it would ask for entries that can be cloned.
impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        List {
            input: self.input,
            left: self.left,
            read: self.read,
        }
    }
}

impl<T> Iterator for List<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.entry().unwrap_or_else(|_| {
            self.left = Some(0);
            None
        })
    }
}

/// How the two versions read what they do not share.
#[derive(Clone, Copy)]
pub(crate) struct Dialect {
    /// Reads the two octets of an LSA's header that follow its age: options and kind.
    pub(crate) kind: fn([u8; 2]) -> (u8, u16),
    /// Reads the body of an LSA into its place; what is wrong with it leaves its sound part there.
    pub(crate) body: for<'p> fn(&LsaHeader, Cursor<'p>, &mut Lsa<'p>) -> Result<(), Malformed>,
}

/// The header of an LSA.
pub(crate) fn lsa_header(input: &mut Cursor<'_>, dialect: Dialect) -> Result<LsaHeader, Malformed> {
    let octets = *input.array::<LSA_HEADER>()?;
    let [a0, a1, k0, k1, id @ .., c0, c1, l0, l1] = octets;
    let [i0, i1, i2, i3, r0, r1, r2, r3, s0, s1, s2, s3] = id;
    let (options, kind) = (dialect.kind)([k0, k1]);
    Ok(LsaHeader {
        age: u16::from_be_bytes([a0, a1]),
        kind,
        link_state_id: u32::from_be_bytes([i0, i1, i2, i3]),
        advertising_router: u32::from_be_bytes([r0, r1, r2, r3]),
        sequence: u32::from_be_bytes([s0, s1, s2, s3]),
        checksum: u16::from_be_bytes([c0, c1]),
        length: u16::from_be_bytes([l0, l1]),
        options,
    })
}

/// The LSAs of an update whose headers are whole.
#[derive(Clone)]
pub(crate) struct Lsas<'p> {
    input: Cursor<'p>,
    left: u32,
    dialect: Dialect,
    /// The first trouble.
    verdict: Result<(), Malformed>,
}

impl<'p> Lsas<'p> {
    /// Notes trouble after which the place of the next LSA is not known.
    fn stop(&mut self, malformed: Malformed) {
        self.left = 0;
        self.verdict = self.verdict.and(Err(malformed));
    }
}

impl<'p> Iterator for Lsas<'p> {
    type Item = Lsa<'p>;

    fn next(&mut self) -> Option<Lsa<'p>> {
        self.left = self.left.checked_sub(1)?;
        let start = self.input;
        let header = match lsa_header(&mut self.input, self.dialect) {
            Ok(header) => header,
            Err(malformed) => {
                self.stop(malformed);
                return None;
            }
        };
        let mut body = self.input;
        match usize::from(header.length).checked_sub(LSA_HEADER) {
            Some(length) => {
                body.limit(length);
                if let Err(malformed) = self.input.skip(length) {
                    self.stop(malformed);
                }
            }
            None => {
                self.stop(start.malformed(Reason::Length));
                body.limit(0);
            }
        }
        let mut lsa = Lsa {
            header: None,
            router_v2: None,
            external_v2: None,
            router: None,
            network: None,
            inter_area_prefix: None,
            inter_area_router: None,
            external: None,
            link: None,
            intra_area_prefix: None,
        };
        let sound = (self.dialect.body)(&header, body, &mut lsa);
        self.verdict = self.verdict.and(sound);
        lsa.header = Some(header);
        Some(lsa)
    }
}

/// The body of a link state update, and what is wrong with it.
pub(crate) fn update<'p>(
    input: &mut Cursor<'p>,
    dialect: Dialect,
) -> Result<(LsUpdate<'p>, Result<(), Malformed>), Malformed> {
    let count = input.u32()?;
    let lsas = Lsas {
        input: *input,
        left: count,
        dialect,
        verdict: Ok(()),
    };
    let mut walked = lsas.clone();
    walked.by_ref().for_each(drop);
    let update = LsUpdate {
        count,
        lsas: Each(lsas),
    };
    Ok((update, walked.verdict))
}

/// Octets of a packet after its header, where its length is sound; else its record has no body.
pub(crate) fn body<'p>(
    input: &Cursor<'p>,
    length: u16,
    header: usize,
) -> Result<Cursor<'p>, Malformed> {
    match usize::from(length).checked_sub(header) {
        Some(length) => {
            let mut body = *input;
            body.limit(length);
            Ok(body)
        }
        None => Err(input.malformed(Reason::Length)),
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let version = Cursor::clone(input).u8()?;
    match version {
        2 => ospfv2::dissect(input, context),
        3 => ospfv3::dissect(input, context),
        _ => Err(input.malformed(Reason::Version)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{Walked, walk_packet};
    use netcap_record::{Columns, Message, csv};

    use super::*;

    /// Link type 147 is reserved for private use.
    pub(crate) static BARE: Protocol = Protocol::new("OSPF", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Ospfv2::SCHEMA, Ospfv3::SCHEMA]);

    pub(crate) const PROTOCOLS: &[&Protocol] = &[&BARE];

    /// The fate of a packet and the CSV rows of its records.
    pub(crate) fn walked(packet: &[u8]) -> (Fate, Vec<String>) {
        let walked = walk_packet(PROTOCOLS, 147, packet);
        (walked.fate, rows(&walked))
    }

    /// The CSV rows of all records.
    pub(crate) fn rows(walked: &Walked) -> Vec<String> {
        let row = |(schema, octets): &(&'static netcap_record::Schema, Vec<u8>)| {
            let message = Message::parse(schema, octets).unwrap();
            let columns: Vec<_> = schema.columns(Columns::default()).collect();
            let mut out = Vec::new();
            csv::row(&message, &columns, &csv::CsvStyle::default(), &mut out);
            String::from_utf8(out).unwrap().trim_end().to_owned()
        };
        walked.records.iter().map(row).collect()
    }

    #[test]
    fn the_version_decides() {
        let packet = |version| [&[version, 9, 0, 24][..], &[0; 20]].concat();
        for (version, name) in [(2, "OSPFv2"), (3, "OSPFv3")] {
            let walked = walk_packet(PROTOCOLS, 147, &packet(version));
            assert_eq!(walked.malformed(), Some(Reason::Value));
            assert_eq!(walked.of(name).len(), 1);
            assert_eq!(walked.records.len(), 1);
        }
        for version in [0, 1, 4, 255] {
            let walked = walk_packet(PROTOCOLS, 147, &packet(version));
            assert_eq!(walked.malformed(), Some(Reason::Version));
            assert!(walked.records.is_empty());
        }
        assert_eq!(
            walk_packet(PROTOCOLS, 147, &[]).malformed(),
            Some(Reason::Truncated)
        );
    }
}
