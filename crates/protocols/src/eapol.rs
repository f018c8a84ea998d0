//! Extensible Authentication Protocol over LAN (IEEE 802.1X-2020, clause 11): the frames by which a
//! station and the port it wants to use authenticate each other and agree on keys.
//!
//! A header that is whole gives a record, whatever its version: receivers read unknown versions as
//! the newest they know (clause 11.5). The length hides padding after the body; one that says more
//! than was captured hides nothing. What start and logoff frames carry (announcements of version
//! 3) is not looked at.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};
use netcap_record::{Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("EAPOL", dissect)
    .reached_by(&[
        Selector::EtherType(0x888e),
        // Pre-authentication of 802.11 (IEEE 802.11-2020, clause 12.6): the same frames.
        Selector::EtherType(0x88c7),
    ])
    .emits(&[Eapol::SCHEMA]);

/// One EAPOL frame (IEEE 802.1X), by which a port or a wireless station is authenticated.
#[derive(Record)]
#[record("EAPOL", 81)]
pub(crate) struct Eapol {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Version of the protocol: 1 is IEEE 802.1X-2001, 2 that of 2004, 3 that of 2010 and later.
    #[field(2, "Version")]
    version: u8,
    /// Type of the packet: 0 EAP, 1 start, 2 logoff, 3 key, 4 alert, 5 MACsec key agreement, 6 to
    /// 8 announcements.
    #[field(3, "Type")]
    kind: u8,
    /// Length of the body in octets, 0 to 65535.
    #[field(4, "Length")]
    length: u16,
}

/// Packet types whose body is of this protocol: IEEE 802.1X-2020, clause 11.3.2.
const START: u8 = 1;
const LOGOFF: u8 = 2;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [version, kind, l0, l1] = *input.array()?;
    let length = u16::from_be_bytes([l0, l1]);
    context.emit(&Eapol {
        timestamp: context.timestamp(),
        version,
        kind,
        length,
    });
    input.limit(length.into());
    match kind {
        START | LOGOFF => Ok(Next::End),
        kind => Ok(Next::Layer(Selector::Eapol(kind), input.take_rest())),
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{encoded, every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("EAPOL", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Eapol::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&BARE, &crate::eap::PROTOCOL];

    /// An EAP success, and padding.
    const SUCCESS: &[u8] = b"\x02\x00\x00\x04\x03\x07\x00\x04\0\0\0\0";

    fn record(version: u8, kind: u8, length: u16) -> Vec<u8> {
        encoded(&Eapol {
            timestamp: Timestamp::new(1, 2000),
            version,
            kind,
            length,
        })
    }

    #[test]
    fn every_field() {
        let walked = walk_packet(PROTOCOLS, 147, SUCCESS);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("EAPOL"), [record(2, 0, 4)]);
        assert_eq!(walked.of("EAP").len(), 1);
        every_prefix(PROTOCOLS, 147, SUCCESS);
    }

    #[test]
    fn start_and_logoff() {
        for (octets, kind) in [(b"\x01\x01\0\0", 1), (b"\x01\x02\0\0", 2)] {
            let walked = walk_packet(PROTOCOLS, 147, octets);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("EAPOL"), [record(1, kind, 0)]);
        }
        let walked = walk_packet(PROTOCOLS, 147, b"\x03\x01\0\x04\x6f\x02aa");
        assert_eq!(walked.fate, Fate::Decoded);
    }

    #[test]
    fn types_nobody_knows() {
        let walked = walk_packet(PROTOCOLS, 147, b"\x03\x05\0\x02aa");
        assert_eq!(walked.fate, Fate::Unknown(Selector::Eapol(5)));
        assert_eq!(walked.of("EAPOL"), [record(3, 5, 2)]);
    }

    #[test]
    fn lengths() {
        // Beyond the frame: what is there is read.
        let walked = walk_packet(PROTOCOLS, 147, b"\x02\x00\xff\xff\x03\x07\x00\x04");
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("EAPOL"), [record(2, 0, 0xffff)]);
        // Short of the packet inside.
        let walked = walk_packet(PROTOCOLS, 147, b"\x02\x00\x00\x03\x03\x07\x00\x04");
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        assert_eq!(walked.of("EAPOL"), [record(2, 0, 3)]);
        assert!(walked.of("EAP").is_empty());
    }
}
