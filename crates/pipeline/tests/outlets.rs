//! Outlets other than files: streams of records, and records one by one.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use netcap_capture::{Batch, Progress, Source, open};
use netcap_dissect::Selection;
use netcap_pipeline::{
    AuditRecord, Config, Delivery, Encoding, Error, Frames, Json, Outlet, Registry, Stream,
    Workers, records, registry, run,
};
use netcap_record::{Scalar, Timestamp};

fn capture(name: &str) -> Box<dyn Source> {
    let captures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/captures");
    open(&Path::new(captures).join(name)).unwrap()
}

fn selected(types: &[&str]) -> Registry {
    let selection = Selection {
        include: types.iter().map(|name| (*name).to_owned()).collect(),
        ..Selection::default()
    };
    registry(&selection).unwrap()
}

fn config(workers: usize, batch_packets: usize) -> Config {
    Config {
        workers,
        batch_packets,
        ..Config::default()
    }
}

/// All types as JSON lines.
fn lines(name: &str, config: &Config) -> String {
    let registry = selected(&[]);
    let encoding: Arc<dyn Encoding> = Arc::new(Json {
        names_type: true,
        ..Json::default()
    });
    let mut out = Vec::new();
    let about = ("x", "y", Timestamp::new(0, 0));
    let mut stream = Stream::new(&mut out, encoding, &registry, about);
    let stop = Arc::default();
    run(
        capture(name),
        &registry,
        config,
        &mut stream,
        &stop,
        &mut |_| {},
    )
    .unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_order_of_types_does_not_depend_on_batches() {
    for name in [
        "http.pcap",
        "flows.pcap",
        "ipv4_fragments.pcap",
        "dns_tcp.pcap",
    ] {
        let expected = lines(name, &config(1, 1024));
        assert!(expected.lines().count() > 10);
        for (workers, batch) in [(1, 1), (3, 7), (2, 50)] {
            assert!(lines(name, &config(workers, batch)) == expected, "{name}");
        }
    }
}

#[test]
fn records_by_name_and_by_type() {
    let mut found = records(capture("example.pcap"), selected(&["TCP"]), config(2, 5)).unwrap();
    let all: Vec<AuditRecord> = found.by_ref().map(Result::unwrap).collect();
    let report = found.report().unwrap();
    assert!(report.ledger.balances() && report.ledger.records == all.len() as u64);
    let first = all.first().unwrap();
    assert_eq!((first.kind(), first.packet() > 0), ("TCP", true));
    let Some(Scalar::Int(port)) = first.get("SrcPort") else {
        panic!("{:?}", first.get("SrcPort"));
    };
    assert_eq!(first.text("SrcPort"), Some(port.to_string()));
    assert!(first.get("Nothing").is_none() && first.text("Nothing").is_none());
    assert!(all.is_sorted_by_key(AuditRecord::packet));
}

/// Gives a batch again and again.
struct Endless {
    inner: Box<dyn Source>,
    name: &'static str,
    filled: Arc<AtomicUsize>,
}

impl Source for Endless {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, netcap_capture::Error> {
        self.filled.fetch_add(1, Ordering::Relaxed);
        if !self.inner.fill(batch)? {
            self.inner = capture(self.name);
            return self.inner.fill(batch);
        }
        Ok(true)
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn name(&self) -> &str {
        "endless"
    }
}

fn endless(filled: &Arc<AtomicUsize>) -> Box<dyn Source> {
    Box::new(Endless {
        inner: capture("example.pcap"),
        name: "example.pcap",
        filled: Arc::clone(filled),
    })
}

#[test]
fn a_run_waits_for_who_iterates_and_ends_when_he_goes() {
    let filled = Arc::new(AtomicUsize::new(0));
    let mut found = records(endless(&filled), selected(&["TCP"]), config(2, 5)).unwrap();
    for _ in 0..100 {
        found.next().unwrap().unwrap();
    }
    // The run comes to a halt while nobody takes records.
    let halted = |patience: Duration| {
        let began = Instant::now();
        let mut last = (filled.load(Ordering::Relaxed), Instant::now());
        while last.1.elapsed() < Duration::from_millis(300) {
            assert!(began.elapsed() < patience, "it goes on");
            std::thread::sleep(Duration::from_millis(10));
            let now = filled.load(Ordering::Relaxed);
            if now != last.0 {
                last = (now, Instant::now());
            }
        }
        last.0
    };
    let before = halted(Duration::from_secs(20));
    found.next().unwrap().unwrap();
    drop(found);
    let after = halted(Duration::from_secs(20));
    assert!(after <= before + 20, "{before} {after}");
}

/// Refuses after some deliveries, or panics in a task.
struct Bad {
    left: usize,
    panics: bool,
}

impl Outlet for Bad {
    fn encoding(&self) -> Arc<dyn Encoding> {
        Arc::new(Frames)
    }

    fn take(
        &mut self,
        _delivery: &mut Delivery<'_>,
        workers: &mut Workers<'_>,
    ) -> Result<(), Error> {
        self.left = self.left.saturating_sub(1);
        match (self.left, self.panics) {
            (0, true) => workers.give(Box::new(|_| panic!("as a test"))),
            (0, false) => return Err(std::io::Error::other("no more").into()),
            _ => {}
        }
        Ok(())
    }
}

/// Gives many tasks for each delivery, and takes its time.
struct Busy {
    tasks: usize,
}

impl Outlet for Busy {
    fn encoding(&self) -> Arc<dyn Encoding> {
        Arc::new(Frames)
    }

    fn take(
        &mut self,
        _delivery: &mut Delivery<'_>,
        workers: &mut Workers<'_>,
    ) -> Result<(), Error> {
        for _ in 0..100 {
            self.tasks += 1;
            workers.give(Box::new(|_| {}));
        }
        std::thread::sleep(Duration::from_millis(1));
        Ok(())
    }
}

/// However many tasks end at once, no two threads wait for each other.
#[test]
fn many_tasks_do_not_bring_a_run_to_a_halt() {
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for workers in [1, 2, 5] {
            let registry = selected(&[]);
            let mut outlet = Busy { tasks: 0 };
            let mut config = config(workers, 1);
            config.limits.packets = Some(400);
            let source = endless(&Arc::default());
            let stop = Arc::default();
            let report = run(source, &registry, &config, &mut outlet, &stop, &mut |_| {});
            assert_eq!(report.unwrap().ledger.packets, 400);
            assert!(outlet.tasks > 100 * 400);
        }
        done.send(()).unwrap();
    });
    let ended = ended.recv_timeout(Duration::from_secs(120));
    assert!(ended.is_ok(), "it hangs, or failed");
}

#[test]
fn an_outlet_that_fails_ends_the_run() {
    let (filled, registry) = (Arc::default(), selected(&["TCP"]));
    let mut outlet = Bad {
        left: 3,
        panics: false,
    };
    let (config, stop) = (config(3, 5), Arc::default());
    let result = run(
        endless(&filled),
        &registry,
        &config,
        &mut outlet,
        &stop,
        &mut |_| {},
    );
    assert!(matches!(result, Err(Error::Output(_))), "{result:?}");
}

#[test]
fn a_task_that_panics_ends_the_program() {
    let (filled, registry) = (Arc::default(), selected(&["TCP"]));
    let run = std::panic::AssertUnwindSafe(|| {
        let mut outlet = Bad {
            left: 3,
            panics: true,
        };
        let (config, stop) = (config(3, 5), Arc::default());
        run(
            endless(&filled),
            &registry,
            &config,
            &mut outlet,
            &stop,
            &mut |_| {},
        )
    });
    assert!(std::panic::catch_unwind(run).is_err());
}
