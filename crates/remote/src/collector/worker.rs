//! A thread that opens datagrams.
//!
//! Guarantee: after a stop it goes on for a few seconds at most, and counts what it leaves.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::load::Loads;
use super::shared::Shared;
use crate::keys::{PrivateKey, PublicKey};
use crate::members::inflate;
use crate::plaintext::{decode, longest};
use crate::refusal::Refusal;
use crate::sealed::Opener;

/// Announcements of payloads that a worker remembers.
const ANNOUNCED: usize = 16 << 10;

/// See the module.
pub(super) struct Worker {
    shared: Arc<Shared>,
    opener: Opener,
    message: Vec<u8>,
    /// Sensors and types whose header said that records hold payloads.
    announced: HashSet<(PublicKey, &'static str)>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, secret: PrivateKey, sensors: usize) -> Worker {
        Worker {
            shared,
            opener: Opener::new(secret, sensors),
            message: Vec::new(),
            announced: HashSet::new(),
        }
    }

    pub(super) fn run(&mut self, loads: &Loads) {
        while let Some(load) = loads.next() {
            for datagram in load.datagrams() {
                if self.shared.is_over() {
                    self.shared.queue_drops.fetch_add(1, Ordering::Relaxed);
                } else if let Err(refusal) = self.take(datagram) {
                    self.shared.refusals[refusal as usize].fetch_add(1, Ordering::Relaxed);
                }
            }
            loads.done(load);
        }
    }

    fn take(&mut self, datagram: &[u8]) -> Result<(), Refusal> {
        let sealed = self.opener.open(datagram)?;
        let most = longest(sealed.plaintext.len());
        if inflate(&sealed.plaintext, most, &mut self.message).is_err() {
            return Err(if self.message.len() > most {
                Refusal::TooLong
            } else {
                Refusal::NotGzip
            });
        }
        let received = decode(&self.shared.schemas, &self.message)?;
        let announcement = (sealed.sensor, received.schema.name);
        let payloads = received.payloads || self.announced.contains(&announcement);
        if received.payloads {
            if self.announced.len() >= ANNOUNCED {
                self.announced.clear();
            }
            self.announced.insert(announcement);
        }
        self.shared.append(&received, payloads)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::CollectorOptions;
    use super::super::load::Sorter;
    use super::*;
    use crate::archive::Archive;

    /// What becomes of ten datagrams, too short ones, when the stop leaves so much time: how many are
    /// dropped, and how many were looked at.
    fn fates(left: Option<Duration>) -> (u64, u64) {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = Archive::open(folder.path(), "test").expect("an archive");
        let shared = Shared::new(Arc::new(archive), &CollectorOptions::default(), 0);
        let shared = Arc::new(shared);
        let (mut sorter, loads) = Sorter::new(1);
        for _ in 0..10 {
            assert!(sorter.sort(&[0; 40]));
        }
        sorter.finish();
        drop(sorter);
        if let Some(left) = left {
            shared.stop(left);
        }
        Worker::new(Arc::clone(&shared), PrivateKey::from_octets([7; 32]), 4).run(&loads[0]);
        let counts = shared.counts();
        (counts.queue_drops, counts.refusals[&Refusal::TooShort])
    }

    #[test]
    fn what_is_late_at_the_end_is_counted() {
        assert_eq!(fates(None), (0, 10));
        assert_eq!(fates(Some(Duration::from_secs(3600))), (0, 10));
        assert_eq!(fates(Some(Duration::ZERO)), (10, 0));
    }
}
