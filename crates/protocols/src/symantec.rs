//! Symantec's firewall (LINKTYPE_SYMANTEC_FIREWALL). No record.
//!
//! There are two headers, which no version tells apart: 44 octets with the EtherType at 6, and 56
//! octets with the EtherType at 10. The other one's place is zero.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::ethernet;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("SymantecFirewall", dissect).reached_by(&[Selector::LinkType(99)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    let [_, _, _, _, _, _, a0, a1, _, _, b0, b1] = *input.array()?;
    let (short, long) = (u16::from_be_bytes([a0, a1]), u16::from_be_bytes([b0, b1]));
    let (ethertype, length) = match (short, long) {
        (1.., 0) => (short, 44),
        (0, 1..) => (long, 56),
        _ => return Err(header.malformed(Reason::Value)),
    };
    input.skip(length - 12)?;
    Ok(ethernet::by_type(ethertype, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    fn packet(length: usize, types: &[usize]) -> Vec<u8> {
        let mut packet = vec![0; length];
        for at in types {
            packet.splice(*at..at + 2, [0x86, 0xdd]);
        }
        packet.extend_from_slice(b"\x60\0");
        packet
    }

    #[test]
    fn either_header() {
        for (length, at) in [(44, 6), (56, 10)] {
            let packet = packet(length, &[at]);
            let fate = walk_packet(&[&PROTOCOL], 99, &packet).fate;
            assert_eq!(fate, Fate::Unknown(Selector::EtherType(0x86dd)));
            every_prefix(&[&PROTOCOL], 99, &packet);
        }
    }

    #[test]
    fn neither_header() {
        for types in [&[][..], &[6, 10]] {
            let walked = walk_packet(&[&PROTOCOL], 99, &packet(56, types));
            assert_eq!(walked.malformed(), Some(Reason::Value));
        }
    }
}
