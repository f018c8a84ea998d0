//! Captures and interfaces into files of audit records.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use netcap::figures::size;
use netcap::privileges;
use netcap_capture::pcap_over_ip::Address;
use netcap_capture::{Filter, Source};
use netcap_dissect::Selection;
use netcap_pipeline::{Config, FlowLimits, Format, FragmentLimits};
use netcap_record::Timestamp;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};

use crate::VERSION;
use crate::console::{has_colours, note, print};
use crate::encoders;
use crate::failure::Failure;
use crate::flags::Flags;
use crate::progress::Progress;
use crate::summary::summary;

/// Packets in a batch, where no flag says otherwise.
const BATCH_PACKETS: usize = 1024;

/// Processes the packets and tells what came of them.
pub(crate) fn run(
    flags: &Flags,
    inputs: &[PathBuf],
    addresses: Vec<Address>,
) -> Result<(), Failure> {
    let registry = encoders::registry(&selection(flags))?;
    let mut selected = registry.selected().iter().map(|schema| schema.encoder);
    if flags.files.is_some() && !selected.any(|name| name == "HTTP") {
        return Err(Failure::Usage(
            "-files keeps bodies of HTTP, so HTTP must be included".to_owned(),
        ));
    }
    let rotation = flags.rotation()?;
    let filter = filter(flags)?;
    // The kernel filters what is captured, the workers what comes from elsewhere.
    let is_capture = addresses.is_empty() && !flags.iface.is_empty();
    let source = if is_capture {
        netcap_capture::open_interfaces(&flags.iface, &flags.live_options(), filter.as_deref())?
    } else if addresses.is_empty() {
        open_files(flags, inputs)?
    } else {
        flags.peers.open(addresses, flags.quiet)?
    };
    check_live_flags(flags, source.as_ref())?;
    let mut config = config(flags, source.name());
    config.rotation = rotation;
    if !is_capture {
        config.filter = filter;
    }
    if source.is_live() {
        let directories = [Some(&flags.out), flags.files.as_ref()];
        privileges::drop_after_opening(flags.user.as_deref(), directories.into_iter().flatten())?;
    }
    let stop = stop_on_signals()?;
    let is_live = source.is_live();
    if is_live && !flags.quiet {
        let ceiling = netcap_pipeline::memory_ceiling(&config, &registry) + source.ceiling();
        note(format!(
            "memory stays below {}; -max-flows, -max-streams, -stream-memory, -fragment-memory and \
             -include decide",
            size(ceiling)
        ));
    }

    let started = Instant::now();
    let mut progress = Progress::new(flags.quiet);
    let result = netcap_pipeline::run(source, &registry, &config, &stop, &mut |watch| {
        progress.show(watch);
    });
    progress.clear();
    let report = result?;

    let printed = if flags.quiet {
        Ok(())
    } else {
        let colours = has_colours(&std::io::stdout());
        print(&summary(
            &report,
            &config.directory,
            started.elapsed(),
            colours,
        ))
    };
    // A live capture has no other end.
    if report.interrupted && !is_live {
        note("interrupted; the files hold everything that was read until then");
    }
    if !report.ledger.balances() {
        return Err(Failure::Bug("the ledger does not balance".to_owned()));
    }
    match report.trouble {
        Some(trouble) => Err(trouble.into()),
        None => printed,
    }
}

/// Opens the files, and says of flags for live capture that they do nothing here.
fn open_files(flags: &Flags, inputs: &[PathBuf]) -> Result<Box<dyn Source>, Failure> {
    let given = [
        ("-promisc", flags.promisc.is_some()),
        ("-snaplen", flags.snaplen.is_some()),
    ];
    for (flag, _) in given.iter().filter(|(_, is_given)| *is_given) {
        note(format_args!("{flag} has no effect without -iface"));
    }
    let sources = inputs.iter().map(|input| netcap_capture::open(input));
    Ok(netcap_capture::merge(sources.collect::<Result<_, _>>()?))
}

/// Refuses what makes sense only where packets come as they happen.
fn check_live_flags(flags: &Flags, source: &dyn Source) -> Result<(), Failure> {
    let refused = if source.is_live() {
        None
    } else if flags.duration.is_some() {
        Some("-duration is for live capture; `timeout -s INT 10 netcap ...` ends a pipe cleanly")
    } else if flags.user.is_some() {
        Some("-user is for live capture; use `sudo -u NAME netcap ...`")
    } else if !flags.rotate.is_empty() && source.progress().total.is_some() {
        Some("-rotate goes by the wall clock, so it is for live capture and pipes, not for files")
    } else {
        None
    };
    match refused {
        Some(message) => Err(Failure::Usage(message.to_owned())),
        None => Ok(()),
    }
}

/// The encoders that are asked for.
fn selection(flags: &Flags) -> Selection {
    let names = |list: &[String]| {
        let names = list.iter().map(|name| name.trim().to_owned());
        names.filter(|name| !name.is_empty()).collect()
    };
    let mut exclude: Vec<String> = names(&flags.exclude);
    if flags.nohttp {
        exclude.push("HTTP".to_owned());
    }
    Selection {
        include: names(&flags.include),
        exclude,
        payloads: flags.payload,
    }
}

/// What packets must match, if anything.
fn filter(flags: &Flags) -> Result<Option<Arc<Filter>>, Failure> {
    let Some(expression) = flags.bpf.as_deref().filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    Ok(Some(Arc::new(Filter::new(expression)?)))
}

fn config(flags: &Flags, source: &str) -> Config {
    let compress = flags.comp;
    Config {
        directory: flags.out.clone(),
        rotation: None,
        limits: flags.run_limits(),
        format: if flags.csv {
            let style = flags.csv_style();
            Format::Csv { compress, style }
        } else {
            Format::Ncap { compress }
        },
        buffered: flags.buf,
        workers: flags.workers.map_or_else(cores, usize::from),
        lanes: 1,
        batch_packets: flags
            .batch
            .map_or(BATCH_PACKETS, |packets| packets as usize),
        filter: None,
        base: flags.base,
        flows: FlowLimits {
            flow_timeout: flags.flow_timeout,
            connection_timeout: flags.conn_timeout,
            entries: flags.max_flows,
        },
        fragments: FragmentLimits {
            octets: flags.fragment_memory << 20,
            ..FragmentLimits::default()
        },
        streams: flags.stream_limits(),
        bodies: flags.bodies(),
        ignore_unknown: flags.ignore_unknown,
        overwrite: flags.overwrite,
        source: flags.source.clone().unwrap_or_else(|| source.to_owned()),
        version: format!("netcap {VERSION}"),
        created: flags.created.unwrap_or_else(now),
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn now() -> Timestamp {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::new(now.as_secs().cast_signed(), now.subsec_nanos())
}

/// The flag that the first Ctrl-C, or SIGTERM, sets. The second ends the program at once.
fn stop_on_signals() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: what is registered first looks before the flag is set.
        register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))
            .and_then(|_| register(signal, Arc::clone(&stop)))
            .map_err(|error| Failure::Environment(format!("cannot wait for signals: {error}")))?;
    }
    Ok(stop)
}
