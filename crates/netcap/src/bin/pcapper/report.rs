//! What happens with packets and collectors: lines on standard error, metrics, and the sums at the end.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netcap_agent::{Counts, LogCounts, Outlet};
use netcap_relay::{ClientTotals, Event, Farewell};
use netcap_shell::figures::{grouped, several};
use netcap_shell::metrics::Page;
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

struct State {
    inputs: Vec<Input>,
    /// Collectors that came, and the records that those got and lost who have left.
    collectors: u64,
    sent: u64,
    lost: u64,
    comings: Damper,
    goings: Damper,
    refused: Damper,
    accepts: Damper,
    log: Damper,
}

/// An interface or a capture.
struct Input {
    name: String,
    counts: Counts,
    /// Packets that the kernel or the interface dropped, where packets come from one.
    dropped: Option<u64>,
}

impl Report {
    pub(crate) fn new(is_quiet: bool) -> Report {
        let state = State {
            inputs: Vec::new(),
            collectors: 0,
            sent: 0,
            lost: 0,
            comings: Damper::new(SPACING),
            goings: Damper::new(SPACING),
            refused: Damper::new(MINUTE),
            accepts: Damper::new(MINUTE),
            log: Damper::new(MINUTE),
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

    /// Takes note of what happened with a collector.
    pub(crate) fn event(&self, event: Event) {
        let mut state = self.lock();
        match event {
            Event::Joined(peer) => {
                state.collectors += 1;
                if !self.is_quiet {
                    state.comings.tell(PROGRAM, &format!("{peer}: connected"));
                }
            }
            Event::Left(totals) => {
                state.sent += totals.packets;
                state.lost += lost_to(&totals);
                if !self.is_quiet {
                    state.goings.tell(PROGRAM, &account(&totals));
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

    /// Prints the sums.
    pub(crate) fn sums(&self, outlet: &Outlet, log: &LogCounts) {
        let state = self.lock();
        for input in &state.inputs {
            PROGRAM.note(sums_of(input));
        }
        PROGRAM.note(format_args!(
            "{}: {} records sent, {} not taken in time; {} while nobody was there",
            several(state.collectors, "collector"),
            grouped(state.sent),
            grouped(state.lost),
            grouped(outlet.unheard()),
        ));
        PROGRAM.note(format_args!(
            "log: {} lines written, {} lost",
            grouped(log.written.load(Ordering::Relaxed)),
            grouped(log.lost.load(Ordering::Relaxed)),
        ));
    }

    /// Whether every packet has one fate.
    pub(crate) fn audit(&self) -> Result<(), Failure> {
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

    /// Writes all that is counted.
    pub(crate) fn metrics(&self, page: &mut Page, outlet: &Outlet, log: &LogCounts) {
        let state = self.lock();
        let (here, losing) = outlet.fanout().audience();
        let mut packets = page.counter("pcapper_packets_total", "Packets that came.");
        for input in &state.inputs {
            packets.value(&[("interface", &input.name)], input.counts.packets);
        }
        let mut fates = page.counter("pcapper_packet_fates_total", "Packets by outcome.");
        for input in &state.inputs {
            for (fate, count) in fates_of(&input.counts) {
                fates.value(&[("interface", &input.name), ("fate", fate)], count);
            }
        }
        let mut dropped = page.counter(
            "pcapper_dropped_packets_total",
            "Packets that the kernel or the interface dropped.",
        );
        for input in &state.inputs {
            let count = input.dropped.unwrap_or_default();
            dropped.value(&[("interface", &input.name)], count);
        }
        page.gauge("pcapper_collectors", "Collectors that are connected.")
            .value(&[], here);
        page.counter("pcapper_collectors_total", "Collectors that came.")
            .value(&[], state.collectors);
        page.counter(
            "pcapper_sent_records_total",
            "Records sent to collectors that have left.",
        )
        .value(&[], state.sent);
        page.counter(
            "pcapper_lost_records_total",
            "Records that collectors did not take in time.",
        )
        .value(&[], state.lost + losing);
        page.counter(
            "pcapper_unheard_records_total",
            "Records that came while no collector was connected.",
        )
        .value(&[], outlet.unheard());
        page.counter("pcapper_refused_total", "Connections turned away.")
            .value(&[], state.refused.count());
        page.counter(
            "pcapper_failed_accepts_total",
            "Times that the system could not let a collector in.",
        )
        .value(&[], state.accepts.count());
        let mut lines = page.counter("pcapper_log_lines_total", "Lines of the log, by fate.");
        for (fate, count) in [("written", &log.written), ("lost", &log.lost)] {
            lines.value(&[("fate", fate)], count.load(Ordering::Relaxed));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outcomes of packets, by name.
fn fates_of(counts: &Counts) -> impl Iterator<Item = (&'static str, u64)> {
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
    let mut line = format!("{}: {} packets", input.name, grouped(input.counts.packets));
    for (fate, count) in fates_of(&input.counts) {
        if count > 0 || fate == "recorded" {
            // Writing to a string cannot fail.
            let _ = write!(line, ", {} {}", grouped(count), fate.replace('_', " "));
        }
    }
    if let Some(dropped) = input.dropped {
        let _ = write!(line, "; {} dropped by the kernel", grouped(dropped));
    }
    line
}

/// Records that a collector had not got when it left: those it was too slow for, those that waited, and
/// those that were being written.
fn lost_to(totals: &ClientTotals) -> u64 {
    totals.lost.dropped_packets + totals.unfinished
}

/// The account of a collector that has left.
fn account(totals: &ClientTotals) -> String {
    let mut line = format!("{}: {} records sent", totals.peer, grouped(totals.packets));
    let lost = lost_to(totals);
    if lost > 0 {
        let _ = write!(line, ", {} lost", grouped(lost));
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
