//! The two sides of packets, joined: sent by one agent, received by another.
//!
//! ```text
//! event.rs     what messages of agents mean here: packets as far as they are looked at (sighting.rs)
//! waiting.rs   equal packets, wherever they were seen, until nothing more can come
//! matching.rs  which of those received is which of those sent
//! settle.rs    the outcome of packets that nothing still to come can change
//! member.rs    an agent: how far it is, where its records have gaps (timeline.rs), and what it received of which
//!              nobody knows who sent it (strangers.rs)
//! pairs.rs     flows from one agent to another (pair.rs), with their delays (delays.rs)
//! flows.rs     what views see of them
//! ```
//!
//! A packet sent that another agent does not receive within the window is lost, if the agent's records are
//! whole there; else its fate is unknown. Time is what agents say, never ours: a packet is settled when all
//! agents that are there have come so far, and so the result is the same in whatever order their messages
//! come, as long as they come within half a minute.
//!
//! Guarantees: bounded, with counts of what found no room; the cost of a packet does not grow with those that
//! wait; an agent with a wrong clock spoils only what it takes part in.

mod delays;
mod event;
mod flows;
mod matching;
mod member;
mod pair;
mod pairs;
mod settle;
mod sighting;
mod strangers;
mod timeline;
mod waiting;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

pub(crate) use self::event::Events;
use self::event::{Event, Scope};
use self::matching::same;
use self::member::Member;
pub use self::member::MemberCounts;
use self::pair::Fate;
use self::pairs::Pairs;
use self::settle::shorten;
use self::sighting::{Flow, Sighting, Unfit};
use self::timeline::Presence;
use self::waiting::{Added, Waiting, by_agent, of_agent};

/// Packets that wait at most: some 370 MB. With the usual window they are those of 300,000 a second.
const MOST_WAITING: usize = 1 << 21;
/// Pairs that are known at most: some 30 MB, and up to 300 MB with the most varied delays.
const MOST_PAIRS: usize = 1 << 14;
/// Agents tell of drops each second; so much longer is waited for what they say of a time.
const GRACE: i64 = 1_500_000_000;
/// Seconds, by our clock, that a packet waits for agents to come so far. Who has not is not waited for any
/// more until it has: its clock is behind those of others.
const PATIENCE: u32 = 30;
/// So much later than the limit what was sent before it is settled: the delay of a packet.
const LATE: i64 = 500_000_000;
/// Packets after which it is looked for what can be settled.
const SWEEP: usize = 8192;
/// Packets that are settled at a time at most, so that nobody waits long for the lock: more than come meanwhile.
const SETTLED: usize = 2 * SWEEP;
/// Packets that make room at a time.
const ROOM: usize = 256;

/// How the join works.
#[derive(Clone, Debug)]
pub struct JoinOptions {
    /// How long a packet may take, by the clocks of both agents, whichever is ahead.
    pub window: Duration,
    /// The outcome of packets is kept by seconds, too, until it is asked for.
    pub by_second: bool,
    /// Of each agent whether it speaks the extended stream, so that its packets can be joined.
    pub joined: Vec<bool>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Join {
    window: i64,
    members: Vec<Member>,
    owners: HashMap<IpAddr, Option<u16>>,
    waiting: Waiting,
    pairs: Pairs,
    /// Packets since it was last looked for what can be settled.
    added: usize,
    /// What was sent before this time is settled, mostly.
    settled: i64,
    most_waiting: usize,
}

impl Join {
    pub(crate) fn new(options: &JoinOptions) -> Join {
        let member = |is_joined: &bool| Member {
            is_joined: *is_joined,
            ..Member::default()
        };
        Join {
            window: i64::try_from(options.window.as_nanos()).unwrap_or(i64::MAX),
            members: options.joined.iter().map(member).collect(),
            owners: HashMap::new(),
            waiting: Waiting::new(options.joined.len()),
            pairs: Pairs::new(MOST_PAIRS, options.joined.len(), options.by_second),
            added: 0,
            settled: i64::MIN,
            most_waiting: MOST_WAITING,
        }
    }

    /// Takes what an agent has said. Here as below, now is a number of seconds by our clock.
    pub(crate) fn heard(&mut self, agent: usize, events: Events, now: u32) {
        if agent >= self.members.len() {
            return;
        }
        for event in events.0 {
            let member = &mut self.members[agent];
            match event {
                Event::Agent {
                    addresses,
                    scope,
                    ports,
                } => {
                    member.timeline.presence = Presence::Here;
                    member.scope = scope;
                    member.own_ports = ports;
                    if member.addresses != addresses {
                        member.addresses = addresses;
                        self.find_owners();
                    }
                }
                Event::Missing => member.timeline.interrupted(),
                Event::Seen(sighting) => {
                    member.timeline.packet(sighting.time);
                    self.see(agent, &sighting, now);
                }
                Event::Unfit(time, unfit, flow) => {
                    member.timeline.packet(time);
                    member.counts.unfit += 1;
                    let is_received = match unfit {
                        Unfit::Uncovered { is_sent } => !is_sent,
                        Unfit::Directionless => member.addresses.contains(&flow.destination),
                    };
                    // It may be one that is missing.
                    if is_received {
                        member.strangers.add(&flow, 1, false);
                    }
                }
                Event::Status(time, has_dropped) => {
                    member.timeline.status(time, has_dropped);
                }
                Event::End => member.timeline.presence = Presence::Away,
            }
        }
        if self.added >= SWEEP {
            self.sweep(now);
        }
    }

    /// An agent is not there any more, or was not there at the first attempt.
    pub(crate) fn gone(&mut self, agent: usize) {
        if let Some(member) = self.members.get_mut(agent) {
            member.timeline.presence = Presence::Away;
            member.timeline.interrupted();
        }
    }

    /// Who has which address; nobody if several have it, as that of a loopback.
    fn find_owners(&mut self) {
        self.owners.clear();
        for (agent, member) in self.members.iter().enumerate() {
            for address in &member.addresses {
                let owner = Some(agent as u16);
                let known = self.owners.entry(*address).or_insert(owner);
                *known = known.filter(|known| Some(*known) == owner && !address.is_loopback());
            }
        }
    }

    fn see(&mut self, agent: usize, sighting: &Sighting, now: u32) {
        self.added += 1;
        if self.waiting.len() >= self.most_waiting {
            self.make_room(now);
        }
        let own = agent as u16;
        let entry = match self.waiting.add(own, sighting, now) {
            Added::New(entry) => entry,
            Added::Known => return,
            Added::TooMany => {
                self.members[agent].counts.repeated += 1;
                return;
            }
        };
        let flow = Flow::of(&entry.key, entry.label);
        let (received, sent) = entry.sides();
        let (all_sent, others) = (sent, if sighting.is_sent { received } else { sent });
        if sighting.is_sent && !of_agent(received, own).is_empty() {
            for (sender, _) in by_agent(sent) {
                self.pairs.relayed(&flow, sender, own);
            }
        }
        for (other, ends) in by_agent(others).filter(|(other, _)| *other != own) {
            let (sender, receiver, sent, received) = match sighting.is_sent {
                true => (own, other, of_agent(sent, own), ends),
                false => (other, own, ends, of_agent(received, own)),
            };
            // Only the one that has just come is new; it is the last of its side.
            let Some((place, behind)) = same(sent, received, self.window).last().copied() else {
                continue;
            };
            let is_new = match sighting.is_sent {
                true => place + 1 == sent.len(),
                false => behind + 1 == received.len(),
            };
            if is_new {
                let time = sent[place].time;
                let pair = self.pairs.open(&flow, sender, receiver, time);
                if !of_agent(all_sent, receiver).is_empty() {
                    self.pairs.passes_on(pair);
                }
                self.pairs.count(pair, time, Fate::Received);
            }
        }
    }

    /// Settles what waits for nothing any more.
    pub(crate) fn sweep(&mut self, now: u32) {
        self.added = 0;
        let time = self.progress();
        let limit = time.saturating_sub(self.window).saturating_sub(GRACE);
        let (mut overdue, mut left) = (None, SETTLED);
        for agent in 0..self.members.len() {
            while let Some(turn) = self.waiting.next(agent).copied() {
                let has_come = turn.due < limit;
                if left == 0 || !has_come && turn.arrived.saturating_add(PATIENCE) >= now {
                    break;
                }
                left -= 1;
                let Some(mut entry) = self.waiting.take(agent) else {
                    break;
                };
                if !has_come {
                    overdue = overdue.max(Some(turn.due));
                }
                if !has_come || entry.newest() < limit {
                    self.settle(&entry, i64::MAX, false);
                } else {
                    // Others that are equal have come since.
                    self.settle(&entry, limit, false);
                    shorten(&mut entry, limit, self.window);
                    self.waiting.put_back(agent, entry, now);
                }
            }
        }
        if left > 0 {
            self.settled = limit;
        }
        if let Some(due) = overdue {
            let due = due.saturating_add(self.window).saturating_add(GRACE);
            for member in &mut self.members {
                let progress = member.timeline.progress();
                member.is_late |= progress.is_none_or(|time| time <= due);
            }
        }
    }

    /// Whether all agents tell of what they send alone, or all of what they receive, so that no packet is seen
    /// at both ends.
    pub(crate) fn is_one_sided(&self) -> bool {
        [Scope::Sent, Scope::Received].into_iter().any(|side| {
            let mut joined = self.members.iter().filter(|member| member.is_joined);
            joined.all(|member| member.scope == side)
        })
    }

    /// Settles everything, as nothing more comes.
    pub(crate) fn finish(&mut self) {
        for agent in 0..self.members.len() {
            while let Some(entry) = self.waiting.take(agent) {
                self.settle(&entry, i64::MAX, false);
            }
        }
    }

    /// How far all are that are waited for; who is late is not, unless all are.
    fn progress(&mut self) -> i64 {
        let progress = |member: &Member| member.timeline.progress().unwrap_or(i64::MIN);
        let present = self.members.iter().filter(|member| member.is_present());
        let awaited = present.clone().filter(|member| !member.is_late);
        let least = awaited.map(progress).min();
        let least = least.or_else(|| present.map(progress).min());
        let least = least.unwrap_or(i64::MAX);
        for member in &mut self.members {
            member.is_late &= progress(member) < least;
        }
        least
    }

    /// Settles what waits for longest of the agent that has most.
    fn make_room(&mut self, now: u32) {
        self.sweep(now);
        let fullest = self.waiting.fullest();
        let least = self.most_waiting.saturating_sub(ROOM);
        while self.waiting.len() > least {
            let Some(entry) = self.waiting.take(fullest) else {
                return;
            };
            self.settle(&entry, i64::MAX, true);
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
