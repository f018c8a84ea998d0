//! Time of a packet: nanoseconds inside, `seconds.microseconds` as text.

/// Digits of the longest text: sign, 19 digits of seconds, dot, six of microseconds.
const LONGEST: usize = 27;

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
        let mut text = [0; LONGEST];
        let mut buffer = itoa::Buffer::new();
        let whole = buffer.format(seconds).as_bytes();
        text[..whole.len()].copy_from_slice(whole);
        let mut micros = nanos / 1000;
        let digits = &mut text[whole.len()..whole.len() + 7];
        digits[0] = b'.';
        for digit in digits[1..].iter_mut().rev() {
            *digit = b'0' + (micros % 10) as u8;
            micros /= 10;
        }
        Timestamp {
            seconds,
            nanos,
            len: whole.len() as u8 + 7,
            text,
        }
    }

    /// Reads a timestamp as any version has written it.
    ///
    /// The part after the dot is a count of microseconds, padded to six digits or not: `1.5` is
    /// five microseconds after one second.
    pub fn parse(text: &[u8]) -> Option<Timestamp> {
        let text = std::str::from_utf8(text).ok()?;
        let (seconds, micros) = text.split_once('.')?;
        let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if !plain(seconds.strip_prefix('-').unwrap_or(seconds)) || !plain(micros) || micros.len() > 6
        {
            return None;
        }
        Some(Timestamp::new(
            seconds.parse().ok()?,
            micros.parse::<u32>().ok()? * 1000,
        ))
    }

    /// `seconds.microseconds`, six digits after the dot.
    #[inline]
    pub fn text(&self) -> &[u8] {
        &self.text[..self.len as usize]
    }

    /// Whole seconds since the epoch.
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
        assert_eq!(Timestamp::new(1300475167, 96_535_999).text(), b"1300475167.096535");
        assert_eq!(Timestamp::new(0, 5_000).text(), b"0.000005");
        assert_eq!(Timestamp::new(i64::MIN, 999_999_999).text(), b"-9223372036854775808.999999");
    }

    #[test]
    fn both_spellings_are_read() {
        for text in ["1300475167.96535", "1300475167.096535"] {
            assert_eq!(
                Timestamp::parse(text.as_bytes()),
                Some(Timestamp::new(1300475167, 96_535_000))
            );
        }
        assert_eq!(Timestamp::parse(b"23.5"), Some(Timestamp::new(23, 5_000)));
        for text in ["", "1", "1.", ".5", "1.1234567", "a.5", "1.-5", "--1.5"] {
            assert_eq!(Timestamp::parse(text.as_bytes()), None, "{text}");
        }
    }
}
