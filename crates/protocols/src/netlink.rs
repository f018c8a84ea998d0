//! Messages between the Linux kernel and its programs (LINKTYPE_NETLINK): the header of a cooked
//! capture, then messages, of which the first one's header is read. No record.
//!
//! The length is in the byte order of the machine that captured, which nothing tells: it must make
//! sense in one.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("Netlink", dissect).reached_by(&[Selector::LinkType(253)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    input.skip(16)?;
    let message = *input;
    // struct nlmsghdr: length, type, flags, sequence, port.
    let length = *input.array()?;
    input.skip(12)?;
    match u32::from_le_bytes(length).min(u32::from_be_bytes(length)) {
        ..16 => Err(message.malformed(Reason::Length)),
        _ => Ok(Next::End),
    }
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    #[test]
    fn lengths() {
        for length in [[16, 0, 0, 0], [0, 0, 0, 16]] {
            let mut packet = [0; 32];
            packet[16..20].copy_from_slice(&length);
            assert_eq!(walk_packet(&[&PROTOCOL], 253, &packet).fate, Fate::Decoded);
            every_prefix(&[&PROTOCOL], 253, &packet);
        }
        let walked = walk_packet(&[&PROTOCOL], 253, &[0; 32]);
        assert_eq!(walked.malformed(), Some(Reason::Length));
    }
}
