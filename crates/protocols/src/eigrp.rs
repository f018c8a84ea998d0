//! Enhanced Interior Gateway Routing Protocol of Cisco (RFC 7868). No record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("EIGRP", dissect).reached_by(&[Selector::IpProto(88)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    // RFC 7868 section 6.2.
    let [version, _rest @ ..] = *input.array::<20>()?;
    if version != 2 {
        return Err(header.malformed(Reason::Version));
    }
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("EIGRP", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    #[test]
    fn headers() {
        let mut hello = [&[2, 5, 0xee, 0xc9][..], &[0; 15], &[1, 0, 1, 0, 12]].concat();
        assert_eq!(walk_packet(PROTOCOLS, 147, &hello).fate, Fate::Decoded);
        every_prefix(PROTOCOLS, 147, &hello);
        hello[0] = 3;
        let other = walk_packet(PROTOCOLS, 147, &hello);
        assert_eq!(other.malformed(), Some(Reason::Version));
    }
}
