//! Records by the reliable mode, from sensors that were enrolled.

use std::sync::Arc;

use netcap_capture::pcap_over_ip::TlsOptions;
use netcap_remote::reliable::{Enrolment, ReliableServer, ServerOptions, server_tls};
use netcap_remote::{Archive, Error};
use netcap_shell::figures::several;
use netcap_shell::{Failure, certificate};

use crate::PROGRAM;
use crate::flags::Flags;
use crate::snapshot::Snapshot;
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

    pub(crate) fn open(
        self,
        flags: &Flags,
        archive: &Arc<Archive>,
    ) -> Result<Box<dyn Receiver>, Failure> {
        let Acknowledged { tls, enrolment } = self;
        let address = format!("tls-listen://{}", flags.addr).parse()?;
        let tls = server_tls(&tls, &enrolment)?;
        let limits = ServerOptions {
            connections: flags.max_clients as usize,
            ..ServerOptions::default()
        };
        let server = ReliableServer::start(&address, &tls, archive, &enrolment, limits)?;
        tell(flags, "sensors over TLS", &server.local_addr().to_string());
        if enrolment.keys() == 0 && !flags.quiet {
            let path = flags.sensors.display();
            PROGRAM.note(format_args!(
                "no sensor is enrolled yet; `netcap-server -sensors {path} -enroll NAME -pin PIN` lets one \
                 in, also while this server runs"
            ));
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

    fn stop(mut self: Box<Self>, snapshot: &mut Snapshot) -> Result<(), Failure> {
        self.server.stop();
        self.add_to(snapshot);
        Ok(())
    }
}
