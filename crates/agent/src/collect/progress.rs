//! How far the extended stream of an agent is, and what of it is missing.
//!
//! Guarantees: packets have the numbers that the agent gave them; what is missing is counted once, also over
//! connections that were lost; a start of the agent is no loss. What an agent tells that cannot be, makes
//! wrong numbers of its own only.

use crate::collect::views::Losses;
use crate::extended::{Agent, Message, Status};

/// What a message says of the stream itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It has this packet.
    Packet(u64),
    /// Records before it are missing, or the agent was started anew.
    Missing,
    /// Packets were dropped since the last status.
    Dropped,
    /// Nothing.
    On,
}

/// Packets that can be missing between two messages: those of over a day at 10 million a second.
const LARGEST_LEAP: u64 = 1 << 40;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    who: Agent,
    /// The number of the next packet, once one is known.
    next: Option<u64>,
    missing: u64,
    /// What interfaces say they have dropped, and what they said before they began anew.
    dropped: Vec<u64>,
    dropped_before: u64,
    /// What of `missing` is known to the user.
    told: u64,
}

impl Progress {
    /// Takes a message.
    pub(crate) fn follow(&mut self, message: &Message) -> Step {
        match message {
            Message::Agent(who) if self.agent(who) => Step::Missing,
            Message::Number(number) if self.number(*number) > 0 => Step::Missing,
            Message::Packet(_) => Step::Packet(self.packet()),
            Message::Status(status) if self.status(status) => Step::Dropped,
            _ => Step::On,
        }
    }

    /// The agent says who it is; gives whether it has been started since it last did.
    fn agent(&mut self, who: &Agent) -> bool {
        let is_new = self.who.instance != who.instance;
        if is_new {
            self.next = None;
            self.dropped_before = self.losses().dropped;
            self.dropped.clear();
        }
        self.who.clone_from(who);
        is_new
    }

    /// The number of the packet that comes next; gives how many are missing before it.
    fn number(&mut self, number: u64) -> u64 {
        let expected = self.next.replace(number).unwrap_or(number);
        let missing = match number.saturating_sub(expected) {
            // No agent makes so many while we look away: it is a mistake, or a forgery.
            leap if leap > LARGEST_LEAP => 0,
            missing => missing,
        };
        self.missing = self.missing.saturating_add(missing);
        missing
    }

    /// A packet; gives its number.
    fn packet(&mut self) -> u64 {
        let number = self.next.unwrap_or_default();
        self.next = Some(number.saturating_add(1));
        number
    }

    /// Counters; gives whether more packets were dropped since the last ones.
    fn status(&mut self, status: &Status) -> bool {
        let before = self.losses().dropped;
        let is_first = self.dropped.is_empty();
        for (interface, counters) in status.interfaces.iter().enumerate() {
            let Some(dropped) = self.dropped.get_mut(interface) else {
                self.dropped.push(counters.dropped);
                continue;
            };
            // Those of an interface that was opened again begin at 0.
            if counters.dropped < *dropped {
                self.dropped_before = self.dropped_before.saturating_add(*dropped);
            }
            *dropped = counters.dropped;
        }
        // Of those of the first report nobody knows when they were.
        match is_first {
            true => self.dropped.iter().any(|dropped| *dropped > 0),
            false => self.losses().dropped > before,
        }
    }

    /// What is lost so far.
    pub(crate) fn losses(&self) -> Losses {
        Losses {
            dropped: self
                .dropped
                .iter()
                .fold(self.dropped_before, |sum, count| sum.saturating_add(*count)),
            missing: self.missing,
        }
    }

    /// What of that is missing and was not given here before.
    pub(crate) fn untold(&mut self) -> u64 {
        let untold = self.missing - self.told;
        self.told = self.missing;
        untold
    }

    /// The name of an interface; empty if the agent has not told it.
    pub(crate) fn interface(&self, number: u16) -> &str {
        let interface = self.who.interfaces.get(usize::from(number));
        interface.map_or("", |interface| &interface.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extended::Counters;

    fn started(instance: u64) -> Agent {
        Agent {
            instance,
            ..Agent::default()
        }
    }

    fn dropped(counts: &[u64]) -> Status {
        let interfaces = counts.iter().map(|dropped| Counters {
            dropped: *dropped,
            ..Counters::default()
        });
        Status {
            interfaces: interfaces.collect(),
            ..Status::default()
        }
    }

    #[test]
    fn gaps_are_missing_and_a_start_is_none() {
        let mut progress = Progress::default();
        assert!(progress.agent(&started(1)));
        // What was before us is none of ours.
        assert_eq!(progress.number(1000), 0);
        assert_eq!([progress.packet(), progress.packet()], [1000, 1001]);
        assert_eq!(progress.number(1002), 0);
        assert_eq!((progress.number(1010), progress.untold()), (8, 8));
        // Connected again.
        assert!(!progress.agent(&started(1)));
        assert_eq!((progress.number(1015), progress.untold()), (5, 5));
        assert!(progress.agent(&started(2)));
        assert_eq!((progress.number(3), progress.packet()), (0, 3));
        assert_eq!(progress.number(0), 0);
        assert_eq!((progress.losses().missing, progress.untold()), (13, 0));
        // What cannot be is held, whatever it says.
        progress.number(u64::MAX);
        assert_eq!([progress.packet(), progress.packet()], [u64::MAX; 2]);
        progress.number(0);
        progress.number(u64::MAX);
        // And spoils no counter.
        assert_eq!(progress.losses().missing, 13);
        progress.number(0);
        assert_eq!((progress.number(7), progress.losses().missing), (7, 20));
    }

    #[test]
    fn drops_are_summed_over_interfaces_and_starts() {
        let mut progress = Progress::default();
        progress.agent(&started(1));
        // Those before the first report may be from before us.
        assert!(progress.status(&dropped(&[5, 1])));
        assert!(!progress.status(&dropped(&[5, 1])));
        assert!(progress.status(&dropped(&[5, 2])));
        assert_eq!(progress.losses().dropped, 7);
        // The first was opened again.
        assert!(!progress.status(&dropped(&[0, 2])));
        assert!(progress.status(&dropped(&[1, 2, 4])));
        assert_eq!(progress.losses().dropped, 5 + 1 + 2 + 4);
        progress.agent(&started(2));
        assert!(progress.status(&dropped(&[3])));
        assert_eq!(progress.losses().dropped, 12 + 3);
    }
}
