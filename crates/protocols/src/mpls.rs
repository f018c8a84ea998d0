//! Multiprotocol Label Switching (RFC 3032): one record per entry of the label stack, top first.
//!
//! Only the routers of the network know what a label carries. Behind the last entry the first four
//! bits tell IP packets, the associated channel and control words, as RFC 4928 and RFC 4385 arrange it.
//! But the addresses of frames in a pseudowire without control word (RFC 4448) may begin with the same
//! bits (RFC 8469), so the readings are weighed by how many bits are as each needs them: checksum and
//! lengths of IP, registered EtherTypes and channels, what stands behind tags, and in ARP. What makes
//! sense in no way is an IP packet or a channel if its first bits say so, else payload.

use netcap_dissect::{Context, Cursor, Fit, Malformed, Next, Protocol, Selector, TunnelKind};
use netcap_record::{Record, Timestamp};

use crate::{ethernet, raw_ip, udp};

/// MPLS in UDP, RFC 7510.
const PORT: u16 = 6635;

pub(crate) static PROTOCOL: Protocol = Protocol::new("MPLS", dissect)
    .reached_by(&[
        // RFC 5332: 0x8848 is for labels that the sender chose.
        Selector::EtherType(0x8847),
        Selector::EtherType(0x8848),
        // RFC 3032 section 4.3.
        Selector::Ppp(0x0281),
        Selector::Ppp(0x0283),
        // RFC 4023.
        Selector::IpProto(137),
        Selector::UdpPort(PORT),
    ])
    .judged_by(judge)
    .emits(&[Mpls::SCHEMA]);

/// One entry of an MPLS label stack; a packet gives several, top of the stack first.
#[derive(Record)]
#[record("MPLS", 72)]
pub(crate) struct Mpls {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Label, 0 to 1048575. Up to 15 they are reserved: 0 explicit null of IPv4, 1 router alert,
    /// 2 explicit null of IPv6, 3 implicit null, 7 entropy label follows, 13 associated channel.
    #[field(2, "Label")]
    label: i32,
    /// Traffic class, 0 to 7 (RFC 5462; once called experimental bits).
    #[field(3, "TrafficClass")]
    traffic_class: u8,
    /// Whether this is the last entry.
    #[field(4, "StackBottom")]
    bottom: bool,
    /// Time to live: routers that the packet may still cross.
    #[field(5, "TTL")]
    ttl: u8,
}

/// A stack ends, soon: none that is sent has more than a dozen entries, nor a label below 16 that is not
/// assigned (RFC 7274 section 3.1: 4 to 6, 8 to 12).
fn judge(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    let entries = octets.as_chunks::<4>().0.iter().take(12);
    let (mut ends, mut seen) = (false, 0);
    for entry in entries.map(|entry| u32::from_be_bytes(*entry)) {
        if let 4..=6 | 8..=12 = entry >> 12 {
            return Fit::No;
        }
        seen += 1;
        ends = entry & 0x100 != 0;
        if ends {
            break;
        }
    }
    match ends || seen < 12 {
        true => udp::possible_to(&[PORT], context),
        false => Fit::No,
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    loop {
        // RFC 3032 section 2.1.
        let entry = input.u32()?;
        let bottom = entry & 0x100 != 0;
        context.tunnel(TunnelKind::Label, entry >> 12);
        context.emit(&Mpls {
            timestamp: context.timestamp(),
            label: (entry >> 12) as i32,
            traffic_class: (entry >> 9 & 7) as u8,
            bottom,
            ttl: entry as u8,
        });
        if bottom {
            return client(entry >> 12, input, context);
        }
    }
}

/// What follows the last entry: a frame, or what its first four bits say, whichever more bits speak for.
fn client<'p>(
    label: u32,
    input: &mut Cursor<'p>,
    context: &Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let payload = input.rest();
    let missing = context.missing();
    let frame = |octets| ethernet::evidence(octets, missing, context);
    let selector = match (label, payload.first()) {
        (_, None) => None,
        (_, Some(0x40..=0x4f | 0x60..=0x6f)) => {
            let packet = || raw_ip::evidence(payload, payload.len() + missing, context);
            match label {
                16.. if frame(payload) > packet() => Some(ethernet::SELECTOR),
                _ => raw_ip::by_version(payload),
            }
        }
        // Explicit null labels name the protocol, RFC 3032 section 2.1.
        (0, _) => Some(Selector::EtherType(0x0800)),
        (2, _) => Some(Selector::EtherType(0x86dd)),
        (..16, Some(0x10..=0x1f)) => return channel(input),
        (_, Some(0x10..=0x1f)) if frame(payload) <= of_channel(payload) => return channel(input),
        (_, Some(0..=0x0f)) => {
            let behind = match frame(payload.get(4..).unwrap_or_default()) {
                0 => 0,
                bits => bits + of_control_word(payload),
            };
            let without = frame(payload);
            if behind > 0 && behind >= without {
                input.skip(4)?;
            }
            (behind.max(without) > 0).then_some(ethernet::SELECTOR)
        }
        _ => (frame(payload) > 0).then_some(ethernet::SELECTOR),
    };
    Ok(match selector {
        Some(selector) => Next::Layer(selector, input.take_rest()),
        None => Next::End,
    })
}

/// How many bits speak for a control word of Ethernet: behind four zero bits there are twelve that a
/// receiver ignores (RFC 4448 section 4.6), and most senders have zeros there. Addresses of many
/// vendors begin so too, so it is worth little.
fn of_control_word(payload: &[u8]) -> u32 {
    if payload.starts_with(&[0, 0]) { 3 } else { 0 }
}

/// How many bits are as those of an associated channel: version and reserved bits are zero (RFC 5586
/// section 2.1), and the type is one of IANA's Generalized Associated Channel Types.
fn of_channel(payload: &[u8]) -> u32 {
    match *payload {
        [0x10, 0, t0, t1, ..] => match u16::from_be_bytes([t0, t1]) {
            1..=0x5f | 0x7ff8..=0x7fff | 0x8902 => 20,
            _ => 4,
        },
        _ => 0,
    }
}

/// The associated channel (RFC 4385 section 5, RFC 5586): what routers tell each other along the
/// path of the label.
fn channel<'p>(input: &mut Cursor<'p>) -> Result<Next<'p>, Malformed> {
    let [_, _, t0, t1] = *input.array()?;
    let payload = input.take_rest();
    // IANA, MPLS Generalized Associated Channel Types.
    Ok(match u16::from_be_bytes([t0, t1]) {
        0x0021 => Next::Layer(Selector::EtherType(0x0800), payload),
        0x0057 => Next::Layer(Selector::EtherType(0x86dd), payload),
        // Bidirectional forwarding detection without IP (RFC 5885, RFC 6428).
        0x0007 | 0x0022 | 0x0023 => {
            let bfd = Selector::UdpPort(3784);
            Next::Optional([bfd, bfd], payload)
        }
        _ => Next::End,
    })
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{Walked, encoded, every_prefix, walk_cut, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("MPLS", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[Mpls::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    /// Router alert, then label 1048575 at the bottom with class 5 and time to live 64; IPv4.
    const SAMPLE: &[u8] = b"\0\0\x10\xff\xff\xff\xfb\x40\x45 packet";

    fn record(label: i32, traffic_class: u8, bottom: bool, ttl: u8) -> Vec<u8> {
        encoded(&Mpls {
            timestamp: Timestamp::new(1, 2000),
            label,
            traffic_class,
            bottom,
            ttl,
        })
    }

    fn walk(packet: &[u8]) -> Walked {
        walk_packet(PROTOCOLS, 147, packet)
    }

    /// What becomes of the payload of a label.
    fn fate(label: u32, payload: &[u8]) -> Fate {
        let entry = label << 12 | 0x140;
        walk(&[&entry.to_be_bytes(), payload].concat()).fate
    }

    fn unknown(ethertype: u16) -> Fate {
        Fate::Unknown(Selector::EtherType(ethertype))
    }

    #[test]
    fn every_field() {
        let walked = walk(SAMPLE);
        let entries = [record(1, 0, false, 255), record(0xfffff, 5, true, 64)];
        assert_eq!(walked.of("MPLS"), entries);
        assert_eq!(walked.tunnel(), Some((TunnelKind::Label, 0xf_ffff)));
        assert_eq!(walked.fate, unknown(0x0800));
        every_prefix(PROTOCOLS, 147, SAMPLE);
    }

    #[test]
    fn a_stack_that_is_cut() {
        let walked = walk_cut(PROTOCOLS, 147, SAMPLE.split_at(6).0, SAMPLE.len());
        assert_eq!(walked.of("MPLS"), [record(1, 0, false, 255)]);
        assert!(matches!(walked.fate, Fate::CutShort(m) if m.needed == 4));
        // A stack without an end.
        let walked = walk(&[0; 4000]);
        assert_eq!(walked.of("MPLS").len(), 1000);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
    }

    #[test]
    fn packets() {
        assert_eq!(fate(16, b"\x45 packet"), unknown(0x0800));
        assert_eq!(fate(16, b"\x60 packet"), unknown(0x86dd));
        // Explicit null, whatever comes.
        assert_eq!(fate(0, b"\x60 packet"), unknown(0x86dd));
        assert_eq!(fate(0, b"\x75 packet"), unknown(0x0800));
        assert_eq!(fate(2, b"\x75 packet"), unknown(0x86dd));
        assert_eq!(fate(16, b""), Fate::Decoded);
    }

    #[test]
    fn pseudowires() {
        let frame = |start: &[u8], ethertype: &[u8; 2]| {
            [start, b"\0\0\0\0\0\0\0\0\0\0\0", ethertype, b"data"].concat()
        };
        let ethernet = unknown(0x6558);
        assert_eq!(fate(16, &frame(b"\x02", b"\x08\x06")), ethernet);
        assert_eq!(fate(16, &frame(b"\x40", b"\x08\x06")), ethernet);
        assert_eq!(fate(16, &frame(b"\x02", b"\0\x04")), ethernet);
        assert_eq!(fate(16, &frame(b"\0\0\0\x01\x02", b"\x08\x06")), ethernet);
        assert_eq!(fate(16, &frame(b"\0\x2e\0\x01\x02", b"\x08\x06")), ethernet);
        // An EtherType without a dissector; one that nobody has, a length that does not fit, a sender
        // that is a group.
        assert_eq!(fate(16, &frame(b"\x02", b"\x88\xb5")), ethernet);
        assert_eq!(fate(16, &frame(b"\x02", b"\xab\xcd")), Fate::Decoded);
        assert_eq!(
            fate(16, &frame(b"\x02\0\0\0\0\0\x01", b"\x08\x06")),
            Fate::Decoded
        );
        assert_eq!(fate(16, &frame(b"\x02", b"\0\x05")), Fate::Decoded);
        assert_eq!(fate(16, b"\0\0\0\x01 anything"), Fate::Decoded);
    }

    /// An IPv4 packet of so many octets, with its checksum.
    fn packet(length: u8) -> Vec<u8> {
        let mut packet = vec![
            0x45, 0, 0, length, 0, 0, 0, 0, 64, 253, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
        ];
        // RFC 1071, of the nine words above.
        let sum = !(0x0a02 + u16::from(length));
        packet.splice(10..12, sum.to_be_bytes());
        packet.resize(usize::from(length), 7);
        packet
    }

    /// A frame to this address.
    fn frame_to(destination: &[u8], ethertype: &[u8], data: &[u8]) -> Vec<u8> {
        [destination, b"\x02\0\0\0\0\x77", ethertype, data].concat()
    }

    /// What becomes of a payload that had so many octets.
    fn reading(payload: &[u8], original: usize) -> Fate {
        let octets = [b"\0\x01\x01\x40", payload].concat();
        walk_cut(PROTOCOLS, 147, &octets, original + 4).fate
    }

    #[test]
    fn addresses_that_begin_like_packets() {
        let ethernet = unknown(0x6558);
        for first in (0x40..=0x4f).chain(0x60..=0x6f) {
            let frame = frame_to(
                &[first, 0x1d, 0x2e, 0x3f, 0x4a, 0x5b],
                b"\x08\0",
                &packet(60),
            );
            assert_eq!(reading(&frame, 74), ethernet, "{first:02x}");
            assert_eq!(reading(&frame[..50], 74), ethernet, "{first:02x}");
            // Nobody reads MACsec, but its EtherType is registered.
            let frame = frame_to(&[first, 1, 2, 3, 4, 5], b"\x88\xe5", &[0xa5; 60]);
            assert_eq!(reading(&frame, 74), ethernet, "{first:02x}");
        }
        // A length of IPv6 that fits, before a packet whose checksum is right.
        for last in [1, 34] {
            let frame = frame_to(&[0x60, 0, 0, 0, 0, last], b"\x08\0", &packet(60));
            assert_eq!(reading(&frame, 74), ethernet);
        }
        // An EtherType whose packet is of another version: the octets are no frame.
        let mut odd = frame_to(&[0x60, 1, 2, 3, 4, 5], b"\x08\0", &packet(60));
        odd[14] = 0x65;
        assert_eq!(reading(&odd, 74), unknown(0x86dd));
    }

    #[test]
    fn packets_that_hold_ethertypes() {
        // From 2001:db8:800:4500:: and others: a whole one, a cut one, one with padding, a jumbogram.
        for ethertype in [b"\x08\0", b"\x88\xe5", b"\x81\0"] {
            let version_6 = |length: &[u8], next_header: u8| {
                let start = [
                    b"\x60\0\0\0",
                    length,
                    &[next_header],
                    b"\x40\x20\x01\x0d\xb8",
                ];
                [&start.concat(), &ethertype[..], b"\x45\0", &[7; 44]].concat()
            };
            assert_eq!(reading(&version_6(b"\0\x14", 17), 60), unknown(0x86dd));
            assert_eq!(reading(&version_6(b"\0\x64", 17), 140), unknown(0x86dd));
            assert_eq!(
                reading(&version_6(b"\0\x02", 253)[..42], 42),
                unknown(0x86dd)
            );
            assert_eq!(reading(&version_6(b"\0\0", 0), 80_000), unknown(0x86dd));
        }
        // An IPv4 packet from 8.0.69.0 whose checksum is right, or wrong.
        let mut other = packet(20);
        other.splice(10..16, [0x6a, 0xeb, 8, 0, 0x45, 0]);
        assert_eq!(
            reading(&other, 20),
            Fate::Unknown(Selector::EtherType(0x0800))
        );
        other[11] ^= 1;
        assert_eq!(reading(&other, 20), unknown(0x0800));
    }

    #[test]
    fn addresses_that_begin_like_control_words() {
        let reply = b"\0\x01\x08\0\x06\x04\0\x02\x02\0\0\0\0\x77\xc0\0\x02\x01\x02\0\0\0\0\x78\xc0\0\x02\x02";
        let tagged = |tag: &[u8], data: &[u8]| [b"\0\x07", tag, data].concat();
        let contents: [(&[u8], Vec<u8>); 7] = [
            (b"\x08\0", packet(40)),
            (b"\x08\x06", reply.to_vec()),
            (b"\x81\0", tagged(b"\x08\0", &packet(40))),
            (b"\x81\0", tagged(b"\x08\x06", reply)),
            (
                b"\x88\xa8",
                tagged(b"\x81\0", &tagged(b"\x08\0", &packet(40))),
            ),
            (b"\x88\xe5", vec![0x2c; 40]),
            (b"\0\x26", [&b"\x42\x42\x03"[..], &[0; 35]].concat()),
        ];
        for address in [
            b"\0\0\x5e\0\x01\x01",
            b"\0\0\x0c\x07\xac\x01",
            b"\0\0\0\0\0\x01",
            b"\x08\0\x27\0\0\x01",
            b"\x02\0\0\0\0\x01",
            b"\x10\0\x5a\0\0\x01",
            b"\x10\0\x90\0\0\x01",
            b"\x45\0\0\x1f\0\x01",
            b"\x60\0\0\0\0\x01",
        ] {
            for (ethertype, data) in &contents {
                let frame = frame_to(address, ethertype, data);
                let case = format!("{address:02x?} {ethertype:02x?}");
                assert_eq!(start_of_frame(&frame), Some(0), "{case}");
                // Behind control words: with a sequence number, a length, and bits that are ignored.
                for word in [0, 0xffff, 0x002d_0001, 0x0008_0000, 0x0800_0000_u32] {
                    let word = word.to_be_bytes();
                    let payload = [&word[..], &frame].concat();
                    assert_eq!(start_of_frame(&payload), Some(4), "{case} {word:02x?}");
                }
            }
        }
        assert_eq!(
            start_of_frame(b"\0\0\0\x01 anything, but not a frame"),
            None
        );
    }

    /// Behind how many octets a frame is found.
    fn start_of_frame(payload: &[u8]) -> Option<usize> {
        static FRAME: Protocol = Protocol::new("frame", |input, _| {
            input.skip(usize::MAX).map(|()| Next::End)
        })
        .reached_by(&[ethernet::SELECTOR]);
        let octets = [b"\0\x01\x01\x40", payload].concat();
        let protocols = &[&BARE, &FRAME, &crate::llc::PROTOCOL, &crate::stp::PROTOCOL];
        match walk_packet(protocols, 147, &octets).fate {
            Fate::Malformed(frame) => Some(payload.len() - frame.had as usize),
            _ => None,
        }
    }

    #[test]
    fn associated_channels() {
        assert_eq!(fate(16, b"\x10\0\0\x21packet"), unknown(0x0800));
        assert_eq!(fate(16, b"\x10\0\0\x57packet"), unknown(0x86dd));
        assert_eq!(fate(13, b"\x10\0\0\x07message"), Fate::Decoded);
        assert_eq!(fate(13, b"\x10\0\x89\x02message"), Fate::Decoded);
        assert!(matches!(fate(13, b"\x10\0"), Fate::Malformed(m) if m.reason == Reason::Truncated));
    }
}
