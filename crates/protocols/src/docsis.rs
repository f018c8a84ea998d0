//! Cable networks (DOCSIS, CM-SP-MULPIv3.0 section 6.2): the MAC frame, and in packet
//! frames an Ethernet frame. No record.
//!
//! Frames that the extended header says are encrypted, and frames that are no packets (management,
//! requests, concatenation), are unknown. The checksum at the end stays with the packet.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::ethernet;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("DOCSIS", dissect).reached_by(&[Selector::LinkType(143)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // Frame control: type, parameter, whether there is an extended header; its length, or another
    // parameter; length of all that follows but the header's checksum.
    let [control, parameter, l0, l1] = *input.array()?;
    let (kind, number) = (control >> 6, control >> 1 & 0x1f);
    if kind != 0 {
        let frame = u64::from(kind) << 8 | u64::from(number);
        return Ok(Next::Layer(
            Selector::Other("DOCSIS frame", frame),
            input.take_rest(),
        ));
    }
    input.limit(usize::from(u16::from_be_bytes([l0, l1])) + 2);
    let mut encrypted = false;
    if control & 1 != 0 {
        let mut elements = input.sub(parameter.into())?;
        while !elements.is_empty() {
            // Elements: type and length, four bits each; with type 3 and 4 (baseline privacy)
            // the highest bit of the second octet says whether the packet is encrypted.
            let element = elements.u8()?;
            let mut value = elements.sub(usize::from(element & 0x0f))?;
            if let 3 | 4 = element >> 4 {
                if value.remaining() < 2 {
                    return Err(value.malformed(Reason::Option));
                }
                encrypted |= value.u16()? & 0x0080 != 0;
            }
        }
    }
    input.skip(2)?;
    let selector = match encrypted {
        true => Selector::Other("encrypted DOCSIS frame", 0),
        false => ethernet::SELECTOR,
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL];

    #[test]
    fn kinds_of_frames() {
        for (packet, selector) in [
            (&b"\x00\x00\x00\x01\xab\xcd\x02"[..], ethernet::SELECTOR),
            (
                b"\x01\x04\x00\x05\x12\x01\x02\x00\xab\xcd\x02",
                ethernet::SELECTOR,
            ),
            // Baseline privacy, off and on.
            (
                b"\x01\x05\x00\x06\x44\x10\x00\x01\x00\xab\xcd\x02",
                ethernet::SELECTOR,
            ),
            (
                b"\x01\x05\x00\x06\x44\x10\x80\x01\x00\xab\xcd\x02",
                Selector::Other("encrypted DOCSIS frame", 0),
            ),
            (
                b"\xc2\x00\x00\x01\xab\xcd\x01",
                Selector::Other("DOCSIS frame", 0x301),
            ),
        ] {
            let fate = walk_packet(PROTOCOLS, 143, packet).fate;
            assert_eq!(fate, Fate::Unknown(selector), "{packet:02x?}");
            every_prefix(PROTOCOLS, 143, packet);
        }
    }

    #[test]
    fn lengths() {
        // What is beyond the length is not of the frame.
        let fate = walk_packet(PROTOCOLS, 143, b"\x00\x00\x00\x00\xab\xcd--").fate;
        assert_eq!(fate, Fate::Decoded);
        let short = walk_packet(PROTOCOLS, 143, b"\x01\x02\x00\x02\x41\x10\xab\xcd");
        assert_eq!(short.malformed(), Some(Reason::Option));
    }
}
