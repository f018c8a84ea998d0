//! Reading encoded records by their schema: no code per record type.
//!
//! Lenient where writers differ (packed or not, fields in any order, unknown fields, strings that
//! are not UTF-8), strict where octets contradict themselves (a length past the end, a wire type
//! that does not fit the field).

use crate::{Field, Schema, Timestamp, Type};

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
}

/// One decoded message: borrowed octets and which field they belong to.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    schema: &'static Schema,
    entries: Vec<(u16, Raw<'a>)>,
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
        let mut entries = Vec::with_capacity(schema.fields.len());
        let mut rest = octets;
        while !rest.is_empty() {
            let key = varint(&mut rest)?;
            let number = (key >> 3) as u32;
            let raw = match key & 7 {
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
            let Some((index, field)) = schema.by_number(number) else {
                continue;
            };
            let wire = key & 7;
            match (field.ty, raw) {
                (Type::Message(nested), Raw::Octets(octets)) => {
                    Message::parse(nested, octets)?;
                    entries.push((index as u16, raw));
                }
                (Type::String | Type::Timestamp | Type::Bytes, Raw::Octets(_)) => {
                    entries.push((index as u16, raw));
                }
                (Type::Double, Raw::Number(_)) if wire == 1 => entries.push((index as u16, raw)),
                (ty, Raw::Octets(packed)) if field.repeated && ty != Type::Double => {
                    let mut packed = packed;
                    while !packed.is_empty() {
                        entries.push((index as u16, Raw::Number(varint(&mut packed)?)));
                    }
                }
                (Type::Double | Type::String | Type::Timestamp | Type::Bytes, _)
                | (Type::Message(_), _) => return Err(WireError::WireType(number)),
                (_, Raw::Number(_)) if wire == 0 => entries.push((index as u16, raw)),
                _ => return Err(WireError::WireType(number)),
            }
        }
        Ok(Message { schema, entries })
    }

    /// The definition.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// The values of a field in the order they were written; none where it has its default.
    pub fn values(&self, field: &'static Field) -> impl Iterator<Item = Scalar<'a>> {
        self.raw(field).map(|raw| scalar(field.ty, raw))
    }

    /// The value of a field that is not repeated: the last one written, or the default.
    /// A message that is absent is `None`.
    pub fn value(&self, field: &'static Field) -> Option<Scalar<'a>> {
        match self.raw(field).last() {
            Some(raw) => Some(scalar(field.ty, raw)),
            None => match field.ty {
                Type::Message(_) => None,
                Type::String | Type::Timestamp | Type::Bytes => {
                    Some(scalar(field.ty, Raw::Octets(&[])))
                }
                ty => Some(scalar(ty, Raw::Number(0))),
            },
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

    fn raw(&self, field: &'static Field) -> impl Iterator<Item = Raw<'a>> {
        let index = self
            .schema
            .by_number(field.number)
            .map_or(u16::MAX, |(i, _)| i as u16);
        self.entries
            .iter()
            .filter(move |(i, _)| *i == index)
            .map(|(_, raw)| *raw)
    }
}

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
