//! Delays, of which the least, the most and the last are exact, and others within 2 %.
//!
//! They are counted in buckets that are 1 ns wide up to 64 ns, and then a 32nd of the power of two below
//! them, for either sign. Memory is bounded by the longest delay there is: some 18 KB for ten minutes.

use crate::collect::views::Delay;

/// Buckets for each power of two, and its logarithm.
const PARTS: i32 = 1 << BITS;
const BITS: u32 = 5;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Delays {
    count: u64,
    least: i64,
    most: i64,
    last: i64,
    /// How many there are in each bucket, from the bucket of this number on.
    counts: Vec<u64>,
    first: i32,
}

impl Delays {
    /// Counts a delay in nanoseconds.
    pub(super) fn add(&mut self, delay: i64) {
        let is_first = self.count == 0;
        if is_first {
            (self.least, self.most) = (delay, delay);
        }
        self.least = self.least.min(delay);
        self.most = self.most.max(delay);
        self.last = delay;
        self.count += 1;
        let bucket = bucket(delay);
        if is_first {
            self.first = bucket;
        } else if bucket < self.first {
            let missing = self.first.abs_diff(bucket) as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = bucket;
        }
        let place = bucket.abs_diff(self.first) as usize;
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += 1;
    }

    /// The longest; none before the first.
    pub(super) fn most(&self) -> Option<i64> {
        (self.count > 0).then_some(self.most)
    }

    /// What views see of them.
    pub(super) fn view(&self) -> Option<Delay> {
        (self.count > 0).then(|| Delay {
            least: self.least,
            median: self.quantile(50),
            p99: self.quantile(99),
            most: self.most,
            last: self.last,
        })
    }

    /// What so many of a hundred do not exceed.
    fn quantile(&self, percent: u64) -> i64 {
        let rank = (u128::from(self.count) * u128::from(percent)).div_ceil(100);
        let mut sum = 0;
        for (bucket, count) in (self.first..).zip(&self.counts) {
            sum += u128::from(*count);
            if sum >= rank {
                return middle(bucket).clamp(self.least, self.most);
            }
        }
        self.most
    }
}

fn bucket(delay: i64) -> i32 {
    match u64::try_from(delay) {
        Ok(delay) => magnitude(delay),
        // -1 is the first below 0.
        Err(_) => -1 - magnitude((!delay).cast_unsigned()),
    }
}

fn magnitude(delay: u64) -> i32 {
    let power = (63 - BITS).saturating_sub(delay.leading_zeros()) as i32;
    PARTS * power + (delay >> power) as i32
}

/// A delay of that bucket.
fn middle(bucket: i32) -> i64 {
    if bucket < 0 {
        return !middle(-1 - bucket);
    }
    let power = (bucket / PARTS - 1).max(0);
    let lowest = i64::from(bucket - PARTS * power) << power;
    lowest + ((1_i64 << power) - 1) / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_follow_each_other() {
        let mut last = bucket(-10_000);
        for delay in -10_000..10_000 {
            let next = bucket(delay);
            assert!(next == last || next == last + 1, "{delay}");
            last = next;
        }
        assert_eq!(
            [bucket(-1), bucket(0), bucket(63), bucket(64)],
            [-1, 0, 63, 64]
        );
    }

    proptest! {
        #[test]
        fn they_are_within_two_percent(
            mut delays in prop::collection::vec(prop_oneof![-100..100_i64, -600_000_000_000..600_000_000_000_i64], 1..200),
        ) {
            let mut found = Delays::default();
            delays.iter().for_each(|delay| found.add(*delay));
            let last = delays[delays.len() - 1];
            delays.sort_unstable();
            let view = found.view().expect("some");
            prop_assert_eq!((view.least, view.most, view.last), (delays[0], delays[delays.len() - 1], last));
            for (percent, found) in [(50, view.median), (99, view.p99)] {
                let exact = delays[(delays.len() * percent).div_ceil(100) - 1];
                prop_assert!((found - exact).abs() * 50 <= exact.abs(), "{} {}", found, exact);
            }
            prop_assert!(found.counts.len() <= 2304);
        }
    }
}
