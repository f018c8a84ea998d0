//! How much there was, and when.

use std::ops::AddAssign;

/// Whose clock says what time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Ours: records are of now.
    Ours,
    /// The latest record, as records of long ago keep their times.
    OfRecords,
}

/// Some whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first, since 1970; a multiple of their number.
    pub begin: i64,
    /// How many.
    pub seconds: u32,
}

/// What there was in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Records.
    pub records: u64,
    /// Values of level 0 together: bits of traffic; of processor and memory divide by the records.
    pub level0: u64,
    /// Values of level 1: what is relayed, or matched once more.
    pub level1: u64,
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Amount) {
        self.records = self.records.saturating_add(other.records);
        self.level0 = self.level0.saturating_add(other.level0);
        self.level1 = self.level1.saturating_add(other.level1);
    }
}

/// How far a view has drawn the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    pub(crate) version: u64,
    pub(crate) until: i64,
}

/// A piece of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// When.
    pub period: Period,
    /// Of each series, in their order.
    pub amounts: Vec<Amount>,
}
