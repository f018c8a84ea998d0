//! Whether a batch is what it says, on the server; and how a batch is cut, on the sensor.
//!
//! Guarantees: nothing is inflated beyond the limits, and nothing allocated for a record or a field; what
//! passes has known type, whole frames as many as it says, and each is a record of the type, none empty.

use netcap_record::{Schema, find_schema, split_frame};

use super::wire::LONGEST_MESSAGE;
use crate::batch::LONGEST_BATCH;
use crate::records::{NotRecords, inflate_records};

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
    match inflate_records((schema, count), member, longest(count), frames) {
        Ok(()) => Ok(schema),
        Err(NotRecords::Compression) => Err("it is not one gzip member of allowed length"),
        Err(NotRecords::Frames) => Err("it has not as many whole records as it says"),
        Err(NotRecords::Record) => Err("a record is empty or not of its type"),
    }
}

/// Where the frames after the first `count` begin; none where there are not as many.
pub(crate) fn place_of(frames: &[u8], count: u32) -> Option<usize> {
    let mut rest = frames;
    for _ in 0..count {
        (_, rest) = split_frame(rest)?;
    }
    Some(frames.len() - rest.len())
}
