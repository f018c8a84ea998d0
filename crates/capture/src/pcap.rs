//! Classic pcap files (draft-ietf-opsawg-pcap, and libpcap's sf-pcap.c for what old files do).
//!
//! Read: both byte orders; micro- and nanoseconds; Kuznetzov's modified records; the interchanged
//! lengths of versions before 2.3, of some 2.3 files and of DG/UX (543.0). The header's snapshot
//! length is ignored, as real captures hold longer packets than it says. Not read: the Nokia
//! variant, which has the standard magic and longer record headers, and can only be guessed.
//!
//! ```text
//! file header, 24 octets             record header, 16 octets (modified: 24)
//!  0..4   magic                       0..4   seconds
//!  4..6   major version, 2            4..8   micro- or nanoseconds
//!  6..8   minor version, 4            8..12  captured length
//!  8..16  reserved                   12..16  original length
//! 16..20  snapshot length           (16..24  interface, protocol, packet type)
//! 20..24  link type, FCS length
//! ```

use crate::batch::Packet;
use crate::format::{Format, MAX_RECORD, Split, Stop};
use crate::{LinkType, Timestamp};

/// Length of the file header.
pub(crate) const FILE_HEADER: usize = 24;

/// Length of a record header.
const RECORD_HEADER: usize = 16;
/// Length of a record header of the modified format.
const MODIFIED_RECORD_HEADER: usize = 24;

/// Magic numbers, from sf-pcap.c: `TCPDUMP_MAGIC`, `NSEC_TCPDUMP_MAGIC`, `KUZNETZOV_TCPDUMP_MAGIC`.
const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
const MODIFIED: u32 = 0xa1b2_cd34;

/// The part of the header's last field that is the link type: `LT_LINKTYPE` of sf-pcap.c. Above it
/// lies the length of the frame check sequence.
const LINK_TYPE_BITS: u32 = 0x03ff_ffff;

/// Which of a record's two lengths comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lengths {
    /// The captured one, as the format says since version 2.3.
    CapturedFirst,
    /// The original one.
    OriginalFirst,
    /// Unknown: the smaller one is the captured one.
    Either,
}

/// The format of one file, as its header describes it.
#[derive(Debug)]
pub(crate) struct Pcap {
    big_endian: bool,
    /// Nanoseconds in one unit of a record's fraction of a second.
    unit: u64,
    record_header: usize,
    lengths: Lengths,
    link_type: LinkType,
}

impl Pcap {
    /// What the first four octets say, if they are those of a pcap file.
    pub(crate) fn from_magic(prefix: &[u8]) -> Option<Pcap> {
        let magic = *prefix.first_chunk()?;
        let kind = |magic| match magic {
            MICROSECONDS => Some((1000, RECORD_HEADER)),
            NANOSECONDS => Some((1, RECORD_HEADER)),
            MODIFIED => Some((1000, MODIFIED_RECORD_HEADER)),
            _ => None,
        };
        let little = kind(u32::from_le_bytes(magic)).map(|kind| (false, kind));
        let big = kind(u32::from_be_bytes(magic)).map(|kind| (true, kind));
        let (big_endian, (unit, record_header)) = little.or(big)?;
        Some(Pcap {
            big_endian,
            unit,
            record_header,
            lengths: Lengths::CapturedFirst,
            link_type: LinkType(0),
        })
    }

    /// What the whole header says, or why the file cannot be read.
    pub(crate) fn with_header(self, header: &[u8; FILE_HEADER]) -> Result<Pcap, String> {
        let [.., l0, l1, l2, l3] = *header;
        let [_, _, _, _, a0, a1, i0, i1, ..] = *header;
        let (major, minor, network) = if self.big_endian {
            (
                u16::from_be_bytes([a0, a1]),
                u16::from_be_bytes([i0, i1]),
                u32::from_be_bytes([l0, l1, l2, l3]),
            )
        } else {
            (
                u16::from_le_bytes([a0, a1]),
                u16::from_le_bytes([i0, i1]),
                u32::from_le_bytes([l0, l1, l2, l3]),
            )
        };
        let lengths = match (major, minor) {
            (0 | 1, _) => return Err(format!("pcap version {major}.{minor}")),
            (2, 0..=2) | (543, _) => Lengths::OriginalFirst,
            (2, 3) => Lengths::Either,
            _ => Lengths::CapturedFirst,
        };
        Ok(Pcap {
            lengths,
            link_type: LinkType(network & LINK_TYPE_BITS),
            ..self
        })
    }

    /// [`Format::split`] for one byte order, known at compile time as this is the innermost loop.
    fn split_ordered<const BIG: bool>(
        &self,
        octets: &[u8],
        origin: usize,
        room: usize,
        packets: &mut Vec<Packet>,
    ) -> Split {
        let number = |octets: [u8; 4]| {
            if BIG {
                u32::from_be_bytes(octets)
            } else {
                u32::from_le_bytes(octets)
            }
        };
        let mut at = 0;
        for _ in 0..room {
            let rest = &octets[at..];
            let (Some(header), true) = (
                rest.first_chunk::<RECORD_HEADER>(),
                rest.len() >= self.record_header,
            ) else {
                let stop = Stop::Short {
                    needed: self.record_header,
                    place: "a record header",
                };
                return Split { consumed: at, stop };
            };
            let [
                s0,
                s1,
                s2,
                s3,
                f0,
                f1,
                f2,
                f3,
                c0,
                c1,
                c2,
                c3,
                o0,
                o1,
                o2,
                o3,
            ] = *header;
            let seconds = number([s0, s1, s2, s3]);
            let fraction = number([f0, f1, f2, f3]);
            let mut captured = number([c0, c1, c2, c3]);
            let mut original = number([o0, o1, o2, o3]);
            let swapped = match self.lengths {
                Lengths::CapturedFirst => false,
                Lengths::OriginalFirst => true,
                Lengths::Either => captured > original,
            };
            if swapped {
                (captured, original) = (original, captured);
            }
            let end = self.record_header.saturating_add(captured as usize);
            if captured as usize > MAX_RECORD {
                let stop = Stop::Malformed(format!("a packet claims {captured} octets"));
                return Split { consumed: at, stop };
            }
            if rest.len() < end {
                return Split {
                    consumed: at,
                    stop: Stop::Short {
                        needed: end,
                        place: "a packet",
                    },
                };
            }
            packets.push(Packet {
                timestamp: Timestamp::new(i64::from(seconds), u64::from(fraction) * self.unit),
                original_len: original,
                link_type: self.link_type,
                interface: 0,
                start: origin + at + self.record_header,
                len: captured,
                comment_start: 0,
                comment_len: 0,
            });
            at += end;
        }
        Split {
            consumed: at,
            stop: Stop::Full,
        }
    }
}

impl Format for Pcap {
    fn split(
        &mut self,
        octets: &[u8],
        origin: usize,
        room: usize,
        packets: &mut Vec<Packet>,
    ) -> Split {
        if self.big_endian {
            self.split_ordered::<true>(octets, origin, room, packets)
        } else {
            self.split_ordered::<false>(octets, origin, room, packets)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Order, pcap_header, pcap_record, read, small_pcap};
    use crate::{Error, LinkType, Timestamp};

    const ORDERS: [Order; 2] = [Order::Little, Order::Big];

    #[test]
    fn both_byte_orders() {
        for order in ORDERS {
            let (seen, trouble) = read(&small_pcap(order));
            assert!(trouble.is_none());
            assert_eq!(seen.len(), 3);
            assert_eq!(
                seen[0].timestamp,
                Timestamp {
                    seconds: 1_000_000_000,
                    nanos: 7000
                }
            );
            assert_eq!(
                (seen[0].original_len, &seen[0].data[..]),
                (60, &b"hello"[..])
            );
            assert_eq!(seen[1].timestamp.nanos, 999_999_000);
            assert!(seen[1].data.is_empty());
            assert_eq!(seen[2].data, b"three words");
            assert!(seen.iter().all(|seen| seen.link_type == LinkType::ETHERNET));
        }
    }

    #[test]
    fn nanoseconds() {
        for order in ORDERS {
            let mut file = pcap_header(order, 0xa1b2_3c4d, (2, 4), 65535, 276);
            file.extend(pcap_record(order, [u32::MAX, 999_999_999, 1, 1], b"x"));
            let (seen, _) = read(&file);
            let last = Timestamp {
                seconds: i64::from(u32::MAX),
                nanos: 999_999_999,
            };
            assert_eq!(
                (seen[0].timestamp, seen[0].link_type),
                (last, LinkType::LINUX_SLL2)
            );
        }
    }

    #[test]
    fn modified_records_have_longer_headers() {
        for order in ORDERS {
            let mut file = pcap_header(order, 0xa1b2_cd34, (2, 4), 65535, 1);
            file.extend(pcap_record(order, [1, 2, 3, 3], b"iiiippttabc"));
            file.extend(pcap_record(order, [3, 4, 1, 1], b"iiiippttz"));
            let (seen, trouble) = read(&file);
            assert!(trouble.is_none());
            assert_eq!(
                (&seen[0].data[..], &seen[1].data[..]),
                (&b"abc"[..], &b"z"[..])
            );
        }
    }

    #[test]
    fn lengths_of_old_versions_are_interchanged() {
        let cases = [
            ((2, 2), [1, 2, 60, 3], 60),
            ((2, 0), [1, 2, 60, 3], 60),
            ((543, 0), [1, 2, 60, 3], 60),
            ((2, 3), [1, 2, 60, 3], 60),
            ((2, 3), [1, 2, 3, 60], 60),
            ((2, 4), [1, 2, 3, 60], 60),
            // More captured than there was: odd, but what 2.4 says.
            ((2, 4), [1, 2, 3, 2], 2),
            // A version nobody has written yet.
            ((2, 5), [1, 2, 3, 60], 60),
            ((3, 0), [1, 2, 3, 60], 60),
        ];
        for (version, numbers, original_len) in cases {
            let mut file = pcap_header(Order::Big, 0xa1b2_c3d4, version, 65535, 1);
            file.extend(pcap_record(Order::Big, numbers, b"abc"));
            let (seen, trouble) = read(&file);
            assert!(trouble.is_none(), "{version:?}: {trouble:?}");
            assert_eq!(
                (&seen[0].data[..], seen[0].original_len),
                (&b"abc"[..], original_len)
            );
        }
        let (_, trouble) = read(&pcap_header(Order::Big, 0xa1b2_c3d4, (1, 2), 65535, 1));
        assert!(matches!(trouble, Some(Error::Unsupported { .. })));
    }

    #[test]
    fn snapshot_length_is_advice() {
        for snaplen in [0, 2, u32::MAX] {
            let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, (2, 4), snaplen, 1);
            file.extend(pcap_record(Order::Little, [1, 2, 5, 5], b"hello"));
            let (seen, trouble) = read(&file);
            assert!(trouble.is_none());
            assert_eq!(seen[0].data, b"hello");
        }
    }

    #[test]
    fn link_type_shares_its_field_with_the_fcs_length() {
        let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, (2, 4), 0, 0x3000_0084);
        file.extend(pcap_record(Order::Little, [1, 2, 5, 5], b"hello"));
        assert_eq!(read(&file).0[0].link_type, LinkType::JUNIPER_ES);
    }

    #[test]
    fn excess_microseconds_are_carried() {
        let mut file = small_pcap(Order::Little);
        file[24 + 4..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
        let time = Timestamp {
            seconds: 1_000_004_294,
            nanos: 967_295_000,
        };
        assert_eq!(read(&file).0[0].timestamp, time);
    }

    #[test]
    fn only_the_header_is_an_empty_capture() {
        let (seen, trouble) = read(&small_pcap(Order::Little)[..24]);
        assert!(seen.is_empty() && trouble.is_none());
    }

    #[test]
    fn huge_claims_cost_nothing() {
        let mut file = small_pcap(Order::Little);
        file.extend(pcap_record(Order::Little, [1, 2, u32::MAX, 5], b"hello"));
        let (seen, trouble) = read(&file);
        assert_eq!(seen.len(), 3);
        assert!(
            matches!(
                trouble,
                Some(Error::Malformed {
                    packets: 3,
                    offset: 88,
                    ..
                })
            ),
            "{trouble:?}"
        );

        // A length that might be true is waited for, in vain.
        let mut file = small_pcap(Order::Little);
        file.extend(pcap_record(Order::Little, [1, 2, 100 << 20, 5], b"hello"));
        let (seen, trouble) = read(&file);
        assert_eq!(seen.len(), 3);
        assert!(matches!(
            trouble,
            Some(Error::Truncated {
                packets: 3,
                offset: 109,
                ..
            })
        ));
    }

    #[test]
    fn every_prefix() {
        for order in ORDERS {
            let file = small_pcap(order);
            let (all, _) = read(&file);
            // Where packets end, and so where the file may end without complaint.
            let ends = [24, 45, 61, 88];
            for len in 0..file.len() {
                let (seen, trouble) = read(&file[..len]);
                let whole = ends.iter().skip(1).filter(|end| **end <= len).count();
                assert_eq!(seen, all[..whole], "{len} octets");
                match trouble {
                    None => assert!(ends.contains(&len), "{len} octets"),
                    Some(Error::NotACapture { .. }) => assert!(len < 4, "{len} octets"),
                    Some(Error::Truncated {
                        packets, offset, ..
                    }) => {
                        assert_eq!((packets, offset), (whole as u64, len as u64));
                        assert!(len >= 4 && !ends.contains(&len));
                    }
                    Some(other) => panic!("{len} octets: {other}"),
                }
            }
        }
    }
}
