//! What is to be done with the inputs: collect records from captures, or print records.

use std::path::{Path, PathBuf};

use netcap_capture::pcap_over_ip::Address;
use netcap_shell::{Failure, peers};
use netcap_store::Kind;

use crate::PROGRAM;
use crate::flags::Flags;

/// What the program is asked to do with its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Turn captures into files of records.
    Collect,
    /// Turn what comes from these peers into files of records.
    Receive(Vec<Address>),
    /// Turn files of records into text.
    Print,
}

/// Finds out by the contents of the inputs what is to be done with them.
pub(crate) fn task(flags: &Flags, inputs: &[PathBuf]) -> Result<Task, Failure> {
    let names = inputs
        .iter()
        .map(|input| input.to_string_lossy().into_owned());
    let names: Vec<String> = names.chain(flags.iface.iter().cloned()).collect();
    let addresses = peers::addresses(&names)?;
    if let Some(address) = addresses.first() {
        check_flags(flags, "-r", Path::new(&address.to_string()))?;
        return Ok(Task::Receive(addresses));
    }
    if let Some(flag) = flags.reader.given().or(flags.tls.given()) {
        let flag = PROGRAM.flag(flag);
        return Err(Failure::Usage(format!(
            "{flag} is for PCAP-over-IP, and no input is an address; addresses look like \
             tcp://sensor:57012"
        )));
    }
    if let Some(interface) = flags.iface.first() {
        if let Some(input) = inputs.first() {
            return Err(Failure::Usage(format!(
                "{interface} and {}: interfaces and files cannot be read in one run",
                input.display()
            )));
        }
        check_flags(flags, "-iface", Path::new(interface))?;
        return Ok(Task::Collect);
    }
    let mut first: Option<(&Path, Task)> = None;
    for input in inputs {
        let task = task_of(flags, input)?;
        match first {
            None => first = Some((input, task)),
            Some((other, found)) if found != task => {
                return Err(Failure::Usage(format!(
                    "{} and {}: captures and audit record files cannot be read in one run",
                    other.display(),
                    input.display()
                )));
            }
            Some(_) => {}
        }
    }
    match first {
        Some((input, Task::Collect)) => {
            check_flags(flags, "-r", input)?;
            Ok(Task::Collect)
        }
        Some((input, Task::Print)) if flags.bpf.is_some() => Err(Failure::Usage(format!(
            "-bpf is for captures, and {} is an audit record file; filter when it is made: \
             `netcap -r traffic.pcap -bpf EXPRESSION`",
            input.display()
        ))),
        Some((_, task)) => Ok(task),
        None => Err(Failure::Usage(
            "nothing to do: name a capture or an audit record file, as in `netcap -r traffic.pcap`, \
             or an interface, as in `netcap -iface eth0`; -help lists all flags"
                .to_owned(),
        )),
    }
}

fn task_of(flags: &Flags, input: &Path) -> Result<Task, Failure> {
    let unreadable = |error| {
        Failure::Environment(format!(
            "cannot read {}: {error}; check that it exists and may be read",
            input.display()
        ))
    };
    // What comes through a pipe can be read only once, so it is not looked at.
    let is_pipe = input.as_os_str() == "-" || {
        let metadata = input.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Failure::Environment(format!(
                "{} is a directory; name a file in it",
                input.display()
            )));
        }
        !metadata.is_file()
    };
    if is_pipe {
        let is_for_records = !flags.csv && !flags.to_stdout() && !printing_flags(flags).is_empty();
        return Ok(if is_for_records {
            Task::Print
        } else {
            Task::Collect
        });
    }
    Ok(match netcap_store::sniff(input).map_err(unreadable)? {
        Kind::Records => Task::Print,
        Kind::Capture => Task::Collect,
        // Whoever reads it will say what is wrong; the name tells what it was meant to be.
        Kind::Unknown if input.to_string_lossy().contains(".ncap") => Task::Print,
        Kind::Unknown => Task::Collect,
    })
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
        ("-tsv", flags.tsv && !flags.csv),
        ("-utc", flags.utc && !flags.csv),
        ("-no-quote", flags.no_quote && !flags.csv),
    ];
    let given = given.into_iter().filter(|(_, is_given)| *is_given);
    given.map(|(flag, _)| flag).collect()
}
