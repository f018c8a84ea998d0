//! Looking through records that somebody else has made.
//!
//! Guarantees: what passes are whole records of the type, none empty. Nothing is allocated for a record or a
//! field, and a member is inflated only in proportion to its length, so what it costs is in proportion to
//! what was received.

use netcap_record::{Schema, check, split_frame};

use crate::members::inflate;

/// How much larger than a member its content may be, beyond what is always allowed. Records with times
/// compress to a tenth or a thirtieth; deflate reaches 1:1032, at which a kilobyte would cost a server
/// as much as a megabyte.
const RATIO: usize = 64;
/// Octets of records that a member may hold however well they compress: as many as sensors put into one.
const ALWAYS: usize = 256 << 10;

/// Octets that a member of so many may hold.
pub(crate) fn proportionate(member: usize, always: usize) -> usize {
    member.saturating_mul(RATIO).saturating_add(always)
}

/// Why octets are not records of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRecords {
    /// Not one whole gzip member of allowed length.
    Compression,
    /// Not whole, or not as many as said.
    Frames,
    /// One is empty, though a record always has a time, or cannot be read as the type.
    Record,
}

/// What [`look_through`] has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) count: u32,
    /// Whether a record holds a payload.
    pub(crate) payloads: bool,
}

/// Looks through records, each with its length before it.
pub(crate) fn look_through(schema: &'static Schema, frames: &[u8]) -> Result<Seen, NotRecords> {
    let mut seen = Seen {
        count: 0,
        payloads: false,
    };
    let mut rest = frames;
    while !rest.is_empty() {
        let (record, behind) = split_frame(rest).ok_or(NotRecords::Frames)?;
        if record.is_empty() {
            return Err(NotRecords::Record);
        }
        seen.payloads |= check(schema, record).map_err(|_| NotRecords::Record)?;
        seen.count = seen.count.checked_add(1).ok_or(NotRecords::Frames)?;
        rest = behind;
    }
    Ok(seen)
}

/// Inflates a member with so many records of a type, at most `most` octets, and looks through them.
///
/// A single record may have all of these: it may be large and everywhere the same, as a payload of zeros
/// is. Of several, the content must be in proportion to the member where it is longer than what sensors
/// send, 256 KiB.
///
/// # Errors
/// Where it is not as it says.
pub fn inflate_records(
    (schema, count): (&'static Schema, u32),
    member: &[u8],
    most: usize,
    frames: &mut Vec<u8>,
) -> Result<(), NotRecords> {
    let most = match count {
        1 => most,
        _ => most.min(proportionate(member.len(), ALWAYS)),
    };
    inflate(member, most, frames).map_err(|_| NotRecords::Compression)?;
    match look_through(schema, frames)?.count == count {
        true => Ok(()),
        false => Err(NotRecords::Frames),
    }
}

#[cfg(test)]
mod tests {
    use netcap_store::Gzip;

    use super::*;
    use crate::LONGEST_BATCH;

    /// The type with a field of packed numbers, and its number.
    fn packed() -> (&'static Schema, u32) {
        let is_packed = |field: &netcap_record::Field| {
            field.repeated && !netcap_record::put::is_length_delimited(field.ty)
        };
        let schemas = netcap_pipeline::schemas();
        let found = schemas.into_iter().find_map(|schema| {
            let mut fields = schema.fields.iter();
            let field = fields.find(|field| is_packed(field))?;
            Some((schema, field.number))
        });
        found.expect("a field of packed numbers")
    }

    fn opened(count: u32, frames: &[u8]) -> (Result<(), NotRecords>, usize) {
        let member = Gzip::default().member(frames);
        let mut out = Vec::new();
        let opened = inflate_records((packed().0, count), &member, LONGEST_BATCH, &mut out);
        (opened, out.len())
    }

    #[test]
    fn empty_records_are_none() {
        let one = &b"\x03\x0a\x011"[..];
        let (schema, _) = packed();
        let seen = look_through(schema, &[one, one].concat()[..]).expect("two");
        assert_eq!((seen.count, seen.payloads), (2, false));
        for empty in [&b"\0"[..], b"\0\x03\x0a\x011", b"\x03\x0a\x011\0"] {
            assert_eq!(look_through(schema, empty), Err(NotRecords::Record));
        }
        assert_eq!(
            look_through(schema, b"\x03\x0a\x01"),
            Err(NotRecords::Frames)
        );
    }

    #[test]
    fn what_is_inflated_is_in_proportion_to_what_was_received() {
        let records = |count: usize| b"\x03\x0a\x011".repeat(count);
        // As many as sensors put into a batch, all the same.
        let fits = ALWAYS / 4;
        assert_eq!(opened(fits as u32, &records(fits)), (Ok(()), ALWAYS));
        let many = LONGEST_BATCH / 4;
        let member = Gzip::default().member(&records(many)).len();
        let (opened_many, octets) = opened(many as u32, &records(many));
        assert_eq!(opened_many, Err(NotRecords::Compression));
        assert!(octets <= proportionate(member, ALWAYS) + 1, "{octets}");
        // One record, however large and even, is what a sensor may have seen.
        let (_, number) = packed();
        let mut record = b"\x0a\x011".to_vec();
        netcap_record::put::packed_key(&mut record, number);
        netcap_record::put::bytes(&mut record, &vec![1; LONGEST_BATCH - 64]);
        let mut frames = Vec::new();
        netcap_record::frame_octets(&record, &mut frames);
        assert_eq!(opened(1, &frames), (Ok(()), frames.len()));
        assert_eq!(opened(2, &frames).0, Err(NotRecords::Compression));
    }
}
