//! Writing classic pcap with nanosecond timestamps, little-endian, version 2.4
//! (draft-ietf-opsawg-pcap). Every reader since libpcap 1.5 takes it.
//!
//! Guarantee: what is written is read back by [`crate::open`] unchanged, except that times outside
//! 1970 to 2106, which the format cannot express, are clamped to its ends.

use crate::{LinkType, Timestamp};

/// "Nanosecond" magic of draft-ietf-opsawg-pcap, section 4.
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;

/// The file header for packets of one link type. `snaplen` is advice for readers: the longest
/// packet to expect.
pub fn file_header(link_type: LinkType, snaplen: u32) -> [u8; 24] {
    let mut header = [0; 24];
    header[0..4].copy_from_slice(&MAGIC_NANOSECONDS.to_le_bytes());
    header[4..6].copy_from_slice(&2u16.to_le_bytes());
    header[6..8].copy_from_slice(&4u16.to_le_bytes());
    header[16..20].copy_from_slice(&snaplen.to_le_bytes());
    header[20..24].copy_from_slice(&link_type.0.to_le_bytes());
    header
}

/// Appends one packet record to `out`. Octets beyond 4 GiB - 1 are cut off.
pub fn append_record(out: &mut Vec<u8>, timestamp: Timestamp, original_len: u32, data: &[u8]) {
    let captured = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let (seconds, nanos) = match u32::try_from(timestamp.seconds) {
        Ok(seconds) => (seconds, timestamp.nanos),
        Err(_) if timestamp.seconds < 0 => (0, 0),
        Err(_) => (u32::MAX, 999_999_999),
    };
    out.extend_from_slice(&seconds.to_le_bytes());
    out.extend_from_slice(&nanos.to_le_bytes());
    out.extend_from_slice(&captured.to_le_bytes());
    out.extend_from_slice(&original_len.to_le_bytes());
    out.extend_from_slice(&data[..captured as usize]);
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
}
