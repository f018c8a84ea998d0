//! The view of the BSDs into IPsec (LINKTYPE_ENC): packets before encryption and after decryption.
//! No record.
//!
//! The systems number address families differently; the version in the packet decides.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::raw_ip;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("ENC", dissect).reached_by(&[Selector::LinkType(109)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // Address family, index of parameters, flags.
    input.skip(12)?;
    Ok(Next::Layer(raw_ip::SELECTOR, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    #[test]
    fn the_packet_follows() {
        let packet = b"\x18\0\0\0\0\0\x10\0\0\x20\0\0\x60\0";
        let fate = walk_packet(&[&PROTOCOL], 109, packet).fate;
        assert_eq!(fate, Fate::Unknown(raw_ip::SELECTOR));
        every_prefix(&[&PROTOCOL], 109, packet);
    }
}
