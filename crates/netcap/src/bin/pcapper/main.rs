//! `pcapper`: a record of each packet of an interface, for any number of collectors, as the agent of
//! 2019 of that name gives them, and into a log.
//!
//! The command line becomes [`flags`]; [`agent`] runs what it asks for; [`interface`] waits for, opens
//! and reopens interfaces; [`collectors`] says where collectors connect, [`pulse`] what they are told each
//! second; what happens becomes lines in [`report`] and [`metrics`]. What a record is, and how it gets to
//! collectors, is in `netcap_agent` and `netcap_relay`.

mod agent;
mod collectors;
mod flags;
mod groups;
mod help;
mod interface;
mod metrics;
mod pulse;
mod report;

use std::process::ExitCode;

use netcap_shell::{Failure, Program, Spelling};

/// The program, as its users know it.
const PROGRAM: &Program = &Program {
    name: "pcapper",
    spelling: Spelling::Gnu,
    unwritable: 2,
};

fn main() -> ExitCode {
    PROGRAM.run(|| run().map_err(coded))
}

fn run() -> Result<(), Failure> {
    match flags::parse(std::env::args_os())? {
        Some(flags) => agent::run(&flags),
        None => Ok(()),
    }
}

/// A failure with the exit code that the agent of 2019 has for it.
fn coded(failure: Failure) -> Failure {
    let code = match &failure {
        Failure::Usage(_) => 12,
        Failure::Filter(_) => 6,
        _ => return failure,
    };
    let message = failure.to_string();
    Failure::Own { code, message }
}
