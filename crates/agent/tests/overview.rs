//! What views see of agents and their records.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use netcap_agent::Record;
use netcap_agent::classify::{Finding, Kind};
use netcap_agent::collect::{News, Overview, SUMS_KEPT, Status};

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn record(seconds: u32) -> Record {
    Record {
        seconds,
        ..Record::decode(&[0; 28])
    }
}

fn finding(kind: Kind) -> Finding<'static> {
    Finding {
        kind,
        value: 80,
        is_secondary: false,
        is_repeated: false,
        rule: None,
    }
}

fn overview() -> Overview {
    Overview::new(
        ["a", "b"].map(|name| (name.to_owned(), name.to_owned())),
        SUMS_KEPT,
    )
}

#[test]
fn an_agent_comes_and_goes() {
    let overview = overview();
    let first = |overview: &Overview| overview.snapshot().agents.swap_remove(0);
    assert_eq!(first(&overview).status, Status::Connecting);
    let to = "192.0.2.7:7073".to_owned();
    overview.news(0, NOW, &News::Connected { to });
    assert_eq!(first(&overview).status, Status::Connected { since: NOW });
    let later = NOW + Duration::from_secs(10);
    let why = "gone".to_owned();
    overview.news(0, later, &News::Lost { why, partial: 5 });
    // The attempts after that do not change since when it is lost.
    let why = "refused".to_owned();
    let last = later + Duration::from_secs(1);
    overview.news(
        0,
        last,
        &News::Unreachable {
            why: why.clone(),
            is_known: false,
        },
    );
    let view = first(&overview);
    assert_eq!(view.status, Status::Lost { since: later, why });
    assert_eq!((view.connections, view.partial_octets), (1, 5));
    // One that there is not changes nothing.
    overview.news(2, NOW, &News::Ended);
}

#[test]
fn records_count_in_the_second_that_they_say() {
    let overview = overview();
    let now = NOW + Duration::from_secs(1_700_000_000);
    let records = [1_700_000_000, 1_699_999_000, 5, u32::MAX].map(record);
    let findings = [finding(Kind::Unknown)];
    let received = records.iter().map(|record| (record, &findings[..]));
    overview.received(1, now, 28 * 4 + 3, received);
    let snapshot = overview.snapshot();
    let view = &snapshot.agents[1];
    assert_eq!((view.records, view.octets, view.outside), (4, 115, 2));
    assert_eq!(
        view.lag,
        Some(1_000_000 * (1_700_000_000 - i64::from(u32::MAX)))
    );
    assert_eq!((view.totals[0].records, view.totals[0].value), (4, 320));
    assert_eq!((view.packets, view.bits), (4, 320));
    let sums = overview.sums(0, now);
    let seconds: Vec<i64> = sums.sums.iter().map(|sum| sum.second).collect();
    assert_eq!(seconds, [1_699_999_000, 1_700_000_000]);
    assert_eq!(overview.sums(sums.version, now).sums, []);
    overview.received(0, now, 28, [(&records[0], &findings[..])]);
    let more = overview.sums(sums.version, now);
    assert_eq!((more.sums.len(), more.sums[0].agent), (1, 0));
    assert_eq!(overview.clock(), Some(1_700_000_000));
}

/// A view that asks only for what has changed ends with what there is.
#[test]
fn views_miss_nothing() {
    let overview = Arc::new(overview());
    let now = NOW + Duration::from_secs(1_700_000_000);
    let writers: Vec<_> = (0..2)
        .map(|agent| {
            let overview = Arc::clone(&overview);
            thread::spawn(move || {
                for number in 0..5000_u32 {
                    let record = record(1_700_000_000 - number % 50);
                    let findings = [finding(Kind::Type((number % 3) as u16))];
                    overview.received(agent, now, 28, [(&record, &findings[..])]);
                }
            })
        })
        .collect();
    let (mut seen, mut version) = (BTreeMap::new(), 0);
    while version < 10_000 {
        overview.wait(version, Duration::from_secs(10));
        let sums = overview.sums(version, now);
        version = sums.version;
        for sum in sums.sums {
            seen.insert((sum.second, sum.agent, sum.kind), sum.value);
        }
    }
    writers
        .into_iter()
        .for_each(|writer| writer.join().expect("written"));
    assert_eq!(seen.values().sum::<u64>(), 80 * 10_000);
}
