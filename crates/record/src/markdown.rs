//! The records as documentation: the table of the README, and the manual of all fields (CommonMark
//! with tables).

use crate::dot_proto::{nested, type_of};
use crate::{Columns, Csv, Field, PACKET_NUMBER, Schema, Type};

/// A record's name for users: that on the command line, or that of its files where several records
/// have one on the command line.
fn title(schema: &Schema, schemas: &[&'static Schema]) -> &'static str {
    let same = |other: &&&Schema| other.encoder == schema.encoder;
    match schemas.iter().filter(same).count() {
        0 | 1 => schema.encoder,
        _ => schema.stem,
    }
}

/// One line for each record: name on the command line, number of columns, columns.
///
/// `Payload` is not counted: it is a column only of files that hold payloads.
pub fn record_table(schemas: &[&'static Schema]) -> String {
    let mut out = String::from("| Name | NumFields | Fields |\n|---|---|---|\n");
    for schema in schemas {
        let columns: Vec<_> = schema
            .columns(Columns::default())
            .map(|field| field.name)
            .collect();
        let (name, count) = (title(schema, schemas), columns.len());
        out.push_str(&format!("| {name} | {count} | {} |\n", columns.join(", ")));
    }
    out
}

/// A section for the fields that all records share, and one for each record with its other fields
/// and with those of the messages inside.
pub fn field_manual(schemas: &[&'static Schema]) -> String {
    let mut out = String::from("## Every record type\n\n");
    field_table([&PACKET_NUMBER], &mut out);
    for schema in schemas {
        out.push('\n');
        let name = title(schema, schemas);
        out.push_str(&format!("## {name}\n\n{}\n\n", schema.doc));
        if let Some(number) = schema.number {
            let (name, stem) = (schema.name, schema.stem);
            out.push_str(&format!(
                "File `{stem}.ncap`, type `NC_{name}` ({number}).\n\n"
            ));
        }
        field_table(own_fields(schema), &mut out);
        let mut inside = Vec::new();
        collect(schema, &mut inside);
        for schema in inside {
            out.push_str(&format!("\n### {}\n\n{}\n\n", schema.name, schema.doc));
            field_table(own_fields(schema), &mut out);
        }
    }
    out
}

/// The messages inside a message, each once, in the order in which they are met.
fn collect(schema: &'static Schema, found: &mut Vec<&'static Schema>) {
    for schema in nested(schema) {
        if !found.contains(&schema) {
            found.push(schema);
            collect(schema, found);
        }
    }
}

/// The fields of a message that it does not share with all records.
fn own_fields(schema: &'static Schema) -> impl Iterator<Item = &'static Field> {
    schema.fields.iter().filter(|field| !field.is_shared())
}

fn field_table<'a>(fields: impl IntoIterator<Item = &'a Field>, out: &mut String) {
    out.push_str("| Field | No. | Type | |\n|---|---|---|---|\n");
    for field in fields {
        let (name, number, ty) = (field.name, field.number, type_text(field));
        let doc = table_cell(field.doc);
        out.push_str(&format!(
            "| {name} | {number} | {ty} | {doc}{} |\n",
            remark(field)
        ));
    }
}

fn type_text(field: &Field) -> String {
    let ty = match field.ty {
        Type::Timestamp => "time",
        _ => type_of(field),
    };
    if field.repeated {
        format!("repeated {ty}")
    } else {
        ty.to_owned()
    }
}

fn remark(field: &Field) -> &'static str {
    match field.csv {
        Csv::Hidden => " Not a column.",
        Csv::Identifier => " A string in JSON.",
        Csv::Payload => " A column only of files that hold payloads.",
        Csv::PacketNumber => " A column only with `-packet-numbers`.",
        _ => "",
    }
}

/// Text within one cell of a table.
fn table_cell(doc: &str) -> String {
    doc.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Record;
    use crate::testing::{HopByHop, Tcp};

    #[test]
    fn table_of_the_readme() {
        assert_eq!(
            record_table(&[Tcp::SCHEMA, HopByHop::SCHEMA]),
            "\
| Name | NumFields | Fields |
|---|---|---|
| TCP | 7 | Timestamp, SrcPort, ACK, Padding, Options, PayloadEntropy, PayloadSize |
| IPv6HopByHop | 2 | Timestamp, Options |
"
        );
    }

    #[test]
    fn manual() {
        assert_eq!(
            field_manual(&[Tcp::SCHEMA]),
            "\
## Every record type

| Field | No. | Type | |
|---|---|---|---|
| PacketNumber | 200 | uint64 | Number of the packet that has the record's time, of a flow that of the first packet: from 1, in the order in which packets were read, before any filter. `frame.number` of Wireshark. 0 where it was not asked for. A column only with `-packet-numbers`. |

## TCP

One TCP segment.

File `TCP.ncap`, type `NC_TCP` (38).

| Field | No. | Type | |
|---|---|---|---|
| Timestamp | 1 | time | Capture time of the packet. |
| SrcPort | 2 | int32 | Port of the sender. |
| ACK | 11 | bool | Whether the acknowledgement \\| number counts. |
| Padding | 19 | bytes | What follows the options, as it is. |
| Options | 20 | repeated TCPOption | Options in the order of the header. |
| PayloadEntropy | 21 | double | Entropy of the payload. |
| PayloadSize | 22 | int32 | Number of octets. |
| Payload | 23 | bytes | The octets. A column only of files that hold payloads. |
| Nanoseconds | 100 | uint32 | Nanoseconds after the microsecond of `Timestamp`, 0 to 999. Not a column. |

### TCPOption

One option of a segment.

| Field | No. | Type | |
|---|---|---|---|
| OptionType | 1 | int32 | Kind. |
| OptionLength | 2 | int32 | Length with kind and length, or 0. |
| OptionData | 3 | bytes | What follows the length. |
"
        );
    }
}
