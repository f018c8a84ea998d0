//! Destination Options header of IPv6 (RFC 8200 section 4.6). It has no record; its length and its
//! options must be sound for the walk to go on behind it.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::{ipv6, ipv6_hop_by_hop::Options};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("IPv6Destination", dissect).reached_by(&[Selector::IpProto(60)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let (next_header, octets) = ipv6::extension(input)?;
    if !Options::new(octets?).sound() {
        return Err(input.malformed(Reason::Option));
    }
    Ok(ipv6::following(next_header, input.rest()))
}
