//! What is known at any time: the state of each agent, and sums of the last minutes. Views stand on this: a
//! page in a browser, one on a terminal, metrics.
//!
//! Every change has a number, the version. A view takes a [`Snapshot`] and [`Sums`] whenever it draws, and
//! asks only for the sums that have changed since the version it has:
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use netcap_agent::collect::{Overview, SUMS_KEPT};
//!
//! let overview = Overview::new([("lab".to_owned(), "192.0.2.7:7073".to_owned())], SUMS_KEPT);
//! let mut version = 0;
//! for _ in 0..3 {
//!     overview.wait(version, Duration::from_millis(1));
//!     let sums = overview.sums(version, SystemTime::now());
//!     // Each replaces what the view has of its second, agent, type, level, and whether it is repeated.
//!     version = sums.version;
//! }
//! assert_eq!(overview.snapshot().agents[0].label, "lab");
//! ```
//!
//! Guarantees: views hold an agent up only while its part is copied; memory is bounded by the number of
//! agents and of types that the configuration has; what a version has is never missed by asking for what
//! came after an earlier one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use foldhash::quality::RandomState;

use crate::classify::{Finding, Kind};
use crate::collect::join::{Events, Join, JoinOptions, MemberCounts};
use crate::collect::links::News;
use crate::collect::progress::Step;
use crate::collect::views::{
    AgentView, FlowSecond, FlowView, Losses, Snapshot, Status, Sums, Total,
};
use crate::collect::window::{Sum, Window};
use crate::extended::Message;
use crate::observation::Observation;

/// How long sums are kept if nothing else is wanted, as the grapher of 2019 does.
pub const SUMS_KEPT: Duration = Duration::from_secs(31 * 60);
/// The longest time they can be kept.
const LONGEST_KEPT: u64 = 24 * 60 * 60;
/// Sums that are kept of all agents together: some hundred megabytes.
const MOST_SUMS: usize = 4 << 20;

/// See the module.
#[derive(Debug)]
pub struct Overview {
    agents: Vec<Mutex<Entry>>,
    version: Mutex<u64>,
    changed: Condvar,
    /// Seconds of the record that came last; none before the first.
    clock: AtomicI64,
    joined: Option<Joined>,
}

/// The join of packets that were seen at both ends, and what they are hashed with.
#[derive(Debug)]
struct Joined {
    join: Mutex<Join>,
    hasher: RandomState,
    begun: Instant,
}

impl Joined {
    /// Seconds since the begin.
    fn now(&self) -> u32 {
        u32::try_from(self.begun.elapsed().as_secs()).unwrap_or(u32::MAX)
    }
}

/// No second since 1970.
const NEVER: i64 = i64::MIN;

#[derive(Debug)]
struct Entry {
    view: AgentView,
    totals: BTreeMap<(Kind, bool), Total>,
    window: Window,
}

impl Overview {
    /// Of agents with these labels and places. Sums are kept so long, a day at most.
    pub fn new(agents: impl IntoIterator<Item = (String, String)>, kept: Duration) -> Overview {
        let agents: Vec<(String, String)> = agents.into_iter().collect();
        let most = MOST_SUMS / agents.len().max(1);
        let kept = kept.as_secs().clamp(1, LONGEST_KEPT) as u32;
        let entry = |(label, place)| Entry {
            view: AgentView {
                label,
                place,
                status: Status::Connecting,
                connections: 0,
                records: 0,
                octets: 0,
                packets: 0,
                bits: 0,
                partial_octets: 0,
                last_time: None,
                lag: None,
                outside: 0,
                crowded_out: 0,
                losses: None,
                totals: Vec::new(),
            },
            totals: BTreeMap::new(),
            window: Window::new(kept, most),
        };
        Overview {
            agents: agents.into_iter().map(entry).map(Mutex::new).collect(),
            version: Mutex::new(0),
            changed: Condvar::new(),
            clock: AtomicI64::new(NEVER),
            joined: None,
        }
    }

    /// With the packets of agents of the extended stream joined: those that one sent and another received.
    #[must_use]
    pub fn with_joined(self, options: &JoinOptions) -> Overview {
        let joined = Joined {
            join: Mutex::new(Join::new(options)),
            hasher: RandomState::default(),
            begun: Instant::now(),
        };
        Overview {
            joined: Some(joined),
            ..self
        }
    }

    /// Takes what an agent has told, with what each of it is of, that came at this time in so many octets.
    pub fn received<'a>(
        &self,
        agent: usize,
        now: SystemTime,
        octets: usize,
        observations: impl IntoIterator<Item = (impl Into<Observation<'a>>, &'a [Finding<'a>])>,
    ) {
        let now = microseconds(now);
        self.change(agent, |entry, version| {
            entry.view.octets += octets as u64;
            for (observation, findings) in observations {
                let observation = observation.into();
                let time = observation.microseconds();
                entry.view.records += u64::from(!matches!(observation, Observation::Machine(..)));
                entry.view.last_time = Some(time);
                entry.view.lag = Some(now.saturating_sub(time));
                let (second, _) = observation.time();
                let current = now.div_euclid(1_000_000);
                self.clock.store(second, Ordering::Relaxed);
                entry.window.add(second, current, version, findings);
                for finding in findings {
                    entry.total(finding);
                }
            }
        });
    }

    /// Takes what has happened to the connection to an agent.
    pub fn news(&self, agent: usize, now: SystemTime, news: &News) {
        if let (News::Unreachable { .. } | News::Lost { .. }, Some(joined)) = (news, &self.joined) {
            lock(&joined.join).gone(agent);
        }
        self.change(agent, |entry, _| {
            let view = &mut entry.view;
            match news {
                News::Connected { .. } => {
                    view.connections += 1;
                    view.status = Status::Connected { since: now };
                }
                News::Unreachable { why, .. } => view.lost(now, why),
                News::Lost { why, partial } => {
                    view.partial_octets += *partial as u64;
                    view.lost(now, why);
                }
                News::Missed { .. } => {}
                News::Ended => view.status = Status::Ended,
            }
        });
    }

    /// Takes what is lost of the packets of an agent, as it tells now.
    pub fn lost(&self, agent: usize, losses: Losses) {
        self.change(agent, |entry, _| entry.view.losses = Some(losses));
    }

    fn change(&self, agent: usize, change: impl FnOnce(&mut Entry, u64)) {
        let Some(entry) = self.agents.get(agent) else {
            return;
        };
        // The version grows while the entry is held, so who sees the version and then the entry sees
        // the change.
        let mut entry = lock(entry);
        let version = {
            let mut version = lock(&self.version);
            *version += 1;
            *version
        };
        change(&mut entry, version);
        drop(entry);
        self.changed.notify_all();
    }

    /// The version now.
    pub fn version(&self) -> u64 {
        *lock(&self.version)
    }

    /// Waits until there is a version after this one, but no longer than asked; gives what there is. Under
    /// load that is at once: a view should also let some time pass between two drawings.
    pub fn wait(&self, since: u64, longest: Duration) -> u64 {
        let version = lock(&self.version);
        let waited = self
            .changed
            .wait_timeout_while(version, longest, |version| *version <= since);
        let (version, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *version
    }

    /// All agents now.
    pub fn snapshot(&self) -> Snapshot {
        let version = self.version();
        let view = |entry: &Mutex<Entry>| {
            let entry = lock(entry);
            AgentView {
                outside: entry.window.outside,
                crowded_out: entry.window.crowded_out,
                totals: entry.totals.values().copied().collect(),
                ..entry.view.clone()
            }
        };
        Snapshot {
            version,
            agents: self.agents.iter().map(view).collect(),
        }
    }

    /// Takes messages of an agent, and what they say of the stream, into the join.
    pub(crate) fn join(&self, agent: usize, messages: &[Message], steps: &[Step]) {
        if let Some(joined) = &self.joined {
            let events = Events::of(messages, steps, &joined.hasher);
            lock(&joined.join).heard(agent, events, joined.now());
        }
    }

    /// The flows that were seen at both ends, in the order in which they were first.
    /// No more than the first so many, as each costs agents some time; and how many there are.
    pub fn flows(&self, most: usize) -> (Vec<FlowView>, usize) {
        self.with_join(|join| join.flows(most)).unwrap_or_default()
    }

    /// The outcome of packets, by flow and second; of each second once all is known of it, and at the end of all.
    /// Each is given once. Empty if the join was not asked to keep it.
    pub fn flow_seconds(&self, is_end: bool) -> Vec<FlowSecond> {
        let taken = self.with_join(|join| {
            if is_end {
                join.finish();
            }
            join.take_seconds(is_end)
        });
        taken.unwrap_or_default()
    }

    /// Packets of an agent that are in no flow, if packets are joined.
    pub fn unjoined(&self, agent: usize) -> Option<MemberCounts> {
        self.with_join(|join| join.counts(agent))
    }

    /// Whether no packet can be joined, as all agents that could say so only of what they send, or of what they
    /// receive. Not while one of them has yet to say anything.
    pub fn is_one_sided(&self) -> bool {
        let joined = self.joined.as_ref();
        joined.is_some_and(|joined| lock(&joined.join).is_one_sided())
    }

    /// Flows that had to go for lack of room.
    pub fn flows_crowded_out(&self) -> u64 {
        let count = self.with_join(|join| join.pairs_crowded_out());
        count.unwrap_or_default()
    }

    fn with_join<T>(&self, read: impl FnOnce(&mut Join) -> T) -> Option<T> {
        let joined = self.joined.as_ref()?;
        let mut join = lock(&joined.join);
        join.sweep(joined.now());
        Some(read(&mut join))
    }

    /// The sums of all seconds that have changed since a version, 0 for all there are. Where records of long
    /// ago keep their times, now is what [`Overview::clock`] says.
    pub fn sums(&self, since: u64, now: SystemTime) -> Sums {
        let version = self.version();
        let now = microseconds(now).div_euclid(1_000_000);
        let mut sums = Vec::new();
        for (agent, entry) in self.agents.iter().enumerate() {
            lock(entry).window.changed(agent, since, now, &mut sums);
        }
        sums.sort_unstable_by_key(Sum::key);
        Sums { version, sums }
    }

    /// The time of the record that came last, in seconds since 1970, of whichever agent.
    pub fn clock(&self) -> Option<i64> {
        let clock = self.clock.load(Ordering::Relaxed);
        (clock != NEVER).then_some(clock)
    }
}

impl Entry {
    fn total(&mut self, finding: &Finding<'_>) {
        let key = (finding.kind, finding.is_secondary);
        let total = self.totals.entry(key).or_insert(Total {
            kind: finding.kind,
            is_secondary: finding.is_secondary,
            records: 0,
            value: 0,
            last: 0,
        });
        if finding.kind.is_traffic() && !finding.is_repeated {
            self.view.packets += 1;
            self.view.bits = self.view.bits.saturating_add(finding.value);
        }
        total.records += 1;
        total.value = total.value.saturating_add(finding.value);
        total.last = finding.value;
    }
}

/// Microseconds since 1970.
fn microseconds(time: SystemTime) -> i64 {
    let past = |error: std::time::SystemTimeError| -(error.duration().as_micros() as i64);
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or_else(past, |time| time.as_micros() as i64)
}

/// Nobody panics while holding a lock here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
