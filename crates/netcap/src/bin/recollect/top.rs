//! The view on the terminal, if it is asked for.

use std::env;
use std::io::{self, IsTerminal, stdout};
use std::time::Duration;

use netcap_shell::signals::Suspension;
use netcap_shell::{Failure, console};
use netcap_view::{Ask, Depth, Messages, Model, Top};

use crate::flags::Flags;

/// A terminal that can be drawn on, and is not taken yet.
pub(crate) struct Canvas {
    depth: Depth,
    suspension: Suspension,
    /// What the screen has a line for.
    pub(crate) messages: Messages,
}

/// The terminal, taken.
pub(crate) struct View<'a> {
    top: Top,
    suspension: &'a Suspension,
}

impl Canvas {
    /// Standard output, if it is asked for.
    pub(crate) fn find(flags: &Flags) -> Result<Option<Canvas>, Failure> {
        if !flags.view.top {
            return Ok(None);
        }
        if !stdout().is_terminal() {
            return Err(Failure::Usage(
                "--top draws on standard output, which is no terminal; do not redirect it, or leave out --top"
                    .to_owned(),
            ));
        }
        let variable = |name| env::var(name).unwrap_or_default();
        let term = variable("TERM");
        if ["", "dumb", "unknown"].contains(&term.as_str()) {
            return Err(Failure::Usage(format!(
                "--top cannot draw on a terminal with TERM={}; set TERM to what it is, as in TERM=xterm-256color, or leave out --top",
                term.escape_debug()
            )));
        }
        let depth = match console::has_colours() {
            true => Depth::of(&term, &variable("COLORTERM")),
            false => Depth::None,
        };
        Ok(Some(Canvas {
            depth,
            suspension: Suspension::watch()?,
            messages: Messages::default(),
        }))
    }

    /// Takes the terminal.
    pub(crate) fn open(&self, model: Model) -> Result<View<'_>, Failure> {
        let top = Top::open(model, self.depth, self.messages.clone());
        let top = top.map_err(|error| {
            Failure::Environment(format!(
                "--top cannot use the terminal: {error}; leave out --top"
            ))
        })?;
        Ok(View {
            top,
            suspension: &self.suspension,
        })
    }
}

impl View<'_> {
    /// Looks after the screen for so long; gives whether the user wants to end it.
    pub(crate) fn wait(&mut self, longest: Duration) -> Result<bool, Failure> {
        let ask = self.top.wait(longest).map_err(Failure::stdout)?;
        if ask == Ask::Bug {
            return Err(Failure::Bug("a thread has panicked".to_owned()));
        }
        self.suspend(ask == Ask::Suspend).map_err(Failure::stdout)?;
        Ok(ask == Ask::End)
    }

    fn suspend(&mut self, is_asked: bool) -> io::Result<()> {
        if self.suspension.is_asked() || is_asked {
            self.top.leave();
            self.suspension.suspend()?;
            self.top.enter()?;
        }
        // Who goes on after SIGSTOP finds the terminal as the shell has left it.
        match self.suspension.is_over() {
            true => self.top.enter(),
            false => Ok(()),
        }
    }
}
