//! Virtual Router Redundancy Protocol, version 2 (RFC 3768) for IPv4 and version 3 (RFC 9568) for
//! both. One record stands for both versions, and those fields that only one has are zero in the
//! other.
//!
//! CARP has taken the same IP protocol number, version and type: packets of 36 octets whose
//! fourth octet is 7 are CARP, for VRRP of version 2 with seven addresses has 44. They are not
//! recorded.
//!
//! Addresses are recorded up to the first that is not there whole. An unknown type makes the
//! packet malformed (RFC 9568 section 7.1), after its record; another version has no record. The
//! eight octets of authentication data in version 2, which ought to be zero, are left out.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Each, Ip, Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("VRRP", dissect)
    .reached_by(&[Selector::IpProto(112)])
    .emits(&[Vrrp::SCHEMA]);

/// The only type, RFC 9568 section 5.2.2.
const ADVERTISEMENT: u8 = 1;

/// One VRRP advertisement, of version 2 (RFC 3768) or 3 (RFC 9568).
#[derive(Record)]
#[record("VRRPv2", 80, encoder = "VRRP")]
pub(crate) struct Vrrp<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Version: 2 or 3.
    #[field(2, "Version")]
    version: u8,
    /// Type: 1 advertisement, the only one.
    #[field(3, "Type")]
    kind: u8,
    /// Number of the virtual router, 1 to 255.
    #[field(4, "VirtualRtrID")]
    router: u8,
    /// Priority of the sender: 255 owns the addresses, 0 gives up, 100 is usual.
    #[field(5, "Priority")]
    priority: u8,
    /// Number of addresses as the packet says.
    #[field(6, "CountIPAddr")]
    count: u8,
    /// Authentication in version 2: 0 none; 1 simple password and 2 IP authentication header in
    /// older implementations (RFC 2338). 0 in version 3.
    #[field(7, "AuthType")]
    auth_type: u8,
    /// Time between two advertisements: in seconds in version 2, 0 to 255; in hundredths of a
    /// second in version 3, 0 to 4095.
    #[field(8, "AdverInt")]
    interval: u16,
    /// Checksum as sent; it is not verified.
    #[field(9, "Checksum")]
    checksum: u16,
    /// Addresses of the virtual router: IPv6 where the packet around is, beginning with the
    /// link-local one.
    #[field(10, "IPAdresses", alias = "IPAddresses")]
    addresses: Each<Addresses<'a>>,
}

/// The addresses that are whole.
#[derive(Clone)]
struct Addresses<'p> {
    input: Cursor<'p>,
    left: u8,
    is_v6: bool,
}

impl Addresses<'_> {
    fn address(&mut self) -> Result<Ip, Malformed> {
        Ok(if self.is_v6 {
            Ip::V6(*self.input.array()?)
        } else {
            Ip::V4(*self.input.array()?)
        })
    }

    /// Says what is missing of them.
    fn check(&self) -> Result<(), Malformed> {
        let mut addresses = self.clone();
        (0..self.left).try_for_each(|_| addresses.address().map(drop))
    }
}

impl Iterator for Addresses<'_> {
    type Item = Ip;

    fn next(&mut self) -> Option<Ip> {
        self.left = self.left.checked_sub(1)?;
        self.address().ok()
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    if let [0x21, _, _, 7, ..] = input.rest()
        && input.remaining() == 36
    {
        return Ok(Next::Layer(Selector::Other("CARP", 2), input.rest()));
    }
    let start = *input;
    let [first, router, priority, count, t0, t1, c0, c1] = *input.array()?;
    let (version, kind) = (first >> 4, first & 15);
    let (auth_type, interval) = match version {
        // RFC 3768 section 5.1.
        2 => (t0, u16::from(t1)),
        // RFC 9568 section 5.1: four reserved bits, then twelve.
        3 => (0, u16::from_be_bytes([t0 & 15, t1])),
        _ => return Err(start.malformed(Reason::Version)),
    };
    let addresses = Addresses {
        input: *input,
        left: count,
        is_v6: is_in_v6(context),
    };
    context.emit(&Vrrp {
        timestamp: context.timestamp(),
        version,
        kind,
        router,
        priority,
        count,
        auth_type,
        interval,
        checksum: u16::from_be_bytes([c0, c1]),
        addresses: Each(addresses.clone()),
    });
    if kind != ADVERTISEMENT {
        return Err(start.malformed(Reason::Value));
    }
    addresses.check()?;
    Ok(Next::End)
}

/// Whether the innermost IP header around is of version 6.
fn is_in_v6(context: &Context<'_, '_>) -> bool {
    let ip = [crate::ipv4::PROTOCOL.name, crate::ipv6::PROTOCOL.name];
    let mut layers = context.layers().iter().rev();
    layers
        .find(|layer| ip.contains(&layer.protocol))
        .is_some_and(|layer| layer.protocol == crate::ipv6::PROTOCOL.name)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{encoded, every_prefix, walk_cut, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use; 148 and 149 stand for IPv4 and IPv6 around it.
    static BARE: Protocol = Protocol::new("VRRP", dissect)
        .reached_by(&[Selector::LinkType(147), Selector::IpProto(112)])
        .emits(&[Vrrp::SCHEMA]);
    static IPV4: Protocol = Protocol::new("IPv4", crate::ipv4::PROTOCOL.dissect)
        .reached_by(&[Selector::LinkType(148), Selector::IpProto(4)]);
    static IPV6: Protocol = Protocol::new("IPv6", crate::ipv6::PROTOCOL.dissect)
        .reached_by(&[Selector::LinkType(149), Selector::IpProto(41)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE, &IPV4, &IPV6];

    /// Two addresses and the authentication data.
    const SAMPLE: &[u8] = b"\x21\x07\x64\x02\x01\x05\xba\x52\
        \xc0\0\x02\x01\xc0\0\x02\x02password";

    fn addresses(octets: &[u8], left: u8, is_v6: bool) -> Each<Addresses<'_>> {
        Each(Addresses {
            input: Cursor::new("VRRP", octets),
            left,
            is_v6,
        })
    }

    fn sample() -> Vrrp<'static> {
        Vrrp {
            timestamp: Timestamp::new(1, 2000),
            version: 2,
            kind: 1,
            router: 7,
            priority: 100,
            count: 2,
            auth_type: 1,
            interval: 5,
            checksum: 0xba52,
            addresses: addresses(b"\xc0\0\x02\x01\xc0\0\x02\x02", 2, false),
        }
    }

    #[test]
    fn every_field() {
        let walked = walk_packet(PROTOCOLS, 147, SAMPLE);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("VRRPv2"), [encoded(&sample())]);
        let texts: Vec<Ip> = sample().addresses.0.collect();
        assert_eq!(texts, [Ip::V4([192, 0, 2, 1]), Ip::V4([192, 0, 2, 2])]);
        every_prefix(PROTOCOLS, 147, SAMPLE);
    }

    #[test]
    fn version_3() {
        // The reserved four bits do not belong to the interval.
        let octets = b"\x31\x07\xff\x01\xf0\x64\x12\x34\xc0\0\x02\x01";
        let record = Vrrp {
            version: 3,
            priority: 255,
            count: 1,
            auth_type: 0,
            interval: 100,
            checksum: 0x1234,
            addresses: addresses(b"\xc0\0\x02\x01", 1, false),
            ..sample()
        };
        let walked = walk_packet(PROTOCOLS, 147, octets);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("VRRPv2"), [encoded(&record)]);
    }

    #[test]
    fn the_header_around_tells_the_addresses() {
        let address = b"\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01";
        let vrrp = [&b"\x31\x07\xff\x01\x0f\xff\x12\x34"[..], address].concat();
        let v6 = |inner: &[u8], next| {
            let length = (inner.len() as u16).to_be_bytes();
            [&b"\x60\0\0\0"[..], &length, &[next, 255], &[0; 32], inner].concat()
        };
        let v4 = |inner: &[u8], next| {
            let length = (20 + inner.len() as u16).to_be_bytes();
            let head = [&b"\x45\0"[..], &length, b"\0\0\0\0\xff", &[next], &[0; 10]].concat();
            [&head, inner].concat()
        };
        let record = Vrrp {
            version: 3,
            priority: 255,
            count: 1,
            auth_type: 0,
            interval: 4095,
            checksum: 0x1234,
            addresses: addresses(address, 1, true),
            ..sample()
        };
        let walked = walk_packet(PROTOCOLS, 149, &v6(&vrrp, 112));
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("VRRPv2"), [encoded(&record)]);
        // The inner one of two.
        let walked = walk_packet(PROTOCOLS, 148, &v4(&v6(&vrrp, 112), 41));
        assert_eq!(walked.of("VRRPv2"), [encoded(&record)]);
        let walked = walk_packet(PROTOCOLS, 149, &v6(&v4(SAMPLE, 112), 4));
        assert_eq!(walked.of("VRRPv2"), [encoded(&sample())]);
    }

    #[test]
    fn carp() {
        let carp = [&b"\x21\x01\x00\x07\x00\x01\x12\x34"[..], &[0xaa; 28]].concat();
        let walked = walk_packet(PROTOCOLS, 147, &carp);
        assert_eq!(walked.fate, Fate::Unknown(Selector::Other("CARP", 2)));
        assert!(walked.records.is_empty());
        // VRRP with seven addresses.
        let vrrp = [&carp[..], &[0; 8]].concat();
        let walked = walk_packet(PROTOCOLS, 147, &vrrp);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.records.len(), 1);
    }

    #[test]
    fn versions_types_and_counts() {
        for first in [0x01, 0x11, 0x41, 0xf1] {
            let walked = walk_packet(PROTOCOLS, 147, &[&[first][..], &SAMPLE[1..]].concat());
            assert_eq!(walked.malformed(), Some(Reason::Version));
            assert!(walked.records.is_empty());
        }
        for kind in [0, 2, 15] {
            let octets = [&[0x20 | kind][..], &SAMPLE[1..]].concat();
            let walked = walk_packet(PROTOCOLS, 147, &octets);
            assert_eq!(walked.malformed(), Some(Reason::Value));
            let record = Vrrp { kind, ..sample() };
            assert_eq!(walked.of("VRRPv2"), [encoded(&record)]);
        }
        let walked = walk_packet(PROTOCOLS, 147, &SAMPLE[..14]);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        let record = Vrrp {
            addresses: addresses(b"\xc0\0\x02\x01", 1, false),
            ..sample()
        };
        assert_eq!(walked.of("VRRPv2"), [encoded(&record)]);
        let cut = walk_cut(PROTOCOLS, 147, &SAMPLE[..14], SAMPLE.len());
        assert!(matches!(cut.fate, Fate::CutShort(m) if (m.needed, m.had) == (4, 2)));
    }
}
