//! The flags for how packets are worked on: by how many threads, and how much is remembered of them.

use std::thread;

use clap::Args;
use clap::builder::PossibleValuesParser;
use netcap_pipeline::{Config, FlowLimits, FragmentLimits, OverlapPolicy, StreamLimits};

/// By how many threads packets are worked on, and the limits of what is remembered of them.
#[derive(Debug, Args)]
pub struct PipelineFlags {
    /// Threads that dissect packets, 1 to 4096 [default: number of cores]
    ///
    /// The files are the same whatever the number. More threads than cores are of no use.
    #[arg(
        long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096),
        help_heading = "Collect"
    )]
    workers: Option<u16>,

    /// Packets in a batch, for tests: the files are the same whatever the number
    #[arg(long, value_name = "N", hide = true, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: Option<u32>,

    /// Seconds without a packet, in the time of the capture, after which a flow ends; 0 is never
    ///
    /// Of Flow, LinkFlow, NetworkFlow and TransportFlow. A later packet begins a new record.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = FlowLimits::default().flow_timeout,
        help_heading = "Flows and streams"
    )]
    flow_timeout: u32,

    /// The same for Connection
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = FlowLimits::default().connection_timeout,
        help_heading = "Flows and streams"
    )]
    conn_timeout: u32,

    /// Leave VLAN tags out of what tells flows and streams apart
    ///
    /// For captures of mirror ports that tag one direction only: with the tags each direction would
    /// be a connection of its own.
    #[arg(long, help_heading = "Flows and streams")]
    ignore_vlans: bool,

    /// Flows of each kind that may be open at a time
    ///
    /// Beyond that the idlest flow of a single packet ends early, or the idlest of all where each
    /// has more; the summary counts those. A table with room for 8192 or more is kept in eight parts
    /// by address and port, each with an eighth of the room; so are streams, if -stream-memory is 32
    /// or more.
    #[arg(
        long,
        value_name = "N",
        default_value_t = FlowLimits::default().entries,
        help_heading = "Flows and streams"
    )]
    max_flows: usize,

    /// Megabytes of IP fragments that may wait for the rest of their datagrams
    #[arg(
        long,
        value_name = "MB",
        default_value_t = FragmentLimits::default().octets >> 20,
        help_heading = "Flows and streams"
    )]
    fragment_memory: usize,

    /// Seconds that octets of a TCP stream wait for those missing before them
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = StreamLimits::default().data_timeout,
        help_heading = "Flows and streams"
    )]
    tcp_timeout: u32,

    /// Seconds without a segment after which a TCP stream ends
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = StreamLimits::default().close_timeout,
        help_heading = "Flows and streams"
    )]
    tcp_close_timeout: u32,

    /// Which octets count where TCP segments that came early contradict each other
    ///
    /// Those of the segment that came first or last, or what the stacks of BSD and Linux keep.
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "bsd",
        value_parser = PossibleValuesParser::new(["first", "last", "bsd", "linux"]),
        help_heading = "Flows and streams"
    )]
    overlap: String,

    /// TCP streams that may be open at a time
    #[arg(
        long,
        value_name = "N",
        default_value_t = StreamLimits::default().streams,
        help_heading = "Flows and streams"
    )]
    max_streams: usize,

    /// Megabytes of all TCP streams that may wait for octets missing before them or for the rest of
    /// their messages
    #[arg(
        long,
        value_name = "MB",
        default_value_t = StreamLimits::default().octets >> 20,
        help_heading = "Flows and streams"
    )]
    stream_memory: usize,
}

impl PipelineFlags {
    /// What these flags say of a run; all else is as by default.
    pub(crate) fn config(&self) -> Config {
        let default = Config::default();
        Config {
            workers: self.workers.map_or_else(cores, usize::from),
            batch_packets: self
                .batch
                .map_or(default.batch_packets, |packets| packets as usize),
            flows: FlowLimits {
                flow_timeout: self.flow_timeout,
                connection_timeout: self.conn_timeout,
                entries: self.max_flows,
            },
            ignore_vlans: self.ignore_vlans,
            fragments: FragmentLimits {
                octets: self.fragment_memory << 20,
                ..FragmentLimits::default()
            },
            streams: self.stream_limits(),
            ..default
        }
    }

    /// How TCP streams are put together.
    fn stream_limits(&self) -> StreamLimits {
        StreamLimits {
            streams: self.max_streams,
            octets: self.stream_memory << 20,
            close_timeout: self.tcp_close_timeout,
            data_timeout: self.tcp_timeout,
            policy: match self.overlap.as_str() {
                "last" => OverlapPolicy::Last,
                "bsd" => OverlapPolicy::Bsd,
                "linux" => OverlapPolicy::Linux,
                _ => OverlapPolicy::First,
            },
            ..StreamLimits::default()
        }
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        pipeline: PipelineFlags,
    }

    #[test]
    fn without_flags_the_defaults_of_the_library_hold() {
        let ours = Flags::parse_from(["program"]).pipeline.config();
        let theirs = Config {
            workers: cores(),
            ..Config::default()
        };
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    }
}
