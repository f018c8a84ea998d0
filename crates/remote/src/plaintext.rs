//! What is inside a sealed datagram: a `Batch` in the encoding of protobuf, compressed with gzip. How a
//! sensor makes it, and how a server looks through it.
//!
//! Guarantees: what a server takes is of a type that there is, consists of whole records that each
//! can be read as their type, and says its own size. Fields that are not known are passed over. Looking
//! through it allocates nothing for a record or a field, so what it costs is in proportion to the octets.
//!
//! **Headers.** The first record of each type that a sensor sends is a `Header`, which is no record of
//! the type, and does not go into the file. It is taken for one only as the first of a batch, with
//! a time, a source, the batch's own type and a version, in the order of their numbers, and nothing that
//! a header does not have. No record type that there is has fields 1 to 4 of the same wire types, so
//! no record is taken for a header: a test holds that for every type.

use netcap_record::{
    Batch, FileHeader, Header, Message, Record, RecordType, Scalar, Schema, Text, Timestamp,
    find_schema, split_frame,
};

use crate::batch::LONGEST_BATCH;
use crate::records::{NotRecords, look_through, proportionate};
use crate::refusal::Refusal;

/// Octets of a `Batch` at most: the longest `Data`, and a kilobyte or four for what is around it.
pub(crate) const LONGEST_MESSAGE: usize = LONGEST_BATCH + 4096;

/// Octets of a `Batch` that a datagram may bring however well they compress: sensors of 2019 send 10 KiB.
const ALWAYS: usize = 16 << 10;

/// Octets of the `Batch` in a gzip member of so many at most. A sensor splits what would be longer.
pub(crate) fn longest(member: usize) -> usize {
    proportionate(member, ALWAYS).min(LONGEST_MESSAGE)
}

/// A `Batch` of these records. `ContainsPayloads` is not set: sensors of 2019 never did.
pub(crate) fn encode(client: &[u8], schema: &Schema, frames: &[u8], out: &mut Vec<u8>) {
    Batch {
        client_id: Text(client),
        message_type: RecordType(schema.number.unwrap_or_default()),
        total_size: i32::try_from(frames.len()).unwrap_or(i32::MAX),
        data: frames,
        contains_payloads: false,
    }
    .encode(out);
}

/// What a batch brings.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    /// The name of the client as it came.
    pub(crate) client: &'a [u8],
    pub(crate) schema: &'static Schema,
    /// The records without the header.
    pub(crate) frames: &'a [u8],
    /// How many there are: none where there is only a header.
    pub(crate) count: u32,
    /// Whether the batch, its header or one of its records says that records hold payloads.
    pub(crate) payloads: bool,
}

/// Looks through a `Batch`.
pub(crate) fn decode<'a>(
    schemas: &[&'static Schema],
    octets: &'a [u8],
) -> Result<Received<'a>, Refusal> {
    let batch = Message::parse(Batch::SCHEMA, octets).map_err(|_| Refusal::NotBatch)?;
    let mut client = &[][..];
    let mut number = 0;
    let mut size = 0;
    let mut data = &[][..];
    let mut payloads = false;
    for field in Batch::SCHEMA.fields {
        match (field.name, batch.value(field)) {
            ("ClientID", Some(Scalar::Text(name))) => client = name,
            ("MessageType", Some(Scalar::RecordType(value))) => number = value,
            ("TotalSize", Some(Scalar::Int(value))) => size = value,
            ("Data", Some(Scalar::Bytes(octets))) => data = octets,
            ("ContainsPayloads", Some(Scalar::Bool(value))) => payloads = value,
            _ => {}
        }
    }
    let schema = u16::try_from(number)
        .ok()
        .and_then(|number| find_schema(schemas, number))
        .ok_or(Refusal::UnknownType)?;
    if usize::try_from(size) != Ok(data.len()) {
        return Err(Refusal::WrongSize);
    }
    if data.is_empty() {
        return Err(Refusal::NoRecords);
    }
    let (first, behind) = split_frame(data).ok_or(Refusal::NotWhole)?;
    let mut frames = data;
    if let Some(header) = header(schema, first) {
        payloads |= header.contains_payloads;
        frames = behind;
    }
    let seen = look_through(schema, frames).map_err(|reason| match reason {
        NotRecords::Record => Refusal::NotOfItsType,
        _ => Refusal::NotWhole,
    })?;
    payloads |= seen.payloads;
    Ok(Received {
        client,
        schema,
        frames,
        count: seen.count,
        payloads,
    })
}

/// The record as a header for records of the type, if it is one; see the module.
fn header(schema: &Schema, record: &[u8]) -> Option<FileHeader> {
    let header = FileHeader::parse(record).ok()?;
    // The time comes first: key 1 with a length. Its digits are the writer's; all else is compared.
    let (time, rest) = split_frame(record.strip_prefix(&[0x0a])?)?;
    Timestamp::parse(time)?;
    if Some(header.record_type) != schema.number
        || header.source.is_empty()
        || header.version.is_empty()
    {
        return None;
    }
    let mut again = Vec::new();
    Header {
        created: Timestamp::new(1, 0),
        input_source: Text(&header.source),
        record_type: RecordType(header.record_type),
        version: Text(header.version.as_bytes()),
        contains_payloads: header.contains_payloads,
    }
    .encode(&mut again);
    let (_, expected) = split_frame(again.strip_prefix(&[0x0a])?)?;
    (rest == expected).then_some(header)
}

#[cfg(test)]
mod tests {
    use netcap_record::{Type, frame};
    use proptest::prelude::*;

    use super::*;

    fn header_of(schema: &Schema) -> Header<'static> {
        Header {
            created: Timestamp::new(1_552_143_255, 965_350_000),
            input_source: Text(b"eth0"),
            record_type: RecordType(schema.number.expect("a number")),
            version: Text(b"v0.3.9"),
            contains_payloads: true,
        }
    }

    fn encoded(header: &Header<'_>) -> Vec<u8> {
        let mut octets = Vec::new();
        header.encode(&mut octets);
        octets
    }

    fn tcp() -> &'static Schema {
        find_schema(&netcap_pipeline::schemas(), 38).expect("TCP")
    }

    #[test]
    fn no_record_is_taken_for_a_header() {
        let schemas = netcap_pipeline::schemas();
        assert!(schemas.len() > 50);
        for schema in schemas {
            let octets = encoded(&header_of(schema));
            assert!(header(schema, &octets).is_some(), "{}", schema.name);
            // A record of the type that has all fields that a header must have would be of the same
            // wire types. Either there is no such record, or the type lacks one of the fields.
            let is_length = |ty: Type, repeated| {
                let is_number = matches!(
                    ty,
                    Type::Int32
                        | Type::Int64
                        | Type::Uint32
                        | Type::Uint64
                        | Type::Bool
                        | Type::Double
                        | Type::RecordType
                );
                repeated || !is_number
            };
            let may_be = [(1, true), (2, true), (3, false), (4, true)]
                .into_iter()
                .all(|(number, length)| {
                    schema.by_number(number).is_some_and(|(_, field)| {
                        is_length(field.ty, field.repeated) == length
                            || field.repeated && !is_length(field.ty, false)
                    })
                });
            assert!(!may_be, "{} could be taken for a header", schema.name);
        }
    }

    #[test]
    fn headers_are_recognised_strictly() {
        let schema = tcp();
        let good = encoded(&header_of(schema));
        assert!(header(schema, &good).expect("a header").contains_payloads);
        // Of the original, with a time that is not padded.
        let original = b"\x0a\x101552143255.96535\x12\x03en0\x18\x26\x22\x06v0.3.9";
        assert!(header(schema, original).is_some());
        let mut other = header_of(schema);
        other.record_type = RecordType(39);
        let mut no_version = header_of(schema);
        no_version.version = Text(b"");
        let mut no_source = header_of(schema);
        no_source.input_source = Text(b"");
        for odd in [other, no_version, no_source] {
            assert!(header(schema, &encoded(&odd)).is_none(), "{odd:?}");
        }
        for length in 0..good.len() {
            // Without its last field it is still one: that is a default.
            let is_header = length == good.len() - 2;
            assert_eq!(
                header(schema, &good[..length]).is_some(),
                is_header,
                "{length}"
            );
        }
        for more in [&b"\x30\x01"[..], b"\x28\x01", b"\xa0\x06\x01", b"\0"] {
            assert!(
                header(schema, &[&good, more].concat()).is_none(),
                "{more:x?}"
            );
        }
        assert!(header(schema, &[b"\x18\x26", &good[..]].concat()).is_none());
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let schemas = netcap_pipeline::schemas();
        let mut frames = Vec::new();
        frame(&header_of(tcp()), &mut frames);
        let header = frames.len();
        frames.extend_from_slice(b"\x03\x0a\x011\x03\x0a\x012");
        let mut octets = Vec::new();
        encode(b"alice", tcp(), &frames, &mut octets);
        let received = decode(&schemas, &octets).expect("a batch");
        assert_eq!(received.client, b"alice");
        assert_eq!(received.schema, tcp());
        assert_eq!(received.frames, &frames[header..]);
        assert_eq!(received.count, 2);
        assert!(received.payloads);

        octets.clear();
        encode(b"", tcp(), &frames[..header], &mut octets);
        let received = decode(&schemas, &octets).expect("a header alone");
        assert_eq!((received.count, received.frames), (0, &[][..]));
    }

    #[test]
    fn records_tell_of_payloads() {
        let schemas = netcap_pipeline::schemas();
        let (place, payload) = schemas
            .iter()
            .find_map(|schema| {
                let mut fields = schema.fields.iter();
                let field = fields.find(|field| field.csv == netcap_record::Csv::Payload)?;
                Some((*schema, field))
            })
            .expect("a type with payloads");
        for (length, expected) in [(0, false), (1, true)] {
            let mut record = Vec::new();
            netcap_record::put::key(&mut record, payload.number, Type::Bytes);
            record.push(length);
            record.resize(record.len() + usize::from(length), b'x');
            let mut frames = Vec::new();
            netcap_record::frame_octets(&record, &mut frames);
            let mut octets = Vec::new();
            encode(b"", place, &frames, &mut octets);
            let received = decode(&schemas, &octets).expect("a batch");
            assert_eq!(received.payloads, expected);
        }
    }

    fn decodes_to_whole_records(octets: &[u8]) {
        let schemas = netcap_pipeline::schemas();
        if let Ok(received) = decode(&schemas, octets) {
            assert_eq!(
                crate::count_frames(received.frames),
                Some(received.count),
                "{octets:x?}"
            );
            let mut rest = received.frames;
            while let Some((record, behind)) = split_frame(rest) {
                Message::parse(received.schema, record).expect("of its type");
                rest = behind;
            }
            assert!(rest.is_empty());
        }
    }

    proptest! {
        #[test]
        fn no_octets_do_harm(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            decodes_to_whole_records(&octets);
        }

        #[test]
        fn no_change_does_harm(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in any::<prop::sample::Index>(),
            is_cut in any::<bool>(),
        ) {
            let mut frames = Vec::new();
            frame(&header_of(tcp()), &mut frames);
            frames.extend_from_slice(b"\x03\x0a\x011\x03\x0a\x012");
            let mut octets = Vec::new();
            encode(b"alice", tcp(), &frames, &mut octets);
            for (place, octet) in changes {
                let place = place.index(octets.len());
                octets[place] = octet;
            }
            if is_cut {
                octets.truncate(cut.index(octets.len()));
            }
            decodes_to_whole_records(&octets);
        }
    }
}
