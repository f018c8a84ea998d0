//! Records by the reliable mode, from sensors that were enrolled.

use std::sync::Arc;

use netcap_capture::pcap_over_ip::{ConnectError, TlsOptions, listen_remedy};
use netcap_remote::reliable::{Enrolment, Event, ReliableServer, server_tls};
use netcap_remote::{Archive, Error};
use netcap_shell::figures::several;
use netcap_shell::{Failure, certificate, descriptors};

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
        let address = format!("tls-listen://{}", flags.addr).parse()?;
        let tls = server_tls(&tls, &enrolment)?;
        let limit = descriptors::allow(u64::MAX);
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
                Error::Connect(ConnectError::Listen { source, .. }) => {
                    Failure::Environment(format!(
                        "-addr {}: cannot listen: {source}; {}",
                        flags.addr,
                        listen_remedy(&source)
                    ))
                }
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
            let path = flags.sensors.display();
            let event = format!(
                "no sensor is enrolled yet; `netcap-server -sensors {path} -enroll NAME -pin PIN` lets one in, \
                 also while this server runs"
            );
            status.tell("info", &event, &[]);
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
        if mistake == self.mistake {
            return Vec::new();
        }
        self.mistake.clone_from(&mistake);
        vec![match mistake {
            Some(mistake) => format!("{mistake}; the list read before stays in force"),
            None => format!(
                "sensors read again: {}",
                several(self.enrolment.keys() as u64, "key")
            ),
        }]
    }

    fn stop(mut self: Box<Self>, snapshot: &mut Snapshot) -> (Vec<Event>, Result<(), Failure>) {
        self.server.stop();
        self.add_to(snapshot);
        (self.events(), Ok(()))
    }
}
