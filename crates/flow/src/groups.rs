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

use crate::counts::Counts;
use crate::shard::FlowShards;
use crate::summary::PacketSummary;

/// Packets of a batch that belong to the same flows.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Of the first of them, with what is known of the application from all.
    pub(crate) summary: PacketSummary,
    /// The first of the steps.
    first: u32,
    pub(crate) counts: Counts,
}

/// A packet: what it does not share with its group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    group: u32,
    /// Place of the packet in its batch.
    pub(crate) place: u32,
    pub(crate) time: Time,
    octets: u32,
    captured: u32,
    application: Application,
    application_octets: u32,
}

/// The packets of a batch.
#[derive(Debug, Default)]
pub struct Groups {
    groups: Vec<Group>,
    /// The shards of each group.
    shards: Vec<FlowShards>,
    /// The groups that are fragments.
    pieces: Vec<u32>,
    steps: Vec<Step>,
    earliest: Time,
    latest: Time,
    index: HashTable<u32>,
    hasher: RandomState,
}

impl Groups {
    /// Forgets the packets and keeps the memory.
    pub fn clear(&mut self) {
        self.groups.clear();
        self.shards.clear();
        self.pieces.clear();
        self.steps.clear();
        self.index.clear();
    }

    /// Takes the next packet, at this place of the batch.
    #[inline]
    pub fn add(&mut self, place: u32, summary: PacketSummary) {
        let counted = Counts::packet(&summary);
        let mut step = Step {
            group: 0,
            place,
            time: summary.time,
            octets: summary.octets,
            captured: summary.captured,
            application: summary.application,
            application_octets: summary.application_octets,
        };
        if self.steps.is_empty() {
            (self.earliest, self.latest) = (step.time, step.time);
        }
        self.earliest = self.earliest.min(step.time);
        self.latest = self.latest.max(step.time);
        step.group = self.group_of(summary);
        let group = &mut self.groups[step.group as usize];
        group.counts.merge(&counted);
        group.summary.application = group.summary.application.or(step.application);
        self.steps.push(step);
    }

    #[inline]
    fn group_of(&mut self, summary: PacketSummary) -> u32 {
        let key = summary.flows();
        // The ports of a fragment are known later, so it is a group of its own.
        let alone = summary.piece.is_some();
        let hash = self.hasher.hash_one(&key);
        let groups = &self.groups;
        let found = self
            .index
            .find(hash, |group| groups[*group as usize].summary.flows() == key);
        if let Some(group) = found
            && !alone
        {
            return *group;
        }
        let group = self.groups.len() as u32;
        self.shards.push(FlowShards::of(&summary));
        self.groups.push(Group {
            first: self.steps.len() as u32,
            counts: Counts::default(),
            summary,
        });
        if alone {
            self.pieces.push(group);
        } else {
            let (groups, hasher) = (&self.groups, &self.hasher);
            let rehash = |group: &u32| hasher.hash_one(groups[*group as usize].summary.flows());
            self.index.insert_unique(hash, group, rehash);
        }
        group
    }

    /// Whether there is no packet.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The groups, each with its shards.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Group, &FlowShards)> {
        self.groups.iter().zip(&self.shards)
    }

    /// Whether some of the packets are fragments.
    pub(crate) fn has_pieces(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// Takes all packets anew, with others in the place of those at their places, which are fragments
    /// or hold some.
    pub(crate) fn amend(&mut self, amended: &Groups) {
        let packets: Vec<(u32, PacketSummary)> = self
            .steps
            .iter()
            .map(|step| {
                let summary = match amended.find(step.place) {
                    Some(place) => amended.packet(&amended.steps[place]),
                    None => self.packet(step),
                };
                (step.place, summary)
            })
            .collect();
        self.clear();
        for (place, summary) in packets {
            self.add(place, summary);
        }
    }

    /// Which of the steps is the packet at a place of the batch.
    fn find(&self, place: u32) -> Option<usize> {
        let found = self.steps.binary_search_by_key(&place, |step| step.place);
        found.ok()
    }

    /// Gives `complete` the fragments. It may change the layers that they are keyed by.
    pub(crate) fn complete(&mut self, mut complete: impl FnMut(&mut PacketSummary)) {
        for group in &self.pieces {
            let summary = &mut self.groups[*group as usize].summary;
            complete(summary);
            self.shards[*group as usize] = FlowShards::of(summary);
        }
    }

    /// The packets one by one.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The shards of a packet.
    pub(crate) fn shards(&self, step: &Step) -> &FlowShards {
        &self.shards[step.group as usize]
    }

    /// All that is known of a packet.
    pub(crate) fn packet(&self, step: &Step) -> PacketSummary {
        PacketSummary {
            time: step.time,
            octets: step.octets,
            captured: step.captured,
            application: step.application,
            application_octets: step.application_octets,
            ..self.groups[step.group as usize].summary.clone()
        }
    }

    /// Whether no packet is later than another by more than so many seconds; 0 stands for any.
    pub(crate) fn are_within(&self, seconds: u32) -> bool {
        seconds == 0 || self.latest.before(seconds) <= self.earliest
    }

    /// The earliest time.
    pub(crate) fn earliest(&self) -> Time {
        self.earliest
    }

    /// Place and time of the first packet of a group.
    pub(crate) fn opening(&self, group: &Group) -> (u32, Time) {
        let step = &self.steps[group.first as usize];
        (step.place, step.time)
    }

    /// Place of the first packet at or behind another place, if there is one.
    pub(crate) fn first_from(&self, place: u32) -> Option<u32> {
        let first = self.steps.partition_point(|step| step.place < place);
        self.steps.get(first).map(|step| step.place)
    }

    /// Place of the last packet.
    pub(crate) fn last(&self) -> Option<u32> {
        self.steps.last().map(|step| step.place)
    }
}
