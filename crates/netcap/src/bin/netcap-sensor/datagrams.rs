//! Records by datagrams: what is sent is counted, what arrives is not known.

use std::net::SocketAddr;
use std::sync::Arc;

use netcap_remote::{Batch, Error, PublicKey, Sender, SenderOptions, UdpSender};
use netcap_shell::Failure;
use netcap_shell::figures::{counted, grouped};

use crate::flags::Flags;
use crate::version;
use crate::way::{Run, Way, batches, server};

/// Octets of memory that the queue takes: batches that wait, and one being made.
const QUEUE: u64 = 32 << 20;

/// Where datagrams go, and the key that they are sealed for.
pub(crate) struct Datagrams {
    address: SocketAddr,
    key: PublicKey,
}

impl Datagrams {
    /// Reads the key. `address` is the server's.
    pub(crate) fn new(flags: &Flags, address: SocketAddr) -> Result<Datagrams, Failure> {
        let Some(key) = &flags.pubkey else {
            return Err(Failure::Usage(
                "-pubkey is missing: the server's public key, which `netcap-server -gen-keypair` makes; \
                 or deliver with -reliable or -nats"
                    .to_owned(),
            ));
        };
        Ok(Datagrams {
            key: netcap_remote::read_public(key)
                .map_err(|error| Failure::Environment(format!("-pubkey: {error}")))?,
            address,
        })
    }

    pub(crate) fn open(self, run: &Run<'_>) -> Result<Way, Failure> {
        let Run { flags, capture, .. } = run;
        let options = SenderOptions {
            client: flags.client(),
            source: capture.source.name().as_bytes().to_vec(),
            version: version(),
            max: flags.max as usize,
            waits: !capture.source.is_live(),
            rate: flags.rate,
        };
        let sender = UdpSender::start(self.address, &self.key, options)?;
        Ok(way(sender, run))
    }
}

fn way(sender: UdpSender, run: &Run<'_>) -> Way {
    let max = run.flags.max as usize;
    let counters = sender.counters();
    let watched = Arc::clone(&counters);
    let checked = Checked {
        sender,
        server: run.flags.addr.to_string(),
    };
    Way {
        outlet: batches(checked, run, max, false),
        place: server(run.flags),
        ceiling: QUEUE,
        has_queue: false,
        page: Box::new(move |page| {
            let counts = watched.snapshot();
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
                "{} sent in {}; UDP does not tell what arrived\n",
                counted(counts.records, "records"),
                counted(counts.datagrams, "datagrams")
            );
            for (name, records) in &counts.too_large {
                text.push_str(&format!(
                    "{} too large for a datagram, and not sent (-max)\n",
                    counted(*records, &format!("records of {name}"))
                ));
            }
            if counts.dropped > 0 {
                text.push_str(&format!(
                    "{} dropped, as they came faster than they could be sent\n",
                    counted(counts.dropped, "records")
                ));
            }
            text
        }),
        gauges: None,
    }
}

/// Ends with an error where the network has refused datagrams, as then it is known that records are lost.
struct Checked {
    sender: UdpSender,
    server: String,
}

impl Sender for Checked {
    fn send(&mut self, batch: Batch) -> Result<(), Error> {
        self.sender.send(batch)
    }

    fn finish(&mut self, is_complete: bool) -> Result<(), Error> {
        self.sender.finish(is_complete)?;
        let counts = self.sender.counters().snapshot();
        if counts.send_errors == 0 {
            return Ok(());
        }
        Err(Error::Transport(format!(
            "{} sent, {} of them refused ({}): is netcap-server running at {}?",
            counted(counts.datagrams, "datagrams"),
            grouped(counts.send_errors),
            counts.last_error.unwrap_or_default(),
            self.server
        )))
    }
}
