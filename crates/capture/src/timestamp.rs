//! Capture time: seconds and nanoseconds since the epoch (1970-01-01 00:00:00 UTC).
//!
//! Guarantee: `nanos` is always below one thousand million, whatever the capture file claims.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds in a second.
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Time since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Timestamp {
    /// Whole seconds since the epoch; negative before 1970.
    pub seconds: i64,
    /// Nanoseconds into that second, below 1 000 000 000.
    pub nanos: u32,
}

impl Timestamp {
    /// The time `nanos` nanoseconds after the start of the second `seconds`. A fraction of a
    /// second or more, as damaged captures have it, is carried into the seconds.
    pub fn new(seconds: i64, nanos: u64) -> Timestamp {
        if nanos < NANOS_PER_SECOND {
            return Timestamp {
                seconds,
                nanos: nanos as u32,
            };
        }
        let carried = (nanos / NANOS_PER_SECOND) as i64;
        Timestamp {
            seconds: seconds.saturating_add(carried),
            nanos: (nanos % NANOS_PER_SECOND) as u32,
        }
    }

    /// The time by this system's clock, so long ago. The epoch, where that is set to before it.
    pub(crate) fn of_wall_clock(ago: Duration) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .saturating_sub(ago);
        Timestamp {
            seconds: since.as_secs().cast_signed(),
            nanos: since.subsec_nanos(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excess_nanoseconds_are_carried() {
        assert_eq!(
            Timestamp::new(5, 999_999_999),
            Timestamp {
                seconds: 5,
                nanos: 999_999_999
            }
        );
        assert_eq!(
            Timestamp::new(5, 2_000_000_001),
            Timestamp {
                seconds: 7,
                nanos: 1
            }
        );
        assert_eq!(Timestamp::new(i64::MAX, u64::MAX).seconds, i64::MAX);
    }
}
