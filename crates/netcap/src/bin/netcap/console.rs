//! What the user sees: standard output, notes on standard error, colours, figures.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use crate::failure::Failure;

/// Standard output for a lot of text.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(128 << 10, io::stdout().lock())
}

/// Writes a text to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(Failure::stdout)
}

/// Tells the user what is wrong, or worth knowing, in one line on standard error.
pub(crate) fn note(line: impl fmt::Display) {
    say(format_args!("netcap: {line}"));
}

/// Writes one line to standard error. That nobody can read it is no reason to stop.
pub(crate) fn say(line: impl fmt::Display) {
    drop(writeln!(io::stderr(), "{line}"));
}

/// Whether text for this stream may hold colours: a terminal, and the user has not declined
/// (<https://no-color.org>).
pub(crate) fn has_colours(stream: &impl IsTerminal) -> bool {
    let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !declined
}

/// A number with its thousands grouped: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of octets in SI units: `18.2 kB`.
pub(crate) fn size(octets: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if octets < 1000 {
        return format!("{octets} B");
    }
    let mut value = octets as f64 / 1000.0;
    let mut unit = 0;
    // What rounds to 1000.0 is one of the next unit.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let texts = [0, 999, 1000, 123_456, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn sizes_have_three_digits() {
        let texts = [0, 999, 1000, 18_249, 999_949, 999_950, u64::MAX].map(size);
        assert_eq!(
            texts,
            [
                "0 B", "999 B", "1.0 kB", "18.2 kB", "999.9 kB", "1.0 MB", "18.4 EB"
            ]
        );
    }
}
