//! `netcap-sensor`: turns packets into audit records, and sends these to a `netcap-server`.
//!
//! The command line becomes [`Flags`](flags::Flags); [`send`] captures and sends,
//! by one of the ways in [`way`]; every way to fail is a
//! [`Failure`]. What every program needs is in `netcap_shell`, what goes over the network in
//! `netcap_remote`.

mod account;
mod acknowledged;
mod datagrams;
mod flags;
mod identity;
#[cfg(feature = "nats")]
mod published;
mod send;
mod stream;
mod way;

use std::process::ExitCode;

use netcap_shell::console::print;
use netcap_shell::{Failure, Program, Spelling, encoders};

/// The program, as its users know it.
const PROGRAM: &Program = &Program {
    name: "netcap-sensor",
    spelling: Spelling::Go,
    unwritable: 2,
};

/// The version, as `-version` prints it.
const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// Program and version, as headers and the server have it.
fn version() -> String {
    format!("netcap-sensor {VERSION}")
}

fn main() -> ExitCode {
    PROGRAM.run(run)
}

fn run() -> Result<(), Failure> {
    let Some(flags) = flags::parse(std::env::args_os())? else {
        return Ok(());
    };
    if flags.version {
        return print(&format!("{VERSION}\n"));
    }
    if flags.encoders {
        return print(&encoders::list());
    }
    if flags.gen_keypair {
        return identity::make(&flags.identity);
    }
    send::run(&flags)
}
