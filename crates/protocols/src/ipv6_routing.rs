//! Routing header of IPv6 (RFC 8200 section 4.4), of any type. It has no record. Only its length
//! is checked: the addresses that a packet still visits do not matter for what it carries.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::ipv6;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("IPv6Routing", dissect).reached_by(&[Selector::IpProto(43)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let (next_header, octets) = ipv6::extension(input)?;
    octets?;
    Ok(ipv6::following(next_header, input.rest()))
}
