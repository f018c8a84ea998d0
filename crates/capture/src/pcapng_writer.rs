//! Writing pcapng (draft-ietf-opsawg-pcapng): one section, little-endian, times in nanoseconds.
//!
//! Guarantees: what is written is read back by [`crate::open`] unchanged, except that times before
//! 1970 become 1970 and link types beyond 16 bits, which the format has no room for, lose their
//! upper bits; blocks are whole multiples of four octets; names longer than an option may be are
//! cut. Big-endian is never written, as dumpcap refuses it.

use crate::{LinkType, Timestamp};

/// Block types, section 11.1 of the draft.
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// Option codes, sections 4.1, 4.2 and 4.6.
const END: u16 = 0;
const COMMENT: u16 = 1;
const APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const TIME_RESOLUTION: u16 = 9;
const DROPPED_BY_INTERFACE: u16 = 5;
const DELIVERED: u16 = 8;

/// `if_tsresol` for units of 10^-9 seconds.
const NANOSECONDS: u8 = 9;

/// The longest text that is written as an option; the format allows 65,535 octets.
const LONGEST_TEXT: usize = 1024;

/// Appends a Section Header Block that names the application that writes.
pub fn append_section(out: &mut Vec<u8>, application: &str) {
    block(out, SECTION_HEADER, |out| {
        out.extend_from_slice(&0x1a2b_3c4du32.to_le_bytes());
        out.extend_from_slice(&1u16.to_le_bytes());
        out.extend_from_slice(&0u16.to_le_bytes());
        // The length of the section: unknown.
        out.extend_from_slice(&u64::MAX.to_le_bytes());
        text(out, APPLICATION, application);
        option(out, END, &[]);
    });
}

/// Appends an Interface Description Block. Interfaces count from 0 in the order of their blocks.
/// `snaplen` of 0 is unknown.
pub fn append_interface(out: &mut Vec<u8>, name: &str, link_type: LinkType, snaplen: u32) {
    append_commented_interface(out, name, "", link_type, snaplen);
}

/// The same with a comment, unless that is empty.
pub fn append_commented_interface(
    out: &mut Vec<u8>,
    name: &str,
    comment: &str,
    link_type: LinkType,
    snaplen: u32,
) {
    block(out, INTERFACE_DESCRIPTION, |out| {
        out.extend_from_slice(&(link_type.0 as u16).to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&snaplen.to_le_bytes());
        if !name.is_empty() {
            text(out, INTERFACE_NAME, name);
        }
        if !comment.is_empty() {
            text(out, COMMENT, comment);
        }
        option(out, TIME_RESOLUTION, &[NANOSECONDS]);
        option(out, END, &[]);
    });
}

/// Appends an Enhanced Packet Block. Octets beyond 4 GiB - 1 are cut off.
pub fn append_packet(
    out: &mut Vec<u8>,
    interface: u32,
    timestamp: Timestamp,
    original_len: u32,
    data: &[u8],
) {
    block(out, ENHANCED_PACKET, |out| {
        let captured = u32::try_from(data.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&interface.to_le_bytes());
        time(out, timestamp);
        out.extend_from_slice(&captured.to_le_bytes());
        out.extend_from_slice(&original_len.to_le_bytes());
        out.extend_from_slice(&data[..captured as usize]);
    });
}

/// Appends an Interface Statistics Block: how many packets of an interface were delivered and how
/// many dropped until then.
pub fn append_statistics(
    out: &mut Vec<u8>,
    interface: u32,
    until: Timestamp,
    delivered: u64,
    dropped: u64,
) {
    block(out, INTERFACE_STATISTICS, |out| {
        out.extend_from_slice(&interface.to_le_bytes());
        time(out, until);
        option(out, DROPPED_BY_INTERFACE, &dropped.to_le_bytes());
        option(out, DELIVERED, &delivered.to_le_bytes());
        option(out, END, &[]);
    });
}

/// Appends a block around what `body` appends.
fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    body(out);
    pad(out, start);
    let length = u32::try_from(out.len() - start + 4).unwrap_or(u32::MAX);
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
}

/// Appends zeros until what began at `start` is a multiple of four octets.
fn pad(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    out.resize(start + length.next_multiple_of(4), 0);
}

/// Appends an option, whose value is at most [`LONGEST_TEXT`] octets.
fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&(value.len() as u16).to_le_bytes());
    out.extend_from_slice(value);
    pad(out, start);
}

/// Appends an option that is a text, cut between characters.
fn text(out: &mut Vec<u8>, code: u16, value: &str) {
    let end = value.floor_char_boundary(LONGEST_TEXT);
    option(out, code, &value.as_bytes()[..end]);
}

/// Appends a time in nanoseconds, its upper half first. The last is in the year 2554.
fn time(out: &mut Vec<u8>, timestamp: Timestamp) {
    let seconds = u64::try_from(timestamp.seconds).ok();
    let nanos = seconds.map_or(0, |seconds| {
        seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(u64::from(timestamp.nanos))
    });
    out.extend_from_slice(&((nanos >> 32) as u32).to_le_bytes());
    out.extend_from_slice(&(nanos as u32).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read;

    #[test]
    fn what_is_written_is_read() {
        let mut file = Vec::new();
        append_section(&mut file, "a test");
        append_interface(&mut file, "eth0", LinkType::ETHERNET, 262_144);
        append_interface(&mut file, &"\u{e9}".repeat(5000), LinkType::RAW, 0);
        let times = [(0, 0), (1_700_000_000, 123_456_789), (4_294_967_296, 1)];
        for (number, (seconds, nanos)) in times.into_iter().enumerate() {
            let data = vec![7; number];
            let timestamp = Timestamp { seconds, nanos };
            append_packet(&mut file, number as u32 % 2, timestamp, 60, &data);
        }
        append_statistics(&mut file, 1, Timestamp::default(), 1, 5);
        assert!(file.len().is_multiple_of(4));

        let (seen, trouble) = read(&file);
        assert!(trouble.is_none(), "{trouble:?}");
        let back: Vec<_> = seen
            .iter()
            .map(|seen| (seen.timestamp.seconds, seen.timestamp.nanos))
            .collect();
        assert_eq!(back, times);
        let lengths: Vec<_> = seen.iter().map(|seen| seen.data.len()).collect();
        assert_eq!(lengths, [0, 1, 2]);
        assert_eq!(seen[1].link_type, LinkType::RAW);
        assert_eq!((seen[1].interface, seen[1].original_len), (1, 60));
    }

    #[test]
    fn before_the_epoch_is_the_epoch() {
        let mut file = Vec::new();
        append_section(&mut file, "");
        append_interface(&mut file, "", LinkType::RAW, 0);
        let timestamp = Timestamp {
            seconds: -5,
            nanos: 3,
        };
        append_packet(&mut file, 0, timestamp, 1, b"x");
        assert_eq!(read(&file).0[0].timestamp, Timestamp::default());
    }
}
