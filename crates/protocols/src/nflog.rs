//! Linux netfilter log (LINKTYPE_NFLOG): attributes, one of which is the packet. No record.
//!
//! Lengths and types of the attributes are in the byte order of the machine that captured, which
//! is not in the packet: the first length, which is less than 256 in one order only, tells.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::ethernet::ETHERTYPE_MIN;
use crate::raw_ip;

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("NFLog", dissect).reached_by(&[Selector::LinkType(239)]);

/// NFULA_PACKET_HDR: EtherType, hook.
const PACKET_HEADER: u16 = 1;
/// NFULA_PAYLOAD.
const PAYLOAD: u16 = 9;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let header = *input;
    let [family, version, _, _] = *input.array()?;
    if version != 0 {
        return Err(header.malformed(Reason::Version));
    }
    let little_endian =
        matches!(input.rest(), [low, high, ..] if *high == 0 || *low != 0 && low > high);
    let number = |octets: [u8; 2]| match little_endian {
        true => u16::from_le_bytes(octets),
        false => u16::from_be_bytes(octets),
    };
    let mut ethertype = 0;
    while !input.is_empty() {
        let attribute = *input;
        let [l0, l1, t0, t1] = *input.array()?;
        // Both the length's own four octets and the padding after the value count.
        let Some(length) = usize::from(number([l0, l1])).checked_sub(4) else {
            return Err(attribute.malformed(Reason::Option));
        };
        if number([t0, t1]) == PAYLOAD {
            input.limit(length);
            return Ok(Next::Layer(payload(family, ethertype), input.take_rest()));
        }
        let mut value = input.sub(length)?;
        if number([t0, t1]) == PACKET_HEADER {
            ethertype = value.u16()?;
        }
        // The last one may end without padding.
        input.skip(input.remaining().min(length.next_multiple_of(4) - length))?;
    }
    Ok(Next::End)
}

/// What the payload is: IP for the families that are IP, else what the packet header says.
fn payload(family: u8, ethertype: u16) -> Selector {
    match (family, ethertype) {
        // AF_INET, AF_INET6.
        (2 | 10, _) => raw_ip::SELECTOR,
        (_, ETHERTYPE_MIN..) => Selector::EtherType(ethertype),
        _ => Selector::Other("NFLog family", family.into()),
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL];
    /// Packet header (ARP), a prefix of one octet, the payload.
    const LITTLE: &[u8] =
        b"\x02\0\0\x07\x08\0\x01\0\x08\x06\0\0\x05\0\x0a\0\0\0\0\0\x06\0\x09\0\x45\0";
    const BIG: &[u8] =
        b"\x02\0\0\x07\0\x08\0\x01\x08\x06\0\0\0\x05\0\x0a\0\0\0\0\0\x06\0\x09\x45\0";

    #[test]
    fn either_byte_order() {
        for sample in [LITTLE, BIG] {
            let fate = walk_packet(PROTOCOLS, 239, sample).fate;
            assert_eq!(fate, Fate::Unknown(raw_ip::SELECTOR));
            every_prefix(PROTOCOLS, 239, sample);
        }
    }

    #[test]
    fn families() {
        let with = |family| {
            let mut packet = LITTLE.to_vec();
            packet[0] = family;
            walk_packet(PROTOCOLS, 239, &packet).fate
        };
        assert_eq!(with(10), Fate::Unknown(raw_ip::SELECTOR));
        // AF_BRIDGE.
        assert_eq!(with(7), Fate::Unknown(Selector::EtherType(0x0806)));
        let bare = walk_packet(PROTOCOLS, 239, b"\x07\0\0\x07\x06\0\x09\0\x45\0");
        assert_eq!(bare.fate, Fate::Unknown(Selector::Other("NFLog family", 7)));
        assert_eq!(
            walk_packet(PROTOCOLS, 239, b"\x02\0\0\x07").fate,
            Fate::Decoded
        );
    }

    #[test]
    fn contradictions() {
        let reason = |packet| walk_packet(PROTOCOLS, 239, packet).malformed();
        assert_eq!(reason(b"\x02\x01\0\x07"), Some(Reason::Version));
        assert_eq!(reason(b"\x02\0\0\x07\x03\0\x01\0"), Some(Reason::Option));
        assert_eq!(reason(b"\x02\0\0\x07\x20\0\x01\0"), Some(Reason::Truncated));
    }
}
