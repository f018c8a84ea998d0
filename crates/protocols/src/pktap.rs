//! Apple's captures of several interfaces (PKTAP): a header with the link type of the packet after
//! it. No record.
//!
//! Older systems wrote them under link type 149, which is everybody's own: there a packet whose
//! header is not that of PKTAP is unknown.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("PKTAP", dissect).reached_by(&[Selector::LinkType(258)]);

/// LINKTYPE_USER2.
pub(crate) static USER2: Protocol =
    Protocol::new("PKTAPUser2", perhaps).reached_by(&[Selector::LinkType(149)]);

/// Octets of `struct pktap_header`, which may grow.
const HEADER: usize = 108;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    let length = input.u32_le()? as usize;
    if length < HEADER {
        return Err(header.malformed(Reason::Length));
    }
    let (follows, link_type) = (input.u32_le()?, input.u32_le()?);
    input.skip(length - 12)?;
    Ok(match follows {
        // PTH_TYPE_NONE, PTH_TYPE_PACKET.
        0 => Next::End,
        1 => Next::Layer(Selector::LinkType(link_type), input.take_rest()),
        other => Next::Layer(
            Selector::Other("PKTAP record type", other.into()),
            input.take_rest(),
        ),
    })
}

fn perhaps<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    match input.rest() {
        // Lengths to 255, and what follows is a packet or nothing.
        [length, 0, 0, 0, 0 | 1, 0, 0, 0, ..] if usize::from(*length) >= HEADER => {
            dissect(input, context)
        }
        _ => {
            let unknown = Selector::Other("private link type", 149);
            Ok(Next::Layer(unknown, input.take_rest()))
        }
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &USER2];

    fn packet(length: u8, follows: u8) -> Vec<u8> {
        let mut packet = vec![0; usize::from(length)];
        packet.splice(..12, [length, 0, 0, 0, follows, 0, 0, 0, 1, 0, 0, 0]);
        packet.push(2);
        packet
    }

    #[test]
    fn the_header_says_what_follows() {
        for link_type in [258, 149] {
            for length in [108, 156] {
                let fate = walk_packet(PROTOCOLS, link_type, &packet(length, 1)).fate;
                assert_eq!(fate, Fate::Unknown(Selector::LinkType(1)));
                let fate = walk_packet(PROTOCOLS, link_type, &packet(length, 0)).fate;
                assert_eq!(fate, Fate::Decoded);
                every_prefix(PROTOCOLS, link_type, &packet(length, 1));
            }
        }
        let other = walk_packet(PROTOCOLS, 258, &packet(108, 2)).fate;
        assert_eq!(
            other,
            Fate::Unknown(Selector::Other("PKTAP record type", 2))
        );
    }

    #[test]
    fn headers_of_others() {
        let walked = walk_packet(PROTOCOLS, 258, &packet(107, 1));
        assert_eq!(walked.malformed(), Some(Reason::Length));
        let fate = walk_packet(PROTOCOLS, 149, &packet(107, 1)).fate;
        assert_eq!(
            fate,
            Fate::Unknown(Selector::Other("private link type", 149))
        );
    }
}
