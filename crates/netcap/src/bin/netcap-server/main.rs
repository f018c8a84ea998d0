//! `netcap-server`: receives audit records from `netcap-sensor`s, and keeps them in files.
//!
//! The command line becomes [`Flags`](flags::Flags); [`keys`] makes keys and lets sensors in, [`serve`]
//! receives by the ways in [`way`], [`status`] tells of it; every way to fail is a [`Failure`]. What every program needs is in
//! `netcap_shell`, what goes over the network and into files in `netcap_remote`.

mod acknowledged;
mod datagrams;
mod files;
mod flags;
mod keys;
mod page;
#[cfg(feature = "nats")]
mod published;
mod refusals;
mod serve;
mod snapshot;
mod status;
mod way;

use std::process::ExitCode;

use netcap_shell::console::print;
use netcap_shell::{Failure, Program, Spelling};

use crate::flags::Task;

/// The program, as its users know it.
const PROGRAM: &Program = &Program {
    name: "netcap-server",
    spelling: Spelling::Go,
    unwritable: 2,
};

/// The version, as `-version` prints it.
const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

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
    match flags.task() {
        Task::Serve => serve::run(&flags),
        Task::MakeKeys => keys::make(&flags),
        Task::Enrol => keys::enrol(&flags),
        Task::Revoke | Task::RevokeSensor => keys::revoke(&flags),
        Task::List => keys::list(&flags),
    }
}
