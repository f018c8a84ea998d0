//! Whether a batch is what it says, on the server; and how a batch is cut, on the sensor.
//!
//! Guarantees: nothing is inflated beyond the limits; what passes has known type, whole frames as many as
//! it says, and each is a record of the type.

use netcap_record::{Message as Record, Schema, find_schema, split_frame};

use super::wire::LONGEST_MESSAGE;
use crate::batch::LONGEST_BATCH;
use crate::members::inflate;

/// Octets of the records of a batch at most: a single one may be as long as a message.
pub(crate) fn longest(count: u32) -> usize {
    match count {
        1 => LONGEST_MESSAGE,
        _ => LONGEST_BATCH,
    }
}

/// Looks through a batch: its type, or why it is not taken. `frames` is room for its records.
pub(crate) fn check(
    types: &[&'static Schema],
    (number, first, count): (u16, u64, u32),
    member: &[u8],
    frames: &mut Vec<u8>,
) -> Result<&'static Schema, &'static str> {
    let schema = find_schema(types, number).ok_or("its type is unknown here")?;
    if count == 0 {
        return Err("it holds no records");
    }
    if first.checked_add(u64::from(count)).is_none() {
        return Err("its numbers are too large");
    }
    inflate(member, longest(count), frames)
        .map_err(|_| "it is not one gzip member of allowed length")?;
    let mut rest = frames.as_slice();
    let mut found = 0u32;
    while !rest.is_empty() {
        let (record, others) = split_frame(rest).ok_or("a record is not whole")?;
        Record::parse(schema, record).map_err(|_| "a record is not of its type")?;
        found = found.checked_add(1).ok_or("it has too many records")?;
        rest = others;
    }
    if found != count {
        return Err("it has not as many records as it says");
    }
    Ok(schema)
}

/// Where the frames after the first `count` begin; none where there are not as many.
pub(crate) fn place_of(frames: &[u8], count: u32) -> Option<usize> {
    let mut rest = frames;
    for _ in 0..count {
        (_, rest) = split_frame(rest)?;
    }
    Some(frames.len() - rest.len())
}
