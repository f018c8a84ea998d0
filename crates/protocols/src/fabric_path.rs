//! Cisco FabricPath, frames on their way through a fabric of switches. It has no public standard. No
//! record but those of the frames: the fabric's header begins with two addresses as Ethernet does.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::ethernet;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("FabricPath", dissect).reached_by(&[Selector::EtherType(0x8903)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // Forwarding tag and time to live; then the frame.
    input.u16()?;
    Ok(Next::Layer(ethernet::SELECTOR, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol =
        Protocol::new("FabricPath", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    #[test]
    fn leads_on() {
        let packet = b"\x00\x20frame";
        let fate = walk_packet(PROTOCOLS, 147, packet).fate;
        assert_eq!(fate, Fate::Unknown(ethernet::SELECTOR));
        every_prefix(PROTOCOLS, 147, packet);
    }
}
