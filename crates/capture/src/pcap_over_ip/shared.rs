//! What the threads of a reader have in common: the window, the accounts of the sources, the table of
//! interfaces.
//!
//! Guarantees: all of it is bounded; it is held only for as long as it takes to copy a block.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::options::{InterfaceInfo, ReaderOptions};
use super::window::{Leaving, Window};
use crate::format::Described;
use crate::{Error, Origin};

/// As many sources are told apart; what comes from others is counted together.
const MAX_ORIGINS: usize = 1024;
/// As many interfaces are told apart; a peer that describes more is cut off.
pub(crate) const MAX_INTERFACES: usize = 1 << 14;
/// The number of the lane that stands for a connection that is expected; those made count from 1.
pub(crate) const EXPECTED: u64 = 0;

/// The account of one source.
pub(crate) struct Account {
    name: String,
    packets: u64,
    octets: u64,
    /// Packets that it says were dropped where they were captured.
    pub(crate) dropped: u64,
    /// A stream of its has begun.
    has_begun: bool,
    events: Vec<(&'static str, u64)>,
}

impl Account {
    fn new(name: &str) -> Account {
        Account {
            name: name.to_owned(),
            packets: 0,
            octets: 0,
            dropped: 0,
            has_begun: false,
            events: Vec::new(),
        }
    }

    /// Counts a packet that leaves the window.
    pub(crate) fn add(&mut self, leaving: &Leaving<'_>) {
        self.packets += 1;
        self.octets += u64::from(leaving.packet.captured_len());
        self.count("late", u64::from(leaving.late));
        self.count("clock back", u64::from(leaving.back));
        self.count("empty packets", u64::from(leaving.packet.len == 0));
    }

    /// As others see it.
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            name: self.name.clone(),
            packets: self.packets,
            octets: self.octets,
            lost: self.dropped,
            events: self.events.clone(),
            trouble: None,
        }
    }

    /// Counts something that has happened.
    pub(crate) fn count(&mut self, event: &'static str, more: u64) {
        if more == 0 {
            return;
        }
        match self.events.iter_mut().find(|(name, _)| *name == event) {
            Some((_, count)) => *count += more,
            None => self.events.push((event, more)),
        }
    }
}

/// What the threads have in common.
pub(crate) struct State {
    pub(crate) window: Window,
    pub(crate) accounts: Vec<Account>,
    pub(crate) interfaces: Vec<InterfaceInfo>,
    /// Their numbers, by what they are and their number in their section.
    pub(crate) numbers: HashMap<(InterfaceInfo, u32), u32>,
    /// Threads that may still bring packets.
    pub(crate) threads: usize,
    /// Connections of listeners, by address.
    pub(crate) peers: HashMap<IpAddr, usize>,
    /// The names of the sources among them.
    pub(crate) names: HashSet<String>,
    pub(crate) connections: u64,
    /// The worst error so far.
    pub(crate) trouble: Option<Error>,
    pub(crate) panicked: bool,
}

pub(crate) struct Shared {
    pub(crate) options: ReaderOptions,
    pub(crate) state: Mutex<State>,
    /// Packets have come, or a thread has ended.
    pub(crate) news: Condvar,
    /// There is room in the window, or all is to stop.
    pub(crate) room: Condvar,
    /// All is to stop.
    pub(crate) stop: AtomicBool,
    octets: AtomicU64,
}

impl State {
    /// The number of an interface among all, as it is described.
    pub(crate) fn interface(&mut self, source: &str, described: Described) -> Option<u32> {
        let info = InterfaceInfo {
            source: source.to_owned(),
            if_name: described.name.as_deref().map(|name| shown(name, 255)),
            comment: None,
            link_type: described.link_type,
            snaplen: described.snapshot_len,
            nanoseconds: described.nanoseconds,
            fcs_len: described.fcs_len,
        };
        let key = (info, described.in_section);
        let comment = described.comment.as_deref().map(|text| shown(text, 1024));
        if let Some(number) = self.numbers.get(&key) {
            // That of a peer that was started anew may say something else.
            if let Some(known) = self.interfaces.get_mut(*number as usize) {
                known.comment = comment;
            }
            return Some(*number);
        }
        if self.interfaces.len() >= MAX_INTERFACES {
            return None;
        }
        let number = self.interfaces.len() as u32;
        self.interfaces.push(InterfaceInfo {
            comment,
            ..key.0.clone()
        });
        self.numbers.insert(key, number);
        Some(number)
    }
}

impl Shared {
    pub(crate) fn new(window: Window, options: ReaderOptions) -> Shared {
        Shared {
            options,
            state: Mutex::new(State {
                window,
                accounts: Vec::new(),
                interfaces: Vec::new(),
                numbers: HashMap::new(),
                threads: 0,
                peers: HashMap::new(),
                names: HashSet::new(),
                connections: 0,
                trouble: None,
                panicked: false,
            }),
            news: Condvar::new(),
            room: Condvar::new(),
            stop: AtomicBool::new(false),
            octets: AtomicU64::new(0),
        }
    }

    /// Octets received so far.
    pub(crate) fn octets(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }

    /// Counts octets received.
    pub(crate) fn add_octets(&self, more: u64) {
        self.octets.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.room.notify_all();
        self.news.notify_all();
    }

    /// Waits, or less if all is to stop.
    pub(crate) fn sleep(&self, time: Duration) {
        let end = Instant::now() + time;
        let mut state = self.state();
        while !self.stopped() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = wait(&self.room, state, left);
        }
    }

    /// The account of this name, made if need be.
    pub(crate) fn account(&self, name: &str) -> usize {
        let mut state = self.state();
        let others = state.accounts.len() >= MAX_ORIGINS;
        let name = if others { "others" } else { name };
        if let Some(found) = state.accounts.iter().position(|all| all.name == name) {
            return found;
        }
        state.accounts.push(Account::new(name));
        state.accounts.len() - 1
    }

    /// A stream of a source begins; what was sent since its last one is lost.
    pub(crate) fn begin(&self, account: usize) {
        if let Some(account) = self.state().accounts.get_mut(account) {
            let again = std::mem::replace(&mut account.has_begun, true);
            account.count("gaps", u64::from(again));
        }
    }

    pub(crate) fn count(&self, account: usize, event: &'static str) {
        if let Some(account) = self.state().accounts.get_mut(account) {
            account.count(event, 1);
        }
    }

    /// What comes from others no longer waits for an address's first connection.
    pub(crate) fn give_up_expected(&self, index: usize) {
        self.state().window.close((index, EXPECTED));
        self.news.notify_all();
    }

    /// Remembers an error if it is the worst.
    pub(crate) fn blame(&self, error: Error) {
        let mut state = self.state();
        let worse = |known: &Error| error.exit_code() > known.exit_code();
        if state.trouble.as_ref().is_none_or(worse) {
            state.trouble = Some(error);
        }
        drop(state);
        if self.options.fail_fast {
            self.stop();
        }
    }
}

/// Waits for the condition, at most for `time`.
pub(crate) fn wait<'a>(
    condition: &Condvar,
    state: MutexGuard<'a, State>,
    time: Duration,
) -> MutexGuard<'a, State> {
    let result = condition.wait_timeout(state, time);
    result.unwrap_or_else(PoisonError::into_inner).0
}

/// One thread among those that may bring packets; when it ends, so does this.
pub(crate) struct Thread(Arc<Shared>);

impl Thread {
    pub(crate) fn new(shared: &Arc<Shared>) -> Thread {
        shared.state().threads += 1;
        Thread(Arc::clone(shared))
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.threads -= 1;
        state.panicked |= thread::panicking();
        self.0.news.notify_all();
    }
}

/// A peer's text without control characters, and of bounded length.
fn shown(octets: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(octets);
    text.chars()
        .take(most)
        .flat_map(char::escape_debug)
        .collect()
}
