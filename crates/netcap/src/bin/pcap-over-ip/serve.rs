//! `serve`: a capture, an interface or a stream for any number of peers.

use std::iter;
use std::path::PathBuf;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use netcap_capture::Filter;
use netcap_capture::libpcap::LiveOptions;
use netcap_capture::pcap_over_ip::Address;
use netcap_capture::pcap_writer::TimeUnit;
use netcap_relay::live::LiveInput;
use netcap_relay::{
    Drainage, Fanout, FileSupply, Files, Form, Halt, Inlet, Pace, Playback, Preamble, PumpTotals,
    Shaping, Supply, pump, stdin, survey,
};
use netcap_shell::figures::several;
use netcap_shell::privileges::drop_after_opening;
use netcap_shell::{Failure, signals};

use crate::PROGRAM;
use crate::flags::{FormFlags, Format, Mode, Serve, Times};
use crate::outlets::{Opened, announce, open, own_traffic};
use crate::report::{Asked, Progress, Report, has_peers};

/// Octets of a captured packet that are searched for our own stream at least.
const SEARCHED: u32 = 512;

/// What is served.
enum Input {
    Interface(String),
    Stdin,
    Files(Vec<PathBuf>),
    Stream(Address),
}

pub(crate) fn run(flags: &Serve) -> Result<(), Failure> {
    let input = input(flags)?;
    let is_files = matches!(input, Input::Files(_));
    let mode = flags
        .mode
        .unwrap_or(if is_files { Mode::File } else { Mode::Live });
    if mode == Mode::File && !is_files {
        return Err(Failure::Usage(
            "--mode file is for files: what is live has no start to begin from".to_owned(),
        ));
    }
    if flags.is_looped && mode == Mode::Live {
        return Err(Failure::Usage(
            "--loop is for --mode file: what is live ends when it ends".to_owned(),
        ));
    }
    let shaping = shaping(&flags.form)?;
    let halt = signals::halt()?;
    let read = match &input {
        Input::Stream(address) => slice::from_ref(address),
        _ => &[],
    };
    let Opened { mut outlets, tls } = open(&flags.outlets, &flags.tls, read, true, &flags.reader)?;
    let asked = Asked::listen(&halt, tls.as_ref())?;
    let report = Report::new(&flags.outlets, asked, &outlets, false);
    let flush = Duration::from_millis(u64::from(flags.form.flush_ms));

    if mode == Mode::File
        && let Input::Files(paths) = input
    {
        let survey = survey(&paths, &halt)?;
        if let Some(trouble) = &survey.trouble {
            PROGRAM.note(format_args!("warning: {trouble}"));
        }
        if survey.empty > 0 {
            PROGRAM.note(format_args!(
                "{} without octets left out: readers take one for the end",
                several(survey.empty, "packet")
            ));
        }
        if survey.too_long > 0 && shaping.snaplen.is_none() {
            PROGRAM.note(format_args!(
                "{} cut to 262144 octets, as readers stop at longer ones; --snaplen sets another limit",
                several(survey.too_long, "packet")
            ));
        }
        let link_types = survey.link_types();
        let form = match form(&flags.form, survey.has_nanoseconds, link_types.len() < 2) {
            Form::Pcap(_) if link_types.len() > 1 => {
                return Err(Failure::Usage(format!(
                    "the capture has {} link types and pcap has room for one; leave --format pcap \
                     out",
                    link_types.len()
                )));
            }
            form => form,
        };
        let playback = Playback {
            pace: flags.pace.unwrap_or(Pace::Max),
            flush,
            is_looped: flags.is_looped,
        };
        let supply = FileSupply::new(paths, &survey, form, shaping, playback, Arc::clone(&halt));
        if !flags.outlets.quiet {
            announce(&outlets, "files", 0, false);
        }
        attend(&outlets, &supply, &halt, &report, || None)?;
        return match halt.is_asked() && outlets.listeners.is_empty() && !flags.is_looped {
            true => Err(report.interrupted()),
            false => Ok(()),
        };
    }

    let mut shaping = shaping;
    let (mut inlet, form) = match live(flags, &input, &mut outlets, &mut shaping, &halt) {
        // The user did not wait for the beginning.
        Err(_) if halt.is_asked() => return Ok(()),
        opened => opened?,
    };
    let preamble = Arc::new(Preamble::new(form));
    let fanout = Fanout::new(Arc::clone(&preamble), outlets.limits.queue);
    if !flags.outlets.quiet {
        announce(&outlets, inlet.name(), 1 << 20, true);
    }
    let mut result = Ok(());
    let attended = attend(&outlets, &fanout, &halt, &report, || {
        let is_recording = matches!(input, Input::Files(_));
        let drainage = Drainage {
            preamble: Arc::clone(&preamble),
            fanout: &fanout,
            file: None,
            pace: flags.pace.unwrap_or(if is_recording {
                Pace::Recorded(1.0)
            } else {
                Pace::Max
            }),
            flush,
        };
        let (totals, pumped) = pump(inlet.as_mut(), shaping, drainage, &halt, &mut |totals| {
            report.input(totals);
        });
        // What was cut short because the user ended it is no fault.
        if !halt.is_asked() {
            result = pumped.map_err(Failure::from);
        }
        if result.is_ok() {
            result = interruption(inlet.as_ref(), &totals, &report);
        }
        for origin in inlet.origins() {
            if origin.lost > 0 {
                PROGRAM.note(format_args!(
                    "{}: the system dropped {} packets before we could read them",
                    origin.name, origin.lost
                ));
            }
        }
        Some(totals)
    });
    conclude(result, attended)
}

/// Serves peers while `input` runs in this thread; a file supply has none.
pub(crate) fn attend(
    outlets: &netcap_relay::Outlets,
    supply: &dyn Supply,
    halt: &Halt,
    report: &Report,
    input: impl FnOnce() -> Option<PumpTotals>,
) -> Result<(), Failure> {
    let progress = Progress::default();
    let totals = thread::scope(|scope| {
        scope.spawn(|| report.tick(&progress, outlets, supply, halt));
        let served = scope.spawn(|| {
            netcap_relay::serve(outlets, supply, halt, &|event| report.event(event));
            // All peers were given up while more would come.
            if supply.is_live()
                && !supply.is_ended()
                && !halt.is_asked()
                && report.is_only_for_peers()
            {
                progress.is_left.store(true, Ordering::Relaxed);
                halt.ask();
            }
        });
        let totals = input();
        progress.is_read.store(true, Ordering::Relaxed);
        let served = served.join();
        progress.is_over.store(true, Ordering::Relaxed);
        if let Err(panic) = served {
            // A panic in there is a bug, and goes on here.
            std::panic::resume_unwind(panic);
        }
        totals
    });
    let finished = report.finish(totals.as_ref(), has_peers(outlets));
    let is_left = progress.is_left.load(Ordering::Relaxed);
    match halt.is_asked() && !is_left {
        true => Ok(()),
        false => finished,
    }
}

/// The outcome of a run, by those of its input and of its peers. That the last of these was given up is why
/// the input was read no further.
pub(crate) fn conclude(
    input: Result<(), Failure>,
    peers: Result<(), Failure>,
) -> Result<(), Failure> {
    match (input, peers) {
        (Err(Failure::Interrupted { .. }), Err(given_up)) => Err(given_up),
        (input, peers) => input.and(peers),
    }
}

/// Whether the user has ended it before its input did, which a file would have done by itself.
pub(crate) fn interruption(
    inlet: &dyn Inlet,
    totals: &PumpTotals,
    report: &Report,
) -> Result<(), Failure> {
    match totals.is_ended || inlet.is_live() || inlet.progress().total.is_none() {
        true => Ok(()),
        false => Err(report.interrupted()),
    }
}

/// What the flags want of the packets.
pub(crate) fn shaping(flags: &FormFlags) -> Result<Shaping, Failure> {
    let filter = flags.bpf.as_deref().map(Filter::new).transpose()?;
    Ok(Shaping {
        filter: filter.map(Arc::new),
        snaplen: flags.snaplen,
        own: None,
    })
}

/// How packets are written, if pcap is possible and what the input has are nanoseconds or not.
pub(crate) fn form(flags: &FormFlags, has_nanoseconds: bool, is_pcap_possible: bool) -> Form {
    let unit = match flags.ts {
        Times::Us => TimeUnit::Microseconds,
        Times::Ns => TimeUnit::Nanoseconds,
        Times::Auto if has_nanoseconds => TimeUnit::Nanoseconds,
        Times::Auto => TimeUnit::Microseconds,
    };
    match flags.format {
        Format::Pcap => Form::Pcap(unit),
        Format::Auto if is_pcap_possible => Form::Pcap(unit),
        Format::Auto | Format::Pcapng => Form::Pcapng,
    }
}

/// Warns where a stream of streams cannot say where it has been.
pub(crate) fn warn_of_pcap(form: Form) {
    if form != Form::Pcapng {
        PROGRAM.note(
            "warning: --format pcap: pcap has no room for where packets have been, so it is not noticed where \
             a source reads from here, and packets go round without end",
        );
    }
}

/// Opens what is live, and says how it is written.
fn live(
    flags: &Serve,
    input: &Input,
    outlets: &mut netcap_relay::Outlets,
    shaping: &mut Shaping,
    halt: &Arc<Halt>,
) -> Result<(Box<dyn Inlet>, Form), Failure> {
    match input {
        Input::Interface(name) => {
            let mut terms = Vec::new();
            if flags.include_own {
                PROGRAM.note(
                    "warning: --include-own: a stream over the captured interface feeds itself",
                );
            } else {
                let own = own_traffic(outlets);
                terms.push(own.filter());
                shaping.own = Some(Arc::clone(&own));
                outlets.own = Some(own);
            }
            if let Some(filter) = shaping.filter.take() {
                terms.push(format!("({})", filter.expression()));
            }
            terms.retain(|term| !term.is_empty() && term != "()");
            let snaplen = flags.form.snaplen;
            let options = LiveOptions {
                // What is cut is cut later, as what feeds the stream is known by what it carries.
                snaplen: snaplen.map_or(LiveOptions::default().snaplen, |most| most.max(SEARCHED)),
                patience: Duration::from_millis(u64::from(flags.form.flush_ms)),
                ..LiveOptions::default()
            };
            let filter = Filter::new(&terms.join(" and "))?;
            let live = LiveInput::open(name, &options, Some(&filter))?;
            drop_after_opening(None, iter::empty())?;
            let form = form(&flags.form, live.is_nanoseconds(), true);
            Ok((Box::new(live), form))
        }
        Input::Stdin => {
            let beginning = stdin::open(Arc::clone(halt))?;
            let has_nanoseconds = beginning.pcap.unwrap_or(true);
            let form = form(&flags.form, has_nanoseconds, beginning.pcap.is_some());
            Ok((Box::new(beginning.files), form))
        }
        Input::Files(paths) => {
            let survey = survey(paths, halt)?;
            let is_pcap_possible = survey.link_types().len() < 2;
            let form = form(&flags.form, survey.has_nanoseconds, is_pcap_possible);
            Ok((Box::new(Files::open(paths)?), form))
        }
        Input::Stream(address) => {
            let addresses = vec![address.clone()];
            let terms = flags.outlets.terms();
            let reader = flags.reader.open(PROGRAM, addresses, &flags.tls, terms)?;
            let form = form(&flags.form, true, false);
            warn_of_pcap(form);
            Ok((Box::new(reader), form))
        }
    }
}

/// What the command line names.
fn input(flags: &Serve) -> Result<Input, Failure> {
    match flags.interface.as_slice() {
        [] => {}
        [name] => return Ok(Input::Interface(name.clone())),
        [first, .., last] => {
            return Err(Failure::Usage(format!(
                "{first} and {last}: one interface is served at a time; serve each, and `pcap-over-ip \
                 hub` makes one stream of several, or take `any`"
            )));
        }
    }
    match flags.inputs.as_slice() {
        [] => Err(Failure::Usage(
            "nothing to serve: name a capture, an interface with -i, or `-`; --help tells more"
                .to_owned(),
        )),
        [only] if only == "-" => Ok(Input::Stdin),
        [only] if Address::looks_like(only) => Ok(Input::Stream(only.parse()?)),
        several => {
            let is_file = |input: &&String| *input != "-" && !Address::looks_like(input);
            if let Some(other) = several.iter().find(|input| !is_file(input)) {
                return Err(Failure::Usage(format!(
                    "{other}: it goes alone here; `pcap-over-ip hub` makes one stream of several"
                )));
            }
            Ok(Input::Files(several.iter().map(PathBuf::from).collect()))
        }
    }
}
