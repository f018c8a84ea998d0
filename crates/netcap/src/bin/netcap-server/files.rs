//! How many files may be open, and how many sensors that leaves room for: each connection is one.

use netcap_remote::reliable::ServerOptions;

/// Files that are no connections: those of records, metrics, standard error.
const OTHERS: u64 = 64;

/// Bounds for so many sensors, or as many as the limit has room for.
pub(crate) fn bounds(sensors: usize, limit: u64) -> ServerOptions {
    let defaults = ServerOptions::default();
    let room = usize::try_from(limit.saturating_sub(OTHERS)).unwrap_or(usize::MAX);
    // Beside the sensors there are newcomers, and as many connections that are being replaced.
    let newcomers = defaults.newcomers.min(room / 4).max(1);
    ServerOptions {
        connections: sensors.min(room.saturating_sub(2 * newcomers).max(1)),
        newcomers,
        ..defaults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_stay_below_the_limit_of_files() {
        for (limit, sensors) in [(65_536, 1024), (1024, 704), (256, 96), (64, 1), (0, 1)] {
            let bounds = bounds(1024, limit);
            assert_eq!(bounds.connections, sensors, "{limit}");
            let all = bounds.connections + 2 * bounds.newcomers;
            assert!(limit <= OTHERS || all as u64 + OTHERS <= limit, "{limit}");
        }
        assert_eq!(bounds(5, 1024).connections, 5);
    }
}
