//! Infrared links as Linux shows them (LINKTYPE_LINUX_IRDA): the header of a cooked capture, then a
//! frame of IrLAP, of which address and control are read. No record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("IrDA", dissect).reached_by(&[Selector::LinkType(144)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    input.skip(16 + 2)?;
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    #[test]
    fn the_header_alone() {
        let packet = [0; 20];
        assert_eq!(walk_packet(&[&PROTOCOL], 144, &packet).fate, Fate::Decoded);
        every_prefix(&[&PROTOCOL], 144, &packet);
    }
}
