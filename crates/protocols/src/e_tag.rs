//! E-TAG of bridge port extension (IEEE 802.1BR-2012, clause 7.5), by which a bridge and its port
//! extenders name their ports. No record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::ethernet::{client, client_data};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("ETag", dissect).reached_by(&[Selector::EtherType(0x893f)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // Priority and both port identifiers; then the type that the tag pushed back.
    input.skip(6)?;
    let ethertype = input.u16()?;
    Ok(client(ethertype, client_data(input, ethertype)))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("ETag", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    #[test]
    fn leads_on() {
        let packet = b"\xa0\x01\x00\x02\x00\x00\x08\x00inner";
        let fate = walk_packet(PROTOCOLS, 147, packet).fate;
        assert_eq!(fate, Fate::Unknown(Selector::EtherType(0x0800)));
        every_prefix(PROTOCOLS, 147, packet);
    }
}
