//! Transmission Control Protocol (RFC 9293): one record per segment.
//!
//! Options are listed as they stand in the header. The option "end of list" is listed too and does
//! not end the list: each zero that pads the header after it is one more. Octets after it that are
//! no sound options are padding, because RFC 9293 section 3.1 lets nothing follow it. Without it
//! they make the segment malformed, after its record with the options before them. A data offset
//! below 5 or beyond the segment leaves a record without payload.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, SegmentFacts, Selector};
use netcap_record::{Each, Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("TCP", dissect)
    .reached_by(&[Selector::IpProto(NUMBER)])
    .emits(&[Tcp::SCHEMA]);

/// IANA, protocol numbers.
const NUMBER: u8 = 6;

/// Octets of a header without options (RFC 9293 section 3.1).
const FIXED: usize = 20;

/// A TCP segment (RFC 9293).
#[derive(Record)]
#[record("TCP", 38)]
pub(crate) struct Tcp<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Source port.
    #[field(2, "SrcPort")]
    source_port: u16,
    /// Destination port.
    #[field(3, "DstPort")]
    destination_port: u16,
    /// Sequence number of the first octet of the payload, or of SYN, as sent (not relative).
    #[field(4, "SeqNum")]
    sequence: u32,
    /// Next sequence number that the sender expects, as sent; means something where `ACK` is set.
    #[field(5, "AckNum")]
    acknowledgment: u32,
    /// Length of the header in units of four octets, 5 (no options) to 15.
    #[field(6, "DataOffset")]
    data_offset: u8,
    /// The sender has no more data.
    #[field(7, "FIN")]
    fin: bool,
    /// Sequence numbers are synchronised: the connection opens.
    #[field(8, "SYN")]
    syn: bool,
    /// The connection is reset.
    #[field(9, "RST")]
    rst: bool,
    /// The receiver shall hand the data on at once.
    #[field(10, "PSH")]
    psh: bool,
    /// `AckNum` is significant.
    #[field(11, "ACK")]
    ack: bool,
    /// `Urgent` is significant.
    #[field(12, "URG")]
    urg: bool,
    /// Echo of congestion experienced (RFC 3168).
    #[field(13, "ECE")]
    ece: bool,
    /// The congestion window was reduced (RFC 3168).
    #[field(14, "CWR")]
    cwr: bool,
    /// The bit before `CWR`: nonce sum (RFC 3540), today accurate ECN (AE).
    #[field(15, "NS")]
    ns: bool,
    /// Octets that the sender accepts, not scaled, 0 to 65535.
    #[field(16, "Window")]
    window: u16,
    /// Checksum as sent; with `-checksum` only of segments where it is right.
    #[field(17, "Checksum")]
    checksum: u16,
    /// Urgent pointer: octets from `SeqNum` to the end of urgent data; means something where `URG`
    /// is set.
    #[field(18, "Urgent")]
    urgent: u16,
    /// What follows the option "end of list" and is no option; normally empty, since the zeros
    /// that pad the header are listed as options. In CSV the octets as they are.
    #[field(19, "Padding", csv = Raw)]
    padding: &'a [u8],
    /// Options in the order of the header, no-operations and each zero of the padding included.
    #[field(20, "Options")]
    options: Each<Options<'a>>,
    /// Shannon entropy of the payload in bits per octet, 0 to 8.
    #[field(21, "PayloadEntropy", csv = Decimals(8))]
    payload_entropy: f64,
    /// Captured octets of the payload.
    #[field(22, "PayloadSize")]
    payload_size: i32,
    /// The payload, where payloads are asked for.
    #[field(23, "Payload", csv = Payload)]
    payload: &'a [u8],
}

/// An option of a TCP header (RFC 9293 section 3.1).
#[derive(Record)]
#[record("TCPOption", 39)]
pub(crate) struct TcpOption<'a> {
    /// Kind: 0 end of list, 1 no operation, 2 maximum segment size, 3 window scale, 4 SACK
    /// permitted, 5 SACK, 8 timestamps.
    #[field(1, "OptionType")]
    kind: u8,
    /// Octets of the whole option, kind and length included; 1 for the kinds 0 and 1.
    #[field(2, "OptionLength")]
    length: u8,
    /// What follows kind and length.
    #[field(3, "OptionData")]
    data: &'a [u8],
}

/// The sound options at the front of the octets; what is left is padding or malformed.
#[derive(Clone)]
struct Options<'a> {
    rest: &'a [u8],
    ended: bool,
}

impl<'a> Iterator for Options<'a> {
    type Item = TcpOption<'a>;

    #[inline]
    fn next(&mut self) -> Option<TcpOption<'a>> {
        let (kind, length) = match *self.rest {
            // End of list and no operation have no length.
            [kind @ (0 | 1), ..] => (kind, 1),
            [kind, length @ 2..=u8::MAX, ..] => (kind, length),
            _ => return None,
        };
        let (option, rest) = self.rest.split_at_checked(usize::from(length))?;
        self.rest = rest;
        self.ended |= kind == 0;
        Some(TcpOption {
            kind,
            length,
            data: option.get(2..).unwrap_or_default(),
        })
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    if input.remaining() >= FIXED && context.is_corrupt(NUMBER, input.rest()) {
        return Err(input.malformed(Reason::Checksum));
    }
    context.transport(NUMBER, input.rest());
    let header = *input.array::<FIXED>()?;
    let source_port = u16::from_be_bytes([header[0], header[1]]);
    let destination_port = u16::from_be_bytes([header[2], header[3]]);
    let data_offset = header[12] >> 4;
    say(&header, input.rest(), context);

    // What is wrong with the length or the options is said after the record.
    let mut verdict = Ok(());
    let (mut payload, mut octets) = (&[][..], &[][..]);
    match (usize::from(data_offset) * 4).checked_sub(FIXED) {
        None => verdict = Err(input.malformed(Reason::Length)),
        Some(length) => match input.bytes(length) {
            Ok(options) => (octets, payload) = (options, input.rest()),
            Err(malformed) => {
                octets = input.rest();
                verdict = Err(malformed);
            }
        },
    }
    let options = Options {
        rest: octets,
        ended: false,
    };
    let mut padding = &[][..];
    if !octets.is_empty() {
        let mut tail = options.clone();
        tail.by_ref().for_each(drop);
        if tail.ended {
            padding = tail.rest;
        } else if !tail.rest.is_empty() && verdict.is_ok() {
            verdict = Err(input.malformed(Reason::Option));
        }
    }

    if context.wants::<Tcp<'_>>() {
        let payload_entropy = context.entropy(payload);
        let flags = header[13];
        context.emit(&Tcp {
            timestamp: context.timestamp(),
            source_port,
            destination_port,
            sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            acknowledgment: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            data_offset,
            fin: flags & 0x01 != 0,
            syn: flags & 0x02 != 0,
            rst: flags & 0x04 != 0,
            psh: flags & 0x08 != 0,
            ack: flags & 0x10 != 0,
            urg: flags & 0x20 != 0,
            ece: flags & 0x40 != 0,
            cwr: flags & 0x80 != 0,
            ns: header[12] & 0x01 != 0,
            window: u16::from_be_bytes([header[14], header[15]]),
            checksum: u16::from_be_bytes([header[16], header[17]]),
            urgent: u16::from_be_bytes([header[18], header[19]]),
            padding,
            options: Each(options),
            payload_entropy,
            payload_size: i32::try_from(payload.len()).unwrap_or(i32::MAX),
            payload: context.payload(payload),
        });
    }
    match verdict {
        // The header's length is sound, so the payload is where it should be.
        Err(malformed) if malformed.reason == Reason::Option => context.note(malformed),
        other => other?,
    }
    Ok(Next::Optional(
        [
            Selector::TcpPort(destination_port),
            Selector::TcpPort(source_port),
        ],
        payload,
    ))
}

/// Says what state across packets needs. A header length below its minimum stands for the minimum.
#[inline]
fn say<'p>(header: &[u8; FIXED], rest: &'p [u8], context: &mut Context<'p, '_>) {
    let [
        s0,
        s1,
        d0,
        d1,
        n0,
        n1,
        n2,
        n3,
        a0,
        a1,
        a2,
        a3,
        offset,
        flags,
        w0,
        w1,
        ..,
    ] = *header;
    let options = (usize::from(offset >> 4) * 4).saturating_sub(FIXED);
    let Some((options, payload)) = rest.split_at_checked(options) else {
        return;
    };
    let is_syn = flags & 0x02 != 0;
    context.segment(SegmentFacts {
        source: u16::from_be_bytes([s0, s1]),
        destination: u16::from_be_bytes([d0, d1]),
        sequence: u32::from_be_bytes([n0, n1, n2, n3]),
        acknowledgment: u32::from_be_bytes([a0, a1, a2, a3]),
        flags,
        window: u16::from_be_bytes([w0, w1]),
        scale: is_syn.then(|| window_scale(options)).flatten(),
        payload,
    });
    context.unclaimed(payload);
}

/// The window scale that options offer: RFC 7323 section 2.2.
fn window_scale(rest: &[u8]) -> Option<u8> {
    let ended = false;
    let mut options = Options { rest, ended }.take_while(|option| option.kind != 0);
    let scale = options.find(|option| option.kind == 3)?;
    scale.data.first().copied()
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{Walked, encoded, every_prefix, walk_cut, walk_packet};
    use netcap_dissect::{Entropy, Fate};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("TCP", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Tcp::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    /// Maximum segment size, SACK permitted, end of list and the zero that pads it; then data.
    const SAMPLE: &[u8] = b"\x9c\x40\x27\x0f\x00\x00\x03\xe8\xfe\xdc\xba\x98\x71\x5a\xfa\xf0\
        \xd5\x0c\x00\x05\x02\x04\x05\xb4\x04\x02\x00\x00abab";

    fn sample() -> Tcp<'static> {
        Tcp {
            timestamp: Timestamp::new(1, 2000),
            source_port: 40000,
            destination_port: 9999,
            sequence: 1000,
            acknowledgment: 0xfedc_ba98,
            data_offset: 7,
            fin: false,
            syn: true,
            rst: false,
            psh: true,
            ack: true,
            urg: false,
            ece: true,
            cwr: false,
            ns: true,
            window: 64240,
            checksum: 0xd50c,
            urgent: 5,
            padding: b"",
            options: options(b"\x02\x04\x05\xb4\x04\x02\x00\x00"),
            payload_entropy: 1.0,
            payload_size: 4,
            payload: b"abab",
        }
    }

    fn options(rest: &[u8]) -> Each<Options<'_>> {
        Each(Options { rest, ended: false })
    }

    /// The walk over the sample with other octets from `at` on.
    fn changed(at: usize, octets: &[u8]) -> Walked {
        let mut packet = SAMPLE.to_vec();
        packet.splice(at..at + octets.len(), octets.iter().copied());
        walk_packet(PROTOCOLS, 147, &packet)
    }

    #[test]
    fn every_field() {
        let walked = changed(0, b"");
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("TCP"), [encoded(&sample())]);
        assert_eq!(walked.application, ("Payload", 4));
    }

    #[test]
    fn the_scale_of_windows() {
        assert_eq!(window_scale(b"\x02\x04\x05\xb4\x01\x03\x03\x07"), Some(7));
        assert_eq!(window_scale(b"\x02\x04\x05\xb4"), None);
        assert_eq!(window_scale(b"\0\x03\x03\x07"), None);
        assert_eq!(window_scale(b"\x03\x02\x07"), None);
    }

    #[test]
    fn every_flag() {
        for bit in 0..9 {
            let field = 0x7000 | 1 << bit;
            let record = Tcp {
                fin: bit == 0,
                syn: bit == 1,
                rst: bit == 2,
                psh: bit == 3,
                ack: bit == 4,
                urg: bit == 5,
                ece: bit == 6,
                cwr: bit == 7,
                ns: bit == 8,
                ..sample()
            };
            assert_eq!(
                changed(12, &u16::to_be_bytes(field)).of("TCP"),
                [encoded(&record)]
            );
        }
    }

    #[test]
    fn options_as_records() {
        let listed: Vec<_> = options(b"\x02\x04\x05\xb4\x04\x02\x00\x00\x01")
            .0
            .map(|o| (o.kind, o.length, o.data))
            .collect();
        let expected: [(u8, u8, &[u8]); 5] = [
            (2, 4, b"\x05\xb4"),
            (4, 2, b""),
            (0, 1, b""),
            (0, 1, b""),
            (1, 1, b""),
        ];
        assert_eq!(listed, expected);
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 147, SAMPLE);
        for end in 0..FIXED {
            let walked = walk_cut(PROTOCOLS, 147, SAMPLE.split_at(end).0, SAMPLE.len());
            assert!(matches!(walked.fate, Fate::CutShort(m) if m.needed == 20));
            assert!(walked.records.is_empty());
        }
        // The options that were captured are recorded.
        let walked = walk_cut(PROTOCOLS, 147, SAMPLE.split_at(25).0, SAMPLE.len());
        assert!(matches!(walked.fate, Fate::CutShort(m) if (m.needed, m.had) == (8, 5)));
        let record = Tcp {
            options: options(b"\x02\x04\x05\xb4"),
            payload_entropy: 0.0,
            payload_size: 0,
            payload: b"",
            ..sample()
        };
        assert_eq!(walked.of("TCP"), [encoded(&record)]);
    }

    #[test]
    fn data_offset() {
        // Without options, all that follows is payload.
        let walked = changed(12, b"\x51");
        let payload = b"\x02\x04\x05\xb4\x04\x02\x00\x00abab";
        let record = Tcp {
            data_offset: 5,
            options: options(b""),
            payload_entropy: Entropy::default().of(payload, &[]),
            payload_size: 12,
            payload,
            ..sample()
        };
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("TCP"), [encoded(&record)]);
        // Less than a header.
        let walked = changed(12, b"\x41");
        let record = Tcp {
            data_offset: 4,
            options: options(b""),
            payload_entropy: 0.0,
            payload_size: 0,
            payload: b"",
            ..sample()
        };
        assert_eq!(walked.malformed(), Some(Reason::Length));
        assert_eq!(walked.of("TCP"), [encoded(&record)]);
        // Beyond the segment.
        let walked = changed(12, b"\xf1");
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        assert_eq!(walked.of("TCP").len(), 1);
    }

    #[test]
    fn options_that_contradict_themselves() {
        for octets in [
            b"\x08\x00\x01\x01",
            b"\x08\x01\x01\x01",
            b"\x08\x05\x01\x01",
            b"\x01\x01\x01\x08",
        ] {
            let walked = changed(24, octets);
            assert_eq!(walked.malformed(), Some(Reason::Option), "{octets:x?}");
            assert_eq!(walked.of("TCP").len(), 1);
        }
    }

    #[test]
    fn what_follows_the_end_of_list() {
        // No option can be read there: padding, RFC 9293 section 3.1.
        let walked = changed(24, b"\x00\x07\x09\x00");
        assert_eq!(walked.fate, Fate::Decoded);
        let record = Tcp {
            padding: b"\x07\x09\x00",
            options: options(b"\x02\x04\x05\xb4\x00"),
            ..sample()
        };
        assert_eq!(walked.of("TCP"), [encoded(&record)]);
    }
}
