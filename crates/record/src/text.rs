//! The text format of Protocol Buffers, as `proto.MarshalTextString` of gogo/protobuf prints it.
//!
//! Fields stand in the order of their numbers, those with their default are left out, nested
//! messages are indented in `<` and `>`, and strings are escaped as in C, so that every octet can
//! be read and none reaches the terminal.

use std::io::{self, Write};

use crate::out::{self, Out};
use crate::{Field, Message, Scalar, Schema, digits, type_name};

/// Appends the name of the record's type, its fields, and an empty line.
///
/// `types` are the records whose type numbers have names.
pub fn write(message: &Message<'_>, types: &[&'static Schema], out: &mut Vec<u8>) {
    record(message, types, out);
}

/// Writes the same. `room` is a buffer, and stays small whatever the record holds.
///
/// # Errors
/// Those of `out`.
pub fn write_to(
    message: &Message<'_>,
    types: &[&'static Schema],
    room: &mut Vec<u8>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut pieces = out::written(room, out);
    record(message, types, &mut pieces);
    pieces.end()
}

fn record<O: Out>(message: &Message<'_>, types: &[&'static Schema], out: &mut O) {
    if message.schema().number.is_some() {
        let out = out.buffer();
        out.extend_from_slice(b"NC_");
        out.extend_from_slice(message.schema().name.as_bytes());
        out.push(b'\n');
    }
    fields(message, 0, types, out);
    out.buffer().push(b'\n');
}

fn fields<O: Out>(message: &Message<'_>, depth: usize, types: &[&'static Schema], out: &mut O) {
    for field in by_number(message.schema()) {
        if field.repeated {
            for value in message.values(field) {
                line(field, value, depth, types, out);
                if !out.goes_on() {
                    return;
                }
            }
        } else if let Some(value) = message.value(field).filter(|value| !is_default(value)) {
            line(field, value, depth, types, out);
        }
    }
}

/// The fields of a message in the order of their numbers.
pub(crate) fn by_number(schema: &'static Schema) -> Vec<&'static Field> {
    let mut fields: Vec<_> = schema.fields.iter().collect();
    fields.sort_by_key(|field| field.number);
    fields
}

/// Whether a field with this value is left out.
pub(crate) fn is_default(value: &Scalar<'_>) -> bool {
    match value {
        Scalar::Int(n) => *n == 0,
        Scalar::Uint(n) | Scalar::RecordType(n) => *n == 0,
        Scalar::Bool(b) => !b,
        Scalar::Double(x) => *x == 0.0,
        Scalar::Text(octets) | Scalar::Timestamp(octets) | Scalar::Bytes(octets) => {
            octets.is_empty()
        }
        Scalar::Message(_) => false,
    }
}

fn line<O: Out>(
    field: &Field,
    value: Scalar<'_>,
    depth: usize,
    types: &[&'static Schema],
    out: &mut O,
) {
    indent(depth, out.buffer());
    out.buffer().extend_from_slice(field.name.as_bytes());
    out.buffer().extend_from_slice(b": ");
    if let Scalar::Message(message) = value {
        out.buffer().extend_from_slice(b"<\n");
        fields(&message, depth + 1, types, out);
        indent(depth, out.buffer());
        out.buffer().extend_from_slice(b">\n");
        return;
    }
    let buffer = out.buffer();
    match value {
        Scalar::Int(n) => digits::integer(n, buffer),
        Scalar::Uint(n) => digits::integer(n, buffer),
        Scalar::Bool(b) => digits::boolean(b, buffer),
        Scalar::Double(x) if x.is_nan() => buffer.extend_from_slice(b"nan"),
        Scalar::Double(x) => digits::double(x, buffer),
        Scalar::Text(octets) | Scalar::Timestamp(octets) | Scalar::Bytes(octets) => {
            quoted(octets, out);
        }
        Scalar::RecordType(number) => type_name(types, number, buffer),
        Scalar::Message(_) => {}
    }
    out.buffer().push(b'\n');
}

fn indent(depth: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + 2 * depth, b' ');
}

fn quoted<O: Out>(octets: &[u8], out: &mut O) {
    out.buffer().push(b'"');
    for piece in out::pieces(octets) {
        escape(piece, out.buffer());
        if !out.goes_on() {
            break;
        }
    }
    out.buffer().push(b'"');
}

fn escape(octets: &[u8], out: &mut Vec<u8>) {
    for octet in octets {
        match octet {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *octet]),
            b' '..=b'~' => out.push(*octet),
            _ => out.extend_from_slice(&[
                b'\\',
                b'0' + (octet >> 6),
                b'0' + (octet >> 3 & 7),
                b'0' + (octet & 7),
            ]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Everything, Tcp, TcpOption, Values, encoded, written};
    use crate::{Header, Record, Timestamp};

    #[test]
    fn as_marshal_text_string() {
        let option = |ty, length, data| TcpOption { ty, length, data };
        let record = Tcp {
            timestamp: Timestamp::new(1_499_255_023, 848_884_007),
            src_port: 80,
            ack: true,
            padding: b"\n\r\t\"\\' \0\x7f\xc3\xa4~",
            options: vec![option(2, 4, &[5, 0xb4]), option(0, 0, b"")],
            payload_entropy: 7.836586993143013,
            payload_size: 0,
            payload: b"",
        };
        assert_eq!(
            written::<Tcp<'_>>(&encoded(&record), |message, out| write(message, &[], out)),
            r#"NC_TCP
Timestamp: "1499255023.848884"
SrcPort: 80
ACK: true
Padding: "\n\r\t\"\\' \000\177\303\244~"
Options: <
  OptionType: 2
  OptionLength: 4
  OptionData: "\005\264"
>
Options: <
>
PayloadEntropy: 7.836586993143013
Nanoseconds: 7

"#
        );
    }

    #[test]
    fn fields_stand_in_the_order_of_their_numbers() {
        let values = Values {
            number: 2,
            double: f64::INFINITY,
            texts: vec![b"x".to_vec()],
        };
        let text = written::<Everything<'_>>(&encoded(&values.record()), |message, out| {
            write(message, &[], out);
        });
        let (_, tail) = text.split_once("One: ").unwrap();
        assert_eq!(
            tail,
            r#"<
  B: 2
>
Many: <
  A: "x"
  B: 2
>
List: <
  A: <
    A: "x"
    B: 2
  >
>
String: "x"
Nanoseconds: 2

"#
        );
        assert!(text.contains("Double: inf\n"));
    }

    #[test]
    fn types_have_names() {
        let text = written::<Header<'_>>(b"\x18\x26", |message, out| {
            write(message, &[Tcp::SCHEMA], out);
        });
        assert_eq!(text, "NC_Header\nType: NC_TCP\n\n");
    }
}
