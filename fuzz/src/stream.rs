//! Pieces of a stream, with directions, times and gaps, for the dissectors of streams.
//!
//! The input: how long other pieces are; then, for each piece, an octet of what it is and when, two
//! octets of length, lowest first, and its octets if it has any.
//!
//! Laws: every record decodes and renders; the same octets in other pieces give the same records
//! and the same trouble. HTTP looks for the next message where a piece begins once octets are
//! missing or are no message, so there the second law holds up to that.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use netcap_dissect::testing::{Event, ends};
use netcap_dissect::{
    Beginning, Direction, Entropy, Output, PacketInfo, Reason, Recognition, Registry, Selection,
    StreamContext, StreamEnds, StreamProtocol, Then,
};
use netcap_protocols::{PROTOCOLS, STREAMS};
use netcap_record::{Schema, Time};

use crate::laws;

/// A target, the protocol that it tries, and the port of the server.
pub const TARGETS: &[(&str, &str, u16)] = &[
    ("tls", "TLS", 443),
    ("http", "HTTP", 80),
    ("dns_stream", "DNS", 53),
    ("sip_stream", "SIP", 5060),
    ("modbus_stream", "ModbusTCP", 502),
];

/// What a piece is, in the second and third bit of its first octet; the first bit is the direction,
/// the others are seconds since the piece before. Numbers below [`GAP`] are octets.
const GAP: u8 = 2;
const END: u8 = 3;

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let selection = Selection {
        payloads: true,
        ..Selection::default()
    };
    let streams = STREAMS.iter().flat_map(|protocol| protocol.schemas);
    let schemas: Vec<&'static Schema> = streams.copied().collect();
    Registry::new(PROTOCOLS, &schemas, &selection).expect("everything is selected")
});

/// Used again and again, as in the table of streams.
static ENTROPY: LazyLock<Mutex<Entropy>> = LazyLock::new(Mutex::default);

/// The protocol of a target, and the port of the server.
///
/// # Panics
/// Where there is no such target, or no such protocol.
pub fn target(name: &str) -> (&'static StreamProtocol, u16) {
    let found = TARGETS.iter().find(|(target, ..)| *target == name);
    let (_, name, port) = *found.expect("a target");
    let protocol = STREAMS.iter().find(|protocol| protocol.name == name);
    (protocol.expect("a protocol"), port)
}

/// Appends an event to an input, which begins with a length of other pieces. Times are not kept.
pub fn append(event: Event<'_>, input: &mut Vec<u8>) {
    let (direction, what, length, octets) = match event {
        Event::Data(direction, octets) => (direction, 0, octets.len() as u64, octets),
        Event::Gap(direction, length) => (direction, GAP, length, &[][..]),
        Event::End(direction) => (direction, END, 0, &[][..]),
        Event::Time(_) => return,
    };
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    input.push(direction as u8 | what << 1);
    input.extend_from_slice(&length.to_le_bytes());
    input.extend_from_slice(&octets[..octets.len().min(usize::from(length))]);
}

/// What befalls the stream that an input stands for.
fn events(mut input: &[u8]) -> Vec<Event<'_>> {
    let (mut events, mut now) = (Vec::new(), 1);
    while let [what, low, high, rest @ ..] = input {
        let length = u16::from_le_bytes([*low, *high]);
        let direction = match what & 1 {
            0 => Direction::ToServer,
            _ => Direction::ToClient,
        };
        if what >> 3 > 0 {
            now += i64::from(what >> 3);
            events.push(Event::Time(now));
        }
        let mut behind = rest;
        events.push(match what >> 1 & 3 {
            END => Event::End(direction),
            GAP => Event::Gap(direction, u64::from(length)),
            _ => {
                let octets;
                (octets, behind) = rest.split_at(rest.len().min(usize::from(length)));
                Event::Data(direction, octets)
            }
        });
        input = behind;
    }
    events
}

/// The same octets in pieces of so many.
fn in_pieces<'a>(events: &[Event<'a>], length: usize) -> Vec<Event<'a>> {
    let mut pieces = Vec::new();
    for event in events {
        match *event {
            Event::Data(direction, octets) => {
                let chunks = octets.chunks(length.max(1));
                pieces.extend(chunks.map(|octets| Event::Data(direction, octets)));
            }
            other => pieces.push(other),
        }
    }
    pieces
}

/// What was malformed, and how often.
type Troubles = BTreeMap<(&'static str, Reason), u64>;

/// Tries an input on a protocol.
///
/// # Panics
/// Where a law is broken.
pub fn check((protocol, port): (&'static StreamProtocol, u16), input: &[u8]) {
    let Some((length, input)) = input.split_first() else {
        return;
    };
    let events = events(input);
    let ends = ends(port);
    for event in &events {
        if let Event::Data(direction, octets) = *event {
            let beginning = Beginning {
                octets,
                direction,
                ends: &ends,
            };
            let _: Recognition = (protocol.recognise)(&beginning);
        }
    }
    let (whole, troubles) = observe(protocol, &ends, &events);
    laws::every_record(&REGISTRY, &whole, |_| {});
    let has_gaps = events.iter().any(|event| matches!(event, Event::Gap(..)));
    for length in [usize::from(*length), 1] {
        let pieces = in_pieces(&events, length);
        let (pieces, other_troubles) = observe(protocol, &ends, &pieces);
        let is_sound = troubles.is_empty() || other_troubles.is_empty();
        if protocol.name != "HTTP" || is_sound && !has_gaps {
            assert_eq!(whole.chunks, pieces.chunks, "pieces of {length}");
            assert_eq!(troubles, other_troubles, "pieces of {length}");
        } else {
            laws::every_record(&REGISTRY, &pieces, |_| {});
        }
    }
}

/// Has a stream dissected from its first octet until the dissector leaves it.
fn observe(
    protocol: &StreamProtocol,
    ends: &StreamEnds,
    events: &[Event<'_>],
) -> (Output, Troubles) {
    let mut output = Output::new(&REGISTRY);
    let mut entropy = ENTROPY.lock().expect("no dissector panicked before");
    let mut troubles = Troubles::new();
    let mut packet = PacketInfo {
        time: Time::new(1, 2000),
        link_type: 1,
        original_len: 0,
        index: 0,
        number: 0,
    };
    let mut dissector = (protocol.start)();
    let mut ended = [false; 2];
    for event in events {
        let mut context = StreamContext::new(
            ends,
            &REGISTRY,
            &mut output,
            &mut entropy,
            packet,
            &mut troubles,
        );
        let is_over = |direction: Direction| ended[direction as usize];
        let then = match *event {
            Event::Time(seconds) => {
                packet.time = Time::new(seconds, 2000);
                Then::GoOn
            }
            Event::Data(direction, octets) if !is_over(direction) && !octets.is_empty() => {
                dissector.data(direction, octets, &mut context)
            }
            Event::Gap(direction, octets) if !is_over(direction) && octets > 0 => {
                dissector.gap(direction, octets, &mut context)
            }
            Event::End(direction) if !is_over(direction) => {
                ended[direction as usize] = true;
                dissector.end(direction, &mut context);
                Then::GoOn
            }
            _ => Then::GoOn,
        };
        if then == Then::Leave {
            break;
        }
    }
    let mut context = StreamContext::new(
        ends,
        &REGISTRY,
        &mut output,
        &mut entropy,
        packet,
        &mut troubles,
    );
    for direction in [Direction::ToServer, Direction::ToClient] {
        if !ended[direction as usize] {
            dissector.end(direction, &mut context);
        }
    }
    (output, troubles)
}
