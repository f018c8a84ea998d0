//! Token Ring (IEEE 802.5-1998): access control, frame control, addresses, and a source route
//! where the highest bit of the source address says so. No record.
//!
//! LLC frames lead on to LLC, frames of the ring's own management (MAC) end here. A route whose
//! length is odd or less than its own two octets is malformed.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::llc;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("TokenRing", dissect).reached_by(&[Selector::LinkType(6)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [_access, control, _, _, _, _, _, _, source, _, _, _, _, _] = *input.array()?;
    // IEEE 802.5 clause 3.2.5: routing information is there.
    if source & 0x80 != 0 {
        let route = *input;
        // IEEE 802.1D-1998 clause C.3.3.2: five bits of length, of all the routing information.
        let length = usize::from(input.u8()? & 0x1f);
        if length < 2 || length % 2 != 0 {
            return Err(route.malformed(Reason::Length));
        }
        input.skip(length - 1)?;
    }
    // IEEE 802.5 clause 3.2.3: the two highest bits of the frame control are the frame's type.
    Ok(match control >> 6 {
        0 => Next::End,
        1 => Next::Layer(llc::SELECTOR, input.take_rest()),
        kind => Next::Layer(
            Selector::Other("Token Ring frame type", kind.into()),
            input.take_rest(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{Walked, every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &llc::PROTOCOL];

    fn frame(control: u8, source: u8, rest: &[u8]) -> Vec<u8> {
        let addresses = [0x02, 0, 0x5e, 0, 0, 0x0b, source, 0, 0x5e, 0, 0, 0x0a];
        [&[0x10, control], addresses.as_slice(), rest].concat()
    }

    fn walk(control: u8, source: u8, rest: &[u8]) -> Walked {
        walk_packet(PROTOCOLS, 6, &frame(control, source, rest))
    }

    #[test]
    fn with_and_without_a_route() {
        let sap = Fate::Unknown(Selector::LlcSap(0x42));
        assert_eq!(walk(0x40, 0x02, b"\x42\x42\x03bpdu").fate, sap);
        let routed = b"\x06\x30\x00\x12\x00\x20\x42\x42\x03bpdu";
        assert_eq!(walk(0x40, 0x82, routed).fate, sap);
        assert_eq!(walk(0x40, 0x82, b"\x82\x30\x42\x42\x03bpdu").fate, sap);
        for length in [b"\x00", b"\x01", b"\x03"] {
            let walked = walk(
                0x40,
                0x82,
                &[length, b"\x30\x42\x42\x03".as_slice()].concat(),
            );
            assert_eq!(walked.malformed(), Some(Reason::Length));
        }
    }

    #[test]
    fn kinds_of_frames() {
        assert_eq!(walk(0x00, 0x02, b"\x00\x04\x00\x00").fate, Fate::Decoded);
        let reserved = Selector::Other("Token Ring frame type", 2);
        assert_eq!(walk(0x80, 0x02, b"--").fate, Fate::Unknown(reserved));
    }

    #[test]
    fn prefixes() {
        let routed = b"\x06\x30\x00\x12\x00\x20\x42\x42\x03bpdu";
        every_prefix(PROTOCOLS, 6, &frame(0x40, 0x82, routed));
    }
}
