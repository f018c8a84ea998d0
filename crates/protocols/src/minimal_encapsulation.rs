//! Minimal encapsulation within IP (RFC 2004): the addresses of the packet before a mobility agent
//! redirected it, in front of its payload. No record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("MinimalEncapsulation", dissect).reached_by(&[Selector::IpProto(55)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // RFC 2004 section 3.1: protocol, flags, checksum, destination; with S the source as well.
    let [protocol, flags, ..] = *input.array::<8>()?;
    if flags & 0x80 != 0 {
        input.skip(4)?;
    }
    Ok(Next::Layer(Selector::IpProto(protocol), input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol =
        Protocol::new("MinimalEncapsulation", dissect).reached_by(&[Selector::LinkType(147)]);

    /// The payload of protocol 253.
    static INNER: Protocol = Protocol::new("inner", |input, _| match input.rest() {
        b"inner" => Ok(Next::End),
        _ => Err(input.malformed(Reason::Value)),
    })
    .reached_by(&[Selector::IpProto(253)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE, &INNER];

    #[test]
    fn with_and_without_source() {
        let without = b"\xfd\x00\x12\x34\xc0\0\x02\x01inner";
        let with = b"\xfd\x80\x12\x34\xc0\0\x02\x01\xc0\0\x02\x02inner";
        for packet in [&without[..], with] {
            assert_eq!(walk_packet(PROTOCOLS, 147, packet).fate, Fate::Decoded);
            every_prefix(PROTOCOLS, 147, packet);
        }
    }
}
