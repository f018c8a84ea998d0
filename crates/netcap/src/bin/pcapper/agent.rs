//! The agent at work: interfaces or a capture on one side, collectors and the log on the other.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use netcap_agent::{
    Addresses, Counts, Distiller, LENGTH, Log, LogCounts, Missing, Outlet, OutletOptions, Record,
    Statistics, WatchError, watch,
};
use netcap_capture::pcap_over_ip::{ConnectError, Listener};
use netcap_capture::{Error, Filter, LiveSource, libpcap};
use netcap_relay::{Chunk, Halt, Limits, Outlets, OwnTraffic, Pace};
use netcap_shell::metrics::Metrics;
use netcap_shell::{Failure, descriptors, signals};

use crate::PROGRAM;
use crate::flags::{Flags, own};
use crate::interface::Interface;
use crate::report::Report;

/// How often metrics are looked after, and whether all is over.
const TICK: Duration = Duration::from_millis(50);

/// Records in a segment. With the 12 octets of TCP's time stamps that is what fits an Ethernet frame.
const RECORDS: u32 = 50;
const TIME_STAMPS: u32 = 12;

/// Descriptors that are not of collectors: of interfaces, the log, metrics, libpcap.
const DESCRIPTORS: usize = 64;

/// Octets that are held at most: by the program itself, for each record that waits, for each collector
/// and for each record that waits for it.
const ITSELF: u64 = 48 << 20;
const PER_RECORD: u64 = 160;
const PER_COLLECTOR: u64 = 64 << 10;
const PER_WAITING: u64 = 8;

/// Where packets come from.
enum Input<'a> {
    Interface(Interface<'a>, LiveSource),
    Capture(&'a Path),
}

pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    let halt = signals::halt()?;
    let hang_up = signals::hang_up()?;
    let wanted = flags.max_clients.saturating_add(DESCRIPTORS);
    descriptors::allow(wanted as u64);
    let outlets = outlets(flags)?;
    let ours = own_traffic(flags, &outlets);
    let metrics = flags.metrics.listen(PROGRAM, flags.quiet)?;
    let Some(inputs) = inputs(flags, ours.as_deref(), &halt)? else {
        return Ok(());
    };
    announce(flags, &outlets);
    let log_counts = Arc::<LogCounts>::default();
    let options = OutletOptions {
        queue: flags.queue as usize,
        logs_always: flags.log_always,
        is_live: flags.read.is_none(),
    };
    let (outlet, chunks) = Outlet::new(options, Arc::clone(&log_counts));
    let log = Log::new(flags.log.clone(), Arc::clone(&log_counts));
    let (report, reopen) = (&Report::new(flags.quiet), &*hang_up);
    let agent = Agent {
        flags,
        outlet: &outlet,
        report,
        log: &log_counts,
        halt: &halt,
        own: ours.clone(),
    };
    let ended = thread::scope(|scope| {
        scope.spawn(move || log.run(&chunks, reopen, &mut |line| report.log_trouble(line)));
        let served = thread::Builder::new().spawn_scoped(scope, || {
            netcap_relay::serve(&outlets, outlet.fanout(), &halt, &|event| {
                report.event(event)
            });
        });
        let ended = match served {
            Ok(_) => agent.watch(scope, inputs, metrics.as_ref()),
            Err(error) => Err(own(
                8,
                format!("there can be no thread for collectors: {error}"),
            )),
        };
        // Those who are there take what waits, within the time for that.
        outlet.end();
        ended
    });
    if !flags.quiet {
        report.sums(&outlet, &log_counts);
    }
    ended.and(report.audit())
}

/// Where collectors connect.
fn outlets(flags: &Flags) -> Result<Outlets, Failure> {
    let listeners = flags.places()?.into_iter().map(|place| {
        let address = format!("listen://{place}").parse()?;
        let listener = Listener::bind(&address, None).map_err(unlistened)?;
        let segment = RECORDS * LENGTH as u32 + TIME_STAMPS;
        if let Err(error) = listener.limit_segments(segment) {
            PROGRAM.note(format_args!(
                "warning: {place}: segments stay as they are: {error}"
            ));
        }
        if !place.ip().is_loopback() && flags.allow.is_empty() {
            PROGRAM.note(format_args!(
                "warning: {place}: anyone who can reach it learns who talks to whom here; --listen \
                 127.0.0.1 or --allow NET narrows that"
            ));
        }
        Ok(listener)
    });
    let queue = netcap_relay::QueueLimits {
        octets: flags.queue as usize * LENGTH,
        packets: flags.queue.into(),
        ..netcap_relay::QueueLimits::default()
    };
    Ok(Outlets {
        listeners: listeners.collect::<Result<_, Failure>>()?,
        allow: flags.allow.clone(),
        limits: Limits {
            clients: flags.max_clients,
            per_ip: flags.max_clients,
            queue,
            ..Limits::default()
        },
        ..Outlets::default()
    })
}

/// Why collectors cannot be listened for.
fn unlistened(error: ConnectError) -> Failure {
    use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    let code = match &error {
        ConnectError::Listen { source, .. } => match source.kind() {
            AddrInUse | AddrNotAvailable | PermissionDenied => 2,
            _ => 1,
        },
        _ => 2,
    };
    own(code, error.to_string())
}

/// What is left out of captures so that records do not make records.
fn own_traffic(flags: &Flags, outlets: &Outlets) -> Option<Arc<OwnTraffic>> {
    if flags.include_own {
        PROGRAM
            .note("warning: --include-own: a record sent over a captured interface makes another");
        return None;
    }
    let listening = outlets.listeners.iter().map(Listener::local_addr);
    let addresses = libpcap::interfaces().unwrap_or_default();
    let addresses = addresses.into_iter().flat_map(|each| each.addresses);
    let own = OwnTraffic::new(listening.collect(), addresses.collect());
    Some(Arc::new(own))
}

/// Opens what is watched; `None`: the end was asked for before.
fn inputs<'a>(
    flags: &'a Flags,
    own: Option<&'a OwnTraffic>,
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
            own,
            halt,
        };
        let Some(source) = interface.open()? else {
            return Ok(None);
        };
        inputs.push(Input::Interface(interface, source));
    }
    Ok(Some(inputs))
}

/// Says where records go, and what that may take.
fn announce(flags: &Flags, outlets: &Outlets) {
    if flags.quiet {
        return;
    }
    for listener in &outlets.listeners {
        PROGRAM.note(format_args!("records at {}", listener.local_addr()));
    }
    let (queue, clients) = (u64::from(flags.queue), flags.max_clients as u64);
    let each = PER_COLLECTOR + PER_WAITING * queue;
    let most = ITSELF + PER_RECORD * queue;
    let most = most.saturating_add(each.saturating_mul(clients));
    PROGRAM.tell_ceiling(most, &["queue", "max-clients"]);
}

/// What all inputs share.
struct Agent<'a> {
    flags: &'a Flags,
    outlet: &'a Outlet,
    report: &'a Report,
    log: &'a LogCounts,
    halt: &'a Halt,
    own: Option<Arc<OwnTraffic>>,
}

impl Agent<'_> {
    /// Watches all inputs, each in a thread of its own, until they end. The first that fails ends the
    /// others.
    fn watch<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        inputs: Vec<Input<'scope>>,
        metrics: Option<&Metrics>,
    ) -> Result<(), Failure> {
        let watchers: Vec<ScopedJoinHandle<'_, Result<(), Failure>>> = inputs
            .into_iter()
            .map(|input| {
                scope.spawn(move || {
                    let ended = match input {
                        Input::Interface(interface, source) => self.interface(&interface, source),
                        Input::Capture(path) => self.capture(path),
                    };
                    if ended.is_err() {
                        self.halt.ask();
                    }
                    ended
                })
            })
            .collect();
        let mut machine = self.flags.statistics.then(Machine::watch).flatten();
        while !watchers.iter().all(ScopedJoinHandle::is_finished) {
            if let Some(metrics) = metrics {
                metrics.refresh(|page| self.report.metrics(page, self.outlet, self.log));
            }
            if watchers.len() > 1 && watchers.iter().any(ScopedJoinHandle::is_finished) {
                // Interfaces do not end but for the end of all.
                self.halt.ask();
            }
            machine = machine.and_then(|machine| machine.tick(self.outlet));
            thread::sleep(TICK);
        }
        let ended = watchers.into_iter().map(|watcher| match watcher.join() {
            Ok(ended) => ended,
            // A panic in there is a bug, and goes on here.
            Err(panic) => {
                self.halt.ask();
                self.outlet.end();
                std::panic::resume_unwind(panic)
            }
        });
        // All are joined, and the first failure counts.
        ended.fold(Ok(()), Result::and)
    }

    /// Watches an interface until the end is asked for, or it is gone for good.
    fn interface(&self, interface: &Interface<'_>, mut source: LiveSource) -> Result<(), Failure> {
        let mut distiller = self.distiller(None);
        let mut dropped_before = 0;
        loop {
            let mut dropped = 0;
            let pace = (Pace::Max, self.halt);
            let ended = watch(
                &mut source,
                &mut distiller,
                self.outlet,
                pace,
                &mut |counts, origins| {
                    dropped = origins.iter().map(|origin| origin.lost).sum();
                    let dropped = dropped_before + dropped;
                    self.report.input(&interface.name, counts, Some(dropped));
                },
            );
            dropped_before += dropped;
            match ended {
                Ok(()) => return Ok(()),
                Err(WatchError::Filter(error)) => return Err(error.into()),
                Err(WatchError::Input(error)) => match interface.open_again(&error)? {
                    Some(again) => source = again,
                    None => return Ok(()),
                },
            }
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
        let text = self
            .flags
            .mode()
            .filter(addresses)
            .map_err(|missing| match missing {
                Missing::Ip => own(
                    16,
                    "--read: the mode needs the IPv4 address: --ip".to_owned(),
                ),
                Missing::Mac => own(22, "--read: the mode needs the MAC: --mac".to_owned()),
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
        let mut distiller = self.distiller(filter);
        while self.outlet.collectors() < self.flags.collectors() {
            if self.halt.is_asked() {
                return Ok(());
            }
            thread::sleep(TICK);
        }
        let pace = (self.flags.pace, self.halt);
        let ended = watch(
            source.as_mut(),
            &mut distiller,
            self.outlet,
            pace,
            &mut |counts, _| {
                self.report.input(&name, counts, None);
            },
        );
        ended.map_err(|error| match error {
            WatchError::Input(error) => unread(error),
            WatchError::Filter(error) => error.into(),
        })
    }

    fn distiller(&self, filter: Option<Filter>) -> Distiller {
        Distiller {
            check: self.flags.check(),
            own: self.own.clone(),
            filter,
            counts: Counts::default(),
        }
    }
}

/// The machine's load and memory, given away each second.
struct Machine {
    statistics: Statistics,
    last: Instant,
}

impl Machine {
    fn watch() -> Option<Machine> {
        let statistics = Statistics::new().map_err(Machine::trouble).ok()?;
        let last = Instant::now();
        Some(Machine { statistics, last })
    }

    /// Gives away the records of a second if it is over. `None`: there are no more.
    fn tick(mut self, outlet: &Outlet) -> Option<Machine> {
        if self.last.elapsed() < Duration::from_secs(1) {
            return Some(self);
        }
        // A second after the last, however late this one is.
        self.last += Duration::from_secs(1);
        let records = self.statistics.sample().map_err(Machine::trouble).ok()?;
        outlet.publish(&mut Chunk {
            octets: records.iter().flat_map(Record::encode).collect(),
            packets: records.len() as u64,
            ..Chunk::default()
        });
        Some(self)
    }

    fn trouble(error: std::io::Error) {
        PROGRAM.note(format_args!(
            "warning: no more --statistics, which need Linux: {error}"
        ));
    }
}
