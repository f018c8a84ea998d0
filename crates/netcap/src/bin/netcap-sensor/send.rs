//! Packets into records, and these to the server.

use std::sync::atomic::Ordering;
use std::time::Instant;

use netcap_pipeline::{Ledger, Report, Watch};
use netcap_shell::console::say;
use netcap_shell::progress::Progress;
use netcap_shell::signals::Cause;
use netcap_shell::summary::{Destination, summary};
use netcap_shell::{Capture, Failure, Inputs, signals};

use crate::flags::Flags;
use crate::way::{Peer, Run, Way};
use crate::{PROGRAM, stream};

/// Sends what the packets give until they end, or until Ctrl-C.
pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    let registry = flags.records.registry(PROGRAM)?;
    let inputs = flags.input.inputs(PROGRAM, flags.read.clone())?;
    if matches!(&inputs, Inputs::Files(files) if files.is_empty()) {
        return Err(Failure::Usage(
            "nothing to read; give an interface with -iface, or a capture with -r".to_owned(),
        ));
    }
    stream::check(flags, &inputs)?;
    let files = match &inputs {
        Inputs::Files(files) => files.clone(),
        _ => Vec::new(),
    };
    // Before anything is opened, or says that it waits.
    let cause = Cause::watch()?;
    let stop = signals::stop()?;
    signals::stop_at_hang_up(&stop)?;
    let asked = signals::account()?;
    // Before anything is opened: a wrong key is the likelier mistake.
    let peer = Peer::new(flags)?;
    let metrics = flags.metrics.listen(PROGRAM, flags.quiet)?;
    let capture = Capture::open(PROGRAM, &flags.input, &flags.pipeline, inputs, flags.quiet)?;
    capture.drop_privileges(&flags.spool)?;
    let (is_live, is_file) = (capture.source.is_live(), !capture.source.may_wait());
    let way = peer.open(&Run {
        flags,
        registry: &registry,
        capture: &capture,
        files: &files,
        stop: &stop,
    })?;
    let Way {
        mut outlet,
        place,
        ceiling,
        has_queue,
        page,
        account,
        gauges,
    } = way;
    if !flags.quiet {
        let ceiling = ceiling + capture.ceiling(&registry);
        let deciding: &[&str] = match has_queue {
            true => &["queue", "max-flows", "max-streams", "stream-memory"],
            false => &["max-flows", "max-streams", "stream-memory"],
        };
        PROGRAM.tell_ceiling(ceiling, deciding);
        if !flags.reliable {
            // Where sudo is used that is root, which is seldom meant.
            let name = String::from_utf8_lossy(&flags.client()).into_owned();
            PROGRAM.note(format_args!(
                "sending under the name {} (-client changes that)",
                name.escape_debug()
            ));
        }
    }

    let started = Instant::now();
    let mut progress = Progress::new(PROGRAM, flags.quiet);
    let mut last = Ledger::default();
    let mut show = |watch: Watch<'_>| {
        progress.show(&watch);
        if asked.swap(false, Ordering::Relaxed) {
            let report = Report::so_far(watch.ledger);
            let so_far = Destination::Elsewhere("so far");
            let text = summary(&report, so_far, started.elapsed(), false) + &account();
            progress.print(text.trim_end());
        }
        last.clone_from(watch.ledger);
        if let Some(gauges) = &gauges {
            gauges
                .packets
                .store(watch.ledger.packets, Ordering::Relaxed);
            gauges.octets.store(watch.ledger.octets, Ordering::Relaxed);
            gauges
                .packets_dropped
                .store(watch.ledger.lost(), Ordering::Relaxed);
        }
        if let Some(metrics) = &metrics {
            metrics.refresh(|out| {
                out.capture(&watch, &registry);
                page(out);
            });
        }
    };
    let Capture { source, config, .. } = capture;
    let result = netcap_pipeline::run(
        source,
        &registry,
        &config,
        outlet.as_mut(),
        &stop,
        &mut show,
    );
    progress.clear();
    let (report, failure) = match result {
        Ok(report) => (report, None),
        // What was read and sent by then is known.
        Err(error) => (
            Report {
                interrupted: stop.load(Ordering::Relaxed),
                ..Report::so_far(&last)
            },
            Some(error),
        ),
    };
    if !flags.quiet {
        let place = Destination::Elsewhere(&place);
        say(summary(&report, place, started.elapsed(), false).trim_end());
        let account = account();
        if !account.is_empty() {
            say(account.trim_end());
        }
    }
    match failure {
        Some(error) => Err(error.into()),
        None => {
            let stopped = match report.ledger.packets {
                0 => "interrupted before anything was read; nothing was sent",
                _ => "interrupted; the rest was not read",
            };
            let is_interrupted = report.interrupted;
            conclude(report)?;
            if is_interrupted && is_file {
                return Err(cause.interrupted(stopped));
            }
            if is_interrupted && !is_live {
                // A pipe has no other end.
                PROGRAM.note(stopped);
            }
            Ok(())
        }
    }
}

/// What the end of a run means, if it was not interrupted.
fn conclude(report: Report) -> Result<(), Failure> {
    if !report.ledger.balances() {
        return Err(Failure::Bug("the ledger does not balance".to_owned()));
    }
    match report.trouble {
        Some(trouble) => Err(trouble.into()),
        None => Ok(()),
    }
}
