//! Service instance tag of provider backbone bridges (IEEE 802.1Q-2022, clause 9.7; once 802.1ah):
//! a customer's frame in the provider's. No record but those of the frames.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector, TunnelKind};

use crate::ethernet;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("PBB", dissect).reached_by(&[Selector::EtherType(0x88e7)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // Priority and flags, and the service instance. The standard counts the customer's addresses
    // to the tag; with the type after them they are the header of the customer's frame.
    let tag = input.u32()?;
    context.tunnel(TunnelKind::ServiceInstance, tag & 0xff_ffff);
    Ok(Next::Layer(ethernet::SELECTOR, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("PBB", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE, &crate::ethernet::PROTOCOL];

    #[test]
    fn a_frame_in_a_frame() {
        let packet = b"\0\x01\x02\x03\x02\0\0\0\0\x0b\x02\0\0\0\0\x0a\x88\xb5data";
        let walked = walk_packet(PROTOCOLS, 147, packet);
        assert_eq!(walked.fate, Fate::Unknown(Selector::EtherType(0x88b5)));
        assert_eq!(walked.of("Ethernet").len(), 1);
        assert_eq!(
            walked.tunnel(),
            Some((TunnelKind::ServiceInstance, 0x01_0203))
        );
        every_prefix(PROTOCOLS, 147, packet);
    }
}
