//! The packets of a batch by the flows that they belong to: what a worker can count without state.
//!
//! Packets between the same link, network and transport addresses, in one direction, are one group:
//! whatever flow one of them belongs to, all do. So trackers look a flow up once for a group and not
//! once for a packet. What each packet was is kept too, for the batches in which the order of
//! packets matters.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use netcap_dissect::Application;
use netcap_record::Time;

use crate::summary::PacketSummary;

/// Packets of a batch that belong to the same flows.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Of the first of them.
    pub(crate) summary: PacketSummary,
    /// Place of the first in the batch.
    pub(crate) first: u32,
    pub(crate) packets: u64,
    pub(crate) octets: u64,
    pub(crate) earliest: Time,
    pub(crate) latest: Time,
}

/// A packet: what it does not share with its group.
#[derive(Clone, Copy, Debug)]
struct Step {
    group: u32,
    time: Time,
    octets: u32,
    application: Application,
    application_octets: u32,
}

/// The packets of a batch.
#[derive(Debug, Default)]
pub struct Groups {
    pub(crate) groups: Vec<Group>,
    steps: Vec<Step>,
    /// The latest time up to each packet.
    clocks: Vec<Time>,
    earliest: Time,
    index: HashTable<u32>,
    hasher: RandomState,
}

impl Groups {
    /// Forgets the packets and keeps the memory.
    pub fn clear(&mut self) {
        self.groups.clear();
        self.steps.clear();
        self.clocks.clear();
        self.index.clear();
    }

    /// Takes the next packet of the batch.
    #[inline]
    pub fn add(&mut self, summary: PacketSummary) {
        let (time, octets) = (summary.time, summary.octets);
        let (application, application_octets) = (summary.application, summary.application_octets);
        match self.clocks.last() {
            Some(clock) => {
                self.clocks.push(time.max(*clock));
                self.earliest = self.earliest.min(time);
            }
            None => {
                self.clocks.push(time);
                self.earliest = time;
            }
        }
        let group = self.group_of(summary);
        let entry = &mut self.groups[group as usize];
        entry.packets += 1;
        entry.octets += u64::from(octets);
        entry.earliest = entry.earliest.min(time);
        entry.latest = entry.latest.max(time);
        self.steps.push(Step {
            group,
            time,
            octets,
            application,
            application_octets,
        });
    }

    #[inline]
    fn group_of(&mut self, summary: PacketSummary) -> u32 {
        let key = summary.layers;
        // The ports of a fragment are known later, so it is a group of its own.
        let alone = summary.piece.is_some();
        let hash = self.hasher.hash_one(key);
        let groups = &self.groups;
        let found = self
            .index
            .find(hash, |group| groups[*group as usize].summary.layers == key);
        if let Some(group) = found
            && !alone
        {
            return *group;
        }
        let group = self.groups.len() as u32;
        self.groups.push(Group {
            first: self.steps.len() as u32,
            packets: 0,
            octets: 0,
            earliest: summary.time,
            latest: summary.time,
            summary,
        });
        if !alone {
            let (groups, hasher) = (&self.groups, &self.hasher);
            let rehash = |group: &u32| hasher.hash_one(groups[*group as usize].summary.layers);
            self.index.insert_unique(hash, group, rehash);
        }
        group
    }

    /// How many packets there are.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The packets one by one.
    pub(crate) fn packets(&self) -> impl Iterator<Item = PacketSummary> {
        self.steps.iter().map(|step| PacketSummary {
            time: step.time,
            octets: step.octets,
            application: step.application,
            application_octets: step.application_octets,
            ..self.groups[step.group as usize].summary.clone()
        })
    }

    /// Whether no packet is later than another by more than so many seconds; 0 stands for any.
    pub(crate) fn are_within(&self, seconds: u32) -> bool {
        seconds == 0 || self.latest().before(seconds) <= self.earliest
    }

    /// The latest time.
    pub(crate) fn latest(&self) -> Time {
        self.clocks.last().copied().unwrap_or_default()
    }

    /// The latest time up to the first packet of a group.
    pub(crate) fn clock(&self, group: &Group) -> Time {
        self.clocks[group.first as usize]
    }

    /// Place of the first packet whose time is more than so many seconds after `last`.
    pub(crate) fn first_after(&self, last: Time, seconds: u32) -> usize {
        self.clocks
            .partition_point(|clock| clock.before(seconds) <= last)
    }
}
