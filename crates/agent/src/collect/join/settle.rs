//! The outcome of packets, once nothing that is still to come can change it.

use smallvec::SmallVec;

use super::Join;
use super::matching::{Same, same};
use super::pair::Fate;
use super::sighting::Flow;
use super::waiting::{End, Entry, by_agent, of_agent};

/// IP protocol number of TCP.
const TCP: u8 = 6;

impl Join {
    /// Counts the outcome of equal packets that were seen before a time. With `is_early` others may still come.
    pub(super) fn settle(&mut self, entry: &Entry, limit: i64, is_early: bool) {
        let flow = Flow::of(&entry.key, entry.label);
        let (received, sent) = entry.sides();
        let is_due = |end: &&End| !end.is_settled && end.time < limit;
        let is_doubtful = is_early || entry.is_full;
        for (sender, sent) in by_agent(sent) {
            if !sent.iter().any(|end| is_due(&end)) {
                continue;
            }
            self.expect(&flow, sender, sent, received);
            let pairs: SmallVec<[(u16, usize); 4]> = self.pairs.of(&flow, sender).collect();
            for (receiver, pair) in pairs {
                let received = of_agent(received, receiver);
                self.settle_sent(pair, sent, received, limit, is_doubtful);
            }
        }
        for (receiver, received) in by_agent(received) {
            let mut is_known: SmallVec<[bool; 4]> = SmallVec::from_elem(false, received.len());
            for (sender, sent) in by_agent(sent).filter(|(sender, _)| *sender != receiver) {
                let same = same(sent, received, self.window);
                same.iter().for_each(|(_, place)| is_known[*place] = true);
                for (place, end) in received.iter().enumerate() {
                    let Some(sent) = again(sent, &same, place, end, self.window) else {
                        continue;
                    };
                    is_known[place] = true;
                    if is_due(&end) {
                        let pair = self.pairs.open(&flow, sender, receiver, sent);
                        self.pairs.count(pair, sent, Fate::Duplicated);
                    }
                }
            }
            let unknown = received.iter().zip(is_known);
            let unknown = unknown.filter(|(end, is_known)| is_due(end) && !is_known);
            let unknown = unknown.count() as u64;
            self.pairs.strange(&flow, receiver, unknown);
            let counts = &mut self.members[usize::from(receiver)].counts;
            match is_early {
                true => counts.crowded_out += unknown,
                false => counts.unsent += unknown,
            }
        }
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

    /// Counts which of the packets sent were not received by an agent.
    fn settle_sent(
        &mut self,
        place: usize,
        sent: &[End],
        received: &[End],
        limit: i64,
        is_doubtful: bool,
    ) {
        let pair = &self.pairs.all()[place];
        let [sender, receiver] =
            [pair.sender, pair.receiver].map(|agent| &self.members[usize::from(agent)]);
        let protocol = pair.flow.protocol;
        let is_uncut = sender.uncut[1].has(protocol) || receiver.uncut[0].has(protocol);
        let same = same(sent, received, self.window);
        let is_unknown = is_doubtful || is_uncut;
        let (since, most) = (pair.since, pair.delays.most().unwrap_or(0));
        for (number, end) in sent.iter().enumerate() {
            let is_due = !end.is_settled && end.time < limit && end.time >= since;
            if !is_due || same.binary_search_by_key(&number, |(one, _)| *one).is_ok() {
                continue;
            }
            let timeline = &self.members[usize::from(self.pairs.all()[place].receiver)].timeline;
            let is_lost = !is_unknown && timeline.covers(end.time, self.window, most);
            let fate = if is_lost { Fate::Lost } else { Fate::Unknown };
            self.pairs.count(place, end.time, fate);
        }
    }
}

/// Whether a packet received is the same as one sent that was received before; gives the time of that.
fn again(sent: &[End], same: &Same, place: usize, end: &End, window: i64) -> Option<i64> {
    if same
        .binary_search_by_key(&place, |(_, other)| *other)
        .is_ok()
    {
        return None;
    }
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
