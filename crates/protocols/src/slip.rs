//! Serial Line IP (LINKTYPE_SLIP): direction, packet type and compression before the packet. No
//! record.
//!
//! The headers of IP and TCP that follow are never compressed, whatever the type says.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::raw_ip;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("SLIP", dissect).reached_by(&[Selector::LinkType(8)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // Direction, and fifteen octets as they were on the line (RFC 1144 figure 5).
    input.skip(16)?;
    Ok(Next::Layer(raw_ip::SELECTOR, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    #[test]
    fn the_packet_follows() {
        let packet = [&[1, 0x40][..], &[0; 14], b"\x60\0"].concat();
        let fate = walk_packet(&[&PROTOCOL], 8, &packet).fate;
        assert_eq!(fate, Fate::Unknown(raw_ip::SELECTOR));
        every_prefix(&[&PROTOCOL], 8, &packet);
    }
}
