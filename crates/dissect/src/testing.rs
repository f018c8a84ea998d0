//! For the tests of protocols: walk a sample, see its records, try every prefix of it; the same for
//! streams.

use std::collections::BTreeMap;

use netcap_record::{Ip, Mac, Record, Schema, Time, split_frame};

use crate::{
    Beginning, Both, Carrier, Context, Direction, Ending, Endpoint, Entropy, Fate, Fragment, Level,
    Output, PacketInfo, Protocol, Reason, Recognition, Registry, Selection, StreamContext,
    StreamDissector, StreamEnds, StreamProtocol, Then, TunnelKind, walk,
};

/// What a walk gave.
#[derive(Debug)]
pub struct Walked {
    /// The outcome of the packet.
    pub fate: Fate,
    /// The records, each type's in order of emission: type and encoded octets, without a length.
    pub records: Vec<(&'static Schema, Vec<u8>)>,
    /// Fragments that were noted.
    pub fragments: Vec<Fragment>,
    /// Who sends what to whom, level by level, without segments.
    pub levels: Vec<Level<'static>>,
    /// Who read what is innermost, and how many octets count as its own.
    pub application: (&'static str, usize),
}

impl Walked {
    /// The encoded records of one type, by its message name.
    pub fn of(&self, name: &str) -> Vec<&[u8]> {
        self.records
            .iter()
            .filter(|(schema, _)| schema.name == name)
            .map(|(_, octets)| octets.as_slice())
            .collect()
    }

    /// Kind and number of the tunnel that the innermost level is in.
    pub fn tunnel(&self) -> Option<(TunnelKind, u32)> {
        let tunnel = self.levels.last()?.tunnel?;
        Some((tunnel.kind, tunnel.number))
    }

    /// What was malformed, if that is the packet's fate.
    pub fn malformed(&self) -> Option<Reason> {
        match self.fate {
            Fate::Malformed(malformed) => Some(malformed.reason),
            _ => None,
        }
    }
}

/// A record's octets, to compare with those of a walk.
pub fn encoded(record: &impl Record) -> Vec<u8> {
    let mut out = Vec::new();
    record.encode(&mut out);
    out
}

/// Walks one packet that was captured whole, at time 1.000002.
pub fn walk_packet(protocols: &[&'static Protocol], link_type: u32, octets: &[u8]) -> Walked {
    walk_cut(protocols, link_type, octets, octets.len())
}

/// Walks a packet of which the wire had `original` octets.
///
/// # Panics
/// Where the encoded output is not what the encoder promises.
pub fn walk_cut(
    protocols: &[&'static Protocol],
    link_type: u32,
    octets: &[u8],
    original: usize,
) -> Walked {
    let selection = Selection {
        payloads: true,
        ..Selection::default()
    };
    let registry = Registry::new(protocols, &[], &selection).expect("everything is selected");
    let mut output = Output::new(&registry);
    let mut entropy = Entropy::default();
    let mut context = Context::new(&registry, &mut output, &mut entropy, &[]);
    let packet = PacketInfo {
        time: Time::new(1, 2000),
        link_type,
        original_len: original as u32,
        index: 0,
        number: 0,
    };
    let fate = walk(&mut context, packet, octets);
    let (application, own) = context.path().application();
    Walked {
        fate,
        levels: context
            .path()
            .levels()
            .iter()
            .map(without_segment)
            .collect(),
        application: (registry.application(application), own.len()),
        records: records(&registry, &output),
        fragments: output.fragments,
    }
}

/// A level without what is the packet's own.
fn without_segment(level: &Level<'_>) -> Level<'static> {
    Level {
        link: level.link,
        vlans: level.vlans,
        tunnel: level.tunnel,
        virtual_network: level.virtual_network,
        service: level.service,
        network: level.network,
        protocol: level.protocol,
        icmp: level.icmp,
        missing: level.missing,
        piece: level.piece,
        transport: level.transport,
        segment: None,
    }
}

/// Walks every prefix of a packet, once as if the wire had no more and once as if the capture had
/// cut it, and holds what must be true of each.
///
/// # Panics
/// Where a prefix is cut short without needing more than it had, or yields more than the whole.
pub fn every_prefix(protocols: &[&'static Protocol], link_type: u32, octets: &[u8]) {
    let whole = walk_packet(protocols, link_type, octets);
    for end in 0..octets.len() {
        let Some(prefix) = octets.get(..end) else {
            continue;
        };
        for original in [end, octets.len()] {
            let walked = walk_cut(protocols, link_type, prefix, original);
            assert!(
                walked.records.len() <= whole.records.len(),
                "prefix of {end} octets"
            );
            if let Fate::CutShort(m) = walked.fate {
                assert!(
                    original > end && m.needed > m.had,
                    "prefix of {end} octets: {m}"
                );
            }
        }
    }
}

/// What befalls a stream.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Octets of a direction.
    Data(Direction, &'a [u8]),
    /// So many octets that the capture lacks.
    Gap(Direction, u64),
    /// A direction ends.
    End(Direction),
    /// The packets from here on were captured so many seconds after 0.000002; else it is one.
    Time(i64),
}

/// The outcome of a stream.
#[derive(Debug)]
pub struct Streamed {
    /// The records, each type's in order of emission: type and encoded octets, without a length.
    pub records: Vec<(&'static Schema, Vec<u8>)>,
    /// What was malformed, and how often.
    pub troubles: BTreeMap<(&'static str, Reason), u64>,
    /// Whether the stream has a dissector after the last event.
    pub claimed: bool,
}

impl Streamed {
    /// The encoded records of one type, by its message name.
    pub fn of(&self, name: &str) -> Vec<&[u8]> {
        self.records
            .iter()
            .filter(|(schema, _)| schema.name == name)
            .map(|(_, octets)| octets.as_slice())
            .collect()
    }
}

/// A client at 10.0.0.1 port 40000, and a server at 10.0.0.2 with this port.
pub fn ends(port: u16) -> StreamEnds {
    let end = |host, port| Endpoint {
        ip: Ip::V4([10, 0, 0, host]),
        port,
    };
    StreamEnds {
        client: end(1, 40000),
        server: end(2, port),
    }
}

/// Has a stream dissected by one protocol, wherever it recognises a message. The MAC address of the
/// client ends in 1, that of the server in 2.
///
/// # Panics
/// Where the encoded output is not what the encoder promises.
pub fn stream(
    protocol: &'static StreamProtocol,
    protocols: &[&'static Protocol],
    ends: &StreamEnds,
    events: &[Event<'_>],
) -> Streamed {
    stream_of(protocol, protocols, ends, events, true)
}

/// The same on a link with MAC addresses or without.
///
/// # Panics
/// Where the encoded output is not what the encoder promises.
pub fn stream_of(
    protocol: &'static StreamProtocol,
    protocols: &[&'static Protocol],
    ends: &StreamEnds,
    events: &[Event<'_>],
    with_macs: bool,
) -> Streamed {
    let selection = Selection {
        payloads: true,
        ..Selection::default()
    };
    let registry =
        Registry::new(protocols, protocol.schemas, &selection).expect("everything is selected");
    let mut output = Output::new(&registry);
    let mut entropy = Entropy::default();
    let mut troubles = BTreeMap::new();
    let mut packet = PacketInfo {
        time: Time::new(1, 2000),
        link_type: 1,
        original_len: 0,
        index: 0,
        number: 0,
    };
    let mut dissector: Option<Box<dyn StreamDissector>> = None;
    let mut kept: Both<Vec<u8>> = Both::default();
    for event in events {
        let mut macs = [1, 2].map(|host| Mac([2, 0, 0, 0, 0, host]));
        if let Event::Data(Direction::ToClient, _) = event {
            macs.reverse();
        }
        let macs = with_macs.then_some((macs[0], macs[1]));
        let mut context = StreamContext::new(
            ends,
            &registry,
            &mut output,
            &mut entropy,
            Carrier {
                packet,
                macs,
                place: crate::stream::Place::default(),
            },
            &mut troubles,
        );
        let then = match (*event, &mut dissector) {
            (Event::Time(seconds), _) => {
                packet.time = Time::new(seconds, 2000);
                Then::GoOn
            }
            (Event::Data(direction, octets), Some(dissector)) => {
                dissector.data(direction, octets, &mut context)
            }
            (Event::Data(direction, octets), None) => {
                let kept = kept.of(direction);
                kept.extend_from_slice(octets);
                let beginning = Beginning {
                    octets: kept,
                    direction,
                    ends,
                };
                match (protocol.recognise)(&beginning) {
                    Recognition::Yes => {
                        let octets = std::mem::take(kept);
                        let dissector = dissector.insert((protocol.start)());
                        dissector.data(direction, &octets, &mut context)
                    }
                    Recognition::More if kept.len() < 64 => Then::GoOn,
                    _ => {
                        kept.clear();
                        Then::GoOn
                    }
                }
            }
            (Event::Gap(direction, octets), Some(dissector)) => {
                dissector.gap(direction, octets, &mut context)
            }
            (Event::End(direction), Some(dissector)) => {
                dissector.end(direction, Ending::Closed, &mut context);
                Then::GoOn
            }
            (Event::Gap(direction, _) | Event::End(direction), None) => {
                kept.of(direction).clear();
                Then::GoOn
            }
        };
        if then == Then::Leave {
            dissector = None;
        }
    }
    Streamed {
        records: records(&registry, &output),
        troubles,
        claimed: dissector.is_some(),
    }
}

/// What others are asked about of octets that are given to a protocol which leads on to them, and to
/// nobody else once it has left: with the direction of each, joined where it does not change.
///
/// # Panics
/// Where it leaves and gives back what it was not given.
pub fn led_on(
    protocol: &'static StreamProtocol,
    pieces: &[(Direction, &[u8])],
) -> Vec<(Direction, Vec<u8>)> {
    let registry = Registry::new(&[], &[], &Selection::default()).expect("everything is selected");
    let (mut output, mut entropy) = (Output::new(&registry), Entropy::default());
    let (mut troubles, ends) = (BTreeMap::new(), ends(9));
    let packet = PacketInfo {
        time: Time::new(1, 2000),
        link_type: 1,
        original_len: 0,
        index: 0,
        number: 0,
    };
    let carrier = Carrier {
        packet,
        macs: None,
        place: crate::stream::Place::default(),
    };
    let mut dissector = Some((protocol.start)());
    let mut led: Vec<(Direction, Vec<u8>)> = Vec::new();
    let mut lead = |direction: Direction, octets: Vec<u8>| match led.last_mut() {
        _ if octets.is_empty() => {}
        Some((last, all)) if *last == direction => all.extend(octets),
        _ => led.push((direction, octets)),
    };
    for (direction, octets) in pieces {
        let Some(here) = &mut dissector else {
            lead(*direction, octets.to_vec());
            continue;
        };
        let mut context = StreamContext::new(
            &ends,
            &registry,
            &mut output,
            &mut entropy,
            carrier,
            &mut troubles,
        );
        if !octets.is_empty() && here.data(*direction, octets, &mut context) == Then::Leave {
            for direction in [direction.other(), *direction] {
                if let Some((_, rest)) = here.rest(direction) {
                    lead(direction, rest);
                }
            }
            dissector = None;
        }
    }
    led
}

/// Splits the octets that a client sends in two, everywhere, and into single octets: nothing may
/// become of them that does not become of the whole.
///
/// # Panics
/// Where it does.
pub fn every_split(
    protocol: &'static StreamProtocol,
    protocols: &[&'static Protocol],
    ends: &StreamEnds,
    octets: &[u8],
) {
    let finish = [
        Event::End(Direction::ToServer),
        Event::End(Direction::ToClient),
    ];
    let run = |pieces: &[&[u8]]| {
        let pieces = pieces.iter();
        let data = pieces.map(|piece| Event::Data(Direction::ToServer, piece));
        let events: Vec<Event<'_>> = data.chain(finish).collect();
        let streamed = stream(protocol, protocols, ends, &events);
        (streamed.records, streamed.troubles)
    };
    let whole = run(&[octets]);
    for at in 1..octets.len() {
        let (first, second) = octets.split_at(at);
        assert_eq!(run(&[first, second]), whole, "split at {at}");
    }
    let single: Vec<&[u8]> = octets.chunks(1).collect();
    assert_eq!(run(&single), whole, "single octets");
}

fn records(registry: &Registry, output: &Output) -> Vec<(&'static Schema, Vec<u8>)> {
    let mut records = Vec::new();
    for (schema, chunk) in registry.selected().iter().zip(&output.chunks) {
        let mut rest = chunk.octets.as_slice();
        while let Some((record, after)) = split_frame(rest) {
            netcap_record::Message::parse(schema, record).expect("a record that decodes");
            records.push((*schema, record.to_vec()));
            rest = after;
        }
        assert!(
            rest.is_empty(),
            "{}: a frame that does not decode",
            schema.name
        );
    }
    records
}
