//! The flags of the command line, as data: reading them does nothing yet.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use netcap_relay::{Cidr, Pace, Slow};
use netcap_shell::peers::{News, ReaderFlags, Terms};
use netcap_shell::quantity::seconds;
use netcap_shell::{Failure, Given, Retired, TlsFlags, exit_codes, signals};

use crate::PROGRAM;

/// Captures for others over TCP or TLS, many streams into one, and streams back onto a wire.
///
/// PCAP-over-IP is a capture file sent through a connection as it is written: tshark, Wireshark,
/// NetworkMiner, Arkime, Zeek and netcap read it. `serve` offers it, `hub` makes one stream of
/// many, `replay` sends the packets out of an interface.
#[derive(Debug, Parser)]
#[command(
    name = "pcap-over-ip",
    version,
    disable_help_subcommand = true,
    after_help = TELLS_MORE,
    after_long_help = format!("{TELLS_MORE}\n\n{}\n{RELOADS}\n\n{}", signals::IN_HELP, exit_codes(&[]))
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// What a signal does here beside.
const RELOADS: &str = "  SIGHUP has certificates read again instead where --listen speaks TLS";

/// The end of the help.
const TELLS_MORE: &str = "pcap-over-ip COMMAND --help tells more, with examples.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Serve),
    Hub(Hub),
    Replay(Replay),
    /// Certificates and pins for TLS
    #[command(subcommand)]
    Tls(Tls),
}

/// Give a capture, an interface or a stream to any number of peers
///
/// Files are given whole to each peer. Of what is live a peer gets what comes from when it joins; a
/// peer that is slow loses packets of its own, which are counted, and holds nobody up.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  pcap-over-ip serve traffic.pcap              tshark -i TCP@127.0.0.1:57012 reads it
  pcap-over-ip serve -i eth0 --bpf 'not port 22'
  tcpdump -U -w - | pcap-over-ip serve - --listen 192.0.2.1:57012 --cert me.pem --key me.key
  pcap-over-ip serve -i eth0 --connect tls://collector.example --pin sha256/...
  pcap-over-ip serve traffic.pcap --pace recorded --loop")]
pub(crate) struct Serve {
    /// Capture files, `-` for standard input, or one address of a stream
    #[arg(value_name = "FILE|ADDRESS")]
    pub(crate) inputs: Vec<String>,

    /// Capture from this interface
    #[arg(
        short = 'i',
        long,
        alias = "iface",
        value_name = "IFACE",
        action = ArgAction::Append,
        conflicts_with = "inputs"
    )]
    pub(crate) interface: Vec<String>,

    /// Whether a peer gets what comes (live) or files from their start (file) [default: file for
    /// files, else live]
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<Mode>,

    /// How fast files are given: recorded, max, or xN for N times as fast [default: max; in mode
    /// live: recorded]
    #[arg(long, value_name = "PACE")]
    pub(crate) pace: Option<Pace>,

    /// Begin files again when they end
    #[arg(long = "loop")]
    pub(crate) is_looped: bool,

    #[command(flatten)]
    pub(crate) form: FormFlags,

    /// Give our own connections too: beware, a stream over the interface it is captured from grows
    /// without end
    #[arg(long)]
    pub(crate) include_own: bool,

    #[command(flatten)]
    pub(crate) outlets: OutletFlags,

    #[command(flatten)]
    pub(crate) reader: ReaderFlags,

    #[command(flatten)]
    pub(crate) tls: Given<TlsFlags>,
}

/// Make one stream, in order of time, of many
///
/// The stream is pcapng, in which each input is an interface of its name. It goes to any number of
/// peers, into a file, or both.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  pcap-over-ip hub tcp://sensor1 'tcp://sensor2?offset=-1.5'
  pcap-over-ip hub listen://0.0.0.0:57013 -w all.pcapng
  pcap-over-ip hub TCP@10.0.0.7 --once -w - | tcpdump -r -
  pcap-over-ip hub a.pcap b.pcap.gz -w both.pcapng")]
pub(crate) struct Hub {
    /// Addresses of streams, or capture files; ADDRESS?offset=S adds S seconds to the times from there
    #[arg(value_name = "ADDRESS|FILE", required = true)]
    pub(crate) inputs: Vec<String>,

    /// Write the stream to this file too; `-` is standard output
    #[arg(short = 'w', long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) form: FormFlags,

    #[command(flatten)]
    pub(crate) outlets: OutletFlags,

    #[command(flatten)]
    pub(crate) reader: ReaderFlags,

    #[command(flatten)]
    pub(crate) tls: Given<TlsFlags>,
}

/// Send the packets of a capture or a stream out of an interface
///
/// Only what fits is sent: Ethernet onto Ethernet, whole, not longer than the interface takes. The
/// rest is counted by cause.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  pcap-over-ip replay traffic.pcap -i dummy0
  pcap-over-ip replay TCP@10.0.0.7 -i dummy0
  pcap-over-ip replay traffic.pcap -i veth0 --pace pps=1000
  pcap-over-ip replay tunnel.pcap -i veth0 --rewrite-eth --pace x10 --max-gap 2")]
pub(crate) struct Replay {
    /// Capture file, `-` for standard input, or the address of a stream
    #[arg(value_name = "FILE|ADDRESS")]
    pub(crate) input: String,

    /// Interface to send out of
    #[arg(short = 'i', long, alias = "iface", value_name = "IFACE")]
    pub(crate) interface: String,

    /// How fast: arrival, recorded, xN, pps=N, mbps=N, max [default: recorded; of streams: arrival]
    #[arg(long, value_name = "PACE")]
    pub(crate) pace: Option<Pace>,

    /// Seconds that a gap in a recording lasts at most
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) max_gap: Option<Duration>,

    /// Give an Ethernet header to packets that have none
    #[arg(long)]
    pub(crate) rewrite_eth: bool,

    /// Send packets that the capture has cut, with zeros for what is missing
    #[arg(long)]
    pub(crate) pad: bool,

    /// Send out of the interface that the stream comes by, too
    #[arg(long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) reader: ReaderFlags,

    #[command(flatten)]
    pub(crate) tls: Given<TlsFlags>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tls {
    /// Make a certificate and its key for these names and addresses
    ///
    /// They are written to FIRSTNAME.pem and FIRSTNAME.key. Nobody signs the certificate but
    /// itself: peers believe it by its pin, or by `--ca FIRSTNAME.pem`.
    #[command(after_long_help = "\
Examples:
  pcap-over-ip tls make sensor1.example 192.0.2.7
  pcap-over-ip serve -i eth0 --cert sensor1.example.pem --key sensor1.example.key")]
    Make {
        /// Names and addresses that it is for
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        /// Directory for the files
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
        /// Days until it expires
        #[arg(long, value_name = "DAYS", default_value_t = 825, value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: u32,
        /// Replace files that are there
        #[arg(long)]
        overwrite: bool,
    },
    /// Show the pin of a certificate: of a file, or of who answers at host:port
    #[command(after_long_help = "\
Examples:
  pcap-over-ip tls pin sensor1.example.pem
  pcap-over-ip tls pin sensor1.example:57012     compare it by another way before you believe it")]
    Pin {
        /// Certificate file (PEM), or host:port
        #[arg(value_name = "FILE|HOST:PORT")]
        target: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    Live,
    File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Auto,
    Pcap,
    Pcapng,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Times {
    Auto,
    Us,
    Ns,
}

/// What is written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Stream")]
pub(crate) struct FormFlags {
    /// What the stream is: pcap has one link type, pcapng any number
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) format: Format,

    /// Units of time in pcap: us, ns, or as the input has them (auto)
    #[arg(long, value_name = "UNIT", default_value = "auto")]
    pub(crate) ts: Times,

    /// Only packets that match this expression of tcpdump's language
    #[arg(long, alias = "filter", value_name = "EXPRESSION")]
    pub(crate) bpf: Option<String>,

    /// Octets kept of each packet [default: 262144, as readers stop at more]
    #[arg(long, value_name = "OCTETS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) snaplen: Option<u32>,

    /// Milliseconds that packets may be collected before they are sent
    #[arg(long, value_name = "MS", default_value_t = 10, hide_short_help = true, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) flush_ms: u16,
}

/// Where it goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Peers")]
pub(crate) struct OutletFlags {
    /// Where peers connect, over TLS if --cert is given; 0.0.0.0:57012 is everywhere [default:
    /// 127.0.0.1:57012]
    #[arg(long, value_name = "[ADDRESS:]PORT")]
    pub(crate) listen: Vec<String>,

    /// Connect to this peer, which listens: again and again, unless --once is given
    ///
    /// With --retry N it is given up once N more attempts have failed; the program ends where nobody is left.
    ///
    /// HOST:PORT is TCP, or TLS if a flag says how the peer is believed (--ca, --pin, --server-name,
    /// --insecure). tls://HOST:PORT is TLS always.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) connect: Vec<String>,

    /// What happens when packets come faster than a peer takes them
    #[arg(
        long, value_name = "RULE", default_value = "drop-oldest",
        value_parser = PossibleValuesParser::new(["drop-oldest", "drop-newest", "disconnect"])
    )]
    slow: String,

    /// Megabytes that wait for a peer at most
    #[arg(long, value_name = "MB", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) queue: u32,

    /// Peers at a time
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) max_clients: usize,

    /// Peers at a time from one address
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(crate) per_ip: usize,

    /// Only peers from this network may connect
    #[arg(long, value_name = "CIDR")]
    pub(crate) allow: Vec<Cidr>,

    /// Seconds that peers have to take what waits for them when the program ends
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub(crate) drain: Duration,

    /// Refuse to listen without TLS anywhere but on this machine
    #[arg(long)]
    pub(crate) require_tls: bool,

    /// Print a line of figures every second, on a terminal or not
    #[arg(long)]
    pub(crate) stats: bool,

    /// Print nothing but warnings and errors
    #[arg(long, conflicts_with = "stats")]
    pub(crate) quiet: bool,
}

impl OutletFlags {
    /// The rule for slow peers.
    pub(crate) fn slow(&self) -> Slow {
        match self.slow.as_str() {
            "drop-newest" => Slow::DropNewest,
            "disconnect" => Slow::Disconnect,
            _ => Slow::DropOldest,
        }
    }

    /// What is said and ruled out where streams are read.
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            news: if self.quiet {
                News::Connections
            } else {
                News::All
            },
            requires_tls: self.require_tls,
        }
    }
}

/// Reads the command line. `None`: help or the version was asked for, and printed.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Option<Command>, Failure> {
    let line = PROGRAM.parse(CommandLine::command(), &Retired::default(), args)?;
    Ok(line.map(|line: CommandLine| line.command))
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    fn read(line: &str) -> Result<Option<Command>, Failure> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_definition_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn flags_of_one_name_are_of_one_kind() {
        let mut kinds = std::collections::HashMap::new();
        let command = CommandLine::command();
        let commands = command.get_subcommands();
        for each in commands.flat_map(|each| iter::once(each).chain(each.get_subcommands())) {
            for flag in each.get_arguments().filter(|flag| !flag.is_positional()) {
                let kind = flag.get_action().takes_values();
                assert_eq!(
                    *kinds.entry(flag.get_long()).or_insert(kind),
                    kind,
                    "{flag}"
                );
            }
        }
    }

    #[test]
    fn one_dash_or_two() {
        for line in [
            "pcap-over-ip serve a.pcap --listen 4000 --loop",
            "pcap-over-ip serve a.pcap -listen=4000 -loop",
        ] {
            let Ok(Some(Command::Serve(flags))) = read(line) else {
                panic!("{line}")
            };
            assert_eq!(flags.outlets.listen, ["4000"]);
            assert!(flags.is_looped);
        }
    }

    #[test]
    fn mistakes_are_one_line() {
        for line in [
            "pcap-over-ip",
            "pcap-over-ip hub",
            "pcap-over-ip serv a",
            "pcap-over-ip serve a --lsten 1",
            "pcap-over-ip serve a --pace fast",
            "pcap-over-ip serve a --key x",
            "pcap-over-ip serve a --allow 1.2.3.4/40",
        ] {
            let Err(Failure::Usage(message)) = read(line) else {
                panic!("{line}")
            };
            assert!(!message.contains('\n'), "{message}");
        }
    }
}
