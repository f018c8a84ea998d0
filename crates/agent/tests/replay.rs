//! Logs of agents, put in order of time.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use netcap_agent::collect::{Log, News, Playback, Receiver, Seek, Speed, replay};
use netcap_agent::extended::Message;
use netcap_agent::{LENGTH, Record};
use proptest::prelude::*;

/// Keeps who has given which time.
#[derive(Default)]
struct Kept(Mutex<Vec<(usize, i64)>>);

impl Receiver for Kept {
    fn received(&self, agent: usize, records: &[Record], octets: usize) -> bool {
        assert_eq!(octets, records.len() * LENGTH);
        let mut kept = self.0.lock().expect("kept");
        kept.extend(records.iter().map(|record| (agent, record.time())));
        true
    }

    fn heard(&self, _: usize, _: &[Message], _: usize) -> bool {
        false
    }

    fn news(&self, _: usize, _: &News) {}
}

fn log(folder: &Path, number: usize, times: &[i64]) -> (usize, Log) {
    let path = folder.join(format!("{number}.log"));
    let line = |time: &i64| {
        let (seconds, micros) = (time / 1_000_000, time % 1_000_000);
        format!("{seconds}.{micros:06}:10.0.0.1:1:10.0.0.2:2:100:0:17\n")
    };
    std::fs::write(&path, times.iter().map(line).collect::<String>()).expect("written");
    let label = number.to_string();
    (number, Log { label, path })
}

fn played(logs: &[(usize, Log)], seek: Seek) -> Vec<(usize, i64)> {
    let kept = Kept::default();
    let playback = Playback {
        speed: Speed::Most,
        seek,
        max_gap: Duration::MAX,
        has_old_times: true,
    };
    replay(logs, &playback, &kept, &AtomicBool::new(false)).expect("logs");
    kept.0.into_inner().expect("kept")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Of logs in order of time; the sort is stable, as the merge is.
    #[test]
    fn a_merge_is_a_sort(logs in prop::collection::vec(prop::collection::vec(0_i64..5_000_000, 0..40), 1..5)) {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut files, mut expected) = (Vec::new(), Vec::new());
        for (number, mut times) in logs.into_iter().enumerate() {
            times.sort_unstable();
            files.push(log(folder.path(), number, &times));
            expected.extend(times.into_iter().map(|time| (number, time)));
        }
        expected.sort_by_key(|(_, time)| *time);
        prop_assert_eq!(played(&files, Seek::By(Duration::ZERO)), expected);
    }
}

#[test]
fn it_begins_where_asked_and_keeps_the_order_of_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let logs = [
        log(
            folder.path(),
            0,
            &[1_000_000, 9_000_000, 3_000_000, 4_000_000],
        ),
        log(folder.path(), 1, &[2_000_000, 9_500_000]),
    ];
    let expected = [
        (0, 9_000_000),
        (0, 3_000_000),
        (0, 4_000_000),
        (1, 9_500_000),
    ];
    let all = played(&logs, Seek::To(0));
    assert_eq!(all[..2], [(0, 1_000_000), (1, 2_000_000)]);
    assert_eq!(all[2..], expected);
    assert_eq!(played(&logs, Seek::To(2_500_000)), expected);
    assert_eq!(
        played(&logs, Seek::By(Duration::from_secs(8))),
        [expected[0], expected[3]]
    );
    assert_eq!(played(&logs, Seek::To(i64::MAX)), []);
}
