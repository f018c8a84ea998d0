//! How everybody learns that it is time to end, and how much time is left for that.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The end, as asked for by a signal. It is shared by all threads.
#[derive(Debug, Default)]
pub struct Halt {
    asked: std::sync::Arc<AtomicBool>,
    noticed: OnceLock<Instant>,
}

impl Halt {
    /// One that is asked for by setting the flag, as a signal handler does.
    pub fn new(asked: std::sync::Arc<AtomicBool>) -> Halt {
        Halt {
            asked,
            noticed: OnceLock::new(),
        }
    }

    /// The flag that asks for it, for one more signal.
    pub fn flag(&self) -> &std::sync::Arc<AtomicBool> {
        &self.asked
    }

    /// Asks for the end.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether the end was asked for.
    pub fn is_asked(&self) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        if asked {
            self.noticed.get_or_init(Instant::now);
        }
        asked
    }

    /// Whether it was asked for that long ago.
    pub fn is_over(&self, grace: Duration) -> bool {
        self.is_asked()
            && self
                .noticed
                .get()
                .is_some_and(|since| since.elapsed() >= grace)
    }

    /// Sleeps for that long, or until the end is asked for.
    pub fn sleep(&self, time: Duration) {
        /// How soon a sleeper notices.
        const NAP: Duration = Duration::from_millis(50);
        let until = Instant::now() + time;
        while !self.is_asked() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}
