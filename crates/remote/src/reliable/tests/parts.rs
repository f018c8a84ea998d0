//! Messages, the list of sensors, and the queue, each by itself.

use netcap_store::Gzip;
use proptest::prelude::*;

use super::super::entry::Entry;
use super::super::queue::{Next, Queue};
use super::super::wire::{Malformed, Message, split};
use super::*;

fn texts(most: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..=most)
}

fn pairs() -> impl Strategy<Value = Vec<(u16, u64)>> {
    proptest::collection::vec(any::<(u16, u64)>(), 0..64)
}

/// Encodes, decodes from all octets and others behind, and from every part of them.
fn round_trip(message: &Message<'_>) {
    let mut out = Vec::new();
    message.put(&mut out);
    let length = out.len();
    for end in 0..length {
        assert_eq!(split(&out[..end]), Ok(None), "{end} of {length}");
    }
    out.extend_from_slice(b"more");
    assert_eq!(split(&out), Ok(Some((message.clone(), length))));
}

proptest! {
    #[test]
    fn hello(
        (stream, version, flags) in any::<([u8; 16], u8, u8)>(),
        source in texts(1024),
        program in texts(64),
    ) {
        round_trip(&Message::Hello { version, stream, flags, source: &source, program: &program });
    }

    #[test]
    fn lists(pairs in pairs()) {
        round_trip(&Message::Welcome(pairs.clone()));
        round_trip(&Message::Status(pairs));
    }

    #[test]
    fn batches(number: u16, first: u64, count: u32, flags: u8, member in texts(300)) {
        round_trip(&Message::Batch { number, first, count, flags, member: &member });
    }

    #[test]
    fn others(number: u16, first: u64, count: u64, is_complete: bool, reason in texts(256)) {
        round_trip(&Message::Lost { number, first, count });
        round_trip(&Message::End { is_complete });
        round_trip(&Message::Ack(count));
        round_trip(&Message::Refused(&reason));
    }

    #[test]
    fn any_octets_are_a_message_or_none(octets in texts(400), kind in 0u8..10) {
        let _ = split(&octets);
        let mut whole = (octets.len() as u32 + 1).to_be_bytes().to_vec();
        whole.push(kind);
        whole.extend_from_slice(&octets);
        if let Ok(Some((message, length))) = split(&whole) {
            prop_assert_eq!(length, whole.len());
            let mut again = Vec::new();
            message.put(&mut again);
            prop_assert_eq!(again, whole);
        }
    }
}

#[test]
fn lengths_and_kinds_are_looked_at_first() {
    assert_eq!(split(&[0, 0, 0, 0]), Err(Malformed::Empty));
    assert_eq!(split(&[0, 0x20, 0, 1]), Err(Malformed::Long));
    assert_eq!(split(&[0, 0x20, 0, 0]), Ok(None));
    assert_eq!(split(&[0, 0x20, 0, 0, 0]), Err(Malformed::Kind(0)));
    assert_eq!(split(&[0, 0, 0, 1, 7]), Err(Malformed::Form(7)));
}

#[test]
fn the_list_of_sensors() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sensors");
    let pins: Vec<Pin> = (0..3u8)
        .map(|n| format!("{n:02x}").repeat(32).parse().expect("a pin"))
        .collect();
    let enrolment = Enrolment::open(&path).expect("none yet");
    assert_eq!(enrolment.name_of(&pins[0]), None);
    enrolment.add("alice", pins[0]).expect("added");
    enrolment.add("alice", pins[1]).expect("a second key");
    enrolment.add("alice", pins[1]).expect("nothing new");
    assert!(enrolment.add("bob", pins[1]).is_err(), "of another");
    for name in ["", "a b", "a\n", "a#", "\u{7f}", &"x".repeat(65)] {
        assert!(enrolment.add(name, pins[2]).is_err(), "{name:?}");
    }
    assert_eq!(enrolment.keys(), 2);
    // A person edits it.
    let text = std::fs::read_to_string(&path).expect("a file");
    let edited = format!("# ours\n\n{text}Müller {} # new", pins[2]);
    std::fs::write(&path, &edited).expect("written");
    assert_eq!(enrolment.name_of(&pins[2]).as_deref(), Some("Müller"));
    assert!(enrolment.remove(&pins[2]).expect("removed"));
    assert!(!enrolment.remove(&pins[2]).expect("not there"));
    assert_eq!(
        std::fs::read_to_string(&path).expect("a file"),
        format!("# ours\n\n{text}")
    );
    enrolment.add("bob", pins[2]).expect("added");
    // Mistakes change nothing, and are told.
    for wrong in ["alice", "alice x", "alice sha256/= more", "a \u{1}b"] {
        std::fs::write(&path, format!("# ours\n{wrong}\n")).expect("written");
        assert_eq!(enrolment.name_of(&pins[0]).as_deref(), Some("alice"));
        let trouble = enrolment.trouble().expect("told");
        assert!(trouble.contains("line 2"), "{trouble}");
        assert!(Enrolment::open(&path).is_err());
        assert!(enrolment.add("carol", pins[2]).is_err(), "not overwritten");
    }
    std::fs::write(&path, format!("carol {}\n", pins[0])).expect("written");
    assert_eq!(enrolment.name_of(&pins[0]).as_deref(), Some("carol"));
    assert_eq!(enrolment.trouble(), None);
}

pub(super) fn entry(number: u16, numbers: std::ops::Range<u64>) -> Entry {
    let batch = batch(schema("TCP"), numbers);
    Entry {
        number,
        first: batch.first,
        count: batch.count,
        payloads: false,
        member: Gzip::default().member(&batch.frames).into(),
        since: Instant::now(),
        was_sent: false,
        is_earlier: false,
        segment: None,
    }
}

/// How many records that acknowledges.
pub(super) fn acknowledge(queue: &mut Queue, messages: u64) -> Option<u64> {
    let mut counts = SenderCounts::default();
    queue.acknowledge(messages, &mut counts)?;
    Some(counts.acknowledged)
}

/// What is sent, as type, first number, number of records, and whether they are there.
fn sent(queue: &mut Queue) -> Vec<(u16, u64, u64, bool)> {
    let mut counts = SenderCounts::default();
    let mut sent = Vec::new();
    while let Some(next) = queue.next(&mut counts).or_else(|| queue.trailing()) {
        sent.push(match next {
            Next::Batch(entry) => (entry.number, entry.first, u64::from(entry.count), true),
            Next::Lost {
                number,
                first,
                count,
            } => (number, first, count, false),
        });
    }
    sent
}

#[test]
fn the_queue_keeps_what_is_not_acknowledged() {
    let mut queue = Queue::new(1 << 20, None);
    queue.begin(&[]);
    assert!(queue.push(entry(1, 0..5)).is_ok());
    assert!(queue.push(entry(2, 0..5)).is_ok());
    queue.give(1, 7);
    queue.give(1, 10);
    assert!(queue.push(entry(1, 10..15)).is_ok());
    queue.give(2, 8);
    let all = [
        (1, 0, 5, true),
        (2, 0, 5, true),
        (1, 5, 5, false),
        (1, 10, 5, true),
        (2, 5, 3, false),
    ];
    assert_eq!(sent(&mut queue), all);
    assert_eq!(queue.records(), 15);
    assert_eq!(acknowledge(&mut queue, 1), Some(5));
    assert_eq!(acknowledge(&mut queue, 1), Some(0));
    assert_eq!(acknowledge(&mut queue, 3), Some(5));
    assert!(!queue.is_acknowledged());
    // The connection is lost; the server has less than it has acknowledged, as somebody has moved its
    // files away.
    queue.begin(&[(1, 0), (2, 5)]);
    assert_eq!(
        sent(&mut queue),
        [(1, 0, 10, false), (1, 10, 5, true), (2, 5, 3, false)]
    );
    // It has more than it could say, up to the middle of a batch.
    queue.begin(&[(1, 12), (2, 8)]);
    assert_eq!(sent(&mut queue), [(1, 12, 3, true)]);
    assert_eq!(queue.records(), 3);
    queue.begin(&[(1, 15), (2, 8)]);
    assert_eq!(sent(&mut queue), []);
    assert!(queue.is_empty() && queue.octets() == 0);
    assert_eq!(acknowledge(&mut queue, 1), None);
}

#[test]
fn what_was_never_sent_is_not_acknowledged() {
    let mut queue = Queue::new(1 << 20, None);
    queue.begin(&[]);
    for part in 0..3 {
        assert!(queue.push(entry(1, part * 5..part * 5 + 5)).is_ok());
    }
    let mut counts = SenderCounts::default();
    assert!(queue.next(&mut counts).is_some() && queue.next(&mut counts).is_some());
    assert_eq!(acknowledge(&mut queue, 3), None, "the third was not sent");
    assert_eq!(queue.records(), 15, "nothing is dropped");
    assert_eq!(acknowledge(&mut queue, u64::MAX), None);
    assert_eq!(acknowledge(&mut queue, 2), Some(10));
}

#[test]
fn records_of_a_type_that_the_server_does_not_know_block_nothing() {
    let mut queue = Queue::new(1 << 20, None);
    queue.begin(&[(2, 0)]);
    assert!(queue.push(entry(1, 0..5)).is_ok());
    queue.give(1, 7);
    assert!(queue.push(entry(2, 0..5)).is_ok());
    assert_eq!(sent(&mut queue), [(2, 0, 5, true)]);
    assert_eq!(queue.unknown.iter().copied().collect::<Vec<_>>(), [1]);
    assert_eq!(acknowledge(&mut queue, 1), Some(5));
    assert!(queue.is_empty());
}

#[test]
fn what_a_peer_says_is_shown_as_it_is_unless_it_does_not_print() {
    let shown = super::super::shown;
    assert_eq!(shown(b"this sensor's \"key\""), "this sensor's \"key\"");
    assert_eq!(
        shown("\x1b[2J\u{202e}\n".as_bytes()),
        "\\u{1b}[2J\\u{202e}\\n"
    );
}
