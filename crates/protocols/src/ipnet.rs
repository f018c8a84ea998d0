//! Solaris between its zones (LINKTYPE_IPNET): version, family, direction, length, interfaces and
//! zones before the packet. No record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::raw_ip;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("IPNET", dissect).reached_by(&[Selector::LinkType(226)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    // dl_ipnetinfo_t, of which there is version 1.
    if input.u8()? != 1 {
        return Err(header.malformed(Reason::Version));
    }
    input.skip(23)?;
    Ok(Next::Layer(raw_ip::SELECTOR, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    fn packet(version: u8) -> Vec<u8> {
        [&[version, 26][..], &[0; 22], b"\x60\0"].concat()
    }

    #[test]
    fn the_packet_follows() {
        let fate = walk_packet(&[&PROTOCOL], 226, &packet(1)).fate;
        assert_eq!(fate, Fate::Unknown(raw_ip::SELECTOR));
        every_prefix(&[&PROTOCOL], 226, &packet(1));
        let walked = walk_packet(&[&PROTOCOL], 226, &packet(2));
        assert_eq!(walked.malformed(), Some(Reason::Version));
    }
}
