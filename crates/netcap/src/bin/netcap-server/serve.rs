//! Receiving, until Ctrl-C.

use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::TlsOptions;
use netcap_remote::reliable::{Enrolment, ReliableServer, ServerOptions, server_tls};
use netcap_remote::{Archive, Collector, CollectorOptions, Error, read_private};
use netcap_shell::{Failure, certificate, signals};

use crate::flags::Flags;
use crate::snapshot::Snapshot;
use crate::status::Status;
use crate::{PROGRAM, VERSION};

/// How often the main thread looks whether to stop.
const TICK: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
/// How long the disk may refuse before the server gives up, so that who watches over it hears of it.
const PATIENCE: Duration = Duration::from_secs(30);
/// After so long without trouble it is over: sensors try again every few seconds.
const PAUSE: Duration = Duration::from_secs(10);

/// What receives.
struct Receivers {
    archive: Arc<Archive>,
    datagrams: Option<Collector>,
    reliable: Option<ReliableServer>,
    enrolment: Option<Arc<Enrolment>>,
}

/// Trouble that comes again and again.
#[derive(Default)]
struct Refused {
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Refused {
    /// There was trouble, or none; gives whether it lasts too long.
    fn lasts(&mut self, is_refused: bool, now: Instant) -> bool {
        if is_refused {
            self.last = Some(now);
        }
        if self.last.is_none_or(|last| now - last >= PAUSE) {
            self.first = None;
            return false;
        }
        now - *self.first.get_or_insert(now) >= PATIENCE
    }
}

pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    let mut receivers = Receivers::start(flags)?;
    let metrics = flags.metrics.listen(PROGRAM, flags.quiet)?;
    let stop = signals::stop()?;
    let mut status = Status::new(flags.quiet);
    let mut second = Instant::now();
    let mut refused = Refused::default();
    let mut known = None;
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(TICK);
        if second.elapsed() < SECOND {
            continue;
        }
        second = Instant::now();
        let snapshot = receivers.snapshot();
        if let Some(metrics) = &metrics {
            metrics.refresh(|page| snapshot.write(page));
        }
        status.show(&snapshot);
        let mut refusal = None;
        for trouble in receivers.trouble() {
            status.warn(&trouble.to_string());
            // What is in the way of one sensor ends nothing for the others.
            if !matches!(trouble, Error::Foreign { .. }) {
                refusal = Some(trouble);
            }
        }
        if refused.lasts(refusal.is_some(), second)
            && let Some(refusal) = refusal
        {
            return Err(refusal.into());
        }
        let mistake = receivers.enrolment.as_ref().and_then(|list| list.trouble());
        if let Some(mistake) = mistake.as_ref().filter(|_| mistake != known) {
            status.warn(&format!("{mistake}; what it said before still counts"));
        }
        known = mistake;
    }
    let snapshot = receivers.stop()?;
    status.end(&snapshot);
    Ok(())
}

impl Receivers {
    fn start(flags: &Flags) -> Result<Receivers, Failure> {
        let has_datagrams = flags.privkey.is_some() || !flags.reliable;
        // Keys first: a wrong one is the likelier mistake, and nothing is made or listened on then.
        let secret = has_datagrams.then(|| secret(flags)).transpose()?;
        let tls = flags.reliable.then(|| tls(flags)).transpose()?;
        let archive = Archive::open(&flags.out, &format!("netcap-server {VERSION}"))?;
        let archive = Arc::new(archive);
        let mut receivers = Receivers {
            archive: Arc::clone(&archive),
            datagrams: None,
            reliable: None,
            enrolment: None,
        };
        if let Some(secret) = secret {
            let socket = UdpSocket::bind(&*flags.addr).map_err(|error| {
                Failure::Environment(format!(
                    "-addr {}: cannot receive: {error}; choose a free port and an address of this machine",
                    flags.addr.escape_debug()
                ))
            })?;
            let defaults = CollectorOptions::default();
            let options = CollectorOptions {
                workers: flags.workers.map_or_else(cores, usize::from),
                clients: flags.max_clients as usize,
                enrolment: tls.as_ref().map(|(_, enrolment)| Arc::clone(enrolment)),
                ..defaults
            };
            let local = socket.local_addr().map(|local| local.to_string());
            let collector = Collector::start(socket, &secret, Arc::clone(&archive), &options)?;
            receivers.datagrams = Some(collector);
            tell(flags, "datagrams", &local.unwrap_or_default());
        }
        if let Some((options, enrolment)) = tls {
            let address = format!("tls-listen://{}", flags.addr).parse()?;
            let tls = server_tls(&options, &enrolment)?;
            let limits = ServerOptions {
                connections: flags.max_clients as usize,
                ..ServerOptions::default()
            };
            let server = ReliableServer::start(&address, &tls, &archive, &enrolment, limits)?;
            tell(flags, "sensors over TLS", &server.local_addr().to_string());
            if enrolment.keys() == 0 && !flags.quiet {
                PROGRAM.note("no sensor is enrolled yet; `netcap-server -enroll NAME -pin PIN` lets one in, while this server runs too");
            }
            receivers.reliable = Some(server);
            receivers.enrolment = Some(enrolment);
        }
        Ok(receivers)
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::of(&self.archive);
        if let Some(collector) = &self.datagrams {
            snapshot.add_datagrams(&collector.counts());
        }
        if let Some(server) = &self.reliable {
            snapshot.add_reliable(&server.counts());
        }
        snapshot
    }

    /// What has kept records from the disk lately.
    fn trouble(&self) -> impl Iterator<Item = Error> {
        let datagrams = self.datagrams.as_ref().and_then(Collector::trouble);
        let reliable = self.reliable.as_ref().and_then(ReliableServer::trouble);
        datagrams.into_iter().chain(reliable)
    }

    /// Ends; what was received is on the disk then.
    fn stop(&mut self) -> Result<Snapshot, Failure> {
        if let Some(server) = &mut self.reliable {
            server.stop();
        }
        let datagrams = self.datagrams.take().map(Collector::stop).transpose()?;
        let mut snapshot = self.snapshot();
        if let Some(counts) = datagrams {
            snapshot.add_datagrams(&counts);
        }
        Ok(snapshot)
    }
}

fn tell(flags: &Flags, what: &str, local: &str) {
    if !flags.quiet {
        let out = flags.out.display();
        PROGRAM.note(format_args!(
            "waiting for {what} on {local}; records go to {out}"
        ));
    }
}

fn secret(flags: &Flags) -> Result<netcap_remote::PrivateKey, Failure> {
    let path = flags.privkey.clone();
    let path = path.unwrap_or_else(|| PathBuf::from(netcap_remote::PRIVATE_KEY_FILE));
    if flags.privkey.is_none() && !path.exists() {
        return Err(Failure::Usage(format!(
            "{}: no such key; `netcap-server -gen-keypair` makes one, -privkey names another",
            path.display()
        )));
    }
    Ok(read_private(&path)?)
}

/// What TLS needs: our certificate, and the list of sensors.
fn tls(flags: &Flags) -> Result<(TlsOptions, Arc<Enrolment>), Failure> {
    let (cert, key) = certificate::files(&flags.identity, "netcap-server -reliable -gen-keypair")?;
    let enrolment = Arc::new(Enrolment::open(&flags.sensors)?);
    let options = TlsOptions {
        cert: Some(cert),
        key: Some(key),
        ..TlsOptions::default()
    };
    Ok((options, enrolment))
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trouble_that_comes_again_and_again_lasts() {
        let begin = Instant::now();
        let lasts = |every: u64, until: u64| {
            let mut refused = Refused::default();
            (0..60).any(|second| {
                let is_refused = second % every == 0 && second <= until;
                refused.lasts(is_refused, begin + Duration::from_secs(second))
            })
        };
        assert!(lasts(1, 60));
        // As sensors try again.
        assert!(lasts(5, 60));
        // Once, for a while, and now and then.
        assert!(!lasts(1, 0));
        assert!(!lasts(1, 15));
        assert!(!lasts(12, 60));
    }
}
