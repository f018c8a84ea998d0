//! Classic pcap files (draft-ietf-opsawg-pcap, and libpcap's sf-pcap.c for what old files do).
//!
//! Read: both byte orders; micro- and nanoseconds; Kuznetzov's modified records; the interchanged
//! lengths of versions before 2.3, of some 2.3 files and of DG/UX (543.0). The header's snapshot
//! length is ignored, as real captures hold longer packets than it says. A second file header where a
//! record belongs begins the file anew, as in `cat a.pcap b.pcap`. Not read: the Nokia variant, which
//! has the standard magic and longer record headers, and can only be guessed.
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
use crate::format::{Described, Format, Limits, Notes, Split, Stop};
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
/// That the length of the frame check sequence is there: `LT_FCS_LENGTH_PRESENT` of sf-pcap.c.
const FCS_PRESENT: u32 = 0x0400_0000;

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
    /// Packets of the first file header are on interface 0, those of the second on 1.
    interface: u32,
    limits: Limits,
    notes: Notes,
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
            interface: 0,
            limits: Limits::default(),
            notes: Notes::default(),
        })
    }

    /// The same with other limits, and with interfaces noted.
    pub(crate) fn of_stream(mut self, limits: Limits) -> Pcap {
        self.limits = limits;
        self.notes.described = Some(Vec::new());
        self
    }

    /// What the whole header says, or why the file cannot be read.
    pub(crate) fn with_header(mut self, header: &[u8; FILE_HEADER]) -> Result<Pcap, String> {
        let [.., s0, s1, s2, s3, l0, l1, l2, l3] = *header;
        let [_, _, _, _, a0, a1, i0, i1, ..] = *header;
        let (major, minor, snapshot_len, network) = if self.big_endian {
            (
                u16::from_be_bytes([a0, a1]),
                u16::from_be_bytes([i0, i1]),
                u32::from_be_bytes([s0, s1, s2, s3]),
                u32::from_be_bytes([l0, l1, l2, l3]),
            )
        } else {
            (
                u16::from_le_bytes([a0, a1]),
                u16::from_le_bytes([i0, i1]),
                u32::from_le_bytes([s0, s1, s2, s3]),
                u32::from_le_bytes([l0, l1, l2, l3]),
            )
        };
        let lengths = match (major, minor) {
            (0 | 1, _) => return Err(format!("pcap version {major}.{minor}")),
            (2, 0..=2) | (543, _) => Lengths::OriginalFirst,
            (2, 3) => Lengths::Either,
            _ => Lengths::CapturedFirst,
        };
        self.lengths = lengths;
        self.link_type = LinkType::in_file(network & LINK_TYPE_BITS);
        let (link_type, nanoseconds) = (self.link_type, self.unit == 1);
        self.notes.describe(|| Described {
            in_section: 0,
            link_type,
            snapshot_len,
            nanoseconds,
            // The top four bits count units of 16 bits.
            fcs_len: (network & FCS_PRESENT != 0).then_some((network >> 28) as u8 * 2),
            name: None,
            comment: None,
        });
        Ok(self)
    }

    /// Whether a file header begins where a record header belongs. As a record it would be an empty
    /// packet of the year 2055 or 2082, of a length of nothing on the wire.
    fn is_file_header(octets: &[u8; RECORD_HEADER]) -> bool {
        let [_, _, _, _, a0, a1, i0, i1, reserved @ ..] = *octets;
        let version = |big| match big {
            true => (u16::from_be_bytes([a0, a1]), u16::from_be_bytes([i0, i1])),
            false => (u16::from_le_bytes([a0, a1]), u16::from_le_bytes([i0, i1])),
        };
        Pcap::from_magic(octets).is_some_and(|pcap| {
            matches!(version(pcap.big_endian), (2, 0..=4)) && reserved == [0; 8]
        })
    }

    /// Begins anew with the file header at the front of `octets`.
    fn restart(&mut self, octets: &[u8]) -> Result<(), Stop> {
        let (Some(header), Some(next)) = (octets.first_chunk(), Pcap::from_magic(octets)) else {
            return Err(Stop::Short {
                needed: FILE_HEADER,
                place: "a file header",
            });
        };
        let next = Pcap {
            interface: self.interface.saturating_add(1),
            limits: self.limits,
            notes: std::mem::take(&mut self.notes),
            ..next
        };
        *self = next.with_header(header).map_err(Stop::Unsupported)?;
        self.notes.restarts += 1;
        Ok(())
    }

    /// [`Format::split`] for one byte order, known at compile time as this is the innermost loop.
    /// Gives what it consumed, and why it stopped; no reason: there is a file header.
    fn split_ordered<const BIG: bool>(
        &mut self,
        octets: &[u8],
        origin: usize,
        room: usize,
        packets: &mut Vec<Packet>,
    ) -> (usize, Option<Stop>) {
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
                return (at, Some(stop));
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
            if (s0 == 0xa1 || s3 == 0xa1) && Pcap::is_file_header(header) {
                return (at, None);
            }
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
            if captured as usize > self.limits.record {
                let stop = Stop::Malformed(format!("a packet claims {captured} octets"));
                return (at, Some(stop));
            }
            if rest.len() < end {
                let stop = Stop::Short {
                    needed: end,
                    place: "a packet",
                };
                return (at, Some(stop));
            }
            if captured > original && self.limits.mends_lengths {
                original = captured;
                self.notes.mended_lengths += 1;
            }
            let nanos = u64::from(fraction) * self.unit;
            if nanos >= 1_000_000_000 {
                self.notes.carried_fractions += 1;
            }
            packets.push(Packet {
                timestamp: Timestamp::new(i64::from(seconds), nanos),
                original_len: original,
                link_type: self.link_type,
                interface: self.interface,
                start: origin + at + self.record_header,
                len: captured,
                comment_start: 0,
                comment_len: 0,
            });
            at += end;
        }
        (at, Some(Stop::Full))
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
        let end = packets.len().saturating_add(room);
        let mut at = 0;
        loop {
            let (rest, origin) = (&octets[at..], origin + at);
            let room = end - packets.len();
            let (consumed, stop) = match self.big_endian {
                true => self.split_ordered::<true>(rest, origin, room, packets),
                false => self.split_ordered::<false>(rest, origin, room, packets),
            };
            at += consumed;
            let stop = match stop {
                Some(stop) => stop,
                None => match self.restart(&octets[at..]) {
                    Ok(()) => {
                        at += FILE_HEADER;
                        if !self.notes.is_full() {
                            continue;
                        }
                        Stop::Full
                    }
                    Err(stop) => stop,
                },
            };
            return Split { consumed: at, stop };
        }
    }

    fn notes(&mut self) -> &mut Notes {
        &mut self.notes
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
    fn a_second_file_header_begins_anew() {
        for order in ORDERS {
            let first = small_pcap(order);
            let mut other = pcap_header(Order::Big, 0xa1b2_3c4d, (2, 4), 65535, 12);
            other.extend(pcap_record(Order::Big, [5, 6, 1, 1], b"x"));
            let file = [&first[..], &other, &first].concat();
            let (seen, trouble) = read(&file);
            assert!(trouble.is_none(), "{trouble:?}");
            let all: Vec<_> = seen
                .iter()
                .map(|seen| (seen.interface, seen.link_type))
                .collect();
            let (ethernet, raw) = (LinkType::ETHERNET, LinkType::RAW);
            assert_eq!(
                all,
                [
                    (0, ethernet),
                    (0, ethernet),
                    (0, ethernet),
                    (1, raw),
                    (2, ethernet),
                    (2, ethernet),
                    (2, ethernet)
                ]
            );
            assert_eq!(seen[3].timestamp.nanos, 6);

            let (seen, trouble) = read(&file[..first.len() + 20]);
            assert_eq!(seen.len(), 3);
            assert!(
                matches!(trouble, Some(Error::Truncated { packets: 3, .. })),
                "{trouble:?}"
            );
            // Of a version that cannot be: an empty packet, and what follows is what it is.
            let mut file = [&first[..], &other].concat();
            file[first.len() + 5] = 9;
            assert!(read(&file).0[3].data.is_empty());
        }
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
