//! The flags for what is made of packets: which types of records, and what is in them.

use clap::Args;
use netcap_dissect::Selection;
use netcap_pipeline::{Registry, schemas};
use netcap_record::closest;

use crate::failure::Failure;
use crate::program::Program;

/// Which types of records are made, and what is in them.
#[derive(Debug, Args)]
pub struct RecordFlags {
    /// Write only records of these encoders, comma separated
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        display_order = 0,
        help_heading = "Collect"
    )]
    include: Vec<String>,

    /// Do not write records of these encoders, nor of what they encapsulate
    ///
    /// Excluding IPv4 also drops the records of TCP, UDP and all else inside IPv4, in the same
    /// packet.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        display_order = 1,
        help_heading = "Collect"
    )]
    exclude: Vec<String>,

    /// Keep payloads in the records of TCP, UDP, ModbusTCP and USB
    #[arg(long, help_heading = "Collect")]
    payload: bool,

    /// Give every record the number of its packet, in the field PacketNumber
    ///
    /// Wireshark's frame.number of the packet that has the record's time; for a flow, of its first
    /// packet; for HTTP, of the request. Packets dropped by -bpf still count, and several inputs are
    /// numbered as merged. Costs about 4 octets a record.
    #[arg(long, help_heading = "Collect")]
    pub packet_numbers: bool,

    /// Leave out packets, segments and datagrams whose checksum is wrong, as their receiver does
    ///
    /// Of IPv4, TCP and UDP; each such packet is counted as malformed. Not for captures that a host has
    /// made of its own traffic: its interface computes the checksums after the capture. Packets that
    /// the capture cut are not verified.
    #[arg(long, help_heading = "Collect")]
    checksum: bool,

    /// Do not write HTTP records
    #[arg(long, help_heading = "Flows and streams")]
    nohttp: bool,
}

impl RecordFlags {
    /// The table of protocols for what the user selected.
    ///
    /// # Errors
    ///
    /// An encoder that does not exist, or that is included and excluded. The message names `-encoders`,
    /// which the program must have; it prints [`encoders::list`](crate::encoders::list).
    pub fn registry(&self, program: &Program) -> Result<Registry, Failure> {
        self.check_contradictions(program)?;
        netcap_pipeline::registry(&self.selection()).map_err(|unknown| {
            let known = schemas();
            match closest(&unknown.name, known.iter().map(|schema| schema.encoder)) {
                Some(near) => Failure::Usage(format!(
                    "there is no encoder {:?}, did you mean {near}? {} lists all",
                    unknown.name,
                    program.flag("encoders")
                )),
                None => Failure::Usage(unknown.to_string()),
            }
        })
    }

    /// Refuses encoders that are included and excluded.
    fn check_contradictions(&self, program: &Program) -> Result<(), Failure> {
        let (include, exclude) = (program.flag("include"), program.flag("exclude"));
        let excluded = names(&self.exclude);
        let mut excluded: Vec<_> = excluded
            .map(|name| (name, format!("{exclude} {name}")))
            .collect();
        if self.nohttp {
            excluded.push((HTTP, program.flag("nohttp")));
        }
        for name in names(&self.include) {
            let same = |(other, _): &&(&str, String)| name.eq_ignore_ascii_case(other);
            if let Some((_, flag)) = excluded.iter().find(same) {
                return Err(Failure::Usage(format!(
                    "{include} {name} and {flag} contradict each other; leave one of them out"
                )));
            }
        }
        Ok(())
    }

    /// The encoders that are asked for.
    fn selection(&self) -> Selection {
        let nohttp = Some(HTTP).filter(|_| self.nohttp);
        let exclude = names(&self.exclude).chain(nohttp).map(str::to_owned);
        Selection {
            include: names(&self.include).map(str::to_owned).collect(),
            exclude: exclude.collect(),
            payloads: self.payload,
            packet_numbers: self.packet_numbers,
            checksums: self.checksum,
        }
    }
}

/// What `-nohttp` excludes.
const HTTP: &str = "HTTP";

/// The names in a list that may have spaces and empty places.
fn names(list: &[String]) -> impl Iterator<Item = &str> {
    list.iter()
        .map(|name| name.trim())
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::spelling::Spelling;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        records: RecordFlags,
    }

    fn selected(flags: &[&str]) -> Result<Vec<&'static str>, String> {
        let program = Program {
            name: "program",
            spelling: Spelling::Gnu,
            unwritable: 2,
        };
        let flags = Flags::parse_from([&["program"], flags].concat());
        let registry = flags.records.registry(&program);
        let registry = registry.map_err(|failure| failure.to_string())?;
        let selected = registry.selected().iter();
        Ok(selected.map(|schema| schema.encoder).collect())
    }

    #[test]
    fn encoders_are_those_selected() {
        assert_eq!(selected(&["--include", " ARP,,"]), Ok(vec!["ARP"]));
        let all = selected(&[]).expect("all");
        for flags in [&["--nohttp"][..], &["--exclude=HTTP"]] {
            let mut without = selected(flags).expect("but one");
            assert_eq!(without.len() + 1, all.len());
            without.push("HTTP");
            assert!(all.iter().all(|name| without.contains(name)));
        }
    }

    #[test]
    fn others_are_refused_in_the_spelling_of_the_program() {
        let message = selected(&["--include", "TCQ"]).expect_err("refused");
        assert_eq!(
            message,
            "there is no encoder \"TCQ\", did you mean TCP? --encoders lists all"
        );
        for (flags, expected) in [
            (
                ["--include=ARP,dns", "--exclude=TCP, DNS"],
                "--include dns and --exclude DNS ",
            ),
            (
                ["--include=HTTP", "--nohttp"],
                "--include HTTP and --nohttp ",
            ),
        ] {
            let message = selected(&flags).expect_err("refused");
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
