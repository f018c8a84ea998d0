//! AVS capture header before an 802.11 frame (LINKTYPE_IEEE802_11_AVS). No record.
//!
//! It begins with a number that holds its version, and its length, both most significant octet
//! first. Another number makes the packet malformed and hides nothing; a length below these eight
//! octets leaves nothing to read.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("AVS", dissect).reached_by(&[Selector::LinkType(163)]);

/// Version and magic number, of which the last twelve bits are the version.
const MAGIC: u32 = 0x8021_1000;
const MAGIC_MASK: u32 = 0xffff_f000;
/// Octets of number and length.
const HEADER_MIN: u32 = 8;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    if input.u32()? & MAGIC_MASK != MAGIC {
        context.note(input.malformed(Reason::Value));
    }
    let Some(fields) = input.u32()?.checked_sub(HEADER_MIN) else {
        return Err(input.malformed(Reason::Length));
    };
    input.skip(fields as usize)?;
    Ok(Next::Layer(Selector::LinkType(105), input.take_rest()))
}

/// Whether octets begin as such a header does.
pub(crate) fn begins(octets: &[u8]) -> bool {
    octets
        .first_chunk()
        .is_some_and(|magic| u32::from_be_bytes(*magic) & MAGIC_MASK == MAGIC)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &crate::dot11::PROTOCOL];

    fn packet(magic: u32, length: u32) -> Vec<u8> {
        let mut packet = magic.to_be_bytes().to_vec();
        packet.extend(length.to_be_bytes());
        packet.resize(64, 0);
        packet.extend(b"\xd4\x00\x00\x00\x02\x00\x5e\x00\x00\x0b");
        packet
    }

    #[test]
    fn a_frame_after_the_header() {
        for version in [1, 2] {
            let packet = packet(MAGIC | version, 64);
            let walked = walk_packet(PROTOCOLS, 163, &packet);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("Dot11").len(), 1);
            every_prefix(PROTOCOLS, 163, &packet);
        }
    }

    #[test]
    fn headers_that_are_none() {
        for (magic, length, reason) in [
            (0x8021_2001, 64, Reason::Value),
            (0x8021_1001, 7, Reason::Length),
            (0x8021_1001, 75, Reason::Truncated),
            (0x8021_1001, u32::MAX, Reason::Truncated),
        ] {
            let walked = walk_packet(PROTOCOLS, 163, &packet(magic, length));
            assert_eq!(walked.malformed(), Some(reason));
            let hidden = reason != Reason::Value;
            assert_eq!(walked.of("Dot11").is_empty(), hidden);
        }
    }
}
