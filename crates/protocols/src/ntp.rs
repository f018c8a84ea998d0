//! Network Time Protocol (RFC 5905), every version: the header is the same since version 1.
//!
//! Times and delays are kept as the numbers on the wire. Control messages (mode 6, RFC 9327) and
//! private ones (mode 7) share only the first octet with it: their records hold that octet's three
//! fields and leave the others empty, whatever their length.

use netcap_dissect::{Context, Cursor, Fit, Malformed, Next, Protocol, Selector};
use netcap_record::{Record, Timestamp};

use crate::udp;

pub(crate) static PROTOCOL: Protocol = Protocol::new("NTP", dissect)
    .reached_by(&[Selector::UdpPort(PORT)])
    .judged_by(judge)
    .emits(&[Ntp::SCHEMA]);

/// RFC 5905 section 7.2.
const PORT: u16 = 123;
/// Octets of a message that tells the time (RFC 5905 section 7.3).
const TIME: usize = 48;
/// Mode of control messages, RFC 9327 section 2.
const CONTROL: u8 = 6;
/// Mode of private messages, RFC 5905 figure 10.
const PRIVATE: u8 = 7;

/// One message of the Network Time Protocol (RFC 5905).
///
/// Records of control and private messages (modes 6 and 7) hold only `LeapIndicator`, `Version` and
/// `Mode`: what follows in them is not the header of time messages.
#[derive(Record)]
#[record("NTP", 52)]
pub(crate) struct Ntp<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Warning of a leap second: 0 none, 1 the last minute of the month has 61 seconds, 2 it has
    /// 59, 3 the clock is not synchronised. In private messages (mode 7) these two bits say whether
    /// it is a response (2) and whether more follow (1).
    #[field(2, "LeapIndicator")]
    leap_indicator: u8,
    /// Version of the protocol, 0 to 7; today's is 4.
    #[field(3, "Version")]
    version: u8,
    /// Role of the sender: 1 symmetric active, 2 symmetric passive, 3 client, 4 server, 5 broadcast,
    /// 6 control message, 7 private use.
    #[field(4, "Mode")]
    mode: u8,
    /// Distance from the reference clock: 0 unspecified or kiss of death, 1 primary server, 2 to 15
    /// secondary servers, 16 not synchronised.
    #[field(5, "Stratum")]
    stratum: u8,
    /// Longest interval between messages, as the exponent of 2 in seconds: 6 is 64 s.
    #[field(6, "Poll")]
    poll: i32,
    /// Precision of the sender's clock, as the exponent of 2 in seconds: -20 is about 1 µs.
    #[field(7, "Precision")]
    precision: i32,
    /// Round trip to the reference clock in units of 2^-16 s. Versions before 4 have it signed.
    #[field(8, "RootDelay")]
    root_delay: u32,
    /// Dispersion to the reference clock in units of 2^-16 s.
    #[field(9, "RootDispersion")]
    root_dispersion: u32,
    /// The reference as a number: four ASCII characters for stratum 0 (the kiss code) and 1 (the
    /// clock), else an IPv4 address or the first octets of a hash of an IPv6 address.
    #[field(10, "ReferenceID")]
    reference_id: u32,
    /// When the sender's clock was last set. Times are seconds since 1900 in units of 2^-32 s.
    #[field(11, "ReferenceTimestamp", csv = Identifier)]
    reference_timestamp: u64,
    /// When the request left the client, as a server repeats it.
    #[field(12, "OriginTimestamp", csv = Identifier)]
    origin_timestamp: u64,
    /// When the request arrived at the server.
    #[field(13, "ReceiveTimestamp", csv = Identifier)]
    receive_timestamp: u64,
    /// When this message left its sender.
    #[field(14, "TransmitTimestamp", csv = Identifier)]
    transmit_timestamp: u64,
    /// What follows the header: extension fields and message authentication code.
    #[field(15, "ExtensionBytes")]
    extension_bytes: &'a [u8],
}

impl Ntp<'_> {
    /// What all modes have in common.
    #[inline]
    fn first_octet(timestamp: Timestamp, octet: u8) -> Self {
        Ntp {
            timestamp,
            leap_indicator: octet >> 6,
            version: octet >> 3 & 7,
            mode: octet & 7,
            stratum: 0,
            poll: 0,
            precision: 0,
            root_delay: 0,
            root_dispersion: 0,
            reference_id: 0,
            reference_timestamp: 0,
            origin_timestamp: 0,
            receive_timestamp: 0,
            transmit_timestamp: 0,
            extension_bytes: &[],
        }
    }
}

/// RFC 5905 section 7.3: versions and modes that exist, no reserved stratum, and what follows the header
/// comes in words; RFC 9327 section 2: operations of control messages and the count of their octets. The
/// implementations of private messages are those of ntpd's ntp_request.h.
fn judge(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    let wire = octets.len() + context.missing();
    let &[first, second, third, ..] = octets else {
        return Fit::Possible;
    };
    let is_good = match (first & 7, first >> 3 & 7) {
        (CONTROL, 1..=4) => matches!(second & 0x1f, 0..=12 | 31),
        (PRIVATE, 1..=4) => matches!(third, 0 | 2 | 3),
        (1..=5, 1..=5) | (0, 1) => second <= 16 && (wire < TIME || wire.is_multiple_of(4)),
        _ => false,
    };
    match (is_good, wire < TIME && first & 7 < CONTROL) {
        (true, false) => Fit::Good,
        (true, true) => Fit::Possible,
        // No client got both ports by chance, so its octets may be wrong.
        (false, _) if udp::ports_around(context) == Some([PORT; 2]) => Fit::Possible,
        (false, _) => Fit::No,
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let mut peek = *input;
    let common = Ntp::first_octet(context.timestamp(), peek.u8()?);
    match common.mode {
        // RFC 9327 section 2: three words before the data.
        CONTROL => input.skip(12)?,
        // Eight octets before the data, as ntpd's ntp_request.h has them; no standard does.
        PRIVATE => input.skip(8)?,
        _ => return time(input, context, common),
    }
    context.emit(&common);
    Ok(Next::End)
}

/// A message with the header of RFC 5905 section 7.3.
fn time<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
    common: Ntp<'p>,
) -> Result<Next<'p>, Malformed> {
    let mut words = input.sub(TIME)?;
    let &[_, stratum, poll, precision] = words.array()?;
    context.emit(&Ntp {
        stratum,
        poll: i32::from(poll as i8),
        precision: i32::from(precision as i8),
        root_delay: words.u32()?,
        root_dispersion: words.u32()?,
        reference_id: words.u32()?,
        reference_timestamp: words.u64()?,
        origin_timestamp: words.u64()?,
        receive_timestamp: words.u64()?,
        transmit_timestamp: words.u64()?,
        extension_bytes: input.take_rest(),
        ..common
    });
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{encoded, every_prefix, walk_cut, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    static ALONE: Protocol = Protocol::new("NTP", dissect)
        .reached_by(&[Selector::LinkType(0)])
        .emits(&[Ntp::SCHEMA]);

    /// A server's answer: no warning, version 4, stratum 2, poll 2^10 s, precision 2^-23 s.
    const SERVER: [u8; 48] = [
        0x24, 2, 10, 0xe9, 0, 0, 0x0a, 0x3d, 0, 0, 0x12, 0x34, 192, 0, 2, 123, //
        0xe3, 0x08, 0x1e, 0x90, 0x80, 0, 0, 0, 0xe3, 0x08, 0x1e, 0xd0, 0, 0, 0, 1, //
        0xe3, 0x08, 0x1e, 0xd0, 0x40, 0, 0, 0, 0xe3, 0x08, 0x1e, 0xd0, 0xff, 0xff, 0xff, 0xff,
    ];

    fn server<'a>() -> Ntp<'a> {
        Ntp {
            timestamp: Timestamp::new(1, 2000),
            leap_indicator: 0,
            version: 4,
            mode: 4,
            stratum: 2,
            poll: 10,
            precision: -23,
            root_delay: 0x0a3d,
            root_dispersion: 0x1234,
            reference_id: 0xc000_027b,
            reference_timestamp: 0xe308_1e90_8000_0000,
            origin_timestamp: 0xe308_1ed0_0000_0001,
            receive_timestamp: 0xe308_1ed0_4000_0000,
            transmit_timestamp: 0xe308_1ed0_ffff_ffff,
            extension_bytes: &[],
        }
    }

    #[test]
    fn every_field_of_a_server_s_answer() {
        let walked = walk_packet(&[&ALONE], 0, &SERVER);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("NTP"), [encoded(&server())]);
        every_prefix(&[&ALONE], 0, &SERVER);
    }

    #[test]
    fn what_follows_the_header_is_kept() {
        let mac = [
            0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
        ];
        let octets = [SERVER.as_slice(), &mac].concat();
        let walked = walk_packet(&[&ALONE], 0, &octets);
        let expected = Ntp {
            extension_bytes: &mac,
            ..server()
        };
        assert_eq!(walked.of("NTP"), [encoded(&expected)]);
        every_prefix(&[&ALONE], 0, &octets);
    }

    #[test]
    fn control_and_private_messages_have_one_octet_of_the_header() {
        let cases: [(&[u8], u8, u8, u8); 4] = [
            (&[0x16, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], 0, 2, 6),
            (&[0x97, 0, 3, 0x2a, 0, 0, 0, 0], 2, 2, 7),
            // As long as a time message and still none.
            (&[0x1e; 48], 0, 3, 6),
            (&[0xd7; 60], 3, 2, 7),
        ];
        for (octets, leap_indicator, version, mode) in cases {
            let walked = walk_packet(&[&ALONE], 0, octets);
            let expected = Ntp {
                leap_indicator,
                version,
                mode,
                ..Ntp::first_octet(Timestamp::new(1, 2000), 0)
            };
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("NTP"), [encoded(&expected)]);
            every_prefix(&[&ALONE], 0, octets);
        }
    }

    #[test]
    fn a_short_header_gives_no_record() {
        for octets in [&SERVER[..47], &[0x16; 11], &[0x17; 7]] {
            let walked = walk_packet(&[&ALONE], 0, octets);
            assert!(matches!(walked.fate, Fate::Malformed(m) if m.reason == Reason::Truncated));
            assert!(walked.records.is_empty());
            assert!(matches!(
                walk_cut(&[&ALONE], 0, octets, 90).fate,
                Fate::CutShort(_)
            ));
        }
    }
}
