//! What a collector finds, as a line of JSON.
//!
//! Times (`time_us`) are whole microseconds since 1970: they stay below 2^53, so that they are exact in programs too to
//! which every number is a floating-point one, and can be compared and subtracted, which texts cannot.

use std::fmt;
use std::io::Write;

use crate::classify::{Finding, Kind};
use crate::config::Config;
use crate::extended::Direction;
use crate::observation::{Numbered, Observation};
use crate::record::Record;

/// Appends the line of a finding, with its end. What only the extended stream tells stands behind the rest.
pub(crate) fn write_json(
    config: &Config,
    label: &str,
    observation: Observation<'_>,
    finding: &Finding<'_>,
    out: &mut Vec<u8>,
) {
    let (time, agent) = (observation.microseconds(), Quoted(label));
    let value = finding.value;
    match finding.kind {
        Kind::Processor => line(
            out,
            format_args!(
                r#"{{"time_us":{time},"agent":{agent},"kind":"processor","percent":{value}}}"#
            ),
        ),
        Kind::Memory => line(
            out,
            format_args!(
                r#"{{"time_us":{time},"agent":{agent},"kind":"memory","octets":{value}}}"#
            ),
        ),
        Kind::Type(_) | Kind::Unknown => {
            let classified = Classified { config, finding };
            let octets = observation.octets();
            match observation {
                Observation::Record(record) => line(
                    out,
                    format_args!(
                        r#"{{"time_us":{time},"agent":{agent},{classified},"octets":{octets},{}}}"#,
                        RecordFields(record, finding)
                    ),
                ),
                Observation::Packet(packet) => line(
                    out,
                    format_args!(
                        r#"{{"time_us":{time},"agent":{agent},{classified},"octets":{octets},{}}}"#,
                        PacketFields(packet, finding)
                    ),
                ),
                // It has no other kinds.
                Observation::Machine(..) => {}
            }
        }
    }
}

/// What the traffic is.
struct Classified<'a> {
    config: &'a Config,
    finding: &'a Finding<'a>,
}

impl fmt::Display for Classified<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = match self.finding.kind {
            Kind::Type(id) => Some(id),
            _ => None,
        };
        let section = id.and_then(|id| self.config.section(id));
        let name = OrNull(section.map(|section| Quoted(&section.name)));
        let rule = self.finding.rule.map(ToString::to_string);
        let rule = OrNull(rule.as_deref().map(Quoted));
        let (id, bits) = (OrNull(id), self.finding.value);
        write!(
            out,
            r#""kind":"traffic","type":{id},"name":{name},"rule":{rule},"bits":{bits}"#
        )
    }
}

/// What a record tells of a packet.
struct RecordFields<'a>(&'a Record, &'a Finding<'a>);

impl fmt::Display for RecordFields<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordFields(record, finding) = self;
        let flow_id = OrNull((record.flow_id != 0).then_some(record.flow_id));
        write!(
            out,
            r#""secondary":{},"repeated":{},"source":"{}","source_port":{},"destination":"{}","destination_port":{},"protocol":{},"flow_id":{flow_id}"#,
            record.flags != 0,
            finding.is_repeated,
            record.source,
            record.source_port,
            record.destination,
            record.destination_port,
            record.protocol,
        )
    }
}

/// What the extended stream tells: the same fields, and more.
struct PacketFields<'a>(Numbered<'a>, &'a Finding<'a>);

impl fmt::Display for PacketFields<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PacketFields(packet, finding) = self;
        let note = packet.note;
        let (seconds, nanoseconds) = Observation::Packet(*packet).time();
        write!(
            out,
            r#""secondary":false,"repeated":{},"source":"{}","source_port":{},"destination":"{}","destination_port":{},"protocol":{},"flow_id":{},"#,
            finding.is_repeated,
            note.source,
            OrNull(note.ports.map(|(source, _)| source)),
            note.destination,
            OrNull(note.ports.map(|(_, destination)| destination)),
            note.protocol,
            OrNull(note.mgen.map(|mgen| mgen.flow_id)),
        )?;
        write!(
            out,
            r#""time":"{seconds}.{nanoseconds:09}","number":{},"interface":{},"direction":{},"wire_octets":{},"uncut":{},"#,
            packet.number,
            Quoted(packet.interface),
            OrNull(direction(note.direction).map(Quoted)),
            note.wire_length,
            note.is_uncut,
        )?;
        write!(
            out,
            r#""hops_left":{},"traffic_class":{},"identification":{},"fragment_offset":{},"more_fragments":{},"#,
            note.hops_left,
            note.traffic_class,
            note.identification,
            note.fragment.map_or(0, |part| part.offset),
            note.fragment.is_some_and(|part| part.is_followed),
        )?;
        write!(
            out,
            r#""vlans":{},"digest":{},"mgen_sequence":{},"mgen_certain":{}"#,
            Vlans(&note.vlans),
            OrNull(note.digest.map(Digest)),
            OrNull(note.mgen.map(|mgen| mgen.sequence)),
            OrNull(note.mgen.map(|mgen| mgen.is_certain)),
        )
    }
}

fn direction(direction: Direction) -> Option<&'static str> {
    match direction {
        Direction::Unknown => None,
        Direction::Sent => Some("sent"),
        Direction::Received => Some("received"),
    }
}

/// Numbers of VLANs, the outer first (IEEE 802.1Q: the lower 12 bits of a tag).
struct Vlans<'a>(&'a [u16]);

impl fmt::Display for Vlans<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[")?;
        for (place, tag) in self.0.iter().enumerate() {
            let before = if place == 0 { "" } else { "," };
            write!(out, "{before}{}", tag & 0xfff)?;
        }
        out.write_str("]")
    }
}

/// A text, as programs to which every number is a floating-point one would round it.
struct Digest(u64);

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\"{:016x}\"", self.0)
    }
}

fn line(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // A vector takes whatever is written.
    let _ = writeln!(out, "{text}");
}

/// A value, or `null`.
pub(super) struct OrNull<T>(pub(super) Option<T>);

impl<T: fmt::Display> fmt::Display for OrNull<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(out),
            None => out.write_str("null"),
        }
    }
}

/// A text as JSON has it (RFC 8259, section 7).
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' => out.write_str("\\\"")?,
                '\\' => out.write_str("\\\\")?,
                // Configurations have none, but names of logs may.
                c if c.is_control() => write!(out, "\\u{:04x}", u32::from(c))?,
                c => write!(out, "{c}")?,
            }
        }
        out.write_str("\"")
    }
}
