//! The flags of the command line, as data: reading them does nothing yet.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Command, CommandFactory, Parser};
use netcap_capture::pcap_over_ip::Pin;
use netcap_shell::metrics::MetricsFlags;
use netcap_shell::{EXIT_CODES, Failure, NatsFlags, Retired, RotationFlags, explained};

use crate::PROGRAM;

/// Receives audit records from sensors, and keeps them in files.
///
/// Each sensor has a folder of its own, with a file for each type of record, as netcap writes them: what
/// has been received can be read with `netcap -r` at any moment. Files are appended to, also when the
/// server is started again.
///
/// By default records come as encrypted UDP datagrams, as in 2019, from anybody who has the public key.
/// With -reliable they come over TLS, from sensors that were enrolled; both may be had at once. With -nats
/// they come from a broker, which gives each record to one of its servers.
///
/// Flags have one dash or two, and their values follow after a space or an equals sign.
#[derive(Debug, Parser)]
#[command(
    name = "netcap-server",
    disable_version_flag = true,
    override_usage = "netcap-server -gen-keypair\n       \
                      netcap-server -privkey priv.key -addr ADDRESS:PORT [FLAGS]\n       \
                      netcap-server -enroll NAME -pin PIN\n       \
                      netcap-server -reliable -addr ADDRESS:PORT [FLAGS]\n       \
                      netcap-server -nats URL -out DIR [FLAGS]",
    after_help = "--help tells more, with examples.",
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}")
)]
pub(crate) struct Flags {
    /// Address and port to receive on: UDP, and TCP with -reliable
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:1335",
        conflicts_with = "nats",
        help_heading = "Receive"
    )]
    pub(crate) addr: String,

    /// Directory for the folders of the sensors, made if need be
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".",
        help_heading = "Receive"
    )]
    pub(crate) out: PathBuf,

    /// Sensors that may have folders; others are refused and counted. Not with -nats
    #[arg(
        long, value_name = "N", default_value_t = 1024,
        value_parser = clap::value_parser!(u32).range(1..=1 << 20), help_heading = "Receive"
    )]
    pub(crate) max_clients: u32,

    #[command(flatten)]
    pub(crate) rotation: RotationFlags,

    /// The private key of the server, which nobody else may be able to read [default: priv.key, unless
    /// -reliable or -nats is given]
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "nats",
        help_heading = "Datagrams"
    )]
    pub(crate) privkey: Option<PathBuf>,

    /// Threads that open datagrams, 1 to 64 [default: number of cores]
    #[arg(
        long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64),
        help_heading = "Datagrams"
    )]
    pub(crate) workers: Option<u16>,

    /// Write pub.key for the sensors and priv.key for the server; with -reliable, a certificate and its
    /// key
    #[arg(long, help_heading = "Keys")]
    pub(crate) gen_keypair: bool,

    /// Receive over TLS from sensors that were enrolled: nothing is lost or doubled
    #[arg(long, conflicts_with = "nats", help_heading = "Reliable delivery")]
    pub(crate) reliable: bool,

    /// Certificate and key of the server: PATH.pem and PATH.key
    #[arg(
        long,
        value_name = "PATH",
        default_value = "server",
        help_heading = "Reliable delivery"
    )]
    pub(crate) identity: PathBuf,

    /// File of the sensors that were enrolled: a name and a pin on each line
    ///
    /// A server that is running sees it when it changes.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "sensors",
        help_heading = "Reliable delivery"
    )]
    pub(crate) sensors: PathBuf,

    /// Let a sensor in under this name, which will be that of its folder; -pin tells its key
    ///
    /// A sensor may have several pins: enrol the new one before the key is changed.
    #[arg(long, value_name = "NAME", requires = "pin", help_heading = "Keys")]
    pub(crate) enroll: Option<String>,

    /// Let nobody in with the key that -pin tells
    #[arg(
        long,
        requires = "pin",
        conflicts_with = "enroll",
        help_heading = "Keys"
    )]
    pub(crate) revoke: bool,

    /// Pin of a sensor's certificate, as `netcap-sensor -gen-keypair` printed it
    #[arg(long, value_name = "PIN", help_heading = "Keys")]
    pub(crate) pin: Option<Pin>,

    #[command(flatten)]
    pub(crate) nats: NatsFlags,

    #[command(flatten)]
    pub(crate) metrics: MetricsFlags,

    /// Print only warnings
    #[arg(long, help_heading = "Tell")]
    pub(crate) quiet: bool,

    /// Print the version
    #[arg(long, help_heading = "Tell")]
    pub(crate) version: bool,
}

const EXAMPLES: &str = "\
Examples:
  netcap-server -gen-keypair
      makes pub.key, for the sensors, and priv.key
  netcap-server -privkey priv.key -addr 0.0.0.0:1335 -out records
      receives datagrams until Ctrl-C
  netcap-server -reliable -gen-keypair
      makes server.pem and server.key, and prints the pin for the sensors
  netcap-server -enroll lab-7 -pin sha256/...
      lets a sensor in
  netcap-server -reliable -addr 0.0.0.0:1335 -out records -metrics 127.0.0.1:9100
      receives over TLS, with metrics for Prometheus
  netcap-server -nats nats://broker.example -out records
      receives from a broker, and shares the work with its other servers
  netcap-server -reliable -addr 0.0.0.0:1335 -out records -rotate 1h -disk-limit 100GB
      begins a folder for each hour, and keeps the latest 100 GB of them
  netcap -r records/lab-7/DNS.ncap.gz
      what has come so far";

/// The parser's description of the flags.
fn command() -> Command {
    Flags::command()
        .mut_arg("rotate", |flag| {
            explained(flag, "It is in the folder of each sensor.").help_heading("Receive")
        })
        .mut_arg("disk_limit", |flag| flag.help_heading("Receive"))
}

/// Reads a command line. `None` where it asked for help, and got it.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Flags>, Failure> {
    PROGRAM.parse(command(), &Retired::default(), args)
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
