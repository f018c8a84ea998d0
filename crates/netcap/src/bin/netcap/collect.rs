//! Captures and interfaces into audit records: in files, or on standard output.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use netcap_capture::Source;
use netcap_pipeline::{
    Csv, Encoding, FileConfig, Files, Frames, Ledger, Outlet, Report, Stream, Watch,
};
use netcap_record::Timestamp;
use netcap_shell::console::{has_colours, print, say};
use netcap_shell::figures::counted;
use netcap_shell::progress::Progress;
use netcap_shell::signals::Cause;
use netcap_shell::summary::{Destination, summary};
use netcap_shell::{Capture, Failure, Inputs, check_directory, signals};

use crate::flags::Flags;
use crate::leftovers;
use crate::stdout;
use crate::{PROGRAM, VERSION};

/// How long records wait before they are written, where packets come as they happen: together with the
/// way through the kernel and the workers less than a second.
const PATIENCE: Duration = Duration::from_millis(500);

/// Of an input that had more.
const STOPPED: &str = "interrupted; what was read until then is written";

/// Processes the packets and tells what came of them.
pub(crate) fn run(flags: &Flags, inputs: Inputs) -> Result<(), Failure> {
    let registry = flags.records.registry(PROGRAM)?;
    let mut selected = registry.selected().iter().map(|schema| schema.encoder);
    if flags.files.is_some() && !selected.any(|name| name == "HTTP") {
        return Err(Failure::Usage(
            "-files keeps bodies of HTTP, so HTTP must be included".to_owned(),
        ));
    }
    let rotation = flags.rotation.rotation()?;
    let stdout = flags.to_stdout();
    let stdout = stdout
        .then(|| stdout::encoding(flags, &registry))
        .transpose()?;
    let metrics = flags.metrics.listen(PROGRAM, flags.quiet)?;
    let (input, pipeline) = (&flags.input, &flags.pipeline);
    let mut capture = Capture::open(PROGRAM, input, pipeline, inputs, flags.quiet)?;
    check_rotation(flags, capture.source.as_ref())?;
    capture.config.bodies = flags.bodies();
    capture.config.ignore_unknown = flags.ignore_unknown;
    let out = Some(&flags.out).filter(|_| !flags.to_stdout());
    capture.drop_privileges([out, flags.files.as_ref()].into_iter().flatten())?;
    let cause = Cause::watch()?;
    let stop = signals::stop()?;
    signals::stop_at_hang_up(&stop)?;
    let asked = signals::account()?;
    // Made when there is a body.
    if let Some(directory) = flags.files.as_ref().filter(|path| path.exists()) {
        check_directory("-files", directory)?;
    }
    if let Some(directory) = out {
        check_directory("-out", directory)?;
        leftovers::see_to(directory, flags.leftovers)?;
    }
    capture.tell_ceiling(&registry);
    let Capture { source, config, .. } = capture;
    let is_live = source.is_live();
    // A pipe has no other end than Ctrl-C either, and cannot be read again.
    let is_file = !source.may_wait();

    let started = Instant::now();
    // Lines of records and one that changes all the time do not go together on a terminal.
    let mut progress = Progress::new(
        PROGRAM,
        flags.quiet || stdout.is_some() && io::stdout().is_terminal(),
    );
    let mut last = Ledger::default();
    let mut show = |watch: Watch<'_>| {
        progress.show(&watch);
        last.clone_from(watch.ledger);
        if asked.swap(false, Ordering::Relaxed) {
            let account = Destination::Elsewhere("so far");
            let text = summary(
                &Report::so_far(watch.ledger),
                account,
                started.elapsed(),
                false,
            );
            progress.print(text.trim_end());
        }
        if let Some(metrics) = &metrics {
            metrics.refresh(|page| page.capture(&watch, &registry));
        }
    };
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
                patience: (!is_file).then_some(PATIENCE),
                ..file_config(flags, name)
            };
            let mut files = Files::new(config, &registry)?;
            (outcome(&mut files), Some(files))
        }
    };
    progress.clear();
    let report = match result {
        Ok(report) => report,
        Err(error) => {
            let failure = Failure::from(error);
            if !is_file && !flags.quiet && !matches!(failure, Failure::ClosedPipe) {
                // What was read until then is known.
                let (report, account) = (
                    Report::so_far(&last),
                    Destination::Elsewhere("until it failed"),
                );
                say(summary(&report, account, started.elapsed(), false).trim_end());
            }
            return Err(failure);
        }
    };

    let printed = match &written {
        _ if flags.quiet => Ok(()),
        Some(files) => {
            let files = Destination::Files(files, &flags.out);
            print(&summary(&report, files, started.elapsed(), has_colours()))
        }
        None => {
            let stdout = Destination::Elsewhere("written to standard output");
            say(summary(&report, stdout, started.elapsed(), false).trim_end());
            Ok(())
        }
    };
    // A live capture has no other end.
    if report.interrupted && !is_live && !is_file {
        PROGRAM.note(STOPPED);
    }
    if !report.ledger.balances() {
        return Err(Failure::Bug("the ledger does not balance".to_owned()));
    }
    if let Some(trouble) = unwritten(written.as_ref(), &report.ledger) {
        return Err(Failure::Environment(trouble));
    }
    if let Some(trouble) = report.trouble {
        return Err(trouble.into());
    }
    let dropped = report.ledger.lost();
    if flags.fail_on_loss && dropped > 0 {
        let dropped = counted(dropped, "packets");
        return Err(Failure::Loss(format!("{dropped} dropped (-fail-on-loss)")));
    }
    match report.interrupted {
        true if is_file => Err(cause.interrupted(STOPPED)),
        // The terminal for the summary may be what is gone (SIGHUP).
        true if !flags.to_stdout() => Ok(()),
        _ => printed,
    }
}

/// What could not be written, or not under its name, in one line.
fn unwritten(files: Option<&Files>, ledger: &Ledger) -> Option<String> {
    let mut troubles = Vec::new();
    if let Some(files) = files {
        let unwritten = files.unwritten();
        troubles.extend(unwritten.why.as_ref().map(|why| {
            let records = counted(unwritten.records, "records");
            format!("{why}; {records} are in no file")
        }));
        troubles.extend(files.in_the_way().map(str::to_owned));
    }
    let bodies = ledger.bodies.why.as_ref();
    troubles.extend(bodies.map(|why| format!("-files: {why}; bodies are missing")));
    (!troubles.is_empty()).then(|| troubles.join("; "))
}

/// Refuses periods by the wall clock of packets that do not come as they happen.
fn check_rotation(flags: &Flags, source: &dyn Source) -> Result<(), Failure> {
    if !flags.rotation.is_given() || source.may_wait() {
        return Ok(());
    }
    Err(Failure::Usage(
        "-rotate goes by the wall clock, so it is for live capture and pipes, not for files"
            .to_owned(),
    ))
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
        patience: None,
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

fn now() -> Timestamp {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::new(now.as_secs().cast_signed(), now.subsec_nanos())
}
