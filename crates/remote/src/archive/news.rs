//! What a person should hear of the files, until it is asked for.
//!
//! Guarantee: bounded, whatever happens to the files; what is left out is counted.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::lock;

/// Lines that wait to be asked for.
const LINES: usize = 256;

/// See the module.
#[derive(Default)]
pub(super) struct News {
    state: Mutex<State>,
    /// Octets that were cut off the ends of files.
    cut: AtomicU64,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    more: u64,
}

impl News {
    pub(super) fn tell(&self, line: String) {
        let mut state = lock(&self.state);
        match state.lines.len() < LINES {
            true => state.lines.push(line),
            false => state.more += 1,
        }
    }

    pub(super) fn count_cut(&self, octets: u64) {
        self.cut.fetch_add(octets, Ordering::Relaxed);
    }

    pub(super) fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }

    /// What is new since this was last asked.
    pub(super) fn take(&self) -> Vec<String> {
        let State { mut lines, more } = std::mem::take(&mut *lock(&self.state));
        if more > 0 {
            lines.push(format!("{more} more lines about files are left out"));
        }
        lines
    }
}
