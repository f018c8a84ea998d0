//! pcapng files (draft-ietf-opsawg-pcapng).
//!
//! Read: any number of sections, each in its own byte order; any number of interfaces, each with
//! its own link type, time resolution and offset; Enhanced, Simple and the obsolete Packet Blocks;
//! the first comment of a packet; how many packets were dropped, as Interface Statistics Blocks and packets
//! tell. All other blocks are stepped over. Section lengths are ignored, as
//! writers leave them unknown. Simple Packet Blocks carry no time: their packets are at the epoch.
//!
//! Guarantees: a block's two lengths must agree and nothing in it is read beyond them; a damaged
//! list of options ends where it stops making sense and costs no packet; no time resolution, however
//! silly, overflows.
//!
//! ```text
//! every block           Section Header body      Interface Description body
//!  0..4  type            0..4   byte order        0..2  link type
//!  4..8  total length    4..6   major version     4..8  snapshot length
//!  8..n  body            6..8   minor version     8..   options
//!  n..   total length    8..16  section length
//!
//! Enhanced Packet       Simple Packet            Packet (obsolete)
//!  0..4   interface      0..4  original length    0..2   interface
//!  4..12  time           4..   data               4..12  time
//! 12..16  captured                               12..16  captured
//! 16..20  original                               16..20  original
//! 20..    data, options                          20..    data, options
//!
//! Interface Statistics body
//!  0..4   interface
//!  4..12  time
//! 12..    options
//! ```

use crate::batch::Packet;
use crate::format::{Described, Format, Limits, Notes, Split, Stop};
use crate::{LinkType, Timestamp};

/// Type of a Section Header Block: the same in both byte orders, so that it can be found first.
pub(crate) const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// Block types, section 11.1 of the draft.
const INTERFACE_DESCRIPTION: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// The byte-order magic as a big-endian writer has it.
const BYTE_ORDER_BIG: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];
/// The byte-order magic as a little-endian writer has it.
const BYTE_ORDER_LITTLE: [u8; 4] = [0x4d, 0x3c, 0x2b, 0x1a];

/// Options that mean something here.
const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
const OPTION_INTERFACE_NAME: u16 = 2;
/// `epb_dropcount`: packets lost between this one and the one before of its interface.
const OPTION_DROPS_BEFORE: u16 = 4;
/// `isb_ifdrop` and `isb_osdrop`: packets dropped since the capture began, by the interface and by
/// the operating system.
const OPTIONS_DROPPED: [u16; 2] = [5, 7];
const OPTION_TIME_RESOLUTION: u16 = 9;
const OPTION_FCS_LEN: u16 = 13;
const OPTION_TIME_OFFSET: u16 = 14;

/// Type and total length before a block's body.
const BLOCK_HEADER: usize = 8;
/// A block with an empty body.
const SMALLEST_BLOCK: usize = 12;
/// How much longer a block may be than the packet in it. The options that mean something are far shorter.
const ROOM_FOR_OPTIONS: usize = 64 << 10;
/// The longest block that is stepped over where packets have to be shorter: libpcap's limit for any
/// (`INITIAL_MAX_BLOCKSIZE` of sf-pcapng.c). Names and secrets can be so long.
const MAX_SKIPPED: usize = 16 << 20;
/// What comes before the data in Enhanced and obsolete Packet Blocks.
const PACKET_HEADER: usize = 20;
/// A longer comment of an interface is not kept.
const LONGEST_COMMENT: usize = 1024;

/// Where the reading of a file stands.
#[derive(Debug, Default)]
pub(crate) struct Pcapng {
    /// Of the current section.
    big_endian: bool,
    /// Of the current section.
    interfaces: Vec<Interface>,
    /// How many interfaces earlier sections described.
    earlier_interfaces: u32,
    has_section: bool,
    /// A long block that is being stepped over, which needs no memory: its length, and how much of it
    /// is left.
    skipping: Option<(u32, usize)>,
    limits: Limits,
    notes: Notes,
}

/// What an Interface Description Block says.
#[derive(Debug)]
struct Interface {
    link_type: LinkType,
    snapshot_len: u32,
    resolution: Resolution,
    /// Seconds to add to every time.
    offset: i64,
    /// Packets dropped, by what packets say one by one, and by what statistics say last.
    dropped: [u64; 2],
}

impl Interface {
    /// Packets dropped here: both counts are of the same packets where a writer tells both.
    fn dropped(&self) -> u64 {
        self.dropped[0].max(self.dropped[1])
    }
}

/// In what units an interface counts time: option `if_tsresol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolution {
    /// Units of 10^-n seconds.
    Decimal(u8),
    /// Units of 2^-n seconds.
    Binary(u8),
}

impl Resolution {
    /// Microseconds, when an interface says nothing.
    const DEFAULT: Resolution = Resolution::Decimal(6);

    /// The option's octet: the top bit chooses the base, the others are the exponent.
    fn new(octet: u8) -> Resolution {
        match octet {
            0..=0x7f => Resolution::Decimal(octet),
            _ => Resolution::Binary(octet & 0x7f),
        }
    }

    fn is_finer_than_microseconds(self) -> bool {
        match self {
            Resolution::Decimal(n) => n > 6,
            // 2^19 units a second are still fewer than a million.
            Resolution::Binary(n) => n > 19,
        }
    }

    /// `units` of time after `offset` seconds, cut to whole nanoseconds.
    fn time(self, units: u64, offset: i64) -> Timestamp {
        let (seconds, nanos) = match self {
            // The two that nearly all files use; constant divisors make them cheap.
            Resolution::Decimal(6) => (units / 1_000_000, units % 1_000_000 * 1000),
            Resolution::Decimal(9) => (units / 1_000_000_000, units % 1_000_000_000),
            Resolution::Decimal(n @ 0..=9) => {
                let second = 10u64.pow(u32::from(n));
                (units / second, units % second * 10u64.pow(9 - u32::from(n)))
            }
            Resolution::Decimal(n) => {
                // Below 10^-28 even the largest count is less than a nanosecond.
                let nanosecond = 10u64.checked_pow(u32::from(n) - 9);
                let nanos = nanosecond.map_or(0, |nanosecond| units / nanosecond);
                (nanos / 1_000_000_000, nanos % 1_000_000_000)
            }
            Resolution::Binary(n) => {
                // At most 64 + 30 bits.
                let nanos = u128::from(units) * 1_000_000_000;
                let seconds = units.checked_shr(u32::from(n)).unwrap_or(0);
                (seconds, ((nanos >> n) % 1_000_000_000) as u64)
            }
        };
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Timestamp::new(seconds.saturating_add(offset), nanos)
    }
}

/// Reads numbers of one byte order; `None` beyond the end.
#[derive(Clone, Copy)]
struct Numbers {
    big_endian: bool,
}

impl Numbers {
    fn u16(self, octets: &[u8], at: usize) -> Option<u16> {
        let octets = *octets.get(at..)?.first_chunk()?;
        Some(if self.big_endian {
            u16::from_be_bytes(octets)
        } else {
            u16::from_le_bytes(octets)
        })
    }

    fn u32(self, octets: &[u8], at: usize) -> Option<u32> {
        let octets = *octets.get(at..)?.first_chunk()?;
        Some(if self.big_endian {
            u32::from_be_bytes(octets)
        } else {
            u32::from_le_bytes(octets)
        })
    }

    fn u64(self, octets: &[u8]) -> Option<u64> {
        self.i64(octets).map(i64::cast_unsigned)
    }

    fn i64(self, octets: &[u8]) -> Option<i64> {
        let octets = *octets.first_chunk()?;
        Some(if self.big_endian {
            i64::from_be_bytes(octets)
        } else {
            i64::from_le_bytes(octets)
        })
    }

    /// The options in `octets` as code, position and value, up to their end or the first that does
    /// not fit.
    fn options(self, octets: &[u8]) -> impl Iterator<Item = (u16, usize, &[u8])> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let code = self.u16(octets, at)?;
            let len = usize::from(self.u16(octets, at + 2)?);
            let start = at + 4;
            let value = octets.get(start..start + len)?;
            at = start + len.next_multiple_of(4);
            (code != OPTION_END).then_some((code, start, value))
        })
    }
}

impl Pcapng {
    /// A reading with other limits than those of files, and with interfaces noted.
    pub(crate) fn of_stream(limits: Limits) -> Pcapng {
        let notes = Notes {
            described: Some(Vec::new()),
            ..Notes::default()
        };
        Pcapng {
            limits,
            notes,
            ..Pcapng::default()
        }
    }

    /// Takes in a whole block, of which `body` is the inside, beginning at `body_start` in the
    /// batch's buffer. Gives the packet, if it is one.
    fn block(
        &mut self,
        kind: u32,
        body: &[u8],
        body_start: usize,
    ) -> Result<Option<Packet>, String> {
        let numbers = Numbers {
            big_endian: self.big_endian,
        };
        match kind {
            INTERFACE_DESCRIPTION => self.interface(numbers, body).map(|()| None),
            ENHANCED_PACKET => {
                let interface = numbers
                    .u32(body, 0)
                    .ok_or("an Enhanced Packet Block is too short")?;
                self.packet(numbers, interface, body, body_start).map(Some)
            }
            PACKET => {
                let interface = numbers.u16(body, 0).ok_or("a Packet Block is too short")?;
                self.packet(numbers, u32::from(interface), body, body_start)
                    .map(Some)
            }
            SIMPLE_PACKET => self.simple_packet(numbers, body, body_start).map(Some),
            INTERFACE_STATISTICS => {
                self.statistics(numbers, body);
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Begins a section, whose byte order has been found out already.
    fn section(&mut self, big_endian: bool) {
        let count = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        self.earlier_interfaces = self.earlier_interfaces.saturating_add(count);
        self.interfaces.clear();
        self.big_endian = big_endian;
        self.notes.restarts += u64::from(std::mem::replace(&mut self.has_section, true));
    }

    /// Takes in an Interface Description Block.
    fn interface(&mut self, numbers: Numbers, body: &[u8]) -> Result<(), String> {
        let (Some(link_type), Some(snapshot_len)) = (numbers.u16(body, 0), numbers.u32(body, 4))
        else {
            return Err("an Interface Description Block is too short".to_owned());
        };
        let most = self.limits.interfaces;
        if self.interfaces.len() >= most {
            return Err(format!("a section describes more than {most} interfaces"));
        }
        let (mut name, mut comment, mut fcs_len) = (None, None, None);
        let mut interface = Interface {
            link_type: LinkType::in_file(u32::from(link_type)),
            snapshot_len,
            resolution: Resolution::DEFAULT,
            offset: 0,
            dropped: [0; 2],
        };
        for (code, _, value) in numbers.options(body.get(8..).unwrap_or_default()) {
            match (code, value) {
                (OPTION_TIME_RESOLUTION, [octet, ..]) => {
                    interface.resolution = Resolution::new(*octet);
                }
                (OPTION_TIME_OFFSET, _) => interface.offset = numbers.i64(value).unwrap_or(0),
                (OPTION_INTERFACE_NAME, _) => name = Some(value),
                (OPTION_COMMENT, _) if value.len() <= LONGEST_COMMENT => comment = Some(value),
                (OPTION_FCS_LEN, [octet, ..]) => fcs_len = Some(*octet),
                _ => {}
            }
        }
        let in_section = self.interfaces.len() as u32;
        self.notes.describe(|| Described {
            in_section,
            link_type: interface.link_type,
            snapshot_len: interface.snapshot_len,
            nanoseconds: interface.resolution.is_finer_than_microseconds(),
            fcs_len,
            name: name.map(<[u8]>::to_vec),
            comment: comment.map(<[u8]>::to_vec),
        });
        self.interfaces.push(interface);
        Ok(())
    }

    /// The interface with this number in the current section, and its number in the whole file.
    fn described(&self, number: u32) -> Result<(&Interface, u32), String> {
        let interface = self.interfaces.get(number as usize).ok_or_else(|| {
            format!("a packet names interface {number}, which its section has not described")
        })?;
        Ok((interface, self.earlier_interfaces.saturating_add(number)))
    }

    /// Takes in an Interface Statistics Block. One that makes no sense says nothing, and costs no packet.
    fn statistics(&mut self, numbers: Numbers, body: &[u8]) {
        let dropped = numbers
            .options(body.get(12..).unwrap_or_default())
            .filter(|(code, ..)| OPTIONS_DROPPED.contains(code))
            .filter_map(|(.., value)| numbers.u64(value))
            .fold(0, u64::saturating_add);
        if let Some(interface) = numbers.u32(body, 0) {
            self.drop_packets(interface, |[_, told]| *told = dropped.max(*told));
        }
    }

    /// Changes how many packets an interface dropped.
    fn drop_packets(&mut self, interface: u32, change: impl FnOnce(&mut [u64; 2])) {
        if let Some(interface) = self.interfaces.get_mut(interface as usize) {
            let before = interface.dropped();
            change(&mut interface.dropped);
            let more = interface.dropped() - before;
            self.notes.dropped = self.notes.dropped.saturating_add(more);
        }
    }

    /// The packet of an Enhanced or obsolete Packet Block, which differ in the interface only.
    fn packet(
        &mut self,
        numbers: Numbers,
        interface: u32,
        body: &[u8],
        body_start: usize,
    ) -> Result<Packet, String> {
        let (Some(high), Some(low), Some(captured), Some(original_len)) = (
            numbers.u32(body, 4),
            numbers.u32(body, 8),
            numbers.u32(body, 12),
            numbers.u32(body, 16),
        ) else {
            return Err("a packet block is too short".to_owned());
        };
        let place = interface;
        let (interface, number) = self.described(interface)?;
        if captured as usize > self.limits.record {
            return Err(format!("a packet claims {captured} octets"));
        }
        let room = body.len() - PACKET_HEADER;
        if captured as usize > room {
            return Err(format!(
                "a packet claims {captured} octets in a block with room for {room}"
            ));
        }
        let options_start = PACKET_HEADER + (captured as usize).next_multiple_of(4);
        let (mut comment_start, mut comment_len, mut dropped) = (0, 0, 0);
        for (code, start, value) in numbers.options(body.get(options_start..).unwrap_or_default()) {
            match code {
                OPTION_COMMENT if comment_start == 0 => {
                    comment_start = (options_start + start - PACKET_HEADER) as u32;
                    comment_len = value.len() as u16;
                }
                OPTION_DROPS_BEFORE => dropped = numbers.u64(value).unwrap_or_default(),
                _ => {}
            }
        }
        let units = u64::from(high) << 32 | u64::from(low);
        let mut packet = Packet {
            timestamp: interface.resolution.time(units, interface.offset),
            original_len,
            link_type: interface.link_type,
            interface: number,
            start: body_start + PACKET_HEADER,
            len: captured,
            comment_start,
            comment_len,
        };
        if captured > original_len && self.limits.mends_lengths {
            packet.original_len = captured;
            self.notes.mended_lengths += 1;
        }
        if dropped > 0 {
            self.drop_packets(place, |[before, _]| {
                *before = before.saturating_add(dropped)
            });
        }
        Ok(packet)
    }

    /// The packet of a Simple Packet Block: on interface 0, cut to its snapshot length.
    fn simple_packet(
        &self,
        numbers: Numbers,
        body: &[u8],
        body_start: usize,
    ) -> Result<Packet, String> {
        let original_len = numbers
            .u32(body, 0)
            .ok_or("a Simple Packet Block is too short")?;
        let (interface, number) = self.described(0)?;
        let captured = match interface.snapshot_len {
            0 => original_len,
            limit => original_len.min(limit),
        };
        if captured as usize > self.limits.record {
            return Err(format!("a packet claims {captured} octets"));
        }
        let room = body.len() - 4;
        if captured as usize > room {
            return Err(format!(
                "a packet claims {captured} octets in a block with room for {room}"
            ));
        }
        Ok(Packet {
            timestamp: Timestamp::default(),
            original_len,
            link_type: interface.link_type,
            interface: number,
            start: body_start + 4,
            len: captured,
            comment_start: 0,
            comment_len: 0,
        })
    }

    /// Steps over what there is of a long block. Gives how much that is, and whether more must come.
    fn skip(&mut self, claimed: u32, left: usize, octets: &[u8]) -> Result<usize, (usize, Stop)> {
        let numbers = Numbers {
            big_endian: self.big_endian,
        };
        if octets.len() >= left {
            self.skipping = None;
            return match numbers.u32(octets, left - 4) == Some(claimed) {
                true => Ok(left),
                false => Err((0, malformed("a long block has two different lengths"))),
            };
        }
        // All but one, so that an end here is seen to be inside the block.
        let step = octets.len().saturating_sub(1).min(left - 4);
        self.skipping = Some((claimed, left - step));
        let needed = octets.len() - step + 1;
        let place = "a block";
        Err((step, Stop::Short { needed, place }))
    }

    /// Takes in the block at the front of `octets`, which begins at `origin` in the batch's buffer.
    /// Gives its length and the packet, if it is one.
    fn next_block(
        &mut self,
        octets: &[u8],
        origin: usize,
    ) -> Result<(usize, Option<Packet>), Stop> {
        const HEADER: Stop = Stop::Short {
            needed: BLOCK_HEADER,
            place: "a block header",
        };
        let new_section = octets.starts_with(&SECTION_HEADER);
        let big_endian = if new_section {
            match octets.get(BLOCK_HEADER..SMALLEST_BLOCK) {
                Some(order) if order == BYTE_ORDER_BIG => true,
                Some(order) if order == BYTE_ORDER_LITTLE => false,
                Some(_) => return Err(malformed("a section's byte-order magic is wrong")),
                None => {
                    let place = "a section header";
                    return Err(Stop::Short {
                        needed: SMALLEST_BLOCK,
                        place,
                    });
                }
            }
        } else {
            self.big_endian
        };
        let numbers = Numbers { big_endian };
        let (Some(kind), Some(claimed)) = (numbers.u32(octets, 0), numbers.u32(octets, 4)) else {
            return Err(HEADER);
        };
        let len = claimed as usize;
        if len < SMALLEST_BLOCK || !len.is_multiple_of(4) {
            return Err(malformed(&format!(
                "a block of type {kind:#x} has the length {len}"
            )));
        }
        if len > self.limits.record + ROOM_FOR_OPTIONS {
            let is_read = [
                INTERFACE_DESCRIPTION,
                PACKET,
                SIMPLE_PACKET,
                ENHANCED_PACKET,
            ];
            if len <= MAX_SKIPPED && !new_section && !is_read.contains(&kind) {
                self.skipping = Some((claimed, len));
                return Ok((0, None));
            }
            return Err(malformed(&format!(
                "a block of type {kind:#x} claims {len} octets"
            )));
        }
        let Some(block) = octets.get(..len) else {
            return Err(Stop::Short {
                needed: len,
                place: "a block",
            });
        };
        if numbers.u32(block, len - 4) != Some(claimed) {
            let reason = format!("a block of type {kind:#x} has two different lengths");
            return Err(malformed(&reason));
        }
        let body = &block[BLOCK_HEADER..len - 4];
        if new_section {
            match numbers.u16(body, 4) {
                Some(1) => self.section(big_endian),
                Some(version) => {
                    return Err(Stop::Unsupported(format!("pcapng version {version}")));
                }
                None => return Err(malformed("a section header is too short")),
            }
            return Ok((len, None));
        }
        let packet = self
            .block(kind, body, origin + BLOCK_HEADER)
            .map_err(Stop::Malformed)?;
        Ok((len, packet))
    }
}

fn malformed(reason: &str) -> Stop {
    Stop::Malformed(reason.to_owned())
}

impl Format for Pcapng {
    fn split(
        &mut self,
        octets: &[u8],
        origin: usize,
        room: usize,
        packets: &mut Vec<Packet>,
    ) -> Split {
        let mut at = 0;
        let mut found = 0;
        while found < room && !self.notes.is_full() {
            if let Some((claimed, left)) = self.skipping {
                match self.skip(claimed, left, &octets[at..]) {
                    Ok(skipped) => at += skipped,
                    Err((skipped, stop)) => {
                        let consumed = at + skipped;
                        return Split { consumed, stop };
                    }
                }
                continue;
            }
            match self.next_block(&octets[at..], origin + at) {
                Ok((len, packet)) => {
                    at += len;
                    if let Some(packet) = packet {
                        packets.push(packet);
                        found += 1;
                    }
                }
                Err(stop) => return Split { consumed: at, stop },
            }
        }
        Split {
            consumed: at,
            stop: Stop::Full,
        }
    }

    fn notes(&mut self) -> &mut Notes {
        &mut self.notes
    }
}

#[cfg(test)]
mod tests {
    use super::Resolution;
    use crate::testing::{
        Order, block, drain, enhanced, interface, option, read, section, small_pcapng,
    };
    use crate::{Batch, Error, LinkType, Timestamp};

    const ORDERS: [Order; 2] = [Order::Little, Order::Big];

    #[test]
    fn both_byte_orders() {
        for order in ORDERS {
            let (seen, trouble) = read(&small_pcapng(order));
            assert!(trouble.is_none(), "{trouble:?}");
            assert_eq!(seen.len(), 3);
            assert_eq!(
                seen[0].timestamp,
                Timestamp {
                    seconds: 1_000_000_000,
                    nanos: 7
                }
            );
            assert_eq!(
                (&seen[0].data[..], seen[0].original_len),
                (&b"hello"[..], 6)
            );
            assert_eq!(seen[0].comment.as_deref(), Some(&b"odd"[..]));
            assert_eq!(
                (seen[0].link_type, seen[0].interface),
                (LinkType::ETHERNET, 0)
            );
            // The simple packet is on interface 0, whose snapshot length of 0 is none.
            assert_eq!(
                (&seen[1].data[..], seen[1].original_len),
                (&b"123456789"[..], 9)
            );
            assert_eq!(
                (seen[1].timestamp, seen[1].interface),
                (Timestamp::default(), 0)
            );
            assert_eq!(
                seen[2].timestamp,
                Timestamp {
                    seconds: 1_000_000_002,
                    nanos: 0
                }
            );
            assert_eq!((seen[2].link_type, seen[2].interface), (LinkType::RAW, 1));
            assert_eq!(
                (&seen[2].data[..], &seen[2].comment),
                (&b"three words"[..], &None)
            );
        }
    }

    /// Statistics and counts of drops that are cut anywhere, or have any octet changed, give the same of
    /// batches of any size, and no panic.
    #[test]
    fn spoilt_counts_of_drops() {
        for order in ORDERS {
            let count = option(order, 4, &[0, 0, 0, 0, 0, 0, 0, 7]);
            let mut body = order.u32(0).to_vec();
            body.extend([0; 8]);
            body.extend(option(order, 5, &[1; 8]));
            body.extend(option(order, 7, &[2; 8]));
            let octets = [
                section(order),
                interface(order, 1, 0, b""),
                enhanced(order, 0, 1, b"x", &count),
                block(order, 5, &body),
            ];
            let octets = octets.concat();
            let lost = |octets: &[u8], packets: usize| {
                let reader = Box::new(std::io::Cursor::new(octets.to_vec()));
                let mut source = crate::from_reader("test", reader, None).ok()?;
                let (seen, _) = drain(source.as_mut(), &mut Batch::new(1 << 16, packets));
                let origins = source.origins();
                let lost = origins.iter().map(|origin| origin.lost);
                Some((seen.len(), lost.fold(0_u64, u64::saturating_add)))
            };
            for end in 0..octets.len() {
                let cut = &octets[..end];
                assert_eq!(lost(cut, 1), lost(cut, 100), "cut at {end}");
            }
            for at in 0..octets.len() {
                for change in [1, 0x80, 0xff] {
                    let mut spoilt = octets.clone();
                    spoilt[at] ^= change;
                    assert_eq!(lost(&spoilt, 1), lost(&spoilt, 100), "octet {at}");
                }
            }
        }
    }

    /// The drops that a capture of these blocks tells of.
    fn dropped(blocks: &[Vec<u8>]) -> u64 {
        let octets = blocks.concat();
        let reader = Box::new(std::io::Cursor::new(octets));
        let mut source = crate::from_reader("test", reader, None).expect("a good beginning");
        let (_, trouble) = drain(source.as_mut(), &mut Batch::new(1 << 16, 1));
        assert!(trouble.is_none(), "{trouble:?}");
        source.origins().iter().map(|origin| origin.lost).sum()
    }

    #[test]
    fn drops_that_are_told_of() {
        for order in ORDERS {
            let statistics = |interface, options: &[(u16, u64)]| {
                let mut body = order.u32(interface).to_vec();
                body.extend([0; 8]);
                for (code, count) in options {
                    let [high, low] = [(count >> 32) as u32, *count as u32].map(|n| order.u32(n));
                    let value = match order {
                        Order::Big => [high, low],
                        Order::Little => [low, high],
                    };
                    body.extend(option(order, *code, &value.concat()));
                }
                block(order, 5, &body)
            };
            let packet = |interface, count: &[u8]| {
                enhanced(order, interface, 1, b"x", &option(order, 4, count))
            };
            let seven = match order {
                Order::Big => [0, 0, 0, 0, 0, 0, 0, 7],
                Order::Little => [7, 0, 0, 0, 0, 0, 0, 0],
            };
            let begin = [
                section(order),
                interface(order, 1, 0, b""),
                interface(order, 1, 0, b""),
            ];
            let told = |blocks: &[Vec<u8>]| dropped(&[&begin[..], blocks].concat());
            assert_eq!(told(&[]), 0);
            assert_eq!(
                told(&[statistics(0, &[(5, 60), (7, 40), (4, 9), (6, 9), (8, 9)])]),
                100
            );
            // Counts go on from block to block; those of interfaces are apart.
            let (first, later) = (statistics(0, &[(5, 3)]), statistics(0, &[(5, 4)]));
            assert_eq!(told(&[first.clone(), later, statistics(1, &[(7, 2)])]), 6);
            // Packets tell what was lost before each.
            assert_eq!(
                told(&[packet(0, &seven), packet(1, &seven), packet(1, &seven)]),
                21
            );
            // Both tell of the same drops.
            assert_eq!(told(&[packet(0, &seven), first.clone()]), 7);
            assert_eq!(told(&[first, packet(0, &seven)]), 7);
            // What makes no sense says nothing.
            assert_eq!(told(&[statistics(2, &[(5, 3)]), packet(0, &seven[..4])]), 0);
            assert_eq!(told(&[block(order, 5, b""), block(order, 5, &[0; 4])]), 0);
            let most = statistics(0, &[(5, u64::MAX), (7, u64::MAX)]);
            assert_eq!(told(&[most, packet(1, &seven)]), u64::MAX);
            let end = [
                statistics(0, &[(5, 3)]),
                section(order),
                interface(order, 1, 0, b""),
            ];
            assert_eq!(told(&[&end[..], &[statistics(0, &[(5, 3)])]].concat()), 6);
        }
    }

    #[test]
    fn sections_have_their_own_byte_order_and_interfaces() {
        let file = [small_pcapng(Order::Little), small_pcapng(Order::Big)].concat();
        let (seen, trouble) = read(&file);
        assert!(trouble.is_none());
        let interfaces: Vec<u32> = seen.iter().map(|seen| seen.interface).collect();
        assert_eq!(interfaces, [0, 0, 1, 2, 2, 3]);
        assert_eq!(seen[0].data, seen[3].data);
        assert_eq!(seen[0].timestamp, seen[3].timestamp);

        // Interfaces end with their section.
        let file = [
            section(Order::Little),
            interface(Order::Little, 1, 0, b""),
            section(Order::Big),
            enhanced(Order::Big, 0, 1, b"x", b""),
        ];
        let (_, trouble) = read(&file.concat());
        let message = trouble.map(|error| error.to_string()).unwrap_or_default();
        assert!(
            message.contains("names interface 0, which its section has not"),
            "{message}"
        );
    }

    #[test]
    fn obsolete_packet_block() {
        for order in ORDERS {
            let mut body = [order.u16(0), order.u16(7)].concat();
            for number in [0, 5_000_001, 3, 4] {
                body.extend(order.u32(number));
            }
            body.extend(b"abc\0");
            body.extend(option(order, 1, b"old"));
            let file = [
                section(order),
                interface(order, 113, 0, b""),
                block(order, 2, &body),
            ]
            .concat();
            let (seen, trouble) = read(&file);
            assert!(trouble.is_none());
            assert_eq!((&seen[0].data[..], seen[0].original_len), (&b"abc"[..], 4));
            assert_eq!(
                seen[0].timestamp,
                Timestamp {
                    seconds: 5,
                    nanos: 1000
                }
            );
            assert_eq!(seen[0].comment.as_deref(), Some(&b"old"[..]));
        }
    }

    #[test]
    fn simple_packets_are_cut_to_the_snapshot_length() {
        let order = Order::Little;
        let simple = |original: u32, data: &[u8]| {
            block(order, 3, &[&order.u32(original)[..], data].concat())
        };
        let file =
            |snaplen, simple| [section(order), interface(order, 1, snaplen, b""), simple].concat();
        let (seen, _) = read(&file(4, simple(9, b"1234")));
        assert_eq!((&seen[0].data[..], seen[0].original_len), (&b"1234"[..], 9));
        let (_, trouble) = read(&file(0, simple(9, b"1234")));
        assert!(matches!(
            trouble,
            Some(Error::Malformed {
                packets: 0,
                offset: 48,
                ..
            })
        ));
    }

    #[test]
    fn times() {
        let time = |octet, units, offset| {
            let time = Resolution::new(octet).time(units, offset);
            (time.seconds, time.nanos)
        };
        assert_eq!(time(6, 1_000_001, 0), (1, 1000));
        assert_eq!(time(9, 1_000_000_001, 0), (1, 1));
        assert_eq!(time(0, 7, -8), (-1, 0));
        assert_eq!(time(3, 1234, 10), (11, 234_000_000));
        assert_eq!(time(12, 1_000_000_001_999, 0), (1, 1));
        assert_eq!(time(0x80, 7, 0), (7, 0));
        assert_eq!(time(0x8a, 1024 + 512, 0), (1, 500_000_000));
        assert_eq!(time(0x80 | 32, 3 << 31, 0), (1, 500_000_000));
        for octet in 0..=255 {
            for units in [0, 1, u64::MAX / 3, u64::MAX] {
                for offset in [i64::MIN, -1, 0, i64::MAX] {
                    assert!(time(octet, units, offset).1 < 1_000_000_000);
                }
            }
        }
    }

    #[test]
    fn time_offset() {
        let order = Order::Big;
        let options = [
            option(order, 14, &(-3i64).to_be_bytes()),
            option(order, 9, &[3]),
        ]
        .concat();
        let file = [
            section(order),
            interface(order, 1, 0, &options),
            enhanced(order, 0, 10_500, b"x", b""),
        ];
        let (seen, _) = read(&file.concat());
        assert_eq!(
            seen[0].timestamp,
            Timestamp {
                seconds: 7,
                nanos: 500_000_000
            }
        );
    }

    #[test]
    fn damaged_options_cost_no_packet() {
        let order = Order::Little;
        for options in [
            &[1, 0, 0xff, 0xff][..],
            &[1, 0, 5, 0, b'a', b'b', b'c', b'd'],
            &[0, 0, 0, 0, 1, 0, 1, 0, b'x', 0, 0, 0],
        ] {
            let file = [
                section(order),
                interface(order, 1, 0, options),
                enhanced(order, 0, 1, b"abc", options),
            ];
            let (seen, trouble) = read(&file.concat());
            assert!(trouble.is_none());
            assert_eq!((&seen[0].data[..], &seen[0].comment), (&b"abc"[..], &None));
        }
    }

    #[test]
    fn false_lengths_are_malformed() {
        let order = Order::Little;
        let good = small_pcapng(order);
        let start = 28 + 28 + 20;
        let last = good.len() - 48;
        for (at, value) in [
            // Total lengths: too small, not a multiple of 4, too big, not the same at both ends.
            (start + 4, 8u32),
            (start + 4, 61),
            (start + 4, u32::MAX),
            (start + 4, 44),
            // Captured lengths: more than the block has room for.
            (start + 8 + 12, 25),
            (start + 8 + 12, u32::MAX),
            // An interface that was not described.
            (last + 8, 2),
        ] {
            let mut file = good.clone();
            file[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let (seen, trouble) = read(&file);
            let packets = if at > last { 2 } else { 0 };
            assert_eq!(seen.len(), packets);
            assert!(
                matches!(trouble, Some(Error::Malformed { .. })),
                "{at}: {trouble:?}"
            );
        }
        let mut file = good.clone();
        file[8] = 0;
        assert!(matches!(read(&file).1, Some(Error::Malformed { .. })));
        let mut file = good;
        file[12] = 2;
        assert!(matches!(read(&file).1, Some(Error::Unsupported { .. })));
    }

    #[test]
    fn every_prefix() {
        for order in ORDERS {
            let file = small_pcapng(order);
            let (all, _) = read(&file);
            // Where blocks end, and whether that is a packet's end.
            let mut ends = vec![(0, false)];
            let blocks = [
                (28, false),
                (28, false),
                (20, false),
                (52, true),
                (20, false),
            ];
            for (len, packet) in blocks.into_iter().chain([(28, true), (44, true)]) {
                ends.push((ends[ends.len() - 1].0 + len, packet));
            }
            assert_eq!(ends[ends.len() - 1].0, file.len());
            for len in 0..file.len() {
                let (seen, trouble) = read(&file[..len]);
                let whole = ends
                    .iter()
                    .filter(|(end, packet)| *packet && *end <= len)
                    .count();
                assert_eq!(seen, all[..whole], "{len} octets");
                match trouble {
                    None => assert!(ends.iter().any(|(end, _)| *end == len), "{len} octets"),
                    Some(Error::NotACapture { .. }) => assert!(len < 4, "{len} octets"),
                    Some(Error::Truncated {
                        packets, offset, ..
                    }) => {
                        assert_eq!((packets, offset), (whole as u64, len as u64));
                    }
                    Some(other) => panic!("{len} octets: {other}"),
                }
            }
        }
    }
}
