//! Trouble of one kind, which may come by the thousand, told now and then.

use std::time::{Duration, Instant};

use crate::program::Program;

/// Tells of trouble at most once in a while, and how much of it was not told.
#[derive(Debug)]
pub struct Damper {
    spacing: Duration,
    count: u64,
    silent: u64,
    told: Option<Instant>,
}

impl Damper {
    /// One that tells no more often than that.
    pub fn new(spacing: Duration) -> Damper {
        Damper {
            spacing,
            count: 0,
            silent: 0,
            told: None,
        }
    }

    /// How often it has happened.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes note of what has happened once more, and tells if it is time to.
    pub fn tell(&mut self, program: &Program, line: &str) {
        if let Some(line) = self.line(line) {
            program.note(line);
        }
    }

    fn line(&mut self, line: &str) -> Option<String> {
        self.count += 1;
        if self.told.is_some_and(|told| told.elapsed() < self.spacing) {
            self.silent += 1;
            return None;
        }
        self.told = Some(Instant::now());
        Some(match std::mem::take(&mut self.silent) {
            0 => line.to_owned(),
            more => format!("{line} (and {more} more like it before)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_is_told_once() {
        let mut damper = Damper::new(Duration::from_secs(3600));
        assert_eq!(damper.line("trouble").as_deref(), Some("trouble"));
        for _ in 0..999 {
            assert_eq!(damper.line("trouble"), None);
        }
        assert_eq!(damper.count(), 1000);
        damper.spacing = Duration::ZERO;
        let line = damper.line("trouble");
        let expected = "trouble (and 999 more like it before)";
        assert_eq!(line.as_deref(), Some(expected));
        assert_eq!(damper.line("trouble").as_deref(), Some("trouble"));
    }
}
