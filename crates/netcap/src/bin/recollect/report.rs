//! What the user is told on standard error: connections, and on a terminal the time that records have. With a
//! view on the terminal it has a line for the former.

use std::io::{Write, stderr};
use std::sync::{Mutex, PoisonError};

use netcap_agent::collect::News;
use netcap_shell::console::is_watched;
use netcap_shell::figures::{grouped, several};
use netcap_view::Messages;

use crate::PROGRAM;

/// To the beginning of the line, and erase it (ECMA-48).
const ERASE: &str = "\r\x1b[2K";

/// See the module.
pub(crate) struct Report {
    is_quiet: bool,
    has_clock: bool,
    messages: Option<Messages>,
    /// The seconds that the terminal shows. Who holds it writes to standard error.
    shown: Mutex<Option<i64>>,
}

impl Report {
    pub(crate) fn new(is_quiet: bool, messages: Option<Messages>) -> Report {
        Report {
            is_quiet,
            has_clock: !is_quiet && is_watched() && messages.is_none(),
            messages,
            shown: Mutex::new(None),
        }
    }

    /// Tells what happens to a connection.
    pub(crate) fn news(&self, label: &str, news: &News) {
        match news {
            News::Connected { to } => self.line(format_args!("{label}: connected to {to}")),
            News::Unreachable { is_known: true, .. } | News::Ended => {}
            News::Unreachable { why, .. } => {
                self.line(format_args!(
                    "{label}: cannot connect: {why}; trying until it can"
                ));
            }
            News::Missed { records } => self.line(format_args!(
                "{label}: {} {} missed: the agent made more than we took, or we were away",
                grouped(*records),
                if *records == 1 { "record" } else { "records" },
            )),
            News::Lost { why, partial: 0 } => {
                self.line(format_args!(
                    "{label}: connection lost: {why}; connecting again"
                ));
            }
            News::Lost { why, partial } => {
                let partial = several(*partial as u64, "octet");
                self.line(format_args!(
                    "{label}: connection lost: {why}; {partial} of an unfinished record dropped; connecting again"
                ));
            }
        }
    }

    /// Tells something, unless that is not wanted.
    pub(crate) fn line(&self, text: std::fmt::Arguments<'_>) {
        if self.is_quiet {
            return;
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        self.erase(&mut shown);
        if let Some(messages) = &self.messages {
            messages.tell(text);
        }
        if self.messages.is_none() || !is_watched() {
            PROGRAM.note(text);
        }
    }

    /// Shows the time of the last record, on a terminal: one that lags tells of an agent that cannot keep
    /// up, or whose clock is wrong.
    pub(crate) fn clock(&self, seconds: Option<i64>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if self.has_clock && *shown != seconds {
            *shown = seconds;
            let seconds = seconds.unwrap_or_default();
            let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
            let second = seconds % 60;
            // Nobody there to see it is no reason to stop.
            let _ = write!(stderr(), "{ERASE}{hour:02}:{minute:02}:{second:02}");
        }
    }

    /// Removes the clock.
    pub(crate) fn end(&self) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        self.erase(&mut shown);
    }

    fn erase(&self, shown: &mut Option<i64>) {
        if shown.take().is_some() {
            let _ = write!(stderr(), "{ERASE}");
        }
    }
}
