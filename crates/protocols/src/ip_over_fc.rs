//! IP over Fibre Channel (RFC 4338; LINKTYPE_IP_OVER_FC): the network header, two names of eight
//! octets, and LLC. No record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::llc;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("IPoFC", dissect).reached_by(&[Selector::LinkType(122)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    input.skip(16)?;
    Ok(Next::Layer(llc::SELECTOR, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    #[test]
    fn llc_follows() {
        let packet = [&[0x10; 16][..], b"\xaa\xaa\x03"].concat();
        let fate = walk_packet(&[&PROTOCOL], 122, &packet).fate;
        assert_eq!(fate, Fate::Unknown(llc::SELECTOR));
        every_prefix(&[&PROTOCOL], 122, &packet);
    }
}
