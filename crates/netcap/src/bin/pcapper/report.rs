//! What happens with packets and collectors: lines on standard error, and the sums at the end.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netcap_agent::extended::Counters;
use netcap_agent::{Counts, LogCounts, Outlet};
use netcap_relay::{Audience, ClientTotals, Event, Farewell};
use netcap_shell::figures::{counted, grouped};
use netcap_shell::{Damper, Failure};

use crate::PROGRAM;

/// What does not end by itself is told again after that.
const MINUTE: Duration = Duration::from_secs(60);
/// What comes by the thousand is told no more often than that.
const SPACING: Duration = Duration::from_secs(1);

/// What has happened so far.
pub(crate) struct Report {
    is_quiet: bool,
    state: Mutex<State>,
}

/// What collectors are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Classic,
    Extended,
}

/// The collectors of a stream that came, and the records that those got and lost who have left.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Account {
    pub(crate) collectors: u64,
    sent: u64,
    lost: u64,
    /// Records that waited for those who left.
    pub(crate) waiting: u64,
    /// The most that was told of the records sent and lost.
    most: (u64, u64),
}

pub(crate) struct State {
    pub(crate) inputs: Vec<Input>,
    pub(crate) classic: Account,
    pub(crate) extended: Account,
    comings: Damper,
    goings: Damper,
    pub(crate) refused: Damper,
    pub(crate) accepts: Damper,
    log: Damper,
    unsent: Damper,
}

/// An interface or a capture.
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) counts: Counts,
    /// Packets that the kernel or the interface dropped, where packets come from one.
    pub(crate) dropped: Option<u64>,
}

impl Report {
    pub(crate) fn new(is_quiet: bool) -> Report {
        let state = State {
            inputs: Vec::new(),
            classic: Account::default(),
            extended: Account::default(),
            comings: Damper::new(SPACING),
            goings: Damper::new(SPACING),
            refused: Damper::new(MINUTE),
            accepts: Damper::new(MINUTE),
            log: Damper::new(MINUTE),
            unsent: Damper::new(MINUTE),
        };
        Report {
            is_quiet,
            state: Mutex::new(state),
        }
    }

    /// Takes note of what came of an input's packets so far.
    pub(crate) fn input(&self, name: &str, counts: Counts, dropped: Option<u64>) {
        let mut state = self.lock();
        let known = state.inputs.iter_mut().find(|input| input.name == name);
        match known {
            Some(input) => (input.counts, input.dropped) = (counts, dropped),
            None => state.inputs.push(Input {
                name: name.to_owned(),
                counts,
                dropped,
            }),
        }
    }

    /// Takes note of what happened with a collector of a stream.
    pub(crate) fn event(&self, stream: Stream, event: Event) {
        let mut state = self.lock();
        let account = match stream {
            Stream::Classic => &mut state.classic,
            Stream::Extended => &mut state.extended,
        };
        match event {
            Event::Joined(peer) => {
                account.collectors += 1;
                if !self.is_quiet {
                    state.comings.tell(PROGRAM, &format!("{peer}: connected"));
                }
            }
            Event::Left(totals) => {
                account.sent += totals.packets;
                let (lost, waiting) = missed(&totals);
                account.lost += lost;
                account.waiting += waiting;
                if !self.is_quiet {
                    state.goings.tell(PROGRAM, &farewell(&totals));
                }
            }
            Event::Refused(peer, reason) => {
                let line = format!("{peer}: turned away: {reason}");
                state.refused.tell(PROGRAM, &line);
            }
            // It was gone before it was served.
            Event::NoHandshake(error) | Event::NoConnection(error, _) => {
                state.refused.tell(PROGRAM, &error.to_string());
            }
            Event::NoAccept(error) => {
                let line = format!(
                    "no collector can be let in: {error}; a higher limit (`ulimit -n`) may help"
                );
                state.accepts.tell(PROGRAM, &line);
            }
        }
    }

    /// Takes note of what went wrong with the log.
    pub(crate) fn log_trouble(&self, line: &str) {
        self.lock().log.tell(PROGRAM, line);
    }

    /// Takes note of a datagram that could not be sent.
    pub(crate) fn unsent(&self, line: &str) {
        self.lock().unsent.tell(PROGRAM, line);
    }

    /// Prints the sums, with what those have who are there.
    pub(crate) fn sums(&self, outlet: &Outlet, log: &LogCounts, is_classic: bool) {
        let state = self.lock();
        for input in &state.inputs {
            PROGRAM.note(sums_of(input));
        }
        if is_classic {
            let here = outlet.fanout().audience();
            PROGRAM.note(state.classic.sums(&here, outlet.unheard()));
        }
        if let Some(extended) = outlet.extended() {
            let accounts = extended.accounts();
            for account in &accounts {
                let line =
                    fates_in_words(account.counters.packets, note_fates_of(&account.counters));
                PROGRAM.note(format_args!(
                    "extended stream: {}: {line}",
                    account.interface
                ));
            }
            let unheard = accounts
                .iter()
                .map(|account| account.counters.unheard)
                .sum();
            let line = state.extended.sums(&extended.fanout().audience(), unheard);
            PROGRAM.note(format_args!("extended stream: {line}"));
        }
        PROGRAM.note(format_args!(
            "log: {} lines written, {} lost",
            grouped(log.written.load(Ordering::Relaxed)),
            grouped(log.lost.load(Ordering::Relaxed)),
        ));
    }

    /// Whether every packet has one fate.
    pub(crate) fn audit(&self, outlet: &Outlet) -> Result<(), Failure> {
        if outlet
            .extended()
            .is_some_and(|extended| !extended.is_balanced())
        {
            let message = "the account of the extended stream does not balance".to_owned();
            return Err(Failure::Bug(message));
        }
        let state = self.lock();
        let odd = state
            .inputs
            .iter()
            .find(|input| !input.counts.is_balanced());
        odd.map_or(Ok(()), |input| {
            let message = format!("{}: the account does not balance", input.name);
            Err(Failure::Bug(message))
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// Records sent and lost so far, of those who are there, too. Never less than before: who is about to leave
    /// is in neither for a moment.
    pub(crate) fn so_far(&mut self, here: &Audience) -> (u64, u64) {
        let (sent, lost) = &mut self.most;
        *sent = (*sent).max(self.sent + here.sent);
        *lost = (*lost).max(self.lost + here.lost);
        self.most
    }

    /// The outcome of its records, in a line.
    fn sums(&self, here: &Audience, unheard: u64) -> String {
        let waiting = match self.waiting {
            0 => String::new(),
            some => format!(", {} waiting for one that left", grouped(some)),
        };
        format!(
            "{}: {} records sent, {} not taken in time{waiting}; {} while nobody was there",
            counted(self.collectors, "collectors"),
            grouped(self.sent + here.sent),
            grouped(self.lost + here.lost),
            grouped(unheard),
        )
    }
}

/// The outcomes of packets in the extended stream, by name.
pub(crate) fn note_fates_of(counters: &Counters) -> impl Iterator<Item = (&'static str, u64)> {
    [
        ("recorded", counters.recorded),
        ("own", counters.own),
        ("filtered", counters.filtered),
        ("not_ip", counters.not_ip),
        ("malformed", counters.malformed),
        ("unheard", counters.unheard),
    ]
    .into_iter()
}

/// The outcomes of packets, by name.
pub(crate) fn fates_of(counts: &Counts) -> impl Iterator<Item = (&'static str, u64)> {
    let others = [
        ("recorded", counts.recorded),
        ("own", counts.own),
        ("filtered", counts.filtered),
    ];
    let skipped = counts.skipped();
    let skipped = skipped.map(|(reason, count)| (reason.name(), count));
    others.into_iter().chain(skipped)
}

/// The outcomes of an input's packets, in a line.
fn sums_of(input: &Input) -> String {
    let fates = fates_in_words(input.counts.packets, fates_of(&input.counts));
    let mut line = format!("{}: {fates}", input.name);
    if let Some(dropped) = input.dropped {
        // Writing to a string cannot fail.
        let _ = write!(line, "; {} dropped by the kernel", grouped(dropped));
    }
    line
}

fn fates_in_words(packets: u64, fates: impl Iterator<Item = (&'static str, u64)>) -> String {
    let mut line = format!("{} packets", grouped(packets));
    for (fate, count) in fates {
        if count > 0 || fate == "recorded" {
            let _ = write!(line, ", {} {}", grouped(count), fate.replace('_', " "));
        }
    }
    line
}

/// Records that a collector had not got when it left: those that it was too slow for; and where it left of its own
/// accord, those that waited or were being written.
fn missed(totals: &ClientTotals) -> (u64, u64) {
    let all = totals.lost.dropped_packets + totals.unfinished;
    let waiting = match totals.farewell {
        Farewell::Left => totals.lost.waiting_packets + totals.unfinished,
        _ => 0,
    };
    (all - waiting, waiting)
}

/// The account of a collector that has left.
fn farewell(totals: &ClientTotals) -> String {
    let mut line = format!("{}: {} records sent", totals.peer, grouped(totals.packets));
    let (lost, waiting) = missed(totals);
    for (count, fate) in [(lost, "lost"), (waiting, "still waiting")] {
        if count > 0 {
            let _ = write!(line, ", {} {fate}", grouped(count));
        }
    }
    line + match &totals.farewell {
        Farewell::Complete => "; it has all there is",
        Farewell::Stopped => "; stopped",
        Farewell::Left => "; it left",
        Farewell::TooSlow => "; let go: too slow",
        Farewell::Stalled => "; let go: it took nothing for 30 s",
        Farewell::Talkative => "; let go: it talks, and collectors have nothing to say",
        Farewell::Input(_) | Farewell::Failed(_) => "; the connection failed",
    }
}

#[cfg(test)]
mod tests {
    use netcap_relay::QueueCounts;

    use super::*;

    #[test]
    fn who_leaves_has_lost_nothing_by_that() {
        let totals = |farewell| ClientTotals {
            peer: "a".to_owned(),
            packets: 31,
            octets: 868,
            stalls: 0,
            lost: QueueCounts {
                dropped_packets: 7,
                waiting_packets: 2,
                ..QueueCounts::default()
            },
            unfinished: 1,
            farewell,
        };
        let line = |farewell| super::farewell(&totals(farewell));
        assert_eq!(
            line(Farewell::Left),
            "a: 31 records sent, 5 lost, 3 still waiting; it left"
        );
        assert_eq!(
            line(Farewell::Stopped),
            "a: 31 records sent, 8 lost; stopped"
        );
        let report = Report::new(true);
        report.event(Stream::Classic, Event::Left(totals(Farewell::Left)));
        let account = report.lock().classic;
        assert_eq!((account.sent, account.lost, account.waiting), (31, 5, 3));
        assert_eq!(
            account.sums(&Audience::default(), 0),
            "0 collectors: 31 records sent, 5 not taken in time, 3 waiting for one that left; 0 while nobody \
             was there"
        );
    }
}
