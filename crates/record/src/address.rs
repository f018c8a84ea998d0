//! Addresses as records write them: MAC in colons, IPv4 dotted, IPv6 by RFC 5952, all lower case.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::digits::HEX;
use crate::{Element, Type, put};

/// Each octet as two digits with a colon behind, first character lowest.
const PAIRS: [u32; 256] = {
    let mut all = [0; 256];
    let mut octet = 0;
    while octet < all.len() {
        all[octet] = u32::from_le_bytes([HEX[octet >> 4], HEX[octet & 15], b':', 0]);
        octet += 1;
    }
    all
};

/// A MAC address, written `aa:bb:cc:dd:ee:ff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The text of the address.
    #[inline]
    pub fn text(&self) -> [u8; 17] {
        // In a register, as IPv4 addresses are; the last digit has no room there.
        let mut first = 0;
        for (i, octet) in self.0.iter().enumerate() {
            first |= u128::from(PAIRS[usize::from(*octet)]) << (24 * i);
        }
        let mut text = [0; 17];
        text[..16].copy_from_slice(&first.to_le_bytes());
        text[16] = HEX[usize::from(self.0[5] & 15)];
        text
    }
}

impl Element for Mac {
    const TYPE: Type = Type::String;

    #[inline]
    fn is_default(&self) -> bool {
        false
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        put::bytes(out, &self.text());
    }
}

/// An IP address in a string field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ip {
    /// Four octets.
    V4([u8; 4]),
    /// Sixteen octets.
    V6([u8; 16]),
    /// No address where the format of 2019 has the text `<nil>`.
    Absent,
}

/// Each number in decimal with a dot behind, first character lowest, and how many characters that is.
const DECIMAL: [(u32, u8); 256] = {
    let mut all = [(0, 0); 256];
    let mut number = 0;
    while number < all.len() {
        let (mut text, mut len) = (b'.' as u32, 1);
        let mut rest = number as u32;
        while len == 1 || rest > 0 {
            text = text << 8 | (b'0' as u32 + rest % 10);
            rest /= 10;
            len += 1;
        }
        all[number] = (text, len);
        number += 1;
    }
    all
};

impl Ip {
    /// The text of the address, appended.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        match self {
            Ip::V4(octets) => {
                // Put together in a register: octets written one by one into memory, and then read
                // from there in one, would have to wait for each other.
                let (mut text, mut end) = (0, 0);
                for octet in octets {
                    let (digits, len) = DECIMAL[usize::from(*octet)];
                    text |= u128::from(digits) << (8 * end);
                    end += usize::from(len);
                }
                let before = out.len();
                out.extend_from_slice(&text.to_le_bytes());
                out.truncate(before + end - 1);
            }
            Ip::V6(octets) => write_v6(octets, out),
            Ip::Absent => out.extend_from_slice(b"<nil>"),
        }
    }
}

/// RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups as
/// `::`, and an IPv4-mapped address with its last four octets dotted (section 5).
fn write_v6(octets: &[u8; 16], out: &mut Vec<u8>) {
    let (groups, _) = octets.as_chunks::<2>();
    if octets.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]) {
        out.extend_from_slice(b"::ffff:");
        let [.., a, b, c, d] = *octets;
        return Ip::V4([a, b, c, d]).write_text(out);
    }
    let (mut start, mut len) = (groups.len(), 1);
    let mut i = 0;
    while i < groups.len() {
        let run = groups[i..].iter().take_while(|g| **g == [0, 0]).count();
        if run > len {
            (start, len) = (i, run);
        }
        i += run.max(1);
    }
    let mut i = 0;
    while i < groups.len() {
        if i == start {
            out.extend_from_slice(b"::");
            i += len;
            continue;
        }
        if i > 0 && i != start + len {
            out.push(b':');
        }
        let group = u16::from_be_bytes(groups[i]);
        for shift in [12, 8, 4, 0] {
            if shift == 0 || group >> shift != 0 {
                out.push(HEX[usize::from(group >> shift & 15)]);
            }
        }
        i += 1;
    }
}

impl From<Ipv4Addr> for Ip {
    fn from(address: Ipv4Addr) -> Ip {
        Ip::V4(address.octets())
    }
}

impl From<Ipv6Addr> for Ip {
    fn from(address: Ipv6Addr) -> Ip {
        Ip::V6(address.octets())
    }
}

impl Element for Ip {
    const TYPE: Type = Type::String;

    #[inline]
    fn is_default(&self) -> bool {
        false
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        // The longest text has 45 octets, so its length takes one.
        let at = out.len();
        out.push(0);
        self.write_text(out);
        out[at] = (out.len() - at - 1) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(ip: Ip) -> String {
        let mut out = Vec::new();
        ip.write_text(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn ipv6_as_the_standard_library() {
        // Every pattern of zero and other groups, with groups of every length.
        for pattern in 0..=255u32 {
            let mut groups = [0u16; 8];
            for (i, group) in groups.iter_mut().enumerate() {
                if pattern >> i & 1 == 1 {
                    *group = [0x1, 0x20, 0x300, 0x4000, 0xabcd, 0xffff, 0xf, 0xff][i];
                }
            }
            let address = Ipv6Addr::from(groups);
            assert_eq!(text(address.into()), address.to_string());
        }
        for address in ["::ffff:1.2.3.4", "::1.2.3.4", "::", "64:ff9b::1.2.3.4"] {
            let address: Ipv6Addr = address.parse().unwrap();
            assert_eq!(text(address.into()), address.to_string());
        }
    }

    #[test]
    fn addresses_as_text() {
        assert_eq!(
            &Mac([0, 0x1b, 0xff, 9, 0xa0, 1]).text(),
            b"00:1b:ff:09:a0:01"
        );
        assert_eq!(text(Ip::V4([10, 0, 255, 199])), "10.0.255.199");
        for octet in 0..=255 {
            let address = Ipv4Addr::new(octet, 10, 0, 255 - octet);
            assert_eq!(text(address.into()), address.to_string());
        }
        assert_eq!(text(Ipv6Addr::LOCALHOST.into()), "::1");
        assert_eq!(
            text("2001:db8::1:0:0:1".parse::<Ipv6Addr>().unwrap().into()),
            "2001:db8::1:0:0:1"
        );
        assert_eq!(
            text("::ffff:10.0.0.1".parse::<Ipv6Addr>().unwrap().into()),
            "::ffff:10.0.0.1"
        );
        assert_eq!(text(Ip::Absent), "<nil>");
    }
}
