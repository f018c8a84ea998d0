//! Times that Arista switches write into frames, between the addresses and the type (described in
//! the vendor's manual of EOS). No record.
//!
//! Other uses of the vendor's EtherType are unknown.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::ethernet::{client, client_data};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("AristaTimestamp", dissect).reached_by(&[Selector::EtherType(0xd28b)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [k0, k1, _, form] = *input.array()?;
    // A time of 64 bits or of 48.
    let octets = match (u16::from_be_bytes([k0, k1]), form & 0xf0) {
        (1, 0x10) => 8,
        (1, 0x20) => 6,
        (kind, _) => {
            let kind = Selector::Other("Arista subtype", u64::from(kind));
            return Ok(Next::Layer(kind, input.whole()));
        }
    };
    input.skip(octets)?;
    let ethertype = input.u16()?;
    Ok(client(ethertype, client_data(input, ethertype)))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol =
        Protocol::new("AristaTimestamp", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    #[test]
    fn forms() {
        let fate = |packet| walk_packet(PROTOCOLS, 147, packet).fate;
        let ipv4 = Fate::Unknown(Selector::EtherType(0x0800));
        assert_eq!(fate(b"\0\x01\0\x10secsnano\x08\0inner"), ipv4);
        assert_eq!(fate(b"\0\x01\0\x21senano\x08\0inner"), ipv4);
        let other = Fate::Unknown(Selector::Other("Arista subtype", 2));
        assert_eq!(fate(b"\0\x02\0\x10anything"), other);
        every_prefix(PROTOCOLS, 147, b"\0\x01\0\x10secsnano\x08\0inner");
    }
}
