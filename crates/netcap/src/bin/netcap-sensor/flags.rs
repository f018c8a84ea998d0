//! The flags of the command line, as data: reading them does nothing yet.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::StyledStr;
use clap::{Arg, ArgGroup, Command, CommandFactory, Parser};
use netcap_capture::pcap_over_ip::Pin;
use netcap_shell::metrics::MetricsFlags;
use netcap_shell::quantity::octets;
use netcap_shell::signals;
use netcap_shell::{
    Failure, Given, HostPort, InputFlags, NatsFlags, PipelineFlags, RecordFlags, Retired,
    exit_codes,
};

use crate::PROGRAM;

/// Flags of the sensor of 2019 that have nothing left to do.
const RETIRED: Retired = Retired {
    refused: &[],
    ignored: &[("opts", true), ("pbuf", true)],
};

/// Turns packets into audit records, and sends these to a netcap-server.
///
/// By default each batch of records is one encrypted UDP datagram, as in 2019: what the network loses is
/// lost. With -reliable records go over TLS, both sides know each other by their certificates, and
/// nothing is lost or doubled, even if one side is killed. With -nats they go through a broker to any number
/// of servers, with the same promise. The sensor writes nothing to disk, unless -spool says so.
///
/// Flags have one dash or two, and their values follow after a space or an equals sign.
#[derive(Debug, Parser)]
#[command(
    name = "netcap-sensor",
    disable_version_flag = true,
    override_usage = "netcap-sensor -pubkey FILE -addr HOST:PORT -iface NAME [FLAGS]\n       \
                      netcap-sensor -reliable -server-pin PIN -addr HOST:PORT -iface NAME [FLAGS]\n       \
                      netcap-sensor -nats URL -client NAME -iface NAME [FLAGS]\n       \
                      netcap-sensor -gen-keypair",
    // One of them at most.
    group = ArgGroup::new("delivery").args(["reliable", "nats"]),
    after_help = "--help tells more, with examples.",
    after_long_help = format!("{EXAMPLES}\n\n{}\n\n{}", signals::IN_HELP, exit_codes(&[5]))
)]
pub(crate) struct Flags {
    /// Capture file whose records are sent, or address of a PCAP-over-IP peer; `-` is standard input
    ///
    /// Addresses are TCP@host:port, tcp://host:port, tls://host:port, listen://address:port,
    /// tls-listen://address:port and unix:/path. May be given several times: captures are merged in order
    /// of time.
    #[arg(
        short = 'r',
        long,
        alias = "r",
        value_name = "FILE",
        help_heading = "Input"
    )]
    pub(crate) read: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) input: InputFlags,

    /// Address and port of the server
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:1335",
        value_parser = HostPort::remote,
        help_heading = "Server"
    )]
    pub(crate) addr: HostPort,

    /// The server's public key, as `netcap-server -gen-keypair` wrote it
    #[arg(long, value_name = "FILE", help_heading = "Datagrams")]
    pub(crate) pubkey: Option<PathBuf>,

    /// Name of this sensor, and of the folder of its records on the server [default: $USER]
    ///
    /// Under sudo the default is root. Not with -reliable: there the server knows the name that the
    /// sensor was enrolled under.
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    pub(crate) client: Option<String>,

    /// Octets of records in a datagram, before they are compressed
    ///
    /// A datagram is never longer than 10240 octets, or than this number if it is larger; 65507 is the
    /// most that UDP can carry.
    #[arg(
        long, value_name = "N", default_value_t = 10_240,
        value_parser = clap::value_parser!(u32).range(256..=65_507), help_heading = "Datagrams"
    )]
    pub(crate) max: u32,

    /// Send at most this many datagrams a second; 0 is no limit
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        help_heading = "Datagrams"
    )]
    pub(crate) rate: u32,

    /// Deliver over TLS, acknowledged: nothing is lost or doubled
    #[arg(long, help_heading = "Reliable delivery")]
    pub(crate) reliable: bool,

    /// Pin of the server's certificate, as `netcap-server -reliable -gen-keypair` printed it
    ///
    /// Several, comma separated or one by one, while the server changes its key.
    #[arg(
        long,
        value_name = "PIN",
        value_delimiter = ',',
        help_heading = "Reliable delivery"
    )]
    pub(crate) server_pin: Vec<Pin>,

    /// Certificate and key of this sensor: PATH.pem and PATH.key
    #[arg(
        long,
        value_name = "PATH",
        default_value = "sensor",
        help_heading = "Reliable delivery"
    )]
    pub(crate) identity: PathBuf,

    /// Make a certificate and its key for this sensor, and print the pin to enrol it with
    #[arg(long, help_heading = "Reliable delivery")]
    pub(crate) gen_keypair: bool,

    /// Memory for records that the server or broker has not acknowledged yet, as in 64MB
    ///
    /// When it is full, a file is not read any further. In live capture new records are dropped and
    /// counted, and the server is told how many. With -nats records wait uncompressed, otherwise
    /// compressed.
    #[arg(
        long, value_name = "SIZE", default_value = "64MB", value_parser = octets,
        help_heading = "Reliable delivery"
    )]
    pub(crate) queue: u64,

    /// Directory for records that do not fit into -queue; made if it does not exist
    ///
    /// They survive the end of the sensor, and are delivered first when it is started again. Without
    /// -spool nothing is written to disk.
    #[arg(long, value_name = "DIR", help_heading = "Reliable delivery")]
    pub(crate) spool: Option<PathBuf>,

    /// Largest total size of the files in -spool, as in 10GB
    #[arg(
        long, value_name = "SIZE", default_value = "1GB", value_parser = octets,
        help_heading = "Reliable delivery"
    )]
    pub(crate) spool_size: u64,

    /// Name for what is read, so that a sensor that is started again resumes where it was
    ///
    /// For input that can be read again from its beginning, as from `pcap-over-ip serve FILE`, together
    /// with -once. Files need no name: the sensor recognises them.
    #[arg(long, value_name = "NAME", help_heading = "Reliable delivery")]
    pub(crate) stream: Option<String>,

    #[command(flatten)]
    pub(crate) nats: NatsFlags,

    #[command(flatten)]
    pub(crate) metrics: MetricsFlags,

    #[command(flatten)]
    pub(crate) pipeline: PipelineFlags,

    #[command(flatten)]
    pub(crate) records: RecordFlags,

    /// List the encoders
    #[arg(long, help_heading = "Messages")]
    pub(crate) encoders: bool,

    /// Print only warnings and errors
    #[arg(long, help_heading = "Messages")]
    pub(crate) quiet: bool,

    /// Print the version
    #[arg(short = 'V', long, help_heading = "Messages")]
    pub(crate) version: bool,
}

const EXAMPLES: &str = "\
Examples:
  netcap-sensor -pubkey pub.key -addr collector.example:1335 -iface eth0
      sends the records of an interface to a server, by UDP
  netcap-sensor -gen-keypair
      makes sensor.pem and sensor.key, and says how to enrol them
  netcap-sensor -reliable -server-pin sha256/... -addr collector.example:1335 -iface eth0
      the same, and no record is lost
  netcap-sensor -reliable -server-pin sha256/... -addr collector.example:1335 -r monday.pcap.gz
      sends the records of a capture file; started again, it resumes where it was
  netcap-sensor -nats nats://broker.example -client lab-7 -iface eth0
      through a broker, to whichever servers there are";

impl Flags {
    /// The name that servers call our folder by.
    pub(crate) fn client(&self) -> Vec<u8> {
        let user = || std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
        let name = self.client.clone().or_else(|| user().ok());
        name.unwrap_or_else(|| "sensor".to_owned()).into_bytes()
    }
}

/// The parser's description of the flags.
fn command() -> Command {
    // A sensor writes nothing, so it has other words for these.
    let sends = |arg: Arg| {
        let said = |help: Option<&StyledStr>| {
            help.map(|help| {
                help.to_string()
                    .replacen("Write ", "Send ", 1)
                    .replacen("not write", "not send", 1)
            })
        };
        let (short, long) = (said(arg.get_help()), said(arg.get_long_help()));
        let arg = short.into_iter().fold(arg, Arg::help);
        long.into_iter().fold(arg, Arg::long_help)
    };
    ["include", "exclude", "nohttp"]
        .into_iter()
        .fold(Flags::command(), |command, flag| {
            command.mut_arg(flag, sends)
        })
}

/// Reads a command line. `None` where it asked for help, and got it.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Flags>, Failure> {
    let Some(given) = PROGRAM.parse::<Given<Flags>>(command(), &RETIRED, args)? else {
        return Ok(None);
    };
    let mut names = given.names().iter();
    match names.find_map(|flag| Some((flag, given.misplaced(flag)?))) {
        Some((flag, why)) => Err(Failure::Usage(format!("-{flag} {why}"))),
        None => Ok(Some(given.into_flags())),
    }
}

impl Flags {
    /// Why a flag that was given has no effect, if it has none.
    fn misplaced(&self, flag: &str) -> Option<&'static str> {
        let (is_nats, is_udp) = (
            self.nats.url.is_some(),
            !self.reliable && self.nats.url.is_none(),
        );
        let why = match flag {
            "gen-keypair" | "identity" | "reliable" | "quiet" | "version" if self.gen_keypair => {
                return None;
            }
            _ if self.gen_keypair => "has no effect with -gen-keypair; leave it out",
            "pubkey" | "max" | "rate" if self.reliable => {
                "is for datagrams; leave it out with -reliable"
            }
            "pubkey" | "max" | "rate" if is_nats => "is for datagrams; leave it out with -nats",
            "client" if self.reliable => {
                "has no effect with -reliable: the server knows the name that this sensor was enrolled \
                 under; leave it out"
            }
            "addr" if is_nats => {
                "has no effect with -nats, whose URL names the broker; leave it out"
            }
            "spool" | "spool-size" if is_udp => "needs -reliable; by datagrams nothing is kept",
            "queue" if is_udp => "needs -reliable or -nats; by datagrams nothing is kept",
            "stream" if is_udp => {
                "needs -reliable or -nats; by datagrams nobody knows what has arrived"
            }
            "server-pin" | "identity" if is_udp => {
                "needs -reliable; datagrams are sealed for the key of -pubkey"
            }
            "server-pin" | "identity" | "spool" | "spool-size" if is_nats => {
                "needs -reliable; leave it out with -nats"
            }
            "spool-size" if self.spool.is_none() => "needs -spool, the directory that it limits",
            _ => return None,
        };
        Some(why)
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
