//! Discovery protocol of Nortel's switches (SynOptics Network Management Protocol, SONMP), as it
//! is known from the field; nothing of it is a standard.
//!
//! Eleven octets give a record, what follows them is not read. A packet that has fewer is
//! malformed.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};
use netcap_record::{Ip, Record, Timestamp};

/// SynOptics' numbers after SNAP, below any EtherType: the hello of a segment, and that of a flat
/// network.
pub(crate) const SEGMENT_HELLO: u16 = 0x01a2;
pub(crate) const FLATNET_HELLO: u16 = 0x01a1;

pub(crate) static PROTOCOL: Protocol = Protocol::new("NortelDiscovery", dissect)
    .reached_by(&[
        Selector::EtherType(SEGMENT_HELLO),
        Selector::EtherType(FLATNET_HELLO),
    ])
    .emits(&[NortelDiscovery::SCHEMA]);

/// A hello of the discovery protocol of Nortel (SynOptics) switches.
#[derive(Record)]
#[record("NortelDiscovery", 86)]
pub(crate) struct NortelDiscovery<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// IPv4 address of the sender's management.
    #[field(2, "IPAddress")]
    ip: Ip,
    /// Slot and port that sent it, three octets, of which the last two are mostly slot and port.
    #[field(3, "SegmentID")]
    segment: &'a [u8],
    /// Kind of chassis, a number of Nortel's list.
    #[field(4, "Chassis")]
    chassis: u8,
    /// Kind of backplane: 1 other, 2 to 7 Ethernet, FDDI and token ring in several combinations,
    /// 8 to 13 with fast Ethernet, 14 and above newer ones.
    #[field(5, "Backplane")]
    backplane: u8,
    /// State of the sender: 1 topology has changed, 2 heartbeat, 3 new.
    #[field(6, "State")]
    state: u8,
    /// Number of links between the two switches.
    #[field(7, "NumLinks")]
    links: u8,
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [
        i0,
        i1,
        i2,
        i3,
        segment @ ..,
        chassis,
        backplane,
        state,
        links,
    ] = input.array::<11>()?;
    context.emit(&NortelDiscovery {
        timestamp: context.timestamp(),
        ip: Ip::V4([*i0, *i1, *i2, *i3]),
        segment,
        chassis: *chassis,
        backplane: *backplane,
        state: *state,
        links: *links,
    });
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{encoded, every_prefix, walk_cut, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[
        &crate::ethernet::PROTOCOL,
        &crate::llc::PROTOCOL,
        &crate::snap::PROTOCOL,
        &PROTOCOL,
    ];

    fn frame(protocol: u8, hello: &[u8]) -> Vec<u8> {
        let length = [0, 8 + hello.len() as u8];
        let snap = [0xaa, 0xaa, 0x03, 0x00, 0x00, 0x81, 0x01, protocol];
        let addresses = b"\x01\x00\x81\x00\x01\x00\x02\x00\x5e\x00\x00\x0a";
        [addresses.as_slice(), &length, &snap, hello].concat()
    }

    const HELLO: &[u8] = b"\xc0\x00\x02\x0a\x00\x01\x1b\x43\x0c\x02\x01";

    #[test]
    fn every_field() {
        let expected = NortelDiscovery {
            timestamp: Timestamp::new(1, 2000),
            ip: Ip::V4([192, 0, 2, 10]),
            segment: &[0, 1, 0x1b],
            chassis: 0x43,
            backplane: 12,
            state: 2,
            links: 1,
        };
        for protocol in [0xa1, 0xa2] {
            for rest in [b"".as_slice(), b"\0\0\0"] {
                let octets = frame(protocol, &[HELLO, rest].concat());
                let walked = walk_packet(PROTOCOLS, 1, &octets);
                assert_eq!(walked.fate, Fate::Decoded);
                assert_eq!(walked.of("NortelDiscovery"), [encoded(&expected)]);
            }
        }
    }

    #[test]
    fn prefixes() {
        let octets = frame(0xa2, HELLO);
        every_prefix(PROTOCOLS, 1, &octets);
        let cut = walk_cut(PROTOCOLS, 1, octets.split_at(32).0, octets.len());
        assert!(matches!(cut.fate, Fate::CutShort(m) if (m.needed, m.had) == (11, 10)));
        assert!(cut.of("NortelDiscovery").is_empty());
        let short = walk_packet(PROTOCOLS, 1, &frame(0xa2, HELLO.split_at(10).0));
        assert_eq!(short.malformed(), Some(Reason::Truncated));
    }
}
