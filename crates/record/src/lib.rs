//! What an audit record is: one definition, every format.
//!
//! A record is a plain struct with `#[derive(Record)]`. The derive lists its fields in a
//! [`Schema`] and writes the protobuf encoder; nothing else is generated. Everything that reads
//! records (CSV, JSON, tables, text, the `.proto` file, the documentation) walks encoded octets by
//! their schema through [`Message`], so no format has code per record type.
//!
//! Writing keeps every octet, also in strings that are not UTF-8; reading is lenient in the same
//! way, skips fields it does not know, and never believes a length it has not checked.

// The derive names this crate by its path, also here.
extern crate self as netcap_record;

pub mod csv;
pub mod dot_proto;
pub mod json;
pub mod markdown;
pub mod table;
pub mod text;

mod address;
mod digits;
mod header;
mod out;
mod pieces;
mod schema;
mod suggestion;
#[cfg(test)]
mod testing;
mod timestamp;
mod value;
mod wire;

pub use address::{Ip, Mac};
pub use header::{Batch, FileHeader, Header, RecordType};
pub use netcap_record_derive::Record;
pub use schema::{Columns, Csv, Field, Nested, PACKET_NUMBER, Schema, Type, find_schema};
pub use suggestion::closest;
pub use timestamp::{Time, Timestamp};
pub use value::{
    Decimal, Each, Element, Maybe, Numbered, Record, Text, Value, frame, frame_octets, split_frame,
};
pub use wire::{Message, Scalar, WireError, check};

use header::type_name;

#[doc(hidden)]
pub use value::put;
