//! Ethernet frames with the tag of a switch chip in them (DSA). The records are those of Ethernet:
//! the frame as it is without the tag.
//!
//! Marvell's and Broadcom's tags stand between the addresses and the type, Broadcom's other one
//! before the frame. Marvell's tag with an EtherType has eight octets.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::ethernet;

/// LINKTYPE_DSA_TAG_BRCM, LINKTYPE_DSA_TAG_DSA.
pub(crate) static INSIDE: Protocol =
    Protocol::new("DSA", |input, context| tagged(input, context, 4))
        .reached_by(&[Selector::LinkType(281), Selector::LinkType(284)]);

/// LINKTYPE_DSA_TAG_EDSA.
pub(crate) static WITH_TYPE: Protocol =
    Protocol::new("EtherTypeDSA", |input, context| tagged(input, context, 8))
        .reached_by(&[Selector::LinkType(285)]);

/// LINKTYPE_DSA_TAG_BRCM_PREPEND.
pub(crate) static BEFORE: Protocol =
    Protocol::new("PrependedDSA", before).reached_by(&[Selector::LinkType(282)]);

fn tagged<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
    tag: usize,
) -> Result<Next<'p>, Malformed> {
    let addresses = *input.array()?;
    input.skip(tag)?;
    let type_or_length = input.u16()?;
    Ok(ethernet::after_type(
        input,
        context,
        addresses,
        type_or_length,
    ))
}

fn before<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    input.skip(4)?;
    Ok(Next::Layer(ethernet::SELECTOR, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&INSIDE, &WITH_TYPE, &BEFORE, &ethernet::PROTOCOL];
    const ADDRESSES: &[u8] = b"\x02\x00\x5e\x00\x00\x0b\x02\x00\x5e\x00\x00\x0a";

    #[test]
    fn as_if_there_were_no_tag() {
        let plain = walk_packet(PROTOCOLS, 1, &[ADDRESSES, b"\x88\xb5abcd"].concat());
        assert_eq!(plain.of("Ethernet").len(), 1);
        for (link_type, front, tag) in [
            (281, &b""[..], &b"\x00\x00\x80\x00"[..]),
            (284, b"", b"\xc0\x0a\x00\x00"),
            (285, b"", b"\xda\xda\x00\x00\xc0\x00\x00\x00"),
            (282, b"\x00\x00\x20\x05", b""),
        ] {
            let packet = [front, ADDRESSES, tag, b"\x88\xb5abcd"].concat();
            let walked = walk_packet(PROTOCOLS, link_type, &packet);
            assert_eq!(walked.of("Ethernet"), plain.of("Ethernet"), "{link_type}");
            assert_eq!(walked.fate, Fate::Unknown(Selector::EtherType(0x88b5)));
            every_prefix(PROTOCOLS, link_type, &packet);
        }
    }
}
