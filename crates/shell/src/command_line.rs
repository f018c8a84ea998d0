//! Command lines, read by clap and answered in one line.

use std::error::Error as _;
use std::ffi::OsString;
use std::iter;
use std::num::ParseIntError;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, Command, FromArgMatches};

use crate::console::{has_colours, print};
use crate::failure::Failure;
use crate::program::Program;
use crate::spelling::{Retired, Spelling, spell};

impl Program {
    /// Reads a command line, of whose repeated flags the last one counts. `None` where it asked for
    /// help or the version, and got it; `help` alone asks for it too.
    ///
    /// # Errors
    ///
    /// What is wrong with the command line.
    pub fn parse<F: FromArgMatches>(
        &self,
        command: Command,
        retired: &Retired,
        args: impl IntoIterator<Item = OsString>,
    ) -> Result<Option<F>, Failure> {
        let mut args = args.into_iter();
        let name = args.next().unwrap_or_default();
        let mut args: Vec<OsString> = args.collect();
        if let [only] = args.as_mut_slice()
            && only == "help"
        {
            *only = "--help".into();
        }
        let spelled = spell(self.spelling, &command, retired, args)?;
        spelled.notes.iter().for_each(|note| self.note(note));
        let flags = command
            .args_override_self(true)
            .try_get_matches_from(iter::once(name).chain(spelled.args))
            .and_then(|matches| F::from_arg_matches(&matches));
        match flags {
            Ok(flags) => Ok(Some(flags)),
            Err(answer)
                if matches!(
                    answer.kind(),
                    ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
                ) =>
            {
                print_help(&answer)?;
                Ok(None)
            }
            Err(error) => Err(Failure::Usage(self.one_line(&error))),
        }
    }

    /// What is wrong with the command line, in one line and in the spelling of the documentation.
    fn one_line(&self, error: &Error) -> String {
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.as_str()),
            Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
            _ => None,
        };
        let unknown = match error.kind() {
            ErrorKind::UnknownArgument => text(ContextKind::InvalidArg)
                .filter(|flag| flag.starts_with('-'))
                .map(|flag| ("flag", flag, text(ContextKind::SuggestedArg))),
            ErrorKind::InvalidSubcommand => text(ContextKind::InvalidSubcommand)
                .map(|name| ("command", name, text(ContextKind::SuggestedSubcommand))),
            _ => None,
        };
        let help = self.flag("help");
        let line = if let Some((what, name, near)) = unknown {
            match near {
                Some(near) => {
                    format!("there is no {what} {name}, did you mean {near}? {help} lists all")
                }
                None => format!("there is no {what} {name}; {help} lists all"),
            }
        } else if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            format!("a command is missing; {help} lists them")
        } else if let (ErrorKind::ValueValidation, Some(flag), Some(value), Some(reason)) = (
            error.kind(),
            text(ContextKind::InvalidArg),
            text(ContextKind::InvalidValue),
            error.source(),
        ) {
            // Without what clap calls the value: `--queue <SIZE>`.
            let flag = flag.split(' ').next().unwrap_or(flag);
            format!("{flag} {}: {}", value.escape_debug(), plain(reason, value))
        } else if let (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) =
            (error.kind(), error.get(ContextKind::InvalidArg))
        {
            let verb = if missing.len() == 1 { "is" } else { "are" };
            format!(
                "{} {verb} missing; {help} lists all flags",
                missing.join(" and ")
            )
        } else {
            let message = error.render().to_string();
            let lines = message.lines().take_while(|line| !line.is_empty());
            let lines: Vec<&str> = lines.map(str::trim).collect();
            let message = lines.join(" ");
            let message = message.trim_start_matches("error: ");
            format!("{message}; {help} lists all flags")
        };
        match self.spelling {
            Spelling::Go => {
                let line = [" ", "'", "<", "|"].iter().fold(line, |line, before| {
                    line.replace(&format!("{before}--"), &format!("{before}-"))
                });
                match line.strip_prefix("--") {
                    Some(rest) => format!("-{rest}"),
                    None => line,
                }
            }
            Spelling::Gnu => line,
        }
    }
}

/// Why a value is refused: what the parser says of numbers, in words.
fn plain(reason: &(dyn std::error::Error + 'static), value: &str) -> String {
    if reason.is::<ParseIntError>() {
        return "a whole number belongs there".to_owned();
    }
    let reason = reason.to_string();
    let range = reason.strip_prefix(&format!("{value} is not in "));
    match range.and_then(|range| range.split_once("..")) {
        Some((least, "")) => format!("a number from {least} up belongs there"),
        Some((least, most)) => {
            let most = most.trim_start_matches('=');
            format!("a number from {least} to {most} belongs there")
        }
        None => reason,
    }
}

/// The flag with one more sentence at the end of its long help.
pub fn explained(flag: Arg, sentence: &str) -> Arg {
    let help = match (flag.get_long_help(), flag.get_help()) {
        (Some(long), _) => format!("{long} {sentence}"),
        (None, Some(short)) => format!("{short}\n\n{sentence}"),
        (None, None) => sentence.to_owned(),
    };
    flag.long_help(help)
}

fn print_help(help: &Error) -> Result<(), Failure> {
    if has_colours() {
        print(&help.render().ansi().to_string())
    } else {
        print(&help.render().to_string())
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
        queue: Option<u32>,
        #[arg(long, value_parser = clap::value_parser!(u32).range(2..))]
        least: Option<u32>,
        #[arg(long)]
        clients: Option<usize>,
        #[arg(long, requires_all = ["key", "ca"])]
        cert: Option<String>,
        #[arg(long)]
        key: Option<String>,
        #[arg(long)]
        ca: Option<String>,
    }

    #[test]
    fn mistakes_are_told_in_words() {
        const PROGRAM: Program = Program {
            name: "program",
            spelling: Spelling::Gnu,
            unwritable: 2,
        };
        for (line, expected) in [
            (
                "--queue 0",
                "--queue 0: a number from 1 to 64 belongs there",
            ),
            ("--queue x", "--queue x: a whole number belongs there"),
            (
                "--least 1",
                "--least 1: a number from 2 to 4294967295 belongs there",
            ),
            (
                "--clients abc",
                "--clients abc: a whole number belongs there",
            ),
            ("--clients -1", "there is no flag -1; --help lists all"),
            (
                "--cert x --key y",
                "--ca <CA> is missing; --help lists all flags",
            ),
            (
                "--cert x",
                "--key <KEY> and --ca <CA> are missing; --help lists all flags",
            ),
        ] {
            let args = iter::once("program")
                .chain(line.split(' '))
                .map(OsString::from);
            let read = PROGRAM.parse::<Flags>(Flags::command(), &Retired::default(), args);
            let Err(Failure::Usage(message)) = read else {
                panic!("{line}");
            };
            assert_eq!(message, expected);
        }
    }
}
