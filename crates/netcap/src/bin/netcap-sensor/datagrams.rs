//! Records by datagrams: what is sent is counted, what arrives is not known.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use netcap_remote::{PublicKey, SenderOptions, UdpSender};
use netcap_shell::Failure;
use netcap_shell::figures::grouped;

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
    /// Reads the key.
    pub(crate) fn new(flags: &Flags) -> Result<Datagrams, Failure> {
        let Some(key) = &flags.pubkey else {
            return Err(Failure::Usage(
                "the server's public key is missing: give it with -pubkey (`netcap-server -gen-keypair` \
                 makes it), or deliver with -reliable or -nats"
                    .to_owned(),
            ));
        };
        Ok(Datagrams {
            key: netcap_remote::read_public(key)?,
            address: resolve(&flags.addr)?,
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
    let counted = Arc::clone(&counters);
    Way {
        outlet: batches(sender, run, max, false),
        place: server(run.flags),
        ceiling: QUEUE,
        has_queue: false,
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
