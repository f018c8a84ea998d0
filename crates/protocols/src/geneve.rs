//! Generic Network Virtualization Encapsulation (RFC 8926).
//!
//! A header that is whole gives a record with its sound options. An option longer than the options
//! altogether makes the packet malformed, but does not hide what follows, whose place the header
//! tells. Of another version than 0 nothing after the first eight octets is read. A protocol below
//! 0x0600 is no EtherType and is counted as a number of Geneve.

use netcap_dissect::{
    Context, Cursor, Fit, Malformed, Next, Protocol, Reason, Selector, TunnelKind,
};
use netcap_record::{Each, Record, Timestamp};

use crate::ethernet::ETHERTYPE_MIN;
use crate::udp;

/// RFC 8926 section 3.3.
const PORT: u16 = 6081;

pub(crate) static PROTOCOL: Protocol = Protocol::new("Geneve", dissect)
    .reached_by(&[Selector::UdpPort(PORT)])
    .judged_by(judge)
    .emits(&[Geneve::SCHEMA]);

/// A Geneve header (RFC 8926).
#[derive(Record)]
#[record("Geneve", 67)]
pub(crate) struct Geneve<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Version, 0; two bits.
    #[field(2, "Version")]
    version: u8,
    /// Octets of all options, 0 to 252.
    #[field(3, "OptionsLength")]
    options_length: u8,
    /// Whether this is a control packet between the ends of the tunnel.
    #[field(4, "OAMPacket")]
    oam: bool,
    /// Whether some option is critical: who does not know it drops the packet.
    #[field(5, "CriticalOption")]
    critical: bool,
    /// EtherType of the payload: 25944 is Ethernet, 2048 IPv4, 34525 IPv6.
    #[field(6, "Protocol")]
    protocol: u16,
    /// Virtual network identifier, 0 to 16777215.
    #[field(7, "VNI")]
    vni: u32,
    /// Options in the order of the header.
    #[field(8, "Options")]
    options: Each<Options<'a>>,
}

/// An option of a Geneve header (RFC 8926 section 3.5).
#[derive(Record)]
#[record("GeneveOption")]
pub(crate) struct GeneveOption<'a> {
    /// Namespace of the type: 0 to 255 IETF, 256 to 65279 assigned to organisations, above for
    /// experiments.
    #[field(1, "Class")]
    class: u16,
    /// Type within its class; from 128 the option is critical.
    #[field(2, "Type")]
    kind: u8,
    /// Three reserved bits, 0.
    #[field(3, "Flags")]
    flags: u8,
    /// Octets of the whole option, its header of four octets included, 4 to 128.
    #[field(4, "Length")]
    length: u8,
    /// What follows the option's header.
    #[field(5, "Data")]
    data: &'a [u8],
}

/// The sound options at the front of the octets.
#[derive(Clone)]
struct Options<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Options<'a> {
    type Item = GeneveOption<'a>;

    #[inline]
    fn next(&mut self) -> Option<GeneveOption<'a>> {
        let (&[c0, c1, kind, last], rest) = self.rest.split_first_chunk()?;
        // Units of four octets, without the header.
        let length = (last & 0x1f) * 4;
        let (data, rest) = rest.split_at_checked(usize::from(length))?;
        self.rest = rest;
        Some(GeneveOption {
            class: u16::from_be_bytes([c0, c1]),
            kind,
            flags: last >> 5,
            length: length + 4,
            data,
        })
    }
}

/// RFC 8926 section 3.4: version, reserved bits and octet are zero, and the protocol is an EtherType. At
/// most one of them may be something else.
fn judge(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    let Some(&[first, flags, p0, p1, _, _, _, reserved]) = octets.first_chunk() else {
        return Fit::Possible;
    };
    let wrong = [
        first >> 6 != 0,
        flags & 0x3f != 0,
        reserved != 0,
        u16::from_be_bytes([p0, p1]) < ETHERTYPE_MIN,
    ];
    match wrong.iter().filter(|is_wrong| **is_wrong).count() {
        0 => Fit::Good,
        1 => udp::possible_to(&[PORT], context),
        _ => Fit::No,
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let start = *input;
    // RFC 8926 section 3.4.
    let [first, flags, p0, p1, v0, v1, v2, _] = *input.array()?;
    let (version, options_length) = (first >> 6, (first & 0x3f) * 4);
    let protocol = u16::from_be_bytes([p0, p1]);
    let before_options = *input;
    let announced = input.bytes(usize::from(options_length));
    let octets = match (version, &announced) {
        (0, Ok(octets)) => octets,
        (0, Err(_)) => before_options.rest(),
        _ => &[],
    };
    let options = Options { rest: octets };
    let vni = u32::from_be_bytes([0, v0, v1, v2]);
    context.tunnel(TunnelKind::VirtualNetwork, vni);
    context.emit(&Geneve {
        timestamp: context.timestamp(),
        version,
        options_length,
        oam: flags & 0x80 != 0,
        critical: flags & 0x40 != 0,
        protocol,
        vni,
        options: Each(options.clone()),
    });
    if version != 0 {
        return Err(start.malformed(Reason::Version));
    }
    announced?;
    let mut tail = options;
    tail.by_ref().for_each(drop);
    if !tail.rest.is_empty() {
        context.note(before_options.malformed(Reason::Option));
    }
    let selector = match protocol {
        ETHERTYPE_MIN.. => Selector::EtherType(protocol),
        _ => Selector::Other("Geneve protocol", u64::from(protocol)),
    };
    Ok(Next::Layer(selector, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{Walked, encoded, every_prefix, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("Geneve", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Geneve::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    /// A critical option with four octets and one without any; a frame.
    const OPTIONS: &[u8] = b"\x01\x02\x83\xe1data\xff\xff\x04\x00";
    const SAMPLE: &[u8] =
        b"\x03\xc0\x65\x58\x12\x34\x56\0\x01\x02\x83\xe1data\xff\xff\x04\x00frame";

    fn sample() -> Geneve<'static> {
        Geneve {
            timestamp: Timestamp::new(1, 2000),
            version: 0,
            options_length: 12,
            oam: true,
            critical: true,
            protocol: 0x6558,
            vni: 0x12_3456,
            options: Each(Options { rest: OPTIONS }),
        }
    }

    fn walk(packet: &[u8]) -> Walked {
        walk_packet(PROTOCOLS, 147, packet)
    }

    #[test]
    fn every_field() {
        let walked = walk(SAMPLE);
        assert_eq!(walked.of("Geneve"), [encoded(&sample())]);
        assert_eq!(walked.fate, Fate::Unknown(Selector::EtherType(0x6558)));
        assert_eq!(
            walked.tunnel(),
            Some((TunnelKind::VirtualNetwork, 0x12_3456))
        );
        every_prefix(PROTOCOLS, 147, SAMPLE);
        let option = Options { rest: OPTIONS }.next().unwrap();
        assert_eq!(
            (
                option.class,
                option.kind,
                option.flags,
                option.length,
                option.data
            ),
            (0x0102, 0x83, 7, 8, &b"data"[..])
        );
    }

    #[test]
    fn options_that_do_not_fit() {
        // The second option claims four octets that are not there.
        let mut packet = SAMPLE.to_vec();
        packet[19] = 0x01;
        let walked = walk(&packet);
        let record = Geneve {
            options: Each(Options {
                rest: OPTIONS.split_at(8).0,
            }),
            ..sample()
        };
        assert_eq!(walked.malformed(), Some(Reason::Option));
        assert_eq!(walked.of("Geneve"), [encoded(&record)]);
        // The packet ends in the options.
        let walked = walk(SAMPLE.split_at(18).0);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        assert_eq!(walked.of("Geneve"), [encoded(&record)]);
    }

    #[test]
    fn versions() {
        for version in 1..=3 {
            let mut packet = SAMPLE.to_vec();
            packet[0] |= version << 6;
            let walked = walk(&packet);
            let record = Geneve {
                version,
                options: Each(Options { rest: b"" }),
                ..sample()
            };
            assert_eq!(walked.malformed(), Some(Reason::Version));
            assert_eq!(walked.of("Geneve"), [encoded(&record)]);
        }
    }

    #[test]
    fn no_ethertype() {
        let fate = walk(b"\0\0\x00\x04\0\0\0\0inner").fate;
        assert_eq!(fate, Fate::Unknown(Selector::Other("Geneve protocol", 4)));
    }
}
