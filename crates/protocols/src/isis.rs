//! Intermediate System to Intermediate System, routing of OSI and IP (ISO/IEC 10589, RFC 1195). No
//! record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

/// How packets lead here, the octet before them that tells protocols of OSI apart included: the
/// EtherType of TRILL's (RFC 6325 section 4.3).
pub(crate) const SELECTOR: Selector = Selector::EtherType(0x22f4);

pub(crate) static PROTOCOL: Protocol = Protocol::new("IS-IS", dissect).reached_by(&[SELECTOR]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // ISO/IEC 10589 clause 9.5, what all its packets begin with.
    input.skip(8)?;
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("IS-IS", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    #[test]
    fn headers() {
        let hello = [0x83, 27, 1, 0, 15, 1, 0, 0, 3];
        assert_eq!(walk_packet(PROTOCOLS, 147, &hello).fate, Fate::Decoded);
        every_prefix(PROTOCOLS, 147, &hello);
        let short = walk_packet(PROTOCOLS, 147, &hello[..7]);
        assert_eq!(short.malformed(), Some(Reason::Truncated));
    }
}
