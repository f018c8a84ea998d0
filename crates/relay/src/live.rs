//! An interface as the beginning of a stream.

use netcap_capture::libpcap::LiveOptions;
use netcap_capture::{Batch, Error, Filter, LiveSource, Origin, Progress, Source};

use crate::inlet::Inlet;
use crate::stream::Interface;

/// Packets of an interface as they come.
pub struct LiveInput {
    source: LiveSource,
    snaplen: u32,
}

impl LiveInput {
    /// Opens an interface. The kernel filters.
    ///
    /// # Errors
    ///
    /// Where it cannot be captured from, or the filter makes no sense for it.
    pub fn open(
        name: &str,
        options: &LiveOptions,
        filter: Option<&Filter>,
    ) -> Result<LiveInput, Error> {
        Ok(LiveInput {
            source: LiveSource::open(name, 0, options, filter)?,
            snaplen: options.snaplen,
        })
    }

    /// Whether times have nanoseconds.
    pub fn is_nanoseconds(&self) -> bool {
        self.source.is_nanoseconds()
    }
}

impl Source for LiveInput {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        self.source.fill(batch)
    }

    fn progress(&self) -> Progress {
        self.source.progress()
    }

    fn name(&self) -> &str {
        self.source.name()
    }

    fn is_live(&self) -> bool {
        true
    }

    fn stop(&mut self) {
        self.source.stop();
    }

    fn origins(&mut self) -> Vec<Origin> {
        self.source.origins()
    }
}

impl Inlet for LiveInput {
    fn interfaces(&self) -> Vec<Interface> {
        vec![Interface {
            name: self.source.name().to_owned(),
            link_type: self.source.link_type(),
            snaplen: self.snaplen,
            path: None,
        }]
    }
}
