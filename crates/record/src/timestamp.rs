//! Time of a packet: nanoseconds inside, `seconds.microseconds` as text.
//!
//! The text is a decimal number, also before 1970: half a second before it is `-0.500000`.

use std::io::Write;

/// Digits of the longest text: sign, 19 digits of seconds, dot, six of microseconds.
const LONGEST: usize = 27;

/// Time since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Whole seconds since the epoch.
    pub seconds: i64,
    /// Nanoseconds of the second, below 10^9.
    pub nanos: u32,
}

impl Time {
    /// Time from whole seconds and nanoseconds, `nanos` below 10^9.
    pub fn new(seconds: i64, nanos: u32) -> Time {
        Time { seconds, nanos }
    }

    /// The time as records have it.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::new(self.seconds, self.nanos)
    }

    /// Nanoseconds from `earlier` to here, each in whole microseconds as texts have them; at the
    /// ends of the range where they do not fit.
    pub fn since(self, earlier: Time) -> i64 {
        let micros =
            |time: Time| i128::from(time.seconds) * 1_000_000 + i128::from(time.nanos / 1000);
        let nanos = (micros(self) - micros(earlier)) * 1000;
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }

    /// The time this many seconds earlier.
    #[inline]
    pub fn before(self, seconds: u32) -> Time {
        Time {
            seconds: self.seconds.saturating_sub(i64::from(seconds)),
            nanos: self.nanos,
        }
    }
}

/// Seconds of the years 0 to 9999.
const DATES: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

/// Time since the epoch with its text, which is made once and copied into every record of a packet.
#[derive(Clone, Copy)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
    len: u8,
    text: [u8; LONGEST],
}

impl Timestamp {
    /// Time from whole seconds and nanoseconds, `nanos` below 10^9.
    pub fn new(seconds: i64, nanos: u32) -> Timestamp {
        let (sign, whole, micros) = decimal(seconds, nanos / 1000, 1_000_000);
        let mut text = [0; LONGEST];
        text[..sign.len()].copy_from_slice(sign.as_bytes());
        let mut buffer = itoa::Buffer::new();
        let whole = buffer.format(whole).as_bytes();
        let dot = sign.len() + whole.len();
        text[sign.len()..dot].copy_from_slice(whole);
        let mut timestamp = Timestamp {
            seconds,
            nanos,
            len: dot as u8 + 7,
            text,
        };
        timestamp.write_micros(micros);
        timestamp
    }

    /// Goes to another time, which most often is of the same second.
    #[inline]
    pub fn set(&mut self, time: Time) {
        if time.seconds == self.seconds && time.seconds >= 0 {
            self.nanos = time.nanos;
            self.write_micros(time.nanos / 1000);
        } else {
            *self = time.timestamp();
        }
    }

    #[inline]
    fn write_micros(&mut self, micros: u32) {
        // Seven digits, of which the dot takes the first.
        let mut buffer = itoa::Buffer::new();
        let micros = buffer.format(1_000_000 + micros).as_bytes();
        let fraction = usize::from(self.len) - 7;
        self.text[fraction..fraction + 7].copy_from_slice(micros);
        self.text[fraction] = b'.';
    }

    /// Reads a timestamp as any version has written it.
    ///
    /// The part after the dot is a count of microseconds, padded to six digits or not: `1.5` is
    /// five microseconds after one second.
    pub fn parse(text: &[u8]) -> Option<Timestamp> {
        let text = std::str::from_utf8(text).ok()?;
        let (seconds, micros) = text.split_once('.')?;
        let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let is_negative = seconds.starts_with('-');
        if !plain(seconds.strip_prefix('-').unwrap_or(seconds))
            || !plain(micros)
            || micros.len() > 6
        {
            return None;
        }
        let seconds: i64 = seconds.parse().ok()?;
        let nanos = micros.parse::<u32>().ok()? * 1000;
        Some(match nanos {
            1.. if is_negative => Timestamp::new(seconds.checked_sub(1)?, 1_000_000_000 - nanos),
            _ => Timestamp::new(seconds, nanos),
        })
    }

    /// Whether a text that stands in a record has six digits after the dot, as ours have.
    #[inline]
    pub fn is_padded(text: &[u8]) -> bool {
        matches!(text.split_last_chunk::<7>(), Some((seconds, [b'.', micros @ ..]))
            if !seconds.is_empty() && seconds.iter().chain(micros).all(u8::is_ascii_digit))
    }

    /// `seconds.microseconds`, six digits after the dot.
    #[inline]
    pub fn text(&self) -> &[u8] {
        &self.text[..self.len as usize]
    }

    /// Reads a decimal number of seconds with at most nine digits after the dot: `1.5` is half a second
    /// after the first.
    pub fn parse_decimal(text: &str) -> Option<Timestamp> {
        let (sign, number) = match text.strip_prefix('-') {
            Some(number) => (-1, number),
            None => (1, text),
        };
        let (seconds, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if !plain(seconds) || !plain(fraction) || fraction.len() > 9 {
            return None;
        }
        let nanos = format!("{fraction:0<9}").parse::<i128>().ok()?;
        let nanos = sign * (i128::from(seconds.parse::<i64>().ok()?) * 1_000_000_000 + nanos);
        let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
        Some(Timestamp::new(
            seconds,
            nanos.rem_euclid(1_000_000_000) as u32,
        ))
    }

    /// Appends the time as `YYYY-MM-DD hh:mm:ss[.frac] +0000 UTC`, without trailing zeros in the
    /// fraction; years after 9999 have more digits, years before 0 a sign.
    pub fn write_utc(&self, out: &mut Vec<u8>) {
        self.write_date(' ', out);
        if self.nanos > 0 {
            drop(write!(out, ".{:09}", self.nanos));
            while out.last() == Some(&b'0') {
                out.pop();
            }
        }
        out.extend_from_slice(b" +0000 UTC");
    }

    /// Whether RFC 3339 has a date for the time: it has the years 0 to 9999 (section 1).
    pub fn has_date(&self) -> bool {
        DATES.contains(&self.seconds)
    }

    /// Appends the time as RFC 3339 has it, `YYYY-MM-DDThh:mm:ss.ffffffZ`, with nine digits after the
    /// dot where six do not say it. A time that [has no date](Timestamp::has_date) there stays a number.
    pub fn write_rfc3339(&self, out: &mut Vec<u8>) {
        if !self.has_date() {
            return self.write_exactly(out);
        }
        self.write_date('T', out);
        // Writing to a Vec cannot fail.
        drop(match self.below_microsecond() {
            0 => write!(out, ".{:06}Z", self.nanos / 1000),
            _ => write!(out, ".{:09}Z", self.nanos),
        });
    }

    fn write_date(&self, separator: char, out: &mut Vec<u8>) {
        let (days, second) = (
            self.seconds.div_euclid(86_400),
            self.seconds.rem_euclid(86_400),
        );
        let (year, month, day) = civil_from_days(days);
        let sign = if year < 0 { "-" } else { "" };
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        // Writing to a Vec cannot fail.
        drop(write!(
            out,
            "{sign}{:04}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}",
            year.abs()
        ));
    }

    /// Appends the time as a decimal number with nine digits after the dot, or six where these say it.
    pub fn write_exactly(&self, out: &mut Vec<u8>) {
        if self.below_microsecond() == 0 {
            out.extend_from_slice(self.text());
            return;
        }
        let (sign, whole, nanos) = decimal(self.seconds, self.nanos, 1_000_000_000);
        // Writing to a Vec cannot fail.
        drop(write!(out, "{sign}{whole}.{nanos:09}"));
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn seconds(&self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after [`Timestamp::seconds`], below 10^9.
    pub fn nanos(&self) -> u32 {
        self.nanos
    }

    /// Nanoseconds that the text leaves out, 0 to 999.
    #[inline]
    pub fn below_microsecond(&self) -> u32 {
        self.nanos % 1000
    }
}

/// A time as a decimal number: its sign, the whole seconds, and the fraction, of which `unit` is a
/// second.
fn decimal(seconds: i64, fraction: u32, unit: u32) -> (&'static str, u64, u32) {
    match (seconds, fraction) {
        (0.., _) => ("", seconds.unsigned_abs(), fraction),
        (_, 0) => ("-", seconds.unsigned_abs(), 0),
        _ => ("-", (seconds + 1).unsigned_abs(), unit - fraction),
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar without end.
///
/// Years begin in March here, so that the leap day is the last of its year, and repeat after 400
/// years, which have 146097 days.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    // Days from 0000-03-01 to the epoch.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Five months have 153 days, whichever five of March to January they are.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (400 * era + year + next_year, month, day)
}

impl std::fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:09}", self.seconds, self.nanos)
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Timestamp) -> bool {
        (self.seconds, self.nanos) == (other.seconds, other.nanos)
    }
}

impl Eq for Timestamp {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_always() {
        assert_eq!(
            Timestamp::new(1300475167, 96_535_999).text(),
            b"1300475167.096535"
        );
        assert_eq!(Timestamp::new(0, 5_000).text(), b"0.000005");
        assert_eq!(
            Timestamp::new(i64::MIN, 999_999_999).text(),
            b"-9223372036854775807.000001"
        );
    }

    #[test]
    fn times_before_the_epoch_are_decimal_numbers() {
        for (seconds, nanos, text, exact) in [
            (-1, 500_000_000, "-0.500000", "-0.500000"),
            (-1, 999_999_000, "-0.000001", "-0.000001"),
            (-1, 0, "-1.000000", "-1.000000"),
            (-2, 250_000_001, "-1.750000", "-1.749999999"),
            (-1, 999_999_999, "-0.000001", "-0.000000001"),
            (0, 1, "0.000000", "0.000000001"),
            (7, 5_000_009, "7.005000", "7.005000009"),
        ] {
            let time = Timestamp::new(seconds, nanos);
            assert_eq!(std::str::from_utf8(time.text()), Ok(text));
            let mut out = Vec::new();
            time.write_exactly(&mut out);
            assert_eq!(std::str::from_utf8(&out), Ok(exact));
            // The text is up to a microsecond too early, and never too late: what it leaves out is added.
            let below = time.below_microsecond();
            assert_eq!(
                Timestamp::parse(text.as_bytes()),
                Some(Timestamp::new(seconds, nanos - below))
            );
            // However a timestamp came to it.
            for before in [Time::new(seconds, 1), Time::new(5, 5)] {
                let mut moved = before.timestamp();
                moved.set(Time::new(seconds, nanos));
                assert_eq!(moved.text(), text.as_bytes());
            }
        }
        assert_eq!(Timestamp::parse(b"-0.000000"), Some(Timestamp::new(0, 0)));
        assert_eq!(Timestamp::parse(b"-9223372036854775808.5"), None);
    }

    #[test]
    fn utc() {
        for (seconds, nanos, expected) in [
            (0, 0, "1970-01-01 00:00:00 +0000 UTC"),
            (
                1_300_475_167,
                96_535_000,
                "2011-03-18 19:06:07.096535 +0000 UTC",
            ),
            (
                1_499_255_023,
                848_884_000,
                "2017-07-05 11:43:43.848884 +0000 UTC",
            ),
            (951_782_400, 500_000_000, "2000-02-29 00:00:00.5 +0000 UTC"),
            (-1, 999_999_999, "1969-12-31 23:59:59.999999999 +0000 UTC"),
            (-2_203_891_200, 0, "1900-03-01 00:00:00 +0000 UTC"),
            (-62_135_596_800, 0, "0001-01-01 00:00:00 +0000 UTC"),
            (-62_167_219_201, 0, "-0001-12-31 23:59:59 +0000 UTC"),
            (253_402_300_800, 0, "10000-01-01 00:00:00 +0000 UTC"),
            (i64::MAX, 0, "292277026596-12-04 15:30:07 +0000 UTC"),
            (i64::MIN, 0, "-292277022657-01-27 08:29:52 +0000 UTC"),
        ] {
            let mut out = Vec::new();
            Timestamp::new(seconds, nanos).write_utc(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn times_without_a_date_stay_numbers() {
        for (seconds, nanos, expected) in [
            (-62_167_219_200, 0, "0000-01-01T00:00:00.000000Z"),
            (-62_167_219_201, 0, "-62167219201.000000"),
            (
                253_402_300_799,
                999_999_999,
                "9999-12-31T23:59:59.999999999Z",
            ),
            (253_402_300_800, 1, "253402300800.000000001"),
        ] {
            let mut out = Vec::new();
            Timestamp::new(seconds, nanos).write_rfc3339(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn dates_of_rfc_3339() {
        for (seconds, nanos, expected) in [
            (1_300_475_167, 96_500_000, "2011-03-18T19:06:07.096500Z"),
            (1_300_475_167, 96_500_007, "2011-03-18T19:06:07.096500007Z"),
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (-1, 500_000_000, "1969-12-31T23:59:59.500000Z"),
        ] {
            let mut out = Vec::new();
            Timestamp::new(seconds, nanos).write_rfc3339(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn decimal_numbers_are_read() {
        for (text, seconds, nanos) in [
            ("1499255023", 1_499_255_023, 0),
            ("1.5", 1, 500_000_000),
            ("1.000005", 1, 5_000),
            ("1.000000007", 1, 7),
            ("-0.5", -1, 500_000_000),
            ("-2", -2, 0),
        ] {
            assert_eq!(
                Timestamp::parse_decimal(text),
                Some(Timestamp::new(seconds, nanos))
            );
        }
        for text in [
            "",
            ".5",
            "1.",
            "1.0000000001",
            "1e3",
            "--1",
            "1.-5",
            "+1",
            "9223372036854775808",
        ] {
            assert_eq!(Timestamp::parse_decimal(text), None, "{text}");
        }
    }

    #[test]
    fn days_follow_each_other() {
        let (mut year, mut month, mut day) = civil_from_days(-1_000_000);
        for days in -999_999..1_000_000 {
            let next = civil_from_days(days);
            let follows = next == (year, month, day + 1)
                || next == (year, month + 1, 1) && day >= 28
                || next == (year + 1, 1, 1) && (month, day) == (12, 31);
            assert!(follows, "{days}: {next:?}");
            (year, month, day) = next;
        }
        assert_eq!((year, month, day), (4707, 11, 28));
    }

    #[test]
    fn both_spellings_are_read() {
        for text in ["1300475167.96535", "1300475167.096535"] {
            assert_eq!(
                Timestamp::parse(text.as_bytes()),
                Some(Timestamp::new(1300475167, 96_535_000))
            );
        }
        assert!(Timestamp::is_padded(b"1300475167.096535"));
        for text in [
            "",
            ".096535",
            "1300475167.96535",
            "-1.000005",
            "1.0000050",
            "1.00000x",
        ] {
            assert!(!Timestamp::is_padded(text.as_bytes()), "{text}");
        }
        assert_eq!(Timestamp::parse(b"23.5"), Some(Timestamp::new(23, 5_000)));
        for text in ["", "1", "1.", ".5", "1.1234567", "a.5", "1.-5", "--1.5"] {
            assert_eq!(Timestamp::parse(text.as_bytes()), None, "{text}");
        }
    }
}
