//! The flags for where packets come from: files, interfaces, peers, and which of their packets.
//!
//! What names files (`-r`, what stands alone) is each program's own, as programs differ in what else
//! they read.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args};
use netcap_capture::libpcap::{self, LibpcapError, LiveOptions};
use netcap_capture::pcap_over_ip::Address;
use netcap_capture::{Filter, LinkType, Source, open_interfaces};
use netcap_pipeline::RunLimits;

use crate::failure::Failure;
use crate::given::Given;
use crate::interfaces::same_interface;
use crate::peers::{self, News, ReaderFlags, Terms};
use crate::program::Program;
use crate::quantity::time;
use crate::tls_flags::TlsFlags;

/// Where packets come from, other than files; which of them are taken, and for how long.
#[derive(Debug, Args)]
pub struct InputFlags {
    /// Keep only packets that match this expression of tcpdump's language, as in 'tcp port 443'
    ///
    /// It is compiled by libpcap for the link type of each packet; `man pcap-filter` tells the
    /// language. Other packets are counted as filtered, and give no records. In live capture the
    /// kernel filters, and what it leaves out is not counted. Captures and interfaces only.
    #[arg(
        long,
        alias = "filter",
        value_name = "EXPRESSION",
        help_heading = "Input"
    )]
    bpf: Option<String>,

    /// First layer of all packets, whatever the capture says: ethernet, usb, or a link type's name
    /// or number
    #[arg(long, value_name = "LINK", value_parser = link_type, help_heading = "Input")]
    base: Option<u32>,

    /// End after so many packets
    #[arg(long, value_name = "N", help_heading = "Input")]
    count: Option<u64>,

    /// Interfaces to capture from, comma separated or one by one; `any` is all of them
    ///
    /// Captures until Ctrl-C or SIGTERM. Several are merged in order of time. Needs libpcap and the
    /// permission to capture: that of root, or a capability, which the error message names. Also takes
    /// the addresses that -r takes.
    #[arg(
        long,
        aliases = ["interface", "i"],
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = NonEmptyStringValueParser::new(),
        display_order = 0,
        help_heading = "Live capture"
    )]
    iface: Vec<String>,

    /// Also capture packets that are not for this host [default: true]
    #[arg(
        long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", hide_possible_values = true, help_heading = "Live capture"
    )]
    promisc: Option<bool>,

    /// Octets kept of each packet [default: 262144]
    #[arg(
        long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=262_144),
        help_heading = "Live capture"
    )]
    snaplen: Option<u32>,

    /// Megabytes of packets that the kernel holds for each interface while netcap is busy [default: 16]
    #[arg(
        long, value_name = "MB", value_parser = clap::value_parser!(u32).range(1..=2047),
        help_heading = "Live capture"
    )]
    ring: Option<u32>,

    /// End after this time: 10s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Live capture")]
    duration: Option<Duration>,

    /// Become this user once the interfaces are open
    ///
    /// By default the user who called sudo; without sudo root stays root. `-user root` stays root in
    /// any case.
    #[arg(long, value_name = "NAME", help_heading = "Live capture")]
    pub(crate) user: Option<String>,

    #[command(flatten)]
    reader: Given<ReaderFlags>,

    #[command(flatten)]
    tls: Given<TlsFlags>,
}

/// What a command line names to be read: all of one kind, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// Files and pipes, merged in order of time; `-` is standard input. None, where nothing was named.
    Files(Vec<PathBuf>),
    /// Interfaces, at least one.
    Interfaces(Vec<String>),
    /// Peers of PCAP-over-IP, at least one.
    Peers(Vec<Address>),
}

impl InputFlags {
    /// What is to be read. `files` is what the program's own flags name; addresses may be among them,
    /// and among the interfaces. Nothing is opened, or looked for, yet.
    ///
    /// # Errors
    ///
    /// Inputs of more than one kind, an address that is none, and flags for peers where there are none.
    pub fn inputs(&self, program: &Program, files: Vec<PathBuf>) -> Result<Inputs, Failure> {
        let names = files.iter().map(|file| file.to_string_lossy().into_owned());
        let names: Vec<String> = names.chain(self.iface.iter().cloned()).collect();
        let addresses = peers::addresses(&names)?;
        if !addresses.is_empty() {
            return Ok(Inputs::Peers(addresses));
        }
        if let Some(flag) = self.reader.given().or(self.tls.given()) {
            let flag = program.flag(flag);
            return Err(Failure::Usage(format!(
                "{flag} is for PCAP-over-IP, and no input is an address; addresses look like \
                 tcp://sensor:57012"
            )));
        }
        if let Some((name, other)) = same_interface(&self.iface) {
            let what = match name == other {
                true => format!("{name} is given twice"),
                false => format!("{name} and {other} are the same interface"),
            };
            return Err(Failure::Usage(format!(
                "{what}, and every packet would count twice; name each interface once"
            )));
        }
        if self.iface.len() > 1 && self.iface.iter().any(|name| name == "any") {
            return Err(Failure::Usage(
                "`any` is all interfaces, and packets of those named beside it would count twice; name \
                 `any` alone, or the others"
                    .to_owned(),
            ));
        }
        match (self.iface.first(), files.first()) {
            (None, _) => Ok(Inputs::Files(files)),
            (Some(_), None) => Ok(Inputs::Interfaces(self.iface.clone())),
            (Some(interface), Some(file)) => Err(Failure::Usage(format!(
                "{interface} and {}: interfaces and files cannot be read in one run",
                file.display()
            ))),
        }
    }

    /// Whether a peer of PCAP-over-IP is read once, and not connected to again.
    pub fn reads_once(&self) -> bool {
        self.reader.once
    }

    /// What packets must match, if anything, as it was given. Only captures can be asked.
    pub fn expression(&self) -> Option<&str> {
        self.bpf.as_deref()
    }

    /// What packets must match, if anything.
    pub(crate) fn filter(&self) -> Result<Option<Arc<Filter>>, Failure> {
        let Some(expression) = self.bpf.as_deref().filter(|text| !text.trim().is_empty()) else {
            return Ok(None);
        };
        Ok(Some(Arc::new(Filter::new(expression)?)))
    }

    /// The link type that packets are taken for, if not their own.
    pub(crate) fn base(&self) -> Option<u32> {
        self.base
    }

    /// After how many packets the run ends.
    pub fn count(&self) -> Option<u64> {
        self.count
    }

    /// When the run ends by itself.
    pub(crate) fn run_limits(&self) -> RunLimits {
        RunLimits {
            packets: self.count,
            time: self.duration,
        }
    }

    /// Opens the interfaces; the kernel filters.
    pub(crate) fn open_interfaces(
        &self,
        names: &[String],
        filter: Option<&Filter>,
    ) -> Result<Box<dyn Source>, Failure> {
        let default = LiveOptions::default();
        let options = LiveOptions {
            snaplen: self.snaplen.unwrap_or(default.snaplen),
            promiscuous: self.promisc.unwrap_or(default.promiscuous),
            ring: self.ring.map_or(default.ring, |megabytes| megabytes << 20),
            ..default
        };
        open_interfaces(names, &options, filter).map_err(|error| match error {
            netcap_capture::Error::Libpcap(LibpcapError::NoSuchInterface(name)) => {
                no_such_interface(&name)
            }
            error => error.into(),
        })
    }

    /// Opens the files.
    pub(crate) fn open_files(&self, paths: &[PathBuf]) -> Result<Box<dyn Source>, Failure> {
        let sources = paths.iter().map(|path| netcap_capture::open(path));
        Ok(netcap_capture::merge(sources.collect::<Result<_, _>>()?))
    }

    /// Says of flags for interfaces that they do nothing here, as scripts of 2019 may have them, and
    /// refuses the others.
    pub(crate) fn check_without_interfaces(&self, program: &Program) -> Result<(), Failure> {
        let given = [
            ("promisc", self.promisc.is_some()),
            ("snaplen", self.snaplen.is_some()),
        ];
        for (flag, _) in given.iter().filter(|(_, is_given)| *is_given) {
            let (flag, interfaces) = (program.flag(flag), program.flag("iface"));
            program.note(format_args!("{flag} has no effect without {interfaces}"));
        }
        match self.ring {
            Some(_) => Err(Failure::Usage(format!(
                "{} is for live capture; it needs {}",
                program.flag("ring"),
                program.flag("iface")
            ))),
            None => Ok(()),
        }
    }

    /// Connects to the peers and listens for them.
    pub(crate) fn open_peers(
        &self,
        program: &'static Program,
        addresses: Vec<Address>,
        news: News,
    ) -> Result<Box<dyn Source>, Failure> {
        self.tls.check(program, &addresses)?;
        let terms = Terms {
            news,
            requires_tls: false,
        };
        let reader = self.reader.open(program, addresses, &self.tls, terms)?;
        Ok(Box::new(reader))
    }

    /// Refuses what makes sense only where packets come as they happen.
    pub(crate) fn check_live(&self, program: &Program, source: &dyn Source) -> Result<(), Failure> {
        let (name, flag) = (program.name, |long| program.flag(long));
        let refused = if source.is_live() {
            None
        } else if self.duration.is_some() {
            Some(format!(
                "{} is for live capture; `timeout -s INT 10 {name} ...` ends a pipe cleanly",
                flag("duration")
            ))
        } else if self.user.is_some() {
            Some(format!(
                "{} is for live capture; use `sudo -u NAME {name} ...`",
                flag("user")
            ))
        } else {
            None
        };
        match refused {
            Some(message) => Err(Failure::Usage(message)),
            None => Ok(()),
        }
    }
}

/// Says that there is no such interface, and which there are.
fn no_such_interface(name: &str) -> Failure {
    let known = libpcap::interfaces().unwrap_or_default();
    let known: Vec<String> = known.into_iter().map(|interface| interface.name).collect();
    let name = name.escape_debug();
    Failure::Environment(match known.as_slice() {
        [] => format!("{name}: no such interface; this user sees none, root may see more"),
        known => format!("{name}: no such interface; there are {}", known.join(", ")),
    })
}

/// Reads the value of `-base`.
fn link_type(name: &str) -> Result<u32, String> {
    let wanted = match name {
        "usb" => LinkType::USB_LINUX_MMAPPED.to_string(),
        name => name.to_uppercase(),
    };
    if let Ok(number) = wanted.parse() {
        return Ok(number);
    }
    (0..=u32::from(u16::MAX))
        .find(|number| LinkType(*number).name() == Some(&wanted))
        .ok_or_else(|| {
            "not ethernet, usb, or a name or number of tcpdump.org/linktypes.html".to_owned()
        })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::spelling::Spelling;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        input: InputFlags,
    }

    const PROGRAM: &Program = &Program {
        name: "program",
        spelling: Spelling::Go,
        unwritable: 2,
    };

    fn inputs(flags: &[&str], files: &[&str]) -> Result<Inputs, String> {
        let flags = Flags::parse_from([&["program"], flags].concat());
        let files = files.iter().map(PathBuf::from).collect();
        let inputs = flags.input.inputs(PROGRAM, files);
        inputs.map_err(|failure| failure.to_string())
    }

    #[test]
    fn link_types_by_name_and_number() {
        let numbers = ["ethernet", "usb", "linux_sll2", "113"].map(link_type);
        assert_eq!(numbers, [Ok(1), Ok(220), Ok(276), Ok(113)]);
        assert!(link_type("token-ring").is_err());
    }

    #[test]
    fn inputs_are_of_one_kind() {
        let files = Inputs::Files(vec!["a.pcap".into(), "-".into()]);
        assert_eq!(inputs(&[], &["a.pcap", "-"]), Ok(files));
        assert_eq!(inputs(&[], &[]), Ok(Inputs::Files(Vec::new())));
        let interfaces = Inputs::Interfaces(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(inputs(&["--iface", "a,b"], &[]), Ok(interfaces));
        for (flags, files) in [(&[][..], &["tcp://h"][..]), (&["--iface=tcp://h"], &[])] {
            assert!(matches!(inputs(flags, files), Ok(Inputs::Peers(all)) if all.len() == 1));
        }
        for (flags, files, expected) in [
            (&["--iface=a"][..], &["a.pcap"][..], "interfaces and files"),
            (&["--iface=a"], &["tcp://h"], "two runs"),
            (&["--iface=a,b,a"], &[], "a is given twice"),
            (&["--iface=any,a"], &[], "`any` is all"),
            (&["--once"], &["a.pcap"], "-once is for PCAP-over-IP"),
            (&["--insecure"], &[], "-insecure is for PCAP-over-IP"),
        ] {
            let message = inputs(flags, files).expect_err("refused");
            assert!(message.contains(expected), "{message}");
        }
    }
}
