//! Logical Link Control (IEEE 802.2, ISO/IEC 8802-2), what frames with a length carry.
//!
//! A header that is whole gives a record. What follows belongs to the destination service access
//! point only in frames that carry information (UI, I); supervision, XID, TEST and the rest end
//! here. Two octets FF are no header: Novell's raw 802.3 frames begin with the checksum of IPX,
//! which is never computed, so they lead to the access point 0xff without a record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};
use netcap_record::{Record, Timestamp};

/// How frames with a length lead here: the number that Linux has for 802.2 frames
/// (`ETH_P_802_2`), which no EtherType can be, as they begin at 0x0600.
pub(crate) const SELECTOR: Selector = Selector::EtherType(4);

/// How frames that are Novell's IPX without LLC lead on.
pub(crate) const NOVELL_RAW: Selector = Selector::LlcSap(0xff);

pub(crate) static PROTOCOL: Protocol = Protocol::new("LLC", dissect)
    // 0x8870: LLC frames longer than a length can say (draft-ietf-isis-ext-eth).
    .reached_by(&[SELECTOR, Selector::EtherType(0x8870)])
    .emits(&[Llc::SCHEMA]);

/// One LLC header (IEEE 802.2).
#[derive(Record)]
#[record("LLC", 51)]
pub(crate) struct Llc {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Destination service access point without its lowest bit, an even number, 0 to 254: 66 is
    /// spanning tree, 170 SNAP, 224 IPX, 240 NetBIOS, 254 OSI network layer.
    #[field(2, "DSAP")]
    dsap: u8,
    /// Lowest bit of the destination's octet: whether it is a group of access points.
    #[field(3, "IG")]
    group: bool,
    /// Source service access point without its lowest bit, an even number, 0 to 254.
    #[field(4, "SSAP")]
    ssap: u8,
    /// Lowest bit of the source's octet: whether the frame is a response, not a command.
    #[field(5, "CR")]
    response: bool,
    /// Control field. Unnumbered frames have one octet (3 is UI, 175 and 191 are XID, 227 and
    /// 243 TEST); information and supervisory frames have two, of which the first on the wire is
    /// the more significant here.
    #[field(6, "Control")]
    control: u16,
}

/// Unnumbered information, IEEE 802.2 clause 5.4.1, without the poll/final bit.
const UI: u8 = 0x03;
/// Poll/final in the control field of unnumbered frames.
const POLL_FINAL: u8 = 0x10;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    if input.rest().starts_with(&[0xff, 0xff]) {
        return Ok(Next::Layer(NOVELL_RAW, input.take_rest()));
    }
    let [dsap, ssap, first] = *input.array()?;
    // Control field formats, IEEE 802.2 clause 5.2.
    let unnumbered = first & 0x03 == 0x03;
    let control = if unnumbered {
        u16::from(first)
    } else {
        u16::from_be_bytes([first, input.u8()?])
    };
    context.emit(&Llc {
        timestamp: context.timestamp(),
        dsap: dsap & 0xfe,
        group: dsap & 1 != 0,
        ssap: ssap & 0xfe,
        response: ssap & 1 != 0,
        control,
    });
    let information = first & 0x01 == 0 || first & !POLL_FINAL == UI;
    if information {
        Ok(Next::Layer(Selector::LlcSap(dsap), input.take_rest()))
    } else {
        Ok(Next::End)
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{Walked, every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&crate::ethernet::PROTOCOL, &PROTOCOL];

    fn frame(llc: &[u8]) -> Vec<u8> {
        let header = b"\x01\x80\xc2\x00\x00\x00\x02\x00\x5e\x00\x00\x0a\x00";
        [header, [llc.len() as u8].as_slice(), llc].concat()
    }

    fn walk(llc: &[u8]) -> Walked {
        walk_packet(PROTOCOLS, 1, &frame(llc))
    }

    fn encoded(dsap: u8, group: bool, ssap: u8, response: bool, control: u16) -> Vec<u8> {
        let record = Llc {
            timestamp: Timestamp::new(1, 2000),
            dsap,
            group,
            ssap,
            response,
            control,
        };
        let mut out = Vec::new();
        record.encode(&mut out);
        out
    }

    #[test]
    fn unnumbered_information() {
        let walked = walk(b"\x42\x42\x03bpdu");
        assert_eq!(walked.of("LLC"), [encoded(0x42, false, 0x42, false, 3)]);
        assert_eq!(walked.fate, Fate::Unknown(Selector::LlcSap(0x42)));
    }

    #[test]
    fn low_bits_are_split_off() {
        let walked = walk(b"\x43\x43\x13bpdu");
        assert_eq!(walked.of("LLC"), [encoded(0x42, true, 0x42, true, 0x13)]);
        assert_eq!(walked.fate, Fate::Unknown(Selector::LlcSap(0x43)));
    }

    #[test]
    fn control_of_two_octets() {
        let walked = walk(b"\xf0\xf0\x0a\x0dinfo");
        assert_eq!(
            walked.of("LLC"),
            [encoded(0xf0, false, 0xf0, false, 0x0a0d)]
        );
        assert_eq!(walked.fate, Fate::Unknown(Selector::LlcSap(0xf0)));
        let walked = walk(b"\xf0\xf1\x05\x11");
        assert_eq!(walked.of("LLC"), [encoded(0xf0, false, 0xf0, true, 0x0511)]);
        assert_eq!(walked.fate, Fate::Decoded);
    }

    #[test]
    fn half_a_control_field() {
        let walked = walk(b"\xf0\xf0\x00");
        assert!(walked.of("LLC").is_empty());
        assert!(matches!(walked.fate, Fate::Malformed(m) if m.reason == Reason::Truncated));
    }

    #[test]
    fn exchange_of_identification_has_no_client() {
        assert_eq!(walk(b"\x00\x01\xbf\x81\x01\x00").fate, Fate::Decoded);
        assert_eq!(walk(b"\xaa\xaa\xf3test").fate, Fate::Decoded);
    }

    #[test]
    fn novell_raw() {
        let walked = walk(b"\xff\xff\x00\x1e\x00\x01");
        assert!(walked.of("LLC").is_empty());
        assert_eq!(walked.fate, Fate::Unknown(NOVELL_RAW));
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 1, &frame(b"\x42\x42\x03bpdu"));
        every_prefix(PROTOCOLS, 1, &frame(b"\xf0\xf0\x0a\x0dinfo"));
    }
}
