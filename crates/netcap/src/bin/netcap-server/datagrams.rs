//! Records by datagrams, from whoever has the public key.

use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use netcap_capture::pcap_over_ip::listen_remedy;
use netcap_remote::reliable::{Enrolment, Event};
use netcap_remote::{
    Archive, Collector, CollectorOptions, Error, PrivateKey, Refusal, read_private,
};
use netcap_shell::Failure;
use netcap_shell::figures::counted;

use crate::flags::Flags;
use crate::snapshot::Snapshot;
use crate::status::Status;
use crate::way::{Receiver, tell};

/// The key that datagrams are sealed for, and whose names they must not have.
pub(crate) struct Datagrams {
    secret: PrivateKey,
    enrolment: Option<Arc<Enrolment>>,
}

impl Datagrams {
    /// Reads the key.
    pub(crate) fn new(
        flags: &Flags,
        enrolment: Option<Arc<Enrolment>>,
    ) -> Result<Datagrams, Failure> {
        let path = flags.privkey.clone();
        let path = path.unwrap_or_else(|| PathBuf::from(netcap_remote::PRIVATE_KEY_FILE));
        let secret = read_private(&path);
        let secret = secret.map_err(|error| Failure::Environment(format!("-privkey: {error}")))?;
        Ok(Datagrams { secret, enrolment })
    }

    pub(crate) fn open(
        self,
        flags: &Flags,
        archive: &Arc<Archive>,
        status: &Status,
    ) -> Result<Box<dyn Receiver>, Failure> {
        let addresses = flags.addr.resolve("-addr")?;
        let socket = UdpSocket::bind(addresses.as_slice()).map_err(|error| {
            Failure::Environment(format!(
                "-addr {}: cannot receive: {error}; {}",
                flags.addr,
                listen_remedy(&error)
            ))
        })?;
        let options = CollectorOptions {
            workers: flags.workers.map_or_else(cores, usize::from),
            clients: flags.max_clients as usize,
            enrolment: self.enrolment,
            ..CollectorOptions::default()
        };
        let local = socket.local_addr().map(|local| local.to_string());
        let collector = Collector::start(socket, &self.secret, Arc::clone(archive), &options)?;
        tell(status, flags, "datagrams", local.unwrap_or_default());
        Ok(Box::new(collector))
    }
}

impl Receiver for Collector {
    fn add_to(&self, snapshot: &mut Snapshot) {
        snapshot.add_datagrams(&self.counts());
    }

    fn trouble(&mut self) -> Option<Error> {
        Collector::trouble(self)
    }

    fn stop(self: Box<Self>, snapshot: &mut Snapshot) -> (Vec<Event>, Result<(), Failure>) {
        let (counts, trouble) = Collector::stop(*self);
        snapshot.add_datagrams(&counts);
        let unstored = counts.refusals.get(&Refusal::NotStored);
        let stopped = match (trouble, unstored.copied().unwrap_or_default()) {
            (Some(trouble), 0) => Err(trouble.into()),
            (None, 0) => Ok(()),
            (trouble, unstored) => {
                let why = trouble.map_or(String::new(), |trouble| format!("; {trouble}"));
                Err(Failure::Environment(format!(
                    "{} could not be stored, and what was in them is lost{why}",
                    counted(unstored, "datagrams")
                )))
            }
        };
        (Vec::new(), stopped)
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
