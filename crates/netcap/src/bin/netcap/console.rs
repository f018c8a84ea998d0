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
