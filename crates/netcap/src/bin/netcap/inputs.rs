//! What is to be done with the inputs: collect records from captures, or print records.

use std::path::{Path, PathBuf};

use netcap_shell::{Failure, Inputs};
use netcap_store::Kind;

use crate::flags::Flags;
use crate::{PROGRAM, effects};

/// What the program is asked to do with its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Turn packets into records.
    Collect(Inputs),
    /// Turn these files of records into text.
    Print(Vec<PathBuf>),
}

/// Finds out by the contents of the inputs what is to be done with them.
pub(crate) fn task(flags: &Flags) -> Result<Task, Failure> {
    let inputs = flags.input.inputs(PROGRAM, flags.files_to_read())?;
    match &inputs {
        Inputs::Peers(addresses) => {
            if let Some(address) = addresses.first() {
                check_flags(flags, "-r", Path::new(&address.to_string()))?;
            }
        }
        Inputs::Interfaces(names) => {
            if let Some(name) = names.first() {
                check_flags(flags, "-iface", Path::new(name))?;
            }
        }
        Inputs::Files(files) => {
            let (first, hold) = files_hold(flags, files)?;
            if hold == Content::Records {
                if flags.input.expression().is_some() {
                    return Err(Failure::Usage(format!(
                        "-bpf is for captures, and {} is an audit record file; filter when it is \
                         made: `netcap -r traffic.pcap -bpf EXPRESSION`",
                        first.display()
                    )));
                }
                check_print_flags(flags, first)?;
                return Ok(Task::Print(files.clone()));
            }
            check_flags(flags, "-r", first)?;
        }
    }
    effects::check(flags)?;
    Ok(Task::Collect(inputs))
}

/// What a file has in it, or what comes by a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Packets,
    Records,
}

/// The first of the files, and what all of them have in them.
fn files_hold<'a>(flags: &Flags, files: &'a [PathBuf]) -> Result<(&'a Path, Content), Failure> {
    let mut all: Option<(&Path, Content)> = None;
    for file in files {
        let content = content_of(flags, file)?;
        match all {
            None => all = Some((file, content)),
            Some((other, found)) if found != content => {
                return Err(Failure::Usage(format!(
                    "{} and {}: captures and audit record files cannot be read in one run",
                    other.display(),
                    file.display()
                )));
            }
            Some(_) => {}
        }
    }
    all.ok_or_else(|| {
        Failure::Usage(
            "nothing to do: name a capture or an audit record file, as in `netcap -r traffic.pcap`, \
             or an interface, as in `netcap -iface eth0`; -help lists all flags"
                .to_owned(),
        )
    })
}

fn content_of(flags: &Flags, input: &Path) -> Result<Content, Failure> {
    let unreadable = |error| {
        Failure::Environment(format!(
            "cannot read {}: {error}; check that it exists and may be read",
            input.display()
        ))
    };
    let kind = if input.as_os_str() == "-" {
        match flag_for_captures(flags) {
            // Nothing has to wait for the first octets, as metrics are asked for before.
            Some(_) => Kind::Unknown,
            None => netcap_store::sniff_stdin().map_err(unreadable)?,
        }
    } else {
        let metadata = input.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Failure::Environment(format!(
                "{} is a directory; name a file in it",
                input.display()
            )));
        }
        // What comes through a named pipe can be read only once, so it is not looked at.
        match metadata.is_file() {
            true => netcap_store::sniff(input).map_err(unreadable)?,
            false => Kind::Unknown,
        }
    };
    // Whoever reads what is unknown will say what is wrong; the name or the flags tell what it was
    // meant to be.
    let is_for_records = || {
        let is_file = input.is_file();
        is_file && input.to_string_lossy().contains(".ncap")
            || !is_file && !flags.csv && !flags.to_stdout() && !printing_flags(flags).is_empty()
    };
    Ok(match kind {
        Kind::Records => Content::Records,
        Kind::Unknown if is_for_records() => Content::Records,
        Kind::Capture | Kind::Unknown => Content::Packets,
    })
}

/// The flags that mean something while records are printed, by their long names.
const FOR_PRINTING: &[&str] = &[
    "read",
    "select",
    "sep",
    "tsv",
    "table",
    "struc",
    "json",
    "csv",
    "utc",
    "fields",
    "count",
    "header",
    "check",
    "no-quote",
    "begin",
    "end",
    "struct-sep",
    "packet-numbers",
    "quiet",
    // No longer needed anywhere.
    "pbuf",
    "opts",
];

/// The first flag given that means nothing while records are printed.
fn flag_for_captures(flags: &Flags) -> Option<&str> {
    let is_known = |name: &str| FOR_PRINTING.contains(&name) || name == "out" && flags.to_stdout();
    let mut given = flags.given.iter().map(String::as_str);
    given.find(|name| !is_known(name))
}

/// Refuses flags for captures where records are printed, rather than ignore them.
fn check_print_flags(flags: &Flags, input: &Path) -> Result<(), Failure> {
    match flag_for_captures(flags) {
        Some(name) => Err(Failure::Usage(format!(
            "-{name} is for captures, and {} is an audit record file; leave it out",
            input.display()
        ))),
        None => Ok(()),
    }
}

/// Refuses flags for printing where there is nothing to print, rather than ignore them. `given_by` is
/// the flag that named the input.
fn check_flags(flags: &Flags, given_by: &str, input: &Path) -> Result<(), Failure> {
    if flags.to_stdout() {
        let layouts = [
            ("-table", flags.table),
            ("-struc", flags.struc),
            ("-fields", flags.fields),
            ("-header", flags.header),
            ("-check", flags.check),
        ];
        return match layouts.iter().find(|(_, is_given)| *is_given) {
            Some((flag, _)) => Err(Failure::Usage(format!(
                "{flag} needs an audit record file; with -out -, use -csv, -tsv or -json"
            ))),
            None => Ok(()),
        };
    }
    match printing_flags(flags).first() {
        Some(flag) => Err(Failure::Usage(format!(
            "{flag} prints audit record files, and {} is a capture; turn it into some first: \
             `netcap {given_by} {0} -out DIR`, or print its records with -out -",
            input.display()
        ))),
        None => Ok(()),
    }
}

/// The flags given that only make sense when records are printed.
fn printing_flags(flags: &Flags) -> Vec<&'static str> {
    let given = [
        ("-select", flags.select.is_some()),
        ("-table", flags.table),
        ("-struc", flags.struc),
        ("-json", flags.json),
        ("-fields", flags.fields),
        ("-header", flags.header),
        ("-check", flags.check),
        // These are for CSV files too.
        ("-sep", flags.sep.is_some() && !flags.csv),
        ("-tsv", flags.tsv),
        ("-utc", flags.utc && !flags.csv),
        ("-no-quote", flags.no_quote && !flags.csv),
        ("-begin", flags.begin.is_some() && !flags.csv),
        ("-end", flags.end.is_some() && !flags.csv),
        ("-struct-sep", flags.struct_sep.is_some() && !flags.csv),
    ];
    let given = given.into_iter().filter(|(_, is_given)| *is_given);
    given.map(|(flag, _)| flag).collect()
}
