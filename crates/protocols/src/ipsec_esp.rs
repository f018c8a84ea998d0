//! Encapsulating Security Payload of IPsec (RFC 4303), over IP and over UDP (RFC 3948).
//!
//! What it carries is opaque and ends the walk, even where the association does not encrypt: the
//! packet does not tell, and nothing is guessed. On UDP port 4500 a datagram is one of this kind
//! where it has room for an index, which is not zero, and a sequence number. Key exchange begins with
//! four zeros there; what is too short for either is a keep-alive of one octet 0xff, or payload.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};
use netcap_record::{Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("IPSecESP", dissect)
    .reached_by(&[Selector::IpProto(50)])
    .emits(&[IpsecEsp::SCHEMA]);

/// Octets of index and sequence number (RFC 4303 section 2).
const HEADER: usize = 8;

/// Traversal of address translators, RFC 3948.
pub(crate) static IN_UDP: Protocol =
    Protocol::new("UDPEncap", in_udp).reached_by(&[Selector::UdpPort(4500)]);

/// An encapsulated security payload (RFC 4303).
#[derive(Record)]
#[record("IPSecESP", 66)]
pub(crate) struct IpsecEsp {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Security parameters index, which names the security association. It is a number of 32 bits
    /// without a sign; from 2147483648 on it is shown less 4294967296.
    #[field(2, "SPI")]
    spi: i32,
    /// Sequence number of the packet in its association; shown as `SPI` is.
    #[field(3, "Seq")]
    sequence: i32,
    /// Captured octets after the sequence number: encrypted payload, padding and check value.
    #[field(4, "LenEncrypted")]
    encrypted: i32,
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [p0, p1, p2, p3, s0, s1, s2, s3] = *input.array()?;
    context.emit(&IpsecEsp {
        timestamp: context.timestamp(),
        spi: i32::from_be_bytes([p0, p1, p2, p3]),
        sequence: i32::from_be_bytes([s0, s1, s2, s3]),
        encrypted: i32::try_from(input.remaining()).unwrap_or(i32::MAX),
    });
    Ok(Next::End)
}

fn in_udp<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    Ok(match input.rest() {
        // RFC 3948 section 2.3, a keep-alive.
        [] | [0xff] => Next::End,
        // Section 2.2: key exchange, as on its own port.
        [0, 0, 0, 0, exchange @ ..] => {
            let isakmp = Selector::UdpPort(500);
            Next::Optional([isakmp, isakmp], exchange)
        }
        payload if payload.len() >= HEADER || context.is_cut() => {
            Next::Layer(Selector::IpProto(50), payload)
        }
        // Some send keep-alives of other values, or longer ones.
        payload => {
            context.unclaimed(payload);
            Next::End
        }
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{encoded, every_prefix, walk_cut, walk_packet};

    use super::*;

    /// Link types 147 and 148 are reserved for private use.
    static BARE: Protocol = Protocol::new("IPSecESP", dissect)
        .reached_by(&[Selector::LinkType(147), Selector::IpProto(50)])
        .emits(&[IpsecEsp::SCHEMA]);

    static BARE_UDP: Protocol =
        Protocol::new("UDPEncap", in_udp).reached_by(&[Selector::LinkType(148)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE, &BARE_UDP];

    const SAMPLE: &[u8] = b"\xff\xff\xff\xfe\x00\x00\x01\x02opaque";

    fn sample() -> Vec<u8> {
        encoded(&IpsecEsp {
            timestamp: Timestamp::new(1, 2000),
            spi: -2,
            sequence: 258,
            encrypted: 6,
        })
    }

    #[test]
    fn every_field() {
        let walked = walk_packet(PROTOCOLS, 147, SAMPLE);
        assert_eq!(walked.of("IPSecESP"), [sample()]);
        assert_eq!(walked.fate, Fate::Decoded);
        every_prefix(PROTOCOLS, 147, SAMPLE);
        let walked = walk_cut(PROTOCOLS, 147, SAMPLE.split_at(7).0, SAMPLE.len());
        assert!(matches!(walked.fate, Fate::CutShort(m) if m.needed == 8));
    }

    #[test]
    fn over_udp() {
        let walked = walk_packet(PROTOCOLS, 148, SAMPLE);
        assert_eq!(walked.of("IPSecESP"), [sample()]);
        for other in [&b"\xff"[..], b"", b"\0\0\0\0key exchange"] {
            let walked = walk_packet(PROTOCOLS, 148, other);
            assert_eq!(walked.fate, Fate::Decoded);
            assert!(walked.records.is_empty());
        }
        // Too short to be a packet of ESP, unless it was the capture that cut it.
        for short in [&b"\0"[..], b"\x2a", b"\xff\xff", b"\x01\0\0\0\0\0\0"] {
            let walked = walk_packet(PROTOCOLS, 148, short);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.application, ("Payload", short.len()));
            assert!(walked.records.is_empty());
        }
        let walked = walk_cut(PROTOCOLS, 148, b"\x01\0\0\0\0\0\0", 8);
        assert!(matches!(walked.fate, Fate::CutShort(m) if m.needed == 8));
        assert_eq!(walk_packet(PROTOCOLS, 148, &[1; 8]).of("IPSecESP").len(), 1);
    }
}
