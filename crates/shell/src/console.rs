//! What the user sees: standard output, lines on standard error, colours.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use ::console::Term;
use netcap_record::table::{cut, visible_lines};

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

/// Writes a line, or several, to standard error. What could act on a terminal is escaped, whoever has
/// brought it into the message. That nobody can read it is no reason to stop.
pub fn say(line: impl fmt::Display) {
    let text = visible_lines(&line.to_string());
    drop(writeln!(io::stderr(), "{text}"));
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Text with tables for standard output: on a terminal no wider than that.
pub fn fitted(text: String) -> String {
    let size = is_terminal()
        .then(|| Term::stdout().size_checked())
        .flatten();
    match size {
        Some((_, columns)) => cut(&text, columns.into()),
        None => text,
    }
}

/// Whether somebody sees what goes to standard error as it comes.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Whether text for standard output may hold colours: it is a terminal, and the user has not declined
/// (<https://no-color.org>).
pub fn has_colours() -> bool {
    let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    is_terminal() && !declined
}
