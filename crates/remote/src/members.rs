//! A file on the server is a chain of gzip members (RFC 1952), each with whole records. An extra field
//! (section 2.3.1.1) of each says how long the member is and which records it holds, so that a file tells
//! by itself what has come of a stream, and where its last whole member ends. Other readers of gzip
//! pass over the field.
//!
//! ```text
//!  0..10  header, FLG = FEXTRA      10..12  XLEN = 36
//! 12..14  "Nc"    14..16  LEN = 32  16..20  octets of the whole member, little endian as all
//! 20..28  number of the first record in its stream
//! 28..32  number of records         32..48  the stream, zeros where there is none
//! ```
//!
//! A file that goes on from others begins with its header, and a member without records for each stream that is
//! known: where it goes on is the number. The number in the header's own mark is how many these are.
//!
//! A member that has been taken back is a void: `FLG` says that a comment follows as well (FCOMMENT), which
//! fills the member but for an empty deflate stream, so other readers find nothing in it. One octet makes
//! a member a void, and the rest can be repeated ([`finished_void`]), so an interruption leaves nothing in
//! between.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use flate2::bufread::GzDecoder;

use crate::batch::StreamId;

const HEADER: usize = 10;
const EXTRA: usize = 38;
const MARKED: usize = HEADER + EXTRA;
/// ID1, ID2 and CM (RFC 1952, section 2.3.1): deflate is the only method there is.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// FLG.FEXTRA (RFC 1952, section 2.3.1).
const FEXTRA: u8 = 4;
/// Place of FLG in a member.
pub(crate) const FLAGS_AT: u64 = 3;
/// FLG of a void: FEXTRA and FCOMMENT (RFC 1952, section 2.3.1).
pub(crate) const VOID: u8 = FEXTRA | 0x10;
/// How a void ends: the end of its comment; a last block of fixed codes with only its end (RFC 1951,
/// section 3.2.6); the sum and the length of nothing.
const VOID_END: [u8; 11] = [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Octets at the end of a file that are inflated when it is opened again: a server that ended without
/// warning may have left what the disk did not keep.
const DOUBTFUL: u64 = 4 << 20;
/// Octets at the end of a file that may have been on their way to the disk when the machine lost power, at
/// most: 64 batches of 1 MiB, which a server takes from a broker before it waits for the disk.
const UNFINISHED: u64 = 64 << 20;
/// Octets that are searched at once for a member.
const PIECE: usize = 1 << 20;
/// Beginnings of members that are tried in such a search: records may hold what looks like them.
const TRIES: u32 = 64;

/// Which records a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Mark {
    /// The stream; zeros where records have no numbers.
    pub stream: StreamId,
    /// Number of the first record.
    pub first: u64,
    /// How many there are.
    pub count: u32,
}

impl Mark {
    /// The number after the last one.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count))
    }
}

/// A member of a file, as [`walk`] finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Where it begins.
    pub(crate) place: u64,
    /// How long it is.
    pub(crate) octets: u64,
    /// Its mark, if it has one. That of a void is of no records and no stream.
    pub(crate) mark: Option<Mark>,
    /// A void that was not finished: other readers cannot pass over it.
    pub(crate) is_unfinished: bool,
}

/// What is behind the mark of a void, where the whole member has so many octets; none where that is too
/// little, which no member with records has.
pub(crate) fn finished_void(octets: u64) -> Option<Vec<u8>> {
    let rest = usize::try_from(octets).ok()?.checked_sub(MARKED)?;
    let mut out = vec![b' '; rest.checked_sub(VOID_END.len())?];
    out.extend_from_slice(&VOID_END);
    Some(out)
}

/// Where what [`finished_void`] gives belongs in a member.
pub(crate) const BEHIND_MARK: u64 = MARKED as u64;

/// Puts a mark into a member that has a plain header; none where it has another.
pub(crate) fn marked(member: &[u8], mark: &Mark) -> Option<Vec<u8>> {
    let (header, rest) = member.split_first_chunk::<HEADER>()?;
    if !header.starts_with(&MAGIC) || header[3] != 0 {
        return None;
    }
    let length = u32::try_from(member.len() + EXTRA).ok()?;
    let mut out = Vec::with_capacity(member.len() + EXTRA);
    out.extend_from_slice(header);
    out[3] = FEXTRA;
    out.extend_from_slice(&[36, 0, b'N', b'c', 32, 0]);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&mark.first.to_le_bytes());
    out.extend_from_slice(&mark.count.to_le_bytes());
    out.extend_from_slice(&mark.stream);
    out.extend_from_slice(rest);
    Some(out)
}

/// The length of a member and its mark, if it has one, and whether it is a void.
fn mark(head: &[u8; MARKED]) -> Option<(u64, Mark, bool)> {
    let is_void = head[3] == VOID;
    let has_flags = is_void || head[3] == FEXTRA;
    if !head.starts_with(&MAGIC) || !has_flags || head[10..16] != [36, 0, b'N', b'c', 32, 0] {
        return None;
    }
    let length = u32::from_le_bytes(*head[16..].first_chunk()?);
    if is_void {
        let shortest = MARKED + VOID_END.len();
        return (length as usize >= shortest).then_some((length.into(), Mark::default(), true));
    }
    let mark = Mark {
        first: u64::from_le_bytes(*head[20..].first_chunk()?),
        count: u32::from_le_bytes(*head[28..].first_chunk()?),
        stream: *head[32..].first_chunk()?,
    };
    (length as usize > MARKED).then_some((u64::from(length), mark, false))
}

/// Inflates a member that must be alone and whole, and hold at most so many octets.
pub fn inflate(member: &[u8], most: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let mut decoder = GzDecoder::new(member);
    out.clear();
    (&mut decoder).take(most as u64 + 1).read_to_end(out)?;
    if out.len() > most || !decoder.into_inner().is_empty() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(())
}

/// How far the members of a file go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walked {
    /// Where the last whole one ends of those that follow each other from the beginning.
    pub(crate) end: u64,
    /// What is behind that is more than a kill or a power cut leaves: whole members, or too much. So
    /// something else has changed the file, and there are records behind its end.
    pub(crate) is_damaged: bool,
}

/// Walks over the members of a file.
pub(crate) fn walk(file: &File, mut each: impl FnMut(Member)) -> io::Result<Walked> {
    let length = file.metadata()?.len();
    let mut end = 0;
    while end < length {
        let Some(member) = member(file, end, length)? else {
            let is_damaged = length - end > UNFINISHED || is_followed(file, end + 1, length)?;
            return Ok(Walked { end, is_damaged });
        };
        end += member.octets;
        each(member);
    }
    Ok(Walked {
        end,
        is_damaged: false,
    })
}

/// The member at a place of a file of this length, if it is whole.
fn member(file: &File, place: u64, length: u64) -> io::Result<Option<Member>> {
    let Some((octets, mark, is_void)) = head(file, place)?.as_ref().and_then(mark) else {
        // A member of another program, or the beginning of one of ours.
        let end = whole(file, place)?;
        return Ok(end.map(|end| Member {
            place,
            octets: end - place,
            mark: None,
            is_unfinished: false,
        }));
    };
    let end = place + octets;
    if end > length {
        return Ok(None);
    }
    let is_doubtful = is_void || end + DOUBTFUL > length;
    let is_whole = !is_doubtful || whole(file, place)? == Some(end);
    Ok((is_whole || is_void).then_some(Member {
        place,
        octets,
        mark: Some(mark),
        is_unfinished: !is_whole,
    }))
}

/// Whether a whole member with a mark begins at a place or behind it.
fn is_followed(file: &File, mut place: u64, length: u64) -> io::Result<bool> {
    let mut room = vec![0; PIECE];
    let mut tries = 0;
    while place + BEHIND_MARK <= length {
        let piece = (length - place).min(PIECE as u64) as usize;
        file.read_exact_at(&mut room[..piece], place)?;
        for (offset, head) in (0..).zip(room[..piece].windows(MARKED)) {
            if !head.starts_with(&MAGIC) {
                continue;
            }
            let Some((octets, ..)) = head.first_chunk().and_then(mark) else {
                continue;
            };
            let (begin, end) = (place + offset, place + offset + octets);
            if end > length {
                continue;
            }
            tries += 1;
            if tries > TRIES || whole(file, begin)? == Some(end) {
                return Ok(true);
            }
        }
        place += (piece - MARKED + 1) as u64;
    }
    Ok(false)
}

/// The first octets of a member, if there are as many.
fn head(mut file: &File, place: u64) -> io::Result<Option<[u8; MARKED]>> {
    let mut head = [0; MARKED];
    file.seek(SeekFrom::Start(place))?;
    match file.read_exact(&mut head) {
        Ok(()) => Ok(Some(head)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where a member ends, if it is whole.
fn whole(mut file: &File, place: u64) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(place))?;
    let mut decoder = GzDecoder::new(BufReader::new(file));
    match io::copy(&mut decoder, &mut io::sink()) {
        Ok(_) => {}
        Err(error) if is_damage(&error) => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut rest = decoder.into_inner();
    rest.stream_position().map(Some)
}

/// Whether the octets are wrong, and not the disk.
fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    [InvalidData, InvalidInput, UnexpectedEof].contains(&error.kind())
}

/// What the first member of a file holds, up to so many octets.
pub(crate) fn beginning(mut file: &File, most: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut out = Vec::new();
    GzDecoder::new(BufReader::new(file))
        .take(most)
        .read_to_end(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests;
