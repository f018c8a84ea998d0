//! Radiotap (radiotap.org), what most systems write before an 802.11 frame: how it was received.
//! No record.
//!
//! The header's own length says where the frame begins, in every version, so another version than 0
//! and presence words or fields that do not fit make the packet malformed and hide nothing. Of the
//! fields only the flags matter here: whether the frame ends with its checksum, and whether its
//! header is padded. A header with no frame after it (a PPDU that was detected and carried nothing)
//! ends the packet.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::dot11::{Fcs, Framing};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("RadioTap", dissect).reached_by(&[Selector::LinkType(127)]);

/// Version, pad, length and the first presence word.
const HEADER_MIN: u16 = 8;

/// Presence bits of the fields that stand before the flags, and of the flags.
const TSFT: u32 = 1 << 0;
const FLAGS: u32 = 1 << 1;
/// Presence bit that says that another presence word follows.
const EXTENDED: u32 = 1 << 31;

/// In the flags: the frame ends with its checksum.
const FCS_AT_END: u8 = 0x10;
/// In the flags: padding between the 802.11 header and what it carries.
const DATA_PAD: u8 = 0x20;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [version, _pad, l0, l1] = *input.array()?;
    let length = u16::from_le_bytes([l0, l1]);
    if version != 0 {
        context.note(input.malformed(Reason::Version));
    }
    if length < HEADER_MIN {
        return Err(input.malformed(Reason::Length));
    }
    let mut fields = input.sub(usize::from(length) - 4)?;
    if version == 0 && flags(&mut fields, 4).is_err() {
        context.note(input.malformed(Reason::Length));
    }
    let whole = input.whole().len() >= context.packet().original_len as usize;
    if input.is_empty() && whole {
        return Ok(Next::End);
    }
    Ok(Next::Layer(Selector::LinkType(105), input.take_rest()))
}

/// What a radiotap header says of the frame after it.
pub(crate) fn framing(octets: &[u8]) -> Framing {
    let mut input = Cursor::new("RadioTap", octets);
    let Ok([0, _pad, l0, l1]) = input.array() else {
        return Framing::default();
    };
    input.limit(usize::from(u16::from_le_bytes([*l0, *l1])).saturating_sub(4));
    match flags(&mut input, 4) {
        Ok(Some(flags)) => Framing {
            fcs: if flags & FCS_AT_END != 0 {
                Fcs::Present
            } else {
                Fcs::Absent
            },
            padded: flags & DATA_PAD != 0,
        },
        Ok(None) | Err(_) => Framing::default(),
    }
}

/// Reads the presence words and the fields up to the flags; `before` octets of the header are
/// already read, which matters because fields are aligned to the start of the header.
fn flags(fields: &mut Cursor<'_>, mut before: usize) -> Result<Option<u8>, Malformed> {
    let first = fields.u32_le()?;
    before += 4;
    let mut word = first;
    while word & EXTENDED != 0 {
        word = fields.u32_le()?;
        before += 4;
    }
    if first & TSFT != 0 {
        let alignment = before.next_multiple_of(8) - before;
        fields.skip(alignment + 8)?;
    }
    if first & FLAGS == 0 {
        return Ok(None);
    }
    fields.u8().map(Some)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &crate::dot11::PROTOCOL];

    /// A clear to send with its checksum.
    const CTS: &[u8] = b"\xc4\x00\x44\x00\x02\x00\x5e\x00\x00\x0b\x12\x34\x56\x78";

    fn header(present: &[u32], fields: &[u8]) -> Vec<u8> {
        let length = 4 + 4 * present.len() + fields.len();
        let mut header = vec![0, 0, length as u8, 0];
        present
            .iter()
            .for_each(|word| header.extend(word.to_le_bytes()));
        header.extend(fields);
        header
    }

    fn walk(present: &[u32], fields: &[u8]) -> netcap_dissect::testing::Walked {
        walk_packet(PROTOCOLS, 127, &[&header(present, fields), CTS].concat())
    }

    #[test]
    fn the_flags_are_found() {
        for (present, fields, flags) in [
            (&[FLAGS][..], &b"\x10"[..], Some(0x10)),
            (&[FLAGS | TSFT], b"\0\0\0\0\0\0\0\0\x20", Some(0x20)),
            // One more presence word, so the time is aligned by four octets.
            (
                &[FLAGS | TSFT | EXTENDED, 0],
                b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0\x30",
                Some(0x30),
            ),
            (&[FLAGS | EXTENDED, EXTENDED, 0], b"\x10", Some(0x10)),
            (&[1 << 2], b"\x02", None),
        ] {
            let header = header(present, fields);
            let expected = Framing {
                fcs: match flags {
                    None => Fcs::Unknown,
                    Some(flags) if flags & FCS_AT_END != 0 => Fcs::Present,
                    Some(_) => Fcs::Absent,
                },
                padded: flags.is_some_and(|flags| flags & DATA_PAD != 0),
            };
            assert_eq!(framing(&header), expected, "{header:02x?}");
            let walked = walk(present, fields);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("Dot11").len(), 1);
        }
    }

    #[test]
    fn fields_beyond_the_header_hide_nothing() {
        for (present, fields) in [
            (&[EXTENDED][..], &[][..]),
            (&[FLAGS], &[]),
            (&[FLAGS | TSFT], b"\0\0\0\0\0\0\0\0"),
        ] {
            let walked = walk(present, fields);
            assert_eq!(walked.malformed(), Some(Reason::Length));
            assert_eq!(walked.of("Dot11").len(), 1);
        }
    }

    #[test]
    fn headers_that_are_none() {
        // Another version has its length in the same place.
        let mut version_1 = [&header(&[FLAGS], b"\x10"), CTS].concat();
        version_1[0] = 1;
        let walked = walk_packet(PROTOCOLS, 127, &version_1);
        assert_eq!(walked.malformed(), Some(Reason::Version));
        assert_eq!(walked.of("Dot11").len(), 1);
        let walked = walk_packet(PROTOCOLS, 127, b"\x00\x00\x07\x00\0\0\0\0\xc4\x00");
        assert_eq!(walked.malformed(), Some(Reason::Length));
        let walked = walk_packet(PROTOCOLS, 127, b"\x00\x00\xff\x00\0\0\0\0\xc4\x00");
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
    }

    #[test]
    fn a_ppdu_without_a_frame() {
        let walked = walk_packet(PROTOCOLS, 127, &header(&[1 << 26], b"\x00"));
        assert_eq!(walked.fate, Fate::Decoded);
        assert!(walked.records.is_empty());
    }

    #[test]
    fn prefixes() {
        let packet = [&header(&[FLAGS | TSFT], b"\0\0\0\0\0\0\0\0\x10"), CTS].concat();
        every_prefix(PROTOCOLS, 127, &packet);
    }
}
