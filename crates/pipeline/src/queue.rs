//! The jobs that wait for a worker. What others wait for comes first: batches in their turn, blocks
//! on their way out; new batches are walked when there is nothing else.
//!
//! It has no limit of its own. Batches come from a fixed pool, a lane has one job at a time, and the
//! sequencer delivers no batch while as many tasks of the outlet are under way as the pool has
//! batches, so what waits here is bounded by these.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A queue with two classes.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    more: Condvar,
}

struct State<T> {
    urgent: VecDeque<T>,
    others: VecDeque<T>,
    is_closed: bool,
    /// Threads that wait: waking nobody would cost a call of the system too.
    waiting: usize,
}

/// How often a thread lets others run before it waits: who has something to do for it mostly brings it
/// soon, and waiting and waking cost more.
const YIELDS: usize = 4;

impl<T> Queue<T> {
    pub(crate) fn new() -> Queue<T> {
        Queue {
            state: Mutex::new(State {
                urgent: VecDeque::new(),
                others: VecDeque::new(),
                is_closed: false,
                waiting: 0,
            }),
            more: Condvar::new(),
        }
    }

    /// Adds a job that goes before those of [`Queue::push`].
    pub(crate) fn push_urgent(&self, job: T) {
        let mut state = self.lock();
        state.urgent.push_back(job);
        self.wake(state);
    }

    pub(crate) fn push(&self, job: T) {
        let mut state = self.lock();
        state.others.push_back(job);
        self.wake(state);
    }

    /// Wakes a thread for a job that was added, if one waits.
    fn wake(&self, state: MutexGuard<'_, State<T>>) {
        let is_awaited = state.waiting > 0;
        drop(state);
        if is_awaited {
            self.more.notify_one();
        }
    }

    /// Waits for a job; none once the queue is closed.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut yields = 0;
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            let job = state.urgent.pop_front();
            if let Some(job) = job.or_else(|| state.others.pop_front()) {
                return Some(job);
            }
            if yields < YIELDS {
                yields += 1;
                drop(state);
                thread::yield_now();
                state = self.lock();
                continue;
            }
            state.waiting += 1;
            let woken = self.more.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
            yields = 0;
        }
    }

    /// Sends all who wait away, now and from now on; jobs that nobody took are dropped.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.urgent.clear();
        state.others.clear();
        drop(state);
        self.more.notify_all();
    }

    /// Nobody panics while holding the lock but by lack of memory.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgent_jobs_come_first() {
        let queue = Queue::new();
        queue.push(1);
        queue.push_urgent(2);
        queue.push_urgent(3);
        assert_eq!(
            [queue.pop(), queue.pop(), queue.pop()].map(Option::unwrap_or_default),
            [2, 3, 1]
        );
        queue.push(4);
        queue.close();
        assert_eq!(queue.pop(), None);
    }
}
