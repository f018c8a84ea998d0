//! Layer Two Tunneling Protocol, versions 2 (RFC 2661) and 3 (RFC 3931), over UDP and over IP. No
//! record.
//!
//! Data messages of version 2 carry PPP. Control messages end here, and so do the data messages of
//! version 3: only the control connection knows how long their cookie is and what they carry. Any
//! other version is something else on the port, such as L2F, version 1 (RFC 2341).

use netcap_dissect::{
    Context, Cursor, Fit, Malformed, Next, Protocol, Reason, Selector, TunnelKind,
};

pub(crate) static PROTOCOL: Protocol = Protocol::new("L2TP", dissect)
    .reached_by(&[Selector::UdpPort(1701)])
    .judged_by(judge);

/// Version 3 directly over IP.
pub(crate) static OVER_IP: Protocol =
    Protocol::new("L2TPv3", over_ip).reached_by(&[Selector::IpProto(115)]);

// RFC 2661 section 3.1.
const CONTROL: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;

/// RFC 2661 section 3.1 and RFC 3931 section 3.2.1: reserved bits are zero; control messages tell their
/// length, others may.
fn judge(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    let wire = octets.len() + context.missing();
    match *octets {
        [first, second, l0, l1, ..] if first & 0x34 == 0 && matches!(second, 2 | 3) => {
            let is_told = usize::from(u16::from_be_bytes([l0, l1])) == wire;
            match first & 0x40 != 0 && is_told {
                true => Fit::Good,
                false => Fit::Possible,
            }
        }
        [_, _, _, _, ..] => Fit::No,
        _ => Fit::Possible,
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let start = *input;
    let flags = input.u16()?;
    let has = |bit: u16| flags & bit != 0;
    match flags & 0x000f {
        2 => {}
        _ => return Ok(Next::End),
    }
    if has(LENGTH) {
        // Of the whole message, flags included.
        let length = input.u16()?;
        let Some(rest) = usize::from(length).checked_sub(input.offset()) else {
            return Err(start.malformed(Reason::Length));
        };
        input.limit(rest);
    }
    // Tunnel and session; sequence numbers.
    let numbers = input.bytes(if has(SEQUENCE) { 8 } else { 4 })?;
    if has(CONTROL) {
        return Ok(Next::End);
    }
    if let Some(number) = numbers.first_chunk() {
        context.tunnel(TunnelKind::TunnelSession, u32::from_be_bytes(*number));
    }
    if has(OFFSET) {
        let padding = input.u16()?;
        input.skip(usize::from(padding))?;
    }
    // PPP, with or without its address and control octets.
    Ok(Next::Layer(Selector::LinkType(9), input.take_rest()))
}

/// RFC 3931 section 4.1.1: the session, and 0 in its place for control messages.
fn over_ip<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    match input.u32()? {
        0 => {}
        session => context.tunnel(TunnelKind::Session, session),
    }
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    /// Link types 147 and 148 are reserved for private use.
    static BARE: Protocol = Protocol::new("L2TP", dissect).reached_by(&[Selector::LinkType(147)]);

    static BARE_IP: Protocol =
        Protocol::new("L2TPv3", over_ip).reached_by(&[Selector::LinkType(148)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE, &BARE_IP];
    const PPP: Fate = Fate::Unknown(Selector::LinkType(9));

    /// Length, sequence numbers and an offset of three; PPP, and a trailer.
    const SAMPLE: &[u8] = b"\x4a\x02\0\x13\0\x01\0\x02\0\x03\0\x04\0\x03pad\xc0\x21trailer";

    fn fate(packet: &[u8]) -> Fate {
        walk_packet(PROTOCOLS, 147, packet).fate
    }

    fn reason(packet: &[u8]) -> Option<Reason> {
        walk_packet(PROTOCOLS, 147, packet).malformed()
    }

    #[test]
    fn data_of_version_2() {
        static INNER: Protocol = Protocol::new("inner", |input, _| match input.rest() {
            b"\xc0\x21" => Ok(Next::End),
            _ => Err(input.malformed(Reason::Value)),
        })
        .reached_by(&[Selector::LinkType(9)]);
        let walked = walk_packet(&[&BARE, &INNER], 147, SAMPLE);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(
            walked.tunnel(),
            Some((TunnelKind::TunnelSession, 0x0001_0002))
        );
        assert_eq!(fate(b"\x00\x02\0\x01\0\x02\xff\x03\xc0\x21"), PPP);
        every_prefix(PROTOCOLS, 147, SAMPLE);
    }

    #[test]
    fn ends() {
        // Control; version 3, data and control; L2F; something else.
        assert_eq!(fate(b"\xc8\x02\0\x0c\0\x01\0\0\0\0\0\0"), Fate::Decoded);
        assert_eq!(fate(b"\x00\x03\0\0\0\0\0\x05anything"), Fate::Decoded);
        assert_eq!(fate(b"\xc8\x03\0\x0c\0\0\0\0\0\0\0\0"), Fate::Decoded);
        assert_eq!(fate(b"\x00\x01\0\0\0\0"), Fate::Decoded);
        assert_eq!(fate(b"\x00\x04\0\0\0\0"), Fate::Decoded);
        assert_eq!(
            walk_packet(PROTOCOLS, 148, b"\0\0\0\x01cookie").fate,
            Fate::Decoded
        );
    }

    #[test]
    fn contradictions() {
        assert_eq!(reason(b"\x40\x02\0\x03\0\x01\0\x02"), Some(Reason::Length));
        assert_eq!(
            reason(b"\x40\x02\0\x07\0\x01\0\x02"),
            Some(Reason::Truncated)
        );
        assert_eq!(
            reason(b"\x02\x02\0\x01\0\x02\0\x09pad"),
            Some(Reason::Truncated)
        );
        let walked = walk_packet(PROTOCOLS, 148, b"\0\0\0");
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
    }
}
