//! What an observation is of, and the line that a collector prints for it:
//! `SECONDS.MICROSECONDS:AGENT:TYPE:VALUE:LEVEL`.
//!
//! Guarantees: the first rule that holds gives the packet's own level, each further one a line of level
//! 1, as in 2019; a packet that no rule holds is of type `X`; records about hosts count as such only where
//! they say the protocol that agents use for them.

use std::fmt;
use std::io::Write;

use crate::config::{Config, Matches, Rule};
use crate::observation::Observation;
use crate::record::Record;

/// The protocol number that statistics have.
const STATISTICS: u8 = 61;
/// Octets in a unit of memory.
const MEMORY_UNIT: u64 = 256 * 1024;

/// What traffic is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A type of the configuration.
    Type(u16),
    /// No type.
    Unknown,
    /// How busy the processor of the agent's host is, in percent.
    Processor,
    /// How much memory is in use there, in octets.
    Memory,
}

impl fmt::Display for Kind {
    /// As lines of the collector have it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Type(id) => id.fmt(out),
            Kind::Unknown => out.write_str("X"),
            Kind::Processor => out.write_str("C"),
            Kind::Memory => out.write_str("M"),
        }
    }
}

impl Kind {
    /// Whether it is traffic, and no statistic of a host.
    pub fn is_traffic(self) -> bool {
        !matches!(self, Kind::Processor | Kind::Memory)
    }
}

/// One line of the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding<'a> {
    /// What the record is of.
    pub kind: Kind,
    /// Bits of traffic, percent, or octets.
    pub value: u64,
    /// Whether it is relayed traffic, or the same record once more.
    pub is_secondary: bool,
    /// Whether it is the same record once more, as a further rule holds.
    pub is_repeated: bool,
    /// The rule that holds, if one does.
    pub rule: Option<&'a Rule>,
}

/// What an observation is of: of a packet at least one finding. Without `has_statistics` records about hosts
/// are traffic like any other, as in 2019, and what the extended stream tells of hosts is left out.
pub fn findings<'a>(
    config: &'a Config,
    observation: impl Into<Observation<'a>>,
    has_statistics: bool,
) -> impl Iterator<Item = Finding<'a>> {
    let observation = observation.into();
    let statistics = match has_statistics {
        true => statistics(observation),
        false => [None; 2],
    };
    let is_host = statistics[0].is_some() || matches!(observation, Observation::Machine(..));
    let rules = config.rules.iter().filter(move |_| !is_host);
    let mut rules = rules
        .filter(move |rule| holds(rule, observation))
        .peekable();
    let bits = 8 * u64::from(observation.octets());
    let is_unknown = !is_host && rules.peek().is_none();
    let unknown = is_unknown.then_some((Kind::Unknown, bits, None));
    let traffic = rules.map(move |rule| (Kind::Type(rule.id), bits, Some(rule)));
    let hosts = statistics.into_iter().flatten();
    let hosts = hosts.map(|(kind, value)| (kind, value, None));
    let found = hosts.chain(traffic).chain(unknown).enumerate();
    found.map(move |(place, (kind, value, rule))| {
        let is_repeated = place > 0 && kind.is_traffic();
        Finding {
            kind,
            value,
            is_secondary: observation.is_inner() || is_repeated,
            is_repeated,
            rule,
        }
    })
}

fn holds(rule: &Rule, observation: Observation<'_>) -> bool {
    match &rule.what {
        Matches::Port(ports) => {
            let port = observation.destination_port();
            port.is_some_and(|port| ports.contains(&port))
        }
        Matches::Flow(flows) => observation.flow_id().is_some_and(|id| flows.contains(&id)),
    }
}

/// What is told of a host.
fn statistics(observation: Observation<'_>) -> [Option<(Kind, u64)>; 2] {
    match observation {
        Observation::Record(record) => [told_by(record), None],
        Observation::Packet(_) => [None; 2],
        Observation::Machine(_, machine) => [
            Some((Kind::Processor, machine.busy.into())),
            Some((Kind::Memory, machine.memory)),
        ],
    }
}

/// What a record says of a host. Agents write a small number as both addresses, in the order of octets that
/// their machine has.
fn told_by(record: &Record) -> Option<(Kind, u64)> {
    let [source, destination] = [record.source, record.destination].map(u32::from);
    let ports = (record.source_port, record.destination_port);
    if record.protocol != STATISTICS || source != destination || ports.0 != ports.1 {
        return None;
    }
    let is = |number: u32, flow_id| {
        [number, number.swap_bytes()].contains(&source)
            && u32::from(ports.0) == number
            && record.flow_id == flow_id
    };
    let length = u64::from(record.length);
    match () {
        () if is(1, 0xffff_ffff) => Some((Kind::Processor, length)),
        () if is(2, 0xffff_fffe) => Some((Kind::Memory, length * MEMORY_UNIT)),
        () => None,
    }
}

/// Appends the line of a finding, with its end.
pub fn write_line<'a>(
    label: &str,
    observation: impl Into<Observation<'a>>,
    finding: &Finding<'_>,
    out: &mut Vec<u8>,
) {
    let (seconds, nanoseconds) = observation.into().time();
    let microseconds = nanoseconds / 1000;
    let (kind, value, level) = (finding.kind, finding.value, u8::from(finding.is_secondary));
    // A vector takes whatever is written.
    let _ = writeln!(
        out,
        "{seconds}.{microseconds:06}:{label}:{kind}:{value}:{level}"
    );
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::path::Path;

    use super::*;

    const RECORD: Record = Record {
        seconds: 1_700_000_000,
        microseconds: 1,
        source: Ipv4Addr::new(10, 0, 0, 1),
        destination: Ipv4Addr::new(10, 0, 0, 2),
        source_port: 2000,
        destination_port: 4000,
        length: 100,
        flow_id: 0,
        protocol: 17,
        flags: 0,
    };

    fn lines(record: Record, has_statistics: bool) -> String {
        let mut config = Config::default();
        let text = "1=2000\n2=M1000\n3=2020-2029\n4=M1050-2000\n6=3000-4000\n5=3333\n1=5000";
        assert_eq!(config.parse(Path::new("a.conf"), text), []);
        let mut out = Vec::new();
        for finding in findings(&config, &record, has_statistics) {
            write_line("lab", &record, &finding, &mut out);
        }
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn rules_look_at_the_destination_and_the_flow() {
        let record = |destination_port, flow_id| Record {
            destination_port,
            flow_id,
            ..RECORD
        };
        for (port, flow, expected) in [
            (1999, 0, &["X:800:0"][..]),
            (2000, 0, &["1:800:0"]),
            (5000, 1000, &["2:800:0", "1:800:1"]),
            (3333, 2001, &["6:800:0", "5:800:1"]),
            (2029, 2000, &["3:800:0", "4:800:1"]),
            (0, 0, &["X:800:0"]),
        ] {
            let found = lines(record(port, flow), false);
            let expected = expected.iter();
            let expected: String = expected
                .map(|rest| format!("1700000000.000001:lab:{rest}\n"))
                .collect();
            assert_eq!(found, expected, "{port} {flow}");
        }
        let secondary = Record {
            flags: 7,
            ..record(2000, 1000)
        };
        let expected = "1700000000.000001:lab:1:800:1\n1700000000.000001:lab:2:800:1\n";
        assert_eq!(lines(secondary, false), expected);
    }

    #[test]
    fn statistics_are_of_their_protocol_and_either_order_of_octets() {
        let record = |number: u8, is_little, flow_id, protocol| {
            let address = match is_little {
                true => Ipv4Addr::new(number, 0, 0, 0),
                false => Ipv4Addr::new(0, 0, 0, number),
            };
            Record {
                source: address,
                destination: address,
                source_port: number.into(),
                destination_port: number.into(),
                length: 40_000,
                flow_id,
                protocol,
                ..RECORD
            }
        };
        for is_little in [true, false] {
            let processor = record(1, is_little, 0xffff_ffff, 61);
            assert_eq!(lines(processor, true), "1700000000.000001:lab:C:40000:0\n");
            assert_eq!(
                lines(processor, false),
                "1700000000.000001:lab:X:320000:0\n"
            );
            let memory = record(2, is_little, 0xffff_fffe, 61);
            assert_eq!(
                lines(memory, true),
                "1700000000.000001:lab:M:10485760000:0\n"
            );
        }
        for forged in [
            record(1, true, 0xffff_ffff, 17),
            record(1, true, 0xffff_fffe, 61),
        ] {
            assert_eq!(lines(forged, true), "1700000000.000001:lab:X:320000:0\n");
        }
    }
}
