//! Virtual shards: tables in parts of a fixed number, by key, so that several threads may each own
//! some of them.
//!
//! Which shard a key belongs to is a matter of the key alone, never of the run, the machine or the
//! number of threads: where the limit of a table is met, that decides what is evicted. So the hash
//! has no seed. Whoever knows it may fill one shard, which then evicts as a smaller table would; the
//! tables themselves hash with a seed.
//!
//! A shard's key may be coarser than that of its table, never finer.
//!
//! The rule for limits: each shard has the table's limit divided by [`SHARDS`], rounded down. A
//! table whose shards would have little room has one shard, with all of it: see [`Least`].

use netcap_dissect::{Endpoint, Transport};
use netcap_record::Ip;

use crate::stream_limits::StreamLimits;
use crate::summary::PacketSummary;

/// Parts of a table that is divided.
pub const SHARDS: usize = 8;

/// What a shard must have room for: a table that has not as much for each of [`SHARDS`] is not
/// divided. Below, chance would fill some long before others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Least {
    /// Flows or streams.
    pub(crate) entries: usize,
    /// Octets that wait in streams; and no less than four directions may hold.
    pub(crate) octets: usize,
}

impl Default for Least {
    fn default() -> Least {
        Least {
            entries: 1024,
            octets: 4 << 20,
        }
    }
}

impl Least {
    /// Shards of a table of so many entries.
    pub(crate) fn shards_of(self, entries: usize) -> usize {
        if entries / SHARDS < self.entries {
            1
        } else {
            SHARDS
        }
    }

    /// Shards of the streams, and the limits of each.
    pub(crate) fn divide(self, limits: StreamLimits) -> (usize, StreamLimits) {
        let octets = limits.octets / SHARDS;
        let fits = octets >= self.octets && octets / 4 >= limits.octets_per_direction;
        let shards = if fits {
            self.shards_of(limits.streams)
        } else {
            1
        };
        let limits = StreamLimits {
            streams: limits.streams / shards,
            octets: limits.octets / shards,
            ..limits
        };
        (shards, limits)
    }
}

/// Which shards of a table a lane owns: those whose number is that of the lane, modulo the lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// By shard of the key: its place among those owned.
    places: [Option<u8>; SHARDS],
    owned: usize,
}

impl Share {
    /// The share of a lane in a table of so many shards.
    pub(crate) fn new(shards: usize, lane: usize, lanes: usize) -> Share {
        Share {
            places: std::array::from_fn(|shard| {
                let shard = shard % shards;
                (shard % lanes == lane).then_some((shard / lanes) as u8)
            }),
            owned: (lane..shards).step_by(lanes).len(),
        }
    }

    /// How many shards it owns.
    pub(crate) fn len(&self) -> usize {
        self.owned
    }

    /// The place of a key's shard among those it owns, if it does.
    #[inline]
    pub(crate) fn place(&self, shard: u8) -> Option<usize> {
        self.places[usize::from(shard) % SHARDS].map(usize::from)
    }
}

/// The shards that a packet's flows belong to. The same for both directions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlowShards {
    /// By IP addresses and ports, or by MAC addresses.
    pub(crate) connection: u8,
    /// By IP addresses and ports.
    pub(crate) flow: u8,
    pub(crate) link: u8,
    pub(crate) network: u8,
    pub(crate) transport: u8,
}

impl FlowShards {
    #[inline]
    pub(crate) fn of(summary: &PacketSummary) -> FlowShards {
        let layers = &summary.layers;
        let pair = |source, destination| spread(source).wrapping_add(spread(destination));
        let link = summary.link.map_or(0, |e| pair(e.source, e.destination));
        let network = layers.network.map_or(0, |e| {
            pair(fold(e.source.into()), fold(e.destination.into()))
        });
        let ports = |ends: Option<Transport>| {
            ends.map_or(0, |e| pair(e.source.into(), e.destination.into()))
        };
        let flow = network.wrapping_add(ports(layers.transport).rotate_left(32));
        FlowShards {
            // Where there is a network, links do not tell connections apart.
            connection: shard(match layers.network {
                Some(_) => flow,
                None => flow.wrapping_add(link.rotate_left(16)),
            }),
            flow: shard(flow),
            link: shard(link),
            network: shard(network),
            transport: shard(ports(summary.ports)),
        }
    }
}

/// The shard of a stream between two ends, either of which may be first.
#[inline]
pub(crate) fn stream_shard(one: &Endpoint, other: &Endpoint) -> u8 {
    let end = |end: &Endpoint| {
        let address = match end.ip {
            Ip::V4(octets) => u64::from(u32::from_be_bytes(octets)),
            Ip::V6(octets) => fold(u128::from_be_bytes(octets)),
            Ip::Absent => 0,
        };
        spread(spread(address).wrapping_add(end.port.into()))
    };
    shard(end(one).wrapping_add(end(other)))
}

/// An odd number near 2^64 divided by the golden ratio (Knuth, TAOCP volume 3, section 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Multiplicative hashing: every bit of `hash` has its part in the upper ones of the product.
#[inline]
fn shard(hash: u64) -> u8 {
    (hash.wrapping_mul(GOLDEN) >> (u64::BITS - SHARDS.ilog2())) as u8
}

/// Brings the upper bits of the product down, so that sums of two such numbers tell pairs apart.
#[inline]
fn spread(number: u64) -> u64 {
    let product = number.wrapping_mul(GOLDEN);
    product ^ product >> 32
}

#[inline]
fn fold(address: u128) -> u64 {
    (address as u64) ^ ((address >> 64) as u64).rotate_left(32)
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use netcap_dissect::{Application, Ends, IpVersion};
    use netcap_record::Time;

    use super::*;
    use crate::summary::Layers;

    #[test]
    fn every_shard_has_one_owner() {
        for shards in [1, SHARDS] {
            for lanes in 1..=SHARDS {
                let shares: Vec<Share> = (0..lanes)
                    .map(|lane| Share::new(shards, lane, lanes))
                    .collect();
                assert_eq!(shares.iter().map(Share::len).sum::<usize>(), shards);
                for shard in 0..SHARDS as u8 {
                    let places: Vec<(usize, usize)> = shares
                        .iter()
                        .filter_map(|share| Some((share.place(shard)?, share.len())))
                        .collect();
                    assert!(matches!(*places, [(place, len)] if place < len));
                }
            }
        }
    }

    #[test]
    fn limits_divide() {
        let least = Least::default();
        assert_eq!(least.shards_of(8191), 1);
        assert_eq!(least.shards_of(8192), 8);
        let limits = StreamLimits::default();
        let (shards, each) = least.divide(limits);
        assert_eq!((shards, each.streams, each.octets), (8, 8192, 8 << 20));
        for small in [
            StreamLimits {
                streams: 8191,
                ..limits
            },
            StreamLimits {
                octets: (32 << 20) - 1,
                ..limits
            },
            StreamLimits {
                octets_per_direction: 3 << 20,
                ..limits
            },
        ] {
            assert_eq!(least.divide(small), (1, small));
        }
    }

    /// Fails unless every shard has its share of so many keys, a tenth more or less.
    fn assert_even(shards: impl Iterator<Item = u8>) {
        let mut counts = [0; SHARDS];
        shards.for_each(|shard| counts[usize::from(shard)] += 1);
        let share = counts.iter().sum::<usize>() / SHARDS;
        let allowed = share * 9 / 10..share * 11 / 10;
        assert!(counts.iter().all(|n| allowed.contains(n)), "{counts:?}");
    }

    #[test]
    fn streams_spread_over_the_shards() {
        let end = |ip: u32, port| Endpoint {
            ip: Ip::V4(ip.to_be_bytes()),
            port,
        };
        let shards = |ips: u32, ports: u16| {
            let ends = (0..ips).flat_map(move |ip| (0..ports).map(move |port| (ip, port)));
            ends.map(move |(ip, port)| {
                let (client, server) = (end(0x0a00_0000 + ip, 1024 + port), end(0xc000_0201, 80));
                let shard = stream_shard(&client, &server);
                assert_eq!(shard, stream_shard(&server, &client));
                shard
            })
        };
        assert_even(shards(1, 60_000));
        assert_even(shards(20_000, 1));
        assert_even(shards(100, 100));
        // All of a network with each other.
        let mesh = (0..250).flat_map(|one| (0..one).map(move |other| (one, other)));
        assert_even(mesh.map(|(one, other)| stream_shard(&end(one, 1), &end(other, 1))));
    }

    #[test]
    fn flows_spread_over_the_shards() {
        let shards = |clients: u32, ports: u16| {
            let ends = (0..clients).flat_map(move |ip| (0..ports).map(move |port| (ip, port)));
            ends.map(|(ip, port)| {
                let ports = Some(Ends {
                    protocol: NonZero::new(6).expect("not zero"),
                    source: 1024 + port,
                    destination: 443,
                });
                let network = Some(Ends {
                    protocol: IpVersion::V4,
                    source: (0x0a00_0000 + ip).into(),
                    destination: 0xc000_0201_u32.into(),
                });
                FlowShards::of(&PacketSummary {
                    time: Time::default(),
                    octets: 0,
                    captured: 0,
                    layers: Layers {
                        network,
                        transport: ports,
                        ..Layers::default()
                    },
                    link: None,
                    ports,
                    application: Application::NONE,
                    application_octets: 0,
                    piece: None,
                })
            })
        };
        assert_even(shards(1, 60_000).map(|shards| shards.flow));
        assert_even(shards(100, 100).map(|shards| shards.flow));
        assert_even(shards(100, 100).map(|shards| shards.connection));
        assert_even(shards(20_000, 1).map(|shards| shards.network));
        assert_even(shards(1, 60_000).map(|shards| shards.transport));
    }
}
