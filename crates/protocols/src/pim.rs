//! Protocol Independent Multicast, version 2 (RFC 7761 section 4.9). No record.
//!
//! A register message carries a multicast packet to the rendezvous point; the walk goes on in it. The
//! other messages end here.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::raw_ip;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("PIM", dissect).reached_by(&[Selector::IpProto(103)]);

/// A register message: RFC 7761 section 4.9.3.
const REGISTER: u8 = 1;
/// Bit of a register message that carries a header without a packet.
const NULL_REGISTER: u32 = 0x4000_0000;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    let [version_and_type, _reserved, _, _] = *input.array()?;
    if version_and_type >> 4 != 2 {
        return Err(header.malformed(Reason::Version));
    }
    if version_and_type & 15 != REGISTER || input.u32()? & NULL_REGISTER != 0 {
        return Ok(Next::End);
    }
    let packet = input.take_rest();
    Ok(match raw_ip::by_version(packet) {
        Some(selector) => Next::Layer(selector, packet),
        None => Next::End,
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("PIM", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    fn fate(octets: &[u8]) -> Fate {
        walk_packet(PROTOCOLS, 147, octets).fate
    }

    #[test]
    fn messages() {
        let hello = b"\x20\0\x41\xfe\0\x01\0\x02\0\x69";
        assert_eq!(fate(hello), Fate::Decoded);
        every_prefix(PROTOCOLS, 147, hello);
        let other = walk_packet(PROTOCOLS, 147, b"\x10\0\0\0");
        assert_eq!(other.malformed(), Some(Reason::Version));
    }

    #[test]
    fn registers_carry_a_packet() {
        let unknown = |ethertype| Fate::Unknown(Selector::EtherType(ethertype));
        let register = b"\x21\0\xde\xff\0\0\0\0\x45 packet";
        assert_eq!(fate(register), unknown(0x0800));
        assert_eq!(
            fate(b"\x21\0\xde\xff\x80\0\0\0\x60 packet"),
            unknown(0x86dd)
        );
        assert_eq!(fate(b"\x21\0\xde\xff\0\0\0\0"), Fate::Decoded);
        assert_eq!(fate(b"\x21\0\xde\xff\x40\0\0\0\x45 header"), Fate::Decoded);
        every_prefix(PROTOCOLS, 147, register);
    }
}
