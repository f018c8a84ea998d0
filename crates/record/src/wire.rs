//! Reading encoded records by their schema: no code per record type.
//!
//! Lenient where writers differ (packed or not, fields in any order, unknown fields, strings that
//! are not UTF-8), strict where octets contradict themselves (a length past the end, a wire type
//! that does not fit the field).

use crate::{Csv, Field, Schema, Timestamp, Type, pieces, put};

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
    /// A nested message comes in pieces, so that it stands nowhere as a whole.
    #[error("a nested message comes in pieces")]
    Pieces,
}

/// Messages inside each other that are read. Those of a kind that holds itself (`GRERouting`) could
/// go as deep as a file is long.
const MAX_NESTING: usize = 64;

/// One decoded message: borrowed octets and which field they belong to.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    schema: &'static Schema,
    octets: &'a [u8],
    /// The last value of every field that is not repeated, by its place in the schema.
    single: Vec<Option<Raw<'a>>>,
    /// Values of repeated fields with the place of their field; sorted by place, stably. None where they
    /// are more than [`MOST_KEPT`]: two octets may hold one, so they are found again in the octets.
    repeated: Option<Vec<(u16, Raw<'a>)>>,
}

/// Values of repeated fields that a message keeps.
const MOST_KEPT: usize = 4096;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw<'a> {
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
    /// Decodes a message of which nested ones may come in pieces, as other writers may have it; `room` is
    /// for the pieces put together.
    pub fn parse_pieces(
        schema: &'static Schema,
        octets: &'a [u8],
        room: &'a mut Vec<u8>,
    ) -> Result<Message<'a>, WireError> {
        match Message::parse(schema, octets) {
            Err(WireError::Pieces) => {
                room.clear();
                pieces::join(schema, octets.to_vec(), room);
                Message::parse(schema, room)
            }
            parsed => parsed,
        }
    }

    /// Decodes a message. Nested messages are decoded when they are asked for, but checked here.
    pub fn parse(schema: &'static Schema, octets: &'a [u8]) -> Result<Message<'a>, WireError> {
        let mut single = vec![None; schema.fields.len()];
        let mut repeated = Some(Vec::new());
        let in_pieces =
            walk(
                schema,
                octets,
                MAX_NESTING,
                &mut |place, field, raw| match &mut repeated {
                    _ if !field.repeated => single[place] = Some(raw),
                    Some(kept) if kept.len() < MOST_KEPT => kept.push((place as u16, raw)),
                    _ => repeated = None,
                },
            )?;
        if in_pieces {
            return Err(WireError::Pieces);
        }
        // Nearly always so already: writers use the order of numbers, which is mostly ours.
        if let Some(kept) = &mut repeated
            && !kept.is_sorted_by_key(|(place, _)| *place)
        {
            kept.sort_by_key(|(place, _)| *place);
        }
        Ok(Message {
            schema,
            octets,
            single,
            repeated,
        })
    }

    /// The octets that it was decoded from.
    pub(crate) fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The definition.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// The values of a repeated field in the order they were written. Of any other field the value,
    /// or none where it has its default.
    pub fn values(&self, field: &'static Field) -> impl Iterator<Item = Scalar<'a>> {
        let (mut single, mut kept, mut found) = (None, &[][..], None);
        match (self.schema.by_number(field.number), &self.repeated) {
            (Some((place, field)), Some(repeated)) if field.repeated => {
                let place_of = |(place, _): &(u16, Raw<'_>)| usize::from(*place);
                let start = repeated.partition_point(|entry| place_of(entry) < place);
                let end = repeated.partition_point(|entry| place_of(entry) <= place);
                kept = &repeated[start..end];
            }
            (Some((_, field)), None) if field.repeated => {
                found = Some(Values::of(field, self.octets))
            }
            (Some((place, _)), _) => single = self.single[place],
            (None, _) => {}
        }
        let kept = kept.iter().map(|(_, raw)| *raw);
        let values = single.into_iter().chain(kept);
        values
            .chain(found.into_iter().flatten())
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
/// octets. Gives whether a message in it, that is not repeated, comes in pieces.
fn walk<'a>(
    schema: &'static Schema,
    octets: &'a [u8],
    nesting: usize,
    found: &mut impl FnMut(usize, &'static Field, Raw<'a>),
) -> Result<bool, WireError> {
    let mut rest = octets;
    // By place; no schema has as many fields.
    let (mut seen, mut in_pieces) = (0u128, false);
    while !rest.is_empty() {
        let (number, wire, raw) = next_field(&mut rest)?;
        let Some((place, field)) = schema.by_number(number) else {
            continue;
        };
        match (field.ty, raw) {
            (Type::Message(nested), Raw::Octets(octets)) => {
                let inside = nesting.checked_sub(1).ok_or(WireError::Nesting)?;
                in_pieces |= walk(nested, octets, inside, &mut pass_over)?;
                if !field.repeated {
                    let bit = 1u128.checked_shl(place as u32).unwrap_or(0);
                    in_pieces |= seen & bit != 0;
                    seen |= bit;
                }
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
                    found(place, field, next_packed(&mut packed, ty)?);
                }
            }
            (Type::Double, Raw::Number(_)) if wire == 1 => found(place, field, raw),
            (ty, Raw::Number(_)) if wire == 0 && ty != Type::Double => found(place, field, raw),
            _ => return Err(WireError::WireType(number)),
        }
    }
    Ok(in_pieces)
}

/// The next field: its number, its wire type and its value.
#[inline]
pub(crate) fn next_field<'a>(rest: &mut &'a [u8]) -> Result<(u32, u64, Raw<'a>), WireError> {
    let key = varint(rest)?;
    let (number, wire) = ((key >> 3) as u32, key & 7);
    let raw = match wire {
        0 => Raw::Number(varint(rest)?),
        1 => Raw::Number(u64::from_le_bytes(*take(rest)?)),
        2 => {
            let len = varint(rest)?;
            let len = usize::try_from(len).map_err(|_| WireError::Truncated)?;
            let (value, after) = rest.split_at_checked(len).ok_or(WireError::Truncated)?;
            *rest = after;
            Raw::Octets(value)
        }
        5 => Raw::Number(u64::from(u32::from_le_bytes(*take(rest)?))),
        _ => return Err(WireError::WireType(number)),
    };
    Ok((number, wire, raw))
}

/// The next of the numbers that stand together in one value.
#[inline]
fn next_packed<'a>(packed: &mut &[u8], ty: Type) -> Result<Raw<'a>, WireError> {
    Ok(Raw::Number(match ty {
        Type::Double => u64::from_le_bytes(*take(packed)?),
        _ => varint(packed)?,
    }))
}

/// The values of a repeated field, one after the other out of octets that were found sound.
#[derive(Clone, Debug)]
struct Values<'a> {
    field: &'static Field,
    rest: &'a [u8],
    packed: &'a [u8],
}

impl<'a> Values<'a> {
    fn of(field: &'static Field, octets: &'a [u8]) -> Values<'a> {
        Values {
            field,
            rest: octets,
            packed: &[],
        }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        let is_delimited = put::is_length_delimited(self.field.ty);
        while self.packed.is_empty() {
            if self.rest.is_empty() {
                return None;
            }
            match next_field(&mut self.rest).ok()? {
                (number, ..) if number != self.field.number => {}
                (_, _, Raw::Octets(packed)) if !is_delimited => self.packed = packed,
                (.., raw) => return Some(raw),
            }
        }
        next_packed(&mut self.packed, self.field.ty).ok()
    }
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

    /// A record of so many tiny values: numbers that stand together and alone, texts, messages.
    fn tiny_values(count: usize) -> Vec<u8> {
        let mut octets = Vec::new();
        for (number, ty) in [(14, Type::String), (17, Type::Message(Everything::SCHEMA))] {
            for _ in 0..count {
                put::key(&mut octets, number, ty);
                octets.push(0);
            }
        }
        put::packed_key(&mut octets, 12);
        put::delimited(&mut octets, |out| out.resize(out.len() + count, 5));
        for _ in 0..count {
            put::key(&mut octets, 12, Type::Int32);
            octets.push(6);
        }
        // With quotes, separators and line ends in the last of them.
        for text in [&b"a,b;;\"c\""[..], b"\n"] {
            put::key(&mut octets, 14, Type::String);
            put::bytes(&mut octets, text);
        }
        octets
    }

    #[test]
    fn very_many_values_are_not_kept() {
        for count in [10, MOST_KEPT / 4, MOST_KEPT, 100_000] {
            let octets = tiny_values(count);
            let message = Message::parse(Everything::SCHEMA, &octets).expect("a sound record");
            assert_eq!(message.repeated.is_none(), 4 * count + 2 > MOST_KEPT);
            let values = |name| message.values(field(name));
            assert_eq!(values("Strings").count(), count + 2);
            assert_eq!(values("Many").count(), count);
            assert_eq!(values("List").count(), 0);
            let ints = values("Ints").map(|value| match value {
                Scalar::Int(number) => number,
                other => panic!("{other:?}"),
            });
            let expected = std::iter::repeat_n(5, count).chain(std::iter::repeat_n(6, count));
            assert!(ints.eq(expected));
        }
    }

    /// The text of a long record is the same piece by piece, and no more than a piece of it is held.
    #[test]
    fn long_records_are_written_in_pieces() {
        let mut octets = tiny_values(40_000);
        // Long ones: characters of several octets, and what is no text.
        for long in [&b"a,\"\xf0\x9f\x98\x80(\\-"[..], b"\xff\x80\xe2\x82"] {
            put::key(&mut octets, 14, Type::String);
            put::bytes(&mut octets, &long.repeat(70_000));
        }
        let message = Message::parse(Everything::SCHEMA, &octets).expect("a sound record");
        let mut room = Vec::new();
        for (separator, quote) in [(",", true), (";;", true), ("-", true), ("!", false)] {
            let style = CsvStyle {
                separator: separator.into(),
                quote,
                ..CsvStyle::default()
            };
            let columns: Vec<_> = Everything::SCHEMA.columns(Columns::default()).collect();
            let (mut whole, mut pieces) = (Vec::new(), Vec::new());
            csv::row(&message, &columns, &style, &mut whole);
            csv::write_row(&message, &columns, &style, &mut room, &mut pieces).expect("room");
            assert!(whole == pieces, "{separator}");
            let quoted = csv::needs_quoting(&message, &columns, &style);
            assert!(quoted.contains(&field("Strings")));
            assert_eq!(quoted.contains(&field("Ints")), separator == "-");
            assert_eq!(csv::reads_back(&message, &columns, &style), quote);
            let beginnings = csv::beginnings(&message, &columns, &style, 100);
            assert!(beginnings.iter().all(|cell| cell.len() < 200));
        }
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        json::line(&message, &Default::default(), &mut whole);
        json::write_line(&message, &Default::default(), &mut room, &mut pieces).expect("room");
        assert!(whole == pieces);
        pieces.clear();
        whole.clear();
        text::write(&message, &[], &mut whole);
        text::write_to(&message, &[], &mut room, &mut pieces).expect("room");
        assert!(whole == pieces);
        assert!(room.capacity() < 1 << 18, "{}", room.capacity());
    }

    #[test]
    fn a_writer_that_fails_ends_it() {
        struct Full(u32);
        impl std::io::Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                self.0 += 1;
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let octets = tiny_values(40_000);
        let message = Message::parse(Everything::SCHEMA, &octets).expect("a sound record");
        let mut full = Full(0);
        let error = json::write_line(&message, &Default::default(), &mut Vec::new(), &mut full);
        assert_eq!(
            error.expect_err("no room").kind(),
            std::io::ErrorKind::StorageFull
        );
        assert_eq!(full.0, 1);
    }

    /// A field that holds these octets.
    fn held(number: u32, octets: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put::key(&mut out, number, Type::Bytes);
        put::bytes(&mut out, octets);
        out
    }

    #[test]
    fn nested_messages_in_pieces_are_joined() {
        // Its first field in one piece, its second in the other, with another field between them.
        let (a, b) = (held(1, b"x"), [2 << 3, 7]);
        let octets = [held(16, &a), held(9, b"y"), held(16, &b)].concat();
        let line = |octets: &[u8]| {
            let (mut room, mut out) = (Vec::new(), Vec::new());
            let message = Message::parse_pieces(Everything::SCHEMA, octets, &mut room);
            json::line(
                &message.expect("a sound record"),
                &Default::default(),
                &mut out,
            );
            String::from_utf8(out).expect("text")
        };
        let parsed = Message::parse(Everything::SCHEMA, &octets);
        assert_eq!(parsed.err(), Some(WireError::Pieces));
        assert_eq!(check(Everything::SCHEMA, &octets), Ok(false));
        let text = line(&octets);
        assert!(text.contains(r#""One":{"A":"x","B":7}"#), "{text}");
        assert!(text.contains(r#""Bytes":"79""#), "{text}");
        // The last of a field counts; a piece without anything is one too.
        let octets = [held(16, b""), held(16, &a), held(16, &held(1, b"z"))].concat();
        assert!(line(&octets).contains(r#""One":{"A":"z","B":0}"#));
        // In a message of a list, whose entries stay as many and in their order.
        let entry = [held(1, &a), held(1, &b), vec![2 << 3, 1]].concat();
        let octets = [held(18, &entry), held(18, b""), held(18, &entry)].concat();
        let whole = r#"{"A":{"A":"x","B":7},"B":true}"#;
        let list = format!(r#""List":[{whole},{{"A":null,"B":false}},{whole}]"#);
        assert!(line(&octets).contains(&list), "{}", line(&octets));
        // Very many.
        let octets = [held(16, &a), held(16, b"").repeat(100_000), held(16, &b)].concat();
        assert!(line(&octets).contains(r#""One":{"A":"x","B":7}"#));
    }

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
            json::line(&message, &Default::default(), &mut out);
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
