//! Per-Packet Information (CACE Technologies, version 1.0.7): fields about the reception of a
//! packet, then the packet, whose link type the header names. No record.
//!
//! The header's own length says where the packet begins, so another version than 0 and fields that
//! do not fit make the packet malformed and hide nothing.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::dot11::{Fcs, Framing};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("PPI", dissect).reached_by(&[Selector::LinkType(192)]);

/// Version, flags, length, link type: PPI 1.0.7.
const HEADER: u16 = 8;
/// In the header's flags: fields are aligned to four octets.
const ALIGNED: u8 = 0x01;
/// Field 802.11-Common, PPI 1.0.7.
const COMMON: u16 = 2;
/// In the flags of that field: the frame ends with its checksum.
const FCS_PRESENT: u16 = 0x0001;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [version, flags, l0, l1, d0, d1, d2, d3] = *input.array()?;
    let length = u16::from_le_bytes([l0, l1]);
    if version != 0 {
        context.note(input.malformed(Reason::Version));
    }
    if length < HEADER {
        return Err(input.malformed(Reason::Length));
    }
    let mut fields = input.sub(usize::from(length - HEADER))?;
    if version == 0 && common_flags(&mut fields, flags).is_err() {
        context.note(input.malformed(Reason::Length));
    }
    let link_type = u32::from_le_bytes([d0, d1, d2, d3]);
    Ok(Next::Layer(
        Selector::LinkType(link_type),
        input.take_rest(),
    ))
}

/// What a PPI header says of the frame after it.
pub(crate) fn framing(octets: &[u8]) -> Framing {
    let mut input = Cursor::new("PPI", octets);
    let Ok([0, flags, l0, l1, _, _, _, _]) = input.array() else {
        return Framing::default();
    };
    let length = u16::from_le_bytes([*l0, *l1]);
    input.limit(length.saturating_sub(HEADER).into());
    let fcs = match common_flags(&mut input, *flags) {
        Ok(Some(flags)) if flags & FCS_PRESENT != 0 => Fcs::Present,
        Ok(Some(_)) => Fcs::Absent,
        Ok(None) | Err(_) => Fcs::Unknown,
    };
    Framing { fcs, padded: false }
}

/// Walks the fields; the flags of 802.11-Common, where it is among them.
fn common_flags(fields: &mut Cursor<'_>, header_flags: u8) -> Result<Option<u16>, Malformed> {
    let mut found = None;
    while !fields.is_empty() {
        let (kind, length) = (fields.u16_le()?, usize::from(fields.u16_le()?));
        let mut field = fields.sub(length)?;
        if header_flags & ALIGNED != 0 {
            let padding = length.next_multiple_of(4) - length;
            fields.skip(padding.min(fields.remaining()))?;
        }
        if kind == COMMON && found.is_none() {
            let _tsf_timer = field.u64_le()?;
            found = Some(field.u16_le()?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &crate::dot11::PROTOCOL];

    /// An acknowledgment with its checksum.
    const ACK: &[u8] = b"\xd4\x00\x00\x00\x02\x00\x5e\x00\x00\x0b\x12\x34\x56\x78";

    fn packet(flags: u8, link_type: u32, fields: &[u8]) -> Vec<u8> {
        let mut packet = vec![0, flags, 8 + fields.len() as u8, 0];
        packet.extend(link_type.to_le_bytes());
        packet.extend(fields);
        packet.extend(ACK);
        packet
    }

    fn common(flags: u8) -> Vec<u8> {
        let mut field = vec![2, 0, 20, 0];
        field.extend([0; 8]);
        field.extend([flags, 0]);
        field.extend([0; 10]);
        field
    }

    #[test]
    fn the_flags_are_found() {
        let aligned = [&b"\x06\x00\x05\x00aaaaa\0\0\0"[..], &common(1)].concat();
        let unaligned = [&b"\x06\x00\x05\x00aaaaa"[..], &common(0)].concat();
        for (flags, fields, fcs) in [
            (0, &common(1)[..], Fcs::Present),
            (0, &common(0), Fcs::Absent),
            (1, &aligned, Fcs::Present),
            (0, &unaligned, Fcs::Absent),
            (0, &[], Fcs::Unknown),
        ] {
            let packet = packet(flags, 105, fields);
            assert_eq!(framing(&packet), Framing { fcs, padded: false });
            let walked = walk_packet(PROTOCOLS, 192, &packet);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("Dot11").len(), 1);
        }
    }

    #[test]
    fn other_link_types() {
        let walked = walk_packet(PROTOCOLS, 192, &packet(0, 147, &[]));
        assert_eq!(walked.fate, Fate::Unknown(Selector::LinkType(147)));
        // Headers in headers end with the walk's depth.
        let nested = [b"\0\0\x08\0\xc0\0\0\0".as_slice(); 64].concat();
        let walked = walk_packet(PROTOCOLS, 192, &nested);
        assert_eq!(walked.malformed(), Some(Reason::Depth));
    }

    #[test]
    fn fields_beyond_the_header_hide_nothing() {
        for fields in [&b"\x02\x00\xff\x00"[..], b"\x02\x00\x04\x00aaaa", b"\x02"] {
            let walked = walk_packet(PROTOCOLS, 192, &packet(0, 105, fields));
            assert_eq!(walked.malformed(), Some(Reason::Length));
            assert_eq!(walked.of("Dot11").len(), 1);
        }
    }

    #[test]
    fn headers_that_are_none() {
        let mut version_1 = packet(0, 105, &common(1));
        version_1[0] = 1;
        let walked = walk_packet(PROTOCOLS, 192, &version_1);
        assert_eq!(walked.malformed(), Some(Reason::Version));
        assert_eq!(walked.of("Dot11").len(), 1);
        let walked = walk_packet(PROTOCOLS, 192, b"\x00\x00\x07\x00\x69\0\0\0");
        assert_eq!(walked.malformed(), Some(Reason::Length));
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 192, &packet(0, 105, &common(1)));
    }
}
