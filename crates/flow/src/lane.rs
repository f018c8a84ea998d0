//! Lanes: who owns state across packets.
//!
//! Each flow model and the streams have their tables in [`SHARDS`] parts, by what each is keyed by. A
//! lane owns some of the parts, and takes the batches of a capture in order; which thread runs it does
//! not matter, nor how many lanes there are. Every lane sees what all packets say, so that time
//! passes in all alike. What they give is put into one order by the turn of each record
//! ([`Output::sort_by_turn`]).

use netcap_dissect::{Output, Registry, StreamProtocol};
use netcap_record::Time;

use crate::notes::Notes;
use crate::shard::{Least, SHARDS};
use crate::stream_ledger::StreamLedger;
use crate::stream_limits::StreamLimits;
use crate::stream_shards::StreamShards;
use crate::tracker::{FlowLimits, MODELS, Track, Trackers, trackers};

/// A part of the state across packets.
pub struct Lane {
    trackers: Trackers,
    streams: StreamShards,
}

impl Lane {
    /// All lanes of a run; more than [`SHARDS`] would have nothing to do. Flow models of which no
    /// records are selected, and protocols on streams, are left out.
    pub fn all(
        registry: &Registry,
        protocols: &'static [&'static StreamProtocol],
        flows: FlowLimits,
        streams: StreamLimits,
        lanes: usize,
    ) -> Vec<Lane> {
        Lane::divided(registry, protocols, flows, streams, lanes, Least::default())
    }

    /// The same where tables are divided that have room for `least`.
    fn divided(
        registry: &Registry,
        protocols: &'static [&'static StreamProtocol],
        flows: FlowLimits,
        streams: StreamLimits,
        lanes: usize,
        least: Least,
    ) -> Vec<Lane> {
        let lanes = lanes.clamp(1, SHARDS);
        let lane = |lane| Lane {
            trackers: trackers(registry, flows, least, (lane, lanes)),
            streams: StreamShards::new(registry, protocols, streams, least, (lane, lanes)),
        };
        (0..lanes).map(lane).collect()
    }

    fn trackers(&mut self) -> impl Iterator<Item = &mut Box<dyn Track>> {
        self.trackers.iter_mut().flatten()
    }

    /// Takes the next batch of the capture: its notes, and the octets of the packet at each place.
    pub fn take<'p>(
        &mut self,
        notes: &Notes,
        octets: impl Fn(u32) -> &'p [u8],
        registry: &Registry,
        output: &mut Output,
    ) {
        for tracker in self.trackers() {
            tracker.take(notes, registry, output);
        }
        self.streams.take(notes, octets, registry, output);
    }

    /// Ends what is idle for too long by a clock from outside, as a packet of that time behind all so
    /// far would.
    pub fn expire(&mut self, clock: Time, registry: &Registry, output: &mut Output) {
        for tracker in self.trackers() {
            tracker.expire(clock, registry, output);
        }
        self.streams.expire_at(clock, registry, output);
    }

    /// At the end of a capture: the number of a packet such that at most so many flows of each model,
    /// and so many streams, began at or before it; `u64::MAX` if that is all. More than one of the
    /// streams where one packet opened several.
    pub fn closes_up_to(&mut self, most: usize) -> u64 {
        let flows = self.trackers().map(|tracker| tracker.closes_up_to(most));
        let flows = flows.min().unwrap_or(u64::MAX);
        flows.min(self.streams.closes_up_to(most))
    }

    /// Ends flows and streams at the end of a capture: those that began at a packet up to this one, in
    /// the order in which they began. Says whether some are left.
    pub fn close(&mut self, up_to: u64, registry: &Registry, output: &mut Output) -> bool {
        let mut are_left = false;
        for tracker in self.trackers() {
            are_left |= tracker.close(up_to, registry, output);
        }
        self.streams.close(up_to, registry, output) | are_left
    }

    /// Flows that are open, by model: in the order of [`SCHEMAS`](crate::SCHEMAS).
    pub fn open(&self) -> [usize; MODELS] {
        let open = |tracker: &Option<Box<dyn Track>>| tracker.as_ref().map_or(0, |t| t.open());
        self.trackers.each_ref().map(open)
    }

    /// Flows evicted to make room, over all models.
    pub fn evicted(&self) -> u64 {
        self.trackers.iter().flatten().map(|t| t.evicted()).sum()
    }

    /// The outcomes of the segments of streams.
    pub fn stream_ledger(&self) -> StreamLedger {
        self.streams.ledger()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use netcap_dissect::{
        Application, Bodies, BodyEvent, BodyId, Chunk, Context, Direction, Ending, Ends, Entropy,
        IpVersion, Link, Network, Next, PacketInfo, Protocol, Recognition, SegmentFacts, Selection,
        Selector, StreamContext, StreamDissector, Then, Transport, walk,
    };
    use netcap_record::{Record, Text, Timestamp};

    use super::*;
    use crate::clock::RunClock;
    use crate::fragment_ports::FragmentPorts;
    use crate::scope::Scope;
    use crate::summary::{Datagram, Layers, PacketSummary, Piece};
    use crate::tracker::SCHEMAS;

    const LANES: [usize; 4] = [1, 2, 3, 8];
    const BATCHES: [usize; 3] = [1, 7, 40];
    /// Packets between two clocks from outside.
    const TICK: usize = 170;
    /// Divides every table that has an entry for each shard, or none.
    const ALWAYS: Least = Least {
        entries: 1,
        octets: 1,
    };
    const NEVER: Least = Least {
        entries: usize::MAX,
        octets: usize::MAX,
    };

    /// Numbers that look random and are the same every time.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, range: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 33) % range
        }
    }

    /// Packets of a few hosts, with and without layers, fragments, and jumps in time.
    fn summaries(numbers: &mut Numbers, count: usize) -> Vec<PacketSummary> {
        let mut nanos = 1_000_000_000_000i64;
        let mut packets = Vec::new();
        for _ in 0..count {
            nanos += match numbers.below(40) {
                0 => 4_000_000_000,
                1 => -2_000_000_000,
                2 => 0,
                _ => numbers.below(300_000_000) as i64,
            };
            let mut end = |count: u64| numbers.below(count) as u8;
            let mac = |octet| 0x0200_0000_0000 | u64::from(octet);
            let link: Link = Ends {
                protocol: NonZero::<u16>::MIN,
                source: mac(end(2)),
                destination: mac(end(2)),
            };
            let network: Network = Ends {
                protocol: IpVersion::V4,
                source: u32::from(end(3)).into(),
                destination: u32::from(end(3)).into(),
            };
            let transport: Transport = Ends {
                protocol: NonZero::new([6, 17][usize::from(end(2))]).expect("not zero"),
                source: u16::from(end(2)),
                destination: u16::from(end(2)),
            };
            let kind = end(8);
            let piece = (kind == 7).then(|| {
                Box::new(Piece {
                    datagram: Datagram {
                        network,
                        scope: Scope::default(),
                        tunnel: None,
                        protocol: 17,
                        id: u32::from(end(2)),
                    },
                    transport: (end(2) == 0).then_some(transport),
                })
            });
            packets.push(PacketSummary {
                time: Time {
                    seconds: nanos.div_euclid(1_000_000_000),
                    nanos: nanos.rem_euclid(1_000_000_000) as u32,
                },
                octets: 60 + u32::from(kind),
                captured: 60,
                link: (kind != 6).then_some(link),
                ports: (kind < 5).then_some(transport),
                layers: Layers {
                    link: (kind != 6).then_some(link),
                    network: (kind != 5).then_some(network),
                    transport: (kind < 5).then_some(transport),
                    protocol: [1, 17][usize::from(kind & 1)],
                    ..Layers::default()
                },
                application: [Application::NONE, Application::PAYLOAD][usize::from(kind & 1)],
                application_octets: u32::from(kind),
                piece,
            });
        }
        packets
    }

    /// What a capture becomes: records by type, bodies, what was evicted, and the account of streams.
    type Outcome = (Vec<Chunk>, Vec<String>, u64, StreamLedger);

    /// How lanes are run.
    #[derive(Clone, Copy, Debug)]
    struct How {
        flows: FlowLimits,
        streams: StreamLimits,
        least: Least,
        lanes: usize,
        batch: usize,
    }

    /// A run under way.
    struct Run {
        registry: Registry,
        lanes: Vec<Lane>,
        all: Output,
        records: Vec<Chunk>,
        bodies: Vec<BodyEvent>,
    }

    impl Run {
        fn new(how: How) -> Run {
            let schemas = [SCHEMAS, &[Told::SCHEMA]].concat();
            let registry = Registry::new(&[], &schemas, &Selection::default()).expect("no names");
            let (flows, streams) = (how.flows, how.streams);
            let protocols = const { &[&TELLER] };
            let lanes = Lane::divided(&registry, protocols, flows, streams, how.lanes, how.least);
            Run {
                lanes,
                all: output(&registry),
                records: output(&registry).chunks,
                bodies: Vec::new(),
                registry,
            }
        }

        /// Has every lane do something, and puts what they give into order.
        fn merge(&mut self, mut act: impl FnMut(&mut Lane, &Registry, &mut Output)) {
            // The last lane first, to see that it does not matter.
            for lane in self.lanes.iter_mut().rev() {
                let mut output = output(&self.registry);
                act(lane, &self.registry, &mut output);
                self.all.append(&mut output);
            }
            self.all.sort_by_turn();
            for (records, chunk) in self.records.iter_mut().zip(&mut self.all.chunks) {
                // Places in a batch say nothing outside of it.
                chunk.turns.clear();
                records.append(chunk);
            }
            self.all.clear();
            let bodies = self.all.bodies.as_mut().expect("they are kept");
            let events = bodies.events.drain(..).map(|(_, event)| event);
            self.bodies.extend(events);
        }

        fn close(mut self) -> Outcome {
            let mut are_left = true;
            while are_left {
                let up_to = self.lanes.iter_mut().map(|lane| lane.closes_up_to(9)).min();
                are_left = false;
                self.merge(|lane, registry, output| {
                    are_left |= lane.close(up_to.expect("a lane"), registry, output);
                });
            }
            let mut ledger = StreamLedger::default();
            self.lanes
                .iter()
                .for_each(|lane| ledger.add(&lane.stream_ledger()));
            let evicted = self.lanes.iter().map(Lane::evicted).sum();
            assert!(self.lanes.iter().all(|lane| lane.open() == [0; MODELS]));
            (self.records, texts(&self.bodies), evicted, ledger)
        }
    }

    /// What happened to bodies, which are numbered in the order in which they began.
    fn texts(events: &[BodyEvent]) -> Vec<String> {
        let mut ids: Vec<BodyId> = Vec::new();
        let text = |event: &BodyEvent| match event {
            BodyEvent::Begin { id, target, .. } => {
                ids.push(*id);
                format!("{target:?}")
            }
            BodyEvent::Octets(id, octets) => {
                format!("{:?} {octets:?}", ids.iter().position(|known| known == id))
            }
            BodyEvent::End { id, .. } => {
                format!("{:?} ends", ids.iter().position(|known| known == id))
            }
        };
        events.iter().map(text).collect()
    }

    fn output(registry: &Registry) -> Output {
        Output {
            bodies: Some(Bodies::default()),
            ..Output::new(registry)
        }
    }

    /// Runs packets through lanes, batch by batch, with clocks from outside in between; `note` notes a
    /// packet.
    fn run<P>(
        packets: &[P],
        how: How,
        note: impl Fn(&P, PacketInfo, &mut Notes),
        info: impl Fn(&P) -> (Time, &[u8]),
    ) -> Outcome {
        let mut run = Run::new(how);
        let (mut ports, mut notes) = (FragmentPorts::default(), Notes::default());
        let mut clock = RunClock::default();
        let mut number = 1;
        for packets in packets.chunks(TICK) {
            for batch in packets.chunks(how.batch) {
                notes.clear();
                notes.first_number = number;
                for (packet, index) in batch.iter().zip(0..) {
                    let (time, octets) = info(packet);
                    let info = PacketInfo {
                        time,
                        link_type: 147,
                        original_len: octets.len() as u32,
                        index,
                        number,
                    };
                    notes.ticks.add(index, time);
                    note(packet, info, &mut notes);
                    number += 1;
                }
                clock.complete(&mut notes);
                ports.complete(&mut notes);
                run.merge(|lane, registry, output| {
                    let octets = |place: u32| info(&batch[place as usize]).1;
                    lane.take(&notes, octets, registry, output);
                });
            }
            if let Some((time, _)) = packets.last().map(&info) {
                let clock = Time::new(time.seconds + 1, time.nanos);
                run.merge(|lane, registry, output| lane.expire(clock, registry, output));
            }
        }
        run.close()
    }

    fn flows(packets: &[PacketSummary], how: How) -> Outcome {
        let note = |packet: &PacketSummary, info: PacketInfo, notes: &mut Notes| {
            notes.groups.add(info.index, packet.clone());
        };
        run(packets, how, note, |packet| (packet.time, &[]))
    }

    /// Records of `Flow` for packets of which `packet` gives the seconds and the sender by their
    /// numbers. The time-out is 30 s.
    fn records(packet: impl Fn(i64) -> (i64, u32)) -> usize {
        let summary = |number| {
            let (seconds, host) = packet(number);
            PacketSummary {
                time: Time::new(seconds, 0),
                layers: Layers {
                    network: Some(Ends {
                        protocol: IpVersion::V4,
                        source: host.into(),
                        destination: 9_u32.into(),
                    }),
                    ..Layers::default()
                },
                link: None,
                ports: None,
                octets: 60,
                captured: 60,
                application: Application::NONE,
                application_octets: 0,
                piece: None,
            }
        };
        let packets: Vec<PacketSummary> = (0..600).map(summary).collect();
        let how = How {
            flows: FlowLimits {
                flow_timeout: 30,
                ..FlowLimits::default()
            },
            streams: StreamLimits::default(),
            least: NEVER,
            lanes: 1,
            batch: 40,
        };
        let mut run = Run::new(how);
        let (mut clock, mut notes) = (RunClock::default(), Notes::default());
        for (batch, first) in packets.chunks(how.batch).zip((0..).step_by(how.batch)) {
            notes.clear();
            notes.first_number = first + 1;
            for (packet, place) in batch.iter().zip(0..) {
                notes.ticks.add(place, packet.time);
                notes.groups.add(place, packet.clone());
            }
            clock.complete(&mut notes);
            run.merge(|lane, registry, output| lane.take(&notes, |_| &[], registry, output));
        }
        run.close().0[1].records() as usize
    }

    #[test]
    fn flows_end_by_their_own_times() {
        // Two flows with a packet each second.
        let steady = |number: i64| (number / 2, (number % 2) as u32);
        assert_eq!(records(steady), 2);
        // One packet of another flow has an impossible time.
        for impossible in [i64::MIN, -1, 1 << 33, i64::MAX] {
            let one = |number| {
                if number == 300 {
                    (impossible, 3)
                } else {
                    steady(number)
                }
            };
            assert_eq!(records(one), 3, "{impossible}");
        }
        // The clock of one of two interfaces is ahead.
        for ahead in [31, 300, 3600] {
            let two = |number| {
                let (time, host) = steady(number);
                (time + i64::from(host) * ahead, host)
            };
            assert_eq!(records(two), 2, "{ahead}");
            // Many packets in a row of each; which is first makes no difference.
            for burst in [70, 130, 200] {
                for first in [0, 1] {
                    let bursts = |number: i64| {
                        let host = (number / burst + first) % 2;
                        (number / 10 + host * ahead, host as u32)
                    };
                    assert_eq!(records(bursts), 2, "{ahead} {burst} {first}");
                }
            }
        }
        // A step back, and a step forward, which is a silence by the times of all flows.
        let back = |number| {
            (
                steady(number).0 - i64::from(number > 299) * 3600,
                steady(number).1,
            )
        };
        assert_eq!(records(back), 2);
        let forward = |number| {
            (
                steady(number).0 + i64::from(number > 299) * 3600,
                steady(number).1,
            )
        };
        assert_eq!(records(forward), 4);
        // Silences of thirty seconds, and of more.
        for (silence, expected) in [(30, 1), (31, 600)] {
            assert_eq!(records(|number| (number * silence, 1)), expected);
        }
    }

    #[test]
    fn lanes_and_batches_change_nothing_of_flows() {
        let mut numbers = Numbers(1);
        let mut evicted = 0;
        for entries in [2, 9, 40, 10_000] {
            for timeout in [0, 1, 3, 20] {
                let packets = summaries(&mut numbers, 400);
                let how = How {
                    flows: FlowLimits {
                        flow_timeout: timeout,
                        connection_timeout: 2 * timeout,
                        entries,
                    },
                    streams: StreamLimits::default(),
                    least: ALWAYS,
                    lanes: 1,
                    batch: 1,
                };
                let expected = flows(&packets, how);
                assert!(expected.0[..MODELS].iter().all(|chunk| !chunk.is_empty()));
                evicted += expected.2;
                if entries == 10_000 {
                    let undivided = How {
                        least: NEVER,
                        ..how
                    };
                    assert!(flows(&packets, undivided) == expected, "{how:?}");
                }
                for lanes in LANES {
                    for batch in BATCHES {
                        let how = How {
                            lanes,
                            batch,
                            ..how
                        };
                        assert!(flows(&packets, how) == expected, "{how:?}");
                    }
                }
            }
        }
        assert!(evicted > 1000, "{evicted}");
    }

    /// What a stream dissector was given, as a record.
    #[derive(Record)]
    #[record("Told", 1)]
    struct Told<'a> {
        /// When.
        #[field(1, "Timestamp")]
        timestamp: Timestamp,
        /// Port of the client.
        #[field(2, "Port")]
        port: i32,
        /// What.
        #[field(3, "Text")]
        text: Text<'a>,
    }

    /// Claims everything; has a record, and octets of a body, of everything it is given.
    static TELLER: StreamProtocol = StreamProtocol {
        name: "teller",
        ports: &[],
        recognise: |_| Recognition::Yes,
        inside: None,
        start: || Box::new(Teller::default()),
        schemas: &[Told::SCHEMA],
    };

    #[derive(Default)]
    struct Teller {
        body: Option<BodyId>,
        held: usize,
    }

    impl Teller {
        fn tell(&mut self, text: &str, context: &mut StreamContext<'_, '_>) {
            let text = text.as_bytes();
            context.emit(&Told {
                timestamp: context.timestamp(),
                port: context.ends.client.port.into(),
                text: Text(text),
            });
            self.body = self.body.or_else(|| context.begin_body(text, b""));
            if let Some(body) = self.body {
                context.body(body, text);
            }
        }
    }

    impl StreamDissector for Teller {
        fn data(
            &mut self,
            direction: Direction,
            octets: &[u8],
            context: &mut StreamContext<'_, '_>,
        ) -> Then {
            self.held += octets.len();
            self.tell(&format!("{direction:?} {octets:?}"), context);
            Then::GoOn
        }

        fn gap(
            &mut self,
            direction: Direction,
            octets: u64,
            context: &mut StreamContext<'_, '_>,
        ) -> Then {
            self.tell(&format!("{direction:?} gap {octets}"), context);
            Then::GoOn
        }

        fn end(
            &mut self,
            direction: Direction,
            ending: Ending,
            context: &mut StreamContext<'_, '_>,
        ) {
            self.tell(&format!("{direction:?} {ending:?}"), context);
            if let Some(body) = self.body.take() {
                context.end_body(body, true);
            }
        }

        fn held(&self) -> usize {
            self.held
        }
    }

    /// A packet with one or two TCP segments, one behind the other.
    struct Packet {
        time: Time,
        octets: Vec<u8>,
    }

    /// Segments of a few connections in any order, with holes, and jumps in time.
    fn packets(numbers: &mut Numbers, count: usize) -> Vec<Packet> {
        let mut seconds = 1000;
        let mut packets = Vec::new();
        for _ in 0..count {
            seconds += match numbers.below(12) {
                0 => 4,
                1 => -3,
                2 => 1,
                _ => 0,
            };
            let mut octets = Vec::new();
            for _ in 0..1 + numbers.below(8) / 7 {
                segment(numbers, &mut octets);
            }
            let time = Time::new(seconds, 0);
            packets.push(Packet { time, octets });
        }
        packets
    }

    /// Appends a segment as [`SEGMENTS`] reads it.
    fn segment(numbers: &mut Numbers, octets: &mut Vec<u8>) {
        let length = numbers.below(13) as u8;
        let is_answer = u8::from(numbers.below(3) == 0);
        let client = numbers.below(30) as u8;
        let (sequence, acknowledgment) = (numbers.below(40) as u8, numbers.below(40) as u8);
        // None, FIN, SYN, RST, ACK.
        let flags = [0, 0, 0, 0, 0, 0, 1, 2, 2, 4, 16][numbers.below(11) as usize];
        octets.extend([is_answer, client, sequence, acknowledgment, flags, length]);
        octets.extend(vec![b'x'; length.into()]);
    }

    /// Link type 147 is reserved for private use. Segments, each in a network of its own.
    static SEGMENTS: Protocol = Protocol::new("segments", |input, context| {
        while input.remaining() > 0 {
            let &[is_answer, client, sequence, acknowledgment, flags, length] = input.array()?;
            let (from, to) = if is_answer == 1 { (2, 1) } else { (1, 2) };
            let (client, server) = (5000 + u16::from(client), 80);
            let (source, destination) = if is_answer == 1 {
                (server, client)
            } else {
                (client, server)
            };
            let network = Ends {
                protocol: IpVersion::V4,
                source: u32::into(from),
                destination: u32::into(to),
            };
            context.network(network, 6, 0);
            context.segment(SegmentFacts {
                source,
                destination,
                sequence: sequence.into(),
                acknowledgment: acknowledgment.into(),
                flags,
                window: u16::MAX,
                scale: None,
                payload: input.bytes(length.into())?,
            });
        }
        Ok(Next::End)
    })
    .reached_by(&[Selector::LinkType(147)]);

    fn streams(packets: &[Packet], how: How) -> Outcome {
        let registry = Registry::new(&[&SEGMENTS], &[], &Selection::default()).expect("no names");
        let note = |packet: &Packet, info: PacketInfo, notes: &mut Notes| {
            let (mut output, mut entropy) = (Output::new(&registry), Entropy::default());
            let mut context = Context::new(&registry, &mut output, &mut entropy, &[]);
            walk(&mut context, info, &packet.octets);
            let segments = &mut notes.segments;
            segments.add(context.path(), info, &packet.octets, &[], true);
        };
        run(packets, how, note, |packet| (packet.time, &packet.octets))
    }

    #[test]
    fn a_syn_that_comes_late_is_that_which_was_acknowledged() {
        // The server's packets, and those of the client from another file. Sequence number, number
        // acknowledged, flags.
        let packet = |seconds, is_answer: u8, [sequence, acknowledged, flags]: [u8; 3]| Packet {
            time: Time::new(seconds, 0),
            octets: vec![is_answer, 7, sequence, acknowledged, flags, 1, b'x'],
        };
        let how = How {
            flows: FlowLimits::default(),
            streams: StreamLimits::default(),
            least: NEVER,
            lanes: 1,
            batch: 40,
        };
        let (syn, syn_ack, ack) = (2, 18, 16);
        for (first, expected) in [(30, 1), (31, 2)] {
            let packets = [
                packet(1000, 1, [99, 31, syn_ack]),
                packet(1001, 1, [101, 33, ack]),
                packet(1500, 0, [first, 0, syn]),
                packet(1501, 0, [first + 2, 101, ack]),
            ];
            assert_eq!(streams(&packets, how).3.streams, expected, "{first}");
        }
    }

    #[test]
    fn lanes_and_batches_change_nothing_of_streams() {
        let mut numbers = Numbers(5);
        let mut all = StreamLedger::default();
        for (entries, octets) in [(16, 16_000), (1000, 16_000), (1000, 1 << 20)] {
            for timeout in [0, 3, 9] {
                for _ in 0..2 {
                    let packets = packets(&mut numbers, 300);
                    let how = How {
                        flows: FlowLimits::default(),
                        streams: StreamLimits {
                            streams: entries,
                            octets_per_direction: 400,
                            octets,
                            close_timeout: 2 * timeout,
                            data_timeout: timeout,
                            ..StreamLimits::default()
                        },
                        least: ALWAYS,
                        lanes: 1,
                        batch: 1,
                    };
                    let expected = streams(&packets, how);
                    all.add(&expected.3);
                    if octets == 1 << 20 {
                        let undivided = How {
                            least: NEVER,
                            ..how
                        };
                        assert!(streams(&packets, undivided) == expected, "{how:?}");
                    }
                    for lanes in LANES {
                        for batch in BATCHES {
                            let how = How {
                                lanes,
                                batch,
                                ..how
                            };
                            assert!(streams(&packets, how) == expected, "{how:?}");
                        }
                    }
                }
            }
        }
        assert!(all.evicted_streams > 100, "{all:?}");
        assert!(all.gaps_for_room > 10, "{all:?}");
        assert!(all.gaps_for_time > 50, "{all:?}");
    }

    #[test]
    fn a_lane_may_move_to_another_thread() {
        fn is_send<T: Send>() {}
        is_send::<Lane>();
        fn is_sync<T: Sync>() {}
        is_sync::<Notes>();
    }
}
