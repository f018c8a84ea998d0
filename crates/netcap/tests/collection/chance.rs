//! Numbers by chance.

use std::time::{SystemTime, UNIX_EPOCH};

/// Numbers by chance: which, the seed tells.
pub(crate) struct Chance(u64);

impl Chance {
    /// With the time as the seed.
    pub(crate) fn new() -> Chance {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Chance(now.expect("a clock").as_secs())
    }

    /// The seed, while no number was taken.
    pub(crate) fn seed(&self) -> u64 {
        self.0
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}
