//! What became of every packet: plain counters, added up in capture order.

use std::collections::BTreeMap;

use netcap_capture::Origin;
use netcap_dissect::{Fate, Malformed, Reason, Selector};
use netcap_flow::{FragmentLedger, StreamLedger};

use crate::BodyLedger;

/// The account of a run. Every packet read has exactly one fate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Packets read.
    pub packets: u64,
    /// Captured octets of these packets.
    pub octets: u64,
    /// Packets whose every layer was understood.
    pub decoded: u64,
    /// Packets with an inner protocol that nobody knows, by the number that names it.
    pub unknown: BTreeMap<Selector, u64>,
    /// Packets that contradict a protocol, by protocol and reason.
    pub malformed: BTreeMap<(&'static str, Reason), u64>,
    /// Packets that the capture cut inside a header, by protocol and reason.
    pub cut_short: BTreeMap<(&'static str, Reason), u64>,
    /// Packets with a link type that nobody knows, by its number.
    pub unsupported_link: BTreeMap<u32, u64>,
    /// Packets that a filter kept out.
    pub filtered: u64,
    /// Records written.
    pub records: u64,
    /// Flows closed early for want of room, over all flow models.
    pub flows_evicted: u64,
    /// What became of the TCP segments among the packets.
    pub streams: StreamLedger,
    /// What became of the bodies of responses, where they are kept.
    pub bodies: BodyLedger,
    /// What became of the fragments among the packets.
    pub fragments: FragmentLedger,
    /// Where the packets came from, and what was lost there; of files nothing is told.
    pub origins: Vec<Origin>,
}

impl Ledger {
    /// Counts a packet.
    #[inline]
    pub fn count(&mut self, octets: usize, fate: &Fate) {
        self.packets += 1;
        self.octets += octets as u64;
        let key = |m: &Malformed| (m.protocol, m.reason);
        match fate {
            Fate::Decoded => self.decoded += 1,
            Fate::Unknown(selector) => *self.unknown.entry(*selector).or_default() += 1,
            Fate::Malformed(m) => *self.malformed.entry(key(m)).or_default() += 1,
            Fate::CutShort(m) => *self.cut_short.entry(key(m)).or_default() += 1,
            Fate::UnsupportedLink(n) => *self.unsupported_link.entry(*n).or_default() += 1,
        }
    }

    /// Takes back that a packet was counted.
    pub(crate) fn uncount(&mut self, octets: usize, fate: &Fate) {
        fn take<K: Ord>(from: &mut BTreeMap<K, u64>, key: &K) {
            if let Some(n) = from.get_mut(key) {
                *n -= 1;
                if *n == 0 {
                    from.remove(key);
                }
            }
        }
        self.packets -= 1;
        self.octets -= octets as u64;
        match fate {
            Fate::Decoded => self.decoded -= 1,
            Fate::Unknown(selector) => take(&mut self.unknown, selector),
            Fate::Malformed(m) => take(&mut self.malformed, &(m.protocol, m.reason)),
            Fate::CutShort(m) => take(&mut self.cut_short, &(m.protocol, m.reason)),
            Fate::UnsupportedLink(n) => take(&mut self.unsupported_link, n),
        }
    }

    /// Counts a packet that a filter kept out.
    #[inline]
    pub fn count_filtered(&mut self, octets: usize) {
        self.packets += 1;
        self.octets += octets as u64;
        self.filtered += 1;
    }

    /// Adds the account of some other packets. Fragments are counted by their owner.
    pub fn add(&mut self, other: &Ledger) {
        fn add<K: Copy + Ord>(to: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
            for (key, n) in from {
                *to.entry(*key).or_default() += n;
            }
        }
        self.packets += other.packets;
        self.octets += other.octets;
        self.decoded += other.decoded;
        self.filtered += other.filtered;
        self.records += other.records;
        add(&mut self.unknown, &other.unknown);
        add(&mut self.malformed, &other.malformed);
        add(&mut self.cut_short, &other.cut_short);
        add(&mut self.unsupported_link, &other.unsupported_link);
    }

    /// Packets that were lost where they come from. They are not among the packets read.
    pub fn lost(&self) -> u64 {
        self.origins.iter().map(|origin| origin.lost).sum()
    }

    /// Whether the fates add up to the packets read; anything else is a bug.
    pub fn balances(&self) -> bool {
        let fates = self.decoded
            + self.filtered
            + self.unknown.values().sum::<u64>()
            + self.malformed.values().sum::<u64>()
            + self.cut_short.values().sum::<u64>()
            + self.unsupported_link.values().sum::<u64>();
        fates == self.packets
    }

    /// The errors of `errors.log` with their counts.
    pub(crate) fn errors(&self) -> impl Iterator<Item = (String, u64)> {
        let malformed = self
            .malformed
            .iter()
            .map(|((protocol, reason), n)| (format!("{protocol} {}", reason.name()), *n));
        let cut = self.cut_short.iter().map(|((protocol, reason), n)| {
            (format!("{protocol} {} by the capture", reason.name()), *n)
        });
        malformed.chain(cut)
    }

    /// The closing lines of `errors.log`: the errors beyond those `told` before, which it adds.
    pub(crate) fn write_news(&self, told: &mut BTreeMap<String, u64>, text: &mut Vec<u8>) {
        for (name, count) in self.errors() {
            let before = told.get(&name).copied().unwrap_or_default();
            if count > before {
                text.extend_from_slice(format!("{name}: {}\n", count - before).as_bytes());
                told.insert(name, count);
            }
        }
    }
}
