//! The flags for a NATS broker between sensors and servers.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;

/// The broker, and how it and the program know each other.
#[derive(Debug, Args)]
#[command(next_help_heading = "Through a broker")]
pub struct NatsFlags {
    /// Records go through the NATS broker at this URL, which has JetStream
    ///
    /// nats://HOST or tls://HOST, with USER:PASSWORD@ or TOKEN@ before the host where the broker asks for
    /// that; those of a cluster with commas between them. Every user of the machine can see command
    /// lines: -nats-creds is better for secrets.
    #[arg(id = "nats", long = "nats", value_name = "URL")]
    pub url: Option<String>,

    /// Certificates (PEM) of the authorities by which the broker is verified [default: the system's]
    #[arg(
        id = "nats_ca",
        long = "nats-ca",
        value_name = "FILE",
        requires = "nats"
    )]
    pub ca: Option<PathBuf>,

    /// File with the program's credentials at the broker: a JWT and its key, as nsc writes it
    #[arg(
        id = "nats_creds",
        long = "nats-creds",
        value_name = "FILE",
        requires = "nats"
    )]
    pub credentials: Option<PathBuf>,
}

impl NatsFlags {
    /// What a program says that was built without the client of the broker.
    pub fn unavailable() -> Failure {
        Failure::Usage(
            "-nats: this program was built without it; build with `cargo build --release --features \
             nats`"
                .to_owned(),
        )
    }
}
