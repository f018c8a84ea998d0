//! Records by the reliable mode, from sensors that were enrolled.

use std::sync::Arc;

use netcap_capture::pcap_over_ip::{AddressError, ConnectError, TlsOptions};
use netcap_remote::reliable::{Enrolment, Event, ReliableServer, server_tls};
use netcap_remote::{Archive, Error};
use netcap_shell::{Failure, certificate};

use crate::files;
use crate::flags::Flags;
use crate::snapshot::Snapshot;
use crate::status::Status;
use crate::way::{Receiver, tell};

/// What TLS needs: our certificate, and the list of sensors.
pub(crate) struct Acknowledged {
    tls: TlsOptions,
    enrolment: Arc<Enrolment>,
}

/// The server at work.
struct Enrolled {
    server: ReliableServer,
    enrolment: Arc<Enrolment>,
    /// What is wrong with the list, and was told.
    mistake: Option<String>,
}

impl Acknowledged {
    /// Reads the certificate, its key and the list.
    pub(crate) fn new(flags: &Flags) -> Result<Acknowledged, Failure> {
        let make = "netcap-server -reliable -gen-keypair";
        let (cert, key) = certificate::files(&flags.identity, make)?;
        let tls = TlsOptions {
            cert: Some(cert),
            key: Some(key),
            ..TlsOptions::default()
        };
        let enrolment = Arc::new(Enrolment::open(&flags.sensors)?);
        Ok(Acknowledged { tls, enrolment })
    }

    /// The list of sensors.
    pub(crate) fn enrolment(&self) -> Arc<Enrolment> {
        Arc::clone(&self.enrolment)
    }

    pub(crate) fn open(
        self,
        flags: &Flags,
        archive: &Arc<Archive>,
        status: &Status,
    ) -> Result<Box<dyn Receiver>, Failure> {
        let Acknowledged { tls, enrolment } = self;
        let address = format!("tls-listen://{}", flags.addr).parse();
        let address = address.map_err(|error: AddressError| {
            let error = error.to_string().replacen("tls-listen://", "", 1);
            Failure::Usage(format!("-addr {error}"))
        })?;
        let tls = server_tls(&tls, &enrolment)?;
        let limit = files::raise_limit();
        let sensors = flags.max_clients as usize;
        let limits = files::bounds(sensors, limit);
        if limits.connections < sensors {
            let event = format!(
                "{limit} files may be open, which is room for {} sensors and not for {sensors}; raise the \
                 limit (ulimit -n, LimitNOFILE), or lower -max-clients",
                limits.connections
            );
            status.tell("warning", &event, &[]);
        }
        let server = ReliableServer::start(&address, &tls, archive, &enrolment, limits).map_err(
            |error| match error {
                Error::Connect(ConnectError::Listen { source, .. }) => Failure::Environment(format!(
                    "-addr {}: cannot listen: {source}; choose a free port and an address of this machine",
                    flags.addr.escape_debug()
                )),
                error => error.into(),
            },
        )?;
        tell(
            status,
            flags,
            "sensors over TLS",
            server.local_addr().to_string(),
        );
        if enrolment.keys() == 0 {
            let event = "no sensor is enrolled yet; `netcap-server -enroll NAME -pin PIN` lets one in, while this server runs too";
            status.tell("info", event, &[]);
        }
        Ok(Box::new(Enrolled {
            server,
            enrolment,
            mistake: None,
        }))
    }
}

impl Receiver for Enrolled {
    fn add_to(&self, snapshot: &mut Snapshot) {
        snapshot.add_reliable(&self.server.counts());
    }

    fn trouble(&mut self) -> Option<Error> {
        self.server.trouble()
    }

    fn events(&mut self) -> Vec<Event> {
        self.server.events()
    }

    fn news(&mut self) -> Vec<String> {
        let mistake = self.enrolment.trouble();
        let is_known = mistake == self.mistake;
        self.mistake.clone_from(&mistake);
        let new = mistake.filter(|_| !is_known);
        new.map(|mistake| format!("{mistake}; what it said before still counts"))
            .into_iter()
            .collect()
    }

    fn stop(mut self: Box<Self>, snapshot: &mut Snapshot) -> (Vec<Event>, Result<(), Failure>) {
        self.server.stop();
        self.add_to(snapshot);
        (self.events(), Ok(()))
    }
}
