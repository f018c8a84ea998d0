//! What a server makes of a message, which may be anybody's.
//!
//! Guarantee: what gets through is a batch as a sensor sends it: whole records of a known type, each of
//! them readable, as many as it says.

use async_nats::HeaderMap;
use async_nats::Message;
use netcap_record::Schema;
use netcap_remote::{LONGEST_BATCH, Mark, NotRecords, inflate_records};

use crate::names::{COUNT, FIRST, FLAGS, Origin, PAYLOADS};

/// Why a message was refused. It is gone then, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The subject is not that of a sensor, a stream and a type that this version knows.
    Subject,
    /// The headers do not say which records there are.
    Headers,
    /// The octets are not one gzip member with a plain header, or hold too much.
    Compression,
    /// They are not as many whole records as the headers say.
    Frames,
    /// A record is not of its type.
    Record,
}

impl Refusal {
    /// A name for metrics: lower-case letters and `_`. Where datagrams are refused for the same reason, it
    /// is called the same.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Subject => "bad_subject",
            Refusal::Headers => "bad_headers",
            Refusal::Compression => "not_gzip",
            Refusal::Frames => "not_whole",
            Refusal::Record => "not_of_its_type",
        }
    }
}

/// A batch as it came.
pub(crate) struct Checked {
    pub(crate) origin: Origin,
    pub(crate) mark: Mark,
    pub(crate) payloads: bool,
}

/// Looks through a message; `room` is for its records.
pub(crate) fn check(
    message: &Message,
    types: &[&'static Schema],
    room: &mut Vec<u8>,
) -> Result<Checked, Refusal> {
    let origin = Origin::parse(&message.subject, types).ok_or(Refusal::Subject)?;
    let headers = message.headers.as_ref().ok_or(Refusal::Headers)?;
    let (first, count) = extent(headers).ok_or(Refusal::Headers)?;
    let flags = number(headers, FLAGS).ok_or(Refusal::Headers)?;
    if message.status.is_some() || flags & !u64::from(PAYLOADS) != 0 {
        return Err(Refusal::Headers);
    }
    // The mark goes where a plain header has nothing.
    if message.payload.get(3) != Some(&0) {
        return Err(Refusal::Compression);
    }
    inflate_records(
        (origin.schema, count),
        &message.payload,
        LONGEST_BATCH,
        room,
    )
    .map_err(|reason| match reason {
        NotRecords::Compression => Refusal::Compression,
        NotRecords::Frames => Refusal::Frames,
        NotRecords::Record => Refusal::Record,
    })?;
    Ok(Checked {
        mark: Mark {
            stream: origin.stream,
            first,
            count,
        },
        origin,
        payloads: flags != 0,
    })
}

/// The first number and the count that headers say.
pub(crate) fn extent(headers: &HeaderMap) -> Option<(u64, u32)> {
    let first = number(headers, FIRST)?;
    let count = u32::try_from(number(headers, COUNT)?).ok()?;
    first.checked_add(count.into())?;
    (count > 0).then_some((first, count))
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.as_str().parse().ok()
}
