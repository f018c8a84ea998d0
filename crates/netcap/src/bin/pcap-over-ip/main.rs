//! `pcap-over-ip`: captures for others over TCP or TLS, many streams into one, and streams back onto
//! a wire.
//!
//! The command line becomes [`flags`]; each subcommand has its file; what happens with peers becomes
//! lines in [`report`]; every way to fail is a [`Failure`].

mod console;
mod failure;
mod flags;
mod hub;
mod outlets;
mod reader;
mod replay;
mod report;
mod serve;
mod signals;
mod tls;

use std::process::ExitCode;

use failure::Failure;
use flags::Command;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::ClosedPipe) {
                console::note(&failure);
            }
            failure.exit_code()
        }
    }
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
