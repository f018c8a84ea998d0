//! The agent at work: interfaces or a capture on one side, collectors and the log on the other.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use netcap_agent::extended::{self, Maker, NoteOutlet};
use netcap_agent::{
    Addresses, Counts, Distiller, Log, LogCounts, Missing, Outlet, OutletOptions, WatchError, watch,
};
use netcap_capture::{Error, Filter};
use netcap_relay::{Halt, Pace};
use netcap_shell::figures::several;
use netcap_shell::metrics::Metrics;
use netcap_shell::privileges::{keep_for_opening, need_no_capabilities};
use netcap_shell::{Failure, signals};

use crate::PROGRAM;
use crate::collectors::{self, Doors};
use crate::flags::{Flags, own};
use crate::groups::Groups;
use crate::interface::{Interface, Lookout, Opened};
use crate::pulse::Pulse;
use crate::report::{Report, Stream};

/// How often metrics are looked after, and whether all is over.
const TICK: Duration = Duration::from_millis(50);

/// Where packets come from.
enum Input<'a> {
    Interface(Interface<'a>, Box<Opened>),
    Capture(&'a Path),
}

pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    let halt = signals::halt()?;
    let hang_up = signals::hang_up()?;
    let asked = signals::account()?;
    let doors = collectors::open(flags)?;
    let groups = Groups::open(flags)?;
    let places = (doors.places(), groups.places());
    if flags.include_own {
        PROGRAM
            .note("warning: --include-own: a record sent over a captured interface makes another");
    }
    if flags.read.is_some() && flags.is_extended() && flags.mac.is_none() && flags.ip.is_none() {
        PROGRAM.note(
            "warning: --read without --mac or --ip: which way packets went is unknown, so recollect can make \
             no flows of them",
        );
    }
    let metrics = flags.metrics.listen(PROGRAM, flags.quiet)?;
    let Some(inputs) = inputs(flags, (&places.0, &places.1), &halt)? else {
        return Ok(());
    };
    keep_for_opening()?;
    doors.announce(flags);
    let log_counts = Arc::<LogCounts>::default();
    let options = OutletOptions {
        queue: flags.queue as usize,
        logs_always: flags.log_always,
        is_live: flags.read.is_none(),
    };
    let notes = flags
        .is_extended()
        .then(|| note_outlet(flags, &inputs, &places.0));
    let (outlet, chunks) = Outlet::new(options, Arc::clone(&log_counts), notes);
    let log = Log::new(flags.log.clone(), Arc::clone(&log_counts));
    let (report, reopen) = (&Report::new(flags.quiet), &*hang_up);
    let agent = Agent {
        flags,
        outlet: &outlet,
        report,
        groups: &groups,
        log: &log_counts,
        halt: &halt,
    };
    let ended = thread::scope(|scope| {
        scope.spawn(move || {
            need_no_capabilities();
            log.run(&chunks, reopen, &mut |line| report.log_trouble(line));
        });
        let ended = agent
            .serve(scope, &doors)
            .and_then(|()| agent.watch(scope, inputs, metrics.as_ref(), &asked));
        // Those who are there take what waits, within the time for that.
        outlet.end();
        ended
    });
    if !flags.quiet {
        report.sums(&outlet, &log_counts, flags.is_classic());
        groups.sums();
    }
    ended.and(report.audit(&outlet))
}

/// The extended stream, of these inputs.
fn note_outlet(flags: &Flags, inputs: &[Input<'_>], places: &[SocketAddr]) -> NoteOutlet {
    let interfaces = inputs.iter().map(|input| match input {
        Input::Interface(_, opened) => opened.plan.described.clone(),
        Input::Capture(path) => of_capture(flags, path),
    });
    let agent = extended::Agent {
        instance: extended::instance(),
        host: extended::host_name(),
        mode: flags.mode_text().to_owned(),
        interfaces: interfaces.collect(),
        ports: match flags.include_own {
            true => Vec::new(),
            false => places.iter().map(SocketAddr::port).collect(),
        },
    };
    let outlet = NoteOutlet::new(agent, flags.queue as usize);
    match inputs
        .iter()
        .any(|input| matches!(input, Input::Capture(_)))
    {
        true => outlet.of_captures(),
        false => outlet,
    }
}

/// The interface that a capture is of, as flags say.
fn of_capture(flags: &Flags, path: &Path) -> extended::Interface {
    let name = path.file_name().unwrap_or_default();
    extended::Interface {
        name: name.to_string_lossy().into_owned(),
        mac: flags.mac,
        mtu: 0,
        addresses: flags.ip.map(Into::into).into_iter().collect(),
    }
}

/// Opens what is watched; `None`: the end was asked for before.
fn inputs<'a>(
    flags: &'a Flags,
    (places, groups): (&'a [SocketAddr], &'a [SocketAddr]),
    halt: &'a Halt,
) -> Result<Option<Vec<Input<'a>>>, Failure> {
    if let Some(path) = &flags.read {
        return Ok(Some(vec![Input::Capture(path)]));
    }
    let mut inputs = Vec::new();
    for name in flags.interfaces() {
        let interface = Interface {
            name,
            flags,
            places,
            groups,
            halt,
        };
        let Some(opened) = interface.open()? else {
            return Ok(None);
        };
        inputs.push(Input::Interface(interface, Box::new(opened)));
    }
    Ok(Some(inputs))
}

/// What all inputs share.
struct Agent<'a> {
    flags: &'a Flags,
    outlet: &'a Outlet,
    report: &'a Report,
    groups: &'a Groups,
    log: &'a LogCounts,
    halt: &'a Halt,
}

impl Agent<'_> {
    /// Serves collectors of both streams, each stream in threads of its own.
    fn serve<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        doors: &'scope Doors,
    ) -> Result<(), Failure> {
        let classic = (Stream::Classic, &doors.classic, self.outlet.fanout());
        let extended = self.outlet.extended().zip(doors.extended.as_ref());
        let extended = extended.map(|(notes, outlets)| (Stream::Extended, outlets, notes.fanout()));
        for (stream, outlets, fanout) in [Some(classic), extended].into_iter().flatten() {
            let served = thread::Builder::new().spawn_scoped(scope, move || {
                need_no_capabilities();
                netcap_relay::serve(outlets, fanout, self.halt, &|event| {
                    self.report.event(stream, event);
                });
            });
            served.map_err(|error| {
                own(8, format!("there can be no thread for collectors: {error}"))
            })?;
        }
        self.groups
            .serve(scope, self.outlet.extended(), self.report);
        Ok(())
    }

    /// Watches all inputs, each in a thread of its own, until they end. The first that fails ends the
    /// others.
    fn watch<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        inputs: Vec<Input<'scope>>,
        metrics: Option<&Metrics>,
        asked: &AtomicBool,
    ) -> Result<(), Failure> {
        let watchers: Vec<ScopedJoinHandle<'_, Result<(), Failure>>> = (0..)
            .zip(inputs)
            .map(|(number, input)| {
                scope.spawn(move || {
                    let ended = match input {
                        Input::Interface(interface, opened) => {
                            self.interface(number, &interface, *opened)
                        }
                        Input::Capture(path) => self.capture(path),
                    };
                    // Of a capture, collectors may take the good part in peace.
                    if ended.is_err() && self.flags.read.is_none() {
                        self.halt.ask();
                    }
                    ended
                })
            })
            .collect();
        // Those who watch may have to open an interface again; nobody else.
        need_no_capabilities();
        let mut pulse = Pulse::new(self.flags.statistics);
        while !watchers.iter().all(ScopedJoinHandle::is_finished) {
            if let Some(metrics) = metrics {
                metrics.refresh(|page| {
                    self.report
                        .metrics(page, self.outlet, self.groups, self.log)
                });
            }
            if asked.swap(false, Ordering::Relaxed) {
                PROGRAM.note("so far:");
                let is_classic = self.flags.is_classic();
                self.report.sums(self.outlet, self.log, is_classic);
                self.groups.sums();
            }
            if watchers.len() > 1 && watchers.iter().any(ScopedJoinHandle::is_finished) {
                // Interfaces do not end but for the end of all.
                self.halt.ask();
            }
            pulse.tick(self.outlet);
            thread::sleep(TICK);
        }
        let ended = watchers.into_iter().map(|watcher| match watcher.join() {
            Ok(ended) => ended,
            // A panic in there is a bug, and goes on here.
            Err(panic) => {
                self.halt.ask();
                self.outlet.abandon();
                std::panic::resume_unwind(panic)
            }
        });
        // All are joined, and the first failure counts.
        ended.fold(Ok(()), Result::and)
    }

    /// Watches an interface until the end is asked for, or it is gone for good.
    fn interface(
        &self,
        number: u16,
        interface: &Interface<'_>,
        mut opened: Opened,
    ) -> Result<(), Failure> {
        let mut distiller = self.distiller(None, number, &opened.plan.described);
        let mut dropped_before = 0;
        let mut lookout = Lookout::new(interface);
        loop {
            let mut dropped = 0;
            let mut news = None;
            distiller.own = interface.own(&opened.plan).map(Arc::new);
            let pace = (Pace::Max, self.halt);
            let plan = &opened.plan;
            let ended = watch(
                &mut opened.source,
                &mut distiller,
                self.outlet,
                pace,
                &mut |counts, origins| {
                    dropped = origins.iter().map(|origin| origin.lost).sum();
                    let dropped = dropped_before + dropped;
                    self.report.input(&interface.name, counts, Some(dropped));
                    if let Some(extended) = self.outlet.extended() {
                        extended.dropped(number, dropped);
                    }
                    news = news.take().or_else(|| lookout.look(plan));
                    match news {
                        Some(_) => ControlFlow::Break(()),
                        None => ControlFlow::Continue(()),
                    }
                },
            );
            match ended {
                Ok(ControlFlow::Continue(())) => return Ok(()),
                Ok(ControlFlow::Break(())) => {
                    let renewed = news.map_or(Ok(()), |plan| interface.renew(&mut opened, plan));
                    renewed.unwrap_or_else(|failure| lookout.tell(&failure));
                }
                Err(WatchError::Filter(error)) => return Err(error.into()),
                Err(WatchError::Input(error)) => match interface.open_again(&error)? {
                    Some(again) => {
                        dropped_before += dropped;
                        opened = again;
                    }
                    None => return Ok(()),
                },
            }
            self.describe(number, &mut distiller, &opened.plan.described);
        }
    }

    /// Reads a capture, once the collectors are there that it is for.
    fn capture(&self, path: &Path) -> Result<(), Failure> {
        let unread = |error: Error| own(30, error.to_string());
        let mut source = netcap_capture::open(path).map_err(unread)?;
        let addresses = Addresses {
            mac: self.flags.mac,
            ip: self.flags.ip,
        };
        let mode = self.flags.mode_text();
        let text = self
            .flags
            .mode()
            .filter(addresses)
            .map_err(|missing| match missing {
                Missing::Ip => own(
                    16,
                    format!(
                        "-m {mode} needs an IPv4 address, and a capture has none: give --ip, or -m none"
                    ),
                ),
                Missing::Mac => own(
                    22,
                    format!(
                        "-m {mode} needs a MAC address, and a capture has none: give --mac, or -m none"
                    ),
                ),
            })?;
        let name = path.display().to_string();
        if !self.flags.quiet {
            let text = if text.is_empty() {
                "all packets"
            } else {
                &text
            };
            PROGRAM.note(format_args!("{name}: reading: {text}"));
        }
        let filter = (!text.is_empty()).then(|| Filter::new(&text)).transpose()?;
        let mut distiller = self.distiller(filter, 0, &of_capture(self.flags, path));
        let wanted = self.flags.collectors();
        let mut is_told = self.flags.quiet;
        while self.outlet.collectors() < wanted {
            if !std::mem::replace(&mut is_told, true) {
                PROGRAM.note(format_args!(
                    "{name}: waiting for {}; --collectors N says for how many",
                    several(wanted as u64, "collector")
                ));
            }
            if self.halt.is_asked() {
                return Ok(());
            }
            thread::sleep(TICK);
        }
        let pace = (self.flags.pace(), self.halt);
        let ended = watch(
            source.as_mut(),
            &mut distiller,
            self.outlet,
            pace,
            &mut |counts, _| {
                self.report.input(&name, counts, None);
                ControlFlow::Continue(())
            },
        );
        ended.map(drop).map_err(|error| match error {
            WatchError::Input(error) => unread(error),
            WatchError::Filter(error) => error.into(),
        })
    }

    fn distiller(
        &self,
        filter: Option<Filter>,
        number: u16,
        interface: &extended::Interface,
    ) -> Distiller {
        let maker = || Maker::new(number, interface.clone());
        Distiller {
            check: self.flags.check(),
            own: None,
            filter,
            counts: Counts::default(),
            maker: self.flags.is_extended().then(maker),
        }
    }

    /// Says that an interface may have other addresses now.
    fn describe(&self, number: u16, distiller: &mut Distiller, interface: &extended::Interface) {
        if let (Some(extended), Some(maker)) = (self.outlet.extended(), &mut distiller.maker) {
            maker.describe(interface.clone());
            extended.describe(number, interface.clone());
        }
    }
}
