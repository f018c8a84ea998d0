//! The ways for records to go: what the command line asks for, and what tells of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use netcap_pipeline::{Outlet, Registry};
use netcap_remote::reliable::Gauges;
use netcap_remote::{Batcher, Sender};
use netcap_shell::metrics::Page;
use netcap_shell::{Capture, Failure, check_directory};

use crate::acknowledged::Acknowledged;
use crate::datagrams::Datagrams;
use crate::flags::Flags;
#[cfg(feature = "nats")]
use crate::published::Published;

/// The server, as the command line describes it; nothing was sent yet.
pub(crate) enum Peer {
    Datagrams(Datagrams),
    Acknowledged(Acknowledged),
    #[cfg(feature = "nats")]
    Published(Published),
}

impl Peer {
    /// Reads keys, and looks the server up.
    pub(crate) fn new(flags: &Flags) -> Result<Peer, Failure> {
        #[cfg(feature = "nats")]
        if let Some(url) = &flags.nats.url {
            return Published::new(url, flags).map(Peer::Published);
        }
        #[cfg(not(feature = "nats"))]
        if flags.nats.url.is_some() {
            return Err(netcap_shell::NatsFlags::unavailable());
        }
        let addresses = flags.addr.resolve("-addr")?;
        match addresses.first() {
            Some(address) if !flags.reliable => {
                Datagrams::new(flags, *address).map(Peer::Datagrams)
            }
            _ => Acknowledged::new(flags).map(Peer::Acknowledged),
        }
    }

    /// Begins to send, or to connect.
    pub(crate) fn open(self, run: &Run<'_>) -> Result<Way, Failure> {
        if let Some(spool) = &run.flags.spool {
            check_directory("-spool", spool)?;
        }
        match self {
            Peer::Datagrams(peer) => peer.open(run),
            Peer::Acknowledged(peer) => peer.open(run),
            #[cfg(feature = "nats")]
            Peer::Published(peer) => peer.open(run),
        }
    }
}

/// What a way is opened for.
pub(crate) struct Run<'a> {
    pub(crate) flags: &'a Flags,
    pub(crate) registry: &'a Registry,
    pub(crate) capture: &'a Capture,
    /// What is read, if it is files.
    pub(crate) files: &'a [PathBuf],
    pub(crate) stop: &'a Arc<AtomicBool>,
}

/// How the records go, and what tells of it.
pub(crate) struct Way {
    pub(crate) outlet: Box<dyn Outlet>,
    /// Where the records go, as the summary has it.
    pub(crate) place: String,
    /// Octets of memory that it takes at most.
    pub(crate) ceiling: u64,
    /// Whether -queue decides about that.
    pub(crate) has_queue: bool,
    pub(crate) page: Box<dyn Fn(&mut Page)>,
    /// What is told at the end.
    pub(crate) account: Box<dyn Fn() -> String>,
    pub(crate) gauges: Option<Arc<Gauges>>,
}

/// A server, as the summary has it.
pub(crate) fn server(flags: &Flags) -> String {
    format!("for the server at {}", flags.addr)
}

/// The outlet of a run, before a sender.
pub(crate) fn batches(
    sender: impl Sender + 'static,
    run: &Run<'_>,
    most: usize,
    is_repeatable: bool,
) -> Box<dyn Outlet> {
    let Run { registry, stop, .. } = run;
    Box::new(Batcher::new(sender, registry, most, stop, is_repeatable))
}
