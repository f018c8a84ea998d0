//! A program as its users know it: by its name, and by how it spells its flags.

use std::fmt;
use std::process::ExitCode;

use crate::console::say;
use crate::failure::Failure;
use crate::figures::size;
use crate::spelling::Spelling;

/// What programs differ in.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// What its lines on standard error begin with.
    pub name: &'static str,
    /// How its documentation spells flags.
    pub spelling: Spelling,
    /// Its exit code where the output cannot be written: 2, or 5 where that is told apart from an
    /// input that cannot be read.
    pub unwritable: u8,
}

impl Program {
    /// Runs the program, says what went wrong, and gives the exit code.
    pub fn run(&self, body: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
        let Err(failure) = body() else {
            return ExitCode::SUCCESS;
        };
        match &failure {
            Failure::ClosedPipe => {}
            Failure::Filter(error) => self.note(format_args!("{}: {error}", self.flag("bpf"))),
            failure => self.note(failure),
        }
        ExitCode::from(failure.exit_code(self.unwritable))
    }

    /// Tells the user what is wrong, or worth knowing, in one line on standard error.
    pub fn note(&self, line: impl fmt::Display) {
        say(format_args!("{}: {line}", self.name));
    }

    /// Says how many octets of memory the program takes at most, and which flags change that.
    pub fn tell_ceiling(&self, octets: u64, flags: &[&str]) {
        let flags: Vec<String> = flags.iter().map(|flag| self.flag(flag)).collect();
        let remedy = match flags.as_slice() {
            [] => String::new(),
            [one] => format!(" ({one} changes that)"),
            several => format!(" ({} change that)", several.join(", ")),
        };
        self.note(format_args!("memory stays below {}{remedy}", size(octets)));
    }

    /// A flag as the documentation spells it.
    pub fn flag(&self, long: &str) -> String {
        self.spelling.flag(long)
    }
}
