//! Others read what we write: every record of the captures, decoded with `proto/netcap.proto` by a
//! protobuf library that knows nothing of ours, has the same values, and encodes to the same octets.
//!
//! Such libraries refuse strings with octets that are not UTF-8; none of these captures has any.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use netcap_dissect::Selection;
use netcap_pipeline::{Config, FileConfig, Files, run};
use netcap_record::{FileHeader, Header, Message, Record, Scalar, Schema, Timestamp, find_schema};
use netcap_store::Reader;
use protox::prost::Message as _;
use protox::prost_reflect::{DescriptorPool, DynamicMessage, Value};

/// The root of the project.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// `proto/netcap.proto`, compiled.
fn pool() -> DescriptorPool {
    let files = protox::compile(["netcap.proto"], [Path::new(ROOT).join("proto")]).unwrap();
    DescriptorPool::from_file_descriptor_set(files).unwrap()
}

/// Decodes the octets of a message as anybody would.
fn decode(pool: &DescriptorPool, name: &str, octets: &[u8]) -> Option<DynamicMessage> {
    let descriptor = pool.get_message_by_name(&format!("types.{name}")).unwrap();
    DynamicMessage::decode(descriptor, octets).ok()
}

/// Writes the records of a capture, payloads included.
fn collect(capture: &str, directory: &Path) -> Vec<PathBuf> {
    let source = netcap_capture::open(&Path::new(ROOT).join("tests/captures").join(capture));
    let selection = Selection {
        payloads: true,
        packet_numbers: true,
        ..Selection::default()
    };
    let registry = netcap_pipeline::registry(&selection).unwrap();
    let config = Config {
        ignore_unknown: true,
        ..Config::default()
    };
    let directory = directory.join(capture);
    let files = FileConfig {
        source: capture.to_owned(),
        version: "interop".to_owned(),
        created: Timestamp::new(1_600_000_000, 0),
        ..FileConfig::new(&directory)
    };
    let mut files = Files::new(files, &registry).unwrap();
    let (source, stop) = (source.unwrap(), Arc::default());
    run(source, &registry, &config, &mut files, &stop, &mut |_| {}).unwrap();
    let files = files.reports().into_iter();
    files
        .filter(|file| !file.record_type.is_empty())
        .map(|file| directory.join(file.name))
        .collect()
}

/// Whether both decoders see the same values in every field.
fn same(ours: &Message<'_>, theirs: &DynamicMessage) -> bool {
    theirs.unknown_fields().count() == 0
        && ours.schema().fields.iter().all(|field| {
            let Some(value) = theirs.get_field_by_number(field.number) else {
                return false;
            };
            match (field.repeated, ours.value(field)) {
                (true, _) => {
                    let ours: Vec<_> = ours.values(field).collect();
                    value.as_list().is_some_and(|theirs| {
                        ours.len() == theirs.len()
                            && ours.iter().zip(theirs).all(|(a, b)| same_value(a, b))
                    })
                }
                (false, Some(ours)) => same_value(&ours, &value),
                (false, None) => !theirs.has_field_by_number(field.number),
            }
        })
}

fn same_value(ours: &Scalar<'_>, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Scalar::Int(a), Value::I32(b)) => *a == i64::from(*b),
        (Scalar::Int(a), Value::I64(b)) => a == b,
        (Scalar::Uint(a), Value::U32(b)) => *a == u64::from(*b),
        (Scalar::Uint(a), Value::U64(b)) => a == b,
        (Scalar::Bool(a), Value::Bool(b)) => a == b,
        (Scalar::Double(a), Value::F64(b)) => a.to_bits() == b.to_bits(),
        (Scalar::Text(a) | Scalar::Timestamp(a), Value::String(b)) => *a == b.as_bytes(),
        (Scalar::Bytes(a), Value::Bytes(b)) => *a == b,
        (Scalar::RecordType(a), Value::EnumNumber(b)) => i64::try_from(*a) == Ok(i64::from(*b)),
        (Scalar::Message(a), Value::Message(b)) => same(a, b),
        _ => false,
    }
}

/// Whether all strings of a record, and of those inside it, are UTF-8.
fn is_utf8(message: &Message<'_>) -> bool {
    let fields = message.schema().fields.iter();
    fields
        .flat_map(|field| message.values(field))
        .all(|value| match value {
            Scalar::Text(octets) | Scalar::Timestamp(octets) => std::str::from_utf8(octets).is_ok(),
            Scalar::Message(inner) => is_utf8(&inner),
            _ => true,
        })
}

#[test]
fn others_read_every_record() {
    let pool = pool();
    let directory = tempfile::tempdir().unwrap();
    let schemas: Vec<&Schema> = netcap_pipeline::schemas();
    let (mut seen, mut refused) = (BTreeSet::new(), 0);
    for capture in [
        "arp",
        "bfd",
        "cdp",
        "dhcpv4",
        "dhcpv6",
        "dns",
        "dot11_control",
        "dot11_data",
        "dot11_management",
        "dot1q",
        "eap",
        "eapol",
        "eapol_key",
        "ethernet_ctp",
        "example",
        "fddi",
        "geneve",
        "gre",
        "http",
        "icmpv4",
        "icmpv6",
        "igmp",
        "ipsec",
        "ipv4",
        "ipv6_extension",
        "ipv6_fragments",
        "lcm",
        "llc",
        "lldp",
        "modbus_tcp",
        "mpls",
        "nanoseconds",
        "ndp",
        "nortel_discovery",
        "ntp",
        "ospfv2",
        "ospfv3",
        "radiotap",
        "sctp",
        "sip",
        "snap",
        "tcp",
        "tls",
        "udp",
        "usb",
        "usb_linux",
        "vrrp",
        "vxlan",
    ] {
        for path in collect(&format!("{capture}.pcap"), directory.path()) {
            let mut reader = Reader::open(&path).unwrap();
            let schema = find_schema(&schemas, reader.header().record_type).unwrap();
            seen.insert(schema.name);
            while let Some(octets) = reader.next_record().unwrap() {
                let ours = Message::parse(schema, octets).unwrap();
                let theirs = decode(&pool, schema.name, octets);
                // Strict readers refuse strings that are not UTF-8, and nothing else.
                assert_eq!(
                    theirs.is_some(),
                    is_utf8(&ours),
                    "{}: {ours:?}",
                    path.display()
                );
                let Some(theirs) = theirs else {
                    refused += 1;
                    continue;
                };
                assert!(
                    same(&ours, &theirs),
                    "{}: {ours:?}\n{theirs:?}",
                    path.display()
                );
                assert_eq!(theirs.encode_to_vec(), octets, "{}", path.display());
            }
        }
    }
    let all: BTreeSet<&str> = schemas.iter().map(|schema| schema.name).collect();
    assert_eq!(seen, all, "every record type was seen");
    assert!(refused > 0, "no string was anything but UTF-8");
}

#[test]
fn others_read_the_header_of_a_file() {
    let header = Header {
        created: Timestamp::new(1_600_000_000, 5_000),
        input_source: netcap_record::Text(b"lan.pcap"),
        record_type: netcap_record::RecordType(38),
        version: netcap_record::Text(b"1.0"),
        contains_payloads: true,
    };
    let mut octets = Vec::new();
    header.encode(&mut octets);
    assert_eq!(FileHeader::parse(&octets).unwrap().record_type, 38);
    let theirs = decode(&pool(), "Header", &octets).unwrap();
    let shown: BTreeMap<_, _> = theirs
        .fields()
        .map(|(field, value)| (field.name().to_owned(), value.to_string()))
        .collect();
    let expected = [
        ("ContainsPayloads", "true"),
        ("Created", "\"1600000000.000005\""),
        ("InputSource", "\"lan.pcap\""),
        ("Type", "38"),
        ("Version", "\"1.0\""),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(shown, BTreeMap::from(expected));
    let types = pool().get_enum_by_name("types.Type").unwrap();
    assert_eq!(types.get_value(38).unwrap().name(), "NC_TCP");
}
