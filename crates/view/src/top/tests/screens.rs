//! What is on the screen.

use netcap_agent::collect::{Delay, FlowView, Losses};
use netcap_agent::is_plain;
use ratatui::style::Color;
use unicode_width::UnicodeWidthStr;

use super::*;
use crate::top::scene::FlowRow;

#[test]
fn sixty_four_hosts_can_be_read() {
    let mut lab = Lab::busy();
    let wide = lab.text(120, 40);
    for expected in [
        "22:13:49 UTC",
        "63 of 64 connected",
        "down: n7",
        "records/s",
        "▶Agents by label 1–35 of 64",
        "─Aggregate ",
        "─Video ",
        "─Telemetry ",
        "─Unknown ",
        "down: conne",
        "· most n64 5.52 kbit/s",
        "? help",
    ] {
        assert!(wide.contains(expected), "{expected}\n{wide}");
    }
    // A bar for each host, and none is left out.
    assert!(!wide.contains("of 64 hosts"), "{wide}");
    let small = lab.text(80, 24);
    assert!(small.contains("types 1–3 of 8"), "{small}");
    assert!(small.contains("─Aggregate "), "{small}");
    let narrow = lab.text(66, 24);
    assert!(narrow.contains("60 of 64 hosts"), "{narrow}");
}

#[test]
fn a_type_alone_has_all_hosts() {
    let mut lab = Lab::busy();
    lab.press(KeyCode::Tab);
    lab.press(KeyCode::Enter);
    lab.type_in("s");
    let text = lab.text(120, 40);
    for expected in [
        "▶Aggregate 192 kbit/s",
        "█ level 0: 172 kbit/s",
        "▒ level 1: 20.5 kbit/s",
        "in all 3,840 records, 5.76 Mbit",
        "Hosts by rate, last 1 s 1–",
        "n64  5.52 kbit/s ████",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    lab.press(KeyCode::End);
    let text = lab.text(120, 40);
    assert!(text.contains("n1     480 bit/s █▒"), "{text}");
}

#[test]
fn any_size_is_drawn() {
    let mut lab = Lab::busy();
    lab.scene.messages = vec!["x".repeat(300)];
    for keys in ["", "\t", "\t\n", "?", "m"] {
        lab.state = State::default();
        for key in keys.chars() {
            match key {
                '\t' => lab.press(KeyCode::Tab),
                '\n' => lab.press(KeyCode::Enter),
                key => lab.press(KeyCode::Char(key)),
            };
        }
        for (width, height) in [(1, 1), (2, 50), (250, 1), (7, 3), (40, 2), (300, 100)] {
            lab.draw(width, height);
        }
        for width in (1..130).step_by(9) {
            lab.draw(width, 3 + width / 4);
        }
    }
}

#[test]
fn a_tiny_screen_has_one_part() {
    let mut lab = Lab::busy();
    let text = lab.text(40, 10);
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].contains("63 of 64 connected  192 kbit/s"), "{text}");
    assert!(rows[1].starts_with("▶Agents by label 1–6 of 64"), "{text}");
    assert!(rows[3].starts_with("n1"), "{text}");
    assert!(rows[9].starts_with("q quit  ? help"), "{text}");
    lab.press(KeyCode::Tab);
    let text = lab.text(40, 10);
    assert!(
        text.contains("▶Aggregate ") && text.contains("\nn1 "),
        "{text}"
    );
}

#[test]
fn names_do_nothing_to_the_terminal() {
    let hostile = "\u{1b}[2J\u{7}\u{202e}\r\nx";
    let labels = [
        hostile,
        "東京東京東京東京東京東京",
        "e\u{301}e\u{301}",
        "\u{200b}",
    ];
    let mut lab = Lab::new(&labels, "1=5000\n[漢字漢字]\n");
    for agent in 0..labels.len() {
        let why = hostile.repeat(100);
        lab.news(agent, &News::Lost { why, partial: 1 });
        lab.packet(agent, NOW, 5000, 1000, 0);
    }
    lab.look(NOW + 1);
    let messages = crate::top::Messages::default();
    messages.tell(hostile);
    lab.scene.messages = messages.latest();
    for keys in ["", "m"] {
        lab.type_in(keys);
        for (width, height) in [(120, 40), (80, 24), (40, 10), (21, 5)] {
            let buffer = lab.draw(width, height);
            let text = text(&buffer);
            let is_odd = |c: char| c != '\n' && !is_plain(c);
            assert!(!text.contains(is_odd), "{text}");
            for line in text.lines() {
                assert!(line.width() <= width.into(), "{text}");
            }
        }
    }
    lab.type_in("m");
    // What is behind wide letters is where it is behind others.
    let text = lab.text(120, 40);
    let row = |label: &str| {
        text.lines()
            .find(|line| line.starts_with(label))
            .unwrap_or_default()
    };
    let before = |row: &str| row.split("lost:").next().unwrap_or_default().width();
    assert_eq!(before(row("東京")), before(row("e\u{301}")), "{text}");
    let text = lab.text(120, 40);
    assert!(text.contains("�[2J"), "{text}");
}

#[test]
fn without_colours_everything_is_told() {
    let mut lab = Lab::busy();
    lab.type_in("s");
    lab.press(KeyCode::Tab);
    for is_full in [false, true] {
        lab.state.is_full = is_full;
        lab.depth = Depth::None;
        let plain = lab.draw(120, 40);
        let mut cells = plain.content().iter();
        assert!(cells.all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
        for depth in [Depth::Sixteen, Depth::Palette, Depth::True] {
            lab.depth = depth;
            let colored = lab.draw(120, 40);
            // Only bars differ.
            let words = |buffer| text(buffer).replace(|c| ('▁'..='▓').contains(&c), " ");
            assert_eq!(words(&colored), words(&plain));
            assert!(colored.content().iter().any(|cell| cell.fg != Color::Reset));
        }
    }
    lab.depth = Depth::None;
    assert!(lab.text(120, 40).contains("█▒"), "{}", lab.text(120, 40));
}

#[test]
fn what_looks_the_same_is_the_same() {
    let mut lab = Lab::busy();
    let before = lab.scene.clone();
    lab.look(NOW + 30);
    assert_eq!(lab.scene, before);
    // A second without records is a bar less.
    lab.look(NOW + 31);
    assert_ne!(lab.scene, before);
}

#[test]
fn clocks_and_losses_are_told() {
    let mut lab = Lab::new(&["east", "west", "north"], "");
    lab.packet(0, NOW, 9, 100, 0);
    let record = Record {
        seconds: NOW as u32,
        ..Record::decode(&[0; 28])
    };
    lab.record(1, at(NOW - 2), &record);
    lab.record(2, at(NOW + 90), &record);
    let losses = Losses {
        dropped: 1200,
        missing: 34,
    };
    lab.overview.lost(0, losses);
    lab.look(NOW + 1);
    let text = lab.text(80, 24);
    for expected in ["0 ms 1,234", "2.0 s ahead     –", "90 s late     –"] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let text = lab.text(160, 10);
    let text = text + &lab.text(160, 40);
    for expected in [
        "clock 2.0 s ahead of ours",
        "90 s late, or clock behind",
        "1,200 packets dropped there; 34 records missing",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn flows_are_shown_where_there_are_any() {
    let mut lab = Lab::busy();
    let flow = |sender| FlowView {
        sender,
        receiver: 1,
        source: "10.0.0.1:5000".parse().expect("an address"),
        destination: "[2001:db8::2]:5001".parse().expect("an address"),
        protocol: 17,
        flow_id: Some(7),
        sent: 1000,
        received: 980,
        settled: 975,
        lost: 25,
        unknown: 4321,
        duplicated: 3,
        is_uncut: false,
        delay: Some(Delay {
            least: 1_000_000,
            median: 12_300_000,
            p99: 45_000_000,
            most: -2_000_000_000,
            last: 0,
        }),
    };
    let flows: Vec<FlowView> = [0, 2, usize::MAX].map(flow).into();
    let rows = flows
        .iter()
        .map(|flow| FlowRow::of(flow, &lab.scene.agents));
    lab.scene.flows = rows.collect();
    lab.scene.flows_in_all = 600;
    lab.scene.flows_crowded_out = 1500;
    for size in [(120, 40), (80, 30)] {
        let text = lab.text(size.0, size.1);
        for expected in ["─Flows ", "n1   n2", "2.5 %", "12 ms"] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
    }
    lab.press(KeyCode::BackTab);
    lab.press(KeyCode::Enter);
    let text = lab.text(140, 20);
    for expected in [
        "▶Flows ",
        "600 in all",
        "1,500 let go: no room",
        "UDP 10.0.0.1:5000 → [2001:db8::2]:5001, MGEN 7",
        "−2.0 s",
        "4,321",
        "45 ms",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn the_past_follows_the_records() {
    let mut lab = Lab::new(&["east"], "");
    for second in [0, 1, 5] {
        lab.packet(0, NOW + second, 9, 125, 0);
    }
    lab.look(NOW + 6);
    let past = |lab: &Lab| -> Vec<f64> {
        let history = lab.scene.types[0].history.iter();
        history.map(|level| level.direct).collect()
    };
    assert_eq!(past(&lab), [1000.0, 1000.0, 0.0, 0.0, 0.0, 1000.0]);
    // A late one.
    lab.packet(0, NOW + 1, 9, 125, 0);
    lab.look(NOW + 7);
    assert_eq!(past(&lab), [1000.0, 2000.0, 0.0, 0.0, 0.0, 1000.0, 0.0]);
    lab.type_in("i");
    lab.look(NOW + 8);
    assert_eq!(past(&lab), [1500.0, 0.0, 500.0, 0.0]);
    // Reports of the host are of another type.
    let report = Record {
        seconds: (NOW + 7) as u32,
        source: 1.into(),
        destination: 1.into(),
        source_port: 1,
        destination_port: 1,
        length: 17,
        flow_id: 0xffff_ffff,
        protocol: 61,
        ..Record::decode(&[0; 28])
    };
    lab.record(0, at(NOW + 7), &report);
    lab.look(NOW + 8);
    assert_eq!(past(&lab), [1500.0, 0.0, 500.0, 0.0]);
    let text = lab.text(80, 24);
    assert!(text.contains("─Processor 17 %"), "{text}");
}
