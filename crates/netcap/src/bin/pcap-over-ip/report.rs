//! What happens with peers, as lines: each peer's account when it leaves, the sum at the end and when SIGUSR1
//! asks for it, and a line of figures a second where somebody watches.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::{ConnectError, ServerTls};
use netcap_relay::{ClientTotals, Event, Farewell, Feeder, Halt, Outlets, PumpTotals, Supply};
use netcap_shell::console::is_watched;
use netcap_shell::figures::{several, size};
use netcap_shell::signals::Cause;
use netcap_shell::{Damper, Failure, signals};

use crate::PROGRAM;
use crate::flags::OutletFlags;

/// The same kind of trouble is told no more often than that.
const SPACING: Duration = Duration::from_secs(10);

/// How much longer than peers may take the program may take to end.
const GRACE: Duration = Duration::from_secs(1);

/// What signals ask for.
pub(crate) struct Asked {
    /// SIGUSR1: the account so far.
    account: Arc<AtomicBool>,
    /// SIGHUP, where there are certificates to be read again.
    again: Option<(Arc<AtomicBool>, Arc<ServerTls>)>,
    /// Any: the end.
    cause: Cause,
}

impl Asked {
    /// Listens to them. Where there is nothing to be read again, SIGHUP ends the program as SIGTERM does.
    pub(crate) fn listen(halt: &Halt, tls: Option<&Arc<ServerTls>>) -> Result<Asked, Failure> {
        let again = match tls {
            Some(tls) => Some((signals::hang_up()?, Arc::clone(tls))),
            None => {
                signals::stop_at_hang_up(halt.flag())?;
                None
            }
        };
        Ok(Asked {
            account: signals::account()?,
            again,
            cause: Cause::watch()?,
        })
    }

    /// Whether the account is asked for, since this was asked last.
    pub(crate) fn account(&self) -> bool {
        self.account.swap(false, Ordering::Relaxed)
    }

    /// The failure of a run that was ended before its input was.
    pub(crate) fn interrupted(&self, message: &str) -> Failure {
        self.cause.interrupted(message)
    }

    /// Reads certificates again, if that is asked for.
    fn reload(&self) {
        if let Some((asked, tls)) = &self.again
            && asked.swap(false, Ordering::Relaxed)
        {
            match tls.reload() {
                Ok(()) => PROGRAM.note("certificates read again"),
                Err(error) => PROGRAM.note(format_args!("the old certificates stay: {error}")),
            }
        }
    }
}

/// How far the program has come.
#[derive(Default)]
pub(crate) struct Progress {
    /// All that is to be read and written has been.
    pub(crate) is_read: AtomicBool,
    /// The peers are served.
    pub(crate) is_over: AtomicBool,
    /// There is nobody left to get what still comes.
    pub(crate) is_left: AtomicBool,
}

/// Whether a stream goes to peers, and not only into a file.
pub(crate) fn has_peers(outlets: &Outlets) -> bool {
    !outlets.listeners.is_empty() || !outlets.peers.is_empty()
}

/// What has happened so far.
pub(crate) struct Report {
    is_quiet: bool,
    shows_figures: bool,
    asked: Asked,
    /// Whether the stream goes into a file as well.
    has_file: bool,
    /// Whether the run goes on where a peer is given up.
    has_others: bool,
    state: Mutex<State>,
}

struct State {
    peers: u64,
    here: u64,
    packets: u64,
    octets: u64,
    dropped: u64,
    /// Peers that came and went without a packet.
    passers_by: Damper,
    refused: Damper,
    handshakes: Damper,
    connections: Damper,
    accepts: Damper,
    /// The last connection that could not be made, if none was made since.
    failure: Option<Failure>,
    /// What came in, where it is counted in one place.
    input: Option<PumpTotals>,
}

impl State {
    fn new() -> State {
        let damper = || Damper::new(SPACING);
        State {
            peers: 0,
            here: 0,
            packets: 0,
            octets: 0,
            dropped: 0,
            passers_by: damper(),
            refused: damper(),
            handshakes: damper(),
            connections: damper(),
            accepts: damper(),
            failure: None,
            input: None,
        }
    }
}

impl Report {
    /// That of a stream which goes to these outlets, and perhaps into a file.
    pub(crate) fn new(
        flags: &OutletFlags,
        asked: Asked,
        outlets: &Outlets,
        has_file: bool,
    ) -> Report {
        let ways = outlets.listeners.len() + outlets.peers.len() + usize::from(has_file);
        Report {
            is_quiet: flags.quiet,
            shows_figures: flags.stats || !flags.quiet && is_watched(),
            asked,
            has_file,
            has_others: ways > 1,
            state: Mutex::new(State::new()),
        }
    }

    /// The failure of a run that was ended before its input was.
    pub(crate) fn interrupted(&self) -> Failure {
        self.asked
            .interrupted("interrupted; what was read until then has been passed on")
    }

    /// Whether nobody gets what comes, once no peer is served any more.
    pub(crate) fn is_only_for_peers(&self) -> bool {
        !self.has_file
    }

    /// Takes note of what happened with a peer.
    pub(crate) fn event(&self, event: Event) {
        let mut state = self.lock();
        match event {
            Event::Joined(peer) => {
                state.peers += 1;
                state.here += 1;
                state.failure = None;
                if self.shows_figures {
                    PROGRAM.note(format_args!("{}: joined", peer.escape_debug()));
                }
            }
            Event::Left(totals) => {
                state.here = state.here.saturating_sub(1);
                state.packets += totals.packets;
                state.octets += totals.octets;
                state.dropped += totals.lost.dropped_packets;
                if let Farewell::Input(reason) = &totals.farewell {
                    state.failure = Some(Failure::Input(reason.clone()));
                }
                let is_passer_by = totals.packets == 0 && totals.farewell == Farewell::Left;
                match account(&totals) {
                    _ if self.is_quiet => {}
                    line if is_passer_by => state.passers_by.tell(PROGRAM, &line),
                    line => PROGRAM.note(line),
                }
            }
            Event::Refused(peer, reason) => {
                let line = format!("{peer}: turned away: {reason}");
                state.refused.tell(PROGRAM, &line);
            }
            Event::NoHandshake(error) => state.handshakes.tell(PROGRAM, &error.to_string()),
            Event::NoConnection(error, again) => {
                let line = match again {
                    Some(wait) => {
                        format!(
                            "{error}; the next attempt is in {:.0} s",
                            wait.as_secs_f64()
                        )
                    }
                    None => format!("{error}; it is given up"),
                };
                // Else it is told at the end, which is now.
                if again.is_some() || self.has_others {
                    state.connections.tell(PROGRAM, &line);
                }
                state.failure = Some(ConnectError::into(error));
            }
            Event::NoAccept(error) => {
                let line = format!("cannot accept connections: {error}");
                state.accepts.tell(PROGRAM, &line);
            }
        }
    }

    /// Takes note of what came in.
    pub(crate) fn input(&self, totals: &PumpTotals) {
        let mut state = self.lock();
        let before = state.input.as_ref();
        let named = before.map_or(0, |before| before.feeders.len());
        for feeder in totals.feeders.iter().skip(named) {
            PROGRAM.note(match feeder {
                Feeder::Connection(from, to) => format!(
                    "feedback: the connection from {from} to {to} carries this stream over the \
                     interface that it is captured from; it is left out from now on"
                ),
                Feeder::Interface(name) => format!(
                    "feedback: the packets of {} have been through here before, as that source reads from \
                     here; they are left out",
                    name.escape_debug()
                ),
            });
        }
        let dropped = before.map_or(0, |before| before.dropped);
        if totals.dropped > dropped {
            PROGRAM.note(format_args!(
                "{} dropped just now by the system, {} so far",
                several(totals.dropped - dropped, "packet"),
                totals.dropped
            ));
        }
        state.input = Some(totals.clone());
    }

    /// Shows figures, does what signals ask for, and sees to it that the program ends when it is asked to, until
    /// all is over.
    pub(crate) fn tick(
        &self,
        progress: &Progress,
        outlets: &Outlets,
        supply: &dyn Supply,
        halt: &Halt,
    ) {
        const TICK: Duration = Duration::from_millis(100);
        let (mut since, mut last) = (Instant::now(), 0);
        while !progress.is_over.load(Ordering::Relaxed) {
            std::thread::sleep(TICK);
            if halt.is_over(outlets.limits.drain + GRACE) {
                self.leave(progress, outlets);
            }
            self.asked.reload();
            if self.asked.account() {
                self.account(supply);
            }
            if !self.shows_figures || since.elapsed() < Duration::from_secs(1) || halt.is_asked() {
                continue;
            }
            since = Instant::now();
            let state = self.lock();
            let mut line = several(state.here, "peer");
            if let Some(PumpTotals { counts, .. }) = &state.input {
                line += &format!(
                    "; {} in ({} a second)",
                    several(counts.read, "packet"),
                    counts.read - last
                );
                last = counts.read;
            }
            line += &format!(", {} dropped by peers gone", state.dropped);
            PROGRAM.note(line);
        }
    }

    /// Prints what is known of a run that goes on.
    fn account(&self, supply: &dyn Supply) {
        let state = self.lock();
        if let Some(totals) = &state.input {
            PROGRAM.note(format_args!("so far: {}", input_line(totals)));
        }
        let mut line = format!(
            "so far: {} here, {} gone",
            several(state.here, "peer"),
            state.peers - state.here
        );
        if let Some(audience) = supply.audience() {
            line += &format!(
                "; {} sent to those here, {} dropped",
                several(audience.sent, "packet"),
                audience.lost
            );
        }
        PROGRAM.note(format_args!(
            "{line}; {} ({}) sent to those gone, {} dropped",
            several(state.packets, "packet"),
            size(state.octets),
            state.dropped
        ));
    }

    /// Ends the program although somebody still holds it up: a peer that does not finish its
    /// handshake, or a file that takes nothing.
    fn leave(&self, progress: &Progress, outlets: &Outlets) {
        let is_clean = progress.is_read.load(Ordering::Relaxed) && self.lock().here == 0;
        drop(self.finish(None, has_peers(outlets)));
        std::process::exit(match is_clean {
            true => 0,
            false => self.asked.cause.code().into(),
        });
    }

    /// Prints the sums, and gives what went wrong with peers that we connect to.
    pub(crate) fn finish(
        &self,
        totals: Option<&PumpTotals>,
        has_peers: bool,
    ) -> Result<(), Failure> {
        let mut state = self.lock();
        if !self.is_quiet {
            if let Some(totals) = totals {
                PROGRAM.note(input_line(totals));
            }
            if has_peers {
                PROGRAM.note(format_args!(
                    "{} served: {} ({}) sent, {} dropped",
                    several(state.peers, "peer"),
                    several(state.packets, "packet"),
                    size(state.octets),
                    state.dropped,
                ));
            }
            let turned_away = state.refused.count() + state.handshakes.count();
            if turned_away > 0 {
                PROGRAM.note(format_args!("{} turned away", several(turned_away, "peer")));
            }
        }
        state.failure.take().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The account of a peer.
fn account(totals: &ClientTotals) -> String {
    let mut line = format!(
        "{}: {}, {} sent",
        totals.peer.escape_debug(),
        several(totals.packets, "packet"),
        size(totals.octets)
    );
    let lost = &totals.lost;
    if lost.dropped_packets > 0 {
        line += &format!(
            ", {} ({}) dropped in {}",
            lost.dropped_packets,
            size(lost.dropped_octets),
            several(lost.episodes, "episode")
        );
    }
    if totals.stalls > 0 {
        line += &format!(", {}", several(totals.stalls, "stall"));
    }
    if lost.high_water > 0 {
        line += &format!(", queue up to {}", size(lost.high_water as u64));
    }
    let farewell = match &totals.farewell {
        Farewell::Complete => "complete",
        Farewell::Stopped => "stopped",
        Farewell::Left => "it left",
        Farewell::TooSlow => "let go: too slow",
        Farewell::Stalled => "let go: it took nothing for 30 s",
        Farewell::Talkative => "let go: it talks, and readers have nothing to say",
        Farewell::Input(reason) | Farewell::Failed(reason) => reason,
    };
    line + "; " + farewell
}

/// What came in and did not go on, by cause.
fn input_line(totals: &PumpTotals) -> String {
    let counts = &totals.counts;
    let mut line = format!(
        "{} ({}) read, {} passed on",
        several(counts.read, "packet"),
        size(counts.octets),
        counts.written
    );
    let causes = [
        ("cut", counts.cut),
        ("filtered", counts.filtered),
        ("of our own connections", counts.own),
        ("by which the stream would feed itself", counts.feedback),
        ("without octets", counts.empty),
        ("of another link type", counts.other_link_type),
        ("of interfaces beyond 1024", counts.too_many_interfaces),
        ("while nobody was there", totals.unheard),
    ];
    for (cause, number) in causes {
        if number > 0 {
            line += &format!(", {number} {cause}");
        }
    }
    if counts.other_link_type > 0 {
        line += "; --format pcapng takes all link types";
    }
    line
}
