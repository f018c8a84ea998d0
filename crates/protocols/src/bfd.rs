//! Bidirectional Forwarding Detection (RFC 5880), its control packets: over one hop (RFC 5881),
//! over several (RFC 5883), on the members of an aggregated link (RFC 7130), and seamless
//! (RFC 7881). Echo packets (port 3785) hold what their sender likes, so they are payload.
//!
//! Version 0, of the drafts before the RFC, has another set of flags and no state; what it shares
//! is recorded. Other versions do not exist: such octets are not BFD, but those of a client that
//! happens to have one of these ports. So are those from or to a port below 1024, for senders have
//! ports from 49152 on (RFC 5881 section 4); they are handed on to the protocol of the other port.
//!
//! What is left of the packet after its length is not its own. A length below 24, or 26 with
//! authentication, is malformed (RFC 5880 section 6.8.6), as is an authentication section whose
//! length contradicts its type.

use netcap_dissect::{Context, Cursor, Fit, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("BFD", dissect)
    .reached_by(&[
        // RFC 5881 section 4.
        Selector::UdpPort(3784),
        // RFC 5883 section 5.
        Selector::UdpPort(4784),
        // RFC 7130 section 2.2.
        Selector::UdpPort(6784),
        // RFC 7881 section 2.
        Selector::UdpPort(7784),
    ])
    .judged_by(judge)
    .emits(&[Bfd::SCHEMA]);

/// Octets of the mandatory section, RFC 5880 section 4.1.
const MANDATORY: usize = 24;

/// One control packet of Bidirectional Forwarding Detection (RFC 5880).
#[derive(Record)]
#[record("BFD", 76)]
pub(crate) struct Bfd<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Version: 1; 0 in implementations of early drafts.
    #[field(2, "Version")]
    version: u8,
    /// Why the sender's session last changed its state: 0 no reason, 1 detection time expired, 2
    /// echo failed, 3 the neighbor said that it is down, 4 forwarding plane reset, 5 path down, 6
    /// concatenated path down, 7 administratively down, 8 reverse concatenated path down.
    #[field(3, "Diagnostic")]
    diagnostic: u8,
    /// State of the sender's session: 0 administratively down, 1 down, 2 init, 3 up. 0 in version
    /// 0, which has none.
    #[field(4, "State")]
    state: u8,
    /// Whether the sender asks for an immediate answer.
    #[field(5, "Poll")]
    poll: bool,
    /// Whether this answers such a question.
    #[field(6, "Final")]
    is_final: bool,
    /// Whether BFD goes on while the sender's control plane is disrupted.
    #[field(7, "ControlPlaneIndependent")]
    control_plane_independent: bool,
    /// Whether there is an authentication section.
    #[field(8, "AuthPresent")]
    auth_present: bool,
    /// Whether the sender wishes the other side to stop its periodic packets.
    #[field(9, "Demand")]
    demand: bool,
    /// Whether the session has more than one receiver (RFC 8562).
    #[field(10, "Multipoint")]
    multipoint: bool,
    /// Packets in a row that may be lost before the session counts as down.
    #[field(11, "DetectMultiplier")]
    detect_multiplier: u8,
    /// Number of the session at the sender. Numbers from 2147483648 on are negative here.
    #[field(12, "MyDiscriminator")]
    my_discriminator: i32,
    /// Number of the session at the receiver, 0 if not known. Numbers from 2147483648 on are
    /// negative here.
    #[field(13, "YourDiscriminator")]
    your_discriminator: i32,
    /// Microseconds that the sender would like between its packets. Numbers from 2147483648 on
    /// are negative here, as in the next two.
    #[field(14, "DesiredMinTxInterval")]
    desired_min_tx_interval: i32,
    /// Microseconds between packets that the sender is able to receive; 0 for no periodic packets.
    #[field(15, "RequiredMinRxInterval")]
    required_min_rx_interval: i32,
    /// Microseconds between echo packets that the sender is able to answer; 0 for no echo packets.
    #[field(16, "RequiredMinEchoRxInterval")]
    required_min_echo_rx_interval: i32,
    /// The authentication section, where there is one and it is whole.
    #[field(17, "AuthHeader")]
    auth: Option<Authentication<'a>>,
}

/// Authentication section of a BFD control packet (RFC 5880 sections 4.2 to 4.4).
#[derive(Record)]
#[record("BFDAuthHeader")]
pub(crate) struct Authentication<'a> {
    /// Type: 1 simple password, 2 keyed MD5, 3 meticulous keyed MD5, 4 keyed SHA1, 5 meticulous
    /// keyed SHA1.
    #[field(1, "AuthType")]
    kind: u8,
    /// Number of the key or password; 0 in other types.
    #[field(2, "KeyID")]
    key: u8,
    /// Sequence number, 0 for passwords and in other types. Numbers from 2147483648 on are
    /// negative here.
    #[field(3, "SequenceNumber")]
    sequence: i32,
    /// The password, or the digest: 16 octets of MD5, 20 of SHA1. What follows type and length in
    /// other types.
    #[field(4, "Data")]
    data: &'a [u8],
}

/// The flags in the second octet.
struct Flags {
    state: u8,
    poll: bool,
    is_final: bool,
    control_plane_independent: bool,
    auth_present: bool,
    demand: bool,
    multipoint: bool,
}

impl Flags {
    fn new(version: u8, octet: u8) -> Flags {
        let bit = |mask: u8| octet & mask != 0;
        if version == 0 {
            // draft-ietf-bfd-base-00, section 4.1: I hear you, demand, poll, final, control plane
            // independent, authentication, two reserved.
            Flags {
                state: 0,
                poll: bit(0x20),
                is_final: bit(0x10),
                control_plane_independent: bit(0x08),
                auth_present: bit(0x04),
                demand: bit(0x40),
                multipoint: false,
            }
        } else {
            // RFC 5880 section 4.1.
            Flags {
                state: octet >> 6,
                poll: bit(0x20),
                is_final: bit(0x10),
                control_plane_independent: bit(0x08),
                auth_present: bit(0x04),
                demand: bit(0x02),
                multipoint: bit(0x01),
            }
        }
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // The version is in the upper three bits.
    if input.rest().first().is_some_and(|first| first >> 5 > 1) {
        return Ok(Next::End);
    }
    let start = *input;
    let mut mandatory = input.sub(MANDATORY)?;
    let [first, second, detect_multiplier, length] = *mandatory.array()?;
    let version = first >> 5;
    let flags = Flags::new(version, second);
    let mut number = || mandatory.array().map(|octets| i32::from_be_bytes(*octets));
    let mut record = Bfd {
        timestamp: context.timestamp(),
        version,
        diagnostic: first & 0x1f,
        state: flags.state,
        poll: flags.poll,
        is_final: flags.is_final,
        control_plane_independent: flags.control_plane_independent,
        auth_present: flags.auth_present,
        demand: flags.demand,
        multipoint: flags.multipoint,
        detect_multiplier,
        my_discriminator: number()?,
        your_discriminator: number()?,
        desired_min_tx_interval: number()?,
        required_min_rx_interval: number()?,
        required_min_echo_rx_interval: number()?,
        auth: None,
    };
    let sound = match usize::from(length).checked_sub(MANDATORY) {
        None => Err(start.malformed(Reason::Length)),
        Some(left) if flags.auth_present => {
            input.limit(left);
            authentication(input).map(|auth| record.auth = Some(auth))
        }
        Some(left) => input.skip(left),
    };
    context.emit(&record);
    sound.map(|()| Next::End)
}

/// Never more than possible: senders have no port below 1024 (RFC 5881 section 4). What a receiver
/// discards (RFC 5880 section 6.8.6) for two reasons is something else.
fn judge(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    let Some(&[first, _, multiplier, length, d0, d1, d2, d3]) = octets.first_chunk() else {
        return Fit::Possible;
    };
    let wire = octets.len() + context.missing();
    let wrong = [
        multiplier == 0,
        !(MANDATORY..=wire).contains(&usize::from(length)),
        [d0, d1, d2, d3] == [0; 4],
    ];
    match wrong.iter().filter(|is_wrong| **is_wrong).count() {
        0 | 1 if first >> 5 <= 1 => Fit::Possible,
        _ => Fit::No,
    }
}

/// RFC 5880 sections 4.2 to 4.4.
fn authentication<'p>(input: &mut Cursor<'p>) -> Result<Authentication<'p>, Malformed> {
    let start = *input;
    let [kind, length] = *input.array()?;
    let wrong = start.malformed(Reason::Length);
    let is_possible = match kind {
        // A password of 1 to 16 octets.
        1 => (4..=19).contains(&length),
        2 | 3 => length == 24,
        4 | 5 => length == 28,
        _ => length >= 2,
    };
    if !is_possible {
        return Err(wrong);
    }
    let mut section = input.sub(usize::from(length) - 2)?;
    let (mut key, mut sequence) = (0, 0);
    if let 1..=5 = kind {
        key = section.u8()?;
    }
    if let 2..=5 = kind {
        let _reserved = section.u8()?;
        sequence = section.u32()? as i32;
    }
    Ok(Authentication {
        kind,
        key,
        sequence,
        data: section.take_rest(),
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{encoded, every_prefix, walk_cut, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("BFD", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Bfd::SCHEMA]);

    /// A datagram around.
    static UDP: Protocol =
        Protocol::new("UDP", crate::udp::PROTOCOL.dissect).reached_by(&[Selector::LinkType(148)]);

    /// Something on a well-known port.
    static OTHER: Protocol = Protocol::new("other", |input, _| Err(input.malformed(Reason::Name)))
        .reached_by(&[Selector::UdpPort(53)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE, &PROTOCOL, &UDP, &OTHER];

    /// Up, no reason, poll; the discriminator of the sender has its first bit set.
    const SAMPLE: &[u8; 24] = b"\x23\xe0\x03\x18\x80\0\0\x01\0\0\0\x02\0\x0f\x42\x40\
        \0\x07\xa1\x20\0\0\xc3\x50";

    fn sample() -> Bfd<'static> {
        Bfd {
            timestamp: Timestamp::new(1, 2000),
            version: 1,
            diagnostic: 3,
            state: 3,
            poll: true,
            is_final: false,
            control_plane_independent: false,
            auth_present: false,
            demand: false,
            multipoint: false,
            detect_multiplier: 3,
            my_discriminator: i32::MIN + 1,
            your_discriminator: 2,
            desired_min_tx_interval: 1_000_000,
            required_min_rx_interval: 500_000,
            required_min_echo_rx_interval: 50_000,
            auth: None,
        }
    }

    /// The sample with an authentication section.
    fn authenticated(section: &[u8]) -> Vec<u8> {
        let mut packet = SAMPLE.to_vec();
        packet[1] |= 4;
        packet[3] += section.len() as u8;
        packet.extend(section);
        packet
    }

    fn with_auth(kind: u8, key: u8, sequence: i32, data: &[u8]) -> Vec<u8> {
        encoded(&Bfd {
            auth_present: true,
            auth: Some(Authentication {
                kind,
                key,
                sequence,
                data,
            }),
            ..sample()
        })
    }

    #[test]
    fn every_field() {
        let walked = walk_packet(PROTOCOLS, 147, SAMPLE);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("BFD"), [encoded(&sample())]);
        every_prefix(PROTOCOLS, 147, SAMPLE);
        for end in 0..SAMPLE.len() {
            let cut = walk_cut(PROTOCOLS, 147, &SAMPLE[..end], SAMPLE.len());
            assert!(matches!(cut.fate, Fate::CutShort(m) if m.needed == 24));
            assert!(cut.records.is_empty());
        }
    }

    #[test]
    fn flags_one_by_one() {
        type Set = fn(&mut Bfd<'_>);
        let flags: [(u8, u8, Set); 11] = [
            (1, 0x40, |record| record.state = 1),
            (1, 0x80, |record| record.state = 2),
            (1, 0x20, |record| record.poll = true),
            (1, 0x10, |record| record.is_final = true),
            (1, 0x08, |record| record.control_plane_independent = true),
            (1, 0x02, |record| record.demand = true),
            (1, 0x01, |record| record.multipoint = true),
            // Version 0: I hear you, demand, poll, reserved.
            (0, 0x80, |_| {}),
            (0, 0x40, |record| record.demand = true),
            (0, 0x20, |record| record.poll = true),
            (0, 0x03, |_| {}),
        ];
        for (version, octet, set) in flags {
            let mut packet = *SAMPLE;
            (packet[0], packet[1]) = (version << 5 | 3, octet);
            let mut record = Bfd {
                version,
                state: 0,
                poll: false,
                ..sample()
            };
            set(&mut record);
            let walked = walk_packet(PROTOCOLS, 147, &packet);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("BFD"), [encoded(&record)], "{version} {octet:#x}");
        }
    }

    #[test]
    fn authentication_of_every_type() {
        let digest = |kind, length| {
            let head = [kind, length, 7, 0, 0xff, 0xff, 0xff, 0xfe];
            [&head[..], &[0xda; 20]].concat()[..usize::from(length)].to_vec()
        };
        let sections: [(Vec<u8>, Vec<u8>); 6] = [
            (b"\x01\x06\x09abc".to_vec(), with_auth(1, 9, 0, b"abc")),
            (digest(2, 24), with_auth(2, 7, -2, &[0xda; 16])),
            (digest(3, 24), with_auth(3, 7, -2, &[0xda; 16])),
            (digest(4, 28), with_auth(4, 7, -2, &[0xda; 20])),
            (digest(5, 28), with_auth(5, 7, -2, &[0xda; 20])),
            (b"\x63\x04\x01\x02".to_vec(), with_auth(99, 0, 0, &[1, 2])),
        ];
        for (section, expected) in sections {
            let packet = authenticated(&section);
            let walked = walk_packet(PROTOCOLS, 147, &packet);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("BFD"), [expected]);
            every_prefix(PROTOCOLS, 147, &packet);
        }
    }

    #[test]
    fn lengths() {
        let mut packet = SAMPLE.to_vec();
        packet.extend(b"not of it");
        assert_eq!(walk_packet(PROTOCOLS, 147, &packet).fate, Fate::Decoded);

        // Below 24; beyond what is there.
        for (length, reason) in [
            (0, Reason::Length),
            (23, Reason::Length),
            (34, Reason::Truncated),
        ] {
            packet[3] = length;
            let walked = walk_packet(PROTOCOLS, 147, &packet);
            assert_eq!(walked.malformed(), Some(reason));
            assert_eq!(walked.of("BFD"), [encoded(&sample())]);
        }

        // Authentication that is not there, ends before it, or has the length of another type.
        let without = encoded(&Bfd {
            auth_present: true,
            ..sample()
        });
        for (section, reason) in [
            (&b""[..], Reason::Truncated),
            (b"\x01", Reason::Truncated),
            (b"\x01\x06\x09a", Reason::Truncated),
            (b"\x01\x03\x09", Reason::Length),
            (b"\x01\x00\x09", Reason::Length),
            (
                b"\x02\x1c\x01\0\0\0\0\x01aaaaaaaaaaaaaaaaaaaa",
                Reason::Length,
            ),
            (b"\x05\x18\x01\0\0\0\0\x01aaaaaaaaaaaaaaaa", Reason::Length),
            (b"\x00\x01", Reason::Length),
        ] {
            let walked = walk_packet(PROTOCOLS, 147, &authenticated(section));
            assert_eq!(walked.malformed(), Some(reason), "{section:?}");
            assert_eq!(walked.of("BFD"), [without.as_slice()]);
        }
    }

    #[test]
    fn what_is_not_bfd() {
        // A version that does not exist.
        let mut packet = *SAMPLE;
        packet[0] = 0x40;
        let walked = walk_packet(PROTOCOLS, 147, &packet);
        assert_eq!(walked.fate, Fate::Decoded);
        assert!(walked.records.is_empty());

        let datagram = |source: u16, destination: u16| {
            let ports = [source.to_be_bytes(), destination.to_be_bytes()].concat();
            [&ports[..], b"\0\x20\0\0", SAMPLE].concat()
        };
        for port in [3784, 4784, 6784, 7784] {
            let walked = walk_packet(PROTOCOLS, 148, &datagram(49152, port));
            assert_eq!(walked.of("BFD"), [encoded(&sample())]);
        }
        // An answer of a seamless one.
        let walked = walk_packet(PROTOCOLS, 148, &datagram(7784, 49152));
        assert_eq!(walked.of("BFD"), [encoded(&sample())]);
        // Echo.
        let walked = walk_packet(PROTOCOLS, 148, &datagram(49152, 3785));
        assert!(walked.records.is_empty());
        // A client of a name server.
        let walked = walk_packet(PROTOCOLS, 148, &datagram(53, 3784));
        assert_eq!(walked.malformed(), Some(Reason::Name));
        assert!(walked.records.is_empty());
        // A client of a service that nobody knows.
        let walked = walk_packet(PROTOCOLS, 148, &datagram(3784, 500));
        assert_eq!(walked.fate, Fate::Decoded);
        assert!(walked.records.is_empty());
    }
}
