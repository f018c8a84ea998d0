//! Looking through records takes no memory but for their octets. Alone in its program, whose memory it
//! measures.

use netcap_record::{Message, frame_octets, put};
use netcap_remote::inflate_records;
use netcap_store::Gzip;

/// Kibibytes of memory that this program has had at most.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kibibytes.expect("a number")
}

#[test]
fn a_field_of_many_numbers_takes_its_octets_only() {
    let is_packed =
        |field: &netcap_record::Field| field.repeated && !put::is_length_delimited(field.ty);
    let schemas = netcap_pipeline::schemas();
    let (schema, field) = schemas
        .into_iter()
        .find_map(|schema| Some((schema, schema.fields.iter().find(|field| is_packed(field))?)))
        .expect("a field of packed numbers");
    const MOST: usize = 2 << 20;
    let mut record = Vec::new();
    put::packed_key(&mut record, field.number);
    put::bytes(&mut record, &vec![1; MOST - 64]);
    let mut frames = Vec::new();
    frame_octets(&record, &mut frames);
    let member = Gzip::default().member(&frames);
    let mut room = Vec::with_capacity(2 * MOST);
    let before = peak();
    inflate_records((schema, 1), &member, MOST, &mut room).expect("a record");
    let more = peak() - before;
    assert!(more < 8 << 10, "{more} KiB");
    let message = Message::parse(schema, &record).expect("a record");
    assert_eq!(message.values(field).count(), MOST - 64);
    // Nobody keeps that many.
    let more = peak() - before;
    assert!(more < 8 << 10, "{more} KiB");
}
