//! Multiprotocol Label Switching (RFC 3032): one record per entry of the label stack, top first.
//!
//! Only the routers of the network know what a label carries. Behind the last entry the first four
//! bits tell IP packets and the associated channel apart from the rest, as RFC 4928 arranges it, but
//! for the addresses of frames that begin with the same bits (RFC 8469): an IPv4 header whose checksum
//! is wrong, or an IPv6 length that does not fit, is none where a frame makes sense. The rest is an Ethernet frame of a pseudowire (RFC 4448), behind its control word or not, where a
//! known EtherType or a length that fits stands in the right place; otherwise it is payload.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector, TunnelKind};
use netcap_record::{Record, Timestamp};

use crate::{ethernet, raw_ip};

pub(crate) static PROTOCOL: Protocol = Protocol::new("MPLS", dissect)
    .reached_by(&[
        // RFC 5332: 0x8848 is for labels that the sender chose.
        Selector::EtherType(0x8847),
        Selector::EtherType(0x8848),
        // RFC 3032 section 4.3.
        Selector::Ppp(0x0281),
        Selector::Ppp(0x0283),
        // RFC 4023, RFC 7510.
        Selector::IpProto(137),
        Selector::UdpPort(6635),
    ])
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

/// What follows the last entry.
fn client<'p>(
    label: u32,
    input: &mut Cursor<'p>,
    context: &Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let payload = input.rest();
    let frame = |octets| ethernet::is_likely(octets, context);
    let missing = context.missing();
    let is_no_packet = |octets: &[u8]| raw_ip::contradicts_itself(octets, octets.len() + missing);
    let selector = match (label, payload.first()) {
        (_, None) => return Ok(Next::End),
        // An address may begin like an IP packet.
        (16.., Some(0x40..=0x4f | 0x60..=0x6f)) if is_no_packet(payload) && frame(payload) => {
            Some(ethernet::SELECTOR)
        }
        (_, Some(0x40..=0x4f | 0x60..=0x6f)) => raw_ip::by_version(payload),
        // Explicit null labels name the protocol, RFC 3032 section 2.1.
        (0, _) => Some(Selector::EtherType(0x0800)),
        (2, _) => Some(Selector::EtherType(0x86dd)),
        (_, Some(0x10..=0x1f)) => return channel(input),
        // The control word of Ethernet, RFC 4448 section 4.6, begins with sixteen zero bits. An
        // address may begin so as well, and some set the length of RFC 4385 section 3.
        (_, Some(0))
            if frame(payload.get(4..).unwrap_or_default())
                && (payload.starts_with(&[0, 0]) || !frame(payload)) =>
        {
            input.skip(4)?;
            Some(ethernet::SELECTOR)
        }
        _ if frame(payload) => Some(ethernet::SELECTOR),
        _ => None,
    };
    Ok(match selector {
        Some(selector) => Next::Layer(selector, input.take_rest()),
        None => Next::End,
    })
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

    /// A frame in a pseudowire with an EtherType that is known.
    static KNOWN: Protocol =
        Protocol::new("known", |_, _| Ok(Next::End)).reached_by(&[Selector::EtherType(0x0806)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE, &KNOWN];

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
        // An EtherType that nobody knows, a length that does not fit.
        assert_eq!(fate(16, &frame(b"\x02", b"\x88\xb5")), Fate::Decoded);
        assert_eq!(fate(16, &frame(b"\x02", b"\0\x05")), Fate::Decoded);
        assert_eq!(fate(16, b"\0\0\0\x01 anything"), Fate::Decoded);
    }

    /// A frame to this address, with an IPv4 packet of so many octets in it.
    fn frame_to(destination: [u8; 6], length: u8) -> Vec<u8> {
        let mut frame = destination.to_vec();
        frame.extend([2, 0, 0x5e, 0, 0, 1, 8, 0]);
        frame.extend([
            0x45, 0, 0, length, 0, 0, 0, 0, 64, 253, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
        ]);
        frame.resize(14 + usize::from(length), 7);
        frame
    }

    #[test]
    fn addresses_that_begin_like_packets() {
        static IPV4: Protocol =
            Protocol::new("known", |_, _| Ok(Next::End)).reached_by(&[Selector::EtherType(0x0800)]);
        let fate = |payload: &[u8], original: usize| {
            let octets = [b"\0\x01\x01\x40", payload].concat();
            walk_cut(&[&BARE, &IPV4], 147, &octets, original + 4).fate
        };
        for first in (0x40..=0x4f).chain(0x60..=0x6f) {
            let frame = frame_to([first, 0x1d, 0x2e, 0x3f, 0x4a, 0x5b], 60);
            assert_eq!(fate(&frame, frame.len()), unknown(0x6558), "{first:02x}");
            // Cut by the capture.
            assert_eq!(
                fate(&frame[..50], frame.len()),
                unknown(0x6558),
                "{first:02x}"
            );
        }
        // An EtherType whose packet is of another version: the octets are no frame.
        let mut odd = frame_to([0x60, 1, 2, 3, 4, 5], 60);
        odd[14] = 0x65;
        assert_eq!(fate(&odd, odd.len()), unknown(0x86dd));
        // The length of an IPv6 packet fits: of a whole one, a cut one, one with padding.
        let mut packet = frame_to([0x60, 0, 0, 0, 0, 34], 60);
        assert_eq!(fate(&packet, 74), unknown(0x86dd));
        assert_eq!(fate(&packet, 75), unknown(0x6558));
        packet[5] = 60;
        assert_eq!(fate(&packet, 100), unknown(0x86dd));
        packet.truncate(42);
        packet[5] = 1;
        assert_eq!(fate(&packet, 42), unknown(0x86dd));
        // A jumbogram.
        let jumbo = [0x60, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 8, 0, 0x45];
        assert_eq!(fate(&jumbo, 80_000), unknown(0x86dd));
        // An IPv4 header from 8.0.69.0 whose checksum is right, and one whose checksum is wrong.
        let mut packet = vec![
            0x45, 0, 0, 20, 0, 0, 0, 0, 64, 253, 0x6a, 0xeb, 8, 0, 0x45, 0,
        ];
        packet.extend([192, 0, 2, 2]);
        assert_eq!(fate(&packet, 20), Fate::Decoded);
        packet[11] ^= 1;
        assert_eq!(fate(&packet, 20), unknown(0x6558));
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
