//! How far the collection has come, on a terminal only.

use std::io::{self, IsTerminal};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use netcap_pipeline::Watch;

use crate::console::{grouped, size};

/// A line on standard error that is always up to date, or nothing where nobody would see it.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Progress {
        let is_seen = !quiet && io::stderr().is_terminal();
        Progress {
            bar: is_seen.then(|| ProgressBar::new_spinner().with_style(style("{spinner} {msg}"))),
            started: Instant::now(),
        }
    }

    /// Shows the packets, their rate and, of an input whose length is known, share and time left.
    pub(crate) fn show(&mut self, watch: Watch) {
        let Some(bar) = &self.bar else { return };
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let rate = (watch.packets as f64 / seconds) as u64;
        let mut message = format!("{} packets, {}/s", grouped(watch.packets), grouped(rate));
        if watch.total.is_none() {
            message.push_str(&format!(", {}", size(watch.done)));
        }
        // The message first: each of these may draw the line.
        bar.set_message(message);
        if let Some(total) = watch.total {
            if bar.length().is_none() {
                bar.set_style(style("[{bar:30}] {percent:>3}%, {eta} left, {msg}"));
                bar.set_length(total);
            }
            bar.set_position(watch.done);
        }
        bar.tick();
    }

    /// Removes the line.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are ours; a wrong one would cost no more than its looks.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
