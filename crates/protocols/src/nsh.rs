//! Network Service Header (RFC 8300), between a tunnel and what it carries. No record.
//!
//! The length covers the context headers, which are passed over. Metadata of type 1 have one length
//! only (section 2.4); another makes the packet malformed, but hides nothing.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

use crate::ethernet;

pub(crate) static PROTOCOL: Protocol = Protocol::new("NSH", dissect).reached_by(&[
    Selector::EtherType(0x894f),
    // IANA, protocol numbers.
    Selector::IpProto(145),
]);

/// Octets of base header and service path header (RFC 8300 section 2).
const HEADER: usize = 8;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let start = *input;
    let header = input.array::<HEADER>()?;
    if header[0] >> 6 != 0 {
        return Err(start.malformed(Reason::Version));
    }
    // Section 2.2: units of four octets, these headers included.
    let length = usize::from(header[1] & 0x3f) * 4;
    let Some(metadata) = length.checked_sub(HEADER) else {
        return Err(start.malformed(Reason::Length));
    };
    input.skip(metadata)?;
    if header[2] & 0x0f == 1 && metadata != 16 {
        context.note(start.malformed(Reason::Length));
    }
    let selector = client("NSH next protocol", header[3]);
    Ok(Next::Layer(selector, input.take_rest()))
}

/// What a next protocol names: the same numbers here (RFC 8300 section 2.2), in VXLAN-GPE
/// (draft-ietf-nvo3-vxlan-gpe-13 section 3.2) and in LISP (RFC 9305 section 3).
pub(crate) fn client(space: &'static str, next_protocol: u8) -> Selector {
    match next_protocol {
        1 => Selector::EtherType(0x0800),
        2 => Selector::EtherType(0x86dd),
        3 => ethernet::SELECTOR,
        4 => Selector::EtherType(0x894f),
        5 => Selector::EtherType(0x8847),
        _ => Selector::Other(space, u64::from(next_protocol)),
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("NSH", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];
    const IPV4: Fate = Fate::Unknown(Selector::EtherType(0x0800));

    /// Time to live 63, six units, metadata of type 1, IPv4; path 1, index 255.
    const SAMPLE: &[u8] = b"\x0f\xc6\x01\x01\0\0\x01\xffsixteen octets..\x45 packet";

    fn fate(packet: &[u8]) -> Fate {
        walk_packet(PROTOCOLS, 147, packet).fate
    }

    fn reason(packet: &[u8]) -> Option<Reason> {
        walk_packet(PROTOCOLS, 147, packet).malformed()
    }

    #[test]
    fn leads_on() {
        assert_eq!(fate(SAMPLE), IPV4);
        // Metadata of type 2, of no length and of four octets.
        assert_eq!(fate(b"\x00\x02\x02\x01\0\0\x01\xff\x45"), IPV4);
        assert_eq!(fate(b"\x00\x03\x02\x01\0\0\x01\xffmeta\x45"), IPV4);
        every_prefix(PROTOCOLS, 147, SAMPLE);
    }

    #[test]
    fn next_protocols() {
        for (number, selector) in [
            (2, Selector::EtherType(0x86dd)),
            (3, Selector::EtherType(0x6558)),
            (4, Selector::EtherType(0x894f)),
            (5, Selector::EtherType(0x8847)),
            (6, Selector::Other("NSH next protocol", 6)),
        ] {
            let packet = [0, 2, 2, number, 0, 0, 1, 255, 0x45];
            assert_eq!(fate(&packet), Fate::Unknown(selector));
        }
    }

    #[test]
    fn contradictions() {
        let header = |first, length, kind| [first, length, kind, 1, 0, 0, 1, 255, 0x45];
        assert_eq!(reason(&header(0x40, 2, 2)), Some(Reason::Version));
        assert_eq!(reason(&header(0x00, 1, 2)), Some(Reason::Length));
        assert_eq!(reason(&header(0x00, 3, 2)), Some(Reason::Truncated));
        assert_eq!(reason(&header(0x00, 2, 1)), Some(Reason::Length));
    }
}
