//! ARCNET (ATA 878.1) with the protocols of RFC 1051 and RFC 1201. No record.
//!
//! The BSDs show the frames of the wire: exception frames, whose header comes twice, and
//! fragments, of which the first leads on with what it has and the others end here. Linux shows
//! packets put together, with two octets of offset in the header.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("ARCNET", dissect).reached_by(&[Selector::LinkType(7)]);

/// As Linux shows it.
pub(crate) static LINUX: Protocol =
    Protocol::new("ARCNETLinux", linux).reached_by(&[Selector::LinkType(129)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [_, _, kind] = *input.array()?;
    if has_sequence(kind) {
        let [mut flag, _, _] = *input.array()?;
        // RFC 1201, "Exception Packets".
        if flag == 0xff {
            let [_, second, _, _] = *input.array()?;
            flag = second;
        }
        // RFC 1201, "Fragmentation": 0 is a whole packet, an odd number the first of several.
        if flag != 0 && flag & 1 == 0 {
            return Ok(Next::End);
        }
    }
    Ok(Next::Layer(client(kind), input.take_rest()))
}

fn linux<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [_, _, _, _, kind] = *input.array()?;
    if has_sequence(kind) {
        input.skip(3)?;
    }
    Ok(Next::Layer(client(kind), input.take_rest()))
}

/// All but the protocols of RFC 1051 and diagnosis have a split flag and a sequence number.
fn has_sequence(kind: u8) -> bool {
    !matches!(kind, 0xf0 | 0xf1 | 0x80)
}

/// ARCNET protocol numbers, of the ARCNET Trade Association; IPv6: RFC 2497.
fn client(kind: u8) -> Selector {
    match kind {
        0xd4 | 0xf0 => Selector::EtherType(0x0800),
        0xd5 | 0xf1 => Selector::EtherType(0x0806),
        0xd6 => Selector::EtherType(0x8035),
        0xc4 => Selector::EtherType(0x86dd),
        0xdd => Selector::EtherType(0x809b),
        0xfa => Selector::EtherType(0x8137),
        other => Selector::Other("ARCNET protocol", other.into()),
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &LINUX];
    const IPV4: Fate = Fate::Unknown(Selector::EtherType(0x0800));

    #[test]
    fn as_on_the_wire() {
        for (packet, fate) in [
            // RFC 1051, RFC 1201, an exception frame, the first fragment, a later one.
            (&b"\x0a\x0b\xf0\x45"[..], IPV4),
            (b"\x0a\x0b\xd4\x00\x00\x01\x45", IPV4),
            (b"\x0a\x0b\xd4\xff\xff\xff\xd4\x00\x00\x01\x45", IPV4),
            (b"\x0a\x0b\xd4\x03\x00\x01\x45", IPV4),
            (b"\x0a\x0b\xd4\x02\x00\x01\x00", Fate::Decoded),
        ] {
            assert_eq!(
                walk_packet(PROTOCOLS, 7, packet).fate,
                fate,
                "{packet:02x?}"
            );
            every_prefix(PROTOCOLS, 7, packet);
        }
    }

    #[test]
    fn as_linux_shows_it() {
        for (packet, selector) in [
            (&b"\x0a\x0b\0\0\xf1\0\x07"[..], Selector::EtherType(0x0806)),
            (
                b"\x0a\x0b\0\0\xd5\0\0\x01\0\x07",
                Selector::EtherType(0x0806),
            ),
            (b"\x0a\x0b\0\0\xc4\0\0\x01\x60", Selector::EtherType(0x86dd)),
            (b"\x0a\x0b\0\0\xd6\0\0\x01\0", Selector::EtherType(0x8035)),
            (b"\x0a\x0b\0\0\xdd\0\0\x01\0", Selector::EtherType(0x809b)),
            (b"\x0a\x0b\0\0\xfa\0\0\x01\0", Selector::EtherType(0x8137)),
            (
                b"\x0a\x0b\0\0\x80\x01",
                Selector::Other("ARCNET protocol", 0x80),
            ),
        ] {
            let fate = walk_packet(PROTOCOLS, 129, packet).fate;
            assert_eq!(fate, Fate::Unknown(selector), "{packet:02x?}");
            every_prefix(PROTOCOLS, 129, packet);
        }
    }
}
