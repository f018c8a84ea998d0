//! What the host says of itself and of its interfaces.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::socket::SockaddrStorage;
use ring::rand::{SecureRandom, SystemRandom};

use super::message::Interface;
use crate::mode::ethernet;

/// A number for the start of an agent: no other start has it.
pub fn instance() -> u64 {
    let mut octets = [0; 8];
    match SystemRandom::new().fill(&mut octets) {
        Ok(()) => u64::from_be_bytes(octets),
        // The clock will do.
        Err(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.unwrap_or_default().as_nanos() as u64
        }
    }
}

/// The name of the host; empty where the system does not tell.
pub fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The addresses of all interfaces; none where the system does not tell.
pub fn addresses() -> Vec<IpAddr> {
    let entries = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let entries = entries.filter_map(|entry| ip(&entry.address?));
    entries.collect()
}

/// The address of IP that an entry of the system is.
fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| Some(IpAddr::V6(address.as_sockaddr_in6()?.ip())))
}

impl Interface {
    /// What the system says of the interface of that name: as much as it does.
    pub fn named(name: &str) -> Interface {
        let mut found = Interface {
            name: name.to_owned(),
            mtu: mtu(name).unwrap_or_default(),
            ..Interface::default()
        };
        for entry in nix::ifaddrs::getifaddrs().into_iter().flatten() {
            let Some(address) = entry.address.filter(|_| entry.interface_name == name) else {
                continue;
            };
            if let Some(link) = address.as_link_addr() {
                found.mac = found.mac.or(ethernet(link));
            }
            found.addresses.extend(ip(&address));
        }
        found
    }
}

/// The largest packet that an interface sends, by Linux (sysfs). That may show the interfaces of another network
/// namespace than ours, which the number of the interface tells apart, mostly.
fn mtu(name: &str) -> Option<u32> {
    let number = nix::net::if_::if_nametoindex(name).ok()?;
    let told = |what: &str| {
        let text = std::fs::read_to_string(format!("/sys/class/net/{name}/{what}"));
        text.ok()?.trim().parse::<u32>().ok()
    };
    (told("ifindex")? == number).then(|| told("mtu")).flatten()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn each_start_has_another_number() {
        assert_ne!(instance(), instance());
    }

    #[test]
    fn interfaces_are_described() {
        let nothing = Interface::named("no such thing");
        assert_eq!((nothing.mac, nothing.mtu), (None, 0));
        assert!(nothing.addresses.is_empty());
        if cfg!(target_os = "linux") {
            let loopback = Interface::named("lo");
            assert_eq!(loopback.name, "lo");
            // In a namespace of its own it may be down.
            let addresses = loopback.addresses;
            assert!(addresses.is_empty() || addresses.contains(&Ipv4Addr::LOCALHOST.into()));
        }
    }
}
