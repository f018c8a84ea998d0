//! Address Resolution Protocol (RFC 826), and with it RARP (RFC 903), which has the same packets
//! with operations of its own.
//!
//! A packet gives one record where all four addresses are there, whatever their lengths and
//! whatever the operation; octets after them are padding. Lengths that lead past the end of the
//! packet give none. On IEEE 1394 (hardware type 24, RFC 2734 section 6) there is no hardware address
//! of the target. On ATM (hardware type 19, RFC 2225 section 8.5) every address has a length of its own, and
//! a hardware address is a number and a subaddress, which stand one after the other in the record.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};
use netcap_record::{Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("ARP", dissect)
    .reached_by(&[Selector::EtherType(0x0806), Selector::EtherType(0x8035)])
    .emits(&[Arp::SCHEMA]);

/// IANA, ARP hardware types.
const ATM: u16 = 19;
const IEEE_1394: u16 = 24;

/// One packet that asks or tells which hardware address belongs to a protocol address (ARP,
/// RFC 826), or the other way round (RARP, RFC 903).
#[derive(Record)]
#[record("ARP", 8)]
pub(crate) struct Arp<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Kind of hardware, 0 to 65535 (`ar$hrd`; IANA ARP Hardware Types): 1 is Ethernet.
    #[field(2, "AddrType")]
    hardware_type: u16,
    /// EtherType of the protocol whose addresses are resolved (`ar$pro`): 2048 is IPv4.
    #[field(3, "Protocol")]
    protocol: u16,
    /// Octets of a hardware address (`ar$hln`), 0 to 255: 6 for Ethernet. On ATM those of the sender, with
    /// its subaddress.
    #[field(4, "HwAddressSize")]
    hardware_size: u8,
    /// Octets of a protocol address (`ar$pln`), 0 to 255: 4 for IPv4. On ATM those of the sender.
    #[field(5, "ProtAddressSize")]
    protocol_size: u8,
    /// What the packet does (`ar$op`; IANA ARP Operation Codes): 1 request, 2 reply, 3 RARP
    /// request, 4 RARP reply, 8 InARP request, 9 InARP reply.
    #[field(6, "Operation")]
    operation: u16,
    /// Hardware address of the sender (`ar$sha`), `HwAddressSize` octets.
    #[field(7, "SrcHwAddress")]
    sender_hardware: &'a [u8],
    /// Protocol address of the sender (`ar$spa`), `ProtAddressSize` octets.
    #[field(8, "SrcProtAddress")]
    sender_protocol: &'a [u8],
    /// Hardware address of the target (`ar$tha`), `HwAddressSize` octets; of no meaning in a
    /// request. Empty on IEEE 1394, which does not send it.
    #[field(9, "DstHwAddress")]
    target_hardware: &'a [u8],
    /// Protocol address of the target (`ar$tpa`), `ProtAddressSize` octets.
    #[field(10, "DstProtAddress")]
    target_protocol: &'a [u8],
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    if input.rest().starts_with(&ATM.to_be_bytes()) {
        return on_atm(input, context);
    }
    // RFC 826, "Packet format".
    let [h0, h1, p0, p1, hardware_size, protocol_size, o0, o1] = *input.array()?;
    let hardware_type = u16::from_be_bytes([h0, h1]);
    let target_hardware_size = match hardware_type {
        IEEE_1394 => 0,
        _ => hardware_size,
    };
    let record = Arp {
        timestamp: context.timestamp(),
        hardware_type,
        protocol: u16::from_be_bytes([p0, p1]),
        hardware_size,
        protocol_size,
        operation: u16::from_be_bytes([o0, o1]),
        sender_hardware: input.bytes(hardware_size.into())?,
        sender_protocol: input.bytes(protocol_size.into())?,
        target_hardware: input.bytes(target_hardware_size.into())?,
        target_protocol: input.bytes(protocol_size.into())?,
    };
    // It is padding, but the format of 2019 counts it.
    context.unclaimed(input.rest());
    context.emit(&record);
    Ok(Next::End)
}

/// Reads a packet of RFC 2225 section 8.5.
fn on_atm<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [h0, h1, p0, p1, sender, sender_sub, o0, o1] = *input.array()?;
    let [sender_protocol, target, target_sub, target_protocol] = *input.array()?;
    // Two bits tell the kind of the number.
    let octets = |number: u8, sub: u8| usize::from(number & 0x3f) + usize::from(sub & 0x3f);
    let hardware_size = octets(sender, sender_sub);
    let record = Arp {
        timestamp: context.timestamp(),
        hardware_type: u16::from_be_bytes([h0, h1]),
        protocol: u16::from_be_bytes([p0, p1]),
        // Twice 63 at most.
        hardware_size: hardware_size as u8,
        protocol_size: sender_protocol,
        operation: u16::from_be_bytes([o0, o1]),
        sender_hardware: input.bytes(hardware_size)?,
        sender_protocol: input.bytes(sender_protocol.into())?,
        target_hardware: input.bytes(octets(target, target_sub))?,
        target_protocol: input.bytes(target_protocol.into())?,
    };
    context.unclaimed(input.rest());
    context.emit(&record);
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{encoded, every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&crate::ethernet::PROTOCOL, &PROTOCOL];

    /// A reply, padded to the minimum of Ethernet.
    const SAMPLE: &[u8] = b"\x02\x00\x5e\x00\x00\x0a\x02\x00\x5e\x00\x00\x0b\x08\x06\
        \x00\x01\x08\x00\x06\x04\x00\x02\
        \x02\x00\x5e\x00\x00\x0b\xc0\x00\x02\x01\x02\x00\x5e\x00\x00\x0a\xc0\x00\x02\x0a\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    fn reply() -> Arp<'static> {
        Arp {
            timestamp: Timestamp::new(1, 2000),
            hardware_type: 1,
            protocol: 0x0800,
            hardware_size: 6,
            protocol_size: 4,
            operation: 2,
            sender_hardware: b"\x02\x00\x5e\x00\x00\x0b",
            sender_protocol: b"\xc0\x00\x02\x01",
            target_hardware: b"\x02\x00\x5e\x00\x00\x0a",
            target_protocol: b"\xc0\x00\x02\x0a",
        }
    }

    /// The fate of the sample with other octets from `at` on, and its records.
    fn changed(at: usize, octets: &[u8]) -> (Fate, Vec<Vec<u8>>) {
        let mut packet = SAMPLE.to_vec();
        packet.splice(at..at + octets.len(), octets.iter().copied());
        let walked = walk_packet(PROTOCOLS, 1, &packet);
        let records = walked.of("ARP").iter().map(|r| r.to_vec()).collect();
        (walked.fate, records)
    }

    #[test]
    fn every_field() {
        assert_eq!(changed(0, b""), (Fate::Decoded, vec![encoded(&reply())]));
        // Padding.
        let walked = walk_packet(PROTOCOLS, 1, SAMPLE);
        assert_eq!(walked.application, ("Payload", 18));
    }

    #[test]
    fn prefixes() {
        every_prefix(PROTOCOLS, 1, SAMPLE);
        for end in 14..42 {
            let walked = walk_packet(PROTOCOLS, 1, SAMPLE.split_at(end).0);
            assert!(matches!(walked.fate, Fate::Malformed(m) if m.reason == Reason::Truncated));
            assert!(walked.of("ARP").is_empty());
        }
    }

    #[test]
    fn hardware_type_has_two_octets() {
        let record = Arp {
            hardware_type: 0x0101,
            ..reply()
        };
        assert_eq!(
            changed(14, b"\x01\x01"),
            (Fate::Decoded, vec![encoded(&record)])
        );
    }

    #[test]
    fn reverse() {
        let record = Arp {
            operation: 3,
            ..reply()
        };
        let fate = changed(12, b"\x80\x35\x00\x01\x08\x00\x06\x04\x00\x03");
        assert_eq!(fate, (Fate::Decoded, vec![encoded(&record)]));
    }

    #[test]
    fn no_hardware_address_of_the_target() {
        let sender = b"\x02\0\x5e\xff\xfe\0\0\x0b\x0a\x02\0\x01\0\0\0\0";
        let packet = [
            SAMPLE.split_at(14).0,
            b"\0\x18\x08\0\x10\x04\0\x01",
            sender,
            b"\xc0\0\x02\x01\xc0\0\x02\x0a",
        ];
        let record = Arp {
            hardware_type: 24,
            hardware_size: 16,
            operation: 1,
            sender_hardware: sender,
            target_hardware: b"",
            ..reply()
        };
        let walked = walk_packet(PROTOCOLS, 1, &packet.concat());
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("ARP"), [encoded(&record)]);
    }

    #[test]
    fn numbers_of_atm() {
        // A request: NSAP addresses have 20 octets; that of the target is not known.
        let packet = [
            SAMPLE.split_at(14).0,
            b"\0\x13\x08\0\x14\x02\0\x01\x04\0\0\x04",
            b"\x47\0\x05\x80\xff\xe1\0\0\0\xf2\x1a\x2b\x3c\0\x20\x48\x1a\x2b\x3c\0",
            b"ss\xc0\0\x02\x01\xc0\0\x02\x0a",
        ];
        let record = Arp {
            hardware_type: 19,
            hardware_size: 22,
            operation: 1,
            sender_hardware:
                b"\x47\0\x05\x80\xff\xe1\0\0\0\xf2\x1a\x2b\x3c\0\x20\x48\x1a\x2b\x3c\0ss",
            target_hardware: b"",
            ..reply()
        };
        let walked = walk_packet(PROTOCOLS, 1, &packet.concat());
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("ARP"), [encoded(&record)]);
        every_prefix(PROTOCOLS, 1, &packet.concat());
        // E.164 numbers, and nobody's protocol address.
        let packet = [
            SAMPLE.split_at(14).0,
            b"\0\x13\x08\0\x42\0\0\x0a\0\x43\0\x04",
            b"12345\xc0\0\x02\x0a",
        ];
        let record = Arp {
            hardware_type: 19,
            hardware_size: 2,
            protocol_size: 0,
            operation: 10,
            sender_hardware: b"12",
            sender_protocol: b"",
            target_hardware: b"345",
            ..reply()
        };
        let walked = walk_packet(PROTOCOLS, 1, &packet.concat());
        assert_eq!(walked.of("ARP"), [encoded(&record)]);
    }

    #[test]
    fn lengths_of_addresses() {
        let none = Arp {
            hardware_size: 0,
            protocol_size: 0,
            sender_hardware: b"",
            sender_protocol: b"",
            target_hardware: b"",
            target_protocol: b"",
            ..reply()
        };
        assert_eq!(changed(18, b"\0\0"), (Fate::Decoded, vec![encoded(&none)]));
        let (fate, records) = changed(18, b"\xff\xff");
        assert!(matches!(fate, Fate::Malformed(m) if (m.offset, m.needed, m.had) == (8, 255, 38)));
        assert!(records.is_empty());
    }
}
