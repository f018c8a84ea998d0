//! The flags of the command line, as data: reading them does nothing yet.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgGroup, CommandFactory, Parser};
use netcap_capture::pcap_over_ip::Pin;
use netcap_shell::metrics::MetricsFlags;
use netcap_shell::quantity::octets;
use netcap_shell::{
    EXIT_CODES, Failure, InputFlags, NatsFlags, PipelineFlags, RecordFlags, Retired,
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
/// nothing is lost or doubled, whatever ends in between. With -nats they go through a broker to any number
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
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}")
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
        conflicts_with = "nats",
        help_heading = "Server"
    )]
    pub(crate) addr: String,

    /// The server's public key, as `netcap-server -gen-keypair` wrote it
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "nats",
        help_heading = "Server"
    )]
    pub(crate) pubkey: Option<PathBuf>,

    /// Name of this sensor, by which the server calls the folder of its records [default: $USER]
    ///
    /// Not with -reliable: there the server knows the name, since the sensor was enrolled under it.
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    pub(crate) client: Option<String>,

    /// Octets of records in a datagram, before they are compressed
    ///
    /// A datagram has at most 10240 octets, or this many if that is more; 65507 is all that UDP carries.
    #[arg(
        long, value_name = "N", default_value_t = 10_240,
        value_parser = clap::value_parser!(u32).range(256..=65_507), help_heading = "Server"
    )]
    pub(crate) max: u32,

    /// Datagrams sent in a second at most; 0 is as fast as the network takes them
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Server")]
    pub(crate) rate: u32,

    /// Deliver over TLS, acknowledged: nothing is lost or doubled
    #[arg(long, conflicts_with_all = ["pubkey", "client"], help_heading = "Reliable delivery")]
    pub(crate) reliable: bool,

    /// Pin of the server's certificate; several while the server changes its key
    #[arg(
        long,
        value_name = "PIN",
        requires = "reliable",
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

    /// Make a certificate and its key for this sensor, and print the pin to enrol it by
    #[arg(long, help_heading = "Reliable delivery")]
    pub(crate) gen_keypair: bool,

    /// Memory for records that the server or broker has not acknowledged
    ///
    /// When it is full, files are read no further; of what is captured live, new records are dropped,
    /// counted, and the server is told. With -nats they wait as they are, otherwise compressed.
    #[arg(
        long, value_name = "SIZE", default_value = "64MB", value_parser = octets,
        help_heading = "Reliable delivery"
    )]
    pub(crate) queue: u64,

    /// Directory for records that have no room in memory, made if need be
    ///
    /// They outlive the sensor, and are delivered first when it is started again. Without it nothing is
    /// written to disk.
    #[arg(
        long,
        value_name = "DIR",
        requires = "reliable",
        help_heading = "Reliable delivery"
    )]
    pub(crate) spool: Option<PathBuf>,

    /// Size of the files in -spool at most, as in 10GB
    #[arg(
        long, value_name = "SIZE", default_value = "1GB", value_parser = octets,
        help_heading = "Reliable delivery"
    )]
    pub(crate) spool_size: u64,

    /// Names what is read, so that a sensor that is started again goes on where it was
    ///
    /// The same input must come again from its beginning, as from `pcap-over-ip serve`, which is read
    /// with -once. Of files the sensor knows by itself what has been delivered.
    #[arg(
        long,
        value_name = "NAME",
        requires = "delivery",
        help_heading = "Reliable delivery"
    )]
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
    #[arg(long, help_heading = "Tell")]
    pub(crate) encoders: bool,

    /// Print no summary, no progress
    #[arg(long, help_heading = "Tell")]
    pub(crate) quiet: bool,

    /// Print the version
    #[arg(long, help_heading = "Tell")]
    pub(crate) version: bool,
}

const EXAMPLES: &str = "\
Examples:
  netcap-sensor -pubkey pub.key -addr collector.example:1335 -iface eth0
      records of an interface to a server, by UDP
  netcap-sensor -gen-keypair
      makes sensor.pem and sensor.key, and says how to enrol them
  netcap-sensor -reliable -server-pin sha256/... -addr collector.example:1335 -iface eth0
      the same records, and none of them lost
  netcap-sensor -reliable -server-pin sha256/... -addr collector.example:1335 -r monday.pcap.gz
      records of a capture that is there already; started again, it goes on where it was
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

/// Reads a command line. `None` where it asked for help, and got it.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Flags>, Failure> {
    PROGRAM.parse(Flags::command(), &RETIRED, args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parser_accepts_its_own_description() {
        Flags::command().debug_assert();
    }

    #[test]
    fn every_flag_is_documented() {
        for arg in Flags::command().get_arguments() {
            assert!(arg.get_help().is_some(), "{}", arg.get_id());
        }
    }
}
