//! Which refusals a log has: one line for each reason and address in a minute, with how many were left out.
//!
//! Guarantees: the table is bounded; what has no place in it is counted under no address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long a line stands for all that follow.
const MINUTE: Duration = Duration::from_secs(60);
/// Reasons and addresses that are kept at most.
const MOST: usize = 256;

/// A reason, and where it came from; none for those that have no place.
pub(crate) type Key = (&'static str, Option<IpAddr>);

/// See the module.
#[derive(Default)]
pub(crate) struct Refusals(HashMap<Key, Told>);

struct Told {
    since: Instant,
    left_out: u64,
}

impl Refusals {
    /// Whether this one is a line; else it is counted.
    pub(crate) fn is_told(&mut self, reason: &'static str, address: IpAddr, now: Instant) -> bool {
        let mut key = (reason, Some(address));
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            key.1 = None;
        }
        let mut is_new = false;
        let told = self.0.entry(key).or_insert_with(|| {
            is_new = true;
            Told {
                since: now,
                left_out: 0,
            }
        });
        // Of those without a place nobody is named.
        let is_line = is_new && key.1.is_some();
        told.left_out += u64::from(!is_line);
        is_line
    }

    /// What was left out of the minutes that are over.
    pub(crate) fn left_out(&mut self, now: Instant) -> Vec<(Key, u64)> {
        let mut over = Vec::new();
        self.0.retain(|key, told| {
            if now.saturating_duration_since(told.since) < MINUTE {
                return true;
            }
            let left_out = std::mem::take(&mut told.left_out);
            if left_out > 0 {
                over.push((*key, left_out));
            }
            told.since = now;
            // It goes on: another minute stands for what follows.
            left_out > 0
        });
        over.sort_unstable();
        over
    }

    /// The same, of all minutes.
    pub(crate) fn end(&mut self) -> Vec<(Key, u64)> {
        let rest = self.0.drain().map(|(key, told)| (key, told.left_out));
        let mut rest: Vec<_> = rest.filter(|(_, left_out)| *left_out > 0).collect();
        rest.sort_unstable();
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from(number).into()
    }

    #[test]
    fn one_line_a_minute_by_reason_and_address() {
        let begin = Instant::now();
        let mut refusals = Refusals::default();
        assert!(refusals.is_told("silent", address(1), begin));
        assert!(refusals.is_told("silent", address(2), begin));
        assert!(refusals.is_told("overlap", address(1), begin));
        for _ in 0..5 {
            assert!(!refusals.is_told("silent", address(1), begin));
        }
        assert_eq!(refusals.left_out(begin + MINUTE / 2), []);
        let over = begin + MINUTE;
        let left_out = [(("silent", Some(address(1))), 5)];
        assert_eq!(refusals.left_out(over), left_out);
        // It is still going on, the others are not.
        assert!(!refusals.is_told("silent", address(1), over));
        assert!(refusals.is_told("silent", address(2), over));
        assert_eq!(refusals.end(), [(("silent", Some(address(1))), 1)]);
    }

    #[test]
    fn the_table_is_bounded() {
        let now = Instant::now();
        let mut refusals = Refusals::default();
        let told = (0..MOST as u32 + 10).filter(|n| refusals.is_told("silent", address(*n), now));
        assert_eq!(told.count(), MOST);
        assert_eq!(refusals.left_out(now + MINUTE), [(("silent", None), 10)]);
    }
}
