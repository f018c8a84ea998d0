//! Addresses as records write them: MAC in colons, IPv4 dotted, IPv6 by RFC 5952, all lower case.

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::digits::HEX;
use crate::{Element, Type, put};

/// A MAC address, written `aa:bb:cc:dd:ee:ff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The text of the address.
    #[inline]
    pub fn text(&self) -> [u8; 17] {
        let mut text = [b':'; 17];
        for (i, octet) in self.0.iter().enumerate() {
            text[3 * i] = HEX[usize::from(octet >> 4)];
            text[3 * i + 1] = HEX[usize::from(octet & 15)];
        }
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

impl Ip {
    /// The text of the address, appended.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        match self {
            Ip::V4(octets) => {
                for (i, octet) in octets.iter().enumerate() {
                    if i > 0 {
                        out.push(b'.');
                    }
                    if *octet >= 100 {
                        out.push(b'0' + octet / 100);
                    }
                    if *octet >= 10 {
                        out.push(b'0' + octet / 10 % 10);
                    }
                    out.push(b'0' + octet % 10);
                }
            }
            // Writing to a Vec cannot fail.
            Ip::V6(octets) => drop(write!(out, "{}", Ipv6Addr::from(*octets))),
            Ip::Absent => out.extend_from_slice(b"<nil>"),
        }
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
    fn addresses_as_text() {
        assert_eq!(
            &Mac([0, 0x1b, 0xff, 9, 0xa0, 1]).text(),
            b"00:1b:ff:09:a0:01"
        );
        assert_eq!(text(Ip::V4([10, 0, 255, 199])), "10.0.255.199");
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
