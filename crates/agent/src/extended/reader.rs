//! Messages out of a stream of octets that comes in pieces of any size.
//!
//! Guarantees: memory is bounded by the longest message; after what cannot be a message nothing more is read,
//! as nobody knows where the next would begin.

use std::io::{self, ErrorKind, Read};

use super::message::Message;

/// Octets that are read at a time.
const BLOCK: usize = 64 << 10;
/// Octets of a message before its fields: their number and the kind.
const HEAD: usize = 3;
/// The longest message there can be.
const LONGEST: usize = 2 + u16::MAX as usize;

/// Why a stream cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What came is not the extended stream.
    #[error("what comes is not the extended stream: {0}")]
    Foreign(&'static str),
}

/// Reads messages; see the module.
#[derive(Debug)]
pub struct Messages<R> {
    inner: R,
    octets: Vec<u8>,
    /// What of `octets` is filled, and has not made a message yet.
    filled: usize,
    /// Whether the agent has said who it is.
    is_known: bool,
}

impl<R: Read> Messages<R> {
    /// The messages of a stream, after the greeting.
    pub fn new(inner: R) -> Messages<R> {
        Messages {
            inner,
            octets: vec![0; LONGEST + BLOCK],
            filled: 0,
            is_known: false,
        }
    }

    /// What is read from.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// Replaces `messages` by those that one read completes, maybe none. Gives the number of octets read: 0
    /// at the end of the stream.
    ///
    /// # Errors
    /// Those of the stream; one that says to try again loses nothing. [`StreamError::Foreign`]: `messages` has
    /// what came before.
    pub fn read(&mut self, messages: &mut Vec<Message>) -> Result<usize, StreamError> {
        messages.clear();
        let count = loop {
            match self.inner.read(&mut self.octets[self.filled..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.filled += count;
        let mut begin = 0;
        let result = loop {
            match first(&self.octets[begin..self.filled], self.is_known) {
                Ok(Some((length, message))) => {
                    begin += length;
                    self.is_known |= matches!(message, Some(Message::Agent(_)));
                    messages.extend(message);
                }
                Ok(None) => break Ok(count),
                Err(error) => break Err(error),
            }
        };
        self.octets.copy_within(begin..self.filled, 0);
        self.filled -= begin;
        result
    }

    /// Octets of a message that has not come in full.
    pub fn partial(&self) -> usize {
        self.filled
    }
}

/// The message that these octets begin with, if it is whole, and the number of its octets. Unless it is known
/// who the agent is, no other message can be.
pub(super) fn first(
    octets: &[u8],
    is_known: bool,
) -> Result<Option<(usize, Option<Message>)>, StreamError> {
    let Some((&[high, low, kind], rest)) = octets.split_first_chunk::<HEAD>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length == 0 {
        return Err(StreamError::Foreign("a message without a kind"));
    }
    // That of another protocol may seem long, and never come.
    if !is_known && kind != Message::AGENT {
        return Err(StreamError::Foreign(
            "it does not begin with who the agent is (is that its port for the extended stream? if it has a certificate, put `tls` behind its address)",
        ));
    }
    let Some(fields) = rest.get(..length - 1) else {
        return Ok(None);
    };
    let message = Message::read(kind, fields)
        .map_err(|_| StreamError::Foreign("a message that is too short for its kind"))?;
    Ok(Some((2 + length, message)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::message::tests::{agent, note};
    use super::*;
    use crate::pieces::Pieces;

    /// All messages, and how the stream ended.
    fn read_all(octets: Vec<u8>, sizes: Vec<usize>) -> (Vec<Message>, Option<&'static str>, usize) {
        let pieces = Pieces::new(octets, sizes);
        let (mut reader, mut found, mut batch) = (Messages::new(pieces), Vec::new(), Vec::new());
        loop {
            let result = reader.read(&mut batch);
            found.append(&mut batch);
            match result {
                Ok(0) => return (found, None, reader.partial()),
                Ok(_) => {}
                Err(StreamError::Foreign(why)) => return (found, Some(why), reader.partial()),
                Err(StreamError::Io(error)) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
    }

    fn messages() -> Vec<Message> {
        vec![
            Message::Agent(agent()),
            Message::Number(3),
            Message::Packet(note()),
            Message::Packet(note()),
            Message::End,
        ]
    }

    fn octets(messages: &[Message]) -> Vec<u8> {
        let mut octets = Vec::new();
        messages
            .iter()
            .for_each(|message| message.write(&mut octets));
        octets
    }

    #[test]
    fn unknown_kinds_are_skipped_and_what_is_no_message_ends_it() {
        let whole = octets(&messages());
        let later = [&whole[..], &[0, 3, 99, 1, 2], &whole].concat();
        let (found, why, rest) = read_all(later, Vec::new());
        assert_eq!((found.len(), why, rest), (10, None, 0));
        let (found, why, _) = read_all([&whole[..], &[0, 0, 1]].concat(), Vec::new());
        assert_eq!((found.len(), why.is_some()), (5, true));
        let (found, why, _) = read_all([&whole[..], &[0, 2, 3, 1]].concat(), Vec::new());
        assert_eq!((found.len(), why.is_some()), (5, true));
        // A record of 28 octets, as an agent of 2019 sends them.
        let (found, why, _) = read_all(vec![0x65, 0x53, 0xf1, 0], Vec::new());
        assert_eq!((found.len(), why.is_some()), (0, true));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(sizes in prop::collection::vec(1_usize..70, 0..40), cut in 0_usize..300) {
            let mut whole = octets(&messages());
            whole.truncate(cut);
            let (found, why, partial) = read_all(whole.clone(), sizes);
            prop_assert_eq!(why, None);
            prop_assert_eq!(&messages()[..found.len()], &found[..]);
            prop_assert_eq!(octets(&found).len() + partial, whole.len());
        }

        #[test]
        fn anything_ends(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            read_all(octets, Vec::new());
        }
    }
}
