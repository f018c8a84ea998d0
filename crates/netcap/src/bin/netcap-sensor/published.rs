//! Records through a NATS broker: what it has acknowledged is known.

use std::sync::Arc;
use std::time::Duration;

use netcap_nats::{Connection, Full, NatsSender, SenderOptions};
use netcap_remote::{ClientName, reliable};
use netcap_shell::Failure;
use netcap_shell::figures::{counted, size};

use crate::flags::Flags;
use crate::way::{Run, Way, batches};
use crate::{PROGRAM, stream};

/// Octets of records in a batch, before they are compressed. Whoever changes it changes the version too:
/// a run that is repeated sends the same batches.
const BATCH: usize = 256 << 10;

/// How long records are still delivered after Ctrl-C, where the broker takes nothing.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// The broker, and how both sides know each other.
pub(crate) struct Published {
    connection: Connection,
    place: String,
}

impl Published {
    /// Reads the credentials.
    pub(crate) fn new(url: &str, flags: &Flags) -> Result<Published, Failure> {
        let place = Connection::new(url).place();
        let place = place.map_err(|error| Failure::Usage(format!("-nats: {error}")))?;
        let (ca, credentials) = (&flags.nats.ca, &flags.nats.credentials);
        Ok(Published {
            connection: Connection::open(url, ca.as_deref(), credentials.as_deref())?,
            place,
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
        let named = stream::id(flags, files, &capture.config, registry)?;
        let is_repeatable = named.is_some();
        let id = named.map_or_else(reliable::fresh_stream, Ok)?;
        let sensor = ClientName::new(&flags.client());
        let sender = NatsSender::start(SenderOptions {
            is_repeatable,
            full: match capture.source.is_live() {
                true => Full::Drop,
                false => Full::Wait,
            },
            queue_octets: usize::try_from(flags.queue).unwrap_or(usize::MAX),
            batch_octets: BATCH,
            stop: Arc::clone(stop),
            patience: LAST_WORDS,
            notify: Arc::new(|news| PROGRAM.note(news)),
            ..SenderOptions::new(self.connection, sensor, id)
        })?;
        Ok(way(sender, self.place, run, is_repeatable))
    }
}

fn way(sender: NatsSender, place: String, run: &Run<'_>, is_repeatable: bool) -> Way {
    // Of each type one batch is being made, and one being cut to its size.
    let waiting = 2 * run.registry.selected().len() * BATCH;
    let counters = sender.counters();
    let watched = counters.clone();
    Way {
        outlet: batches(sender, run, BATCH, is_repeatable),
        place: format!("for the broker at {place}"),
        // What is at the broker there is twice: as it came, and compressed.
        ceiling: run.flags.queue.saturating_mul(2) + waiting as u64,
        has_queue: true,
        page: Box::new(move |page| {
            let sent = watched.snapshot();
            page.counter(
                "netcap_sensor_records_total",
                "Records that the broker has taken.",
            )
            .value(&[], sent.records);
            page.counter(
                "netcap_sensor_batches_total",
                "Batches that the broker has taken.",
            )
            .value(&[], sent.batches);
            page.counter(
                "netcap_sensor_dropped_records_total",
                "Records dropped as the queue was full, or one was too large for the broker.",
            )
            .value(&[], sent.dropped + sent.too_long);
            page.gauge("netcap_sensor_connected", "1 while the broker is there.")
                .value(&[], u8::from(sent.connected));
            page.gauge(
                "netcap_sensor_queue_bytes",
                "Bytes that wait for the broker.",
            )
            .value(&[], sent.waiting);
        }),
        account: Box::new(move || {
            let sent = counters.snapshot();
            let mut text = match sent.records {
                0 => "nothing that the broker did not have before\n".to_owned(),
                records => format!(
                    "{} delivered to the broker, {} compressed\n",
                    counted(records, "records"),
                    size(sent.octets)
                ),
            };
            for (count, why) in [
                (sent.dropped, "for want of room (-queue)"),
                (sent.too_long, "as they were too large for the broker"),
            ] {
                if count > 0 {
                    text.push_str(&format!("{} {why}\n", counted(count, "records dropped")));
                }
            }
            text
        }),
        gauges: None,
    }
}
