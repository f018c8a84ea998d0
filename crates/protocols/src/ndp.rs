//! Neighbor Discovery for IPv6 (RFC 4861): router solicitation and advertisement, neighbor
//! solicitation and advertisement, each as what follows the four octets that its `ICMPv6` record
//! has.
//!
//! An option of length zero would never end, so RFC 4861 section 4.6 has such packets discarded:
//! the record keeps the options before it and the packet is malformed. So it is with an option that
//! reaches beyond the message.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Each, Ip, Record, Timestamp};

pub(crate) static ROUTER_SOLICITATION: Protocol =
    Protocol::new("ICMPv6RouterSolicitation", router_solicitation)
        .reached_by(&[Selector::Icmpv6Type(133)])
        .emits(&[RouterSolicitation::SCHEMA]);

pub(crate) static ROUTER_ADVERTISEMENT: Protocol =
    Protocol::new("ICMPv6RouterAdvertisement", router_advertisement)
        .reached_by(&[Selector::Icmpv6Type(134)])
        .emits(&[RouterAdvertisement::SCHEMA]);

pub(crate) static NEIGHBOR_SOLICITATION: Protocol =
    Protocol::new("ICMPv6NeighborSolicitation", neighbor_solicitation)
        .reached_by(&[Selector::Icmpv6Type(135)])
        .emits(&[NeighborSolicitation::SCHEMA]);

pub(crate) static NEIGHBOR_ADVERTISEMENT: Protocol =
    Protocol::new("ICMPv6NeighborAdvertisement", neighbor_advertisement)
        .reached_by(&[Selector::Icmpv6Type(136)])
        .emits(&[NeighborAdvertisement::SCHEMA]);

/// A host asks routers to advertise themselves (RFC 4861 section 4.1).
#[derive(Record)]
#[record("ICMPv6RouterSolicitation", 62)]
pub(crate) struct RouterSolicitation<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Options in the order of the message.
    #[field(2, "Options")]
    options: Each<Options<'a>>,
}

/// A router advertises itself and the network (RFC 4861 section 4.2).
#[derive(Record)]
#[record("ICMPv6RouterAdvertisement", 35)]
pub(crate) struct RouterAdvertisement<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Hop limit that hosts shall send with; 0 says nothing.
    #[field(2, "HopLimit")]
    hop_limit: u8,
    /// One octet: 128 managed addresses by DHCPv6 (M), 64 other configuration by DHCPv6 (O), 32
    /// home agent (RFC 6275), 24 preference of the router (RFC 4191), the rest reserved.
    #[field(3, "Flags")]
    flags: u8,
    /// Seconds that the router may serve as default router, 0 to 65535; 0 means that it is none.
    #[field(4, "RouterLifetime")]
    router_lifetime: u16,
    /// Milliseconds that a neighbor counts as reachable after it has answered; 0 says nothing.
    #[field(5, "ReachableTime")]
    reachable_time: u32,
    /// Milliseconds between two solicitations of one neighbor; 0 says nothing.
    #[field(6, "RetransTimer")]
    retrans_timer: u32,
    /// Options in the order of the message.
    #[field(7, "Options")]
    options: Each<Options<'a>>,
}

/// A node asks for the link-layer address of a neighbor (RFC 4861 section 4.3).
#[derive(Record)]
#[record("ICMPv6NeighborSolicitation", 61)]
pub(crate) struct NeighborSolicitation<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Address of the neighbor.
    #[field(2, "TargetAddress")]
    target: Ip,
    /// Options in the order of the message.
    #[field(3, "Options")]
    options: Each<Options<'a>>,
}

/// A node tells its link-layer address, asked or not (RFC 4861 section 4.4).
#[derive(Record)]
#[record("ICMPv6NeighborAdvertisement", 34)]
pub(crate) struct NeighborAdvertisement<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// One octet: 128 the sender is a router (R), 64 this answers a solicitation (S), 32 it
    /// overrides what is known (O), the rest reserved.
    #[field(2, "Flags")]
    flags: u8,
    /// Address of which the link-layer address is told.
    #[field(3, "TargetAddress")]
    target: Ip,
    /// Options in the order of the message.
    #[field(4, "Options")]
    options: Each<Options<'a>>,
}

/// An option of neighbor discovery (RFC 4861 section 4.6).
#[derive(Record)]
#[record("ICMPv6Option", 36)]
pub(crate) struct Icmpv6Option<'a> {
    /// Type: 1 source link-layer address, 2 target link-layer address, 3 prefix, 4 redirected
    /// header, 5 MTU, 25 recursive DNS server (RFC 8106).
    #[field(1, "Type")]
    kind: u8,
    /// What follows type and length: eight times the length of the option, less two octets.
    #[field(2, "Data")]
    data: &'a [u8],
}

/// The sound options at the front of the octets; what is left is malformed.
#[derive(Clone)]
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = Icmpv6Option<'a>;

    #[inline]
    fn next(&mut self) -> Option<Icmpv6Option<'a>> {
        // The length counts units of eight octets, type and length included.
        let [kind, units @ 1..=u8::MAX, ..] = *self.0 else {
            return None;
        };
        let (option, rest) = self.0.split_at_checked(usize::from(units) * 8)?;
        self.0 = rest;
        Some(Icmpv6Option {
            kind,
            data: option.get(2..).unwrap_or_default(),
        })
    }
}

fn router_solicitation<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let _reserved = input.array::<4>()?;
    context.emit(&RouterSolicitation {
        timestamp: context.timestamp(),
        options: Each(Options(input.rest())),
    });
    end(input)
}

fn router_advertisement<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let body = input.array::<12>()?;
    context.emit(&RouterAdvertisement {
        timestamp: context.timestamp(),
        hop_limit: body[0],
        flags: body[1],
        router_lifetime: u16::from_be_bytes([body[2], body[3]]),
        reachable_time: u32::from_be_bytes([body[4], body[5], body[6], body[7]]),
        retrans_timer: u32::from_be_bytes([body[8], body[9], body[10], body[11]]),
        options: Each(Options(input.rest())),
    });
    end(input)
}

fn neighbor_solicitation<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [_, _, _, _, target @ ..] = *input.array::<20>()?;
    context.emit(&NeighborSolicitation {
        timestamp: context.timestamp(),
        target: Ip::V6(target),
        options: Each(Options(input.rest())),
    });
    end(input)
}

fn neighbor_advertisement<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [flags, _, _, _, target @ ..] = *input.array::<20>()?;
    context.emit(&NeighborAdvertisement {
        timestamp: context.timestamp(),
        flags,
        target: Ip::V6(target),
        options: Each(Options(input.rest())),
    });
    end(input)
}

/// Says what is wrong with the options, if anything is.
fn end<'p>(input: &mut Cursor<'p>) -> Result<Next<'p>, Malformed> {
    let mut left = Options(input.rest());
    left.by_ref().for_each(drop);
    input.skip(input.remaining() - left.0.len())?;
    if let [_, 0, ..] = input.rest() {
        return Err(input.malformed(Reason::Option));
    }
    if !input.is_empty() {
        let [_, units] = *input.array::<2>()?;
        input.skip(usize::from(units) * 8 - 2)?;
    }
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{encoded, every_prefix, walk_cut, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use; an ICMPv6 header leads on from it.
    static BARE: Protocol = Protocol::new("ICMPv6", crate::icmpv6::PROTOCOL.dissect)
        .reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[
        &BARE,
        &ROUTER_SOLICITATION,
        &ROUTER_ADVERTISEMENT,
        &NEIGHBOR_SOLICITATION,
        &NEIGHBOR_ADVERTISEMENT,
    ];

    const LINK_LAYER: &[u8] = b"\x01\x01\x02\x00\x5e\x00\x00\x0b";

    /// Source link-layer address and MTU.
    const ADVERTISEMENT: &[u8] =
        b"\x86\x00\x35\xa6\x40\xc0\x07\x08\x00\x00\x75\x30\x00\x00\x03\xe8\
        \x01\x01\x02\x00\x5e\x00\x00\x0b\x05\x01\x00\x00\x00\x00\x05\xdc";

    const TARGET: [u8; 16] = *b"\xfe\x80\0\0\0\0\0\0\x00\x00\x5e\xff\xfe\x00\x00\x0b";

    fn time() -> Timestamp {
        Timestamp::new(1, 2000)
    }

    /// An ICMPv6 message.
    fn message(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
        let mut message = vec![kind, 0, 0xbf, 0x19];
        parts
            .iter()
            .for_each(|part| message.extend_from_slice(part));
        message
    }

    fn advertisement() -> RouterAdvertisement<'static> {
        RouterAdvertisement {
            timestamp: time(),
            hop_limit: 64,
            flags: 0xc0,
            router_lifetime: 1800,
            reachable_time: 30_000,
            retrans_timer: 1000,
            options: Each(Options(ADVERTISEMENT.split_at(16).1)),
        }
    }

    #[test]
    fn every_field_of_a_router_advertisement() {
        let walked = walk_packet(PROTOCOLS, 147, ADVERTISEMENT);
        assert_eq!(walked.fate, Fate::Decoded);
        let records = walked.of("ICMPv6RouterAdvertisement");
        assert_eq!(records, [encoded(&advertisement())]);
        let options: Vec<_> = advertisement()
            .options
            .0
            .map(|o| (o.kind, o.data))
            .collect();
        let expected: [(u8, &[u8]); 2] = [
            (1, b"\x02\x00\x5e\x00\x00\x0b"),
            (5, b"\x00\x00\x00\x00\x05\xdc"),
        ];
        assert_eq!(options, expected);
    }

    #[test]
    fn every_field_of_the_others() {
        let walked = walk_packet(PROTOCOLS, 147, &message(133, &[&[0; 4], LINK_LAYER]));
        let record = RouterSolicitation {
            timestamp: time(),
            options: Each(Options(LINK_LAYER)),
        };
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("ICMPv6RouterSolicitation"), [encoded(&record)]);

        let walked = walk_packet(
            PROTOCOLS,
            147,
            &message(135, &[&[0; 4], &TARGET, LINK_LAYER]),
        );
        let record = NeighborSolicitation {
            timestamp: time(),
            target: Ip::V6(TARGET),
            options: Each(Options(LINK_LAYER)),
        };
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("ICMPv6NeighborSolicitation"), [encoded(&record)]);

        let walked = walk_packet(PROTOCOLS, 147, &message(136, &[b"\xe0\0\0\0", &TARGET]));
        let record = NeighborAdvertisement {
            timestamp: time(),
            flags: 0xe0,
            target: Ip::V6(TARGET),
            options: Each(Options(b"")),
        };
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("ICMPv6NeighborAdvertisement"), [encoded(&record)]);
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 147, ADVERTISEMENT);
        every_prefix(PROTOCOLS, 147, &message(133, &[&[0; 4], LINK_LAYER]));
        every_prefix(
            PROTOCOLS,
            147,
            &message(135, &[&[0; 4], &TARGET, LINK_LAYER]),
        );
        every_prefix(
            PROTOCOLS,
            147,
            &message(136, &[&[0; 4], &TARGET, LINK_LAYER]),
        );
        // Cut in the second option: the first is recorded.
        let cut = walk_cut(
            PROTOCOLS,
            147,
            ADVERTISEMENT.split_at(30).0,
            ADVERTISEMENT.len(),
        );
        assert!(matches!(cut.fate, Fate::CutShort(m) if (m.needed, m.had) == (6, 4)));
        let record = RouterAdvertisement {
            options: Each(Options(LINK_LAYER)),
            ..advertisement()
        };
        assert_eq!(cut.of("ICMPv6RouterAdvertisement"), [encoded(&record)]);
    }

    #[test]
    fn options_that_contradict_themselves() {
        for (option, reason) in [
            (&b"\x01\x00\x00\x00\x00\x00\x00\x00"[..], Reason::Option),
            (&b"\x01\x04abcdef"[..], Reason::Truncated),
            (&b"\x01"[..], Reason::Truncated),
        ] {
            let octets = message(135, &[&[0; 4], &TARGET, LINK_LAYER, option]);
            let walked = walk_packet(PROTOCOLS, 147, &octets);
            assert!(matches!(walked.fate, Fate::Malformed(m) if m.reason == reason));
            let record = NeighborSolicitation {
                timestamp: time(),
                target: Ip::V6(TARGET),
                options: Each(Options(LINK_LAYER)),
            };
            assert_eq!(walked.of("ICMPv6NeighborSolicitation"), [encoded(&record)]);
        }
    }
}
