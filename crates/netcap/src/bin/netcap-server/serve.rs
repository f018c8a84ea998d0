//! Receiving, until Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use netcap_remote::{Archive, Error};
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
    let metrics = flags.metrics.listen(PROGRAM, flags.quiet)?;
    let mut receivers = Receivers::start(flags, ways, rotation)?;
    let stop = signals::stop()?;
    let mut status = Status::new(flags.quiet);
    let mut second = Instant::now();
    let mut refused = Refused::default();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(TICK);
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
        let mut refusal = None;
        for receiver in &mut receivers.all {
            for news in receiver.news() {
                status.warn(&news);
            }
            if let Some(failure) = receiver.failure() {
                return Err(failure);
            }
            let Some(trouble) = receiver.trouble() else {
                continue;
            };
            status.fail(&trouble.to_string());
            // What is in the way of one sensor ends nothing for the others.
            if !matches!(trouble, Error::Foreign { .. }) {
                refusal = Some(trouble);
            }
        }
        if let Err(trouble) = tidied {
            status.fail(&trouble.to_string());
            refusal = Some(trouble);
        }
        if refused.lasts(refusal.is_some(), second)
            && let Some(refusal) = refusal
        {
            return Err(refusal.into());
        }
    }
    let snapshot = receivers.stop()?;
    status.end(&snapshot);
    Ok(())
}

impl Receivers {
    fn start(
        flags: &Flags,
        ways: Vec<Way>,
        rotation: Option<Rotation>,
    ) -> Result<Receivers, Failure> {
        check_directory("-out", &flags.out)?;
        let version = format!("netcap-server {VERSION}");
        let archive = Arc::new(Archive::open_rotating(&flags.out, &version, rotation)?);
        let ways = ways.into_iter().map(|way| way.open(flags, &archive));
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

    /// Ends; what was received is on the disk then.
    fn stop(self) -> Result<Snapshot, Failure> {
        let mut snapshot = Snapshot::default();
        for receiver in self.all {
            receiver.stop(&mut snapshot)?;
        }
        self.archive.tidy()?;
        snapshot.add_kept(&self.archive);
        Ok(snapshot)
    }
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
