//! `pcap-over-ip`: captures for others over TCP or TLS, many streams into one, and streams back onto
//! a wire.
//!
//! The command line becomes [`flags`]; each subcommand has its file; what happens with peers becomes
//! lines in [`report`]; every way to fail is a [`Failure`]. What every program needs is in
//! `netcap_shell`.

mod flags;
mod hub;
mod outlets;
mod replay;
mod report;
mod serve;
mod tls;

use std::process::ExitCode;

use flags::Command;
use netcap_shell::{Failure, Program, Spelling};

/// The program, as its users know it.
const PROGRAM: &Program = &Program {
    name: "pcap-over-ip",
    spelling: Spelling::Gnu,
    unwritable: 5,
};

fn main() -> ExitCode {
    PROGRAM.run(run)
}

fn run() -> Result<(), Failure> {
    let Some(command) = flags::parse(std::env::args_os())? else {
        return Ok(());
    };
    match command {
        Command::Serve(flags) => serve::run(&flags),
        Command::Hub(flags) => hub::run(&flags),
        Command::Replay(flags) => replay::run(&flags),
        Command::Tls(command) => tls::run(&command),
    }
}
