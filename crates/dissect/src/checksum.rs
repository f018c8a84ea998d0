//! The Internet checksum (RFC 1071), for runs that leave out what a receiver drops for it.
//!
//! What cannot be judged is taken for sound: packets that the capture cut, and whatever has no checksum.
//! Segmentation and checksum offload leave wrong ones in what a host captures of itself, so nothing is
//! looked at unless the user asks for it.

use netcap_record::Ip;

use crate::Context;

/// Whether octets, the checksum among them, add up to what they should. All parts but the last have even
/// numbers of octets.
pub fn adds_up(parts: &[&[u8]]) -> bool {
    let words = parts.iter().flat_map(|part| {
        let (pairs, odd) = part.as_chunks::<2>();
        let odd = odd.first().map(|octet| [*octet, 0]);
        pairs.iter().copied().chain(odd)
    });
    let mut sum: u64 = words.map(|word| u64::from(u16::from_be_bytes(word))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum == 0xffff
}

impl Context<'_, '_> {
    /// Whether checksums are to be verified.
    #[inline]
    pub fn verifies_checksums(&self) -> bool {
        self.registry.checksums()
    }

    /// Whether the checksum of a segment or a datagram is wrong, which stands among its octets and covers
    /// the addresses of the network around it (RFC 9293 section 3.1, RFC 8200 section 8.1). Always
    /// `false` where checksums are not verified, or the capture cut the packet.
    #[inline]
    pub fn is_corrupt(&self, protocol: u8, octets: &[u8]) -> bool {
        self.verifies_checksums() && self.contradicts(protocol, octets)
    }

    fn contradicts(&self, protocol: u8, octets: &[u8]) -> bool {
        let mut levels = self.path().levels().iter().rev();
        let around = levels.find_map(|level| Some((level.network?, level.missing)));
        let (Some((network, missing)), Ok(length)) = (around, u32::try_from(octets.len())) else {
            return false;
        };
        let tail = [&length.to_be_bytes()[..], &[0, 0, 0, protocol]].concat();
        let sound = match network.ips() {
            (Ip::V4(source), Ip::V4(destination)) => {
                adds_up(&[&source, &destination, &tail, octets])
            }
            (Ip::V6(source), Ip::V6(destination)) => {
                adds_up(&[&source, &destination, &tail, octets])
            }
            _ => true,
        };
        !sound && missing == 0 && !self.is_cut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums() {
        // RFC 1071 section 3: these words sum up to ddf2.
        let words = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert!(adds_up(&[&words, &[0x22, 0x0d]]));
        assert!(!adds_up(&[&words, &[0x22, 0x0e]]));
        // An odd octet counts as the upper half of a word.
        assert!(adds_up(&[&words, &[0x20, 0x0d], &[0x02]]));
        assert!(!adds_up(&[]));
    }
}
