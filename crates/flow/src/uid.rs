//! Unique names of flows, as the Netcap of 2019 computes them.
//!
//! They are published, so that records of different programs can be joined; no table is keyed by
//! them. A half of the link, network or transport layer that is missing counts 0, or is empty.

use md5::{Digest, Md5};

use netcap_dissect::{IpVersion, Link, Network, Transport};
use netcap_record::Ip;

/// FNV-1a, 64 bits.
fn fnv(octets: &[u8]) -> u64 {
    octets
        .iter()
        .fold(14_695_981_039_346_656_037, |hash, octet| {
            (hash ^ u64::from(*octet)).wrapping_mul(1_099_511_628_211)
        })
}

/// A hash of both ends that does not tell one from the other; `kind` numbers the kind of address.
fn both_ways(source: &[u8], destination: &[u8], kind: u64) -> u64 {
    let sum = fnv(source).wrapping_add(fnv(destination));
    (sum ^ kind).wrapping_mul(1_099_511_628_211)
}

pub(crate) fn link(link: &Link) -> u64 {
    let (source, destination) = link.macs();
    both_ways(&source.0, &destination.0, 3)
}

pub(crate) fn network(network: &Network) -> u64 {
    let (source, destination): (u128, u128) = (network.source.into(), network.destination.into());
    match network.protocol {
        IpVersion::V4 => {
            let octets = |address: u128| (address as u32).to_be_bytes();
            both_ways(&octets(source), &octets(destination), 1)
        }
        IpVersion::V6 => both_ways(&source.to_be_bytes(), &destination.to_be_bytes(), 2),
    }
}

pub(crate) fn transport(transport: &Transport) -> u64 {
    // IANA protocol numbers, and the kinds of their ports.
    let kind = match transport.protocol.get() {
        6 => 4,
        17 => 5,
        132 => 6,
        _ => 0,
    };
    let (source, destination) = (transport.source, transport.destination);
    both_ways(&source.to_be_bytes(), &destination.to_be_bytes(), kind)
}

/// MD5 of `source->destination` of the addresses, a colon, and the same of the ports; where a layer
/// is missing, `[]->[]`.
pub(crate) fn flow(network: Option<&Network>, transport: Option<&Transport>) -> Uid {
    let mut text = Vec::with_capacity(2 * LONGEST_ADDRESS + 16);
    match network {
        Some(ends) => {
            let (source, destination) = ends.ips();
            address(source, &mut text);
            text.extend_from_slice(b"->");
            address(destination, &mut text);
        }
        None => text.extend_from_slice(b"[]->[]"),
    }
    text.push(b':');
    match transport {
        Some(ends) => {
            decimal(u64::from(ends.source), &mut text);
            text.extend_from_slice(b"->");
            decimal(u64::from(ends.destination), &mut text);
        }
        None => text.extend_from_slice(b"[]->[]"),
    }
    hex(&text)
}

/// MD5 of the three hashes in decimal, one after the other.
pub(crate) fn connection(
    link: Option<&Link>,
    network: Option<&Network>,
    transport: Option<&Transport>,
) -> Uid {
    let mut text = Vec::with_capacity(60);
    decimal(link.map_or(0, self::link), &mut text);
    decimal(network.map_or(0, self::network), &mut text);
    decimal(transport.map_or(0, self::transport), &mut text);
    hex(&text)
}

/// An MD5 in hexadecimal.
pub(crate) type Uid = [u8; 32];

/// Characters of an IPv6 address at most.
const LONGEST_ADDRESS: usize = 39;

/// Appends an address as the text of Go's `net.IP`, in which an address of version 4 inside one of
/// version 6 is the former.
fn address(ip: Ip, out: &mut Vec<u8>) {
    match ip {
        Ip::V6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, mapped @ ..]) => {
            Ip::V4(mapped).write_text(out);
        }
        ip => ip.write_text(out),
    }
}

/// Appends a number.
fn decimal(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn hex(text: &[u8]) -> Uid {
    let digest = Md5::digest(text);
    std::array::from_fn(|i| {
        let octet = digest[i / 2];
        let digit = if i % 2 == 0 { octet >> 4 } else { octet & 15 };
        b"0123456789abcdef"[usize::from(digit)]
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use netcap_dissect::Ends;

    use super::*;

    fn macs() -> Link {
        Ends {
            protocol: NonZero::<u16>::MIN,
            source: 0x0200_0000_0002,
            destination: 0x0200_0000_0001,
        }
    }

    /// `10.0.0.1->10.0.0.2`.
    fn addresses() -> Network {
        Ends {
            protocol: IpVersion::V4,
            source: 0x0a00_0001_u32.into(),
            destination: 0x0a00_0002_u32.into(),
        }
    }

    /// UDP `1->2`.
    fn ports() -> Transport {
        Ends {
            protocol: NonZero::new(17).expect("not zero"),
            source: 1,
            destination: 2,
        }
    }

    /// Vectors made with the program of 2019.
    #[test]
    fn vectors() {
        assert_eq!(link(&macs()), 316_247_387_152_647_574);
        assert_eq!(network(&addresses()), 14_350_091_309_489_783_760);
        assert_eq!(transport(&ports()), 12_866_772_250_553_334_540);
        let zero = Ends {
            source: 0,
            destination: 0,
            ..macs()
        };
        assert_eq!(link(&zero), 17_228_013_677_568_775_067);
        assert_eq!(
            &flow(Some(&addresses()), Some(&ports())),
            b"51e375d1a4e1b2599979899b47481275"
        );
        assert_eq!(&flow(None, None), b"d3b636e4b8d6c1e0821f9b59ec0d6c02");
        assert_eq!(
            &connection(Some(&macs()), Some(&addresses()), Some(&ports())),
            b"fa3f38a8cb98e64e28325da781a809da"
        );
        assert_eq!(
            &connection(Some(&macs()), None, None),
            b"45977cb80b9853357a172db209d22a59"
        );
    }

    #[test]
    fn both_directions_have_one_hash() {
        let back = Ends {
            source: macs().destination,
            destination: macs().source,
            ..macs()
        };
        assert_eq!(link(&back), link(&macs()));
    }
}
