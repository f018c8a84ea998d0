//! Extensible Authentication Protocol (RFC 3748), over EAPOL and over PPP.
//!
//! A header that is whole gives a record. Requests and responses, and the initiate and finish
//! messages of re-authentication (RFC 6696), have a type and its data; success and failure have
//! neither. A length shorter than that is malformed; octets after the length are padding. What
//! methods carry (TLS, identities, keys) stays in the type's data.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("EAP", dissect)
    // 0xc227: RFC 3748 section 3.2.
    .reached_by(&[Selector::Eapol(0), Selector::Ppp(0xc227)])
    .emits(&[Eap::SCHEMA]);

/// One message of the Extensible Authentication Protocol (RFC 3748).
#[derive(Record)]
#[record("EAP", 79)]
pub(crate) struct Eap<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Kind of message: 1 request, 2 response, 3 success, 4 failure, 5 initiate, 6 finish.
    #[field(2, "Code")]
    code: u8,
    /// Number by which a response names its request, 0 to 255.
    #[field(3, "Id")]
    id: u8,
    /// Length of the message in octets, this header of 4 included.
    #[field(4, "Length")]
    length: u16,
    /// Method of a request or response: 1 identity, 2 notification, 3 refusal of a method (Nak), 4
    /// MD5 challenge, 13 TLS, 21 TTLS, 25 PEAP, 254 expanded type. 0 where there is none.
    #[field(5, "Type")]
    kind: u8,
    /// What follows the type, by its method: the name of the user for an identity.
    #[field(6, "TypeData")]
    type_data: &'a [u8],
}

/// Code, identifier, length: RFC 3748 section 4.
const HEADER: u16 = 4;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [code, id, l0, l1] = *input.array()?;
    let length = u16::from_be_bytes([l0, l1]);
    input.limit(length.saturating_sub(HEADER).into());
    // RFC 3748 section 4.1; RFC 6696 section 5.3.
    let has_type = matches!(code, 1 | 2 | 5 | 6);
    let (kind, type_data) = match input.rest() {
        [kind, data @ ..] if has_type => (*kind, data),
        _ => (0, &[][..]),
    };
    context.emit(&Eap {
        timestamp: context.timestamp(),
        code,
        id,
        length,
        kind,
        type_data,
    });
    if length < HEADER + u16::from(has_type) {
        return Err(input.malformed(Reason::Length));
    }
    // A message longer than what is here ends with the capture or with the frame.
    input.skip(usize::from(length - HEADER))?;
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{encoded, every_prefix, walk_cut, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("EAP", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Eap::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    /// The name of a user, and two octets of padding.
    const IDENTITY: &[u8] = b"\x02\x2a\x00\x0a\x01alice\0\0";

    fn record(code: u8, length: u16, kind: u8, type_data: &[u8]) -> Vec<u8> {
        encoded(&Eap {
            timestamp: Timestamp::new(1, 2000),
            code,
            id: 0x2a,
            length,
            kind,
            type_data,
        })
    }

    #[test]
    fn every_field_of_an_identity() {
        let walked = walk_packet(PROTOCOLS, 147, IDENTITY);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("EAP"), [record(2, 10, 1, b"alice")]);
        every_prefix(PROTOCOLS, 147, IDENTITY);
    }

    #[test]
    fn messages_without_a_type() {
        for code in [3, 4, 9] {
            let walked = walk_packet(PROTOCOLS, 147, &[code, 0x2a, 0, 4, 9, 9]);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("EAP"), [record(code, 4, 0, b"")]);
        }
    }

    #[test]
    fn messages_of_re_authentication() {
        for code in [5, 6] {
            let walked = walk_packet(PROTOCOLS, 147, &[code, 0x2a, 0, 6, 1, 0]);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("EAP"), [record(code, 6, 1, &[0])]);
        }
    }

    #[test]
    fn lengths_below_the_header() {
        for (code, length) in [(1, 4), (2, 0), (3, 3)] {
            let walked = walk_packet(PROTOCOLS, 147, &[code, 0x2a, 0, length, 1, 2]);
            assert_eq!(walked.malformed(), Some(Reason::Length));
            assert_eq!(walked.of("EAP"), [record(code, length.into(), 0, b"")]);
        }
    }

    #[test]
    fn a_length_beyond_the_frame() {
        let octets = b"\x01\x2a\x01\x00\x0d\x20";
        let walked = walk_packet(PROTOCOLS, 147, octets);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        assert_eq!(walked.of("EAP"), [record(1, 256, 13, b"\x20")]);
        let walked = walk_cut(PROTOCOLS, 147, octets, 400);
        assert!(matches!(walked.fate, Fate::CutShort(_)));
    }
}
