//! Cisco's metadata header, by which switches carry security group tags (draft-smith-kandula-sxp
//! has the tags; the header has no public standard). No record.
//!
//! The type of what follows stands last behind an Ethernet header and first behind GRE. Version and
//! length, which begin the other form, make no EtherType together, so the two can be told apart.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::ethernet::{ETHERTYPE_MIN, client, client_data};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("CiscoMetadata", dissect).reached_by(&[Selector::EtherType(0x8909)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // Version, length, two octets each of option and tag; the type before or after them.
    let [f0, f1, _, _, _, _, l0, l1] = *input.array()?;
    let ethertype = match u16::from_be_bytes([f0, f1]) {
        first @ ETHERTYPE_MIN.. => first,
        _ => u16::from_be_bytes([l0, l1]),
    };
    Ok(client(ethertype, client_data(input, ethertype)))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol =
        Protocol::new("CiscoMetadata", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    #[test]
    fn leads_on() {
        for packet in [
            b"\x01\x01\x00\x01\x00\x05\x08\x00inner",
            b"\x08\x00\x01\x01\x00\x01\x00\x05inner",
        ] {
            let fate = walk_packet(PROTOCOLS, 147, packet).fate;
            assert_eq!(fate, Fate::Unknown(Selector::EtherType(0x0800)));
            every_prefix(PROTOCOLS, 147, packet);
        }
    }
}
