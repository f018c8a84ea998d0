//! The record that an agent sends for each packet: 28 octets, as in 2019, and the line that the log
//! has of it.
//!
//! ```text
//!  0  seconds      12  destination address      22  flow id
//!  4  microseconds 16  source port              26  protocol
//!  8  source       18  destination port         27  flags
//!                  20  length
//! ```
//!
//! All numbers are in network byte order. Records follow each other without anything in between.

use std::io::Write;
use std::net::Ipv4Addr;

/// Octets of a record.
pub const LENGTH: usize = 28;

/// What is known of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Time of the packet in seconds since 1970, until 2106.
    pub seconds: u32,
    /// And microseconds. An agent sends fewer than a million; who receives may see anything.
    pub microseconds: u32,
    /// IPv4 address that the packet says it comes from.
    pub source: Ipv4Addr,
    /// IPv4 address that it goes to.
    pub destination: Ipv4Addr,
    /// Port of TCP or UDP.
    pub source_port: u16,
    /// Port of TCP or UDP.
    pub destination_port: u16,
    /// Octets of the packet as its IP header says: 0 for a segment that the interface has yet to cut.
    pub length: u16,
    /// Flow of MGEN; 0 if it is not of MGEN, or of its flow 0.
    pub flow_id: u32,
    /// Protocol number: 6 for TCP, 17 for UDP; agents with statistics also send 61.
    pub protocol: u8,
    /// 0, or 1 for what is inside the packet of the record before.
    pub flags: u8,
}

impl Record {
    /// The octets of the record.
    pub fn encode(&self) -> [u8; LENGTH] {
        let mut octets = [0; LENGTH];
        octets[0..4].copy_from_slice(&self.seconds.to_be_bytes());
        octets[4..8].copy_from_slice(&self.microseconds.to_be_bytes());
        octets[8..12].copy_from_slice(&self.source.octets());
        octets[12..16].copy_from_slice(&self.destination.octets());
        octets[16..18].copy_from_slice(&self.source_port.to_be_bytes());
        octets[18..20].copy_from_slice(&self.destination_port.to_be_bytes());
        octets[20..22].copy_from_slice(&self.length.to_be_bytes());
        octets[22..26].copy_from_slice(&self.flow_id.to_be_bytes());
        octets[26] = self.protocol;
        octets[27] = self.flags;
        octets
    }

    /// The record of these octets; any are one.
    pub fn decode(octets: &[u8; LENGTH]) -> Record {
        let wide = |at: usize| {
            u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
        };
        let narrow = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
        Record {
            seconds: wide(0),
            microseconds: wide(4),
            source: wide(8).into(),
            destination: wide(12).into(),
            source_port: narrow(16),
            destination_port: narrow(18),
            length: narrow(20),
            flow_id: wide(22),
            protocol: octets[26],
            flags: octets[27],
        }
    }

    /// The time of the packet in microseconds since 1970.
    pub fn time(&self) -> i64 {
        1_000_000 * i64::from(self.seconds) + i64::from(self.microseconds)
    }

    /// Appends the line of the log, with its end:
    /// `SECONDS.MICROSECONDS:SOURCE:PORT:DESTINATION:PORT:LENGTH:FLOW:PROTOCOL`.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        // A vector takes whatever is written.
        let _ = writeln!(
            out,
            "{}.{:06}:{}:{}:{}:{}:{}:{}:{}",
            self.seconds,
            self.microseconds,
            self.source,
            self.source_port,
            self.destination,
            self.destination_port,
            self.length,
            self.flow_id,
            self.protocol
        );
    }

    /// The record of a line of the log, without its end. Seconds may be negative there, as agents of 2019
    /// write them after 2038. What an agent with encapsulation appends of the inner packet is not read.
    pub fn parse_line(line: &[u8]) -> Option<Record> {
        let line = std::str::from_utf8(line).ok()?;
        let mut fields = line.split(':');
        let (seconds, microseconds) = fields.next()?.split_once('.')?;
        let seconds: i64 = seconds.parse().ok()?;
        let record = Record {
            seconds: u32::try_from(seconds)
                .or_else(|_| i32::try_from(seconds).map(i32::cast_unsigned))
                .ok()?,
            microseconds: microseconds.parse().ok()?,
            source: fields.next()?.parse().ok()?,
            source_port: fields.next()?.parse().ok()?,
            destination: fields.next()?.parse().ok()?,
            destination_port: fields.next()?.parse().ok()?,
            length: fields.next()?.parse().ok()?,
            flow_id: fields.next()?.parse().ok()?,
            protocol: fields.next()?.parse().ok()?,
            flags: 0,
        };
        // Six more fields, or none.
        [0, 6].contains(&fields.count()).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RECORD: Record = Record {
        seconds: 1_700_000_000,
        microseconds: 411,
        source: Ipv4Addr::new(10, 99, 0, 1),
        destination: Ipv4Addr::new(10, 99, 0, 2),
        source_port: 1111,
        destination_port: 5000,
        length: 92,
        flow_id: 0x0102_0304,
        protocol: 17,
        flags: 1,
    };

    #[test]
    fn octets_have_their_places() {
        let expected = [
            &[0x65, 0x53, 0xf1, 0][..],
            &[0, 0, 1, 0x9b],
            &[10, 99, 0, 1],
            &[10, 99, 0, 2],
            &[0x04, 0x57, 0x13, 0x88],
            &[0, 92, 1, 2, 3, 4, 17, 1],
        ];
        assert_eq!(RECORD.encode().to_vec(), expected.concat());
    }

    #[test]
    fn lines_are_as_documented() {
        let mut line = Vec::new();
        RECORD.write_line(&mut line);
        let expected = "1700000000.000411:10.99.0.1:1111:10.99.0.2:5000:92:16909060:17\n";
        assert_eq!(String::from_utf8_lossy(&line), expected);
        let inner = b"5.000001:1.2.3.4:1:4.3.2.1:2:3:0:17:10.0.0.1:4:10.0.0.2:5:6:17";
        assert_eq!(Record::parse_line(inner).map(|found| found.length), Some(3));
        let late = b"-2.000001:1.2.3.4:1:4.3.2.1:2:3:0:17";
        let seconds = Record::parse_line(late).map(|found| found.seconds);
        assert_eq!(seconds, Some(0xffff_fffe));
        for wrong in [
            "",
            "1700000000.000411",
            "1700000000.000411:10.99.0.1:1111:10.99.0.2:5000:92:1",
            "1700000000.000411:10.99.0.1:1111:10.99.0.2:5000:92:1:17:1",
            "1700000000.000411:10.99.0.1:1111:10.99.0.2:5000:92:1:256",
            "1700000000:10.99.0.1:1111:10.99.0.2:5000:92:1:17",
            "4294967296.000411:10.99.0.1:1111:10.99.0.2:5000:92:1:17",
            "1700000000.000411:10.99.0:1111:10.99.0.2:5000:92:1:17",
        ] {
            assert_eq!(Record::parse_line(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_a_record(octets in any::<[u8; LENGTH]>()) {
            let record = Record::decode(&octets);
            prop_assert_eq!(record.encode(), octets);
            let mut line = Vec::new();
            record.write_line(&mut line);
            let again = Record::parse_line(line.trim_ascii_end()).expect("a line");
            prop_assert_eq!(Record { flags: record.flags, ..again }, record);
        }
    }
}
