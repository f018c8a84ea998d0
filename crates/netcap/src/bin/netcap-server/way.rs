//! The ways for records to come: what the command line asks for, and what receives them.

use std::sync::Arc;

use netcap_remote::{Archive, Error};
use netcap_shell::Failure;

use crate::PROGRAM;
use crate::acknowledged::Acknowledged;
use crate::datagrams::Datagrams;
use crate::flags::Flags;
#[cfg(feature = "nats")]
use crate::published::Published;
use crate::snapshot::Snapshot;

/// What receives records, until it is stopped.
pub(crate) trait Receiver {
    /// Adds what it knows at this moment.
    fn add_to(&self, snapshot: &mut Snapshot);

    /// What has kept records from the disk since this was last asked.
    fn trouble(&mut self) -> Option<Error> {
        None
    }

    /// What else a person may want to know since this was last asked, a line each.
    fn news(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Why it has ended by itself, if it has.
    fn failure(&self) -> Option<Failure> {
        None
    }

    /// Ends, and adds the last of what it knows; what was received is on the disk then.
    fn stop(self: Box<Self>, snapshot: &mut Snapshot) -> Result<(), Failure>;
}

/// A way, as the command line describes it; nothing is made or listened on yet.
pub(crate) enum Way {
    Datagrams(Datagrams),
    Acknowledged(Acknowledged),
    #[cfg(feature = "nats")]
    Published(Published),
}

impl Way {
    /// Reads keys for all ways that are asked for.
    pub(crate) fn all(flags: &Flags) -> Result<Vec<Way>, Failure> {
        #[cfg(feature = "nats")]
        if let Some(url) = &flags.nats.url {
            return Ok(vec![Way::Published(Published::new(url, flags)?)]);
        }
        #[cfg(not(feature = "nats"))]
        if flags.nats.url.is_some() {
            return Err(netcap_shell::NatsFlags::unavailable());
        }
        // A host that is not there is told before anything is made, whichever way is listened for.
        flags.addr.resolve("-addr")?;
        let mut ways = Vec::new();
        if flags.privkey.is_some() || !flags.reliable {
            ways.push(Way::Datagrams(Datagrams::new(flags)?));
        }
        if flags.reliable {
            ways.push(Way::Acknowledged(Acknowledged::new(flags)?));
        }
        Ok(ways)
    }

    /// Begins to receive.
    pub(crate) fn open(
        self,
        flags: &Flags,
        archive: &Arc<Archive>,
    ) -> Result<Box<dyn Receiver>, Failure> {
        match self {
            Way::Datagrams(way) => way.open(flags, archive),
            Way::Acknowledged(way) => way.open(flags, archive),
            #[cfg(feature = "nats")]
            Way::Published(way) => way.open(flags, archive),
        }
    }
}

/// Says that records may come.
pub(crate) fn tell(flags: &Flags, what: &str, place: &str) {
    if !flags.quiet {
        let out = flags.out.display();
        PROGRAM.note(format_args!(
            "waiting for {what} on {place}; records go to {out}"
        ));
    }
}
