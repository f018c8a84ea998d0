//! The flags of the command line, as data: reading them does nothing yet.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, Parser, ValueEnum};
use netcap_agent::extended::{Group, MOST_INTERFACES};
use netcap_agent::mgen::Check;
use netcap_agent::{Mac, Mode};
use netcap_relay::{Cidr, Pace};
use netcap_shell::metrics::MetricsFlags;
use netcap_shell::quantity::seconds;
use netcap_shell::{Failure, Given, Retired, TlsListenFlags, same_interface};

use crate::PROGRAM;
use crate::help::{EXAMPLES, EXIT_CODES, TELLS_MORE};

/// Where collectors connect if no flag says otherwise, and where those of the extended stream do.
const PORT: u16 = 7073;
const EXTENDED_PORT: u16 = 7075;
/// The port of a group that the extended stream is sent to, if no flag says otherwise.
const MULTICAST_PORT: u16 = 7076;

/// Gives collectors a record of each packet of an interface, as it passes.
///
/// A record gives time, addresses, ports, length, protocol and MGEN flow. By default TCP and UDP over IPv4 are
/// recorded; the extended stream covers every IP packet and tells more. Collectors, such as recollect, connect to
/// the port and get what comes from then on. A collector that is slow loses records of its own, the oldest,
/// which are counted; it holds nobody up.
#[derive(Debug, Parser)]
#[command(
    name = "pcapper",
    version,
    override_usage = "pcapper [-f FILE] [-p PORT] [-i IFACE]... [-m src|dst|spoof|none|FILTER] [-r IFACE] [FLAGS]",
    after_help = TELLS_MORE,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}")
)]
pub(crate) struct Flags {
    /// The log: a line for each record
    ///
    /// Written only while a collector is connected. Lines are appended; the file is opened again after it was
    /// renamed or removed, and at SIGHUP.
    #[arg(
        short = 'f',
        long = "log",
        value_name = "FILE",
        default_value = "pcapper.log",
        help_heading = "Log"
    )]
    pub(crate) log: PathBuf,

    /// Write the log while no collector is connected, too
    #[arg(long, help_heading = "Log")]
    pub(crate) log_always: bool,

    /// Capture from this interface; may be given several times [default: eth0]
    #[arg(
        short = 'i',
        long = "interface",
        alias = "iface",
        value_name = "IFACE",
        help_heading = "Packets"
    )]
    interface: Vec<String>,

    /// Which packets: src, dst, spoof, none (all), or a filter in tcpdump's language
    ///
    /// src: those that the interface's MAC sends. dst: those that it does not send. spoof: those from the
    /// interface's IPv4 address that its MAC does not send. In a filter %m is the MAC, %i the IPv4
    /// address, %% a percent sign.
    #[arg(
        short = 'm',
        long,
        value_name = "MODE",
        default_value = "src",
        help_heading = "Packets"
    )]
    mode: String,

    /// The interface whose MAC is meant, if it is another
    #[arg(short = 'r', long, value_name = "IFACE", help_heading = "Packets")]
    pub(crate) mac_of: Option<String>,

    /// The MAC, of a capture or in place of the interface's
    #[arg(
        long,
        value_name = "MAC",
        conflicts_with = "mac_of",
        help_heading = "Packets"
    )]
    pub(crate) mac: Option<Mac>,

    /// The IPv4 address, of a capture or in place of the interface's
    #[arg(long, value_name = "ADDRESS", help_heading = "Packets")]
    pub(crate) ip: Option<Ipv4Addr>,

    /// How MGEN is recognised: classic as in 2019, strict without look-alikes
    #[arg(
        long,
        value_name = "TEST",
        default_value = "classic",
        help_heading = "Packets"
    )]
    mgen: Mgen,

    /// Record our own connections with collectors, too: beware, each record that is sent makes another
    #[arg(long, help_heading = "Packets")]
    pub(crate) include_own: bool,

    /// Tell the machine's load and memory each second, too
    #[arg(long, help_heading = "Packets")]
    pub(crate) statistics: bool,

    /// Seconds that an interface, or its address, may be missing at start
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds, help_heading = "Packets")]
    pub(crate) wait: Duration,

    /// Wait for an interface that is removed to come back, and do not end
    #[arg(long, help_heading = "Packets")]
    pub(crate) reattach: bool,

    /// Read this capture, and end
    #[arg(long, value_name = "FILE", conflicts_with_all = ["interface", "mac_of", "reattach"], help_heading = "Captures")]
    pub(crate) read: Option<PathBuf>,

    /// How fast it is read: recorded, max, xN (N times as fast), pps=N (packets a second) or mbps=N [default: max]
    #[arg(
        long,
        value_name = "PACE",
        value_parser = pace,
        help_heading = "Captures"
    )]
    pace: Option<Pace>,

    /// Collectors that must be there before it is read [default: 1; with --log-always: 0]
    #[arg(long, value_name = "N", help_heading = "Captures")]
    collectors: Option<usize>,

    /// Port that collectors connect to [default: 7073]
    #[arg(short = 'p', long, value_name = "PORT", help_heading = "Collectors")]
    port: Option<String>,

    /// Address that collectors connect to, with or without a port [default: 0.0.0.0, which is all]; none: there
    /// is the extended stream only
    #[arg(long, value_name = "ADDRESS[:PORT]|none", value_parser = listen, help_heading = "Collectors")]
    listen: Vec<Listen>,

    /// Only collectors from this network may connect
    #[arg(long, value_name = "NET", help_heading = "Collectors")]
    pub(crate) allow: Vec<Cidr>,

    /// Collectors at a time, of each stream
    #[arg(
        long,
        value_name = "N",
        default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Collectors"
    )]
    max_clients: u32,

    /// Records that wait for a collector at most
    #[arg(
        long, value_name = "RECORDS", default_value_t = 65_536, help_heading = "Collectors",
        value_parser = clap::value_parser!(u32).range(1..=1 << 26)
    )]
    pub(crate) queue: u32,

    /// Serve the extended stream at this address, too, at port 7075 or another: IPv6, all protocols, VLANs,
    /// fragments, losses
    ///
    /// It is encrypted with --cert and --key; with --client-ca collectors need certificates. --allow,
    /// --max-clients and --queue hold for it, too. May be given several times.
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = place, help_heading = "Collectors")]
    extended: Vec<(IpAddr, Option<u16>)>,

    /// Send the extended stream to this multicast group, too, at port 7076 or another: once for all collectors
    ///
    /// Whoever is in the network can receive it: it is not encrypted. What is lost on the way is not sent again,
    /// but collectors know how much it was. Write the interface behind it if it is not the one that the system has
    /// for the group: 239.1.2.3:7076%eth1. May be given several times.
    #[arg(long, value_name = "GROUP[:PORT][%IFACE]", value_parser = group, help_heading = "Collectors")]
    multicast: Vec<Group>,

    /// Hops that datagrams to a group may take; 1: they stay on the link [default: 1]
    #[arg(long, value_name = "N", help_heading = "Collectors")]
    multicast_hops: Option<u8>,

    #[command(flatten)]
    pub(crate) tls: Given<TlsListenFlags>,

    #[command(flatten)]
    pub(crate) metrics: MetricsFlags,

    /// Print nothing but warnings and errors
    #[arg(long, help_heading = "Service")]
    pub(crate) quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mgen {
    Classic,
    Strict,
}

/// Where collectors of the first stream connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listen {
    Nowhere,
    At(IpAddr, Option<u16>),
}

impl Flags {
    /// The interfaces to capture from.
    pub(crate) fn interfaces(&self) -> Vec<String> {
        match self.interface.as_slice() {
            [] => vec!["eth0".to_owned()],
            some => some.to_vec(),
        }
    }

    /// The mode, as given.
    pub(crate) fn mode_text(&self) -> &str {
        &self.mode
    }

    pub(crate) fn mode(&self) -> Mode {
        Mode::from(self.mode.as_str())
    }

    pub(crate) fn check(&self) -> Check {
        match self.mgen {
            Mgen::Classic => Check::Classic,
            Mgen::Strict => Check::Strict,
        }
    }

    /// How many collectors a capture waits for.
    pub(crate) fn collectors(&self) -> usize {
        self.collectors.unwrap_or(usize::from(!self.log_always))
    }

    /// How fast a capture is read.
    pub(crate) fn pace(&self) -> Pace {
        self.pace.unwrap_or(Pace::Max)
    }

    /// Collectors at a time, of each stream.
    pub(crate) fn max_clients(&self) -> usize {
        self.max_clients as usize
    }

    /// Whether there is the first stream, and not only the extended one.
    pub(crate) fn is_classic(&self) -> bool {
        !self.listen.contains(&Listen::Nowhere)
    }

    /// Where collectors connect.
    pub(crate) fn places(&self) -> Result<Vec<SocketAddr>, Failure> {
        let port = match &self.port {
            None => PORT,
            Some(text) => match text.parse() {
                Ok(0) | Err(_) => return Err(own(15, format!("-p {}", not_a_port(text)))),
                Ok(port) => port,
            },
        };
        let given = self.listen.iter().filter_map(|listen| match listen {
            Listen::At(address, own) => Some((*address, *own)),
            Listen::Nowhere => None,
        });
        Ok(match given.collect::<Vec<_>>() {
            none if none.is_empty() && self.is_classic() => {
                vec![SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)]
            }
            places => at(&places, port),
        })
    }

    /// Whether there is an extended stream.
    pub(crate) fn is_extended(&self) -> bool {
        !(self.extended.is_empty() && self.multicast.is_empty())
    }

    /// The groups that the extended stream is sent to.
    pub(crate) fn groups(&self) -> Vec<Group> {
        let groups = self.multicast.iter().cloned();
        let hops = self.multicast_hops.unwrap_or(1);
        groups.map(|group| Group { hops, ..group }).collect()
    }

    /// Where collectors of the extended stream connect.
    pub(crate) fn extended_places(&self) -> Vec<SocketAddr> {
        at(&self.extended, EXTENDED_PORT)
    }

    /// What is said of flags that need another, or exclude it.
    fn misfit(&self) -> Option<String> {
        let is_capture = self.read.is_some();
        if self.interface.iter().any(|name| name == "any") {
            return Some(
                "-i any: this pseudo-interface is not supported; name interfaces one by one, as in -i eth0 -i eth1"
                    .to_owned(),
            );
        }
        if let Some((name, other)) = same_interface(&self.interface) {
            return Some(match name == other {
                true => format!("-i {name} is given twice; once is enough"),
                false => format!("-i {name} and -i {other} are the same interface; once is enough"),
            });
        }
        for (flag, is_given) in [
            ("pace", self.pace.is_some()),
            ("collectors", self.collectors.is_some()),
        ] {
            if is_given && !is_capture {
                return Some(format!("--{flag} is for captures: add --read FILE"));
            }
        }
        if self.multicast_hops.is_some() && self.multicast.is_empty() {
            return Some("--multicast-hops is for multicast: add --multicast GROUP".to_owned());
        }
        if self.is_classic() {
            return None;
        }
        if !self.is_extended() {
            return Some(
                "--listen none leaves collectors nothing: add --extended ADDRESS or --multicast GROUP"
                    .to_owned(),
            );
        }
        let other = self.listen.len() > 1;
        (other || self.port.is_some()).then(|| {
            let other = if other { "another --listen" } else { "-p" };
            format!("--listen none does not go with {other}")
        })
    }

    /// What clap cannot know of flags that do not fit together.
    fn checked(self) -> Result<Flags, Failure> {
        if self.interface.len() > MOST_INTERFACES {
            return Err(Failure::Usage(format!(
                "-i is given {} times; {MOST_INTERFACES} interfaces at most are captured from, other \
                 processes may capture from the rest",
                self.interface.len()
            )));
        }
        if let Some(reason) = self.misfit() {
            return Err(Failure::Usage(reason));
        }
        let classic = self.places()?;
        let extended = self.extended_places();
        if let Some(place) = extended.iter().find(|place| meets(&classic, place)) {
            return Err(Failure::Usage(format!(
                "--extended {place}: the first stream is at this port; write another behind the address"
            )));
        }
        match self.tls.given() {
            Some(flag) if self.extended.is_empty() => Err(Failure::Usage(format!(
                "--{flag} is for the extended stream only: give --extended, too"
            ))),
            _ => Ok(self),
        }
    }
}

/// Addresses with that port where they have none of their own.
fn at(places: &[(IpAddr, Option<u16>)], port: u16) -> Vec<SocketAddr> {
    let places = places.iter();
    places
        .map(|(address, own)| SocketAddr::new(*address, own.unwrap_or(port)))
        .collect()
}

/// Whether one of them takes the port of another place.
fn meets(places: &[SocketAddr], other: &SocketAddr) -> bool {
    places.iter().any(|place| {
        let is_any = place.ip().is_unspecified() || other.ip().is_unspecified();
        let is_one = place.ip() == other.ip() || is_any;
        place.port() == other.port() && place.port() != 0 && is_one
    })
}

/// A failure with an exit code that collectors of agents know.
pub(crate) fn own(code: u8, message: String) -> Failure {
    Failure::Own { code, message }
}

/// Reads the command line. `None`: help or the version was asked for, and printed.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Option<Flags>, Failure> {
    let args: Vec<OsString> = args.collect();
    let lacking = match args.last().and_then(|last| last.to_str()) {
        Some("-i") => Some((13, "-i lacks its interface, as in -i eth0")),
        Some("-p") => Some((14, "-p lacks its port, as in -p 7073")),
        Some("-f") => Some((18, "-f lacks its file, as in -f pcapper.log")),
        Some("-m") => Some((20, "-m lacks its mode: src, dst, spoof, none, or a filter")),
        _ => None,
    };
    if let Some((code, message)) = lacking {
        return Err(own(code, message.to_owned()));
    }
    let flags: Option<Flags> = PROGRAM.parse(Flags::command(), &Retired::default(), args)?;
    flags.map(Flags::checked).transpose()
}

/// `ADDRESS` or `ADDRESS:PORT`.
fn place(text: &str) -> Result<(IpAddr, Option<u16>), String> {
    if let Ok(place) = text.parse::<SocketAddr>() {
        return Ok((place.ip(), Some(place.port())));
    }
    if let Ok(address) = text.parse() {
        return Ok((address, None));
    }
    if text.parse::<u16>().is_ok() {
        return Err(format!(
            "write an address before the port, as in 0.0.0.0:{text}"
        ));
    }
    match text.rsplit_once(':') {
        Some((address, port)) if is_address(address) => Err(not_a_port(port)),
        _ => Err("write an address of this host, as in 127.0.0.1 or [::1]:7080".to_owned()),
    }
}

/// An address as it is before a port.
fn is_address(text: &str) -> bool {
    format!("{text}:1").parse::<SocketAddr>().is_ok()
}

fn not_a_port(text: &str) -> String {
    format!("{text} is not a port; use 1 to 65535")
}

/// The same, or `none`.
fn listen(text: &str) -> Result<Listen, String> {
    match text {
        "none" => Ok(Listen::Nowhere),
        _ => place(text).map(|(address, port)| Listen::At(address, port)),
    }
}

/// A pace of captures.
fn pace(text: &str) -> Result<Pace, String> {
    match text {
        "arrival" => {
            Err("not a pace of captures; these are recorded, max, xN, pps=N and mbps=N".to_owned())
        }
        _ => text.parse(),
    }
}

/// `GROUP`, `GROUP:PORT`, and maybe `%` and an interface.
fn group(text: &str) -> Result<Group, String> {
    let (address, interface) = match text.split_once('%') {
        Some((address, interface)) => (address, Some(interface.to_owned())),
        None => (text, None),
    };
    let found = place(address.trim_matches(['[', ']'])).or_else(|_| place(address));
    match found {
        Ok((_, Some(0))) => Err(not_a_port("0")),
        Ok((ip, port)) if ip.is_multicast() && interface.as_deref() != Some("") => Ok(Group {
            place: SocketAddr::new(ip, port.unwrap_or(MULTICAST_PORT)),
            interface,
            hops: 1,
        }),
        _ => Err(
            "write a multicast group, as in 239.1.2.3, 239.1.2.3:7076%eth1 or [ff15::7]:7076"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Flags>, Failure> {
        parse(line.split(' ').map(OsString::from))
    }

    fn code(line: &str) -> u8 {
        match read(line).and_then(|flags| flags.map_or(Ok(Vec::new()), |flags| flags.places())) {
            Ok(_) => 0,
            Err(Failure::Own { code, .. }) => code,
            Err(_) => 12,
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Flags::command().debug_assert();
    }

    #[test]
    fn words_of_2019_are_understood() {
        let line = "pcapper -f a.log -p 7074 -i eth1 -i eth2 -m dst -r eth3";
        let flags = read(line).ok().flatten().expect("flags");
        assert_eq!(flags.interfaces(), ["eth1", "eth2"]);
        assert_eq!(flags.mac_of.as_deref(), Some("eth3"));
        assert_eq!(flags.mode(), Mode::from("dst"));
        let places = flags.places().expect("places");
        assert_eq!(places, ["0.0.0.0:7074".parse().expect("an address")]);
        let plain = read("pcapper").ok().flatten().expect("flags");
        assert_eq!(plain.interfaces(), ["eth0"]);
        assert_eq!(plain.log, PathBuf::from("pcapper.log"));
        assert_eq!(plain.wait, Duration::from_secs(60));
    }

    #[test]
    fn interfaces_have_room_in_a_message() {
        let names = (0..MOST_INTERFACES).map(|number| format!(" -i a{number}"));
        let line = "pcapper".to_owned() + &names.collect::<String>();
        assert_eq!(code(&line), 0);
        assert_eq!(code(&(line + " -i b")), 12);
    }

    #[test]
    fn the_extended_stream_has_its_port() {
        let flags = read("pcapper --extended ::1 --extended 127.0.0.1:9");
        let flags = flags.ok().flatten().expect("flags");
        let places = flags.extended_places();
        let places: Vec<_> = places.iter().map(ToString::to_string).collect();
        assert_eq!(places, ["[::1]:7075", "127.0.0.1:9"]);
    }

    #[test]
    fn the_extended_stream_may_be_alone() {
        let flags = read("pcapper --listen none --extended 127.0.0.1");
        let flags = flags.ok().flatten().expect("flags");
        assert_eq!(flags.places().ok(), Some(Vec::new()));
        assert!(!flags.is_classic() && flags.is_extended());
        for line in [
            "pcapper --listen none",
            "pcapper --listen none --listen 127.0.0.1 --extended ::1",
            "pcapper --listen none -p 7080 --extended ::1",
        ] {
            assert_eq!(code(line), 12, "{line}");
        }
        assert_eq!(code("pcapper --listen none --multicast 239.1.2.3"), 0);
    }

    #[test]
    fn mistakes_are_told_in_words() {
        for (line, expected) in [
            (
                "-i any",
                "-i any: this pseudo-interface is not supported; name interfaces one by one, as in -i eth0 -i eth1",
            ),
            ("-i a -i b -i a", "-i a is given twice; once is enough"),
            ("--pace max", "--pace is for captures: add --read FILE"),
            (
                "--collectors 2",
                "--collectors is for captures: add --read FILE",
            ),
            (
                "--multicast-hops 2",
                "--multicast-hops is for multicast: add --multicast GROUP",
            ),
            (
                "--max-clients 0",
                "--max-clients 0: a number from 1 to 4294967295 belongs there",
            ),
            (
                "--multicast 239.1.2.3:0",
                "--multicast 239.1.2.3:0: 0 is not a port; use 1 to 65535",
            ),
            (
                "--extended 172.29.0.1:99999",
                "--extended 172.29.0.1:99999: 99999 is not a port; use 1 to 65535",
            ),
            (
                "--listen [::1]:x",
                "--listen [::1]:x: x is not a port; use 1 to 65535",
            ),
            (
                "--extended 7075",
                "--extended 7075: write an address before the port, as in 0.0.0.0:7075",
            ),
            ("-p x", "-p x is not a port; use 1 to 65535"),
            (
                "--mac zz",
                "--mac zz: not a MAC address; write one as 0a:00:00:00:00:01",
            ),
            (
                "--allow X",
                "--allow X: not a network; write 10.0.0.0/8, 2001:db8::/32 or an address",
            ),
            (
                "--pace fast",
                "--pace fast: not a pace; paces are recorded, max, xN, pps=N and mbps=N",
            ),
            (
                "--pace x0",
                "--pace x0: a number above 0 belongs there, as in x10",
            ),
            (
                "--listen none",
                "--listen none leaves collectors nothing: add --extended ADDRESS or --multicast GROUP",
            ),
        ] {
            let failure = read(&format!("pcapper {line}")).expect_err(line);
            assert_eq!(failure.to_string(), expected);
        }
    }

    #[test]
    fn both_streams_need_a_port_of_their_own() {
        for (line, expected) in [
            ("pcapper -p 7075 --extended 127.0.0.1", 12),
            ("pcapper --listen 127.0.0.1 --extended 127.0.0.1:7073", 12),
            ("pcapper --listen 127.0.0.1 --extended [::]:7073", 12),
            ("pcapper --listen 127.0.0.1 --extended 127.0.0.2:7073", 0),
            ("pcapper --listen 127.0.0.1:0 --extended 127.0.0.1:0", 0),
        ] {
            assert_eq!(code(line), expected, "{line}");
        }
    }

    #[test]
    fn groups_are_written_in_several_ways() {
        for (text, place, interface) in [
            ("239.1.2.3", "239.1.2.3:7076", None),
            ("239.1.2.3:9%eth1", "239.1.2.3:9", Some("eth1")),
            ("239.1.2.3%eth1", "239.1.2.3:7076", Some("eth1")),
            ("ff15::7", "[ff15::7]:7076", None),
            ("[ff15::7]%eth1", "[ff15::7]:7076", Some("eth1")),
            ("[ff15::7]:9", "[ff15::7]:9", None),
        ] {
            let line = format!("pcapper --multicast {text} --multicast-hops 3");
            let flags = read(&line).ok().flatten().expect(text);
            let group = flags.groups().pop().expect("a group");
            assert_eq!(group.place.to_string(), place);
            assert_eq!((group.interface.as_deref(), group.hops), (interface, 3));
            assert!(flags.is_extended());
        }
    }

    #[test]
    fn mistakes_have_the_codes_of_2019() {
        for (line, expected) in [
            ("pcapper -i eth0", 0),
            ("pcapper --listen 127.0.0.1:0", 0),
            ("pcapper --listen ::1 -p 9", 0),
            ("pcapper -x", 12),
            ("pcapper eth0", 12),
            ("pcapper -s eth0", 12),
            ("pcapper -i", 13),
            ("pcapper -p", 14),
            ("pcapper -p 0", 15),
            ("pcapper -p seven", 15),
            ("pcapper -p 70000", 15),
            ("pcapper -f", 18),
            ("pcapper -m", 20),
            ("pcapper -r", 12),
            ("pcapper --listen nowhere", 12),
            ("pcapper --multicast 192.0.2.1", 12),
            ("pcapper --multicast 239.1.2.3%", 12),
            ("pcapper --multicast-hops 2", 12),
            ("pcapper --multicast 239.1.2.3 --multicast-hops 2", 0),
            ("pcapper --read a -i b", 12),
            ("pcapper --extended ::1 --extended 0.0.0.0:7", 0),
            ("pcapper --extended here", 12),
            ("pcapper --cert a --key b", 12),
            ("pcapper --extended ::1 --cert a", 12),
            ("pcapper --extended ::1 --client-ca a", 12),
            ("pcapper --extended ::1 --cert a --key b --client-ca c", 0),
        ] {
            assert_eq!(code(line), expected, "{line}");
        }
    }
}
