//! The flags for TLS, in either direction: as who connects, and as who listens.

use std::path::PathBuf;

use clap::Args;
use netcap_capture::pcap_over_ip::{Address, Pin, TlsOptions};

use crate::failure::Failure;
use crate::given::Given;
use crate::program::Program;

/// Who is believed, and who we are, for who connects and listens.
#[derive(Debug, Args)]
pub struct TlsFlags {
    #[command(flatten)]
    servers: Servers,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    clients: Clients,

    /// Take a stream that ends without close_notify for cut short, even between records
    #[arg(long, help_heading = "TLS")]
    strict_tls: bool,
}

/// The same for who connects only.
#[derive(Debug, Args)]
pub struct TlsConnectFlags {
    #[command(flatten)]
    servers: Servers,
    #[command(flatten)]
    identity: Identity,
}

/// The same for who listens only.
#[derive(Debug, Args)]
pub struct TlsListenFlags {
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    clients: Clients,
}

/// How peers that we connect to are believed.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
struct Servers {
    /// Certificates (PEM) of the authorities by which we verify peers that we connect to [default: the
    /// system's]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Trust the peer we connect to if its certificate has this pin: sha256/ and base64, or hexadecimal
    ///
    /// The SHA-256 of the public key, as `pcap-over-ip tls pin` shows it. It is enough by itself; with
    /// authorities given, both must hold. May be given several times.
    #[arg(long, value_name = "PIN")]
    pin: Vec<Pin>,

    /// Name that the certificate of the peer we connect to must have, if not the one connected to
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,

    /// Trust any peer we connect to: whoever is between can read and change what is sent
    #[arg(long)]
    insecure: bool,
}

/// Who we are.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
struct Identity {
    /// Our certificate (PEM), by which peers know us
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// Its key (PEM); other users must not be able to read it
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

/// Who may connect to us.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
struct Clients {
    /// Where we listen: demand certificates signed by these authorities (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    client_ca: Option<PathBuf>,

    /// Of those, let in only this name, pin or SHA-256; may be given several times
    #[arg(long, value_name = "WHO", requires = "client_ca")]
    allow_client: Vec<String>,
}

impl TlsFlags {
    /// What the flags say, in both directions.
    pub fn options(&self) -> TlsOptions {
        let options = self.identity.options(TlsOptions {
            strict: self.strict_tls,
            ..TlsOptions::default()
        });
        self.servers.options(self.clients.options(options))
    }

    /// Whether we have a certificate to show where we listen.
    pub fn has_certificate(&self) -> bool {
        self.identity.cert.is_some()
    }

    /// Whether they say how peers that we connect to are believed, which needs TLS.
    pub fn is_about_servers(&self) -> bool {
        self.servers.is_given()
    }
}

impl TlsConnectFlags {
    /// What the flags say.
    pub fn options(&self) -> TlsOptions {
        let options = self.identity.options(TlsOptions::default());
        self.servers.options(options)
    }

    /// Whether they say how peers that we connect to are believed, which needs TLS.
    pub fn is_about_servers(&self) -> bool {
        self.servers.is_given()
    }
}

impl TlsListenFlags {
    /// What the flags say.
    pub fn options(&self) -> TlsOptions {
        let options = self.identity.options(TlsOptions::default());
        self.clients.options(options)
    }

    /// Whether we have a certificate to show.
    pub fn has_certificate(&self) -> bool {
        self.identity.cert.is_some()
    }

    /// Whether peers need a certificate.
    pub fn demands_certificates(&self) -> bool {
        self.clients.client_ca.is_some()
    }
}

impl Servers {
    fn options(&self, others: TlsOptions) -> TlsOptions {
        TlsOptions {
            ca: self.ca.clone(),
            pins: self.pin.clone(),
            server_name: self.server_name.clone(),
            insecure: self.insecure,
            ..others
        }
    }

    fn is_given(&self) -> bool {
        self.ca.is_some() || !self.pin.is_empty() || self.server_name.is_some() || self.insecure
    }
}

impl Identity {
    fn options(&self, others: TlsOptions) -> TlsOptions {
        TlsOptions {
            cert: self.cert.clone(),
            key: self.key.clone(),
            ..others
        }
    }
}

impl Clients {
    fn options(&self, others: TlsOptions) -> TlsOptions {
        TlsOptions {
            client_ca: self.client_ca.clone(),
            allow: self.allow_client.clone(),
            ..others
        }
    }
}

impl Given<TlsFlags> {
    /// Refuses flags that would protect nothing, as none of the addresses speaks TLS.
    ///
    /// # Errors
    ///
    /// The name of the first such flag.
    pub fn check<'a>(
        &self,
        program: &Program,
        addresses: impl IntoIterator<Item = &'a Address>,
    ) -> Result<(), Failure> {
        match self.given() {
            Some(flag) if !addresses.into_iter().any(|address| address.tls) => {
                Err(Failure::Usage(format!(
                    "{} is for TLS, and no address speaks it; use tls:// or tls-listen://",
                    program.flag(flag)
                )))
            }
            _ => Ok(()),
        }
    }
}
