//! `proto/netcap.proto` (proto3): the contract for programs in other languages.
//!
//! The text depends on the records only, not on their order: messages that have a number in the
//! enumeration `Type` come first, in its order, then those inside them, by name. `Header` and
//! `Batch` are always there.

use crate::text::by_number;
use crate::{Batch, Field, Header, PACKET_NUMBER, Record, Schema, Type};
use std::collections::BTreeMap;

/// Two definitions contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Two messages that differ have the same name.
    #[error("two different messages are called {0}")]
    Name(&'static str),
    /// Two messages have the same number in the enumeration `Type`.
    #[error("number {0} belongs to two messages, {1} and {2}")]
    Number(u16, &'static str, &'static str),
}

const PREAMBLE: &str = "\
// Generated from the definitions of the records: do not edit.
//
// A file holds one Header and then records of one type, each with its length before it as a varint.
// Strings hold what was on the wire: they may hold octets that are not UTF-8.

syntax = \"proto3\";

package types;
";

/// The file for these records and every message inside them.
pub fn dot_proto(schemas: &[&'static Schema]) -> Result<String, Conflict> {
    let (records, others) = messages(schemas)?;
    let mut out = String::from(PREAMBLE);
    let name = PACKET_NUMBER.name;
    out.push_str(&format!(
        "\n// Every record that has files of its own has {name}.\n"
    ));
    comment(PACKET_NUMBER.doc, "", &mut out);
    out.push_str("\n// Type of the records in a file.\nenum Type {\n");
    for (number, schema) in &records {
        out.push_str(&format!("  NC_{} = {number};\n", schema.name));
    }
    out.push_str("}\n");
    for schema in records.values().chain(others.values()) {
        out.push('\n');
        comment(schema.doc, "", &mut out);
        out.push_str(&format!("message {} {{\n", schema.name));
        for field in by_number(schema) {
            if !field.is_shared() {
                comment(field.doc, "  ", &mut out);
            }
            let repeated = if field.repeated { "repeated " } else { "" };
            let (ty, name) = (type_of(field), field.name);
            out.push_str(&format!("  {repeated}{ty} {name} = {};\n", field.number));
        }
        out.push_str("}\n");
    }
    Ok(out)
}

/// Name of a field's type in a `.proto` file.
pub(crate) fn type_of(field: &Field) -> &'static str {
    match field.ty {
        Type::Int32 => "int32",
        Type::Int64 => "int64",
        Type::Uint32 => "uint32",
        Type::Uint64 => "uint64",
        Type::Bool => "bool",
        Type::Double => "double",
        Type::String | Type::Timestamp => "string",
        Type::Bytes => "bytes",
        Type::RecordType => "Type",
        Type::Message(schema) => schema.name,
    }
}

type Messages = (
    BTreeMap<u16, &'static Schema>,
    BTreeMap<&'static str, &'static Schema>,
);

/// Every message once: by number, and those without a number by name.
fn messages(schemas: &[&'static Schema]) -> Result<Messages, Conflict> {
    let mut by_name = BTreeMap::new();
    collect(Header::SCHEMA, &mut by_name)?;
    collect(Batch::SCHEMA, &mut by_name)?;
    for schema in schemas {
        collect(schema, &mut by_name)?;
    }
    let mut records: BTreeMap<u16, &'static Schema> = BTreeMap::new();
    for schema in by_name.values() {
        if let Some(number) = schema.number
            && let Some(other) = records.insert(number, schema)
        {
            return Err(Conflict::Number(number, other.name, schema.name));
        }
    }
    by_name.retain(|_, schema| schema.number.is_none());
    Ok((records, by_name))
}

fn collect(
    schema: &'static Schema,
    found: &mut BTreeMap<&'static str, &'static Schema>,
) -> Result<(), Conflict> {
    match found.insert(schema.name, schema) {
        Some(other) if other != schema => Err(Conflict::Name(schema.name)),
        Some(_) => Ok(()),
        None => nested(schema).try_for_each(|nested| collect(nested, found)),
    }
}

/// The messages inside a message.
pub(crate) fn nested(schema: &'static Schema) -> impl Iterator<Item = &'static Schema> {
    schema.fields.iter().filter_map(|field| match field.ty {
        Type::Message(nested) => Some(nested),
        _ => None,
    })
}

fn comment(doc: &str, indent: &str, out: &mut String) {
    for line in doc.lines() {
        out.push_str(&format!("{}\n", format!("{indent}// {line}").trim_end()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Everything, HopByHop, Tcp};

    #[test]
    fn every_message_once_whatever_the_order() {
        let text = dot_proto(&[Tcp::SCHEMA, Everything::SCHEMA, HopByHop::SCHEMA]).unwrap();
        let again = [
            HopByHop::SCHEMA,
            Header::SCHEMA,
            Everything::SCHEMA,
            Tcp::SCHEMA,
            Tcp::SCHEMA,
        ];
        assert_eq!(dot_proto(&again).unwrap(), text);

        let lines = |start: &str| -> Vec<_> {
            text.lines()
                .filter(|line| line.starts_with(start))
                .collect()
        };
        assert_eq!(
            lines("  NC_"),
            [
                "  NC_Header = 0;",
                "  NC_Batch = 1;",
                "  NC_TCP = 38;",
                "  NC_TCPOption = 39;",
                "  NC_IPv6HopByHop = 56;",
                "  NC_IPv6HopByHopOption = 57;",
                "  NC_IPv6HopByHopOptionAlignment = 58;",
                "  NC_Everything = 1000;",
            ]
        );
        assert_eq!(lines("message").len(), 10);
        assert!(text.ends_with(
            "
// `ab`
message Bare {
  Joined A = 1;
  bool B = 2;
}

// `a-b`
message Joined {
  string A = 1;
  int32 B = 2;
}
"
        ));
        assert!(text.contains(
            "
// One option of a segment.
message TCPOption {
  // Kind.
  int32 OptionType = 1;
"
        ));
        assert!(text.contains("  repeated Bare List = 18;\n  bytes Secret = 19;\n"));
        assert!(
            text.contains("  // What follows the options,\n  // as it is.\n  bytes Padding = 19;")
        );
        assert!(text.contains("  Type Type = 3;\n"));
    }

    #[test]
    fn contradictions_are_errors() {
        const OTHER: Schema = Schema {
            doc: "Another.",
            ..*Tcp::SCHEMA
        };
        assert_eq!(
            dot_proto(&[Tcp::SCHEMA, &OTHER]),
            Err(Conflict::Name("TCP"))
        );
        const RENAMED: Schema = Schema {
            name: "Other",
            ..*Tcp::SCHEMA
        };
        assert_eq!(
            dot_proto(&[Tcp::SCHEMA, &RENAMED]),
            Err(Conflict::Number(38, "Other", "TCP"))
        );
    }
}
