//! The two messages around records: the header of a file, and a batch on its way to a server.

use crate::{
    Element, Message, Record, Scalar, Schema, Text, Timestamp, Type, WireError, find_schema, put,
};

/// Number of a record type in the enumeration `Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct RecordType(pub u16);

impl Element for RecordType {
    const TYPE: Type = Type::RecordType;

    #[inline]
    fn is_default(&self) -> bool {
        self.0 == 0
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        put::varint(out, u64::from(self.0));
    }
}

/// Appends the name of a type, `NC_TCP`, or its number where none of `types` has it.
pub(crate) fn type_name(types: &[&'static Schema], number: u64, out: &mut Vec<u8>) {
    match u16::try_from(number)
        .ok()
        .and_then(|number| find_schema(types, number))
    {
        Some(schema) => {
            out.extend_from_slice(b"NC_");
            out.extend_from_slice(schema.name.as_bytes());
        }
        None => crate::digits::integer(number, out),
    }
}

/// First message of every file: what the file holds and where it comes from.
#[derive(Clone, Copy, Debug, Record)]
#[record("Header", 0)]
pub struct Header<'a> {
    /// Time at which the file was created.
    #[field(1, "Created")]
    pub created: Timestamp,
    /// File or interface that was read, as it was given.
    #[field(2, "InputSource")]
    pub input_source: Text<'a>,
    /// Type of the records that follow.
    #[field(3, "Type")]
    pub record_type: RecordType,
    /// Program and version that wrote the file.
    #[field(4, "Version")]
    pub version: Text<'a>,
    /// Whether the records hold payloads.
    #[field(5, "ContainsPayloads")]
    pub contains_payloads: bool,
}

/// Records of one type from one sensor.
#[derive(Clone, Copy, Debug, Record)]
#[record("Batch", 1)]
pub struct Batch<'a> {
    /// Name of the sensor.
    #[field(1, "ClientID")]
    pub client_id: Text<'a>,
    /// Type of the records.
    #[field(2, "MessageType")]
    pub message_type: RecordType,
    /// Number of octets in `Data`.
    #[field(3, "TotalSize")]
    pub total_size: i32,
    /// Records, each with its length before it.
    #[field(4, "Data")]
    pub data: &'a [u8],
    /// Whether the records hold payloads.
    #[field(5, "ContainsPayloads")]
    pub contains_payloads: bool,
}

/// The header of a file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// Time at which the file was created, where the header holds one that can be read.
    pub created: Option<Timestamp>,
    /// File or interface that was read.
    pub source: Vec<u8>,
    /// Number of the type of the records; 65535, which is no type, where it is larger.
    pub record_type: u16,
    /// Program and version that wrote the file.
    pub version: String,
    /// Whether the records hold payloads.
    pub contains_payloads: bool,
}

impl FileHeader {
    /// Types of records with a number in the third field and text or octets in the fourth:
    /// `EthernetCTPReply`, `DHCPv6`, `SIP` and `FDDI`. The third is a receipt number behind a function that
    /// is never 0, a number of hops where more text follows, that of a method, and a priority: none is
    /// the number of its type where the second is 0.
    pub const ALIKE: [u16; 4] = [23, 49, 53, 78];

    /// The header, if the octets are one and no record of the type with this number: it has a time, a
    /// type and a version, and nothing that a header does not have.
    ///
    /// No type of record has text, octets or a message in its second and fourth fields and a number in the
    /// third. Where the second is left out, because the source is empty, records of the types [`FileHeader::ALIKE`]
    /// with a zero there look the same; among them only a header of their own type is told.
    pub fn among_records(octets: &[u8], own: u16) -> Option<FileHeader> {
        // Nearly all records are told by one octet: the first field of a header is a text, its second too,
        // and where that is left out the third is a number.
        let [0x0a, length, ..] = *octets else {
            return None;
        };
        if !matches!(octets.get(2 + usize::from(length)), Some(0x12 | 0x18)) {
            return None;
        }
        let message = Message::parse(Header::SCHEMA, octets).ok()?;
        let header = FileHeader::from(&message);
        let is_whole =
            header.created.is_some() && header.record_type != 0 && !header.version.is_empty();
        let is_told = !header.source.is_empty()
            || header.record_type == own
            || !FileHeader::ALIKE.contains(&own);
        (is_whole && is_told).then_some(header)
    }

    /// Decodes the first message of a file.
    pub fn parse(octets: &[u8]) -> Result<FileHeader, WireError> {
        Message::parse(Header::SCHEMA, octets).map(|message| FileHeader::from(&message))
    }
}

impl From<&Message<'_>> for FileHeader {
    /// Takes what the message has of a header's fields.
    fn from(message: &Message<'_>) -> FileHeader {
        let mut header = FileHeader {
            created: None,
            source: Vec::new(),
            record_type: 0,
            version: String::new(),
            contains_payloads: false,
        };
        for field in message.schema().fields {
            match (field.name, message.value(field)) {
                ("Created", Some(Scalar::Timestamp(text))) => {
                    header.created = Timestamp::parse(text);
                }
                ("InputSource", Some(Scalar::Text(text))) => header.source = text.to_vec(),
                ("Type", Some(Scalar::RecordType(number))) => {
                    header.record_type = u16::try_from(number).unwrap_or(u16::MAX);
                }
                ("Version", Some(Scalar::Text(text))) => {
                    header.version = String::from_utf8_lossy(text).into_owned();
                }
                ("ContainsPayloads", Some(Scalar::Bool(value))) => header.contains_payloads = value,
                _ => {}
            }
        }
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_of_the_original() {
        // Of `TCP.ncap` for the capture `wikipedia`.
        let octets = b"\x0a\x111795250424.737819\x12\x0ewikipedia.pcap\x18\x26\x22\x06v0.3.9";
        let header = FileHeader::parse(octets).unwrap();
        let expected = FileHeader {
            created: Some(Timestamp::new(1_795_250_424, 737_819_000)),
            source: b"wikipedia.pcap".to_vec(),
            record_type: 38,
            version: "v0.3.9".to_owned(),
            contains_payloads: false,
        };
        assert_eq!(header, expected);

        let mut again = Vec::new();
        Header {
            created: Timestamp::new(1_795_250_424, 737_819_000),
            input_source: Text(b"wikipedia.pcap"),
            record_type: RecordType(38),
            version: Text(b"v0.3.9"),
            contains_payloads: false,
        }
        .encode(&mut again);
        assert_eq!(again, octets);
    }

    #[test]
    fn headers_among_records() {
        let header = |source: &'static str, number| {
            let mut octets = Vec::new();
            Header {
                created: Timestamp::new(1, 2000),
                input_source: Text(source.as_bytes()),
                record_type: RecordType(number),
                version: Text(b"v1"),
                contains_payloads: false,
            }
            .encode(&mut octets);
            octets
        };
        for source in ["a.pcap", ""] {
            for own in [38, 41] {
                let found = FileHeader::among_records(&header(source, 38), own).expect("a header");
                let expected = (38, source.as_bytes());
                assert_eq!((found.record_type, &found.source[..]), expected);
            }
        }
        // A request of SIP 3.0 with one header.
        let invite = b"\x0a\x081.000001\x18\x01\x22\x04a: b";
        assert_eq!(FileHeader::among_records(invite, 53), None);
        assert!(FileHeader::among_records(&header("", 53), 53).is_some());
        for other in [
            &header("a.pcap", 0)[..],
            b"",
            b"\x0a",
            b"\x0a\xff",
            // A flow, a record with octets and a number.
            b"\x0a\x081.000001\x12\x0c2.0\x1a\x03TCP\x22\x01x",
            b"\x0a\x081.000001\x12\x03\0\0\x0c\x18\x80\x40",
        ] {
            assert_eq!(FileHeader::among_records(other, 38), None);
        }
    }

    #[test]
    fn odd_headers() {
        let header = FileHeader::parse(b"\x0a\x01x\x18\xff\xff\x7f\x22\x01\xff\x28\x01").unwrap();
        assert_eq!(header.created, None);
        assert_eq!(header.record_type, u16::MAX);
        assert_eq!(header.version, "\u{fffd}");
        assert!(header.contains_payloads);
        assert_eq!(FileHeader::parse(b"\x0a\x05x"), Err(WireError::Truncated));
    }

    #[test]
    fn names_of_types() {
        let types = [Header::SCHEMA, Batch::SCHEMA];
        for (number, expected) in [(1, "NC_Batch"), (9, "9"), (65_537, "65537")] {
            let mut out = Vec::new();
            type_name(&types, number, &mut out);
            assert_eq!(out, expected.as_bytes());
        }
    }
}
