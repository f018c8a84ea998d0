//! From a source of packets to the outlet: the loop of an agent, for one interface or one capture.
//!
//! Guarantees: what has been read is on its way before more is waited for; the end is noticed within
//! [`LIVE_TICK`](netcap_capture::LIVE_TICK), and what was captured by then is given away.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use netcap_capture::{Batch, Error, FilterError, Origin, Source};
use netcap_relay::{Clock, Halt, Pace};

use crate::distil::{Counts, Distiller};
use crate::outlet::Outlet;

/// Octets and packets that are read at a time: also how finely a slow collector loses.
const BLOCK: usize = 64 << 10;
const PACKETS: usize = 256;
/// How often it is told how far things are.
const INTERVAL: Duration = Duration::from_millis(250);
/// What a recording has within that time goes out at once.
const FLUSH: Duration = Duration::from_millis(5);

/// Why no more packets come.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// They cannot be read.
    #[error(transparent)]
    Input(#[from] Error),
    /// The filter makes no sense for them.
    #[error(transparent)]
    Filter(#[from] FilterError),
}

/// Gives away the records and notes of a source until its end, [`Halt`], or as long as `tell` says. That is told
/// now and then, and at the end, the outcomes of packets and where they came from; after it has said
/// [`ControlFlow::Break`] the source may be watched further, and nothing is lost between.
///
/// # Errors
///
/// What came before is given away.
pub fn watch(
    source: &mut dyn Source,
    distiller: &mut Distiller,
    outlet: &Outlet,
    (pace, halt): (Pace, &Halt),
    tell: &mut dyn FnMut(Counts, &[Origin]) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, WatchError> {
    let result = pass(source, distiller, outlet, (pace, halt), tell);
    // This is the end in any case.
    let _ = tell(distiller.counts, &source.origins());
    result
}

fn pass(
    source: &mut dyn Source,
    distiller: &mut Distiller,
    outlet: &Outlet,
    (pace, halt): (Pace, &Halt),
    tell: &mut dyn FnMut(Counts, &[Origin]) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, WatchError> {
    let mut batch = Batch::new(BLOCK, PACKETS);
    let mut clock = Clock::new(pace, None);
    let mut told = Instant::now();
    let mut is_stopped = false;
    loop {
        if halt.is_asked() && !is_stopped {
            if !source.is_live() {
                return Ok(ControlFlow::Continue(()));
            }
            is_stopped = true;
            source.stop();
        }
        if !source.fill(&mut batch)? {
            return Ok(ControlFlow::Continue(()));
        }
        let mut made = outlet.begin();
        for (packet, octets) in batch.iter() {
            if pace != Pace::Max {
                let now = Instant::now();
                let due = clock.due(packet.timestamp, octets.len(), now);
                if due > now + FLUSH {
                    outlet.give(&mut made, distiller);
                    halt.sleep(due - now);
                    made = outlet.begin();
                    if halt.is_asked() {
                        // What is not due yet is not given away.
                        return Ok(ControlFlow::Continue(()));
                    }
                }
            }
            if let Err(error) = distiller.append(&mut made, packet, octets) {
                outlet.give(&mut made, distiller);
                return Err(error.into());
            }
        }
        outlet.give(&mut made, distiller);
        if told.elapsed() >= INTERVAL {
            told = Instant::now();
            if tell(distiller.counts, &source.origins()).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
}
