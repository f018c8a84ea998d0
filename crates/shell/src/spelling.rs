//! The ways to spell a flag, brought into the one that the parser knows: `--name value`.
//!
//! A long flag may have one dash or two in every program, and a switch may be told what it is:
//! `-buf=false`. What else is possible depends on the tradition that a program stands in; see
//! [`Spelling`].

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

use crate::failure::Failure;

/// How the documentation of a program spells flags, and what else follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// One dash, as programs in Go have it: `-out`. There are no clusters of short flags, a value is
    /// whatever follows its flag, even if it begins with a dash, and `-buf false` is `-buf=false`.
    Go,
    /// Two dashes: `--out`, and short flags whose value may follow at once, `-ieth0`.
    Gnu,
}

impl Spelling {
    /// A flag in this spelling.
    pub(crate) fn flag(self, long: &str) -> String {
        match self {
            Spelling::Go => format!("-{long}"),
            Spelling::Gnu => format!("--{long}"),
        }
    }
}

/// Flags that a program had once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retired {
    /// Those without which the user would get something else, and what to do instead.
    pub refused: &'static [(&'static [&'static str], &'static str)],
    /// Those that have nothing left to do, and whether a value follows them.
    pub ignored: &'static [(&'static str, bool)],
}

/// The command line as the parser wants it, and what the user should know about it.
#[derive(Debug, Default)]
pub(crate) struct Spelled {
    pub(crate) args: Vec<OsString>,
    pub(crate) notes: Vec<String>,
}

/// Brings a command line, without the name of the program, into the parser's spelling.
pub(crate) fn spell(
    spelling: Spelling,
    command: &Command,
    retired: &Retired,
    args: impl IntoIterator<Item = OsString>,
) -> Result<Spelled, Failure> {
    let is_go = spelling == Spelling::Go;
    let all_known = arguments(command);
    let mut spelled = Spelled::default();
    let mut args = args.into_iter().peekable();
    while let Some(arg) = args.next() {
        // A flag whose name is not UTF-8 is unknown, and the parser will say so.
        let Some(flag) = arg.to_str().and_then(Flag::parse) else {
            let ends_flags = arg == "--";
            spelled.args.push(arg);
            if ends_flags {
                spelled.args.extend(args);
                break;
            }
            continue;
        };
        let name = flag.name;
        let mut refused = retired.refused.iter();
        if let Some((_, remedy)) = refused.find(|(names, _)| names.contains(&name)) {
            return Err(Failure::Usage(format!("{}: {remedy}", spelling.flag(name))));
        }
        if let Some((_, has_value)) = retired.ignored.iter().find(|(known, _)| *known == name) {
            spelled.notes.push(format!(
                "{} has no effect in this version",
                spelling.flag(name)
            ));
            if flag.value.is_none() {
                args.next_if(|next| *has_value || boolean(next).is_some());
            }
            continue;
        }
        let Some(known) = all_known.iter().find(|known| has_name(known, name)) else {
            let is_long = match spelling {
                Spelling::Go => name.len() > 1,
                Spelling::Gnu => matches!(name, "help" | "version"),
            };
            spelled.args.push(match is_long {
                true => format!("--{}", flag.text).into(),
                false => arg,
            });
            continue;
        };
        let long = format!("--{}", known.get_long().unwrap_or(name));
        if is_switch(known) {
            let value = match flag.value {
                Some(value) => boolean(&OsString::from(value)).ok_or_else(|| {
                    let flag = spelling.flag(name);
                    Failure::Usage(format!("{flag}={value}: a switch is true or false"))
                })?,
                None => args
                    .next_if(|next| is_go && boolean(next).is_some())
                    .is_none_or(|next| boolean(&next) == Some(true)),
            };
            spelled.switch(known, long, value);
        } else {
            let value = match flag.value {
                Some(value) => Some(value.into()),
                None => args.next_if(|_| is_go),
            };
            spelled.args.push(joined(long, value));
        }
    }
    Ok(spelled)
}

/// All flags of a program, those of its commands too.
fn arguments(command: &Command) -> Vec<&Arg> {
    let of_commands = command.get_subcommands().flat_map(arguments);
    command.get_arguments().chain(of_commands).collect()
}

impl Spelled {
    /// Adds a switch; the last one counts.
    fn switch(&mut self, known: &Arg, long: String, value: bool) {
        if !matches!(known.get_action(), ArgAction::SetTrue) {
            self.args.push(format!("{long}={value}").into());
        } else if value {
            self.args.push(long.into());
        } else {
            self.args.retain(|earlier| *earlier != *long);
        }
    }
}

/// A flag as it was given.
struct Flag<'a> {
    /// All of it after the dashes.
    text: &'a str,
    name: &'a str,
    value: Option<&'a str>,
}

impl Flag<'_> {
    fn parse(arg: &str) -> Option<Flag<'_>> {
        let text = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'))?;
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        (!name.is_empty()).then_some(Flag { text, name, value })
    }
}

fn has_name(arg: &Arg, name: &str) -> bool {
    let is_short = arg
        .get_short()
        .is_some_and(|short| name == short.to_string());
    is_short
        || arg.get_long() == Some(name)
        || arg
            .get_all_aliases()
            .is_some_and(|aliases| aliases.contains(&name))
}

/// Whether a flag is on or off, and not followed by a value.
fn is_switch(arg: &Arg) -> bool {
    !arg.get_action().takes_values() || arg.get_num_args().is_some_and(|n| n.min_values() == 0)
}

/// The words that Go takes for a boolean.
fn boolean(word: &OsString) -> Option<bool> {
    match word.to_str()? {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn joined(long: String, value: Option<OsString>) -> OsString {
    let mut text = OsString::from(long);
    if let Some(value) = value {
        text.push("=");
        text.push(value);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let switch = |name| Arg::new(name).long(name).action(ArgAction::SetTrue);
        let valued = |name| Arg::new(name).long(name);
        let boolean = valued("buf").num_args(0..=1).require_equals(true);
        Command::new("program")
            .args([valued("read").short('r'), valued("sep"), boolean])
            .args([switch("csv"), switch("tsv")])
            .subcommand(Command::new("inner").arg(valued("depth").alias("deep")))
    }

    fn spelled(spelling: Spelling, line: &str) -> String {
        let args = line.split(' ').map(OsString::from);
        let spelled = spell(spelling, &command(), &Retired::default(), args);
        let args = spelled.expect("a good command line").args;
        let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
        args.join(" ")
    }

    fn go(line: &str) -> String {
        spelled(Spelling::Go, line)
    }

    fn gnu(line: &str) -> String {
        spelled(Spelling::Gnu, line)
    }

    #[test]
    fn all_spellings_are_one() {
        for line in ["-sep ;", "-sep=;", "--sep ;", "--sep=;"] {
            assert_eq!(go(line), "--sep=;");
        }
        for line in ["-sep=;", "--sep=;"] {
            assert_eq!(gnu(line), "--sep=;");
        }
        assert_eq!(gnu("-sep ;"), "--sep ;");
        for line in ["-r -x", "--r -x", "-read -x"] {
            assert_eq!(go(line), "--read=-x");
        }
        assert_eq!(gnu("-r -x"), "--read -x");
        assert_eq!(gnu("inner -deep 3"), "inner --depth 3");
    }

    #[test]
    fn switches_take_a_word() {
        assert_eq!(go("-buf false -r x"), "--buf=false --read=x");
        assert_eq!(gnu("-buf false -r x"), "--buf=true false --read x");
        assert_eq!(go("-buf=0 x"), "--buf=false x");
        assert_eq!(go("-buf x"), "--buf=true x");
        assert_eq!(go("-csv true x"), "--csv x");
        for spelled in [go, gnu] {
            assert_eq!(spelled("-csv -tsv -csv=f"), "--tsv");
        }
    }

    #[test]
    fn what_is_no_flag_stays() {
        for spelled in [go, gnu] {
            assert_eq!(spelled("- x -- -csv"), "- x -- -csv");
            assert_eq!(spelled("-h -x -help"), "-h -x --help");
        }
        assert_eq!(go("-wokers=3"), "--wokers=3");
        assert_eq!(gnu("-rfile -wokers=3"), "-rfile -wokers=3");
    }

    #[test]
    fn retired_flags_are_answered() {
        let retired = Retired {
            refused: &[(&["profile"], "use another")],
            ignored: &[("checksum", false), ("flushevery", true)],
        };
        let old = ["-checksum", "false", "-flushevery", "1024", "x"].map(OsString::from);
        let spelled = spell(Spelling::Go, &command(), &retired, old).expect("accepted");
        assert_eq!((spelled.args.len(), spelled.notes.len()), (1, 2));
        let refused = spell(Spelling::Go, &command(), &retired, ["-profile".into()]);
        assert!(matches!(refused, Err(Failure::Usage(text)) if text == "-profile: use another"));
    }
}
