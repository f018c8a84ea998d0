//! How long to wait before trying again: 1 s, doubled up to 30 s (or as asked), each 20 % more or less by
//! chance, so that peers that lost the same server do not all come back in the same instant.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait, before chance.
const LONGEST: Duration = Duration::from_secs(30);

/// The waits between attempts, longer and longer.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    first: Duration,
    longest: Duration,
    chance: RandomState,
    count: u64,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff::new()
    }
}

impl Backoff {
    /// The waits from their beginning.
    pub fn new() -> Backoff {
        Backoff::between(FIRST, LONGEST)
    }

    /// Waits from their beginning, the first and the longest as given (before chance).
    pub fn between(first: Duration, longest: Duration) -> Backoff {
        Backoff {
            next: first,
            first,
            longest,
            chance: RandomState::new(),
            count: 0,
        }
    }

    /// The next wait.
    #[expect(
        clippy::should_implement_trait,
        reason = "it has no end, and a name that says it"
    )]
    pub fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        self.vary(wait)
    }

    /// The longest wait, for peers whose mistake only a person can mend.
    pub fn longest(&mut self) -> Duration {
        self.next = self.longest;
        self.vary(self.longest)
    }

    /// After a success: the next wait is the first again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// The wait times 0.8 to 1.2. The standard library's hash keys are its only source of chance.
    fn vary(&mut self, wait: Duration) -> Duration {
        self.count += 1;
        let permille = 800 + self.chance.hash_one(self.count) % 401;
        wait * permille as u32 / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_longest_and_begins_again() {
        let mut backoff = Backoff::new();
        for seconds in [1, 2, 4, 8, 16, 30, 30, 30] {
            let wait = backoff.next();
            let middle = Duration::from_secs(seconds);
            assert!(wait >= middle * 4 / 5 && wait <= middle * 6 / 5, "{wait:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(1200));
        assert!(backoff.longest() >= Duration::from_secs(24));
    }

    #[test]
    fn chance_differs() {
        let mut waits: Vec<_> = (0..20).map(|_| Backoff::new().next()).collect();
        waits.dedup();
        assert!(waits.len() > 1);
    }
}
