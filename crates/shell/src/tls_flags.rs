//! The flags for TLS: of who connects, of who listens, and of programs that do both.

use std::path::PathBuf;

use clap::Args;
use netcap_capture::pcap_over_ip::{Address, Pin, TlsOptions};

use crate::failure::Failure;
use crate::given::Given;
use crate::program::Program;

/// Whom we believe when we connect.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub struct ConnectTlsFlags {
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

/// Who we are, in either direction.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub struct CertificateFlags {
    /// Our certificate (PEM): to listen with TLS, or if a peer demands one
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// Its key (PEM); other users must not be able to read it
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

/// Whom we let in where we listen.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub struct ListenTlsFlags {
    /// Where we listen: demand certificates signed by these authorities (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    client_ca: Option<PathBuf>,

    /// Of those, let in only this name, pin or SHA-256; may be given several times
    #[arg(long, value_name = "WHO", requires = "client_ca")]
    allow_client: Vec<String>,
}

/// All of these.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsFlags {
    #[command(flatten)]
    connect: ConnectTlsFlags,

    #[command(flatten)]
    certificate: CertificateFlags,

    #[command(flatten)]
    listen: ListenTlsFlags,

    /// Take a stream that ends without close_notify for cut short, even between records
    #[arg(long)]
    strict_tls: bool,
}

impl ConnectTlsFlags {
    /// Adds what they say.
    pub fn add_to(&self, options: &mut TlsOptions) {
        options.ca.clone_from(&self.ca);
        options.pins.clone_from(&self.pin);
        options.server_name.clone_from(&self.server_name);
        options.insecure = self.insecure;
    }

    /// Whether they say how peers are believed, which needs TLS.
    fn is_given(&self) -> bool {
        self.ca.is_some() || !self.pin.is_empty() || self.server_name.is_some() || self.insecure
    }
}

impl CertificateFlags {
    /// Adds what they say.
    pub fn add_to(&self, options: &mut TlsOptions) {
        options.cert.clone_from(&self.cert);
        options.key.clone_from(&self.key);
    }

    /// Whether we have a certificate to show.
    pub fn is_given(&self) -> bool {
        self.cert.is_some()
    }
}

impl ListenTlsFlags {
    /// Adds what they say.
    pub fn add_to(&self, options: &mut TlsOptions) {
        options.client_ca.clone_from(&self.client_ca);
        options.allow.clone_from(&self.allow_client);
    }
}

impl TlsFlags {
    /// What the flags say, in both directions.
    pub fn options(&self) -> TlsOptions {
        let mut options = TlsOptions {
            strict: self.strict_tls,
            ..TlsOptions::default()
        };
        self.connect.add_to(&mut options);
        self.certificate.add_to(&mut options);
        self.listen.add_to(&mut options);
        options
    }

    /// Whether we have a certificate to show where we listen.
    pub fn has_certificate(&self) -> bool {
        self.certificate.is_given()
    }

    /// Whether they say how peers that we connect to are believed, which needs TLS.
    pub fn is_about_servers(&self) -> bool {
        self.connect.is_given()
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
