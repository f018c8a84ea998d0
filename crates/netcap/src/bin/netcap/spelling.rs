//! The ways to spell a flag, brought into the one that the parser knows.
//!
//! Netcap's flags have always been those of Go programs: long names after one dash, `-sep ";"` or
//! `-sep=";"`, and switches that are turned off with `-buf=false`. Two dashes mean the same. Here
//! all of it becomes `--name=value`; `-buf false`, which the documentation shows, too. A value is
//! whatever follows its flag, even if it begins with a dash.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

use crate::failure::Failure;

/// Flags of Netcap that this version does not have, and what to do instead.
const UNAVAILABLE: &[(&[&str], &str)] = &[
    (
        &["nodefrag"],
        "fragments are always put together; leave the flag out",
    ),
    (
        &["cpuprof", "memprof", "memprofile"],
        "profiles are not available in this version; use `perf record netcap ...`",
    ),
];

/// Flags of Netcap that have nothing left to do here, and whether a value follows them.
const WITHOUT_EFFECT: &[(&str, bool)] = &[
    ("allowmissinginit", false),
    ("assembly_debug_log", false),
    ("assembly_memuse_log", false),
    ("checksum", false),
    ("conn-flush-interval", true),
    ("debug", false),
    ("dump", false),
    ("flow-flush-interval", true),
    ("flushevery", true),
    ("free-os-memory", true),
    ("ignorefsmerr", false),
    ("nooptcheck", false),
    ("verbose", false),
    ("writeincomplete", false),
];

/// The command line as the parser wants it, and what the user should know about it.
#[derive(Debug, Default)]
pub(crate) struct Spelled {
    pub(crate) args: Vec<OsString>,
    pub(crate) notes: Vec<String>,
}

/// Brings a command line, without the name of the program, into the parser's spelling.
pub(crate) fn spell(
    command: &Command,
    args: impl IntoIterator<Item = OsString>,
) -> Result<Spelled, Failure> {
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
        if let Some((_, remedy)) = UNAVAILABLE.iter().find(|(names, _)| names.contains(&name)) {
            return Err(Failure::Usage(format!("-{name}: {remedy}")));
        }
        if let Some((_, has_value)) = WITHOUT_EFFECT.iter().find(|(known, _)| *known == name) {
            spelled
                .notes
                .push(format!("-{name} has no effect in this version"));
            if flag.value.is_none() {
                args.next_if(|next| *has_value || boolean(next).is_some());
            }
            continue;
        }
        let Some(known) = command.get_arguments().find(|known| has_name(known, name)) else {
            let dashes = if name.len() == 1 { "-" } else { "--" };
            spelled.args.push(format!("{dashes}{}", flag.text).into());
            continue;
        };
        let long = format!("--{}", known.get_long().unwrap_or(name));
        if is_switch(known) {
            let value = match flag.value {
                Some(value) => boolean(&OsString::from(value)).ok_or_else(|| {
                    Failure::Usage(format!("-{name}={value}: a switch is true or false"))
                })?,
                None => args
                    .next_if(|next| boolean(next).is_some())
                    .is_none_or(|next| boolean(&next) == Some(true)),
            };
            spelled.switch(known, long, value);
        } else {
            let value = match flag.value {
                Some(value) => Some(value.into()),
                None => args.next(),
            };
            spelled.args.push(joined(long, value));
        }
    }
    Ok(spelled)
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
    arg.get_long() == Some(name)
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

    fn spelled(args: &[&str]) -> Vec<String> {
        let spelled = spell(&crate::flags::command(), args.iter().map(OsString::from));
        let args = spelled.expect("a good command line").args;
        args.into_iter()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn all_spellings_are_one() {
        for args in [
            &["-sep", ";"][..],
            &["-sep=;"],
            &["--sep", ";"],
            &["--sep=;"],
        ] {
            assert_eq!(spelled(args), ["--sep=;"]);
        }
        for args in [["-r", "-x"], ["--r", "-x"], ["-read", "-x"]] {
            assert_eq!(spelled(&args), ["--read=-x"]);
        }
    }

    #[test]
    fn switches_take_a_word() {
        assert_eq!(
            spelled(&["-buf", "false", "-r", "x"]),
            ["--buf=false", "--read=x"]
        );
        assert_eq!(spelled(&["-buf=0", "x"]), ["--buf=false", "x"]);
        assert_eq!(spelled(&["-buf", "x"]), ["--buf=true", "x"]);
        assert_eq!(spelled(&["-csv", "true", "x"]), ["--csv", "x"]);
        assert_eq!(spelled(&["-csv", "-tsv", "-csv=f"]), ["--tsv"]);
    }

    #[test]
    fn what_is_no_flag_stays() {
        assert_eq!(spelled(&["-", "x", "--", "-csv"]), ["-", "x", "--", "-csv"]);
        assert_eq!(
            spelled(&["-h", "-x", "-wokers=3"]),
            ["-h", "-x", "--wokers=3"]
        );
    }

    #[test]
    fn old_flags_are_answered() {
        let old = ["-checksum", "false", "-flushevery", "1024", "x"].map(OsString::from);
        let spelled = spell(&crate::flags::command(), old).expect("accepted");
        assert_eq!((spelled.args.len(), spelled.notes.len()), (1, 2));
        assert!(spell(&crate::flags::command(), ["-nodefrag".into()]).is_err());
    }
}
