//! Sockets between virtual machines and their host (LINKTYPE_VSOCK). No record.
//!
//! The header is read, and that of the transport skipped; the payload is a stream's.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};

pub(crate) static PROTOCOL: Protocol =
    Protocol::new("VSOCK", dissect).reached_by(&[Selector::LinkType(271)]);

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // struct af_vsockmon_hdr, little-endian: two addresses, two ports, operation, transport, length
    // of the transport's header, reserved.
    input.skip(28)?;
    let length = input.u16_le()?;
    input.skip(2 + usize::from(length))?;
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{every_prefix, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    #[test]
    fn both_headers() {
        let mut packet = [0; 40];
        packet[28] = 8;
        assert_eq!(walk_packet(&[&PROTOCOL], 271, &packet).fate, Fate::Decoded);
        every_prefix(&[&PROTOCOL], 271, &packet);
        packet[28] = 9;
        let walked = walk_packet(&[&PROTOCOL], 271, &packet);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
    }
}
