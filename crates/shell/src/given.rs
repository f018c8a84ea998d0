//! Flags that know which of them the command line gave.

use std::ops::Deref;

use clap::error::Error;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches, Id};

/// A group of flags that remembers which of them were given. All have values, as the others have their
/// defaults; one that has no effect can still be refused by name.
#[derive(Debug)]
pub struct Given<F> {
    flags: F,
    names: Vec<String>,
}

impl<F> Given<F> {
    /// The long name of the first flag that was given, in the order of the help.
    pub fn given(&self) -> Option<&str> {
        self.names.first().map(String::as_str)
    }

    /// The long names of all that were given, in the order of the help.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The flags, without what was given.
    pub fn into_flags(self) -> F {
        self.flags
    }
}

impl<F> Deref for Given<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.flags
    }
}

impl<F: Args> FromArgMatches for Given<F> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Given<F>, Error> {
        Given::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Given<F>, Error> {
        // First, as the values are taken out.
        let names = names_given::<F>(matches);
        let flags = F::from_arg_matches_mut(matches)?;
        Ok(Given { flags, names })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.names = names_given::<F>(matches);
        self.flags.update_from_arg_matches(matches)
    }
}

impl<F: Args> Args for Given<F> {
    fn group_id() -> Option<Id> {
        F::group_id()
    }

    fn augment_args(command: Command) -> Command {
        F::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        F::augment_args_for_update(command)
    }
}

/// The long names of the flags that the command line gave.
fn names_given<F: Args>(matches: &ArgMatches) -> Vec<String> {
    let command = F::augment_args(Command::new("flags"));
    let given = command.get_arguments().filter(|flag| {
        matches.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine)
    });
    given
        .filter_map(|flag| flag.get_long().map(str::to_owned))
        .collect()
}
