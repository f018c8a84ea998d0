//! Log of the packet filter of the BSDs (LINKTYPE_PFLOG). No record.
//!
//! The header differs from system to system but for its beginning, which is its length without the
//! padding to four octets; the systems number address families differently, too: the version in
//! the packet decides.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::raw_ip;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("PFLog", dissect).reached_by(&[Selector::LinkType(117)]);

/// Octets of the shortest header there ever was, without padding: length, family, action, reason,
/// interface, rule set, two numbers of rules, direction.
const HEADER_MIN: usize = 45;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    let length = usize::from(input.u8()?);
    if length < HEADER_MIN {
        return Err(header.malformed(Reason::Length));
    }
    input.skip(length.next_multiple_of(4) - 1)?;
    Ok(Next::Layer(raw_ip::SELECTOR, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    fn packet(length: u8) -> Vec<u8> {
        let mut packet = vec![0; usize::from(length).next_multiple_of(4)];
        packet.splice(..1, [length]);
        packet.extend_from_slice(b"\x60\0");
        packet
    }

    #[test]
    fn headers_of_several_systems() {
        for length in [45, 48, 61, 69, 100] {
            let fate = walk_packet(&[&PROTOCOL], 117, &packet(length)).fate;
            assert_eq!(fate, Fate::Unknown(raw_ip::SELECTOR));
            every_prefix(&[&PROTOCOL], 117, &packet(length));
        }
    }

    #[test]
    fn too_short_a_header() {
        let walked = walk_packet(&[&PROTOCOL], 117, &packet(44));
        assert_eq!(walked.malformed(), Some(Reason::Length));
    }
}
