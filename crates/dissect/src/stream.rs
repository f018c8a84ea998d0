//! Reassembled streams: how the octets of a TCP connection become records.
//!
//! A stream dissector is given the octets of both directions in order, each as soon as it is known,
//! with the time of the packet that brought them. Octets that the capture lacks are a value it is
//! given too: a gap. It keeps what it needs of a message that is not whole yet, and bounds that
//! itself: [`Pending`] does so for it.
//!
//! Which dissector a stream gets is decided by content: while nobody has claimed the stream, every
//! [`StreamProtocol`] is shown the beginning of each piece of octets, in the order of the list. So
//! a stream whose beginning was not captured, and one that turns to TLS on the way, are recognised
//! where a message begins.

use std::collections::BTreeMap;

use netcap_record::{Ip, Mac, Record, Schema, Timestamp};

use crate::walk::walk_message;
use crate::{
    BodyEvent, BodyId, Context, Entropy, Fate, Malformed, Output, PacketInfo, Reason, Registry,
    Selector, Turn,
};

/// One of the two directions of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the end that opened the connection, as far as the capture tells.
    ToServer,
    /// From the end that was called.
    ToClient,
}

impl Direction {
    /// The other one.
    pub fn other(self) -> Direction {
        match self {
            Direction::ToServer => Direction::ToClient,
            Direction::ToClient => Direction::ToServer,
        }
    }
}

/// One value for each direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Both<T> {
    /// That of [`Direction::ToServer`].
    pub to_server: T,
    /// That of [`Direction::ToClient`].
    pub to_client: T,
}

impl<T> Both<T> {
    /// The value of a direction.
    pub fn of(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

/// What brings octets of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Carrier {
    /// The packet.
    pub packet: PacketInfo,
    /// MAC addresses of sender and receiver in the frame around its IP packet, where there is one.
    pub macs: Option<(Mac, Mac)>,
    /// Where the octets stand.
    pub place: Place,
}

/// Where octets stand in what both ends say to each other, in octets from a beginning that each
/// direction has for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Of the first of them in its direction.
    pub position: u64,
    /// Up to where their sender had received the other direction, if that is known.
    pub acknowledged: Option<u64>,
}

/// One end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// IP address.
    pub ip: Ip,
    /// TCP port.
    pub port: u16,
}

/// Both ends of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamEnds {
    /// The end that opened the connection: it sent the SYN, or the packet that was seen first.
    pub client: Endpoint,
    /// The other end.
    pub server: Endpoint,
}

impl StreamEnds {
    /// Who sends and who receives in a direction.
    pub fn of(&self, direction: Direction) -> (&Endpoint, &Endpoint) {
        match direction {
            Direction::ToServer => (&self.client, &self.server),
            Direction::ToClient => (&self.server, &self.client),
        }
    }
}

/// A protocol on streams, as the list of them has it.
#[derive(Debug)]
pub struct StreamProtocol {
    /// Name, by which the ledger calls it.
    pub name: &'static str,
    /// The ports to one of which it is bound; none where it may be on any.
    pub ports: &'static [u16],
    /// Whether a piece of octets begins a message of this protocol.
    pub recognise: fn(&Beginning<'_>) -> Recognition,
    /// Where inside of octets a message of this protocol begins, if it can be told there from whatever
    /// stands before it: a protocol that begins where another has agreed on it (STARTTLS and the like)
    /// may share a segment with it.
    pub inside: Option<Finder>,
    /// A dissector for one stream.
    pub start: fn() -> Box<dyn StreamDissector>,
    /// Records that it emits; it is not asked at all where none of them is wanted. A protocol without
    /// any leads on to others, and is asked where those are.
    pub schemas: &'static [&'static Schema],
}

/// Says where inside of octets a message begins.
pub type Finder = fn(&[u8]) -> Option<usize>;

/// The first octets that nobody has claimed yet.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'a> {
    /// The octets.
    pub octets: &'a [u8],
    /// Which way they go.
    pub direction: Direction,
    /// Both ends.
    pub ends: &'a StreamEnds,
}

/// What a protocol says of a beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognition {
    /// It is mine.
    Yes,
    /// It is not.
    No,
    /// It may be, once there are more octets: they are kept and shown again, up to 64.
    More,
}

/// What a dissector wants of a stream after some octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// More.
    GoOn,
    /// Nothing: what follows, in both directions, is not of this protocol or cannot be followed.
    /// Others are asked about what it gives back ([`StreamDissector::rest`]) and the pieces to come,
    /// this one too.
    Leave,
}

/// What a direction of a stream ended by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its sender closed it with a FIN: all that it sent has been handed on.
    Closed,
    /// A reset of either end was the last of it.
    Reset,
    /// It was idle for too long.
    TimedOut,
    /// Another connection took its addresses and ports.
    Replaced,
    /// There was no room for it.
    Evicted,
    /// The capture ended.
    Capture,
    /// The dissector left the stream.
    Left,
}

/// Makes records of the octets of one stream.
pub trait StreamDissector: Send {
    /// Takes the next octets of a direction.
    fn data(
        &mut self,
        direction: Direction,
        octets: &[u8],
        context: &mut StreamContext<'_, '_>,
    ) -> Then;

    /// Learns that the capture lacks so many octets of a direction.
    fn gap(
        &mut self,
        direction: Direction,
        octets: u64,
        context: &mut StreamContext<'_, '_>,
    ) -> Then;

    /// Learns that a direction has ended, and by what. Each direction ends at most once, and both
    /// do before the dissector goes.
    fn end(&mut self, direction: Direction, ending: Ending, context: &mut StreamContext<'_, '_>);

    /// Octets that it keeps for later: what all streams keep together is limited.
    fn held(&self) -> usize;

    /// Gives back, when it leaves, the octets of a direction that it was given last and that are not
    /// of its protocol, with what brought the first of them.
    fn rest(&mut self, _: Direction) -> Option<(Carrier, Vec<u8>)> {
        None
    }
}

/// What surrounds the octets that a stream dissector is given, and where its records go.
pub struct StreamContext<'a, 'c> {
    /// Both ends of the stream.
    pub ends: &'a StreamEnds,
    registry: &'c Registry,
    output: &'c mut Output,
    entropy: &'c mut Entropy,
    carrier: Carrier,
    troubles: &'c mut BTreeMap<(&'static str, Reason), u64>,
}

impl<'a, 'c> StreamContext<'a, 'c> {
    /// A context for the octets that `carrier` brought.
    pub fn new(
        ends: &'a StreamEnds,
        registry: &'c Registry,
        output: &'c mut Output,
        entropy: &'c mut Entropy,
        carrier: Carrier,
        troubles: &'c mut BTreeMap<(&'static str, Reason), u64>,
    ) -> StreamContext<'a, 'c> {
        StreamContext {
            ends,
            registry,
            output,
            entropy,
            carrier,
            troubles,
        }
    }

    /// The packet that brought the octets; at an end, the one that brought it.
    ///
    /// A dissector that writes a record later keeps this, and writes the record [`at`] it.
    ///
    /// [`at`]: StreamContext::at
    pub fn packet(&self) -> PacketInfo {
        self.carrier.packet
    }

    /// What brought the octets.
    pub fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// MAC addresses of sender and receiver in the frame that brought the octets, where there is one.
    pub fn macs(&self) -> Option<(Mac, Mac)> {
        self.carrier.macs
    }

    /// Capture time of the packet.
    pub fn timestamp(&self) -> Timestamp {
        self.carrier.packet.timestamp()
    }

    /// The same at another packet of the stream: so a record of what began earlier has the time of
    /// that packet and its number, and both are of the same packet.
    pub fn at(&mut self, packet: PacketInfo) -> StreamContext<'a, '_> {
        StreamContext::new(
            self.ends,
            self.registry,
            self.output,
            self.entropy,
            Carrier {
                packet,
                ..self.carrier
            },
            self.troubles,
        )
    }

    /// Whether records of this type are asked for.
    pub fn wants<R: Record>(&self) -> bool {
        self.registry.selects(R::SCHEMA)
    }

    /// Writes a record of the packet, if records of its type are asked for.
    pub fn emit<R: Record>(&mut self, record: &R) {
        self.output
            .emit_of(self.packet().number, self.registry, record);
    }

    /// Counts a message that contradicts its protocol.
    pub fn note(&mut self, malformed: Malformed) {
        let key = (malformed.protocol, malformed.reason);
        *self.troubles.entry(key).or_default() += 1;
    }

    /// Begins a body, if anybody keeps them; `target` and `encoding` are those of
    /// [`BodyEvent::Begin`].
    pub fn begin_body(&mut self, target: &[u8], encoding: &[u8]) -> Option<BodyId> {
        let turn = self.turn();
        let bodies = self.output.bodies.as_mut()?;
        Some(bodies.begin(turn, target, encoding))
    }

    /// Hands on the next octets of a body.
    pub fn body(&mut self, id: BodyId, octets: &[u8]) {
        if !octets.is_empty() {
            self.tell(|| BodyEvent::Octets(id, octets.to_vec()));
        }
    }

    /// Ends a body; `is_whole` where all of its octets were handed on.
    pub fn end_body(&mut self, id: BodyId, is_whole: bool) {
        self.tell(|| BodyEvent::End { id, is_whole });
    }

    /// Hands on what happens to a body, if anybody keeps them.
    fn tell(&mut self, event: impl FnOnce() -> BodyEvent) {
        let turn = self.turn();
        if let Some(bodies) = &mut self.output.bodies {
            bodies.events.push((turn, event()));
        }
    }

    fn turn(&self) -> Turn {
        self.output.turn.unwrap_or_default()
    }

    /// Has a message dissected as if a packet had brought it alone, by the protocol that answers
    /// to `selector`. What is malformed about it is counted.
    pub fn message(&mut self, selector: Selector, octets: &[u8]) -> Fate {
        let packet = PacketInfo {
            original_len: u32::try_from(octets.len()).unwrap_or(u32::MAX),
            ..self.packet()
        };
        let mut context = Context::new(self.registry, self.output, self.entropy, &[]);
        let fate = walk_message(&mut context, packet, selector, octets);
        if let Fate::Malformed(malformed) | Fate::CutShort(malformed) = fate {
            self.note(malformed);
        }
        fate
    }
}

/// Octets of a message that is not whole yet, at most so many.
///
/// New octets are appended only where some are pending; else they are handed through.
#[derive(Debug)]
pub struct Pending {
    octets: Vec<u8>,
    limit: usize,
}

impl Pending {
    /// Room for `limit` octets.
    pub fn new(limit: usize) -> Pending {
        Pending {
            octets: Vec::new(),
            limit,
        }
    }

    /// Gives what is pending followed by the new octets to `take`, which returns how many of them
    /// it is done with, and keeps the rest. `false` where the rest exceeds the limit: it is
    /// forgotten.
    pub fn feed(&mut self, octets: &[u8], take: impl FnOnce(&[u8]) -> usize) -> bool {
        if self.octets.is_empty() {
            let done = take(octets);
            let rest = octets.get(done..).unwrap_or_default();
            let fits = rest.len() <= self.limit;
            if fits {
                self.octets.extend_from_slice(rest);
            }
            return fits;
        }
        self.octets.extend_from_slice(octets);
        let done = take(&self.octets).min(self.octets.len());
        self.octets.drain(..done);
        let fits = self.octets.len() <= self.limit;
        if !fits {
            self.clear();
        }
        fits
    }

    /// What is pending.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Forgets what is pending, and gives its memory back.
    pub fn clear(&mut self) {
        self.octets = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_octets_come_first() {
        let mut pending = Pending::new(4);
        assert!(pending.feed(b"abc", |octets| {
            assert_eq!(octets, b"abc");
            1
        }));
        assert!(pending.feed(b"de", |octets| {
            assert_eq!(octets, b"bcde");
            3
        }));
        assert_eq!(pending.octets(), b"e");
        assert!(!pending.feed(b"fghi", |_| 0));
        assert!(pending.octets().is_empty());
        assert!(!pending.feed(b"12345", |_| 0));
        assert!(pending.feed(b"12345", |_| 1));
        assert_eq!(pending.octets(), b"2345");
    }
}
