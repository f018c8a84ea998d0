//! Hop-by-Hop Options header of IPv6 (RFC 8200 section 4.3).
//!
//! It belongs right after the IPv6 header; elsewhere it is read all the same. The record has the
//! options up to one that reaches beyond the header, which makes the packet malformed and hides
//! nothing: what follows begins where the header's own length says. A header that reaches beyond the
//! packet ends the walk.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Each, Record, Timestamp};

use crate::ipv6_extension;

pub(crate) static PROTOCOL: Protocol = Protocol::new("IPv6HopByHop", dissect)
    .reached_by(&[Selector::IpProto(0)])
    .emits(&[Ipv6HopByHop::SCHEMA]);

/// The Hop-by-Hop Options header, which every router on the way may look at (RFC 8200 section 4.3).
#[derive(Record)]
#[record("IPv6HopByHop", 56)]
pub(crate) struct Ipv6HopByHop<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Options in the order of the header, padding included.
    #[field(2, "Options")]
    options: Each<Options<'a>>,
}

/// An option of the Hop-by-Hop Options header (RFC 8200 section 4.2).
#[derive(Record)]
#[record("IPv6HopByHopOption", 57, nested = Tight)]
pub(crate) struct Ipv6HopByHopOption<'a> {
    /// Type: 0 one octet of padding (Pad1), 1 padding (PadN), 5 router alert, 194 jumbo payload.
    #[field(1, "OptionType")]
    kind: u8,
    /// Octets of the data, as the option says; 0 for Pad1, which has no length.
    #[field(2, "OptionLength")]
    length: u8,
    /// Octets of the whole option, type and length included; 1 for Pad1.
    #[field(3, "ActualLength")]
    actual_length: u16,
    /// What follows type and length.
    #[field(4, "OptionData")]
    data: &'a [u8],
    /// Place for a rule of alignment, which is a matter of writing options: always 0 and 0.
    #[field(5, "OptionAlignment")]
    alignment: Option<Ipv6HopByHopOptionAlignment>,
}

/// Alignment that an option asks for, `One`*n + `Two` (RFC 8200 section 4.2); not in the packet.
#[derive(Record)]
#[record("IPv6HopByHopOptionAlignment", 58)]
pub(crate) struct Ipv6HopByHopOptionAlignment {
    /// Multiple of octets, always 0.
    #[field(1, "One")]
    one: u8,
    /// Octets after that multiple, always 0.
    #[field(2, "Two")]
    two: u8,
}

/// The sound options at the front of the octets; what is left is malformed.
///
/// Destination Options headers have the same options.
#[derive(Clone)]
pub(crate) struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// Reads these octets.
    pub(crate) fn new(octets: &'a [u8]) -> Options<'a> {
        Options(octets)
    }

    /// Whether all octets are sound options.
    pub(crate) fn sound(&self) -> bool {
        let mut left = self.clone();
        left.by_ref().for_each(drop);
        left.0.is_empty()
    }

    /// The address of a mobile node at home, which is the source of what it sends while it is away (RFC
    /// 6275 section 6.3).
    pub(crate) fn home_address(mut self) -> Option<[u8; 16]> {
        self.find(|option| option.kind == 0xc9)
            .and_then(|option| option.data.try_into().ok())
    }

    /// The length that a jumbo payload option tells (RFC 2675 section 2).
    pub(crate) fn jumbo(mut self) -> Option<u32> {
        self.find(|option| option.kind == 0xc2)
            .and_then(|option| option.data.try_into().ok())
            .map(u32::from_be_bytes)
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Ipv6HopByHopOption<'a>;

    #[inline]
    fn next(&mut self) -> Option<Ipv6HopByHopOption<'a>> {
        let (kind, length, actual_length) = match *self.0 {
            [0, ..] => (0, 0, 1),
            [kind, length, ..] => (kind, length, u16::from(length) + 2),
            _ => return None,
        };
        let (option, rest) = self.0.split_at_checked(usize::from(actual_length))?;
        self.0 = rest;
        Some(Ipv6HopByHopOption {
            kind,
            length,
            actual_length,
            data: option.get(2..).unwrap_or_default(),
            alignment: Some(Ipv6HopByHopOptionAlignment { one: 0, two: 0 }),
        })
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let (next_header, octets) = ipv6_extension::extension(input)?;
    context.next_header(next_header);
    let options = Options::new(octets.unwrap_or_else(|_| input.rest()));
    let sound = octets.is_err() || options.sound();
    context.emit(&Ipv6HopByHop {
        timestamp: context.timestamp(),
        options: Each(options),
    });
    octets?;
    if !sound {
        context.note(input.malformed(Reason::Option));
    }
    Ok(ipv6_extension::following(next_header, input.rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_cut, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("IPv6HopByHop", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Ipv6HopByHop::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    /// Router alert, one octet of padding, three octets of padding, one octet, jumbo payload.
    const SAMPLE: &[u8] = b"\x3b\x01\x05\x02\x00\x07\x00\x01\x01\x00\xc2\x04\x00\x01\x00\x00after";

    fn encoded(octets: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let record = Ipv6HopByHop {
            timestamp: Timestamp::new(1, 2000),
            options: Each(Options(octets)),
        };
        record.encode(&mut out);
        out
    }

    #[test]
    fn every_field() {
        let walked = walk_packet(PROTOCOLS, 147, SAMPLE);
        let octets = SAMPLE.split_at(16).0.split_at(2).1;
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("IPv6HopByHop"), [encoded(octets)]);
        let options: Vec<_> = Options(octets)
            .map(|o| (o.kind, o.length, o.actual_length, o.data))
            .collect();
        let expected: [(u8, u8, u16, &[u8]); 4] = [
            (5, 2, 4, b"\x00\x07"),
            (0, 0, 1, b""),
            (1, 1, 3, b"\x00"),
            (194, 4, 6, b"\x00\x01\x00\x00"),
        ];
        assert_eq!(options, expected);
        assert_eq!(Options(octets).jumbo(), Some(65536));
    }

    /// As the original writes the options of a multicast listener report.
    #[test]
    fn octets_of_a_record() {
        let walked = walk_packet(PROTOCOLS, 147, b"\x3b\x00\x05\x02\x00\x00\x01\x00");
        let expected = b"\x0a\x08\
            1.000002\x12\x0c\x08\x05\x10\x02\x18\x04\x22\x02\x00\x00\x2a\x00\
            \x12\x06\x08\x01\x18\x02\x2a\x00";
        assert_eq!(walked.of("IPv6HopByHop"), [expected]);
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 147, SAMPLE);
        // Cut in the last option: those before it are recorded.
        let walked = walk_cut(PROTOCOLS, 147, SAMPLE.split_at(13).0, SAMPLE.len());
        assert!(matches!(walked.fate, Fate::CutShort(m) if (m.needed, m.had) == (14, 11)));
        assert_eq!(
            walked.of("IPv6HopByHop"),
            [encoded(b"\x05\x02\x00\x07\x00\x01\x01\x00")]
        );
    }

    #[test]
    fn options_that_contradict_themselves() {
        // Another header of the kind follows, and is found.
        for packet in [
            b"\0\x00\x05\x05\x00\x00\x00\x00\x3b\0\x01\x04\0\0\0\0",
            b"\0\x00\x01\x03\x00\x00\x00\x07\x3b\0\x01\x04\0\0\0\0",
        ] {
            let walked = walk_packet(&[&BARE, &PROTOCOL], 147, packet);
            assert_eq!(walked.malformed(), Some(Reason::Option));
            let records = walked.of("IPv6HopByHop");
            assert_eq!(records.last(), Some(&&encoded(b"\x01\x04\0\0\0\0")[..]));
            assert_eq!(records.len(), 2);
        }
    }
}
