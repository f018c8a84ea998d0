//! From a frame to the record of it, as agents of 2019 make it: of TCP and UDP over IPv4 in plain
//! Ethernet frames, and of first fragments only.
//!
//! Where the programs of 2019 are wrong this is right: ports lie behind the options of IPv4
//! (14 + 4 x IHL), and nothing is read beyond what was captured. What cannot be read is malformed, and
//! makes no record.

use std::net::Ipv4Addr;

use netcap_capture::{LinkType, Timestamp};

use crate::mgen::{self, Check};
use crate::record::Record;

/// Octets of a packet that are needed at most: Ethernet, IPv4 with 40 octets of options, and the first
/// 36 of UDP, which hold all that is looked at of MGEN.
pub const SNAPLEN: u32 = 128;

const ETHERNET: usize = 14;
/// EtherType of IPv4 (IANA).
const IPV4: u16 = 0x0800;
/// IP protocol numbers (IANA).
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

/// Why a frame makes no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skipped {
    /// Anything but IPv4 right behind Ethernet: IPv6, ARP, tags of VLANs, other kinds of link.
    NotIpv4,
    /// A fragment that is not the first.
    LaterFragment,
    /// IPv4 without TCP or UDP.
    OtherProtocol,
    /// Too short for what it says it is, or a header that cannot be.
    Malformed,
}

impl Skipped {
    /// All of them.
    pub const ALL: [Skipped; 4] = [
        Skipped::NotIpv4,
        Skipped::LaterFragment,
        Skipped::OtherProtocol,
        Skipped::Malformed,
    ];

    /// As it is counted in metrics and summaries.
    pub fn name(self) -> &'static str {
        match self {
            Skipped::NotIpv4 => "not_ipv4",
            Skipped::LaterFragment => "later_fragment",
            Skipped::OtherProtocol => "other_protocol",
            Skipped::Malformed => "malformed",
        }
    }
}

/// The record of a frame.
///
/// # Errors
/// Why there is none.
pub fn record(
    link_type: LinkType,
    time: Timestamp,
    frame: &[u8],
    check: Check,
) -> Result<Record, Skipped> {
    let packet = match link_type {
        LinkType::ETHERNET => {
            let (header, packet) = frame.split_at_checked(ETHERNET).ok_or(Skipped::Malformed)?;
            if header[12..] != IPV4.to_be_bytes() {
                return Err(Skipped::NotIpv4);
            }
            packet
        }
        LinkType::RAW | LinkType::IPV4 => frame,
        _ => return Err(Skipped::NotIpv4),
    };
    let (header, _) = packet.split_first_chunk::<20>().ok_or(Skipped::Malformed)?;
    // RFC 791, section 3.1.
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    if fragment & 0x1fff != 0 {
        return Err(Skipped::LaterFragment);
    }
    if header[0] >> 4 != 4 {
        return Err(Skipped::NotIpv4);
    }
    let protocol = header[9];
    if ![TCP, UDP].contains(&protocol) {
        return Err(Skipped::OtherProtocol);
    }
    let length = 4 * usize::from(header[0] & 0xf);
    if length < header.len() {
        return Err(Skipped::Malformed);
    }
    let segment = packet.get(length..).ok_or(Skipped::Malformed)?;
    let (ports, _) = segment.split_first_chunk::<4>().ok_or(Skipped::Malformed)?;
    let address =
        |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
    let destination = address(16);
    let destination_port = u16::from_be_bytes([ports[2], ports[3]]);
    let flow_id = mgen::classic_flow(check, protocol, segment, destination, destination_port);
    Ok(Record {
        seconds: time.seconds as u32,
        microseconds: time.nanos / 1000,
        source: address(12),
        destination,
        source_port: u16::from_be_bytes([ports[0], ports[1]]),
        destination_port,
        length: u16::from_be_bytes([header[2], header[3]]),
        flow_id: flow_id.unwrap_or_default(),
        protocol,
        flags: 0,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIME: Timestamp = Timestamp {
        seconds: 1_700_000_000,
        nanos: 137_999,
    };

    /// A frame of UDP from 10.99.0.1:1111 to 10.99.0.2:5000, with options of IPv4.
    fn udp(options: usize, payload: &[u8]) -> Vec<u8> {
        let length = 28 + options + payload.len();
        let mut frame = vec![2; 12];
        frame.extend_from_slice(&[8, 0, 0x45 + (options / 4) as u8, 0]);
        frame.extend_from_slice(&(length as u16).to_be_bytes());
        frame.extend_from_slice(&[0, 1, 0x40, 0, 64, UDP, 0, 0, 10, 99, 0, 1, 10, 99, 0, 2]);
        frame.resize(frame.len() + options, 1);
        frame.extend_from_slice(&[0x04, 0x57, 0x13, 0x88]);
        frame.extend_from_slice(&(8 + payload.len() as u16).to_be_bytes());
        frame.extend_from_slice(&[0, 0]);
        frame.extend_from_slice(payload);
        frame
    }

    /// A message of MGEN for that destination.
    fn message(flow: u32, length: u16) -> Vec<u8> {
        let mut message = length.to_be_bytes().to_vec();
        message.extend_from_slice(&[2, 8]);
        message.extend_from_slice(&flow.to_be_bytes());
        message.extend_from_slice(&[0; 12]);
        message.extend_from_slice(&[0x13, 0x88, 1, 4, 10, 99, 0, 2]);
        message.resize(length.into(), 0);
        message
    }

    fn ethernet(frame: &[u8]) -> Result<Record, Skipped> {
        record(LinkType::ETHERNET, TIME, frame, Check::Classic)
    }

    #[test]
    fn a_datagram_is_a_record() {
        let found = ethernet(&udp(0, b"hello")).expect("a record");
        assert_eq!((found.seconds, found.microseconds), (1_700_000_000, 137));
        assert_eq!(found.source, Ipv4Addr::new(10, 99, 0, 1));
        assert_eq!(found.destination, Ipv4Addr::new(10, 99, 0, 2));
        assert_eq!((found.source_port, found.destination_port), (1111, 5000));
        assert_eq!((found.length, found.flow_id), (33, 0));
        assert_eq!((found.protocol, found.flags), (UDP, 0));
        let raw = record(LinkType::RAW, TIME, &udp(0, b"hello")[14..], Check::Classic);
        assert_eq!(raw, Ok(found));
    }

    #[test]
    fn ports_and_flows_lie_behind_options() {
        for options in (0..=40).step_by(4) {
            let frame = udp(options, &message(70_000, 64));
            let found = ethernet(&frame[..frame.len().min(SNAPLEN as usize)]);
            let found = found.expect("a record");
            assert_eq!((found.source_port, found.destination_port), (1111, 5000));
            assert_eq!(found.flow_id, 70_000, "{options}");
        }
    }

    #[test]
    fn a_flow_takes_28_octets_that_repeat_the_destination() {
        let flow = |payload: &[u8], check| {
            let found = record(LinkType::ETHERNET, TIME, &udp(0, payload), check);
            found.expect("a record").flow_id
        };
        let good = message(12, 64);
        for check in [Check::Classic, Check::Strict] {
            assert_eq!(flow(&good, check), 12);
            assert_eq!(flow(&message(12, 28), check), 12);
            assert_eq!(flow(&good[..27], check), 0);
            for place in 20..28 {
                let mut wrong = good.clone();
                wrong[place] ^= 1;
                assert_eq!(flow(&wrong, check), 0, "{place}");
            }
        }
        // Strict: the length, and a version that there is.
        for place in [0, 1, 2] {
            let mut odd = good.clone();
            odd[place] ^= 0x40;
            assert_eq!(flow(&odd, Check::Classic), 12);
            assert_eq!(flow(&odd, Check::Strict), 0);
        }
        let mut segment = udp(0, &good);
        segment[14 + 9] = TCP;
        let found = |check| record(LinkType::ETHERNET, TIME, &segment, check);
        assert_eq!(found(Check::Classic).expect("a record").flow_id, 12);
        assert_eq!(found(Check::Strict).expect("a record").flow_id, 0);
    }

    #[test]
    fn what_makes_no_record_is_told_apart() {
        let frame = udp(0, b"");
        let changed = |place: usize, octet: u8| {
            let mut frame = frame.clone();
            frame[place] = octet;
            ethernet(&frame)
        };
        assert_eq!(changed(12, 0x86), Err(Skipped::NotIpv4));
        assert_eq!(changed(14, 0x55), Err(Skipped::NotIpv4));
        assert_eq!(changed(21, 1), Err(Skipped::LaterFragment));
        // The first fragment, and flags that say nothing of fragments.
        for flags in [0x20, 0x40, 0x80] {
            assert!(changed(20, flags).is_ok());
        }
        for protocol in [0, 1, 2, 4, 47, 50, 61, 132, 136] {
            assert_eq!(changed(23, protocol), Err(Skipped::OtherProtocol));
        }
        for header in [0x40, 0x41, 0x44, 0x4f] {
            assert_eq!(changed(14, header), Err(Skipped::Malformed));
        }
        for length in 0..38 {
            assert_eq!(ethernet(&frame[..length]), Err(Skipped::Malformed));
        }
        assert!(ethernet(&frame[..38]).is_ok());
        let other = record(LinkType::PPP, TIME, &frame, Check::Classic);
        assert_eq!(other, Err(Skipped::NotIpv4));
    }

    proptest! {
        #[test]
        fn no_frame_does_harm(octets in proptest::collection::vec(any::<u8>(), 0..130)) {
            let mut frame = octets.clone();
            if frame.len() > 14 {
                frame[12..14].copy_from_slice(&[8, 0]);
            }
            for check in [Check::Classic, Check::Strict] {
                let _ = record(LinkType::ETHERNET, TIME, &frame, check);
                let _ = record(LinkType::RAW, TIME, &octets, check);
            }
        }
    }
}
