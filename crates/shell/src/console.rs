//! What the user sees: standard output, lines on standard error, colours.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use crate::failure::Failure;

/// Standard output for a lot of text or octets.
pub fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(128 << 10, io::stdout().lock())
}

/// Writes a text to standard output.
///
/// # Errors
///
/// Where it cannot be written, or nobody reads it.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(Failure::stdout)
}

/// Writes one line to standard error. That nobody can read it is no reason to stop.
pub fn say(line: impl fmt::Display) {
    drop(writeln!(io::stderr(), "{line}"));
}

/// Whether somebody sees what goes to standard error as it comes.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Whether text for standard output may hold colours: it is a terminal, and the user has not declined
/// (<https://no-color.org>).
pub fn has_colours() -> bool {
    let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !declined
}
