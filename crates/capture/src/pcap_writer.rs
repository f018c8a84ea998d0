//! Writing classic pcap with micro- or nanosecond timestamps, little-endian, version 2.4
//! (draft-ietf-opsawg-pcap). Every reader since libpcap 1.5 takes both.
//!
//! Guarantee: what is written is read back by [`crate::open`] unchanged, except that times outside
//! 1970 to 2106, which the format cannot express, are clamped to its ends, and that
//! [`TimeUnit::Microseconds`] cuts what is finer.

use crate::{LinkType, Timestamp};

/// In what the times of a file are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// Millionths of a second: what every reader takes.
    Microseconds,
    /// Milliardths of a second.
    Nanoseconds,
}

impl TimeUnit {
    /// The magic number of draft-ietf-opsawg-pcap, section 4, that announces it.
    fn magic(self) -> u32 {
        match self {
            TimeUnit::Microseconds => 0xa1b2_c3d4,
            TimeUnit::Nanoseconds => 0xa1b2_3c4d,
        }
    }

    /// The file header for packets of one link type. `snaplen` is advice for readers: the longest
    /// packet to expect.
    pub fn file_header(self, link_type: LinkType, snaplen: u32) -> [u8; 24] {
        let mut header = [0; 24];
        header[0..4].copy_from_slice(&self.magic().to_le_bytes());
        header[4..6].copy_from_slice(&2u16.to_le_bytes());
        header[6..8].copy_from_slice(&4u16.to_le_bytes());
        header[16..20].copy_from_slice(&snaplen.to_le_bytes());
        header[20..24].copy_from_slice(&link_type.0.to_le_bytes());
        header
    }

    /// Appends one packet record to `out`. Octets beyond 4 GiB - 1 are cut off.
    pub fn append_record(
        self,
        out: &mut Vec<u8>,
        timestamp: Timestamp,
        original_len: u32,
        data: &[u8],
    ) {
        let captured = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let (seconds, nanos) = match u32::try_from(timestamp.seconds) {
            Ok(seconds) => (seconds, timestamp.nanos),
            Err(_) if timestamp.seconds < 0 => (0, 0),
            Err(_) => (u32::MAX, 999_999_999),
        };
        let fraction = match self {
            TimeUnit::Microseconds => nanos / 1000,
            TimeUnit::Nanoseconds => nanos,
        };
        for number in [seconds, fraction, captured, original_len] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&data[..captured as usize]);
    }
}

/// The file header of a capture in nanoseconds: see [`TimeUnit::file_header`].
pub fn file_header(link_type: LinkType, snaplen: u32) -> [u8; 24] {
    TimeUnit::Nanoseconds.file_header(link_type, snaplen)
}

/// Appends one packet record in nanoseconds: see [`TimeUnit::append_record`].
pub fn append_record(out: &mut Vec<u8>, timestamp: Timestamp, original_len: u32, data: &[u8]) {
    TimeUnit::Nanoseconds.append_record(out, timestamp, original_len, data);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read;

    #[test]
    fn times_the_format_cannot_express_are_clamped() {
        let mut file = file_header(LinkType::ETHERNET, 65535).to_vec();
        let last = i64::from(u32::MAX);
        for seconds in [-1, 0, last, last + 1] {
            append_record(&mut file, Timestamp { seconds, nanos: 5 }, 3, b"abc");
        }
        let (seen, trouble) = read(&file);
        assert!(trouble.is_none());
        let times: Vec<_> = seen
            .iter()
            .map(|seen| (seen.timestamp.seconds, seen.timestamp.nanos))
            .collect();
        assert_eq!(times, [(0, 0), (0, 5), (last, 5), (last, 999_999_999)]);
    }

    #[test]
    fn microseconds_cut_what_is_finer() {
        let unit = TimeUnit::Microseconds;
        let mut file = unit.file_header(LinkType::ETHERNET, 65535).to_vec();
        let timestamp = Timestamp {
            seconds: 7,
            nanos: 123_456_789,
        };
        unit.append_record(&mut file, timestamp, 9, b"abc");
        let (seen, trouble) = read(&file);
        assert!(trouble.is_none());
        assert_eq!(seen[0].timestamp.nanos, 123_456_000);
        assert_eq!(seen[0].original_len, 9);
    }
}
