//! Apple's IP over IEEE 1394 (LINKTYPE_APPLE_IP_OVER_IEEE1394): two addresses of eight octets and an
//! EtherType. No record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::ethernet;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("FireWire", dissect).reached_by(&[Selector::LinkType(138)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    input.skip(16)?;
    let ethertype = input.u16()?;
    Ok(ethernet::by_type(ethertype, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    #[test]
    fn the_type_decides() {
        let packet = [&[0; 16][..], b"\x86\xdd\x60\0"].concat();
        let fate = walk_packet(&[&PROTOCOL], 138, &packet).fate;
        assert_eq!(fate, Fate::Unknown(Selector::EtherType(0x86dd)));
        every_prefix(&[&PROTOCOL], 138, &packet);
    }
}
