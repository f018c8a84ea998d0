//! Anything In Anything (draft-massar-v6ops-ayiya-02): signed tunnels over UDP. No record.
//!
//! Only messages that forward a packet are followed; signatures are not verified.

use netcap_dissect::{Context, Cursor, Fit, Malformed, Next, Protocol, Selector};

use crate::ipv6_extension;

pub(crate) static PROTOCOL: Protocol = Protocol::new("AYIYA", dissect)
    .reached_by(&[Selector::UdpPort(5072)])
    .judged_by(judge);

/// Operation code of messages that forward a packet (section 3.1).
const FORWARD: u8 = 1;

/// IP protocol numbers of what a message forwards mostly.
const IPV4: u8 = 4;
const IPV6: u8 = 41;

/// The largest of the operations.
const OPERATION_MAX: u8 = 7;

/// The header has to have room, and the operation to be one of section 3.1. A packet of IP behind it, of
/// the version that the header says, is not there by chance.
fn judge(octets: &[u8], context: &Context<'_, '_>) -> Fit {
    let Some(&[identity, signature, operation, next_header]) = octets.first_chunk() else {
        return Fit::Possible;
    };
    let header = 8 + (1_usize << (identity >> 4)) + usize::from(signature >> 4) * 4;
    if header > octets.len() + context.missing() || operation & 0x0f > OPERATION_MAX {
        return Fit::No;
    }
    let version = octets.get(header).map(|octet| octet >> 4);
    match (next_header, version) {
        (IPV4, Some(4)) | (IPV6, Some(6)) => Fit::Good,
        _ => Fit::Possible,
    }
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    _context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    // Section 3.1: length and type of the identity, signature and its hash, authentication and
    // operation, next header, reserved; then a time of four octets.
    let [identity, signature, operation, next_header, ..] = *input.array::<8>()?;
    // The identity's length is a power of two, the signature's counts units of four octets.
    input.skip(1_usize << (identity >> 4))?;
    input.skip(usize::from(signature >> 4) * 4)?;
    if operation & 0x0f != FORWARD {
        return Ok(Next::End);
    }
    Ok(ipv6_extension::following(next_header, input.take_rest()))
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{every_prefix, walk_packet};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("AYIYA", dissect).reached_by(&[Selector::LinkType(147)]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    /// An identity of four octets, a signature of eight.
    const SAMPLE: &[u8] = b"\x21\x22\x11\x29timeiden.sign.s.\x60 packet";

    #[test]
    fn forwarded_packets() {
        let fate = |packet| walk_packet(PROTOCOLS, 147, packet).fate;
        assert_eq!(fate(SAMPLE), Fate::Unknown(Selector::IpProto(41)));
        every_prefix(PROTOCOLS, 147, SAMPLE);
        let mut echo = SAMPLE.to_vec();
        echo[2] = 0x13;
        assert_eq!(fate(&echo), Fate::Decoded);
        let mut nothing = SAMPLE.to_vec();
        nothing[3] = 59;
        assert_eq!(fate(&nothing), Fate::Decoded);
    }
}
