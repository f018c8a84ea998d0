//! What is told each second: the machine's load and memory, for `--statistics`, and how far the extended
//! stream is.

use std::io;
use std::time::{Duration, Instant};

use netcap_agent::{Outlet, Record, Statistics};
use netcap_relay::Chunk;

use crate::PROGRAM;

const SECOND: Duration = Duration::from_secs(1);

/// Tells it, each second.
pub(crate) struct Pulse {
    /// The machine, if it is watched.
    statistics: Option<Statistics>,
    last: Instant,
}

impl Pulse {
    /// Begins, with the machine if it is to be watched, or says why not.
    pub(crate) fn new(is_watching: bool) -> Pulse {
        let statistics = is_watching.then(Statistics::new).and_then(told);
        let last = Instant::now();
        Pulse { statistics, last }
    }

    /// Tells what there is if a second is over.
    pub(crate) fn tick(&mut self, outlet: &Outlet) {
        if self.last.elapsed() < SECOND {
            return;
        }
        // A second after the last, however late this one is.
        self.last += SECOND;
        let sample = self
            .statistics
            .as_mut()
            .map(Statistics::sample)
            .and_then(told);
        if sample.is_none() {
            self.statistics = None;
        }
        if let Some((records, _)) = &sample {
            outlet.publish(&mut Chunk {
                octets: records.iter().flat_map(Record::encode).collect(),
                packets: records.len() as u64,
                ..Chunk::default()
            });
        }
        if let Some(extended) = outlet.extended() {
            extended.tell(sample.map(|(_, machine)| machine));
        }
    }
}

/// What was found out, or the reason told why nothing was.
fn told<T>(found: io::Result<T>) -> Option<T> {
    let trouble = |error: &io::Error| {
        PROGRAM.note(format_args!(
            "warning: no more --statistics, which need Linux: {error}"
        ));
    };
    found.inspect_err(trouble).ok()
}
