//! `hub`: many streams, or files, into one stream in order of time.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use netcap_capture::pcap_over_ip::{Address, Role};
use netcap_relay::{Drainage, Fanout, Files, Inlet, Pace, Preamble, pump};

use crate::console::note;
use crate::failure::Failure;
use crate::flags::Hub;
use crate::outlets::{Opened, announce, open};
use crate::report::Report;
use crate::serve::{attend, form, shaping};
use crate::signals;

/// Octets that are held of each file: what is read of it at a time, and records of a usual length.
const PER_FILE: u64 = 1 << 20;

pub(crate) fn run(flags: &Hub) -> Result<(), Failure> {
    let (addresses, files) = inputs(&flags.inputs)?;
    let shaping = shaping(&flags.form)?;
    let halt = signals::halt()?;
    let is_listening = flags.write.is_none();
    let Opened { outlets, tls } =
        open(&flags.outlets, &flags.tls, is_listening, !flags.reader.once)?;
    warn_of_listeners(&addresses, flags.outlets.require_tls)?;
    let report = Report::new(flags.outlets.quiet, flags.outlets.stats);
    let preamble = Arc::new(Preamble::new(form(&flags.form, true, false)));
    let fanout = Fanout::new(Arc::clone(&preamble), outlets.limits.queue);

    let mut memory = 1 << 20;
    let mut inlet: Box<dyn Inlet> = if files.is_empty() {
        let reader = crate::reader::open(addresses, &flags.reader, &flags.tls)?;
        memory += reader.ceiling() as u64;
        Box::new(reader)
    } else {
        memory += files.len() as u64 * PER_FILE;
        Box::new(Files::open(&files)?)
    };
    let mut file = flags.write.as_ref().map(create).transpose()?;
    if !flags.outlets.quiet {
        announce(&outlets, inlet.name(), memory, true);
    }
    let mut result = Ok(());
    let attended = attend(&outlets, tls.as_ref(), &fanout, &halt, &report, || {
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
        result = pumped.map_err(Failure::from);
        if !flags.outlets.quiet {
            accounts(inlet.as_mut());
        }
        Some(totals)
    });
    result.and(attended)
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
        note(line);
    }
}

/// The inputs, which are all addresses or all files.
fn inputs(texts: &[String]) -> Result<(Vec<Address>, Vec<PathBuf>), Failure> {
    let (addresses, files): (Vec<_>, Vec<_>) =
        texts.iter().partition(|text| Address::looks_like(text));
    if let (Some(address), Some(file)) = (addresses.first(), files.first()) {
        return Err(Failure::Usage(format!(
            "{address} and {file}: a stream and a file have no order of time between them; \
             `pcap-over-ip serve {file} --pace recorded` makes a stream of the file"
        )));
    }
    let addresses = addresses.into_iter().map(|text| text.parse());
    let addresses = addresses.collect::<Result<Vec<Address>, _>>()?;
    Ok((addresses, files.into_iter().map(PathBuf::from).collect()))
}

/// Says what it means to let anybody send packets.
fn warn_of_listeners(addresses: &[Address], require_tls: bool) -> Result<(), Failure> {
    use netcap_capture::pcap_over_ip::Place;
    for address in addresses {
        let is_open = address.role == Role::Listen
            && !address.tls
            && match &address.place {
                Place::Tcp { host, .. } => {
                    let ip = host.parse::<std::net::IpAddr>();
                    ip.map_or(host != "localhost", |ip| !ip.is_loopback())
                }
                Place::Unix(_) => false,
            };
        if is_open {
            let warning =
                format!("{address}: without TLS anyone who can reach it can inject packets");
            if require_tls {
                return Err(Failure::Usage(format!("{warning}; write tls-listen://")));
            }
            note(format_args!("warning: {warning}; tls-listen:// helps"));
        }
    }
    Ok(())
}

/// Where the stream is written to as well.
enum Output {
    File(File),
    Stdout(io::Stdout),
}

fn create(path: &PathBuf) -> Result<Output, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Output::Stdout(io::stdout()));
    }
    let file = File::create(path)
        .map_err(|error| Failure::Output(format!("cannot write {}: {error}", path.display())))?;
    Ok(Output::File(file))
}

impl Write for Output {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Output::File(file) => file.write(octets),
            Output::Stdout(stdout) => stdout.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::File(file) => file.flush(),
            Output::Stdout(stdout) => stdout.flush(),
        }
    }
}
