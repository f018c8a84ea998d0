//! Logs that are replayed.

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, SystemTime};

use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

use crate::lab::{Collector, RULES, folder, run};

const PROCESSOR: &str = "1700000001.500000:1.0.0.0:1:1.0.0.0:1:17:4294967295:61\n";

fn packet(time: &str, port: u16) -> String {
    format!("{time}:10.0.0.1:4000:10.0.0.2:{port}:100:0:17\n")
}

/// Three logs; one of them in gzip.
fn logs() -> TempDir {
    let folder = folder(RULES);
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("logs/TN-01")).unwrap();
    fs::create_dir_all(path("logs/TN-02")).unwrap();
    let first = packet("1700000000.000001", 2000) + PROCESSOR + &packet("1700000003.000000", 2020);
    fs::write(path("logs/TN-01/runtime.log"), first).unwrap();
    let gzip = File::create(path("logs/TN-02/runtime.log.gz")).unwrap();
    let mut gzip = GzEncoder::new(gzip, Compression::fast());
    gzip.write_all(packet("1700000001.000000", 9).as_bytes())
        .unwrap();
    gzip.finish().unwrap();
    fs::write(path("logs/lab.log"), packet("1700000002.000000", 2000)).unwrap();
    folder
}

#[test]
fn lines_come_in_order_of_time() {
    let folder = logs();
    let args = ["--replay", "logs", "--speed", "max", "--original-time"];
    let (code, output, errors) = run(folder.path(), &args);
    let expected = "1700000000.000001:1:1:800:0\n1700000001.000000:2:X:800:0\n\
                    1700000002.000000:lab:1:800:0\n1700000003.000000:1:3:800:0\n";
    assert_eq!((code, output.as_str()), (0, expected), "{errors}");
    let all = [
        &args[..],
        &["--statistics", "--seek", "2023-11-14T22:13:21.2Z"],
    ]
    .concat();
    let (_, output, _) = run(folder.path(), &all);
    let expected = "1700000001.500000:1:C:17:0\n1700000002.000000:lab:1:800:0\n\
                    1700000003.000000:1:3:800:0\n";
    assert_eq!(output, expected);
    let one = [
        "--replay",
        "logs/lab.log",
        "--replay",
        "logs/TN-01/runtime.log",
    ];
    let (_, output, _) = run(
        folder.path(),
        &[&one[..], &args[2..], &["--seek", "+1s"]].concat(),
    );
    assert_eq!(output, expected.replace("1700000001.500000:1:C:17:0\n", ""));
}

#[test]
fn times_are_those_of_now() {
    let folder = logs();
    let before = SystemTime::now();
    let args = ["--replay", "logs", "--speed", "100", "--json"];
    let (code, output, errors) = run(folder.path(), &args);
    assert_eq!(code, 0, "{errors}");
    let now = |time: SystemTime| {
        let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        time.as_micros() as u64
    };
    let mut last = now(before);
    for line in output.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let time = line["time_us"].as_u64().unwrap();
        assert!(time >= last, "{output}");
        last = time;
    }
    assert!(last <= now(SystemTime::now()) && last >= now(before + Duration::from_millis(30)));
}

#[test]
fn what_is_no_record_is_told_with_its_place() {
    let folder = logs();
    let text = packet("1.000000", 1) + "nonsense\n" + &packet("2.000000", 2) + "\u{1b}[2J\n";
    fs::write(folder.path().join("bad.log"), text).unwrap();
    let args = ["--replay", "bad.log", "--speed", "max"];
    let (code, output, errors) = run(folder.path(), &args);
    assert_eq!((code, output.lines().count()), (3, 2));
    assert!(
        errors.ends_with("left out 2 lines that are not records: bad.log:2, bad.log:4\n"),
        "{errors}"
    );
}

#[test]
fn it_is_told_too_after_ctrl_c() {
    let folder = folder("");
    let late = packet("1700000000.000000", 2000);
    let text = "nonsense\n".to_owned() + &late + &late.replace("17000", "18000");
    let path = folder.path().join("bad.log");
    fs::write(&path, text).unwrap();
    let mut collector = Collector::start(RULES, &["--replay", path.to_str().unwrap()]);
    collector.line();
    assert_eq!(collector.interrupt(), Some(3));
    let line = collector.told("left out a line that is not a record");
    assert!(line.ends_with("bad.log:1"), "{line}");
}

#[test]
fn a_gap_can_be_left() {
    let late = packet("1700000000.000000", 2000) + &packet("1800000000.000000", 2000);
    let other = logs();
    let path = other.path().join("gap.log");
    fs::write(&path, late).unwrap();
    let path = path.to_str().unwrap();
    let mut collector = Collector::start(RULES, &["--replay", path]);
    collector.line();
    assert_eq!(collector.interrupt(), Some(0));
    let args = ["--replay", path, "--max-gap", "0.01", "--quiet"];
    let (code, output, _) = run(other.path(), &args);
    assert_eq!((code, output.lines().count()), (0, 2));
}
