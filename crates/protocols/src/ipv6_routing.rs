//! Routing header of IPv6 (RFC 8200 section 4.4), of any type. It has no record. Only its length
//! is checked: the addresses that a packet still visits do not matter for what it carries.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::ipv6_extension;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("IPv6Routing", dissect).reached_by(&[Selector::IpProto(43)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let (next_header, octets) = ipv6_extension::extension(input)?;
    context.next_header(next_header);
    octets?;
    Ok(ipv6_extension::following(next_header, input.rest()))
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
