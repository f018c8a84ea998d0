//! Hop-by-Hop Options header of IPv6 (RFC 8200 section 4.3).
//!
//! It belongs right after the IPv6 header; elsewhere it is read all the same. An option that
//! reaches beyond the header, or a header that reaches beyond the packet, leaves a record with the
//! options before it and ends the walk.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Each, Record, Timestamp};

use crate::ipv6;

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
    let (next_header, octets) = ipv6::extension(input)?;
    let options = Options::new(octets.unwrap_or_else(|_| input.rest()));
    let sound = octets.is_err() || options.sound();
    context.emit(&Ipv6HopByHop {
        timestamp: context.timestamp(),
        options: Each(options),
    });
    octets?;
    if !sound {
        return Err(input.malformed(Reason::Option));
    }
    Ok(ipv6::following(next_header, input.rest()))
}
