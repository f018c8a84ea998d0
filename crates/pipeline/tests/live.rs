//! A made-up live source: silence, the clock, origins, limits and stops, without any network.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netcap_capture::{Batch, Error, LIVE_TICK, LinkType, Origin, Progress, Source, Timestamp};
use netcap_dissect::Selection;
use netcap_pipeline::{Config, FileConfig, Files, Report, Rotation, RunLimits, Watch, run};
use netcap_store::Reader;

/// What happens at the source.
#[derive(Clone, Copy)]
enum Step {
    /// A packet of the one flow, in that second.
    Packet(i64),
    /// It is that second, and nothing comes.
    Clock(i64),
    /// Nothing happens for longer than an account of the origins stands.
    Pause,
}

use Step::{Clock, Packet, Pause};

struct Script {
    steps: Vec<Step>,
    next: usize,
    /// Whether it is silent after the last step, and not at its end.
    goes_on: bool,
    stopped: bool,
    packets: u64,
    /// How often it was asked for its account.
    accounts: u64,
}

/// A UDP datagram in an Ethernet frame.
fn frame() -> Vec<u8> {
    let mut frame = b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0".to_vec();
    frame.extend(b"\x45\0\0\x20\0\0\0\0\x40\x11\0\0\x0a\0\0\x01\x0a\0\0\x02");
    frame.extend(b"\x11\x11\x22\x22\0\x0c\0\0ping");
    frame
}

impl Source for Script {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        batch.clear();
        while !batch.is_full()
            && let Some(step) = self.steps.get(self.next)
        {
            let at = |seconds| Timestamp { seconds, nanos: 0 };
            match *step {
                Packet(seconds) => {
                    let octets = frame();
                    batch.push(at(seconds), LinkType::ETHERNET, 0, 46, &octets);
                    self.packets += 1;
                }
                Pause => std::thread::sleep(Duration::from_millis(600)),
                Clock(_) if !batch.is_empty() => break,
                Clock(seconds) => {
                    batch.clock = Some(at(seconds));
                    self.next += 1;
                    break;
                }
            }
            self.next += 1;
        }
        let is_silent = batch.is_empty() && batch.clock.is_none();
        if is_silent && self.goes_on && !self.stopped {
            std::thread::sleep(LIVE_TICK);
        }
        Ok(!is_silent || (self.goes_on && !self.stopped))
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn name(&self) -> &str {
        "made-up"
    }

    fn is_live(&self) -> bool {
        true
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn origins(&mut self) -> Vec<Origin> {
        self.accounts += 1;
        vec![Origin {
            name: "made-up".to_owned(),
            packets: self.packets,
            lost: 7,
            events: vec![("accounts", self.accounts)],
            ..Origin::default()
        }]
    }
}

fn config() -> Config {
    Config {
        workers: 2,
        batch_packets: 3,
        ..Config::default()
    }
}

fn files(directory: &Path) -> FileConfig {
    FileConfig {
        compress: false,
        source: "made-up".to_owned(),
        version: "test".to_owned(),
        ..FileConfig::new(directory)
    }
}

/// Runs a script. `stop` is set when the last step has been taken, where the source goes on.
fn report(config: &Config, files: FileConfig, steps: &[Step], goes_on: bool) -> Report {
    outcome(config, files, steps, goes_on).0
}

/// The same, with the outlet.
fn outcome(config: &Config, files: FileConfig, steps: &[Step], goes_on: bool) -> (Report, Files) {
    let source = Script {
        steps: steps.to_vec(),
        next: 0,
        goes_on,
        stopped: false,
        packets: 0,
        accounts: 0,
    };
    let packets = steps.iter().filter(|step| matches!(step, Packet(_)));
    let packets = packets.count() as u64;
    let registry = netcap_pipeline::registry(&Selection::default()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut watched = 0;
    let mut files = Files::new(files, &registry).unwrap();
    let mut watch = |watch: Watch<'_>| {
        watched += 1;
        assert!(watch.is_live);
        if goes_on && watch.ledger.packets == packets && watched > 3 {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let source = Box::new(source);
    let report = run(source, &registry, config, &mut files, &stop, &mut watch);
    (report.unwrap(), files)
}

/// Records of a file.
fn records(file: &Path) -> u64 {
    let mut reader = Reader::open(file).unwrap();
    while reader.next_record().unwrap().is_some() {}
    reader.records()
}

#[test]
fn flows_end_while_the_source_is_silent() {
    for (steps, flows) in [
        (&[Packet(1), Packet(2)][..], 1),
        (&[Packet(1), Clock(31), Packet(2)], 1),
        // A packet from before the clock still opens another flow, as the first has ended.
        (&[Packet(1), Clock(32), Packet(2)], 2),
        (&[Packet(1), Clock(20), Clock(32), Clock(20), Packet(33)], 2),
    ] {
        for (workers, batch_packets) in [(1, 1), (3, 2), (2, 1000)] {
            let out = tempfile::tempdir().unwrap();
            let config = Config {
                workers,
                batch_packets,
                ..config()
            };
            let report = report(&config, files(out.path()), steps, false);
            assert!(report.ledger.balances() && !report.interrupted);
            assert_eq!(report.ledger.packets, 2);
            assert_eq!(records(&out.path().join("Flow.ncap")), flows);
        }
    }
}

#[test]
fn a_stop_ends_a_silent_source_at_once() {
    let out = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let report = report(
        &config(),
        files(out.path()),
        &[Packet(1), Packet(2), Clock(3)],
        true,
    );
    assert!(started.elapsed() < Duration::from_secs(3));
    assert!(report.interrupted && report.trouble.is_none());
    assert_eq!(records(&out.path().join("UDP.ncap")), 2);
    let origins = &report.ledger.origins;
    assert_eq!((origins.len(), origins[0].packets), (1, 2));
    assert_eq!(report.ledger.lost(), 7);
    assert!(report.ledger.balances(), "what is lost is no packet read");
}

#[test]
fn the_last_account_stands() {
    let out = tempfile::tempdir().unwrap();
    let config = Config {
        batch_packets: 8192,
        ..config()
    };
    // Batches that take long are still under way when the source tells its last account.
    let steps = [vec![Pause], vec![Packet(1); 8000]].concat();
    let report = report(&config, files(out.path()), &steps, false);
    assert_eq!(report.ledger.origins[0].events, [("accounts", 2)]);
}

#[test]
fn limits_end_the_run() {
    for packets in [0, 1, 4, 5, 9] {
        let out = tempfile::tempdir().unwrap();
        let limits = RunLimits {
            packets: Some(packets),
            time: None,
        };
        let config = Config { limits, ..config() };
        let report = report(&config, files(out.path()), &[Packet(1); 9], false);
        assert_eq!(report.ledger.packets, packets);
        assert!(report.ledger.balances() && !report.interrupted);
    }
    let out = tempfile::tempdir().unwrap();
    let limits = RunLimits {
        packets: None,
        time: Some(Duration::from_millis(300)),
    };
    let config = Config { limits, ..config() };
    let started = Instant::now();
    let source_goes_on = Script {
        steps: vec![Packet(1)],
        next: 0,
        goes_on: true,
        stopped: false,
        packets: 0,
        accounts: 0,
    };
    let registry = netcap_pipeline::registry(&Selection::default()).unwrap();
    let source = Box::new(source_goes_on);
    let mut files = Files::new(files(out.path()), &registry).unwrap();
    let stop = Arc::default();
    let report = run(source, &registry, &config, &mut files, &stop, &mut |_| {}).unwrap();
    assert!(!report.interrupted && report.ledger.packets == 1);
    let took = started.elapsed();
    assert!(took > Duration::from_millis(300) && took < Duration::from_secs(3));
}

#[test]
fn every_period_is_complete() {
    for compress in [false, true] {
        let out = tempfile::tempdir().unwrap();
        let rotation = Rotation {
            octets: Some(1),
            ..Rotation::default()
        };
        let files = FileConfig {
            rotation: Some(rotation),
            buffered: false,
            compress,
            ..files(out.path())
        };
        let steps: Vec<Step> = (0..60).map(Packet).collect();
        let (_, files) = outcome(&config(), files, &steps, false);
        let mut folders = 0;
        let (mut packets, mut flows) = (0, 0);
        for folder in std::fs::read_dir(out.path()).unwrap() {
            folders += 1;
            for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                assert!(!name.ends_with(".partial"));
                let count = records(&path);
                packets += if name.starts_with("UDP.") { count } else { 0 };
                flows += if name.starts_with("Flow.") { count } else { 0 };
            }
        }
        assert!(folders > 3 && files.periods().periods == folders);
        assert_eq!((packets, flows), (60, 1), "flows go on over periods");
        let reports = files.reports();
        let udp = reports.iter().find(|file| file.record_type == "UDP");
        assert_eq!(udp.unwrap().records, 60);
    }
}
