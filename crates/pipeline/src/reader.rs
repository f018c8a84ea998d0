//! The reader's thread: batches from the source, until its end or that of the run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use netcap_capture::{LAST_WORDS, LIVE_TICK, Source};

use crate::RunLimits;
use crate::job::{Alarm, Done, End, Job, Parcel};
use crate::queue::Queue;

/// How long a live source may go on giving packets once the run should stop: its last words, and
/// what it waits before it finds that there are none.
const LIVE_PATIENCE: Duration = LAST_WORDS.saturating_add(LIVE_TICK.saturating_mul(2));
/// How often a source is asked where its packets come from.
const ACCOUNT: Duration = Duration::from_millis(500);

/// Fills free batches and has them walked.
pub(crate) fn read(
    mut source: Box<dyn Source>,
    limits: RunLimits,
    free: &Receiver<Box<Parcel>>,
    jobs: &Arc<Queue<Job>>,
    done: &Sender<Done>,
    stop: &AtomicBool,
) {
    let _alarm = Alarm(done.clone());
    let (mut batches, mut packets) = (0, 0);
    let mut trouble = None;
    let (started, mut asked) = (Instant::now(), Instant::now());
    let mut stopped: Option<Instant> = None;
    let mut is_last = false;
    while !is_last && limits.packets.is_none_or(|most| packets < most) {
        let is_time = limits.time.is_some_and(|most| started.elapsed() >= most);
        if stopped.is_none() && (is_time || stop.load(Ordering::Relaxed)) {
            if !source.is_live() {
                break;
            }
            // What was captured before is waited for.
            source.stop();
            stopped = Some(Instant::now());
        }
        let Ok(mut parcel) = free.recv() else {
            break;
        };
        // Only then: in this call a source that keeps its promise counts what is left behind.
        is_last = stopped.is_some_and(|since| since.elapsed() >= LIVE_PATIENCE);
        match source.fill(&mut parcel.batch) {
            Ok(true) => {
                if let Some(most) = limits.packets {
                    let left = usize::try_from(most - packets).unwrap_or(usize::MAX);
                    parcel.batch.truncate(left);
                }
                parcel.batch.sequence = batches;
                parcel.batch.first_index = packets;
                parcel.progress = source.progress();
                if asked.elapsed() >= ACCOUNT {
                    asked = Instant::now();
                    parcel.origins = Some(source.origins());
                }
                batches += 1;
                packets += parcel.batch.len() as u64;
                jobs.push(Job::Walk(parcel));
            }
            Ok(false) => break,
            Err(error) => {
                trouble = Some(error);
                break;
            }
        }
    }
    let _ = done.send(Done::End(End {
        batches,
        trouble,
        origins: source.origins(),
    }));
}
