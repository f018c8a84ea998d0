//! Synthetic traffic of an office network, endless and determined by a profile and a seed.
//!
//! A profile keeps a fixed number of conversations open. Each packet is the next step of one of
//! them; one that has nothing more to say makes room for a new one. So memory depends on the
//! profile alone, sequence numbers progress, and conversations interleave as on a real link.
//! Lengths and IPv4 header checksums are right; checksums of TCP, UDP and ICMP are arbitrary, as
//! where a network card computes them after the capture.

mod frame;
mod hostile;
mod hosts;
mod local;
mod random;
mod tcp;
mod udp;

use std::str::FromStr;

use anyhow::{Result, anyhow};

use frame::{Ends, Frame};
use random::Random;

/// The seed when nobody asks for another.
pub(crate) const DEFAULT_SEED: u64 = 1;

/// FNV-1a of the first two megabytes of every profile, in order.
///
/// A test holds it against the generator; names of kept captures contain it.
pub(crate) const FINGERPRINT: u64 = 0x49161452ae31a485;

/// 2024-01-01T00:00:00Z in microseconds.
const START: u64 = 1_704_067_200_000_000;

/// What kind of network the traffic comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Profile {
    /// An enterprise's mix.
    Mixed,
    /// Many small packets: names, terminals, acknowledgements.
    Small,
    /// Downloads and backups.
    Large,
    /// 145,000 flows, all open until the capture ends.
    ManyFlows,
    /// Datagrams in fragments of eight octets, in several orders.
    Fragments8,
    /// Segments cut by the capture over thousands that wait.
    CutSegments,
}

/// What a conversation is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tls,
    Http,
    Shell,
    Bulk,
    Quic,
    Dns,
    Ntp,
    Fragments,
    SmallFragments,
    CutSegments,
    Arp,
    Dhcp,
    Neighbours,
    Mdns,
    Ping,
}

/// The numbers behind a profile.
struct Mix {
    /// Conversations open at the same time.
    open: usize,
    /// Conversations never end.
    endless: bool,
    /// In how many of a hundred cases the conversation of the last packet goes on at once ...
    bursts: u32,
    /// ... and in how many if that packet was part of an answer that isn't over.
    trains: u32,
    /// Mean time between packets, in microseconds.
    gap: u32,
    /// The size of a web server's answers relative to the usual one, in percent.
    answers: u32,
    /// Full segments that a receiver takes before it acknowledges.
    acknowledge_after: u32,
    /// Shares among *new* conversations; their lengths differ, so among packets they are others.
    shares: &'static [(Kind, u32)],
}

const MIXED: Mix = Mix {
    open: 150,
    endless: false,
    bursts: 60,
    trains: 98,
    gap: 400,
    answers: 51,
    acknowledge_after: 2,
    shares: &[
        (Kind::Tls, 330),
        (Kind::Http, 80),
        (Kind::Shell, 76),
        (Kind::Bulk, 3),
        (Kind::Quic, 60),
        (Kind::Dns, 420),
        (Kind::Ntp, 30),
        (Kind::Fragments, 6),
        (Kind::Arp, 70),
        (Kind::Dhcp, 10),
        (Kind::Neighbours, 40),
        (Kind::Mdns, 20),
        (Kind::Ping, 30),
    ],
};

const SMALL: Mix = Mix {
    open: 150,
    endless: false,
    bursts: 30,
    trains: 98,
    gap: 100,
    answers: 5,
    acknowledge_after: 1,
    shares: &[
        (Kind::Tls, 4),
        (Kind::Shell, 330),
        (Kind::Dns, 500),
        (Kind::Ntp, 100),
        (Kind::Arp, 420),
        (Kind::Neighbours, 60),
        (Kind::Ping, 100),
    ],
};

const LARGE: Mix = Mix {
    open: 50,
    endless: false,
    bursts: 60,
    trains: 98,
    gap: 100,
    answers: 800,
    acknowledge_after: 5,
    shares: &[
        (Kind::Tls, 300),
        (Kind::Http, 100),
        (Kind::Bulk, 60),
        (Kind::Quic, 60),
        (Kind::Dns, 200),
        (Kind::Arp, 20),
    ],
};

const MANY_FLOWS: Mix = Mix {
    open: 145_000,
    endless: true,
    bursts: 0,
    trains: 0,
    gap: 50,
    answers: 50,
    acknowledge_after: 2,
    shares: &[(Kind::Tls, 55), (Kind::Http, 25), (Kind::Quic, 20)],
};

/// Four at a time, as one alone hides what costs where several meet.
const FRAGMENTS_8: Mix = Mix {
    open: 4,
    endless: false,
    bursts: 0,
    trains: 0,
    gap: 100,
    answers: 100,
    acknowledge_after: 1,
    shares: &[(Kind::SmallFragments, 1)],
};

const CUT_SEGMENTS: Mix = Mix {
    shares: &[(Kind::CutSegments, 1)],
    ..FRAGMENTS_8
};

impl Profile {
    pub(crate) const ALL: [Self; 6] = [
        Self::Mixed,
        Self::Small,
        Self::Large,
        Self::ManyFlows,
        Self::Fragments8,
        Self::CutSegments,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Small => "small",
            Self::Large => "large",
            Self::ManyFlows => "many-flows",
            Self::Fragments8 => "fragments8",
            Self::CutSegments => "cut-segments",
        }
    }

    fn mix(self) -> &'static Mix {
        match self {
            Self::Mixed => &MIXED,
            Self::Small => &SMALL,
            Self::Large => &LARGE,
            Self::ManyFlows => &MANY_FLOWS,
            Self::Fragments8 => &FRAGMENTS_8,
            Self::CutSegments => &CUT_SEGMENTS,
        }
    }
}

impl FromStr for Profile {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|profile| profile.name() == text);
        known.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            anyhow!("{text:?} is not one of {names}")
        })
    }
}

/// What all conversations share.
struct World {
    random: Random,
    mix: &'static Mix,
    /// Compressible text to cut bodies from.
    text: Vec<u8>,
    /// The time of the packet being made, in microseconds since 1970.
    now: u64,
}

impl World {
    /// Appends `count` octets of text.
    fn write_text(&mut self, out: &mut Vec<u8>, count: usize) {
        let at = self.random.below((self.text.len() - count) as u32) as usize;
        out.extend_from_slice(&self.text[at..at + count]);
    }

    /// The size of an answer: many are small, few are large.
    fn answer_size(&mut self) -> u32 {
        let usual = match self.random.below(10) {
            0..=3 => self.random.between(200, 2_000),
            4..=7 => self.random.between(2_000, 16_000),
            _ => self.random.between(16_000, 80_000),
        };
        (usual * self.mix.answers / 100).max(60)
    }
}

/// Whether a conversation goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    More,
    /// The next packet is likely to follow at once.
    Train,
    Done,
}

/// One conversation: who, and what comes next.
struct Conversation {
    ends: Ends,
    talk: Talk,
}

enum Talk {
    Tcp(tcp::Tcp),
    Udp(udp::Udp),
    Local(local::Local),
    Hostile(hostile::Hostile),
}

impl Conversation {
    /// The `number`th conversation of the capture.
    fn open(world: &mut World, number: u32) -> Self {
        let kind = world.draw_kind();
        let (ends, talk) = match kind {
            Kind::Tls | Kind::Http | Kind::Shell | Kind::Bulk => {
                let server = hosts::draw_server(&mut world.random);
                let ends = hosts::ends(&mut world.random, number, server, tcp::port(kind));
                (ends, Talk::Tcp(tcp::Tcp::new(world, kind, server)))
            }
            Kind::Quic | Kind::Dns | Kind::Ntp | Kind::Fragments => {
                let server = hosts::draw_server(&mut world.random);
                let mut ends = hosts::ends(&mut world.random, number, server, udp::port(kind));
                if kind == Kind::Dns {
                    ends.address[frame::SERVER] = hosts::resolver(ends.address[frame::SERVER]);
                }
                (ends, Talk::Udp(udp::Udp::new(world, kind, server)))
            }
            Kind::SmallFragments | Kind::CutSegments => {
                let server = hosts::draw_server(&mut world.random);
                let ends = hosts::ends(&mut world.random, number, server, 80);
                (ends, Talk::Hostile(hostile::Hostile::new(world, kind)))
            }
            Kind::Arp | Kind::Dhcp | Kind::Neighbours | Kind::Mdns | Kind::Ping => {
                let local = local::Local::new(world, kind);
                (local::ends(world, kind, number), Talk::Local(local))
            }
        };
        Self { ends, talk }
    }

    /// Makes the next packet.
    fn next(&mut self, world: &mut World, frame: &mut Frame) -> Then {
        match &mut self.talk {
            Talk::Tcp(talk) => talk.next(&self.ends, world, frame),
            Talk::Udp(talk) => talk.next(&self.ends, world, frame),
            Talk::Local(talk) => talk.next(&self.ends, world, frame),
            Talk::Hostile(talk) => talk.next(&self.ends, world, frame),
        }
    }
}

impl World {
    fn draw_kind(&mut self) -> Kind {
        let total = self.mix.shares.iter().map(|(_, share)| share).sum();
        let mut drawn = self.random.below(total);
        for &(kind, share) in self.mix.shares {
            match drawn.checked_sub(share) {
                Some(rest) => drawn = rest,
                None => return kind,
            }
        }
        unreachable!("the draw is below the sum of the shares")
    }
}

/// The packets of a capture, one after the other.
pub(crate) struct Traffic {
    world: World,
    conversations: Vec<Conversation>,
    /// The conversation of the last packet, and how it goes on.
    last: usize,
    then: Then,
    /// Conversations opened so far.
    opened: u32,
    frame: Frame,
}

impl Traffic {
    pub(crate) fn new(profile: Profile, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let text = hosts::text(&mut random);
        let world = World {
            random,
            mix: profile.mix(),
            text,
            now: START,
        };
        Self {
            world,
            conversations: Vec::new(),
            last: 0,
            then: Then::More,
            opened: 0,
            frame: Frame::default(),
        }
    }

    /// The next packet: its time in microseconds since 1970, its octets, and how many it had on the
    /// wire.
    pub(crate) fn next_packet(&mut self) -> (u64, &[u8], usize) {
        let random = &mut self.world.random;
        self.world.now += u64::from(random.below(2 * self.world.mix.gap));
        // One segment in 400 is sent twice, as if the acknowledgement had got lost.
        let full_segment = self.frame.octets.len() > 1_400;
        if !(full_segment && random.below(400) == 0) {
            self.make_packet();
        }
        let Frame {
            octets,
            wire_length,
            ..
        } = &self.frame;
        (self.world.now, octets, *wire_length)
    }

    fn make_packet(&mut self) {
        let chosen = self.choose();
        self.last = chosen;
        self.then = self.conversations[chosen].next(&mut self.world, &mut self.frame);
        if self.then == Then::Done {
            self.conversations[chosen] = self.open();
        }
    }

    fn choose(&mut self) -> usize {
        let World { random, mix, .. } = &mut self.world;
        let count = self.conversations.len();
        let goes_on = if self.then == Then::Train {
            mix.trains
        } else {
            mix.bursts
        };
        if count > 0 && random.percent(goes_on) {
            return self.last;
        }
        // Conversations open one by one: hosts do not all wake up at once.
        if count < mix.open && (count == 0 || random.percent(50)) {
            let new = self.open();
            self.conversations.push(new);
            return count;
        }
        random.below(count as u32) as usize
    }

    fn open(&mut self) -> Conversation {
        let number = self.opened;
        self.opened += 1;
        Conversation::open(&mut self.world, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Size;
    use crate::{capture_file, slice_headers};

    fn capture(profile: Profile, size: u64) -> (Vec<u8>, capture_file::Written) {
        let mut out = Vec::new();
        let written = capture_file::write(
            &mut out,
            &mut Traffic::new(profile, DEFAULT_SEED),
            Size(size),
        );
        (out, written.expect("memory takes all"))
    }

    fn fnv1a(hash: u64, octets: &[u8]) -> u64 {
        octets.iter().fold(hash, |hash, octet| {
            (hash ^ u64::from(*octet)).wrapping_mul(0x100_0000_01b3)
        })
    }

    #[test]
    fn same_seed_same_octets() {
        let all = Profile::ALL.map(|profile| capture(profile, 2_000_000).0);
        let hash = all
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, |hash, octets| fnv1a(hash, octets));
        assert_eq!(
            hash, FINGERPRINT,
            "the generator changed: set FINGERPRINT to {hash:#018x}"
        );
    }

    #[test]
    fn a_smaller_capture_is_a_prefix() {
        let (small, large) = (
            capture(Profile::Mixed, 100_000).0,
            capture(Profile::Mixed, 300_000).0,
        );
        assert!(large.starts_with(&small) && small.len() > 98_000);
    }

    #[test]
    fn mean_sizes_are_those_that_results_were_published_for() {
        for (profile, mean) in [
            (Profile::Mixed, 644.0),
            (Profile::Small, 88.0),
            (Profile::Large, 1237.0),
        ] {
            let mut traffic = Traffic::new(profile, DEFAULT_SEED);
            let written =
                capture_file::write(&mut std::io::sink(), &mut traffic, Size(100_000_000));
            let found = written.expect("a sink takes all").mean();
            assert!(
                (found / mean - 1.0).abs() < 0.02,
                "{}: {found:.1} instead of {mean}",
                profile.name()
            );
        }
    }

    #[test]
    fn many_flows_are_145_000_and_stay() {
        let mut traffic = Traffic::new(Profile::ManyFlows, DEFAULT_SEED);
        for _ in 0..400_000 {
            traffic.next_packet();
        }
        assert_eq!(
            (traffic.opened, traffic.conversations.len()),
            (145_000, 145_000)
        );
    }

    #[test]
    fn every_length_is_within_its_packet() {
        for profile in Profile::ALL {
            let (octets, written) = capture(profile, 5_000_000);
            let sum = slice_headers::slice_all(&octets[..]).expect("a capture");
            assert_eq!((sum.packets, sum.octets), (written.packets, written.octets));
            // Of a packet that was cut, the header tells more than there is.
            let is_cut = profile == Profile::CutSegments;
            assert_eq!(sum.damaged > 0, is_cut, "{}", profile.name());
        }
    }
}
