//! Bluetooth between a host and its controller, as on a serial line (LINKTYPE_BLUETOOTH_HCI_H4). No
//! record.
//!
//! Every kind of packet has a length, which is held against what is there; what is inside is not
//! read.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("BluetoothHCI", dissect).reached_by(&[Selector::LinkType(187)]);

/// LINKTYPE_BLUETOOTH_HCI_H4_WITH_PHDR: with four octets of direction before it.
pub(crate) static WITH_DIRECTION: Protocol =
    Protocol::new("BluetoothHCIWithDirection", with_direction)
        .reached_by(&[Selector::LinkType(201)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // Bluetooth Core Specification, volume 4, part A section 2 and part E section 5.4: command,
    // ACL data, synchronous data, event, isochronous data.
    let length = match input.u8()? {
        1 | 3 => {
            let [_, _, length] = *input.array()?;
            usize::from(length)
        }
        2 => {
            input.skip(2)?;
            usize::from(input.u16_le()?)
        }
        4 => {
            let [_, length] = *input.array()?;
            usize::from(length)
        }
        5 => {
            input.skip(2)?;
            usize::from(input.u16_le()? & 0x3fff)
        }
        other => {
            let kind = Selector::Other("Bluetooth HCI packet type", other.into());
            return Ok(Next::Layer(kind, input.take_rest()));
        }
    };
    input.skip(length)?;
    Ok(Next::End)
}

fn with_direction<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    input.skip(4)?;
    dissect(input, context)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL, &WITH_DIRECTION];

    #[test]
    fn kinds_of_packets() {
        for packet in [
            &b"\x01\x03\x0c\x00"[..],
            b"\x02\x01\x20\x02\x00ab",
            b"\x03\x01\x00\x01a",
            b"\x04\x0e\x01a",
            b"\x05\x01\x00\x01\x40a",
        ] {
            assert_eq!(walk_packet(PROTOCOLS, 187, packet).fate, Fate::Decoded);
            every_prefix(PROTOCOLS, 187, packet);
            let short = packet.split_last().unwrap().1;
            let walked = walk_packet(PROTOCOLS, 187, short);
            assert_eq!(walked.malformed(), Some(Reason::Truncated));
            let directed = [b"\0\0\0\x01", packet].concat();
            assert_eq!(walk_packet(PROTOCOLS, 201, &directed).fate, Fate::Decoded);
        }
        let kind = Selector::Other("Bluetooth HCI packet type", 9);
        let fate = walk_packet(PROTOCOLS, 187, b"\x09\x01").fate;
        assert_eq!(fate, Fate::Unknown(kind));
    }
}
