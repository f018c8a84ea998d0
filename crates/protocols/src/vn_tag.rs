//! Cisco's VN-Tag, by which a switch and its port extenders name virtual interfaces. It has no
//! public standard; IEEE 802.1BR (`e_tag`) came of it. No record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::ethernet::{client, client_data};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("VNTag", dissect).reached_by(&[Selector::EtherType(0x8926)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // Flags, version and both interfaces; then the type that the tag pushed back.
    input.skip(4)?;
    let ethertype = input.u16()?;
    Ok(client(ethertype, client_data(input, ethertype)))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("VNTag", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    #[test]
    fn leads_on() {
        let packet = b"\x80\x01\x00\x02\x08\x00inner";
        let fate = walk_packet(PROTOCOLS, 147, packet).fate;
        assert_eq!(fate, Fate::Unknown(Selector::EtherType(0x0800)));
        every_prefix(PROTOCOLS, 147, packet);
    }
}
