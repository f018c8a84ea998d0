//! The Internet checksum (RFC 1071), for runs that leave out what a receiver drops for it.
//!
//! What cannot be judged is taken for sound: packets that the capture cut, and whatever has no checksum.
//! Segmentation and checksum offload leave wrong ones in what a host captures of itself, so nothing is
//! looked at unless the user asks for it.

use netcap_record::Ip;

use crate::Context;

/// Ends that a checksum covers in the place of those that the header of its network has, because the
/// packet is on its way to others, or does not come from where it says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FinalEnds {
    /// How many levels there were with the network that they are of.
    level: usize,
    source: Option<Ip>,
    destination: Option<Ip>,
    /// The packet goes on to an end that cannot be told.
    is_unknown: bool,
}

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

impl FinalEnds {
    /// They are of no network: levels count from 1.
    #[inline]
    pub(crate) fn forget(&mut self) {
        self.level = 0;
    }
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

    /// The packet of the network at hand goes on to this end, which its checksums cover (RFC 8200 section
    /// 8.1, RFC 791 section 3.1); none where it cannot be told.
    #[cold]
    pub fn goes_on_to(&mut self, destination: Option<Ip>) {
        let ends = self.final_ends();
        ends.is_unknown = destination.is_none();
        ends.destination = destination;
    }

    /// The packet of the network at hand comes from this end, which its checksums cover (RFC 6275 section
    /// 11.3.1).
    #[cold]
    pub fn comes_from(&mut self, source: Ip) {
        self.final_ends().source = Some(source);
    }

    fn final_ends(&mut self) -> &mut FinalEnds {
        let level = self.path.levels().len();
        let ends = &mut self.path.final_ends;
        if ends.level != level {
            *ends = FinalEnds {
                level,
                ..FinalEnds::default()
            };
        }
        ends
    }

    fn contradicts(&self, protocol: u8, octets: &[u8]) -> bool {
        let mut levels = self.path().levels().iter().enumerate().rev();
        let around =
            levels.find_map(|(place, level)| Some((place + 1, level.network?, level.missing)));
        let length = u32::try_from(octets.len());
        let (Some((depth, network, missing)), Ok(length)) = (around, length) else {
            return false;
        };
        let others = Some(self.path.final_ends).filter(|ends| ends.level == depth);
        let others = others.unwrap_or_default();
        if others.is_unknown {
            return false;
        }
        let (source, destination) = network.ips();
        let ends = (
            others.source.unwrap_or(source),
            others.destination.unwrap_or(destination),
        );
        let tail = [&length.to_be_bytes()[..], &[0, 0, 0, protocol]].concat();
        let sound = match ends {
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
