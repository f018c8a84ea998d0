//! Reading encoded records by their schema: no code per record type.
//!
//! Lenient where writers differ (packed or not, fields in any order, unknown fields, strings that
//! are not UTF-8), strict where octets contradict themselves (a length past the end, a wire type
//! that does not fit the field).

use crate::{Csv, Field, Schema, Timestamp, Type};

/// What is wrong with an encoded record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The octets end inside a field.
    #[error("the record ends inside a field")]
    Truncated,
    /// A varint of more than ten octets.
    #[error("a number has more than ten octets")]
    Varint,
    /// A wire type that protobuf does not have, or that the field cannot have.
    #[error("field {0} has a wire type that does not fit")]
    WireType(u32),
    /// More messages inside each other than are read.
    #[error("there are more than {MAX_NESTING} messages inside each other")]
    Nesting,
}

/// Messages inside each other that are read. Those of a kind that holds itself (`GRERouting`) could
/// go as deep as a file is long.
const MAX_NESTING: usize = 64;

/// One decoded message: borrowed octets and which field they belong to.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    schema: &'static Schema,
    /// The last value of every field that is not repeated, by its place in the schema.
    single: Vec<Option<Raw<'a>>>,
    /// Values of repeated fields with the place of their field; sorted by place, stably.
    repeated: Vec<(u16, Raw<'a>)>,
}

#[derive(Clone, Copy, Debug)]
enum Raw<'a> {
    Number(u64),
    Octets(&'a [u8]),
}

/// One value of a field.
#[derive(Clone, Debug)]
pub enum Scalar<'a> {
    /// `int32`, `int64`.
    Int(i64),
    /// `uint32`, `uint64`.
    Uint(u64),
    /// `bool`.
    Bool(bool),
    /// `double`.
    Double(f64),
    /// `string`, whatever its octets.
    Text(&'a [u8]),
    /// `string` that holds a time, as it stands in the record.
    Timestamp(&'a [u8]),
    /// `bytes`.
    Bytes(&'a [u8]),
    /// Number of the enumeration `Type`.
    RecordType(u64),
    /// Nested message.
    Message(Message<'a>),
}

impl<'a> Message<'a> {
    /// Decodes a message. Nested messages are decoded when they are asked for, but checked here.
    pub fn parse(schema: &'static Schema, octets: &'a [u8]) -> Result<Message<'a>, WireError> {
        let mut single = vec![None; schema.fields.len()];
        let mut repeated = Vec::new();
        walk(schema, octets, MAX_NESTING, &mut |place, field, raw| {
            if field.repeated {
                repeated.push((place as u16, raw));
            } else {
                single[place] = Some(raw);
            }
        })?;
        // Nearly always so already: writers use the order of numbers, which is mostly ours.
        if !repeated.is_sorted_by_key(|(place, _)| *place) {
            repeated.sort_by_key(|(place, _)| *place);
        }
        Ok(Message {
            schema,
            single,
            repeated,
        })
    }

    /// The definition.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// The values of a repeated field in the order they were written. Of any other field the value,
    /// or none where it has its default.
    pub fn values(&self, field: &'static Field) -> impl Iterator<Item = Scalar<'a>> {
        let (single, repeated) = match self.schema.by_number(field.number) {
            Some((place, field)) if field.repeated => {
                let place_of = |(place, _): &(u16, Raw<'_>)| usize::from(*place);
                let start = self
                    .repeated
                    .partition_point(|entry| place_of(entry) < place);
                let end = self
                    .repeated
                    .partition_point(|entry| place_of(entry) <= place);
                (None, &self.repeated[start..end])
            }
            Some((place, _)) => (self.single[place], &[][..]),
            None => (None, &[][..]),
        };
        let repeated = repeated.iter().map(|(_, raw)| *raw);
        single
            .into_iter()
            .chain(repeated)
            .map(|raw| scalar(field.ty, raw))
    }

    /// The value of a field that is not repeated: the last one written, or the default.
    /// A message that is absent is `None`.
    #[inline]
    pub fn value(&self, field: &'static Field) -> Option<Scalar<'a>> {
        let raw = match self.schema.by_number(field.number) {
            Some((place, _)) => self.single[place],
            None => None,
        };
        match (raw, field.ty) {
            (Some(raw), ty) => Some(scalar(ty, raw)),
            (None, Type::Message(_)) => None,
            (None, ty @ (Type::String | Type::Timestamp | Type::Bytes)) => {
                Some(scalar(ty, Raw::Octets(&[])))
            }
            (None, ty) => Some(scalar(ty, Raw::Number(0))),
        }
    }

    /// The time of the record, with the nanoseconds where it holds them.
    pub fn timestamp(&self) -> Option<Timestamp> {
        let field = self.schema.field("Timestamp")?;
        let Some(Scalar::Timestamp(text)) = self.value(field) else {
            return None;
        };
        let time = Timestamp::parse(text)?;
        let nanos = self.schema.field("Nanoseconds").and_then(|f| self.value(f));
        match nanos {
            Some(Scalar::Uint(n @ 1..1000)) => {
                Some(Timestamp::new(time.seconds(), time.nanos() + n as u32))
            }
            _ => Some(time),
        }
    }
}

/// Whether octets decode as [`Message::parse`] does it, without allocating: for records that somebody
/// else has made, of which a few octets may hold very many. Gives whether there is a payload.
pub fn check(schema: &'static Schema, octets: &[u8]) -> Result<bool, WireError> {
    let mut has_payload = false;
    walk(schema, octets, MAX_NESTING, &mut |_, field, raw| {
        if field.csv == Csv::Payload {
            has_payload = matches!(raw, Raw::Octets([_, ..]));
        }
    })?;
    Ok(has_payload)
}

/// Tells `found` of every value of a known field, with its place in the schema, in the order of the
/// octets.
fn walk<'a>(
    schema: &'static Schema,
    octets: &'a [u8],
    nesting: usize,
    found: &mut impl FnMut(usize, &'static Field, Raw<'a>),
) -> Result<(), WireError> {
    let mut rest = octets;
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let (number, wire) = ((key >> 3) as u32, key & 7);
        let raw = match wire {
            0 => Raw::Number(varint(&mut rest)?),
            1 => Raw::Number(u64::from_le_bytes(*take(&mut rest)?)),
            2 => {
                let len = varint(&mut rest)?;
                let len = usize::try_from(len).map_err(|_| WireError::Truncated)?;
                let (value, after) = rest.split_at_checked(len).ok_or(WireError::Truncated)?;
                rest = after;
                Raw::Octets(value)
            }
            5 => Raw::Number(u64::from(u32::from_le_bytes(*take(&mut rest)?))),
            _ => return Err(WireError::WireType(number)),
        };
        let Some((place, field)) = schema.by_number(number) else {
            continue;
        };
        match (field.ty, raw) {
            (Type::Message(nested), Raw::Octets(octets)) => {
                let inside = nesting.checked_sub(1).ok_or(WireError::Nesting)?;
                walk(nested, octets, inside, &mut pass_over)?;
                found(place, field, raw);
            }
            (Type::String | Type::Timestamp | Type::Bytes, Raw::Octets(_)) => {
                found(place, field, raw)
            }
            (Type::Message(_) | Type::String | Type::Timestamp | Type::Bytes, Raw::Number(_)) => {
                return Err(WireError::WireType(number));
            }
            (ty, Raw::Octets(mut packed)) if field.repeated => {
                while !packed.is_empty() {
                    let number = match ty {
                        Type::Double => u64::from_le_bytes(*take(&mut packed)?),
                        _ => varint(&mut packed)?,
                    };
                    found(place, field, Raw::Number(number));
                }
            }
            (Type::Double, Raw::Number(_)) if wire == 1 => found(place, field, raw),
            (ty, Raw::Number(_)) if wire == 0 && ty != Type::Double => found(place, field, raw),
            _ => return Err(WireError::WireType(number)),
        }
    }
    Ok(())
}

/// What [`walk`] tells of a nested message that is only checked.
fn pass_over(_: usize, _: &'static Field, _: Raw<'_>) {}

#[inline]
fn scalar(ty: Type, raw: Raw<'_>) -> Scalar<'_> {
    match (ty, raw) {
        (Type::Int32, Raw::Number(n)) => Scalar::Int(i64::from(n as i32)),
        (Type::Int64, Raw::Number(n)) => Scalar::Int(n as i64),
        (Type::Uint32, Raw::Number(n)) => Scalar::Uint(u64::from(n as u32)),
        (Type::Bool, Raw::Number(n)) => Scalar::Bool(n != 0),
        (Type::Double, Raw::Number(n)) => Scalar::Double(f64::from_bits(n)),
        (Type::RecordType, Raw::Number(n)) => Scalar::RecordType(n),
        (Type::String, Raw::Octets(o)) => Scalar::Text(o),
        (Type::Timestamp, Raw::Octets(o)) => Scalar::Timestamp(o),
        // `parse` has decoded it once, so it decodes.
        (Type::Message(schema), Raw::Octets(o)) => match Message::parse(schema, o) {
            Ok(message) => Scalar::Message(message),
            Err(_) => Scalar::Bytes(o),
        },
        (_, Raw::Number(n)) => Scalar::Uint(n),
        (_, Raw::Octets(o)) => Scalar::Bytes(o),
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], WireError> {
    let (head, tail) = rest.split_first_chunk().ok_or(WireError::Truncated)?;
    *rest = tail;
    Ok(head)
}

/// Unsigned LEB128 of at most ten octets.
fn varint(rest: &mut &[u8]) -> Result<u64, WireError> {
    let mut value = 0;
    for (i, octet) in rest.iter().take(10).enumerate() {
        value |= u64::from(octet & 0x7f) << (7 * i);
        if octet & 0x80 == 0 {
            *rest = &rest[i + 1..];
            return Ok(value);
        }
    }
    Err(if rest.len() < 10 {
        WireError::Truncated
    } else {
        WireError::Varint
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::csv::CsvStyle;
    use crate::testing::{Everything, encoded, octets, values};
    use crate::{Columns, Record, csv, json, text};

    fn field(name: &str) -> &'static Field {
        Everything::SCHEMA.field(name).unwrap()
    }

    fn parsed(octets: &[u8]) -> Result<Message<'_>, WireError> {
        Message::parse(Everything::SCHEMA, octets)
    }

    #[test]
    fn lenient_where_writers_differ() {
        // Not packed, packed, out of order, unknown fields of every kind, the last value counts.
        let message = parsed(
            b"\x60\x05\x10\x01\xa0\x7d\x07\x62\x02\x06\x07\xa5\x7d\0\0\0\0\x10\x02\xaa\x7d\x01x",
        )
        .unwrap();
        let ints: Vec<_> = message
            .values(field("Ints"))
            .map(|v| format!("{v:?}"))
            .collect();
        assert_eq!(ints, ["Int(5)", "Int(6)", "Int(7)"]);
        assert!(matches!(
            message.value(field("Int32")),
            Some(Scalar::Int(2))
        ));
        assert!(matches!(
            message.value(field("Bool")),
            Some(Scalar::Bool(false))
        ));
        assert!(message.value(field("One")).is_none());
    }

    #[test]
    fn strict_where_octets_contradict_themselves() {
        for (octets, error) in [
            (&b"\x10"[..], WireError::Truncated),
            (b"\x12", WireError::Truncated),
            (b"\x4a\x05abcd", WireError::Truncated),
            (b"\x39\0\0\0\0\0\0\0", WireError::Truncated),
            (b"\x6a\x07\0\0\0\0\0\0\0", WireError::Truncated),
            (
                b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                WireError::Varint,
            ),
            (b"\x15\0\0\0\0", WireError::WireType(2)),
            (b"\x48\x01", WireError::WireType(9)),
            (b"\x38\x01", WireError::WireType(7)),
            (b"\x12\x01\x01", WireError::WireType(2)),
            (b"\x13", WireError::WireType(2)),
            // Inside nested messages too.
            (b"\x82\x01\x02\x0a\x05", WireError::Truncated),
        ] {
            assert_eq!(parsed(octets).map(|_| ()), Err(error), "{octets:x?}");
        }
    }

    #[test]
    fn times_with_nanoseconds() {
        let octets = b"\x0a\x035.7\xa0\x06\x09";
        assert_eq!(
            parsed(octets).unwrap().timestamp(),
            Some(Timestamp::new(5, 7009))
        );
        let too_many = b"\x0a\x035.7\xa0\x06\xe8\x07";
        assert_eq!(
            parsed(too_many).unwrap().timestamp(),
            Some(Timestamp::new(5, 7000))
        );
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read(values in values()) {
            let record = values.record();
            let octets = encoded(&record);
            let message = parsed(&octets).unwrap();
            let shown = |name| format!("{:?}", message.value(field(name)).unwrap());
            prop_assert_eq!(message.timestamp(), Some(record.timestamp));
            prop_assert_eq!(shown("Int32"), format!("{:?}", Scalar::Int(record.int32.into())));
            prop_assert_eq!(shown("Int64"), format!("{:?}", Scalar::Int(record.int64)));
            prop_assert_eq!(shown("Uint32"), format!("{:?}", Scalar::Uint(record.uint32.into())));
            prop_assert_eq!(shown("Uint64"), format!("{:?}", Scalar::Uint(record.uint64)));
            prop_assert_eq!(shown("Bool"), format!("{:?}", Scalar::Bool(record.bool)));
            prop_assert_eq!(shown("Double"), format!("{:?}", Scalar::Double(record.double)));
            prop_assert_eq!(shown("String"), format!("{:?}", Scalar::Text(record.string.0)));
            prop_assert_eq!(shown("Bytes"), format!("{:?}", Scalar::Bytes(record.bytes)));
            let number = u64::from(record.record_type.0);
            prop_assert_eq!(shown("Type"), format!("{:?}", Scalar::RecordType(number)));
            prop_assert_eq!(message.value(field("One")).is_some(), record.one.is_some());

            let all = |name| -> Vec<_> {
                message.values(field(name)).map(|value| format!("{value:?}")).collect()
            };
            let expected = |values: Vec<Scalar<'_>>| -> Vec<_> {
                values.iter().map(|value| format!("{value:?}")).collect()
            };
            let ints = record.ints.iter().map(|n| Scalar::Int((*n).into())).collect();
            prop_assert_eq!(all("Ints"), expected(ints));
            let doubles = record.doubles.iter().map(|x| Scalar::Double(*x)).collect();
            prop_assert_eq!(all("Doubles"), expected(doubles));
            let names = record.names.iter().map(|name| Scalar::Bytes(name)).collect();
            prop_assert_eq!(all("Names"), expected(names));
            prop_assert_eq!(all("Many").len(), record.many.len());
        }

        #[test]
        fn what_is_checked_is_what_is_parsed(octets in octets()) {
            let checked = check(Everything::SCHEMA, &octets);
            let message = parsed(&octets);
            prop_assert_eq!(checked.map(|_| ()), message.as_ref().map(|_| ()).map_err(|error| *error));
            let Ok(message) = message else {
                return Ok(());
            };
            let payload = Everything::SCHEMA.fields.iter().find(|field| field.csv == Csv::Payload);
            let payload = payload.and_then(|field| message.value(field));
            let is_there = matches!(payload, Some(Scalar::Bytes([_, ..]) | Scalar::Text([_, ..])));
            prop_assert_eq!(checked, Ok(is_there));
        }

        #[test]
        fn no_octets_do_harm(octets in octets()) {
            let Ok(message) = parsed(&octets) else {
                return Ok(());
            };
            let columns: Vec<_> = Everything::SCHEMA.columns(Columns::WITH_PAYLOADS).collect();
            let mut out = Vec::new();
            for utc in [false, true] {
                let style = CsvStyle { utc, ..CsvStyle::default() };
                csv::row(&message, &columns, &style, &mut out);
                prop_assert!(csv::reads_back(&message, &columns, &style));
            }
            text::write(&message, &[], &mut out);
            out.clear();
            json::line(&message, &[], &mut out);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
        }
    }

    #[test]
    fn messages_that_hold_themselves() {
        static CHAIN: Schema = Schema {
            name: "Chain",
            number: None,
            encoder: "Chain",
            stem: "Chain",
            doc: "",
            nested: crate::Nested::Separated,
            fields: &[Field {
                name: "Next",
                alias: None,
                number: 1,
                ty: Type::Message(&CHAIN),
                repeated: false,
                csv: crate::Csv::Default,
                doc: "",
            }],
        };
        assert_eq!(Type::Message(&CHAIN), Type::Message(&CHAIN));
        assert_eq!(format!("{CHAIN:?}"), "Schema(Chain)");
        let chain = |length: usize| {
            let mut octets = Vec::new();
            for _ in 0..length {
                let inner = std::mem::take(&mut octets);
                crate::put::packed_key(&mut octets, 1);
                crate::put::bytes(&mut octets, &inner);
            }
            octets
        };
        assert!(Message::parse(&CHAIN, &chain(MAX_NESTING)).is_ok());
        let deeper = chain(MAX_NESTING + 1);
        assert_eq!(
            Message::parse(&CHAIN, &deeper).err(),
            Some(WireError::Nesting)
        );
    }
}
