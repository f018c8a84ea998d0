//! What the user sees: standard output, lines on standard error, figures.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;

/// Writes a text to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Output(format!("cannot write to standard output: {error}")),
        })
}

/// Tells the user something in one line on standard error. That nobody can read it is no reason to
/// stop.
pub(crate) fn note(line: impl fmt::Display) {
    drop(writeln!(io::stderr(), "pcap-over-ip: {line}"));
}

/// Whether somebody is watching.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
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

/// A number of things, as in `1 packet` and `5 packets`.
pub(crate) fn several(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        let texts = [0, 999, 1000, 999_950, u64::MAX].map(size);
        assert_eq!(texts, ["0 B", "999 B", "1.0 kB", "1.0 MB", "18.4 EB"]);
        assert_eq!(
            [1, 2].map(|n| several(n, "packet")),
            ["1 packet", "2 packets"]
        );
    }
}
