//! TCP streams through a dissector that notes what it is given.

use std::cell::RefCell;
use std::collections::BTreeMap;

use netcap_dissect::{
    Beginning, Both, Carrier, Direction, Ending, Endpoint, Output, PacketInfo, Recognition,
    Registry, Selection, StreamContext, StreamDissector, StreamProtocol, Then,
};
use netcap_flow::{OverlapPolicy, SCHEMAS, Scope, Segment, StreamLedger, StreamLimits, Streams};
use netcap_record::{Ip, Record, Time};
use proptest::prelude::*;

use Direction::{ToClient, ToServer};
use Note::{Data, End, Gap, Start};

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// What the dissector was given.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Note {
    Start(&'static str),
    /// Octets, and the second at which their packet was captured.
    Data(Direction, Vec<u8>, i64),
    Gap(Direction, u64),
    End(Direction),
}

thread_local! {
    /// Notes with the client's port.
    static NOTES: RefCell<Vec<(u16, Note)>> = const { RefCell::new(Vec::new()) };
    /// What directions ended by.
    static ENDINGS: RefCell<Vec<(Direction, Ending)>> = const { RefCell::new(Vec::new()) };
}

struct Recorder(&'static str);

impl Recorder {
    fn note(&self, note: Note, context: &StreamContext<'_, '_>) {
        let port = context.ends.client.port;
        NOTES.with_borrow_mut(|notes| notes.push((port, note)));
    }
}

impl StreamDissector for Recorder {
    fn data(
        &mut self,
        direction: Direction,
        octets: &[u8],
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        assert!(!octets.is_empty());
        let seconds = context.timestamp().seconds();
        self.note(Data(direction, octets.to_vec(), seconds), context);
        if self.0 == "words" && octets.ends_with(b"quit") {
            Then::Leave
        } else {
            Then::GoOn
        }
    }

    fn gap(
        &mut self,
        direction: Direction,
        octets: u64,
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        assert!(octets > 0);
        self.note(Gap(direction, octets), context);
        Then::GoOn
    }

    fn end(&mut self, direction: Direction, ending: Ending, context: &mut StreamContext<'_, '_>) {
        ENDINGS.with_borrow_mut(|endings| endings.push((direction, ending)));
        self.note(End(direction), context);
    }

    fn held(&self) -> usize {
        if self.0 == "hoarder" { 1000 } else { 0 }
    }
}

/// Claims everything.
static ANY: StreamProtocol = StreamProtocol {
    name: "any",
    ports: &[],
    recognise: |_| Recognition::Yes,
    inside: None,
    start: || Box::new(Recorder("any")),
    schemas: SCHEMAS,
};

/// Begins with `hello`; leaves at `quit`.
static WORDS: StreamProtocol = StreamProtocol {
    name: "words",
    ports: &[],
    recognise: |beginning: &Beginning<'_>| {
        if beginning.octets.starts_with(b"hello") {
            Recognition::Yes
        } else if b"hello".starts_with(beginning.octets) {
            Recognition::More
        } else {
            Recognition::No
        }
    },
    inside: Some(|octets| {
        octets
            .windows(6)
            .position(|six| six == b"<hello")
            .map(|at| at + 1)
    }),
    start: || {
        NOTES.with_borrow_mut(|notes| notes.push((0, Start("words"))));
        Box::new(Recorder("words"))
    },
    schemas: SCHEMAS,
};

/// Wants to see more, always.
static CURIOUS: StreamProtocol = StreamProtocol {
    name: "curious",
    ports: &[],
    recognise: |beginning: &Beginning<'_>| {
        assert!(beginning.octets.len() <= 64 + 1460);
        Recognition::More
    },
    inside: None,
    start: || Box::new(Recorder("curious")),
    schemas: SCHEMAS,
};

/// Claims everything, and keeps a thousand octets of each stream.
static HOARDER: StreamProtocol = StreamProtocol {
    start: || Box::new(Recorder("hoarder")),
    ..ANY
};

/// A record that nobody wants.
#[derive(Record)]
#[record("Unwanted", 900)]
struct Unwanted {
    /// Nothing.
    #[field(1, "Nothing")]
    nothing: u8,
}

/// Counts nothing that anybody wants.
static UNWANTED: StreamProtocol = StreamProtocol {
    schemas: &[Unwanted::SCHEMA],
    recognise: |_| panic!("nobody wants it"),
    ..ANY
};

/// Begins with `!`, ends with `.`, and leads on to what follows; gives back too what the other end says
/// meanwhile.
static LEADER: StreamProtocol = StreamProtocol {
    name: "leader",
    ports: &[],
    recognise: |beginning: &Beginning<'_>| match beginning.octets {
        [b'!', ..] => Recognition::Yes,
        _ => Recognition::No,
    },
    inside: None,
    start: || Box::new(Leader::default()),
    schemas: &[],
};

#[derive(Default)]
struct Leader {
    direction: Option<Direction>,
    rest: Both<Option<(Carrier, Vec<u8>)>>,
}

impl StreamDissector for Leader {
    fn data(
        &mut self,
        direction: Direction,
        octets: &[u8],
        context: &mut StreamContext<'_, '_>,
    ) -> Then {
        let mut rest = octets;
        if *self.direction.get_or_insert(direction) == direction {
            let end = octets.iter().position(|octet| *octet == b'.');
            let Some(end) = end else {
                return Then::GoOn;
            };
            rest = &octets[end + 1..];
        }
        *self.rest.of(direction) = Some((context.carrier(), rest.to_vec()));
        if self.direction == Some(direction) {
            Then::Leave
        } else {
            Then::GoOn
        }
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut StreamContext<'_, '_>) -> Then {
        Then::Leave
    }

    fn end(&mut self, _: Direction, _: Ending, _: &mut StreamContext<'_, '_>) {}

    fn held(&self) -> usize {
        0
    }

    fn rest(&mut self, direction: Direction) -> Option<(Carrier, Vec<u8>)> {
        self.rest.of(direction).take()
    }
}

/// A capture under way.
struct Capture {
    registry: Registry,
    output: Output,
    streams: Streams,
    /// The first number of each direction: by the client's port, whether IPv6, whether the server's.
    first: BTreeMap<(u16, bool, bool), u32>,
}

impl Capture {
    fn of(protocols: &'static [&'static StreamProtocol], limits: StreamLimits) -> Capture {
        NOTES.take();
        let registry = Registry::new(&[], SCHEMAS, &Selection::default()).expect("no names");
        Capture {
            output: Output::new(&registry),
            streams: Streams::new(&registry, protocols, limits),
            first: BTreeMap::new(),
            registry,
        }
    }

    fn new() -> Capture {
        Capture::of(const { &[&ANY] }, StreamLimits::default())
    }

    fn with(limits: StreamLimits) -> Capture {
        Capture::of(const { &[&ANY] }, limits)
    }

    /// Takes a segment. One whose test is about one direction alone acknowledges nothing but where the
    /// other begins, which shows itself once by an empty segment.
    fn take(&mut self, packet: &Packet<'_>) -> &mut Capture {
        let key = |from_server| (packet.port, packet.v6, from_server);
        let from_server = packet.direction == ToClient;
        let number = packet
            .sequence
            .wrapping_add(u32::from(packet.flags & SYN != 0));
        let own = *self.first.entry(key(from_server)).or_insert(number);
        if packet.flags & (ACK | SYN | RST) != 0 {
            return self.feed(packet);
        }
        if let Some(first) = self.first.get(&key(!from_server)) {
            return self.feed(&packet.ack(*first));
        }
        self.first.insert(key(!from_server), 0);
        let answer = Packet {
            direction: packet.direction.other(),
            sequence: 0,
            flags: 0,
            payload: b"",
            cut: 0,
            ..*packet
        };
        self.feed(&packet.ack(0)).feed(&answer.ack(own))
    }

    /// Takes a segment as it is.
    fn feed(&mut self, packet: &Packet<'_>) -> &mut Capture {
        let segment = packet.segment();
        self.streams
            .take(&segment, &self.registry, &mut self.output);
        self
    }

    /// Ends the capture. Nothing waits any more, and every octet has been counted once.
    fn close(&mut self) -> StreamLedger {
        while self.streams.close(&self.registry, &mut self.output, 3) {}
        assert_eq!((self.streams.octets(), self.streams.open()), (0, 0));
        let ledger = self.streams.ledger();
        let counted = ledger.octets
            + ledger.retransmitted_octets
            + ledger.overlapping_octets
            + ledger.late_octets
            + ledger.after_end_octets
            + ledger.outside_octets
            + ledger.refused_octets
            + ledger.reset_octets
            + ledger.without_ack_octets;
        assert_eq!(ledger.payload_octets, counted, "{ledger:?}");
        ledger
    }
}

/// A segment between two ends; the client is 10.0.0.1:40000, the server 10.0.0.2:80.
#[derive(Clone, Copy)]
struct Packet<'a> {
    direction: Direction,
    v6: bool,
    port: u16,
    server_port: u16,
    sequence: u32,
    acknowledgment: u32,
    flags: u8,
    payload: &'a [u8],
    cut: usize,
    seconds: i64,
}

fn packet(direction: Direction, sequence: u32, payload: &[u8]) -> Packet<'_> {
    Packet {
        direction,
        v6: false,
        port: 40_000,
        server_port: 80,
        sequence,
        acknowledgment: 0,
        flags: 0,
        payload,
        cut: 0,
        seconds: 0,
    }
}

/// A segment of the client.
fn client(sequence: u32, payload: &[u8]) -> Packet<'_> {
    packet(ToServer, sequence, payload)
}

/// A segment of the server.
fn server(sequence: u32, payload: &[u8]) -> Packet<'_> {
    packet(ToClient, sequence, payload)
}

impl<'a> Packet<'a> {
    fn flags(self, flags: u8) -> Packet<'a> {
        let flags = self.flags | flags;
        Packet { flags, ..self }
    }

    fn ack(self, acknowledgment: u32) -> Packet<'a> {
        let flags = self.flags | ACK;
        Packet {
            acknowledgment,
            flags,
            ..self
        }
    }

    fn at(self, seconds: i64) -> Packet<'a> {
        Packet { seconds, ..self }
    }

    fn port(self, port: u16) -> Packet<'a> {
        Packet { port, ..self }
    }

    fn segment(&self) -> Segment<'a> {
        let end = |number: u8, port: u16| Endpoint {
            ip: if self.v6 {
                Ip::V6([number; 16])
            } else {
                Ip::V4([10, 0, 0, number])
            },
            port,
        };
        let (client, server) = (end(1, self.port), end(2, self.server_port));
        let (source, destination) = match self.direction {
            ToServer => (client, server),
            ToClient => (server, client),
        };
        Segment {
            packet: PacketInfo {
                time: Time::new(self.seconds, 0),
                link_type: 1,
                original_len: 54 + self.payload.len() as u32,
                index: 0,
                number: 0,
            },
            source,
            destination,
            macs: None,
            sequence: self.sequence,
            acknowledgment: self.acknowledgment,
            flags: self.flags,
            window: u16::MAX,
            scale: None,
            payload: self.payload,
            wire_length: self.payload.len() + self.cut,
            scope: Scope::default(),
        }
    }
}

fn notes() -> Vec<Note> {
    NOTES.take().into_iter().map(|(_, note)| note).collect()
}

/// Octets of a direction, one after the other; `#` for each octet of a gap.
fn text(notes: &[Note], of: Direction) -> String {
    let mut text = String::new();
    for note in notes {
        match note {
            Data(direction, octets, _) if *direction == of => {
                text.push_str(&String::from_utf8_lossy(octets));
            }
            Gap(direction, octets) if *direction == of => {
                text.push_str(&"#".repeat(*octets as usize));
            }
            _ => {}
        }
    }
    text
}

/// What the client sends, as the reader sees it, and the account of it.
fn sent(packets: &[Packet<'_>]) -> (String, StreamLedger) {
    sent_by(packets, OverlapPolicy::First)
}

fn sent_by(packets: &[Packet<'_>], policy: OverlapPolicy) -> (String, StreamLedger) {
    let limits = StreamLimits {
        policy,
        ..StreamLimits::default()
    };
    let mut capture = Capture::with(limits);
    for packet in packets {
        capture.take(packet);
    }
    let ledger = capture.close();
    (text(&notes(), ToServer), ledger)
}

#[test]
fn a_conversation() {
    let mut capture = Capture::new();
    capture
        .take(&client(999, b"").flags(SYN))
        .take(&server(499, b"").flags(SYN).ack(1000))
        .take(&client(1000, b"").ack(500))
        .take(&client(1000, b"question").ack(500).at(1))
        .take(&server(500, b"answer").ack(1008).at(2))
        .take(&client(1008, b"").ack(506).flags(FIN).at(3))
        .take(&server(506, b"").ack(1009).flags(FIN).at(4))
        .take(&client(1009, b"").ack(507).at(4));
    // Both ends are known before the capture ends.
    let expected = [
        Data(ToServer, b"question".to_vec(), 1),
        Data(ToClient, b"answer".to_vec(), 2),
        End(ToServer),
        End(ToClient),
    ];
    assert_eq!(notes(), expected);
    let ledger = capture.close();
    assert_eq!(notes(), []);
    assert_eq!(
        ledger,
        StreamLedger {
            streams: 1,
            segments: 8,
            payload_octets: 14,
            octets: 14,
            recognised: [("any", 1)].into(),
            ..StreamLedger::default()
        }
    );
}

#[test]
fn version_6_and_4_are_apart() {
    let mut capture = Capture::new();
    let v6 = |packet: Packet<'static>| Packet { v6: true, ..packet };
    capture
        .take(&v6(client(1, b"six")))
        .take(&client(1, b"four"))
        .take(&v6(client(4, b"six")));
    assert_eq!(capture.streams.open(), 2);
    assert_eq!(capture.close().retransmitted_octets, 0);
}

#[test]
fn octets_wait_for_those_before_them() {
    let mut capture = Capture::new();
    capture
        .take(&client(0, b"").flags(SYN))
        .take(&client(4, b"def").at(1))
        .take(&client(7, b"ghi").at(2))
        .take(&client(1, b"abc").at(3));
    let expected = [
        Data(ToServer, b"abc".to_vec(), 3),
        Data(ToServer, b"def".to_vec(), 1),
        Data(ToServer, b"ghi".to_vec(), 2),
    ];
    assert_eq!(notes(), expected);
    let ledger = capture.close();
    assert_eq!(
        (ledger.out_of_order_segments, ledger.out_of_order_octets),
        (2, 6)
    );
    assert_eq!((ledger.most_waiting_segments, ledger.gaps), (2, 0));
}

#[test]
fn numbers_wrap() {
    let start = u32::MAX - 2;
    let syn = client(start - 1, b"").flags(SYN);
    let (text, ledger) = sent(&[
        syn,
        client(3, b"ghi"),
        client(start, b"abc"),
        client(0, b"def"),
        client(start, b"abcdef"),
    ]);
    assert_eq!(text, "abcdefghi");
    assert_eq!((ledger.retransmitted_octets, ledger.gaps), (6, 0));
    // SYN itself may be the last number of all.
    let (text, _) = sent(&[client(u32::MAX, b"").flags(SYN), client(0, b"abc")]);
    assert_eq!(text, "abc");
}

#[test]
fn repeated_octets_are_dropped() {
    let (text, ledger) = sent(&[
        client(10, b"abcd"),
        client(10, b"abcd"),
        client(12, b"cdef"),
        client(11, b"b"),
    ]);
    assert_eq!(text, "abcdef");
    assert_eq!(
        (ledger.retransmitted_segments, ledger.retransmitted_octets),
        (3, 7)
    );
}

#[test]
fn keep_alives() {
    let (text, ledger) = sent(&[
        client(10, b"ab"),
        client(11, b"").flags(ACK),
        client(11, b"\0").flags(ACK),
        client(12, b"").flags(ACK),
        client(12, b"cd"),
    ]);
    assert_eq!(text, "abcd");
    assert_eq!((ledger.keep_alives, ledger.retransmitted_segments), (2, 0));
}

#[test]
fn probes_of_a_closed_window_bring_an_octet() {
    // The receiver had no room: the probe's octet comes again with those behind it.
    let (text, ledger) = sent(&[client(10, b"ab"), client(12, b"c"), client(12, b"cde")]);
    assert_eq!((text.as_str(), ledger.gaps), ("abcde", 0));
}

/// An early segment `BBBB` at 4 and a newcomer, then what fills the hole at 0.
fn overlap(policy: OverlapPolicy, newcomer: Packet<'_>) -> String {
    let packets = [
        client(99, b"").flags(SYN),
        client(104, b"BBBB"),
        newcomer,
        client(100, b".."),
        client(110, b"!"),
    ];
    sent_by(&packets, policy).0
}

#[test]
fn policies_of_overlaps() {
    use OverlapPolicy::{Bsd, First, Last, Linux};
    let before = client(102, b"aaaa");
    let equal = client(104, b"aaaa");
    let longer = client(104, b"aaaaaa");
    let inside = client(105, b"aa");
    let behind = client(106, b"aaaa");
    let around = client(102, b"aaaaaaaa");
    let table = [
        (First, before, "..aaBBBB##!"),
        (Last, before, "..aaaaBB##!"),
        (Bsd, before, "..aaaaBB##!"),
        (Linux, before, "..aaaaBB##!"),
        (First, equal, "..##BBBB##!"),
        (Last, equal, "..##aaaa##!"),
        (Bsd, equal, "..##BBBB##!"),
        (Linux, equal, "..##BBBB##!"),
        (First, inside, "..##BBBB##!"),
        (Last, inside, "..##BaaB##!"),
        (Bsd, inside, "..##BBBB##!"),
        (Linux, inside, "..##BBBB##!"),
        (First, behind, "..##BBBBaa!"),
        (Last, behind, "..##BBaaaa!"),
        (Bsd, behind, "..##BBBBaa!"),
        (Linux, behind, "..##BBBBaa!"),
        (First, longer, "..##BBBBaa!"),
        (Last, longer, "..##aaaaaa!"),
        (Bsd, longer, "..##BBBBaa!"),
        (Linux, longer, "..##aaaaaa!"),
        (First, around, "..aaBBBBaa!"),
        (Last, around, "..aaaaaaaa!"),
        (Bsd, around, "..aaaaaaaa!"),
        (Linux, around, "..aaaaaaaa!"),
    ];
    for (policy, newcomer, expected) in table {
        assert_eq!(overlap(policy, newcomer), expected, "{policy:?}");
    }
}

#[test]
fn contradictions_are_counted() {
    let (text, ledger) = sent(&[
        client(99, b"").flags(SYN),
        client(104, b"abcd"),
        client(104, b"axcx"),
        client(104, b"abcd"),
        // What was handed on is not there to compare with.
        client(100, b"...."),
        client(100, b",,,,"),
    ]);
    assert_eq!(text, "....abcd");
    assert_eq!(
        (ledger.overlapping_segments, ledger.overlapping_octets),
        (2, 8)
    );
    assert_eq!(
        (ledger.conflicting_octets, ledger.retransmitted_octets),
        (2, 4)
    );
}

#[test]
fn a_segment_that_fills_a_hole_may_overlap_what_waits() {
    let packets = [
        client(99, b"").flags(SYN),
        client(102, b"BB"),
        client(100, b"aaaaaa"),
    ];
    assert_eq!(sent_by(&packets, OverlapPolicy::First).0, "aaBBaa");
    assert_eq!(sent_by(&packets, OverlapPolicy::Last).0, "aaaaaa");
}

/// So many empty segments of the client: what comes behind them does not come any more.
fn goes_on(capture: &mut Capture, sequence: u32, seconds: i64) {
    for _ in 0..32 {
        capture.take(&client(sequence, b"").ack(1).at(seconds));
    }
}

#[test]
fn acknowledged_holes_are_gaps() {
    let mut capture = Capture::new();
    capture
        .take(&client(0, b"").flags(SYN))
        .take(&client(1, b"ab").at(1))
        .take(&client(6, b"ef").at(2))
        .take(&client(12, b"kl").at(3))
        .take(&server(1, b"").ack(5).at(4));
    // Octet 5 is not acknowledged: it may come yet.
    assert_eq!(notes(), [Data(ToServer, b"ab".to_vec(), 1)]);
    capture.take(&server(1, b"").ack(8).at(5));
    assert_eq!(notes(), []);
    goes_on(&mut capture, 14, 5);
    let expected = [Gap(ToServer, 3), Data(ToServer, b"ef".to_vec(), 2)];
    assert_eq!(notes(), expected);
    // What comes now is too late. An answer comes behind what it acknowledges.
    capture
        .take(&client(3, b"cde").at(6))
        .take(&server(1, b"ok").ack(14).at(7));
    let expected = [
        Gap(ToServer, 4),
        Data(ToServer, b"kl".to_vec(), 3),
        Data(ToClient, b"ok".to_vec(), 7),
    ];
    assert_eq!(notes(), expected);
    let ledger = capture.close();
    assert_eq!((ledger.gaps, ledger.gap_octets), (2, 7));
    assert_eq!((ledger.late_octets, ledger.retransmitted_octets), (3, 0));
}

#[test]
fn an_acknowledgment_before_its_octets_loses_nothing() {
    // As captures have it that merge two directions.
    let mut capture = Capture::new();
    capture
        .take(&client(0, b"").flags(SYN))
        .take(&server(1, b"").ack(7))
        .take(&client(1, b"abc"))
        .take(&client(4, b"def"));
    assert_eq!(capture.close().gaps, 0);
    assert_eq!(text(&notes(), ToServer), "abcdef");
}

/// The texts of both directions as they were told, `>` before those of the client.
fn dialogue(packets: &[Packet<'_>]) -> String {
    let mut capture = Capture::new();
    for packet in packets {
        capture.take(packet);
    }
    capture.close();
    let mut dialogue = String::new();
    for note in notes() {
        match note {
            Data(direction, octets, _) => {
                dialogue.push(if direction == ToServer { '>' } else { '<' });
                dialogue.push_str(&String::from_utf8_lossy(&octets));
            }
            Gap(_, octets) => dialogue.push_str(&"#".repeat(octets as usize)),
            _ => {}
        }
    }
    dialogue
}

#[test]
fn an_answer_that_was_captured_first_waits_for_its_question() {
    let opened = [
        client(u32::MAX, b"").flags(SYN),
        server(99, b"").flags(SYN).ack(0),
        client(0, b".").ack(100),
        server(100, b".").ack(1),
    ];
    let questions = [client(1, b"a?").ack(101), client(3, b"b?").ack(103)];
    let answers = [server(101, b"a!").ack(3), server(103, b"b!").ack(5)];
    let told = ">.<.>a?<a!>b?<b!";
    for order in [
        [answers[0], questions[0], questions[1], answers[1]],
        [answers[0], answers[1], questions[0], questions[1]],
        [answers[1], answers[0], questions[1], questions[0]],
        [questions[0], answers[1], answers[0], questions[1]],
        [questions[1], questions[0], answers[1], answers[0]],
    ] {
        assert_eq!(dialogue(&[&opened[..], &order].concat()), told);
    }
    // One that was sent again acknowledges the answer that it got.
    let again = [answers[0], client(1, b"a?").ack(103)];
    assert_eq!(dialogue(&[&opened[..], &again].concat()), ">.<.>a?<a!");
    // What the capture lacks is a gap before its answer: when others follow, or at the end.
    let lost = [answers[0], questions[1], answers[1]];
    assert_eq!(dialogue(&[&opened[..], &lost].concat()), ">.<.##<a!>b?<b!");
    assert_eq!(
        dialogue(&[&opened[..], &answers[..1]].concat()),
        ">.<.##<a!"
    );
    // A direction that the capture does not show at all is not waited for.
    let blind = [opened[1], answers[0]];
    assert_eq!(dialogue(&blind), "<a!");
}

#[test]
fn an_answer_waits_for_a_question_of_a_connection_that_was_picked_up() {
    let questions = [
        client(1000, b"a?").ack(500),
        client(1002, b"b?").ack(502),
        client(1004, b"c?").ack(504),
    ];
    let answers = [
        server(500, b"a!").ack(1002),
        server(502, b"b!").ack(1004),
        server(504, b"c!").ack(1006),
    ];
    let [syn, answer] = [
        client(999, b"").flags(SYN),
        server(499, b"").flags(SYN).ack(1000),
    ];
    let told = ">a?<a!>b?<b!>c?<c!";
    let in_pairs = |[q, a]: [Packet<'static>; 2]| [a, q];
    let pairs = [0, 1, 2].map(|n| in_pairs([questions[n], answers[n]]));
    assert_eq!(dialogue(&pairs.concat()), told);
    let [a, b, c] = [0, 1, 2];
    let mixed = [answers[b], answers[a], questions[a], questions[b]];
    let rest = [answers[c], questions[c]];
    assert_eq!(dialogue(&[&mixed[..], &rest].concat()), told);
    // Each direction on its own, as files have it that were merged and whose clocks disagree.
    assert_eq!(dialogue(&[answers, questions].concat()), told);
    assert_eq!(dialogue(&[questions, answers].concat()), told);
    let to_client = [&[answer], &answers[..]].concat();
    let to_server = [&[syn, client(1000, b"").ack(500)], &questions[..]].concat();
    assert_eq!(dialogue(&[&to_client[..], &to_server].concat()), told);
    assert_eq!(dialogue(&[&to_server[..], &to_client].concat()), told);
    // Empty segments show how far the client has come: its question was sent before the capture.
    let late = [answers[0], client(1002, b"").ack(502), questions[1]];
    let mut capture = Capture::new();
    for packet in &late[..2] {
        capture.take(packet);
    }
    assert_eq!(text(&notes(), ToClient), "a!");
}

#[test]
fn a_direction_that_is_never_shown_is_waited_for_once() {
    let limits = StreamLimits {
        octets_per_direction: 1000,
        ..StreamLimits::default()
    };
    for (opening, gap) in [(None, 1), (Some(server(100, b"").flags(SYN).ack(7)), 120)] {
        let mut capture = Capture::with(limits);
        opening.map(|packet| capture.take(&packet).streams.open());
        let answer = |n: u32| {
            let seconds = gap * i64::from(n);
            server(101 + 100 * n, &[b'x'; 100]).ack(11 + n).at(seconds)
        };
        capture.take(&answer(0));
        assert_eq!(notes(), []);
        for n in 1..20 {
            capture.take(&answer(n));
            assert!(capture.streams.octets() <= 1000);
        }
        // By room or by time, and from then on none waits.
        assert_eq!(capture.streams.octets(), 0);
        let told = notes();
        assert_eq!(text(&told, ToClient), "x".repeat(2000));
        assert_eq!(text(&told, ToServer), "");
        // When it is shown it is waited for again.
        capture
            .take(&client(28, b"a?").ack(2101).at(20 * gap))
            .take(&server(2101, b"b!").ack(33).at(20 * gap));
        assert_eq!(text(&notes(), ToClient), "");
        let ledger = capture.close();
        assert_eq!((ledger.gaps_for_room, ledger.gaps_for_time), (0, 0));
    }
}

#[test]
fn a_segment_without_ack_is_dropped() {
    let question = client(1, b"a?").ack(100);
    let opened = [client(0, b"").flags(SYN), server(99, b"").flags(SYN).ack(1)];
    for flags in [0, FIN, 0x08 | FIN] {
        let mut capture = Capture::new();
        for packet in opened {
            capture.feed(&packet);
        }
        capture
            .feed(&client(1, b"forged").flags(flags))
            .feed(&question);
        let ledger = capture.close();
        assert_eq!(text(&notes(), ToServer), "a?");
        assert_eq!((ledger.without_ack_octets, ledger.after_end_octets), (6, 0));
    }
    // It begins nothing either.
    let mut capture = Capture::new();
    capture.feed(&client(1, b"forged"));
    assert_eq!(capture.close().streams, 0);
}

#[test]
fn waiting_for_the_other_direction_is_bounded() {
    let limits = StreamLimits {
        octets_per_direction: 1000,
        ..StreamLimits::default()
    };
    let mut capture = Capture::with(limits);
    capture
        .take(&client(0, b".").ack(101))
        .take(&server(101, b"").ack(0));
    assert_eq!(text(&notes(), ToServer), ".");
    for n in 0..5 {
        capture.take(&server(101 + 200 * n, &[b'x'; 200]).ack(11));
    }
    assert!(capture.streams.octets() <= 1000);
    let told = notes();
    assert_eq!(told[0], Gap(ToServer, 10));
    assert_eq!(text(&told, ToClient), "x".repeat(1000));
    // Or by time.
    capture
        .take(&server(1101, b"y").ack(12).at(1))
        .take(&server(1102, b"").ack(12).at(122));
    assert_eq!(
        notes(),
        [Gap(ToServer, 1), Data(ToClient, b"y".to_vec(), 1)]
    );
    let ledger = capture.close();
    assert_eq!((ledger.gaps_for_room, ledger.gaps_for_time), (1, 1));
}

#[test]
fn the_client_decides_among_syns_that_answer() {
    let syn = client(0, b"").flags(SYN);
    let answer = |number: u32| server(number - 1, b"").flags(SYN).ack(1);
    let (near, far, wrapped) = (9001, 900_005_001, 3_000_000_001);
    for numbers in [
        [5001, near],
        [near, 5001],
        [5001, far],
        [far, 5001],
        [5001, wrapped],
        [wrapped, 5001],
    ] {
        let [first, second] = numbers.map(answer);
        for number in numbers {
            let octets = [
                server(number, b"yes").ack(1),
                client(1, b"").ack(number + 3),
            ];
            // Before its acknowledgment, after it, and where that was not captured.
            for before in [
                &[client(1, b"").ack(number), octets[0], octets[1]][..],
                &[octets[0], client(1, b"").ack(number), octets[1]],
                &octets,
            ] {
                let packets = [&[syn, first, syn, second], before].concat();
                assert_eq!(dialogue(&packets), "<yes", "{numbers:?} {number}");
            }
        }
    }
    // One that does not acknowledge the SYN is none.
    let wrong = server(4999, b"").flags(SYN).ack(900_000);
    let packets = [
        syn,
        wrong,
        answer(7000),
        client(1, b"").ack(7000),
        server(5000, b"no").ack(900_000),
        server(7000, b"yes").ack(1),
    ];
    assert_eq!(dialogue(&packets), "<yes");
    // Nor is one that comes when the number is known.
    let packets = [
        syn,
        answer(7000),
        client(1, b"").ack(7000),
        answer(5000),
        server(7000, b"yes").ack(1),
    ];
    assert_eq!(dialogue(&packets), "<yes");
}

#[test]
fn the_answer_decides_among_syns() {
    let syns = [1000, 70_000, 2000].map(|number| client(number, b"").flags(SYN));
    for number in [1001, 70_001, 2001] {
        let rest = [
            server(4999, b"").flags(SYN).ack(number),
            client(number, b"?").ack(5000),
            server(5000, b"!").ack(number + 1),
        ];
        assert_eq!(dialogue(&[&syns[..], &rest].concat()), ">?<!", "{number}");
        // Where it was not captured, octets do.
        assert_eq!(dialogue(&[&syns[..], &rest[1..]].concat()), ">?<!");
    }
}

#[test]
fn a_syn_on_a_live_connection_changes_nothing_unless_it_is_used() {
    let live = [
        client(0, b"").flags(SYN),
        server(99, b"").flags(SYN).ack(1),
        client(1, b"a?").ack(100),
        server(100, b"a!").ack(3),
    ];
    let forged = client(500_000, b"data").flags(SYN);
    let goes_on = [client(3, b"b?").ack(102), server(102, b"b!").ack(5)];
    let packets = [&live[..], &[forged], &goes_on].concat();
    assert_eq!(dialogue(&packets), ">a?<a!>b?<b!");
    let answered = [
        server(7999, b"").flags(SYN).ack(500_001),
        client(500_001, b"c?").ack(8000),
        server(8000, b"c!").ack(500_003),
    ];
    let syn = client(500_000, b"").flags(SYN);
    let packets = [&live[..], &[syn], &answered].concat();
    assert_eq!(dialogue(&packets), ">a?<a!>c?<c!");
    // An answer changes nothing either before the client uses its number.
    for packets in [
        [&live[..], &[syn, answered[0]], &goes_on].concat(),
        [&live[..3], &[syn, answered[0]], &live[3..], &goes_on].concat(),
        // Nor where several answer.
        [
            &live[..],
            &[syn, answered[0], server(1, b"").flags(SYN).ack(500_001)],
            &goes_on,
        ]
        .concat(),
        // Nor numbers that fit the connection, too.
        [
            &live[..],
            &[
                client(2, b"").flags(SYN),
                server(101, b"").flags(SYN).ack(3),
            ],
            &goes_on,
        ]
        .concat(),
    ] {
        assert_eq!(dialogue(&packets), ">a?<a!>b?<b!");
    }
    // Nor behind a reset.
    let reset = client(3, b"").flags(RST);
    let packets = [&live[..], &[reset, syn, answered[0]], &goes_on].concat();
    assert_eq!(dialogue(&packets), ">a?<a!>b?<b!");
    let packets = [&live[..], &[reset, syn], &answered].concat();
    assert_eq!(dialogue(&packets), ">a?<a!>c?<c!");
    let several = [answered[0], server(1, b"").flags(SYN).ack(500_001)];
    let used = [&[client(500_001, b"").ack(8000)], &answered[1..]].concat();
    let packets = [&live[..], &[syn], &several, &used].concat();
    assert_eq!(dialogue(&packets), ">a?<a!>c?<c!");
    // Its answer may not have been captured: then the octets that follow tell.
    let (syn, octets) = (client(3_000_000_000, b"").flags(SYN), 3_000_000_001);
    let used = [
        client(octets, b"d?").ack(8000),
        server(8000, b"d!").ack(octets + 2),
    ];
    let packets = [&live[..], &[syn], &used].concat();
    assert_eq!(dialogue(&packets), ">a?<a!>d?<d!");
}

#[test]
fn octets_on_a_syn_count_when_they_are_acknowledged() {
    let syn = client(0, b"early").flags(SYN);
    let answer = |number: u32| server(99, b"").flags(SYN).ack(number);
    let (again, behind) = (client(1, b"other").ack(100), client(6, b" next").ack(100));
    assert_eq!(dialogue(&[syn, answer(6), behind]), ">early> next");
    assert_eq!(dialogue(&[syn, answer(1), again, behind]), ">other> next");
    // Without an answer those count that follow.
    assert_eq!(dialogue(&[syn, behind]), ">early> next");
    assert_eq!(dialogue(&[syn, again]), ">other");
    assert_eq!(dialogue(&[syn]), ">early");
}

#[test]
fn padding_is_no_part_of_the_stream() {
    let opened = [client(0, b"").flags(SYN), server(99, b"").flags(SYN).ack(1)];
    let padded = client(1, &[0; 6]).ack(100);
    let octets = client(1, b"question").ack(100);
    assert_eq!(
        dialogue(&[&opened[..], &[padded, octets]].concat()),
        ">question"
    );
    // Zeros that are acknowledged are none, and no more those that others follow.
    let zeros = ">\0\0\0\0\0\0>question".replace("\\0", "\0");
    let octets = client(7, b"question").ack(100);
    let acknowledged = server(100, b"").ack(7);
    for packets in [&[padded, acknowledged, octets][..], &[padded, octets]] {
        assert_eq!(dialogue(&[&opened[..], packets].concat()), zeros);
    }
}

#[test]
fn ports_that_are_used_again() {
    let ended = [
        client(0, b"").flags(SYN),
        server(99, b"").flags(SYN).ack(1),
        client(1, b"a?").ack(100).flags(FIN),
        server(100, b"a!").ack(4).flags(FIN),
    ];
    // Whose SYN was not captured.
    let next = [
        client(70_000, b"b?").ack(9000),
        server(9000, b"b!").ack(70_002),
    ];
    assert_eq!(dialogue(&[&ended[..], &next].concat()), ">a?<a!>b?<b!");
    // What is sent again opens nothing.
    let mut capture = Capture::new();
    for packet in ended.iter().chain(&ended[2..]) {
        capture.take(packet);
    }
    assert_eq!(capture.close().streams, 1);
}

/// What the client sends to a receiver whose window has 100 octets, times so many bits where both SYNs
/// say so: what is told, octets dropped, gaps.
fn within_a_window(scales: [Option<u8>; 2]) -> (String, u64, u64) {
    let mut capture = Capture::new();
    let narrow = |packet: Packet<'static>| {
        let mut segment = packet.segment();
        segment.window = 100;
        segment
    };
    let mut segments = [
        client(0, b"").flags(SYN).segment(),
        narrow(server(99, b"").flags(SYN).ack(1)),
        client(1, b"ab").ack(100).segment(),
        narrow(server(100, b"").ack(3)),
        client(600, b"forged").ack(100).segment(),
        client(7, b"gh").ack(100).segment(),
        narrow(server(100, b"").ack(3)),
        client(3, b"cdef").ack(100).segment(),
    ];
    (segments[0].scale, segments[1].scale) = scales.into();
    for segment in &segments {
        let (registry, output) = (&capture.registry, &mut capture.output);
        capture.streams.take(segment, registry, output);
    }
    let ledger = capture.close();
    (text(&notes(), ToServer), ledger.outside_octets, ledger.gaps)
}

#[test]
fn octets_beyond_the_window_wait_and_are_dropped() {
    let (told, no_more) = ("abcdefgh".to_owned(), (6, 0));
    for scales in [
        [None; 2],
        [Some(7), None],
        [None, Some(7)],
        [Some(7), Some(2)],
    ] {
        let (text, outside, gaps) = within_a_window(scales);
        assert_eq!(
            (text, (outside, gaps)),
            (told.clone(), no_more),
            "{scales:?}"
        );
    }
    // The window of the receiver is wider, and may be so by its own scale alone.
    let (text, outside, gaps) = within_a_window([Some(0), Some(3)]);
    assert!(text.starts_with("abcdefgh#") && text.ends_with("#forged"));
    assert_eq!((outside, gaps), (0, 1));
}

/// What the client sends to a receiver that has closed its window at octet 3 and opens it later, if it
/// does; both SYNs say so, or one has no such option and the other was not captured.
fn behind_a_closed_window(
    payload: &'static [u8],
    behind: &[Packet<'_>],
    both: bool,
) -> (String, u64) {
    let mut capture = Capture::new();
    let mut take = |packet: &Packet<'_>, window: u16| {
        let mut segment = packet.segment();
        segment.window = window;
        let (registry, output) = (&capture.registry, &mut capture.output);
        capture.streams.take(&segment, registry, output);
    };
    take(&client(0, b"").flags(SYN), 500);
    if both {
        take(&server(99, b"").flags(SYN).ack(1), 2);
    }
    take(&client(1, b"ab").ack(100), 500);
    take(&server(100, b"").ack(3), 0);
    take(&client(3, payload).ack(100), 500);
    take(&server(100, b"").ack(3), 0);
    for packet in behind {
        take(packet, 500);
    }
    let ledger = capture.close();
    (text(&notes(), ToServer), ledger.outside_octets)
}

#[test]
fn octets_behind_a_closed_window_count_when_they_are_acknowledged() {
    let opens = server(100, b"").ack(3);
    let real = client(3, b"real").ack(100);
    for both in [true, false] {
        let told = |payload, behind: &[Packet<'_>]| behind_a_closed_window(payload, behind, both);
        assert_eq!(told(b"forged", &[]), ("ab".to_owned(), 6));
        let (text, _) = told(b"evil", &[opens, real, server(100, b"").ack(7)]);
        assert_eq!(text, "abreal");
        // The window was opened before, and the capture has mixed that up.
        let (text, outside) = told(b"real", &[opens, server(100, b"").ack(7)]);
        assert_eq!((text.as_str(), outside), ("abreal", 0));
        // A probe.
        let (text, outside) = told(b"r", &[opens, real]);
        assert_eq!((text.as_str(), outside), ("abreal", 0));
    }
}

#[test]
fn octets_that_the_capture_cut_are_gaps() {
    let cut = |packet: Packet<'static>, cut| Packet { cut, ..packet };
    let (text, ledger) = sent(&[
        cut(client(0, b"ab"), 3),
        cut(client(5, b"fg"), 3),
        client(10, b"kl"),
        // One that waits behind a hole, and one of which another segment has the rest.
        cut(client(14, b"op"), 2),
        client(12, b"mn"),
        cut(client(18, b"s"), 2),
        client(17, b"r"),
    ]);
    assert_eq!(text, "ab###fg###klmnop##s##");
    assert_eq!((ledger.gaps, ledger.gap_octets), (4, 10));
    // The rest may come while the segment waits.
    let (text, ledger) = sent(&[
        client(0, b"a"),
        cut(client(2, b"c"), 3),
        client(3, b"de"),
        cut(client(3, b""), 3),
        client(1, b"b"),
    ]);
    assert_eq!((text.as_str(), ledger.gap_octets), ("abcde#", 1));
}

#[test]
fn an_impossible_length_on_the_wire() {
    let lie = |cut| Packet {
        cut,
        ..client(2, b"cd")
    };
    let (text, ledger) = sent(&[
        client(0, b"ab"),
        lie(usize::MAX - 2),
        lie(1 << 31),
        client(2, b"ef"),
    ]);
    assert_eq!((text.as_str(), ledger.outside_octets), ("abef", 4));
}

#[test]
fn fin_may_come_early() {
    let mut capture = Capture::new();
    capture
        .take(&client(0, b"").flags(SYN))
        .take(&client(4, b"d").flags(FIN))
        .take(&client(1, b"a"));
    assert_eq!(notes(), [Data(ToServer, b"a".to_vec(), 0)]);
    capture
        .take(&client(2, b"bc"))
        .take(&server(70, b"").ack(5))
        .take(&server(70, b"").ack(6));
    let expected = [
        Data(ToServer, b"bc".to_vec(), 0),
        Data(ToServer, b"d".to_vec(), 0),
        End(ToServer),
    ];
    assert_eq!(notes(), expected);
    // The other direction goes on.
    capture
        .take(&server(70, b"still here"))
        .take(&client(5, b"never"))
        .take(&client(4, b"d").flags(FIN));
    let expected = [Data(ToClient, b"still here".to_vec(), 0)];
    assert_eq!(notes(), expected);
    let ledger = capture.close();
    assert_eq!(notes(), [End(ToClient)]);
    assert_eq!(
        (ledger.after_end_octets, ledger.retransmitted_octets),
        (5, 1)
    );
}

#[test]
fn what_waits_beyond_a_fin_is_no_part_of_the_stream() {
    for answer in [&[][..], &[server(1, b"").ack(7)]] {
        let packets = [
            client(0, b"").flags(SYN),
            client(9, b"xyz"),
            client(6, b"").flags(FIN),
            client(1, b"abcde"),
        ];
        let (text, ledger) = sent(&[&packets, answer].concat());
        assert_eq!((text.as_str(), ledger.after_end_octets), ("abcde", 3));
    }
}

#[test]
fn octets_overtake_a_fin_that_came_early() {
    let syn = client(0, b"").flags(SYN);
    let fin = client(4, b"").flags(FIN);
    for packets in [
        [syn, fin, client(1, b"abcdef")],
        // It may come when they wait already.
        [syn, client(2, b"bcdef"), fin],
        [syn, fin, client(4, b"def")],
    ] {
        let (text, ledger) = sent(&[&packets[..], &[client(1, b"abc")]].concat());
        assert_eq!((text.as_str(), ledger.after_end_octets), ("abcdef", 0));
    }
}

#[test]
fn an_acknowledgment_beyond_a_fin_proves_that_it_was_none() {
    let mut capture = Capture::new();
    capture
        .take(&client(0, b"").flags(SYN))
        .take(&client(1, b"abc"))
        .take(&client(4, b"").flags(FIN))
        .take(&client(4, b"def"))
        .take(&client(7, b"ghi"));
    assert_eq!(text(&notes(), ToServer), "abc");
    capture.take(&server(1, b"").ack(7));
    assert_eq!(text(&notes(), ToServer), "defghi");
    // That of an octet less proves the contrary.
    capture
        .take(&client(10, b"").flags(FIN))
        .take(&client(10, b"jkl"))
        .take(&server(1, b"").ack(11))
        .take(&client(13, b"mno"));
    assert_eq!(notes(), [End(ToServer)]);
    assert_eq!(capture.close().after_end_octets, 6);
}

#[test]
fn a_wide_hole_waits_for_nothing_once_it_is_acknowledged() {
    // Of a transfer of gigabytes the capture has a segment now and then.
    const STEP: u32 = 800_000_000;
    let mut capture = Capture::new();
    capture.take(&client(0, b"").flags(SYN));
    for n in 1..20_u32 {
        let at = STEP.wrapping_mul(n);
        capture
            .take(&client(at, b"x"))
            .take(&server(1, b"").ack(at.wrapping_add(1)));
        // Nobody has claimed the stream before its first octets, so nobody is told of what they follow.
        let gap = Gap(ToServer, u64::from(STEP) - 1);
        let data = Data(ToServer, b"x".to_vec(), 0);
        let expected = [gap, data];
        assert_eq!(notes(), expected[usize::from(n == 1)..], "{n}");
    }
    assert_eq!(capture.close().outside_octets, 0);
}

#[test]
fn a_hole_before_fin() {
    let mut capture = Capture::new();
    capture
        .take(&client(0, b"").flags(SYN))
        .take(&client(1, b"a"))
        .take(&client(5, b"").flags(FIN))
        .take(&server(1, b"").ack(6));
    // What is missing may be the very next in the capture.
    assert_eq!(notes(), [Data(ToServer, b"a".to_vec(), 0)]);
    goes_on(&mut capture, 6, 0);
    assert_eq!(notes(), [Gap(ToServer, 3), End(ToServer)]);
}

#[test]
fn what_is_acknowledged_may_be_captured_later() {
    let opened = [
        client(0, b"").flags(SYN),
        server(499, b"").flags(SYN).ack(1),
        client(1, b"ab").ack(500),
    ];
    let (missing, behind) = (client(3, b"cd").ack(500), client(5, b"ef").ack(500));
    let answer = server(500, b"!").ack(7);
    let fin = client(7, b"").ack(501).flags(FIN);
    for order in [
        &[behind, answer, missing][..],
        &[behind, server(500, b"").ack(7), missing, answer],
        &[fin, server(501, b"").ack(8), behind, answer, missing],
        &[answer, behind, client(7, b"").ack(501), missing],
    ] {
        let told = dialogue(&[&opened[..], order].concat());
        assert_eq!(told, ">ab>cd>ef<!");
    }
    // Hundreds of segments of the other direction may lie between, and some of its own.
    let others = (0..300).map(|n| server(501 + n, b".").ack(7));
    let own = (0..20).map(|n| client(7 + 2 * n, b"gh").ack(501));
    let mut packets = [&opened[..], &[behind, answer]].concat();
    packets.extend(others.chain(own).chain([missing]));
    assert!(dialogue(&packets).starts_with(">ab>cd>ef<!"));
    // What the capture lacks does not hold the stream up for long, nor each of its holes again.
    let mut capture = Capture::new();
    opened.iter().for_each(|packet| {
        capture.take(packet);
    });
    for n in 0..2000 {
        let (at, lost) = (3 + 2 * n, n % 10 == 5);
        if !lost {
            capture.take(&client(at, b"xy").ack(500));
        }
        capture.take(&server(500, b"").ack(at + 2));
        assert!(capture.streams.octets() <= 40 * (192 + 2));
    }
    assert_eq!(capture.close().gaps, 200);
}

#[test]
fn fins_that_nobody_acknowledges_end_nothing() {
    let live = [
        client(0, b"").flags(SYN),
        server(99, b"").flags(SYN).ack(1),
        client(1, b"a?").ack(100),
        server(100, b"a!").ack(3),
    ];
    let forged = [
        client(3, b"").ack(102).flags(FIN),
        server(102, b"").ack(3).flags(FIN),
    ];
    let (half, rest) = (client(3, b"b").ack(102), client(4, b"?").ack(102));
    let answer = server(102, b"b!").ack(5);
    let next = [client(5, b"c?").ack(104), server(104, b"c!").ack(7)];
    for packets in [
        [&live[..], &forged, &[half, rest, answer], &next].concat(),
        // One end's alone, and octets that do not follow at once.
        [&live[..], &forged[..1], &[half, rest, answer], &next].concat(),
        [&live[..], &forged, &[rest, half, answer], &next].concat(),
        // An acknowledgment of one octet is not one of the FIN where an octet is in its place.
        [
            &live[..],
            &forged,
            &[half, server(102, b"").ack(4), rest, answer],
            &next,
        ]
        .concat(),
    ] {
        assert_eq!(
            dialogue(&packets).replace("b>?", "b?"),
            ">a?<a!>b?<b!>c?<c!"
        );
    }
    // Even where nobody acknowledges what follows.
    for octets in [&b"b"[..], b"bcd"] {
        let behind = server(102, octets).ack(3);
        let told = dialogue(&[&live[..], &forged, &[behind]].concat());
        assert_eq!(told, format!(">a?<a!<{}", String::from_utf8_lossy(octets)));
    }
}

#[test]
fn a_reset_ends_nothing() {
    let mut capture = Capture::new();
    capture
        .take(&client(0, b"").flags(SYN))
        .take(&client(1, b"ab"))
        .take(&server(1, b"first").flags(RST))
        .take(&client(3, b"cd"))
        .take(&client(5, b"").flags(RST | ACK))
        .take(&client(4, b"elsewhere").flags(RST))
        .take(&client(5, b"why").flags(RST | ACK))
        .take(&client(5, b"ef").flags(FIN))
        .take(&server(9, b"").flags(FIN));
    // Nobody reads what a reset says.
    assert_eq!(text(&notes(), ToServer), "abcdef");
    let ledger = capture.close();
    assert_eq!((ledger.resets, ledger.reset_octets), (4, 17));
    assert_eq!(ledger.streams, 1);
    // Nor does it where it is all that the capture has.
    let mut capture = Capture::new();
    capture
        .take(&client(9, b"why").flags(RST))
        .take(&server(1, b"").flags(RST | ACK));
    assert_eq!(capture.close(), StreamLedger::default());
}

#[test]
fn what_a_direction_ended_by_is_told() {
    let endings = |packets: &[Packet<'_>]| {
        ENDINGS.take();
        let mut capture = Capture::new();
        for packet in packets {
            capture.take(packet);
        }
        capture.close();
        let endings = ENDINGS.take().into_iter();
        endings.map(|(_, ending)| ending).collect::<Vec<_>>()
    };
    use Ending::{Capture as CaptureEnded, Closed, Replaced, Reset, TimedOut};
    let (question, answer) = (client(1, b"a").ack(1), server(1, b"b").ack(2));
    let fin = server(2, b"").ack(2).flags(FIN);
    let acknowledged = client(2, b"").ack(3);
    let reset = server(2, b"").ack(2).flags(RST);
    let later = client(9, b"").flags(SYN).port(7).at(1000);
    let next = client(777_000, b"").flags(SYN);
    let answered = server(4000, b"").flags(SYN).ack(777_001);
    let used = client(777_001, b"").ack(4001);
    assert_eq!(endings(&[question, answer]), [CaptureEnded, CaptureEnded]);
    let closed = endings(&[question, answer, fin, acknowledged]);
    assert_eq!(closed, [Closed, CaptureEnded]);
    assert_eq!(endings(&[question, answer, reset]), [Reset, Reset]);
    assert_eq!(endings(&[question, answer, later]), [TimedOut, TimedOut]);
    let replaced = endings(&[question, answer, next, answered, used]);
    assert_eq!(replaced, [Replaced, Replaced]);
}

#[test]
fn a_syn_with_another_number_opens_the_next_stream() {
    let mut capture = Capture::new();
    capture
        .take(&client(99, b"").flags(SYN))
        .take(&server(199, b"").flags(SYN).ack(100))
        .take(&client(99, b"").flags(SYN))
        .take(&client(100, b"one"))
        .take(&client(105, b"late"))
        .take(&server(199, b"").flags(SYN).ack(100))
        .take(&client(99, b"").flags(SYN));
    assert_eq!(notes(), [Data(ToServer, b"one".to_vec(), 0)]);
    // Anybody can forge one, and an answer: they count when their numbers are used.
    capture
        .take(&client(500_000, b"").flags(SYN))
        .take(&server(7000, b"").flags(SYN).ack(500_001));
    assert_eq!(notes(), []);
    capture.take(&client(500_001, b"").ack(7001));
    let expected = [
        Gap(ToServer, 2),
        Data(ToServer, b"late".to_vec(), 0),
        End(ToServer),
        End(ToClient),
    ];
    assert_eq!(notes(), expected);
    capture
        .take(&client(500_001, b"two").ack(7001))
        .take(&server(7001, b"three").ack(500_004));
    let ledger = capture.close();
    assert_eq!((ledger.streams, ledger.picked_up), (2, 0));
    let notes = notes();
    assert_eq!(text(&notes, ToServer), "two");
    assert_eq!(text(&notes, ToClient), "three");
}

#[test]
fn ports_are_taken_by_a_whole_handshake_with_lower_numbers() {
    let live = [
        client(50_000, b"").flags(SYN),
        server(60_000, b"").flags(SYN).ack(50_001),
        client(50_001, b"a?").ack(60_001),
        server(60_001, b"a!").ack(50_003),
    ];
    for (one, other) in [(10, 20), (49_000, 60_000), (70_000, 20), (10, 61_000)] {
        let next = [
            client(one, b"").flags(SYN),
            server(other, b"").flags(SYN).ack(one + 1),
            client(one + 1, b"").ack(other + 1),
            client(one + 1, b"b?").ack(other + 1),
            server(other + 1, b"b!").ack(one + 3),
        ];
        let packets = [&live[..], &next].concat();
        assert_eq!(dialogue(&packets), ">a?<a!>b?<b!", "{one} {other}");
    }
    // What is sent again has the numbers of a handshake that was forged.
    let packets = [
        &live[..],
        &[
            client(50_000, b"").flags(SYN),
            client(50_002, b"").flags(SYN),
            server(60_000, b"").flags(SYN).ack(50_003),
            client(50_001, b"a?").ack(60_001),
            client(50_003, b"b?").ack(60_003),
            server(60_003, b"b!").ack(50_005),
        ],
    ];
    assert_eq!(dialogue(&packets.concat()), ">a?<a!>b?<b!");
}

#[test]
fn a_syn_that_answers_opens_one_only_after_the_end() {
    let mut capture = Capture::new();
    capture
        .take(&client(99, b"").flags(SYN))
        .take(&server(199, b"").flags(SYN).ack(100))
        .take(&server(200, b"one"))
        .take(&server(999, b"x").flags(SYN).ack(500))
        .take(&server(203, b"two"));
    assert_eq!(text(&notes(), ToClient), "onetwo");
    capture
        .take(&server(206, b"").flags(RST))
        .take(&server(999, b"").flags(SYN).ack(500))
        .take(&client(500, b"question").ack(1000))
        .take(&server(1000, b"answer").ack(508));
    let ledger = capture.close();
    assert_eq!((ledger.streams, ledger.outside_octets), (2, 1));
    let notes = notes();
    assert_eq!(text(&notes, ToServer), "question");
    assert_eq!(text(&notes, ToClient), "answer");
}

#[test]
fn both_may_open_at_once() {
    let mut capture = Capture::new();
    capture
        .take(&client(0, b"").flags(SYN))
        .take(&server(100, b"").flags(SYN))
        .take(&client(1, b"a"))
        .take(&server(101, b"b"));
    assert_eq!(capture.close().streams, 1);
}

#[test]
fn octets_in_a_syn() {
    let (text, _) = sent(&[client(9, b"fast").flags(SYN), client(14, b" open")]);
    assert_eq!(text, "fast open");
}

#[test]
fn picked_up_mid_way() {
    let mut capture = Capture::new();
    capture
        .take(&client(77, b"").flags(ACK))
        .take(&client(500, b"").flags(RST))
        .take(&client(78, b"abc").ack(900))
        .take(&server(900, b"").ack(78))
        .take(&client(74, b"from before"))
        .take(&server(900, b"xyz").ack(81));
    assert_eq!(capture.streams.open(), 1);
    let ledger = capture.close();
    assert_eq!((ledger.streams, ledger.picked_up, ledger.gaps), (1, 1, 0));
    assert_eq!((ledger.late_octets, ledger.retransmitted_octets), (4, 3));
    let notes = notes();
    assert_eq!(text(&notes, ToServer), "abcbefore"[..3].to_owned() + "fore");
    assert_eq!(text(&notes, ToClient), "xyz");
}

#[test]
fn one_direction_alone() {
    let mut capture = Capture::new();
    capture
        .take(&server(1, b"abc").at(0))
        .take(&server(7, b"ghi").at(1))
        .take(&server(10, b"jkl").at(122));
    // Nobody acknowledges, so the hole is given up after the time-out.
    let expected = [
        Data(ToClient, b"abc".to_vec(), 0),
        Gap(ToClient, 3),
        Data(ToClient, b"ghi".to_vec(), 1),
        Data(ToClient, b"jkl".to_vec(), 122),
    ];
    assert_eq!(notes(), expected);
    assert_eq!(capture.close().gaps_for_time, 1);
    assert_eq!(notes(), [End(ToServer), End(ToClient)]);
}

#[test]
fn time_counts_from_the_latest_progress() {
    // A forged segment far ahead waits as long as the stream moves on.
    let mut capture = Capture::new();
    capture.take(&client(0, b"").flags(SYN));
    capture.take(&client(100_000, b"forged"));
    for n in 0..100 {
        capture.take(&client(1 + n, b"x").at(10 * i64::from(n)));
    }
    assert_eq!(text(&notes(), ToServer), "x".repeat(100));
    assert_eq!(capture.streams.ledger().gaps, 0);
}

#[test]
fn who_is_the_client() {
    let cases = [
        // The sender of SYN, the receiver of SYN and ACK.
        (client(0, b"x").flags(SYN), 40_000, 80, ToServer),
        (server(0, b"x").flags(SYN | ACK), 40_000, 80, ToClient),
        (client(0, b"x").flags(SYN), 80, 40_000, ToServer),
        (server(0, b"x").flags(SYN | ACK), 80, 40_000, ToClient),
        // Mid-way, the end whose port is not of the system.
        (client(0, b"x"), 40_000, 80, ToServer),
        (server(0, b"x"), 40_000, 80, ToClient),
        (client(0, b"x"), 80, 1024, ToClient),
        // Else whoever is seen first.
        (client(0, b"x"), 40_000, 5000, ToServer),
        (server(0, b"x"), 40_000, 5000, ToServer),
        (server(0, b"x"), 1023, 80, ToServer),
    ];
    for (i, (first, port, server_port, expected)) in cases.into_iter().enumerate() {
        let mut capture = Capture::new();
        capture.take(&Packet {
            port,
            server_port,
            ..first
        });
        capture.close();
        assert_eq!(notes()[0], Data(expected, b"x".to_vec(), 0), "case {i}");
    }
}

#[test]
fn an_end_that_talks_to_itself() {
    let mut capture = Capture::new();
    let segment = |sequence, payload: &'static [u8], flags| {
        let mut segment = client(sequence, payload).flags(flags).segment();
        segment.destination = segment.source;
        segment
    };
    for segment in [segment(0, b"", SYN), segment(1, b"abc", ACK)] {
        let (registry, output) = (&capture.registry, &mut capture.output);
        capture.streams.take(&segment, registry, output);
    }
    assert_eq!(capture.close().streams, 1);
}

#[test]
fn what_dissectors_keep_is_limited_too() {
    let limits = StreamLimits {
        octets: 10_000,
        ..StreamLimits::default()
    };
    let mut capture = Capture::of(const { &[&HOARDER] }, limits);
    for n in 0..500 {
        capture.take(&client(1, b"x").port(10_000 + n));
        assert!(capture.streams.octets() <= limits.octets);
    }
    assert_eq!(capture.streams.open(), 10);
    // Streams that were given up go on when they have something to say.
    capture.take(&client(2, b"y").port(10_000));
    assert_eq!(capture.close().evicted_streams, 491);
}

#[test]
fn idle_streams_end_in_order_of_their_first_packets() {
    let mut capture = Capture::new();
    capture
        .take(&client(1, b"a").port(7001))
        .take(&client(1, b"b").port(7002))
        .take(&client(1, b"c").port(7003))
        .take(&client(2, b"d").port(7001).at(10))
        .take(&client(2, b"e").port(7003).at(100));
    NOTES.take();
    capture.take(&client(3, b"f").port(7003).at(191));
    let expected = [
        (7001, End(ToServer)),
        (7001, End(ToClient)),
        (7002, End(ToServer)),
        (7002, End(ToClient)),
        (7003, Data(ToServer, b"f".to_vec(), 191)),
    ];
    assert_eq!(NOTES.take(), expected);
    // A new one between the same ends.
    capture
        .take(&client(90, b"g").port(7001).at(192))
        .take(&server(0, b"").port(7001).ack(90).at(192));
    let ledger = capture.close();
    assert_eq!((ledger.streams, ledger.evicted_streams), (4, 0));
    let expected = [7001, 7003, 7003, 7001, 7001];
    let ports: Vec<u16> = NOTES.take().iter().map(|(port, _)| *port).collect();
    assert_eq!(ports, expected);
}

#[test]
fn far_ahead_is_another_connection() {
    let (text, ledger) = sent(&[
        client(0, b"ab"),
        client(2 + (1 << 30) + 1, b"forged"),
        client(2, b"cd"),
    ]);
    assert_eq!((text.as_str(), ledger.outside_octets), ("abcd", 6));
}

#[test]
fn more_than_a_window_is_lost() {
    let far = 3 << 29;
    let mut capture = Capture::new();
    capture
        .take(&client(0, b"ab"))
        // The other end has received what the capture lacks.
        .take(&server(500, b"").ack(2 + far))
        .take(&client(2 + far, b"cd"))
        .take(&client(4 + far, b"ef"))
        .take(&server(500, b"").ack(6 + far));
    goes_on(&mut capture, 6 + far, 0);
    assert_eq!(
        notes(),
        [
            Data(ToServer, b"ab".to_vec(), 0),
            Gap(ToServer, u64::from(far)),
            Data(ToServer, b"cd".to_vec(), 0),
            Data(ToServer, b"ef".to_vec(), 0),
        ]
    );
    assert_eq!(capture.close().outside_octets, 0);
}

#[test]
fn too_much_in_one_direction() {
    let limits = StreamLimits {
        octets_per_direction: 1000,
        ..StreamLimits::default()
    };
    let mut capture = Capture::with(limits);
    capture.take(&client(0, b"!"));
    capture.take(&client(11, &[b'a'; 300]));
    capture.take(&client(321, &[b'b'; 300]));
    assert_eq!(text(&notes(), ToServer), "!");
    capture.take(&client(631, &[b'c'; 300]));
    let told = notes();
    assert_eq!(text(&told, ToServer), "#".repeat(10) + &"a".repeat(300));
    assert!(capture.streams.octets() <= 1000);
    let ledger = capture.streams.ledger();
    assert_eq!((ledger.gaps_for_room, ledger.evicted_octets), (1, 300));
    // One that is larger than the limit alone.
    capture.take(&client(2000, &[b'd'; 1400]));
    assert_eq!(capture.streams.octets(), 0);
    capture.close();
}

#[test]
fn too_much_in_all_streams() {
    let limits = StreamLimits {
        octets: 2000,
        ..StreamLimits::default()
    };
    let mut capture = Capture::with(limits);
    for port in [5001, 5002, 5003] {
        capture.take(&client(0, b"").flags(SYN).port(port));
    }
    // The second has waited longest when the third needs room.
    capture
        .take(&client(11, &[b'b'; 800]).port(5002).at(1))
        .take(&client(11, &[b'a'; 500]).port(5001).at(2))
        .take(&client(11, &[b'c'; 800]).port(5003).at(3));
    let told = NOTES.take();
    assert!(told.iter().all(|(port, _)| *port == 5002), "{told:?}");
    assert!(capture.streams.octets() <= 2000);
    assert_eq!(capture.close().gaps_for_room, 1);
}

/// Half-open connections fill the table; one stream goes on all the while.
#[test]
fn a_flood_of_half_open_connections() {
    let limits = StreamLimits {
        streams: 1000,
        ..StreamLimits::default()
    };
    let mut capture = Capture::with(limits);
    capture
        .take(&client(0, b"").flags(SYN))
        .take(&server(499, b"").flags(SYN).ack(1));
    let mut expected = 0;
    for n in 0..100_000u32 {
        let port = 41_000 + (n % 20_000) as u16;
        let mut segment = client(n, b"").flags(SYN).port(port).segment();
        segment.source.ip = Ip::V4(n.to_be_bytes());
        let seconds = i64::from(n / 10_000);
        segment.packet.time = Time::new(seconds, n % 10_000);
        capture
            .streams
            .take(&segment, &capture.registry, &mut capture.output);
        assert!(capture.streams.open() <= 1000);
        if n % 500 == 0 {
            let mut segment = client(1 + expected, b"x").ack(500).segment();
            segment.packet.time = Time::new(seconds, n % 10_000);
            capture
                .streams
                .take(&segment, &capture.registry, &mut capture.output);
            expected += 1;
        }
    }
    let ledger = capture.close();
    assert_eq!((ledger.streams, ledger.evicted_streams), (100_001, 99_001));
    assert_eq!(text(&notes(), ToServer), "x".repeat(expected as usize));
}

/// Early segments of many streams fill the room; one stream, with a hole now and then, goes on.
#[test]
fn a_flood_of_early_segments() {
    let limits = StreamLimits {
        octets_per_direction: 1 << 14,
        octets: 1 << 18,
        ..StreamLimits::default()
    };
    let mut capture = Capture::with(limits);
    capture.take(&client(0, b"").flags(SYN));
    let mut expected = 0;
    for n in 0..100_000u32 {
        let port = 50_000 + (n % 50) as u16;
        capture.take(&client(2 * n, b"x").port(port));
        assert!(capture.streams.octets() <= limits.octets);
        if n % 1000 == 0 {
            capture.take(&client(2 + expected, b"b"));
            capture.take(&client(1 + expected, b"a"));
            expected += 2;
        }
    }
    let ledger = capture.close();
    assert!(ledger.most_waiting_octets <= 1 << 14);
    assert!(ledger.gaps_for_room > 0);
    let told: Vec<Note> = NOTES
        .take()
        .into_iter()
        .filter(|(port, _)| *port == 40_000)
        .map(|(_, note)| note)
        .collect();
    assert_eq!(text(&told, ToServer), "ab".repeat(expected as usize / 2));
}

#[test]
fn recognised_where_a_message_begins() {
    let mut capture = Capture::of(const { &[&UNWANTED, &WORDS] }, StreamLimits::default());
    capture
        .take(&client(0, b"noise"))
        .take(&server(0, b"more noise"))
        .take(&client(5, b"hello there"))
        .take(&server(10, b"yes?"));
    let expected = [
        Start("words"),
        Data(ToServer, b"hello there".to_vec(), 0),
        Data(ToClient, b"yes?".to_vec(), 0),
    ];
    assert_eq!(notes(), expected);
    assert_eq!(capture.close().recognised, [("words", 1)].into());
}

#[test]
fn kept_octets_come_first() {
    let mut capture = Capture::of(const { &[&WORDS] }, StreamLimits::default());
    capture
        .take(&server(0, b"he").at(1))
        .take(&client(0, b"h").at(2))
        .take(&client(1, b"el").at(3))
        .take(&client(3, b"lo").at(4));
    let expected = [
        Start("words"),
        Data(ToClient, b"he".to_vec(), 1),
        Data(ToServer, b"hel".to_vec(), 2),
        Data(ToServer, b"lo".to_vec(), 4),
    ];
    assert_eq!(notes(), expected);
}

#[test]
fn a_beginning_inside_of_other_octets() {
    let mut capture = Capture::of(const { &[&WORDS] }, StreamLimits::default());
    capture.take(&client(0, b"noise hello <hello there"));
    let expected = [Start("words"), Data(ToServer, b"hello there".to_vec(), 0)];
    assert_eq!(notes(), expected);
}

#[test]
fn what_leads_on_gives_back_the_rest() {
    let mut capture = Capture::of(const { &[&WORDS, &LEADER] }, StreamLimits::default());
    capture
        .take(&client(0, b"!a").at(1))
        .take(&server(0, b"hello you").at(2))
        .take(&client(2, b"b.hello").at(3));
    // With the packets that brought it.
    let expected = [
        Start("words"),
        Data(ToClient, b"hello you".to_vec(), 2),
        Data(ToServer, b"hello".to_vec(), 3),
    ];
    assert_eq!(notes(), expected);
    // One after the other, but not for ever.
    capture.take(&client(0, &b"!.".repeat(10)).port(1));
    let leads = b"!.".repeat(1000);
    capture.take(&client(0, &leads).port(2));
    let recognised = capture.close().recognised;
    assert_eq!(recognised, [("leader", 1 + 10 + 64), ("words", 1)].into());
    // Where nobody wants what it may lead to, it is not asked either.
    let mut capture = Capture::of(const { &[&UNWANTED, &LEADER] }, StreamLimits::default());
    capture.take(&client(0, b"!a."));
    assert_eq!(capture.close(), StreamLedger::default());
}

#[test]
fn what_was_kept_and_is_no_beginning_is_not_given() {
    let mut capture = Capture::of(const { &[&CURIOUS, &WORDS] }, StreamLimits::default());
    capture
        .take(&server(0, b"S").at(1))
        .take(&client(0, b"hello").at(2))
        .take(&server(1, b"yes").at(3));
    let expected = [
        Start("words"),
        Data(ToServer, b"hello".to_vec(), 2),
        Data(ToClient, b"yes".to_vec(), 3),
    ];
    assert_eq!(notes(), expected);
}

#[test]
fn kept_octets_that_were_noise() {
    let mut capture = Capture::of(const { &[&WORDS] }, StreamLimits::default());
    capture
        .take(&client(0, b"hel"))
        .take(&client(3, b"hello"))
        .take(&client(20, b"behind a gap"));
    let expected = [Start("words"), Data(ToServer, b"hello".to_vec(), 0)];
    assert_eq!(notes(), expected);
    // A gap is no place to go on.
    let mut capture = Capture::of(const { &[&WORDS] }, StreamLimits::default());
    capture
        .take(&client(0, b"hel"))
        .take(&client(9, b"lo"))
        .take(&server(0, b"").ack(11));
    capture.close();
    assert_eq!(notes(), []);
}

#[test]
fn who_leaves_may_come_back() {
    let mut capture = Capture::of(const { &[&WORDS] }, StreamLimits::default());
    capture
        .take(&client(0, b"hello quit"))
        .take(&client(10, b"noise"))
        .take(&client(15, b"hello again"));
    let expected = [
        Start("words"),
        Data(ToServer, b"hello quit".to_vec(), 0),
        End(ToServer),
        End(ToClient),
        Start("words"),
        Data(ToServer, b"hello again".to_vec(), 0),
    ];
    assert_eq!(notes(), expected);
    assert_eq!(capture.close().recognised, [("words", 2)].into());
    // Not for ever.
    let mut capture = Capture::of(const { &[&WORDS] }, StreamLimits::default());
    for n in 0..100 {
        capture.take(&client(10 * n, b"hello quit"));
    }
    assert_eq!(capture.close().recognised, [("words", 64)].into());
}

#[test]
fn a_direction_that_ended_before() {
    let mut capture = Capture::of(const { &[&WORDS] }, StreamLimits::default());
    capture
        .take(&client(0, b"noise").flags(FIN))
        .take(&server(0, b"hello").ack(6))
        .take(&server(5, b"").flags(FIN))
        .take(&client(6, b"").ack(6));
    let expected = [
        Start("words"),
        End(ToServer),
        Data(ToClient, b"hello".to_vec(), 0),
        End(ToClient),
    ];
    assert_eq!(notes(), expected);
}

#[test]
fn nobody_is_asked_for_ever() {
    let mut capture = Capture::of(const { &[&CURIOUS, &WORDS] }, StreamLimits::default());
    let piece = [b'x'; 1460];
    let mut sequence = 0u32;
    while sequence < 1 << 20 {
        capture.take(&client(sequence, &piece));
        sequence += 1460;
    }
    capture.take(&client(sequence, b"hello"));
    assert_eq!(notes(), []);
    // Up to then it would have been recognised.
    capture
        .take(&client(0, &piece).port(1))
        .take(&client(1460, b"hello").port(1));
    assert_eq!(capture.close().recognised, [("words", 1)].into());
}

#[test]
fn nobody_wants_streams() {
    let mut capture = Capture::of(const { &[&UNWANTED] }, StreamLimits::default());
    capture.take(&client(0, b"hello"));
    assert_eq!(capture.close(), StreamLedger::default());
}

/// A stream cut into pieces, some of them more than once, in any order.
fn shuffled() -> impl Strategy<Value = (u32, Vec<u8>, Vec<(usize, usize)>)> {
    let start = prop_oneof![any::<u32>(), (u32::MAX - 400)..=u32::MAX];
    let octets = proptest::collection::vec(any::<u8>(), 1..600);
    (start, octets).prop_flat_map(|(start, octets)| {
        let length = octets.len();
        let cuts = proptest::collection::vec(0..=length, 0..20);
        let more = proptest::collection::vec((0..length, 1..80usize), 0..20);
        let pieces = (cuts, more).prop_map(move |(mut cuts, more)| {
            cuts.extend([0, length]);
            cuts.sort_unstable();
            let once = cuts.windows(2).map(|pair| (pair[0], pair[1]));
            let again = more.into_iter().map(|(at, n)| (at, length.min(at + n)));
            once.chain(again)
                .filter(|(from, to)| from < to)
                .collect::<Vec<_>>()
        });
        (Just(start), Just(octets), pieces.prop_shuffle())
    })
}

proptest! {
    #[test]
    fn any_order_gives_the_stream(
        (start, octets, pieces) in shuffled(),
        fin_after in any::<proptest::sample::Index>(),
        v6: bool,
    ) {
        let mut capture = Capture::new();
        let fin_after = fin_after.index(pieces.len());
        capture.take(&Packet { v6, ..client(start.wrapping_sub(1), b"").flags(SYN) });
        for (i, (from, to)) in pieces.iter().enumerate() {
            let sequence = start.wrapping_add(*from as u32);
            capture.take(&Packet { v6, ..client(sequence, &octets[*from..*to]) });
            if i == fin_after {
                let sequence = start.wrapping_add(octets.len() as u32);
                capture.take(&Packet { v6, ..client(sequence, b"").flags(FIN) });
            }
        }
        let behind_fin = start.wrapping_add(octets.len() as u32 + 1);
        capture.take(&Packet { v6, ..server(0, b"").ack(behind_fin) });
        let told = notes();
        let mut given = Vec::new();
        for note in &told {
            if let Data(_, octets, _) = note {
                given.extend_from_slice(octets);
            }
        }
        prop_assert_eq!(given, octets);
        prop_assert_eq!(told.last(), Some(&End(ToServer)));
        let ledger = capture.close();
        prop_assert_eq!((ledger.gaps, ledger.conflicting_octets), (0, 0));
        prop_assert_eq!(ledger.late_octets + ledger.after_end_octets + ledger.outside_octets, 0);
    }

    /// Without loss nothing is odd, wherever both ends begin to count.
    #[test]
    fn a_sound_conversation(
        starts: [u32; 2],
        turns in proptest::collection::vec((any::<bool>(), 0..50usize), 1..60),
    ) {
        let mut capture = Capture::new();
        let mut next = starts.map(|start| start.wrapping_add(1));
        capture
            .take(&client(starts[0], b"").flags(SYN))
            .take(&server(starts[1], b"").flags(SYN).ack(next[0]));
        let mut octets = 0;
        for (from_server, length) in turns {
            let payload = vec![b'x'; length];
            let (me, other) = (usize::from(from_server), usize::from(!from_server));
            let direction = if from_server { ToClient } else { ToServer };
            capture.take(&packet(direction, next[me], &payload).ack(next[other]));
            next[me] = next[me].wrapping_add(length as u32);
            octets += length as u64;
        }
        let segments = capture.streams.ledger().segments;
        let ledger = capture.close();
        let expected = StreamLedger {
            streams: 1,
            segments,
            payload_octets: octets,
            octets,
            recognised: ledger.recognised.clone(),
            ..StreamLedger::default()
        };
        prop_assert_eq!(ledger, expected);
    }

    /// Whatever comes, in whatever order: every octet is counted once, each direction ends once,
    /// and octets and gaps together are the stream, in which each octet is the low part of its
    /// number.
    #[test]
    fn anything(
        steps in proptest::collection::vec(
            (any::<bool>(), 0..40u32, 0..40u32, any::<u8>(), 0..12usize, 0..4usize, 0..100i64),
            0..60,
        ),
        policy in prop_oneof![
            Just(OverlapPolicy::First),
            Just(OverlapPolicy::Last),
            Just(OverlapPolicy::Bsd),
            Just(OverlapPolicy::Linux),
        ],
    ) {
        let limits = StreamLimits {
            octets_per_direction: 600,
            octets: 1000,
            policy,
            ..StreamLimits::default()
        };
        let mut capture = Capture::with(limits);
        for (from_server, sequence, acknowledgment, flags, length, cut, seconds) in steps {
            let direction = if from_server { ToClient } else { ToServer };
            let sequence = sequence.wrapping_sub(20);
            let first = sequence.wrapping_add(u32::from(flags & SYN != 0));
            let payload: Vec<u8> = (0..length as u32)
                .map(|i| first.wrapping_add(i) as u8)
                .collect();
            let packet = packet(direction, sequence, &payload);
            capture.feed(&Packet {
                acknowledgment: acknowledgment.wrapping_sub(20),
                cut,
                seconds,
                ..packet.flags(flags)
            });
            prop_assert!(capture.streams.octets() <= limits.octets);
        }
        let ledger = capture.close();
        let (mut octets, mut gap_octets, mut ends) = (0, 0, [0u64; 2]);
        let mut next = [None; 2];
        for note in notes() {
            match note {
                Data(direction, data, _) => {
                    let next = &mut next[usize::from(direction == ToClient)];
                    for octet in &data {
                        prop_assert_eq!(next.unwrap_or(*octet), *octet);
                        *next = Some(octet.wrapping_add(1));
                    }
                    octets += data.len() as u64;
                }
                Gap(direction, gap) => {
                    let next = &mut next[usize::from(direction == ToClient)];
                    *next = next.map(|octet: u8| octet.wrapping_add(gap as u8));
                    gap_octets += gap;
                }
                End(direction) => {
                    next[usize::from(direction == ToClient)] = None;
                    ends[usize::from(direction == ToClient)] += 1;
                }
                Start(_) => {}
            }
        }
        prop_assert_eq!(ledger.conflicting_octets, 0);
        prop_assert_eq!(octets, ledger.octets);
        // A stream without octets is claimed by nobody, and may still lack some.
        prop_assert!(gap_octets <= ledger.gap_octets);
        prop_assert_eq!(ends[0], ends[1]);
        prop_assert!(ends[0] <= ledger.streams);
    }
}
