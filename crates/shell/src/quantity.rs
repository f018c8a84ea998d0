//! Spans of time and amounts of octets, as flags give them: `10s`, `1h`, `500MB`; of flags in seconds also `10`, `1.5`.

use std::time::Duration;

/// Units of time, in milliseconds.
const TIMES: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Units of octets: SI (decimal) and IEC 80000-13 (binary).
const SIZES: [(&str, u64); 8] = [
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// A span of time or an amount of octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// A span of time.
    Time(Duration),
    /// So many octets.
    Octets(u64),
}

impl Quantity {
    /// Reads either.
    ///
    /// # Errors
    ///
    /// What such texts look like.
    pub fn parse(text: &str) -> Result<Quantity, String> {
        time(text)
            .map(Quantity::Time)
            .or_else(|_| octets(text).map(Quantity::Octets))
            .map_err(|_| "a time as 10m, 1h, 1d, or a size as 500MB, 1GB".to_owned())
    }
}

/// Reads a span of time, with its unit.
///
/// # Errors
///
/// What such a text looks like.
pub fn time(text: &str) -> Result<Duration, String> {
    let milliseconds = number(text, &TIMES);
    milliseconds
        .map(Duration::from_millis)
        .ok_or_else(|| "a time has a number and a unit, as in 500ms, 10s, 5m, 1h, 1d".to_owned())
}

/// Reads a number of seconds, which may be 0 or have a fraction, or a span of time with its unit.
///
/// # Errors
///
/// What such a text looks like.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .or_else(|| time(text).ok())
        .ok_or_else(|| "a number of seconds, or a time with its unit, as in 500ms, 5m".to_owned())
}

/// Reads an amount of octets; small letters are as good as capitals.
///
/// # Errors
///
/// What such a text looks like.
pub fn octets(text: &str) -> Result<u64, String> {
    number(&text.to_ascii_lowercase(), &SIZES)
        .ok_or_else(|| "a size has a number and a unit, as in 500MB, 10GB, 1TiB".to_owned())
}

/// A whole number, not 0, times its unit.
fn number(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    digits
        .parse::<u64>()
        .ok()?
        .checked_mul(*factor)
        .filter(|n| *n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes() {
        let seconds = |n| Ok(Quantity::Time(Duration::from_secs(n)));
        assert_eq!(Quantity::parse("10s"), seconds(10));
        assert_eq!(Quantity::parse("1h"), seconds(3600));
        assert_eq!(Quantity::parse("2d"), seconds(172_800));
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(Quantity::parse("1GB"), Ok(Quantity::Octets(1_000_000_000)));
        assert_eq!(octets("3mib"), Ok(3 << 20));
    }

    #[test]
    fn seconds_need_no_unit() {
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(seconds("5m"), Ok(Duration::from_secs(300)));
        for text in ["", "-1", "nan", "inf", "1e30", "0s", "1GB", "soon"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "",
            "h",
            "1",
            "0s",
            "-1h",
            "1.5h",
            "1 h",
            "1y",
            "99999999999999999999s",
        ] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
        assert!(octets("20000000TB").is_err() && time("1GB").is_err());
    }
}
