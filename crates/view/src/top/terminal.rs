//! The terminal on standard output: taken for the screen, and given back as it was.
//!
//! Guarantee: it is given back when the screen is dropped, and before a panic is told, in whichever thread.

use std::io::{self, Stdout, stdout};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
    /// Whether it is taken.
    is_taken: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn take() -> io::Result<Screen> {
        let is_taken = Arc::new(AtomicBool::new(false));
        let hook = panic::take_hook();
        let taken = Arc::clone(&is_taken);
        panic::set_hook(Box::new(move |bug| {
            give_back(&taken);
            hook(bug);
        }));
        let mut screen = Screen {
            terminal: Terminal::new(CrosstermBackend::new(stdout()))?,
            is_taken,
        };
        screen.take_again()?;
        Ok(screen)
    }

    /// Takes it after it was given back, or somebody else may have changed it.
    pub(super) fn take_again(&mut self) -> io::Result<()> {
        self.is_taken.store(true, Ordering::Relaxed);
        // What crossterm believes to be raw already it leaves as it is.
        disable_raw_mode()?;
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen)?;
        self.terminal.hide_cursor()?;
        self.clear()
    }

    /// Has everything drawn again. `Terminal::clear` would ask the terminal where its cursor is, and wait for the
    /// answer.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    /// Gives it back.
    pub(super) fn give_back(&self) {
        give_back(&self.is_taken);
    }

    /// Whether it is ours; it is not after a panic in some thread.
    pub(super) fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Relaxed)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// What cannot be restored is no reason not to try the rest.
fn give_back(is_taken: &AtomicBool) {
    if is_taken.swap(false, Ordering::Relaxed) {
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}
