//! Packets into records, and these to the server.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::{Address, TlsOptions};
use netcap_pipeline::{Outlet, Registry, Report, Watch};
use netcap_remote::reliable::{self, Gauges, OnFull, ReliableOptions, ReliableSender};
use netcap_remote::{Batcher, Sender, SenderOptions, UdpSender};
use netcap_shell::console::say;
use netcap_shell::figures::{grouped, size};
use netcap_shell::metrics::Page;
use netcap_shell::progress::Progress;
use netcap_shell::summary::{Destination, summary};
use netcap_shell::{Capture, Failure, Inputs, signals};

use crate::flags::Flags;
use crate::{PROGRAM, VERSION, stream};

/// Octets of records in a batch of the reliable mode, before they are compressed.
const BATCH: usize = 256 << 10;
/// Octets of memory that the queue of datagrams takes: batches that wait, and one being made.
const DATAGRAMS: u64 = 32 << 20;

/// How long records are still delivered after Ctrl-C.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How the records go, and what tells of it.
struct Way {
    outlet: Box<dyn Outlet>,
    /// Octets of memory that it takes at most.
    ceiling: u64,
    page: Box<dyn Fn(&mut Page)>,
    /// What is told at the end.
    account: Box<dyn Fn() -> String>,
    gauges: Option<Arc<Gauges>>,
}

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
    let metrics = flags.metrics.listen(PROGRAM, flags.quiet)?;
    // Before anything is opened: a wrong key is the likelier mistake.
    let peer = Peer::new(flags)?;
    let capture = Capture::open(PROGRAM, &flags.input, &flags.pipeline, inputs, flags.quiet)?;
    capture.drop_privileges(&flags.spool)?;
    let stop = signals::stop()?;
    let is_live = capture.source.is_live();
    let way = peer.open(flags, &registry, &capture, &files, &stop)?;
    let Way {
        mut outlet,
        ceiling,
        page,
        account,
        gauges,
    } = way;
    if !flags.quiet {
        let ceiling = ceiling + capture.ceiling(&registry);
        let deciding: &[&str] = match gauges {
            Some(_) => &["queue", "max-flows", "max-streams", "stream-memory"],
            None => &["max-flows", "max-streams", "stream-memory"],
        };
        PROGRAM.tell_ceiling(ceiling, deciding);
    }

    let started = Instant::now();
    let mut progress = Progress::new(PROGRAM, flags.quiet);
    let mut show = |watch: Watch<'_>| {
        progress.show(&watch);
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
    // Also where it failed: what was sent by then is known.
    if !flags.quiet {
        if let Ok(report) = &result {
            let place = format!("for the server at {}", flags.addr.escape_debug());
            let place = Destination::Elsewhere(&place);
            say(summary(report, place, started.elapsed(), false).trim_end());
        }
        say(account().trim_end());
    }
    conclude(result?, is_live)
}

/// What the end of a run means.
fn conclude(report: Report, is_live: bool) -> Result<(), Failure> {
    if report.interrupted && !is_live {
        PROGRAM.note("interrupted; what was read until then is sent");
    }
    if !report.ledger.balances() {
        return Err(Failure::Bug("the ledger does not balance".to_owned()));
    }
    match report.trouble {
        Some(trouble) => Err(trouble.into()),
        None => Ok(()),
    }
}

/// The server, as the command line describes it; nothing was sent yet.
enum Peer {
    Datagrams(SocketAddr, netcap_remote::PublicKey),
    Reliable(Address, Arc<netcap_capture::pcap_over_ip::ClientTls>),
}

impl Peer {
    fn new(flags: &Flags) -> Result<Peer, Failure> {
        if flags.reliable {
            let address = format!("tls://{}", flags.addr).parse()?;
            return Ok(Peer::Reliable(address, reliable::sensor_tls(&tls(flags)?)?));
        }
        let Some(key) = &flags.pubkey else {
            return Err(Failure::Usage(
                "the server's public key is missing: give it with -pubkey (`netcap-server -gen-keypair` \
                 makes it), or deliver with -reliable"
                    .to_owned(),
            ));
        };
        let key = netcap_remote::read_public(key)?;
        Ok(Peer::Datagrams(resolve(&flags.addr)?, key))
    }

    fn open(
        self,
        flags: &Flags,
        registry: &Registry,
        capture: &Capture,
        files: &[PathBuf],
        stop: &Arc<AtomicBool>,
    ) -> Result<Way, Failure> {
        let (source, is_live) = (capture.source.name(), capture.source.is_live());
        match self {
            Peer::Datagrams(address, key) => {
                let options = SenderOptions {
                    client: client(flags),
                    source: source.as_bytes().to_vec(),
                    version: version(),
                    max: flags.max as usize,
                    waits: !is_live,
                    rate: flags.rate,
                };
                let sender = UdpSender::start(address, &key, options)?;
                Ok(datagrams(sender, flags.max as usize, registry, stop))
            }
            Peer::Reliable(address, tls) => {
                let named = stream::id(flags, files, &capture.config, registry)?;
                let is_repeatable = named.is_some();
                let has_begun = Arc::<AtomicBool>::default();
                let options = ReliableOptions {
                    source: source.to_owned(),
                    program: version(),
                    is_repeatable,
                    queue: usize::try_from(flags.queue).unwrap_or(usize::MAX),
                    spool: flags.spool.clone().map(|path| (path, flags.spool_size)),
                    on_full: match is_live && !is_repeatable {
                        true => OnFull::Drop,
                        false => OnFull::Wait,
                    },
                    connect_deadline: is_repeatable.then_some(stream::PATIENCE),
                    finish_deadline: None,
                    give_up: after(stop, &has_begun, LAST_WORDS)?,
                    notify: Box::new(|news| PROGRAM.note(news)),
                    ..ReliableOptions::new(address, tls)
                };
                let id = named.map_or_else(reliable::fresh_stream, Ok)?;
                let sender = ReliableSender::connect(options, id)?;
                has_begun.store(true, Ordering::Relaxed);
                Ok(acknowledged(sender, flags, registry, stop, is_repeatable))
            }
        }
    }
}

/// Datagrams: what is sent is counted, what arrives is not known.
fn datagrams(sender: UdpSender, max: usize, registry: &Registry, stop: &Arc<AtomicBool>) -> Way {
    let counters = sender.counters();
    let counted = Arc::clone(&counters);
    Way {
        outlet: batches(sender, registry, max, stop, false),
        ceiling: DATAGRAMS,
        page: Box::new(move |page| {
            let counts = counted.snapshot();
            page.counter("netcap_sensor_records_total", "Records sent.")
                .value(&[], counts.records);
            page.counter("netcap_sensor_batches_total", "Batches sent.")
                .value(&[], counts.batches);
            page.counter("netcap_sensor_datagrams_total", "Datagrams sent.")
                .value(&[], counts.datagrams);
            page.counter(
                "netcap_sensor_dropped_records_total",
                "Records dropped as the network was slower.",
            )
            .value(&[], counts.dropped);
            page.counter(
                "netcap_sensor_send_errors_total",
                "Datagrams that the network refused.",
            )
            .value(&[], counts.send_errors);
            let mut large = page.counter(
                "netcap_sensor_too_large_records_total",
                "Records too large for a datagram, by type.",
            );
            for (name, records) in &counts.too_large {
                large.value(&[("type", name)], records);
            }
        }),
        account: Box::new(move || {
            let counts = counters.snapshot();
            let mut text = format!(
                "{} records sent in {} datagrams; UDP does not tell what arrived\n",
                grouped(counts.records),
                grouped(counts.datagrams)
            );
            for (name, records) in &counts.too_large {
                text.push_str(&format!(
                    "{} {name} records were too large for a datagram, and were not sent (-max)\n",
                    grouped(*records)
                ));
            }
            if counts.dropped > 0 {
                text.push_str(&format!(
                    "{} records dropped, as they came faster than they could be sent\n",
                    grouped(counts.dropped)
                ));
            }
            if counts.send_errors > 0 {
                let error = counts.last_error.unwrap_or_default();
                text.push_str(&format!(
                    "{} datagrams were refused by the network: {error}\n",
                    grouped(counts.send_errors)
                ));
            }
            text
        }),
        gauges: None,
    }
}

/// The reliable mode: what the server has acknowledged is known.
fn acknowledged(
    sender: ReliableSender,
    flags: &Flags,
    registry: &Registry,
    stop: &Arc<AtomicBool>,
    is_repeatable: bool,
) -> Way {
    let (counters, gauges) = (sender.counters(), sender.gauges());
    let counted = counters.clone();
    Way {
        outlet: batches(sender, registry, BATCH, stop, is_repeatable),
        ceiling: flags.queue + (registry.selected().len() * BATCH) as u64,
        page: Box::new(move |page| {
            let counts = counted.snapshot();
            page.counter(
                "netcap_sensor_records_total",
                "Records taken into the queue.",
            )
            .value(&[], counts.records);
            page.counter(
                "netcap_sensor_batches_total",
                "Batches taken into the queue.",
            )
            .value(&[], counts.batches);
            page.counter(
                "netcap_sensor_acknowledged_records_total",
                "Records that the server has on its disk.",
            )
            .value(&[], counts.acknowledged);
            page.counter(
                "netcap_sensor_dropped_records_total",
                "Records dropped as the queue was full.",
            )
            .value(&[], counts.lost);
            page.counter(
                "netcap_sensor_resent_batches_total",
                "Batches sent more than once.",
            )
            .value(&[], counts.resent);
            page.counter(
                "netcap_sensor_reconnects_total",
                "Connections after the first.",
            )
            .value(&[], counts.reconnects);
            page.gauge(
                "netcap_sensor_connected",
                "Whether there is a connection to the server.",
            )
            .value(&[], u8::from(counts.is_connected));
            page.gauge("netcap_sensor_spool_bytes", "Bytes that wait in files.")
                .value(&[], counts.spool);
            page.gauge(
                "netcap_sensor_queue_bytes",
                "Bytes that wait to be acknowledged.",
            )
            .value(&[], counts.queue);
            page.gauge(
                "netcap_sensor_lag_seconds",
                "How long the oldest batch has waited.",
            )
            .value(&[], counts.oldest.as_secs_f64());
        }),
        account: Box::new(move || {
            let counts = counters.snapshot();
            let mut text = format!(
                "{} records delivered, {} compressed\n",
                grouped(counts.acknowledged),
                size(counts.compressed)
            );
            if counts.lost > 0 {
                text.push_str(&format!(
                    "{} records dropped for want of room (-queue)\n",
                    grouped(counts.lost)
                ));
            }
            text
        }),
        gauges: Some(gauges),
    }
}

fn batches(
    sender: impl Sender + 'static,
    registry: &Registry,
    most: usize,
    stop: &Arc<AtomicBool>,
    is_repeatable: bool,
) -> Box<dyn Outlet> {
    Box::new(Batcher::new(sender, registry, most, stop, is_repeatable))
}

/// What TLS needs: our certificate, and the server's pins.
fn tls(flags: &Flags) -> Result<TlsOptions, Failure> {
    let file = |extension: &str| {
        let mut path = flags.identity.clone().into_os_string();
        path.push(extension);
        PathBuf::from(path)
    };
    if flags.server_pin.is_empty() {
        return Err(Failure::Usage(
            "the server's pin is missing: give it with -server-pin; `netcap-server -reliable \
             -gen-keypair` prints it"
                .to_owned(),
        ));
    }
    let (cert, key) = (file(".pem"), file(".key"));
    if !cert.exists() {
        return Err(Failure::Usage(format!(
            "{}: no such certificate; `netcap-sensor -gen-keypair` makes one",
            cert.display()
        )));
    }
    Ok(TlsOptions {
        pins: flags.server_pin.clone(),
        cert: Some(cert),
        key: Some(key),
        ..TlsOptions::default()
    })
}

/// The first address of a host.
fn resolve(address: &str) -> Result<SocketAddr, Failure> {
    let wrong = |reason: String| {
        Failure::Usage(format!(
            "-addr {}: {reason}; use a host and a port, as in collector.example:1335",
            address.escape_debug()
        ))
    };
    let mut addresses = address
        .to_socket_addrs()
        .map_err(|error| wrong(error.to_string()))?;
    let first = addresses.next();
    first.ok_or_else(|| wrong("the host has no address".to_owned()))
}

/// The name that the server calls our folder by.
fn client(flags: &Flags) -> Vec<u8> {
    let user = || std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    let name = flags.client.clone().or_else(|| user().ok());
    name.unwrap_or_else(|| "sensor".to_owned()).into_bytes()
}

/// Program and version.
pub(crate) fn version() -> String {
    format!("netcap-sensor {VERSION}")
}

/// A flag that is set when the stop has been for so long, and at once where nothing has begun.
fn after(
    stop: &Arc<AtomicBool>,
    has_begun: &Arc<AtomicBool>,
    wait: Duration,
) -> Result<Arc<AtomicBool>, Failure> {
    const TICK: Duration = Duration::from_millis(100);
    let late = Arc::<AtomicBool>::default();
    let (stop, has_begun, set) = (Arc::clone(stop), Arc::clone(has_begun), Arc::clone(&late));
    let watch = move || {
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(TICK);
        }
        if has_begun.load(Ordering::Relaxed) {
            thread::sleep(wait);
        }
        set.store(true, Ordering::Relaxed);
    };
    // It ends with the program.
    let started = thread::Builder::new()
        .name("last words".to_owned())
        .spawn(watch);
    started.map_err(|error| Failure::Environment(format!("cannot start a thread: {error}")))?;
    Ok(late)
}
