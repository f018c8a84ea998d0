//! Spanning tree and what else bridges tell each other at its address (IEEE 802.1D-2004 clause 9;
//! GARP, clause 12). No record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("STP", dissect).reached_by(&[Selector::LlcSap(0x42)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // Protocol identifier, version, type: a message that the topology changes has no more.
    input.skip(4)?;
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("STP", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    #[test]
    fn messages() {
        // A change of topology; the beginning of a configuration message.
        for octets in [&[0, 0, 0, 0x80][..], &[0, 0, 2, 2, 0x7c, 0x80, 0, 0, 0x1c]] {
            assert_eq!(walk_packet(PROTOCOLS, 147, octets).fate, Fate::Decoded);
            every_prefix(PROTOCOLS, 147, octets);
        }
        let short = walk_packet(PROTOCOLS, 147, &[0, 0, 0]);
        assert_eq!(short.malformed(), Some(Reason::Truncated));
    }
}
