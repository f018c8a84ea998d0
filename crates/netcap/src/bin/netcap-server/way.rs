//! The ways for records to come: what the command line asks for, and what receives them.

use std::sync::Arc;

use netcap_remote::reliable::Event;
use netcap_remote::{Archive, Error};
use netcap_shell::Failure;

use crate::acknowledged::Acknowledged;
use crate::datagrams::Datagrams;
use crate::flags::Flags;
#[cfg(feature = "nats")]
use crate::published::Published;
use crate::snapshot::Snapshot;
use crate::status::Status;

/// What receives records, until it is stopped.
pub(crate) trait Receiver {
    /// Adds what it knows at this moment.
    fn add_to(&self, snapshot: &mut Snapshot);

    /// What has kept records from the disk since this was last asked.
    fn trouble(&mut self) -> Option<Error> {
        None
    }

    /// What happened to connections since this was last asked.
    fn events(&mut self) -> Vec<Event> {
        Vec::new()
    }

    /// What else a person may want to know since this was last asked, a line each.
    fn news(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Why it has ended by itself, if it has.
    fn failure(&self) -> Option<Failure> {
        None
    }

    /// Ends, adds the last of what it knows, and gives what happened meanwhile; what was received is on the
    /// disk then, unless that failed.
    fn stop(self: Box<Self>, snapshot: &mut Snapshot) -> (Vec<Event>, Result<(), Failure>);
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
        let acknowledged = flags
            .reliable
            .then(|| Acknowledged::new(flags))
            .transpose()?;
        let mut ways = Vec::new();
        if flags.privkey.is_some() || !flags.reliable {
            let enrolment = acknowledged.as_ref().map(Acknowledged::enrolment);
            ways.push(Way::Datagrams(Datagrams::new(flags, enrolment)?));
        }
        ways.extend(acknowledged.map(Way::Acknowledged));
        Ok(ways)
    }

    /// Begins to receive.
    pub(crate) fn open(
        self,
        flags: &Flags,
        archive: &Arc<Archive>,
        status: &Status,
    ) -> Result<Box<dyn Receiver>, Failure> {
        match self {
            Way::Datagrams(way) => way.open(flags, archive, status),
            Way::Acknowledged(way) => way.open(flags, archive, status),
            #[cfg(feature = "nats")]
            Way::Published(way) => way.open(flags, archive, status),
        }
    }
}

/// Says where it waits for whom.
pub(crate) fn tell(status: &Status, flags: &Flags, what: &str, place: String) {
    let out = flags.out.display().to_string();
    let event = format!("waiting for {what}");
    status.tell("info", &event, &[("address", place), ("out", out)]);
}
