//! The outlet of a sensor: every record in a batch once, in order; none left behind.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender as Telling, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use netcap_capture::{Batch as Packets, Progress, Source, open};
use netcap_dissect::Selection;
use netcap_pipeline::{Config, registry, run};
use netcap_record::Schema;
use netcap_remote::{Batch, Batcher, Error, Sender, count_frames};

/// The octets of all records by type, and the batches.
#[derive(Default)]
struct Seen {
    octets: BTreeMap<&'static str, Vec<u8>>,
    next: BTreeMap<&'static str, u64>,
    longest: usize,
    ended: Vec<bool>,
}

/// Keeps what it is given, and claims to have some of it already.
struct Keep {
    seen: Arc<Mutex<Seen>>,
    known: BTreeMap<&'static str, u64>,
    tell: Option<Telling<u32>>,
}

impl Sender for Keep {
    fn send(&mut self, batch: Batch) -> Result<(), Error> {
        let mut seen = self.seen.lock().unwrap();
        let name = batch.schema.name;
        let known = self.known.get(name).copied().unwrap_or_default();
        let next = seen.next.entry(name).or_insert(known);
        assert_eq!(batch.first, *next, "{name}");
        *next += u64::from(batch.count);
        assert_eq!(count_frames(&batch.frames), Some(batch.count));
        assert!(batch.count > 0);
        if batch.count > 1 {
            seen.longest = seen.longest.max(batch.frames.len());
        }
        seen.octets.entry(name).or_default().extend(batch.frames);
        if let Some(tell) = &self.tell {
            let _ = tell.send(batch.count);
        }
        Ok(())
    }

    fn position(&self, schema: &'static Schema) -> u64 {
        self.known.get(schema.name).copied().unwrap_or_default()
    }

    fn finish(&mut self, is_complete: bool) -> Result<(), Error> {
        self.seen.lock().unwrap().ended.push(is_complete);
        Ok(())
    }
}

fn capture(name: &str) -> Box<dyn Source> {
    let captures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/captures");
    open(&Path::new(captures).join(name)).unwrap()
}

/// Sends what a source gives.
fn send(
    source: Box<dyn Source>,
    most: usize,
    known: BTreeMap<&'static str, u64>,
    stop: &Arc<AtomicBool>,
    tell: Option<Telling<u32>>,
) -> Seen {
    let registry = registry(&Selection::default()).unwrap();
    let seen = Arc::default();
    let keep = Keep {
        seen: Arc::clone(&seen),
        known,
        tell,
    };
    let mut outlet = Batcher::new(keep, &registry, most, stop, true);
    let config = Config {
        workers: 2,
        batch_packets: 7,
        ..Config::default()
    };
    run(source, &registry, &config, &mut outlet, stop, &mut |_| {}).unwrap();
    drop(outlet);
    Arc::into_inner(seen).unwrap().into_inner().unwrap()
}

fn all(name: &str, most: usize) -> Seen {
    send(capture(name), most, BTreeMap::new(), &Arc::default(), None)
}

#[test]
fn every_record_is_in_a_batch_once() {
    for name in ["example.pcap", "http.pcap", "flows.pcap"] {
        let whole = all(name, usize::MAX);
        assert!(whole.next.len() > 5 && whole.ended == [true]);
        for most in [1, 100, 1000] {
            let parts = all(name, most);
            assert_eq!(parts.octets, whole.octets, "{name} {most}");
            assert!(parts.longest <= most, "{name} {most}");
        }
    }
}

#[test]
fn what_the_server_has_is_left_out() {
    let whole = all("flows.pcap", 500);
    let mut known = whole.next.clone();
    for (place, next) in known.values_mut().enumerate() {
        *next = *next * (place as u64 % 4) / 3;
    }
    let rest = send(
        capture("flows.pcap"),
        500,
        known.clone(),
        &Arc::default(),
        None,
    );
    for (name, octets) in &whole.octets {
        let mut skipped = octets.as_slice();
        for _ in 0..known[name] {
            skipped = netcap_record::split_frame(skipped).unwrap().1;
        }
        let sent = rest.octets.get(name).map_or(&[][..], Vec::as_slice);
        assert_eq!(sent, skipped, "{name}");
    }
}

/// A source that is interrupted after some batches.
struct Interrupted {
    inner: Box<dyn Source>,
    left: u32,
    stop: Arc<AtomicBool>,
}

impl Source for Interrupted {
    fn fill(&mut self, batch: &mut Packets) -> Result<bool, netcap_capture::Error> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.stop.store(true, Ordering::Relaxed),
        }
        self.inner.fill(batch)
    }

    fn progress(&self) -> Progress {
        self.inner.progress()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}

#[test]
fn a_run_that_is_interrupted_gives_the_beginning_of_the_whole() {
    let whole = all("flows.pcap", 300);
    let mut interrupted = 0;
    for left in 0..8 {
        let stop = Arc::default();
        let source = Interrupted {
            inner: capture("flows.pcap"),
            left,
            stop: Arc::clone(&stop),
        };
        let part = send(Box::new(source), 300, BTreeMap::new(), &stop, None);
        assert_eq!(part.ended, [!stop.load(Ordering::Relaxed)]);
        interrupted += usize::from(stop.load(Ordering::Relaxed));
        for (name, octets) in part.octets {
            assert!(whole.octets[name].starts_with(&octets), "{name} {left}");
        }
    }
    assert!(interrupted > 3);
}

/// Gives the packets of a capture, and then is silent until it should stop.
struct Silent(Box<dyn Source>);

impl Source for Silent {
    fn fill(&mut self, batch: &mut Packets) -> Result<bool, netcap_capture::Error> {
        if !self.0.fill(batch)? {
            thread::sleep(Duration::from_millis(20));
        }
        Ok(true)
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn name(&self) -> &str {
        "silent"
    }

    fn is_live(&self) -> bool {
        true
    }
}

#[test]
fn records_do_not_wait_for_a_batch_to_be_full() {
    let (tell, told) = channel();
    let stop: Arc<AtomicBool> = Arc::default();
    let stopping = Arc::clone(&stop);
    let waiting = thread::spawn(move || {
        // While the source is silent.
        let count = told.recv_timeout(Duration::from_secs(60));
        stopping.store(true, Ordering::Relaxed);
        count
    });
    let source = Box::new(Silent(capture("example.pcap")));
    let _ = send(source, usize::MAX, BTreeMap::new(), &stop, Some(tell));
    assert!(waiting.join().unwrap().unwrap() > 0);
}
