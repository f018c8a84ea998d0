//! Packets that are seen at both ends: by agents of the test, and by real ones that read captures.

use netcap_agent::extended::{Direction, Message, PacketNote};

use crate::captures::{Both, Ends};
use crate::lab::{Collector, RULES, command, folder};
use crate::speaker::{BEGIN, SECOND, Speaker, Waiting, note, status, who};

const LAB: [u8; 4] = [10, 0, 0, 1];
const WEST: [u8; 4] = [10, 0, 0, 2];

fn received(number: u32, delay: i64) -> Message {
    Message::Packet(PacketNote {
        time: note(number).time + delay,
        direction: Direction::Received,
        hops_left: 60,
        ..note(number)
    })
}

/// Two agents that have sent and received a hundred packets but 3, of which 2 twice.
fn talk(lab: &mut Speaker, west: &mut Speaker) {
    lab.say([status(BEGIN, 0, 0)]);
    west.say([status(BEGIN, 0, 0)]);
    for number in 0..100 {
        lab.say([Message::Packet(note(number))]);
        if ![10, 20, 30].contains(&number) {
            west.say([received(number, 1_000_000)]);
        }
        if [40, 50].contains(&number) {
            west.say([received(number, 1_500_000)]);
        }
    }
    west.say([Message::Packet(PacketNote {
        direction: Direction::Received,
        ports: Some((4000, 3000)),
        ..note(777)
    })]);
}

#[test]
fn flows_are_told_by_second_and_at_the_end() {
    let (lab, west) = (Waiting::new("lab"), Waiting::new("west"));
    let config = format!("{RULES}{}{}", lab.line(), west.line());
    let args = ["--flows", "--window", "1", "--metrics", "127.0.0.1:0"];
    let mut collector = Collector::start(&config, &args);
    let told = collector.told("metrics at http://");
    let mut lab = lab.known(&who(1, "src", LAB));
    let mut west = west.known(&who(1, "dst", WEST));
    talk(&mut lab, &mut west);
    for second in 1..10 {
        lab.say([status(BEGIN + second * SECOND, 100, 0)]);
        west.say([status(BEGIN + second * SECOND, 100, 0)]);
    }
    let words =
        |line: String| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    assert_eq!(words(collector.line())[..3], ["SECOND", "FROM", "TO"]);
    let expected = [
        "1700000000",
        "lab",
        "west",
        "udp",
        "10.0.0.1:4000",
        "10.0.0.2:2000",
        "7",
        "100",
        "97",
        "3",
        "0",
        "2",
        "1.000",
        "1.000",
        "1.000",
    ];
    assert_eq!(words(collector.line()), expected);
    let labels = "sender=\"lab\",receiver=\"west\",source=\"10.0.0.1:4000\",\
                  destination=\"10.0.0.2:2000\",protocol=\"17\",flow=\"7\"";
    let page = collector.metrics(
        &told,
        &[
            &format!("recollect_flow_packets_total{{{labels},fate=\"lost\"}} 3\n"),
            &format!("recollect_flow_packets_total{{{labels},fate=\"duplicated\"}} 2\n"),
            &format!("recollect_flow_delay_seconds{{{labels},which=\"most\"}} 0.001\n"),
            "recollect_unjoined_records_total{agent=\"west\",reason=\"unsent\"} 1\n",
            "recollect_flows 1\n",
        ],
    );
    // All of them are documented.
    let document = include_str!("../../../../docs/recollect.md");
    let names = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for name in names.filter_map(|rest| rest.split(' ').next()) {
        assert!(document.contains(&format!("| `{name}` |")), "{name}");
    }
    assert_eq!(collector.interrupt(), Some(0));
    assert_eq!(words(collector.line())[..2], ["FROM", "TO"]);
    let all = [&expected[1..12], &["1.000"; 5]].concat();
    assert_eq!(words(collector.line()), all);
    assert!(collector.lines.recv().is_err());
}

#[test]
fn what_comes_at_the_end_is_told() {
    let (lab, west) = (Waiting::new("lab"), Waiting::new("west"));
    let config = format!("{}{}", lab.line(), west.line());
    let mut collector = Collector::start(&config, &["--flows", "--json"]);
    let mut lab = lab.known(&who(1, "src", LAB));
    let mut west = west.known(&who(1, "dst", WEST));
    talk(&mut lab, &mut west);
    // What has not arrived may be on its way.
    let next = |collector: &Collector| {
        serde_json::from_str::<serde_json::Value>(&collector.line()).unwrap()
    };
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(collector.interrupt(), Some(0));
    let second = next(&collector);
    assert_eq!(
        (&second["kind"], &second["sent"]),
        (&"flow".into(), &97.into())
    );
    assert_eq!(second["delay_ns"]["mean"], 1_000_000);
    let all = next(&collector);
    assert_eq!(
        (&all["kind"], &all["lost"]),
        (&"flow_total".into(), &0.into())
    );
    assert_eq!(all["unknown"], 3);
    assert_eq!(all["delay_ns"]["median"], 1_000_000);
}

#[test]
fn flows_need_two_agents_that_tell() {
    let folder = folder("lab:127.0.0.1:7075 extended\nwest:127.0.0.1:7073\n");
    for flag in [&["--flows"][..], &["--window", "2"]] {
        let done = command(folder.path(), flag).output().unwrap();
        let told = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1));
        assert!(told.contains("put `extended` behind"), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn agents_that_record_one_side_are_told_of() {
    let (lab, west) = (Waiting::new("lab"), Waiting::new("west"));
    let config = format!("{}{}", lab.line(), west.line());
    let mut collector = Collector::start(&config, &["--flows"]);
    let _lab = lab.known(&who(1, "src", LAB));
    let _west = west.known(&who(1, "src", WEST));
    let told = collector.told("no flows");
    assert!(told.contains("`-m none`"), "{told}");
    assert_eq!(collector.interrupt(), Some(0));
}

/// What is received by an agent is not in lines and sums, and in flows it is.
#[test]
fn packets_may_count_where_they_are_sent() {
    let (lab, west) = (Waiting::new("lab"), Waiting::new("west"));
    let config = format!("{RULES}{}{}", lab.line(), west.line());
    let args = ["--sent-only", "--metrics", "127.0.0.1:0"];
    let mut collector = Collector::start(&config, &args);
    let told = collector.told("metrics at http://");
    let mut lab = lab.known(&who(1, "none", LAB));
    let mut west = west.known(&who(1, "none", WEST));
    west.say([received(0, 1_000_000)]);
    lab.say([Message::Packet(note(0))]);
    let unknown = PacketNote {
        direction: Direction::Unknown,
        ..note(1)
    };
    west.say([received(2, 1_000_000), Message::Packet(unknown)]);
    let lines = [collector.line(), collector.line()].map(|line| {
        let agent = line.split(':').nth(1).map(str::to_owned);
        agent.unwrap()
    });
    assert!(lines.contains(&"lab".to_owned()) && lines.contains(&"west".to_owned()));
    collector.metrics(
        &told,
        &[
            "recollect_records_received_total{agent=\"west\"} 3\n",
            "recollect_bits_total{agent=\"west\",type=\"1\",name=\"Video\",level=\"0\"} 800\n",
            "fate=\"received\"} 1\n",
        ],
    );
    assert_eq!(collector.interrupt(), Some(0));
    assert!(collector.lines.recv().is_err());
}

/// Two real agents read what was captured at both ends.
#[test]
fn real_agents_are_joined() {
    let both = Both::new(&captured());
    let mut collector = Collector::start(&both.config(), &["--flows", "--json"]);
    for _ in 0..2 {
        collector.told("the agent has ended");
    }
    assert_eq!(collector.interrupt(), Some(0));
    let mut found = Vec::new();
    while let Ok(line) = collector.lines.recv() {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        if line["kind"] == "flow_total" {
            let count = |name: &str| line[name].as_u64().unwrap();
            let delay = |name: &str| line["delay_ns"][name].as_i64();
            found.push((
                (
                    line["sender"].as_str().unwrap().to_owned(),
                    line["destination_port"].as_u64(),
                    line["flow_id"].as_u64(),
                ),
                [
                    count("received"),
                    count("lost"),
                    count("unknown"),
                    count("duplicated"),
                ],
                ["least", "most", "last"].map(delay),
                ["median", "p99"].map(delay),
            ));
        }
    }
    found.sort();
    let exact = |delays: [i64; 3]| delays.map(|micros| Some(1000 * micros));
    let of = |sender: &str, port, flow| (sender.to_owned(), port, flow);
    let expected = [
        (
            of("a", None, None),
            [10, 0, 0, 0],
            exact([3000, 3000, 3000]),
            Some([3000, 3000]),
        ),
        (
            of("a", Some(5000), Some(7)),
            [270, 30, 0, 6],
            exact([2000, 6000, 6000]),
            Some([4000, 6000]),
        ),
        (of("a", Some(7000), None), [0, 50, 0, 0], [None; 3], None),
        (
            of("a", Some(8000), None),
            [37, 3, 0, 0],
            exact([1000, 1000, 1000]),
            Some([1000, 1000]),
        ),
        (
            of("b", Some(6000), None),
            [200, 0, 0, 0],
            exact([-500, -500, -500]),
            Some([-500, -500]),
        ),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, (flow, counts, exact, estimated)) in found.into_iter().zip(expected) {
        assert_eq!((&found.0, found.1, found.2), (&flow, counts, exact));
        match estimated {
            None => assert_eq!(found.3, [None; 2]),
            Some(expected) => {
                for (found, micros) in found.3.into_iter().zip(expected) {
                    let (found, expected) = (found.unwrap(), 1000 * micros);
                    assert!(
                        (found - expected).abs() * 50 <= expected.abs(),
                        "{found} {expected}"
                    );
                }
            }
        }
    }
}

/// What happens between the two, in microseconds.
fn captured() -> Ends {
    let mut ends = Ends::default();
    for number in 0..300 {
        let (time, delay) = (10_000 * number, 2000 + 1000 * (number % 5));
        let arrivals = match number {
            _ if number % 10 == 3 => vec![],
            _ if number % 50 == 7 => vec![delay, delay + 1000],
            _ => vec![delay],
        };
        ends.mgen(number, time, &arrivals);
    }
    for number in 0..50 {
        ends.udp(7000, number, 100_000 + 20_000 * number, &[]);
    }
    for number in 0..20 {
        let is_cut = number % 8 == 2;
        ends.fragments(8000, number, 50_000 + 100_000 * number, 1000, is_cut);
    }
    for number in 0..10 {
        ends.ping(number, 70_000 + 100_000 * number, 3000);
    }
    for number in 0..200 {
        ends.back(6000, number, 1000 + 20_000 * number, -500);
    }
    // From somebody who is not watched.
    (0..5).for_each(|number| ends.stranger(number, 500_000 + number));
    ends
}
