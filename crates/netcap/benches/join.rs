//! How many packets a collector joins: of two agents that say what one sent and the other received, in messages
//! that are read already.

use std::io::sink;
use std::sync::Arc;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use netcap_agent::collect::{Intake, JoinOptions, Overview, Receiver, SUMS_KEPT};
use netcap_agent::config::Config;
use netcap_agent::extended::{Agent, Direction, Message, PacketNote, Status};

/// Packets of a second, seconds, and those that an agent tells of at a time.
const RATE: u32 = 100_000;
const SECONDS: u32 = 10;
const BATCH: u32 = 500;
/// A prime number, so that each flow has packets that are lost.
const FLOWS: u32 = 997;

fn main() {
    divan::main();
}

fn note(number: u32, direction: Direction) -> PacketNote {
    let delay = if direction == Direction::Received {
        200_000
    } else {
        0
    };
    PacketNote {
        time: 1_700_000_000_000_000_000 + 10_000 * i64::from(number) + delay,
        interface: 0,
        direction,
        source: [10, 0, 0, 1].into(),
        destination: [10, 0, 0, 2].into(),
        protocol: 17,
        hops_left: 64,
        traffic_class: 0,
        length: 100,
        wire_length: 114,
        is_uncut: false,
        identification: number & 0xffff,
        fragment: None,
        ports: Some((4000 + (number % FLOWS) as u16, 5000)),
        vlans: Vec::new(),
        digest: Some(number.into()),
        mgen: None,
    }
}

fn batches(direction: Direction) -> Vec<Vec<Message>> {
    let batch = |first: u32| {
        let numbers = first..first + BATCH;
        let mut batch: Vec<Message> = numbers
            // Each fiftieth is lost.
            .filter(|number| direction == Direction::Sent || number % 50 != 0)
            .map(|number| Message::Packet(note(number, direction)))
            .collect();
        if first.is_multiple_of(RATE) {
            batch.push(Message::Status(Status {
                time: note(first, direction).time,
                ..Status::default()
            }));
        }
        batch
    };
    (0..RATE * SECONDS)
        .step_by(BATCH as usize)
        .map(batch)
        .collect()
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn packets_joined(bencher: Bencher<'_, '_>) {
    let sides = [Direction::Sent, Direction::Received].map(batches);
    bencher
        .counter(ItemsCount::new(RATE * SECONDS))
        .bench_local(|| run(&sides));
}

fn run(sides: &[Vec<Vec<Message>>; 2]) {
    let agents = ["a", "b"].map(|label| (label.to_owned(), label.to_owned()));
    let overview = Overview::new(agents, SUMS_KEPT).with_joined(&JoinOptions {
        window: Duration::from_secs(5),
        by_second: true,
        joined: vec![true; 2],
    });
    let overview = Arc::new(overview);
    let intake = Intake::new(Config::default(), Arc::clone(&overview), Box::new(sink()));
    let intake = intake.without_lines();
    for agent in 0..2 {
        intake.heard(agent, &[Message::Agent(Agent::default())], 0);
    }
    for (sent, received) in sides[0].iter().zip(&sides[1]) {
        intake.heard(0, sent, 0);
        intake.heard(1, received, 0);
    }
    for agent in 0..2 {
        intake.heard(agent, &[Message::End], 0);
    }
    overview.flow_seconds(true);
    let (flows, _) = overview.flows(usize::MAX);
    let lost: u64 = flows.iter().map(|flow| flow.lost).sum();
    let received: u64 = flows.iter().map(|flow| flow.received).sum();
    // Before the first that arrives of a flow nothing is lost, and after the last nobody knows.
    let all = u64::from(RATE * SECONDS);
    assert_eq!(received, all / 50 * 49);
    assert!((all - u64::from(FLOWS)..=all).contains(&(received + lost)));
}
