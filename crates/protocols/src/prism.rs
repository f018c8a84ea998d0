//! Header of the Prism II drivers before an 802.11 frame (LINKTYPE_IEEE802_11_PRISM). No record.
//!
//! It has 144 octets whatever its length field says, which drivers fill in differently; libpcap
//! counts on that too. Captures of this link type may hold AVS headers instead, which begin with a
//! number that tells them, and frames without a header (those that the host itself sent), which do
//! not begin with the message code of either driver.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

use crate::avs;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("Prism", dissect).reached_by(&[Selector::LinkType(119)]);

/// Message code, length, device name, and ten values of twelve octets.
const HEADER: usize = 144;

/// Message codes of the Linux drivers: wlan-ng has the first, all others the second.
const MESSAGE_CODES: [u32; 2] = [0x41, 0x44];

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    if avs::begins(input.rest()) {
        return Ok(Next::Layer(Selector::LinkType(163), input.take_rest()));
    }
    if is_header(input.rest()) {
        input.skip(HEADER)?;
    }
    Ok(Next::Layer(Selector::LinkType(105), input.take_rest()))
}

/// Whether a Prism header begins here, as far as four octets tell. It is in the order of the host.
fn is_header(octets: &[u8]) -> bool {
    octets.first_chunk().is_none_or(|code| {
        let orders = [u32::from_le_bytes(*code), u32::from_be_bytes(*code)];
        orders.iter().any(|code| MESSAGE_CODES.contains(code))
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &avs::PROTOCOL, &crate::dot11::PROTOCOL];

    const ACK: &[u8] = b"\xd4\x00\x00\x00\x02\x00\x5e\x00\x00\x0b";

    #[test]
    fn a_frame_after_the_header() {
        for code in [b"\x44\0\0\0", b"\0\0\0\x44", b"\x41\0\0\0", b"\0\0\0\x41"] {
            let mut header = [code, &b"\x90\0\0\0wlan0"[..]].concat();
            header.resize(HEADER, 0);
            let packet = [&header, ACK].concat();
            let walked = walk_packet(PROTOCOLS, 119, &packet);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("Dot11").len(), 1);
            every_prefix(PROTOCOLS, 119, &packet);
        }
    }

    #[test]
    fn avs_in_its_place() {
        let mut header = b"\x80\x21\x10\x01\x00\x00\x00\x40".to_vec();
        header.resize(64, 0);
        let walked = walk_packet(PROTOCOLS, 119, &[&header, ACK].concat());
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("Dot11").len(), 1);
    }

    #[test]
    fn a_frame_without_a_header() {
        let walked = walk_packet(PROTOCOLS, 119, ACK);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("Dot11").len(), 1);
    }

    #[test]
    fn a_header_cut_short() {
        let mut header = b"\x44\0\0\0".to_vec();
        header.resize(HEADER - 1, 0);
        let walked = walk_packet(PROTOCOLS, 119, &header);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
    }
}
