//! Numbers by chance.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Numbers by chance; the seed is told.
pub(crate) struct Chance {
    seed: u64,
    last: u64,
}

impl Chance {
    /// With the time as the seed.
    pub(crate) fn new() -> Chance {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seed = now.expect("a clock").as_secs();
        Chance { seed, last: seed }
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.last = self
            .last
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.last >> 33) % end
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}", self.seed)
    }
}
