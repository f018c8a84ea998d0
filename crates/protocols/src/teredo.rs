//! Teredo (RFC 4380): IPv6 packets in UDP, behind an authentication and an origin indication where
//! the sender put them. No record.
//!
//! What is not IPv6 after these is the payload of something else on the port.

use netcap_dissect::{Context, Cursor, Fit, Malformed, Next, Protocol, Selector};

use crate::raw_ip;

pub(crate) static PROTOCOL: Protocol = Protocol::new("Teredo", dissect)
    .reached_by(&[Selector::UdpPort(3544)])
    .judged_by(judge);

/// By the IPv6 packet behind the indications.
fn judge(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    let mut input = Cursor::new("Teredo", octets);
    match (indications(&mut input), input.rest().first()) {
        (Ok(()), Some(0x60..=0x6f)) => raw_ip::fit(input.rest(), context),
        (Ok(()), Some(_)) => Fit::No,
        _ => Fit::Possible,
    }
}

/// Moves past them (RFC 4380 section 5.1.1): authentication first, then origin.
fn indications(input: &mut Cursor<'_>) -> Result<(), Malformed> {
    if input.rest().starts_with(&[0, 1]) {
        let [_, _, client, authentication] = *input.array()?;
        // The nonce has eight octets, the confirmation one.
        input.skip(usize::from(client) + usize::from(authentication) + 9)?;
    }
    if input.rest().starts_with(&[0, 0]) {
        // Port and address.
        input.skip(8)?;
    }
    Ok(())
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    indications(input)?;
    Ok(match input.rest().first() {
        Some(0x60..=0x6f) => Next::Layer(Selector::EtherType(0x86dd), input.take_rest()),
        _ => Next::End,
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("Teredo", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];
    const IPV6: Fate = Fate::Unknown(Selector::EtherType(0x86dd));

    /// A client of two octets, an authentication of three; port 9999 of 192.0.2.10, inverted.
    const SAMPLE: &[u8] = b"\0\x01\x02\x03idaut8 octets\0\0\0\xd8\xf0\x3f\xff\xfd\xf5\x60 packet";

    fn fate(packet: &[u8]) -> Fate {
        walk_packet(PROTOCOLS, 147, packet).fate
    }

    #[test]
    fn indications() {
        assert_eq!(fate(SAMPLE), IPV6);
        assert_eq!(fate(SAMPLE.split_at(18).1), IPV6);
        assert_eq!(fate(b"\x60 packet"), IPV6);
        every_prefix(PROTOCOLS, 147, SAMPLE);
    }

    #[test]
    fn something_else() {
        assert_eq!(fate(b"\x45 packet"), Fate::Decoded);
        assert_eq!(fate(b""), Fate::Decoded);
        let cut = fate(SAMPLE.split_at(12).0);
        assert!(matches!(cut, Fate::Malformed(m) if m.reason == Reason::Truncated));
    }
}
