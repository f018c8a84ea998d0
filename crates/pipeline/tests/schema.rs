//! The definitions of the records against the format of 2019, and against each other.
//!
//! `schema.tsv` and `columns.tsv` hold the messages and the CSV columns of that format as facts.
//! What differs is listed here and nowhere else.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, HashSet};

use netcap_protocols::PROTOCOLS;
use netcap_record::{
    Batch, Columns, Field, FileHeader, Header, PACKET_NUMBER, Record, Schema, Type,
};

/// Fields that every record with a `Timestamp` has beyond those of 2019.
const NANOSECONDS: (&str, u32) = ("Nanoseconds", 100);

/// The number from which on fields are shared by all records that have files of their own.
const SHARED: u32 = 200;

/// Other fields beyond those of 2019: message, field, number.
const ADDITIONS: &[(&str, &str, u32)] = &[
    ("Connection", "TotalOctets", 101),
    ("Connection", "CapturedOctets", 102),
    ("Connection", "IPProtocol", 103),
    ("Connection", "VLANs", 104),
    ("Connection", "VNI", 105),
    ("Connection", "CommunityID", 106),
    ("Connection", "ISID", 107),
    ("Flow", "TotalOctets", 101),
    ("Flow", "CapturedOctets", 102),
    ("Flow", "IPProtocol", 103),
    ("Flow", "VLANs", 104),
    ("Flow", "VNI", 105),
    ("Flow", "CommunityID", 106),
    ("Flow", "ISID", 107),
    ("HTTP", "ResTimestamp", 101),
    ("HTTP", "ReasonPhrase", 102),
    ("HTTP", "Server", 103),
    ("HTTP", "SrcPort", 104),
    ("HTTP", "DstPort", 105),
    ("LinkFlow", "CapturedOctets", 102),
    ("NetworkFlow", "CapturedOctets", 102),
    ("NetworkLSA", "NetworkMask", 101),
    ("TLSClientHello", "SupportedVersions", 101),
    ("TLSClientHello", "Ja3s", 102),
    ("TLSClientHello", "ServerVersion", 103),
    ("TLSClientHello", "ServerCipherSuite", 104),
    ("TLSClientHello", "ServerExtensions", 105),
    ("TLSClientHello", "ServerALPN", 106),
    ("TLSClientHello", "ServerGroup", 107),
    ("TLSClientHello", "HelloRetryRequest", 108),
    ("TransportFlow", "CapturedOctets", 102),
];

/// Fields that have the name of their column, which was not that of the field in 2019: message, name
/// in 2019, name here.
const NAMED_AS_COLUMNS: &[(&str, &str, &str)] = &[("VRRPv2", "IPAddress", "IPAdresses")];

/// Encoders that stand for more than one record.
const SHARED_ENCODERS: &[&str] = &["OSPF"];

/// Columns that had another name in 2019, which ours know as an alias: message, old name, new name.
const RENAMED: &[(&str, &str, &str)] = &[("LinkFlow", "SourceMAC", "SrcMAC")];

/// Messages beyond those of 2019, with their numbers in the enumeration `Type`.
const ADDED_MESSAGES: &[(&str, Option<u16>)] = &[];

/// A field as `schema.tsv` has it: number, name, type, repeated.
type Fact = (u32, String, String, bool);

/// The messages of 2019 by name: their numbers in the enumeration `Type`, their fields.
fn facts() -> BTreeMap<&'static str, (Option<u16>, Vec<Fact>)> {
    let mut messages = BTreeMap::new();
    for line in include_str!("schema.tsv").lines().skip(1) {
        let [message, field, number, ty, repeated, in_enum] = columns(line);
        let (_, fields) = messages
            .entry(message)
            .or_insert_with(|| (in_enum.parse().ok(), Vec::new()));
        let is_repeated = match repeated {
            "no" => false,
            "yes" | "repeated" => true,
            other => panic!("{line}: {other}"),
        };
        fields.push((
            number.parse().unwrap(),
            field.into(),
            ty.into(),
            is_repeated,
        ));
    }
    messages
}

fn columns<const N: usize>(line: &str) -> [&str; N] {
    let columns: Vec<&str> = line.split('\t').collect();
    columns
        .try_into()
        .unwrap_or_else(|_| panic!("{line:?} has not {N} columns"))
}

/// Every message of ours by name, those inside others included.
fn ours() -> BTreeMap<&'static str, &'static Schema> {
    fn collect(schema: &'static Schema, found: &mut BTreeMap<&'static str, &'static Schema>) {
        if let Some(other) = found.insert(schema.name, schema) {
            assert_eq!(other, schema, "two messages are called {}", schema.name);
            return;
        }
        for field in schema.fields {
            if let Type::Message(nested) = field.ty {
                collect(nested, found);
            }
        }
    }
    let mut found = BTreeMap::new();
    for schema in [Header::SCHEMA, Batch::SCHEMA].into_iter().chain(records()) {
        collect(schema, &mut found);
    }
    found
}

/// Every record type.
fn records() -> impl Iterator<Item = &'static Schema> {
    netcap_pipeline::schemas().into_iter()
}

fn type_of(ty: Type) -> &'static str {
    match ty {
        Type::Int32 => "int32",
        Type::Int64 => "int64",
        Type::Uint32 => "uint32",
        Type::Uint64 => "uint64",
        Type::Bool => "bool",
        Type::Double => "double",
        Type::String | Type::Timestamp => "string",
        Type::Bytes => "bytes",
        Type::RecordType => "Type",
        Type::Message(schema) => schema.name,
    }
}

fn is_addition(schema: &Schema, name: &str, number: u32) -> bool {
    let is_nanoseconds = schema.fields.first().is_some_and(|f| f.name == "Timestamp")
        && (name, number) == NANOSECONDS;
    is_nanoseconds || number >= SHARED || ADDITIONS.contains(&(schema.name, name, number))
}

/// Files may be joined, so their headers are told from records by their fields; where the second is left
/// out, those of few types come near.
#[test]
fn no_record_looks_like_a_header() {
    let mut alike = Vec::new();
    for schema in records() {
        let is_delimited = |number| {
            schema.by_number(number).is_some_and(|(_, field)| {
                let is_number = !matches!(
                    field.ty,
                    Type::String | Type::Timestamp | Type::Bytes | Type::Message(_)
                );
                field.repeated || !is_number
            })
        };
        if [1, 4].map(is_delimited) == [true; 2] && !is_delimited(3) {
            assert!(!is_delimited(2), "{}", schema.name);
            alike.extend(schema.number);
        }
    }
    alike.sort();
    assert_eq!(alike, FileHeader::ALIKE);
}

#[test]
fn messages_are_those_of_2019() {
    let facts = facts();
    for (name, schema) in ours() {
        if ADDED_MESSAGES.contains(&(name, schema.number)) {
            assert!(
                schema.number.is_none_or(|n| n >= 1000),
                "{name}: new numbers are from 1000"
            );
            continue;
        }
        let Some((number, expected)) = facts.get(name) else {
            panic!("{name} is neither in schema.tsv nor among the additions");
        };
        assert_eq!(schema.number, *number, "number of {name}");
        let mut fields: Vec<Fact> = schema
            .fields
            .iter()
            .filter(|f| !is_addition(schema, f.name, f.number))
            .map(|f| (f.number, f.name.into(), type_of(f.ty).into(), f.repeated))
            .collect();
        fields.sort();
        let mut expected = expected.clone();
        for (_, before, now) in NAMED_AS_COLUMNS.iter().filter(|(m, ..)| *m == name) {
            let fact = expected.iter_mut().find(|fact| fact.1 == *before);
            fact.expect("a field of 2019").1 = (*now).into();
        }
        expected.sort();
        assert_eq!(fields, expected, "fields of {name}");
    }
}

#[test]
fn what_is_listed_as_different_is_different() {
    let (facts, ours) = (facts(), ours());
    let missing: Vec<&str> = facts
        .keys()
        .filter(|name| !ours.contains_key(*name))
        .copied()
        .collect();
    assert!(
        missing.is_empty(),
        "messages of 2019 that nothing writes: {missing:?}"
    );
    for (name, _) in ADDED_MESSAGES {
        assert!(
            ours.contains_key(name) && !facts.contains_key(name),
            "{name} is no addition"
        );
    }
    for (message, field, number) in ADDITIONS {
        let found = ours.get(message).and_then(|schema| schema.field(field));
        assert_eq!(found.map(|f| f.number), Some(*number), "{message}.{field}");
        assert!(
            *number > 100,
            "{message}.{field}: additions have numbers from 101"
        );
    }
    for schema in ours.values().filter(|s| s.fields[0].name == "Timestamp") {
        let (name, number) = NANOSECONDS;
        assert_eq!(
            schema.field(name).map(|f| f.number),
            Some(number),
            "{}",
            schema.name
        );
    }
}

#[test]
fn all_records_share_their_fields_and_no_other_message_has_them() {
    let with_files: Vec<&str> = records().map(|schema| schema.name).collect();
    for (name, schema) in ours() {
        let shared: Vec<&Field> = schema.fields.iter().filter(|f| f.is_shared()).collect();
        let expected: &[&Field] = match with_files.contains(&name) {
            true => &[&PACKET_NUMBER],
            false => &[],
        };
        assert_eq!(shared, expected, "{name}");
        assert!(schema.fields.ends_with(&[PACKET_NUMBER]) || shared.is_empty());
    }
    assert_eq!(PACKET_NUMBER.number, SHARED);
}

#[test]
fn columns_are_those_of_2019() {
    let facts: BTreeMap<&str, (&str, &str, &str)> = include_str!("columns.tsv")
        .lines()
        .skip(1)
        .map(|line| {
            let [encoder, message, stem, _, _, names] = columns(line);
            (message, (encoder, stem, names))
        })
        .collect();
    for schema in records() {
        let Some(&(encoder, stem, names)) = facts.get(schema.name) else {
            continue; // An addition: the test of the messages would have told.
        };
        assert_eq!(
            (schema.encoder, schema.stem),
            (encoder, stem),
            "{}",
            schema.name
        );
        let of_2019 = |field: &'static Field| {
            let renamed = RENAMED
                .iter()
                .find(|(message, _, name)| (*message, *name) == (schema.name, field.name));
            renamed.map_or(field.name, |(_, old, _)| {
                assert_eq!(field.alias, Some(*old), "{}", schema.name);
                *old
            })
        };
        let columns: Vec<&str> = schema
            .columns(Columns::WITH_PAYLOADS)
            .map(of_2019)
            .collect();
        assert_eq!(columns.join(","), names, "columns of {}", schema.name);
    }
}

#[test]
fn payloads_are_columns_only_on_request() {
    let with_payload: BTreeSet<&str> = records()
        .filter(|schema| {
            schema
                .columns(Columns::WITH_PAYLOADS)
                .ne(schema.columns(Columns::default()))
        })
        .map(|schema| schema.name)
        .collect();
    assert_eq!(
        Vec::from_iter(with_payload),
        ["ModbusTCP", "TCP", "UDP", "USB"]
    );
}

#[test]
fn numbers_and_names_are_unique() {
    let (mut numbers, mut encoders, mut stems) = (HashSet::new(), HashSet::new(), HashSet::new());
    for (name, schema) in ours() {
        if let Some(number) = schema.number {
            assert!(
                numbers.insert(number),
                "number {number} of {name} belongs to another too"
            );
        }
        let (mut numbers, mut names) = (HashSet::new(), HashSet::new());
        for field in schema.fields {
            assert!(
                numbers.insert(field.number),
                "{name} has {} twice",
                field.number
            );
            for known_as in [Some(field.name), field.alias].into_iter().flatten() {
                assert!(names.insert(known_as), "{name} has {known_as} twice");
            }
        }
    }
    for schema in records() {
        assert!(schema.number.is_some(), "{} has no number", schema.name);
        assert!(
            encoders.insert(schema.encoder) || SHARED_ENCODERS.contains(&schema.encoder),
            "two encoders {}",
            schema.encoder
        );
        assert!(stems.insert(schema.stem), "two files {}", schema.stem);
    }
}

#[test]
fn everything_is_documented() {
    for (name, schema) in ours() {
        assert!(!schema.doc.is_empty(), "{name} has no documentation");
        for field in schema.fields {
            assert!(
                !field.doc.is_empty(),
                "{name}.{} has no documentation",
                field.name
            );
        }
    }
}

#[test]
fn one_protocol_answers_to_a_selector() {
    let (mut names, mut selectors) = (HashSet::new(), HashSet::new());
    for protocol in PROTOCOLS {
        assert!(
            names.insert(protocol.name),
            "two protocols {}",
            protocol.name
        );
        for selector in protocol.selectors {
            assert!(
                selectors.insert(selector),
                "{}: {selector} is another's too",
                protocol.name
            );
        }
    }
}
