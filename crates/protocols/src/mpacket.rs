//! Frames that may be preempted (IEEE 802.3 clause 99; LINKTYPE_ETHERNET_MPACKET), from the preamble
//! on. No record.
//!
//! Express frames, frames that may be preempted, and the first fragments of such lead on to Ethernet
//! with what they have; later fragments, and the packets by which neighbours verify that they can
//! do this, end here.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::ethernet;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("mPacket", dissect).reached_by(&[Selector::LinkType(274)]);

/// Octets of the preamble.
const PREAMBLE: u8 = 0x55;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // IEEE 802.3 table 99-1: what stands for the start of frame delimiter; it may come early, as
    // the start of a preamble gets lost.
    let mut kind = input.u8()?;
    while kind == PREAMBLE {
        kind = input.u8()?;
    }
    Ok(match kind {
        0xd5 | 0xe6 | 0x4c | 0x7f | 0xb3 => Next::Layer(ethernet::SELECTOR, input.take_rest()),
        // Verify and respond; continuation fragments.
        0x07 | 0x19 | 0x61 | 0x52 | 0x9e | 0x2a => Next::End,
        other => Next::Layer(
            Selector::Other("mPacket delimiter", other.into()),
            input.take_rest(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    #[test]
    fn the_delimiter_decides() {
        let frame = Fate::Unknown(ethernet::SELECTOR);
        let other = Fate::Unknown(Selector::Other("mPacket delimiter", 0xaa));
        for (packet, fate) in [
            (&b"\x55\x55\x55\x55\x55\x55\x55\xd5\x02"[..], frame),
            (b"\x55\x55\x55\x55\x55\x55\x55\x4c\x02", frame),
            (b"\x55\x55\x55\x55\x55\x55\x61\xe6\x02", Fate::Decoded),
            (b"\x55\x55\x55\x55\x55\x55\x55\x07\x00", Fate::Decoded),
            (b"\x55\xaa\x00", other),
        ] {
            assert_eq!(walk_packet(&[&PROTOCOL], 274, packet).fate, fate);
            every_prefix(&[&PROTOCOL], 274, packet);
        }
    }
}
