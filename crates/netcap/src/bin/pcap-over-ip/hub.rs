//! `hub`: many streams, or files, into one stream in order of time.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use netcap_relay::{Drainage, Fanout, Files, Inlet, Pace, Preamble, PumpError, pump};
use netcap_shell::console::stdout;
use netcap_shell::{Failure, peers, signals};

use crate::PROGRAM;
use crate::flags::Hub;
use crate::outlets::{Opened, announce, open};
use crate::report::{Asked, Report};
use crate::serve::{attend, conclude, form, interruption, shaping, warn_of_pcap};

/// Octets that are held of each file: what is read of it at a time, and records of a usual length.
const PER_FILE: u64 = 1 << 20;

pub(crate) fn run(flags: &Hub) -> Result<(), Failure> {
    let addresses = peers::addresses(&flags.inputs)?;
    let shaping = shaping(&flags.form)?;
    let halt = signals::halt()?;
    let is_listening = flags.write.is_none();
    let Opened { outlets, tls } = open(
        &flags.outlets,
        &flags.tls,
        &addresses,
        is_listening,
        &flags.reader,
    )?;
    let asked = Asked::listen(&halt, tls.as_ref())?;
    let report = Report::new(&flags.outlets, asked, &outlets, flags.write.is_some());
    let preamble = Arc::new(Preamble::new(form(&flags.form, true, false)));
    let fanout = Fanout::new(Arc::clone(&preamble), outlets.limits.queue);

    let mut memory = 1 << 20;
    let mut inlet: Box<dyn Inlet> = if addresses.is_empty() {
        let files: Vec<PathBuf> = flags.inputs.iter().map(PathBuf::from).collect();
        memory += files.len() as u64 * PER_FILE;
        Box::new(Files::open(&files)?)
    } else {
        let terms = flags.outlets.terms();
        let reader = flags.reader.open(PROGRAM, addresses, &flags.tls, terms)?;
        memory += reader.ceiling() as u64;
        Box::new(reader)
    };
    if inlet.is_live() {
        warn_of_pcap(form(&flags.form, true, false));
    }
    let mut file = flags.write.as_ref().map(create).transpose()?;
    if !flags.outlets.quiet {
        announce(&outlets, inlet.name(), memory, true);
    }
    let mut result = Ok(());
    let attended = attend(&outlets, &fanout, &halt, &report, || {
        let drainage = Drainage {
            preamble: Arc::clone(&preamble),
            fanout: &fanout,
            file: file.as_mut().map(|file| file as &mut dyn Write),
            pace: Pace::Max,
            flush: Duration::from_millis(u64::from(flags.form.flush_ms)),
        };
        let (totals, pumped) = pump(inlet.as_mut(), shaping, drainage, &halt, &mut |totals| {
            report.input(totals);
        });
        let pumped = pumped.map_err(|error| match (&error, &flags.write) {
            (PumpError::Output(cause), Some(path)) if cause.kind() != ErrorKind::BrokenPipe => {
                Failure::Output(format!("{}: {error}", path.display()))
            }
            _ => error.into(),
        });
        result = pumped.and_then(|()| interruption(inlet.as_ref(), &totals, &report));
        if !flags.outlets.quiet {
            accounts(inlet.as_mut());
        }
        Some(totals)
    });
    conclude(result, attended)
}

/// What came from each source.
fn accounts(inlet: &mut dyn Inlet) {
    for origin in inlet.origins() {
        let mut line = format!(
            "{}: {} packets in",
            origin.name.escape_debug(),
            origin.packets
        );
        for (event, number) in &origin.events {
            line += &format!(", {event} {number}");
        }
        PROGRAM.note(line);
    }
}

/// Where the stream is written to as well.
fn create(path: &PathBuf) -> Result<Box<dyn Write>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(stdout()));
    }
    let file = File::create(path)
        .map_err(|error| Failure::Output(format!("cannot write {}: {error}", path.display())))?;
    Ok(Box::new(file))
}
