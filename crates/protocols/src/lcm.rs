//! Lightweight Communications and Marshalling, version 2 of its UDP multicast protocol: messages in
//! one datagram ("LC02") and fragments of larger ones ("LC03"). No standard describes it, the
//! document "UDP Multicast Protocol" of the LCM project does.
//!
//! The first four octets decide: a datagram that begins otherwise is plain payload, as the port is
//! no registered one. A channel name that never ends leaves no whole header and no record. Fragments
//! are not put together; a fragment outside its message is malformed.

use netcap_dissect::{Context, Cursor, Fit, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Record, Text, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("LCM", dissect)
    // The default of LCM, udpm://239.255.76.67:7667.
    .reached_by(&[Selector::UdpPort(7667)])
    .judged_by(judge)
    .emits(&[Lcm::SCHEMA]);

/// First octets of a message in one datagram.
const SHORT: [u8; 4] = *b"LC02";
/// First octets of a fragment.
const FRAGMENT: [u8; 4] = *b"LC03";
/// Octets of a channel name without the zero that ends it, by the protocol's document.
const LONGEST_NAME: usize = 63;

/// One datagram of Lightweight Communications and Marshalling (LCM).
#[derive(Record)]
#[record("LCM", 71)]
pub(crate) struct Lcm<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// First four octets as a number: 1279471666 ("LC02") for a message in one datagram, 1279471667
    /// ("LC03") for a fragment.
    #[field(2, "Magic")]
    magic: i32,
    /// Number of the message, counted by the sender; all fragments of a message have the same.
    /// Values from 2^31 appear negative.
    #[field(3, "SequenceNumber")]
    sequence_number: i32,
    /// Octets of the message without its channel name: as the header says in fragments, as captured
    /// in others. Values from 2^31 appear negative.
    #[field(4, "PayloadSize")]
    payload_size: i32,
    /// Octets of the message before this fragment; 0 in messages of one datagram. Values from 2^31
    /// appear negative.
    #[field(5, "FragmentOffset")]
    fragment_offset: i32,
    /// Number of this fragment, from 0; 0 in messages of one datagram.
    #[field(6, "FragmentNumber")]
    fragment_number: u16,
    /// Number of fragments of the message; 0 in messages of one datagram.
    #[field(7, "TotalFragments")]
    total_fragments: u16,
    /// Name of the channel, at most 63 octets; empty in fragments other than the first, which alone
    /// has it.
    #[field(8, "ChannelName")]
    channel_name: Text<'a>,
    /// Whether this is a fragment.
    #[field(9, "Fragmented")]
    fragmented: bool,
}

fn judge(octets: &[u8], _: &Context<'_, '_>) -> Fit {
    match octets.first_chunk() {
        Some(&(SHORT | FRAGMENT)) => Fit::Good,
        _ => Fit::No,
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let Some(&magic) = input
        .rest()
        .first_chunk()
        .filter(|m| [SHORT, FRAGMENT].contains(m))
    else {
        return Ok(Next::End);
    };
    let fragmented = magic == FRAGMENT;
    // Magic and sequence number; fragments have the sizes of their message beside them.
    let mut header = input.sub(if fragmented { 20 } else { 8 })?;
    let mut record = Lcm {
        timestamp: context.timestamp(),
        magic: header.u32()? as i32,
        sequence_number: header.u32()? as i32,
        payload_size: 0,
        fragment_offset: 0,
        fragment_number: 0,
        total_fragments: 0,
        channel_name: Text(&[]),
        fragmented,
    };
    let mut verdict = Ok(());
    if fragmented {
        let (size, offset) = (header.u32()?, header.u32()?);
        record.payload_size = size as i32;
        record.fragment_offset = offset as i32;
        record.fragment_number = header.u16()?;
        record.total_fragments = header.u16()?;
        if record.fragment_number >= record.total_fragments {
            verdict = Err(input.malformed(Reason::Count));
        }
    }
    if record.fragment_number == 0 {
        let name = channel_name(input)?;
        if name.len() > LONGEST_NAME {
            verdict = verdict.and(Err(input.malformed(Reason::Name)));
        }
        record.channel_name = Text(name);
    }
    let piece = input.take_rest();
    if fragmented {
        let end = u64::from(record.fragment_offset as u32) + piece.len() as u64;
        if end > u64::from(record.payload_size as u32) {
            verdict = verdict.and(Err(input.malformed(Reason::Length)));
        }
    } else {
        record.payload_size = i32::try_from(piece.len()).unwrap_or(i32::MAX);
    }
    context.emit(&record);
    verdict.map(|()| Next::End)
}

/// The octets up to a zero, which is read too.
fn channel_name<'p>(input: &mut Cursor<'p>) -> Result<&'p [u8], Malformed> {
    let octets = input.rest();
    let len = octets
        .iter()
        .position(|octet| *octet == 0)
        .unwrap_or(octets.len());
    let mut whole = input.sub(len + 1)?;
    whole.bytes(len)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{encoded, every_prefix, walk_cut, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static ALONE: Protocol = Protocol::new("LCM", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Lcm::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&ALONE];

    fn short(name: &[u8]) -> Lcm<'_> {
        Lcm {
            timestamp: Timestamp::new(1, 2000),
            magic: 0x4c43_3032,
            sequence_number: 7,
            payload_size: 4,
            fragment_offset: 0,
            fragment_number: 0,
            total_fragments: 0,
            channel_name: Text(name),
            fragmented: false,
        }
    }

    fn fragment(offset: i32, number: u16, total: u16, name: &[u8]) -> Lcm<'_> {
        Lcm {
            magic: 0x4c43_3033,
            sequence_number: -2,
            payload_size: 10,
            fragment_offset: offset,
            fragment_number: number,
            total_fragments: total,
            fragmented: true,
            ..short(name)
        }
    }

    /// The datagram of a fragment.
    fn octets(offset: u32, number: u16, total: u16, rest: &[u8]) -> Vec<u8> {
        [
            &b"LC03\xff\xff\xff\xfe\0\0\0\x0a"[..],
            &offset.to_be_bytes(),
            &number.to_be_bytes(),
            &total.to_be_bytes(),
            rest,
        ]
        .concat()
    }

    #[test]
    fn every_field() {
        let datagram = b"LC02\0\0\0\x07POSE\xff\0data";
        let walked = walk_packet(PROTOCOLS, 147, datagram);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("LCM"), [encoded(&short(b"POSE\xff"))]);
        every_prefix(PROTOCOLS, 147, datagram);

        let first = octets(0, 0, 2, b"IMAGE\0abcd");
        let walked = walk_packet(PROTOCOLS, 147, &first);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("LCM"), [encoded(&fragment(0, 0, 2, b"IMAGE"))]);
        every_prefix(PROTOCOLS, 147, &first);

        let last = octets(4, 1, 2, b"efghij");
        let walked = walk_packet(PROTOCOLS, 147, &last);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("LCM"), [encoded(&fragment(4, 1, 2, b""))]);
        every_prefix(PROTOCOLS, 147, &last);
    }

    #[test]
    fn other_datagrams_are_payload() {
        for other in [&b"LC01\0\0\0\x07POSE\0data"[..], b"LC0", b"LC04", b""] {
            let walked = walk_packet(PROTOCOLS, 147, other);
            assert_eq!((walked.fate, walked.records.len()), (Fate::Decoded, 0));
        }
    }

    #[test]
    fn a_name_without_end() {
        for datagram in [&b"LC02\0\0\0\x07POSE"[..], b"LC02\0\0\0\x07", b"LC02\0\0"] {
            let walked = walk_packet(PROTOCOLS, 147, datagram);
            assert_eq!(walked.malformed(), Some(Reason::Truncated));
            assert!(walked.records.is_empty());
            let fate = walk_cut(PROTOCOLS, 147, datagram, 60).fate;
            assert!(matches!(fate, Fate::CutShort(_)));
        }
    }

    #[test]
    fn what_does_not_fit_gives_a_record_all_the_same() {
        let long = [b'n'; 64];
        for (len, reason) in [(63, None), (64, Some(Reason::Name))] {
            let datagram = [b"LC02\0\0\0\x07", &long[..len], b"\0data"].concat();
            let walked = walk_packet(PROTOCOLS, 147, &datagram);
            assert_eq!(walked.malformed(), reason);
            assert_eq!(walked.of("LCM"), [encoded(&short(&long[..len]))]);
        }
        for (offset, number, total, rest, reason) in [
            (4, 2, 2, &b"efghij"[..], Reason::Count),
            (0, 0, 0, b"\0abcd", Reason::Count),
            (5, 1, 2, b"efghij", Reason::Length),
            (11, 1, 2, b"", Reason::Length),
        ] {
            let walked = walk_packet(PROTOCOLS, 147, &octets(offset, number, total, rest));
            assert_eq!(walked.malformed(), Some(reason));
            let record = fragment(offset as i32, number, total, b"");
            assert_eq!(walked.of("LCM"), [encoded(&record)]);
        }
    }
}
