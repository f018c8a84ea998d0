//! Which packets an agent looks at: a word of the original programs, or a filter with places for the
//! addresses of the interface.
//!
//! Guarantee: the filter is whole, or there is none.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use nix::sys::socket::LinkAddr;

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Mac, String> {
        let octet = |text: &str| {
            let is_hex = text.len() <= 2 && text.bytes().all(|c| c.is_ascii_hexdigit());
            is_hex.then(|| u8::from_str_radix(text, 16).ok()).flatten()
        };
        let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
        octets
            .and_then(|octets| octets.try_into().ok())
            .map(Mac)
            .ok_or_else(|| "not a MAC address; write one as 0a:00:00:00:00:01".to_owned())
    }
}

/// The addresses of an interface that filters are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// That of Ethernet.
    pub mac: Option<Mac>,
    /// That of IPv4, the first if there are several.
    pub ip: Option<Ipv4Addr>,
}

impl Addresses {
    /// Those of an interface; `None` if there is none of that name.
    ///
    /// # Errors
    ///
    /// The system does not tell.
    pub fn of(interface: &str) -> nix::Result<Option<Addresses>> {
        let mut found = None;
        for entry in nix::ifaddrs::getifaddrs()? {
            if entry.interface_name != interface {
                continue;
            }
            let found: &mut Addresses = found.get_or_insert_default();
            let Some(address) = entry.address else {
                continue;
            };
            if let Some(link) = address.as_link_addr() {
                found.mac = found.mac.or(ethernet(link));
            }
            if let Some(ip) = address.as_sockaddr_in() {
                found.ip = found.ip.or(Some(ip.ip()));
            }
        }
        Ok(found)
    }
}

/// The address of a link that has one of Ethernet's length, as tunnels have not.
pub(crate) fn ethernet(link: &LinkAddr) -> Option<Mac> {
    #[cfg(target_os = "linux")]
    let length = link.halen();
    #[cfg(not(target_os = "linux"))]
    let length = link.alen();
    (length == 6).then(|| link.addr().map(Mac)).flatten()
}

/// An address that a filter needs and an interface does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The Ethernet address.
    Mac,
    /// The IPv4 address.
    Ip,
}

/// A mode: `src`, `dst`, `spoof`, `none`, or a filter in tcpdump's language in which `%m` is the
/// Ethernet address, `%i` the IPv4 address and `%%` a percent sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mode(String);

impl From<&str> for Mode {
    fn from(text: &str) -> Mode {
        let filter = match text {
            "src" => "ether src %m",
            "dst" => "ether src not %m",
            "spoof" => "src %i and ether src not %m",
            "none" => "",
            filter => filter,
        };
        Mode(filter.to_owned())
    }
}

impl Mode {
    /// The filter for an interface with these addresses; empty: all packets.
    ///
    /// # Errors
    ///
    /// An address is missing.
    pub fn filter(&self, addresses: Addresses) -> Result<String, Missing> {
        let mut filter = String::new();
        let mut rest = self.0.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                filter.push(c);
                continue;
            }
            match rest.next() {
                Some('m') => filter += &addresses.mac.ok_or(Missing::Mac)?.to_string(),
                Some('i') => filter += &addresses.ip.ok_or(Missing::Ip)?.to_string(),
                Some(other) => filter.push(other),
                None => {}
            }
        }
        Ok(filter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Addresses = Addresses {
        mac: Some(Mac([0x0a, 0, 0, 0, 0, 0xff])),
        ip: Some(Ipv4Addr::new(10, 99, 0, 1)),
    };

    #[test]
    fn words_are_filters() {
        for (mode, filter) in [
            ("src", "ether src 0a:00:00:00:00:ff"),
            ("dst", "ether src not 0a:00:00:00:00:ff"),
            ("spoof", "src 10.99.0.1 and ether src not 0a:00:00:00:00:ff"),
            ("none", ""),
            ("", ""),
            ("udp port 50000 or tcp", "udp port 50000 or tcp"),
            ("%i %m %% %x %", "10.99.0.1 0a:00:00:00:00:ff % x "),
            ("%%i", "%i"),
            ("ö%iü", "ö10.99.0.1ü"),
        ] {
            assert_eq!(Mode::from(mode).filter(BOTH).as_deref(), Ok(filter));
        }
        let long = "ip ".repeat(1000);
        assert_eq!(Mode::from(long.as_str()).filter(BOTH), Ok(long));
    }

    #[test]
    fn only_what_is_asked_for_may_be_missing() {
        let of = |mode: &str, addresses| Mode::from(mode).filter(addresses);
        let no_mac = Addresses { mac: None, ..BOTH };
        let no_ip = Addresses { ip: None, ..BOTH };
        assert_eq!(of("src", no_mac), Err(Missing::Mac));
        assert_eq!(of("spoof", no_ip), Err(Missing::Ip));
        assert!(of("src", no_ip).is_ok());
        assert!(of("host %i", no_mac).is_ok());
        assert!(of("none", Addresses::default()).is_ok());
    }

    #[test]
    fn addresses_are_written_and_read() {
        let mac: Result<Mac, _> = "0A:0:00:00:00:ff".parse();
        assert_eq!(mac.ok(), BOTH.mac);
        for wrong in [
            "",
            "0a:00:00:00:00",
            "0a:00:00:00:00:01:02",
            "0a:00:00:00:00:+1",
            "0a:00:00:00:00:100",
        ] {
            assert!(wrong.parse::<Mac>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn interfaces_have_addresses() {
        assert_eq!(Addresses::of("no such thing"), Ok(None));
        #[cfg(target_os = "linux")]
        if let Ok(Some(loopback)) = Addresses::of("lo") {
            assert_eq!(loopback.mac, Some(Mac([0; 6])));
        }
    }
}
