//! `recollect`: one line for each packet that agents report, from any number of hosts.
//!
//! The command line becomes [`flags`], files become a [`configuration`]; [`collect`] connects to agents,
//! [`replay`] reads their logs; [`report`] tells what happens, [`page`] tells Prometheus, [`web`] browsers, and
//! [`top`] draws; [`flows`] tells of packets that were seen at both ends. What a collector does with records is in `netcap_agent::collect`, what views show in
//! `netcap_view`.

mod collect;
mod configuration;
mod flags;
mod flows;
mod page;
mod replay;
mod report;
mod session;
mod top;
mod web;

use std::process::ExitCode;

use netcap_shell::{Failure, Program, Spelling};

/// The program, as its users know it.
const PROGRAM: &Program = &Program {
    name: "recollect",
    spelling: Spelling::Gnu,
    unwritable: 2,
};

fn main() -> ExitCode {
    PROGRAM.run(run)
}

fn run() -> Result<(), Failure> {
    let Some(flags) = flags::parse(std::env::args_os())? else {
        return Ok(());
    };
    if flags.check {
        configuration::check(&flags)
    } else if flags.replay.paths.is_empty() {
        collect::run(&flags)
    } else {
        replay::run(&flags)
    }
}
