//! The join, by agents that say what they see.

use std::net::IpAddr;

use super::*;
use crate::collect::progress::Progress;
use crate::extended::{
    Agent, Counters, Direction, Fragment, Interface, Message, PacketNote, Status,
};

/// A second, and when everything begins.
pub(super) const SECOND: i64 = 1_000_000_000;
pub(super) const BEGIN: i64 = 1_700_000_000 * SECOND;

/// A collector with agents A, B and C at 10.0.0.1 to 10.0.0.3, and a window of 5 seconds.
pub(super) struct Collector {
    pub(super) join: Join,
    /// Seconds by the clock of the collector.
    now: u32,
    progress: [Progress; 3],
    hasher: foldhash::quality::RandomState,
}

pub(super) fn address(agent: usize) -> IpAddr {
    [10, 0, 0, agent as u8 + 1].into()
}

impl Collector {
    pub(super) fn new() -> Collector {
        Collector {
            join: Join::new(&JoinOptions {
                window: Duration::from_secs(5),
                by_second: true,
                joined: vec![true; 3],
            }),
            now: 0,
            progress: Default::default(),
            hasher: Default::default(),
        }
    }

    /// One to which the first so many agents have said who they are and that it is the begin; the others are
    /// not there.
    pub(super) fn with(agents: usize, mode: &str) -> Collector {
        let mut collector = Collector::new();
        for agent in 0..3 {
            match agent < agents {
                true => {
                    collector.begins(agent, 1, mode);
                    collector.status(agent, 0, 0);
                }
                false => collector.join.gone(agent),
            }
        }
        collector
    }

    /// Whether an agent has said who it is.
    pub(super) fn is_begun(&self, agent: usize) -> bool {
        self.join.members[agent].timeline.presence == Presence::Here
    }

    pub(super) fn heard(&mut self, agent: usize, messages: &[Message]) {
        let progress = &mut self.progress[agent];
        let steps: Vec<_> = messages
            .iter()
            .map(|message| progress.follow(message))
            .collect();
        let events = Events::of(messages, &steps, &self.hasher);
        self.join.heard(agent, events, self.now);
    }

    pub(super) fn begins(&mut self, agent: usize, instance: u64, mode: &str) {
        let interface = Interface {
            addresses: vec![address(agent), [127, 0, 0, 1].into()],
            ..Interface::default()
        };
        let who = Agent {
            instance,
            mode: mode.to_owned(),
            interfaces: vec![interface],
            ports: vec![7073, 7075],
            ..Agent::default()
        };
        self.heard(agent, &[Message::Agent(who), Message::Number(0)]);
    }

    /// An agent says the time, in milliseconds from the begin.
    pub(super) fn status(&mut self, agent: usize, milliseconds: i64, dropped: u64) {
        self.heard(agent, &[status(BEGIN + milliseconds * 1_000_000, dropped)]);
    }

    fn sent(&mut self, agent: usize, milliseconds: i64, note: PacketNote) {
        let time = BEGIN + milliseconds * 1_000_000;
        self.heard(agent, &[Message::Packet(PacketNote { time, ..note })]);
    }

    fn received(&mut self, agent: usize, milliseconds: i64, note: PacketNote) {
        let direction = Direction::Received;
        self.sent(agent, milliseconds, PacketNote { direction, ..note });
    }

    /// All agents go on for a minute.
    fn settled(&mut self, agents: usize) -> Vec<[u64; 4]> {
        for second in 1..=60 {
            (0..agents).for_each(|agent| self.status(agent, 1000 * second, 0));
        }
        self.counts()
    }

    /// Received, lost, unknown and duplicated, of all pairs.
    pub(super) fn counts(&mut self) -> Vec<[u64; 4]> {
        self.join.sweep(self.now);
        let flows = self.join.flows(usize::MAX).0.into_iter();
        flows
            .map(|flow| {
                assert_eq!(flow.sent, flow.received + flow.lost);
                [flow.received, flow.lost, flow.unknown, flow.duplicated]
            })
            .collect()
    }
}

pub(super) fn status(time: i64, dropped: u64) -> Message {
    Message::Status(Status {
        time,
        interfaces: vec![Counters {
            dropped,
            ..Counters::default()
        }],
        ..Status::default()
    })
}

/// A datagram of this number from A to B.
pub(super) fn note(number: u32) -> PacketNote {
    PacketNote {
        time: BEGIN,
        interface: 0,
        direction: Direction::Sent,
        source: address(0),
        destination: address(1),
        protocol: 17,
        hops_left: 64,
        traffic_class: 0,
        length: 100,
        wire_length: 114,
        is_uncut: false,
        identification: number,
        fragment: None,
        ports: Some((4000, 5000)),
        vlans: Vec::new(),
        digest: Some(7),
        mgen: None,
    }
}

#[test]
fn a_packet_on_several_interfaces_of_an_agent_is_one() {
    let on = |interface, number| PacketNote {
        interface,
        ..note(number)
    };
    let mut collector = Collector::with(2, "none");
    for number in 0..4 {
        // A sees it on a bridge and on its port, B on two ports and what bonds them.
        let time = 100 * i64::from(number);
        collector.sent(0, time, on(0, number));
        collector.sent(0, time + 90, on(u16::MAX, number));
        for interface in 0..3 {
            collector.received(1, time + 95, on(interface, number));
        }
    }
    // One that is lost, one that comes twice on each interface, and one that is sent twice over different ways.
    collector.sent(0, 500, on(0, 4));
    collector.sent(0, 500, on(3, 4));
    collector.sent(0, 600, on(0, 5));
    for _ in 0..2 {
        collector.received(1, 601, on(0, 5));
        collector.received(1, 601, on(1, 5));
    }
    collector.sent(0, 700, on(0, 6));
    collector.sent(0, 1701, on(1, 6));
    collector.received(1, 702, on(0, 6));
    assert_eq!(collector.settled(2), [[6, 2, 0, 1]]);
}

#[test]
fn agents_of_one_side_see_no_packet_at_both_ends() {
    for (modes, is_one_sided) in [
        (["src", "src", "src"], true),
        (["dst", "dst", "dst"], true),
        (["src", "src", "dst"], false),
        (["src", "none", "src"], false),
        (["src", "src", "udp"], false),
    ] {
        let mut collector = Collector::new();
        assert!(!collector.join.is_one_sided());
        for (agent, mode) in modes.into_iter().enumerate() {
            collector.begins(agent, 1, mode);
            let is_last = agent == 2;
            assert_eq!(collector.join.is_one_sided(), is_last && is_one_sided);
        }
    }
}

#[test]
fn each_packet_has_its_fate() {
    let mut collector = Collector::with(2, "src");
    // Before the first that arrives nobody knows whether any should.
    collector.sent(0, 50, note(0));
    for number in 1..=6 {
        collector.sent(0, 100 * i64::from(number), note(number));
    }
    // Not 3 and 5; 6 as long as possible; 2 twice; 4 before it was sent, by the clocks. The TTL is another.
    for (number, time) in [(1, 103), (4, 390), (2, 250), (2, 260), (6, 5600), (5, 5501)] {
        let hops_left = 62;
        collector.received(
            1,
            time,
            PacketNote {
                hops_left,
                ..note(number)
            },
        );
    }
    let ports = Some((4000, 3000));
    collector.received(1, 5700, PacketNote { ports, ..note(77) });
    // 5 may have come in time, as clocks may be wrong; to another port it did not.
    assert_eq!(collector.settled(2), [[4, 1, 1, 1]]);
    let flow = collector.join.flows(usize::MAX).0.remove(0);
    let delay = flow.delay.expect("delays");
    let in_ms = [delay.least, delay.most, delay.last].map(|delay| delay / 1_000_000);
    assert_eq!(in_ms, [-10, 5000, 5000]);
    assert_eq!((flow.sender, flow.receiver, flow.flow_id), (0, 1, None));
    assert_eq!(flow.source.to_string(), "10.0.0.1:4000");
    // 5 came too late; nobody has sent 77.
    assert_eq!(collector.join.counts(1).unsent, 2);
    let seconds = collector.join.take_seconds(false);
    let found: Vec<_> = seconds
        .iter()
        .map(|second| {
            (
                second.second,
                second.received,
                second.lost,
                second.duplicated,
            )
        })
        .collect();
    assert_eq!(found, [(1_700_000_000, 4, 1, 1)]);
    assert_eq!(
        seconds[0]
            .delay
            .map(|[least, mean, most]| (least / 1000, mean / 1000, most / 1000)),
        Some((-10_000, 1_260_750, 5_000_000))
    );
    assert!(collector.join.take_seconds(true).is_empty());
}

#[test]
fn what_is_not_for_an_agent_is_not_lost_to_it() {
    // A sends to B, C or elsewhere; B gets the first alone, as a bridge floods.
    for (destination, expected) in [
        (address(1), [1, 2, 0, 0]),
        (address(2), [1, 0, 2, 0]),
        ([10, 0, 0, 77].into(), [1, 0, 2, 0]),
        ([10, 0, 0, 255].into(), [1, 2, 0, 0]),
        ([10, 0, 3, 255].into(), [1, 2, 0, 0]),
        ([10, 1, 3, 255].into(), [1, 0, 2, 0]),
        ([255, 255, 255, 255].into(), [1, 2, 0, 0]),
        ([239, 1, 2, 3].into(), [1, 2, 0, 0]),
        ("ff02::1".parse().expect("an address"), [1, 2, 0, 0]),
    ] {
        let packet = |number| PacketNote {
            destination,
            ..note(number)
        };
        let mut collector = Collector::new();
        (0..3).for_each(|agent| collector.begins(agent, 1, "src"));
        (1..4).for_each(|number| collector.sent(0, 100, packet(number)));
        collector.received(1, 101, packet(1));
        assert_eq!(collector.settled(3), [expected], "{destination}");
    }
}

#[test]
fn who_passes_packets_on_may_lose_them() {
    // A sends over B to C, and from the fourth on past B.
    let mut collector = Collector::new();
    (0..3).for_each(|agent| collector.begins(agent, 1, "src"));
    let packet = |number, hops_left| PacketNote {
        destination: [10, 0, 9, 9].into(),
        hops_left,
        ..note(number)
    };
    for number in 1..=5 {
        let time = 100 * i64::from(number);
        collector.sent(0, time, packet(number, 64));
        match number {
            1 => {
                collector.received(1, time + 1, packet(number, 64));
                collector.sent(1, time + 2, packet(number, 63));
                collector.received(2, time + 3, packet(number, 63));
            }
            2 | 3 => {}
            _ => collector.received(2, time + 2, packet(number, 64)),
        }
    }
    // B has lost two; C may have lost these, too, but is not known to be on the way.
    let mut counts = collector.settled(3);
    counts.sort_unstable();
    assert_eq!(counts, [[1, 0, 0, 0], [1, 2, 2, 0], [3, 0, 2, 0]]);
}

#[test]
fn a_relay_that_is_heard_beside_the_sender_duplicates_nothing() {
    let mut collector = Collector::with(3, "none");
    let packet = |number, hops_left| PacketNote {
        destination: [239, 1, 2, 3].into(),
        hops_left,
        ..note(number)
    };
    for number in 0..10 {
        let time = 100 * i64::from(number);
        collector.sent(0, time, packet(number, 8));
        collector.received(1, time + 2, packet(number, 8));
        collector.received(2, time + 1, packet(number, 8));
        collector.sent(1, time + 5, packet(number, 7));
        collector.received(2, time + 6, packet(number, 7));
    }
    assert_eq!(collector.settled(3), [[10, 0, 0, 0]; 3]);
    for flow in collector.join.flows(usize::MAX).0 {
        let delay = flow.delay.expect("delays");
        let expected = if flow.receiver == 1 {
            2_000_000
        } else {
            1_000_000
        };
        assert_eq!((delay.least, delay.most), (expected, expected));
    }
}

#[test]
fn a_clock_that_is_set_loses_nothing() {
    for (agent, shift) in [(1, 10_000), (1, -8000), (0, 10_000), (1, 20_000)] {
        let mut collector = Collector::with(2, "none");
        for number in 0..20 {
            let time = 100 * i64::from(number);
            let times = [0, 1].map(|other| match other == agent && number >= 10 {
                true => time + shift,
                false => time,
            });
            collector.sent(0, times[0], note(number));
            collector.received(1, times[1] + 1, note(number));
        }
        assert_eq!(collector.settled(2), [[10, 0, 10, 0]], "{agent} {shift}");
    }
}

#[test]
fn what_is_changed_on_the_way_is_not_lost() {
    // A router cuts the large ones.
    let mut collector = Collector::with(2, "none");
    let large = |number| PacketNote {
        length: 1500,
        ..note(number)
    };
    for number in 0..10 {
        collector.sent(0, 10, note(number));
        collector.received(1, 11, note(number));
        collector.sent(0, 12, large(100 + number));
        for offset in [0, 1000] {
            let fragment = Some(Fragment {
                offset,
                is_followed: offset == 0,
                has_ports_of_first: offset > 0,
            });
            let piece = PacketNote {
                length: 1020,
                fragment,
                ..large(100 + number)
            };
            collector.received(1, 13, piece);
        }
    }
    assert_eq!(collector.settled(2), [[10, 0, 10, 0]]);
    // An address translation gives another source.
    let mut collector = Collector::with(2, "none");
    for number in 0..10 {
        collector.sent(0, 10, note(number));
        let source = [192, 0, 2, 1].into();
        collector.received(
            1,
            11,
            PacketNote {
                source,
                ..note(number)
            },
        );
    }
    assert_eq!(collector.settled(2), [[0, 0, 10, 0]]);
}

#[test]
fn delays_of_equal_packets_do_not_count() {
    // Each two seconds the same packet, of which the first is lost.
    let mut collector = Collector::with(2, "none");
    for number in 0..10 {
        collector.sent(0, 2000 * number, note(1));
        if number > 0 {
            collector.received(1, 2000 * number + 1, note(1));
        }
    }
    collector.settled(2);
    assert_eq!(collector.join.flows(usize::MAX).0[0].delay, None);
}

#[test]
fn the_share_of_losses_is_of_packets_whose_fate_is_known() {
    let mut collector = Collector::with(2, "none");
    for number in 0..100_u32 {
        let time = 100 * i64::from(number);
        collector.sent(0, time, note(number));
        if number % 10 != 3 {
            collector.received(1, time + 1, note(number));
        }
        if number % 10 == 9 {
            (0..2).for_each(|agent| collector.status(agent, time + 50, 0));
            collector.counts();
            let flow = collector.join.flows(usize::MAX).0.remove(0);
            let known = flow.settled + flow.lost;
            assert!(flow.lost.abs_diff(known / 10) <= 1, "{flow:?}");
            assert!(flow.received >= u64::from(number) * 9 / 10);
        }
    }
    assert_eq!(collector.settled(2), [[90, 10, 0, 0]]);
    assert_eq!(collector.join.flows(usize::MAX).0[0].settled, 90);
}

#[test]
fn total_loss_shows_where_all_would_be_told() {
    for (mode, destination, expected) in [
        ("none", address(1), &[[0, 3, 0, 0]][..]),
        ("dst", address(1), &[[0, 3, 0, 0]]),
        // It does not tell of what it receives, or nobody knows.
        ("src", address(1), &[]),
        ("udp", address(1), &[]),
        ("none", address(2), &[]),
        ("none", [127, 0, 0, 1].into(), &[]),
    ] {
        let mut collector = Collector::with(2, mode);
        for number in 1..=3 {
            collector.sent(
                0,
                10,
                PacketNote {
                    destination,
                    ..note(number)
                },
            );
        }
        // Connections of collectors are not told of.
        for port in [7073, 7075] {
            let ports = Some((4000, port));
            collector.sent(
                0,
                10,
                PacketNote {
                    destination,
                    ports,
                    protocol: 6,
                    ..note(9)
                },
            );
        }
        assert_eq!(collector.settled(2), expected, "{mode} {destination}");
    }
}

#[test]
fn what_a_receiver_cannot_find_again_is_not_lost() {
    let unfound = [
        PacketNote {
            digest: None,
            direction: Direction::Received,
            ..note(1)
        },
        PacketNote {
            direction: Direction::Unknown,
            ..note(1)
        },
    ];
    for unfound in unfound {
        let mut collector = Collector::with(2, "none");
        collector.sent(0, 10, note(1));
        // As it is, whichever way.
        collector.sent(1, 12, unfound);
        assert_eq!(collector.settled(2), [[0, 0, 1, 0]]);
    }
}

#[test]
fn gaps_of_the_receiver_make_loss_unknown() {
    let lost_at = |gap: &dyn Fn(&mut Collector)| {
        let mut collector = Collector::with(2, "none");
        for number in 0..20 {
            collector.sent(0, 1000 * i64::from(number), note(number));
        }
        (1..10).for_each(|second| collector.status(1, 1000 * second, 0));
        gap(&mut collector);
        (11..40).for_each(|second| {
            collector.status(1, 1000 * second, 1);
            collector.status(0, 1000 * second, 0);
        });
        collector.counts()
    };
    assert_eq!(lost_at(&|_| ()), [[0, 7, 13, 0]]);
    assert_eq!(
        lost_at(&|collector| collector.status(1, 10_000, 1)),
        [[0, 8, 12, 0]]
    );
    assert_eq!(
        lost_at(&|collector| {
            collector.status(1, 10_000, 1);
            collector.heard(1, &[Message::Number(5)]);
        }),
        [[0, 7, 13, 0]]
    );
    // It was away, or started anew.
    for instance in [1, 2] {
        let counts = lost_at(&|collector| {
            collector.join.gone(1);
            collector.begins(1, instance, "none");
        });
        assert_eq!(counts, [[0, 7, 13, 0]]);
    }
}

#[test]
fn who_is_away_has_lost_nothing() {
    let mut collector = Collector::with(2, "none");
    collector.sent(0, 100, note(1));
    collector.received(1, 110, note(1));
    collector.status(1, 1000, 0);
    collector.join.gone(1);
    for number in 2..12 {
        collector.sent(0, 1000 * i64::from(number), note(number));
    }
    (12..30).for_each(|second| collector.status(0, 1000 * second, 0));
    assert_eq!(collector.counts(), [[1, 0, 10, 0]]);
    // It ends in good order: what it would have seen until then is lost.
    let mut collector = Collector::with(2, "none");
    for (number, time) in [(1, 100), (2, 480), (3, 500), (4, 600)] {
        collector.sent(0, time, note(number));
    }
    collector.received(1, 120, note(1));
    let ports = Some((4000, 3000));
    collector.received(1, 505, PacketNote { ports, ..note(9) });
    collector.heard(1, &[Message::End]);
    collector.heard(0, &[Message::End]);
    assert_eq!(collector.counts(), [[1, 1, 2, 0]]);
}

#[test]
fn what_interfaces_cut_or_put_together_is_not_lost() {
    let large = |number| PacketNote {
        protocol: 6,
        length: 3000,
        is_uncut: true,
        ..note(number)
    };
    for (is_sent, is_received, expected, is_uncut) in [
        // It is seen whole at both ends, as between namespaces.
        (true, true, [2, 1, 0, 0], false),
        // The sender's interface cuts it, and what comes was not sent so.
        (true, false, [1, 1, 1, 0], true),
        // The receiver's interface has put together what was sent in pieces.
        (false, true, [1, 0, 1, 0], true),
    ] {
        let mut collector = Collector::with(2, "none");
        if is_sent {
            collector.sent(0, 50, large(9));
        }
        if is_received {
            collector.received(1, 60, large(9));
        }
        for flow in [6, 17] {
            let packet = |number| PacketNote {
                protocol: flow,
                ..note(number)
            };
            collector.sent(0, 100, packet(1));
            collector.sent(0, 101, packet(2));
            collector.received(1, 110, packet(1));
        }
        // Of another protocol it says nothing.
        let mut counts = collector.settled(2);
        let flows = collector.join.flows(usize::MAX).0;
        let place = flows.iter().position(|flow| flow.protocol == 6);
        let place = place.expect("a flow");
        assert_eq!(flows[place].is_uncut, is_uncut);
        assert_eq!(counts.remove(place), expected);
        assert_eq!(counts, [[1, 1, 0, 0]]);
    }
}

#[test]
fn many_may_receive_and_some_relay() {
    let mut collector = Collector::with(3, "none");
    let multicast = |number| PacketNote {
        destination: [224, 0, 0, 1].into(),
        ..note(number)
    };
    for number in 1..=3 {
        let time = 10 * i64::from(number);
        collector.sent(0, time, multicast(number));
        collector.received(1, time + 2, multicast(number));
        // B sends on what C then receives, but for the last.
        collector.sent(1, time + 3, multicast(number));
        if number < 3 {
            collector.received(2, time + 4, multicast(number));
        }
    }
    let counts = collector.settled(3);
    let ends: Vec<_> = collector
        .join
        .flows(usize::MAX)
        .0
        .iter()
        .map(|flow| (flow.sender, flow.receiver))
        .collect();
    assert_eq!(ends, [(0, 1), (0, 2), (1, 2)]);
    // After the last that C received it might not belong to the group any more; it still counts.
    assert_eq!(counts, [[3, 0, 0, 0], [2, 1, 0, 0], [2, 1, 0, 0]]);
}

#[test]
fn later_fragments_need_not_know_their_ports() {
    let mut collector = Collector::with(2, "none");
    let part = |offset, ports| PacketNote {
        fragment: Some(Fragment {
            offset,
            is_followed: offset == 0,
            has_ports_of_first: offset > 0 && ports,
        }),
        ports: ports.then_some((4000, 5000)),
        ..note(1)
    };
    collector.received(1, 11, part(1480, false));
    collector.received(1, 12, part(0, true));
    collector.sent(0, 10, part(0, true));
    collector.sent(0, 10, part(1480, true));
    assert_eq!(collector.settled(2), [[2, 0, 0, 0]]);
}

#[test]
fn equal_packets_are_counted_in_their_order() {
    let mut collector = Collector::with(2, "none");
    // The same packet each second, for minutes, of which each seventh is lost.
    for second in 0..400 {
        collector.sent(0, 1000 * second, note(1));
        if second % 7 != 3 {
            collector.received(1, 1000 * second + 20, note(1));
        }
        collector.status(0, 1000 * second + 30, 0);
        collector.status(1, 1000 * second + 30, 0);
        if second % 50 == 0 {
            collector.join.sweep(0);
        }
    }
    (0..2).for_each(|agent| collector.status(agent, 500_000, 0));
    let [received, lost, unknown, duplicated] = collector.counts()[0];
    assert_eq!((received, lost + unknown, duplicated), (343, 57, 0));
    assert_eq!(unknown, 0);
    assert_eq!(collector.join.waiting.len(), 0);
    // More of them than are told apart.
    let mut collector = Collector::with(2, "none");
    for number in 0..1000 {
        collector.sent(0, number, note(1));
    }
    for number in 0..1000 {
        collector.received(1, number, note(1));
    }
    let counts = collector.settled(2)[0];
    assert_eq!((counts[0], counts[1], counts[3]), (256, 0, 0));
    let repeated = [0, 1].map(|agent| collector.join.counts(agent).repeated);
    assert_eq!(
        repeated.iter().sum::<u64>() + 2 * counts[0] + counts[2],
        2000
    );
}

#[test]
fn wrong_clocks_spoil_only_what_is_theirs() {
    for wrong in [-3_600_000, 3_600_000, 1_000_000_000_000, -1_690_000_000_000] {
        let mut collector = Collector::with(2, "none");
        collector.begins(2, 1, "none");
        for number in 0..100 {
            let time = 100 * i64::from(number);
            let to_third = |number| PacketNote {
                destination: address(2),
                ..note(number)
            };
            collector.sent(0, time, note(number));
            collector.sent(0, time, to_third(number));
            if number != 50 {
                collector.received(1, time + 10, note(number));
            }
            collector.received(2, time + wrong, to_third(number));
            for agent in 0..2 {
                collector.status(agent, time + 20, 0);
            }
            collector.status(2, time + wrong, 0);
        }
        (10..60).for_each(|second| {
            collector.now += 1;
            (0..2).for_each(|agent| collector.status(agent, 1000 * second, 0));
            collector.status(2, 1000 * second + wrong, 0);
        });
        let counts = collector.counts();
        assert_eq!(counts[0], [99, 1, 0, 0], "{wrong}");
        // That of the wrong clock has lost nothing that anybody knows of.
        assert!(
            counts[1..].iter().all(|counts| counts[1] == 0),
            "{wrong} {counts:?}"
        );
    }
}

#[test]
fn who_says_nothing_is_waited_for_half_a_minute() {
    let mut collector = Collector::with(2, "none");
    collector.begins(2, 1, "none");
    for second in 0..100 {
        let number = second as u32;
        collector.now = number;
        collector.sent(0, 1000 * second, note(number));
        if second % 2 == 0 {
            collector.received(1, 1000 * second + 10, note(number));
        }
        (0..2).for_each(|agent| collector.status(agent, 1000 * second + 20, 0));
        let lost = collector.counts()[0][1];
        match second {
            ..=30 => assert_eq!(lost, 0),
            40.. => assert!(lost >= (number as u64 - 8) / 2, "{second} {lost}"),
            _ => {}
        }
    }
}

#[test]
fn after_a_pause_of_all_it_goes_on() {
    let mut collector = Collector::with(2, "none");
    collector.sent(0, 10, note(1));
    collector.received(1, 20, note(1));
    collector.sent(0, 30, note(2));
    // The collector sleeps for a minute, and so do the agents.
    collector.now += 60;
    assert_eq!(collector.counts(), [[1, 0, 1, 0]]);
    for number in 3..100 {
        collector.sent(0, 60_000 + i64::from(number), note(number));
        collector.counts();
        if number != 50 {
            collector.received(1, 60_001 + i64::from(number), note(number));
        }
    }
    for second in 61..70 {
        (0..2).for_each(|agent| collector.status(agent, 1000 * second, 0));
    }
    assert_eq!(collector.counts(), [[97, 1, 1, 0]]);
}

#[test]
fn there_is_room_for_so_many() {
    let mut collector = Collector::with(3, "none");
    collector.join.most_waiting = 2000;
    collector.join.pairs = Pairs::new(16, 3, true);
    // C floods the collector with what nobody sends.
    for number in 0..20_000 {
        collector.received(2, 0, note(100_000 + number));
        if number % 100 == 0 {
            collector.sent(0, 10, note(number));
            collector.received(1, 20, note(number));
        }
    }
    assert!(collector.join.waiting.len() <= 2000);
    assert!(collector.join.counts(2).crowded_out >= 17_000);
    assert_eq!(collector.join.counts(1).crowded_out, 0);
    assert_eq!(collector.counts(), [[200, 0, 0, 0]]);
    for port in 0..1000 {
        let ports = Some((port, 9));
        collector.sent(0, 30, PacketNote { ports, ..note(1) });
        collector.received(1, 40, PacketNote { ports, ..note(1) });
    }
    let flows = collector.join.flows(usize::MAX).0;
    assert!(flows.len() <= 16 && flows.last().expect("flows").source.port() == 999);
    assert_eq!(
        collector.join.pairs_crowded_out(),
        1001 - flows.len() as u64
    );
}
