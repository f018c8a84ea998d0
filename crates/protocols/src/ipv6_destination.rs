//! Destination Options header of IPv6 (RFC 8200 section 4.6). It has no record. Options that
//! contradict themselves make the packet malformed; what follows begins where the header's length says.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::Ip;

use crate::{ipv6_extension, ipv6_hop_by_hop::Options};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("IPv6Destination", dissect).reached_by(&[Selector::IpProto(60)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let (next_header, octets) = ipv6_extension::extension(input)?;
    context.next_header(next_header);
    let options = Options::new(octets?);
    if !options.sound() {
        context.note(input.malformed(Reason::Option));
    }
    if context.verifies_checksums()
        && let Some(home) = options.home_address()
    {
        context.comes_from(Ip::V6(home));
    }
    Ok(ipv6_extension::following(next_header, input.rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol =
        Protocol::new("IPv6Destination", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    /// Tunnel encapsulation limit (RFC 2473 section 4.1.1), padding; then protocol 253.
    const SAMPLE: &[u8] = b"\xfd\x00\x04\x01\x04\x01\x01\x00after";

    fn fate(packet: &[u8]) -> Fate {
        walk_packet(PROTOCOLS, 147, packet).fate
    }

    #[test]
    fn leads_on() {
        assert_eq!(fate(SAMPLE), Fate::Unknown(Selector::IpProto(253)));
        assert_eq!(fate(b"\x3b\x00\x01\x04\0\0\0\0after"), Fate::Decoded);
        every_prefix(PROTOCOLS, 147, SAMPLE);
    }

    #[test]
    fn contradictions() {
        for (packet, reason) in [
            (b"\xfd\x00\x04\x05\x04\x01\x01\x00after", Reason::Option),
            (b"\xfd\x01\x04\x01\x04\x01\x01\x00after", Reason::Truncated),
        ] {
            assert!(matches!(fate(packet), Fate::Malformed(m) if m.reason == reason));
        }
    }

    #[test]
    fn contradictions_hide_nothing() {
        static UDP: Protocol = Protocol::new("UDP", crate::udp::PROTOCOL.dissect)
            .reached_by(crate::udp::PROTOCOL.selectors)
            .emits(crate::udp::PROTOCOL.schemas);
        let packet = b"\x11\0\x04\xff\0\0\0\0\0\x07\0\x09\0\x08\0\0";
        let walked = walk_packet(&[&BARE, &UDP], 147, packet);
        assert_eq!(walked.malformed(), Some(Reason::Option));
        assert_eq!(walked.of("UDP").len(), 1);
    }
}
