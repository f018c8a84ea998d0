//! The join against one that has all packets at once, for whatever order messages come in.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::tests::{BEGIN, Collector, SECOND, note, status};
use crate::extended::{Direction, Message, PacketNote};

/// In milliseconds.
const WINDOW: i64 = 5000;

/// A packet, sent by A after the one before, and by how much later B and C received it, if they did.
#[derive(Clone, Debug)]
struct Packet {
    /// Packets of the same number are equal.
    number: u32,
    gap: i64,
    delays: [Vec<i64>; 2],
}

fn packets() -> impl Strategy<Value = Vec<Packet>> {
    let delay = prop_oneof![8 => 0..50_i64, 1 => -50..0_i64, 1 => -7000..7000_i64];
    let delays = prop::collection::vec(delay, 0..3);
    let number = prop_oneof![3 => 0..1000_u32, 1 => 0..3_u32];
    let gap = prop_oneof![4 => 0..20_i64, 1 => 0..9000_i64];
    let packet = (number, gap, [delays.clone(), delays]);
    let packet = packet.prop_map(|(number, gap, delays)| Packet {
        number,
        gap,
        delays,
    });
    prop::collection::vec(packet, 0..60)
}

/// What each agent sees, in its order: time and number.
fn seen(packets: &[Packet]) -> [Vec<(i64, u32)>; 3] {
    let (mut all, mut time) = ([const { Vec::new() }; 3], 10_000);
    for packet in packets {
        time += packet.gap;
        all[0].push((time, packet.number));
        for (agent, delays) in packet.delays.iter().enumerate() {
            all[agent + 1].extend(delays.iter().map(|delay| (time + delay, packet.number)));
        }
    }
    for seen in &mut all {
        seen.sort_by_key(|(time, _)| *time);
    }
    all
}

/// What an agent says: packets, each second the time, and drops in these seconds.
fn messages(agent: usize, seen: &[(i64, u32)], dropped: &[i64]) -> Vec<Message> {
    let (mut messages, mut drops) = (Vec::new(), 0);
    let mut seen = seen.iter().peekable();
    let nanoseconds = |milliseconds: i64| BEGIN + milliseconds * 1_000_000;
    for second in 0..700 {
        while let Some((time, number)) = seen.next_if(|(time, _)| *time < 1000 * second) {
            let direction = match agent {
                0 => Direction::Sent,
                _ => Direction::Received,
            };
            messages.push(Message::Packet(PacketNote {
                time: nanoseconds(*time),
                direction,
                destination: [239, 1, 2, 3].into(),
                ..note(*number)
            }));
        }
        drops += u64::from(dropped.contains(&second));
        messages.push(status(BEGIN + second * SECOND, drops));
    }
    messages
}

/// Received, lost, unknown and duplicated.
fn expected(sent: &[(i64, u32)], received: &[(i64, u32)], dropped: &[i64]) -> [u64; 4] {
    let by_number = |seen: &[(i64, u32)]| {
        let mut times: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        for (time, number) in seen {
            times.entry(*number).or_default().push(*time);
        }
        times
    };
    let (sent, mut received) = (by_number(sent), by_number(received));
    let (mut counts, mut since, mut missing, mut strange) = ([0; 4], i64::MAX, Vec::new(), 0);
    for (number, sent) in sent {
        let received = received.entry(number).or_default();
        let mut open = received.iter().copied().peekable();
        let (mut arrived, mut surplus) = (Vec::new(), Vec::new());
        for time in sent {
            surplus.extend(std::iter::from_fn(|| {
                open.next_if(|other| *other < time - WINDOW)
            }));
            match open.next_if(|other| *other <= time + WINDOW) {
                Some(_) => arrived.push(time),
                None => missing.push(time),
            }
        }
        surplus.extend(open);
        counts[0] += arrived.len() as u64;
        since = arrived.iter().copied().min().unwrap_or(since).min(since);
        let again = |other: &&i64| arrived.iter().any(|time| (**other - time).abs() <= WINDOW);
        let again = surplus.iter().filter(again).count() as u64;
        counts[3] += again;
        strange += surplus.len() as u64 - again;
    }
    for time in missing.into_iter().filter(|time| *time >= since) {
        let is_told = |second: &i64| {
            let (first, last) = (1000 * (second - 1), 1000 * second);
            time - WINDOW <= last && first <= time + WINDOW
        };
        counts[if dropped.iter().any(is_told) { 2 } else { 1 }] += 1;
    }
    // Those that nobody sent may be those that were lost.
    let doubtful = counts[1].min(strange);
    counts[1] -= doubtful;
    counts[2] += doubtful;
    counts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_order_of_messages_does_not_matter(
        packets in packets(),
        order in prop::collection::vec((0..3_usize, 1..400_usize), 0..200),
        dropped in prop::collection::vec(1..100_i64, 0..3),
    ) {
        let seen = seen(&packets);
        let mut collector = Collector::new();
        let mut streams: Vec<_> = (0..3)
            .map(|agent| messages(agent, &seen[agent], &dropped).into_iter())
            .collect();
        let rest = (0..3).map(|agent| (agent, usize::MAX));
        for (number, (agent, count)) in order.into_iter().chain(rest).enumerate() {
            if !collector.is_begun(agent) {
                collector.begins(agent, 1, "src");
            }
            let some: Vec<Message> = streams[agent].by_ref().take(count).collect();
            collector.heard(agent, &some);
            if number % 3 == 0 {
                collector.counts();
            }
        }
        let found: BTreeMap<usize, [u64; 4]> = collector
            .counts()
            .into_iter()
            .zip(collector.join.flows(usize::MAX).0)
            .map(|(counts, flow)| (flow.receiver, counts))
            .collect();
        for receiver in [1, 2] {
            let expected = expected(&seen[0], &seen[receiver], &dropped);
            let found = found.get(&receiver).copied().unwrap_or_default();
            prop_assert_eq!(found, expected);
        }
    }
}
