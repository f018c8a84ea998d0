//! Protobuf encoding (proto3, canonical): ascending field numbers, defaults left out, repeated
//! scalars packed, a nested message that is present written even when empty.
//!
//! Records are appended to a buffer that the caller owns; nothing here allocates but that buffer.

use std::borrow::Cow;

use crate::{PACKET_NUMBER, Schema, Timestamp, Type};

/// An audit record, or a message inside one. Implemented by `#[derive(Record)]`.
pub trait Record {
    /// The definition.
    const SCHEMA: &'static Schema;

    /// Appends the fields, without a length before them.
    fn encode(&self, out: &mut Vec<u8>);
}

/// A record with the number of its packet, which is left out where it is 0.
#[derive(Clone, Copy, Debug)]
pub struct Numbered<'a, R> {
    /// The record.
    pub record: &'a R,
    /// The field [`PACKET_NUMBER`].
    pub packet: u64,
}

impl<R: Record> Record for Numbered<'_, R> {
    const SCHEMA: &'static Schema = R::SCHEMA;

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.record.encode(out);
        // No field of a record has a higher number.
        self.packet.encode(PACKET_NUMBER.number, out);
    }
}

/// Appends a record with its length before it, as `.ncap` files hold them.
#[inline]
pub fn frame<R: Record>(record: &R, out: &mut Vec<u8>) {
    put::delimited(out, |out| record.encode(out));
}

/// Appends a record that is encoded already with its length before it.
pub fn frame_octets(record: &[u8], out: &mut Vec<u8>) {
    put::varint(out, record.len() as u64);
    out.extend_from_slice(record);
}

/// Splits off a record that [`frame`] wrote: its octets, and those after it.
pub fn split_frame(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0usize;
    for (i, octet) in octets.iter().enumerate().take(5) {
        length |= usize::from(octet & 0x7f) << (7 * i);
        if octet & 0x80 == 0 {
            return octets.get(i + 1..)?.split_at_checked(length);
        }
    }
    None
}

/// A Rust type as a field.
pub trait Value {
    /// Protobuf type of the field, or of one element.
    const TYPE: Type;
    /// Whether the field holds any number of values.
    const REPEATED: bool;

    /// Appends the field with its key, or nothing where it has its default.
    fn encode(&self, number: u32, out: &mut Vec<u8>);
}

/// A single value: what stands between the key of a field and the next key.
pub trait Element {
    /// Protobuf type.
    const TYPE: Type;

    /// Whether a field with this value is left out.
    fn is_default(&self) -> bool;

    /// Appends the value, with its length where its type has one.
    fn write(&self, out: &mut Vec<u8>);
}

impl<E: Element> Value for E {
    const TYPE: Type = E::TYPE;
    const REPEATED: bool = false;

    #[inline(always)]
    fn encode(&self, number: u32, out: &mut Vec<u8>) {
        if !self.is_default() {
            put::key(out, number, E::TYPE);
            self.write(out);
        }
    }
}

/// A message that may be absent.
impl<R: Record> Value for Option<R> {
    const TYPE: Type = Type::Message(R::SCHEMA);
    const REPEATED: bool = false;

    #[inline]
    fn encode(&self, number: u32, out: &mut Vec<u8>) {
        if let Some(message) = self {
            put::key(out, number, Self::TYPE);
            frame(message, out);
        }
    }
}

/// Any number of values that an iterator makes while they are written: nothing is collected.
#[derive(Clone, Copy, Debug, Default)]
pub struct Each<I>(pub I);

impl<I> Value for Each<I>
where
    I: Iterator + Clone,
    I::Item: Element,
{
    const TYPE: Type = <I::Item as Element>::TYPE;
    const REPEATED: bool = true;

    #[inline]
    fn encode(&self, number: u32, out: &mut Vec<u8>) {
        repeated(self.0.clone(), number, out);
    }
}

/// Collected values. `Vec<u8>` is a list of numbers; octets are `&[u8]` or `Box<[u8]>`.
impl<E: Element> Value for Vec<E> {
    const TYPE: Type = E::TYPE;
    const REPEATED: bool = true;

    #[inline]
    fn encode(&self, number: u32, out: &mut Vec<u8>) {
        repeated(self.iter(), number, out);
    }
}

fn repeated<E: Element>(mut values: impl Iterator<Item = E>, number: u32, out: &mut Vec<u8>) {
    if put::is_length_delimited(E::TYPE) {
        for value in values {
            put::key(out, number, E::TYPE);
            value.write(out);
        }
    } else if let Some(first) = values.next() {
        put::packed_key(out, number);
        put::delimited(out, |out| {
            first.write(out);
            values.for_each(|value| value.write(out));
        });
    }
}

impl<E: Element> Element for &E {
    const TYPE: Type = E::TYPE;

    #[inline]
    fn is_default(&self) -> bool {
        E::is_default(self)
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        E::write(self, out);
    }
}

macro_rules! integers {
    ($($rust:ty => $ty:ident),*) => {$(
        impl Element for $rust {
            const TYPE: Type = Type::$ty;

            #[inline(always)]
            fn is_default(&self) -> bool {
                *self == 0
            }

            #[inline(always)]
            fn write(&self, out: &mut Vec<u8>) {
                // A negative int32 is sign-extended to 64 bits, as protobuf asks for.
                put::varint(out, i64::from(*self) as u64);
            }
        }
    )*};
}

integers!(u8 => Int32, u16 => Int32, i32 => Int32, u32 => Uint32, i64 => Int64);

impl Element for u64 {
    const TYPE: Type = Type::Uint64;

    #[inline(always)]
    fn is_default(&self) -> bool {
        *self == 0
    }

    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        put::varint(out, *self);
    }
}

impl Element for bool {
    const TYPE: Type = Type::Bool;

    #[inline(always)]
    fn is_default(&self) -> bool {
        !*self
    }

    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Element for f64 {
    const TYPE: Type = Type::Double;

    #[inline(always)]
    fn is_default(&self) -> bool {
        self.to_bits() == 0
    }

    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bits().to_le_bytes());
    }
}

/// Octets, `bytes`.
impl Element for &[u8] {
    const TYPE: Type = Type::Bytes;

    #[inline]
    fn is_default(&self) -> bool {
        self.is_empty()
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        put::bytes(out, self);
    }
}

/// Owned octets, `bytes`, where the record cannot borrow them from the packet.
impl Element for Box<[u8]> {
    const TYPE: Type = Type::Bytes;

    #[inline]
    fn is_default(&self) -> bool {
        self.is_empty()
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        put::bytes(out, self);
    }
}

/// Octets that are the packet's where it has them in one piece.
impl Element for Cow<'_, [u8]> {
    const TYPE: Type = Type::Bytes;

    #[inline]
    fn is_default(&self) -> bool {
        self.is_empty()
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        put::bytes(out, self);
    }
}

/// Text from a packet, `string`: whatever octets the sender wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Text<'a>(pub &'a [u8]);

impl Element for Text<'_> {
    const TYPE: Type = Type::String;

    #[inline]
    fn is_default(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        put::bytes(out, self.0);
    }
}

impl Element for String {
    const TYPE: Type = Type::String;

    #[inline]
    fn is_default(&self) -> bool {
        self.is_empty()
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        put::bytes(out, self.as_bytes());
    }
}

/// A number as text, `string`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal(pub u64);

impl Element for Decimal {
    const TYPE: Type = Type::String;

    #[inline]
    fn is_default(&self) -> bool {
        false
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        put::bytes(out, itoa::Buffer::new().format(self.0).as_bytes());
    }
}

/// A value that may be absent, even where its default would be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maybe<E>(pub Option<E>);

impl<E: Element> Element for Maybe<E> {
    const TYPE: Type = E::TYPE;

    #[inline]
    fn is_default(&self) -> bool {
        self.0.as_ref().is_none_or(E::is_default)
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        if let Some(value) = &self.0 {
            value.write(out);
        }
    }
}

impl Element for Timestamp {
    const TYPE: Type = Type::Timestamp;

    #[inline]
    fn is_default(&self) -> bool {
        false
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        put::bytes(out, self.text());
    }
}

/// The pieces of protobuf's wire format.
pub mod put {
    use crate::Type;

    /// Whether values of a type carry their length.
    #[inline(always)]
    pub const fn is_length_delimited(ty: Type) -> bool {
        matches!(
            ty,
            Type::String | Type::Timestamp | Type::Bytes | Type::Message(_)
        )
    }

    /// Key of a field.
    #[inline(always)]
    pub fn key(out: &mut Vec<u8>, number: u32, ty: Type) {
        let wire = match ty {
            Type::Double => 1,
            ty if is_length_delimited(ty) => 2,
            _ => 0,
        };
        raw_key(out, number, wire);
    }

    /// Key of a field with packed values.
    #[inline(always)]
    pub fn packed_key(out: &mut Vec<u8>, number: u32) {
        raw_key(out, number, 2);
    }

    #[inline(always)]
    fn raw_key(out: &mut Vec<u8>, number: u32, wire: u32) {
        let key = number << 3 | wire;
        // The number is a constant wherever this is inlined, so one branch remains.
        if key < 0x80 {
            out.push(key as u8);
        } else if key < 0x4000 {
            out.extend_from_slice(&[key as u8 | 0x80, (key >> 7) as u8]);
        } else {
            varint(out, u64::from(key));
        }
    }

    /// Unsigned LEB128.
    #[inline]
    pub fn varint(out: &mut Vec<u8>, mut value: u64) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    /// Length and octets.
    #[inline]
    pub fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
        varint(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }

    /// Length and whatever `write` appends.
    ///
    /// One octet is left for the length; where that is too little the body moves up.
    #[inline]
    pub fn delimited(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        let at = out.len();
        out.push(0);
        write(out);
        let len = out.len() - at - 1;
        if len < 0x80 {
            out[at] = len as u8;
        } else if len < 0x4000 {
            out.push(0);
            out.copy_within(at + 1..at + 1 + len, at + 2);
            out[at] = len as u8 | 0x80;
            out[at + 1] = (len >> 7) as u8;
        } else {
            let mut prefix = Vec::with_capacity(10);
            varint(&mut prefix, len as u64);
            out.splice(at..=at, prefix);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::csv::{self, CsvStyle};
    use crate::testing::{HopByHop, encoded, written};
    use crate::{Columns, Numbered, Record, Timestamp, json, text};

    #[test]
    fn records_with_the_number_of_their_packet() {
        let record = &HopByHop {
            timestamp: Timestamp::new(5, 7009),
            options: Vec::new(),
        };
        let numbered = encoded(&Numbered {
            record,
            packet: 300,
        });
        assert_eq!(numbered, b"\x0a\x085.000007\xa0\x06\x09\xc0\x0c\xac\x02");
        assert_eq!(encoded(&Numbered { record, packet: 0 }), encoded(record));

        let shown = Columns {
            packet_numbers: true,
            ..Columns::default()
        };
        let columns: Vec<_> = HopByHop::SCHEMA.columns(shown).collect();
        let mut header = Vec::new();
        csv::header(&columns, &CsvStyle::default(), &mut header);
        assert_eq!(header, b"Timestamp,Options,PacketNumber\n");
        let row = |octets: &[u8]| {
            written::<HopByHop>(octets, |message, out| {
                csv::row(message, &columns, &CsvStyle::default(), out);
            })
        };
        assert_eq!(row(&numbered), "5.000007,,300\n");
        assert_eq!(row(&encoded(record)), "5.000007,,0\n");
        assert!(csv::select(HopByHop::SCHEMA, Columns::default(), "PacketNumber").is_ok());

        let lines = |octets: &[u8]| {
            written::<HopByHop>(octets, |message, out| {
                json::line(message, &Default::default(), out);
                text::write(message, &[], out);
            })
        };
        let [with, without] = [&numbered, &encoded(record)].map(|octets| lines(octets));
        assert!(with.starts_with(r#"{"Timestamp":"5.000007009","Options":[],"PacketNumber":300}"#));
        assert!(with.ends_with("Nanoseconds: 9\nPacketNumber: 300\n\n"));
        assert!(!without.contains("PacketNumber"));
    }
}
