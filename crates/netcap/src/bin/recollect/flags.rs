//! The flags of the command line, as data: reading them does nothing yet.

use std::ffi::OsString;
use std::io::{IsTerminal, stdout};
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser};
use netcap_agent::collect::{Format, Seek, Speed};
use netcap_shell::metrics::MetricsFlags;
use netcap_shell::quantity::seconds;
use netcap_shell::{Failure, Given, HostPort, Retired, TlsConnectFlags, exit_codes, signals};

use crate::PROGRAM;

/// One line for each packet that agents report, from any number of hosts.
///
/// Connects to the agents of a configuration (see pcapper), as long as it runs, and prints what traffic each
/// of their packets is: SECONDS.MICROSECONDS:AGENT:TYPE:BITS:LEVEL. Types are told by destination port or
/// by the flow of MGEN; X is what no rule holds; of several rules that hold, all but the first give
/// level 1, as does relayed traffic.
#[derive(Debug, Parser)]
#[command(
    name = "recollect",
    version,
    after_help = "recollect --help tells more, with examples.",
    after_long_help = format!("{EXAMPLES}\n\n{}\n\n{}\n\n{MORE_CODES}", signals::IN_HELP, exit_codes(&[4, 5]))
)]
pub(crate) struct Flags {
    /// Configuration: types of traffic, and where agents are
    ///
    /// Lines as `1=5000`, `2=5001-5010`, `2=M100-199` say what is of a type: destination ports, or flows of
    /// MGEN. Lines as `lab:192.0.2.7:7073` say where an agent is, and what it is called; behind it may stand
    /// `extended` (it is one of the extended stream), `tls`, and `pin=sha256/...`. `[Video]` names type 1 if it
    /// is the first such line, and so on. The rest of a line after `#` or `;` is a comment.
    #[arg(
        short = 'c',
        long,
        value_name = "FILE",
        default_value = "collector.conf"
    )]
    pub(crate) config: PathBuf,

    /// Names of the types, from a configuration of the grapher of 2019
    #[arg(long, value_name = "FILE")]
    pub(crate) names: Option<PathBuf>,

    /// Only say whether the configuration is right, and what is wrong with it
    #[arg(long)]
    pub(crate) check: bool,

    /// One JSON object per line, with everything that is known of the packet
    #[arg(long)]
    pub(crate) json: bool,

    /// Tell processor and memory of the hosts of agents that report them, as types C and M; otherwise such
    /// reports are of type X, as in 2019
    #[arg(long)]
    pub(crate) statistics: bool,

    /// Leave packets that an agent received out of lines and views, so that those at whose two ends agents
    /// are count once
    ///
    /// Flows have both ends all the same. Records of the first stream do not say which way a packet went, and
    /// stay in.
    #[arg(long)]
    pub(crate) sent_only: bool,

    /// Say only what is wrong
    #[arg(long)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) flows: Given<FlowFlags>,

    #[command(flatten)]
    pub(crate) view: ViewFlags,

    #[command(flatten)]
    pub(crate) metrics: MetricsFlags,

    #[command(flatten)]
    pub(crate) tls: Given<TlsConnectFlags>,

    #[command(flatten)]
    pub(crate) replay: Given<ReplayFlags>,
}

const EXAMPLES: &str = "\
Examples:
  recollect                                        of the agents in collector.conf
  recollect -c lab.conf --check                    is the configuration right?
  recollect -c lab.conf --json | jq 'select(.type == 2)'
  recollect -c lab.conf --metrics 127.0.0.1:9100   for Prometheus, too
  recollect -c lab.conf --flows                    packets lost between agents, and their delay
  recollect -c lab.conf --top                      live, on the terminal
  recollect -c lab.conf --web 127.0.0.1            live, on a page at http://127.0.0.1:8073/
  recollect -c lab.conf --replay logs --speed 10   logs/TN-*/runtime.log, ten times as fast";

/// What exit codes mean for this program in particular.
const MORE_CODES: &str = "\
As in 2019 it is 3 if a configuration cannot be opened. With --check it is 1 if a line is wrong.";

/// Flags of packets that are seen at both ends.
#[derive(Debug, Args)]
#[command(next_help_heading = "Flows")]
pub(crate) struct FlowFlags {
    /// Instead of packets tell of flows from one agent to another: packets received, lost and duplicated, and
    /// their delay
    ///
    /// A line for each flow and second, some seconds later, once it is known; at the end, a table of all flows.
    /// Two or more agents must speak the extended stream. Delays are by the clocks of the two hosts.
    #[arg(long, conflicts_with = "top")]
    pub(crate) flows: bool,

    /// Seconds that a packet may take from one agent to another, by the clocks of both; later it is lost
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = window)]
    pub(crate) window: Duration,
}

/// Flags of live views.
#[derive(Debug, Args)]
#[command(next_help_heading = "View")]
pub(crate) struct ViewFlags {
    /// Show on the terminal what comes, as it comes, instead of lines
    ///
    /// How agents are, and for each type a bar for each host and the last minutes; ? shows the keys, q quits.
    /// After the last line of a replay it stays until then.
    #[arg(long, conflicts_with_all = ["json", "lines"])]
    pub(crate) top: bool,

    /// Show on a page for browsers what comes, as it comes, at this address and port (8073 if there is none)
    ///
    /// A graph for each type, with a bar for each host and the last 31 minutes; how agents are; flows that were
    /// seen at both ends. Whoever reaches the address may look. Lines are printed too, unless standard output
    /// is a terminal. After the last line of a replay the page stays until Ctrl-C.
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = web)]
    pub(crate) web: Option<HostPort>,

    /// With --web print lines on a terminal, too
    #[arg(long)]
    pub(crate) lines: bool,
}

/// Flags of logs that are replayed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Replay")]
pub(crate) struct ReplayFlags {
    /// Instead of connecting, read logs of agents: of DIR/TN-*/runtime.log and DIR/*.log, or one FILE; may
    /// be in gzip
    ///
    /// All are put in order of time, and told with the gaps that they have, as if the packets came now. The
    /// agent of TN-07/runtime.log is called 7, that of lab.log lab.
    #[arg(id = "replay", long = "replay", value_name = "DIR|FILE")]
    pub(crate) paths: Vec<PathBuf>,

    /// How many times as fast as recorded, or max
    #[arg(long, value_name = "N", default_value = "1", value_parser = speed)]
    pub(crate) speed: Speed,

    /// Begin at this time (as 2019-06-01T12:00:00Z, or seconds since 1970), or so long after the first
    /// packet: +90, +10m
    #[arg(long, value_name = "TIME", default_value = "+0", value_parser = seek, hide_default_value = true)]
    pub(crate) seek: Seek,

    /// Seconds that a gap lasts at most
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) max_gap: Option<Duration>,

    /// Keep the times of the logs, rather than those at which lines are told
    #[arg(long)]
    pub(crate) original_time: bool,
}

impl Flags {
    /// Whether lines are printed: a terminal would be flooded with what a page shows better.
    pub(crate) fn has_lines(&self) -> bool {
        let is_page_alone = self.view.web.is_some() && !self.view.lines && !self.json;
        let is_flooded = is_page_alone && stdout().is_terminal();
        self.flows.flows || !(self.view.top || is_flooded)
    }

    /// How lines look.
    pub(crate) fn format(&self) -> Format {
        match self.json {
            true => Format::Json,
            false => Format::Classic,
        }
    }
}

/// A time that packets may take.
fn window(text: &str) -> Result<Duration, String> {
    let range = Duration::from_millis(1)..=Duration::from_secs(600);
    let time = seconds(text).ok().filter(|time| range.contains(time));
    time.ok_or_else(|| "seconds from 0.001 to 600".to_owned())
}

/// Where the page is, if nothing else is said.
const WEB_PORT: u16 = 8073;

/// An address or a name, with a port or without.
fn web(text: &str) -> Result<HostPort, String> {
    let is_bare = text.parse::<Ipv6Addr>().is_ok();
    match text.ends_with(']') || !text.contains(':') {
        _ if is_bare => HostPort::local(&format!("[{text}]:{WEB_PORT}")),
        true => HostPort::local(&format!("{text}:{WEB_PORT}")),
        false => HostPort::local(text),
    }
}

fn speed(text: &str) -> Result<Speed, String> {
    let times = text.parse().ok();
    match times.filter(|times: &f64| times.is_finite() && *times > 0.0) {
        Some(times) => Ok(Speed::Times(times)),
        None if text == "max" => Ok(Speed::Most),
        None => Err("a number over 0, as in 10 or 0.5, or max".to_owned()),
    }
}

fn seek(text: &str) -> Result<Seek, String> {
    let expected = "a time as 2019-06-01T12:00:00Z, seconds since 1970, or so long after the first \
                    packet, as in +90 or +10m";
    if let Some(after) = text.strip_prefix('+') {
        return seconds(after)
            .map(Seek::By)
            .map_err(|_| expected.to_owned());
    }
    // RFC 3339: without an offset it would be anybody's noon.
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(Seek::To(time.as_microsecond()));
    }
    let time = text.parse().ok();
    let time = time.and_then(|time| Duration::try_from_secs_f64(time).ok());
    let time = time.and_then(|time| i64::try_from(time.as_micros()).ok());
    time.map(Seek::To).ok_or_else(|| expected.to_owned())
}

/// Reads the command line. `None`: help or the version was asked for, and printed.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Option<Flags>, Failure> {
    let command = Flags::command().mut_arg("cert", |flag| {
        flag.help("Our certificate (PEM), for agents that demand one")
    });
    let flags = PROGRAM.parse(command, &Retired::default(), args)?;
    let Some(flags): Option<Flags> = flags else {
        return Ok(None);
    };
    let of_agents = flags.tls.given().or(flags.flows.given());
    let of_agents = of_agents.or(flags.sent_only.then_some("sent_only"));
    if let (Some(flag), false) = (of_agents, flags.replay.paths.is_empty()) {
        return Err(Failure::Usage(format!(
            "{} is for connections to agents, and {} makes none; leave one of them out",
            PROGRAM.flag(flag),
            PROGRAM.flag("replay")
        )));
    }
    match flags.replay.given() {
        Some(flag) if flags.replay.paths.is_empty() => Err(Failure::Usage(format!(
            "{} is for logs: add {} DIR",
            PROGRAM.flag(flag),
            PROGRAM.flag("replay")
        ))),
        _ => Ok(Some(flags)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Flags>, Failure> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_definition_is_sound() {
        Flags::command().debug_assert();
    }

    #[test]
    fn one_dash_or_two() {
        for line in [
            "recollect -c a.conf --names b --replay x --replay y --speed 10 --seek +10m",
            "recollect -ca.conf -names=b -replay x -replay=y -speed 10 -seek=+600",
        ] {
            let flags = read(line).expect("right").expect("flags");
            assert_eq!(flags.config, PathBuf::from("a.conf"));
            assert_eq!(flags.names, Some(PathBuf::from("b")));
            assert_eq!(flags.replay.paths.len(), 2);
            assert_eq!(flags.replay.speed, Speed::Times(10.0));
            assert_eq!(flags.replay.seek, Seek::By(Duration::from_secs(600)));
        }
        let flags = read("recollect").expect("right").expect("flags");
        assert_eq!(flags.config, PathBuf::from("collector.conf"));
        let flags = read("recollect --replay x --seek 1700000000.5 --speed max");
        let flags = flags.expect("right").expect("flags");
        assert_eq!(flags.replay.seek, Seek::To(1_700_000_000_500_000));
        assert_eq!(flags.replay.speed, Speed::Most);
    }

    #[test]
    fn a_time_may_be_written_in_several_ways() {
        for text in [
            "1559390400",
            "2019-06-01T12:00:00Z",
            "2019-06-01T14:00:00.000000+02:00",
            "2019-06-01t12:00:00z",
        ] {
            assert_eq!(seek(text), Ok(Seek::To(1_559_390_400_000_000)), "{text}");
        }
        for text in [
            "2019-06-01",
            "12:00",
            "2019-06-01T12:00:00",
            "2019-13-01T12:00:00Z",
            "2019-06-01T12:00:00Zulu",
            "-1",
            "nan",
            "+",
        ] {
            assert!(seek(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_page_has_an_address() {
        for (line, expected) in [
            ("recollect --web 127.0.0.1 -c a.conf", "127.0.0.1:8073"),
            ("recollect --web 192.0.2.1", "192.0.2.1:8073"),
            ("recollect -web=lab.example:80", "lab.example:80"),
            ("recollect --web ::1", "[::1]:8073"),
            ("recollect --web [::]", "[::]:8073"),
            ("recollect --web [::1]:0 --lines", "[::1]:0"),
        ] {
            let flags = read(line).expect(line).expect("flags");
            let place = flags.view.web.expect("a place").to_string();
            assert_eq!(place, expected, "{line}");
        }
    }

    #[test]
    fn mistakes_are_one_line() {
        for line in [
            "recollect a.conf",
            "recollect -c",
            "recollect -x",
            "recollect --chek",
            "recollect --speed 2",
            "recollect --top --json",
            "recollect --replay x --speed 0",
            "recollect --web http://127.0.0.1/",
            "recollect --web 127.0.0.1:x",
            "recollect --web :8073",
            "recollect --replay x --speed fast",
            "recollect --replay x --seek tomorrow",
            "recollect --replay x --ca y",
            "recollect --replay x --flows",
            "recollect --replay x --sent-only",
            "recollect --flows --top",
            "recollect --flows --window 0",
            "recollect --flows --window 601",
            "recollect --cert x",
            "recollect --pin x",
        ] {
            let Err(Failure::Usage(message)) = read(line) else {
                panic!("{line}")
            };
            assert!(!message.contains('\n'), "{message}");
        }
    }
}
