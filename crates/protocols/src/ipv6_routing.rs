//! Routing header of IPv6 (RFC 8200 section 4.4), of any type. It has no record. Only its length
//! is checked: the addresses that a packet still visits do not matter for what it carries, but that
//! checksums cover the last of them (section 8.1).

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};
use netcap_record::Ip;

use crate::{ipv6, ipv6_extension};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("IPv6Routing", dissect).reached_by(&[Selector::IpProto(43)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let (next_header, octets) = ipv6_extension::extension(input)?;
    context.next_header(next_header);
    let octets = octets?;
    if context.verifies_checksums()
        && let Some(around) = ipv6::innermost(context.layers())
    {
        // No segments left: the packet is where it goes to.
        if octets.get(1).is_some_and(|left| *left > 0) {
            context.goes_on_to(destination(octets, around.destination).map(Ip::V6));
        }
    }
    Ok(ipv6_extension::following(next_header, input.rest()))
}

/// Where a packet goes in the end that is under way to `next`; none if that cannot be told. The octets
/// begin with the type.
fn destination(octets: &[u8], next: [u8; 16]) -> Option<[u8; 16]> {
    let (&[kind, _, compressed, padding, ..], addresses) = octets.split_first_chunk::<6>()?;
    match kind {
        // Source Route (RFC 5095), and the home address (RFC 6275 section 6.4).
        0 | 2 => addresses.last_chunk().copied(),
        // RFC 6554 section 3: the last address lacks the beginning that it shares with the next.
        3 => {
            let shared = usize::from(compressed & 15);
            let end = addresses.len().checked_sub(usize::from(padding >> 4))?;
            let own = addresses.get(..end)?;
            let own = own.get(own.len().checked_sub(16 - shared)?..)?;
            [next.get(..shared)?, own].concat().try_into().ok()
        }
        // RFC 8754 section 2: the last segment comes first.
        4 => addresses.first_chunk().copied(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol =
        Protocol::new("IPv6Routing", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    /// Type 0 with one address, protocol 253 after it.
    const SAMPLE: &[u8] = b"\xfd\x02\x00\x01\0\0\0\0\
        \x20\x01\x0d\xb8\0\x02\0\0\0\0\0\0\0\0\0\x0cafter";

    #[test]
    fn leads_on() {
        let fate = walk_packet(PROTOCOLS, 147, SAMPLE).fate;
        assert_eq!(fate, Fate::Unknown(Selector::IpProto(253)));
        every_prefix(PROTOCOLS, 147, SAMPLE);
    }

    #[test]
    fn longer_than_the_packet() {
        let fate = walk_packet(PROTOCOLS, 147, b"\xfd\x04\x00\x01\0\0\0\0").fate;
        assert!(matches!(fate, Fate::Malformed(m) if m.reason == Reason::Truncated));
    }
}
