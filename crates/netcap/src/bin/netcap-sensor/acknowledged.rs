//! Records by the reliable mode: what the server has acknowledged is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use netcap_capture::pcap_over_ip::{Address, ClientTls, TlsOptions};
use netcap_remote::reliable::{self, OnFull, ReliableOptions, ReliableSender};
use netcap_shell::{Failure, certificate};

use crate::account::{Room, account};
use crate::flags::Flags;
use crate::way::{Run, Way, batches, server};
use crate::{PROGRAM, stream, version};

/// Octets of records in a batch, before they are compressed.
const BATCH: usize = 256 << 10;

/// How long records are still delivered after Ctrl-C.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// The server, and how both sides know each other.
pub(crate) struct Acknowledged {
    address: Address,
    tls: Arc<ClientTls>,
}

impl Acknowledged {
    /// Reads the certificate and its key.
    pub(crate) fn new(flags: &Flags) -> Result<Acknowledged, Failure> {
        Ok(Acknowledged {
            address: format!("tls://{}", flags.addr).parse()?,
            tls: reliable::sensor_tls(&tls(flags)?)?,
        })
    }

    pub(crate) fn open(self, run: &Run<'_>) -> Result<Way, Failure> {
        let Run {
            flags,
            registry,
            capture,
            files,
            stop,
        } = *run;
        let (source, is_live) = (capture.source.name(), capture.source.is_live());
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
            notify: Some(Box::new(|news| PROGRAM.note(news))),
            ..ReliableOptions::new(self.address, self.tls)
        };
        let id = named.map_or_else(reliable::fresh_stream, Ok)?;
        let sender = ReliableSender::connect(options, id)?;
        has_begun.store(true, Ordering::Relaxed);
        Ok(way(sender, run, is_repeatable))
    }
}

fn way(sender: ReliableSender, run: &Run<'_>, is_repeatable: bool) -> Way {
    let waiting = run.registry.selected().len() * BATCH;
    let (counters, gauges) = (sender.counters(), sender.gauges());
    let counted = counters.clone();
    Way {
        outlet: batches(sender, run, BATCH, is_repeatable),
        place: server(run.flags),
        ceiling: run.flags.queue.saturating_add(waiting as u64),
        has_queue: true,
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
                "netcap_sensor_unknown_type_records_total",
                "Records left out, as the server does not know their type.",
            )
            .value(&[], counts.unknown_type);
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
        account: {
            let room = Room::of(run.flags);
            Box::new(move || account(&counters.snapshot(), &room))
        },
        gauges: Some(gauges),
    }
}

/// What TLS needs: our certificate, and the server's pins.
fn tls(flags: &Flags) -> Result<TlsOptions, Failure> {
    if flags.server_pin.is_empty() {
        return Err(Failure::Usage(
            "the server's pin is missing: give it with -server-pin; `netcap-server -reliable \
             -gen-keypair` prints it"
                .to_owned(),
        ));
    }
    let (cert, key) = certificate::files(&flags.identity, "netcap-sensor -gen-keypair")?;
    Ok(TlsOptions {
        pins: flags.server_pin.clone(),
        cert: Some(cert),
        key: Some(key),
        ..TlsOptions::default()
    })
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
