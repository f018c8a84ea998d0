//! E-TAG of bridge port extension (IEEE 802.1BR-2012, clause 7.5), by which a bridge and its port
//! extenders name their ports. No record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector, TunnelKind};

use crate::ethernet::{client, client_data};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("ETag", dissect).reached_by(&[Selector::EtherType(0x893f)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // Priority and the base of the ingress port; group and base of the channel; the extensions of
    // both; then the type that the tag pushed back.
    let &[_, _, c0, c1, _, extension] = input.array()?;
    let (group, base) = (c0 >> 4 & 3, u16::from_be_bytes([c0 & 15, c1]));
    let channel = u32::from(group) << 20 | u32::from(extension) << 12 | u32::from(base);
    context.tunnel(TunnelKind::Channel, channel);
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
        let packet = b"\xa0\x01\x20\x34\x00\x05\x08\x00inner";
        let walked = walk_packet(PROTOCOLS, 147, packet);
        assert_eq!(walked.tunnel(), Some((TunnelKind::Channel, 0x20_5034)));
        assert_eq!(walked.fate, Fate::Unknown(Selector::EtherType(0x0800)));
        every_prefix(PROTOCOLS, 147, packet);
    }
}
