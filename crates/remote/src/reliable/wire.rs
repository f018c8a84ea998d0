//! What sensor and server say to each other inside TLS: one message after the other, all numbers big
//! endian.
//!
//! ```text
//! u32 octets after this field, 1 to 2 MiB | u8 kind | body
//!
//! 1 Hello    u8 version = 1 | stream 16 | u8 flags | u16 length, source | u8 length, program
//! 2 Welcome  (u16 type | u64 next number)*
//! 3 Batch    u16 type | u64 first number | u32 count | u8 flags | a plain gzip member of the frames
//! 4 Lost     u16 type | u64 first number | u64 count
//! 5 Status   (u16 id | u64 value)*
//! 6 End      u8 whether the input was read to its end
//! 7 Ack      u64 messages after Hello of this connection
//! 8 Refused  reason
//! ```
//!
//! A sensor sends Hello, waits for Welcome, then sends the rest; the server sends Welcome, Ack and Refused.
//! Welcome names every type that the server knows. A sensor sends no records of others: the server would
//! refuse them again and again, and with them all that is behind them.
//! Every message of the sensor after Hello is acknowledged: then all records of the messages up to there
//! are on the server's disk.
//!
//! Guarantees: what is longer than allowed, or has another form, is [`Malformed`]; the length is believed
//! before there are octets only as far as that it is not too long.

use crate::batch::StreamId;

/// The version spoken here.
pub(crate) const VERSION: u8 = 1;
/// Octets of a message after its length field: a batch of [`LONGEST_BATCH`](crate::LONGEST_BATCH) that
/// does not compress, with room.
pub(crate) const LONGEST_MESSAGE: usize = 2 << 20;
/// Octets of a Hello after its length field, at most; nothing longer is taken from who has not said it.
pub(crate) const LONGEST_HELLO: usize = 1 + 1 + 16 + 1 + 2 + LONGEST_SOURCE + 1 + LONGEST_PROGRAM;
/// No record of a stream has this number, or a greater one: a sum over any sensors stays below 2^64.
pub(crate) const END_OF_NUMBERS: u64 = 1 << 48;
/// Octets of a source's name at most.
pub(crate) const LONGEST_SOURCE: usize = 1024;
/// Octets of a program's version at most.
pub(crate) const LONGEST_PROGRAM: usize = 64;
/// Octets of a reason at most.
pub(crate) const LONGEST_REASON: usize = 256;
/// Positions in a Welcome at most: there are about a hundred types.
pub(crate) const MOST_POSITIONS: usize = 4096;
/// Values in a Status at most.
pub(crate) const MOST_VALUES: usize = 64;

/// Flag of Hello: the input can be read again from its beginning, as a file can.
pub(crate) const REPEATABLE: u8 = 1;
/// Flag of Batch: the records hold payloads.
pub(crate) const PAYLOADS: u8 = 1;

/// Why octets are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a message is empty")]
    Empty,
    #[error("a message is longer than 2 MiB")]
    Long,
    #[error("a message is of unknown kind {0}")]
    Kind(u8),
    #[error("a message of kind {0} has another form")]
    Form(u8),
    #[error("the first message is not Hello")]
    NotHello,
}

/// One message, its octets borrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    Hello {
        version: u8,
        stream: StreamId,
        flags: u8,
        source: &'a [u8],
        program: &'a [u8],
    },
    Welcome(Vec<(u16, u64)>),
    Batch {
        number: u16,
        first: u64,
        count: u32,
        flags: u8,
        member: &'a [u8],
    },
    Lost {
        number: u16,
        first: u64,
        count: u64,
    },
    Status(Vec<(u16, u64)>),
    End {
        is_complete: bool,
    },
    Ack(u64),
    Refused(&'a [u8]),
}

impl Message<'_> {
    fn kind(&self) -> u8 {
        match self {
            Message::Hello { .. } => 1,
            Message::Welcome(_) => 2,
            Message::Batch { .. } => 3,
            Message::Lost { .. } => 4,
            Message::Status(_) => 5,
            Message::End { .. } => 6,
            Message::Ack(_) => 7,
            Message::Refused(_) => 8,
        }
    }

    /// Appends the message with its length. Texts that are too long are cut.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let place = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(self.kind());
        match self {
            Message::Hello {
                version,
                stream,
                flags,
                source,
                program,
            } => {
                let source = &source[..source.len().min(LONGEST_SOURCE)];
                let program = &program[..program.len().min(LONGEST_PROGRAM)];
                out.push(*version);
                out.extend_from_slice(stream);
                out.push(*flags);
                out.extend_from_slice(&(source.len() as u16).to_be_bytes());
                out.extend_from_slice(source);
                out.push(program.len() as u8);
                out.extend_from_slice(program);
            }
            Message::Welcome(pairs) | Message::Status(pairs) => {
                for (key, value) in pairs {
                    out.extend_from_slice(&key.to_be_bytes());
                    out.extend_from_slice(&value.to_be_bytes());
                }
            }
            Message::Batch {
                number,
                first,
                count,
                flags,
                member,
            } => {
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(&first.to_be_bytes());
                out.extend_from_slice(&count.to_be_bytes());
                out.push(*flags);
                out.extend_from_slice(member);
            }
            Message::Lost {
                number,
                first,
                count,
            } => {
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(&first.to_be_bytes());
                out.extend_from_slice(&count.to_be_bytes());
            }
            Message::End { is_complete } => out.push(u8::from(*is_complete)),
            Message::Ack(messages) => out.extend_from_slice(&messages.to_be_bytes()),
            Message::Refused(reason) => {
                out.extend_from_slice(&reason[..reason.len().min(LONGEST_REASON)]);
            }
        }
        let length = (out.len() - place - 4) as u32;
        out[place..place + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// The first message of octets that have come, and how many octets it has; none if more are needed.
pub(crate) fn split(octets: &[u8]) -> Result<Option<(Message<'_>, usize)>, Malformed> {
    let Some((length, rest)) = octets.split_first_chunk() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    if length == 0 {
        return Err(Malformed::Empty);
    }
    if length > LONGEST_MESSAGE {
        return Err(Malformed::Long);
    }
    // An unknown kind is refused before its body has come.
    if let Some(kind) = rest.first().filter(|kind| !(1..=8).contains(*kind)) {
        return Err(Malformed::Kind(*kind));
    }
    let Some((kind, body)) = rest.get(..length).and_then(<[u8]>::split_first) else {
        return Ok(None);
    };
    let message = parse(*kind, Fields(body)).ok_or(Malformed::Form(*kind))?;
    Ok(Some((message, 4 + length)))
}

/// Fails where octets are not the beginning of a Hello.
pub(crate) fn check_hello(octets: &[u8]) -> Result<(), Malformed> {
    let Some((length, rest)) = octets.split_first_chunk() else {
        return Ok(());
    };
    let is_long = u32::from_be_bytes(*length) as usize > LONGEST_HELLO;
    let is_other = rest.first().is_some_and(|kind| *kind != 1);
    match is_long || is_other {
        true => Err(Malformed::NotHello),
        false => Ok(()),
    }
}

fn parse(kind: u8, mut body: Fields<'_>) -> Option<Message<'_>> {
    let message = match kind {
        1 => Message::Hello {
            version: body.u8()?,
            stream: body.array()?,
            flags: body.u8()?,
            source: {
                let length = usize::from(body.u16()?);
                body.octets(length, LONGEST_SOURCE)?
            },
            program: {
                let length = usize::from(body.u8()?);
                body.octets(length, LONGEST_PROGRAM)?
            },
        },
        2 => Message::Welcome(body.pairs(MOST_POSITIONS)?),
        3 => Message::Batch {
            number: body.u16()?,
            first: body.u64()?,
            count: body.u32()?,
            flags: body.u8()?,
            member: body.rest(LONGEST_MESSAGE)?,
        },
        4 => Message::Lost {
            number: body.u16()?,
            first: body.u64()?,
            count: body.u64()?,
        },
        5 => Message::Status(body.pairs(MOST_VALUES)?),
        6 => Message::End {
            is_complete: match body.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            },
        },
        7 => Message::Ack(body.u64()?),
        8 => Message::Refused(body.rest(LONGEST_REASON)?),
        _ => return None,
    };
    body.0.is_empty().then_some(message)
}

/// The octets of a body that are left.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn octets(&mut self, length: usize, most: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        (length <= most).then_some(field)
    }

    fn rest(&mut self, most: usize) -> Option<&'a [u8]> {
        self.octets(self.0.len(), most)
    }

    fn pairs(&mut self, most: usize) -> Option<Vec<(u16, u64)>> {
        if self.0.len() > most * 10 {
            return None;
        }
        let mut pairs = Vec::new();
        while !self.0.is_empty() {
            pairs.push((self.u16()?, self.u64()?));
        }
        Some(pairs)
    }
}
