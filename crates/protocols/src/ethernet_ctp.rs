//! Configuration testing protocol of Ethernet (Ethernet version 2.0, Digital, Intel and Xerox 1982,
//! section 8): a message that travels along a list of stations and comes back.
//!
//! The message has a skip count and a list of functions. The one that the skip count points at is
//! next: forward the message to an address, or take it as the reply. The skip count gives a record;
//! the reply gives one too, even where it still stands behind addresses to be visited. Numbers are
//! sent least significant octet first. A function that is neither is unknown.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};
use netcap_record::{Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("EthernetCTP", dissect)
    .reached_by(&[Selector::EtherType(0x9000)])
    .emits(&[EthernetCtp::SCHEMA, EthernetCtpReply::SCHEMA]);

/// Functions, section 8.4.
const REPLY: u16 = 1;
const FORWARD: u16 = 2;
/// Octets of the address after a forward function.
const ADDRESS: usize = 6;

/// One message of the configuration testing protocol, "loopback" (Ethernet version 2.0, section 8).
#[derive(Record)]
#[record("EthernetCTP", 22)]
pub(crate) struct EthernetCtp {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Octets between this field and the function that is next: 0 in a message that has not been
    /// forwarded yet, eight more for each station that did.
    #[field(2, "SkipCount")]
    skip_count: u16,
}

/// The reply inside such a message, which its sender waits for.
#[derive(Record)]
#[record("EthernetCTPReply", 23)]
pub(crate) struct EthernetCtpReply<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Function, always 1.
    #[field(2, "Function")]
    function: u16,
    /// Number by which the sender knows its message, 0 to 65535.
    #[field(3, "ReceiptNumber")]
    receipt: u16,
    /// What follows: the sender's octets, and the padding of the frame.
    #[field(4, "Data")]
    data: &'a [u8],
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let skip_count = input.u16_le()?;
    context.emit(&EthernetCtp {
        timestamp: context.timestamp(),
        skip_count,
    });
    input.skip(skip_count.into())?;
    loop {
        let here = input.rest();
        match input.u16_le()? {
            REPLY => {
                let receipt = input.u16_le()?;
                context.emit(&EthernetCtpReply {
                    timestamp: context.timestamp(),
                    function: REPLY,
                    receipt,
                    data: input.take_rest(),
                });
                return Ok(Next::End);
            }
            FORWARD => input.skip(ADDRESS)?,
            other => {
                let function = Selector::Other("EthernetCTP function", other.into());
                return Ok(Next::Layer(function, here));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{Walked, encoded, every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&crate::ethernet::PROTOCOL, &PROTOCOL];

    fn frame(message: &[u8]) -> Vec<u8> {
        let header = b"\xcf\x00\x00\x00\x00\x00\x02\x00\x5e\x00\x00\x0a\x90\x00";
        [header.as_slice(), message].concat()
    }

    fn walk(message: &[u8]) -> Walked {
        walk_packet(PROTOCOLS, 1, &frame(message))
    }

    fn message(skip_count: u16) -> Vec<u8> {
        encoded(&EthernetCtp {
            timestamp: Timestamp::new(1, 2000),
            skip_count,
        })
    }

    fn reply() -> Vec<u8> {
        encoded(&EthernetCtpReply {
            timestamp: Timestamp::new(1, 2000),
            function: 1,
            receipt: 0x0201,
            data: b"hello",
        })
    }

    /// Forward to a station, then the reply.
    const FORWARDED: &[u8] = b"\x00\x00\x02\x00\x02\x00\x5e\x00\x00\x0b\x01\x00\x01\x02hello";

    #[test]
    fn every_field() {
        for skip_count in [0, 8] {
            let mut octets = FORWARDED.to_vec();
            octets.splice(..1, [skip_count]);
            let walked = walk(&octets);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("EthernetCTP"), [message(skip_count.into())]);
            assert_eq!(walked.of("EthernetCTPReply"), [reply()]);
        }
        let walked = walk(b"\0\0\x01\0\x01\x02hello");
        assert_eq!(walked.of("EthernetCTPReply"), [reply()]);
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 1, &frame(FORWARDED));
        let walked = walk(FORWARDED.split_at(13).0);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        assert_eq!(walked.of("EthernetCTP"), [message(0)]);
        assert!(walked.of("EthernetCTPReply").is_empty());
        assert!(walk(b"\0").of("EthernetCTP").is_empty());
    }

    #[test]
    fn skip_counts_that_lead_nowhere() {
        let walked = walk(b"\x00\x08\x01\x00\x01\x02hello");
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        assert_eq!(walked.of("EthernetCTP"), [message(0x0800)]);
        let walked = walk(b"\x02\x00\x01\x00\x01\x02hello");
        let function = Selector::Other("EthernetCTP function", 0x0201);
        assert_eq!(walked.fate, Fate::Unknown(function));
        assert!(walked.of("EthernetCTPReply").is_empty());
    }
}
