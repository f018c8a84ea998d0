//! Spanning tree (IEEE 802.1D-2004 clause 9). No record.
//!
//! What else bridges tell each other at its address is unknown: GARP (clause 12) has another protocol
//! identifier.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("STP", dissect).reached_by(&[Selector::LlcSap(0x42)]);

fn dissect<'p>(input: &mut Cursor<'p>, _: &mut Context<'p, '_>) -> Result<Next<'p>, Malformed> {
    let message = input.rest();
    // Protocol identifier, version, type: a message that the topology changes has no more.
    let [i0, i1, _, _] = *input.array()?;
    Ok(match u16::from_be_bytes([i0, i1]) {
        0 => Next::End,
        other => {
            let identifier = Selector::Other("bridge protocol identifier", other.into());
            Next::Layer(identifier, message)
        }
    })
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
        // GARP: a list of attributes.
        let garp = walk_packet(PROTOCOLS, 147, &[0, 1, 1, 4, 0, 0, 1, 0, 0]);
        let other = Selector::Other("bridge protocol identifier", 1);
        assert_eq!(garp.fate, Fate::Unknown(other));
        let short = walk_packet(PROTOCOLS, 147, &[0, 0, 0]);
        assert_eq!(short.malformed(), Some(Reason::Truncated));
    }
}
