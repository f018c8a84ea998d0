//! Any sequence of TCP segments of a few connections, with time going anywhere.
//!
//! Each octet is the low part of its sequence number, so a reader sees whether octets and gaps
//! together are the stream.
//!
//! Laws: what is held stays below the limits; what a reader is given is octets in order, with gaps
//! of the right size; each direction ends once, and nothing comes behind its end; every captured
//! octet is counted once.
#![no_main]

use std::cell::Cell;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use netcap_dissect::{
    Direction, Endpoint, Output, PacketInfo, Recognition, Registry, Selection, StreamContext,
    StreamDissector, StreamProtocol, Then,
};
use netcap_flow::{OverlapPolicy, SCHEMAS, Segment, StreamLimits, Streams};
use netcap_record::{Ip, Time};

#[derive(Arbitrary, Debug)]
struct Step {
    to_client: bool,
    is_v6: bool,
    port: u8,
    flags: u8,
    /// From a little before numbers wrap; small ones meet more often.
    sequence: u8,
    far: u32,
    acknowledgment: u8,
    length: u8,
    cut: u8,
    passed: i8,
}

#[derive(Arbitrary, Debug)]
enum Policy {
    First,
    Last,
    Bsd,
    Linux,
}

const SYN: u8 = 2;
const STREAMS: usize = 3;
const PER_DIRECTION: usize = 1000;
const OCTETS: usize = 2000;

thread_local! {
    static GIVEN: Cell<u64> = const { Cell::new(0) };
    static LACKING: Cell<u64> = const { Cell::new(0) };
}

/// Holds the laws of one stream; the next octet of each direction, once one is known.
#[derive(Default)]
struct Judge {
    next: [Option<u8>; 2],
    ended: [bool; 2],
    octets: u32,
}

impl StreamDissector for Judge {
    fn data(&mut self, direction: Direction, octets: &[u8], _: &mut StreamContext<'_, '_>) -> Then {
        let place = direction as usize;
        assert!(!octets.is_empty() && !self.ended[place]);
        let mut next = self.next[place].unwrap_or(octets[0]);
        for octet in octets {
            assert_eq!(*octet, next);
            next = next.wrapping_add(1);
        }
        self.next[place] = Some(next);
        GIVEN.set(GIVEN.get() + octets.len() as u64);
        self.octets += octets.len() as u32;
        if self.octets > 2000 {
            Then::Leave
        } else {
            Then::GoOn
        }
    }

    fn gap(&mut self, direction: Direction, octets: u64, _: &mut StreamContext<'_, '_>) -> Then {
        let place = direction as usize;
        assert!(octets > 0 && !self.ended[place]);
        self.next[place] = self.next[place].map(|next| next.wrapping_add(octets as u8));
        LACKING.set(LACKING.get() + octets);
        Then::GoOn
    }

    fn end(&mut self, direction: Direction, _: &mut StreamContext<'_, '_>) {
        assert!(!std::mem::replace(
            &mut self.ended[direction as usize],
            true
        ));
    }

    fn held(&self) -> usize {
        self.octets as usize / 2
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || self.ended == [true; 2]);
    }
}

static ANY: StreamProtocol = StreamProtocol {
    name: "any",
    ports: &[],
    recognise: |beginning| match beginning.octets.len() {
        1 => Recognition::More,
        _ => Recognition::Yes,
    },
    start: || Box::new(Judge::default()),
    schemas: SCHEMAS,
};

fuzz_target!(|input: (Policy, Vec<Step>)| {
    let (policy, steps) = input;
    let limits = StreamLimits {
        streams: STREAMS,
        octets_per_direction: PER_DIRECTION,
        octets: OCTETS,
        policy: match policy {
            Policy::First => OverlapPolicy::First,
            Policy::Last => OverlapPolicy::Last,
            Policy::Bsd => OverlapPolicy::Bsd,
            Policy::Linux => OverlapPolicy::Linux,
        },
        ..StreamLimits::default()
    };
    let registry = Registry::new(&[], SCHEMAS, &Selection::default()).expect("no names");
    let mut output = Output::new(&registry);
    let mut streams = Streams::new(&registry, const { &[&ANY] }, limits);
    GIVEN.set(0);
    LACKING.set(0);
    let mut now = 0i64;
    for step in &steps {
        now += i64::from(step.passed);
        let far = if step.far % 8 == 0 { step.far } else { 0 };
        let sequence = u32::from(step.sequence).wrapping_sub(128).wrapping_add(far);
        let first = sequence.wrapping_add(u32::from(step.flags & SYN != 0));
        let payload: Vec<u8> = (0..u32::from(step.length))
            .map(|i| first.wrapping_add(i) as u8)
            .collect();
        let end = |number: u8, port: u8| Endpoint {
            mac: None,
            ip: if step.is_v6 {
                Ip::V6([number; 16])
            } else {
                Ip::V4([number; 4])
            },
            port: u16::from(port),
        };
        let (one, other) = (end(1, step.port % 4), end(2, 80));
        let (source, destination) = if step.to_client {
            (other, one)
        } else {
            (one, other)
        };
        let segment = Segment {
            packet: PacketInfo {
                time: Time::new(now, 0),
                link_type: 1,
                original_len: 0,
                index: 0,
                number: 0,
            },
            source,
            destination,
            sequence,
            acknowledgment: u32::from(step.acknowledgment).wrapping_sub(128),
            flags: step.flags,
            payload: &payload,
            wire_length: match step.cut {
                255 => usize::MAX,
                cut => payload.len() + usize::from(cut % 16),
            },
        };
        streams.take(&segment, &registry, &mut output);
        assert!(streams.octets() <= OCTETS && streams.open() <= STREAMS);
    }
    while streams.close(&registry, &mut output, 3) {}
    assert_eq!((streams.octets(), streams.open()), (0, 0));
    let ledger = streams.ledger();
    assert!(ledger.most_waiting_octets <= PER_DIRECTION as u64);
    assert_eq!(ledger.conflicting_octets, 0);
    assert!(GIVEN.get() <= ledger.octets && LACKING.get() <= ledger.gap_octets);
    let counted = ledger.octets
        + ledger.retransmitted_octets
        + ledger.overlapping_octets
        + ledger.late_octets
        + ledger.after_end_octets
        + ledger.outside_octets
        + ledger.refused_octets
        + ledger.reset_octets
        + ledger.without_ack_octets;
    assert_eq!(counted, ledger.payload_octets, "{ledger:?}");
});
