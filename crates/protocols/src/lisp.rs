//! Data packets of the Locator/ID Separation Protocol (RFC 9300), with the protocol extension of
//! RFC 9305. No record.
//!
//! A datagram on the port that does not go on with an IP packet is payload.

use netcap_dissect::{Context, Cursor, Fit, Malformed, Next, Protocol, Selector};

use crate::{nsh, raw_ip, udp};

/// RFC 9300 section 5.1: the port of the destination.
const PORT: u16 = 4341;

pub(crate) static PROTOCOL: Protocol = Protocol::new("LISP", dissect)
    .reached_by(&[Selector::UdpPort(PORT)])
    .judged_by(judge);

/// The last octet of the nonce names the protocol (RFC 9305 section 3).
const NEXT_PROTOCOL: u8 = 0x04;

/// By the IP packet behind the header, if the header does not name something else.
fn judge(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    match octets.split_first_chunk::<8>() {
        Some(([flags, _, _, 1..=255, ..], _)) if flags & NEXT_PROTOCOL != 0 => {
            udp::possible_to(&[PORT], context)
        }
        Some((_, packet)) => match raw_ip::fit(packet, context) {
            Fit::Possible => udp::possible_to(&[PORT], context),
            fit => fit,
        },
        None => Fit::Possible,
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // RFC 9300 section 5.1.
    let [flags, _, _, next_protocol, ..] = *input.array::<8>()?;
    let packet = input.take_rest();
    let selector = if flags & NEXT_PROTOCOL != 0 {
        Some(nsh::client("LISP next protocol", next_protocol))
    } else {
        raw_ip::by_version(packet)
    };
    Ok(match selector {
        Some(selector) => Next::Layer(selector, packet),
        None => Next::End,
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("LISP", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    fn fate(flags: u8, next_protocol: u8, first: u8) -> Fate {
        let packet = [flags, 0, 0, next_protocol, 0, 0, 7, 0, first];
        every_prefix(PROTOCOLS, 147, &packet);
        walk_packet(PROTOCOLS, 147, &packet).fate
    }

    #[test]
    fn leads_on() {
        let ethertype = |n| Fate::Unknown(Selector::EtherType(n));
        assert_eq!(fate(0x88, 3, 0x45), ethertype(0x0800));
        assert_eq!(fate(0x88, 3, 0x60), ethertype(0x86dd));
        assert_eq!(fate(0x88, 3, 0x75), Fate::Decoded);
        assert_eq!(fate(0x0c, 3, 0x45), ethertype(0x6558));
        let unknown = Selector::Other("LISP next protocol", 9);
        assert_eq!(fate(0x0c, 9, 0x45), Fate::Unknown(unknown));
    }
}
