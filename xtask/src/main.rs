//! The project's own chores: `cargo xtask <command>`.
//!
//! Every command is one module with a `COMMAND`; [`COMMANDS`] lists them.
#![expect(
    clippy::print_stdout,
    reason = "a program's answers belong on standard output"
)]

mod arguments;
mod bench;
mod bless;
mod capture_file;
mod compress;
mod corpus;
mod expectation;
mod r#gen;
mod generate;
mod generated;
mod slice_headers;
mod traffic;

use std::process::ExitCode;

use arguments::Arguments;

/// One chore: what it is called, what `cargo xtask` says about it, and what it does.
struct Command {
    name: &'static str,
    usage: &'static str,
    /// One line; empty for commands that only other commands start.
    help: &'static str,
    run: fn(Arguments) -> anyhow::Result<()>,
}

/// All commands, in the order in which the help lists them.
const COMMANDS: &[Command] = &[
    r#gen::COMMAND,
    bless::COMMAND,
    bench::COMMAND,
    bench::threads::COMMAND,
    generate::COMMAND,
    corpus::COMMAND,
    slice_headers::COMMAND,
    compress::COMMAND,
];

/// The root of the project.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn main() -> ExitCode {
    let mut given = std::env::args().skip(1);
    let name = given.next().unwrap_or_default();
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        print_help();
        let asked = matches!(name.as_str(), "help" | "--help" | "-h");
        return if asked {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        };
    };
    match (command.run)(Arguments::new(given)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print_help() {
    println!("cargo xtask <command>\n");
    for command in COMMANDS.iter().filter(|command| !command.help.is_empty()) {
        println!(
            "  {} {}\n      {}",
            command.name, command.usage, command.help
        );
    }
}
