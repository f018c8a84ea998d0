//! What a packet carries, in a number that stays the same on its way.
//!
//! Guarantee: nothing goes in that a router, a VLAN or an interface that computes checksums changes.

use ring::digest::{SHA256, digest as sha256};

use super::protocol::{DCCP, ICMP, ICMPV6, SCTP, TCP, UDP, UDP_LITE};

/// Octets behind the IP headers that count.
pub(super) const COVERED: usize = 96;

/// The digest of a packet that carries `length` octets behind its IP headers, of which these were captured;
/// see [`PacketNote::digest`](super::PacketNote::digest). `begins`: whether they begin with the header of the
/// protocol.
pub(super) fn digest(protocol: u8, carried: &[u8], length: usize, begins: bool) -> Option<u64> {
    let carried = carried.get(..length.min(COVERED))?;
    let mut covered = [0; COVERED];
    let covered = &mut covered[..carried.len()];
    covered.copy_from_slice(carried);
    if begins && let Some((begin, end)) = checksum(protocol) {
        let end = end.min(covered.len());
        // One that is beyond the end of what there is, is not there.
        if let Some(checksum) = covered.get_mut(begin..end) {
            checksum.fill(0);
        }
    }
    let digest = sha256(&SHA256, covered);
    digest
        .as_ref()
        .first_chunk()
        .map(|first| u64::from_be_bytes(*first))
}

/// Where a protocol has its checksum, which interfaces compute only as they send: RFC 9293, 768, 3828, 4340,
/// 9260 (all 32 bits), 792, 4443.
fn checksum(protocol: u8) -> Option<(usize, usize)> {
    match protocol {
        TCP => Some((16, 18)),
        UDP | UDP_LITE | DCCP => Some((6, 8)),
        SCTP => Some((8, 12)),
        ICMP | ICMPV6 => Some((2, 4)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_checksums_do_not_count() {
        for (protocol, left_out) in [
            (TCP, 16..18),
            (UDP, 6..8),
            (UDP_LITE, 6..8),
            (DCCP, 6..8),
            (SCTP, 8..12),
            (ICMP, 2..4),
            (ICMPV6, 2..4),
            (50, 0..0),
        ] {
            let plain = [7; 120];
            let expected = digest(protocol, &plain, 120, true);
            assert!(expected.is_some());
            for place in 0..120 {
                let mut other = plain;
                other[place] ^= 1;
                let is_same = digest(protocol, &other, 120, true) == expected;
                let is_left_out = left_out.contains(&place) || place >= COVERED;
                assert_eq!(is_same, is_left_out, "{protocol} {place}");
                // A later fragment has no header.
                let of_data = |octets| digest(protocol, octets, 120, false);
                assert_eq!(of_data(&other) == of_data(&plain), place >= COVERED);
            }
        }
    }

    #[test]
    fn what_was_not_captured_has_none() {
        let octets = [7; 100];
        assert_eq!(digest(UDP, &octets[..95], 96, true), None);
        assert_eq!(digest(UDP, &octets[..95], 1000, true), None);
        assert_eq!(
            digest(UDP, &octets[..96], 1000, true),
            digest(UDP, &octets, 96, true)
        );
        for length in 0..20 {
            assert!(digest(TCP, &octets[..length], length, true).is_some());
        }
        // sha256sum of nothing begins with e3b0c442 98fc1c14.
        assert_eq!(digest(UDP, &[], 0, true), Some(0xe3b0_c442_98fc_1c14));
    }
}
