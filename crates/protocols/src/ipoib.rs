//! IP over InfiniBand (RFC 4391; LINKTYPE_IPOIB): the global route header, or what stands for it,
//! and an EtherType. No record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::ethernet;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("IPoIB", dissect).reached_by(&[Selector::LinkType(242)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    input.skip(40)?;
    // RFC 4391 section 6: type, reserved.
    let [t0, t1, _, _] = *input.array()?;
    let ethertype = u16::from_be_bytes([t0, t1]);
    Ok(ethernet::by_type(ethertype, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    #[test]
    fn the_type_decides() {
        let packet = [&[0; 40][..], b"\x86\xdd\0\0\x60\0"].concat();
        let fate = walk_packet(&[&PROTOCOL], 242, &packet).fate;
        assert_eq!(fate, Fate::Unknown(Selector::EtherType(0x86dd)));
        every_prefix(&[&PROTOCOL], 242, &packet);
    }
}
