//! The flags of the command line, as data: reading them does nothing yet.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Command, CommandFactory, Parser};
use netcap_capture::pcap_over_ip::Pin;
use netcap_shell::metrics::MetricsFlags;
use netcap_shell::signals;
use netcap_shell::{
    Failure, Given, HostPort, NatsFlags, Retired, RotationFlags, exit_codes, explained,
};

use crate::PROGRAM;

/// Receives audit records from sensors, and keeps them in files.
///
/// Each sensor has a folder of its own, with a file for each type of record, as netcap writes them: what
/// has been received can be read with `netcap -r` at any moment. Files are appended to, also when the
/// server is started again.
///
/// By default records come as encrypted UDP datagrams, as in 2019, from anybody who has the public key.
/// With -reliable they come over TLS, from sensors that were enrolled; -reliable and -privkey together
/// receive both. With -nats they come from a broker, which gives each record to one of its servers.
///
/// Flags have one dash or two, and their values follow after a space or an equals sign.
#[derive(Debug, Parser)]
#[command(
    name = "netcap-server",
    disable_version_flag = true,
    override_usage = "netcap-server -gen-keypair\n       \
                      netcap-server -privkey priv.key -addr ADDRESS:PORT [FLAGS]\n       \
                      netcap-server -enroll NAME -pin PIN\n       \
                      netcap-server -revoke -pin PIN\n       \
                      netcap-server -revoke-sensor NAME\n       \
                      netcap-server -list\n       \
                      netcap-server -reliable -addr ADDRESS:PORT [FLAGS]\n       \
                      netcap-server -nats URL -out DIR [FLAGS]",
    after_help = "--help tells more, with examples.",
    after_long_help = format!("{EXAMPLES}\n\n{}\n\n{}", signals::IN_HELP, exit_codes(&[3, 4, 5]))
)]
pub(crate) struct Flags {
    /// Address and port to receive on: UDP, and TCP with -reliable
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:1335",
        value_parser = HostPort::local,
        help_heading = "Receive"
    )]
    pub(crate) addr: HostPort,

    /// Directory for the folders of the sensors; made if it does not exist
    #[arg(
        long,
        value_name = "DIR",
        default_value = "records",
        help_heading = "Receive"
    )]
    pub(crate) out: PathBuf,

    /// Largest number of sensors: of new folders that datagrams make, and of connections at a time
    ///
    /// What exceeds it is refused and counted.
    #[arg(
        long, value_name = "N", default_value_t = 1024,
        value_parser = clap::value_parser!(u32).range(1..=1 << 20), help_heading = "Receive"
    )]
    pub(crate) max_clients: u32,

    #[command(flatten)]
    pub(crate) rotation: RotationFlags,

    /// Private key of the server; other users must not be able to read it [default: priv.key, but with
    /// -reliable none]
    #[arg(long, value_name = "FILE", help_heading = "Datagrams")]
    pub(crate) privkey: Option<PathBuf>,

    /// Threads that decrypt datagrams, 1 to 64 [default: number of cores]
    #[arg(
        long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64),
        help_heading = "Datagrams"
    )]
    pub(crate) workers: Option<u16>,

    /// Make a key pair: pub.key for the sensors, priv.key for the server; with -reliable a certificate and
    /// its key
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

    /// List of the sensors that were enrolled: a file with a name and a pin on each line
    ///
    /// A server that is running notices within seconds when the file changes.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "sensors",
        help_heading = "Reliable delivery"
    )]
    pub(crate) sensors: PathBuf,

    /// Enrol a sensor, whose certificate has the pin -pin, under this name: it may connect from now on
    ///
    /// The folder of its records has the same name: letters, digits, - and _, and dots that are not
    /// first. A sensor may have several pins: enrol the new one before its key is changed.
    #[arg(long, value_name = "NAME", help_heading = "Keys")]
    pub(crate) enroll: Option<String>,

    /// Do not let anybody in any more with the key whose pin is -pin
    #[arg(long, help_heading = "Keys")]
    pub(crate) revoke: bool,

    /// Do not let this sensor in any more, whichever of its keys it has
    #[arg(long, value_name = "NAME", help_heading = "Keys")]
    pub(crate) revoke_sensor: Option<String>,

    /// List the sensors that were enrolled: a name and a pin on each line
    #[arg(long, help_heading = "Keys")]
    pub(crate) list: bool,

    /// Pin of a sensor's certificate, as `netcap-sensor -gen-keypair` printed it
    #[arg(long, value_name = "PIN", help_heading = "Keys")]
    pub(crate) pin: Option<Pin>,

    #[command(flatten)]
    pub(crate) nats: NatsFlags,

    #[command(flatten)]
    pub(crate) metrics: MetricsFlags,

    /// Print only warnings and errors
    #[arg(long, help_heading = "Messages")]
    pub(crate) quiet: bool,

    /// Print the version
    #[arg(short = 'V', long, help_heading = "Messages")]
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
      lets the sensor lab-7 connect
  netcap-server -reliable -addr 0.0.0.0:1335 -out records -metrics 127.0.0.1:9100
      receives over TLS, with metrics for Prometheus
  netcap-server -nats nats://broker.example -out records
      receives from a broker, and shares the work with other servers
  netcap-server -reliable -addr 0.0.0.0:1335 -out records -rotate 1h -disk-limit 100GB
      begins a folder for each hour, and keeps the latest 100 GB of them
  netcap-server -revoke-sensor lab-7
      lets it connect no more, as when it was stolen
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

/// What the program is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Serve,
    MakeKeys,
    Enrol,
    Revoke,
    RevokeSensor,
    List,
}

/// Reads a command line. `None` where it asked for help, and got it.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Flags>, Failure> {
    let Some(given) = PROGRAM.parse::<Given<Flags>>(command(), &Retired::default(), args)? else {
        return Ok(None);
    };
    let tasks = given.tasks();
    let refused = if let [one, other, ..] = tasks.as_slice() {
        Some(format!(
            "{} and {} cannot be had in one run",
            one.1, other.1
        ))
    } else {
        let mut names = given.names().iter();
        names.find_map(|flag| Some(format!("-{flag} {}", given.misplaced(flag)?)))
    };
    match refused {
        Some(why) => Err(Failure::Usage(why)),
        None => Ok(Some(given.into_flags())),
    }
}

impl Flags {
    /// What the program is asked to do.
    pub(crate) fn task(&self) -> Task {
        self.tasks().first().map_or(Task::Serve, |(task, _)| *task)
    }

    /// All tasks but serving that are asked for, with their flags.
    fn tasks(&self) -> Vec<(Task, &'static str)> {
        let asked = [
            (self.gen_keypair, Task::MakeKeys, "-gen-keypair"),
            (self.enroll.is_some(), Task::Enrol, "-enroll"),
            (self.revoke, Task::Revoke, "-revoke"),
            (
                self.revoke_sensor.is_some(),
                Task::RevokeSensor,
                "-revoke-sensor",
            ),
            (self.list, Task::List, "-list"),
        ];
        let asked = asked.into_iter().filter(|(is_asked, ..)| *is_asked);
        asked.map(|(_, task, flag)| (task, flag)).collect()
    }

    /// Why a flag that was given has no effect or lacks another one, if so.
    fn misplaced(&self, flag: &str) -> Option<&'static str> {
        const ANYWHERE: [&str; 3] = ["quiet", "reliable", "version"];
        let (is_nats, has_pin) = (self.nats.url.is_some(), self.pin.is_some());
        let why = match (self.task(), flag) {
            (Task::Enrol, "enroll") if !has_pin => "needs -pin, which tells the sensor's key",
            (Task::Revoke, "revoke") if !has_pin => {
                "needs -pin, which tells the key; -revoke-sensor NAME takes all keys of a sensor"
            }
            (Task::MakeKeys, "identity") if !self.reliable => {
                "is for certificates: make one with -reliable, or leave -identity out"
            }
            (Task::MakeKeys, "gen-keypair" | "identity")
            | (Task::Enrol, "enroll" | "pin" | "sensors")
            | (Task::Revoke, "revoke" | "pin" | "sensors")
            | (Task::RevokeSensor, "revoke-sensor" | "sensors")
            | (Task::List, "list" | "sensors") => return None,
            (Task::Serve, "pin") => "tells a key; say what to do with it: -enroll NAME, or -revoke",
            (
                Task::Serve,
                "addr" | "privkey" | "workers" | "max-clients" | "identity" | "sensors",
            ) if is_nats => "has no effect with -nats; leave it out",
            (Task::Serve, "identity" | "sensors") if !self.reliable => {
                "needs -reliable; datagrams come from whoever has the public key"
            }
            (Task::Serve, "workers") if self.reliable && self.privkey.is_none() => {
                "is for datagrams; with -reliable they are received only where -privkey names the key"
            }
            (Task::Serve, _) => return None,
            (_, flag) if ANYWHERE.contains(&flag) => return None,
            (Task::MakeKeys, _) => "has no effect with -gen-keypair; leave it out",
            (Task::Enrol, _) => "has no effect with -enroll; leave it out",
            (Task::Revoke, _) => "has no effect with -revoke; leave it out",
            (Task::RevokeSensor, _) => "has no effect with -revoke-sensor; leave it out",
            (Task::List, _) => "has no effect with -list; leave it out",
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
