//! Who reads a stream: detection of its protocol by content, and the dissector that it then has.
//!
//! While nobody has claimed a stream, each piece of octets is shown to every protocol of the list,
//! in its order; the first that says yes gets the stream, beginning with the octets that were kept
//! for it. Octets of which somebody wants to see more before deciding are kept, at most [`KEPT`] of
//! each direction, and handed on as one piece of the packet that brought the first. A piece that begins
//! nothing may have a beginning inside ([`StreamProtocol::inside`]). What a dissector gives back when it
//! leaves is a piece as any other. A dissector is given of what was kept only what may be of its
//! protocol. Nobody is asked any more after [`UNCLAIMED`] octets that nobody claimed, or after
//! [`LEAVES`] dissectors that left.

use netcap_dissect::{
    Beginning, Both, Carrier, Direction, Ending, Entropy, Output, Recognition, Registry,
    StreamContext, StreamDissector, StreamEnds, StreamProtocol, Then,
};

use crate::stream_ledger::StreamLedger;

/// Octets of a direction that are kept for those who want to see more.
const KEPT: usize = 64;
/// Octets without a message that anybody knows, after which none is expected.
const UNCLAIMED: u32 = 1 << 20;
/// Dissectors that may leave a stream.
const LEAVES: u8 = 64;

/// What a dissector is given and where its records and counts go.
pub(crate) struct Desk<'a> {
    pub(crate) protocols: &'a [&'static StreamProtocol],
    pub(crate) registry: &'a Registry,
    pub(crate) output: &'a mut Output,
    pub(crate) entropy: &'a mut Entropy,
    pub(crate) ledger: &'a mut StreamLedger,
}

impl Desk<'_> {
    fn context<'a>(&'a mut self, ends: &'a StreamEnds, carrier: Carrier) -> StreamContext<'a, 'a> {
        StreamContext::new(
            ends,
            self.registry,
            self.output,
            self.entropy,
            carrier,
            &mut self.ledger.troubles,
        )
    }
}

/// The reader of a stream.
#[derive(Default)]
pub(crate) struct Claim {
    dissector: Option<Box<dyn StreamDissector>>,
    /// What somebody wants to see again, one piece for each direction, that which began first first.
    kept: Vec<Kept>,
    /// Octets that nobody claimed.
    unclaimed: u32,
    leaves: u8,
    /// What the directions that have ended did so by.
    ended: Both<Option<Ending>>,
}

struct Kept {
    direction: Direction,
    /// That of the first octet.
    carrier: Carrier,
    octets: Vec<u8>,
}

/// What the protocols say of a beginning, all together.
enum Answer {
    Yes(&'static StreamProtocol),
    More,
    No,
}

impl Claim {
    /// Octets that are kept: for who wants to see more, and by the dissector.
    pub(crate) fn held(&self) -> usize {
        let kept: usize = self.kept.iter().map(|kept| kept.octets.len()).sum();
        kept + self
            .dissector
            .as_ref()
            .map_or(0, |dissector| dissector.held())
    }

    /// The next octets of a direction.
    pub(crate) fn data(
        &mut self,
        direction: Direction,
        octets: &[u8],
        carrier: Carrier,
        ends: &StreamEnds,
        desk: &mut Desk<'_>,
    ) {
        if self.dissector.is_some() {
            self.feed(direction, octets, carrier, ends, desk);
        } else if self.unclaimed < UNCLAIMED && self.leaves < LEAVES {
            self.ask(direction, octets, carrier, ends, desk);
        } else {
            self.kept = Vec::new();
        }
    }

    /// A gap in a direction.
    pub(crate) fn gap(
        &mut self,
        direction: Direction,
        octets: u64,
        carrier: Carrier,
        ends: &StreamEnds,
        desk: &mut Desk<'_>,
    ) {
        self.forget(direction);
        if let Some(dissector) = &mut self.dissector
            && dissector.gap(direction, octets, &mut desk.context(ends, carrier)) == Then::Leave
        {
            self.leave(direction, carrier, ends, desk);
        }
    }

    /// The end of a direction; a second one is none.
    pub(crate) fn end(
        &mut self,
        direction: Direction,
        ending: Ending,
        carrier: Carrier,
        ends: &StreamEnds,
        desk: &mut Desk<'_>,
    ) {
        if self.ended.of(direction).replace(ending).is_some() {
            return;
        }
        self.forget(direction);
        if let Some(dissector) = &mut self.dissector {
            dissector.end(direction, ending, &mut desk.context(ends, carrier));
        }
        if self.ended.of(direction.other()).is_some() {
            self.dissector = None;
        }
    }

    /// Gives octets to the dissector, if there is one.
    fn feed(
        &mut self,
        direction: Direction,
        octets: &[u8],
        carrier: Carrier,
        ends: &StreamEnds,
        desk: &mut Desk<'_>,
    ) {
        if let Some(dissector) = &mut self.dissector
            && dissector.data(direction, octets, &mut desk.context(ends, carrier)) == Then::Leave
        {
            self.leave(direction, carrier, ends, desk);
        }
    }

    /// Lets the dissector go, which hears of both ends before, and shows to others what it gives back:
    /// what it was given last comes last.
    fn leave(
        &mut self,
        direction: Direction,
        carrier: Carrier,
        ends: &StreamEnds,
        desk: &mut Desk<'_>,
    ) {
        self.leaves = self.leaves.saturating_add(1);
        let Some(mut dissector) = self.dissector.take() else {
            return;
        };
        for direction in [Direction::ToServer, Direction::ToClient] {
            if self.ended.of(direction).is_none() {
                dissector.end(direction, Ending::Left, &mut desk.context(ends, carrier));
            }
        }
        for direction in [direction.other(), direction] {
            if let Some((carrier, octets)) = dissector.rest(direction)
                && !octets.is_empty()
            {
                self.data(direction, &octets, carrier, ends, desk);
            }
        }
    }

    /// Shows octets to the protocols, after those that were kept of their direction; if together
    /// they begin nothing, alone.
    fn ask(
        &mut self,
        direction: Direction,
        octets: &[u8],
        mut carrier: Carrier,
        ends: &StreamEnds,
        desk: &mut Desk<'_>,
    ) {
        let kept = self.kept.iter().find(|kept| kept.direction == direction);
        let together = kept.map(|kept| [&kept.octets, octets].concat());
        let mut shown = together.as_deref().unwrap_or(octets);
        let mut answer = answer(desk.protocols, shown, direction, ends);
        let hopeless = match answer {
            Answer::Yes(_) => false,
            Answer::More => shown.len() > KEPT,
            Answer::No => true,
        };
        if hopeless && shown.len() > octets.len() {
            self.forget(direction);
            shown = octets;
            answer = self::answer(desk.protocols, shown, direction, ends);
        }
        let (mut octets, whole) = (octets, octets.len());
        let is_open = match answer {
            Answer::Yes(_) => false,
            Answer::More => shown.len() > KEPT,
            Answer::No => true,
        };
        if is_open {
            self.forget(direction);
            (octets, answer) = match inside(desk.protocols, octets) {
                Some(inside) => (
                    inside,
                    self::answer(desk.protocols, inside, direction, ends),
                ),
                None => (octets, Answer::No),
            };
        }
        match answer {
            Answer::Yes(protocol) => {
                carrier.place.position += (whole - octets.len()) as u64;
                self.claim(protocol, direction, carrier, ends, desk);
                self.feed(direction, octets, carrier, ends, desk);
                return;
            }
            Answer::More if octets.len() <= KEPT => self.keep(direction, octets, carrier),
            Answer::More | Answer::No => {}
        }
        let octets = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        self.unclaimed = self.unclaimed.saturating_add(octets);
    }

    /// Starts a dissector of a protocol that was recognised in a direction, with what was kept of it,
    /// and of the other one if that may begin its messages too.
    fn claim(
        &mut self,
        protocol: &'static StreamProtocol,
        recognised: Direction,
        carrier: Carrier,
        ends: &StreamEnds,
        desk: &mut Desk<'_>,
    ) {
        *desk.ledger.recognised.entry(protocol.name).or_default() += 1;
        let mut dissector = (protocol.start)();
        for direction in [Direction::ToServer, Direction::ToClient] {
            if let Some(ending) = *self.ended.of(direction) {
                dissector.end(direction, ending, &mut desk.context(ends, carrier));
            }
        }
        self.dissector = Some(dissector);
        for kept in std::mem::take(&mut self.kept) {
            let beginning = Beginning {
                octets: &kept.octets,
                direction: kept.direction,
                ends,
            };
            if kept.direction == recognised || (protocol.recognise)(&beginning) != Recognition::No {
                self.feed(kept.direction, &kept.octets, kept.carrier, ends, desk);
            }
        }
    }

    fn keep(&mut self, direction: Direction, octets: &[u8], carrier: Carrier) {
        let mut all = self.kept.iter_mut();
        match all.find(|kept| kept.direction == direction) {
            Some(kept) => kept.octets.extend_from_slice(octets),
            None => self.kept.push(Kept {
                direction,
                carrier,
                octets: octets.to_vec(),
            }),
        }
    }

    fn forget(&mut self, direction: Direction) {
        self.kept.retain(|kept| kept.direction != direction);
    }
}

/// The octets from where a message begins that a protocol finds inside of others.
fn inside<'o>(protocols: &[&'static StreamProtocol], octets: &'o [u8]) -> Option<&'o [u8]> {
    let mut places = protocols
        .iter()
        .filter_map(|protocol| protocol.inside?(octets));
    places.find_map(|at| octets.get(at..).filter(|_| at > 0))
}

/// The first protocol that says yes; if none does, whether one wants to see more.
fn answer(
    protocols: &[&'static StreamProtocol],
    octets: &[u8],
    direction: Direction,
    ends: &StreamEnds,
) -> Answer {
    let beginning = Beginning {
        octets,
        direction,
        ends,
    };
    let mut answer = Answer::No;
    for protocol in protocols {
        match (protocol.recognise)(&beginning) {
            Recognition::Yes => return Answer::Yes(protocol),
            Recognition::More => answer = Answer::More,
            Recognition::No => {}
        }
    }
    answer
}
