//! Messages that would otherwise be lines on standard error, for a screen that has a line for them.
//!
//! Guarantee: the latest [`MOST`] are kept, without anything that a terminal would act on.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::top::text::clean;

/// How many are kept.
const MOST: usize = 200;

/// See the module. Copies are of the same messages.
#[derive(Clone, Debug, Default)]
pub struct Messages(Arc<Mutex<VecDeque<String>>>);

impl Messages {
    /// Adds one.
    pub fn tell(&self, message: impl fmt::Display) {
        let now = jiff::Timestamp::now().strftime("%H:%M:%S").to_string();
        let message = clean(&format!("{now}  {message}"));
        let mut messages = self.lock();
        messages.push_front(message);
        messages.truncate(MOST);
    }

    /// The latest first.
    pub(super) fn latest(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    /// Nobody panics while holding it.
    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
