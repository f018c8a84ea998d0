//! The tools that are measured, in the order of the table.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::measure::{self, Cost, Measured};
use crate::arguments::Size;
use crate::capture_file::{PACKET_HEADER, Written};

/// The fields that `tshark -T fields` prints: about what netcap's records of headers hold.
const TSHARK_FIELDS: &str = "frame.time_epoch eth.src eth.dst eth.type ip.src ip.dst ip.proto ip.len ip.ttl \
    ipv6.src ipv6.dst tcp.srcport tcp.dstport tcp.seq tcp.ack tcp.flags tcp.window_size_value udp.srcport \
    udp.dstport udp.length dns.qry.name";

/// Where things are.
pub(super) struct Places {
    /// This program, for the parts that run as its children.
    xtask: PathBuf,
    /// `None` if it does not build.
    pub(super) netcap: Option<PathBuf>,
    pub(super) captures: PathBuf,
    /// Folders for the records of the last complete run.
    plain: PathBuf,
    gzip: PathBuf,
}

impl Places {
    /// Finds the target folder, which this program runs from.
    pub(super) fn find(netcap_built: bool) -> Result<Self> {
        let xtask = std::env::current_exe()?;
        let target = xtask
            .ancestors()
            .nth(2)
            .context("this program is not in a target folder")?;
        let captures = target.join("bench");
        Ok(Self {
            netcap: netcap_built.then(|| target.join("release/netcap")),
            plain: captures.join("records-plain"),
            gzip: captures.join("records-gzip"),
            captures,
            xtask,
        })
    }
}

/// A smaller capture for tools that would take too long on the whole one.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    /// About so many packets.
    Packets(u64),
    Octets(u64),
}

impl Limit {
    /// The size of a capture with packets such as those of `whole`.
    pub(super) fn size(self, whole: &Written) -> Size {
        match self {
            // In whole megabytes: the name of the capture stays short.
            Self::Packets(count) => {
                let octets = count as f64 * (whole.mean() + PACKET_HEADER as f64);
                Size((octets / 1e6).ceil() as u64 * 1_000_000)
            }
            Self::Octets(octets) => Size(octets),
        }
    }
}

/// Makes the command for a capture, and readies what it needs.
type Prepare = dyn Fn(&Path) -> Result<Command>;
/// Judges a run that ended well.
type Check = dyn Fn(&Cost) -> Result<()>;

/// One row of the table.
pub(super) struct Tool {
    pub(super) name: String,
    /// Runs on at most so much of the capture.
    pub(super) limit: Option<Limit>,
    /// Runs in at most so many rounds.
    pub(super) rounds: usize,
    /// What to run; an error tells what is missing.
    command: Box<Prepare>,
    /// Whether the run did what it should.
    check: Box<Check>,
}

impl Tool {
    fn new(name: impl Into<String>, command: impl Fn(&Path) -> Result<Command> + 'static) -> Self {
        let (name, command, check) = (name.into(), Box::new(command), Box::new(|_: &Cost| Ok(())));
        Self {
            name,
            limit: None,
            rounds: usize::MAX,
            command,
            check,
        }
    }

    /// Runs it on `capture` twice: watched, for the peak of memory, then for the time, when the
    /// machine's caches hold what this tool leaves there and not what the one before it left.
    pub(super) fn run(&self, capture: &Path) -> Result<Cost> {
        let peak = self.measure(capture, Measured::TimeAndPeak)?.peak;
        let cost = self.measure(capture, Measured::Time)?;
        Ok(Cost { peak, ..cost })
    }

    fn measure(&self, capture: &Path, measured: Measured) -> Result<Cost> {
        let cost = measure::run(&mut (self.command)(capture)?, measured)?;
        (self.check)(&cost)?;
        Ok(cost)
    }
}

/// Whether netcap compresses its records.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Plain,
    Gzip,
}

/// The row names that ratios refer to.
pub(super) const NETCAP_PLAIN: &str = "netcap, uncompressed";
pub(super) const NETCAP_GZIP: &str = "netcap, gzip";
/// What comes of more than one packet; the rest comes of layers.
const STATE: &str = "Connection,Flow,LinkFlow,NetworkFlow,TransportFlow,HTTP,TLS";
/// What flow exporters give.
const FLOWS: &str = "Connection,Flow";
/// The row name of the anchor.
pub(super) const ANCHOR: &str = "headers sliced";
/// The row name of compression alone.
pub(super) const LIBDEFLATE: &str = "libdeflate 1 over netcap's records";

/// All tools, present or not.
pub(super) fn all(places: &Places) -> Vec<Tool> {
    vec![
        slice_headers(places),
        netcap(places, NETCAP_PLAIN, Compression::Plain, &[]),
        libdeflate(places),
        netcap(places, NETCAP_GZIP, Compression::Gzip, &[]),
        netcap(
            places,
            "netcap, layers, uncompressed",
            Compression::Plain,
            &["-exclude", STATE],
        ),
        netcap(
            places,
            "netcap, layers, gzip",
            Compression::Gzip,
            &["-exclude", STATE],
        ),
        netcap(
            places,
            "netcap, flows, uncompressed",
            Compression::Plain,
            &["-include", FLOWS],
        ),
        softflowd(),
        tshark("fields"),
        tshark("ek"),
    ]
}

fn slice_headers(places: &Places) -> Tool {
    let xtask = places.xtask.clone();
    Tool::new(ANCHOR, move |capture| {
        let mut command = Command::new(&xtask);
        command
            .arg("slice-headers")
            .arg(capture)
            .stdout(Stdio::piped());
        Ok(command)
    })
}

/// netcap with one worker. Of the run with everything the records are kept for others.
pub(super) fn netcap(
    places: &Places,
    name: &str,
    compression: Compression,
    selection: &'static [&'static str],
) -> Tool {
    let records = match (compression, selection) {
        (Compression::Plain, []) => places.plain.clone(),
        (Compression::Gzip, []) => places.gzip.clone(),
        _ => places.plain.with_extension("selected"),
    };
    let unfinished = records.with_extension("unfinished");
    let (program, done, out) = (places.netcap.clone(), records.clone(), unfinished.clone());
    let mut tool = Tool::new(name, move |capture| {
        remove(&done)?;
        remove(&out)?;
        let program = program.as_ref().context("does not build")?;
        fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;
        let mut command = Command::new(program);
        let plain = (compression == Compression::Plain).then_some("-comp=false");
        command
            .args(["-workers", "1"])
            .args(plain)
            .args(selection)
            .arg("-out")
            .arg(&out);
        command.arg("-r").arg(capture).stdout(Stdio::null());
        Ok(command)
    });
    tool.check = Box::new(move |_| {
        if !wrote_records(&unfinished, compression) {
            bail!("ran, but wrote no records");
        }
        Ok(fs::rename(&unfinished, &records)?)
    });
    tool
}

/// Removes a folder, if there is one.
fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    Ok(())
}

fn wrote_records(folder: &Path, compression: Compression) -> bool {
    let suffix = match compression {
        Compression::Plain => ".ncap",
        Compression::Gzip => ".ncap.gz",
    };
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| entry.file_name().to_string_lossy().ends_with(suffix))
}

/// Compresses what [`netcap`] wrote in the same round.
fn libdeflate(places: &Places) -> Tool {
    let (xtask, records) = (places.xtask.clone(), places.plain.clone());
    Tool::new(LIBDEFLATE, move |_| {
        if !wrote_records(&records, Compression::Plain) {
            bail!("needs the records of netcap");
        }
        let mut command = Command::new(&xtask);
        command.arg("compress").arg(&records).stdout(Stdio::piped());
        Ok(command)
    })
}

/// Flows only, exported to a port where nobody listens.
fn softflowd() -> Tool {
    let version = version("softflowd", "-h");
    let mut tool = Tool::new(titled("softflowd", &version), move |capture| {
        if version.is_none() {
            bail!("not installed");
        }
        let mut command = Command::new("softflowd");
        command
            .arg("-r")
            .arg(capture)
            .args(["-n", "127.0.0.1:9995", "-d"])
            .stdout(Stdio::null());
        Ok(command)
    });
    tool.name.push_str(" (flows)");
    tool
}

fn tshark(output: &'static str) -> Tool {
    let version = version("tshark", "--version");
    let name = format!("{} -T {output}", titled("tshark", &version));
    let mut tool = Tool::new(name, move |capture| {
        if version.is_none() {
            bail!("not installed");
        }
        let mut command = Command::new("tshark");
        command
            .arg("-n")
            .arg("-r")
            .arg(capture)
            .args(["-T", output])
            .stdout(Stdio::null());
        if output == "fields" {
            command.args(
                TSHARK_FIELDS
                    .split_whitespace()
                    .flat_map(|field| ["-e", field]),
            );
        }
        Ok(command)
    });
    if output == "fields" {
        tool.limit = Some(Limit::Packets(150_000));
    } else {
        (tool.limit, tool.rounds) = (Some(Limit::Octets(10_000_000)), 1);
    }
    tool
}

fn titled(program: &str, version: &Option<String>) -> String {
    match version {
        Some(version) => format!("{program} {version}"),
        None => program.to_owned(),
    }
}

/// The first word like `1.2.3` that a program says about itself; empty if it says none, `None` if
/// there is no such program.
fn version(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let said = [output.stdout, output.stderr].concat();
    let is_version =
        |word: &&str| word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    let text = String::from_utf8_lossy(&said);
    let version = text.split_whitespace().find(is_version).unwrap_or_default();
    Some(version.trim_end_matches('.').to_owned())
}
