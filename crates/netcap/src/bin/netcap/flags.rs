//! The flags of the command line, as data: reading them does nothing yet.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgAction, Command, CommandFactory, Parser};
use netcap_pipeline::{BodyConfig, BodyLimits};
use netcap_record::Timestamp;
use netcap_record::csv::CsvStyle;
use netcap_shell::metrics::MetricsFlags;
use netcap_shell::signals;
use netcap_shell::{
    Failure, Given, InputFlags, PipelineFlags, RecordFlags, RotationFlags, exit_codes, explained,
};

use crate::PROGRAM;
use crate::retired::RETIRED;

/// Turns packets into audit records, and audit records into text.
///
/// A capture (pcap or pcapng, plain or compressed) gives one file of audit records for each
/// protocol in it; such a file gives CSV, tables, JSON. Which of the two a file is, is told by its
/// content.
///
/// Flags have one dash or two, and their values follow after a space or an equals sign:
/// `-sep ";"`, `--sep=";"`. Switches are turned off by `-buf=false` or `-buf false`.
#[derive(Debug, Parser)]
#[command(
    name = "netcap",
    disable_version_flag = true,
    override_usage = "netcap -r FILE [FLAGS]\n       netcap -iface NAME [FLAGS]",
    after_help = "--help tells more, with examples.",
    after_long_help = format!("{EXAMPLES}\n\n{}\n\n{}", signals::IN_HELP, exit_codes(&[]))
)]
pub(crate) struct Flags {
    /// Capture or audit record file to read, or address of a PCAP-over-IP peer; `-` is standard input
    ///
    /// Addresses are TCP@host:port (as in Wireshark; port 19000 if left out), tcp://host:port and
    /// tls://host:port (57012) to connect to, listen://address:port and tls-listen://address:port to
    /// wait for peers (on 127.0.0.1 if no address is given), and unix:/path.
    ///
    /// May be given several times: captures are merged in order of time, audit record files of one
    /// type are printed one after the other. What comes by a named pipe is taken for a capture,
    /// unless a flag is given that prints records.
    #[arg(
        short = 'r',
        long,
        alias = "r",
        value_name = "FILE",
        help_heading = "Input"
    )]
    pub(crate) read: Vec<PathBuf>,

    /// The same as -r
    #[arg(value_name = "FILE", hide = true)]
    pub(crate) more: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) input: InputFlags,

    #[command(flatten)]
    pub(crate) metrics: MetricsFlags,

    // Right after -iface, which has the same place.
    /// List the interfaces that can be captured from
    #[arg(long, display_order = 0, help_heading = "Live capture")]
    pub(crate) interfaces: bool,

    /// Directory for the files, created if needed; `-` is standard output
    ///
    /// `-` writes records to standard output as they come, uncompressed: those of one type, chosen with
    /// -include, as protobuf, or as text with -csv, -tsv, -select or -json. -json can mix several types;
    /// each line then begins with its RecordType. Packets that could not be decoded are counted, but
    /// not kept.
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".",
        help_heading = "Collect"
    )]
    pub(crate) out: PathBuf,

    /// Replace record files that are in the directory already
    #[arg(long, help_heading = "Collect")]
    pub(crate) overwrite: bool,

    #[command(flatten)]
    pub(crate) rotation: RotationFlags,

    /// Keep the bodies of HTTP responses as files in this directory, made if need be
    ///
    /// A body is DIR/TYPE/SUBTYPE/NAME: its type is told by its first octets, its name is the end
    /// of the URL's path with _ for all but letters, digits, dots and dashes, and -1, -2... if
    /// there is such a file already. gzip and deflate are decoded; other codings stay and are the
    /// file's extension. What is not whole ends in .partial. No file is ever replaced. Beware:
    /// what was harmful on the network is harmful as a file.
    #[arg(long, value_name = "DIR", help_heading = "Collect")]
    pub(crate) files: Option<PathBuf>,

    /// Megabytes of one body, decoded; the rest is cut off
    #[arg(
        long, value_name = "MB", default_value_t = BodyLimits::default().file_octets >> 20, hide_short_help = true,
        value_parser = clap::value_parser!(u64).range(1..=1 << 40), help_heading = "Collect"
    )]
    pub(crate) files_size: u64,

    /// Megabytes of all bodies, decoded; what comes after is not kept
    #[arg(
        long, value_name = "MB", default_value_t = BodyLimits::default().octets >> 20, hide_short_help = true,
        value_parser = clap::value_parser!(u64).range(1..=1 << 40), help_heading = "Collect"
    )]
    pub(crate) files_total: u64,

    /// Bodies that are kept at most
    #[arg(
        long, value_name = "N", default_value_t = BodyLimits::default().files, hide_short_help = true,
        help_heading = "Collect"
    )]
    pub(crate) files_count: u64,

    /// Write CSV files instead of audit record files; with -sep '\t', tabulators separate their columns
    #[arg(long, conflicts_with = "tsv", help_heading = "Collect")]
    pub(crate) csv: bool,

    /// Compress the files with gzip
    #[arg(
        long, value_name = "BOOL", action = ArgAction::Set, default_value = "true",
        num_args = 0..=1, require_equals = true, default_missing_value = "true",
        hide_possible_values = true, help_heading = "Collect"
    )]
    pub(crate) comp: bool,

    /// Write the files in large blocks
    #[arg(
        long, value_name = "BOOL", action = ArgAction::Set, default_value = "true",
        num_args = 0..=1, require_equals = true, default_missing_value = "true",
        hide_possible_values = true, help_heading = "Collect"
    )]
    pub(crate) buf: bool,

    #[command(flatten)]
    pub(crate) pipeline: PipelineFlags,

    #[command(flatten)]
    pub(crate) records: RecordFlags,

    /// What becomes of unfinished files (.NAME.NUMBER.partial) that a run which died has left in the
    /// directory: keep says which there are, adopt finishes them, remove removes them
    ///
    /// Adopted, a file has its name in a folder for the time at which it was begun, and holds the records
    /// that came whole.
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        default_value = "keep",
        help_heading = "Collect"
    )]
    pub(crate) leftovers: Leftovers,

    /// End with exit code 5 if packets were dropped, as the kernel, a peer or a pcapng file tells
    #[arg(long, help_heading = "Collect")]
    pub(crate) fail_on_loss: bool,

    /// Do not write packets that nobody could dissect to unknown.pcap
    #[arg(long, help_heading = "Collect")]
    pub(crate) ignore_unknown: bool,

    /// Time that the files say they were made at, as seconds.microseconds, instead of now
    ///
    /// Together with -source this makes the files of two runs the same to the last octet.
    #[arg(
        long, value_name = "TIME", value_parser = timestamp, conflicts_with = "rotate",
        help_heading = "Collect"
    )]
    pub(crate) created: Option<Timestamp>,

    /// Name of the input that the files hold, instead of that given by -r
    #[arg(long, value_name = "NAME", help_heading = "Collect")]
    pub(crate) source: Option<String>,

    /// Columns to print, comma separated, in this order; their names have no case
    #[arg(long, value_name = "LIST", help_heading = "Print")]
    pub(crate) select: Option<String>,

    /// Separator of columns; \t is a tabulator [default: ,]
    #[arg(
        long, value_name = "TEXT", value_parser = separator, conflicts_with = "tsv", help_heading = "Print"
    )]
    pub(crate) sep: Option<String>,

    /// Separate columns by tabulators
    #[arg(long, help_heading = "Print")]
    pub(crate) tsv: bool,

    /// Print tables of a hundred records
    #[arg(long, help_heading = "Print")]
    pub(crate) table: bool,

    /// Print records in the text format of Protocol Buffers
    #[arg(long, help_heading = "Print")]
    pub(crate) struc: bool,

    /// Print records as JSON, one to a line
    #[arg(long, help_heading = "Print")]
    pub(crate) json: bool,

    /// Print times as dates (RFC 3339, UTC), in CSV, tables and JSON
    #[arg(long, help_heading = "Print")]
    pub(crate) utc: bool,

    /// Print the names of the columns
    ///
    /// A second line has those that are printed only if -select names them, each behind a plus sign.
    #[arg(long, help_heading = "Print")]
    pub(crate) fields: bool,

    /// Print what the file says about itself
    #[arg(long, help_heading = "Print")]
    pub(crate) header: bool,

    /// Print the rows that could not be read back if they were not quoted
    ///
    /// Every row is also verified to read back as it is printed, with this separator.
    #[arg(long, help_heading = "Print")]
    pub(crate) check: bool,

    /// Do not quote cells that hold the separator, quotes or line ends, and escape no values
    #[arg(long, help_heading = "Print")]
    pub(crate) no_quote: bool,

    /// What stands before the members of a nested value [default: (]
    #[arg(long, value_name = "TEXT", help_heading = "Print")]
    pub(crate) begin: Option<String>,

    /// What stands after the members of a nested value [default: )]
    #[arg(long, value_name = "TEXT", help_heading = "Print")]
    pub(crate) end: Option<String>,

    /// What stands between the members of a nested value [default: -]
    #[arg(long, value_name = "TEXT", help_heading = "Print")]
    pub(crate) struct_sep: Option<String>,

    /// List the encoders
    #[arg(long, help_heading = "Messages")]
    pub(crate) encoders: bool,

    /// List the encoders with their columns
    #[arg(long, help_heading = "Messages")]
    pub(crate) overview: bool,

    /// Print a time in seconds, with up to nine decimals, as a date (RFC 3339, UTC)
    #[arg(long, value_name = "TIME", value_parser = decimal, help_heading = "Messages")]
    pub(crate) ts2utc: Option<Timestamp>,

    /// Print no summary, no progress, no count of records
    #[arg(long, help_heading = "Messages")]
    pub(crate) quiet: bool,

    /// Print the version
    #[arg(short = 'V', long, help_heading = "Messages")]
    pub(crate) version: bool,

    /// No longer needed: queues are bounded by themselves
    #[arg(
        long,
        value_name = "N",
        hide_short_help = true,
        help_heading = "Kept for old scripts"
    )]
    pub(crate) pbuf: Option<u32>,

    /// No longer needed: there is one way to dissect
    #[arg(
        long, value_name = "NAME", hide_short_help = true, help_heading = "Kept for old scripts",
        value_parser = PossibleValuesParser::new(["lazy", "default", "nocopy"])
    )]
    pub(crate) opts: Option<String>,

    /// The long names of the flags that were given.
    #[arg(skip)]
    pub(crate) given: Vec<String>,
}

/// What becomes of unfinished files of runs that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Leftovers {
    /// They stay.
    Keep,
    /// They are finished.
    Adopt,
    /// They are removed.
    Remove,
}

/// The end of the long help, but for the exit codes.
const EXAMPLES: &str = "\
Examples:
  netcap -r traffic.pcap -out records          a capture into audit records
  netcap -r monday.pcap -r tuesday.pcapng.gz   two captures, merged in order of time
  tcpdump -i eth0 -w - | netcap -r -           packets as they come, until Ctrl-C

  netcap -r TCP@sensor:57012                   packets of a PCAP-over-IP peer, as they come
  netcap -r tcp://a -r tcp://b -once           of two, merged, until both have ended
  netcap -r tls://sensor -pin sha256/...       over TLS
  netcap -r listen://0.0.0.0:57012             of whoever connects
  netcap -r traffic.pcap -bpf 'tcp port 443'   only packets that match

  netcap -interfaces                           what can be captured from
  sudo netcap -iface eth0 -out records         live capture, until Ctrl-C
  netcap -iface eth0,eth1 -duration 10m        two interfaces, for ten minutes
  netcap -iface eth0 -rotate 1h -disk-limit 10GB
                                               a folder for each hour, the latest 10 GB of them

  netcap -r traffic.pcap -include TCP,UDP,DNS  only these types of records
  netcap -r traffic.pcap -csv -comp=false      plain CSV files at once
  netcap -r traffic.pcap -include DNS -json -out - | jq .
                                               records to standard output

  netcap -r TCP.ncap.gz                        audit records as CSV
  netcap -r TCP.ncap.gz -fields                the names of its columns
  ssh sensor cat TCP.ncap.gz | netcap -r -     by standard input
  netcap -r TCP.ncap.gz -select Timestamp,SrcPort,DstPort -utc > tcp.csv
  netcap -r UDP.ncap.gz -table                 as tables
  netcap -r DNS.ncap.gz -json | jq .           as JSON
  netcap -r TCP.ncap.gz -check -sep \";\"        whether \";\" is a good separator";

impl Flags {
    /// All that -r names, in the order given.
    pub(crate) fn files_to_read(&self) -> Vec<PathBuf> {
        self.read.iter().chain(&self.more).cloned().collect()
    }

    /// Where bodies go, if they are kept.
    pub(crate) fn bodies(&self) -> Option<BodyConfig> {
        let directory = self.files.clone()?;
        Some(BodyConfig {
            directory,
            limits: BodyLimits {
                file_octets: self.files_size << 20,
                files: self.files_count,
                octets: self.files_total << 20,
            },
        })
    }

    /// Whether records go to standard output.
    pub(crate) fn to_stdout(&self) -> bool {
        self.out.as_os_str() == "-"
    }

    /// Whether records are to be CSV, by whichever flag.
    pub(crate) fn asks_for_csv(&self) -> bool {
        let of_csv = [self.csv, self.tsv, self.utc, self.no_quote];
        let texts = [
            &self.sep,
            &self.select,
            &self.begin,
            &self.end,
            &self.struct_sep,
        ];
        of_csv.contains(&true) || texts.iter().any(|text| text.is_some())
    }

    /// Whether a flag was given, by its long name.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.given.iter().any(|given| given == name)
    }

    /// How CSV and tables look.
    pub(crate) fn csv_style(&self) -> CsvStyle {
        let separator = match &self.sep {
            _ if self.tsv => "\t",
            Some(separator) => separator,
            None => ",",
        };
        let or = |text: &Option<String>, usual: &str| text.as_deref().unwrap_or(usual).into();
        CsvStyle {
            separator: separator.into(),
            quote: !self.no_quote,
            terminal: false,
            begin: or(&self.begin, "("),
            end: or(&self.end, ")"),
            struct_sep: or(&self.struct_sep, "-"),
            utc: self.utc,
            types: netcap_pipeline::schemas(),
        }
    }
}

/// The parser's description of the flags.
pub(crate) fn command() -> Command {
    // As it was called when there was no other -allow.
    let command = Flags::command().mut_arg("allow_client", |flag| flag.alias("allow"));
    // What the flags do besides, in this program.
    command
        .mut_arg("count", |flag| {
            explained(flag, "When record files are read: after so many records.")
        })
        .mut_arg("user", |flag| {
            explained(flag, "Directories that netcap makes belong to that user.")
        })
        .mut_arg("rotate", |flag| {
            explained(
                flag,
                "Flows and streams go on: the record of a flow is in the period in which it ends. For \
                 live capture and pipes.",
            )
        })
        .mut_arg("packet_numbers", |flag| {
            explained(
                flag,
                "When record files are read: show it as the last column.",
            )
        })
}

/// Reads a command line. `None` where it asked for help, and got it.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Flags>, Failure> {
    let flags: Option<Given<Flags>> = PROGRAM.parse(command(), &RETIRED, args)?;
    Ok(flags.map(|flags| {
        let given = flags.names().to_vec();
        Flags {
            given,
            ..flags.into_flags()
        }
    }))
}

/// Reads a time as a decimal number of seconds.
fn decimal(text: &str) -> Result<Timestamp, String> {
    let time = Timestamp::parse_decimal(text).ok_or(
        "a time is a number of seconds with at most nine decimals, as in 1499255023.848884",
    )?;
    match time.has_date() {
        true => Ok(time),
        false => Err("dates have years of four digits: -62167219200 to 253402300799".to_owned()),
    }
}

/// Reads a time in seconds.microseconds.
fn timestamp(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text.as_bytes())
        .ok_or_else(|| "a time is seconds.microseconds, as in 1499255023.848884".to_owned())
}

/// Reads the value of `-sep`.
fn separator(text: &str) -> Result<String, String> {
    match text {
        "" => Err("a separator has at least one character".to_owned()),
        r"\t" => Ok("\t".to_owned()),
        text if text.contains(['"', '\r', '\n']) => {
            Err("quotes and line ends cannot separate columns".to_owned())
        }
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parser_accepts_its_own_description() {
        command().debug_assert();
    }

    #[test]
    fn every_flag_is_documented() {
        for arg in command().get_arguments() {
            assert!(arg.get_help().is_some(), "{}", arg.get_id());
        }
    }
}
