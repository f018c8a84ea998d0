//! Receiving, until Ctrl-C.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use netcap_remote::Archive;
use netcap_remote::reliable::Event;
use netcap_shell::{Failure, check_directory, signals};
use netcap_store::Rotation;

use crate::flags::Flags;
use crate::snapshot::Snapshot;
use crate::status::Status;
use crate::way::{Receiver, Way};
use crate::{PROGRAM, VERSION};

/// How often the main thread looks whether to stop.
const TICK: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
/// How long the disk may refuse before the server gives up, so that who watches over it hears of it.
const PATIENCE: Duration = Duration::from_secs(30);
/// After so long without trouble it is over: sensors try again every few seconds.
const PAUSE: Duration = Duration::from_secs(10);

/// What receives, and where what it receives is kept.
struct Receivers {
    all: Vec<Box<dyn Receiver>>,
    archive: Arc<Archive>,
}

/// Trouble that comes again and again.
#[derive(Default)]
struct Refused {
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Refused {
    /// There was trouble, or none; gives whether it lasts too long.
    fn lasts(&mut self, is_refused: bool, now: Instant) -> bool {
        if is_refused {
            self.last = Some(now);
        }
        if self.last.is_none_or(|last| now - last >= PAUSE) {
            self.first = None;
            return false;
        }
        now - *self.first.get_or_insert(now) >= PATIENCE
    }
}

pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    // Keys first: a wrong one is the likelier mistake, and nothing is made or listened on then.
    let ways = Way::all(flags)?;
    let rotation = flags.rotation.rotation()?;
    // What it says of itself has the form of our log.
    let metrics = flags.metrics.listen(PROGRAM, true)?;
    // Before anything says that it waits.
    let stop = signals::stop()?;
    signals::stop_at_hang_up(&stop)?;
    let asked = signals::account()?;
    let mut status = Status::new(flags.quiet);
    let known = folders(&flags.out);
    let mut receivers = Receivers::start(flags, ways, rotation, &status)?;
    if let Some(metrics) = &metrics {
        status.tell("info", "metrics", &[("url", metrics.url())]);
    }
    status.begin(known);
    let mut second = Instant::now();
    let mut refused = Refused::default();
    let failure = loop {
        if stop.load(Ordering::Relaxed) {
            break None;
        }
        thread::sleep(TICK);
        status.happened(receivers.events());
        if asked.swap(false, Ordering::Relaxed) {
            status.account(&receivers.snapshot());
        }
        if second.elapsed() < SECOND {
            continue;
        }
        second = Instant::now();
        let tidied = receivers.archive.tidy();
        let snapshot = receivers.snapshot();
        if let Some(metrics) = &metrics {
            metrics.refresh(|page| snapshot.write(page));
        }
        status.show(&snapshot);
        for news in receivers.archive.news() {
            status.warn(&news);
        }
        let (mut refusal, mut failure) = (None, None);
        for receiver in &mut receivers.all {
            for news in receiver.news() {
                status.warn(&news);
            }
            failure = failure.or_else(|| receiver.failure());
            let Some(trouble) = receiver.trouble() else {
                continue;
            };
            status.fail(&trouble.to_string());
            // What is in the way of one sensor ends nothing for the others.
            if trouble.is_of_all() {
                refusal = Some(trouble);
            }
        }
        if let Err(trouble) = tidied {
            status.fail(&trouble.to_string());
            if trouble.is_of_all() {
                refusal = Some(trouble);
            }
        }
        if failure.is_some() {
            break failure;
        }
        let was_refused = refused.first.is_some();
        let lasts = refused.lasts(refusal.is_some(), second);
        if !was_refused && refused.first.is_some() {
            let event = "records are refused; the server ends after 30 s of it";
            status.tell("warning", event, &[]);
        }
        if lasts && let Some(refusal) = refusal {
            break Some(refusal.into());
        }
    };
    let mut snapshot = Snapshot::default();
    let ended = receivers.stop(&mut status, &mut snapshot);
    status.end(&snapshot);
    failure.map_or(ended, Err)
}

impl Receivers {
    fn start(
        flags: &Flags,
        ways: Vec<Way>,
        rotation: Option<Rotation>,
        status: &Status,
    ) -> Result<Receivers, Failure> {
        check_directory("-out", &flags.out)?;
        let version = format!("netcap-server {VERSION}");
        let archive = Arc::new(Archive::open_rotating(&flags.out, &version, rotation)?);
        let ways = ways
            .into_iter()
            .map(|way| way.open(flags, &archive, status));
        Ok(Receivers {
            all: ways.collect::<Result<_, _>>()?,
            archive,
        })
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::of(&self.archive);
        for receiver in &self.all {
            receiver.add_to(&mut snapshot);
        }
        snapshot
    }

    /// What happened to connections lately.
    fn events(&mut self) -> Vec<Event> {
        let all = self.all.iter_mut();
        all.flat_map(|receiver| receiver.events()).collect()
    }

    /// Ends all, and gives the first failure; what was received is on the disk then.
    fn stop(self, status: &mut Status, snapshot: &mut Snapshot) -> Result<(), Failure> {
        let mut ended = Ok(());
        for receiver in self.all {
            let (events, stopped) = receiver.stop(snapshot);
            status.happened(events);
            ended = ended.and(stopped);
        }
        ended = ended.and(self.archive.tidy().map_err(Failure::from));
        for news in self.archive.news() {
            status.warn(&news);
        }
        snapshot.add_kept(&self.archive);
        ended
    }
}

/// The names of what is in the folder of records.
fn folders(out: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(out).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trouble_that_comes_again_and_again_lasts() {
        let begin = Instant::now();
        let lasts = |every: u64, until: u64| {
            let mut refused = Refused::default();
            (0..60).any(|second| {
                let is_refused = second % every == 0 && second <= until;
                refused.lasts(is_refused, begin + Duration::from_secs(second))
            })
        };
        assert!(lasts(1, 60));
        // As sensors try again.
        assert!(lasts(5, 60));
        // Once, for a while, and now and then.
        assert!(!lasts(1, 0));
        assert!(!lasts(1, 15));
        assert!(!lasts(12, 60));
    }
}
