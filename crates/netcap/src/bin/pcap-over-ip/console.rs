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
