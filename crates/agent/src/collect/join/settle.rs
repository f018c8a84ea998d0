//! The outcome of packets, once nothing that is still to come can change it.

use std::net::{IpAddr, Ipv4Addr};

use smallvec::SmallVec;

use super::Join;
use super::matching::{Same, same};
use super::member::Member;
use super::pair::Fate;
use super::sighting::Flow;
use super::waiting::{End, Entry, by_agent, of_agent};

/// Octets of the least pieces that interfaces make packets of, or put together.
const LEAST_PIECE: u64 = 64;
/// IP protocol number of TCP.
const TCP: u8 = 6;

impl Join {
    /// Counts the outcome of equal packets that were seen before a time. With `is_early` others may still come.
    pub(super) fn settle(&mut self, entry: &Entry, limit: i64, is_early: bool) {
        let flow = Flow::of(&entry.key, entry.label);
        let (received, sent) = entry.sides();
        let is_due = |end: &&End| !end.is_settled && end.time < limit;
        for (sender, sent) in by_agent(sent) {
            if !sent.iter().any(|end| is_due(&end)) {
                continue;
            }
            self.expect(&flow, sender, sent, received);
            let pairs: SmallVec<[(u16, usize); 4]> = self.pairs.of(&flow, sender).collect();
            for (receiver, pair) in pairs {
                let came = Came {
                    here: of_agent(received, receiver),
                    elsewhere: received.iter().any(|end| end.agent != receiver),
                    is_uncut: entry.is_uncut,
                };
                self.settle_sent(pair, sent, &came, limit, is_early);
            }
        }
        for (receiver, received) in by_agent(received) {
            let unknown = self.settle_received(&flow, receiver, received, sent, limit);
            let weight = match entry.is_uncut {
                true => 1 + u64::from(entry.key.length) / LEAST_PIECE,
                false => 1,
            };
            let member = &mut self.members[usize::from(receiver)];
            if unknown > 0 {
                member
                    .strangers
                    .add(&flow, unknown * weight, entry.is_uncut);
            }
            match is_early {
                true => member.counts.crowded_out += unknown,
                false => member.counts.unsent += unknown,
            }
        }
    }

    /// Counts the packets that an agent received once more; gives how many nobody is known to have sent.
    fn settle_received(
        &mut self,
        flow: &Flow,
        receiver: u16,
        received: &[End],
        sent: &[End],
        limit: i64,
    ) -> u64 {
        let senders: SmallVec<[(u16, &[End], Same); 2]> = by_agent(sent)
            .filter(|(sender, _)| *sender != receiver)
            .map(|(sender, sent)| (sender, sent, same(sent, received, self.window)))
            .collect();
        let mut unknown = 0;
        for (place, end) in received.iter().enumerate() {
            let is_first = |(_, _, same): &(u16, &[End], Same)| {
                let found = same.binary_search_by_key(&place, |(_, other)| *other);
                found.is_ok()
            };
            if end.is_settled || end.time >= limit || senders.iter().any(is_first) {
                continue;
            }
            let mut is_known = false;
            for (sender, sent, same) in &senders {
                if let Some(time) = again(sent, same, end, self.window) {
                    is_known = true;
                    let pair = self.pairs.open(flow, *sender, receiver, time);
                    self.pairs.count(pair, time, Fate::Duplicated);
                }
            }
            unknown += u64::from(!is_known);
        }
        unknown
    }

    /// A flow to an address of an agent that tells of everything which comes there is known before any of it
    /// arrives.
    fn expect(&mut self, flow: &Flow, sender: u16, sent: &[End], received: &[End]) {
        let owner = self.owners.get(&flow.destination).copied().flatten();
        let Some(receiver) = owner.filter(|owner| *owner != sender) else {
            return;
        };
        let same = same(sent, of_agent(received, receiver), self.window);
        if same.len() == sent.len() {
            return;
        }
        let member = &self.members[usize::from(receiver)];
        let port = flow.label.ports.map(|(_, port)| port);
        let is_own = port.is_some_and(|port| member.own_ports.contains(&port));
        let is_own = is_own && flow.protocol == TCP;
        if let Some(start) = member.timeline.start()
            && member.scope.has_all_received()
            && !is_own
            && sent.iter().any(|end| end.time >= start)
        {
            self.pairs.open(flow, sender, receiver, start);
        }
    }

    /// Whether packets to an address are for an agent, so that those which it does not get are lost: a bridge that
    /// floods, and the air, bring it others, too. They are if not all its addresses are known.
    fn is_meant(&self, receiver: &Member, destination: &IpAddr) -> bool {
        let mut own = receiver.addresses.iter();
        let is_all = |own: &IpAddr| match (destination, own) {
            (IpAddr::V4(all), IpAddr::V4(own)) => is_broadcast(*all, *own),
            _ => false,
        };
        destination.is_multicast()
            || *destination == IpAddr::V4(Ipv4Addr::BROADCAST)
            || own.clone().all(IpAddr::is_loopback)
            || receiver.addresses.contains(destination)
            || !self.owners.contains_key(destination) && own.any(is_all)
    }

    /// Counts which of the packets sent were not received by an agent, and the delays of the others.
    fn settle_sent(
        &mut self,
        place: usize,
        sent: &[End],
        came: &Came<'_>,
        limit: i64,
        is_early: bool,
    ) {
        let pair = &self.pairs.all()[place];
        let receiver = usize::from(pair.receiver);
        // Whoever passes packets on has lost none that took another way.
        let is_meant = self.is_meant(&self.members[receiver], &pair.flow.destination)
            || pair.passes_on && !came.elsewhere;
        let is_full = sent.iter().chain(came.here).any(|end| end.is_full);
        let is_unknown = is_early || is_full || came.is_uncut || !is_meant;
        let same = same(sent, came.here, self.window);
        let (since, most) = (pair.since, pair.delays.most().unwrap_or(0));
        for (number, end) in sent.iter().enumerate() {
            if end.is_settled || end.time >= limit || end.time < since {
                continue;
            }
            if let Ok(found) = same.binary_search_by_key(&number, |(one, _)| *one) {
                let (_, other) = same[found];
                let delay = is_clear(sent, number, came.here, other, self.window)
                    .then(|| came.here[other].time.saturating_sub(end.time));
                self.pairs.settled(place, end.time, delay);
                continue;
            }
            let timeline = &self.members[receiver].timeline;
            let is_lost = !is_unknown && timeline.covers(end.time, self.window, most);
            let fate = if is_lost { Fate::Lost } else { Fate::Unknown };
            self.pairs.count(place, end.time, fate);
            if came.is_uncut {
                self.pairs.uncut(place);
            }
        }
    }
}

/// Packets received that are equal to one sent: by the agent in question, and whether another has some.
struct Came<'a> {
    here: &'a [End],
    elsewhere: bool,
    /// An interface has yet to cut them.
    is_uncut: bool,
}

/// Whether a packet received can be no other than one sent: no equal one was sent, nor received before, within the
/// window.
fn is_clear(sent: &[End], one: usize, received: &[End], other: usize, window: i64) -> bool {
    let is_near = |end: &End, time: i64| end.time.abs_diff(time) <= window.unsigned_abs();
    let before = |ends: &[End], place: usize, time| {
        let before = place.checked_sub(1).and_then(|place| ends.get(place));
        before.is_some_and(|end| is_near(end, time) && end.hops_left <= sent[one].hops_left)
    };
    let time = sent[one].time;
    !before(sent, one, time)
        && !sent.get(one + 1).is_some_and(|end| is_near(end, time))
        && !before(received, other, received[other].time)
}

/// Whether an IPv4 address is that of all hosts of a network in which another is, whatever the length of its prefix:
/// the two differ only where all bits of the first are ones to its end.
fn is_broadcast(all: Ipv4Addr, own: Ipv4Addr) -> bool {
    let (all, own) = (all.to_bits(), own.to_bits());
    // Networks of fewer than four addresses have none (RFC 3021).
    let ones = all.trailing_ones();
    ones >= 2 && (all ^ own).checked_shr(ones).unwrap_or(0) == 0
}

/// Whether a packet received is the same as one sent that was received before; gives the time of that.
fn again(sent: &[End], same: &Same, end: &End, window: i64) -> Option<i64> {
    let sent = same.iter().map(|(one, _)| sent[*one].time);
    sent.rev()
        .find(|time| end.time.saturating_sub(*time).unsigned_abs() <= window.unsigned_abs())
}

/// Marks what is settled before a time, and removes what nothing more can be the same as.
pub(super) fn shorten(entry: &mut Entry, limit: i64, window: i64) {
    for end in &mut entry.ends {
        end.is_settled |= end.time < limit;
    }
    let first = limit.saturating_sub(window);
    let (received, sent) = entry.sides();
    let old = |(_, ends): (u16, &[End])| ends.iter().take_while(|end| end.time < first).count();
    let mut sent_old: Vec<usize> = by_agent(sent).map(old).collect();
    let mut received_old: Vec<usize> = by_agent(received).map(old).collect();
    // Of two that are the same both go, or neither, so that those behind them keep their order.
    let mut is_stable = false;
    while !is_stable {
        is_stable = true;
        for ((sender, sent), sent_old) in by_agent(sent).zip(&mut sent_old) {
            for ((receiver, received), received_old) in by_agent(received).zip(&mut received_old) {
                if sender == receiver {
                    continue;
                }
                for (one, other) in same(sent, received, window) {
                    if (one < *sent_old) != (other < *received_old) {
                        *sent_old = (*sent_old).min(one);
                        *received_old = (*received_old).min(other);
                        is_stable = false;
                    }
                }
            }
        }
    }
    let kept = |side: &[End], old: &[usize]| -> Vec<End> {
        let ends = by_agent(side).zip(old);
        ends.flat_map(|((_, ends), old)| ends[*old..].to_vec())
            .collect()
    };
    let mut ends = kept(received, &received_old);
    ends.extend(kept(sent, &sent_old));
    entry.ends = ends.into();
}
