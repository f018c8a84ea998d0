//! Where collectors connect, and what they may cost.

use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};

use netcap_agent::LENGTH;
use netcap_capture::pcap_over_ip::{ConnectError, Listener};
use netcap_relay::{Limits, Outlets, QueueLimits};
use netcap_shell::{Failure, descriptors};

use crate::PROGRAM;
use crate::flags::{Flags, own};

/// Records in a segment. With the 12 octets of TCP's time stamps that is what fits an Ethernet frame.
const RECORDS: u32 = 50;
const TIME_STAMPS: u32 = 12;

/// Descriptors that are not of collectors: of interfaces, the log, metrics, libpcap.
const DESCRIPTORS: usize = 64;

/// Octets that are held at most: by the program itself, for each record that waits, for each collector
/// and for each record that waits for it.
const ITSELF: u64 = 48 << 20;
const PER_RECORD: u64 = 160;
const PER_COLLECTOR: u64 = 64 << 10;
const PER_WAITING: u64 = 8;

/// Where collectors connect.
pub(crate) fn outlets(flags: &Flags) -> Result<Outlets, Failure> {
    let wanted = flags.max_clients.saturating_add(DESCRIPTORS);
    descriptors::allow(wanted as u64);
    let listeners = flags.places()?.into_iter().map(|place| {
        let address = format!("listen://{place}").parse()?;
        let listener = Listener::bind(&address, None).map_err(unlistened)?;
        let segment = RECORDS * LENGTH as u32 + TIME_STAMPS;
        if let Err(error) = listener.limit_segments(segment) {
            PROGRAM.note(format_args!(
                "warning: {place}: segments stay as they are: {error}"
            ));
        }
        if !place.ip().is_loopback() && flags.allow.is_empty() {
            PROGRAM.note(format_args!(
                "warning: {place}: anyone who can reach it learns who talks to whom here; --listen \
                 127.0.0.1 or --allow NET narrows that"
            ));
        }
        Ok(listener)
    });
    let queue = QueueLimits {
        octets: flags.queue as usize * LENGTH,
        packets: flags.queue.into(),
        ..QueueLimits::default()
    };
    Ok(Outlets {
        listeners: listeners.collect::<Result<_, Failure>>()?,
        allow: flags.allow.clone(),
        limits: Limits {
            clients: flags.max_clients,
            per_ip: flags.max_clients,
            queue,
            ..Limits::default()
        },
        ..Outlets::default()
    })
}

/// Why collectors cannot be listened for.
fn unlistened(error: ConnectError) -> Failure {
    let code = match &error {
        ConnectError::Listen { source, .. } => match source.kind() {
            AddrInUse | AddrNotAvailable | PermissionDenied => 2,
            _ => 1,
        },
        _ => 2,
    };
    own(code, error.to_string())
}

/// Says where records go, and what that may take.
pub(crate) fn announce(flags: &Flags, outlets: &Outlets) {
    if flags.quiet {
        return;
    }
    for listener in &outlets.listeners {
        PROGRAM.note(format_args!("records at {}", listener.local_addr()));
    }
    let (queue, clients) = (u64::from(flags.queue), flags.max_clients as u64);
    let each = PER_COLLECTOR + PER_WAITING * queue;
    let most = ITSELF + PER_RECORD * queue;
    let most = most.saturating_add(each.saturating_mul(clients));
    PROGRAM.tell_ceiling(most, &["queue", "max-clients"]);
}
