//! Captures and interfaces into audit records: in files, or on standard output.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use netcap_capture::pcap_over_ip::Address;
use netcap_capture::{Filter, Source};
use netcap_dissect::Selection;
use netcap_pipeline::{
    Config, Csv, Encoding, FileConfig, Files, FlowLimits, FragmentLimits, Frames, Outlet, Stream,
    Watch,
};
use netcap_record::Timestamp;
use netcap_shell::console::{has_colours, print, say};
use netcap_shell::peers::{News, Terms};
use netcap_shell::{Failure, privileges, signals};

use crate::encoders;
use crate::flags::Flags;
use crate::progress::Progress;
use crate::stdout;
use crate::summary::summary;
use crate::{PROGRAM, VERSION};

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
    let stdout = flags.to_stdout();
    let stdout = stdout
        .then(|| stdout::encoding(flags, &registry))
        .transpose()?;
    let filter = filter(flags)?;
    // The kernel filters what is captured, the workers what comes from elsewhere.
    let is_capture = addresses.is_empty() && !flags.iface.is_empty();
    let source = if is_capture {
        netcap_capture::open_interfaces(&flags.iface, &flags.live_options(), filter.as_deref())?
    } else if addresses.is_empty() {
        open_files(flags, inputs)?
    } else {
        open_peers(flags, addresses)?
    };
    check_live_flags(flags, source.as_ref())?;
    let mut config = config(flags);
    if !is_capture {
        config.filter = filter;
    }
    if source.is_live() {
        let out = Some(&flags.out).filter(|_| !flags.to_stdout());
        let directories = [out, flags.files.as_ref()];
        privileges::drop_after_opening(flags.user.as_deref(), directories.into_iter().flatten())?;
    }
    let stop = signals::stop()?;
    let is_live = source.is_live();
    if is_live && !flags.quiet {
        let ceiling = netcap_pipeline::memory_ceiling(&config, &registry) + source.ceiling();
        PROGRAM.tell_ceiling(
            ceiling,
            &[
                "max-flows",
                "max-streams",
                "stream-memory",
                "fragment-memory",
                "include",
            ],
        );
    }

    let started = Instant::now();
    // Lines of records and one that changes all the time do not go together on a terminal.
    let mut progress = Progress::new(flags.quiet || stdout.is_some() && io::stdout().is_terminal());
    let mut show = |watch: Watch<'_>| progress.show(&watch);
    let name = flags.source.clone();
    let name = name.unwrap_or_else(|| source.name().to_owned());
    let outcome = |outlet: &mut dyn Outlet| {
        netcap_pipeline::run(source, &registry, &config, outlet, &stop, &mut show)
    };
    let (result, written) = match stdout {
        Some(encoding) => {
            let about = (name.as_str(), &*version(), created(flags));
            let mut stream = Stream::new(io::stdout(), encoding, &registry, about);
            (outcome(&mut stream), None)
        }
        None => {
            let config = FileConfig {
                rotation,
                ..file_config(flags, name)
            };
            let mut files = Files::new(config, &registry)?;
            (outcome(&mut files), Some(files))
        }
    };
    progress.clear();
    let report = result?;

    let printed = match &written {
        _ if flags.quiet => Ok(()),
        Some(files) => {
            let files = Some((files, flags.out.as_path()));
            print(&summary(&report, files, started.elapsed(), has_colours()))
        }
        None => {
            say(summary(&report, None, started.elapsed(), false).trim_end());
            Ok(())
        }
    };
    // A live capture has no other end.
    if report.interrupted && !is_live {
        PROGRAM.note("interrupted; what was read until then is written");
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
        PROGRAM.note(format_args!("{flag} has no effect without -iface"));
    }
    let sources = inputs.iter().map(|input| netcap_capture::open(input));
    Ok(netcap_capture::merge(sources.collect::<Result<_, _>>()?))
}

/// Connects to the peers and listens for them.
fn open_peers(flags: &Flags, addresses: Vec<Address>) -> Result<Box<dyn Source>, Failure> {
    flags.tls.check(PROGRAM, &addresses)?;
    let terms = Terms {
        news: if flags.quiet {
            News::Warnings
        } else {
            News::All
        },
        requires_tls: false,
    };
    let reader = flags.reader.open(PROGRAM, addresses, &flags.tls, terms)?;
    Ok(Box::new(reader))
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
        packet_numbers: flags.packet_numbers,
    }
}

/// What packets must match, if anything.
fn filter(flags: &Flags) -> Result<Option<Arc<Filter>>, Failure> {
    let Some(expression) = flags.bpf.as_deref().filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    Ok(Some(Arc::new(Filter::new(expression)?)))
}

/// What the files look like.
fn file_config(flags: &Flags, source: String) -> FileConfig {
    let encoding: Arc<dyn Encoding> = match flags.csv {
        true => Arc::new(Csv {
            style: flags.csv_style(),
            select: Vec::new(),
        }),
        false => Arc::new(Frames),
    };
    FileConfig {
        directory: flags.out.clone(),
        rotation: None,
        encoding,
        compress: flags.comp,
        buffered: flags.buf,
        overwrite: flags.overwrite,
        source,
        version: version(),
        created: created(flags),
    }
}

/// `Version` of the headers.
fn version() -> String {
    format!("netcap {VERSION}")
}

/// `Created` of the headers.
fn created(flags: &Flags) -> Timestamp {
    flags.created.unwrap_or_else(now)
}

fn config(flags: &Flags) -> Config {
    Config {
        limits: flags.run_limits(),
        workers: flags.workers.map_or_else(cores, usize::from),
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
        lanes: 0,
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
