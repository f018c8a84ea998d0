//! Ethernet passive optical networks (LINKTYPE_EPON): the last six octets of the modified preamble
//! (IEEE 802.3 clause 65.1.3.2), which name the logical link, and an Ethernet frame. No record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::ethernet;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("EPON", dissect).reached_by(&[Selector::LinkType(259)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    input.skip(6)?;
    Ok(Next::Layer(ethernet::SELECTOR, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    #[test]
    fn the_frame_follows() {
        let packet = b"\xd5\x55\x55\x12\x34\xeb\x02";
        let fate = walk_packet(&[&PROTOCOL], 259, packet).fate;
        assert_eq!(fate, Fate::Unknown(ethernet::SELECTOR));
        every_prefix(&[&PROTOCOL], 259, packet);
    }
}
