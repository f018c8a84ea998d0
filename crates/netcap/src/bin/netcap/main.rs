//! `netcap`: turns packets into audit records, and audit records into text.
//!
//! The command line becomes [`Flags`](flags::Flags), the inputs say what is to be done with them,
//! and [`collect`] or [`dump`] does it; every way to fail is a [`Failure`]. What other programs
//! need too is in `netcap_shell`.

mod check;
mod collect;
mod dump;
mod effects;
mod flags;
mod inputs;
mod interfaces;
mod leftovers;
mod retired;
mod stdout;

use std::process::ExitCode;

use inputs::Task;
use netcap_shell::console::{fitted, print};
use netcap_shell::{Failure, Program, Spelling, descriptors, encoders};

/// The program, as its users know it.
const PROGRAM: &Program = &Program {
    name: "netcap",
    spelling: Spelling::Go,
    unwritable: 2,
};

/// Files that are open beside the inputs: one for each type of record, and what the system has.
const OTHER_FILES: u64 = 256;

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
    if flags.overview {
        return print(&encoders::overview());
    }
    if let Some(time) = &flags.ts2utc {
        let mut date = Vec::new();
        time.write_rfc3339(&mut date);
        return print(&format!("{}\n", String::from_utf8_lossy(&date)));
    }
    if flags.encoders {
        return print(&encoders::list());
    }
    if flags.interfaces {
        return print(&fitted(interfaces::table()?));
    }
    // The inputs are open all at once, and the files that are made beside them.
    descriptors::allow(flags.files_to_read().len() as u64 + OTHER_FILES);
    match inputs::task(&flags)? {
        Task::Collect(inputs) => collect::run(&flags, inputs),
        Task::Print(files) => dump::run(&flags, &files),
    }
}
