//! JSON lines (RFC 8259): one object for each record.
//!
//! The keys are the fields in schema order, always all of them or those that are chosen, so every line
//! of a file has the same shape: a nested message that is absent is `null`, a repeated field without values `[]`.
//! Only fields that all records share, as `PacketNumber`, are left out where they have no value.
//!
//! | field | JSON |
//! |---|---|
//! | integer | number |
//! | identifier or fixed-point time of 64 bits | string: many readers keep only 53 bits of a number |
//! | `double` | number, the shortest that reads back; `null` for infinities and NaN |
//! | time | string `seconds.fraction`, six digits, or nine where the record holds `Nanoseconds`; or the date |
//! | `string`, and `bytes` that hold text | string |
//! | other `bytes` | string of lower-case hexadecimal digits |
//! | record type | string `NC_TCP`, or the number where it has no name |
//!
//! Nothing is lost of text that is not UTF-8: the string has U+FFFD where it cannot be read, and
//! the key `<Name>_hex` beside it, present only then, holds its exact octets. Where the field is
//! repeated, that key holds the octets of all values. Control characters, and those that turn the
//! direction of writing, are escaped, so a line is safe to show in a terminal.

use std::io::{self, Write};

use crate::out::{self, Out};
use crate::table::is_plain;
use crate::text::is_default;
use crate::{Csv, Field, Message, Scalar, Schema, Timestamp, digits, type_name};

/// What lines show.
#[derive(Clone, Debug, Default)]
pub struct JsonStyle {
    /// Records whose type numbers have names.
    pub types: Vec<&'static Schema>,
    /// The fields of a record, in this order, each once; none for all.
    pub select: Vec<&'static Field>,
    /// Whether times are written as dates (RFC 3339, UTC).
    pub utc: bool,
}

/// Appends the line of one record.
pub fn line(message: &Message<'_>, style: &JsonStyle, out: &mut Vec<u8>) {
    record(message, style, out);
    out.push(b'\n');
}

/// Writes the line of one record. `room` is a buffer, and stays small whatever the record holds.
///
/// # Errors
/// Those of `out`.
pub fn write_line(
    message: &Message<'_>,
    style: &JsonStyle,
    room: &mut Vec<u8>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut pieces = out::written(room, out);
    record(message, style, &mut pieces);
    pieces.buffer().push(b'\n');
    pieces.end()
}

/// The key of the type's name in [`typed_line`]: no field has this name.
pub const TYPE_KEY: &str = "RecordType";

/// The same, with the name of the type first, by which its file is called too: `"RecordType":"DNS"`. For
/// lines of several types.
pub fn typed_line(message: &Message<'_>, style: &JsonStyle, out: &mut Vec<u8>) {
    let start = out.len();
    line(message, style, out);
    let name = message.schema().stem;
    let is_empty = out.get(start + 1) == Some(&b'}');
    let separator = if is_empty { "" } else { "," };
    let key = format!("\"{TYPE_KEY}\":\"{name}\"{separator}");
    out.splice(start + 1..start + 1, key.into_bytes());
}

fn record<O: Out>(message: &Message<'_>, style: &JsonStyle, out: &mut O) {
    if style.select.is_empty() {
        all(message, style, out);
    } else {
        object(message, style.select.iter().copied(), style, out);
    }
}

fn all<O: Out>(message: &Message<'_>, style: &JsonStyle, out: &mut O) {
    let is_shown = |field: &&'static Field| {
        // The nanoseconds are in the time.
        field.name != "Nanoseconds" && !(field.is_shared() && has_default(message, field))
    };
    let fields = message.schema().fields.iter().filter(is_shown);
    object(message, fields, style, out);
}

fn object<O: Out>(
    message: &Message<'_>,
    fields: impl Iterator<Item = &'static Field>,
    style: &JsonStyle,
    out: &mut O,
) {
    out.buffer().push(b'{');
    for (i, field) in fields.enumerate() {
        if i > 0 {
            out.buffer().push(b',');
        }
        let mut is_exact = true;
        key(field, "", out.buffer());
        values(message, field, out, |value, out| {
            is_exact &= scalar(message, field, value, style, out);
        });
        if !is_exact {
            out.buffer().push(b',');
            key(field, "_hex", out.buffer());
            values(message, field, out, |value, out| {
                quoted_hex(octets(&value), out);
            });
        }
    }
    out.buffer().push(b'}');
}

fn has_default(message: &Message<'_>, field: &'static Field) -> bool {
    message.value(field).as_ref().is_none_or(is_default)
}

fn key(field: &Field, suffix: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(field.name.as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    out.extend_from_slice(b"\":");
}

/// The value of a field, or all of them in an array, each written by `write`.
fn values<O: Out>(
    message: &Message<'_>,
    field: &'static Field,
    out: &mut O,
    mut write: impl FnMut(Scalar<'_>, &mut O),
) {
    if field.repeated {
        out.buffer().push(b'[');
        for (i, value) in message.values(field).enumerate() {
            if i > 0 {
                out.buffer().push(b',');
            }
            write(value, out);
            if !out.goes_on() {
                return;
            }
        }
        out.buffer().push(b']');
    } else if let Some(value) = message.value(field) {
        write(value, out);
    } else {
        out.buffer().extend_from_slice(b"null");
    }
}

/// Returns whether the JSON holds the value exactly.
fn scalar<O: Out>(
    message: &Message<'_>,
    field: &Field,
    value: Scalar<'_>,
    style: &JsonStyle,
    out: &mut O,
) -> bool {
    if let Scalar::Message(message) = value {
        all(&message, style, out);
        return true;
    }
    let buffer = out.buffer();
    match value {
        Scalar::Int(n) => integer(n, field, buffer),
        Scalar::Uint(n) => integer(n, field, buffer),
        Scalar::Bool(b) => digits::boolean(b, buffer),
        Scalar::Double(x) if x.is_finite() => digits::double(x, buffer),
        Scalar::Double(_) => buffer.extend_from_slice(b"null"),
        Scalar::Timestamp(octets) => {
            let time = match field.name {
                "Timestamp" => message.timestamp(),
                _ => Timestamp::parse(octets),
            };
            let Some(time) = time else {
                return string(octets, out);
            };
            buffer.push(b'"');
            match style.utc {
                true => time.write_rfc3339(buffer),
                false => time.write_exactly(buffer),
            }
            buffer.push(b'"');
        }
        Scalar::Text(octets) => return string(octets, out),
        Scalar::Bytes(octets) if field.csv == Csv::Raw => return string(octets, out),
        Scalar::Bytes(octets) => quoted_hex(octets, out),
        Scalar::RecordType(number) => type_number(number, &style.types, buffer),
        Scalar::Message(_) => {}
    }
    true
}

fn integer(number: impl itoa::Integer, field: &Field, out: &mut Vec<u8>) {
    let quote: &[u8] = match field.csv {
        Csv::Identifier => b"\"",
        _ => b"",
    };
    out.extend_from_slice(quote);
    digits::integer(number, out);
    out.extend_from_slice(quote);
}

fn octets<'a>(value: &Scalar<'a>) -> &'a [u8] {
    match value {
        Scalar::Text(octets) | Scalar::Timestamp(octets) | Scalar::Bytes(octets) => octets,
        _ => &[],
    }
}

fn type_number(number: u64, types: &[&'static Schema], out: &mut Vec<u8>) {
    let start = out.len();
    type_name(types, number, out);
    if out.get(start).is_some_and(|octet| !octet.is_ascii_digit()) {
        out.insert(start, b'"');
        out.push(b'"');
    }
}

fn quoted_hex<O: Out>(octets: &[u8], out: &mut O) {
    out.buffer().push(b'"');
    out::hex(octets, out);
    out.buffer().push(b'"');
}

/// Returns whether the octets are UTF-8; U+FFFD stands where they are not.
fn string<O: Out>(octets: &[u8], out: &mut O) -> bool {
    let mut is_exact = true;
    out.buffer().push(b'"');
    for piece in out::pieces(octets) {
        let buffer = out.buffer();
        for chunk in piece.utf8_chunks() {
            escape(chunk.valid(), buffer);
            if !chunk.invalid().is_empty() {
                buffer.extend_from_slice("\u{fffd}".as_bytes());
                is_exact = false;
            }
        }
        if !out.goes_on() {
            break;
        }
    }
    out.buffer().push(b'"');
    is_exact
}

fn escape(text: &str, out: &mut Vec<u8>) {
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        if !matches!(c, '"' | '\\') && is_plain(c) {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[plain..at]);
        plain = at + c.len_utf8();
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            // Writing to a Vec cannot fail.
            c => drop(write!(out, "\\u{:04x}", u32::from(c))),
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::testing::{Everything, Tcp, TcpOption, Values, encoded, values, written};
    use crate::{Header, Record};

    #[test]
    fn one_object_for_one_record() {
        let record = Tcp {
            timestamp: Timestamp::new(1_300_475_168, 652_003_017),
            src_port: 35634,
            ack: true,
            padding: b"\x1b[2J \"\\\n\x7f\xc2\x9b",
            options: vec![TcpOption {
                ty: 2,
                length: 4,
                data: &[5, 0xb4],
            }],
            payload_entropy: f64::NAN,
            payload_size: 0,
            payload: b"",
        };
        assert_eq!(
            written::<Tcp<'_>>(&encoded(&record), |message, out| line(
                message,
                &JsonStyle::default(),
                out
            )),
            concat!(
                r#"{"Timestamp":"1300475168.652003017","SrcPort":35634,"ACK":true,"#,
                r#""Padding":"\u001b[2J \"\\\n\u007f\u009b","#,
                r#""Options":[{"OptionType":2,"OptionLength":4,"OptionData":"05b4"}],"#,
                r#""PayloadEntropy":null,"PayloadSize":0,"Payload":""}"#,
                "\n"
            )
        );
    }

    #[test]
    fn fields_are_chosen_and_times_are_dates() {
        let field = |name| Tcp::SCHEMA.field(name).expect("a field");
        let style = JsonStyle {
            select: ["SrcPort", "Timestamp", "Padding"].map(field).to_vec(),
            utc: true,
            ..JsonStyle::default()
        };
        assert_eq!(
            written::<Tcp<'_>>(b"\x0a\x09-1.500000", |message, out| line(
                message, &style, out
            )),
            "{\"SrcPort\":0,\"Timestamp\":\"1969-12-31T23:59:58.500000Z\",\"Padding\":\"\"}\n"
        );
    }

    #[test]
    fn octets_that_are_no_text_are_kept_beside_it() {
        let values = Values {
            number: 0,
            double: 0.0,
            texts: vec![b"a\xff".to_vec(), b"b".to_vec()],
        };
        let octets = encoded(&values.record());
        let text = written::<Everything<'_>>(&octets, |message, out| {
            line(message, &JsonStyle::default(), out)
        });
        for part in [
            "\"String\":\"a\u{fffd}\",\"String_hex\":\"61ff\",",
            "\"Bytes\":\"62\",\"Name\":\"\",\"Type\":0,",
            "\"Strings\":[\"a\u{fffd}\",\"b\"],\"Strings_hex\":[\"61ff\",\"62\"],",
            "\"One\":null,",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    /// What a number may be.
    #[derive(Record)]
    #[record("Numbers", 900)]
    struct Numbers {
        /// A name.
        #[field(1, "Uint", csv = Identifier)]
        uint: u64,
        /// Another.
        #[field(2, "Int", csv = Identifier)]
        int: i64,
        /// Of a kind.
        #[field(3, "Count")]
        count: u64,
    }

    #[test]
    fn identifiers_are_strings() {
        let numbers = Numbers {
            uint: u64::MAX,
            int: i64::MIN,
            count: u64::MAX,
        };
        let text = |octets: &[u8]| {
            written::<Numbers>(octets, |message, out| {
                line(message, &JsonStyle::default(), out)
            })
        };
        let expected = "{\"Uint\":\"18446744073709551615\",\"Int\":\"-9223372036854775808\",\
                        \"Count\":18446744073709551615}\n";
        assert_eq!(text(&encoded(&numbers)), expected);
        assert_eq!(text(b""), "{\"Uint\":\"0\",\"Int\":\"0\",\"Count\":0}\n");
    }

    #[test]
    fn what_turns_text_is_escaped() {
        let padding = "a\u{202e}b\u{61c}\u{2066}c".as_bytes();
        let octets = [&[0x9a, 1, padding.len() as u8], padding].concat();
        let text = written::<Tcp<'_>>(&octets, |message, out| {
            line(message, &JsonStyle::default(), out)
        });
        assert!(
            text.contains(r#""Padding":"a\u202eb\u061c\u2066c""#),
            "{text}"
        );
    }

    #[test]
    fn types_have_names() {
        let style = JsonStyle {
            types: vec![Tcp::SCHEMA],
            ..JsonStyle::default()
        };
        let text = written::<Header<'_>>(b"\x0a\x035.7\x18\x26", |message, out| {
            line(message, &style, out);
        });
        assert!(text.starts_with(r#"{"Created":"5.000007","InputSource":"","Type":"NC_TCP","#));
    }

    proptest! {
        #[test]
        fn others_read_what_was_written(values in values()) {
            let record = values.record();
            let octets = encoded(&record);
            let message = Message::parse(Everything::SCHEMA, &octets).unwrap();
            let mut out = Vec::new();
            line(&message, &JsonStyle::default(), &mut out);
            prop_assert_eq!(out.iter().filter(|octet| octet.is_ascii_control()).count(), 1);
            let read: Value = serde_json::from_slice(&out).unwrap();

            prop_assert_eq!(read["Int32"].as_i64(), Some(i64::from(record.int32)));
            prop_assert_eq!(read["Int64"].as_i64(), Some(record.int64));
            prop_assert_eq!(read["Uint64"].as_u64(), Some(record.uint64));
            prop_assert_eq!(read["Double"].as_f64(), Some(record.double).filter(|x| x.is_finite()));
            let same_text = |read: &Value, hex: &Value, octets: &[u8]| {
                assert_eq!(read.as_str().unwrap(), String::from_utf8_lossy(octets));
                let mut expected = Vec::new();
                digits::hex(octets, &mut expected);
                match hex {
                    Value::Null => assert!(std::str::from_utf8(octets).is_ok()),
                    hex => assert_eq!(hex.as_str().unwrap().as_bytes(), expected),
                }
            };
            same_text(&read["String"], &read["String_hex"], record.string.0);
            same_text(&read["Name"], &read["Name_hex"], record.name);
            for (i, text) in record.strings.iter().enumerate() {
                same_text(&read["Strings"][i], &read["Strings_hex"][i], text.0);
                let many = &read["Many"][i];
                same_text(&many["A"], &many["A_hex"], text.0);
            }
            prop_assert_eq!(read["Strings"].as_array().map(Vec::len), Some(record.strings.len()));
        }
    }
}
