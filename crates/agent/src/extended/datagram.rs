//! The extended stream in datagrams, for many collectors at once: each can be read by itself.
//!
//! A datagram is whole messages: the origin, maybe the agent, the number of the next packet, and then what a
//! stream has. Nobody can ask for one that was lost, but the numbers tell how many packets it had.
//!
//! Guarantee: no datagram is longer than [`MOST_OCTETS`], unless one message alone is.

use super::message::Message;
use super::reader::{StreamError, first};

/// Octets of a datagram: with the headers of IPv6 and UDP it fits an Ethernet frame, and a tag or a tunnel
/// beside it.
pub const MOST_OCTETS: usize = 1400;

/// Gives the datagrams that a piece of the stream makes, after `agent`, the octets of such a message or
/// nothing, and how many packets each has.
pub(super) fn pack(instance: u64, agent: &[u8], piece: &[u8], give: &mut dyn FnMut(&[u8], u64)) {
    let mut head = Vec::new();
    Message::Origin(instance).write(&mut head);
    let mut datagram = [&head[..], agent].concat();
    let (mut next, mut packets, mut is_begun) = (0, 0, false);
    for (octets, message) in each(piece) {
        if let Some(Message::Number(number)) = message {
            next = number;
            continue;
        }
        let is_full = datagram.len() + octets.len() > MOST_OCTETS;
        if is_full && datagram.len() > head.len() {
            give(&datagram, packets);
            datagram.truncate(head.len());
            (packets, is_begun) = (0, false);
        }
        if !is_begun {
            Message::Number(next).write(&mut datagram);
            is_begun = true;
        }
        datagram.extend_from_slice(octets);
        if matches!(message, Some(Message::Packet(_))) {
            next += 1;
            packets += 1;
        }
    }
    if is_begun {
        give(&datagram, packets);
    }
}

/// The messages of a piece that we have written, with their octets.
fn each(mut piece: &[u8]) -> impl Iterator<Item = (&[u8], Option<Message>)> {
    std::iter::from_fn(move || {
        let (length, message) = first(piece, true).ok().flatten()?;
        let (octets, rest) = piece.split_at_checked(length)?;
        piece = rest;
        Some((octets, message))
    })
}

/// Of which start of an agent a datagram is, and what else it says.
///
/// # Errors
/// It is none of the extended stream.
pub(crate) fn opened(datagram: &[u8]) -> Result<(u64, Vec<Message>), StreamError> {
    let (mut rest, mut messages) = (datagram, Vec::new());
    while !rest.is_empty() {
        let cut = StreamError::Foreign("a datagram with a message that is cut");
        let (length, message) = first(rest, true)?.ok_or(cut)?;
        messages.extend(message);
        rest = rest.get(length..).unwrap_or_default();
    }
    match messages.first() {
        Some(&Message::Origin(instance)) => {
            messages.remove(0);
            Ok((instance, messages))
        }
        _ => Err(StreamError::Foreign("a datagram without an origin")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::message::tests::{agent, note};
    use super::*;

    fn octets(messages: &[Message]) -> Vec<u8> {
        let mut octets = Vec::new();
        for message in messages {
            message.write(&mut octets);
        }
        octets
    }

    #[test]
    fn each_datagram_can_be_read_by_itself() {
        let mut piece = vec![Message::Number(1000)];
        piece.extend((0..100).map(|_| Message::Packet(note())));
        let who = octets(&[Message::Agent(agent())]);
        let mut next = 1000;
        let mut count = 0;
        pack(7, &who, &octets(&piece), &mut |datagram, packets| {
            assert!(datagram.len() <= MOST_OCTETS);
            let (instance, messages) = opened(datagram).expect("a datagram");
            assert_eq!(instance, 7);
            let has_agent = matches!(messages[0], Message::Agent(_));
            assert_eq!(has_agent, count == 0);
            let rest = &messages[usize::from(has_agent)..];
            assert_eq!(rest[0], Message::Number(next));
            assert_eq!(rest.len() as u64, 1 + packets);
            next += packets;
            count += 1;
        });
        assert_eq!(next, 1100);
        assert!(count > 4, "{count}");
    }

    #[test]
    fn what_is_cut_is_none() {
        let whole = octets(&[Message::Origin(1), Message::Number(2), Message::End]);
        assert!(opened(&whole).is_ok());
        for end in 0..whole.len() {
            let cut = opened(&whole[..end]);
            // At the end of a message it cannot be told.
            let (instance, messages) = match cut {
                Ok(found) => found,
                Err(_) => continue,
            };
            assert_eq!(instance, 1);
            assert!([11, 22].contains(&end), "{end} {messages:?}");
        }
        assert!(opened(&octets(&[Message::Number(2), Message::Origin(1)])).is_err());
    }

    proptest! {
        #[test]
        fn any_octets_are_opened_or_refused(datagram in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = opened(&datagram);
        }
    }
}
