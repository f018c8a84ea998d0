//! What a collector finds, as a line of JSON.
//!
//! Times are whole microseconds since 1970: they stay below 2^53, so that they are exact in programs too to
//! which every number is a floating-point one, and can be compared and subtracted, which texts cannot.

use std::fmt;
use std::io::Write;

use crate::classify::{Finding, Kind};
use crate::config::Config;
use crate::record::Record;

/// Appends the line of a finding, with its end.
pub(crate) fn write_json(
    config: &Config,
    label: &str,
    record: &Record,
    finding: &Finding<'_>,
    out: &mut Vec<u8>,
) {
    let (time, agent, value) = (record.time(), Quoted(label), finding.value);
    let id = match finding.kind {
        Kind::Type(id) => Some(id),
        Kind::Unknown => None,
        Kind::Processor => {
            return line(
                out,
                format_args!(
                    r#"{{"time_us":{time},"agent":{agent},"kind":"processor","percent":{value}}}"#
                ),
            );
        }
        Kind::Memory => {
            return line(
                out,
                format_args!(
                    r#"{{"time_us":{time},"agent":{agent},"kind":"memory","octets":{value}}}"#
                ),
            );
        }
    };
    let section = id.and_then(|id| config.section(id));
    let name = OrNull(section.map(|section| Quoted(&section.name)));
    let rule = finding.rule.map(ToString::to_string);
    let rule = OrNull(rule.as_deref().map(Quoted));
    let flow_id = OrNull((record.flow_id != 0).then_some(record.flow_id));
    let id = OrNull(id);
    line(
        out,
        format_args!(
            r#"{{"time_us":{time},"agent":{agent},"kind":"traffic","type":{id},"name":{name},"rule":{rule},"bits":{value},"octets":{},"secondary":{},"repeated":{},"source":"{}","source_port":{},"destination":"{}","destination_port":{},"protocol":{},"flow_id":{flow_id}}}"#,
            record.length,
            record.flags != 0,
            finding.is_repeated,
            record.source,
            record.source_port,
            record.destination,
            record.destination_port,
            record.protocol,
        ),
    );
}

fn line(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // A vector takes whatever is written.
    let _ = writeln!(out, "{text}");
}

/// A value, or `null`.
struct OrNull<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for OrNull<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(out),
            None => out.write_str("null"),
        }
    }
}

/// A text as JSON has it (RFC 8259, section 7).
struct Quoted<'a>(&'a str);

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
