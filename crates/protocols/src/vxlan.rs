//! Virtual eXtensible Local Area Network (RFC 7348) with the group policy of
//! draft-smith-vxlan-group-policy-05, and its generic protocol extension
//! (draft-ietf-nvo3-vxlan-gpe-13), which names what it carries. Both give the same record.
//!
//! A header without the flag of a valid identifier is recorded as well, and what follows is read.
//! The extension has a version; of another one than 0 only the flags and the identifier are read.

use netcap_dissect::{
    Context, Cursor, Fit, Malformed, Next, Protocol, Reason, Selector, TunnelKind,
};
use netcap_record::{Record, Timestamp};

use crate::{ethernet, nsh, udp};

/// RFC 7348 section 5.
const PORT: u16 = 4789;
/// Linux, before the port was assigned.
const OLD_PORT: u16 = 8472;
/// draft-ietf-nvo3-vxlan-gpe-13 section 3.1.
const GPE_PORT: u16 = 4790;

pub(crate) static PROTOCOL: Protocol = Protocol::new("VXLAN", dissect)
    .reached_by(&[Selector::UdpPort(PORT), Selector::UdpPort(OLD_PORT)])
    .judged_by(judge)
    .emits(&[Vxlan::SCHEMA]);

/// It writes the record of the protocol above, which alone declares it: a record has one owner.
pub(crate) static GPE: Protocol = Protocol::new("VXLAN-GPE", dissect_gpe)
    .reached_by(&[Selector::UdpPort(GPE_PORT)])
    .judged_by(judge_gpe);

/// A VXLAN header (RFC 7348).
#[derive(Record)]
#[record("VXLAN", 69)]
pub(crate) struct Vxlan {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Whether `VNI` is valid, which RFC 7348 demands.
    #[field(2, "ValidIDFlag")]
    valid_id: bool,
    /// VXLAN network identifier: the segment, 0 to 16777215.
    #[field(3, "VNI")]
    vni: u32,
    /// Whether the header has a group policy; without it the three fields after this one hold
    /// reserved bits as sent, which are normally 0.
    #[field(4, "GBPExtension")]
    gbp: bool,
    /// Whether the receiver must not learn the source address of the frame.
    #[field(5, "GBPDontLearn")]
    dont_learn: bool,
    /// Whether the group policy has been applied already.
    #[field(6, "GBPApplied")]
    applied: bool,
    /// Group of the sender, 0 to 65535.
    #[field(7, "GBPGroupPolicyID")]
    group: u16,
}

// First two octets: draft-smith-vxlan-group-policy-05 section 2.1; I is of RFC 7348 section 5.
const GROUP_POLICY: u16 = 0x8000;
const VALID_ID: u16 = 0x0800;
const DONT_LEARN: u16 = 0x0040;
const APPLIED: u16 = 0x0008;

// First octet: draft-ietf-nvo3-vxlan-gpe-13 section 3.1.
const GPE_VERSION: u8 = 0x30;
const GPE_VALID_ID: u8 = 0x08;
const GPE_NEXT_PROTOCOL: u8 = 0x04;

/// RFC 7348 section 5: the flag of a valid identifier is set, reserved bits are zero. What lacks the flag
/// is not one of its if it has reserved bits.
fn judge(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    let Some(&[f0, f1, g0, g1, _, _, _, reserved]) = octets.first_chunk() else {
        return Fit::Possible;
    };
    let flags = u16::from_be_bytes([f0, f1]);
    let has_policy = flags & GROUP_POLICY != 0;
    let known = GROUP_POLICY | VALID_ID | DONT_LEARN | APPLIED;
    let is_clean = flags & !known == 0 && reserved == 0 && (has_policy || [f1, g0, g1] == [0; 3]);
    match (flags & VALID_ID != 0, is_clean) {
        (true, true) => Fit::Good,
        (false, false) => Fit::No,
        _ => udp::possible_to(&[PORT, OLD_PORT], context),
    }
}

/// draft-ietf-nvo3-vxlan-gpe-13 section 3.1: version 0, an identifier, reserved octets of zeros.
fn judge_gpe(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    match octets.first_chunk() {
        Some(&[flags, 0, 0, _, _, _, _, 0])
            if flags & GPE_VERSION == 0 && flags & GPE_VALID_ID != 0 =>
        {
            Fit::Good
        }
        _ => udp::possible_to(&[GPE_PORT], context),
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [f0, f1, g0, g1, v0, v1, v2, _] = *input.array()?;
    let flags = u16::from_be_bytes([f0, f1]);
    let vni = u32::from_be_bytes([0, v0, v1, v2]);
    context.tunnel(TunnelKind::VirtualNetwork, vni);
    context.emit(&Vxlan {
        timestamp: context.timestamp(),
        valid_id: flags & VALID_ID != 0,
        vni,
        gbp: flags & GROUP_POLICY != 0,
        dont_learn: flags & DONT_LEARN != 0,
        applied: flags & APPLIED != 0,
        group: u16::from_be_bytes([g0, g1]),
    });
    Ok(Next::Layer(ethernet::SELECTOR, input.take_rest()))
}

fn dissect_gpe<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let start = *input;
    let [flags, _, _, next_protocol, v0, v1, v2, _] = *input.array()?;
    let vni = u32::from_be_bytes([0, v0, v1, v2]);
    context.tunnel(TunnelKind::VirtualNetwork, vni);
    context.emit(&Vxlan {
        timestamp: context.timestamp(),
        valid_id: flags & GPE_VALID_ID != 0,
        vni,
        gbp: false,
        dont_learn: false,
        applied: false,
        group: 0,
    });
    if flags & GPE_VERSION != 0 {
        return Err(start.malformed(Reason::Version));
    }
    // Without the flag the header is that of RFC 7348.
    let selector = if flags & GPE_NEXT_PROTOCOL != 0 {
        nsh::client("VXLAN-GPE next protocol", next_protocol)
    } else {
        ethernet::SELECTOR
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{Walked, encoded, every_prefix, walk_packet};
    use netcap_dissect::{Fate, Level, Tunnel};
    use netcap_record::{Ip, Mac};

    use super::*;

    /// Link types 147 and 148 are reserved for private use.
    static BARE: Protocol = Protocol::new("VXLAN", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Vxlan::SCHEMA]);

    static BARE_GPE: Protocol =
        Protocol::new("VXLAN-GPE", dissect_gpe).reached_by(&[Selector::LinkType(148)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE, &BARE_GPE];
    const ETHERNET: Fate = Fate::Unknown(Selector::EtherType(0x6558));

    fn record() -> Vxlan {
        Vxlan {
            timestamp: Timestamp::new(1, 2000),
            valid_id: true,
            vni: 0x12_3456,
            gbp: false,
            dont_learn: false,
            applied: false,
            group: 0,
        }
    }

    fn gpe(packet: &[u8]) -> Walked {
        walk_packet(PROTOCOLS, 148, packet)
    }

    #[test]
    fn every_field() {
        let sample = b"\x88\x48\xfd\xe8\x12\x34\x56\0frame";
        let walked = walk_packet(PROTOCOLS, 147, sample);
        let with_policy = Vxlan {
            gbp: true,
            dont_learn: true,
            applied: true,
            group: 65000,
            ..record()
        };
        assert_eq!(walked.of("VXLAN"), [encoded(&with_policy)]);
        assert_eq!(walked.fate, ETHERNET);
        every_prefix(PROTOCOLS, 147, sample);
        every_prefix(PROTOCOLS, 148, sample);
    }

    #[test]
    fn without_policy_and_without_identifier() {
        let walked = walk_packet(PROTOCOLS, 147, b"\x08\0\0\0\x12\x34\x56\0frame");
        assert_eq!(walked.of("VXLAN"), [encoded(&record())]);
        let walked = walk_packet(PROTOCOLS, 147, b"\0\x80\0\0\x12\x34\x56\0frame");
        let invalid = Vxlan {
            valid_id: false,
            ..record()
        };
        assert_eq!(walked.of("VXLAN"), [encoded(&invalid)]);
        assert_eq!(walked.fate, ETHERNET);
    }

    #[test]
    fn next_protocols() {
        let fate = |flags, next| {
            let walked = gpe(&[flags, 0, 0, next, 0x12, 0x34, 0x56, 0, 0x45]);
            assert_eq!(walked.of("VXLAN"), [encoded(&record())]);
            walked.fate
        };
        assert_eq!(fate(0x0c, 1), Fate::Unknown(Selector::EtherType(0x0800)));
        assert_eq!(fate(0x0c, 3), ETHERNET);
        assert_eq!(fate(0x08, 1), ETHERNET);
        let unknown = Selector::Other("VXLAN-GPE next protocol", 9);
        assert_eq!(fate(0x0c, 9), Fate::Unknown(unknown));
    }

    #[test]
    fn other_versions() {
        let walked = gpe(b"\x1c\0\0\x01\x12\x34\x56\0packet");
        assert_eq!(walked.malformed(), Some(Reason::Version));
        assert_eq!(walked.of("VXLAN"), [encoded(&record())]);
    }

    /// A frame in a tunnel in a VLAN: two levels, each with its own link, VLANs and network.
    #[test]
    fn levels() {
        let ipv4 = |length: u8, protocol, host| {
            let mut header = [0; 20];
            header[..4].copy_from_slice(&[0x45, 0, 0, length]);
            header[9] = protocol;
            header[12..].copy_from_slice(&[10, 0, 0, host, 10, 0, 0, host + 1]);
            header
        };
        let frame =
            |station| [&[2, 0, 0, 0, 0, station + 1][..], &[2, 0, 0, 0, 0, station]].concat();
        let packet = [
            &frame(1),
            &b"\x81\x00\x00\x2a\x08\x00"[..],
            &ipv4(20 + 8 + 8 + 22 + 28, 17, 1),
            b"\x9c\x40\x12\xb5\x00\x00\x00\x00",
            b"\x08\0\0\0\x12\x34\x56\0",
            &frame(5),
            b"\x88\xa8\x00\x07\x81\x00\x00\x08\x08\x00",
            &ipv4(28, 17, 5),
            b"\x00\x01\x00\x02\x00\x08\x00\x00",
        ]
        .concat();
        let walked = walk_packet(crate::PROTOCOLS, 1, &packet);
        assert_eq!(walked.fate, Fate::Decoded);
        let [outer, inner] = walked.levels.as_slice() else {
            panic!("two levels, not {:?}", walked.levels);
        };
        let hosts = |level: &Level<'_>| {
            let (source, destination) = level.network.unwrap().ips();
            (source, destination, level.protocol)
        };
        let macs = |level: &Level<'_>| level.link.unwrap().macs();
        let ports = |level: &Level<'_>| level.transport.map(|ends| (ends.source, ends.destination));
        let (mac, ip) = (|n| Mac([2, 0, 0, 0, 0, n]), |n| Ip::V4([10, 0, 0, n]));

        assert_eq!(macs(outer), (mac(1), mac(2)));
        assert_eq!((outer.vlans.ids(), outer.tunnel), (&[42][..], None));
        assert_eq!(hosts(outer), (ip(1), ip(2), 17));
        assert_eq!(ports(outer), Some((40000, 4789)));

        let (kind, number) = (TunnelKind::VirtualNetwork, 0x12_3456);
        assert_eq!(macs(inner), (mac(5), mac(6)));
        assert_eq!(inner.vlans.ids(), [7, 8]);
        assert_eq!(inner.tunnel, Some(Tunnel { kind, number }));
        assert_eq!(hosts(inner), (ip(5), ip(6), 17));
        assert_eq!(ports(inner), Some((1, 2)));
    }
}
