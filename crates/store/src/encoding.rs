//! How records stand one after the other in a file or a stream: what comes before them, how each is
//! written, what comes behind. This is the only place that tells the formats apart.
//!
//! Records are made as protobuf, each with its length before it. [`Frames`] leaves them so; every
//! other encoding reads them by their schema and has no code per type.

use std::fmt::Debug;

use netcap_record::csv::{self, CsvStyle};
use netcap_record::{
    Columns, Field, Header, Message, RecordType, Schema, Text, Timestamp, frame, frame_octets,
    json::{self, JsonStyle},
};

/// What there is to say of records before the first of them.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// Their type.
    pub schema: &'static Schema,
    /// The fields that are columns, in order.
    pub columns: &'a [&'static Field],
    /// Whether they hold payloads.
    pub payloads: bool,
    /// When the file or stream was begun.
    pub created: Timestamp,
    /// Name of the input.
    pub source: &'a str,
    /// Program and version; where it is empty, that of this crate.
    pub version: &'a str,
}

/// A way to write records of one type.
pub trait Encoding: Debug + Send + Sync {
    /// What the names of files end in, without compression: `ncap`.
    fn extension(&self) -> &'static str;

    /// The fields that are columns, in order.
    fn columns(&self, schema: &'static Schema, columns: Columns) -> Vec<&'static Field> {
        schema.columns(columns).collect()
    }

    /// Appends what stands before the records.
    fn head(&self, _about: &About<'_>, _out: &mut Vec<u8>) {}

    /// Appends a record, given as protobuf. One that cannot be read is left out, which none is that
    /// was made here.
    fn record(
        &self,
        schema: &'static Schema,
        columns: &[&'static Field],
        record: &[u8],
        out: &mut Vec<u8>,
    );

    /// Appends what stands behind the records.
    fn tail(&self, _out: &mut Vec<u8>) {}

    /// Whether records stay as they were made, so that [`Encoding::record`] need not be asked.
    fn is_frames(&self) -> bool {
        false
    }
}

/// The version in a header where nobody names a program: a header without one cannot be told from records.
const OWN_VERSION: &str = concat!("netcap-store v", env!("CARGO_PKG_VERSION"));

/// Length-delimited protobuf behind a [`Header`]: the format of audit record files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frames;

impl Encoding for Frames {
    fn extension(&self) -> &'static str {
        "ncap"
    }

    fn head(&self, about: &About<'_>, out: &mut Vec<u8>) {
        let version = match about.version {
            "" => OWN_VERSION,
            version => version,
        };
        let header = Header {
            created: about.created,
            input_source: Text(about.source.as_bytes()),
            record_type: RecordType(about.schema.number.unwrap_or_default()),
            version: Text(version.as_bytes()),
            contains_payloads: about.payloads,
        };
        frame(&header, out);
    }

    fn record(
        &self,
        _schema: &'static Schema,
        _columns: &[&'static Field],
        record: &[u8],
        out: &mut Vec<u8>,
    ) {
        frame_octets(record, out);
    }

    fn is_frames(&self) -> bool {
        true
    }
}

/// Comma separated values, or with another separator, behind a line with the names of the columns.
#[derive(Clone, Debug, Default)]
pub struct Csv {
    /// Separator, quoting, delimiters.
    pub style: CsvStyle,
    /// The columns, where they are not those that the type has by default: then all records are of
    /// one type.
    pub select: Vec<&'static Field>,
}

impl Encoding for Csv {
    fn extension(&self) -> &'static str {
        "csv"
    }

    fn columns(&self, schema: &'static Schema, columns: Columns) -> Vec<&'static Field> {
        match self.select.is_empty() {
            true => schema.columns(columns).collect(),
            false => self.select.clone(),
        }
    }

    fn head(&self, about: &About<'_>, out: &mut Vec<u8>) {
        csv::header(about.columns, &self.style, out);
    }

    fn record(
        &self,
        schema: &'static Schema,
        columns: &[&'static Field],
        record: &[u8],
        out: &mut Vec<u8>,
    ) {
        if let Ok(message) = Message::parse(schema, record) {
            csv::row(&message, columns, &self.style, out);
        }
    }
}

/// One JSON object to a line.
#[derive(Clone, Debug, Default)]
pub struct Json {
    /// Fields, dates. Where fields are chosen, all records are of one type.
    pub style: JsonStyle,
    /// Whether each line begins with its record's type, so that lines of several can be told apart.
    pub names_type: bool,
}

impl Encoding for Json {
    fn extension(&self) -> &'static str {
        "json"
    }

    fn record(
        &self,
        schema: &'static Schema,
        _columns: &[&'static Field],
        record: &[u8],
        out: &mut Vec<u8>,
    ) {
        match Message::parse(schema, record) {
            Ok(message) if self.names_type => json::typed_line(&message, &self.style, out),
            Ok(message) => json::line(&message, &self.style, out),
            Err(_) => {}
        }
    }
}
