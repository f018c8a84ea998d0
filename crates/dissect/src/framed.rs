//! Streams of messages that say how long they are, each of which a datagram could as well have
//! brought.
//!
//! A message is dissected when it is whole, with the time of the packet that made it so. One that
//! ends early, with the stream or at a gap, is dissected as far as it goes if its length is known;
//! what is malformed about it is counted. Where a gap reaches no further than the message that it
//! begins in, the next message is found behind it. Anything else that is no message ends the claim
//! to the stream, which is recognised again where a piece of octets begins a message.
//!
//! At most [`Framing::limit`] octets are kept for each direction. A message that has more is passed
//! over, and counted as one of inconsistent length.

use crate::{
    Both, Direction, Ending, Malformed, Pending, Reason, Selector, StreamContext, StreamDissector,
    Then,
};

/// How the messages of a protocol stand in a stream.
#[derive(Debug)]
pub struct Framing {
    /// Name of the protocol, for what is malformed.
    pub protocol: &'static str,
    /// What the protocol that dissects the messages answers to.
    pub selector: Selector,
    /// Octets before each message that are not of it.
    pub prefix: usize,
    /// Octets that a message has at most, with the prefix.
    pub limit: usize,
    /// Finds the length of the message that octets begin with. Of the octets, which are not none,
    /// it has said before that so many are too few: it need not search these again.
    pub measure: fn(&[u8], usize) -> Measure,
}

/// Where the message that octets begin with ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// After so many octets, with the prefix.
    Message(usize),
    /// These are too few to tell.
    More,
    /// They are no message.
    Foreign,
}

/// Dissects the messages of one stream.
#[derive(Debug)]
pub struct Framed {
    framing: &'static Framing,
    sides: Both<Side>,
}

/// Where one direction is.
#[derive(Debug)]
struct Side {
    pending: Pending,
    /// Octets of what is pending that are too few to tell a length.
    too_few: usize,
    /// Length of the message that is pending, once it is known.
    length: Option<usize>,
    /// Octets to come that are passed over.
    skip: u64,
}

impl Framed {
    /// A dissector for one stream.
    pub fn new(framing: &'static Framing) -> Framed {
        let side = || Side {
            pending: Pending::new(framing.limit),
            too_few: 0,
            length: None,
            skip: 0,
        };
        Framed {
            framing,
            sides: Both {
                to_server: side(),
                to_client: side(),
            },
        }
    }

    fn leave(&mut self, context: &mut StreamContext<'_, '_>) -> Then {
        self.sides.to_server.cut(self.framing, context);
        self.sides.to_client.cut(self.framing, context);
        Then::Leave
    }
}

impl Framing {
    fn dissect(&self, message: &[u8], context: &mut StreamContext<'_, '_>) {
        let message = message.get(self.prefix..).unwrap_or_default();
        context.message(self.selector, message);
    }

    fn malformed(&self, reason: Reason, needed: usize, had: usize) -> Malformed {
        Malformed {
            protocol: self.protocol,
            reason,
            offset: 0,
            needed: u32::try_from(needed).unwrap_or(u32::MAX),
            had: u32::try_from(had).unwrap_or(u32::MAX),
        }
    }
}

impl Side {
    fn data(
        &mut self,
        octets: &[u8],
        framing: &Framing,
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        let skipped = usize::try_from(self.skip).map_or(octets.len(), |n| n.min(octets.len()));
        self.skip -= skipped as u64;
        let octets = octets.get(skipped..).unwrap_or_default();
        let (pending, too_few) = (&mut self.pending, &mut self.too_few);
        let (length, skip) = (&mut self.length, &mut self.skip);
        let mut then = Then::GoOn;
        let fits = pending.feed(octets, |octets| {
            let mut rest = octets;
            while !rest.is_empty() {
                let known = length.map(Measure::Message);
                match known.unwrap_or_else(|| (framing.measure)(rest, *too_few)) {
                    Measure::Message(n) => {
                        // A message without octets would be found for ever.
                        let n = n.max(1);
                        *too_few = 0;
                        *length = None;
                        if n > framing.limit {
                            context.note(framing.malformed(Reason::Length, n, rest.len()));
                            *skip = n.saturating_sub(rest.len()) as u64;
                            rest = rest.get(n..).unwrap_or_default();
                        } else if let Some((message, behind)) = rest.split_at_checked(n) {
                            framing.dissect(message, context);
                            rest = behind;
                        } else {
                            *length = Some(n);
                            break;
                        }
                    }
                    Measure::More => {
                        *too_few = rest.len();
                        break;
                    }
                    Measure::Foreign => {
                        then = Then::Leave;
                        rest = &[];
                    }
                }
            }
            octets.len() - rest.len()
        });
        if !fits {
            context.note(framing.malformed(Reason::Length, 0, framing.limit));
            then = Then::Leave;
        }
        then
    }

    /// Takes leave of what is pending, since what follows it is lost.
    fn cut(&mut self, framing: &Framing, context: &mut StreamContext<'_, '_>) {
        let octets = self.pending.octets();
        match self.length.take() {
            Some(_) if octets.len() > framing.prefix => framing.dissect(octets, context),
            None if octets.is_empty() => {}
            length => {
                let needed = length.unwrap_or(octets.len() + 1);
                context.note(framing.malformed(Reason::Truncated, needed, octets.len()));
            }
        }
        self.too_few = 0;
        self.pending.clear();
    }
}

impl StreamDissector for Framed {
    fn data(
        &mut self,
        direction: Direction,
        octets: &[u8],
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        let side = self.sides.of(direction);
        match side.data(octets, self.framing, context) {
            Then::GoOn => Then::GoOn,
            Then::Leave => self.leave(context),
        }
    }

    fn gap(
        &mut self,
        direction: Direction,
        octets: u64,
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        let side = self.sides.of(direction);
        if let Some(length) = side.length {
            side.skip = length.saturating_sub(side.pending.octets().len()) as u64;
        }
        side.cut(self.framing, context);
        match side.skip.checked_sub(octets) {
            Some(left) => {
                side.skip = left;
                Then::GoOn
            }
            None => self.leave(context),
        }
    }

    fn end(&mut self, direction: Direction, _: Ending, context: &mut StreamContext<'_, '_>) {
        self.sides.of(direction).cut(self.framing, context);
    }

    fn held(&self) -> usize {
        self.sides.to_server.pending.octets().len() + self.sides.to_client.pending.octets().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Event, Streamed, ends, every_split, stream};
    use crate::{Beginning, Next, Protocol, Recognition, StreamProtocol};
    use netcap_record::{Record, Timestamp};

    /// What stands between the octet that says how much it is, and the next one.
    #[derive(Record)]
    #[record("Word", 900)]
    struct Word<'a> {
        /// When.
        #[field(1, "Timestamp")]
        timestamp: Timestamp,
        /// What.
        #[field(2, "Octets")]
        octets: &'a [u8],
    }

    static WORD: Protocol = Protocol::new("Word", |input, context| {
        let octets = input.take_rest();
        context.emit(&Word {
            timestamp: context.timestamp(),
            octets,
        });
        Ok(Next::End)
    })
    .reached_by(&[Selector::UdpPort(9)])
    .emits(&[Word::SCHEMA]);

    static FRAMING: Framing = Framing {
        protocol: "Word",
        selector: Selector::UdpPort(9),
        prefix: 1,
        limit: 8,
        measure: |octets, too_few| match octets {
            // Two octets tell, the first of them alone does not.
            [first] => {
                assert_eq!(too_few, 0);
                if *first < 16 {
                    Measure::More
                } else {
                    Measure::Foreign
                }
            }
            [first, ..] if *first < 16 => Measure::Message(usize::from(*first) + 1),
            _ => Measure::Foreign,
        },
    };

    static STREAM: StreamProtocol = StreamProtocol {
        name: "Word",
        ports: &[],
        recognise: |beginning: &Beginning<'_>| match beginning.octets {
            [2, b'a', ..] => Recognition::Yes,
            [2] => Recognition::More,
            _ => Recognition::No,
        },
        inside: None,
        start: || Box::new(Framed::new(&FRAMING)),
        schemas: &[Word::SCHEMA],
    };

    use Direction::{ToClient, ToServer};
    use Event::{Data, End, Gap};

    fn run(events: &[Event<'_>]) -> Streamed {
        stream(&STREAM, &[&WORD], &ends(9), events)
    }

    fn words(streamed: &Streamed) -> Vec<String> {
        let show = |record: &&[u8]| {
            // Behind the timestamp `1.000002` and the keys.
            record[12.min(record.len())..].escape_ascii().to_string()
        };
        streamed.of("Word").iter().map(show).collect()
    }

    #[test]
    fn messages_one_after_the_other() {
        let octets = b"\x02ab\x03cde\x01f";
        let whole = run(&[Data(ToServer, octets), End(ToServer), End(ToClient)]);
        assert_eq!(words(&whole), ["ab", "cde", "f"]);
        assert!(whole.troubles.is_empty() && whole.claimed);
        every_split(&STREAM, &[&WORD], &ends(9), octets);
    }

    #[test]
    fn directions_do_not_mix() {
        let streamed = run(&[
            Data(ToServer, b"\x02ab\x02c"),
            Data(ToClient, b"\x02gh\x02"),
            Data(ToServer, b"d"),
            Data(ToClient, b"ij"),
        ]);
        assert_eq!(words(&streamed), ["ab", "gh", "cd", "ij"]);
    }

    #[test]
    fn what_is_no_message_ends_the_claim() {
        let streamed = run(&[
            Data(ToServer, b"\x02ab\xff\xff\x02no"),
            Data(ToClient, b"\x02no"),
            Data(ToServer, b"\x02ac"),
        ]);
        assert_eq!(words(&streamed), ["ab", "ac"]);
        assert!(streamed.claimed);
    }

    #[test]
    fn gaps() {
        let after = |gap: u64, next: &[u8]| {
            run(&[
                Data(ToServer, b"\x02ab\x05cd"),
                Gap(ToServer, gap),
                Data(ToServer, next),
            ])
        };
        // Within the message, to its end, and beyond.
        let within = after(2, b"g\x01h");
        assert_eq!(words(&within), ["ab", "cd", "h"]);
        assert_eq!(words(&after(3, b"\x01h")), ["ab", "cd", "h"]);
        assert!(!after(4, b"\x01h").claimed);
        assert_eq!(words(&after(4, b"\x02ah")), ["ab", "cd", "ah"]);
        // Between messages nothing is known of what comes.
        let between = run(&[
            Data(ToServer, b"\x02ab"),
            Data(ToClient, b"\x02c"),
            Gap(ToServer, 1),
            Data(ToServer, b"\x01h"),
        ]);
        assert_eq!(words(&between), ["ab", "c"]);
        assert!(!between.claimed);
        // Two gaps in one message.
        let twice = run(&[
            Data(ToServer, b"\x02ab\x05cd"),
            Gap(ToServer, 1),
            Data(ToServer, b"f"),
            Gap(ToServer, 1),
            Data(ToServer, b"\x01h"),
        ]);
        assert_eq!(words(&twice), ["ab", "cd", "h"]);
    }

    #[test]
    fn ends_in_a_message() {
        let streamed = run(&[Data(ToServer, b"\x02ab\x05cd"), End(ToServer)]);
        assert_eq!(words(&streamed), ["ab", "cd"]);
        let streamed = run(&[Data(ToServer, b"\x02ab\x05"), End(ToServer)]);
        assert_eq!(words(&streamed), ["ab"]);
        assert_eq!(streamed.troubles, [(("Word", Reason::Truncated), 1)].into());
    }

    #[test]
    fn too_long_messages_are_passed_over() {
        let octets = b"\x02ab\x08passed o\x02cd";
        let whole = run(&[Data(ToServer, octets)]);
        assert_eq!(words(&whole), ["ab", "cd"]);
        assert_eq!(whole.troubles, [(("Word", Reason::Length), 1)].into());
        every_split(&STREAM, &[&WORD], &ends(9), octets);
    }
}
