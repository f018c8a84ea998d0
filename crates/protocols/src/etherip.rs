//! Ethernet frames in IP packets (RFC 3378). No record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::ethernet;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("EtherIP", dissect).reached_by(&[Selector::IpProto(97)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let start = *input;
    // Version 3 in the first four bits; the rest is reserved.
    if input.u16()? >> 12 != 3 {
        return Err(start.malformed(Reason::Version));
    }
    Ok(Next::Layer(ethernet::SELECTOR, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol =
        Protocol::new("EtherIP", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    #[test]
    fn versions() {
        let fate = walk_packet(PROTOCOLS, 147, b"\x30\0frame").fate;
        assert_eq!(fate, Fate::Unknown(Selector::EtherType(0x6558)));
        let walked = walk_packet(PROTOCOLS, 147, b"\x20\0frame");
        assert_eq!(walked.malformed(), Some(Reason::Version));
        every_prefix(PROTOCOLS, 147, b"\x30\0frame");
    }
}
