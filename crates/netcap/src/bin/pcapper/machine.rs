//! The machine's load and memory as records, for `--statistics`.

use std::io;
use std::time::{Duration, Instant};

use netcap_agent::{Outlet, Record, Statistics};
use netcap_relay::Chunk;

use crate::PROGRAM;

/// The machine's load and memory, given away each second.
pub(crate) struct Machine {
    statistics: Statistics,
    last: Instant,
}

impl Machine {
    /// Begins, or says why not.
    pub(crate) fn watch() -> Option<Machine> {
        let statistics = Statistics::new().map_err(Machine::trouble).ok()?;
        let last = Instant::now();
        Some(Machine { statistics, last })
    }

    /// Gives away the records of a second if it is over. `None`: there are no more.
    pub(crate) fn tick(mut self, outlet: &Outlet) -> Option<Machine> {
        if self.last.elapsed() < Duration::from_secs(1) {
            return Some(self);
        }
        // A second after the last, however late this one is.
        self.last += Duration::from_secs(1);
        let records = self.statistics.sample().map_err(Machine::trouble).ok()?;
        outlet.publish(&mut Chunk {
            octets: records.iter().flat_map(Record::encode).collect(),
            packets: records.len() as u64,
            ..Chunk::default()
        });
        Some(self)
    }

    fn trouble(error: io::Error) {
        PROGRAM.note(format_args!(
            "warning: no more --statistics, which need Linux: {error}"
        ));
    }
}
